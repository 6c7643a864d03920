"""Stations, their credentials and their registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, insert, select, update

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.credentials import check_secret
from bothways.adapters.db.engine import clock_us
from bothways.adapters.db.gathering import Gathered
from bothways.adapters.db.rows import station_record, station_row
from bothways.adapters.db.values import clean, short, to_us
from bothways.domain.errors import InputError, Problem
from bothways.operations.stations import StationRecord

_T = schema.station
_PRESENT = select(_T).where(_T.c.station_id.in_(bindparam("ids", expanding=True)), _T.c.removed_us.is_(None))


def audit(connection: Connection, kind: str, subject: str, at_us: int, detail: dict[str, object]) -> None:
    """Appends to the audit log within a change, so that neither is stored without the other."""
    row = {"at_us": at_us, "kind": short(kind), "subject": short(subject), "detail": orjson.dumps(detail).decode()}
    connection.execute(insert(schema.audit), [row])


class Registry(Database):
    """The register of stations."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._present_stations: Gathered[Any] = Gathered(self._fetch_stations)

    async def _fetch_stations(self, ids: list[str]) -> Mapping[str, Any]:
        found = await self._read(lambda connection: connection.execute(_PRESENT, {"ids": ids}).all())
        return {row.station_id: row for row in found}

    async def station(self, station_id: str) -> StationRecord | None:
        """What is known of a station, or ``None`` for an unknown or removed one."""
        row = await self._present_stations.get(short(station_id))
        return None if row is None else station_record(row)

    async def stations(self, site_id: str | None = None) -> Sequence[StationRecord]:
        """All stations, of one site or of all, by id."""
        query = select(_T).where(_T.c.removed_us.is_(None)).order_by(_T.c.station_id)
        if site_id is not None:
            query = query.where(_T.c.site_id == short(site_id))
        return await self._read(lambda connection: [station_record(row) for row in connection.execute(query)])

    async def verify(self, station_id: str, secret: bytes) -> bool:
        """Whether the secret is the station's, in constant time.

        After a rotation the earlier secret holds until the new one is used for the first time, because a station may
        have missed the change.
        """
        row = await self._present_stations.get(short(station_id))
        current, previous = ("", "") if row is None else (row.secret_hash, row.previous_hash)
        good, earlier = check_secret(current, secret), check_secret(previous, secret)
        if good and previous:
            await self._write(lambda connection: _forget_previous(connection, station_id, current))
        return good or earlier

    async def accept(self, station_id: str, at: datetime, model: str) -> None:
        """Records that the station was accepted; survives reconnects and restarts. The first instant stays.

        Raises:
            InputError: no such station.
        """
        changes = {"accepted_us": to_us(at)}
        named = {"model": clean(model)} if model else {}

        def change(connection: Connection) -> None:
            row = _present(connection, station_id)
            values = named if row.accepted_us is not None else {**named, **changes}
            if values:
                connection.execute(update(_T).where(_T.c.station_id == row.station_id).values(values))

        await self._write(change)

    async def add_station(self, record: StationRecord, secret_hash: str) -> None:
        """Adds a station.

        Raises:
            InputError: the id exists or existed before.
        """
        row = station_row(record, secret_hash)

        def change(connection: Connection) -> None:
            found = connection.execute(
                select(_T.c.removed_us).where(_T.c.station_id == row["station_id"])
            ).one_or_none()
            if found is not None:
                state = "exists" if found[0] is None else "existed before, and ids are not used again"
                problem = Problem("station_id", row["station_id"], f"a new id; this one {state}", "Choose another id.")
                raise InputError([problem])
            connection.execute(insert(_T), [row])
            audit(connection, "station added", row["station_id"], clock_us(), {"site_id": row["site_id"]})

        await self._write(change)

    async def change_station(self, record: StationRecord) -> None:
        """Replaces what is recorded of a station; its secret and its registration stay.

        Raises:
            InputError: no such station, or a security profile below the one recorded.
        """
        row = station_row(record, "")
        kept = {name: row[name] for name in ("site_id", "evses", "security_profile", "discharge", "model")}

        def change(connection: Connection) -> None:
            before = _present(connection, record.station_id)
            if record.security_profile < before.security_profile:
                allowed = f"at least {before.security_profile}: a profile is never lowered"
                remedy = "Remove the station and add it anew under another id."
                raise InputError([Problem("security_profile", str(record.security_profile), allowed, remedy)])
            connection.execute(update(_T).where(_T.c.station_id == before.station_id).values(kept))
            audit(connection, "station changed", before.station_id, clock_us(), dict(kept))

        await self._write(change)

    async def rotate_secret(self, station_id: str, secret_hash: str) -> None:
        """Gives a station a new secret; the earlier one holds until the new one is used.

        Raises:
            InputError: no such station.
        """

        def change(connection: Connection) -> None:
            row = _present(connection, station_id)
            values = {"secret_hash": secret_hash, "previous_hash": row.secret_hash}
            connection.execute(update(_T).where(_T.c.station_id == row.station_id).values(values))
            audit(connection, "station secret rotated", row.station_id, clock_us(), {})

        await self._write(change)

    async def remove_station(self, station_id: str, at: datetime) -> None:
        """Removes a station; what it said stays, and its id is never given again.

        Raises:
            InputError: no such station.
        """

        def change(connection: Connection) -> None:
            row = _present(connection, station_id)
            values = {"removed_us": to_us(at), "secret_hash": "", "previous_hash": ""}
            connection.execute(update(_T).where(_T.c.station_id == row.station_id).values(values))
            audit(connection, "station removed", row.station_id, to_us(at), {})

        await self._write(change)


def _present(connection: Connection, station_id: str) -> Any:
    """The row of a station, locked, or an error that names it."""
    query = select(_T).where(_T.c.station_id == short(station_id), _T.c.removed_us.is_(None)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise InputError([Problem("station_id", station_id, "a registered station", "Add the station first.")])
    return row


def _forget_previous(connection: Connection, station_id: str, current: str) -> None:
    mine = (_T.c.station_id == short(station_id)) & (_T.c.secret_hash == current)
    connection.execute(update(_T).where(mine).values(previous_hash=""))
