"""A clock that moves only when everything that it woke has gone back to sleep: as fast as the machine, never hasty."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_PATIENCE_S = 30.0


class SteppedClock:
    """Fulfils ``Clock``. Real sockets take their time while this clock stands still.

    Args:
        start: its first instant, aware.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._order = itertools.count()
        self._sleeping: list[tuple[datetime, int, asyncio.Future[None], asyncio.Task[object] | None]] = []

    def now(self) -> datetime:
        """The instant, aware, UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Waits for so many seconds of this clock."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = self._now + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._sleeping, (due, next(self._order), woken, asyncio.current_task()))
        await woken

    async def advance(self, seconds: float) -> None:
        """Moves on; whoever is due is woken in order of time, and waited for until it sleeps again or has ended.

        Raises:
            TimeoutError: somebody neither slept nor ended within half a minute of the machine's time.
        """
        end = self._now + timedelta(seconds=seconds)
        while self._sleeping and self._sleeping[0][0] <= end:
            due = max(self._sleeping[0][0], self._now)
            self._now = due
            tasks = set()
            while self._sleeping and self._sleeping[0][0] <= due:
                _, _, woken, task = heapq.heappop(self._sleeping)
                if not woken.done():
                    woken.set_result(None)
                    if task is not None:
                        tasks.add(task)
            async with asyncio.timeout(_PATIENCE_S):
                await self._asleep(tasks)
        self._now = end

    async def _asleep(self, tasks: set[asyncio.Task[object]]) -> None:
        await asyncio.sleep(0)
        while True:
            resting = {task for _, _, woken, task in self._sleeping if not woken.done()}
            if all(task.done() or task in resting for task in tasks):
                return
            await asyncio.sleep(0.0005)
