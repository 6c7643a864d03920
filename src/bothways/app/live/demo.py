"""``bothways serve --demo``: twenty virtual stations at a made-up building, with time running faster."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from bothways.adapters.clocks import ScaledClock, SystemClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.simulated.building import Building, SimulatedMeter, SimulatedPrices
from bothways.adapters.simulated.drivers import Driver, Routine, live
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.app.live import demo_people
from bothways.app.live.config import Config, PricesPart, ServerPart, SitePart, StorePart, TokensPart
from bothways.app.live.server import LiveServer, Parts, screens_installed
from bothways.operations.access.roles import EVERYTHING, Grant, Role
from bothways.operations.ports import Clock, CompatibilityRow
from bothways.operations.site.settings import LoopOptions
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

_log = structlog.get_logger("bothways.live")
SITE = "demo"
STATIONS = 20
_ONE_WAY_16 = 5
_ONE_WAY_201 = 5
_LIMIT_KW = 110.0
_SHARED = (18, 19)


@dataclass(slots=True)
class Demo:
    """A demonstration: the live system, its virtual world, and what a person needs to look at it.

    Attributes:
        live: the system.
        user: name of the account made for this demonstration.
        password: its password, made for this run alone; the account ``driver`` has the same.
        folder: where its store lies; deleted at the end.
        guest: address that the code on the guests' charging point opens, once it runs.
    """

    live: LiveServer
    clock: Clock
    user: str
    password: str
    folder: Path
    secrets: dict[str, str]
    speed: float
    seed: int
    stations: list[VirtualStation] = field(default_factory=list)
    guest: str = ""
    _world: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the system, then its virtual world."""
        await self.live.start()
        await demo_people.wish_by_week(self.live)
        self.guest = await demo_people.guest_address(self.live)
        rng = random.Random(self.seed)
        url = f"ws://127.0.0.1:{self.live.port}/ocpp"
        for number, (name, secret) in enumerate(self.secrets.items()):
            self.stations.append(self._station(number, name, secret, url, random.Random(rng.getrandbits(64))))
        drivers = [self._driver(number, station, rng) for number, station in enumerate(self.stations)]
        self._world = asyncio.create_task(self._live(drivers, rng))
        self._world.add_done_callback(_world_ended)

    async def _live(self, drivers: list[Driver], rng: random.Random) -> None:
        async with asyncio.TaskGroup() as group:
            for station in self.stations:
                group.create_task(station.run())
            await asyncio.sleep(0.5)
            group.create_task(live(drivers, 0.7, rng))
            neighbours = (demo_people.DRIVER, *(_token(number) for number in _SHARED), *demo_people.NEIGHBOURS)
            group.create_task(demo_people.share(self.live, SITE, neighbours))

    async def stop(self) -> None:
        """Stops the world, then the system, and deletes the demonstration's store."""
        if self._world is not None:
            self._world.cancel()
            await asyncio.gather(self._world, return_exceptions=True)
        await self.live.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _station(self, number: int, name: str, secret: str, url: str, rng: random.Random) -> VirtualStation:
        protocol = _protocol(number)
        outlet = Outlet(1, charge_kw=11.0, discharge_kw=10.0 if protocol == "ocpp2.1" else 0.0)
        options = StationOptions(
            protocol=protocol, secret=secret, tick_s=max(1.0, 0.1 * self.speed), meter_s=max(10.0, 0.5 * self.speed)
        )
        return VirtualStation(name, url, [outlet], self.clock, options, rng=rng)

    def _driver(self, number: int, station: VirtualStation, rng: random.Random) -> Driver:
        both = _protocol(number) == "ocpp2.1"
        routine = Routine(
            capacity_kwh=rng.choice([40.0, 58.0, 77.0]),
            discharge_kw=10.0 if both else 0.0,
            target_soc=rng.choice([0.7, 0.8, 0.9]),
            consents=both and number % 4 != 0,
        )
        token = _token(number)
        silent = token == demo_people.GUEST or token in demo_people.BY_WEEK
        declare = None if silent else self._declare
        return Driver(token, station, 1, routine, self.clock, random.Random(rng.getrandbits(64)), declare)

    async def _declare(self, token: str, ready_by: datetime, soc: float, consents: bool) -> None:
        need = DriverNeed(
            need_id=secrets.token_hex(8),
            holder=token,
            ready_by=ready_by,
            stated_at=self.clock.now(),
            soc=soc,
            floor_soc=0.3,
            discharge_consent=consents,
            discharge_cap_kwh=12.0,
        )
        await self.live.loops[SITE].set_need(need)


def _world_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the virtual stations of the demonstration ended by a defect", error=repr(error))


def _protocol(number: int) -> str:
    if number < _ONE_WAY_16:
        return "ocpp1.6"
    return "ocpp2.0.1" if number < _ONE_WAY_16 + _ONE_WAY_201 else "ocpp2.1"


def _token(number: int) -> str:
    return f"DEMO-{number + 1:02d}"


def outlets_of(stations: Sequence[VirtualStation]) -> list[Outlet]:
    """All outlets of some virtual stations."""
    return [outlet for station in stations for outlet in station.outlets]


async def make_demo(port: int, web_port: int, speed: float, seed: int = 1) -> Demo:
    """Builds the demonstration.

    Args:
        port: for stations; 0 for a free one.
        web_port: for people; 0 for a free one.
        speed: seconds of the demonstration per real second.
        seed: for drivers, weather and batteries.
    """
    folder = Path(tempfile.mkdtemp(prefix="bothways-demo-"))
    clock = ScaledClock(datetime.now(tz=UTC), speed)
    building = Building(seed=seed)
    config = Config(
        server=ServerPart(port=port, web_port=web_port, log_level="warning"),
        store=StorePart(url=f"sqlite:///{folder / 'demo.db'}"),
        tokens=TokensPart(accepted=[*(_token(number) for number in range(STATIONS)), *demo_people.NEIGHBOURS]),
        site=[
            SitePart(
                id=SITE, tz=building.tz, currency="EUR", import_hard_limit_kw=_LIMIT_KW, export_limit_kw=40.0,
                phase_limit_kw=_LIMIT_KW / 3.0 * 1.2, assumed_load_kw=building.peak_load_kw, wear_per_kwh=0.03,
                prices=PricesPart(import_per_kwh=0.25), emergency_contact="the person who started this demonstration",
            )
        ],
    )  # fmt: skip
    store = await open_store(config.store.url)
    station_secrets = {f"DEMO-CP-{number + 1:02d}": new_secret() for number in range(STATIONS)}
    now = clock.now()
    for number, (name, secret) in enumerate(station_secrets.items()):
        await store.add_station(_record(number, name), hash_secret(secret))
    await store.permit(_permission(now), now)
    for number in range(_ONE_WAY_16 + _ONE_WAY_201, STATIONS):
        await store.add_compatibility(_pair(number, now), now)
    stations: list[VirtualStation] = []
    meter = SimulatedMeter(building, lambda: outlets_of(stations), clock, max(1.0, 0.1 * speed))
    parts = Parts(
        clock=clock,
        meters={SITE: meter},
        signals={SITE: SimulatedPrices(building.tz)},
        loop=loop_options(speed),
        gateway=GatewayOptions(messages_per_s=200.0),
        people_clock=SystemClock(),
        screens=screens_installed(),
    )
    live_server = LiveServer(config, parts, store)
    password = secrets.token_urlsafe(12)
    await live_server.access.create("demo", password, [Grant(Role.ADMINISTRATOR, EVERYTHING)])
    await demo_people.invite_driver(live_server, password)
    return Demo(live_server, clock, "demo", password, folder, station_secrets, speed, seed, stations)


def loop_options(speed: float) -> LoopOptions:
    """Options of a loop whose clock runs faster: intervals that are about the network grow with it."""
    base = LoopOptions()
    if speed <= 1.0:
        return base
    return replace(
        base,
        tick_s=max(base.tick_s, 0.2 * speed),
        settle_s=max(base.settle_s, 2.0 * speed),
        meter_stale_s=max(base.meter_stale_s, 3.0 * speed),
        sample_stale_s=max(base.sample_stale_s, 5.0 * speed),
        order_valid_s=max(base.order_valid_s, 20.0 * speed),
        order_refresh_s=max(base.order_refresh_s, 12.0 * speed),
        clock_jump_s=max(base.clock_jump_s, 5.0 * speed),
        plan_patience_s=max(base.plan_patience_s, 10.0 * speed),
        replan_after_s=max(base.replan_after_s, 1.0 * speed),
    )


def _record(number: int, name: str) -> StationRecord:
    both = _protocol(number) == "ocpp2.1"
    evse = EvseRecord(1, 11.0, 10.0 if both else 0.0, 4.14, 3, number % 3 + 1)
    return StationRecord(name, SITE, (evse,), discharge="v2x" if both else "none")


def _permission(now: datetime) -> GridPermission:
    return GridPermission(
        SITE,
        agreement="made up for this demonstration",
        export_limit_kw=40.0,
        protection="made up for this demonstration",
        certificates=(("made up for this demonstration", now + timedelta(days=365)),),
    )


def _pair(number: int, now: datetime) -> CompatibilityRow:
    return CompatibilityRow(
        vehicle=_token(number),
        charger="bothways virtual",
        connector="AC",
        uses=("V2H", "V2B", "V2G"),
        discharge_kw=10.0,
        source="virtual vehicle at a virtual station",
        as_of=now,
    )
