"""What was answered under which idempotency key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, LargeBinary, Table, Text, delete, select, update

from bothways.adapters.db.base import Database
from bothways.adapters.db.numbers import insert_new
from bothways.adapters.db.schema import metadata

answered_request = Table(
    "answered_request",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("key_hash", Text, primary_key=True),
    Column("session_hash", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_answered_request_at_us", "at_us"),
)
"""Writing requests that carried a key, for two days; answers are encrypted with what only the caller knows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as it is kept.

    Attributes:
        session_hash: of the session or token that used it.
        fingerprint: of the request.
        status: of the answer, 0 while there is none.
        sealed: the encrypted answer.
    """

    session_hash: str
    fingerprint: str
    status: int = 0
    sealed: bytes = b""


class Answers(Database):
    """Fulfils :class:`bothways.adapters.http.repeats.AnswerStore`."""

    async def claim(self, account_id: str, key_hash: str, claim: Claim, at_us: int, forget_us: int) -> Claim | None:
        """Takes a key that nobody used, or returns what it was used for; forgets what is older than ``forget_us``."""
        table = answered_request
        row = {
            "account_id": account_id, "key_hash": key_hash, "session_hash": claim.session_hash,
            "fingerprint": claim.fingerprint, "at_us": at_us, "status": 0, "sealed": b"",
        }  # fmt: skip

        def change(connection: Connection) -> Claim | None:
            connection.execute(delete(table).where(table.c.at_us < forget_us))
            taken = insert_new(connection, table).values(row).returning(table.c.key_hash)
            if connection.execute(taken).first() is not None:
                return None
            mine = (table.c.account_id == account_id) & (table.c.key_hash == key_hash)
            found = connection.execute(select(table).where(mine)).one()
            return Claim(found.session_hash, found.fingerprint, found.status, bytes(found.sealed))

        return await self._write(change)

    async def answered(self, account_id: str, key_hash: str, status: int, sealed: bytes) -> None:
        """Keeps the answer."""
        table = answered_request
        mine = (table.c.account_id == account_id) & (table.c.key_hash == key_hash)

        def change(connection: Connection) -> None:
            connection.execute(update(table).where(mine).values(status=status, sealed=sealed))

        await self._write(change)

    async def unclaim(self, account_id: str, key_hash: str) -> None:
        """Lets go of a key under which nothing was done."""
        table = answered_request
        mine = (table.c.account_id == account_id) & (table.c.key_hash == key_hash)

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(mine, table.c.status == 0))

        await self._write(change)
