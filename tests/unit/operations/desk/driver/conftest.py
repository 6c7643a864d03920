"""A small world for the use cases of drivers: one site, two EVSEs, a store in memory, a clock that is set by hand."""

import asyncio
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.adapters.db.memory import MemoryStore
from bothways.operations.access.roles import EVERYTHING, Actor, Grant, Role
from bothways.operations.desk.desk import Desk
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import Estimate, EvseState, Image, PhaseUse, SessionState, SiteLimits
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import EvseRecord, GridPermission, StationRecord

NOW = datetime(2026, 5, 4, 16, 0, tzinfo=UTC)  # a Monday, 18:00 in Amsterdam
RECORD = EvseRecord(1, 11.0, 10.0)
USE = PhaseUse((0.4, 0.4, 0.4), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), known=False)


@dataclass
class Clock:
    at: datetime = NOW

    def now(self):
        return self.at

    async def sleep(self, seconds):
        raise AssertionError("use cases never sleep")


class Gateway:
    def __init__(self):
        self.stopped = []

    def connected(self):
        return frozenset({"CP-1"})

    async def call(self, *request):
        return {}

    async def stop(self, station_id, transaction_id):
        self.stopped.append((station_id, transaction_id))
        return CommandResult(True, "Accepted", math.nan, NOW)


def session(token="T-1", **changes):
    half = Estimate(0.5, 0.4, 0.6, "stated")
    full = Estimate(50.0, 45.0, 55.0, "stated")
    made = SessionState(
        1, f"tx-{token}", token, NOW, None, half, full, 25.0, 20.0, 10.0, 50.0, 40.0, True, None, None,
        11.0, 10.0, 4.0, 0.0, 0.9, 0.9, False, False, 1.0, 0.0, 0.0,
    )  # fmt: skip
    return replace(made, **changes)


def evse(number=1, plugged=None, station="CP-1", **changes):
    state = EvseState(EvseKey(station, number), RECORD, True, plugged, 3.0, True, 3.0, 3.0, 3.0, 0.0, True, USE)
    return replace(state, **changes)


@dataclass
class Control:
    clock: Clock
    evses: tuple = ()
    site: SiteSettings = field(default_factory=lambda: SiteSettings("house", tz="Europe/Amsterdam", wear_per_kwh=0.05))
    plan: object = None
    latched: bool = False
    reading: None = None
    done: list = field(default_factory=list)
    store: object = None

    def snapshot(self):
        image = Image(self.clock.at, self.evses, SiteLimits(80.0), GridPermission("house"), 20.0, (), 0.0, True,
                      self.latched)  # fmt: skip
        return Snapshot("house", image=image, plan=self.plan)

    async def forget(self, holder):
        self.done.append(holder)

    async def set_need(self, need):
        self.done.append(need)
        await self.store.need(need)


@dataclass
class World:
    desk: Desk
    site: Control
    store: MemoryStore
    gateway: Gateway
    clock: Clock

    def later(self, **span):
        self.clock.at += timedelta(**span)


def actor(name, role, scope):
    return Actor(f"id-{name}", name, (Grant(role, scope),))


BOSS = actor("boss", Role.ADMINISTRATOR, EVERYTHING)
DRIVER = actor("driver", Role.DRIVER, "token:T-1")
OTHER = actor("other", Role.DRIVER, "token:T-2")
STAFF = actor("desk", Role.FRONT_DESK, "site:house")
AWAY = actor("away", Role.FRONT_DESK, "site:mill")


@pytest.fixture
def people():
    return SimpleNamespace(boss=BOSS, driver=DRIVER, other=OTHER, staff=STAFF, away=AWAY)


@pytest.fixture(scope="module")
def make():
    """Pieces of a world, for tests that need other ones than the usual."""
    return SimpleNamespace(session=session, evse=evse, now=NOW, actor=actor)


@pytest.fixture
def world():
    clock, store, gateway = Clock(), MemoryStore(), Gateway()
    evses = (EvseRecord(1, 11.0, 10.0), EvseRecord(2, 11.0, 10.0))
    asyncio.run(store.add_station(StationRecord("CP-1", "house", evses), "hash"))
    control = Control(clock, (evse(1), evse(2)), store=store)
    return World(Desk({"house": control}, store, store, gateway, clock), control, store, gateway, clock)


@pytest.fixture(scope="module")
def simple_world():
    """A site alone, for tests that try many."""
    return SimpleNamespace(site=Control(Clock()))
