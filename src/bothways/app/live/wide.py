"""One process among many: what it has on the bus, by its roles."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.lease import Leases
from bothways.adapters.bus.remote import RemoteGateway
from bothways.adapters.bus.sites import RemoteSite
from bothways.adapters.bus.whereabouts import Whereabouts
from bothways.adapters.bus.worker import GatewayWorker
from bothways.app.live.planners import SitePlanner
from bothways.app.live.roles import Role, bus_options
from bothways.domain.errors import BothwaysError
from bothways.operations.site.apart import stop_at

if TYPE_CHECKING:
    from bothways.app.live.server import LiveServer

_log = structlog.get_logger("bothways.live")
LATCH_S = 0.7
STOP_AGAIN_S = 2.0
SITES_S = 10.0
LEADERLESS_S = 10.0


class Wide:
    """The bus side of one process.

    Args:
        live: the process; its gateway, store and clock are used.
    """

    def __init__(self, live: LiveServer) -> None:
        self._live, config = live, live.config
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.bus = Bus(bus_options(config), self.name)
        self.leases = Leases(self.bus)
        self.whereabouts = Whereabouts(self.bus)
        self.gateway = RemoteGateway(self.bus, self.whereabouts, live.parts.clock)
        self.worker: GatewayWorker | None = None
        self.planners: list[SitePlanner] = []
        self.sites: dict[str, RemoteSite] = {}
        self._site_of: dict[str, str] = {}
        self._stopped: dict[str, float] = {}
        self._leading: list[asyncio.Task[None]] = []
        if Role.GATEWAY in live.roles:
            self.worker = GatewayWorker(
                self.bus, live.gateway, self.name, self.leases, self.whereabouts, self.site_of, live.gateway.disconnect
            )
            live.intake.listen(self.worker.on_event)
        if Role.PLANNER in live.roles:
            self.planners = [
                SitePlanner(live, self.bus, self.leases, self.whereabouts, site.id, self.name) for site in config.site
            ]
        for site in config.site:
            if Role.WEB in live.roles:
                settings = live.settings_of(site.id)
                self.sites[site.id] = RemoteSite(self.bus, settings, live.store, live.parts.clock)

    async def start(self) -> list[asyncio.Task[None]]:
        """Begins; returns the tasks that must not end, each with a name for people."""
        await self.bus.start()
        self._leading = [asyncio.create_task(item.run(), name=f"site {item.site_id}") for item in self.planners]
        tasks = list(self._leading)
        tasks.append(asyncio.create_task(self._mind_latches(), name="emergency stops"))
        if self.worker is not None:
            tasks.append(asyncio.create_task(self._follow_sites(), name="sites of stations"))
        return tasks

    async def stop_leading(self) -> None:
        """Ends what is led here, and lets other planners begin at once."""
        for task in self._leading:
            task.cancel()
        await asyncio.gather(*self._leading, return_exceptions=True)

    async def close(self) -> None:
        """Tells what is still to be told, then leaves the bus."""
        if self.worker is not None and self.bus.connected:
            await self.worker.settled(2.0)
        await self.bus.close()

    async def site_of(self, station_id: str) -> str:
        """A station's site, ``""`` for an unknown station; known for a while, so that the store is not asked each time.

        Raises:
            StoreError: the store does not answer, and the station was never seen.
        """
        known = self._site_of.get(station_id)
        if known is None:
            record = await self._live.store.station(station_id)
            if record is None:
                return ""  # it may be added the next moment
            known = self._site_of[station_id] = record.site_id
        return known

    async def _follow_sites(self) -> None:
        while True:
            await asyncio.sleep(SITES_S)
            try:
                records = await self._live.store.stations()
            except BothwaysError:
                continue  # what was known still holds
            self._site_of = {record.station_id: record.site_id for record in records}

    async def _mind_latches(self) -> None:
        """Emergency stops reach every process by the store, also without the bus and without a planner."""
        while True:
            await asyncio.sleep(LATCH_S)
            try:
                await asyncio.gather(*(item.mind_latch() for item in self.planners))
                if self.worker is not None:
                    await self._stop_where_latched()
            except (BothwaysError, OSError) as error:
                _log.warning("emergency stops cannot be read", error=str(error))

    async def _stop_where_latched(self) -> None:
        live, now = self._live, asyncio.get_running_loop().time()
        latched = {latch.scope for latch in await live.store.latches()}
        self._stopped = {site: at for site, at in self._stopped.items() if site in latched}
        for site_id in latched & {site.id for site in live.config.site}:
            led = bool(self.leases.holder(site_id)) and self.bus.connected
            last = self._stopped.get(site_id)
            if last is not None and (led or now - last < STOP_AGAIN_S):
                continue  # the planner stops whoever comes later
            self._stopped[site_id] = now
            valid_s = live.parts.loop.order_valid_s
            answers = await stop_at(live.gateway, live.store, live.store, site_id, live.parts.clock.now(), valid_s)
            if answers:
                _log.warning("stopped what was latched in the store", site=site_id, answers=answers)

    def _leaderless(self, site_id: str) -> bool:
        return self.leases.leaderless_s(site_id) > LEADERLESS_S

    def lacking(self) -> Sequence[str]:
        """What keeps this process from its work, in words."""
        lacks = []
        if not self.bus.connected:
            lacks.append(f"the bus does not answer for {self.bus.down_s:.0f} s ({self.bus.failure})")
            return lacks
        if self.planners or self.sites:
            names = [site.id for site in self._live.config.site]
            lacks.extend(f"no planner leads site {name}" for name in names if self._leaderless(name))
            if not self.whereabouts.workers():
                lacks.append("no gateway is heard of")
        return lacks
