# ruff: noqa: E402 - what the tests use lies beside them
"""What the bus costs: an order to a station at hand against one over NATS, and events on their way to the planner.

Run by hand: ``python benchmarks/bus.py [--orders 400] [--stations 200]``. Starts a NATS server of its own on 127.0.0.1.
The stations are virtual ones over real sockets; gateway, planner and stations share one process and event loop, so that
both ways cost the same but for the bus. An order counts from the planner's call to the station's answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

ROUNDS = 5
for part in ("bus", "ocpp"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "adapters" / part))

from bus_doubles import NOW, options_of, processes, until
from nats_server import NatsServer
from ocpp_doubles import SECRET, listening, station

from bothways.adapters.bus.connection import ended
from bothways.adapters.bus.inbox import SiteEvents
from bothways.adapters.clocks import SystemClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.operations.events import EvseKey, Sample, StationEvent, TransactionChanged
from bothways.operations.orders import PowerOrder
from bothways.operations.ports import ChargerGateway


@contextlib.contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Appends how long the block took [ms]."""
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * 1e3)


def shown(name: str, values: list[float]) -> str:
    """Median and 99th percentile [ms]."""
    ordered = sorted(values)
    return f"{name:<28} median {statistics.median(ordered):7.2f} ms   p99 {ordered[int(len(ordered) * 0.99)]:7.2f} ms"


async def one_after_another(gateway: ChargerGateway, transactions: dict[str, str], count: int) -> list[float]:
    """Orders to one station, each after the answer to the one before."""
    evse, found = station().evses[0], list[float]()
    name = next(iter(transactions))
    for number in range(count):
        with timed(found):
            kw = 6.0 + number % 40 * 0.1
            done = await gateway.set_power(PowerOrder(EvseKey(name, 1), kw, transactions[name], 300.0), evse)
        assert done.accepted, done
    return found


async def all_at_once(gateway: ChargerGateway, transactions: dict[str, str]) -> list[float]:
    """One order to every station at once; how long each took."""
    evse, found = station().evses[0], list[float]()

    async def one(name: str, transaction: str) -> None:
        with timed(found):
            done = await gateway.set_power(
                PowerOrder(EvseKey(name, 1), random.uniform(6, 10), transaction, 300.0), evse
            )
        assert done.accepted, done

    await asyncio.gather(*(one(name, transaction) for name, transaction in transactions.items()))
    return found


async def events(made: list[Any], count: int) -> tuple[float, float]:
    """Events per second from gateway to planner, and the median delay of single ones [ms]."""
    gateway, planner = made
    heard: list[StationEvent] = []
    box = SiteEvents(planner.bus, "site", heard.append, lambda: None)
    await box.listening.wait()
    sample = Sample(NOW, "Energy.Active.Import.Register", 12.0, "kWh")
    event = TransactionChanged(
        station_id="CP000",
        at=NOW,
        received_at=NOW,
        kind="updated",
        transaction_id="t",
        evse_id=1,
        samples=(sample,) * 5,
    )
    began = time.perf_counter()
    for _ in range(count):
        gateway.worker.on_event(event)
    await until(lambda: len(heard) >= count, 60.0)
    rate = count / (time.perf_counter() - began)
    delays: list[float] = []
    for number in range(100):
        with timed(delays):
            gateway.worker.on_event(event)
            while len(heard) < count + number + 1:
                await asyncio.sleep(0)
    box.close()
    return rate, statistics.median(delays)


async def measure(orders: int, stations: int) -> None:
    """Prints all figures."""
    names = [f"CP{number:03d}" for number in range(stations)]
    first, *others = (station(name) for name in names)
    async with listening(first, clock=SystemClock(), query_capabilities=False) as here:
        for record in others:
            here.registry.records[record.station_id] = record
            here.registry.secrets[record.station_id] = SECRET
        options = StationOptions(protocol="ocpp2.1", secret=SECRET.decode(), tick_s=5.0, meter_s=300.0)
        made = [
            VirtualStation(name, f"ws://127.0.0.1:{here.port}/ocpp", [Outlet(1, 11.0)], SystemClock(), options)
            for name in names
        ]
        running = [asyncio.create_task(item.run()) for item in made]
        await until(lambda: all(item.registered for item in made), 60.0)
        here.intake.tokens["T"] = "Accepted"
        for item in made:
            assert await item.plug_in(1, VirtualVehicle("T", 80.0, 20.0, 11.0))
        await until(
            lambda: sum(item.kind == "started" for item in here.intake.of(TransactionChanged)) == stations, 60.0
        )
        begun = [item for item in here.intake.of(TransactionChanged) if item.kind == "started"]
        transactions = {item.station_id: item.transaction_id for item in begun}
        server = NatsServer()
        try:
            await against(here.gateway, server, transactions, orders)
        finally:
            server.close()
            await asyncio.gather(*(ended(task) for task in running))


async def against(gateway: Any, server: NatsServer, transactions: dict[str, str], orders: int) -> None:
    """The gateway at hand, then the same over the bus."""

    async def disconnect(_station_id: str) -> None:
        return

    gateway.disconnect = disconnect
    ways: list[tuple[str, Callable[[Any], Awaitable[list[float]]]]] = [
        (f"{orders} one after another", lambda way: one_after_another(way, transactions, orders)),
        (f"{len(transactions)} stations at once", lambda way: all_at_once(way, transactions)),
    ]
    async with processes(options_of(server, lease_s=20.0, gone_s=20.0), gateway, None) as made:
        remote = made[1].gateway(made[1].lease())
        await until(lambda: len(remote.connected()) == len(transactions), 60.0)
        for name, work in ways:
            print(name)
            await work(gateway)
            medians = []
            at_hand, over = [list[float]() for _ in range(ROUNDS)], [list[float]() for _ in range(ROUNDS)]
            cpu = [0.0, 0.0]
            for turn in range(ROUNDS):
                for way, (found, reached) in enumerate(((at_hand, gateway), (over, remote))):
                    began = time.process_time()
                    found[turn] = await work(reached)
                    cpu[way] += time.process_time() - began
            for label, found, spent in (("  at hand", at_hand, cpu[0]), ("  over the bus", over, cpu[1])):
                values = [value for turn in found for value in turn]
                medians.append(statistics.median(values))
                print(f"{shown(label, values)}   processor time {spent / len(values) * 1e3:.2f} ms each")
            print(f"  ratio {medians[1] / medians[0]:.2f}, processor time {cpu[1] / cpu[0]:.2f}")
        rate, delay = await events(made, 20_000)
        print(f"events: {rate:,.0f}/s from gateway to planner, {delay:.2f} ms for a single one")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--orders", type=int, default=400)
    parser.add_argument("--stations", type=int, default=200)
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    uvloop.run(measure(given.orders, given.stations))


if __name__ == "__main__":
    main()
