"""What the parts of the store share: a writer, a few readers, and one way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bothways.adapters.db.engine import connect, store_error
from bothways.adapters.db.writer import Writer, WriterState
from bothways.domain.errors import BothwaysError, StoreError

T = TypeVar("T")
_READERS = 4


class Database:
    """A database with one writing thread and a few reading ones."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine = connect(url)
        self._writer = Writer(self._engine)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._closed = False

    async def _read(self, query: Callable[[Connection], T]) -> T:
        """Runs a query in a reading thread.

        Raises:
            StoreError: the database does not answer.
        """
        if self._closed:
            msg = "the store is closed"
            raise StoreError(msg)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, query)

    def _query(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return query(connection)
        except BothwaysError:
            raise
        except (SQLAlchemyError, OSError) as error:
            raise store_error(error) from error

    async def _write(self, change: Callable[[Connection], T]) -> T:
        """Runs a change in the writer's next batch; returns after the commit."""
        return await self._writer.run(change)

    def state(self) -> WriterState:
        """Figures of the writer, for metrics and health."""
        state = self._writer.state
        state.waiting = self._writer.waiting()
        return state

    async def close(self) -> None:
        """Commits what waits, then lets go of the database. Again does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.close)
        await loop.run_in_executor(None, self._readers.shutdown)
        self._engine.dispose()
