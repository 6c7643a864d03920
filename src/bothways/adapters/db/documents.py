"""Records of drivers that are written whole, among the facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.facts import AuditRow
from bothways.adapters.db.numbers import chunks, insert_new
from bothways.adapters.db.values import short, to_us


def _text(body: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(body)).decode()


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it comes back from the store."""
    read: dict[str, Any] = orjson.loads(_text(body))
    return read


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
        row = {"kind": kind, "subject": short(subject), "at_us": to_us(at), "body": _text(body)}

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.kind == kind, table.c.subject == row["subject"]))
            connection.execute(insert(table), [row])

        await self._write(change)

    async def swap_document(
        self, kind: str, subject: str, at: datetime, body: Mapping[str, Any], seen: Mapping[str, Any] | None
    ) -> bool:
        """Replaces a record that is still as it was seen; the row's lock or its key decides who was first."""
        table = schema.fact
        text, before = _text(body), None if seen is None else _plain(seen)
        row = {"kind": kind, "subject": short(subject), "at_us": to_us(at), "body": text}
        mine = (table.c.kind == kind) & (table.c.subject == row["subject"])

        def change(connection: Connection) -> bool:
            found = connection.execute(select(table.c.body).where(mine).with_for_update()).scalar()
            if found is None:
                if before is not None:
                    return False
                made = insert_new(connection, table).values(row).returning(table.c.subject)
                return connection.execute(made).first() is not None
            if found == text:  # a batch that was committed and is repeated for a lost answer
                return True
            if before is None or orjson.loads(found) != before:
                return False
            connection.execute(update(table).where(mine).values(body=text, at_us=row["at_us"]))
            return True

        return await self._write(change)

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
        self._documents[kind, short(subject)] = _plain(body)

    async def swap_document(
        self, kind: str, subject: str, at: datetime, body: Mapping[str, Any], seen: Mapping[str, Any] | None
    ) -> bool:
        """Replaces a record that is still as it was seen."""
        found = self._documents.get((kind, short(subject)))
        if found != (None if seen is None else _plain(seen)):
            return found is not None and found == _plain(body)
        await self.keep_document(kind, subject, at, body)
        return True

    async def drop_document(self, kind: str, subject: str) -> None:
        """Deletes a record; one that is not there is no fault."""
        self._documents.pop((kind, short(subject)), None)

    async def noted(self, kind: str, subject: str, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """Details of the audit log's lines of a kind about a subject with ``since <= at < until``, the first first."""
        rows = (row for row in self._audit if row.kind == kind and row.subject == subject and since <= row.at < until)
        return [row.detail for row in rows]
