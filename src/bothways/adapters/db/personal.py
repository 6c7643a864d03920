"""Everything of one person, told whole, and forgotten in one commit."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select, update

from bothways.adapters.db import schema
from bothways.adapters.db.base import Database
from bothways.adapters.db.engine import clock_us
from bothways.adapters.db.people import person
from bothways.adapters.db.registry import audit
from bothways.adapters.db.retention import erase_token
from bothways.adapters.db.rows import driver_need
from bothways.adapters.db.values import clean, from_us, short
from bothways.operations.stations import DriverNeed


class Personal(Database):
    """Fulfils :class:`bothways.operations.personal.PersonalStore`."""

    async def said(self, holder: str) -> Sequence[DriverNeed]:
        """Every need that was stated for a holder, the latest first."""
        table = schema.need
        query = select(table).where(table.c.holder == short(holder)).order_by(table.c.stated_us.desc())
        return await self._read(lambda connection: [driver_need(row) for row in connection.execute(query)])

    async def noted_about(self, names: Collection[str]) -> Sequence[tuple[datetime, str, str, Mapping[str, Any]]]:
        """Lines of the audit log whose subject, or any value of whose detail, is one of the names; the first first."""
        table = schema.audit
        query = select(table).where(table.c.kind != "site interval").order_by(table.c.id)

        def read(connection: Connection) -> list[tuple[datetime, str, str, Mapping[str, Any]]]:
            found = []
            for row in connection.execution_options(yield_per=5000).execute(query):
                detail = orjson.loads(row.detail)
                if row.subject in names or any(isinstance(value, str) and value in names for value in detail.values()):
                    found.append((from_us(row.at_us), row.kind, row.subject, detail))
            return found

        return await self._read(read)

    async def erase_person(self, account_id: str, holders: Sequence[str]) -> int:
        """Forgets an account with all its ways to sign in, and its cards; returns how many transactions had one."""
        name = f"erased-{secrets.token_hex(6)}"

        def change(connection: Connection) -> int:
            count = sum(erase_token(connection, clean(holder)) for holder in holders)
            for table in schema.metadata.sorted_tables:
                if "account_id" in table.c and table is not person:
                    connection.execute(delete(table).where(table.c.account_id == account_id))
            nothing = {"password_hash": "", "grants": "[]", "totp_secret": "", "email": "", "language": "en"}
            row = {**nothing, "name": name, "folded_name": name, "disabled": True}
            connection.execute(update(person).where(person.c.account_id == account_id).values(row))
            audit(connection, "account erased", name, clock_us(), {"transactions": count})
            return count

        return await self._write(change)
