"""What goes on beside the sites while the live system runs: each duty goes on whatever happens to one of its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bothways.adapters.db import retention
from bothways.app.live.beside import beside
from bothways.app.live.roles import Role
from bothways.operations.site.warm import converters_loaded, load_converters
from bothways.operations.stations import StationRecord

if TYPE_CHECKING:
    from bothways.app.live.server import LiveServer

_log = structlog.get_logger("bothways.live")
REGISTER_S = 60.0
STATIONS_S = 10.0
TRAIL_S = 1.0
QUEUES_S = 5.0
FIRST_FORGET_S = 600.0
FORGET_S = 86_400.0
BEGIN_AGAIN_S = 5.0
KEEP_MESSAGES = timedelta(days=90)
_LATE_TICKS = 30.0
_LATE_S = 30.0


class Upkeep:
    """The duties of one live system.

    Attributes:
        restarts: how often each site's loop ended by a defect and was begun anew.
    """

    def __init__(self, live: LiveServer) -> None:
        self._live = live
        self._records: dict[str, StationRecord] = {}
        self._strays: set[str] = set()
        self.restarts: dict[str, int] = {}

    def begin(self) -> list[asyncio.Task[None]]:
        """Starts every site and every duty, each in a task with a name for people."""
        live = self._live
        duties: dict[str, tuple[float, float, Callable[[], Awaitable[None]]]] = {}
        if Role.PLANNER in live.roles:
            duties["the compatibility register"] = (REGISTER_S, REGISTER_S, live.register.refresh)
            duties["forgetting old values"] = (FIRST_FORGET_S, FORGET_S, self.forget)
            if _counts_losses(live):
                duties["compiled plans of losses at part load"] = (0.0, FORGET_S, self.load_converters)
        if Role.WEB in live.roles:
            duties["what happened today"] = (0.0, TRAIL_S, self._remember)
            duties["turns in queues"] = (QUEUES_S, QUEUES_S, live.queues.advance)
        if Role.GATEWAY in live.roles:
            duties["changes of stations"] = (0.0, STATIONS_S, self.follow_stations)
        sites = [asyncio.create_task(self.site(name), name=f"site {name}") for name in live.loops]
        others = [asyncio.create_task(_ever(name, *duty), name=name) for name, duty in duties.items()]
        return [*sites, *others]

    async def site(self, name: str) -> None:
        """Runs a site; a loop that ends by a defect is logged and begun anew from what is stored."""
        while True:
            try:
                await self._live.loops[name].run()
            except Exception as error:  # noqa: BLE001 - one site's defect ends neither the others nor itself
                self.restarts[name] = self.restarts.get(name, 0) + 1
                _log.exception("the loop of a site ended by a defect and begins anew", site=name, error=repr(error))
                await asyncio.sleep(BEGIN_AGAIN_S)
                self._live.loops[name] = self._live.new_loop(name)
            else:
                return

    async def _remember(self) -> None:
        self._live.desk.remember()

    async def load_converters(self) -> None:
        """Loads what the engine plans losses at part load with; sites plan with those of full power meanwhile."""
        if converters_loaded():
            return
        await beside(load_converters, "compiling")
        for loop in self._live.loops.values():
            loop.renew_plan()

    async def follow_stations(self) -> None:
        """Sends away stations that were removed; tells the gateway of those that were changed."""
        live = self._live
        records = {record.station_id: record for record in await live.store.stations()}
        connected = live.gateway.connected()
        for station_id in sorted(connected - set(records)):
            _log.warning("a connected station was removed and is sent away", station=station_id)
            await live.gateway.disconnect(station_id)
        for station_id in connected & set(records):
            old = self._records.get(station_id)
            if old is not None and old != records[station_id]:
                live.gateway.refresh(station_id)
        configured = {site.id for site in live.config.site}
        strays = {name for name in connected & set(records) if records[name].site_id not in configured}
        for station_id in sorted(strays - self._strays):
            _log.error(
                "a station of a site that is not configured is connected: nobody controls it", station=station_id
            )
        self._strays, self._records = strays, records

    async def forget(self) -> None:
        """Deletes values and messages that are older than the configuration keeps."""
        part, now = self._live.config.store, self._live.parts.clock.now()
        before = now - timedelta(days=part.keep_samples_days)

        def work() -> retention.Forgotten:
            return retention.forget(part.url, samples_before=before, messages_before=now - KEEP_MESSAGES)

        gone = await beside(work, "store-retention")
        _log.info("old values were deleted", samples=gone.samples, messages=gone.messages)

    def lacking(self) -> list[str]:
        """What keeps sites from doing their work, in words."""
        lacks = []
        for name, loop in self._live.loops.items():
            snapshot = loop.snapshot()
            again = f" (begun anew {self.restarts[name]} times after a defect)" if name in self.restarts else ""
            if snapshot.image is None:
                lacks.append(f"site {name} has not begun{again}")
                continue
            late = (self._live.parts.clock.now() - snapshot.image.now).total_seconds()
            if late > max(_LATE_S, _LATE_TICKS * loop.options.tick_s):
                lacks.append(f"site {name} stands still for {late:.0f} s{again}")
            lacks.extend(f"site {name}: {item.text}" for item in snapshot.alarms if item.kind == "loop-failing")
        lacks.extend(f"{name} belongs to a site that is not configured" for name in sorted(self._strays))
        return lacks


def _counts_losses(live: LiveServer) -> bool:
    """Whether some site counts losses at part load."""
    given = live.parts.settings
    return any(
        given[site.id].vehicle.part_load is not None if site.id in given else site.vehicle.counts_losses
        for site in live.config.site
    )


async def _ever(name: str, first_s: float, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(first_s)
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next turn comes
            _log.warning("a duty failed and is tried again", duty=name, error=str(error))
        await asyncio.sleep(every_s)
