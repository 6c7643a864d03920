"""Faults under load, in one process: a database that stops, a disk that is full, lines that break, two with one name.

After each: every acknowledged event is there once, no id was given twice, energy adds up. ``BOTHWAYS_OUTAGE_S`` sets
how long the database stands still, ``BOTHWAYS_RECONNECTS`` how often a station connects anew.
"""

import asyncio
import contextlib
import importlib.util
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.drivers import live
from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.app.live.config import config_from_mapping
from bothways.app.live.demo import loop_options
from bothways.app.live.server import LiveServer, Parts

spec = importlib.util.spec_from_file_location("loaded_world", Path(__file__).with_name("loaded_world.py"))
loaded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loaded)

OUTAGE_S = float(os.environ.get("BOTHWAYS_OUTAGE_S", "3"))
RECONNECTS = int(os.environ.get("BOTHWAYS_RECONNECTS", "60"))
STATIONS = 9

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(database, *, twins=0):
    """The live system with stations under load; afterwards everybody has gone home and the store is checked."""
    secrets = await loaded.register(database, STATIONS)
    config = config_from_mapping(
        {
            "server": {"port": 0, "web_port": 0, "log_level": "error"},
            "store": {"url": database},
            "tokens": {"accept_any": True},
            "site": [{"id": "house", "tz": "UTC", "import_hard_limit_kw": 100.0, "prices": {"import_per_kwh": 0.3}}],
        },
        {},
    )
    clock = ScaledClock(datetime.now(tz=UTC), loaded.SPEED)
    parts = Parts(clock=clock, hasher=Argon2Hasher(fast=True), loop=loop_options(loaded.SPEED))
    server = LiveServer(config, parts, await open_store(database))
    await server.start()
    stations = loaded.stations_of(secrets, server.port, clock)
    pairs = loaded.stations_of(dict(list(secrets.items())[:twins]), server.port, clock, seed=1000)
    everybody = [*stations, *pairs]
    lives = [asyncio.create_task(station.run()) for station in everybody]
    people = asyncio.create_task(live(loaded.drivers_of(everybody, clock), 1.0, random.Random(3)))
    try:
        await until(lambda: loaded.acknowledged(stations) > 3 * STATIONS, 60, "the server acknowledges nothing")
        yield server, stations, pairs
        people.cancel()
        await asyncio.gather(people, return_exceptions=True)
        for station in everybody:
            station.finish(station.outlet(1), "Local")
        await until(lambda: not any(station.wire.queue for station in everybody), 120, "messages wait for ever")
    finally:
        for task in (*lives, people):
            task.cancel()
        await asyncio.gather(*lives, people, return_exceptions=True)
        await server.stop()


async def goes_on(stations, seconds=60.0):
    """More is acknowledged than was."""
    heard = loaded.acknowledged(stations)
    await until(lambda: loaded.acknowledged(stations) > heard + len(stations), seconds, "it does not go on")


def told(fault, transactions, stations):
    """Says what a fault left; every station has a transaction at least."""
    assert transactions >= STATIONS
    print(
        f"soak: {fault}, {len(stations)} stations: {loaded.acknowledged(stations)} acknowledged messages, "
        f"{transactions} transactions, each there once, energy adds up, no id twice"
    )


async def test_a_database_that_stands_still(postgres_server):
    database = postgres_server.new_database()
    async with running(database) as (server, stations, _):
        await asyncio.to_thread(postgres_server.stop)
        try:
            await asyncio.sleep(0.5)  # what was under way has failed or has been acknowledged
            heard = loaded.acknowledged(stations)
            await asyncio.sleep(OUTAGE_S)
            assert loaded.acknowledged(stations) == heard  # nothing is acknowledged that is not durable
            assert server.lacking()
        finally:
            await asyncio.to_thread(postgres_server.start)
        await goes_on(stations)
    told(f"PostgreSQL stopped for {OUTAGE_S:g} s", await loaded.check(database, stations), stations)


async def test_a_disk_that_is_full(tmp_path):
    database = f"sqlite:///{tmp_path}/live.db"
    full = False

    def no_more_pages(connection):
        most = connection.connection.dbapi_connection.execute("PRAGMA page_count").fetchone()[0] if full else 1 << 30
        connection.connection.dbapi_connection.execute(f"PRAGMA max_page_count = {most}")

    event.listen(Engine, "begin", no_more_pages)
    try:
        async with running(database) as (server, stations, _):
            full = True
            await until(lambda: server.gateway.counters["store_failures"] > STATIONS, 60, "the disk does not fill up")
            before = loaded.acknowledged(stations)
            await asyncio.sleep(1.0)
            assert loaded.acknowledged(stations) - before < STATIONS  # free pages take a few rows more
            full = False
            await goes_on(stations)
        refused = server.gateway.counters["store_failures"]
        told(f"disk full, {refused} messages refused", await loaded.check(database, stations), stations)
    finally:
        event.remove(Engine, "begin", no_more_pages)


async def test_a_station_that_connects_anew_again_and_again(tmp_path):
    database = f"sqlite:///{tmp_path}/live.db"
    async with running(database) as (server, stations, _):
        chance = random.Random(5)
        for _ in range(RECONNECTS):
            station = stations[0]
            await until(lambda station=station: station.wire.connected, 30, "the station does not come back")
            await asyncio.sleep(chance.uniform(0.0, 0.05))
            await station.wire.drop()
            await until(lambda station=station: not station.wire.connected, 30, "the line does not break")
        await goes_on(stations[:1])
        assert len(server.gateway.connected()) == STATIONS
    told(f"one station connects anew {RECONNECTS} times", await loaded.check(database, stations), stations)


async def test_two_sockets_with_one_name(tmp_path):
    """The newer one is served, both come back all the time; whatever either was told to be kept is kept."""
    database = f"sqlite:///{tmp_path}/live.db"
    async with running(database, twins=3) as (server, stations, twins):
        await goes_on(stations)
        await until(lambda: server.gateway.counters["connections_replaced"] > 20, 60, "nobody is replaced")
        names = server.gateway.connected()
        assert len(names) == STATIONS
    replaced = server.gateway.counters["connections_replaced"]
    everybody = [*stations, *twins]
    told(f"two sockets with one id, {replaced} replaced", await loaded.check(database, everybody), everybody)
