"""Guests without an account: a secret address printed on the charging point, good for the vehicle that is there now.

Whoever reads the code first after plugging in holds the stay: a claim that their telephone keeps. Others with the same
address see what the charging point does and nothing more. A stay of somebody who has said what they need is nobody
else's. Staff can give a charging point a new address at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bothways.domain.errors import DomainError
from bothways.operations.access.roles import Action, Actor, Grant, NotAllowed, Role, site_scope
from bothways.operations.desk.departure import next_departure
from bothways.operations.desk.desk import Desk, NeedForm, Unknown
from bothways.operations.desk.driver.pace import Pace
from bothways.operations.desk.driver.reach import Outlook, outlook
from bothways.operations.desk.views import EvseView, NeedView, evse_view
from bothways.operations.documents import documents_in
from bothways.operations.orders import CommandResult
from bothways.operations.site.state import EvseState
from bothways.operations.site.summary import Snapshot
from bothways.operations.wishes import KIND as WISH
from bothways.operations.wishes import came_from_wish
from bothways.operations.wishes import subject as wish_subject

LINK, CLAIM = "guest link", "guest claim"
_LOOKS, _LOOKS_A_MINUTE = 40, 40.0
_ACTS, _ACTS_A_MINUTE = 10, 6.0
_FLOOR = 0.3


class TooOften(DomainError):  # noqa: N818 - read as a sentence where it is raised
    """Asked too often; ``wait_s`` says when to ask again."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"this is asked too often; try again in {wait_s:.0f} s")


@dataclass(frozen=True, slots=True)
class GuestLink:
    """The address of a charging point. ``secret`` is what the printed code holds."""

    station_id: str
    evse_id: int
    secret: str
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True)
class GuestView:
    """What a guest sees.

    Attributes:
        evse: the charging point, without its holder.
        need: what the guest said.
        mine: whether the one who asks holds the stay.
        free: whether somebody could claim it now.
        at: when this was so.
    """

    station_id: str
    evse_id: int
    tz: str
    at: datetime
    evse: EvseView
    need: NeedView | None
    outlook: Outlook | None
    mine: bool
    free: bool


class Guests:
    """The use cases; one object per process, for it counts how often it is asked.

    Args:
        desk: sites, store and time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts
        self._looks, self._acts = Pace(_LOOKS, _LOOKS_A_MINUTE), Pace(_ACTS, _ACTS_A_MINUTE)

    # ---- staff

    async def link(self, actor: Actor, station_id: str, evse_id: int, *, renew: bool = False) -> GuestLink:
        """The address of a charging point, made where there is none; ``renew`` makes the old one worthless.

        Raises:
            Unknown: no such charging point, or not for this actor.
        """
        await self._staff(actor, station_id, evse_id)
        documents, place = documents_in(self._parts.store), f"{station_id}/{evse_id}"
        now = self._parts.clock.now()
        for secret, body in (await documents.documents(LINK)).items():
            if body["place"] == place:
                if not renew:
                    return _link(secret, body)
                await documents.drop_document(LINK, secret)
        secret = secrets.token_urlsafe(24)
        body = {"place": place, "made_at": now.isoformat(), "made_by": actor.name}
        await documents.keep_document(LINK, secret, now, body)
        await documents.drop_document(CLAIM, place)
        await self._parts.store.note("guest address made", place, now, {"who": actor.name})
        return _link(secret, body)

    async def close(self, actor: Actor, station_id: str, evse_id: int) -> None:
        """Takes the address of a charging point away."""
        await self._staff(actor, station_id, evse_id)
        documents, place = documents_in(self._parts.store), f"{station_id}/{evse_id}"
        for secret, body in (await documents.documents(LINK)).items():
            if body["place"] == place:
                await documents.drop_document(LINK, secret)
        await documents.drop_document(CLAIM, place)
        await self._parts.store.note("guest address closed", place, self._parts.clock.now(), {"who": actor.name})

    async def _staff(self, actor: Actor, station_id: str, evse_id: int) -> None:
        record = await self._parts.registry.station(station_id)
        if record is None or record.evse(evse_id) is None or not actor.may(Action.NEED_SET, site_scope(record.site_id)):
            msg = f"there is no charging point {station_id}/{evse_id}"
            raise Unknown(msg)

    # ---- guests

    async def look(self, secret: str, claim: str = "", source: str = "") -> GuestView:
        """What the charging point does now.

        Args:
            secret: of the address.
            claim: what :meth:`claim` returned, ``""`` for none.
            source: who asks, such as a network address; counted.

        Raises:
            Unknown: no such address.
            TooOften: asked too often.
        """
        site_id, snapshot, state = await self._open(secret, source)
        mine = await self._mine(state, claim)
        place = _place(state)
        actor, need = _actor(site_id, place), None
        if mine:
            found = (await self._parts.store.needs([place])).get(place)
            here = found is not None and state.session is not None and found.stated_at >= state.session.since
            need = await self._desk.need(actor, place) if here else None
        return GuestView(
            station_id=state.key.station_id,
            evse_id=state.key.evse_id,
            tz=self._parts.sites[site_id].site.tz,
            at=self._parts.clock.now() if snapshot.image is None else snapshot.image.now,
            evse=evse_view(state, snapshot, holders=False),
            need=need,
            outlook=outlook(state, snapshot) if mine else None,
            mine=mine,
            free=not mine and await self._free(state),
        )

    async def claim(self, secret: str, source: str = "") -> str:
        """Takes the stay that is there now, for whoever asks first; returns the claim, which nobody else knows.

        Raises:
            Unknown: no such address.
            DomainError: nobody is plugged in, or the stay is somebody's already.
        """
        _, _, state = await self._open(secret, source)
        documents, place = documents_in(self._parts.store), _place(state)
        seen = (await documents.documents(CLAIM, [place])).get(place)
        claim, now = secrets.token_urlsafe(24), self._parts.clock.now()
        body = {"stay": _stay(state), "claim": _digest(claim)}
        first = await self._free(state) and await documents.swap_document(CLAIM, place, now, body, seen)
        if not first:  # two telephones may have read the code in the same instant, at two servers
            msg = "nobody is plugged in here, or somebody else looks after this vehicle"
            raise DomainError(msg)
        return claim

    async def need(self, secret: str, claim: str, form: NeedForm, source: str = "") -> NeedView:
        """Says how much by when for this stay alone.

        Raises:
            NotAllowed: the stay is not this guest's.
            InputError: any problem of the form.
        """
        site_id, state = await self._act(secret, claim, source)
        return await self._desk.set_need(_actor(site_id, _place(state)), _place(state), form)

    async def charge_now(self, secret: str, claim: str, source: str = "") -> NeedView:
        """Charges at full power, up to what was asked for; full where nothing was."""
        site_id, state = await self._act(secret, claim, source)
        actor, place, now = _actor(site_id, _place(state)), _place(state), self._parts.clock.now()
        said = (await self._parts.store.needs([place])).get(place)
        if said is not None and state.session is not None and said.stated_at >= state.session.since < said.ready_by:
            form = NeedForm(
                max(said.ready_by, now), said.energy_kwh, said.soc, said.floor_soc, charge_now=True
            )  # fmt: skip
        else:
            form = NeedForm(now, soc=1.0, floor_soc=_FLOOR, charge_now=True)
        if form.ready_by <= now:
            tz = self._parts.sites[site_id].site.tz
            ahead = next_departure(now, tz, f"{now:%H:%M}")
            form = NeedForm(ahead, form.energy_kwh, form.soc, form.floor_soc, charge_now=True)
        return await self._desk.set_need(actor, place, form)

    async def stop(self, secret: str, claim: str, source: str = "") -> CommandResult:
        """Ends the stay's transaction, so that the cable comes off."""
        _, state = await self._act(secret, claim, source)
        assert state.session is not None  # noqa: S101 - a claim is of a session
        result = await self._parts.gateway.stop(state.key.station_id, state.session.transaction_id)
        detail: dict[str, object] = {"transaction": state.session.transaction_id, "answer": result.status}
        await self._parts.store.note("guest leaves", _place(state), self._parts.clock.now(), detail)
        return result

    # ---- who may

    async def _open(self, secret: str, source: str) -> tuple[str, Snapshot, EvseState]:
        wait = self._looks.wait_s(source, self._parts.clock.now())
        if wait > 0.0:
            raise TooOften(wait)
        found = await documents_in(self._parts.store).documents(LINK, [secret]) if secret else {}
        for name, control in self._parts.sites.items():
            snapshot = control.snapshot()
            for state in () if snapshot.image is None else snapshot.image.evses:
                if secret in found and found[secret]["place"] == _place(state):
                    return name, snapshot, state
        msg = "there is no such charging point; read the code on it again"
        raise Unknown(msg)

    async def _act(self, secret: str, claim: str, source: str) -> tuple[str, EvseState]:
        site_id, _, state = await self._open(secret, source)
        wait = self._acts.wait_s(_place(state), self._parts.clock.now())
        if wait > 0.0:
            raise TooOften(wait)
        if not await self._mine(state, claim):
            msg = "this is not the stay that you began to look after"
            raise NotAllowed(msg)
        return site_id, state

    async def _mine(self, state: EvseState, claim: str) -> bool:
        found = await self._claimed(state)
        return bool(claim) and found is not None and hmac.compare_digest(found["claim"], _digest(claim))

    async def _claimed(self, state: EvseState) -> Mapping[str, Any] | None:
        """The claim on the stay that is there now."""
        place = _place(state)
        found = (await documents_in(self._parts.store).documents(CLAIM, [place])).get(place)
        return found if found is not None and found["stay"] == _stay(state) else None

    async def _free(self, state: EvseState) -> bool:
        """Whether nobody has said anything for the stay that is there now."""
        session, place = state.session, _place(state)
        if session is None or not session.transaction_id or await self._claimed(state) is not None:
            return False
        needs = await self._parts.store.needs([place, session.id_token])
        here, own = needs.get(place), needs.get(session.id_token) if session.id_token else None
        if here is not None and here.stated_at >= session.since:
            return False
        if own is not None and (own.ready_by > self._parts.clock.now() or came_from_wish(own)):
            return False
        wishes = await documents_in(self._parts.store).documents(WISH, [wish_subject(session.id_token)])
        return not wishes


def _actor(site_id: str, place: str) -> Actor:
    """A guest, as permissions see it; only ever used for the place itself."""
    return Actor(f"guest:{place}", f"guest at {place}", (Grant(Role.DRIVER, site_scope(site_id)),))


def _link(secret: str, body: Mapping[str, Any]) -> GuestLink:
    station_id, _, number = str(body["place"]).rpartition("/")
    return GuestLink(station_id, int(number), secret, datetime.fromisoformat(body["made_at"]), body["made_by"])


def _place(state: EvseState) -> str:
    return f"{state.key.station_id}/{state.key.evse_id}"


def _stay(state: EvseState) -> str:
    """What tells this stay from the next one, also after a restart."""
    return "" if state.session is None else state.session.transaction_id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
