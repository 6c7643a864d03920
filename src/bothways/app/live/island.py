"""Wires the island controllers of a live system: one per site that is configured to be an island."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bothways.adapters.ocpp.island import IslandMode
from bothways.adapters.switchgear.manual import StatedSwitchgear
from bothways.app.live.config import SitePart
from bothways.domain.errors import InputError, Problem
from bothways.operations.desk.island import IslandDesk
from bothways.operations.island.service import IslandService, Outside
from bothways.operations.ports import Clock, Switchgear
from bothways.operations.site.memory import StoreMemory

if TYPE_CHECKING:
    from bothways.app.live.server import LiveServer

_log = structlog.get_logger("bothways.island")
BEGIN_AGAIN_S = 2.0


class Islands:
    """The island controllers of one live system, and what people can do with them."""

    def __init__(self, live: LiveServer) -> None:
        self._live = live
        self.services: dict[str, IslandService] = {}
        self._gears: dict[str, Switchgear] = {}
        for site in live.config.site:
            if site.island is not None:
                _must_be_here(site, live)
                self._gears[site.id] = _gear(site, live.parts.gears.get(site.id), live.parts.clock)
                self.services[site.id] = self._new(site)
        self.desk = IslandDesk(self.services, self._gears, live.store, live.parts.clock)

    def _new(self, site: SitePart) -> IslandService:
        live = self._live
        assert site.island is not None  # noqa: S101 - only such sites are asked for
        outside = Outside(
            gear=self._gears[site.id], gateway=live.gateway, registry=live.store, store=live.store,
            memory=StoreMemory(live.store, live.parts.clock), clock=live.parts.clock, register=live.register,
            forming=IslandMode(live.gateway, live.parts.clock),
        )  # fmt: skip
        return IslandService(site.island.settings(site.id), lambda: live.loops[site.id], outside)

    def begin(self) -> list[asyncio.Task[None]]:
        """Starts every controller, each in a task with a name for people."""
        return [asyncio.create_task(self._ever(name), name=f"island controller of {name}") for name in self.services]

    async def _ever(self, name: str) -> None:
        """Runs a controller; one that ends by a defect is logged and begun anew from what is stored."""
        while True:
            try:
                await self.services[name].run()
            except Exception as error:  # noqa: BLE001 - a building must not stay without its controller
                _log.exception("an island controller ended by a defect and begins anew", site=name, error=repr(error))
                await asyncio.sleep(BEGIN_AGAIN_S)
                site = next(item for item in self._live.config.site if item.id == name)
                self.services[name] = self._new(site)
            else:
                return

    def close(self) -> None:
        """Ends the controllers; devices stay as they are."""
        for service in self.services.values():
            service.close()


def _must_be_here(site: SitePart, live: LiveServer) -> None:
    """An island does not hang on a network between processes: its controller runs beside the loop of its site."""
    if site.id not in live.loops:
        remedy = (
            "Run this site in a process of its own, without [bus]; near the building, on an uninterruptible supply."
        )
        raise InputError([Problem(f"site {site.id}: island", "several processes", "one process", remedy)])


def _gear(site: SitePart, brought: Switchgear | None, clock: Clock) -> Switchgear:
    """The switchgear that a deployment brings, or the configured one, with what only people see."""
    island = site.island
    gear = brought
    if gear is None and island is not None and island.switchgear is not None:
        try:
            from bothways.adapters.switchgear.modbus import ModbusSwitchgear  # noqa: PLC0415 - of an extra
        except ImportError as error:
            remedy = "Install bothways with the extra `meters`."
            problem = Problem(f"site {site.id}: island.switchgear", "modbus", f"an installed {error.name}", remedy)
            raise InputError([problem]) from error
        gear = ModbusSwitchgear(island.switchgear, clock)
    if gear is None:
        remedy = "Add [site.island.switchgear]; see docs/reference/configuration.md."
        raise InputError([Problem(f"site {site.id}: island.switchgear", "nothing", "its contactor's feedback", remedy)])
    return StatedSwitchgear(gear, frozenset() if island is None else island.by_people, clock)
