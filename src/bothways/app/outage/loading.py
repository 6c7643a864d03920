"""From an outage scenario and the files it names to the pure inputs of the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.files.sessions import read_sessions
from bothways.app.outage.scenario import (
    CasePart,
    GeneratorPart,
    OutageScenario,
    TierPart,
    VehiclePart,
    outage_scenario,
)
from bothways.app.scenario_file import read_scenario
from bothways.app.study.columns import load_column
from bothways.domain.errors import DomainError, InputError, Problems
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import BatteryAssumption, apply
from bothways.mobility.timetable import Habit, sessions_from_timetable
from bothways.resilience.fleet import CalledIn, Departure, Fleet, Kind, Record, Shuttle, record_of
from bothways.resilience.planning import BadCase, Wishes
from bothways.resilience.site import Generator, Site, Store, Tier
from bothways.resilience.survival import Starts, starts_of
from bothways.studies.inputs import Assumption

Floats = NDArray[np.float64]
T = TypeVar("T")

_MAX_POWER_KW = 1e5
_RECORD_WEEKS = 53
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class LoadedOutage:
    """An outage plan ready to be worked out.

    Attributes:
        scenario: as written.
        path: of its file, as given.
        grid: hours of the year.
        site: loads and sources; life safety is left out unless an authority accepts it.
        left_out: names of the tiers that are left out.
        fleet: vehicles; ``None`` for none.
        starts: every hour of the year.
        wishes: what to work out.
        cases: heat waves and fires.
        assumptions: named numbers with their sources.
        warnings: remarks on the files.
    """

    scenario: OutageScenario
    path: str
    grid: TimeGrid
    site: Site
    left_out: tuple[str, ...]
    fleet: Fleet | None
    starts: Starts
    wishes: Wishes
    cases: tuple[BadCase, ...]
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]


def load_outage(path: Path, seed: int | None = None, draws: int | None = None) -> LoadedOutage:
    """Reads an outage scenario and everything it refers to; file names are relative to the scenario's folder.

    Args:
        path: the TOML file.
        seed: replaces the scenario's seed.
        draws: replaces the scenario's number of draws.

    Raises:
        InputError: with the problems of all files together.
    """
    scenario = outage_scenario(read_scenario(path, "outage", "study"), at=path.name)
    changes = {key: value for key, value in (("seed", seed), ("draws", draws)) if value is not None}
    if changes:
        scenario = scenario.model_copy(update={"outage": scenario.outage.model_copy(update=changes)})
    return _Loading(path, scenario).finish()


class _Loading:
    """Collects the problems of all parts before giving up."""

    def __init__(self, path: Path, scenario: OutageScenario) -> None:
        self.path, self.scenario, self.problems = path, scenario, Problems()
        part = scenario.outage
        self.grid = TimeGrid.for_days(date(part.year, 1, 1), date(part.year, 12, 31), _HOUR, part.tz)
        self.warnings: list[str] = []

    def attempt(self, where: str, work: Callable[[], T]) -> T | None:
        """Does a part's loading; what is wrong with it is collected."""
        try:
            return work()
        except InputError as error:
            self.problems.extend(error.problems)
        except DomainError as error:
            remedy = "Correct the keys of this part; see docs/how-to/plan-for-outages.md."
            self.problems.add(f"{self.path.name}: {where}", "values that do not fit", str(error), remedy)
        return None

    def finish(self) -> LoadedOutage:
        scenario = self.scenario
        kept = [part for part in scenario.tier if part.level > 0 or part.authority]
        left_out = tuple(part.name for part in scenario.tier if part not in kept)
        if not kept:
            self.problems.add(
                f"{self.path.name}: tier", "only life safety", "a tier of level 1 or higher",
                "Life safety stays on its own emergency system; add other loads, or name in 'authority' who accepts "
                "vehicles for it.",
            )  # fmt: skip
        tiers = [self.attempt(f"tier {part.name!r}", partial(self._tier, part)) for part in kept]
        pv = self.attempt("pv", self._pv)
        kinds = [self.attempt(f"vehicle {part.name!r}", partial(self._kind, part)) for part in scenario.vehicle]
        self.problems.raise_if_any()
        assert pv is not None  # noqa: S101  (a missing part would have raised with its problems)
        site = Site(
            tiers=tuple(tier for tier in tiers if tier is not None),
            pv_kw=pv,
            store=self._store(),
            generators=tuple(_generator(part) for part in scenario.generator),
            pv_availability=scenario.pv.availability if scenario.pv else 1.0,
        )
        gone = scenario.departure
        departure = Departure(gone.chance, gone.share, gone.after_h) if gone else Departure()
        fleet = Fleet(tuple(kind for kind in kinds if kind is not None), departure, tuple(scenario.cold_months))
        levels = [part.level for part in kept]
        return LoadedOutage(
            scenario=scenario,
            path=str(self.path),
            grid=self.grid,
            site=site,
            left_out=left_out,
            fleet=fleet if fleet.kinds else None,
            starts=starts_of(self.grid),
            wishes=_wishes(scenario),
            cases=tuple(_case(part, levels, self.grid) for part in scenario.case),
            assumptions=tuple(stated(scenario)),
            warnings=tuple(dict.fromkeys(self.warnings)),
        )

    def _tier(self, part: TierPart) -> Tier:
        grid = self.grid
        if part.kwh_per_day is not None:
            load = np.full(grid.periods, part.kwh_per_day / 24.0)
        elif part.hourly_kw is not None:
            load = np.array(part.hourly_kw, dtype=np.float64)[grid.local.hour]
        elif part.series is not None:
            column = load_column(part.series, grid, self.path.parent, (0.0, _MAX_POWER_KW), "load [kW]")
            self.warnings += column.warnings
            load = column.values
        else:
            from bothways.adapters.profiles.load import standard_load_kw  # noqa: PLC0415

            load = standard_load_kw(grid, str(part.profile), annual_kwh=part.annual_kwh)
        return Tier(part.name, part.level, load, part.inrush_kw, part.voll_per_kwh)

    def _pv(self) -> Floats:
        part, grid = self.scenario.pv, self.grid
        if part is None:
            return np.zeros(grid.periods)
        if part.series is not None:
            column = load_column(part.series, grid, self.path.parent, (0.0, _MAX_POWER_KW), "production [kW]")
            self.warnings += column.warnings
            return column.values
        from bothways.adapters.profiles.pv import pv_power_kw  # noqa: PLC0415

        return pv_power_kw(
            grid,
            latitude=float(part.latitude or 0.0),
            longitude=float(part.longitude or 0.0),
            tilt_deg=part.tilt_deg,
            azimuth_deg=part.azimuth_deg,
            peak_kw=float(part.peak_kw or 0.0),
            clearness=part.clearness,
        )

    def _store(self) -> Store | None:
        part = self.scenario.battery
        if part is None:
            return None
        return Store(
            capacity_kwh=part.capacity_kwh * part.state_of_health,
            power_kw=part.power_kw,
            charge_efficiency=part.charge_efficiency,
            discharge_efficiency=part.discharge_efficiency,
            start_soc=part.start_soc,
            availability=part.availability,
        )

    def _kind(self, part: VehiclePart) -> Kind:
        record = self._record(part) if part.called_in is None else None
        called, trips = part.called_in, part.shuttle
        way_back = 0.0
        if trips is not None:
            way_back = max(0.0, trips.soc_outside * part.usable_capacity_kwh - trips.trip_km * part.kwh_per_km)
        return Kind(
            name=part.name,
            count=part.count,
            capacity_kwh=part.usable_capacity_kwh,
            discharge_kw=part.discharge_kw,
            charge_kw=part.charge_kw,
            soc_floor=part.soc_floor,
            record=record,
            called=CalledIn(called.chance, called.after_h, called.spread_h, called.soc * part.usable_capacity_kwh)
            if called
            else None,
            shuttle=Shuttle(trips.stay_h, trips.away_h, way_back) if trips else None,
            chargers=part.chargers,
            charger_availability=part.charger_availability,
            charger_mttf_h=part.charger_mttf_h,
            compliance=part.compliance,
            goes=part.leaves_as_usual,
            outside=part.outside_charging,
            evacuation_km=part.evacuation_km,
            kwh_per_km=part.kwh_per_km,
            cold_factor=part.cold_factor,
            charge_efficiency=part.charge_efficiency,
            discharge_efficiency=part.discharge_efficiency,
        )

    def _record(self, part: VehiclePart) -> Record:
        outage = self.scenario.outage
        battery = _battery(part)
        if part.sessions is not None:
            files = [self.path.parent / name for name in part.sessions.files]
            imported = read_sessions(
                files, preset=part.sessions.preset, columns=part.sessions.columns or None, tz=outage.tz
            )
            self.warnings += imported.warnings
            return record_of(imported.table, apply(imported.table, battery), outage.tz, imported.table.evse_id)
        assert part.habit is not None  # noqa: S101  (the scenario's own check)
        habit = Habit(name=part.name, battery=battery, count=part.count, **part.habit.model_dump())
        first = date(outage.year, 1, 1)
        first -= timedelta(days=first.weekday())
        rng = np.random.default_rng([outage.seed, self.scenario.vehicle.index(part)])
        last = first + timedelta(days=7 * _RECORD_WEEKS - 1)
        table = sessions_from_timetable(habit, first, last, outage.tz, rng)
        return record_of(table, apply(table, battery), outage.tz, table.vehicle_id)


def _battery(part: VehiclePart) -> BatteryAssumption:
    return BatteryAssumption(
        name=part.name,
        usable_capacity_kwh=part.usable_capacity_kwh,
        soc_at_arrival=part.sessions.soc_at_arrival if part.sessions else 0.5,
        soc_floor=part.soc_floor,
        charge_kw=part.charge_kw,
        discharge_kw=part.discharge_kw,
        charge_efficiency=part.charge_efficiency,
        discharge_efficiency=part.discharge_efficiency,
        source=part.source,
    )


def _generator(part: GeneratorPart) -> Generator:
    tank = float("inf") if part.fuel_litres is None else part.fuel_litres / part.litres_per_kwh
    return Generator(
        part.name, part.kw, part.count, part.availability, part.failure_to_start, part.hours_to_failure, tank
    )  # fmt: skip


def _wishes(scenario: OutageScenario) -> Wishes:
    part, sweep = scenario.outage, scenario.sweep
    return Wishes(
        horizon=part.horizon_h,
        target=part.target_h,
        draws=part.draws,
        quick_draws=max(5, part.draws // 5),
        compliance=tuple(sorted(sweep.compliance)),
        reserve_km=tuple(sorted(sweep.reserve_km)),
        more_kwh=sweep.more_kwh,
        more_generator_kw=sweep.more_generator_kw,
        key=int(np.random.default_rng(part.seed).integers(2**31)),
    )


def _case(part: CasePart, levels: list[int], grid: TimeGrid) -> BadCase:
    cooling = None
    if part.cooling_kw > 0.0:
        hour = grid.local.hour + grid.local.minute / 60.0
        on = (hour >= part.cooling_from_h) & (hour < part.cooling_to_h)
        cooling = np.where(on, part.cooling_kw, 0.0)
    gone = part.departure
    return BadCase(
        name=part.name,
        months=tuple(part.months),
        pv_factor=part.pv_factor,
        load_factor=part.load_factor,
        cooling_kw=cooling,
        cooling_tier=levels.index(part.cooling_level) if part.cooling_level in levels else 0,
        departure=Departure(gone.chance, gone.share, gone.after_h) if gone else None,
        source=part.source,
    )


def stated(scenario: OutageScenario) -> list[Assumption]:
    """The assumptions that the scenario states in so many words."""
    unit = scenario.outage.currency
    found = []
    for tier in scenario.tier:
        text = f"level {tier.level}; inrush {tier.inrush_kw:g} kW"
        found.append(Assumption(f"load: {tier.name}", text, tier.source))
        found.append(Assumption(f"lost load: {tier.name}", f"{tier.voll_per_kwh:g} {unit}/kWh", tier.voll_source))
    if (pv := scenario.pv) is not None:
        what = "from a file" if pv.peak_kw is None else f"{pv.peak_kw:g} kW peak, clear sky times monthly clearness"
        where = pv.series.source if pv.series is not None else pv.clearness_source
        found.append(Assumption("PV", f"{what}; works with {pv.availability:.0%}", where))
    if (battery := scenario.battery) is not None:
        text = (
            f"{battery.capacity_kwh:g} kWh new at {battery.state_of_health:.0%} health, {battery.power_kw:g} kW, "
            f"{battery.start_soc:.0%} full when an outage begins; works with {battery.availability:.0%}"
        )
        found.append(Assumption("battery", text, battery.source))
    for generator in scenario.generator:
        fuel = "no limit" if generator.fuel_litres is None else f"{generator.fuel_litres:g} l"
        text = (
            f"{generator.count} × {generator.kw:g} kW, there with {generator.availability:.1%}, fails to start with "
            f"{generator.failure_to_start:.2%}, runs {generator.hours_to_failure:.0f} h on average; fuel: {fuel}"
        )
        found.append(Assumption(f"generator: {generator.name}", text, generator.source))
    found += [Assumption(f"vehicles: {part.name}", _vehicle_text(part), part.source) for part in scenario.vehicle]
    if (gone := scenario.departure) is not None:
        text = f"in {gone.chance:.0%} of outages {gone.share:.0%} of vehicles leave after {gone.after_h} h"
        found.append(Assumption("common departure", text, gone.source))
    found += [Assumption(f"case: {part.name}", _case_text(part), part.source) for part in scenario.case]
    return found


def _vehicle_text(part: VehiclePart) -> str:
    return (
        f"{part.count} × {part.usable_capacity_kwh:g} kWh, {part.discharge_kw:g} kW out, floor {part.soc_floor:.0%}, "
        f"{part.evacuation_km:g} km kept at {part.kwh_per_km:g} kWh/km (× {part.cold_factor:g} when cold), "
        f"{part.compliance:.0%} of drivers take part"
    )


def _case_text(part: CasePart) -> str:
    said = [f"PV × {part.pv_factor:g}", f"load × {part.load_factor:g}"]
    if part.cooling_kw > 0.0:
        said.append(
            f"{part.cooling_kw:g} kW more in level {part.cooling_level} from {part.cooling_from_h:g} to "
            f"{part.cooling_to_h:g} h"
        )
    if part.departure is not None:
        said.append(f"{part.departure.share:.0%} of vehicles leave with {part.departure.chance:.0%}")
    return ", ".join(said)
