"""Warranty limits: how much a battery may be used for feeding back, as hard caps.

Makers that permit it at all cap the energy per day or the number of cycles (6 kWh per day is a published figure), and
many keep the state of charge within a window. The caps count energy **discharged through the charger**, on the AC
side; driving is not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDING_KWH = 1e-6


@dataclass(frozen=True, slots=True)
class WarrantyLimits:
    """What the maker permits; the default permits everything.

    Attributes:
        kwh_per_day: energy discharged per local day [kWh, AC side].
        kwh_per_year: energy discharged per local year [kWh, AC side].
        cycles_per_year: full equivalent cycles of discharging per local year.
        soc_min: lowest state of charge to which feeding back may go.
        soc_max: highest state of charge that charging for it may reach.
    """

    kwh_per_day: float = math.inf
    kwh_per_year: float = math.inf
    cycles_per_year: float = math.inf
    soc_min: float = 0.0
    soc_max: float = 1.0

    def __post_init__(self) -> None:
        for name in ("kwh_per_day", "kwh_per_year", "cycles_per_year"):
            if not getattr(self, name) >= 0.0:
                msg = f"warranty: {name} must be at least 0, not {getattr(self, name)}"
                raise DomainError(msg)
        if not 0.0 <= self.soc_min < self.soc_max <= 1.0:
            msg = f"warranty: needs 0 ≤ soc_min < soc_max ≤ 1, not {self.soc_min} and {self.soc_max}"
            raise DomainError(msg)

    def year_kwh(self, capacity_kwh: float) -> float:
        """The tighter of the two yearly caps [kWh, AC side]."""
        return min(self.kwh_per_year, self.cycles_per_year * capacity_kwh)

    def window_kwh(self, capacity_kwh: float) -> tuple[float, float]:
        """Floor and ceiling of stored energy [kWh]: the planner's ``energy_min_kwh`` and ``energy_max_kwh``."""
        return self.soc_min * capacity_kwh, self.soc_max * capacity_kwh

    def allowance_kwh(self, capacity_kwh: float, today_kwh: float, year_kwh: float) -> float:
        """Energy that may still be discharged today [kWh, AC side].

        Args:
            capacity_kwh: usable capacity of the new battery [kWh].
            today_kwh: discharged since local midnight [kWh, AC side].
            year_kwh: discharged since the begin of the local year, today included [kWh, AC side].

        >>> WarrantyLimits(kwh_per_day=6.0, cycles_per_year=50).allowance_kwh(60.0, 4.5, 2999.0)
        1.0
        """
        for name, value in (("capacity_kwh", capacity_kwh), ("today_kwh", today_kwh), ("year_kwh", year_kwh)):
            if not (math.isfinite(value) and value >= 0.0):
                msg = f"warranty: {name} must be finite and at least 0, not {value}"
                raise DomainError(msg)
        return max(0.0, min(self.kwh_per_day - today_kwh, self.year_kwh(capacity_kwh) - year_kwh))


@dataclass(frozen=True, slots=True)
class Breach:
    """One cap that a profile exceeds.

    Attributes:
        limit: name of the limit, as in :class:`WarrantyLimits`.
        period: the day (ordinal), the year, or the row from 0 at which it happened.
        found: what was used or reached.
        allowed: what the warranty permits.
    """

    limit: str
    period: int
    found: float
    allowed: float


def breaches(
    limits: WarrantyLimits,
    *,
    power_kw: Floats,
    soc: Floats,
    step_h: float,
    capacity_kwh: float,
    day: Ints,
    year: Ints,
) -> tuple[Breach, ...]:
    """Checks a profile against the caps.

    Args:
        limits: the caps.
        power_kw: power at the charger, negative discharges, shape ``(T,)`` [kW, AC side].
        soc: state of charge at the end of each step, shape ``(T,)``.
        step_h: length of a step [h].
        capacity_kwh: usable capacity of the new battery [kWh].
        day: local day of each step (ordinal), shape ``(T,)``.
        year: local year of each step, shape ``(T,)``.

    Returns:
        All breaches: days first, then years, then the first row below and above the window. A step breaches the
        floor only while it discharges, and the ceiling only while it charges.

    Raises:
        DomainError: shapes that differ, NaN, a step or capacity not above 0.
    """
    shapes = {array.shape for array in (power_kw, soc, day, year)}
    if len(shapes) != 1 or power_kw.ndim != 1 or not (np.isfinite(power_kw).all() and np.isfinite(soc).all()):
        msg = "power_kw, soc, day and year must be of one length, with finite numbers"
        raise DomainError(msg)
    if not (step_h > 0.0 and capacity_kwh > 0.0):
        msg = f"step_h and capacity_kwh must be above 0, not {step_h} and {capacity_kwh}"
        raise DomainError(msg)
    out = np.maximum(0.0, -power_kw) * step_h
    found = _sums("kwh_per_day", out, day, limits.kwh_per_day)
    found += _sums("kwh_per_year", out, year, limits.kwh_per_year)
    found += _sums("cycles_per_year", out / capacity_kwh, year, limits.cycles_per_year)
    for name, bad, bound in (
        ("soc_min", (soc < limits.soc_min - 1e-9) & (power_kw < 0.0), limits.soc_min),
        ("soc_max", (soc > limits.soc_max + 1e-9) & (power_kw > 0.0), limits.soc_max),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            found.append(Breach(name, row, float(soc[row]), bound))
    return tuple(found)


def _sums(name: str, used: Floats, period: Ints, cap: float) -> list[Breach]:
    if not math.isfinite(cap) or used.size == 0:
        return []
    keys, place = np.unique(period, return_inverse=True)
    totals = np.bincount(place, weights=used)
    over = np.flatnonzero(totals > cap + _ROUNDING_KWH)
    return [Breach(name, int(keys[i]), float(totals[i]), cap) for i in over]
