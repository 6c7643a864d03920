"""A live system whose site can be an island, with screens, as a process of its own: for the browser tests.

Prints its address, then obeys lines on its input: ``grid off``, ``grid on``, ``refuge off``, ``refuge on``.
"""

import asyncio
import sys
import tempfile
from dataclasses import replace

from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.switchgear.simulated import SimulatedSwitchgear
from bothways.adapters.switchgear.yard import Yard
from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.app.drill import site as demo
from bothways.app.live.config import config_from_mapping
from bothways.app.live.logs import configure
from bothways.app.live.server import LiveServer, Parts
from bothways.app.live.sources import FlatPrices
from bothways.operations.access.roles import Grant, Role
from bothways.simulation.island_setup import setup_from_mapping

PASSWORD = "four words make passphrases"
PEOPLE = {
    "operator": Grant(Role.SITE_OPERATOR, "site:drill"),
    "desk": Grant(Role.FRONT_DESK, "site:drill"),
    "elsewhere": Grant(Role.SITE_OPERATOR, "site:mill"),
}
STEP_S = 0.2
SECTIONS = [
    {"id": "essential", "tier": 1, "phase_kw": [1.2, 1.0, 1.0], "inrush": 1.5, "target_h": 24.0,
     "serves": "medical devices, radio, lights of the exits, water pump", "by_hand": "panel A, switch 1"},
    {"id": "refuge", "tier": 2, "phase_kw": [1.0, 1.5, 0.5], "inrush": 2.0, "target_h": 12.0,
     "serves": "refrigerators, one warm room", "by_hand": "panel A, switch 2"},
    {"id": "kitchen", "tier": 3, "phase_kw": [2.0, 2.0, 2.0], "target_h": 4.0, "serves": "kitchen, lift",
     "by_hand": "panel B, switch 1"},
]  # fmt: skip
VEHICLE = {"energy_kwh": 52.0, "reserve_km": 80.0, "ceiling_kwh": 60.0}
SOURCES = [
    {"id": "battery", "kind": "battery", "power_kw": 20.0, "grid_forming": True, "surge": 1.5, "energy_kwh": 40.0,
     "floor_kwh": 4.0},
    {"id": "charger-1", "kind": "v2x", "power_kw": 11.0, "vehicle": VEHICLE},
    {"id": "charger-2", "kind": "v2x", "power_kw": 11.0, "vehicle": {**VEHICLE, "energy_kwh": 41.0}},
]  # fmt: skip


async def main():
    configure("text", "error")
    drill = {"site": {"name": "hall", "interval_s": 0.5, "return_s": 3.0}, "sections": SECTIONS, "sources": SOURCES}
    setup = setup_from_mapping(drill, "island world")
    folder = tempfile.mkdtemp(prefix="bw-island-")
    config = demo.configuration(setup, folder, (0, 0, 1))
    mapping = config.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    island = mapping["site"][0]["island"]
    island["confirm_islanding"] = True
    for section in island["sections"]:
        if section["id"] == "refuge":
            section |= {"switched": "by hand", "seen": "by people"}
    config = config_from_mapping(mapping, {})
    clock = SystemClock()
    yard = Yard(setup.site, setup.plant, setup.around)
    yard.deaf.add("refuge")
    store = await open_store(config.store.url)
    await store.permit(demo.permission(clock), clock.now())
    secrets = {}
    for k, source in demo.chargers(setup.site):
        secrets[source.source_id] = new_secret()
        await store.add_station(demo.record(source), hash_secret(secrets[source.source_id]))
        await store.add_compatibility(demo.pair(source, clock), clock.now())
        await store.need(demo.need(source, setup.plant.units[k].car, clock))
    parts = Parts(
        clock=clock, meters={demo.SITE: demo.YardMeter(yard, clock)}, signals={demo.SITE: FlatPrices(0.3, 0.0)},
        gears={demo.SITE: SimulatedSwitchgear(yard, clock)}, gateway=GatewayOptions(messages_per_s=1000.0),
        hasher=Argon2Hasher(fast=True), screens=True,
    )  # fmt: skip
    live = LiveServer(config, parts, store)
    for name, grant in PEOPLE.items():
        await live.access.create(name, PASSWORD, [grant])
    await live.start()
    stations = []
    for k, source in demo.chargers(setup.site):
        station = demo.station(source, secrets[source.source_id], live.port, clock, k)
        station.possible = demo.possible(yard, source.source_id)
        car = setup.plant.units[k].car
        yard.plug(source.source_id, demo.Played(station, car))
        stations.append((asyncio.create_task(station.run()), station, source, car))
    await demo.until(lambda: len(live.gateway.connected()) == len(stations), "stations connect")
    for _, station, source, car in stations:
        await station.plug_in(1, demo.vehicle(source, car))
        live.islands.services[demo.SITE].drivers.say(demo.token(source), demo.reserve_km(car), opted_out=False)
    print(f"look at http://127.0.0.1:{live.web_port}/", flush=True)
    going = asyncio.create_task(move(yard))
    try:
        await obey(yard)
    finally:
        for task in (going, *(item[0] for item in stations)):
            task.cancel()
        await live.stop(0.5)


async def move(yard):
    while True:
        await asyncio.sleep(STEP_S)
        yard.advance(STEP_S)


async def obey(yard):
    lines = asyncio.Queue()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    while line := (await lines.get()).split():
        on = line[1] == "on"
        if line[0] == "grid":
            yard.around = replace(yard.around, grid=on)
        else:
            k = yard.site.index[line[0]] - 1
            closed = (*yard.plant.closed[:k], on, *yard.plant.closed[k + 1 :])
            yard.plant = replace(yard.plant, closed=closed)


if __name__ == "__main__":
    asyncio.run(main())
