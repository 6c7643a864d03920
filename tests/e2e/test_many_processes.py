"""Two gateways, two planners, stations over real sockets: any process may be killed or frozen, and the site goes on.

``BOTHWAYS_BUS_OUTAGE`` sets for how many seconds NATS is stopped.
"""

import asyncio
import base64
import contextlib
import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.profiles import ProfileStore
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Grant, Role
from bothways.operations.stations import EvseRecord, StationRecord

OUTAGE_S = float(os.environ.get("BOTHWAYS_BUS_OUTAGE", "3"))
BOTHWAYS = Path(sys.executable).with_name("bothways")
PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1", "ocpp2.1")
LEASE_S = 2.0
TAKEOVER_S = 25.0
PASSWORD = "four words make passphrases"


def _nats():
    path = Path(__file__).resolve().parents[1] / "unit" / "adapters" / "bus" / "nats_server.py"
    spec = importlib.util.spec_from_file_location("nats_server_e2e", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not module.BINARY.exists():
        pytest.skip("there is no NATS server on this platform")
    return module.NatsServer()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One ``bothways serve --role …`` of the installation."""

    def __init__(self, folder, config, role):
        self.role, self.port, self.web_port = role, _free_port(), _free_port()
        ports = {"BOTHWAYS__SERVER__PORT": str(self.port), "BOTHWAYS__SERVER__WEB_PORT": str(self.web_port)}
        self.log = folder / f"{role}-{self.port}.log"
        with self.log.open("wb") as log:
            command = [BOTHWAYS, "serve", config, "--role", role]
            self.process = subprocess.Popen(command, env={**os.environ, **ports}, stderr=log, stdout=log)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    @property
    def alive(self):
        return self.process.poll() is None

    async def metric(self, name):
        """A figure of the process; ``None`` where it does not answer or does not have it."""
        try:
            async with httpx.AsyncClient(timeout=1.0) as client:
                text = (await client.get(f"http://127.0.0.1:{self.web_port}/metrics")).text
        except httpx.HTTPError:
            return None
        found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name)]
        return float(found[0]) if found else None


class Balancer:
    """A load balancer for sockets: the first of its servers that takes a connection gets it."""

    def __init__(self, servers):
        self.servers = servers
        self._turn = 0

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self._turn += 1
        turned = self.servers[self._turn % len(self.servers) :] + self.servers[: self._turn % len(self.servers)]
        for process in turned:
            try:
                there, back = await asyncio.open_connection("127.0.0.1", process.port)
            except OSError:
                continue
            await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
            return
        writer.close()

    def close(self):
        self._server.close()


async def _pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


class Told(ProfileStore):
    """Profiles that remember when a setpoint for a transaction came."""

    def install(self, profile):
        super().install(profile)
        if profile.purpose == "TxProfile":
            self.__dict__.setdefault("at", []).append(time.monotonic())

    def told_since(self, then):
        return any(at > then for at in self.__dict__.get("at", []))


class Installation:
    """All processes and stations of the test."""

    def __init__(self, folder, database, nats):
        self.folder, self.database, self.nats = folder, database, nats
        self.stations, self.running, self.processes, self.connected_at = [], [], [], {}
        self.config = folder / "bothways.toml"
        self.config.write_text(
            f"""
[server]
log_level = "info"
[store]
url = "{database}"
[bus]
url = "{nats.url}"
lease_s = {LEASE_S}
[tokens]
accept_any = true
[[site]]
id = "house"
tz = "UTC"
import_hard_limit_kw = 100.0
assumed_load_kw = 10.0
[site.prices]
import_per_kwh = 0.3
""",
            encoding="utf-8",
        )

    async def start(self):
        self.gateways = [Process(self.folder, self.config, "gateway") for _ in range(2)]
        self.planners = [Process(self.folder, self.config, role) for role in ("planner,web", "web,planner")]
        self.processes = [*self.gateways, *self.planners]
        secrets = {f"CP-{number}": new_secret() for number in range(len(PROTOCOLS))} | {"CP-TWICE": new_secret()}
        store = await open_store(self.database)
        for name, secret in secrets.items():
            await store.add_station(StationRecord(name, "house", (EvseRecord(1, 11.0),)), hash_secret(secret))
        access = Access(store, Argon2Hasher(fast=True), TimeCodes(), SystemClock())
        await access.create("ada", PASSWORD, [Grant(Role.ADMINISTRATOR, "*")])
        await store.close()
        self.secrets = secrets
        self.balancer = Balancer(self.gateways)
        port = await self.balancer.start()
        await self.until(self.all_listen, "gateways do not listen", 180.0)
        for number, protocol in enumerate(PROTOCOLS):
            options = StationOptions(protocol=protocol, secret=secrets[f"CP-{number}"], tick_s=0.2, meter_s=1.0)
            station = VirtualStation(
                f"CP-{number}", f"ws://127.0.0.1:{port}/ocpp", [Outlet(1, 11.0)], SystemClock(), options,
                rng=random.Random(number), profiles=Told(),
            )  # fmt: skip
            station.wire.journal, station.wire.retry_s = [], (0.1, 0.5)
            station.wire.on_change = self._noted(station)
            self.stations.append(station)
            self.running.append(asyncio.create_task(station.run()))
        await self.until(lambda: all(item.registered for item in self.stations), "stations do not register")
        for number, station in enumerate(self.stations):
            vehicle = VirtualVehicle(f"T-{number}", capacity_kwh=200.0, energy_kwh=20.0, charge_kw=11.0)
            assert await station.plug_in(1, vehicle)

    def _noted(self, station):
        """Notes when a station connected last."""
        told = station.wire.on_change

        def changed(connected):
            told(connected)
            if connected:
                self.connected_at[station.station_id] = time.monotonic()

        return changed

    def all_listen(self):
        for process in self.gateways:
            assert process.alive, process.log.read_text()[-2000:]
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", process.port)):
                    return False
        return True

    async def leader(self):
        """The planner that leads now, if exactly one does."""
        leads = [item for item in self.planners if item.alive and await item.metric("bothways_site_led") == 1.0]
        return leads[0] if len(leads) == 1 else None

    async def told(self, then, seconds, what):
        """Waits until every station got a setpoint after an instant; returns how long it took [s]."""
        await self.until(lambda: all(item.profiles.told_since(then) for item in self.stations), what, seconds)
        return time.monotonic() - then

    async def until(self, wanted, what, seconds=40.0):
        end = time.monotonic() + seconds
        while not wanted():
            if time.monotonic() > end:
                logs = "\n".join(f"--- {item.role}\n{item.log.read_text()[-1500:]}" for item in self.processes)
                raise AssertionError(f"{what}\n{logs}")
            await asyncio.sleep(0.05)

    async def stop(self):
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        for process in self.processes:
            if process.alive:
                process.signal(signal.SIGCONT)
                process.kill()
        if hasattr(self, "balancer"):
            self.balancer.close()


async def _leads(installation, wanted, seconds):
    """Waits until the wanted planner is the only one that leads."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if await installation.leader() is wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("another planner does not take over\n" + wanted.log.read_text()[-3000:])


def _dial(process, name, secret):
    token = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return connect(
        f"ws://127.0.0.1:{process.port}/ocpp/{name}", subprotocols=["ocpp2.1"],
        additional_headers={"Authorization": f"Basic {token}"}, compression=None,
    )  # fmt: skip


async def _two_sockets(here):
    """Of two sockets with one id at two gateways the newer one stays."""
    secret = here.secrets["CP-TWICE"]
    first, second = here.gateways
    async with _dial(first, "CP-TWICE", secret) as old:
        await asyncio.sleep(0.3)
        async with _dial(second, "CP-TWICE", secret) as new:
            await asyncio.wait_for(old.wait_closed(), 10.0)
            await asyncio.sleep(0.3)
            assert new.close_code is None
            async with _dial(first, "CP-TWICE", secret) as again:
                await asyncio.wait_for(new.wait_closed(), 10.0)
                assert again.close_code is None


async def _planner_frozen_then_killed(here):
    """A frozen planner is replaced and commands nothing when it wakes; when the other is killed it leads again."""
    frozen = await here.leader()
    (other,) = [item for item in here.planners if item is not frozen]
    began = time.monotonic()
    frozen.signal(signal.SIGSTOP)
    await _leads(here, other, TAKEOVER_S)
    await here.told(began + LEASE_S / 2.0, TAKEOVER_S, "no setpoints from the successor")
    frozen.signal(signal.SIGCONT)
    await asyncio.sleep(0.5)
    await _leads(here, other, 5.0)
    killed = time.monotonic()
    other.kill()
    await _leads(here, frozen, TAKEOVER_S)
    return await here.told(killed, TAKEOVER_S, "no setpoints after a planner was killed")


async def _gateway_killed(here):
    """Stations come back at the other gateway and get setpoints there; nothing they were told is lost."""
    killed = time.monotonic()
    here.gateways[0].kill()
    here.balancer.servers = [here.gateways[1]]
    await here.until(lambda: not all(item.wire.connected for item in here.stations), "nobody was connected there")
    await here.until(lambda: all(item.wire.connected for item in here.stations), "stations do not come back")

    def told():
        moved = [item for item in here.stations if here.connected_at[item.station_id] > killed]
        return moved and all(item.profiles.told_since(here.connected_at[item.station_id]) for item in moved)

    await here.until(told, "no setpoints after a gateway was killed")
    return time.monotonic() - killed


async def _bus_away(here):
    """Stations are answered while the bus is away; everything goes on when it is back."""
    (planner,) = [item for item in here.planners if item.alive]
    here.nats.stop()
    acknowledged = [len(station.wire.journal) for station in here.stations]
    await asyncio.sleep(OUTAGE_S)
    for station, before in zip(here.stations, acknowledged, strict=True):
        assert station.wire.connected
        assert len(station.wire.journal) > before, "nothing was acknowledged while the bus was away"
    assert await planner.metric("bothways_site_led") == 0.0, "a planner leads without being able to know it"
    back = time.monotonic()
    here.nats.start()
    return await here.told(back, TAKEOVER_S, "no setpoints after the bus came back")


@contextlib.asynccontextmanager
async def _signed_in(web):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.web_port}", timeout=10) as client:
        answer = await client.post("/api/v1/session", json={"name": "ada", "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        yield client


async def _stopped_without_bus(here):
    """An emergency stop reaches every station though the bus is away, and the planner knows of it afterwards."""
    (web,) = [item for item in here.planners if item.alive]
    async with _signed_in(web) as client:
        here.nats.stop()
        began = time.monotonic()
        answer = await client.post("/api/v1/sites/house/emergency-stop", json={"reason": "smoke"})
        assert answer.status_code in {200, 204}, answer.text
        await here.until(
            lambda: all(item.outlet(1).transaction is None for item in here.stations), "transfer goes on", 10.0
        )
        took = time.monotonic() - began
        here.nats.start()
        for _ in range(150):
            site = (await client.get("/api/v1/sites/house")).json()
            kinds = {alarm["kind"] for alarm in site["alarms"]}
            if site["stopped"] and "emergency-stop" in kinds and not kinds & {"bus-lost", "no-planner"}:
                break
            await asyncio.sleep(0.1)
        assert site["stopped"], site
        assert "emergency-stop" in kinds, kinds
    return took


async def _seen_by_people(here):
    """The web shows a site that a planner elsewhere leads."""
    leader = await here.leader()
    web = next(item for item in here.planners if item is not leader)
    async with _signed_in(web) as client:
        for _ in range(150):
            site = (await client.get("/api/v1/sites/house")).json()
            there = [item["online"] for item in site["evses"] if item["session"] is not None]
            if there == [True] * len(PROTOCOLS):
                break
            await asyncio.sleep(0.1)
        assert there == [True] * len(PROTOCOLS), site


async def _scene(folder, database, nats):
    here = Installation(folder, database, nats)
    try:
        began = time.monotonic()
        await here.start()
        await here.told(0.0, 90.0, "no first setpoints")
        await here.until(lambda: all(s.outlet(1).power_kw > 1.0 for s in here.stations), "nobody charges")
        await _seen_by_people(here)
        await _two_sockets(here)
        print(f"{time.monotonic() - began:.1f} s until all is seen")
        after_planner = await _planner_frozen_then_killed(here)
        after_gateway = await _gateway_killed(here)
        after_bus = await _bus_away(here)
        print(
            f"soak: new setpoints at every station {after_planner:.1f} s after a planner was killed, "
            f"{after_gateway:.1f} s after a gateway was, {after_bus:.1f} s after {OUTAGE_S:g} s without NATS"
        )
        assert all(s.outlet(1).transaction is not None for s in here.stations), "somebody lost a transaction"
        assert not any(station.wire.rejected for station in here.stations)
        await here.until(lambda: not any(s.wire.queue for s in here.stations), "messages wait for ever")
        store = await open_store(database)
        rows = await store.transactions(open_only=True)
        await store.close()
        assert sorted(row.station_id for row in rows) == [station.station_id for station in here.stations]
        assert all(row.missing == () for row in rows)
        assert all(row.energy_import_kwh > 0.0 for row in rows)
        print(f"soak: all transfer stopped {await _stopped_without_bus(here):.1f} s after an order, without the bus")
        left = [item for item in here.processes if item.alive]
        for process in left:
            process.signal(signal.SIGTERM)
        assert [process.process.wait(20) for process in left] == [0, 0]
    finally:
        await here.stop()


@pytest.mark.slow
def test_the_site_goes_on_whatever_process_ends(postgres_server, tmp_path):
    nats = _nats()
    try:
        asyncio.run(_scene(tmp_path, postgres_server.new_database(), nats))
    finally:
        nats.close()
