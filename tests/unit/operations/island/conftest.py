"""An island controller at a simulated yard, with stations that obey at once: everything but sockets."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.adapters.switchgear.simulated import SimulatedSwitchgear
from bothways.adapters.switchgear.yard import Yard
from bothways.domain.errors import StoreError
from bothways.operations.events import EvseKey
from bothways.operations.island.service import IslandService, Outside
from bothways.operations.island.settings import Evacuation, IslandSettings
from bothways.operations.orders import CommandResult, Composite
from bothways.operations.site.gate import ListedPairs, PairAbility
from bothways.operations.site.memory import Forgetful
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import Estimate, EvseState, PhaseUse, SessionState
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord
from bothways.resilience.island.signals import Mode
from bothways.simulation.island import Car
from bothways.simulation.island_setup import DEMO, setup_from_mapping

BEGIN = datetime(2026, 1, 2, 17, 0, tzinfo=UTC)
PHASES = PhaseUse((1 / 3,) * 3, (4.0,) * 3, (0.0,) * 3, known=False)


class Clock:
    def __init__(self):
        self.t_s = 0.0

    def now(self):
        return BEGIN + timedelta(seconds=self.t_s)

    async def sleep(self, seconds):
        raise AssertionError("steps are made by the test")


@dataclass
class Station:
    """A charger with its vehicle: obeys orders as they come, while its yard lets it."""

    name: str
    car: Car
    yard: Yard
    ordered_kw: float = 0.0
    online: bool = True
    consents: bool = True
    flowing_kw: float = 0.0

    def power_kw(self):
        return self.flowing_kw

    def car_now(self):
        return self.car

    def live(self, seconds):
        kw = self.yard.possible_kw(self.name, self.ordered_kw)
        self.flowing_kw = kw
        stored = self.car.energy_kwh + kw * seconds / 3600.0 * (0.92 if kw > 0.0 else 1.0 / 0.92)
        self.car = Car(self.car.vehicle_id, max(0.0, stored), self.car.reserve_kwh, self.car.ceiling_kwh)


class Plug:
    def __init__(self, station):
        self._station = station

    def power_kw(self):
        return self._station.flowing_kw

    def car(self):
        return self._station.car

    def may_form(self):
        return True


class Gateway:
    """Remembers every order; stations that are online take them."""

    def __init__(self, stations):
        self.stations, self.orders, self.safe, self.calls = stations, [], [], []

    def connected(self):
        return frozenset(f"CP-{name}" for name, station in self.stations.items() if station.online)

    async def set_power(self, order, evse):
        self.orders.append(order)
        name = order.evse.station_id.removeprefix("CP-")
        station = self.stations.get(name)
        if station is None or not station.online:
            return CommandResult(False, "offline", math.nan, BEGIN)
        station.ordered_kw = order.power_kw
        return CommandResult(True, "Accepted", order.power_kw, BEGIN)

    async def set_safe_profile(self, profile):
        self.safe.append(profile)
        return CommandResult(True, "Accepted", profile.charge_kw, BEGIN)

    async def composite(self, evse):
        return Composite(0.0)


class Loop:
    """The ordinary loop, as far as the island controller sees it."""

    def __init__(self, world):
        self._world = world
        self.site, self.reading = SiteSettings("hall", safe_charge_kw=1.4), None
        self.away, self.alarms, self.incident = [], {}, None

    def snapshot(self):
        states = tuple(self._world.state(name) for name in self._world.stations)
        return SimpleNamespace(image=SimpleNamespace(evses=states), incident=self.incident)

    def stand_back(self, away):
        if not self.away or self.away[-1][0] != away:
            self.away.append((away, len(self._world.gateway.orders), len(self._world.yard.log)))

    def alarm(self, condition, kind, text):
        self.alarms = {**self.alarms, kind: text} if condition else {k: v for k, v in self.alarms.items() if k != kind}

    async def emergency_stop(self, reason, who):
        self.incident = SimpleNamespace(latched=True)

    async def release(self, reason, who):
        self.incident = None


class Store:
    def __init__(self, world):
        self._world, self.notes, self.fails = world, [], False

    async def note(self, kind, subject, at, detail):
        if self.fails:
            raise StoreError("no disk")
        self.notes.append((kind, dict(detail)))

    async def permission(self, site_id):
        return GridPermission(site_id, islanding=self._world.permitted)

    async def stations(self, site_id=None):
        return [StationRecord(f"CP-{name}", "hall", (EvseRecord(1, 11.0, 11.0),), model="virtual")
                for name in self._world.stations]  # fmt: skip


class Memory(Forgetful):
    fails = False

    async def remember(self, site_id, key, value):
        if self.fails:
            raise StoreError("no disk")
        await super().remember(site_id, key, value)


@dataclass
class World:
    permitted: bool = True
    confirm: bool = False
    stations: dict = field(default_factory=dict)

    def __post_init__(self):
        hall = {"name": "hall", "return_s": 20.0, "confirm_islanding": self.confirm}
        setup = setup_from_mapping({**DEMO, "site": hall, "outage": {"start_hour": 21.0}}, "demo")
        self.clock = Clock()
        self.yard = Yard(setup.site, setup.plant, setup.around)
        for k, source in enumerate(setup.site.sources):
            car = setup.plant.units[k].car
            if car is not None:
                station = Station(source.source_id, car, self.yard, consents=not car.opted_out)
                self.stations[source.source_id] = station
                self.yard.plug(source.source_id, Plug(station))
        self.gateway, self.memory = Gateway(self.stations), Memory()
        self.store, self.loop = Store(self), None
        self.loop = Loop(self)
        self.settings = IslandSettings(
            setup.site, {name: EvseKey(f"CP-{name}", 1) for name in self.stations}, Evacuation(80.0, 0.2, 20.0)
        )
        self.service = self.new_service()

    def new_service(self):
        pairs = ListedPairs({(f"T-{name}", "virtual"): PairAbility(True, 11.0) for name in self.stations})
        gear = SimulatedSwitchgear(self.yard, self.clock)
        outside = Outside(gear, self.gateway, self.store, self.store, self.memory, self.clock, pairs)
        return IslandService(self.settings, lambda: self.loop, outside)

    def state(self, name):
        station = self.stations[name]
        capacity, energy = 60.0, station.car.energy_kwh
        need = DriverNeed(
            "n", f"T-{name}", BEGIN + timedelta(days=1), BEGIN, soc=0.0, floor_soc=0.0,
            discharge_consent=station.consents,
        )  # fmt: skip
        session = SessionState(
            session_id=1, transaction_id="tx", id_token=f"T-{name}", since=BEGIN, need=need,
            soc=Estimate(energy / capacity, energy / capacity, energy / capacity, "reported by the vehicle"),
            capacity_kwh=Estimate(capacity, capacity, capacity, "reported by the vehicle"), energy_kwh=energy,
            energy_low_kwh=energy, floor_kwh=0.0, ceiling_kwh=capacity, asked_kwh=0.0, target_known=True, until=None,
            declared=None, charge_kw=11.0, discharge_kw=11.0, minimum_kw=0.0, minimum_out_kw=0.0, eta_c=0.92,
            eta_d=0.92, full=False, keep=False, delivered_kwh=0.0, returned_kwh=0.0, returned_today_kwh=0.0,
        )  # fmt: skip
        return EvseState(
            key=EvseKey(f"CP-{name}", 1), record=EvseRecord(1, 11.0, 11.0), online=station.online, session=session,
            measured_kw=station.flowing_kw, fresh=True, low_kw=0.0, high_kw=0.0, ordered_kw=station.ordered_kw,
            reserved_kw=0.0, controllable=True, excess_kw=0.0, phases=PHASES, may_discharge_kw=0.0,
            why_not_discharging="",
        )  # fmt: skip

    async def go(self, seconds=1, check=None):
        """Lets seconds pass: plant, stations, controller."""
        for _ in range(seconds):
            self.yard.advance(1.0)
            self.clock.t_s += 1.0
            for station in self.stations.values():
                station.live(1.0)
            await self.service.step()
            await self.service.settled()
            await asyncio.sleep(0)
            if check is not None:
                check(self)

    @property
    def phase(self):
        return self.service.state.phase.value

    def grid(self, on):
        self.yard.around = replace(self.yard.around, grid=on)

    def modes(self):
        return [reading.mode for reading in self.yard.shown().sources]

    @property
    def energised(self):
        return any(mode in {Mode.FORMING, Mode.GIVING} for mode in self.modes())


@pytest.fixture
def world():
    return World()
