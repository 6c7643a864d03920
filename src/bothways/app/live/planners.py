"""Leads sites: whoever has a site's lease runs its loop, from what is stored, until somebody else has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.inbox import SiteEvents
from bothways.adapters.bus.lease import Leases, SiteLease
from bothways.adapters.bus.remote import RemoteGateway
from bothways.adapters.bus.sites import SiteServer
from bothways.adapters.bus.whereabouts import Whereabouts
from bothways.domain.errors import BothwaysError
from bothways.operations.events import StationEvent
from bothways.operations.site.apart import missed_events, newly_latched
from bothways.operations.site.loop import SiteLoop
from bothways.operations.site.memory import SiteMemory, StoreMemory

if TYPE_CHECKING:
    from bothways.app.live.server import LiveServer

_log = structlog.get_logger("bothways.live")
LOOK_S = 0.05
LISTEN_S = 3.0
BEGIN_AGAIN_S = 2.0
BUS_LOST_S = 1.0
CATCH_UP_S = 0.5
_MANY = 100_000
_OF_THE_MOMENT = frozenset({"learned", "history"})


class LeadersMemory:
    """A site's memory that only its leader writes: what a former leader had learnt would replace what is newer."""

    def __init__(self, memory: SiteMemory, lease: SiteLease) -> None:
        self._memory, self._lease = memory, lease

    async def recall(self, site_id: str) -> Mapping[str, object]:
        """Everything remembered of the site, by key."""
        return await self._memory.recall(site_id)

    async def remember(self, site_id: str, key: str, value: Mapping[str, object]) -> None:
        """Keeps a value; what is only learnt, and will be learnt again, is kept by the leader alone."""
        if self._lease.epoch() is not None or key not in _OF_THE_MOMENT:
            await self._memory.remember(site_id, key, value)


class SitePlanner:
    """One site, as one planner process strives to lead it.

    Args:
        live: the process.
        bus: the bus.
        leases: all leases.
        whereabouts: which gateway holds which station.
        site_id: the site.
        holder: name of this process.
    """

    def __init__(
        self, live: LiveServer, bus: Bus, leases: Leases, whereabouts: Whereabouts, site_id: str, holder: str
    ) -> None:
        self._live, self._bus, self.site_id = live, bus, site_id
        self.lease = SiteLease(bus, leases, site_id, holder, lambda: len(live.loops))
        self.gateway = RemoteGateway(bus, whereabouts, live.parts.clock, self.lease)
        self._loop: SiteLoop | None = None
        self._opened = False
        self._held_back: list[StationEvent] = []
        self._suspect = asyncio.Event()
        whereabouts.on_gone(self._suspect.set)
        whereabouts.on_move(self._moved)
        bus.keep(f"gaps in the events of {site_id}", self._hear_of_gaps)

    async def run(self) -> None:
        """Leads the site whenever it has the lease; ends only when it is cancelled, and then gives the lease back."""
        try:
            await self._run()
        finally:
            await self.lease.give_back()

    async def _run(self) -> None:
        while True:
            while self.lease.epoch() is None:
                await asyncio.sleep(LOOK_S)
            try:
                await self._lead()
            except Exception as error:  # noqa: BLE001 - one site's defect ends neither the others nor itself
                restarts = self._live.upkeep.restarts
                restarts[self.site_id] = restarts.get(self.site_id, 0) + 1
                _log.exception("the loop of a site ended by a defect", site=self.site_id, error=repr(error))
                await asyncio.sleep(BEGIN_AGAIN_S)

    async def _lead(self) -> None:
        """From the lease to its loss: listens, reads the store, then runs the loop."""
        live, site_id = self._live, self.site_id
        memory = LeadersMemory(StoreMemory(live.store, live.parts.clock), self.lease)
        self._loop = loop = live.new_loop(site_id, self.gateway, memory)
        self._opened, self._held_back = False, []
        events = SiteEvents(self._bus, site_id, self._on_event, self._suspect.set)
        running: list[asyncio.Task[None]] = []
        server: SiteServer | None = None
        try:
            await self._until_listening(events)
            await self._open(loop)
            live.loops[site_id] = loop
            server = SiteServer(self._bus, self.lease, loop)
            _log.info("leads a site", site=site_id)
            running = [asyncio.create_task(loop.run()), asyncio.create_task(self._watch(loop))]
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            loop.close()
            events.close()
            if server is not None:
                server.close()
            await self._end(running)
            if live.loops.get(site_id) is loop:
                del live.loops[site_id]
            self._loop = None
            _log.info("leads a site no longer", site=site_id)

    async def _end(self, running: list[asyncio.Task[None]]) -> None:
        """Lets the loop end its tick and save; whatever watches it ends at once."""
        if not running:
            return
        loop, watch = running
        watch.cancel()
        await asyncio.wait((loop,), timeout=5.0)
        loop.cancel()
        await asyncio.gather(loop, watch, return_exceptions=True)

    async def _until_listening(self, events: SiteEvents) -> None:
        """What is stored from now on is heard; a bus that goes away meanwhile holds nobody up for long."""
        try:
            async with asyncio.timeout(LISTEN_S):
                await events.listening.wait()
        except TimeoutError:
            _log.warning("leads without hearing events yet", site=self.site_id)

    async def _open(self, loop: SiteLoop) -> None:
        """Reads the store, then takes in what was heard meanwhile."""
        while not self._opened:
            try:
                await loop.open()
            except (BothwaysError, OSError) as error:
                _log.warning("the store cannot be read", site=self.site_id, error=str(error))
                await asyncio.sleep(loop.options.tick_s)
                continue
            self._opened = True
        held, self._held_back = self._held_back, []
        for event in held:
            loop.on_event(event)
        self._suspect.clear()

    def _on_event(self, event: StationEvent) -> None:
        if self._loop is not None and self._opened:
            self._loop.on_event(event)
        else:
            self._held_back.append(event)

    def _moved(self, station_id: str) -> None:
        if self._loop is not None:
            self._loop.connected_anew(station_id)

    async def _watch(self, loop: SiteLoop) -> None:
        """Returns when somebody else leads; until then, says when the bus is away, and catches up after it was."""
        while not self.lease.taken:
            away = not self._bus.connected and self._bus.down_s > BUS_LOST_S
            loop.alarm(away, "bus-lost", "the bus does not answer: nothing can be ordered")
            if self._suspect.is_set() and self.lease.epoch() is not None:
                await self._catch_up(loop)
            await asyncio.sleep(LOOK_S)

    async def _catch_up(self, loop: SiteLoop) -> None:
        """Compares with the store, which has everything."""
        self._suspect.clear()
        await asyncio.sleep(CATCH_UP_S)  # what is on its way is not missing
        image = loop.snapshot().image
        if image is None:
            return
        now = self._live.parts.clock.now()
        stations = [item.key.station_id for item in image.evses]
        try:
            rows = await self._live.store.transactions(stations=stations, open_only=True, limit=_MANY)
        except (BothwaysError, OSError) as error:
            _log.warning("the store cannot be read", site=self.site_id, error=str(error))
            self._suspect.set()
            return
        for event in missed_events(image, rows, now):
            _log.warning("an event was missed and read from the store", site=self.site_id, station=event.station_id)
            loop.on_event(event)

    async def _hear_of_gaps(self) -> None:
        async def gap(_message: object) -> None:
            self._suspect.set()

        taken = await self._bus.subscribe(self._bus.names.gaps, gap)
        try:
            await asyncio.Event().wait()
        finally:
            await taken.unsubscribe()

    async def mind_latch(self) -> None:
        """Lets the loop stop where an emergency stop was latched by another process."""
        loop = self._loop
        if loop is None or not self._opened or self.lease.epoch() is None:
            return
        for latch in await self._live.store.latches():
            if latch.scope == self.site_id and newly_latched(loop.snapshot().incident, latch.at):
                await loop.emergency_stop(latch.cause, latch.device or "another process")
