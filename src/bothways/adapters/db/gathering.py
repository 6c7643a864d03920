"""Many lookups of one row each, read together.

When a site's power comes back its stations reconnect at once, and each asks for its own row twice. What is asked for
while a query runs is read by the next one: a single lookup waits for nothing, nine thousand become a few dozen queries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

R = TypeVar("R")
_MOST = 500


class Gathered(Generic[R]):
    """Looks rows up by key; ``fetch`` reads many and leaves out what is not there."""

    def __init__(self, fetch: Callable[[list[str]], Awaitable[Mapping[str, R]]]) -> None:
        self._fetch = fetch
        self._waiting: dict[str, list[asyncio.Future[R | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> R | None:
        """The row, or ``None``. A failure of the query is the failure of all who waited for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[:_MOST]
            futures = {key: self._waiting.pop(key) for key in keys}
            try:
                rows = await self._fetch(keys)
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                for future in (one for waiting in futures.values() for one in waiting if not one.done()):
                    future.set_exception(error)
                continue
            for key, waiting in futures.items():
                for future in waiting:
                    if not future.done():  # whoever asked may have been cancelled
                        future.set_result(rows.get(key))
