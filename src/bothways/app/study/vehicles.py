"""Vehicles of a study: recorded sessions or a timetable, with what is assumed about batteries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.files.sessions import read_sessions
from bothways.app.study.losses import with_losses
from bothways.domain.errors import Problems
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import BatteryAssumption, apply
from bothways.mobility.sessions import DataQuality, ImportedSessions, QualityCount
from bothways.mobility.timetable import Habit, sessions_from_timetable
from bothways.simulation.placing import Placed, place
from bothways.simulation.stays import Stays
from bothways.studies.inputs import Assumption
from bothways.studies.scenario import Scenario

Ints = NDArray[np.int64]

_DAYS_BEYOND = 7


@dataclass(frozen=True)
class Vehicles:
    """Stays on the grid with what the report must say about them.

    Attributes:
        stays: with the bidirectional chargers' discharge power.
        arrival_s: plug-in of every stay [s since 1970].
        departure_s: plug-out.
        declared_s: declared departure; −1 for none.
        vehicle_id: pseudonyms.
        quality: counts, those of assumptions and placing included.
        assumptions: named numbers.
        warnings: remarks of the import.
        capacity_known: whether the sessions give a stay's capacity, ``(S,)``.
        restay: places the same sessions anew with one field of the assumption changed.
    """

    stays: Stays
    arrival_s: Ints
    departure_s: Ints
    declared_s: Ints
    vehicle_id: tuple[str | None, ...]
    quality: DataQuality
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]
    capacity_known: NDArray[np.bool_]
    restay: Callable[[str, float], Stays]


def load_vehicles(scenario: Scenario, grid: TimeGrid, folder: Path) -> Vehicles:
    """Loads sessions or makes them from the timetable, and places them on the grid.

    Raises:
        InputError: with the problems of all session files; or no session lies inside the study's period.
    """
    if scenario.sessions is not None:
        imported = _recorded(scenario, folder)
        said: tuple[Assumption, ...] = ()
    else:
        imported, said = _from_habits(scenario)
    assumption = _assumption(scenario)

    def placed_with(changed: BatteryAssumption) -> Placed:
        energy = apply(imported.table, changed)
        chargers = scenario.chargers
        placed = place(
            imported.table,
            energy,
            grid,
            evse_charge_kw=chargers.charge_kw,
            evse_discharge_kw=chargers.discharge_kw,
            evse_min_charge_kw=chargers.min_charge_kw,
        )
        return replace(placed, stays=with_losses(placed.stays, scenario, grid))

    placed = placed_with(assumption)
    if placed.stays.size == 0:
        problems = Problems(at="sessions")
        problems.add("", "no session inside the study's period", f"sessions between {grid.start} and {grid.end}",
                     "Choose start and end within the data.")  # fmt: skip
        problems.raise_if_any()
    table, rows = imported.table, placed.rows
    notes = apply(table.select(rows), assumption)
    return Vehicles(
        stays=placed.stays,
        arrival_s=table.arrival_s[rows],
        departure_s=table.departure_s[rows],
        declared_s=np.where(table.has_declared_departure[rows], table.declared_departure_s[rows], -1),
        vehicle_id=tuple(table.vehicle_id[i] for i in rows),
        quality=_quality(imported, placed).adding(*notes.quality_counts()),
        assumptions=said,
        warnings=imported.warnings,
        capacity_known=table.has_usable_capacity[rows] & (scenario.sessions is not None),
        restay=lambda key, value: placed_with(_changed(assumption, key, value)).stays,
    )


def _changed(assumption: BatteryAssumption, key: str, value: float) -> BatteryAssumption:
    match key:
        case "usable_capacity_kwh":
            return replace(assumption, usable_capacity_kwh=value)
        case "soc_at_arrival":
            return replace(assumption, soc_at_arrival=value)
        case _:
            raise KeyError(key)


def _recorded(scenario: Scenario, folder: Path) -> ImportedSessions:
    part = scenario.sessions
    assert part is not None  # noqa: S101  (the caller's branch)
    return read_sessions(
        [folder / name for name in part.files],
        preset=part.preset,
        columns=part.columns or None,
        tz=part.tz or scenario.study.tz,
        evse_charge_kw=scenario.chargers.charge_kw,
    )


def _assumption(scenario: Scenario) -> BatteryAssumption:
    car = scenario.vehicles
    return BatteryAssumption(
        name=car.assumption,
        usable_capacity_kwh=car.usable_capacity_kwh,
        soc_at_arrival=car.soc_at_arrival,
        soc_floor=car.soc_floor,
        charge_kw=car.charge_kw,
        discharge_kw=car.discharge_kw,
        charge_efficiency=car.charge_efficiency,
        discharge_efficiency=car.discharge_efficiency,
        source=car.source,
    )


def _quality(imported: ImportedSessions, placed: Placed) -> DataQuality:
    return imported.quality.adding(
        QualityCount("outside", "sessions not wholly inside the study's period", placed.outside, "left out"),
        QualityCount("too_short", "stays without one whole step of the grid", placed.too_short, "left out"),
        QualityCount(
            "overlapping_on_grid", "stays that overlap another on their EVSE after rounding", placed.overlapping,
            f"left out; with the short ones they held {placed.lost_kwh:.1f} kWh",
        ),
    )  # fmt: skip


def _from_habits(scenario: Scenario) -> tuple[ImportedSessions, tuple[Assumption, ...]]:
    battery = _assumption(scenario)
    habits = [
        Habit(battery=battery, **part.model_dump(exclude={"source"}, exclude_none=True)) for part in scenario.timetable
    ]
    rng = np.random.default_rng(scenario.study.seed)
    part = scenario.study
    # drawn beyond the end, so that no stay is cut off there: one that ends later is left out like a recorded one
    beyond = part.end + timedelta(days=_DAYS_BEYOND)
    table = sessions_from_timetable(habits, part.start, beyond, part.tz, rng)
    said = tuple(
        Assumption(
            f"timetable: {part.name}",
            f"{each.count} vehicle(s), away about {each.leaves_h:g} to {each.returns_h:g} h on "
            f"{each.weekday_trip_share:.0%} of weekdays, using {each.weekday_energy_kwh:g} kWh; wish "
            f"{each.target_soc:.0%}",
            each.source,
        )
        for each in scenario.timetable
    )
    quality = DataQuality("timetable (no recorded sessions)", table.size, table.size)
    return ImportedSessions(table, quality), said
