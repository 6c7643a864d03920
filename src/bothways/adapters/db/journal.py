"""The audit log, read a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.facts import AuditRow
from bothways.adapters.db.numbers import chunks
from bothways.adapters.db.values import from_us, short, to_us
from bothways.operations.desk.audit import AuditFilter
from bothways.operations.ports import AuditLine

_T = schema.audit


class Journal(Database):
    """Fulfils :class:`bothways.operations.desk.audit.AuditReader`."""

    async def audit_page(
        self, wanted: AuditFilter, *, subjects: Collection[str] | None, without: Collection[str], before: int | None,
        limit: int,
    ) -> Sequence[AuditLine]:  # fmt: skip
        """Lines with numbers below ``before``, the latest first."""
        if subjects is not None and not subjects:
            return []
        kept = [*_asked(wanted), _T.c.kind.not_in(list(without))]
        if before is not None:
            kept.append(_T.c.id < before)
        if subjects is not None:
            names = sorted(short(name) for name in subjects)
            kept.append(or_(*(_T.c.subject.in_(part) for part in chunks(names))))
        query = select(_T).where(and_(*kept)).order_by(_T.c.id.desc()).limit(limit)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [AuditLine(row.id, from_us(row.at_us), row.kind, row.subject, orjson.loads(row.detail)) for row in rows]


class MemoryJournal:
    """The same for a store that keeps plain objects."""

    _audit: list[AuditRow]

    async def audit_page(
        self, wanted: AuditFilter, *, subjects: Collection[str] | None, without: Collection[str], before: int | None,
        limit: int,
    ) -> Sequence[AuditLine]:  # fmt: skip
        """Lines with numbers below ``before``, the latest first."""
        lines = [AuditLine(n, row.at, row.kind, row.subject, row.detail) for n, row in enumerate(self._audit, start=1)]
        return [
            line
            for line in reversed(lines)
            if (before is None or line.number < before)
            and (subjects is None or line.subject in subjects)
            and line.kind not in without
            and line.kind == (wanted.kind or line.kind)
            and line.subject.startswith(wanted.subject)
            and wanted.text.lower() in orjson.dumps(line.detail).decode().lower()
            and (wanted.since is None or line.at >= wanted.since)
            and (wanted.until is None or line.at < wanted.until)
        ][:limit]


def _asked(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    kept: list[ColumnElement[bool]] = []
    if wanted.kind:
        kept.append(_T.c.kind == wanted.kind)
    if wanted.subject:
        kept.append(func.substr(_T.c.subject, 1, len(wanted.subject)) == wanted.subject)
    if wanted.text:
        kept.append(func.lower(_T.c.detail).contains(wanted.text.lower(), autoescape=True))
    if wanted.since is not None:
        kept.append(_T.c.at_us >= to_us(wanted.since))
    if wanted.until is not None:
        kept.append(_T.c.at_us < to_us(wanted.until))
    return kept
