"""Sessions from habits, for studies without recorded ones: when vehicles leave and return, and what they use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.mobility.assumptions import MIN_SOC, BatteryAssumption
from bothways.mobility.cells import local_to_epoch
from bothways.mobility.sessions import SessionTable, session_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHORTEST_H = 0.25
"""Shortest trip and shortest stay [h]; what the draws make shorter is not modelled."""

_SPREADS = 3.0  # draws further from the mean than this many standard deviations are cut
_DAYS_AFTER = 7  # days drawn beyond the last one, so that its stays know when they would end
_DRAWS = 5  # per vehicle and day: trip, leave, return, energy, plugged in


@dataclass(frozen=True)
class Habit:
    """Vehicles of one kind: local times in hours after midnight, spreads as standard deviations.

    Attributes:
        name: vehicles are called ``<name> 1``, ``<name> 2``, …
        battery: what is assumed of their batteries.
        count: number of vehicles.
        leaves_h: when they leave on Monday to Friday, 0…24.
        returns_h: when they return; not later than ``leaves_h`` means on the next day.
        leaves_spread_h: standard deviation [h], all days.
        returns_spread_h: standard deviation [h], all days.
        weekend_leaves_h: when they leave on Saturday and Sunday.
        weekend_returns_h: when they return then.
        weekday_trip_share: share of weekdays with a trip; on the others the vehicle stays.
        weekend_trip_share: share of weekend days with a trip.
        weekday_energy_kwh: battery energy used on a weekday with a trip [kWh].
        weekend_energy_kwh: battery energy used on a weekend day with a trip [kWh].
        energy_spread: standard deviation of it as a share of the mean.
        target_soc: up to where the driver wants the battery charged, 0…1.
        plug_in_share: share of stays in which the vehicle is plugged in: standing is not plugged in.
        evse_ids: EVSEs that these vehicles share, in the order in which they are taken; a vehicle that finds none
            free stays unplugged. Empty: every vehicle has one of its own.

    Raises:
        DomainError: a number outside its range.
    """

    name: str
    battery: BatteryAssumption
    count: int = 1
    leaves_h: float = 8.0
    returns_h: float = 17.5
    leaves_spread_h: float = 0.5
    returns_spread_h: float = 0.5
    weekend_leaves_h: float = 10.0
    weekend_returns_h: float = 16.0
    weekday_trip_share: float = 1.0
    weekend_trip_share: float = 0.7
    weekday_energy_kwh: float = 6.0
    weekend_energy_kwh: float = 6.0
    energy_spread: float = 0.3
    target_soc: float = 0.8
    plug_in_share: float = 1.0
    evse_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int):
                high = _highest(field.name)
                if not (math.isfinite(value) and 0.0 <= value <= high):
                    msg = f"timetable {self.name!r}: {field.name} must lie in 0…{high:g}, not {value}"
                    raise DomainError(msg)
        if self.target_soc < MIN_SOC:
            msg = f"timetable {self.name!r}: target_soc must be at least {MIN_SOC}, not {self.target_soc}"
            raise DomainError(msg)


def _highest(name: str) -> float:
    if name == "count":
        return 1e6
    if name.endswith("_spread_h"):
        return 12.0
    if name.endswith("_h"):
        return 24.0
    return 10_000.0 if name.endswith("_kwh") else 1.0


@dataclass(frozen=True)
class _Stays:
    """Stays of one vehicle in order; arrays have shape ``(K,)``. Instants in epoch seconds, energy in kWh."""

    arrival_s: Ints
    departure_s: Ints
    declared_s: Ints
    used_before_kwh: Floats
    plugged: Bools


def sessions_from_timetable(
    habits: Habit | Sequence[Habit],
    first_day: date,
    last_day: date,
    tz: str,
    rng: np.random.Generator,
    *,
    battery_known: bool = False,
) -> SessionTable:
    """Makes sessions from habits for the local days ``first_day`` … ``last_day`` (both included).

    Every vehicle starts the first day plugged in at its target SoC and ends the last one plugged in or away. A
    trip's energy is drawn from a normal distribution cut at ±3 standard deviations and 0. What is requested is the
    energy up to ``target_soc``, what is delivered is what uncontrolled charging at ``battery.charge_kw`` reaches
    within the stay (both AC side); the SoC at arrival follows from that chain and is marked as known. A day that
    uses more than the battery holds above ``MIN_SOC`` is taken to be charged elsewhere. The declared departure is
    the typical (not the drawn) time of leaving on the day of the next trip.

    Args:
        habits: kinds of vehicles.
        first_day: local date.
        last_day: local date, not before ``first_day``.
        tz: IANA zone of the local times; a time that the spring change skips moves forward with the clock.
        rng: the same generator state gives the same sessions.
        battery_known: True writes each vehicle's capacity and powers into the table (a mixed fleet); False leaves
            them to the assumption that is applied to the table, so that it can be varied.

    Returns:
        Sessions with vehicle ids, and ``energy_since_last_session_kwh`` on all but each vehicle's first.

    Raises:
        DomainError: unknown zone, days in the wrong order, names that repeat.
    """
    kinds = [habits] if isinstance(habits, Habit) else list(habits)
    if last_day < first_day:
        msg = f"the last day ({last_day}) must not lie before the first ({first_day})"
        raise DomainError(msg)
    names = [f"{habit.name} {number + 1}" for habit in kinds for number in range(habit.count)]
    if len(set(names)) != len(names):
        msg = "the names of the timetables must differ"
        raise DomainError(msg)
    of = [habit for habit in kinds for _ in range(habit.count)]
    stays = [_draw(habit, first_day, last_day, tz, rng) for habit in of]
    taken = _assign(names, of, stays)
    rows: list[_Row] = []
    for name, habit, stay, evses in zip(names, of, stays, taken, strict=True):
        rows += _chain(name, habit, stay, evses)
    return _as_table(rows, dict(zip(names, of, strict=True)) if battery_known else None)


def _draw(habit: Habit, first_day: date, last_day: date, tz: str, rng: np.random.Generator) -> _Stays:
    """Draws one vehicle's trips and turns them inside out into stays."""
    ordinals = np.arange(first_day.toordinal(), last_day.toordinal() + 1 + _DAYS_AFTER)
    uniform = rng.random((ordinals.size, 2))
    normal = np.clip(rng.standard_normal((ordinals.size, _DRAWS - 2)), -_SPREADS, _SPREADS)
    weekend = (ordinals - 1) % 7 >= 5  # ordinal 1 was a Monday
    typical = np.where(weekend, habit.weekend_leaves_h, habit.leaves_h)
    back = np.where(weekend, habit.weekend_returns_h, habit.returns_h)
    back = np.where(back <= typical, back + 24.0, back)
    leaves = np.clip(typical + normal[:, 0] * habit.leaves_spread_h, 0.0, 24.0)
    returns = np.maximum(back + normal[:, 1] * habit.returns_spread_h, leaves + SHORTEST_H)
    mean = np.where(weekend, habit.weekend_energy_kwh, habit.weekday_energy_kwh)
    used = np.maximum(0.0, mean * (1.0 + normal[:, 2] * habit.energy_spread))
    goes = uniform[:, 0] < np.where(weekend, habit.weekend_trip_share, habit.weekday_trip_share)
    midnight = (ordinals - date(1970, 1, 1).toordinal()) * 24.0

    def epoch(hours: Floats) -> Ints:
        return local_to_epoch(np.round((midnight + hours) * 3600.0).astype(np.int64), tz)[0]

    leave_s, return_s, declared_s = epoch(leaves), epoch(returns), epoch(typical)
    edges = epoch(np.zeros(ordinals.size))
    trips = _possible(goes, leave_s, return_s, int(edges[0]))
    begin, end = int(edges[0]), int(edges[ordinals.size - _DAYS_AFTER])
    arrival = np.concatenate([[begin], return_s[trips]])
    departure = np.concatenate([leave_s[trips], [end]])
    declared = np.concatenate([declared_s[trips], [-1]])
    before = np.concatenate([[0.0], used[trips]])
    plugged = np.concatenate([[True], uniform[trips, 1] < habit.plug_in_share])
    inside = (arrival < end) & (np.minimum(departure, end) - arrival >= SHORTEST_H * 3600)
    inside[0] |= departure[0] > begin
    return _Stays(
        arrival[inside],
        np.minimum(departure, end)[inside],
        declared[inside],
        _carried(before, inside),
        plugged[inside],
    )


def _possible(goes: Bools, leave_s: Ints, return_s: Ints, begin_s: int) -> NDArray[np.intp]:
    """Days whose trip takes place: the vehicle must be back from the one before."""
    trips: list[int] = []
    back = begin_s
    for day in np.flatnonzero(goes):
        if leave_s[day] >= back + SHORTEST_H * 3600:
            trips.append(int(day))
            back = int(return_s[day])
    return np.array(trips, dtype=np.intp)


def _carried(used_kwh: Floats, keep: Bools) -> Floats:
    """Energy used before each kept stay, that of dropped stays in between included."""
    total = np.cumsum(used_kwh)[keep]
    return np.diff(total, prepend=0.0)


def _assign(names: Sequence[str], habits: Sequence[Habit], stays: Sequence[_Stays]) -> list[list[str | None]]:
    """The EVSE of every stay, ``None`` where the vehicle is not plugged in; first come, first served."""
    taken: list[list[str | None]] = [[None] * stay.arrival_s.size for stay in stays]
    free_from: dict[str, int] = {}
    arrivals = [
        (int(stay.arrival_s[k]), vehicle, k)
        for vehicle, stay in enumerate(stays)
        for k in range(stay.arrival_s.size)
        if stay.plugged[k]
    ]
    for arrival, vehicle, k in sorted(arrivals):
        for evse in habits[vehicle].evse_ids or (f"EVSE {names[vehicle]}",):
            if free_from.get(evse, arrival) <= arrival:
                free_from[evse] = int(stays[vehicle].departure_s[k])
                taken[vehicle][k] = evse
                break
    return taken


@dataclass(frozen=True)
class _Row:
    """One session before it becomes a row of columns."""

    vehicle: str
    number: int
    evse: str
    arrival_s: int
    departure_s: int
    declared_s: int
    soc: float
    requested_kwh: float
    delivered_kwh: float
    driven_kwh: float
    linked: bool


def _chain(name: str, habit: Habit, stay: _Stays, evses: Sequence[str | None]) -> list[_Row]:
    """Follows the stored energy of one vehicle through trips and uncontrolled charging."""
    battery = habit.battery
    capacity, eta = battery.usable_capacity_kwh, battery.charge_efficiency
    floor, target = MIN_SOC * capacity, habit.target_soc * capacity
    energy, left_with = target, target
    rows: list[_Row] = []
    for k, evse in enumerate(evses):
        energy = max(floor, energy - float(stay.used_before_kwh[k]))
        if evse is None:
            continue
        arrival, departure = int(stay.arrival_s[k]), int(stay.departure_s[k])
        requested = max(0.0, target - energy) / eta
        delivered = min(requested, battery.charge_kw * (departure - arrival) / 3600.0)
        driven = max(0.0, left_with - energy)
        rows.append(
            _Row(
                name, k, evse, arrival, departure, int(stay.declared_s[k]), min(1.0, energy / capacity), requested,
                delivered, driven, bool(rows),
            )
        )  # fmt: skip
        energy += delivered * eta
        left_with = energy
    return rows


def _as_table(rows: Sequence[_Row], habit_of: Mapping[str, Habit] | None) -> SessionTable:
    """Rows as columns; with ``habit_of`` each vehicle's capacity and powers are written too."""
    declared = np.array([row.declared_s for row in rows], dtype=np.int64)
    arrival = np.array([row.arrival_s for row in rows], dtype=np.int64)
    columns: dict[str, NDArray[np.generic]] = {
        "declared_departure_s": declared,
        "has_declared_departure": declared > arrival,
        "requested_kwh": np.array([row.requested_kwh for row in rows]),
        "soc_at_arrival": np.array([row.soc for row in rows]),
        "energy_since_last_session_kwh": np.array([row.driven_kwh for row in rows]),
        "has_energy_since_last_session": np.array([row.linked for row in rows], dtype=np.bool_),
    }
    if habit_of is not None:
        for column in ("usable_capacity_kwh", "charge_kw", "discharge_kw"):
            columns[column] = np.array([getattr(habit_of[row.vehicle].battery, column) for row in rows])
    return session_table(
        [f"{row.vehicle}, stay {row.number + 1}" for row in rows],
        [row.evse for row in rows],
        arrival,
        np.array([row.departure_s for row in rows], dtype=np.int64),
        np.array([row.delivered_kwh for row in rows]),
        vehicle_id=[row.vehicle for row in rows],
        **columns,  # type: ignore[arg-type]  # numbers and masks, as their names say
    )
