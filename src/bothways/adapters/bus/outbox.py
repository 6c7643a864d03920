"""A gateway's events on their way to planners: stored before, in order, each with an id of its own."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.wire import event_written
from bothways.operations.events import StationEvent

_log = logging.getLogger("bothways.bus")
_BATCH = 200


class Outbox:
    """Publishes events that are durable already. While the bus is away they wait; what no longer fits is not lost.

    The store has every event. Where one does not reach the bus, planners are told to read the store again.

    Args:
        bus: the bus.
        worker: this gateway; its name and a counter make the ids of events.
        site_of: the site of a station, ``""`` for an unknown one.
    """

    def __init__(self, bus: Bus, worker: str, site_of: Callable[[str], Awaitable[str]]) -> None:
        self._bus, self._worker, self._site_of = bus, worker, site_of
        self._waiting: deque[tuple[str, StationEvent]] = deque()
        self._numbers = itertools.count(1)
        self._wake = asyncio.Event()
        self._gap = False
        self.published = self.dropped = 0
        bus.keep("events on their way", self._work)

    def put(self, event: StationEvent) -> None:
        """Takes an event that was stored; returns at once."""
        if len(self._waiting) >= self._bus.options.outbox:
            self._waiting.popleft()
            self.dropped += 1
            self._gap = True
        self._waiting.append((f"{self._worker}-{next(self._numbers)}", event))
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def settled(self, seconds: float) -> None:
        """Waits until all have been published, but no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                while self._waiting:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            _log.info("%d events did not reach the bus; the store has them", len(self._waiting))

    async def _work(self) -> None:
        jetstream = self._bus.jetstream()
        while True:
            if self._gap:
                await self._bus.publish(self._bus.names.gaps, self._worker.encode())
                self._gap = False
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            batch = list(itertools.islice(self._waiting, _BATCH))
            await self._publish(jetstream, batch)
            published = {name for name, _ in batch}
            while self._waiting and self._waiting[0][0] in published:
                self._waiting.popleft()
            self.published += len(batch)

    async def _publish(self, jetstream: Any, batch: list[tuple[str, StationEvent]]) -> None:
        """Publishes in order and waits for all acknowledgements; the same ids again change nothing."""
        names, acks = self._bus.names, []
        async with asyncio.timeout(5.0 * self._bus.options.answer_s):
            for name, event in batch:
                site_id = await self._site_of(event.station_id)
                if site_id:
                    subject = names.event(site_id, event.station_id)
                    headers = {"Nats-Msg-Id": name}
                    acks.append(await jetstream.publish_async(subject, event_written(event), headers=headers))
            await asyncio.gather(*acks)
