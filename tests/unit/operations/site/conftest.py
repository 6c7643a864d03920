"""A small world for the control loop: a clock that only moves when told, vehicles with batteries, a meter, a store."""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bothways.domain.errors import StoreError
from bothways.domain.timegrid import zone
from bothways.operations.events import EvseKey, MeterValuesReceived, Sample, TransactionChanged
from bothways.operations.orders import CommandResult
from bothways.operations.ports import Prices, Receipt, SiteReading
from bothways.operations.site.gate import ListedPairs, PairAbility
from bothways.operations.site.loop import SiteLoop
from bothways.operations.site.memory import Forgetful
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

START = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


class StepClock:
    """Time that moves only when the test says so."""

    def __init__(self, now=START):
        self.instant = now

    def now(self):
        return self.instant

    async def sleep(self, seconds):
        self.instant += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass
class Car:
    """A vehicle with a battery behind a charging point. ``energy_kwh`` is the truth."""

    energy_kwh: float = 20.0
    capacity_kwh: float = 60.0
    stops_at_kwh: float = math.inf
    charge_kw: float = 11.0
    eta: float = 0.9
    token: str = "car"
    phases: int = 3
    resumes: bool = True
    obeys: bool = True
    reports_soc: bool = True
    power_kw: float = 0.0
    order_kw: float = 0.0
    ran: bool = False
    slept: bool = False
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0

    def move(self, order_kw, seconds):
        """Follows the order as far as the battery lets it."""
        hours = seconds / 3600.0
        if not self.obeys:
            order_kw = self.charge_kw
        if self.ran and order_kw <= 0.0 and not self.resumes:
            self.slept = True
        room = min(self.capacity_kwh, self.stops_at_kwh) - self.energy_kwh
        if order_kw > 0.0:
            power = 0.0 if self.slept else max(0.0, min(order_kw, self.charge_kw, room / (self.eta * hours)))
            self.energy_kwh += power * self.eta * hours
            self.charged_kwh += power * hours
        else:
            power = max(order_kw, -self.energy_kwh * self.eta / hours)
            self.energy_kwh += power / self.eta * hours
            self.discharged_kwh -= power * hours
        self.ran = self.ran or power > 0.0
        self.power_kw = power


@dataclass
class Point:
    """A charging point of the fake gateway."""

    record: EvseRecord
    car: Car | None = None
    transaction: str = ""
    order_kw: float = 0.0
    until: datetime = START
    orders: list = field(default_factory=list)
    register_in: float = 100.0
    register_out: float = 10.0


class FakeGateway:
    """Stations that do what they are told, with the vehicles behind them."""

    def __init__(self, clock, stations):
        self.clock = clock
        self.points = {EvseKey(s.station_id, e.evse_id): Point(e) for s in stations for e in s.evses}
        self.offline = set()
        self.silent = set()
        self.refuses = set()
        self.safe = {}
        self.stopped = []
        self.composites = {}
        self.hang = None
        self.on_stop = None

    def connected(self):
        return frozenset(key.station_id for key in self.points) - self.offline

    async def set_power(self, order, evse):
        if order.evse.station_id in self.silent:
            await asyncio.get_running_loop().create_future()
        point = self.points[order.evse]
        point.orders.append((self.clock.now(), order))
        if order.evse.station_id in self.refuses:
            return CommandResult(False, "Rejected", order.power_kw, self.clock.now())
        point.order_kw = order.power_kw
        point.until = self.clock.now() + timedelta(seconds=order.valid_for_s)
        return CommandResult(True, "Accepted", order.power_kw, self.clock.now())

    async def set_safe_profile(self, profile):
        self.safe[profile.station_id] = profile.charge_kw
        return CommandResult(True, "Accepted", profile.charge_kw, self.clock.now())

    async def composite(self, evse):
        return self.composites.get(evse)

    async def start(self, evse, id_token):
        raise NotImplementedError

    async def stop(self, station_id, transaction_id):
        self.stopped.append((station_id, transaction_id))
        if self.on_stop is not None:
            self.on_stop(station_id, transaction_id)
        return CommandResult(True, "Accepted", math.nan, self.clock.now())

    async def call(self, station_id, action, payload):
        raise NotImplementedError

    def power_of(self, key):
        """What the station allows now: its order while it lives, then its safe profile."""
        point = self.points[key]
        if self.clock.now() < point.until:
            return point.order_kw
        return self.safe.get(key.station_id, 0.0)


class FakeStore:
    """A store in memory; ``broken`` makes it refuse everything."""

    def __init__(self):
        self.events, self.kept_needs, self.notes = [], {}, []
        self.open, self.past, self.sample_rows = [], [], {}
        self.paper = None
        self.broken = False

    def _check(self):
        if self.broken:
            raise StoreError("disk full")

    async def append(self, event):
        self._check()
        new = event not in self.events
        self.events.append(event)
        return Receipt(new, "T1" if getattr(event, "transaction_id", "x") == "" else "")

    async def transactions(
        self, *, station_id=None, evse_id=None, id_token=None, stations=None, open_only=False, since=None, before=None,
        limit=1000,
    ):  # fmt: skip
        self._check()
        rows = self.open if open_only else [*self.open, *self.past]
        rows = [row for row in rows if id_token in {None, row.id_token} and station_id in {None, row.station_id}]
        rows = [row for row in rows if stations is None or row.station_id in stations]
        if before is not None:
            rows = rows[1 + [(row.station_id, row.transaction_id) for row in rows].index(before) :]
        return rows[:limit]

    async def samples(self, evse, measurand, start, end):
        rows = self.sample_rows.get((evse, measurand), [])
        return [row for row in rows if start <= row.at < end]

    async def need(self, need):
        self._check()
        self.kept_needs[need.holder] = need

    async def needs(self, holders):
        self._check()
        return {holder: self.kept_needs[holder] for holder in holders if holder in self.kept_needs}

    async def permission(self, site_id):
        self._check()
        return self.paper or GridPermission(site_id)

    async def add_station(self, record, secret_hash):
        raise NotImplementedError

    async def note(self, kind, subject, at, detail):
        self._check()
        self.notes.append((kind, subject, at, dict(detail)))


class FakeRegistry:
    """The stations of one site."""

    def __init__(self, stations):
        self.records = list(stations)

    async def station(self, station_id):
        return next((item for item in self.records if item.station_id == station_id), None)

    async def stations(self, site_id=None):
        return [item for item in self.records if site_id in {None, item.site_id}]

    async def verify(self, station_id, secret):
        return True

    async def accept(self, station_id, at, model):
        raise NotImplementedError


class FakePrices:
    """Prices by local hour; ``fails`` makes the source silent."""

    def __init__(self, by_hour, export=0.0):
        self.by_hour, self.export, self.fails = by_hour, export, False

    async def prices(self, grid):
        if self.fails:
            raise OSError("no route to host")
        hours = grid.local.hour
        bought = tuple(float(self.by_hour(int(h))) for h in hours)
        sold = tuple(float(self.export(int(h))) if callable(self.export) else self.export for h in hours)
        return Prices(grid, bought, sold, (), "test")


PAPER = GridPermission("site", "A-1", 50.0, "relay 7", (("charger", FAR),))


class World:
    """A site with its loop, moved tick by tick."""

    def __init__(self, points=3, *, load=10.0, phases=3, charge_kw=11.0, discharge_kw=10.0, min_kw=0.0, site=None,
                 options=None, prices=None, start=START, memory=None, rotate=False, store=None, **kwargs):  # fmt: skip
        self.clock = StepClock(start)
        self.stations = [
            StationRecord(
                f"S{k}", "site",
                (EvseRecord(1, charge_kw, discharge_kw, min_kw, phases, 1 + k % 3 if rotate else 1),),
                discharge="v2x", model="Box",
            )
            for k in range(points)
        ]  # fmt: skip
        self.gateway = FakeGateway(self.clock, self.stations)
        self.gateway.on_stop = self._stop
        self.store = store or FakeStore()
        self.registry = FakeRegistry(self.stations)
        self.load = load if callable(load) else lambda now: load
        self.meter_works = True
        self.memory = memory or Forgetful()
        self.settings = site or SiteSettings("site", import_hard_limit_kw=60.0)
        self.options = options or LoopOptions(plan_in_thread=False, ramp_kw_per_min=6000.0, settle_s=2.0)
        self.prices = prices or FakePrices(lambda hour: 0.1 if hour < 6 else 0.3)
        self.sample_every_s = 1.0
        self.kwargs = kwargs
        self.loop = self.new_loop()
        self.peak = -math.inf
        self.energy_kwh = 0.0
        self.cost = 0.0

    def new_loop(self):
        """A loop as after a restart of the server."""
        able = ListedPairs({(f"car{k}", "Box"): PairAbility(True, 10.0, "test") for k in range(50)})
        return SiteLoop(
            self.settings, self.registry, self.store, self.gateway, object(), self.prices, self.clock, self.options,
            memory=self.memory, register=self.kwargs.pop("register", able), **self.kwargs,
        )  # fmt: skip

    def key(self, k):
        return EvseKey(f"S{k}", 1)

    async def open(self):
        self.read()
        await self.loop.open()
        return self

    def plug(self, k, car, *, need=None, transaction=None):
        """A vehicle is plugged in and its transaction starts."""
        point = self.gateway.points[self.key(k)]
        point.car, point.order_kw = car, 0.0
        car.token = f"car{k}" if car.token == "car" else car.token
        point.transaction = transaction or f"tx{k}-{self.clock.now():%d%H%M%S}"
        point.until = self.clock.now() + timedelta(seconds=30)
        if need is not None:
            self.store.kept_needs[need.holder] = need
            self.loop._needs[need.holder] = need
        self._transaction(k, "started")
        self.loop._book.outlets[self.key(k)].visit.looked_up = True
        return point

    def need(self, k, hours, *, soc=None, kwh=None, consent=False, floor=0.3, **changes):
        """What the driver of car ``k`` wants."""
        now = self.clock.now()
        return DriverNeed(
            f"n{k}-{now.timestamp()}", f"car{k}", now + timedelta(hours=hours), now, kwh, soc, floor, consent, **changes
        )

    def unplug(self, k):
        self._transaction(k, "ended")
        point = self.gateway.points[self.key(k)]
        car, point.car, point.transaction = point.car, None, ""
        return car

    def _stop(self, station_id, transaction_id):
        for key, point in self.gateway.points.items():
            if key.station_id == station_id and point.transaction == transaction_id and point.car is not None:
                point.order_kw, point.car.power_kw, point.car.order_kw = 0.0, 0.0, 0.0
                point.transaction = ""
                self.loop.on_event(TransactionChanged(
                    station_id=station_id, at=self.clock.now(), received_at=self.clock.now(), kind="ended",
                    transaction_id=transaction_id, evse_id=1, reason="Remote",
                ))  # fmt: skip

    def _transaction(self, k, kind):
        point, now = self.gateway.points[self.key(k)], self.clock.now()
        self.loop.on_event(TransactionChanged(
            station_id=f"S{k}", at=now, received_at=now, kind=kind, transaction_id=point.transaction, evse_id=1,
            id_token=point.car.token, samples=self.samples(point),
        ))  # fmt: skip

    def samples(self, point):
        """What the station's meter says now."""
        car, now = point.car, self.clock.now()
        rows = [
            Sample(now, "Power.Active.Import", max(0.0, car.power_kw), "kW"),
            Sample(now, "Power.Active.Export", max(0.0, -car.power_kw), "kW"),
            Sample(now, "Energy.Active.Import.Register", point.register_in, "kWh"),
            Sample(now, "Energy.Active.Export.Register", point.register_out, "kWh"),
        ]
        if car.power_kw > 0.0:
            used = min(car.phases, point.record.phases)
            rows += [
                Sample(now, "Current.Import", car.power_kw / used / 0.23, "A", phase=f"L{n + 1}") for n in range(used)
            ]
        if car.reports_soc:
            rows.append(Sample(now, "SoC", car.energy_kwh / car.capacity_kwh, "fraction", location="EV"))
        return tuple(rows)

    @property
    def site_kw(self):
        return self.load(self.clock.now()) + sum(p.car.power_kw for p in self.gateway.points.values() if p.car)

    def phase_kw(self):
        phases = [self.load(self.clock.now()) / 3.0] * 3
        for point in self.gateway.points.values():
            if point.car is not None:
                used = min(point.car.phases, point.record.phases)
                for n in range(used):
                    phases[(point.record.first_phase - 1 + n) % 3] += point.car.power_kw / used
        return tuple(phases)

    def read(self):
        if self.meter_works:
            self.loop.on_reading(SiteReading(self.clock.now(), self.site_kw, self.phase_kw()))

    def move(self, seconds):
        """Physics: vehicles follow what their stations allow."""
        for key, point in self.gateway.points.items():
            if point.car is None:
                continue
            allowed = self.gateway.power_of(key) if point.transaction else 0.0
            before = (point.car.charged_kwh, point.car.discharged_kwh)
            point.car.move(allowed, seconds)
            point.register_in += point.car.charged_kwh - before[0]
            point.register_out += point.car.discharged_kwh - before[1]

    async def tick(self, count=1):
        """One or more seconds (or whatever a tick lasts): orders, physics, metering, the next tick."""
        seconds = self.options.tick_s
        for _ in range(count):
            await self.loop.step()
            for _ in range(6):
                await asyncio.sleep(0)
            self.clock.instant += timedelta(seconds=seconds)
            self.move(seconds)
            self.peak = max(self.peak, self.site_kw)
            self.energy_kwh += self.site_kw * seconds / 3600.0
            elapsed = (self.clock.now() - START).total_seconds()
            for key, point in self.gateway.points.items():
                online = key.station_id not in self.gateway.offline
                if point.car is not None and point.transaction and online and elapsed % self.sample_every_s < seconds:
                    self.loop.on_event(MeterValuesReceived(
                        station_id=key.station_id, at=self.clock.now(), received_at=self.clock.now(), evse_id=1,
                        transaction_id=point.transaction, samples=self.samples(point),
                    ))  # fmt: skip
            self.read()

    def alarms(self):
        return {alarm.kind for alarm in self.loop.snapshot().alarms}

    def says(self, k):
        return self.loop.snapshot().sentences[self.key(k)]

    def row(self, k):
        return self.loop.snapshot().rows[self.key(k)]


@pytest.fixture
def make_world():
    """Makes worlds; see :class:`World`."""
    return World


@pytest.fixture
def car():
    """Makes vehicles; see :class:`Car`."""
    return Car


@pytest.fixture
def make_prices():
    """Makes price sources; see :class:`FakePrices`."""
    return FakePrices


@pytest.fixture
def paper():
    """A complete grid permission."""
    return PAPER


@pytest.fixture
def berlin():
    """A zone with summer time."""
    return zone("Europe/Berlin")
