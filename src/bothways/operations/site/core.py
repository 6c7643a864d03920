"""The tick of one site's loop; :class:`~bothways.operations.site.loop.SiteLoop` is its public face."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

from bothways.domain.errors import BothwaysError
from bothways.operations.events import EvseKey
from bothways.operations.overrides import for_planning, limited, overridden, running
from bothways.operations.site import emergency, imaging, opening
from bothways.operations.site.base import estimate_base
from bothways.operations.site.control import Tick, tick
from bothways.operations.site.keeping import LoopState
from bothways.operations.site.observe import NOTHING, metered_after_order, observe
from bothways.operations.site.planner import ActivePlan, make_plan
from bothways.operations.site.state import Image
from bothways.operations.site.stored import StoredEnergy
from bothways.operations.site.summary import summarise

_REREAD_S = 60.0
_SAVE_S = 30.0
_OFFLINE = timedelta(seconds=60)
_OWED_KWH = 0.5
_STOP_AGAIN_S = 2.0


class LoopCore(LoopState):
    """The tick of :class:`~bothways.operations.site.loop.SiteLoop`."""

    @cached_property
    def _stored(self) -> StoredEnergy:
        return StoredEnergy(self.site.vehicle)

    async def step(self) -> None:
        """One tick: image, plan if due, dispatch, orders, comparison."""
        now = self._clock.now()
        seconds = self._elapsed(now)
        self._stations_come_and_go(now)
        new = self._gateway.connected() - self._book.stations.keys() - self._strange
        self._strange |= new  # of other sites, or just registered here
        if new or self._read_at is None or now - self._read_at >= timedelta(seconds=_REREAD_S) or now < self._read_at:
            self._read_at = now
            self._orders.run(self._reread())
        self._orders.run(self._refresh_prices(now))
        day = now.astimezone(self._tz).toordinal()
        self._book.advance(now, day, self._longest_s)
        self._stored.follow(self._book.outlets.values(), now)
        self._take_leave()
        self._end_overrides(now)
        self._account(seconds, now)
        image = imaging.take_image(self._book, self._world(now, day))
        self._observe(image)
        planned, image = for_planning(image, self._overrides), overridden(image, self._overrides)
        self._collect_plan(now)
        base_kw = self._base_kw(image)
        if self._desk.due(now, base_kw):
            await self._desk.make(now, self._planning(planned, base_kw))
        made = tick(image, self._desk.plan, self._state, self.site, self.options)
        self._image, self._tick, self._state = image, made, made.state
        sent = self._command(image, made, now)
        self._compare(image, now)
        self._summary = summarise(image, made, sent)
        self._site_alarms(image, made, now)

    @property
    def _longest_s(self) -> float:
        return max(5.0, 2.0 * self.options.tick_s)

    @property
    def _latched(self) -> bool:
        return self._incident is not None and self._incident.latched

    def _elapsed(self, now: datetime) -> float:
        """Seconds since the last tick, as far as they can be believed; a jump of the clock is noticed here."""
        last, self._last = self._last, now
        if last is None:
            return 0.0
        seconds = (now - last).total_seconds()
        jumped = seconds < 0.0 or seconds > self.options.tick_s + self.options.clock_jump_s
        site = self.site.site_id
        self._alarms.set(jumped, "clock-jump", site, now, f"{seconds:+.0f} s passed between two ticks")
        if jumped:  # nothing measured before can be dated now: the plan is renewed, the meter has to speak again
            self._reading = None
            self._desk.news(now - timedelta(seconds=self.options.replan_after_s))
            self._state = replace(self._state, at=now, charge_budget_kw=0.0, discharge_budget_kw=0.0)
            for outlet in self._book.outlets.values():
                outlet.meter.power_at = None
                outlet.ordered_at = now if outlet.ordered_at is not None else None
        return min(max(seconds, 0.0), self._longest_s)

    def _stations_come_and_go(self, now: datetime) -> None:
        connected = self._gateway.connected()
        self._met &= connected
        for station, record in self._book.stations.items():
            if station not in connected and station not in self._seen_at and record.accepted_at is None:
                continue  # it is being put into service: nobody misses it yet
            if station in connected:
                self._seen_at[station] = now
                if station not in self._met and station not in self._meeting:
                    self._orders.run(self._meet(station))
            since = self._seen_at.setdefault(station, now)
            if now - since > _OFFLINE or self._alarms.has("station-offline", station):
                text = f"not heard of since {since:%Y-%m-%d %H:%M:%S}Z"
                self._alarms.set(now - since > _OFFLINE, "station-offline", station, now, text)

    def _world(self, now: datetime, day: int) -> imaging.World:
        reading = self._reading
        # a meter whose clock is ahead must not look fresh for ever: the older of the two ages counts
        age = math.inf if reading is None else (now - min(reading.at, self._heard_at)).total_seconds()
        export = min(self._limits.export_kw, self._permission.allowed_export_kw(now))
        limits = limited(replace(self._limits, export_kw=export), self._overrides)
        return imaging.World(
            now=now, day=day, settings=self.site, options=self.options,
            limits=limits, permission=self._permission, register=self._register,
            lacks=self._permission.missing(now),
            needs=self._needs, learned=self._learned, connected=self._gateway.connected() & self._met,
            disobedient=self._comparer.disobedient, reading=reading, meter_age_s=age, latched=self._latched,
            running=self._history.running(now), stored=self._stored,
        )  # fmt: skip

    def _base_kw(self, image: Image) -> float:
        """The building's load as it is now, or as it was seen last; what was stated where it never was [kW]."""
        building = float(estimate_base(image, self._state.building, self.site).building[3])
        if not image.meter_fresh and self.site.assumed_load_kw is not None:
            return self.site.assumed_load_kw
        return building if math.isfinite(building) else 0.0

    def _planning(self, image: Image, base_kw: float) -> Callable[[], ActivePlan]:
        settings, options, history, before = self.site, self.options, self._history.copy(), self._desk.plan
        return lambda: make_plan(
            image, settings, options, self._costs, history, self._prices.over, self._forecast, base_kw, before
        )

    async def _meet(self, station_id: str) -> None:
        """A station connected: learn what it holds to, leave a safe profile, then orders may follow."""
        self._meeting.add(station_id)
        try:
            outlets = self._book.outlets_of(station_id)
            await opening.ask_composites(self._gateway, [item for item in outlets if item.visit is not None])
            safe = 0.0 if self._latched or self._away else self.site.safe_charge_kw
            await emergency.leave_safe(self._gateway, [station_id], safe)
            for outlet in outlets:
                self._orders.forget(outlet.key)
            self._met.add(station_id)
        finally:
            self._meeting.discard(station_id)

    # After dispatch ------------------------------------------------------------------------------------------------

    def _command(self, image: Image, made: Tick, now: datetime) -> int:
        """Places the orders that are due; returns how many were sent."""
        if image.latched:
            if self._stopped_again_at is None or (now - self._stopped_again_at).total_seconds() >= _STOP_AGAIN_S:
                self._stopped_again_at = now  # a vehicle that was plugged in since is stopped as well
                self._orders.run(self._stop_again())
            return 0
        if self._away:
            return 0
        sent = 0
        for item in image.evses:
            row, session = made.rows.get(item.key), item.session
            if row is not None and session is not None:
                used = sum(share > 0.0 for share in item.phases.worst) if item.phases.known else 0
                phases = used if used < item.record.phases else 0
                outlet = self._book.outlets[item.key]
                sent += self._orders.place(outlet, row.power_kw, session, phases, now)
        return sent

    async def _stop_again(self) -> None:
        """Ends what began since; the incident's record gets it as well, beside what was answered first."""
        incident = self._incident
        answers = await self._stop_everything()
        if incident is None or self._incident is None or self._incident.at != incident.at:
            return  # another one by now
        before = dict(self._incident.stopped)
        late = {name: answer for name, answer in answers.items() if name not in before}
        if late:
            self._incident = replace(self._incident, stopped=tuple(sorted((before | late).items())))
            self._dirty.add("incident")

    async def _stop_everything(self) -> dict[str, str]:
        return await emergency.stop_all(self._gateway, self._book.outlets.values(), self.options.order_valid_s)

    def _compare(self, image: Image, now: datetime) -> None:
        if image.latched or self._away:
            return
        for outlet in self._composites.due(self._book.outlets, self._met, now):
            self._orders.run(self._composites.ask(outlet))
        options = self.options
        for todo in self._comparer.compare(image, self._book.outlets, now, options.settle_s, options.sample_stale_s):
            if todo.action == "resend":
                self._orders.again(todo.key)
            elif todo.action == "safe":
                self._orders.run(emergency.leave_safe(self._gateway, [todo.key.station_id], self.site.safe_charge_kw))
            elif todo.action == "end":
                self._orders.run(self._end(todo.key, todo.transaction_id))

    async def _end(self, key: EvseKey, transaction_id: str) -> None:
        with contextlib.suppress(BothwaysError):
            await self._gateway.stop(key.station_id, transaction_id)
        await self._note("transaction ended", f"{key.station_id}/{key.evse_id}", {"transaction": transaction_id})

    def _observe(self, image: Image) -> None:
        """What vehicles do with what they are offered: full, asleep, awake again."""
        for item in image.evses:
            outlet, session = self._book.outlets[item.key], item.session
            visit = outlet.visit
            if visit is None or session is None:
                continue
            metered = metered_after_order(outlet, image.now, self.options.settle_s, self.options.sample_stale_s)
            stated = session.need is not None or session.target_known
            owed = stated and session.energy_kwh < min(session.asked_kwh, session.ceiling_kwh) - _OWED_KWH
            seen = observe(outlet, visit, image.now, metered=metered, owed=owed, settle_s=self.options.settle_s)
            if seen == NOTHING:
                continue
            subject = f"{item.key.station_id}/{item.key.evse_id}"
            if seen.fell_asleep:
                pair = imaging.pair_of(visit, self._book.stations[item.key.station_id].model)
                if pair:
                    self._learned.asleep[pair] = image.now.isoformat()
                    self._dirty.add("learned")
                text = f"no power although {outlet.ordered_kw:.1f} kW were offered after a pause"
                self._alarms.set(True, "does-not-resume", subject, image.now, text)  # noqa: FBT003
            elif seen.woke_up:
                self._alarms.set(False, "does-not-resume", subject, image.now, "")  # noqa: FBT003
            if seen.became_full or seen.woke_up:
                self._desk.news(image.now)

    def _take_leave(self) -> None:
        """Learns from the vehicles that have left since the last tick."""
        finished, self._book.finished = self._book.finished, []
        for outlet, visit, left in finished:
            need = imaging.need_of(outlet, visit, self._needs)
            self._learned.finished(visit, left, need, self._stored)
            self._stored.leave(visit)
            self._needs.pop(f"{outlet.key.station_id}/{outlet.key.evse_id}", None)
            self._orders.forget(outlet.key)
            self._dirty.add("learned")
            subject = f"{outlet.key.station_id}/{outlet.key.evse_id}"
            self._alarms.set(False, "does-not-resume", subject, left, "")  # noqa: FBT003

    def _end_overrides(self, now: datetime) -> None:
        """What people decided for a while ends by itself, and is said to have."""
        left = running(self._overrides, now)
        for item in self._overrides:
            if item not in left:
                detail = {**item.as_values(), "ended_by": "its time"}
                self._orders.run(self._note("override ended", item.subject or self.site.site_id, detail))
        if len(left) < len(self._overrides):
            self._overrides = left
            self._dirty.add("overrides")
            self._desk.news(now)

    def _collect_plan(self, now: datetime) -> None:
        self._desk.collect(now)
        site = self.site.site_id
        self._alarms.set(self._desk.late, "planner-late", site, now, "the planner has not answered in time")
        self._alarms.set(bool(self._desk.failure), "planner-failed", site, now, self._desk.failure)
        self._alarms.set(bool(self._prices.failure), "prices-missing", site, now, self._prices.failure)

    def _account(self, seconds: float, now: datetime) -> None:
        """Totals, the load's history, and what is due to be saved; what was seen last is held until now."""
        image, made, plan = self._image, self._tick, self._desk.plan
        closed = None
        if image is not None and made is not None and seconds > 0.0:
            offset = plan.offset(image.now) if plan is not None else None
            prices, known = (0.0, 0.0), None
            if plan is not None and offset is not None:
                prices = known = float(plan.import_price[offset]), float(plan.export_price[offset])
            self._totals = self._totals.plus(image, seconds / 3600.0, prices)
            self._quote.note(known, self._prices.carbon(image.now))
            if image.meter_fresh:
                closed = self._history.add(now, seconds, image.site_kw, float(made.base.building[3]))
        if closed is not None:
            self._dirty.add("history")
            detail = self._totals.since(self._totals_noted)
            self._totals_noted = self._totals
            detail |= {"step": closed, "seconds": self.options.step_s, **self._quote.taken()}
            self._orders.run(self._note("site interval", self.site.site_id, detail))
        if self._dirty and (self._saved_at is None or (now - self._saved_at).total_seconds() >= _SAVE_S):
            self._saved_at = now
            self._orders.run(self._save())

    def _site_alarms(self, image: Image, made: Tick, now: datetime) -> None:
        site, base = self.site.site_id, made.base
        cause = f"{self._incident.who}: {self._incident.reason}" if self._incident is not None else ""
        self._alarms.set(image.latched, "emergency-stop", site, now, cause)
        silent = self._meter is not None and not image.meter_fresh
        text = "no reading yet" if math.isinf(image.meter_age_s) else f"latest reading {image.meter_age_s:.0f} s ago"
        self._alarms.set(silent, "meter-silent", site, now, text)
        limit = float(base.import_limit[3])
        building = float(base.building[3])
        over = image.meter_fresh and building > limit + 0.5
        self._alarms.set(over, "over-limit", site, now, f"{building:.0f} kW without vehicles, limit {limit:.0f} kW")
        reserved = sum(item.reserved_kw for item in image.evses)
        beyond = image.meter_fresh and not over and reserved > 0.0 and building + reserved > limit + 0.5
        text = f"{reserved:.0f} kW may be drawn untold, {max(0.0, limit - building):.0f} kW are free"
        self._alarms.set(beyond, "safe-profiles-over-limit", site, now, text)
