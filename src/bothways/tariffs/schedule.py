"""A tariff laid over a time grid: billing month, period and window of every interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import LocalFields, TimeGrid, month_label, zone
from bothways.tariffs.holidays import holiday_ordinals
from bothways.tariffs.structure import PricedWindow, Schedule, ScheduleOverride, Tariff

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DEFAULT_WINDOW_MINUTES = 15
"""Averaging window of billed demand where the tariff states none and the data are finer."""

MOST_INTERVALS = 10_000_000
"""More intervals than this are not billed at once (a year of 5 s has 6.3 million)."""


@dataclass(frozen=True)
class Groups:
    """Intervals gathered by a key, for maxima by key.

    Attributes:
        order: indices of the intervals that belong to a group, sorted by group; shape ``(n,)``.
        starts: where each group begins in ``order``, shape ``(G,)``.
        month: billing month of each group, shape ``(G,)``.
        period: period of each group, shape ``(G,)``.
    """

    order: Ints
    starts: Ints
    month: Ints
    period: Ints

    def maxima(self, values: Floats) -> Floats:
        """Greatest value of each group, shape ``(G,)``."""
        if self.starts.size == 0:
            return np.zeros(0)
        return np.maximum.reduceat(values[self.order], self.starts)

    def members(self, group: int) -> Ints:
        """Indices of the intervals of one group."""
        end = self.starts[group + 1] if group + 1 < self.starts.size else self.order.size
        return self.order[self.starts[group] : end]


@dataclass(frozen=True)
class Calendar:
    """Where every interval lies in the tariff. ``T`` intervals, ``M`` billing months.

    The grid may be finer than the one asked for (``repeat`` intervals for each), so that no interval crosses a
    boundary of a local hour, of an override or of a demand window.

    Attributes:
        grid: the (refined) grid in the tariff's zone.
        repeat: intervals of ``grid`` for each interval of the grid asked for.
        month_of: index 0…M−1 of the billing month, shape ``(T,)``.
        month_starts: first interval of each month, shape ``(M,)``.
        labels: names of the months, such as ``2018-01``.
        calendar_month: 1…12 by month, shape ``(M,)``.
        days: local dates with data by month, shape ``(M,)``.
        complete: whether the grid covers the whole month, shape ``(M,)``.
        energy_period: shape ``(T,)``.
        demand_period: time-of-use demand period, shape ``(T,)``.
        coincident_period: shape ``(T,)``.
        adder: added to the energy price by month and events [currency/kWh], shape ``(T,)``.
        fixed_price: energy price set by an event [currency/kWh], NaN elsewhere; ``None`` without such events.
        window_of: clock-aligned demand window of each interval; ``None`` where interval and window are the same.
        day_of: index of the local date, shape ``(T,)``.
        window_minutes: demand window that is billed [min].
    """

    grid: TimeGrid
    repeat: int
    month_of: Ints
    month_starts: Ints
    labels: tuple[str, ...]
    calendar_month: Ints
    days: Floats
    complete: Bools
    energy_period: Ints
    demand_period: Ints
    coincident_period: Ints
    adder: Floats
    fixed_price: Floats | None
    window_of: Ints | None
    day_of: Ints
    window_minutes: float

    @property
    def months(self) -> int:
        """Number of billing months M."""
        return len(self.labels)

    def by_month(self, values: Floats) -> Floats:
        """Sums of ``values`` of shape ``(T,)`` by month, shape ``(M,)``."""
        return np.add.reduceat(values, self.month_starts)

    def spread(self, values: Floats) -> Floats:
        """Repeats values of the grid asked for onto the refined grid."""
        return values if self.repeat == 1 else np.repeat(values, self.repeat)

    @cached_property
    def hour_of(self) -> Ints:
        """Index of the clock hour of each interval, shape ``(T,)``."""
        return clock_windows(self.grid, 3600)

    def window_means(self, power_kw: Floats) -> Floats:
        """Mean power of the demand window that each interval lies in [kW], shape ``(T,)``."""
        if self.window_of is None:
            return power_kw
        means = np.bincount(self.window_of, weights=power_kw) / np.maximum(np.bincount(self.window_of), 1)
        return np.asarray(means[self.window_of], dtype=np.float64)


@lru_cache(maxsize=8)  # a year of 5 minutes holds some 10 MB
def calendar_of(tariff: Tariff, grid: TimeGrid) -> Calendar:
    """Lays ``tariff`` over ``grid``; the result is kept for the next call with equal arguments."""
    if tariff.timezone is not None and tariff.timezone != grid.tz:
        grid = replace(grid, tz=tariff.timezone)
    window = tariff.demand_window_minutes or DEFAULT_WINDOW_MINUTES
    repeat = _repeat(tariff, grid, window)
    if repeat > 1:
        grid = TimeGrid(grid.start, grid.step / repeat, grid.periods * repeat, grid.tz)
    local = grid.local
    index, month_starts, month_of = np.unique(local.month_index, return_index=True, return_inverse=True)
    weekend = _weekend(tariff, local)
    energy = _periods(tariff.energy_schedule, local, weekend)
    demand = _periods(tariff.tou_demand_schedule, local, weekend)
    for override in tariff.overrides:
        inside = _inside(override, local, weekend)
        energy = energy if override.energy_period is None else np.where(inside, override.energy_period, energy)
        demand = demand if override.demand_period is None else np.where(inside, override.demand_period, demand)
    adder, fixed_price = _event_prices(tariff, grid)
    dates, day_of = np.unique(local.date_ordinal, return_inverse=True)
    window_of = None
    if grid.step_s < window * 60:
        window_of = clock_windows(grid, window * 60)
    return Calendar(
        grid=grid,
        repeat=repeat,
        month_of=month_of,
        month_starts=month_starts,
        labels=tuple(month_label(int(month)) for month in index),
        calendar_month=index % 12 + 1,
        days=np.bincount(month_of[np.searchsorted(local.date_ordinal, dates)], minlength=index.size).astype(np.float64),
        complete=_complete(grid, index),
        energy_period=energy,
        demand_period=demand,
        coincident_period=np.array(tariff.coincident_schedule, dtype=np.int64)[local.month - 1, local.hour],
        adder=adder,
        fixed_price=fixed_price,
        window_of=window_of,
        day_of=day_of,
        window_minutes=max(window, grid.step_s / 60.0) if window_of is None else float(window),
    )


def clock_windows(grid: TimeGrid, span_s: int) -> Ints:
    """Index of the window of ``span_s`` seconds of local clock time (at most 3600) that each interval lies in.

    Only the part of the offset below the window's length counts, so that the hour that the clock repeats in autumn
    stays two windows.
    """
    _, index = np.unique((grid.epoch_s + grid.utc_offset_s % span_s) // span_s, return_inverse=True)
    return np.asarray(index, dtype=np.int64)


def _repeat(tariff: Tariff, grid: TimeGrid, window_minutes: int) -> int:
    """Into how many parts intervals are split so that none crosses a boundary that matters."""
    step = grid.step_s
    offset = int(grid.utc_offset_s[0])
    finest = math.gcd(step, 3600, (grid.start_s + offset) % 3600)
    for change in np.unique(grid.utc_offset_s):  # zones whose clock changes by half an hour
        finest = math.gcd(finest, (int(change) - offset) % 3600)
    for override in tariff.overrides:
        finest = math.gcd(finest, override.start.minute * 60, override.end.minute * 60)
    for window in (*tariff.events, *tariff.coincident_windows):
        for moment in (window.start, window.end):
            into = int(_epoch_s(moment, grid)) - grid.start_s
            if 0 < into < step * grid.periods:
                finest = math.gcd(finest, into)
    if step < window_minutes * 60:
        finest = math.gcd(finest, window_minutes * 60)
    if grid.periods * (step // finest) > MOST_INTERVALS:
        msg = (
            f"a step of {step} s from {grid.start.isoformat()} would have to be split into steps of {finest} s to meet "
            "the tariff's boundaries: resample the load to whole minutes, such as 15 min from the full hour"
        )
        raise DomainError(msg)
    return step // finest


def _weekend(tariff: Tariff, local: LocalFields) -> Bools:
    weekend = local.weekday >= 5
    ordinals = holiday_ordinals(tariff.holidays, int(local.year[0]), int(local.year[-1]))
    if ordinals:
        weekend |= np.isin(local.date_ordinal, np.fromiter(ordinals, dtype=np.int64))
    return weekend


def _periods(schedule: Schedule, local: LocalFields, weekend: Bools) -> Ints:
    both = np.array((schedule.weekday, schedule.weekend), dtype=np.int64)
    return both[weekend.astype(np.int64), local.month - 1, local.hour]


def _inside(override: ScheduleOverride, local: LocalFields, weekend: Bools) -> Bools:
    """Intervals in which an override holds; both its season and its time of day may run over their ends."""
    day = local.month * 100 + local.day
    first, last = (month * 100 + number for month, number in (override.first, override.last))
    in_season = (day >= first) & (day <= last) if first <= last else (day >= first) | (day <= last)
    minute = local.hour * 60 + local.minute
    begin = override.start.hour * 60 + override.start.minute
    end = (override.end.hour * 60 + override.end.minute) or 1440
    in_hours = (minute >= begin) & (minute < end) if begin < end else (minute >= begin) | (minute < end)
    right_day = np.ones_like(weekend) if override.days == "all" else weekend == (override.days == "weekend")
    return in_season & in_hours & right_day


def _event_prices(tariff: Tariff, grid: TimeGrid) -> tuple[Floats, Floats | None]:
    adder = np.zeros(grid.periods)
    if tariff.month_adj:
        adder += np.array(tariff.month_adj)[grid.local.month - 1]
    fixed: Floats | None = None
    for event in tariff.events:
        inside = within(event, grid)
        adder[inside] += event.adder
        if event.price is not None:
            fixed = np.full(grid.periods, np.nan) if fixed is None else fixed
            fixed[inside] = event.price
    return adder, fixed


def within(window: PricedWindow, grid: TimeGrid) -> Bools:
    """Which intervals of ``grid`` begin inside the window, shape ``(T,)``; naive instants are in the grid's zone."""
    begin, end = (_epoch_s(moment, grid) for moment in (window.start, window.end))
    return (grid.epoch_s >= begin) & (grid.epoch_s < end)


def _epoch_s(moment: datetime, grid: TimeGrid) -> float:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone(grid.tz))
    return aware.astimezone(UTC).timestamp()


def _complete(grid: TimeGrid, index: Ints) -> Bools:
    """Only the first and the last month can be cut off: whether local months begin and end with the grid."""
    complete = np.ones(index.size, dtype=np.bool_)
    begin, end = (_at_month_start(moment, grid.tz) for moment in (grid.start, grid.end))
    complete[0] &= begin
    complete[-1] &= end
    return complete


def _at_month_start(moment: datetime, tz: str) -> bool:
    local = moment.astimezone(zone(tz))
    return (local.day, local.hour, local.minute, local.second) == (1, 0, 0, 0)


@lru_cache(maxsize=24)
def demand_groups(tariff: Tariff, grid: TimeGrid, kind: str) -> Groups:
    """Groups of intervals whose highest demand is charged together, for ``flat``, ``tou`` or ``coincident``.

    One group for each month and period, or for each local day and period where demand is charged daily.
    """
    cal = calendar_of(tariff, grid)
    charges = {"flat": tariff.flat_demand, "tou": tariff.tou_demand, "coincident": tariff.coincident}[kind]
    if not charges.periods:
        return _group(cal, np.zeros(0, dtype=np.int64), np.zeros(cal.month_of.size, dtype=np.int64), daily=False)
    period = {
        "flat": np.array(tariff.flat_demand_months, dtype=np.int64)[cal.grid.local.month - 1],
        "tou": cal.demand_period,
        "coincident": cal.coincident_period,
    }[kind]
    return _group(cal, np.arange(cal.month_of.size), period, daily=charges.daily)


def _group(cal: Calendar, members: Ints, period: Ints, *, daily: bool) -> Groups:
    outer = cal.day_of if daily else cal.month_of
    key = (outer * (int(period.max(initial=0)) + 1) + period)[members]
    order = members[np.argsort(key, kind="stable")]
    starts = np.flatnonzero(np.diff(np.sort(key), prepend=-1))
    return Groups(order, starts, cal.month_of[order[starts]], period[order[starts]])
