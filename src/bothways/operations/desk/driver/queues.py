"""Shared charging points: joining a queue, seeing when it is one's turn, swapping; staff say which points share one."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bothways.domain.errors import DomainError, Problems
from bothways.operations.access.roles import Action, Actor, NotAllowed, site_scope, token_scope
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.driver.line import (
    LOOKED_BACK,
    Queue,
    advanced,
    as_values,
    expected,
    joined,
    left,
    queue_from,
    release_asked,
    swap_answered,
    swap_asked,
)
from bothways.operations.documents import documents_in
from bothways.operations.site.state import EvseState

KIND = "queue"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")
_MOST_HOURS = 24.0
_MOST = 200


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A place as others see it: nobody's name.

    Attributes:
        place_id: for a request to swap.
        mine: whether it is the asker's.
        expected_at: when its turn comes, at the earliest; ``None`` where that cannot be said.
        called: the charging point that is theirs now, shown to its owner alone.
        until: until when.
    """

    place_id: str
    mine: bool
    joined_at: datetime
    hours: float
    expected_at: datetime | None
    called: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks the viewer to swap. ``room`` is true where they ask for the charging point in use."""

    swap_id: str
    room: bool


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue for one viewer.

    Attributes:
        free: how many of its charging points are free.
        position: the viewer's, from 1; 0 where the viewer does not wait.
        asked: whether the viewer waits for an answer.
        requests: what others ask of the viewer.
        in_use: charging points in use, for asking for room.
    """

    site_id: str
    name: str
    tz: str
    at: datetime
    evses: tuple[str, ...]
    free: int
    position: int
    places: tuple[PlaceView, ...]
    asked: bool
    requests: tuple[Request, ...]
    in_use: tuple[str, ...]


class Queues:
    """The use cases; one object per process, so that two people never change a queue at once.

    Args:
        desk: sites, store and time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts
        self._lock = asyncio.Lock()

    # ---- staff

    async def define(
        self, actor: Actor, site_id: str, name: str, evses: tuple[str, ...], members: tuple[str, ...] = ()
    ) -> Queue:
        """Says which charging points share a queue, and who may join; who waits already stays.

        Raises:
            Unknown: no such site, or not for this actor.
            InputError: a name or charging point that cannot be used.
        """
        self._staff(actor, site_id)
        problems = Problems(at="queue")
        if not _NAME.fullmatch(name):
            problems.add("name", name, "1 to 48 letters, digits, dots and hyphens", "Choose a short name.")
        there = {_place(state) for state in self._evses(site_id)}
        if not evses or set(evses) - there:
            found = ", ".join(sorted(set(evses) - there)) or "none"
            allowed = f"charging points of the site: {', '.join(sorted(there))}"
            problems.add("evses", found, allowed, "Correct their names.")
        problems.raise_if_any()

        def change(queue: Queue | None) -> Queue:
            old = queue or Queue(name, site_id, ())
            return replace(old, evses=tuple(dict.fromkeys(evses)), members=tuple(dict.fromkeys(members)))

        made = await self._change(f"{site_id}/{name}", change)
        detail: dict[str, object] = {"who": actor.name, "name": name, "evses": list(evses), "members": len(members)}
        await self._parts.store.note("queue defined", site_id, self._parts.clock.now(), detail)
        return made

    async def at(self, actor: Actor, site_id: str) -> list[Queue]:
        """The queues of a site, for staff, without who waits in them.

        Raises:
            Unknown: no such site, or not for this actor.
        """
        self._staff(actor, site_id)
        found = [queue_from(body) for body in (await documents_in(self._parts.store).documents(KIND)).values()]
        return [replace(queue, places=(), swaps=()) for queue in found if queue.site_id == site_id]

    async def close(self, actor: Actor, site_id: str, name: str) -> None:
        """Ends a queue; nobody waits in it any more."""
        self._staff(actor, site_id)
        await documents_in(self._parts.store).drop_document(KIND, f"{site_id}/{name}")
        detail: dict[str, object] = {"who": actor.name, "name": name}
        await self._parts.store.note("queue closed", site_id, self._parts.clock.now(), detail)

    # ---- drivers

    async def of(self, actor: Actor, holder: str) -> list[QueueView]:
        """Queues that a card may join, each as its holder sees it."""
        found = [queue_from(body) for body in (await documents_in(self._parts.store).documents(KIND)).values()]
        own = actor.may(Action.NEED_VIEW, token_scope(holder))
        seen = [queue for queue in found if own or actor.may(Action.NEED_VIEW, site_scope(queue.site_id))]
        if not own and not seen:
            msg = f"{actor.name} may not speak for {holder}"
            raise NotAllowed(msg)
        mine = [queue for queue in seen if not queue.members or holder in queue.members]
        return [self._view(self._now(queue), holder) for queue in mine]

    async def join(self, actor: Actor, holder: str, site_id: str, name: str, hours: float) -> QueueView:
        """Takes a place.

        Raises:
            DomainError: the card waits already, is plugged in here, or does not belong to the queue.
            InputError: a stay of no length, or of more than a day.
        """
        self._speaks(actor, holder, site_id)
        problems = Problems(at="queue")
        if not 0.0 < hours <= _MOST_HOURS:
            problems.add("hours", hours, f"above 0, to {_MOST_HOURS:.0f} h", "Say how long you need to charge.")
        problems.raise_if_any()
        used = await self._used_h(holder, site_id, name)
        now = self._parts.clock.now()

        def change(queue: Queue | None) -> Queue:
            known = _known(queue)
            if holder in self._plugged(known).values():
                msg = "this card is plugged in here already"
                raise DomainError(msg)
            if len(known.places) >= _MOST:
                msg = "the queue is full"
                raise DomainError(msg)
            return joined(known, secrets.token_hex(6), holder, now, used, hours)

        return self._view(await self._change(f"{site_id}/{name}", change), holder)

    async def leave(self, actor: Actor, holder: str, site_id: str, name: str) -> QueueView:
        """Gives the place up."""
        self._speaks(actor, holder, site_id)
        made = await self._change(f"{site_id}/{name}", lambda queue: left(_known(queue), holder))
        return self._view(made, holder)

    async def ask(self, actor: Actor, holder: str, site_id: str, name: str, other: str) -> QueueView:
        """Asks somebody to swap: a place by its id, or whoever is plugged in at ``station/evse``.

        Raises:
            DomainError: it cannot be asked, in words.
        """
        self._speaks(actor, holder, site_id)
        swap_id = secrets.token_hex(6)

        def change(queue: Queue | None) -> Queue:
            known = _known(queue)
            plugged = self._plugged(known)
            if other in plugged:
                return release_asked(known, swap_id, holder, other, plugged[other])
            return swap_asked(known, swap_id, holder, other)

        return self._view(await self._change(f"{site_id}/{name}", change), holder)

    async def answer(
        self, actor: Actor, holder: str, site_id: str, name: str, swap_id: str, *, agrees: bool
    ) -> QueueView:
        """Answers a request to swap."""
        self._speaks(actor, holder, site_id)
        now, place_id = self._parts.clock.now(), secrets.token_hex(6)

        def change(queue: Queue | None) -> Queue:
            return swap_answered(_known(queue), swap_id, holder, now, place_id, agrees=agrees)

        return self._view(await self._change(f"{site_id}/{name}", change), holder)

    async def advance(self) -> None:
        """Calls whoever is next wherever something became free; to be done every few seconds."""
        for name in list(await documents_in(self._parts.store).documents(KIND)):
            await self._change(name, lambda queue: queue)

    # ---- inside

    async def _change(self, subject: str, change: Callable[[Queue | None], Queue | None]) -> Queue:
        documents = documents_in(self._parts.store)
        async with self._lock:
            body = (await documents.documents(KIND, [subject])).get(subject)
            before = None if body is None else queue_from(body)
            after = change(None if before is None else self._now(before))
            made = self._now(_known(after))
            if made != before:
                await documents.keep_document(KIND, subject, self._parts.clock.now(), as_values(made))
            return made

    def _now(self, queue: Queue) -> Queue:
        states = self._evses(queue.site_id)
        free = {_place(state) for state in states if state.session is None and state.online}
        return advanced(queue, self._parts.clock.now(), free, self._plugged(queue))

    def _plugged(self, queue: Queue) -> dict[str, str]:
        return {
            _place(state): state.session.id_token
            for state in self._evses(queue.site_id)
            if state.session is not None and state.session.id_token and _place(state) in queue.evses
        }

    def _evses(self, site_id: str) -> tuple[EvseState, ...]:
        control = self._parts.sites.get(site_id)
        image = None if control is None else control.snapshot().image
        return () if image is None else image.evses

    async def _used_h(self, holder: str, site_id: str, name: str) -> float:
        """Hours that a card was plugged in at the queue's charging points during the last days."""
        body = (await documents_in(self._parts.store).documents(KIND, [f"{site_id}/{name}"])).get(f"{site_id}/{name}")
        now = self._parts.clock.now()
        rows = await self._parts.store.transactions(id_token=holder, since=now - LOOKED_BACK)
        evses = () if body is None else queue_from(body).evses
        spans = [
            (row.ended_at or now) - row.started_at
            for row in rows
            if row.started_at is not None and f"{row.station_id}/{row.evse_id}" in evses
        ]
        return sum((max(timedelta(), span) for span in spans), timedelta()).total_seconds() / 3600.0

    def _view(self, queue: Queue, holder: str) -> QueueView:
        control, now = self._parts.sites.get(queue.site_id), self._parts.clock.now()
        plugged, states = self._plugged(queue), self._evses(queue.site_id)
        ends = {_place(state): _end(state, now) for state in states if _place(state) in queue.evses}
        when, mine, order = expected(queue, now, ends), queue.of(holder), queue.order
        own = "" if mine is None else mine.place_id
        here = [f"{evse}|{holder}" for evse, who in plugged.items() if who == holder]
        asked_of_me = [item for item in queue.swaps if item.at in here or (own and item.asked == own)]
        return QueueView(
            site_id=queue.site_id,
            name=queue.name,
            tz="UTC" if control is None else control.site.tz,
            at=now,
            evses=queue.evses,
            free=sum(state.session is None and state.online and _place(state) in queue.evses for state in states),
            position=next((number for number, item in enumerate(order, 1) if item.place_id == own), 0),
            places=tuple(
                PlaceView(
                    item.place_id, item.place_id == own, item.joined_at, item.hours, when[item.place_id],
                    item.called if item.place_id == own else "", item.until if item.place_id == own else None,
                )
                for item in order
            ),
            asked=any(item.asks == own for item in queue.swaps) if own else False,
            requests=tuple(Request(item.swap_id, bool(item.at)) for item in asked_of_me),
            in_use=tuple(sorted(evse for evse, who in plugged.items() if who != holder)),
        )  # fmt: skip

    def _staff(self, actor: Actor, site_id: str) -> None:
        if site_id not in self._parts.sites or not actor.may(Action.SITE_VIEW, site_scope(site_id)):
            msg = f"there is no site {site_id!r}"
            raise Unknown(msg)
        actor.require(Action.NEED_SET, site_scope(site_id))

    @staticmethod
    def _speaks(actor: Actor, holder: str, site_id: str) -> None:
        """The holder, or the front desk of the site for somebody without a telephone."""
        if not actor.may(Action.NEED_SET, token_scope(holder), site_scope(site_id)):
            msg = f"{actor.name} may not speak for {holder}"
            raise NotAllowed(msg)


def _known(queue: Queue | None) -> Queue:
    if queue is None:
        msg = "there is no such queue"
        raise Unknown(msg)
    return queue


def _place(state: EvseState) -> str:
    return f"{state.key.station_id}/{state.key.evse_id}"


def _end(state: EvseState, now: datetime) -> datetime | None:
    """When a charging point will be free: at the stated departure, else when the vehicle can be full."""
    session = state.session
    if session is None:
        return now if state.online else None
    if session.declared is not None and session.declared > now:
        return session.declared
    if session.full or session.charge_kw <= 0.0:
        return None
    missing = max(0.0, session.ceiling_kwh - session.energy_kwh)
    return now + timedelta(hours=missing / (session.charge_kw * session.eta_c))
