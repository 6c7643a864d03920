"""A planner's events of one site: in order, each once, and a word wherever some may be missing."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nats.js import api
from nats.js.errors import NotFoundError

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.wire import Unreadable, event_read
from bothways.operations.events import StationEvent

_log = logging.getLogger("bothways.bus")
_LOOK_S = 1.0
_IDS = 8192
_IDLE_S = 30.0


class SiteEvents:
    """An ordered consumer of the stream of events, made anew from where it was whenever it breaks.

    Args:
        bus: the bus.
        site_id: the site.
        deliver: called with every event.
        missed: called where events may have been missed, first of all at the beginning: the store has them all.
    """

    def __init__(
        self, bus: Bus, site_id: str, deliver: Callable[[StationEvent], None], missed: Callable[[], None]
    ) -> None:
        self._bus, self._site_id, self._deliver, self._missed = bus, site_id, deliver, missed
        self._stream_ms = self._seen = self._expected = 0
        self._known: OrderedDict[str, None] = OrderedDict()
        self._closed = False
        self._broken = asyncio.Event()
        self.listening = asyncio.Event()
        self.repeated = 0
        self._task = bus.keep(f"events of {site_id}", self._work)

    def close(self) -> None:
        """Delivers nothing any more."""
        self._closed = True
        self._task.cancel()

    async def _work(self) -> None:
        jetstream, names = self._bus.jetstream(), self._bus.names
        info = await jetstream.stream_info(names.events)
        stream_ms = int(info.created.timestamp() * 1000.0)
        resumes = stream_ms == self._stream_ms and info.state.first_seq <= self._seen + 1
        self._stream_ms = stream_ms
        if not resumes:
            self._seen = int(info.state.last_seq)
        self._expected = 1
        self._broken.clear()
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._seen + 1,
            ack_policy=api.AckPolicy.NONE, inactive_threshold=_IDLE_S, mem_storage=True, num_replicas=1,
        )  # fmt: skip
        taken = await jetstream.subscribe(
            names.site_events(self._site_id), stream=names.events, config=config, cb=self._take, manual_ack=True
        )
        try:
            if not resumes:
                self._missed()
            self.listening.set()
            await self._watch(taken)
        finally:
            await taken.unsubscribe()

    async def _watch(self, taken: Any) -> None:
        """Returns when the consumer is gone or has delivered what did not arrive."""
        while True:
            before = self._expected
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._broken.wait()
                return
            except TimeoutError:
                try:
                    info = await taken.consumer_info()
                except NotFoundError:
                    return
                if info.delivered.consumer_seq >= self._expected and before == self._expected:
                    return

    async def _take(self, message: Any) -> None:
        sequence = message.metadata.sequence
        if self._closed or self._broken.is_set():
            return
        if sequence.consumer != self._expected:
            self._broken.set()
            return
        self._expected += 1
        self._seen = max(self._seen, int(sequence.stream))
        name = (message.headers or {}).get("Nats-Msg-Id", "")
        if name and name in self._known:
            self.repeated += 1
            return
        self._known[name] = None
        while len(self._known) > _IDS:
            self._known.popitem(last=False)
        try:
            event = event_read(message.data)
        except Unreadable:
            _log.warning("an event cannot be read; the store is asked", extra={"site": self._site_id})
            self._missed()
            return
        self._deliver(event)
