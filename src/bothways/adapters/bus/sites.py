"""A site for people in other processes: what they want goes to the planner that leads it, what it shows comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bothways.adapters.bus.connection import BUS_ERRORS, Bus
from bothways.adapters.bus.lease import SiteLease
from bothways.adapters.bus.pictures import (
    Picture,
    packed,
    packed_plan,
    picture_of,
    unpacked_picture,
    unpacked_plan,
)
from bothways.adapters.bus.wire import Answer, Unreadable, checked, enveloped, plain, read
from bothways.domain.errors import BothwaysError, DomainError, GatewayError, StoreError
from bothways.operations.overrides import Override
from bothways.operations.ports import Clock, Latch, SiteReading
from bothways.operations.site.alarms import Alarm
from bothways.operations.site.emergency import Incident
from bothways.operations.site.memory import LatchingStore
from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import DriverNeed

_log = logging.getLogger("bothways.bus")
SHOW_S = 1.0
WATCH_S = 4.0
WATCHED_S = 15.0
STALE_S = 5.0
_ASK_S = 5.0
_STOP_ALONE_S = 0.8
_PLAN_AGAIN_S = 10.0
_ERRORS: dict[str, type[BothwaysError]] = {"DomainError": DomainError, "StoreError": StoreError}

What = Literal["need", "forget", "stop", "release", "limits", "overrides"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person wants of a site."""

    what: What
    body: Any


@dataclass(frozen=True, slots=True)
class Why:
    """A reason and who gave it."""

    reason: str
    who: str


class LedSite(Protocol):
    """A site's loop, as far as people elsewhere can reach it."""

    @property
    def reading(self) -> SiteReading | None:
        """The latest reading of the site's meter."""
        ...

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What people have decided for a while."""
        ...

    def snapshot(self) -> Snapshot:
        """The site now."""
        ...

    async def set_need(self, need: DriverNeed) -> None:
        """A driver says how much by when."""
        ...

    async def forget(self, holder: str) -> None:
        """Lets go of what was said and learnt of a holder whose data are erased."""
        ...

    async def emergency_stop(self, reason: str, who: str) -> Incident:
        """Stops all transfer and stays latched."""
        ...

    async def release(self, reason: str, who: str) -> Incident:
        """Ends a latched stop."""
        ...

    async def change_overrides(self, overrides: tuple[Override, ...]) -> None:
        """Replaces what people have decided for a while."""
        ...

    async def change_limits(self, **changes: float) -> None:
        """Changes limits in force."""
        ...


class SiteServer:
    """Shows a site that this planner leads, and takes what people want of it.

    Args:
        bus: the bus.
        lease: the site's lease; nothing is shown or taken without it.
        site: the site.
    """

    def __init__(self, bus: Bus, lease: SiteLease, site: LedSite) -> None:
        self._bus, self._lease, self._site = bus, lease, site
        self._watched_at = time.monotonic()
        self._told_plan: tuple[ActivePlan | None, float] = (None, 0.0)
        self._answering: set[asyncio.Task[None]] = set()
        name = lease.site_id
        self._tasks = (bus.keep(f"{name} for people", self._serve), bus.keep(f"pictures of {name}", self._show))

    def close(self) -> None:
        """Shows and takes nothing any more."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self) -> None:
        names, site_id = self._bus.names, self._lease.site_id

        async def asked(message: Any) -> None:
            task = asyncio.create_task(self._answer(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        async def watched(_message: Any) -> None:
            if time.monotonic() - self._watched_at > WATCHED_S:
                self._told_plan = (None, 0.0)
            self._watched_at = time.monotonic()

        taken = [
            await self._bus.subscribe(names.asked(site_id), asked),
            await self._bus.subscribe(names.watched(site_id), watched),
        ]
        try:
            await asyncio.Event().wait()
        finally:
            for subscription in taken:
                await subscription.unsubscribe()

    async def _answer(self, message: Any) -> None:
        if self._lease.epoch() is None:
            return  # whoever leads answers
        try:
            answer = Answer(await self._do(read(Ask, message.data)))
        except BothwaysError as error:
            answer = Answer(error=type(error).__name__, text=str(error))
        except Exception:  # noqa: BLE001 - whatever one wish does, it gets an answer
            _log.exception("a wish could not be fulfilled", extra={"site": self._lease.site_id})
            answer = Answer(error="GatewayError", text="it could not be done; the planner's log says why")
        try:
            await message.respond(enveloped(answer))
        except BUS_ERRORS as error:
            _log.info("an answer did not reach the bus: %r", error)

    async def _do(self, ask: Ask) -> Any:
        site = self._site
        match ask.what:
            case "need":
                await site.set_need(checked(DriverNeed, ask.body))
            case "forget":
                await site.forget(checked(str, ask.body))
            case "stop":
                why = checked(Why, ask.body)
                return plain(await site.emergency_stop(why.reason, why.who))
            case "release":
                why = checked(Why, ask.body)
                return plain(await site.release(why.reason, why.who))
            case "limits":
                await site.change_limits(**checked(dict[str, float], ask.body))
            case "overrides":
                await site.change_overrides(checked(tuple[Override, ...], ask.body))
        return None

    async def _show(self) -> None:
        while True:
            if self._lease.epoch() is not None and time.monotonic() - self._watched_at < WATCHED_S:
                await self._show_once()
            await asyncio.sleep(SHOW_S)

    async def _show_once(self) -> None:
        names, site, site_id = self._bus.names, self._site, self._lease.site_id
        snapshot = site.snapshot()
        data = packed(picture_of(snapshot, site.overrides, site.reading))
        if len(data) > self._bus.max_payload:
            _log.error("the site is too large to be shown elsewhere: raise max_payload", extra={"site": site_id})
            return
        await self._bus.publish(names.picture(site_id), data)
        told, at = self._told_plan
        due = snapshot.plan is not told or time.monotonic() - at > _PLAN_AGAIN_S
        if snapshot.plan is not None and due:
            self._told_plan = (snapshot.plan, time.monotonic())
            await self._bus.publish(names.plan(site_id), packed_plan(snapshot.plan, self._bus.max_payload))


class RemoteSite:
    """A site that a planner elsewhere leads; fulfils :class:`bothways.operations.desk.parts.SiteControl`.

    Args:
        bus: the bus.
        site: what is fixed about the site.
        store: where needs are kept, and where an emergency stop is latched when no planner answers.
        clock: time.
    """

    def __init__(self, bus: Bus, site: SiteSettings, store: LatchingNeeds, clock: Clock) -> None:
        self._bus, self._settings, self._store, self._clock = bus, site, store, clock
        self._picture: Picture | None = None
        self._plan: ActivePlan | None = None
        self._heard = time.monotonic()
        self._since = clock.now()
        self._background: set[asyncio.Task[None]] = set()
        bus.keep(f"pictures of {site.site_id}", self._watch)

    @property
    def site(self) -> SiteSettings:
        """What is fixed about the site."""
        return self._settings

    @property
    def reading(self) -> SiteReading | None:
        """The latest reading of the site's meter."""
        return None if self._picture is None else self._picture.reading

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What people have decided for a while, also what has just ended."""
        return () if self._picture is None else self._picture.overrides

    def snapshot(self) -> Snapshot:
        """The site as it was shown last; an alarm says if that was a while ago."""
        alarms = self._alarms()
        if self._picture is None:
            return Snapshot(self._settings.site_id, alarms=alarms)
        return self._picture.snapshot(self._plan, alarms)

    @property
    def silent_s(self) -> float:
        """For how long no planner has shown the site [s]."""
        return time.monotonic() - self._heard

    def _alarms(self) -> tuple[Alarm, ...]:
        if self.silent_s < STALE_S:
            return ()
        site_id = self._settings.site_id
        if not self._bus.connected:
            text = f"this process cannot reach the bus for {self._bus.down_s:.0f} s; what is shown is old"
            return (Alarm("bus-lost", site_id, self._since, text),)
        return (Alarm("no-planner", site_id, self._since, f"no planner has answered for {self.silent_s:.0f} s"),)

    async def set_need(self, need: DriverNeed) -> None:
        """A driver says how much by when: durable at once, whoever plans."""
        try:
            await self._ask("need", need, _ASK_S)
        except (GatewayError, TimeoutError):
            await self._store.need(need)  # whoever leads reads it there

    async def forget(self, holder: str) -> None:
        """Lets go of what was said and learnt of a holder.

        Raises:
            DomainError: no planner answers; nothing may be erased then, for it would be written again.
        """
        await self._wanted("forget", holder)

    async def emergency_stop(self, reason: str, who: str) -> Incident:
        """Ends all transfer and latches, also where no planner answers: gateways watch the store for it."""
        asked = asyncio.create_task(self._ask("stop", Why(reason, who), _ASK_S))
        await asyncio.wait((asked,), timeout=_STOP_ALONE_S)
        if asked.done() and asked.exception() is None:
            return checked(Incident, asked.result())
        self._keep(self._insist(asked, reason, who))
        now = self._clock.now()
        site_id, contact = self._settings.site_id, self._settings.emergency_contact
        await self._store.latch(Latch(site_id, now, reason, who, contact))
        return Incident(site_id, now, reason, who, contact)

    async def _insist(self, asked: asyncio.Task[Any], reason: str, who: str) -> None:
        """Lets the planner know as soon as there is one; whoever begins later reads the latch."""
        for _ in range(30):
            try:
                await asked
            except (BothwaysError, TimeoutError):
                await asyncio.sleep(SHOW_S)
                asked = asyncio.create_task(self._ask("stop", Why(reason, who), _ASK_S))
            else:
                return

    async def release(self, reason: str, who: str) -> Incident:
        """Ends a latched stop; only the planner that leads the site can.

        Raises:
            DomainError: nothing is latched, or no planner answers.
        """
        return checked(Incident, await self._wanted("release", Why(reason, who)))

    async def change_overrides(self, overrides: tuple[Override, ...]) -> None:
        """Replaces what people have decided for a while.

        Raises:
            DomainError: no planner answers.
        """
        await self._wanted("overrides", overrides, tuple[Override, ...])
        if self._picture is not None:
            self._picture = replace(self._picture, overrides=overrides)

    async def change_limits(self, **changes: float) -> None:
        """Changes limits in force.

        Raises:
            DomainError: an unknown limit, or no planner answers.
        """
        await self._wanted("limits", changes, dict[str, float])

    async def _wanted(self, what: What, body: Any, kind: Any = None) -> Any:
        try:
            return await self._ask(what, body, _ASK_S, kind)
        except (GatewayError, TimeoutError) as error:
            msg = f"no planner leads {self._settings.site_id} now; nothing was changed, try again in a few seconds"
            raise DomainError(msg) from error

    async def _ask(self, what: What, body: Any, seconds: float, kind: Any = None) -> Any:
        data = enveloped(Ask(what, plain(body, kind)))
        answer = read(Answer, await self._bus.request(self._bus.names.asked(self._settings.site_id), data, seconds))
        if answer.error:
            raise _ERRORS.get(answer.error, GatewayError)(answer.text)
        return answer.value

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _watch(self) -> None:
        names, site_id = self._bus.names, self._settings.site_id

        async def picture(message: Any) -> None:
            try:
                self._picture = unpacked_picture(message.data)
            except Unreadable:
                _log.warning("a picture cannot be read", extra={"site": site_id})
                return
            self._heard, self._since = time.monotonic(), self._clock.now()

        async def plan(message: Any) -> None:
            try:
                self._plan = unpacked_plan(message.data)
            except Unreadable:
                _log.warning("a plan cannot be read", extra={"site": site_id})

        taken = [
            await self._bus.subscribe(names.picture(site_id), picture),
            await self._bus.subscribe(names.plan(site_id), plan),
        ]
        try:
            while True:
                await self._bus.publish(names.watched(site_id), b"")
                await asyncio.sleep(WATCH_S)
        finally:
            for subscription in taken:
                await subscription.unsubscribe()


class LatchingNeeds(LatchingStore, Protocol):
    """A store that keeps needs and emergency stops."""

    async def need(self, need: DriverNeed) -> None:
        """Keeps a driver's need."""
        ...
