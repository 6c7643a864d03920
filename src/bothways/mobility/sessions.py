"""Charging sessions as columns, and the counts of what had to be treated when they were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bothways.domain.assets import Session
from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MASKED = {
    "declared_departure_s": "has_declared_departure",
    "requested_kwh": "has_request",
    "soc_at_arrival": "has_soc_at_arrival",
    "usable_capacity_kwh": "has_usable_capacity",
    "charge_kw": "has_charge_kw",
    "discharge_kw": "has_discharge_kw",
    "energy_since_last_session_kwh": "has_energy_since_last_session",
}
"""Columns that may be unknown, with the mask that says where they are known."""


@dataclass(frozen=True)
class SessionTable:
    """Sessions (plug-in to plug-out) sorted by arrival; arrays have shape ``(N,)``.

    Where a mask ``has_…`` is False the value beside it is 0 and means nothing.

    Attributes:
        session_id: unique names.
        evse_id: where.
        vehicle_id: pseudonym of the vehicle, ``None`` where unknown.
        arrival_s: plug-in [s since 1970-01-01T00:00Z].
        departure_s: plug-out, after the arrival [s].
        delivered_kwh: energy delivered [kWh, AC side], at least 0.
        declared_departure_s: what the driver said at plug-in, after the arrival [s].
        requested_kwh: energy the driver asked for [kWh, AC side].
        soc_at_arrival: 0…1 of usable capacity.
        usable_capacity_kwh: [kWh, battery side].
        charge_kw: greatest charging power of vehicle and cable [kW, AC side].
        discharge_kw: greatest discharging power [kW, AC side].
        energy_since_last_session_kwh: battery energy driven away since the vehicle's previous session [kWh].
        has_declared_departure, has_request, has_soc_at_arrival, has_usable_capacity, has_charge_kw,
            has_discharge_kw, has_energy_since_last_session: where these are known.

    Raises:
        DomainError: shapes differ, arrivals are not sorted, a departure is not after its arrival, a known value is
            not finite or below 0, a SoC above 1, a repeated ``session_id``.
    """

    session_id: tuple[str, ...]
    evse_id: tuple[str, ...]
    vehicle_id: tuple[str | None, ...]
    arrival_s: Ints
    departure_s: Ints
    delivered_kwh: Floats
    declared_departure_s: Ints
    has_declared_departure: Bools
    requested_kwh: Floats
    has_request: Bools
    soc_at_arrival: Floats
    has_soc_at_arrival: Bools
    usable_capacity_kwh: Floats
    has_usable_capacity: Bools
    charge_kw: Floats
    has_charge_kw: Bools
    discharge_kw: Floats
    has_discharge_kw: Bools
    energy_since_last_session_kwh: Floats
    has_energy_since_last_session: Bools

    def __post_init__(self) -> None:
        size = len(self.session_id)
        for field in fields(self):
            column = getattr(self, field.name)
            found = (len(column),) if isinstance(column, tuple) else column.shape
            _require(found == (size,), f"{field.name} has shape {found}, not ({size},)")
        _require(len(set(self.session_id)) == size, "session ids repeat")
        _require(bool(np.all(np.diff(self.arrival_s) >= 0)), "sessions must be sorted by arrival")
        _require(bool(np.all(self.departure_s > self.arrival_s)), "every departure must lie after its arrival")
        known = self.has_declared_departure
        _require(
            bool(np.all(self.declared_departure_s[known] > self.arrival_s[known])),
            "every declared departure must lie after the arrival",
        )
        _require(_at_least_zero(self.delivered_kwh), "delivered_kwh must be finite and at least 0")
        for name, mask in MASKED.items():
            value = getattr(self, name)[getattr(self, mask)]
            _require(_at_least_zero(value), f"{name} must be finite and at least 0 where it is known")
        _require(bool(np.all(self.soc_at_arrival <= 1.0)), "soc_at_arrival must be at most 1")
        _require(
            bool(np.all(self.usable_capacity_kwh[self.has_usable_capacity] > 0.0)),
            "usable_capacity_kwh must be above 0 where it is known",
        )

    @property
    def size(self) -> int:
        """Number of sessions N."""
        return len(self.session_id)

    @property
    def stay_h(self) -> Floats:
        """Length of every stay [h]."""
        return (self.departure_s - self.arrival_s) / 3600.0

    def select(self, which: Bools | Ints) -> SessionTable:
        """The sessions of a mask or of indices in rising order.

        >>> table = session_table(["a", "b"], ["1", "1"], [0, 7200], [3600, 9000], [1.0, 2.0])
        >>> table.select(np.array([False, True])).session_id
        ('b',)
        """
        rows = np.flatnonzero(which) if which.dtype == np.bool_ else which
        chosen: dict[str, object] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            chosen[field.name] = tuple(column[i] for i in rows) if isinstance(column, tuple) else column[rows]
        return SessionTable(**chosen)  # type: ignore[arg-type]  # field by field the types of this very class

    def between(self, start: datetime, end: datetime) -> SessionTable:
        """The sessions that arrive in ``[start, end)``.

        Raises:
            DomainError: a naive instant.
        """
        if start.tzinfo is None or end.tzinfo is None:
            msg = "between() needs aware instants"
            raise DomainError(msg)
        return self.select((self.arrival_s >= start.timestamp()) & (self.arrival_s < end.timestamp()))

    def session(self, index: int) -> Session:
        """One session as an object."""
        declared = _utc(self.declared_departure_s[index]) if self.has_declared_departure[index] else None
        return Session(
            session_id=self.session_id[index],
            evse_id=self.evse_id[index],
            arrival=_utc(self.arrival_s[index]),
            departure=_utc(self.departure_s[index]),
            declared_departure=declared,
            requested_kwh=float(self.requested_kwh[index]) if self.has_request[index] else None,
            delivered_kwh=float(self.delivered_kwh[index]),
            vehicle_id=self.vehicle_id[index],
        )


def _utc(epoch_s: np.int64) -> datetime:
    return datetime.fromtimestamp(int(epoch_s), tz=UTC)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


def _at_least_zero(values: Floats | Ints) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(values >= 0))


def session_table(
    session_id: Sequence[str],
    evse_id: Sequence[str],
    arrival_s: Sequence[int] | Ints,
    departure_s: Sequence[int] | Ints,
    delivered_kwh: Sequence[float] | Floats,
    *,
    vehicle_id: Sequence[str | None] | None = None,
    **known: Sequence[float] | Floats | Ints | Bools,
) -> SessionTable:
    """Builds a table from the columns that exist, sorted by arrival.

    Args:
        session_id: names, length N.
        evse_id: where, length N.
        arrival_s: plug-in [s since 1970-01-01T00:00Z], shape ``(N,)``.
        departure_s: plug-out [s], shape ``(N,)``.
        delivered_kwh: energy delivered [kWh, AC side], shape ``(N,)``.
        vehicle_id: pseudonyms; all unknown if left out.
        known: any of the optional columns and ``has_…`` masks of :class:`SessionTable`. A column without its mask
            is known everywhere, one that is left out nowhere.

    Raises:
        DomainError: see :class:`SessionTable`; or a column of a name that does not exist.
    """
    size = len(session_id)
    _require(set(known) <= set(MASKED) | set(MASKED.values()), f"unknown column among {sorted(known)}")
    columns: dict[str, NDArray[np.generic]] = {
        "arrival_s": np.asarray(arrival_s, dtype=np.int64),
        "departure_s": np.asarray(departure_s, dtype=np.int64),
        "delivered_kwh": np.asarray(delivered_kwh, dtype=np.float64),
    }
    for name, mask in MASKED.items():
        has = np.asarray(known.get(mask, np.full(size, name in known)), dtype=np.bool_)
        kind = np.int64 if name.endswith("_s") else np.float64
        value = np.asarray(known.get(name, np.zeros(size)), dtype=kind)
        _require(value.shape == has.shape == (size,), f"{name} and {mask} must have shape ({size},)")
        columns[name], columns[mask] = np.where(has, value, np.zeros(1, dtype=kind)), has
    for name in ("arrival_s", "departure_s", "delivered_kwh"):
        _require(columns[name].shape == (size,), f"{name} must have shape ({size},)")
    vehicles = tuple(vehicle_id) if vehicle_id is not None else (None,) * size
    _require(len(vehicles) == len(evse_id) == size, f"vehicle_id and evse_id must have length {size}")
    order = np.argsort(columns["arrival_s"], kind="stable")
    ordered: dict[str, object] = {name: column[order] for name, column in columns.items()}
    for name, texts in (("session_id", session_id), ("evse_id", evse_id), ("vehicle_id", vehicles)):
        ordered[name] = tuple(texts[i] for i in order)
    return SessionTable(**ordered)  # type: ignore[arg-type]  # all fields, each made with its type above


@dataclass(frozen=True)
class QualityCount:
    """One trap of session data: how often it was met and what was done about it.

    Attributes:
        key: short name for programs.
        name: in plain words.
        count: how many sessions.
        treatment: what was done, one sentence.
    """

    key: str
    name: str
    count: int
    treatment: str


@dataclass(frozen=True)
class DataQuality:
    """What a report tells about the session data it rests on.

    Attributes:
        source: where the sessions come from.
        sessions_read: rows in the source.
        sessions_used: rows left after treatment.
        counts: every trap that was looked for, also those met 0 times.
    """

    source: str
    sessions_read: int
    sessions_used: int
    counts: tuple[QualityCount, ...] = ()

    def count(self, key: str) -> int:
        """How often a trap was met; 0 where it was not looked for."""
        return sum(item.count for item in self.counts if item.key == key)

    def adding(self, *more: QualityCount) -> DataQuality:
        """The same with further counts, for example from assumptions or from placing sessions on a grid."""
        return DataQuality(self.source, self.sessions_read, self.sessions_used, (*self.counts, *more))


@dataclass(frozen=True)
class ImportedSessions:
    """Sessions with what a reader of results must know about them.

    Attributes:
        table: the sessions, treated.
        quality: counts of what was treated.
        warnings: further remarks, one sentence each.
    """

    table: SessionTable
    quality: DataQuality
    warnings: tuple[str, ...] = ()
