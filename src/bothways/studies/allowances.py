"""What the makers still permit: counts what each battery has fed back since midnight and since the year began."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bothways.battery.warranty import WarrantyLimits
from bothways.dispatch.budgets import NONE, Caps, DischargeBudgets
from bothways.domain.timegrid import TimeGrid
from bothways.simulation.stays import Stays
from bothways.studies.ageing import Batteries
from bothways.studies.inputs import StudyInputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAYS_PER_YEAR = 365.25


class Allowances:
    """Caps of all batteries of a study, and what they have used. Local days of 23 and 25 hours are days like others.

    A cap per year counts for each local year of the study in proportion to the days that the study has in it, so that
    a month does not use up what a year allows.
    """

    def __init__(self, limits: WarrantyLimits, batteries: Batteries, grid: TimeGrid) -> None:
        self._grid, self._batteries = grid, batteries
        self.per_day = np.full(batteries.count, limits.kwh_per_day)
        year_kwh = np.array([limits.year_kwh(float(capacity)) for capacity in batteries.capacity_kwh])
        self._year_kwh = year_kwh
        self._day = np.asarray(grid.local.date_ordinal, dtype=np.int64)
        self._year = np.asarray(grid.local.year, dtype=np.int64)
        self.today, self.this_year = np.zeros(batteries.count), np.zeros(batteries.count)
        self._after_midnight = after_midnight(grid)
        self._tomorrow = np.zeros(batteries.count)
        self._now = 0
        self.reached: set[tuple[int, int]] = set()

    def per_year(self, year: int) -> Floats:
        """Cap of a local year, as far as the study reaches into it, shape ``(V,)`` [kWh, AC side]."""
        days = np.unique(self._day[self._year == year]).shape[0]
        return np.asarray(self._year_kwh * min(1.0, days / _DAYS_PER_YEAR))

    def advance(self, now: int) -> None:
        """Goes to a step: counters begin anew at midnight and at the turn of the year.

        What flowed after midnight in the step before belongs to the new day.
        """
        if self._year[now] != self._year[self._now]:
            self.this_year[:] = self._tomorrow
        if self._day[now] != self._day[self._now]:
            self.today[:] = self._tomorrow
            self._tomorrow[:] = 0.0
        self._now = now

    def caps(self, stays: Ints, extra: int) -> Caps:
        """Caps of the batteries of ``stays``, and none for ``extra`` rows after them.

        Rows of one battery (a vehicle that the data has at two chargers) share what it may.
        """
        who = self._batteries.of_stay[stays]
        rows = np.bincount(who, minlength=self._batteries.count)[who]
        per_year = self.per_year(int(self._year[self._now]))
        endless, none = np.full(extra, np.inf), np.zeros(extra)
        return Caps(
            np.append(self.per_day[who] / rows, endless),
            np.append(per_year[who] / rows, endless),
            np.append(self.today[who] / rows, none),
            np.append(self.this_year[who] / rows, none),
        )

    def ahead(self, caps: Caps, steps: int) -> tuple[DischargeBudgets, ...]:
        """Budgets of a plan over the next ``steps`` steps."""
        span = slice(self._now, self._now + steps)
        return caps.ahead(self._day[span], self._year[span])

    def use(self, stays: Ints, discharged_kwh: Floats) -> None:
        """Counts what ``stays`` fed back in this step [kWh, AC side]."""
        who = self._batteries.of_stay[stays]
        np.add.at(self.today, who, discharged_kwh)
        np.add.at(self.this_year, who, discharged_kwh)
        np.add.at(self._tomorrow, who, discharged_kwh * self._after_midnight[self._now])
        full = np.unique(who[(discharged_kwh > 0.0) & (self.today[who] >= self.per_day[who] - 1e-6)])
        self.reached.update((int(v), int(self._day[self._now])) for v in full)


def after_midnight(grid: TimeGrid) -> Floats:
    """Share of each step that lies after the local midnight that it contains, shape ``(T,)``; 0 for all other steps.

    A grid whose steps begin at midnight has none; clocks that change by half an hour make hourly steps straddle it.
    """
    local = grid.local
    into_day = local.hour * 3600.0 + local.minute * 60.0
    share = np.zeros(grid.periods)
    turns = local.date_ordinal[1:] != local.date_ordinal[:-1]
    share[:-1] = np.where(turns, into_day[1:] / grid.step_s, 0.0)
    return np.minimum(share, 1.0)


def whole_period(
    inputs: StudyInputs, limits: WarrantyLimits, batteries: Batteries, inside: NDArray[np.bool_], window: slice,
    extra: int,
) -> tuple[DischargeBudgets, ...]:  # fmt: skip
    """Budgets of a plan of a window of the period that knows the future; stays of a battery share its days.

    Args:
        inputs: the study.
        limits: caps.
        batteries: which stays belong together.
        inside: stays in the plan, ``(S,)``.
        window: its steps.
        extra: rows without a cap after the stays (the stationary battery).
    """
    found = []
    owner = batteries.of_stay[inside]
    local = inputs.grid.local
    book = Allowances(limits, batteries, inputs.grid)
    years = np.asarray(local.year, dtype=np.int64)
    if np.isfinite(limits.kwh_per_day):
        days, place = np.unique(local.date_ordinal[window], return_inverse=True)
        left = np.full(batteries.count * days.shape[0], limits.kwh_per_day)
        found.append(DischargeBudgets(_group(owner, place, days.shape[0], extra), left))
    if np.isfinite(limits.year_kwh(1.0)):
        seen, place = np.unique(years[window], return_inverse=True)
        share = [(years[window] == year).sum() / (years == year).sum() for year in seen]
        caps = np.stack([book.per_year(int(year)) * part for year, part in zip(seen, share, strict=True)], axis=1)
        found.append(DischargeBudgets(_group(owner, place, seen.shape[0], extra), caps.reshape(-1)))
    return tuple(found)


def _group(owner: Ints, place: NDArray[np.intp], count: int, extra: int) -> NDArray[np.int32]:
    group = (owner[:, None] * count + place[None, :]).astype(np.int32)
    return np.concatenate([group, np.full((extra, place.shape[0]), NONE, dtype=np.int32)])


def floor_kwh(limits: WarrantyLimits | None, stays: Stays, who: Ints, energy_kwh: Floats) -> Floats:
    """Floor of feeding back: the driver's, and the window's as far as the battery holds that much, ``(N,)`` [kWh].

    The window's floor never makes a vehicle charge; it only keeps it from discharging further.
    """
    own = stays.floor_kwh[who]
    if limits is None:
        return own
    return np.asarray(np.maximum(own, np.minimum(limits.soc_min * stays.capacity_kwh[who], energy_kwh)))


def ceiling_kwh(limits: WarrantyLimits | None, stays: Stays, who: Ints, ceiling: Floats, need: Floats) -> Floats:
    """Ceiling of charging: the window's, but never below what the driver is owed, ``(N,)`` [kWh]."""
    if limits is None:
        return ceiling
    return np.asarray(np.minimum(ceiling, np.maximum(limits.soc_max * stays.capacity_kwh[who], need)))
