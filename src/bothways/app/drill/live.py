"""Plays a drill at the live system: gateway, loop, island controller, store and switchgear on real sockets."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.switchgear.served import YardServer
from bothways.adapters.switchgear.yard import Yard
from bothways.app.drill import site as demo
from bothways.app.drill.clock import SteppedClock
from bothways.app.live.server import LiveServer, Parts
from bothways.app.live.sources import FlatPrices
from bothways.operations.island.service import IslandService
from bothways.operations.site.settings import LoopOptions
from bothways.resilience.island.commands import Severity
from bothways.resilience.island.score import DrillRecord, Sample
from bothways.resilience.island.signals import Request, RequestKind
from bothways.resilience.island.state import Phase
from bothways.simulation.island_drill import (
    METER_LOST_S,
    RESTART_S,
    SECOND_OUTAGE_S,
    DrillSetup,
    Event,
    Played,
)

_SECOND = 1.0
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class LiveDrill:
    """One drill. ``play`` is called once.

    Args:
        setup: what is played; the same as for the simulated plant alone.
    """

    def __init__(self, setup: DrillSetup) -> None:
        self.setup = setup
        self.clock = SteppedClock(_DAY + timedelta(seconds=setup.plant.t_s))
        self.yard = Yard(setup.site, setup.plant, setup.around)
        self.stations: dict[str, demo.YardStation] = {}
        self.timeline: list[Event] = []
        self.samples: list[Sample] = []
        self.outages: list[tuple[float, float]] = []
        self.events_heard = 0
        self._held = self._cut = 0
        self._second_outage = False
        self._meter_until_s = -1.0
        self._folder = ""
        self._ports = (0, 0, 0)
        self._live: LiveServer | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._secrets: dict[str, str] = {}

    @property
    def live(self) -> LiveServer:
        """The system under drill."""
        assert self._live is not None  # noqa: S101 - set before anything is played
        return self._live

    @property
    def service(self) -> IslandService:
        """The island controller."""
        return self.live.islands.services[demo.SITE]

    async def play(self) -> Played:
        """Plays it and returns the record; everything that was started is stopped."""
        self._folder = tempfile.mkdtemp(prefix="bothways-drill-")
        self._ports = (demo.free_port(), demo.free_port(), demo.free_port())
        server = YardServer(self.yard)
        try:
            await server.start(self._ports[2])
            await self._prepare()
            await self._serve()
            await self._plug_in()
            await self._hours()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            if self._live is not None:
                await self._live.stop(0.1)
            await server.stop()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._count()
        self.samples.append(replace(self.samples[-1], t_s=self.yard.plant.t_s))
        tiers = tuple(section.tier for section in self.setup.site.sections)
        starts = tuple(start for start, _ in self.outages)
        record = DrillRecord(starts, tiers, tuple(self.samples), self._held, self._cut)
        return Played(record, tuple(self.timeline), self.service.state.phase, self.yard.plant)

    # --- before the outage --------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Stations, papers, register and needs, as they were recorded on ordinary days."""
        config = demo.configuration(self.setup, self._folder, self._ports)
        store = await open_store(config.store.url)
        try:
            await store.permit(demo.permission(self.clock), self.clock.now())
            for k, source in demo.chargers(self.setup.site):
                secret = self._secrets[source.source_id] = new_secret()
                await store.add_station(demo.record(source), hash_secret(secret))
                await store.add_compatibility(demo.pair(source, self.clock), self.clock.now())
                car = self.setup.plant.units[k].car
                if car is not None:
                    await store.need(demo.need(source, car, self.clock))
        finally:
            await store.close()

    async def _serve(self) -> None:
        """Starts the live system, for the first time or again, on the same store and ports."""
        config = demo.configuration(self.setup, self._folder, self._ports)
        parts = Parts(
            clock=self.clock,
            meters={demo.SITE: demo.YardMeter(self.yard, self.clock)},
            signals={demo.SITE: FlatPrices(0.3, 0.0)},
            loop=LoopOptions(plan_in_thread=False),
            gateway=GatewayOptions(messages_per_s=1000.0),
        )
        self._live = LiveServer(config, parts, await open_store(config.store.url))
        await self._live.start()

    async def _plug_in(self) -> None:
        for k, source in demo.chargers(self.setup.site):
            made = demo.station(source, self._secrets[source.source_id], self._ports[0], self.clock, k)
            self.stations[source.source_id] = made
            self._running[source.source_id] = asyncio.create_task(made.run())
            car = self.setup.plant.units[k].car
            if car is not None:
                self.yard.plug(source.source_id, demo.Played(made, car))
                made.possible = demo.possible(self.yard, source.source_id)
                self.service.drivers.say(demo.token(source), demo.reserve_km(car), opted_out=car.opted_out)
        wanted = {station.station_id for station in self.stations.values()}
        await demo.until(lambda: wanted <= self.live.gateway.connected(), "all stations connect")
        for k, source in demo.chargers(self.setup.site):
            car = self.setup.plant.units[k].car
            if car is not None:
                await self.stations[source.source_id].plug_in(1, demo.vehicle(source, car))
        await self.service.keep_drivers()
        await self._quiet()

    async def _quiet(self) -> None:
        """Waits until nothing is on its way between stations, gateway and switchgear."""
        await self.service.settled()
        await self.live.loops[demo.SITE].settled()
        await demo.until(
            lambda: not any(station.wire.queue for station in self.stations.values() if station.wire.connected),
            "stations have said everything",
        )

    # --- the hours ----------------------------------------------------------------------------------------------------

    async def _hours(self) -> None:
        setup, yard = self.setup, self.yard
        begin = yard.plant.t_s
        first = begin + setup.outage_at_s
        self.outages = [(first, first + setup.outage_h * 3600.0)]
        hand = [(first + (k + 1) * setup.card_s, name) for k, name in enumerate(setup.cards)]
        end = self.outages[0][1] + setup.after_s
        while yard.plant.t_s < end:
            t_s = yard.plant.t_s
            self._nature(begin)
            while hand and hand[0][0] <= t_s:
                await self._card(hand.pop(0)[1], begin)
            t_s = yard.plant.t_s
            yard.advance(_SECOND)
            await self.clock.advance(_SECOND)
            await self._quiet()
            self._hear(begin)
            self._sample(t_s)
            if self._second_outage and self.service.state.phase is Phase.RESYNCHRONISE:
                self._second_outage = False
                self.outages.append((t_s + _SECOND, t_s + _SECOND + SECOND_OUTAGE_S))
                end = self.outages[-1][1] + setup.after_s

    def _nature(self, begin: float) -> None:
        yard, t_s = self.yard, self.yard.plant.t_s
        grid = not any(start <= t_s < stop for start, stop in self.outages)
        if grid != yard.around.grid:
            yard.around = replace(yard.around, grid=grid)
            self.timeline.append(Event(t_s - begin, "grid", "the grid is back" if grid else "the grid fails"))
        if yard.plant.meter_lost and t_s >= self._meter_until_s:
            yard.plant = replace(yard.plant, meter_lost=False)
            self.timeline.append(Event(t_s - begin, "card", "the meter answers again"))

    def _hear(self, begin: float) -> None:
        """Takes over what the controller said, and confirms what it asks people to."""
        journal, t_s = self.service.journal, self.yard.plant.t_s
        while journal.events:
            event = journal.events.popleft()
            self.timeline.append(Event(t_s - begin, event.who, event.text, event.remedy))
            if event.severity is Severity.ASK:
                self.service.ask(Request(RequestKind.CONFIRM), "the person at the drill")

    def _sample(self, t_s: float) -> None:
        plant, site = self.yard.plant, self.setup.site
        cars = [played.car() for played in self.yard.plugged.values()]
        self.samples.append(
            Sample(
                t_s=t_s,
                phase=self.service.state.phase.value,
                asked_kw=tuple(section.kw * self.yard.around.load for section in site.sections),
                served_kw=plant.served_kw,
                spare_kwh=tuple((car.vehicle_id, car.energy_kwh - car.reserve_kwh) for car in cars if car is not None),
                street_fed=plant.street_fed,
            )
        )

    def _count(self) -> None:
        self._held += self.service.journal.held_back
        self._cut += self.service.cut_off

    # --- fault cards --------------------------------------------------------------------------------------------------

    async def _card(self, name: str, begin: float) -> None:
        text = await _CARDS[name](self, begin)
        self.timeline.append(Event(self.yard.plant.t_s - begin, "card", text))

    def _fullest(self, number: int) -> list[str]:
        spare = {}
        for name, played in self.yard.plugged.items():
            car = played.car()
            if car is not None and self.yard.alive(name):
                spare[name] = car.energy_kwh - car.reserve_kwh
        return sorted(spare, key=lambda name: -spare[name])[:number]

    async def charger_dies(self, begin: float) -> str:  # noqa: ARG002 - as every card
        """The charger with the fullest vehicle fails, and its line with it."""
        chosen = self._fullest(1)
        for name in chosen:
            self.yard.kill(name)
            wire = self.stations[name].wire
            wire.cut = True
            await wire.drop()
        return f"{', '.join(chosen) or 'no charger'} dies"

    async def two_cars_leave(self, begin: float) -> str:  # noqa: ARG002 - as every card
        """The two fullest vehicles drive away."""
        chosen = self._fullest(2)
        for name in chosen:
            await self.stations[name].unplug(1)
        return f"vehicles leave {' and '.join(chosen) or 'nowhere: none is there'}"

    async def smoke(self, begin: float) -> str:  # noqa: ARG002 - as every card
        """PV under smoke."""
        self.yard.around = replace(self.yard.around, sky=0.3 * self.yard.around.sky)
        return "smoke: PV gives 30 % of what it did"

    async def restart(self, begin: float) -> str:
        """The server ends, is away, and starts again on its store; stations and devices go on by themselves."""
        self._count()
        await self._die()
        for _ in range(round(RESTART_S)):
            self._nature(begin)
            t_s = self.yard.plant.t_s
            self.yard.advance(_SECOND)
            await self.clock.advance(_SECOND)
            self._sample(t_s)
        await self._serve()
        wanted = {station.station_id for station in self.stations.values() if not station.wire.cut}
        await demo.until(lambda: wanted <= self.live.gateway.connected(), "all stations connect again")
        return f"the server was away for {RESTART_S:.0f} s and starts again on its store"

    async def _die(self) -> None:
        """The server is gone in mid-sentence: no line says goodbye, and nothing that it still does reaches a device."""
        lost = [station for station in self.stations.values() if not station.wire.cut]
        self.yard.unreachable = True
        for station in lost:
            station.wire.cut = True
            await station.wire.drop()
        await self.live.stop(0.1)
        self.yard.unreachable = False
        for station in lost:
            station.wire.cut = False

    async def meter_lost(self, begin: float) -> str:  # noqa: ARG002 - as every card
        """The meter on the street's side does not answer."""
        self._meter_until_s = self.yard.plant.t_s + METER_LOST_S
        self.yard.plant = replace(self.yard.plant, meter_lost=True)
        return f"the meter on the street's side does not answer for {METER_LOST_S / 60:.0f} min"

    async def second_outage(self, begin: float) -> str:  # noqa: ARG002 - as every card
        """The grid fails again during the return."""
        self._second_outage = True
        return "the grid will fail again while the building returns to it"


_CARDS: Mapping[str, Callable[[LiveDrill, float], Awaitable[str]]] = {
    "charger-dies": LiveDrill.charger_dies,
    "two-cars-leave": LiveDrill.two_cars_leave,
    "smoke": LiveDrill.smoke,
    "restart": LiveDrill.restart,
    "meter-lost": LiveDrill.meter_lost,
    "second-outage": LiveDrill.second_outage,
}


def play_live(setup: DrillSetup) -> Played:
    """Plays a drill through real sockets in accelerated time: as fast as this machine can keep up.

    Args:
        setup: what is played.
    """
    return asyncio.run(LiveDrill(setup).play())
