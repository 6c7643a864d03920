"""Vehicles in an outage: who is there with how much energy, what must stay in the battery, who is called in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import EnergyColumns
from bothways.mobility.sessions import SessionTable
from bothways.resilience.site import ONE_WAY_EFFICIENCY, Floats, Ints

Singles = NDArray[np.float32]
Shorts = NDArray[np.int32]

WEEK_H = 168
COLD_MONTHS = (12, 1, 2)


@dataclass(frozen=True)
class Record:
    """What vehicles of one kind did, hour by hour of whole local weeks that begin on a Monday.

    Attributes:
        stored_kwh: energy of every vehicle [kWh, battery side], −1 in hours in which it is not plugged in throughout;
            shape ``(R, V)``.
        until_h: hours until a vehicle that is there leaves, or one that is away returns; shape ``(R, V)``.
    """

    stored_kwh: Singles
    until_h: Shorts

    def __post_init__(self) -> None:
        hours = self.stored_kwh.shape[0]
        if hours < WEEK_H or hours % WEEK_H:
            msg = f"a record of vehicles needs whole weeks of hours, not {hours} h"
            raise DomainError(msg)

    @property
    def weeks(self) -> int:
        """Number of weeks."""
        return int(self.stored_kwh.shape[0]) // WEEK_H

    @property
    def presence(self) -> Floats:
        """Share of vehicles that are plugged in, by hour of the week, shape ``(168,)``."""
        there = (self.stored_kwh >= 0.0).mean(axis=1) if self.stored_kwh.shape[1] else np.zeros(self.weeks * WEEK_H)
        return np.asarray(there.reshape(self.weeks, WEEK_H).mean(axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Shuttle:
    """A vehicle that fetches energy: stays, drives to a charger outside, comes back, again and again.

    Attributes:
        stay_h: hours at the building between trips.
        away_h: hours of a trip, charging included.
        return_kwh: stored energy on return [kWh], what the way back takes already subtracted.
    """

    stay_h: int
    away_h: int
    return_kwh: float

    def __post_init__(self) -> None:
        if self.stay_h < 1 or self.away_h < 1 or not (math.isfinite(self.return_kwh) and self.return_kwh >= 0.0):
            msg = f"a shuttle needs stay_h and away_h of at least 1 and return_kwh of at least 0, not {self}"
            raise DomainError(msg)


@dataclass(frozen=True)
class CalledIn:
    """Vehicles that are not there as a habit but come when they are called.

    Attributes:
        chance: that one comes.
        after_h: hours from the start of the outage.
        spread_h: it comes in one of the ``spread_h + 1`` hours from then on.
        stored_kwh: energy on arrival [kWh, battery side].
    """

    chance: float
    after_h: int
    spread_h: int
    stored_kwh: float


@dataclass(frozen=True)
class Kind:
    """Vehicles of one kind and their chargers.

    Attributes:
        name: of the kind.
        count: vehicles.
        capacity_kwh: usable energy of one [kWh, battery side].
        discharge_kw: AC power that a vehicle gives at its charger [kW].
        charge_kw: AC power that it takes [kW].
        soc_floor: share of the capacity that is never discharged.
        record: what they did; ``None`` for vehicles that are only called in.
        called: how they are called in; ``None`` for vehicles with a record.
        shuttle: trips for energy, if any.
        chargers: chargers that can discharge; plugs are moved by hand, so that they limit power, not energy.
        charger_availability: chance that a charger works when the outage begins.
        charger_mttf_h: mean time to failure of a charger [h]; 0 for never.
        compliance: chance that a driver lets the energy be used.
        goes: chance that a vehicle leaves when it usually does, instead of staying through the outage.
        outside: share of the usual energy at arrival that a vehicle brings back; 0 where the outage is regional.
        evacuation_km: distance every vehicle must be able to drive at any moment [km].
        kwh_per_km: consumption [kWh/km].
        cold_factor: times that consumption in cold months.
        charge_efficiency: stored per AC energy.
        discharge_efficiency: AC per stored energy.

    Raises:
        DomainError: a number outside its range; not exactly one of ``record`` and ``called``.
    """

    name: str
    count: int
    capacity_kwh: float
    discharge_kw: float
    charge_kw: float = 0.0
    soc_floor: float = 0.0
    record: Record | None = None
    called: CalledIn | None = None
    shuttle: Shuttle | None = None
    chargers: int | None = None
    charger_availability: float = 1.0
    charger_mttf_h: float = 0.0
    compliance: float = 1.0
    goes: float = 1.0
    outside: float = 1.0
    evacuation_km: float = 0.0
    kwh_per_km: float = 0.2
    cold_factor: float = 1.0
    charge_efficiency: float = ONE_WAY_EFFICIENCY
    discharge_efficiency: float = ONE_WAY_EFFICIENCY

    def __post_init__(self) -> None:
        shares = ("soc_floor", "charger_availability", "compliance", "goes", "outside", "charge_efficiency",
                  "discharge_efficiency")  # fmt: skip
        for name in ("capacity_kwh", "discharge_kw", "charge_kw", "charger_mttf_h", "evacuation_km", "kwh_per_km",
                     "cold_factor", *shares):  # fmt: skip
            value, high = getattr(self, name), 1.0 if name in shares else math.inf
            if not (math.isfinite(value) and 0.0 <= value <= high):
                msg = f"vehicles {self.name!r}: {name} must lie in 0…{high:g}, not {value}"
                raise DomainError(msg)
        if (self.record is None) == (self.called is None):
            msg = f"vehicles {self.name!r}: give either a record or how they are called in"
            raise DomainError(msg)
        if self.record is not None and self.record.stored_kwh.shape[1] < self.count:
            msg = f"vehicles {self.name!r}: the record holds fewer than {self.count} vehicles"
            raise DomainError(msg)

    def reserve_kwh(self, *, cold: bool) -> float:
        """Energy that stays in every vehicle [kWh, battery side]: the floor, or the way out, whichever is more.

        >>> car = Kind("car", 1, 60.0, 7.0, soc_floor=0.1, called=CalledIn(1.0, 0, 0, 60.0), evacuation_km=80.0,
        ...            kwh_per_km=0.18, cold_factor=1.4)
        >>> round(car.reserve_kwh(cold=False), 2), round(car.reserve_kwh(cold=True), 2)
        (14.4, 20.16)
        """
        way = self.evacuation_km * self.kwh_per_km * (self.cold_factor if cold else 1.0)
        return min(self.capacity_kwh, max(self.soc_floor * self.capacity_kwh, way))

    def numbers(self) -> list[float]:
        """The row that the kernel reads, in the order of :mod:`bothways.resilience.drawing`."""
        trips, called = self.shuttle, self.called
        return [
            self.capacity_kwh, self.discharge_kw, self.charge_kw, self.discharge_efficiency,
            self.charge_efficiency * self.discharge_efficiency, self.reserve_kwh(cold=False),
            self.reserve_kwh(cold=True), float(self.count if self.chargers is None else self.chargers),
            self.charger_availability, self.charger_mttf_h, self.compliance, self.goes, self.outside,
            float(trips.stay_h if trips else 0), float(trips.away_h if trips else 0),
            trips.return_kwh if trips else 0.0, float(called is not None), called.chance if called else 0.0,
            float(called.after_h if called else 0), float(called.spread_h if called else 0),
            called.stored_kwh if called else 0.0,
        ]  # fmt: skip


@dataclass(frozen=True)
class Departure:
    """A common cause that takes vehicles away: an evacuation order, a flight from heat or smoke.

    Attributes:
        chance: that it happens in an outage.
        share: of the vehicles that go, and do not come back.
        after_h: hours from the start of the outage.
    """

    chance: float = 0.0
    share: float = 0.0
    after_h: int = 0

    def __post_init__(self) -> None:
        if not (0.0 <= self.chance <= 1.0 and 0.0 <= self.share <= 1.0 and self.after_h >= 0):
            msg = f"a common departure needs chance and share in 0…1 and after_h of at least 0, not {self}"
            raise DomainError(msg)


@dataclass(frozen=True)
class Fleet:
    """All vehicles of an outage."""

    kinds: tuple[Kind, ...]
    departure: Departure = Departure()
    cold_months: tuple[int, ...] = COLD_MONTHS

    def with_kinds(self, **changes: object) -> Fleet:
        """The fleet with the same fields of every kind changed."""
        return replace(self, kinds=tuple(replace(kind, **changes) for kind in self.kinds))  # type: ignore[arg-type]

    def one_more(self, *, charger_only: bool = False) -> Fleet:
        """The fleet with one more vehicle of the first kind and a charger for it, or with one more charger.

        The new vehicle has the habits of the first one, half the record later.
        """
        kind = self.kinds[0]
        chargers = (kind.count if kind.chargers is None else kind.chargers) + 1
        if charger_only:
            return replace(self, kinds=(replace(kind, chargers=chargers), *self.kinds[1:]))
        record = kind.record
        if record is not None:
            by = record.weeks // 2 * WEEK_H
            record = Record(
                np.hstack([record.stored_kwh[:, : kind.count], np.roll(record.stored_kwh[:, :1], by, axis=0)]),
                np.hstack([record.until_h[:, : kind.count], np.roll(record.until_h[:, :1], by, axis=0)]),
            )
        more = replace(kind, count=kind.count + 1, chargers=chargers, record=record)
        return replace(self, kinds=(more, *self.kinds[1:]))

    def staying(self) -> Fleet:
        """The fleet with every vehicle plugged in throughout, with the mean energy of its record, willing and working.

        Vehicles that are called in stay as they are.
        """
        kinds = []
        for kind in self.kinds:
            if kind.record is None:
                kinds.append(kind)
                continue
            stored = kind.record.stored_kwh
            there = stored >= 0.0
            mean = float(stored[there].mean()) if there.any() else 0.0
            full = np.full((WEEK_H, stored.shape[1]), mean, dtype=np.float32)
            record = Record(full, np.full(full.shape, 1_000_000, dtype=np.int32))
            kinds.append(replace(kind, record=record, compliance=1.0, charger_availability=1.0, charger_mttf_h=0.0))
        return replace(self, kinds=tuple(kinds), departure=Departure())

    @cached_property
    def numbers(self) -> Floats:
        """Numbers of the kinds, shape ``(K, 21)``."""
        return np.array([kind.numbers() for kind in self.kinds])

    @cached_property
    def lanes(self) -> Ints:
        """Kind of every vehicle, and its number for drawing, which does not change when others join; ``(V, 2)``."""
        pairs = [(k, k * 100_003 + number) for k, kind in enumerate(self.kinds) for number in range(kind.count)]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def weeks(self) -> int:
        """Weeks of the record; all kinds are drawn from the same week, the shortest record decides."""
        return min((kind.record.weeks for kind in self.kinds if kind.record is not None), default=1)

    @cached_property
    def stored_kwh(self) -> Singles:
        """Energies of all vehicles side by side, −1 where away, shape ``(168·weeks, V)``."""
        return np.ascontiguousarray(
            np.hstack([self._part(kind, stored=True) for kind in self.kinds]).astype(np.float32)
        )

    @cached_property
    def until_h(self) -> Shorts:
        """Hours until presence changes, of all vehicles, shape ``(168·weeks, V)``."""
        return np.ascontiguousarray(np.hstack([self._part(kind, stored=False) for kind in self.kinds]).astype(np.int32))

    def _part(self, kind: Kind, *, stored: bool) -> Floats:
        hours = self.weeks * WEEK_H
        if kind.record is None:
            return np.full((hours, kind.count), -1.0 if stored else hours)
        whole = kind.record.stored_kwh if stored else kind.record.until_h
        return np.asarray(whole[:hours, : kind.count], dtype=np.float64)


def record_of(table: SessionTable, energy: EnergyColumns, tz: str, lanes: Sequence[str | None]) -> Record:
    """Turns sessions into a record of whole local weeks.

    A vehicle counts as there in hours in which it is plugged in throughout. Its energy grows from that at arrival by
    what was delivered, as fast as its charging power allows.

    Args:
        table: N sessions.
        energy: their battery-side energies, see :func:`bothways.mobility.assumptions.apply`.
        tz: zone of the local weeks.
        lanes: vehicle or EVSE of every session, length N; each becomes a column, in order of appearance.

    Returns:
        The record.

    Raises:
        DomainError: the sessions do not span one whole week from Monday to Sunday.
    """
    arrival, departure = _local_h(table.arrival_s, tz), _local_h(table.departure_s, tz)
    first = math.ceil((math.floor(float(arrival.min()) / 24.0) + 3) / 7.0) * 7 - 3  # day 4 of 1970 was a Monday
    weeks = int((math.ceil(float(departure.max()) / 24.0) - first) // 7) if table.size else 0
    if weeks < 1:
        msg = "sessions must span at least one whole week from Monday to Sunday"
        raise DomainError(msg)
    columns = {name: place for place, name in enumerate(dict.fromkeys(lanes))}
    stored = np.full((weeks * WEEK_H, len(columns)), -1.0, dtype=np.float32)
    for n, name in enumerate(lanes):
        begin = max(0, math.ceil(arrival[n] - first * 24.0 - 1e-9))
        end = min(stored.shape[0], math.floor(departure[n] - first * 24.0 + 1e-9))
        if end <= begin:
            continue
        since = np.arange(begin, end) + first * 24.0 - arrival[n]
        taken = np.minimum(table.delivered_kwh[n], energy.charge_kw[n] * since) * energy.charge_efficiency[n]
        stored[begin:end, columns[name]] = np.minimum(
            energy.capacity_kwh[n], energy.energy_at_arrival_kwh[n] + taken
        )  # fmt: skip
    return Record(stored, hours_until_change(stored))


def hours_until_change(stored: Singles) -> Shorts:
    """Hours until the next change of presence in every column, shape ``(R, V)``; the record repeats itself.

    Args:
        stored: energy of every vehicle, negative in hours in which it is away.
    """
    there = stored >= 0.0
    hours = stored.shape[0]
    until = np.zeros(stored.shape, dtype=np.int32)
    for column in range(stored.shape[1]):
        line = np.concatenate([there[:, column], there[:, column]])
        run = hours
        for t in range(2 * hours - 2, -1, -1):
            run = 1 if line[t] != line[t + 1] else min(hours, run + 1)
            if t < hours:
                until[t, column] = run
    return until


def _local_h(epoch_s: Ints, tz: str) -> Floats:
    """Local wall-clock time in hours since 1970-01-01 0:00."""
    first = int(epoch_s.min()) // 3600 * 3600
    hours = (int(epoch_s.max()) - first) // 3600 + 1
    grid = TimeGrid(datetime.fromtimestamp(first, tz=UTC), timedelta(hours=1), hours, tz)
    return np.asarray((epoch_s + grid.utc_offset_s[(epoch_s - first) // 3600]) / 3600.0, dtype=np.float64)
