"""The server is killed at random under load: what it acknowledged is there once, and energy adds up.

``BOTHWAYS_KILLS`` sets how often it is killed, ``BOTHWAYS_KILL_STATIONS`` how many stations load it.
"""

import asyncio
import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.simulated.drivers import live

spec = importlib.util.spec_from_file_location("loaded_world", Path(__file__).with_name("loaded_world.py"))
loaded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loaded)

KILLS = int(os.environ.get("BOTHWAYS_KILLS", "5"))
STATIONS = int(os.environ.get("BOTHWAYS_KILL_STATIONS", "12"))
BOTHWAYS = Path(sys.executable).with_name("bothways")


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
    return path, port, asyncio.run(loaded.register(database, STATIONS))


class Killable:
    """A server process that can be killed and started again."""

    def __init__(self, config):
        self.config, self.log = config, config.with_suffix(".log")
        self.process = None

    def start(self):
        with self.log.open("wb") as log:  # anew, so that what is told is of this run
            self.process = subprocess.Popen([BOTHWAYS, "serve", self.config], stdout=log, stderr=log)

    @property
    def state(self):
        """Whether it runs, and what it said last."""
        ended = self.process.poll()
        said = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
        return f"the server {'runs' if ended is None else f'ended with {ended}'}; it said: {said}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


async def _until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what() if callable(what) else what
        await asyncio.sleep(0.05)


async def _under_load(server, port, secrets, rng):
    clock = ScaledClock(datetime.now(tz=UTC), loaded.SPEED)
    stations = loaded.stations_of(secrets, port, clock)
    drivers = loaded.drivers_of(stations, clock)
    running = [asyncio.create_task(station.run()) for station in stations]

    def waiting():
        return sum(len(station.wire.queue) for station in stations)

    people = asyncio.create_task(live(drivers, 1.0, rng))
    try:
        for number in range(KILLS):
            if number and number % 20 == 0:
                print(f"{number} kills, {loaded.acknowledged(stations)} acknowledged, {waiting()} wait", flush=True)
            heard = loaded.acknowledged(stations)
            await _until(
                lambda heard=heard: loaded.acknowledged(stations) > heard + len(stations),
                180,
                lambda: f"nothing is acknowledged, {waiting()} messages wait; {server.state}",
            )
            await asyncio.sleep(rng.uniform(0.0, 0.6))
            server.kill()
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            server.start()
        people.cancel()
        await asyncio.gather(people, return_exceptions=True)
        for station in stations:
            station.finish(station.outlet(1), "Local")
        while left := waiting():
            await _until(lambda left=left: waiting() < left, 180, f"{left} messages wait for ever; {server.state}")
    finally:
        for task in (*running, people):
            task.cancel()
        await asyncio.gather(*running, people, return_exceptions=True)
    return stations


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
    told = asyncio.run(loaded.check(database, stations))
    print(
        f"soak: {KILLS} times SIGKILL on {kind} under {len(stations)} stations: {loaded.acknowledged(stations)} "
        f"acknowledged messages, {told} transactions, each there once, energy adds up, no id twice"
    )
