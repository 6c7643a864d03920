"""The price of wear by season and state of charge: what the optimiser is told about one kind of battery.

:func:`bothways.battery.wear.marginal_wear_per_kwh` prices one kind of cycle at one temperature. A vehicle meets other
temperatures in January than in July, and feeding back around 85 % of charge wears otherwise than around 40 %. The
table holds the price per month and per band of state of charge, for a battery of a stated age and throughput.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.battery.ageing import AgeingState, age
from bothways.battery.models import AgeingModel
from bothways.battery.wear import DRIVING_DAY, BatteryValue, Use, marginal_wear_per_kwh
from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]

BANDS = 10
"""Bands of state of charge, each a tenth."""

MONTHS = 12

DRIVEN_CYCLES = 73.0
"""Full equivalent cycles of a year in which a fifth of the charge is used a day."""

_DEEPEST = 0.6
_MOST_CYCLES = 5000.0
_OLDEST = 40.0
_STRIDE_YEARS, _FINE_YEARS = 0.5, 1.0 / 365.0


@dataclass(frozen=True, eq=False)
class WearTable:
    """Price of wear of one kind of battery.

    Attributes:
        per_kwh: price by month (January first) and band of state of charge (lowest first), shape ``(12, 10)``
            [currency/kWh discharged, AC side].
    """

    per_kwh: Floats

    def __post_init__(self) -> None:
        good = self.per_kwh.shape == (MONTHS, BANDS) and bool(np.isfinite(self.per_kwh).all())
        if not good or bool((self.per_kwh < 0.0).any()):
            msg = f"a table of wear needs {MONTHS} × {BANDS} finite prices of at least 0"
            raise DomainError(msg)

    @classmethod
    def flat(cls, per_kwh: float) -> WearTable:
        """One price for every season and state of charge."""
        return cls(np.full((MONTHS, BANDS), per_kwh))

    def at(self, month: ArrayLike, soc: ArrayLike) -> Floats:
        """Prices of vehicles, shapes broadcast [currency/kWh discharged].

        Args:
            month: local month, 1…12.
            soc: state of charge around which the vehicle would be cycled; below 0 and above 1 count as 0 and 1.

        Raises:
            DomainError: a month outside 1…12, or a state of charge that is no number.

        >>> WearTable.flat(0.03).at([1, 7], [0.2, 1.0]).tolist()
        [0.03, 0.03]
        """
        months, levels = np.asarray(month, dtype=np.int64), np.asarray(soc, dtype=np.float64)
        if bool(((months < 1) | (months > MONTHS)).any()) or bool(np.isnan(levels).any()):
            msg = "a price of wear needs a month of 1…12 and a state of charge"
            raise DomainError(msg)
        band = np.minimum((np.clip(levels, 0.0, 1.0) * BANDS).astype(np.int64), BANDS - 1)
        return np.asarray(self.per_kwh[months - 1, band])

    def price(self, month: int, soc: float) -> float:
        """The price of one vehicle, as :meth:`at`."""
        return float(self.at(month, soc))


def driven_state(
    model: AgeingModel, *, age_years: float, cycles_per_year: float = DRIVEN_CYCLES, temperature_c: float = 20.0
) -> AgeingState:
    """A battery that has been driven: charged to 80 % every day, with so many full equivalent cycles a year.

    Args:
        model: the cell.
        age_years: age [years]; 0 for a new battery.
        cycles_per_year: throughput [full equivalent cycles per year].
        temperature_c: mean temperature of the cells [°C].

    Raises:
        DomainError: an age below 0 or above 40 years, or cycles outside 0…5000 a year.

    >>> from bothways.battery.models import MODELS
    >>> state = driven_state(MODELS["lfp-sony"], age_years=3.0, cycles_per_year=300.0)
    >>> round(float(state.full_equivalent_cycles[0]))
    900
    """
    if not (0.0 <= age_years <= _OLDEST and 0.0 <= cycles_per_year <= _MOST_CYCLES):
        msg = f"a battery's age lies in 0…40 years and its cycles in 0…{_MOST_CYCLES:g} a year"
        raise DomainError(msg)
    if age_years == 0.0:
        return AgeingState.new(model)
    profile, step_h = _driving(cycles_per_year)
    return age(
        model, profile, step_h, temperature_c, capacity_kwh=1.0, years=age_years, every_years=age_years
    ).state  # fmt: skip


def driven_to(
    model: AgeingModel, health: float, *, cycles_per_year: float = DRIVEN_CYCLES, temperature_c: float = 20.0
) -> AgeingState:
    """A battery that such driving has worn to a state of health, whatever its age.

    A record tells how much is left, and not how much of the loss came with time and how much with use: it is shared as
    by this driving. A law that does not come down to it within 40 years is taken as it is then.

    Args:
        model: the cell.
        health: remaining of new capacity, above 0; 1 and above is a new battery.
        cycles_per_year: throughput [full equivalent cycles per year].
        temperature_c: mean temperature of the cells [°C].

    Raises:
        DomainError: a state of health that is not above 0, or cycles outside 0…5000 a year.

    >>> from bothways.battery.models import MODELS
    >>> state = driven_to(MODELS["nca-panasonic"], 0.9)
    >>> 4.0 < float(state.years[0]) < 5.5
    True
    """
    if not (0.0 < health < math.inf and 0.0 <= cycles_per_year <= _MOST_CYCLES):
        msg = f"a state of health lies above 0 and cycles in 0…{_MOST_CYCLES:g} a year, not {health}, {cycles_per_year}"
        raise DomainError(msg)
    profile, step_h = _driving(cycles_per_year)

    def on(state: AgeingState, years: float) -> tuple[AgeingState, float]:
        found = age(
            model, profile, step_h, temperature_c, capacity_kwh=1.0, years=years, every_years=years, state=state
        )  # fmt: skip
        return found.state, float(found.capacity_fraction[-1])

    before, (state, left) = AgeingState.new(model), (AgeingState.new(model), 1.0)
    for _ in range(round(_OLDEST / _STRIDE_YEARS)):
        if left <= health:
            break
        before, (state, left) = state, on(state, _STRIDE_YEARS)
    if left > health or health >= 1.0:
        return state
    low, high = 0.0, _STRIDE_YEARS
    while high - low > _FINE_YEARS:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if on(before, middle)[1] > health else (low, middle)
    return on(before, high)[0]


def _driving(cycles_per_year: float) -> tuple[Floats, float]:
    """The day of driving with so many cycles a year, as state of charge, and its step [h]."""
    daily = cycles_per_year / 365.0
    times = max(1, math.ceil(daily / _DEEPEST))
    shape = (0.8 - DRIVING_DAY) / 0.2  # 0 at the top of the day's cycle, 1 at its bottom
    return np.tile(0.8 - shape * daily / times, times), 1.0 / times


def wear_table(
    models: Sequence[AgeingModel],
    value: BatteryValue,
    *,
    temperature_c: Sequence[float],
    discharge_efficiency: float = 1.0,
    age_years: float = 2.0,
    cycles_per_year: float = DRIVEN_CYCLES,
    health: float | None = None,
) -> WearTable:
    """Prices wear by month and state of charge; of several cells the middle price, season by season and band by band.

    Args:
        models: the cells that it may be; one where it is known.
        value: what the battery is worth.
        temperature_c: temperature of the cells, one number per month, January first [°C].
        discharge_efficiency: AC energy per stored energy.
        age_years: age of the battery [years].
        cycles_per_year: its throughput so far [full equivalent cycles per year].
        health: remaining of new capacity as its record tells; the age does not count then.

    Raises:
        DomainError: no cell, other than twelve temperatures, or values out of range.

    >>> from bothways.battery.models import MODELS
    >>> table = wear_table([MODELS["lfp-250ah"]], BatteryValue(120.0, 40.0), temperature_c=[0.0] * 6 + [30.0] * 6)
    >>> bool(table.at(1, 0.5) > table.at(7, 0.5) > 0.0)  # this cell is worn more by cycles in the cold
    True
    """
    if not models or len(temperature_c) != MONTHS:
        msg = f"a table of wear needs a cell at least and {MONTHS} temperatures, one per month"
        raise DomainError(msg)
    mean = float(np.mean(temperature_c))
    prices = np.empty((len(models), MONTHS, BANDS))
    for k, model in enumerate(models):
        if health is None:
            state = driven_state(model, age_years=age_years, cycles_per_year=cycles_per_year, temperature_c=mean)
        else:
            state = driven_to(model, health, cycles_per_year=cycles_per_year, temperature_c=mean)
        known: dict[float, Floats] = {}
        for month, celsius in enumerate(temperature_c):
            if celsius not in known:
                known[celsius] = _bands(model, state, value, float(celsius), discharge_efficiency)
            prices[k, month] = known[celsius]
    return WearTable(np.median(prices, axis=0))


def _bands(model: AgeingModel, state: AgeingState, value: BatteryValue, celsius: float, efficiency: float) -> Floats:
    """Price per band: the cycle of a night's feeding back, around the middle of the band as far as it fits."""
    usual = Use()
    half = usual.depth / 2.0
    found = np.empty(BANDS)
    for band in range(BANDS):
        middle = min(max((band + 0.5) / BANDS, half), 1.0 - half)
        use = Use(usual.depth, middle, usual.rate, celsius)
        found[band] = marginal_wear_per_kwh(model, state, value, use=use, discharge_efficiency=efficiency)[0]
    return found
