"""A gateway's claims on the stations whose connections it holds: the newest connection wins, wherever it is."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from nats.js.errors import APIError

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.names import token
from bothways.adapters.bus.whereabouts import Claim, Whereabouts
from bothways.adapters.bus.wire import written

_log = logging.getLogger("bothways.bus")
_LOOK_S = 0.5
_AT_ONCE = 64
_TOGETHER_S = 0.02  # many stations that come at once are looked at once
_SETTLED_S = 2.0


class Claims:
    """Keeps the bucket of claims true for one gateway.

    Args:
        bus: the bus.
        whereabouts: claims of all gateways.
        worker: this gateway.
        held: stations whose connections it holds now.
        send_away: closes a station's connection, because a newer one is elsewhere.
    """

    def __init__(
        self, bus: Bus, whereabouts: Whereabouts, worker: str, held: Callable[[], frozenset[str]],
        send_away: Callable[[str], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._bus, self._whereabouts, self._worker = bus, whereabouts, worker
        self._held, self._send_away = held, send_away
        self._own: dict[str, tuple[int, float]] = {}
        self._fresh: set[str] = set()
        self._leaving: set[str] = set()
        self._number: dict[str, int] = {}
        self._connections = itertools.count(1)
        self._bucket_ms = 0
        self._wake = asyncio.Event()
        self.replaced = 0
        whereabouts.on_move(self._moved)
        bus.keep("claims on stations", self._work)

    def connection_changed(self, station_id: str, *, connected: bool) -> None:
        """A station's connection came or went."""
        if connected:
            self._fresh.add(station_id)
            self._number[station_id] = next(self._connections)
        self._wake.set()

    def _moved(self, _station_id: str) -> None:
        self._wake.set()

    async def _work(self) -> None:
        bucket_ms = await self._bus.bucket_age(self._bus.names.links)
        if bucket_ms != self._bucket_ms:  # a bucket that lost its memory counts from the beginning
            self._own.clear()
            self._bucket_ms = bucket_ms
        bucket = await self._bus.bucket(self._bus.names.links)
        await self._whereabouts.known.wait()
        while True:
            self._wake.clear()
            await self._reconcile(bucket)
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
                await asyncio.sleep(_TOGETHER_S)
            except TimeoutError:
                continue

    async def _reconcile(self, bucket: Any) -> None:
        held, fresh = self._held(), self._fresh
        self._leaving &= held
        self._leaving -= fresh
        due = [station for station in held - self._leaving if self._due(station, fresh)]
        for first in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*(self._claim(bucket, station) for station in due[first : first + _AT_ONCE]))
        for station_id in set(self._own) - held:
            await self._let_go(bucket, station_id)
        for station_id in held & set(self._own):
            worker, revision = self._whereabouts.claim(station_id)
            if worker not in {"", self._worker} and revision > self._own[station_id][0]:
                await self._replaced(station_id, worker)

    def _due(self, station_id: str, fresh: set[str]) -> bool:
        """Whether a claim has to be written: a new connection, one that the bus has forgotten, or an old claim."""
        own, claimed_at = self._own.get(station_id, (0, 0.0))
        if station_id in fresh or own == 0:
            return True
        worker, revision = self._whereabouts.claim(station_id)
        if worker not in {"", self._worker} and revision > own:
            return False
        lost = worker != self._worker and revision != own and time.monotonic() - claimed_at > _SETTLED_S
        return lost or time.monotonic() - claimed_at > self._bus.options.links_s / 3.0

    async def _claim(self, bucket: Any, station_id: str) -> None:
        """Writes the claim over whatever is there: the order of the bucket is the order of connections."""
        claim = Claim(self._worker, self._number.get(station_id, 0))
        revision = int(await bucket.put(token(station_id), written(claim)))
        self._fresh.discard(station_id)
        self._own[station_id] = (revision, time.monotonic())

    async def _replaced(self, station_id: str, worker: str) -> None:
        _log.info("a station has a newer connection elsewhere", extra={"station": station_id, "worker": worker})
        del self._own[station_id]
        self._leaving.add(station_id)
        self.replaced += 1
        await self._send_away(station_id)

    async def _let_go(self, bucket: Any, station_id: str) -> None:
        own, _ = self._own.pop(station_id)
        self._number.pop(station_id, None)
        try:
            await bucket.delete(token(station_id), last=own)
        except APIError:  # somebody else's by now, or it has run out
            return
