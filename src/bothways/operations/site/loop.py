"""The control loop of one site: every second measure, estimate, plan on news, dispatch, command, compare."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from dataclasses import replace

from bothways.domain.errors import BothwaysError, DomainError
from bothways.operations.events import EvseKey, StationEvent
from bothways.operations.overrides import Override, overrides_from, told
from bothways.operations.personal import without_holder
from bothways.operations.ports import SiteReading
from bothways.operations.site import emergency, opening
from bothways.operations.site.control import Tick
from bothways.operations.site.core import LoopCore
from bothways.operations.site.estimate import learned_from
from bothways.operations.site.history import history_from
from bothways.operations.site.memory import LatchingStore
from bothways.operations.site.sentences import sentence
from bothways.operations.site.state import Image
from bothways.operations.site.summary import Snapshot
from bothways.operations.site.warm import kernels_loaded, load_kernels
from bothways.operations.stations import DriverNeed

_log = logging.getLogger("bothways.site")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf")
_LIMITS = frozenset({"import_hard_kw", "import_kw", "import_penalty_per_kwh", "export_kw", "phase_kw",
                     "committed_import_kw"})  # fmt: skip


class SiteLoop(LoopCore):
    """Runs one site.

    Args:
        site: what is fixed about the site.
        registry: its stations.
        store: durable memory.
        gateway: to the stations.
        meter: the site's meter; ``None`` makes the loop cautious.
        signals: prices; ``None`` where the tariff says everything.
        clock: time.
        options: how the loop behaves.
        memory: what survives a restart; the store by default, where it can.
        register: which vehicle at which charger can discharge; by default nobody.
        forecast: load forecast; by default what was metered a week or a day ago.
        costs: what energy costs; by default the site's tariff.
    """

    # What the world tells the loop ---------------------------------------------------------------------------------

    def on_event(self, event: StationEvent) -> None:
        """Takes in what a station said; called after the event is durable."""
        if event.station_id in self._book.stations and self._book.apply(event):
            self._desk.news(self._clock.now())
            if self._open:
                self._orders.run(self._look_up_new())

    def connected_anew(self, station_id: str) -> None:
        """The station's connection is another one: it is met again, then gets its orders."""
        self._met.discard(station_id)

    def on_reading(self, reading: SiteReading) -> None:
        """Takes in a reading of the site's meter; one that is not finite or older than the last is not used."""
        values = (reading.power_kw, *reading.phase_kw)
        now, last = self._clock.now(), self._reading
        silent = (now - self._heard_at).total_seconds() > self.options.meter_stale_s
        newer = last is None or reading.at >= last.at or silent  # a clock that was set back is believed after a while
        if newer and all(math.isfinite(value) for value in values):
            self._reading, self._heard_at = reading, now

    @property
    def reading(self) -> SiteReading | None:
        """The latest reading of the site's meter, ``None`` before the first."""
        return self._reading

    async def set_need(self, need: DriverNeed) -> None:
        """A driver says how much by when; it is durable when this returns."""
        await self._store.need(need)
        self._needs[need.holder] = need
        self._desk.news(self._clock.now())

    async def forget(self, holder: str) -> None:
        """Lets go of what was said and learnt of a holder whose data are erased."""
        self._needs.pop(holder, None)
        kept = {name: without_holder(value, holder) for name, value in self._learned.as_values().items()}
        self._learned = learned_from(kept)
        self._dirty.add("learned")

    def set_limits(self, **changes: float) -> None:
        """Changes limits in force, such as ``import_hard_kw``; they hold from the next tick on, and over a restart.

        A limit that is set back to the site's own is no change any more.

        Raises:
            DomainError: an unknown limit, or one below 0 or not a number.
        """
        for name, value in changes.items():
            if name not in _LIMITS:
                msg = f"unknown limit {name!r}; there are {', '.join(sorted(_LIMITS))}"
                raise DomainError(msg)
            if math.isnan(value) or value < 0.0:
                msg = f"{name} must be at least 0, not {value}"
                raise DomainError(msg)
        self._limits = replace(self._limits, **changes)
        self._changed_limits |= changes
        self._changed_limits = {
            name: value for name, value in self._changed_limits.items() if value != getattr(self._own_limits, name)
        }
        self._dirty.add("limits")
        self._saved_at = None  # kept at the next tick
        self._desk.news(self._clock.now())

    async def change_limits(self, **changes: float) -> None:
        """:meth:`set_limits` for people: it holds at once, and is durable when this returns.

        Raises:
            DomainError: as :meth:`set_limits`.
            StoreError: it holds, and could not be made durable yet; it is tried again at every save.
        """
        self.set_limits(**changes)
        await self._keep_limits()
        self._dirty.discard("limits")

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What people have decided for a while, also what has just ended."""
        return self._overrides

    async def change_overrides(self, overrides: tuple[Override, ...]) -> None:
        """Replaces what people have decided for a while; it holds at once, and is durable when this returns.

        Raises:
            StoreError: it holds, and could not be made durable yet; it is tried again at every save.
        """
        self._overrides = overrides
        self._dirty.add("overrides")
        self._desk.news(self._clock.now())
        await self._keep_overrides()
        self._dirty.discard("overrides")

    def _recall_limits(self, kept: object) -> None:
        """Limits as people left them; what cannot be read is not used, and the site's own hold."""
        for name, text in kept.items() if isinstance(kept, dict) else ():
            value = float(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else math.nan
            if name in _LIMITS and value >= 0.0:
                self._changed_limits[name] = value
        self._limits = replace(self._limits, **self._changed_limits)

    # Life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until :meth:`close`. An error in one tick is an alarm, not the end: stations keep their last order."""
        part_load = self.site.vehicle.part_load is not None
        if not kernels_loaded(part_load=part_load):
            await asyncio.to_thread(load_kernels, part_load=part_load)
        await self._open_patiently()
        reading = asyncio.create_task(self._read_meter()) if self._meter is not None else None
        try:
            while not self._closing:
                try:
                    await self.step()
                    self._alarms.set(False, "loop-failing", self.site.site_id, self._clock.now(), "")  # noqa: FBT003
                except Exception as error:  # noqa: BLE001 - whatever it is, the next tick must come
                    text = f"{type(error).__name__}: {error}"
                    self._alarms.set(True, "loop-failing", self.site.site_id, self._clock.now(), text)  # noqa: FBT003
                await self._clock.sleep(self.options.tick_s)
        finally:
            if reading is not None:
                reading.cancel()
            self._desk.close()
            await self._save()

    def renew_plan(self) -> None:
        """Lets a plan be made soon: something changed that plans depend on."""
        self._desk.news(self._clock.now())

    def close(self) -> None:
        """Ends :meth:`run` after the tick under way. Stations keep their orders, then their safe profiles."""
        self._closing = True

    async def open(self) -> None:
        """Reads memory, store and stations; nothing is sent before that is done."""
        now = self._clock.now()
        kept = await self._memory.recall(self.site.site_id)
        learned, history = kept.get("learned"), kept.get("history")
        if isinstance(learned, dict):
            self._learned = learned_from(learned)
        if isinstance(history, dict):
            self._history = history_from(history, self.options.step_s)
        self._recall_limits(kept.get("limits"))
        self._overrides = overrides_from(kept.get("overrides"))
        await self._recall_incident(kept.get("incident"))
        self._book.install(await self._registry.stations(self.site.site_id))
        self._permission = await self._store.permission(self.site.site_id)
        await opening.reopen(self._book, self._store, now)
        await self._look_up_new()
        await self._prices.refresh(now)
        await asyncio.gather(*(self._meet(station) for station in self._gateway.connected() & set(self._book.stations)))
        self._read_at = now
        self._open = True

    async def _open_patiently(self) -> None:
        while not self._open and not self._closing:
            try:
                await self.open()
            except (BothwaysError, OSError) as error:
                self._alarms.set(True, "store-failing", self.site.site_id, self._clock.now(), str(error))  # noqa: FBT003
                await self._clock.sleep(self.options.tick_s)

    async def _read_meter(self) -> None:
        meter = self._meter
        while meter is not None:
            try:
                async for reading in meter.readings():
                    self.on_reading(reading)
            except Exception as error:  # noqa: BLE001 - whatever it is, the meter is read again
                _log.warning("site %s: the meter cannot be read: %r", self.site.site_id, error)  # shows as stale
            await self._clock.sleep(self.options.tick_s)

    # Another controller ----------------------------------------------------------------------------------------------

    def stand_back(self, away: bool) -> None:
        """Leaves the EVSEs to the island controller, or takes them back: never both command. A stop goes on working."""
        if away == self._away:
            return
        self._away = away
        for outlet in self._book.outlets.values():
            self._orders.forget(outlet.key)
        self._desk.news(self._clock.now())

    async def settled(self) -> None:
        """Waits until nothing that the loop began beside its ticks is under way: for clocks that stand still."""
        await self._orders.settled()

    def alarm(self, condition: bool, kind: str, text: str) -> None:
        """Raises an alarm of the site on behalf of another controller, or ends it."""
        self._alarms.set(condition, kind, self.site.site_id, self._clock.now(), text)

    # People --------------------------------------------------------------------------------------------------------

    async def emergency_stop(self, reason: str, who: str) -> emergency.Incident:
        """Ends all transfer now and latches; a fire input calls this as well.

        Zero orders and the end of every transaction go out at once, and everything waits at most two seconds for
        the answers. The latch is durable, survives restarts and is released only by :meth:`release`.

        Args:
            reason: what happened.
            who: who pressed, or which input.

        Returns:
            The incident with what every station answered.
        """
        if self._incident is None or not self._incident.latched:
            self._incident = emergency.Incident(
                self.site.site_id, self._clock.now(), reason, who, self.site.emergency_contact
            )
        incident, now = self._incident, self._clock.now()
        self._stopped_again_at = now
        self._alarms.set(True, "emergency-stop", self.site.site_id, now, f"{who}: {reason}")  # noqa: FBT003
        answers, *_ = await asyncio.gather(
            self._stop_everything(),
            self._remember_incident(),
            emergency.leave_safe(self._gateway, self._book.stations, 0.0),
        )
        if self._incident.at != incident.at:
            return incident  # released, and stopped anew, while stations answered
        answers = dict(self._incident.stopped) | answers
        self._incident = replace(self._incident, stopped=tuple(sorted(answers.items())))
        self._orders.run(self._remember_incident())
        self._orders.run(self._note("emergency stop", self.site.site_id, self._incident.as_values()))
        return self._incident

    async def release(self, reason: str, who: str) -> emergency.Incident:
        """Releases the emergency stop.

        Args:
            reason: why it is safe.
            who: the person.

        Returns:
            The incident, complete.

        Raises:
            DomainError: nothing is latched, or no reason or name is given.
        """
        if self._incident is None or not self._incident.latched:
            msg = "no emergency stop is in force"
            raise DomainError(msg)
        self._incident = self._incident.released(self._clock.now(), reason, who)
        now = self._clock.now()
        self._alarms.set(False, "emergency-stop", self.site.site_id, now, "")  # noqa: FBT003
        await self._remember_incident()
        await self._note("emergency stop released", self.site.site_id, self._incident.as_values())
        await emergency.leave_safe(self._gateway, self._book.stations, self.site.safe_charge_kw)
        for outlet in self._book.outlets.values():
            self._orders.forget(outlet.key)
        self._desk.news(now)
        return self._incident

    async def _recall_incident(self, kept: object) -> None:
        """The latch as it was left, or as another process of the system has set it."""
        self._incident = emergency.incident_from(kept)
        if self._latched or not isinstance(self._store, LatchingStore):
            return
        for latch in await self._store.latches():
            if latch.scope == self.site.site_id:
                self._incident = emergency.Incident(latch.scope, latch.at, latch.cause, latch.device, latch.party)

    async def _remember_incident(self) -> None:
        """Makes the latch durable; a store that does not answer holds nobody up, and is asked again."""
        try:
            await asyncio.wait_for(self._keep_incident(), emergency.WITHIN_S)
        except (BothwaysError, OSError, TimeoutError) as error:
            self._dirty.add("incident")
            self._store_failed(error)

    def snapshot(self) -> Snapshot:
        """A frozen view for API and screens."""
        image, made = self._image, self._tick
        if image is None or made is None:
            return Snapshot(self.site.site_id, alarms=self._alarms.active, incident=self._incident)
        return Snapshot(
            site_id=self.site.site_id, image=image, rows=made.rows,
            sentences=self._sentences(image, made),
            alarms=self._alarms.active, plan=self._desk.plan, summary=self._summary, totals=self._totals,
            incident=self._incident, carbon_kg_per_kwh=self._prices.carbon(image.now),
            price_source=self._prices.source,
        )  # fmt: skip

    def _sentences(self, image: Image, made: Tick) -> dict[EvseKey, str]:
        """What each EVSE is doing and why: once for all who look between two ticks."""
        about = (image, made, self._overrides)
        known = self._told
        if known is None or any(one is not other for one, other in zip(known[0], about, strict=True)):
            said = {item.key: sentence(item, made.rows.get(item.key), made, image, self._tz) for item in image.evses}
            self._told = known = (about, said | told(image, self._overrides, self._tz))
        return known[1]
