"""What is done about the traps of recorded sessions, and how often each was met."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bothways.domain.errors import InputError, Problem
from bothways.mobility.sessions import (
    MASKED,
    DataQuality,
    ImportedSessions,
    QualityCount,
    SessionTable,
    session_table,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]

LONG_STAY_H = 24.0
"""Stays longer than this are counted [h]."""

RATING_TOLERANCE = 0.02
"""Share by which delivered energy may exceed rating × time before it is counted: meters and clocks are not exact."""


@dataclass(frozen=True)
class Draft:
    """Recorded sessions as columns in file order, each cell readable, before treatment; shape ``(N,)``."""

    session_id: Objects
    evse_id: Objects
    vehicle_id: Objects
    arrival_s: Ints
    departure_s: Ints
    open_end: Bools
    repeated_hour: Bools
    delivered_kwh: Floats
    declared_departure_s: Ints
    has_declared_departure: Bools
    driver_silent: Bools
    known: dict[str, tuple[Floats, Bools]]

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.arrival_s.shape[0])

    def select(self, keep: Bools | NDArray[np.intp]) -> Draft:
        """The rows of a mask or of indices."""
        chosen = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name != "known"}
        known = {name: (value[keep], has[keep]) for name, (value, has) in self.known.items()}
        return Draft(**chosen, known=known)

    def changed(self, **columns: object) -> Draft:
        """The same with some columns replaced."""
        return Draft(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **columns})


def treat(draft: Draft, source: str, evse_charge_kw: float | None) -> ImportedSessions:
    """Applies every treatment in turn and counts; see docs/reference/sessions.md for the list and the reasons.

    Args:
        draft: readable rows.
        source: where they come from.
        evse_charge_kw: rating of the EVSEs [kW]; ``None`` where unknown.

    Raises:
        InputError: nothing is left, or a missing plug-out cannot be replaced by anything.
    """
    counts: list[QualityCount] = []
    read = draft.size
    draft = _without_duplicates(draft, counts)
    draft = _without_empty_stays(draft, counts)
    draft = _closed(draft, source, counts)
    draft = _apart(draft, counts)
    draft = _one_place_at_a_time(draft, counts)
    draft = _declared_after_arrival(draft, counts)
    if draft.size == 0:
        remedy = "Check arrivals and departures: stays of zero length and duplicates are dropped."
        raise InputError([Problem(source, f"no usable session among {read} rows", "at least one", remedy)])
    table = _table(draft)
    counts += _told(table, draft, evse_charge_kw)
    return ImportedSessions(table, DataQuality(source, read, table.size, tuple(counts)), _warnings(counts, read))


def _without_duplicates(draft: Draft, counts: list[QualityCount]) -> Draft:
    """Drops rows that tell of the same stay again; renames different sessions that share an id."""
    same = pl.DataFrame(
        {
            "evse": draft.evse_id.tolist(),
            "vehicle": pl.Series(draft.vehicle_id.tolist(), dtype=pl.String),
            "arrival": draft.arrival_s,
            "departure": draft.departure_s,
            "open": draft.open_end,
            "kwh": draft.delivered_kwh,
        }
    )
    again = ~same.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy().astype(np.bool_)
    draft = draft.select(~again)
    ids = draft.session_id.tolist()
    renamed = 0
    if len(set(ids)) < len(ids):
        taken, seen = set(ids), set[str]()
        for row, name in enumerate(ids):
            number = 2
            fresh = name
            while fresh in seen or (fresh != name and fresh in taken):
                fresh, number = f"{name} ({number})", number + 1
            renamed += fresh != name
            ids[row] = fresh
            seen.add(fresh)
    counts.append(
        QualityCount(
            "duplicate_rows", "rows that tell of the same stay again", int(again.sum()), "dropped; the first is kept"
        )
    )
    counts.append(
        QualityCount(
            "duplicate_ids", "different sessions under one id", renamed, "kept; the later ones get a number in brackets"
        )
    )
    names = np.empty(len(ids), dtype=object)
    names[:] = ids
    return draft.changed(session_id=names)


def _without_empty_stays(draft: Draft, counts: list[QualityCount]) -> Draft:
    empty = ~draft.open_end & (draft.departure_s <= draft.arrival_s)
    energy = float(draft.delivered_kwh[empty].sum())
    treatment = f"dropped, with {energy:.1f} kWh in total" if empty.any() else "dropped"
    counts.append(QualityCount("zero_length", "stays of zero length", int(empty.sum()), treatment))
    return draft.select(~empty)


def _closed(draft: Draft, source: str, counts: list[QualityCount]) -> Draft:
    """Ends stays without plug-out: at the declared departure, else after the median stay; before the next plug-in."""
    treatment = (
        "the stay ends at the declared departure, or after the median stay of the data where none was declared; "
        "in any case before the next plug-in at that station"
    )
    count = int(draft.open_end.sum())
    counts.append(QualityCount("missing_plug_out", "missing plug-out", count, treatment))
    if count == 0:
        return draft
    stays = (draft.departure_s - draft.arrival_s)[~draft.open_end]
    declared = draft.has_declared_departure & (draft.declared_departure_s > draft.arrival_s)
    if stays.size == 0 and not np.all(declared[draft.open_end]):
        remedy = "Give departures: without a single one the length of stays cannot be known."
        raise InputError([Problem(source, "no departure at all", "departures in the data", remedy)])
    median = int(np.median(stays)) if stays.size else 0
    end = np.where(declared, draft.declared_departure_s, draft.arrival_s + median)
    following = _next_arrival(draft)
    end = np.where(following > draft.arrival_s, np.minimum(end, following), end)
    return draft.changed(
        departure_s=np.where(draft.open_end, end, draft.departure_s), open_end=np.zeros(draft.size, dtype=np.bool_)
    )


_NEVER = np.iinfo(np.int64).max


def _next_arrival(draft: Draft) -> Ints:
    """The following plug-in at the same EVSE, ``_NEVER`` for the last, shape ``(N,)``."""
    _, evse = np.unique(draft.evse_id.astype(str), return_inverse=True)
    order = np.lexsort((np.arange(draft.size), draft.arrival_s, evse))
    following = np.full(draft.size, _NEVER, dtype=np.int64)
    same = evse[order][1:] == evse[order][:-1]
    following[order[:-1][same]] = draft.arrival_s[order[1:][same]]
    return following


def _apart(draft: Draft, counts: list[QualityCount]) -> Draft:
    """Ends a stay where the next one at the same station begins: two vehicles cannot share one plug."""
    following = _next_arrival(draft)
    overlapping = draft.departure_s > following
    gone = overlapping & (following <= draft.arrival_s)
    energy = float(draft.delivered_kwh[gone].sum())
    treatment = "the earlier stay ends where the later one begins"
    if gone.any():
        treatment += f"; {int(gone.sum())} of them began at the same instant and were dropped ({energy:.1f} kWh)"
    counts.append(QualityCount("overlapping", "overlapping sessions on one station", int(overlapping.sum()), treatment))
    trimmed = draft.changed(departure_s=np.where(overlapping, following, draft.departure_s))
    return trimmed.select(~gone)


def _one_place_at_a_time(draft: Draft, counts: list[QualityCount]) -> Draft:
    """Takes the vehicle's name off a session that begins while the vehicle is still plugged in elsewhere."""
    busy_until: dict[str, int] = {}
    torn = np.zeros(draft.size, dtype=np.bool_)
    if any(name is not None for name in draft.vehicle_id):
        for row in np.argsort(draft.arrival_s, kind="stable"):
            name = draft.vehicle_id[row]
            if name is None:
                continue
            if draft.arrival_s[row] < busy_until.get(name, -1):
                torn[row] = True
            else:
                busy_until[name] = int(draft.departure_s[row])
    counts.append(
        QualityCount(
            "vehicle_in_two_places", "a vehicle plugged in at two stations at once", int(torn.sum()),
            "kept, but the later session counts as that of an unknown vehicle",
        )
    )  # fmt: skip
    known = dict(draft.known)
    if "energy_since_last_session_kwh" in known:
        value, has = known["energy_since_last_session_kwh"]
        known["energy_since_last_session_kwh"] = (np.where(torn, 0.0, value), has & ~torn)
    vehicles = draft.vehicle_id.copy()
    vehicles[torn] = None
    return draft.changed(vehicle_id=vehicles, known=known)


def _declared_after_arrival(draft: Draft, counts: list[QualityCount]) -> Draft:
    wrong = draft.has_declared_departure & (draft.declared_departure_s <= draft.arrival_s)
    counts.append(
        QualityCount(
            "declared_before_arrival", "declared departure not after the arrival", int(wrong.sum()),
            "counts as undeclared",
        )
    )  # fmt: skip
    return draft.changed(has_declared_departure=draft.has_declared_departure & ~wrong)


def _table(draft: Draft) -> SessionTable:
    columns: dict[str, NDArray[np.generic]] = {
        "declared_departure_s": draft.declared_departure_s,
        "has_declared_departure": draft.has_declared_departure,
    }
    for name, (value, has) in draft.known.items():
        columns[name], columns[MASKED[name]] = value, has
    return session_table(
        draft.session_id.tolist(),
        draft.evse_id.tolist(),
        draft.arrival_s,
        draft.departure_s,
        draft.delivered_kwh,
        vehicle_id=draft.vehicle_id.tolist(),
        **columns,  # type: ignore[arg-type]  # numbers and masks, as their names say
    )


def _told(table: SessionTable, draft: Draft, evse_charge_kw: float | None) -> list[QualityCount]:
    """Traps that are only counted, because the data is kept as it is."""
    less = table.has_request & (table.requested_kwh < table.delivered_kwh)
    return [
        QualityCount(
            "requested_below_delivered", "requested less energy than was delivered", int(less.sum()),
            "both kept: the request is what is known at plug-in, the delivered energy what the vehicle took",
        ),
        QualityCount(
            "undeclared_departure", "no declared departure", int((~table.has_declared_departure).sum()),
            "kept as unknown: a driver who declares nothing has agreed to nothing",
        ),
        QualityCount(
            "undeclared_request", "no requested energy", int((~table.has_request).sum()),
            "kept as unknown: the vehicle may take all that fits",
        ),
        QualityCount(
            "driver_silent", "sessions that no driver claimed", int(draft.driver_silent.sum()),
            "the declared values that the file gives for them are not a driver's and are ignored",
        ),
        QualityCount(
            "long_stay", f"stays over {LONG_STAY_H:g} h", int((table.stay_h > LONG_STAY_H).sum()), "kept as they are"
        ),
        QualityCount(
            "repeated_local_hour", "local times in the repeated hour of autumn", int(draft.repeated_hour.sum()),
            "read as the first of the two hours, unless the stay would then end before it begins",
        ),
        QualityCount(
            "no_energy", "sessions without any energy", int((table.delivered_kwh == 0.0).sum()), "kept as they are"
        ),
        _above_rating(table, evse_charge_kw),
    ]  # fmt: skip


def _above_rating(table: SessionTable, evse_charge_kw: float | None) -> QualityCount:
    name = "energy above what the charger could deliver in the time"
    if evse_charge_kw is None and not table.has_charge_kw.any():
        return QualityCount("above_rating", name, 0, "not checked: no rating of charger or vehicle is given")
    rating = np.where(table.has_charge_kw, table.charge_kw, np.inf)
    rating = np.minimum(rating, np.inf if evse_charge_kw is None else evse_charge_kw)
    above = table.delivered_kwh > rating * table.stay_h * (1.0 + RATING_TOLERANCE)
    treatment = "kept; the study delivers what the rating allows, the same under every strategy"
    return QualityCount("above_rating", name, int(above.sum()), treatment)


def _warnings(counts: list[QualityCount], read: int) -> tuple[str, ...]:
    """Speaks up where a treatment touches so many sessions that results rest on it."""
    heavy = {
        "duplicate_rows",
        "zero_length",
        "missing_plug_out",
        "overlapping",
        "above_rating",
        "vehicle_in_two_places",
    }
    return tuple(
        f"{item.count} of {read} sessions: {item.name} ({item.treatment})"
        for item in counts
        if item.key in heavy and item.count > 0.05 * read
    )
