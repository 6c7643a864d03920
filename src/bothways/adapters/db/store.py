"""The durable store of the live platform.

>>> import asyncio, tempfile
>>> async def remembered() -> int:
...     with tempfile.TemporaryDirectory() as folder:
...         store = await open_store(f"sqlite:///{folder}/bothways.db")
...         try:
...             return len(await store.stations())
...         finally:
...             await store.close()
>>> asyncio.run(remembered())
0
"""

from __future__ import annotations

import asyncio

from bothways.adapters.db.answers import Answers
from bothways.adapters.db.documents import DocumentFacts
from bothways.adapters.db.engine import migrate
from bothways.adapters.db.enrolment import Enrolment
from bothways.adapters.db.factors import Factors
from bothways.adapters.db.facts import Facts
from bothways.adapters.db.journal import Journal
from bothways.adapters.db.people import People
from bothways.adapters.db.personal import Personal
from bothways.adapters.db.records import Records
from bothways.adapters.db.registry import Registry
from bothways.adapters.db.tries import TryCounts


class SqlStore(
    Records, Registry, Facts, DocumentFacts, People, Personal, Factors, TryCounts, Answers, Journal, Enrolment
):
    """``Store``, ``StationRegistry`` and ``AccountStore`` on SQLite or PostgreSQL; see :func:`open_store`."""


async def open_store(url: str) -> SqlStore:
    """Opens the store, bringing its schema up to date first.

    Args:
        url: ``sqlite:///path/to/file.db`` (created where it is missing) or ``postgresql://user@host/name``.

    Raises:
        InputError: the address cannot be used, or the database was written by a newer bothways.
        StoreError: the database cannot be reached.
    """
    await asyncio.to_thread(migrate, url)
    return SqlStore(url)
