"""What is known beyond events: needs, permissions, the compatibility register, what was learned, latches, plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Table, delete, func, select

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.numbers import chunks, insert_new
from bothways.adapters.db.registry import audit
from bothways.adapters.db.rows import driver_need, grid_permission, need_row, permission_body
from bothways.adapters.db.values import clean, finite, from_us, short, to_us
from bothways.operations.events import EvseKey
from bothways.operations.ports import CompatibilityRow, Latch
from bothways.operations.stations import DriverNeed, GridPermission

_PERMISSION, _COMPATIBILITY, _LEARNED, _LATCH, _PLAN = "permission", "compatibility", "learned", "latch", "plan"


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit log."""

    at: datetime
    kind: str
    subject: str
    detail: Mapping[str, object]


class Facts(Database):
    """Current facts, each written whole, and the audit log."""

    async def need(self, need: DriverNeed) -> None:
        """Keeps a driver's need; the same ``need_id`` again changes nothing."""
        row = need_row(need)
        await self._write(lambda connection: _insert(connection, schema.need, row))

    async def needs(self, holders: Sequence[str]) -> Mapping[str, DriverNeed]:
        """The latest need of each holder that stated one."""
        table = schema.need
        wanted = sorted({short(holder) for holder in holders})

        def read(connection: Connection) -> dict[str, DriverNeed]:
            found: dict[str, DriverNeed] = {}
            for part in chunks(wanted):
                query = select(table).where(table.c.holder.in_(part)).order_by(table.c.stated_us)
                found.update((row.holder, driver_need(row)) for row in connection.execute(query))
            return found

        return await self._read(read)

    async def permission(self, site_id: str) -> GridPermission:
        """The site's grid connection on paper; everything is missing where nothing was recorded."""
        body = await self._fact(_PERMISSION, site_id)
        return GridPermission(site_id) if body is None else grid_permission(site_id, body)

    async def permit(self, permission: GridPermission, at: datetime) -> None:
        """Records a site's grid connection (R54) and says so in the audit log."""
        finite("export_limit_kw", permission.export_limit_kw)
        await self._keep(_PERMISSION, permission.site_id, at, permission_body(permission), audited="grid permission")

    async def add_compatibility(self, row: CompatibilityRow, at: datetime) -> None:
        """Adds or replaces a row of the compatibility register (R55)."""
        body: dict[str, Any] = {**asdict(row), "as_of": to_us(row.as_of)}
        subject = "\x1f".join((row.vehicle, row.charger, row.connector))
        await self._keep(_COMPATIBILITY, subject, at, body, audited="compatibility")

    async def compatibility(self, vehicle: str, charger: str) -> Sequence[CompatibilityRow]:
        """Rows of the register for a pair, one per connector; none means that nothing is known, so no discharge."""
        rows = await self._all(_COMPATIBILITY)
        return [row for row in map(_compatibility, rows) if (row.vehicle, row.charger) == (vehicle, charger)]

    async def compatibility_register(self) -> Sequence[CompatibilityRow]:
        """The whole register."""
        return [_compatibility(row) for row in await self._all(_COMPATIBILITY)]

    async def learn(self, evse: EvseKey, vehicle: str, name: str, value: object, at: datetime) -> None:
        """Remembers something about a pair, such as ``resumes_after_pause`` = False; a later value replaces it."""
        await self._keep(_LEARNED, _pair(evse, vehicle, name), at, {"value": value})

    async def learned(self, evse: EvseKey, vehicle: str) -> Mapping[str, object]:
        """What was learned of a pair, by name."""
        prefix = _pair(evse, vehicle, "")
        table = schema.fact
        query = select(table.c.subject, table.c.body).where(
            table.c.kind == _LEARNED, func.substr(table.c.subject, 1, len(prefix)) == prefix
        )
        rows = await self._read(lambda connection: connection.execute(query).all())
        return {subject[len(prefix) :]: orjson.loads(body)["value"] for subject, body in rows}

    async def latch(self, latch: Latch) -> None:
        """Latches an emergency stop; it holds over restarts until somebody releases it. The first cause stays."""
        body = {"cause": clean(latch.cause), "device": clean(latch.device), "party": clean(latch.party)}
        row = _row(_LATCH, latch.scope, latch.at, body)

        def change(connection: Connection) -> None:
            connection.execute(insert_new(connection, schema.fact), [row])
            audit(connection, "emergency stop latched", latch.scope, to_us(latch.at), dict(body))

        await self._write(change)

    async def release(self, scope: str, at: datetime, who: str) -> None:
        """Releases a latched emergency stop."""
        table = schema.fact

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.kind == _LATCH, table.c.subject == short(scope)))
            audit(connection, "emergency stop released", scope, to_us(at), {"who": clean(who)})

        await self._write(change)

    async def latches(self) -> Sequence[Latch]:
        """Emergency stops that hold now."""
        table = schema.fact
        query = select(table).where(table.c.kind == _LATCH).order_by(table.c.subject)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [Latch(scope=row.subject, at=from_us(row.at_us), **orjson.loads(row.body)) for row in rows]

    async def keep_plan(self, site_id: str, at: datetime, plan: Mapping[str, object]) -> None:
        """Keeps a site's last safe plan, as plain values, so that a restart can go on with it."""
        await self._keep(_PLAN, site_id, at, dict(plan))

    async def last_plan(self, site_id: str) -> tuple[datetime, Mapping[str, object]] | None:
        """The site's last safe plan and when it was made, or ``None``."""
        table = schema.fact
        query = select(table).where(table.c.kind == _PLAN, table.c.subject == short(site_id))
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (from_us(row.at_us), orjson.loads(row.body))

    async def note(self, kind: str, subject: str, at: datetime, detail: Mapping[str, object]) -> None:
        """Appends to the audit log."""
        await self._write(lambda connection: audit(connection, kind, subject, to_us(at), dict(detail)))

    async def audit_log(self, *, since: datetime | None = None, limit: int = 1000) -> Sequence[AuditRow]:
        """The audit log, the latest first."""
        table = schema.audit
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if since is not None:
            query = query.where(table.c.at_us >= to_us(since))
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [AuditRow(from_us(row.at_us), row.kind, row.subject, orjson.loads(row.detail)) for row in rows]

    async def _keep(self, kind: str, subject: str, at: datetime, body: dict[str, Any], audited: str = "") -> None:
        """Replaces a fact; one that is older than what is kept changes nothing."""
        row = _row(kind, subject, at, body)
        table = schema.fact

        def change(connection: Connection) -> None:
            mine = (table.c.kind == kind) & (table.c.subject == row["subject"])
            connection.execute(delete(table).where(mine, table.c.at_us <= row["at_us"]))
            connection.execute(insert_new(connection, table), [row])
            if audited:
                audit(connection, audited, row["subject"], row["at_us"], body)

        await self._write(change)

    async def _fact(self, kind: str, subject: str) -> dict[str, Any] | None:
        table = schema.fact
        query = select(table.c.body).where(table.c.kind == kind, table.c.subject == short(subject))
        body = await self._read(lambda connection: connection.execute(query).scalar_one_or_none())
        return None if body is None else orjson.loads(body)

    async def _all(self, kind: str) -> list[dict[str, Any]]:
        table = schema.fact
        query = select(table.c.body).where(table.c.kind == kind).order_by(table.c.subject)
        return [
            orjson.loads(body)
            for body in await self._read(lambda connection: connection.execute(query).scalars().all())
        ]


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    connection.execute(insert_new(connection, table), [row])


def _row(kind: str, subject: str, at: datetime, body: Mapping[str, object]) -> dict[str, Any]:
    return {"kind": kind, "subject": short(subject), "at_us": to_us(at), "body": orjson.dumps(dict(body)).decode()}


def _pair(evse: EvseKey, vehicle: str, name: str) -> str:
    return "\x1f".join((short(evse.station_id), str(evse.evse_id), clean(vehicle), clean(name)))


def _compatibility(body: dict[str, Any]) -> CompatibilityRow:
    return CompatibilityRow(**{**body, "as_of": from_us(body["as_of"]), "uses": tuple(body["uses"])})
