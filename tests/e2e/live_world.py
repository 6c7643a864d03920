"""A live system on free ports with a virtual station, for tests of the API and the screens."""

import asyncio
import contextlib
import random

import httpx

from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.building import Building, SimulatedMeter, SimulatedPrices
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.app.live.config import config_from_mapping
from bothways.app.live.server import LiveServer, Parts
from bothways.operations.access.roles import Grant, Role
from bothways.operations.stations import EvseRecord, StationRecord

PASSWORD = "four words make passphrases"
PEOPLE = {
    "admin": Grant(Role.ADMINISTRATOR, "*"),
    "operator": Grant(Role.SITE_OPERATOR, "site:house"),
    "elsewhere": Grant(Role.SITE_OPERATOR, "site:mill"),
    "driver": Grant(Role.DRIVER, "token:T-1"),
    "desk": Grant(Role.FRONT_DESK, "site:house"),
    "contractor": Grant(Role.CONTRACTOR, "site:house"),
}


class World:
    """The system, its station, and clients that are signed in."""

    def __init__(self, live, station, outlet):
        self.live, self.station, self.outlet = live, station, outlet
        self.clients = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.live.web_port}"

    async def client(self, name=None):
        client = httpx.AsyncClient(base_url=self.url, timeout=20)
        self.clients.append(client)
        if name is not None:
            answer = await client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
            client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return client

    async def until(self, condition, what, seconds=20.0):
        for _ in range(int(seconds / 0.05)):
            if condition():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(what)


@contextlib.asynccontextmanager
async def world(folder, protocol="ocpp2.1", discharge_kw=10.0, *, screens=False):
    config = config_from_mapping(
        {
            "server": {"port": 0, "web_port": 0},
            "store": {"url": f"sqlite:///{folder}/live.db"},
            "tokens": {"accepted": ["T-1", "T-2"]},
            "site": [
                {"id": "house", "tz": "Europe/Amsterdam", "import_hard_limit_kw": 80.0, "assumed_load_kw": 60.0,
                 "currency": "EUR", "prices": {"import_per_kwh": 0.3}},
            ],
        },
        {},
    )  # fmt: skip
    store = await open_store(config.store.url)
    secret = new_secret()
    evse = EvseRecord(1, 11.0, discharge_kw, 4.14)
    await store.add_station(StationRecord("CP-1", "house", (evse,), discharge="v2x"), hash_secret(secret))
    outlet = Outlet(1, 11.0, discharge_kw)
    clock = SystemClock()
    building = Building(peak_load_kw=30.0, pv_kwp=20.0)
    parts = Parts(
        clock=clock,
        meters={"house": SimulatedMeter(building, lambda: [outlet], clock, 0.5)},
        signals={"house": SimulatedPrices(building.tz)},
        hasher=Argon2Hasher(fast=True),
        screens=screens,
    )
    live = LiveServer(config, parts, store)
    for name, grant in PEOPLE.items():
        await live.access.create(name, PASSWORD, [grant])
    await live.start()
    options = StationOptions(protocol=protocol, secret=secret, tick_s=0.2, meter_s=1.0)
    station = VirtualStation("CP-1", f"ws://127.0.0.1:{live.port}/ocpp", [outlet], clock, options, rng=random.Random(1))
    running = asyncio.create_task(station.run())
    made = World(live, station, outlet)
    try:
        await made.until(lambda: "CP-1" in live.gateway.connected(), "the station does not connect")
        await made.until(lambda: live.loops["house"].snapshot().image is not None, "the loop does not begin")
        yield made
    finally:
        for client in made.clients:
            await client.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await live.stop()
