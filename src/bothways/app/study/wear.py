"""What a scenario says of wear: one price for the fleet, and where it names cells or seasons one price per stay."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bothways.app.study.vehicles import Vehicles
from bothways.battery.models import MODELS
from bothways.battery.wear import BatteryValue, aged_wear_per_kwh, resting_price_per_kwh_h
from bothways.battery.wear_table import WearTable, wear_table
from bothways.domain.errors import Problems
from bothways.domain.timegrid import TimeGrid
from bothways.studies.inputs import Assumption, BatterySegment, VehicleWear
from bothways.studies.scenario import Scenario
from bothways.studies.scenario_vehicles import SegmentPart

OTHERS = "all other vehicles"
FLEET = "all vehicles"


def fleet_value(scenario: Scenario) -> BatteryValue | None:
    """What a vehicle's battery is worth where no segment says otherwise."""
    part = scenario.ageing
    if part.replacement_per_kwh is None:
        return None
    return BatteryValue(part.replacement_per_kwh, part.residual_per_kwh, part.end_of_life)


def fleet_wear_per_kwh(scenario: Scenario) -> float:
    """Price of wear [currency/kWh discharged]: as given, or the marginal one of a cell or of the middle one."""
    part, car, value = scenario.ageing, scenario.vehicles, fleet_value(scenario)
    if part.wear_from == "none" or value is None:
        return car.wear_per_kwh
    return median(
        aged_wear_per_kwh(
            MODELS[key], value, temperature_c=part.temperature_c, discharge_efficiency=car.discharge_efficiency
        )
        for key in _cells(scenario, part.wear_from)
    )


def resting_per_kwh_h(scenario: Scenario) -> float:
    """The credit for parking low that the plans count [currency/kWh/h]: of one cell, or of the middle one."""
    part, value = scenario.ageing, fleet_value(scenario)
    if part.park_low == "none" or value is None:
        return 0.0
    keys = _cells(scenario, part.park_low)
    mean_c = float(np.mean(part.by_month_c))
    return median(resting_price_per_kwh_h(MODELS[key], value, temperature_c=mean_c) for key in keys)


def _cells(scenario: Scenario, name: str) -> list[str]:
    """The cells that ``median`` or a cell's name stands for."""
    return (scenario.ageing.cells or list(MODELS)) if name == "median" else [name]


@dataclass(frozen=True)
class _Kind:
    segment: BatterySegment
    table: WearTable


def vehicle_wear(scenario: Scenario, vehicles: Vehicles, grid: TimeGrid, at: str) -> VehicleWear | None:
    """Prices every stay by its battery's kind, the month of its arrival and the state of charge at plug-in.

    Args:
        scenario: with ``[[vehicles.segment]]``, ``[ageing] wear_from``, or neither.
        vehicles: the stays with their vehicles' names.
        grid: the study's period.
        at: name of the file, for messages.

    Returns:
        The prices; ``None`` where one number of the scenario holds for all.

    Raises:
        InputError: patterns that no vehicle or charger of the study has.
    """
    parts = scenario.vehicles.segment
    if not parts and scenario.ageing.wear_from == "none":
        return None
    kinds = [*(_segment(scenario, part) for part in parts), _rest(scenario)]
    stays = vehicles.stays
    of_stay = _members(parts, vehicles, at)
    month = grid.local.month[stays.arrival]
    soc = stays.energy_kwh / stays.capacity_kwh
    per_kwh = np.empty(stays.size)
    for k, kind in enumerate(kinds):
        own = of_stay == k
        per_kwh[own] = kind.table.at(month[own], soc[own])
    return VehicleWear(per_kwh, of_stay, tuple(kind.segment for kind in kinds))


def _members(parts: list[SegmentPart], vehicles: Vehicles, at: str) -> NDArray[np.int64]:
    """Segment of every stay, the first one that names it; ``len(parts)`` for those that none names."""
    stays, problems = vehicles.stays, Problems(at=at)
    chargers = [stays.evse_ids[evse] for evse in stays.evse]
    of_stay = np.full(stays.size, len(parts), dtype=np.int64)
    for k, part in reversed(list(enumerate(parts))):
        sides = (("vehicles", part.vehicles, vehicles.vehicle_id), ("chargers", part.chargers, chargers))
        for key, patterns, names in sides:
            for number, pattern in enumerate(patterns):
                hit = np.array([name is not None and fnmatchcase(name, pattern) for name in names], dtype=np.bool_)
                of_stay[hit] = k
                if not hit.any():
                    seen = sorted({name for name in names if name is not None})
                    allowed = (
                        f"one of {', '.join(seen[:5])}{' …' if len(seen) > 5 else ''}" if seen else "no names here"
                    )
                    remedy = "Name vehicles or chargers of this study, or use a pattern such as 'van *'."
                    problems.add(f"vehicles.segment[{k}].{key}[{number}]", pattern, allowed, remedy)
    problems.raise_if_any()
    return of_stay


def _segment(scenario: Scenario, part: SegmentPart) -> _Kind:
    value = fleet_value(scenario)
    if part.replacement_per_kwh is not None:
        value = BatteryValue(part.replacement_per_kwh, part.residual_per_kwh, part.end_of_life)
    if part.wear_per_kwh is not None or value is None:  # the scenario gives a segment one of the two
        price = part.wear_per_kwh or 0.0
        return _Kind(BatterySegment(part.name, "a given price", value, part.source), WearTable.flat(price))
    table = _table(scenario, part.cell, value, part.age_years, part.cycles_per_year)
    return _Kind(BatterySegment(part.name, part.cell, value, part.source), table)


def _rest(scenario: Scenario) -> _Kind:
    """Vehicles that no segment names."""
    part, value = scenario.ageing, fleet_value(scenario)
    name = OTHERS if scenario.vehicles.segment else FLEET
    if part.wear_from == "none" or value is None:
        given = BatterySegment(name, "a given price", value, scenario.vehicles.source)
        return _Kind(given, WearTable.flat(scenario.vehicles.wear_per_kwh))
    table = _table(scenario, part.wear_from, value, part.age_years, part.cycles_per_year)
    return _Kind(BatterySegment(name, part.wear_from, value, part.source), table)


def _table(scenario: Scenario, cell: str, value: BatteryValue, age_years: float, cycles_per_year: float) -> WearTable:
    return wear_table(
        [MODELS[key] for key in _cells(scenario, cell)], value, temperature_c=scenario.ageing.by_month_c,
        discharge_efficiency=scenario.vehicles.discharge_efficiency, age_years=age_years,
        cycles_per_year=cycles_per_year,
    )  # fmt: skip


def wear_said(scenario: Scenario, wear: VehicleWear | None) -> list[Assumption]:
    """The prices of wear as assumptions, one for every kind of battery that comes."""
    car, unit = scenario.vehicles, scenario.study.currency
    if wear is None:
        return [Assumption("wear", f"{car.wear_per_kwh:g} {unit} per kWh discharged", car.source)]
    ages = [(part.age_years, part.cycles_per_year) for part in car.segment]
    ages.append((scenario.ageing.age_years, scenario.ageing.cycles_per_year))
    found = []
    for k, (segment, (years, cycles)) in enumerate(zip(wear.segments, ages, strict=True)):
        prices = wear.per_kwh[wear.segment == k]
        if prices.size == 0:
            continue
        low, high = f"{prices.min():.2g}", f"{prices.max():.2g}"
        text = f"{low if low == high else f'{low} to {high}'} {unit} per kWh discharged"
        if segment.cell != "a given price":
            text += (
                f": marginal, {segment.cell}, {years:g} years old, {cycles:g} full cycles a year so far, by month and "
                "state of charge at plug-in"
            )
        name = "wear" if segment.name == FLEET else f"wear: {segment.name}"
        found.append(Assumption(name, text, segment.source))
    return found
