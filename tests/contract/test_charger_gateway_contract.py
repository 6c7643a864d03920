"""What the port ``ChargerGateway`` promises, held by the gateway itself and by the gateway over the bus."""

import asyncio
import contextlib
import importlib.util
import math
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ocpp_doubles import SECRET, listening, station

from bothways.adapters.bus.connection import ended
from bothways.adapters.clocks import SystemClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey, TransactionChanged
from bothways.operations.orders import PowerOrder, SafeProfile, StationCommand

pytestmark = pytest.mark.asyncio
PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
BUS = Path(__file__).resolve().parents[1] / "unit" / "adapters" / "bus"


def _module(name):
    spec = importlib.util.spec_from_file_location(f"contract_{name}", BUS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def nats_for_contract():
    module = _module("nats_server")
    if not module.BINARY.exists():
        pytest.skip("there is no NATS server on this platform")
    server = module.NatsServer()
    yield server
    server.close()


async def until(wanted, seconds=15.0):
    async with asyncio.timeout(seconds):
        while not wanted():
            await asyncio.sleep(0.01)


class Site:
    """One virtual station with a vehicle, and the gateway under test."""

    def __init__(self, gateway, virtual, transaction_id):
        self.gateway, self.virtual, self.transaction_id = gateway, virtual, transaction_id
        self.outlet = virtual.outlet(1)
        self.key, self.evse = EvseKey("CP1", 1), station().evses[0]

    def order(self, kw, station_id="CP1"):
        return PowerOrder(EvseKey(station_id, 1), kw, self.transaction_id, 300.0)

    async def flows(self, kw):
        await until(lambda: abs(self.outlet.power_kw - kw) < 0.05)


@contextlib.asynccontextmanager
async def over_the_bus(gateway, server) -> AsyncIterator[object]:
    doubles = _module("bus_doubles")
    async with doubles.processes(doubles.options_of(server), gateway, None) as (_, planner):
        remote = planner.gateway(planner.lease())
        await until(lambda: "CP1" in remote.connected())
        yield remote


@contextlib.asynccontextmanager
async def wired(kind, protocol, request):
    async with listening(station(), clock=SystemClock(), query_capabilities=True) as here:
        options = StationOptions(protocol=protocol, secret=SECRET.decode(), tick_s=0.05, meter_s=60.0)
        virtual = VirtualStation(
            "CP1", f"ws://127.0.0.1:{here.port}/ocpp", [Outlet(1, 11.0)], SystemClock(), options, rng=random.Random(1)
        )
        here.intake.tokens["T-1"] = "Accepted"
        running = asyncio.create_task(virtual.run())
        try:
            await until(lambda: virtual.registered)
            assert await virtual.plug_in(1, VirtualVehicle("T-1", 80.0, 20.0, 11.0))
            await until(lambda: any(item.kind == "started" for item in here.intake.of(TransactionChanged)))
            begun = next(item for item in here.intake.of(TransactionChanged) if item.kind == "started")
            await until(lambda: protocol != "ocpp1.6" or bool(virtual.outlet(1).transaction.server_id))
            if kind == "local":
                yield Site(here.gateway, virtual, begun.transaction_id or "1")
            else:
                async with over_the_bus(here.gateway, request.getfixturevalue("nats_for_contract")) as remote:
                    yield Site(remote, virtual, begun.transaction_id or "1")
        finally:
            await ended(running)


@pytest.fixture(params=[(kind, protocol) for kind in ("local", "bus") for protocol in PROTOCOLS], ids="-".join)
def where(request):
    return request.param


async def test_what_is_ordered_flows_and_what_cannot_be_told_is_refused(where, request):
    async with wired(*where, request) as site:
        gateway = site.gateway
        assert gateway.connected() == {"CP1"}
        for kw in (6.0, 0.0, 9.0):
            done = await gateway.set_power(site.order(kw), site.evse)
            assert done.accepted, done
            assert done.commanded_kw == pytest.approx(kw, abs=0.15)
            assert done.commanded_kw <= kw
            await site.flows(done.commanded_kw)
        refused = await gateway.set_power(site.order(-5.0), site.evse)
        assert not refused.accepted
        assert refused.status in {"unsupported", "refused"}
        await asyncio.sleep(0.2)
        assert site.outlet.power_kw >= 0.0


async def test_who_is_not_there_is_offline_and_says_so(where, request):
    async with wired(*where, request) as site:
        gateway = site.gateway
        for done in (
            await gateway.set_power(site.order(5.0, "CP9"), site.evse),
            await gateway.set_safe_profile(SafeProfile("CP9", 1.4)),
            await gateway.start(EvseKey("CP9", 1), "T-1"),
            await gateway.stop("CP9", "T"),
            await gateway.command("CP9", StationCommand("reset")),
        ):
            assert (done.accepted, done.status) == (False, "offline")
            assert math.isnan(done.commanded_kw)
        assert await gateway.composite(EvseKey("CP9", 1)) is None
        with pytest.raises(GatewayError):
            await gateway.call("CP9", "TriggerMessage", {"requestedMessage": "Heartbeat"})


async def test_stations_are_asked_told_and_administered(where, request):
    async with wired(*where, request) as site:
        gateway = site.gateway
        assert (await gateway.set_safe_profile(SafeProfile("CP1", 2.0))).accepted
        assert (await gateway.set_power(site.order(6.0), site.evse)).accepted
        held = await gateway.composite(site.key)
        assert held is not None
        assert (held.setpoint_kw if held.setpoint_kw is not None else held.limit_kw) == pytest.approx(6.0, abs=0.15)
        answer = await gateway.call("CP1", "TriggerMessage", {"requestedMessage": "Heartbeat"})
        assert answer["status"] == "Accepted"
        with pytest.raises(GatewayError):
            await gateway.call("CP1", "NoSuchAction", {})
        assert (await gateway.stop("CP1", site.transaction_id)).accepted
        await until(lambda: site.outlet.transaction is None and not site.virtual.wire.queue)
