"""Charges per kW: tiers, ratchets with their look-back, coincident peaks and contracted capacity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid, month_label
from bothways.tariffs.schedule import Calendar, Groups, calendar_of, demand_groups, within
from bothways.tariffs.structure import DemandCharges, DemandTier, Ratchet, RatchetScope, Tariff

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PriorPeaks = Sequence[float] | Mapping[str, float]
"""Peaks of the months before the first billed one [kW]: oldest first, or by month such as ``2017-12``."""

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_YEAR = 12


@dataclass(frozen=True)
class Demand:
    """Billed demand and its charges by month, shape ``(M,)``.

    Attributes:
        peak_kw: highest demand of the month [kW].
        floor_kw: floor from the ratchet [kW].
        billed_kw: greater of the two [kW].
        flat: flat demand charges [currency].
        tou: time-of-use demand charges [currency].
        coincident: charges at coincident peaks [currency].
        notes: which rules were used.
    """

    peak_kw: Floats
    floor_kw: Floats
    billed_kw: Floats
    flat: Floats
    tou: Floats
    coincident: Floats
    notes: tuple[str, ...]


def demand_charges(tariff: Tariff, grid: TimeGrid, cal: Calendar, demand_kw: Floats, prior_peaks: PriorPeaks) -> Demand:
    """Charges demand, given the mean power of the demand window of each interval [kW], shape ``(T,)``."""
    peak = np.maximum.reduceat(demand_kw, cal.month_starts)
    prior = prior_months(prior_peaks, cal.labels[0])
    floor, notes = np.zeros(cal.months), []
    if tariff.ratchet is not None:
        floor = ratchet_floors(tariff.ratchet, peak, cal.calendar_month, prior)
        notes.append(ratchet_note(tariff.ratchet, cal.months, len(prior)))
    scope = tariff.ratchet.scope if tariff.ratchet is not None else None
    flat_floor = floor if scope in {RatchetScope.FLAT, RatchetScope.BOTH} else None
    tou_floor = floor if scope in {RatchetScope.TOU, RatchetScope.BOTH} else None
    return Demand(
        peak_kw=peak,
        floor_kw=floor,
        billed_kw=np.maximum(peak, floor),
        flat=_charge(tariff.flat_demand, demand_groups(tariff, grid, "flat"), cal, demand_kw, flat_floor),
        tou=_charge(tariff.tou_demand, demand_groups(tariff, grid, "tou"), cal, demand_kw, tou_floor),
        coincident=_charge(tariff.coincident, demand_groups(tariff, grid, "coincident"), cal, demand_kw, None)
        + _windows(tariff, grid, cal, demand_kw),
        notes=tuple(notes),
    )


def _charge(charges: DemandCharges, groups: Groups, cal: Calendar, demand_kw: Floats, floor: Floats | None) -> Floats:
    total = np.zeros(cal.months)
    if not charges.periods:
        return total
    billed = groups.maxima(demand_kw)
    if floor is not None and not charges.daily:
        billed = np.maximum(billed, floor[groups.month])
    units = billed * charges.units_per_kw
    for period, tiers in enumerate(charges.periods):
        chosen = groups.period == period
        np.add.at(total, groups.month[chosen], progressive(tiers, units[chosen]))
    return total


def progressive(tiers: Sequence[DemandTier], units: Floats) -> Floats:
    """Price of demand in tiers: ``Σ_k rate_k · (min(d, max_k) − max_{k−1})⁺`` [currency], shape of ``units``."""
    cost = np.zeros(units.shape)
    low = 0.0
    for number, tier in enumerate(tiers):
        high = np.inf if number == len(tiers) - 1 else tier.max
        cost += (tier.rate + tier.adj) * np.clip(units - low, 0.0, high - low)
        low = high
    return cost


def prior_months(prior_peaks: PriorPeaks, first: str) -> list[float]:
    """Peaks of the months before ``first`` [kW], oldest first, one for each month.

    Raises:
        DomainError: a peak that is negative or not finite, a month that is not before ``first``.
    """
    if isinstance(prior_peaks, Mapping):
        by_index: dict[int, float] = {}
        for label, peak in prior_peaks.items():
            match = _MONTH.fullmatch(label)
            if match is None or label >= first:
                msg = f"prior peak of {label!r}: give a month before {first}, such as {_before(first)}"
                raise DomainError(msg)
            by_index[int(match[1]) * 12 + int(match[2]) - 1] = peak
        last = _index(first) - 1
        peaks = [by_index.get(index, 0.0) for index in range(min(by_index, default=last + 1), last + 1)]
    else:
        peaks = [float(peak) for peak in prior_peaks]
    for peak in peaks:
        if not (np.isfinite(peak) and peak >= 0.0):
            msg = f"prior peaks must be finite and at least 0 kW, not {peak}"
            raise DomainError(msg)
    return peaks


def _index(label: str) -> int:
    return int(label[:4]) * 12 + int(label[5:]) - 1


def _before(label: str) -> str:
    return month_label(_index(label) - 1)


def ratchet_floors(ratchet: Ratchet, peak_kw: Floats, calendar_month: Ints, prior: Sequence[float]) -> Floats:
    """Floor under each month's billed demand [kW], shape ``(M,)``.

    With exactly 12 months and no prior peaks the look-back wraps from January to December (the year is taken to
    repeat, as in REopt); otherwise it sees prior peaks and earlier months only, never later ones.

    Source: REopt.jl, constraints of demand look-back (NREL, 2023), for the wrapped rule.

    Args:
        ratchet: the rule.
        peak_kw: highest demand of each billed month [kW], shape ``(M,)``.
        calendar_month: 1…12, shape ``(M,)``.
        prior: peaks of the months before the first [kW], oldest first.
    """
    months = peak_kw.size
    wraps = months == _YEAR and not prior
    history = [*prior, *(float(peak) for peak in peak_kw)]
    first = len(prior)
    floors = np.zeros(months)
    for month in range(months):
        floor = 0.0
        for back in range(1, max(ratchet.previous, _YEAR - 1) + 1):
            position = (month - back) % _YEAR if wraps else first + month - back
            if position < 0:
                break
            number = (int(calendar_month[month]) - back - 1) % _YEAR + 1
            looked_at = back <= ratchet.previous if ratchet.previous else number in ratchet.months
            if looked_at:
                floor = max(floor, ratchet.percent * history[position])
            if ratchet.month_percent and back < _YEAR:
                floor = max(floor, ratchet.month_percent[int(calendar_month[month]) - 1] * history[position])
        floors[month] = floor
    return floors


def ratchet_note(ratchet: Ratchet, months: int, prior: int) -> str:
    """Says which months the look-back has seen."""
    reach = ratchet.previous or _YEAR - 1
    if months == _YEAR and prior == 0:
        return (
            "demand ratchet: 12 months and no prior peaks, so the look-back wraps around from January to December "
            "(the year is taken to repeat); a real bill takes prior peaks and never looks ahead"
        )
    if prior == 0:
        return (
            f"demand ratchet: no prior peaks, so the first {reach} month(s) look back only to the beginning of the "
            "load; never ahead"
        )
    short = "" if prior >= reach else f", although the rule looks back {reach}"
    return f"demand ratchet: looks back at the peaks of {prior} prior month(s){short}; never ahead"


@lru_cache(maxsize=8)
def coincident_windows(tariff: Tariff, grid: TimeGrid) -> tuple[tuple[int, Ints, float], ...]:
    """Coincident intervals with a price of their own: month index, members, price per billing unit."""
    cal = calendar_of(tariff, grid)
    found = []
    for window in tariff.coincident_windows:
        members = np.flatnonzero(within(window, cal.grid))
        if members.size:
            found.append((int(cal.month_of[members[0]]), members, window.per_kw))
    return tuple(found)


def _windows(tariff: Tariff, grid: TimeGrid, cal: Calendar, demand_kw: Floats) -> Floats:
    total = np.zeros(cal.months)
    for month, members, price in coincident_windows(tariff, grid):
        total[month] += price * float(demand_kw[members].max())
    return total
