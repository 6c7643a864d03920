"""The island controller of one running site: reads, steps the pure machine, keeps its memory, sends, tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from bothways.domain.errors import BothwaysError, DomainError, InputError
from bothways.operations.events import EvseKey
from bothways.operations.island.alone import LeftAlone
from bothways.operations.island.drivers import Drivers
from bothways.operations.island.gather import Around, gather
from bothways.operations.island.keeping import DRIVERS, KEY, Keeper
from bothways.operations.island.sending import Dispatcher, FormingChargers
from bothways.operations.island.settings import IslandSettings
from bothways.operations.island.telling import Journal
from bothways.operations.ports import (
    ChargerGateway,
    Clock,
    SiteReading,
    StationRegistry,
    Store,
    Switchgear,
    SwitchgearReading,
)
from bothways.operations.site.gate import CompatibilityRegister
from bothways.operations.site.memory import SiteMemory
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import EvseState
from bothways.operations.site.summary import Snapshot
from bothways.resilience.island.commands import ENDING, Command, Severity
from bothways.resilience.island.machine import step
from bothways.resilience.island.signals import Inputs, Request, RequestKind
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState, Phase, from_mapping, initial_state

_REREAD = timedelta(seconds=10)
_RENEW = timedelta(seconds=60)
_REJOIN_S = 10.0
"""After a restart in an island, stations get so long to connect again before their vehicles count as gone."""

_NOWHERE = EvseKey("", 0)
_READ_S = 0.9
_AWAY = timedelta(seconds=10)
_PV_AGE = timedelta(seconds=15)


class IslandLoop(Protocol):
    """The ordinary control loop of the site, as far as the island controller needs it."""

    @property
    def site(self) -> SiteSettings:
        """What is fixed about the site."""
        ...

    @property
    def reading(self) -> SiteReading | None:
        """The latest reading of the site's meter."""
        ...

    def snapshot(self) -> Snapshot:
        """The site now."""
        ...

    def stand_back(self, away: bool) -> None:
        """Leaves the EVSEs to the island controller, or takes them back."""
        ...

    def alarm(self, condition: bool, kind: str, text: str) -> None:
        """Raises or ends an alarm of the site."""
        ...

    def emergency_stop(self, reason: str, who: str) -> Coroutine[Any, Any, object]:
        """Stops all transfer and stays latched."""
        ...

    async def release(self, reason: str, who: str) -> object:
        """Ends a latched stop."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """Ports of one site's island controller."""

    gear: Switchgear
    gateway: ChargerGateway
    registry: StationRegistry
    store: Store
    memory: SiteMemory
    clock: Clock
    register: CompatibilityRegister
    forming: FormingChargers | None = None


class IslandService:
    """Runs the island controller of one site.

    Args:
        settings: the building.
        loop: the site's ordinary loop as it is now; it may be begun anew by others.
        outside: devices, stations, memory, time.
    """

    def __init__(self, settings: IslandSettings, loop: Callable[[], IslandLoop], outside: Outside) -> None:
        self.settings, self._loop, self._outside = settings, loop, outside
        self._building = settings.building  # with the permission as the store has it
        self._state = initial_state(self._building)
        self.journal = Journal(self._building.site_id, outside.store, outside.clock, self._fail)
        self._dispatcher = Dispatcher(settings, outside.gear, outside.gateway, outside.forming, self.journal.answered)
        self.alone = LeftAlone(self._dispatcher)
        self.drivers = Drivers()
        self._keeper = Keeper(outside.memory, self._building.site_id, self._fail, self._beside)
        self._origin = outside.clock.now()
        self._began: datetime | None = None
        self._reading: SwitchgearReading | None = None
        self._inputs: Inputs | None = None
        self._models: dict[str, str] = {}
        self._reread_at: datetime | None = None
        self._renewed_at: datetime | None = None
        self._let_at: datetime | None = None
        self._back_at: datetime | None = None
        self._asked: list[tuple[Request, str]] = []
        self.cut_off = 0
        self._running = self._closing = self._opened = False
        self._away = True  # until the first step has seen that nothing is an island
        self._led: IslandLoop = loop()
        self._led.stand_back(True)  # noqa: FBT003 - as the loop has it
        self._failure = ""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what others see ----------------------------------------------------------------------------------------------

    @property
    def building(self) -> IslandSite:
        """The building, with the permission to island as it is recorded."""
        return self._building

    @property
    def tz(self) -> str:
        """The site's zone."""
        return self._loop().site.tz

    @property
    def contact(self) -> str:
        """Who is responsible for the site."""
        return self._loop().site.emergency_contact

    @property
    def state(self) -> IslandState:
        """The controller's memory."""
        return self._state

    @property
    def inputs(self) -> Inputs | None:
        """What the last step saw; ``None`` before the first."""
        return self._inputs

    @property
    def stepped_at(self) -> datetime | None:
        """Instant of the latest reading that a step saw."""
        return None if self._reading is None else self._reading.at

    @property
    def failure(self) -> str:
        """Why devices cannot be read or reached now; empty where they can."""
        return self._failure

    def evses(self) -> Mapping[EvseKey, EvseState]:
        """The site's EVSEs as the ordinary loop sees them."""
        image = self._loop().snapshot().image
        return {} if image is None else {item.key: item for item in image.evses}

    # --- people -------------------------------------------------------------------------------------------------------

    def ask(self, request: Request, who: str) -> None:
        """A person asks for something; the next step hears it."""
        self._asked.append((request, who))
        self.journal.say("person", f"{who}: {request.kind.value}{f' {request.device}' if request.device else ''}")
        self.journal.note("island request", {"who": who, "request": request.kind.value, "device": request.device})

    async def reset(self, reason: str, who: str) -> None:
        """A person states that it is safe: the site's stop is released where one is latched, then the controller's."""
        incident = self._loop().snapshot().incident
        if incident is not None and incident.latched:
            await self._loop().release(reason, who)
        self.ask(Request(RequestKind.RESET), who)

    def done_by_hand(self, device: str, who: str) -> None:
        """A person says that a rehearsed task by hand has been walked through; in earnest only feedback counts."""
        if self._state.rehearsal is not None:
            self._dispatcher.acknowledged.add(device)
            self.journal.note("island rehearsal", {"who": who, "device": device})

    async def keep_drivers(self) -> None:
        """Makes what drivers said durable."""
        await self._keeper.drivers(self.drivers.as_values())

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until :meth:`close`; whatever happens to one step, the next one comes."""
        while not self._closing:
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next step must come
                self._fail(f"{type(error).__name__}: {error}")
            await self._outside.clock.sleep(self._building.timing.interval_s)
        await self._keeper.save(self._state, self._building, self._outside.clock.now())

    def close(self) -> None:
        """Ends :meth:`run`. Devices stay as they are; stations follow what they were left with."""
        self._closing = True
        self._dispatcher.close()

    async def settled(self) -> None:
        """Waits until every command was answered or dropped, and every note written."""
        await self._dispatcher.settled()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.journal.settled()

    async def open(self) -> None:
        """Reads the memory; what is in it about devices is not believed, but read anew."""
        try:
            kept = await self._keeper.recall()
            await self._reread()
        except (BothwaysError, OSError) as error:
            self._fail(f"the memory cannot be read: {error}")
            return
        self._opened = True
        self.drivers.read(kept.get(DRIVERS))
        raw = kept.get(KEY)
        if isinstance(raw, Mapping):
            try:
                self._state = from_mapping(raw, self._building)
                self.journal.say("controller", f"begins again in the phase: {self._state.phase.value}")
            except InputError as error:
                self.journal.say("controller", f"begins without its memory: {error}", severity=Severity.WARN)
                self.journal.note("island memory refused", {"why": str(error)})

    async def step(self) -> None:
        """One turn: read, gather, decide, keep, hand over, send, tell."""
        now = self._outside.clock.now()
        await self._read()
        if self._reread_at is None or now - self._reread_at >= _REREAD:
            await self._reread()
        if not self._opened and not self._running:
            await self.open()
        if not self._running and not self._ready(now):
            return
        self._running = True
        site, evses = self._building, self.evses()
        asked, self._asked = self._asked, []
        acknowledged = tuple(sorted(self._dispatcher.acknowledged))
        self._dispatcher.acknowledged.clear()
        inputs = gather(self._reading, self._around(now, evses, asked, acknowledged), self.settings)
        before = self._state
        try:
            made = step(before, inputs, site)
        except DomainError as error:
            self._fail(f"readings cannot be meant: {error}")
            return
        self._state, self._inputs = made.state, inputs
        self.cut_off += sum(n and not b for n, b in zip(made.state.latch.tripped, before.latch.tripped, strict=True))
        self._hand_over(made.commands, evses, now)
        await self._keeper.keep(made.state, site, now)
        self._dispatcher.send(made.commands, evses)
        self.alone.tell(made.state, inputs, site, evses, now, self._loop().site.safe_charge_kw)
        self.journal.tell(before, made, site)
        self._stops(before, inputs)
        self._alarms()

    # --- parts of a step ----------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                self._reading = await self._outside.gear.read()
        except (BothwaysError, OSError, TimeoutError) as error:
            self._fail(f"the switchgear cannot be read: {str(error) or type(error).__name__}")
        else:
            self._failure = ""

    async def _reread(self) -> None:
        """Permission and stations as the store has them; what cannot be read stays as it was."""
        outside = self._outside
        try:
            permission = await outside.store.permission(self._building.site_id)
            stations = await outside.registry.stations(self._building.site_id)
        except (BothwaysError, OSError) as error:
            self._fail(f"the store cannot be read: {error}")
            return
        self._reread_at = outside.clock.now()
        self._models = {record.station_id: record.model for record in stations}
        if permission.islanding != self._building.islanding_permitted:
            self._building = replace(self._building, islanding_permitted=permission.islanding)

    def _ready(self, now: datetime) -> bool:
        """Whether devices and vehicles are seen, or were waited for long enough: nothing is decided blindly."""
        self._began = self._began or now
        waited = (now - self._began).total_seconds()
        if waited >= self.settings.wait_s:
            return True
        if not self._opened or self._reading is None or self._loop().snapshot().image is None:
            return False
        if self._state.phase is Phase.GRID_CONNECTED:
            return True
        evses, former = self.evses(), self._state.former
        states = [evses.get(self.settings.chargers.get(s.source_id, _NOWHERE)) for s in self._building.sources]
        if former is not None and self._building.sources[former].kind is SourceKind.V2X:
            held = states[former]
            if held is None or not held.online or held.session is None:
                return False
        back = all(state.online for state in states if state is not None and state.session is not None)
        return back or waited >= _REJOIN_S

    def _around(
        self, now: datetime, evses: Mapping[EvseKey, EvseState], asked: list[tuple[Request, str]],
        acknowledged: tuple[str, ...],
    ) -> Around:  # fmt: skip
        loop = self._loop()
        meter, incident = loop.reading, loop.snapshot().incident
        fresh = meter is not None and now - meter.at <= _PV_AGE
        return Around(
            now=now, t_s=(now - self._origin).total_seconds(), evses=evses, models=self._models,
            register=self._outside.register, stated=self.drivers.stated if self._opened else None, tz=loop.site.tz,
            pv_kw=meter.pv_kw if fresh and meter is not None else None,
            requests=tuple(request for request, _ in asked), acknowledged=acknowledged,
            stopped=incident is not None and incident.latched,
        )  # fmt: skip

    def _hand_over(self, commands: tuple[Command, ...], evses: Mapping[EvseKey, EvseState], now: datetime) -> None:
        """The ordinary loop stands back before the first command of an island, and comes back after the last one."""
        real = [command for command in commands if not command.rehearsal]
        ended = {c.device for c in real if c.action in ENDING} & set(self.settings.chargers)
        on_grid = self._state.phase is Phase.GRID_CONNECTED or self._state.rehearsal is not None
        if ended or not on_grid or self._state.manual:
            self._back_at = now + _AWAY if on_grid and not self._state.manual else None
            away = True
        else:
            away = self._back_at is not None and now < self._back_at
        loop = self._loop()
        if loop is not self._led:  # begun anew by others: what it may have told the stations is put right
            self._led, self._renewed_at = loop, None
        loop.stand_back(away)
        stations = {key.station_id for key in evses}
        if away and (not self._away or self._renewed_at is None or now - self._renewed_at >= _RENEW):
            self._renewed_at = now
            self._dispatcher.still(evses)
            self._dispatcher.leave_safe(stations, 0.0)
        if self._away and not away:
            self._dispatcher.leave_safe(stations, self._loop().site.safe_charge_kw)
        if not away and (self._let_at is None or now - self._let_at >= _REREAD):
            self._let_at = now
            self._dispatcher.let_all_go()
        if away != self._away:
            self.journal.note("island hand-over", {"evses": "island controller" if away else "ordinary loop"})
        self._away = away

    def _beside(self, work: Coroutine[Any, Any, object]) -> None:
        """Runs something that no step waits for."""

        async def safely() -> None:
            try:
                await work
            except (BothwaysError, OSError) as error:
                self._fail(str(error) or type(error).__name__)

        task = asyncio.create_task(safely())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stops(self, before: IslandState, inputs: Inputs) -> None:
        """An emergency stop that the switchgear reports stops the whole site, and holds until a person releases it."""
        incident = self._loop().snapshot().incident
        if inputs.estop and not before.latch.estop and (incident is None or not incident.latched):
            stop = self._loop().emergency_stop("emergency stop or fire alarm of the building", "the switchgear's input")
            self._beside(stop)

    # --- telling ------------------------------------------------------------------------------------------------------

    def _fail(self, text: str) -> None:
        if text != self._failure:
            self.journal.say("device", text, severity=Severity.WARN)
        self._failure = text
        self._loop().alarm(True, "island-failing", text)  # noqa: FBT003 - as in Alarms.set

    def _alarms(self) -> None:
        loop, grave = self._loop(), [m for m in self.journal.conditions if m.severity in {Severity.ALARM, Severity.ASK}]
        away = self._state.phase is not Phase.GRID_CONNECTED and self._state.rehearsal is None
        text = grave[0].text if grave else f"phase: {self._state.phase.value}"
        loop.alarm(bool(grave) or away, "island", text)
        loop.alarm(bool(self._failure), "island-failing", self._failure)
