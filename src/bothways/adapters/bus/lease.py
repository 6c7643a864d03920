"""Who leads a site: a lease in the bus with a life of seconds, and an epoch that only grows.

Whoever holds the lease commands. A holder whose lease may have run out commands nothing, by its own clock and
without asking anybody; gateways refuse orders of an epoch that is not the latest they know. So a planner that was
stopped, cut off or slow can never command beside its successor.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from bothways.adapters.bus.connection import BUS_ERRORS, Bus, ended
from bothways.adapters.bus.names import token, untoken
from bothways.adapters.bus.wire import Unreadable, read, written
from bothways.domain.errors import GatewayError

_log = logging.getLogger("bothways.bus")
_DELETED = frozenset({"DEL", "PURGE"})
_LOOK_S = 0.1
_STAND_BACK_S = 0.3
_MOST_BACK_S = 2.0


class Epoch(NamedTuple):
    """Which term of leadership: later terms compare greater, also after the bus has lost its memory.

    Attributes:
        bucket_ms: when the bucket of leases was made [ms since 1970].
        revision: revision with which the lease was taken.
    """

    bucket_ms: int
    revision: int


@dataclass(frozen=True, slots=True)
class Held:
    """Content of a lease.

    Attributes:
        holder: the planner.
        revision: revision with which it was taken; 0 in the entry that took it.
    """

    holder: str
    revision: int = 0


class Leases:
    """Mirror of all leases, as the bus shows them: which epoch is the latest of each site, and who holds it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._latest: dict[str, Epoch] = {}
        self._holders: dict[str, tuple[str, float]] = {}
        self._free_since: dict[str, float] = {}
        self._began = time.monotonic()
        self.known = asyncio.Event()
        bus.keep("the leases", self._follow)

    def note(self, site_id: str, epoch: Epoch) -> None:
        """An epoch was seen."""
        if epoch > self._latest.get(site_id, Epoch(0, 0)):
            self._latest[site_id] = epoch

    def latest(self, site_id: str) -> Epoch:
        """The latest epoch known of a site."""
        return self._latest.get(site_id, Epoch(0, 0))

    def holder(self, site_id: str) -> str:
        """Who holds a site's lease as far as known, ``""`` for nobody."""
        holder, seen = self._holders.get(site_id, ("", 0.0))
        return holder if time.monotonic() - seen < self._bus.options.lease_s else ""

    def leaderless_s(self, site_id: str) -> float:
        """For how long nobody has been seen to lead a site [s]."""
        if self.holder(site_id):
            return 0.0
        _, seen = self._holders.get(site_id, ("", self._began))
        return time.monotonic() - max(seen, self._began)

    async def _follow(self) -> None:
        bucket_ms = await self._bus.bucket_age(self._bus.names.leases)
        # a bucket made anew by a server whose clock is behind: what counts is what is there now
        self._latest = {site: epoch for site, epoch in self._latest.items() if epoch.bucket_ms <= bucket_ms}
        bucket = await self._bus.bucket(self._bus.names.leases)
        watcher = await bucket.watchall()
        try:
            async for entry in watcher:
                if entry is None:
                    self.known.set()
                else:
                    self._take(entry, bucket_ms)
        finally:
            await stop_watching(watcher)

    def _take(self, entry: Any, bucket_ms: int) -> None:
        site_id = untoken(entry.key)
        if entry.operation in _DELETED:
            self._holders[site_id] = ("", time.monotonic())
            return
        try:
            held = read(Held, entry.value)
        except Unreadable:
            _log.warning("a lease cannot be read", extra={"site": site_id})
            return
        self.note(site_id, Epoch(bucket_ms, held.revision or entry.revision))
        self._holders[site_id] = (held.holder, time.monotonic())


async def stop_watching(watcher: Any) -> None:
    """Ends a watch, also where the bus is away."""
    try:
        await watcher.stop()
    except (*BUS_ERRORS, GatewayError):
        return


class SiteLease:
    """One site's lease, as one planner tries to have it.

    Args:
        bus: the bus.
        leases: what is known of all leases.
        site_id: the site.
        holder: this planner.
        burden: how many sites it leads already: who leads fewer comes first.
    """

    def __init__(self, bus: Bus, leases: Leases, site_id: str, holder: str, burden: Callable[[], int]) -> None:
        self._bus, self._leases, self.site_id, self._holder, self._burden = bus, leases, site_id, holder, burden
        self._epoch: Epoch | None = None
        self._revision = 0
        self._until = 0.0
        self._rng = random.Random()
        self._striving = bus.keep(f"the lease on {site_id}", self._strive)

    def epoch(self) -> Epoch | None:
        """The epoch in which this planner leads now; ``None`` where it does not, or may not any more."""
        if self._epoch is None or time.monotonic() >= self._until or self._leases.latest(self.site_id) > self._epoch:
            return None
        return self._epoch

    @property
    def taken(self) -> bool:
        """Whether somebody else leads now, as far as known."""
        return self._leases.latest(self.site_id) > (self._epoch or Epoch(0, 0)) and self.epoch() is None

    def fence(self, epoch: Epoch) -> None:
        """A gateway knows a later epoch."""
        self._leases.note(self.site_id, epoch)

    async def give_back(self) -> None:
        """Strives no longer, and lets another planner begin at once."""
        await ended(self._striving)
        if self.epoch() is None:
            return
        self._until = 0.0
        try:
            bucket = await self._bus.bucket(self._bus.names.leases)
            await bucket.delete(token(self.site_id), last=self._revision)
        except (*BUS_ERRORS, GatewayError):
            return

    # ---- taking and keeping

    async def _strive(self) -> None:
        bucket_ms = await self._bus.bucket_age(self._bus.names.leases)
        bucket = await self._bus.bucket(self._bus.names.leases)
        await self._leases.known.wait()
        while True:
            if self._revision and await self._renew(bucket):
                await asyncio.sleep(self._bus.options.lease_s / 3.0)
                continue
            self._revision = 0
            if self._leases.holder(self.site_id) in {"", self._holder}:
                await self._take(bucket, bucket_ms)
            if not self._revision:
                await asyncio.sleep(_LOOK_S * self._rng.uniform(0.7, 1.3))

    async def _take(self, bucket: Any, bucket_ms: int) -> None:
        back = min(_MOST_BACK_S, _STAND_BACK_S * self._burden())
        if back > 0.0:
            await asyncio.sleep(back * self._rng.uniform(0.8, 1.2))
        asked = time.monotonic()
        try:
            revision = await bucket.create(token(self.site_id), written(Held(self._holder)))
        except KeyWrongLastSequenceError:
            return
        self._revision, self._epoch = revision, Epoch(bucket_ms, revision)
        self._leases.note(self.site_id, self._epoch)
        self._until = asked + self._life_s
        _log.info("leads", extra={"site": self.site_id, "epoch": revision})

    async def _renew(self, bucket: Any) -> bool:
        epoch = self._epoch
        if epoch is None or self._leases.latest(self.site_id) > epoch:
            return False
        asked = time.monotonic()
        value = written(Held(self._holder, epoch.revision))
        try:
            self._revision = await bucket.update(token(self.site_id), value, last=self._revision)
        except KeyWrongLastSequenceError:
            mine = await self._mine(bucket, epoch)
            if mine == 0:
                return False
            self._revision = mine  # the answer to an earlier renewal was lost
            return True
        except BUS_ERRORS:
            return time.monotonic() < self._until  # asked again at once until it has run out
        self._until = asked + self._life_s
        return True

    async def _mine(self, bucket: Any, epoch: Epoch) -> int:
        try:
            entry = await bucket.get(token(self.site_id))
            held = read(Held, entry.value)
        except (KeyNotFoundError, Unreadable):
            return 0
        ours = held.holder == self._holder and (held.revision or entry.revision) == epoch.revision
        return int(entry.revision) if ours else 0

    @property
    def _life_s(self) -> float:
        """A little less than the bus counts."""
        return self._bus.options.lease_s * 0.9
