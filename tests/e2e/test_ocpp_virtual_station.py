"""The gateway and the virtual station over a real socket: what is ordered flows, also when the server is gone."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ocpp_doubles import NOW, SECRET, Wired, listening, station

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.operations.events import ChargingNeedsReceived, EvseKey, StationEvent, TransactionChanged
from bothways.operations.orders import CommandResult, PowerOrder, SafeProfile

METHODS = {"ocpp1.6": "negative_limit", "ocpp2.0.1": "negative_limit", "ocpp2.1": "v2x"}


class Garage:
    """One virtual station with a two-way vehicle, and the gateway that it is connected to."""

    def __init__(self, wired: Wired, virtual: VirtualStation) -> None:
        self.wired, self.virtual = wired, virtual
        self.outlet = virtual.outlet(1)

    async def order(self, power_kw: float, valid_for_s: float = 600.0) -> CommandResult:
        transaction = next(
            event for event in self.wired.intake.of(TransactionChanged) if event.kind == "started"
        ).transaction_id
        order = PowerOrder(EvseKey("CP1", 1), power_kw, transaction or "1", valid_for_s)
        return await self.wired.gateway.set_power(order, station().evses[0])

    async def flows(self, power_kw: float) -> None:
        await until(lambda: abs(self.outlet.power_kw - power_kw) < 0.05)


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not wanted():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def garage(protocol: str, **more: Any) -> AsyncIterator[Garage]:
    clock = ScaledClock(NOW, 60.0)
    record = station(accepted_at=None, discharge=METHODS[protocol])
    async with listening(record, clock=clock, query_capabilities=True) as wired:
        virtual = VirtualStation(
            "CP1",
            f"ws://127.0.0.1:{wired.port}/ocpp",
            [Outlet(1, charge_kw=11.0, discharge_kw=10.0)],
            clock,
            StationOptions(protocol=protocol, secret=SECRET.decode(), meter_s=30.0, negative_limit="obey", **more),
            rng=random.Random(1),
        )
        task = asyncio.create_task(virtual.run())
        try:
            await until(lambda: virtual.registered)
            wired.intake.tokens["TOKEN-1"] = "Accepted"
            vehicle = VirtualVehicle("TOKEN-1", capacity_kwh=60.0, energy_kwh=30.0, charge_kw=11.0, discharge_kw=10.0)
            assert await virtual.plug_in(1, vehicle)
            expected: type[StationEvent] = ChargingNeedsReceived if protocol == "ocpp2.1" else TransactionChanged
            await wired.intake.wait_for(lambda: bool(wired.intake.of(expected)))
            outlet = virtual.outlet(1)
            await until(lambda: bool(protocol != "ocpp1.6" or (outlet.transaction and outlet.transaction.server_id)))
            yield Garage(wired, virtual)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_what_is_ordered_flows(protocol: str) -> None:
    async with garage(protocol) as here:
        for power_kw in (5.0, -3.0, 0.0, 7.0):
            done = await here.order(power_kw)
            assert done.accepted, done
            await here.flows(done.commanded_kw)
            assert done.commanded_kw == pytest.approx(power_kw, abs=0.14)  # steps of 0.1 A on three phases
        composite = await here.wired.gateway.composite(EvseKey("CP1", 1))
        assert composite is not None
        assert composite.limit_kw == pytest.approx(7.0, abs=0.14)
        assert all(not event.flags for event in here.wired.intake.events)


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_station_left_alone_falls_back_to_its_safe_profile(protocol: str) -> None:
    async with garage(protocol) as here:
        assert (await here.wired.gateway.set_safe_profile(SafeProfile("CP1", 2.07))).accepted
        done = await here.order(-6.0, valid_for_s=60.0)
        assert done.accepted, done
        await here.flows(done.commanded_kw)
        await here.wired.gateway.close(1.0)
        await here.flows(2.07)
