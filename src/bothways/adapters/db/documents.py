"""Records of drivers that are written whole, among the facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.facts import AuditRow
from bothways.adapters.db.numbers import chunks
from bothways.adapters.db.values import short, to_us


class DocumentFacts(Database):
    """Fulfils :class:`bothways.operations.documents.Documents`."""

    async def documents(self, kind: str, subjects: Collection[str] | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Records of a kind by subject: all, or those of the given subjects."""
        table = schema.fact

        def read(connection: Connection) -> dict[str, dict[str, Any]]:
            query = select(table.c.subject, table.c.body).where(table.c.kind == kind).order_by(table.c.subject)
            if subjects is None:
                return {name: orjson.loads(body) for name, body in connection.execute(query)}
            found: dict[str, dict[str, Any]] = {}
            for part in chunks(sorted({short(name) for name in subjects})):
                rows = connection.execute(query.where(table.c.subject.in_(part)))
                found.update((name, orjson.loads(body)) for name, body in rows)
            return found

        return await self._read(read)

    async def keep_document(self, kind: str, subject: str, at: datetime, body: Mapping[str, Any]) -> None:
        """Replaces a record; returns after the commit."""
        table = schema.fact
        text = orjson.dumps(dict(body)).decode()
        row = {"kind": kind, "subject": short(subject), "at_us": to_us(at), "body": text}

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.kind == kind, table.c.subject == row["subject"]))
            connection.execute(insert(table), [row])

        await self._write(change)

    async def drop_document(self, kind: str, subject: str) -> None:
        """Deletes a record; one that is not there is no fault."""
        table = schema.fact

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.kind == kind, table.c.subject == short(subject)))

        await self._write(change)

    async def noted(self, kind: str, subject: str, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """Details of the audit log's lines of a kind about a subject with ``since <= at < until``, the first first."""
        table = schema.audit
        within = (table.c.at_us >= to_us(since)) & (table.c.at_us < to_us(until))
        mine = (table.c.kind == kind) & (table.c.subject == short(subject))
        query = select(table.c.detail).where(within & mine).order_by(table.c.id)
        return await self._read(lambda c: [orjson.loads(text) for text in c.execute(query).scalars()])


class DocumentMemory:
    """The same without a database."""

    _audit: list[AuditRow]

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], dict[str, Any]] = {}

    async def documents(self, kind: str, subjects: Collection[str] | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Records of a kind by subject: all, or those of the given subjects."""
        wanted = None if subjects is None else {short(name) for name in subjects}
        return {
            name: body
            for (of, name), body in sorted(self._documents.items())
            if of == kind and (wanted is None or name in wanted)
        }

    async def keep_document(self, kind: str, subject: str, at: datetime, body: Mapping[str, Any]) -> None:
        """Replaces a record."""
        to_us(at)
        self._documents[kind, short(subject)] = orjson.loads(orjson.dumps(dict(body)))

    async def drop_document(self, kind: str, subject: str) -> None:
        """Deletes a record; one that is not there is no fault."""
        self._documents.pop((kind, short(subject)), None)

    async def noted(self, kind: str, subject: str, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """Details of the audit log's lines of a kind about a subject with ``since <= at < until``, the first first."""
        rows = (row for row in self._audit if row.kind == kind and row.subject == subject and since <= row.at < until)
        return [row.detail for row in rows]
