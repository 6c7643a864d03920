"""The live side of a replay: the system as it is served, virtual stations on real sockets, sessions as they were."""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import SqlStore, open_store
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.app.live.config import Config, PricesPart, ServerPart, SitePart, StorePart, TokensPart
from bothways.app.live.demo import loop_options
from bothways.app.live.server import LiveServer, Parts
from bothways.app.replay.window import Window
from bothways.dispatch.curves import curves_of
from bothways.operations.ports import Clock, CompatibilityRow, SiteReading
from bothways.operations.site.history import StepHistory
from bothways.operations.site.memory import StoreMemory
from bothways.operations.site.settings import LoopOptions, SiteSettings, VehicleAssumption
from bothways.operations.site.summary import Snapshot
from bothways.operations.site.warm import load_kernels
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

Floats = NDArray[np.float64]

SITE = "replay"
_ONE_WAY = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
_LEAD_REAL_S = 6.0
_LOOK_REAL_S = 0.05
_VOLTAGE = 208.0


@dataclass
class Played:
    """What really flowed.

    Attributes:
        vehicles_kw: mean power of all vehicles by step, shape ``(steps,)`` [kW].
        left_kwh: stored energy of each stay when it ended, or at the end of the hours; ``nan`` where it never began.
        discharged_kwh: what all vehicles gave [kWh, AC].
        alarms: kinds of alarms that were raised, with how often.
        plans: plans made.
        messages: messages that stations sent and got answered.
        late_s: longest time between two ticks of the site's loop, real seconds.
    """

    vehicles_kw: Floats
    left_kwh: Floats
    discharged_kwh: float
    alarms: dict[str, int] = field(default_factory=dict)
    plans: int = 0
    messages: int = 0
    late_s: float = 0.0


@dataclass
class Seen:
    """What could be seen of the site's loop from outside."""

    alarms: dict[str, int] = field(default_factory=dict)
    plans: set[datetime] = field(default_factory=set)
    late_s: float = 0.0
    _shown: set[tuple[str, str]] = field(default_factory=set)
    _ticked: datetime | None = None
    _since: datetime | None = None

    def look(self, view: Snapshot, now: datetime, speed: float) -> None:
        """Notes new alarms, new plans, and how long the loop has stood still."""
        here = {(alarm.kind, alarm.subject) for alarm in view.alarms}
        for kind, _ in here - self._shown:
            self.alarms[kind] = self.alarms.get(kind, 0) + 1
        self._shown = here
        if view.plan is not None:
            self.plans.add(view.plan.made_at)
        ticked = view.image.now if view.image is not None else None
        if ticked != self._ticked or self._since is None:
            self._ticked, self._since = ticked, now
        self.late_s = max(self.late_s, (now - self._since).total_seconds() / speed)


class StudiedMeter:
    """The meter at the grid connection: the study's load less its production, and what the outlets really take."""

    def __init__(self, window: Window, outlets: list[Outlet], clock: Clock, every_s: float) -> None:
        self._window, self._outlets, self._clock, self._every_s = window, outlets, clock, every_s

    def read(self) -> SiteReading:
        """What the meter shows now."""
        now, base = self._clock.now(), self._window.case.base_kw
        step = min(max(math.floor(self._window.inputs.grid.position(now)), 0), base.shape[0] - 1)
        total = float(base[step]) + sum(outlet.power_kw for outlet in self._outlets)
        return SiteReading(now, total, (total / 3.0,) * 3, float(self._window.case.pv.values[step]))

    async def readings(self) -> AsyncIterator[SiteReading]:
        """Readings at the interval."""
        while True:
            yield self.read()
            await self._clock.sleep(self._every_s)


class Replay:
    """One replay.

    Args:
        window: the hours.
        speed: seconds of the replay per real second.
        tell: told of progress, as the share of the hours that have passed.
    """

    def __init__(self, window: Window, speed: float, tell: Callable[[float], None] | None = None) -> None:
        self.window, self.speed, self._tell = window, speed, tell
        self.both = window.strategy == "bidirectional"
        grid = window.inputs.grid
        self._begins = grid.instant(0)
        self._ends = self._begins + window.steps * grid.step
        self.outlets: list[Outlet] = []
        self.vehicles: dict[int, VirtualVehicle] = {}
        stays = window.inputs.stays
        self.tokens = _tokens(window)
        self._left = np.full(stays.size, math.nan)
        self._registers: list[tuple[float, float]] = []

    async def play(self) -> Played:
        """Plays the hours; takes their length divided by the speed, and a few seconds."""
        with tempfile.TemporaryDirectory(prefix="bothways-replay-") as folder:
            return await self._play(Path(folder))

    async def _play(self, folder: Path) -> Played:
        # before the fast clock starts: a second lost is a minute of the day
        load_kernels(part_load=self.window.inputs.stays.part_load is not None)
        clock = ScaledClock(self._begins - timedelta(seconds=_LEAD_REAL_S * self.speed), self.speed)
        secrets = {f"EVSE-{k + 1:03d}": new_secret() for k in range(self.window.inputs.stays.evse_count)}
        store = await open_store(f"sqlite:///{folder / 'replay.db'}")
        live = await self._system(store, clock, secrets)
        await live.start()
        world = asyncio.create_task(self._world(live, clock, secrets))
        watch = asyncio.create_task(self._watch(live, clock))
        try:
            await asyncio.wait({world, watch}, return_when=asyncio.FIRST_COMPLETED)
            if world.done():
                world.result()  # it ends by a defect alone
            return self._played(live, watch.result())
        finally:
            for task in (world, watch):
                task.cancel()
            await asyncio.gather(world, watch, return_exceptions=True)
            await live.stop()

    def _played(self, live: LiveServer, seen: Seen) -> Played:
        for i, vehicle in self.vehicles.items():
            if math.isnan(self._left[i]):
                self._left[i] = vehicle.energy_kwh
        grid = self.window.inputs.grid
        at = np.array([seconds for seconds, _ in self._registers])
        moved = np.array([kwh for _, kwh in self._registers])
        edges = np.arange(self.window.steps + 1) * float(grid.step_s)
        power = np.diff(np.interp(edges, at, moved)) / grid.step_h
        out = sum(outlet.export_wh for outlet in self.outlets) / 1000.0
        messages = live.gateway.counters["messages_in"]
        return Played(power, self._left, out, seen.alarms, len(seen.plans), messages, seen.late_s)

    # The system ----------------------------------------------------------------------------------------------------

    async def _system(self, store: SqlStore, clock: Clock, secrets: dict[str, str]) -> LiveServer:
        window = self.window
        grid, limits, policy = window.inputs.grid, window.case.limits, window.inputs.settings
        await self._register(store, clock.now(), secrets)
        await self._remember(store, clock)
        config = Config(
            server=ServerPart(port=0, web_port=0, log_level="warning"),
            store=StorePart(url="sqlite:///replay.db"),
            tokens=TokensPart(accepted=sorted(set(self.tokens))),
            site=[SitePart(id=SITE, tz=grid.tz, prices=PricesPart(import_per_kwh=0.0))],
        )
        settings = SiteSettings(
            SITE, grid.tz, import_hard_limit_kw=limits.import_hard_limit_kw, import_limit_kw=limits.import_limit_kw,
            import_limit_penalty_per_kwh=limits.import_limit_penalty_per_kwh, export_limit_kw=limits.export_limit_kw,
            assumed_load_kw=float(window.case.base_kw.max()), tariff=window.case.tariff,
            wear_per_kwh=policy.wear_per_kwh, vehicle=self._assumption(),
        )  # fmt: skip
        options = replace(
            self._options(), step_s=grid.step_s, horizon_h=policy.horizon_h, plan_gap=policy.gap,
            departure_confidence=policy.departure_confidence, earliness_per_kwh_h=policy.earliness_per_kwh_h,
        )  # fmt: skip
        meter = StudiedMeter(window, self.outlets, clock, max(1.0, 0.1 * self.speed))
        parts = Parts(
            clock=clock, meters={SITE: meter}, settings={SITE: settings}, loop=options,
            gateway=GatewayOptions(messages_per_s=200.0),
        )  # fmt: skip
        return LiveServer(config, parts, store)

    def _options(self) -> LoopOptions:
        return loop_options(self.speed)

    def _assumption(self) -> VehicleAssumption:
        """What the study assumes of vehicles that say nothing is what the site is configured with."""
        stays = self.window.inputs.stays
        capacity = float(np.median(stays.capacity_kwh))
        soc = float(np.median(stays.energy_kwh / stays.capacity_kwh))
        return VehicleAssumption(
            capacity_kwh=capacity, capacity_error=0.03, soc_at_arrival=soc,
            eta_c=float(np.median(stays.eta_c)), eta_d=float(np.median(stays.eta_d)),
            losses=None if stays.part_load is None else stays.part_load.curves[0],
        )  # fmt: skip

    async def _register(self, store: SqlStore, now: datetime, secrets: dict[str, str]) -> None:
        for k, (name, secret) in enumerate(secrets.items()):
            charge, discharge, least = self._ratings(k)
            evse = EvseRecord(1, charge, discharge, least, 1, k % 3 + 1, _VOLTAGE)
            discharging = "v2x" if self.both else "none"
            await store.add_station(
                StationRecord(name, SITE, (evse,), discharge=discharging),  # type: ignore[arg-type]
                hash_secret(secret),
            )
        if not self.both:
            return
        paper = GridPermission(
            SITE, "of this replay", self.window.case.limits.export_limit_kw, "of this replay",
            (("of this replay", now + timedelta(days=365)),),
        )  # fmt: skip
        await store.permit(paper, now)
        greatest = float(self.window.inputs.stays.discharge_kw.max())
        for token in sorted(set(self.tokens)):
            source = "virtual vehicle at a virtual station"
            row = CompatibilityRow(token, "bothways virtual", "AC", ("V2H", "V2B", "V2G"), greatest, source, now)
            await store.add_compatibility(row, now)

    def _ratings(self, evse: int) -> tuple[float, float, float]:
        """Greatest charging and discharging power and the smallest charging power of an EVSE [kW]."""
        stays = self.window.inputs.stays
        here = stays.evse == evse
        here = here if here.any() else np.ones(stays.size, dtype=np.bool_)
        discharge = float(stays.discharge_kw[here].max()) if self.both else 0.0
        return float(stays.charge_kw[here].max()), discharge, float(stays.minimum_kw[here].min())

    async def _remember(self, store: SqlStore, clock: Clock) -> None:
        """The loop begins with the load that the study had seen before the hours."""
        grid, load, pv = self.window.inputs.grid, self.window.case.load, self.window.case.pv
        history = StepHistory(grid.step_s)
        first = grid.start_s // grid.step_s
        if load.method == "known":  # a contract or standard profile: as if last week had been the same
            week = 7 * 86_400 // grid.step_s
            seen = {first + k - week: float(value) for k, value in enumerate(self.window.case.base_kw)}
        else:
            count = load.history.shape[0]
            sun = pv.history[-count:] if pv.history.shape[0] >= count else np.zeros(count)
            seen = {first - count + k: float(value) for k, value in enumerate(load.history - sun)}
        history.base = seen
        history.net = dict.fromkeys(seen, 0.0)  # peaks of earlier days are not part of the hours
        await StoreMemory(store, clock).remember(SITE, "history", history.as_values())

    # The world -----------------------------------------------------------------------------------------------------

    async def _world(self, live: LiveServer, clock: Clock, secrets: dict[str, str]) -> None:
        url = f"ws://127.0.0.1:{live.port}/ocpp"
        rng = random.Random(self.window.inputs.seed)
        async with asyncio.TaskGroup() as group:
            for k, (name, secret) in enumerate(secrets.items()):
                charge, discharge, _ = self._ratings(k)
                outlet = Outlet(1, charge, discharge, phases=1, voltage_v=_VOLTAGE)
                protocol = "ocpp2.1" if self.both else _ONE_WAY[k % 3]
                options = StationOptions(
                    protocol=protocol, secret=secret, tick_s=max(1.0, 0.1 * self.speed), meter_s=max(10.0, self.speed)
                )
                station = VirtualStation(name, url, [outlet], clock, options, rng=random.Random(rng.getrandbits(64)))
                self.outlets.append(outlet)
                group.create_task(station.run())
                group.create_task(self._drivers(k, station, live, clock))

    async def _drivers(self, evse: int, station: VirtualStation, live: LiveServer, clock: Clock) -> None:
        """Everybody who uses one EVSE, one after the other."""
        inputs = self.window.inputs
        stays, grid = inputs.stays, inputs.grid
        for i in np.flatnonzero(stays.evse == evse):
            if stays.arrival[i] >= self.window.steps:
                return
            await _until(clock, grid.instant(int(stays.arrival[i])))
            vehicle = self.vehicles[int(i)] = self._vehicle(int(i))
            departure = grid.start + timedelta(seconds=float(inputs.declared_s[i]) - grid.start_s)
            declared = departure if inputs.declared_s[i] >= 0 else None
            if declared is not None:
                await live.loops[SITE].set_need(self._need(int(i), vehicle, declared, clock.now()))
            await station.plug_in(1, vehicle, declared)
            if stays.departure[i] >= self.window.steps:
                return
            await _until(clock, grid.instant(int(stays.departure[i])))
            await station.unplug(1)
            self._left[i] = vehicle.energy_kwh

    def _vehicle(self, i: int) -> VirtualVehicle:
        stays, energy = self.window.inputs.stays, float(self.window.inputs.stays.energy_kwh[i])
        before = int(stays.previous[i])
        if before >= 0 and before in self.vehicles:
            energy = max(0.0, self.vehicles[before].energy_kwh - float(stays.away_kwh[i]))
        capacity = float(stays.capacity_kwh[i])
        one = np.array([i])
        known = None if stays.part_load is None else stays.part_load.of(one)
        return VirtualVehicle(
            self.tokens[i], capacity, min(energy, capacity), float(stays.charge_kw[i]),
            float(stays.discharge_kw[i]) if self.both else 0.0, float(stays.minimum_kw[i]), phases=1,
            charge_efficiency=float(stays.eta_c[i]), discharge_efficiency=float(stays.eta_d[i]),
            target_soc=float(stays.target_kwh[i] / capacity), reports=self.both, taper_from_soc=1.0,
            curves=curves_of(known, stays.eta_c[one], stays.eta_d[one]),
        )  # fmt: skip

    def _need(self, i: int, vehicle: VirtualVehicle, ready_by: datetime, now: datetime) -> DriverNeed:
        stays = self.window.inputs.stays
        asked = float(stays.asked_kwh[i] - stays.energy_kwh[i]) / float(stays.eta_c[i])
        return DriverNeed(
            need_id=f"stay-{i}", holder=vehicle.token, ready_by=ready_by, stated_at=now, energy_kwh=max(0.0, asked),
            floor_soc=min(1.0, float(stays.floor_kwh[i] / stays.capacity_kwh[i])),
            discharge_consent=self.both and bool(stays.discharge_kw[i] > 0.0),
        )  # fmt: skip

    async def _watch(self, live: LiveServer, clock: Clock) -> Seen:
        """Reads registers, alarms and plans until the hours are over."""
        seen = Seen()
        while (now := clock.now()) < self._ends + timedelta(seconds=self.speed * 0.2):
            moved = sum(outlet.import_wh - outlet.export_wh for outlet in self.outlets) / 1000.0
            self._registers.append(((now - self._begins).total_seconds(), moved))
            if now >= self._begins:
                seen.look(live.loops[SITE].snapshot(), now, self.speed)
                if self._tell is not None:
                    self._tell(min(1.0, (now - self._begins) / (self._ends - self._begins)))
            await asyncio.sleep(_LOOK_REAL_S)
        return seen


def _tokens(window: Window) -> list[str]:
    """A token for each stay; stays of one person have the same."""
    known: dict[str, str] = {}
    tokens = []
    for i, vehicle in enumerate(window.inputs.vehicle_id):
        name = vehicle if vehicle is not None else f"#{i}"
        tokens.append(known.setdefault(name, f"CAR-{len(known) + 1:04d}"))
    return tokens


async def _until(clock: Clock, when: datetime) -> None:
    while (left := (when - clock.now()).total_seconds()) > 0.0:
        await clock.sleep(left)
