"""Which gateway holds which station's connection, as planners and the web see it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.lease import stop_watching
from bothways.adapters.bus.names import untoken
from bothways.adapters.bus.wire import Unreadable, read

_log = logging.getLogger("bothways.bus")
_DELETED = frozenset({"DEL", "PURGE"})


@dataclass(frozen=True, slots=True)
class Claim:
    """A gateway says that it holds a station's connection.

    Attributes:
        worker: the gateway.
        number: which connection of the gateway: another one for a station that connected anew.
    """

    worker: str
    number: int = 0


class Whereabouts:
    """Mirror of the claims of all gateways, and of which gateways live.

    Args:
        bus: the bus.
        clock: seconds that only grow.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus, self._clock = bus, clock
        self._claims: dict[str, tuple[str, int]] = {}
        self._numbers: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._moved: list[Callable[[str], None]] = []
        self._gone: list[Callable[[], None]] = []
        self.known = asyncio.Event()
        bus.keep("the claims of gateways", self._follow)
        bus.keep("the life of gateways", self._listen)

    def on_move(self, call: Callable[[str], None]) -> None:
        """Calls with every station that is elsewhere now, connected anew, or is gone."""
        self._moved.append(call)

    def on_gone(self, call: Callable[[], None]) -> None:
        """Calls when a gateway died: what it stored may not have reached the bus."""
        self._gone.append(call)

    def worker_of(self, station_id: str) -> str:
        """The living gateway that holds a station's connection, ``""`` for none."""
        worker, _ = self._claims.get(station_id, ("", 0))
        return worker if self.lives(worker) else ""

    def claim(self, station_id: str) -> tuple[str, int]:
        """Who claims a station and with which revision, living or not; ``("", 0)`` for nobody."""
        return self._claims.get(station_id, ("", 0))

    def lives(self, worker: str) -> bool:
        """Whether a gateway was heard of lately, over a bus that is there."""
        if not worker or not self._bus.connected:
            return False
        return self._clock() - self._heard.get(worker, -1e9) < self._bus.options.gone_s

    def connected(self) -> frozenset[str]:
        """Stations that a living gateway holds."""
        living = {worker for worker in self._heard if self.lives(worker)}
        return frozenset(station for station, (worker, _) in self._claims.items() if worker in living)

    def workers(self) -> frozenset[str]:
        """Gateways that live."""
        return frozenset(worker for worker in self._heard if self.lives(worker))

    def nobody_at(self, worker: str) -> None:
        """The bus says that a gateway does not listen any more: it is gone until it is heard again."""
        if worker in self._heard:
            self._heard[worker] = -1e9
            self._bury()

    async def _listen(self) -> None:
        async def beat(message: Any) -> None:
            self._heard[message.data.decode(errors="replace")] = self._clock()

        heard = await self._bus.subscribe(self._bus.names.beats, beat)
        try:
            while True:
                await asyncio.sleep(self._bus.options.beat_s)
                self._bury()
        finally:
            await heard.unsubscribe()

    def _bury(self) -> None:
        silent = [name for name in self._heard if not self.lives(name)]
        for name in silent:
            del self._heard[name]
            _log.warning("a gateway is gone", extra={"worker": name})
            for station, (worker, _) in self._claims.items():
                if worker == name:
                    self._tell(station)
        if silent:
            for call in self._gone:
                call()

    def _tell(self, station_id: str) -> None:
        for call in self._moved:
            call(station_id)

    async def _follow(self) -> None:
        bucket = await self._bus.bucket(self._bus.names.links)
        before, self._claims = self._claims, {}
        watcher = await bucket.watchall()
        try:
            async for entry in watcher:
                if entry is None:
                    for station in set(before) - set(self._claims):
                        self._tell(station)
                    self.known.set()
                else:
                    self._take(entry)
        finally:
            await stop_watching(watcher)

    def _take(self, entry: Any) -> None:
        station_id = untoken(entry.key)
        claim = Claim("")
        if entry.operation not in _DELETED:
            try:
                claim = read(Claim, entry.value)
            except Unreadable:
                _log.warning("a claim cannot be read", extra={"station": station_id})
        before = self._claims.get(station_id, ("", 0))[0], self._numbers.get(station_id, 0)
        changed = before != (claim.worker, claim.number)
        self._claims[station_id] = (claim.worker, int(entry.revision))
        self._numbers[station_id] = claim.number
        if changed:
            self._tell(station_id)
