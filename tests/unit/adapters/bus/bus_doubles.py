"""Several processes' worth of bus in one event loop, over a real NATS server."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.lease import Leases, SiteLease
from bothways.adapters.bus.options import BusOptions
from bothways.adapters.bus.remote import RemoteGateway
from bothways.adapters.bus.whereabouts import Whereabouts
from bothways.adapters.bus.worker import GatewayWorker
from bothways.adapters.clocks import SystemClock
from bothways.operations.events import ConnectionChanged, EvseKey
from bothways.operations.orders import CommandResult, Composite, PowerOrder, SafeProfile, StationCommand
from bothways.operations.ports import ChargerGateway
from bothways.operations.stations import EvseRecord

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVSE = EvseRecord(1, 11.0)
_numbers = itertools.count(1)


async def until(wanted: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not wanted():
            await asyncio.sleep(0.01)


def options_of(server: Any, **more: Any) -> BusOptions:
    more.setdefault("prefix", f"t{uuid.uuid4().hex[:8]}")
    more = {"lease_s": 1.0, "beat_s": 0.1, "gone_s": 1.5} | more
    return BusOptions(servers=(server.url,), **more)


class Sockets:
    """A gateway with stations that say yes to everything; fulfils ``ChargerGateway``."""

    def __init__(self, *stations: str) -> None:
        self.stations = set(stations)
        self.orders: list[Any] = []
        self.sent_away: list[str] = []
        self.held: asyncio.Event | None = None

    def connected(self) -> frozenset[str]:
        return frozenset(self.stations)

    async def _yes(self, what: Any, kw: float = float("nan")) -> CommandResult:
        self.orders.append(what)
        if self.held is not None:
            await self.held.wait()
        return CommandResult(True, "Accepted", kw, NOW)

    async def set_power(self, order: PowerOrder, evse: EvseRecord) -> CommandResult:
        return await self._yes(order, order.power_kw)

    async def set_safe_profile(self, profile: SafeProfile) -> CommandResult:
        return await self._yes(profile, profile.charge_kw)

    async def composite(self, evse: EvseKey) -> Composite | None:
        return Composite(limit_kw=7.0)

    async def start(self, evse: EvseKey, id_token: str) -> CommandResult:
        return await self._yes(("start", evse, id_token))

    async def stop(self, station_id: str, transaction_id: str) -> CommandResult:
        return await self._yes(("stop", station_id, transaction_id))

    async def command(self, station_id: str, command: StationCommand) -> CommandResult:
        return await self._yes((station_id, command))

    async def call(self, station_id: str, action: str, payload: Any) -> Any:
        return {"action": action, **payload}

    async def disconnect(self, station_id: str) -> None:
        self.sent_away.append(station_id)
        self.stations.discard(station_id)


class Process:
    """What one process has on the bus."""

    def __init__(self, options: BusOptions, name: str, gateway: ChargerGateway | None = None) -> None:
        self.name = name
        self.bus = Bus(options, name)
        self.leases = Leases(self.bus)
        self.whereabouts = Whereabouts(self.bus)
        self.worker: GatewayWorker | None = None
        if gateway is not None:
            disconnect = getattr(gateway, "disconnect")  # noqa: B009 - not of the port
            self.worker = GatewayWorker(
                self.bus, gateway, name, self.leases, self.whereabouts, self.site_of, disconnect
            )

    async def site_of(self, station_id: str) -> str:
        return "site"

    def lease(self, site_id: str = "site") -> SiteLease:
        return SiteLease(self.bus, self.leases, site_id, self.name, lambda: 0)

    def gateway(self, lease: SiteLease | None = None) -> RemoteGateway:
        return RemoteGateway(self.bus, self.whereabouts, SystemClock(), lease)

    def connect(self, gateway: Sockets, station_id: str) -> None:
        """A station opens a socket here."""
        gateway.stations.add(station_id)
        assert self.worker is not None
        self.worker.on_event(ConnectionChanged(station_id=station_id, at=NOW, received_at=NOW, connected=True))


@asynccontextmanager
async def processes(options: BusOptions, *gateways: ChargerGateway | None) -> AsyncIterator[list[Process]]:
    """Processes on one bus; those with a gateway hold its sockets."""
    made = [Process(options, f"p{next(_numbers)}", gateway) for gateway in gateways]
    try:
        for process in made:
            await process.bus.start()
        await asyncio.gather(*(process.bus.up() for process in made))
        yield made
    finally:
        await asyncio.gather(*(process.bus.close() for process in made))


def order(kw: float, station_id: str = "CP-1") -> PowerOrder:
    return PowerOrder(EvseKey(station_id, 1), kw, "T-1", 300.0)
