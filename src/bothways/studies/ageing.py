"""What each strategy does to the vehicles' batteries over ten years, for every cell side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.battery.models import MODELS
from bothways.battery.repeated import age_repeated
from bothways.battery.wear import BatteryValue
from bothways.simulation.rule_based import Trace
from bothways.studies.inputs import StudyInputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

YEARS = 10.0
"""How far ageing is told [years]."""

MIDDLE_YEARS = 5.0
"""The age told beside it [years]."""

MOST_BATTERIES = 200
"""Batteries that are aged at most; of larger fleets every so many-th is, in the order of their throughput."""

_TENTHS = (0.05, 0.95)
_LEAP = 0.05
_SHORT_H = 90.0 * 24.0  # in longer periods a leap a repetition is a few cycles a year and not worth twice the work


@dataclass(frozen=True)
class CellAgeing:
    """One cell under one strategy; curves have one value per age.

    Attributes:
        key: name of the cell.
        title: the cell in words.
        years: ages, from 0 [years].
        left: remaining capacity, mean over the batteries (fraction of new).
        low: remaining capacity that one battery in twenty falls below.
        high: remaining capacity that one battery in twenty exceeds.
        calendar_loss: mean fraction lost with time.
        cycle_loss: mean fraction lost with use.
        value_lost: value lost by all batteries of the fleet [currency]; ``None`` without prices.
    """

    key: str
    title: str
    years: tuple[float, ...]
    left: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    calendar_loss: tuple[float, ...]
    cycle_loss: tuple[float, ...]
    value_lost: tuple[float, ...] | None

    def at(self, age: float) -> int:
        """Place of an age in the curves."""
        return int(np.argmin(np.abs(np.asarray(self.years) - age)))


@dataclass(frozen=True)
class StrategyAgeing:
    """All cells under one strategy.

    Attributes:
        strategy: ``uncontrolled``, ``smart`` or ``bidirectional``.
        cells: in the order of :data:`bothways.battery.models.MODELS`.
        cycles_per_year: full equivalent cycles per year, driving included, mean over the batteries.
        mean_soc: mean state of charge over the period.
    """

    strategy: str
    cells: tuple[CellAgeing, ...]
    cycles_per_year: float
    mean_soc: float

    def lowest_to_highest(self, age: float) -> tuple[float, float]:
        """Remaining capacity of the worst and of the best cell at an age."""
        left = [cell.left[cell.at(age)] for cell in self.cells]
        return min(left), max(left)


@dataclass(frozen=True)
class Ageing:
    """What the strategies do to the vehicles of a case.

    Attributes:
        strategies: uncontrolled first.
        batteries: number of batteries that were aged.
        fleet: number of batteries there are.
        by_charger: batteries that stand for all unnamed vehicles of a charger.
        assumed_capacity: batteries whose capacity was assumed.
        assumed_soc: stays whose state of charge at plug-in was assumed.
        capacity_kwh: capacity of the fleet when new [kWh].
        temperature_c: of the cells [°C].
        temperature_source: who says so.
        value: what a battery is worth, or ``None``.
        value_source: who says so.
        profile_days: length of the profile that repeats [days].
    """

    strategies: tuple[StrategyAgeing, ...]
    batteries: int
    fleet: int
    by_charger: int
    assumed_capacity: int
    assumed_soc: int
    capacity_kwh: float
    temperature_c: float
    temperature_source: str
    value: BatteryValue | None
    value_source: str
    profile_days: float

    def of(self, strategy: str) -> StrategyAgeing | None:
        """One strategy, ``None`` if it was not played."""
        return next((each for each in self.strategies if each.strategy == strategy), None)

    def changes(self, strategy: str, age: float) -> tuple[float, ...]:
        """Remaining capacity above that of uncontrolled charging at an age, one fraction per cell."""
        own, reference = self.of(strategy), self.of("uncontrolled")
        if own is None or reference is None:
            return ()
        return tuple(a.left[a.at(age)] - b.left[b.at(age)] for a, b in zip(own.cells, reference.cells, strict=True))

    def extra_value_lost(self, strategy: str, age: float = YEARS) -> tuple[float, ...]:
        """Value lost above that of uncontrolled charging up to an age, all vehicles, one per cell [currency]."""
        own, reference = self.of(strategy), self.of("uncontrolled")
        if own is None or reference is None:
            return ()
        return tuple(
            a.value_lost[a.at(age)] - b.value_lost[b.at(age)]
            for a, b in zip(own.cells, reference.cells, strict=True)
            if a.value_lost is not None and b.value_lost is not None
        )


@dataclass(frozen=True)
class Batteries:
    """Which stays belong to one battery.

    Attributes:
        of_stay: battery of each stay, ``(S,)``.
        by_charger: which batteries stand for a charger's unnamed vehicles, ``(V,)``.
        capacity_kwh: usable capacity when new, ``(V,)`` [kWh].
        assumed: whose capacity was assumed, ``(V,)``.
    """

    of_stay: Ints
    by_charger: NDArray[np.bool_]
    capacity_kwh: Floats
    assumed: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Number of batteries V."""
        return int(self.capacity_kwh.shape[0])


def batteries_of(inputs: StudyInputs) -> Batteries:
    """Tells batteries apart by vehicle, and where the data names none by charger."""
    stays = inputs.stays
    places: dict[object, int] = {}
    of_stay = np.empty(stays.size, dtype=np.int64)
    for i, name in enumerate(inputs.vehicle_id):
        of_stay[i] = places.setdefault(int(stays.evse[i]) if name is None else name, len(places))
    capacity = np.zeros(len(places))
    np.maximum.at(capacity, of_stay, stays.capacity_kwh)
    known = np.zeros(len(places), dtype=np.bool_)
    if inputs.capacity_known is not None:
        np.logical_or.at(known, of_stay, inputs.capacity_known)
    return Batteries(of_stay, np.array([isinstance(key, int) for key in places]), capacity, ~known)


def soc_profiles(inputs: StudyInputs, trace: Trace, batteries: Batteries, chosen: Ints) -> Floats:
    """State of charge of batteries through the period, each beginning again where it ends.

    Between two stays the state of charge goes in a straight line from plug-out to the next plug-in, and from the last
    stay of the period to its first: where a vehicle was and when it drove then is not known.

    Args:
        inputs: the study.
        trace: what happened under a strategy.
        batteries: which stays belong together.
        chosen: batteries to tell, ``(N,)``.

    Returns:
        Shape ``(N, T)``, fraction of the new battery's usable capacity at the end of each step.
    """
    stays, periods = inputs.stays, inputs.grid.periods
    steps = np.arange(periods, dtype=np.float64)
    found = np.empty((chosen.shape[0], periods))
    order = np.argsort(batteries.of_stay, kind="stable")
    first = np.searchsorted(batteries.of_stay[order], chosen, side="left")
    last = np.searchsorted(batteries.of_stay[order], chosen, side="right")
    for n, (begin, end) in enumerate(zip(first, last, strict=True)):
        energy = np.full(periods, np.nan)
        for i in order[begin:end]:
            span = slice(int(stays.arrival[i]), int(stays.departure[i]))
            energy[span] = trace.evse_energy_kwh[stays.evse[i], span]
        for i in order[begin:end]:
            before = int(stays.arrival[i]) - 1
            if np.isnan(energy[before]):  # −1 is the last step: the period closes to a ring
                energy[before] = trace.energy_start_kwh[i]
        known = np.flatnonzero(~np.isnan(energy))
        found[n] = np.interp(steps, steps[known], energy[known], period=periods) / batteries.capacity_kwh[chosen[n]]
    return np.clip(found, 0.0, 1.0)


def choose_batteries(reference: Trace, batteries: Batteries, most: int = MOST_BATTERIES) -> Ints:
    """Batteries to age: all of them, or every so many-th in the order of the energy they charge."""
    if batteries.count <= most:
        return np.arange(batteries.count)
    charged = np.bincount(batteries.of_stay, weights=reference.charged_kwh, minlength=batteries.count)
    order = np.argsort(charged, kind="stable")
    return np.sort(order[np.round(np.linspace(0, batteries.count - 1, most)).astype(np.int64)])


def _leaps(inputs: StudyInputs, soc: Floats) -> bool:
    """Whether a short profile would leap from its end to its begin, and the leap count as a cycle of every repetition.

    A vehicle that is plugged in at both ends of the period holds another energy then, by chance. Such profiles are
    played forward and backward in turn: that has the same cycles and the same waiting, and no leap.
    """
    short = inputs.grid.periods * inputs.grid.step_h <= _SHORT_H
    return bool(short and (np.abs(soc[:, 0] - soc[:, -1]) > _LEAP).any())


def battery_values(inputs: StudyInputs, batteries: Batteries, chosen: Ints) -> list[BatteryValue] | None:
    """What each of the chosen batteries is worth, by its kind; ``None`` where some have no price."""
    if inputs.wear is None:
        return None if inputs.ageing.value is None else [inputs.ageing.value] * chosen.shape[0]
    kind = np.empty(batteries.count, dtype=np.int64)
    kind[batteries.of_stay] = inputs.wear.segment
    values = [inputs.wear.segments[k].value for k in kind[chosen]]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def age_strategy(
    inputs: StudyInputs, strategy: str, trace: Trace, batteries: Batteries, chosen: Ints
) -> StrategyAgeing:
    """Ages the chosen batteries under one strategy, with every cell that the settings name."""
    settings, step_h = inputs.ageing, inputs.grid.step_h
    celsius = settings.celsius(inputs.grid.local.month)
    soc = soc_profiles(inputs, trace, batteries, chosen)
    if _leaps(inputs, soc):
        soc, celsius = np.concatenate([soc, soc[:, ::-1]], axis=1), np.concatenate([celsius, celsius[::-1]])
    capacity = batteries.capacity_kwh[chosen]
    worth = battery_values(inputs, batteries, chosen)
    share = float(batteries.capacity_kwh.sum() / capacity.sum())
    cells = []
    for key, model in MODELS.items():
        if settings.cells and key not in settings.cells:
            continue
        result = age_repeated(model, soc, step_h, celsius, capacity_kwh=capacity, years=YEARS)
        low, high = np.quantile(result.capacity_fraction, _TENTHS, axis=0)
        lost = None
        if worth is not None:
            money = [
                value.lost(kwh, left)
                for value, kwh, left in zip(worth, capacity, result.capacity_fraction, strict=True)
            ]
            lost = _curve(share * np.sum(money, axis=0))
        cells.append(
            CellAgeing(
                key=key,
                title=model.title,
                years=_curve(result.years),
                left=_curve(result.capacity_fraction.mean(axis=0)),
                low=_curve(low),
                high=_curve(high),
                calendar_loss=_curve(result.calendar_loss.mean(axis=0)),
                cycle_loss=_curve(result.cycle_loss.mean(axis=0)),
                value_lost=lost,
            )
        )
    cycles = float(result.full_equivalent_cycles[:, -1].mean()) / YEARS
    return StrategyAgeing(strategy, tuple(cells), cycles, float(soc.mean()))


def _curve(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def ageing_of(
    inputs: StudyInputs, batteries: Batteries, chosen: Ints, strategies: tuple[StrategyAgeing, ...]
) -> Ageing:
    """Puts the strategies of a case together with what they rest on."""
    settings = inputs.ageing
    return Ageing(
        strategies=strategies,
        batteries=int(chosen.shape[0]),
        fleet=batteries.count,
        by_charger=int(batteries.by_charger.sum()),
        assumed_capacity=int(batteries.assumed.sum()),
        assumed_soc=int((~inputs.stays.target_known).sum()),
        capacity_kwh=float(batteries.capacity_kwh.sum()),
        temperature_c=settings.temperature_c,
        temperature_source=settings.temperature_source,
        value=settings.value,
        value_source=settings.value_source,
        profile_days=inputs.grid.periods * inputs.grid.step_h / 24.0,
    )
