"""Wrong tries to sign in, and what was used once: shared by every process, and kept over a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Double, Index, Integer, Table, Text, delete, func, select

from bothways.adapters.db.base import Database
from bothways.adapters.db.numbers import insert_new
from bothways.adapters.db.schema import metadata
from bothways.adapters.db.values import clean, to_us
from bothways.operations.access.tries import FORGOTTEN_S, REMEMBERED, counted, waiting_s

sign_in_try = Table(
    "sign_in_try",
    metadata,
    Column("key", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("last_s", Double, nullable=False),
    Index("ix_sign_in_try_last_s", "last_s"),
)
"""Tries to sign in since the last right one, by name and by address."""

used_once = Table(
    "used_once",
    metadata,
    Column("what", Text, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
    Index("ix_used_once_until_us", "until_us"),
)
"""Digests of one-time codes and invitations that were used, for as long as they would be valid."""


class TryCounts(Database):
    """Fulfils :class:`bothways.operations.access.tries.TriesStore`."""

    async def begin_try(self, keys: Sequence[str], at_s: float) -> tuple[float, Mapping[str, int]]:
        """Counts a try under each key, if none of them makes wait: how long to wait [s], and the new counts."""
        wanted = sorted(clean(key) for key in keys)  # in one order, so that two processes never wait for each other

        def look(connection: Connection) -> float:
            return _wait(connection, wanted, at_s)

        def change(connection: Connection) -> tuple[float, Mapping[str, int]]:
            for key in wanted:
                row = {"key": key, "tries": 0, "last_s": at_s}
                connection.execute(insert_new(connection, sign_in_try).values(row))
            wait = _wait(connection, wanted, at_s, lock=True)
            return (wait, {}) if wait > 0.0 else (0.0, _count(connection, wanted, at_s))

        wait = await self._read(look)  # who has to wait is told so without a write
        return (wait, {}) if wait > 0.0 else await self._write(change)

    async def forget_tries(self, keys: Sequence[str]) -> None:
        """Lets go of counts."""
        wanted = [clean(key) for key in keys]

        def change(connection: Connection) -> None:
            connection.execute(delete(sign_in_try).where(sign_in_try.c.key.in_(wanted)))

        await self._write(change)

    async def use_once(self, what: str, now: datetime, until: datetime) -> bool:
        """Notes a use until an instant; false where it was used already."""

        def change(connection: Connection) -> bool:
            connection.execute(delete(used_once).where(used_once.c.until_us < to_us(now)))
            row = {"what": what, "until_us": to_us(until)}
            made = insert_new(connection, used_once).values(row).returning(used_once.c.what)
            return connection.execute(made).first() is not None

        return await self._write(change)


def _wait(connection: Connection, keys: Sequence[str], at_s: float, *, lock: bool = False) -> float:
    query = select(sign_in_try).where(sign_in_try.c.key.in_(keys)).order_by(sign_in_try.c.key)
    rows = connection.execute(query.with_for_update() if lock else query).all()
    return max((waiting_s(row.key, row.tries, row.last_s, at_s) for row in rows), default=0.0)


def _count(connection: Connection, keys: Sequence[str], at_s: float) -> dict[str, int]:
    table = sign_in_try
    counts = {}
    for row in connection.execute(select(table).where(table.c.key.in_(keys)).order_by(table.c.key)).all():
        counts[row.key] = counted(row.tries, row.last_s, at_s)
        change = table.update().where(table.c.key == row.key).values(tries=counts[row.key], last_s=at_s)
        connection.execute(change)
    connection.execute(delete(table).where(table.c.last_s < at_s - FORGOTTEN_S))
    surplus = connection.execute(select(func.count()).select_from(table)).scalar_one() - REMEMBERED
    if surplus > 0:
        oldest = select(table.c.key).order_by(table.c.last_s).limit(surplus)
        connection.execute(delete(table).where(table.c.key.in_(oldest)))
    return counts
