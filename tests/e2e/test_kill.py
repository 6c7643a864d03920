"""The server is killed at random under load: what it acknowledged is there once, and energy adds up.

``BOTHWAYS_KILLS`` sets how often it is killed, ``BOTHWAYS_KILL_STATIONS`` how many stations load it.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.drivers import Driver, Routine, live
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.operations.stations import EvseRecord, StationRecord

KILLS = int(os.environ.get("BOTHWAYS_KILLS", "5"))
STATIONS = int(os.environ.get("BOTHWAYS_KILL_STATIONS", "12"))
PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
BOTHWAYS = Path(sys.executable).with_name("bothways")
SPEED = 600.0


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _configured(folder, database):
    path = folder / "bothways.toml"
    path.write_text(
        f"""
[server]
port = {_free_port()}
web_port = 0
log_level = "error"
[store]
url = "{database}"
[tokens]
accept_any = true
[[site]]
id = "house"
tz = "UTC"
import_hard_limit_kw = 100.0
[site.prices]
import_per_kwh = 0.3
""",
        encoding="utf-8",
    )
    port = int(path.read_text(encoding="utf-8").split("port = ")[1].split()[0])
    secrets = {f"CP-{number:03d}": new_secret() for number in range(STATIONS)}
    asyncio.run(_register(database, secrets))
    return path, port, secrets


async def _register(database, secrets):
    store = await open_store(database)
    for name, secret in secrets.items():
        await store.add_station(StationRecord(name, "house", (EvseRecord(1, 11.0),)), hash_secret(secret))
    await store.close()


class Killable:
    """A server process that can be killed and started again."""

    def __init__(self, config):
        self.config = config
        self.process = None

    def start(self):
        self.process = subprocess.Popen([BOTHWAYS, "serve", self.config], stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


async def _until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def _under_load(server, port, secrets, rng):
    clock = ScaledClock(datetime.now(tz=UTC), SPEED)
    stations = []
    for number, (name, secret) in enumerate(secrets.items()):
        options = StationOptions(
            protocol=PROTOCOLS[number % 3], secret=secret, tick_s=120.0, meter_s=300.0, heartbeat_s=3600.0
        )
        station = VirtualStation(
            name, f"ws://127.0.0.1:{port}/ocpp", [Outlet(1, 11.0)], clock, options, rng=random.Random(number)
        )
        station.wire.journal = []
        station.wire.retry_s = (0.05, 0.3)
        station.wire.timeout_s = 20.0
        stations.append(station)
    routine = Routine(stay_h=0.4, away_h=0.1, trip_kwh=5.0)
    drivers = [
        Driver(f"T-{number}", station, 1, routine, clock, random.Random(number))
        for number, station in enumerate(stations)
    ]
    running = [asyncio.create_task(station.run()) for station in stations]
    people = asyncio.create_task(live(drivers, 1.0, rng))
    try:
        for _ in range(KILLS):
            heard = sum(len(station.wire.journal) for station in stations)
            await _until(
                lambda heard=heard: sum(len(s.wire.journal) for s in stations) > heard + len(stations),
                180,
                "the server acknowledges nothing",
            )
            await asyncio.sleep(rng.uniform(0.0, 0.6))
            server.kill()
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            server.start()
        people.cancel()
        await asyncio.gather(people, return_exceptions=True)
        for station in stations:
            station.finish(station.outlet(1), "Local")
        await _until(lambda: not any(s.wire.queue for s in stations), 180, "messages wait for ever")
    finally:
        for task in (*running, people):
            task.cancel()
        await asyncio.gather(*running, people, return_exceptions=True)
    return stations


def _told(station):
    """What the station told, by transaction: energy into the vehicle [kWh], and how many starts there were."""
    energy, starts, begun = {}, Counter(), {}
    for action, payload, answer in station.wire.journal:
        if action == "StartTransaction":
            identity = str(answer["transactionId"])
            starts[identity] += 1
            begun[identity] = payload["meterStart"]
        elif action == "StopTransaction":
            identity = str(payload["transactionId"])
            energy[identity] = (payload["meterStop"] - begun[identity]) / 1000.0
        elif action == "TransactionEvent":
            identity = payload["transactionInfo"]["transactionId"]
            starts[identity] += payload["eventType"] == "Started"
            for value in payload.get("meterValue", []):
                register = value["sampledValue"][0]["value"] / 1000.0
                begun.setdefault(identity, register)
                energy[identity] = register - begun[identity]
    return energy, starts


async def _check(database, stations):
    store = await open_store(database)
    try:
        rows = {}
        for row in await store.transactions(limit=1_000_000):
            key = (row.station_id, row.transaction_id)
            assert key not in rows, f"{key} is there twice"
            rows[key] = row
        told = 0
        for station in stations:
            energy, starts = _told(station)
            assert max(starts.values(), default=1) == 1, "an id was given to two transactions"
            for identity, kwh in energy.items():
                row = rows.pop((station.station_id, identity))
                assert row.ended_at is not None
                assert row.missing == ()
                assert row.energy_import_kwh == pytest.approx(kwh, abs=2e-3)
                told += 1
            assert not station.wire.rejected
        assert not rows, "the store knows transactions that no station told of"
        assert told >= len(stations)
    finally:
        await store.close()
    return told


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(kind, tmp_path, request):
    database = f"sqlite:///{tmp_path}/live.db"
    if kind == "postgres":
        database = request.getfixturevalue("postgres_server").new_database()
    config, port, secrets = _configured(tmp_path, database)
    server = Killable(config)
    server.start()
    try:
        stations = asyncio.run(_under_load(server, port, secrets, random.Random(7)))
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
    told = asyncio.run(_check(database, stations))
    print(f"{KILLS} kills, {len(stations)} stations, {told} transactions on {kind}")
