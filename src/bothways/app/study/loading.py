"""From a scenario file and the files it names to the pure inputs of a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from bothways.app.scenario_file import read_scenario
from bothways.app.study.backup import load_backup
from bothways.app.study.behind_meter import load_case
from bothways.app.study.columns import load_column
from bothways.app.study.losses import losses_said
from bothways.app.study.vehicles import Vehicles, load_vehicles
from bothways.app.study.wear import fleet_value, fleet_wear_per_kwh, resting_per_kwh_h, vehicle_wear, wear_said
from bothways.battery.replacement import ReplacementTerms
from bothways.battery.warranty import WarrantyLimits
from bothways.domain.errors import DomainError, InputError, Problem, Problems
from bothways.domain.timegrid import TimeGrid
from bothways.simulation.stays import Stays
from bothways.studies.inputs import (
    AgeingSettings,
    Assumption,
    Case,
    Emissions,
    PolicySettings,
    StudyInputs,
    VehicleWear,
)
from bothways.studies.scenario import Scenario, scenario_from_mapping
from bothways.studies.sensitivity import Ranges
from bothways.studies.worth import InvestmentTerms, investment_terms

T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """A study ready to run."""

    inputs: StudyInputs
    investment: InvestmentTerms | None
    ranges: Ranges | None
    warnings: tuple[str, ...]


def load_study(path: Path, seed: int | None = None) -> Loaded:
    """Reads a scenario and everything it refers to; file names are relative to the scenario's folder.

    Args:
        path: the TOML file.
        seed: replaces the scenario's seed.

    Raises:
        InputError: with the problems of all files together.
    """
    scenario = scenario_from_mapping(read_scenario(path, "study", "outage"), at=path.name)
    grid = _grid(scenario, path.name)
    if seed is not None:
        scenario = scenario.model_copy(update={"study": scenario.study.model_copy(update={"seed": seed})})
    return _Loading(path, scenario, grid).finish()


def _grid(scenario: Scenario, at: str) -> TimeGrid:
    part = scenario.study
    try:
        return TimeGrid.for_days(part.start, part.end, timedelta(minutes=part.step_minutes), part.tz)
    except DomainError as error:
        remedy = "Choose other days, or a shorter step_minutes where clocks change by half an hour."
        problem = Problem(f"{at}: study", f"{part.start} to {part.end}", str(error), remedy)
        raise InputError([problem]) from error


class _Loading:
    """Collects the problems of all parts before giving up."""

    def __init__(self, path: Path, scenario: Scenario, grid: TimeGrid) -> None:
        self.path, self.scenario, self.grid = path, scenario, grid
        self.problems = Problems()
        self.warnings: list[str] = []

    def attempt(self, where: str, work: Callable[[], T]) -> T | None:
        """Does a part's loading; what is wrong with it, alone or together with another part, is collected."""
        try:
            return work()
        except InputError as error:
            self.problems.extend(error.problems)
        except DomainError as error:
            remedy = "Correct the keys of this part; see docs/reference/scenario.md."
            self.problems.add(f"{self.path.name}: {where}", "values that do not fit", str(error), remedy)
        return None

    def finish(self) -> Loaded:
        scenario, grid, folder = self.scenario, self.grid, self.path.parent
        vehicles = self.attempt("vehicles", lambda: load_vehicles(scenario, grid, folder))
        loaded = [
            self.attempt(f"case {part.name!r}", partial(load_case, part, scenario, grid, folder))
            for part in scenario.case
        ]
        carbon = self.attempt("emissions", self._emissions)
        wear = None
        if vehicles is not None:
            wear = self.attempt("vehicles", lambda: vehicle_wear(scenario, vehicles, grid, self.path.name))
        backup = self.attempt("backup", lambda: load_backup(scenario, folder, self.path.name))
        self.problems.raise_if_any()
        assert backup is not None  # noqa: S101
        assert vehicles is not None  # noqa: S101  (a missing part would have raised with its problems)
        assert carbon is not None  # noqa: S101
        cases: list[Case] = []
        assumptions: list[Assumption] = [*_stated(scenario, wear), *vehicles.assumptions, *backup[1]]
        for item in loaded:
            if item is not None:
                cases.append(item.case)
                assumptions += item.assumptions
                self.warnings += item.warnings
        inputs = StudyInputs(
            name=scenario.study.name,
            summary=scenario.study.summary,
            grid=grid,
            stays=vehicles.stays,
            arrival_s=vehicles.arrival_s,
            departure_s=vehicles.departure_s,
            declared_s=vehicles.declared_s,
            vehicle_id=vehicles.vehicle_id,
            settings=_settings(scenario),
            cases=tuple(cases),
            emissions=carbon,
            unserved_price_per_kwh=scenario.unserved.price_per_kwh,
            currency=scenario.study.currency,
            quality=vehicles.quality,
            assumptions=tuple(assumptions),
            seed=scenario.study.seed,
            scenario_path=str(self.path),
            ageing=_ageing(scenario),
            warranty=_warranty(scenario),
            capacity_known=vehicles.capacity_known,
            wear=wear,
            backup=backup[0],
        )
        chargers = scenario.chargers.count or vehicles.stays.evse_count
        terms = investment_terms(scenario.investment, chargers) if scenario.investment else None
        warnings = dict.fromkeys(
            [*self.warnings, *vehicles.warnings, *backup[2]]
        )  # two cases may share a file and its remarks
        return Loaded(inputs, terms, self._ranges(vehicles), tuple(warnings))

    def _emissions(self) -> Emissions:
        part = self.scenario.emissions
        marginal, source = None, ""
        if part.marginal is not None:
            column = load_column(part.marginal, self.grid, self.path.parent, (-3.0, 3.0), "marginal CO2 [kg/kWh]")
            marginal, source = column.values, part.marginal.source
            self.warnings += column.warnings
        return Emissions(marginal, source, part.average_kg_per_kwh, part.average_source)

    def _ranges(self, vehicles: Vehicles) -> Ranges | None:
        part = self.scenario.sensitivity
        if part is None:
            return None

        def again(key: str) -> Callable[[float], Stays]:
            return lambda value: vehicles.restay(key, value)

        recorded = self.scenario.sessions is not None
        capacity = part.usable_capacity_kwh if recorded else None
        arrival = part.soc_at_arrival if recorded else None
        return Ranges(
            days=part.days,
            price_spread=part.price_spread,
            wear_per_kwh=part.wear_per_kwh,
            round_trip_efficiency=part.round_trip_efficiency,
            usable_capacity_kwh=(capacity, again("usable_capacity_kwh")) if capacity else None,
            soc_at_arrival=(arrival, again("soc_at_arrival")) if arrival else None,
        )


def _settings(scenario: Scenario) -> PolicySettings:
    policy = scenario.policy
    return PolicySettings(
        horizon_h=policy.horizon_h,
        replan_every_h=policy.replan_every_h,
        departure_confidence=policy.departure_confidence,
        gap=policy.gap,
        time_limit_s=policy.time_limit_s,
        wear_per_kwh=fleet_wear_per_kwh(scenario),
        earliness_per_kwh_h=policy.earliness_per_kwh_h,
        resting_per_kwh_h=resting_per_kwh_h(scenario),
    )


def _warranty(scenario: Scenario) -> WarrantyLimits | None:
    part = scenario.vehicles.warranty
    if part is None:
        return None
    given = part.model_dump(exclude={"source"}, exclude_none=True)
    return WarrantyLimits(**given)


def _ageing(scenario: Scenario) -> AgeingSettings:
    part = scenario.ageing
    return AgeingSettings(
        part.temperature_c, part.temperature_source, tuple(part.cells), fleet_value(scenario), part.source,
        tuple(part.temperature_by_month_c), *_company(scenario),
    )  # fmt: skip


def _company(scenario: Scenario) -> tuple[ReplacementTerms | None, str]:
    part = scenario.ageing.company_owned
    if part is None or scenario.ageing.replacement_per_kwh is None:
        return None, ""
    given = part.model_dump(exclude={"source"})
    return ReplacementTerms(price_per_kwh=scenario.ageing.replacement_per_kwh, **given), part.source


def _stated(scenario: Scenario, wear: VehicleWear | None) -> list[Assumption]:
    """The assumptions that the scenario states in so many words."""
    car, unit = scenario.vehicles, scenario.study.currency
    chargers, unserved = scenario.chargers, scenario.unserved
    found = [
        Assumption(f"vehicles: {car.assumption}", _battery_text(scenario), car.source),
        *wear_said(scenario, wear),
        Assumption(
            "chargers",
            f"{chargers.charge_kw:g} kW charging, {chargers.discharge_kw:g} kW discharging where two-way, "
            f"at least {chargers.min_charge_kw:g} kW when charging",
            "scenario",
        ),
        Assumption("energy not served", f"{unserved.price_per_kwh:g} {unit}/kWh paid elsewhere", unserved.source),
        Assumption(
            "policy",
            f"plans reach {scenario.policy.horizon_h:g} h, are renewed on news and every "
            f"{scenario.policy.replan_every_h:g} h; {scenario.policy.departure_confidence:.0%} of stays should not "
            "end before the cautious departure",
            "scenario",
        ),
    ]
    found += [*_warranty_said(scenario), *_ageing_said(scenario), *losses_said(scenario)]
    carbon = scenario.emissions
    if carbon.marginal is not None:
        found.append(Assumption("marginal CO2", "signal from file", carbon.marginal.source))
    if carbon.average_kg_per_kwh is not None:
        found.append(Assumption("average CO2", f"{carbon.average_kg_per_kwh:g} kg/kWh", carbon.average_source))
    if scenario.investment is not None:
        for name in ("smart", "bidirectional"):
            part = getattr(scenario.investment, name)
            found.append(
                Assumption(
                    f"{name} equipment",
                    f"{part.charger_price:g} {unit} per charger above one-way unmanaged",
                    part.source,
                )
            )
    return found


def _warranty_said(scenario: Scenario) -> list[Assumption]:
    part = scenario.vehicles.warranty
    if part is None:
        return []
    caps = {"kWh a day": part.kwh_per_day, "kWh a year": part.kwh_per_year, "cycles a year": part.cycles_per_year}
    said = [f"at most {value:g} {unit}" for unit, value in caps.items() if value is not None]
    said.append(f"between {part.soc_min:.0%} and {part.soc_max:.0%} of charge")
    text = f"feeding back {', '.join(said)}; yearly caps count for the period in proportion to its days"
    return [Assumption("warranty", text, part.source)]


def _ageing_said(scenario: Scenario) -> list[Assumption]:
    part, unit = scenario.ageing, scenario.study.currency
    found = [
        Assumption("temperature of the cells", _temperature_text(scenario), part.temperature_source),
        Assumption(
            "state of charge between stays", "a straight line from plug-out to the next plug-in", "not in the data"
        ),
    ]
    if part.park_low != "none":
        price = resting_per_kwh_h(scenario)
        found.append(
            Assumption("credit for parking low", f"{price:.2g} {unit} per stored kWh and hour, {part.park_low}", "laws")
        )
    if part.replacement_per_kwh is not None:
        text = (
            f"{part.replacement_per_kwh:g} {unit}/kWh new, {part.residual_per_kwh:g} {unit}/kWh at "
            f"{part.end_of_life:.0%} of capacity, falling in a straight line with capacity"
        )
        found.append(Assumption("value of a battery", text, part.source))
    if part.company_owned is not None:
        own = part.company_owned
        text = (
            f"{own.second_life_per_kwh:g} {unit} per kWh left in second life, {own.scrap_per_kwh:g} {unit} per kWh new "
            f"as scrap, {own.missing_per_kwh_year:g} {unit} a year for a missing kWh, interest {own.interest:.1%}, at "
            f"work down to {own.works_down_to:.0%}"
        )
        found.append(Assumption("batteries owned by the company", text, own.source))
    return found


def _temperature_text(scenario: Scenario) -> str:
    part = scenario.ageing
    if not part.temperature_by_month_c:
        return f"{part.temperature_c:g} °C all the time"
    return f"January to December {', '.join(f'{value:g}' for value in part.by_month_c)} °C"


def _battery_text(scenario: Scenario) -> str:
    car = scenario.vehicles
    return (
        f"{car.usable_capacity_kwh:g} kWh usable, arriving at {car.soc_at_arrival:.0%} where unknown, floor "
        f"{car.soc_floor:.0%}, {car.charge_kw:g} kW in, {car.discharge_kw:g} kW out, efficiencies "
        f"{car.charge_efficiency:g} and {car.discharge_efficiency:g}"
    )
