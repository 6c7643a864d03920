"""What people can do, with the permission checked first: sites, stations, needs, transactions, the audit log."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from bothways.domain.errors import BothwaysError, Problems
from bothways.operations.access.roles import EVERYTHING, Action, Actor, NotAllowed, site_scope, token_scope
from bothways.operations.desk.departure import next_departure
from bothways.operations.desk.forms import LONGEST_REASON, check_need, check_reason
from bothways.operations.desk.forms import NeedForm as NeedForm  # noqa: PLC0414 - told to others from here
from bothways.operations.desk.parts import Parts, SiteControl
from bothways.operations.desk.trail import Trail, TrailPoint
from bothways.operations.desk.views import (
    EvseView,
    NeedView,
    SiteLine,
    SitePower,
    SiteView,
    StationView,
    TransactionView,
    evse_view,
    finite,
    need_view,
    site_line,
    site_power,
    site_view,
    station_view,
    transaction_view,
)
from bothways.operations.ports import ChargerGateway, Clock, StationRegistry, Store
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import DriverNeed, GridPermission, energy_transfer

_ANNOUNCED = 10_000
_DIGITS = 6


class Unknown(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """There is no such object, or the account may not know that there is."""


class Desk:
    """The use cases of people. Every method takes the actor and checks before it does anything.

    Args:
        sites: running sites by id.
        store: durable memory.
        registry: stations.
        gateway: to the stations.
        clock: time.
    """

    def __init__(
        self, sites: Mapping[str, SiteControl], store: Store, registry: StationRegistry, gateway: ChargerGateway,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._sites, self._store, self._registry = sites, store, registry
        self._gateway, self._clock = gateway, clock
        self.parts = Parts(sites, store, registry, gateway, clock)
        self._trails = {name: Trail() for name in sites}
        self._announced: OrderedDict[str, str] = OrderedDict()

    def now(self) -> datetime:
        """What the time is for the system; it runs faster in a demonstration."""
        return self._clock.now()

    async def record(self, kind: str, subject: str, detail: Mapping[str, object]) -> None:
        """Adds a line to the audit log."""
        await self._store.note(kind, subject, self._clock.now(), detail)

    def site_ids(self) -> tuple[str, ...]:
        """All sites that run here, for checks of scopes."""
        return tuple(sorted(self._sites))

    # ---- sites

    def remember(self) -> None:
        """Keeps what happens now for :meth:`trail`; to be called every second or so."""
        for name, trail in self._trails.items():
            trail.note(self._sites[name].snapshot())

    def trail(self, actor: Actor, site_id: str) -> tuple[TrailPoint, ...]:
        """What happened at a site since the start, a day at most."""
        self.control(actor, site_id, Action.SITE_VIEW)
        return self._trails[site_id].points

    def sites(self, actor: Actor) -> list[SiteLine]:
        """The sites that the actor may see, those with alarms first."""
        lines = [
            site_line(name, control.site.tz, control.snapshot())
            for name, control in sorted(self._sites.items())
            if actor.may(Action.SITE_VIEW, site_scope(name))
        ]
        return sorted(lines, key=lambda line: (not line.stopped, -len(line.alarms), line.site_id))

    def site(self, actor: Actor, site_id: str) -> SiteView:
        """A site now.

        Raises:
            Unknown: no such site, or not for this actor.
        """
        control = self.control(actor, site_id, Action.SITE_VIEW)
        holders = actor.may(Action.SESSION_VIEW, site_scope(site_id))
        reading = control.reading
        pv = None if reading is None or reading.pv_kw is None else finite(reading.pv_kw)
        return site_view(site_id, control.site.tz, control.snapshot(), pv, holders=holders)

    def powers(self, actor: Actor) -> list[SitePower]:
        """The power of every site of which the actor may see it."""
        return [
            site_power(name, control.snapshot())
            for name, control in sorted(self._sites.items())
            if actor.may(Action.SITE_POWER, site_scope(name))
        ]

    def power(self, actor: Actor, site_id: str) -> SitePower:
        """A site's power at the grid connection and its limits, without vehicles or people: for a grid operator.

        Raises:
            Unknown: no such site, or not for this actor.
        """
        control = self._sites.get(site_id)
        if control is None or not actor.may(Action.SITE_POWER, site_scope(site_id)):
            msg = f"there is no site {site_id!r}"
            raise Unknown(msg)
        return site_power(site_id, control.snapshot())

    async def stop(self, actor: Actor, site_id: str, reason: str) -> None:
        """Stops all transfer at a site; it stays stopped until somebody releases it. Never refused for its words."""
        control = self.control(actor, site_id, Action.SITE_STOP)
        await control.emergency_stop(reason.strip()[:LONGEST_REASON] or "no reason was given", actor.name)

    async def release(self, actor: Actor, site_id: str, reason: str) -> None:
        """Ends an emergency stop."""
        control = self.control(actor, site_id, Action.SITE_RELEASE)
        check_reason(reason)
        await control.release(reason, actor.name)

    async def limit(self, actor: Actor, site_id: str, import_kw: float, reason: str) -> None:
        """Lowers the import limit in force, never above the site's own; noted in the audit log."""
        control = self.control(actor, site_id, Action.SITE_OVERRIDE)
        check_reason(reason)
        problems = Problems(at="limit")
        if not 0.0 <= import_kw <= control.site.import_hard_limit_kw:
            allowed = f"0 to the site's safety limit of {control.site.import_hard_limit_kw} kW"
            problems.add("import_kw", import_kw, allowed, "Give a limit within the site's own.")
        problems.raise_if_any()
        await control.change_limits(import_hard_kw=import_kw)
        detail = {"who": actor.name, "import_kw": import_kw, "reason": reason}
        await self._store.note("limit changed", site_id, self._clock.now(), detail)

    async def permission(self, actor: Actor, site_id: str) -> GridPermission:
        """The grid connection on paper."""
        self.control(actor, site_id, Action.SITE_VIEW)
        return await self._store.permission(site_id)

    # ---- stations

    async def stations(self, actor: Actor, site_id: str | None = None) -> list[StationView]:
        """Stations that the actor may see."""
        connected = self._gateway.connected()
        return [
            station_view(record, connected)
            for record in await self._registry.stations(site_id)
            if actor.may(Action.STATION_VIEW, site_scope(record.site_id))
        ]

    # ---- drivers

    async def set_need(self, actor: Actor, holder: str, form: NeedForm) -> NeedView:
        """A driver, or the front desk for one, says how much by when.

        Raises:
            NotAllowed: the holder is somebody else's.
            InputError: any problem of the form.
        """
        where = await self.may_speak_for(actor, holder, Action.NEED_SET)
        now = self._clock.now()
        announced = where is None and not actor.may(Action.NEED_SET, token_scope(holder))
        check_need(form, now, announced=announced)
        need = DriverNeed(
            need_id=secrets.token_hex(8),
            holder=holder,
            ready_by=form.ready_by,
            stated_at=now,
            energy_kwh=form.energy_kwh,
            soc=form.soc,
            floor_soc=form.floor_soc,
            discharge_consent=form.discharge_consent,
            discharge_cap_kwh=float("inf") if form.discharge_cap_kwh is None else form.discharge_cap_kwh,
            charge_now=form.charge_now,
        )
        if announced:
            self._announced[need.need_id] = actor.account_id
            while len(self._announced) > _ANNOUNCED:
                self._announced.popitem(last=False)
        if where is None:
            await self._store.need(need)
        else:
            await where.set_need(need)
            await self._tell_consent(where, need)
        return need_view(need)

    async def ready_at(self, actor: Actor, holder: str, wall: str) -> datetime:
        """The next instant at which clocks where a holder is plugged in, or would be, show a time of day.

        Raises:
            NotAllowed: the holder is somebody else's.
            InputError: not a time of day.
        """
        return next_departure(self._clock.now(), await self.zone_of(actor, holder), wall)

    async def zone_of(self, actor: Actor, holder: str) -> str:
        """The time zone where a holder is plugged in; of the first site while it is nowhere."""
        where = await self.may_speak_for(actor, holder, Action.NEED_SET)
        where = where or next(iter(self._sites.values()), None)
        return "UTC" if where is None else where.site.tz

    def holders(self, actor: Actor) -> list[tuple[str, str]]:
        """Holders that the actor may speak for and that are known now, each with where it is plugged in, or ``""``."""
        found = {scope.removeprefix("token:"): "" for scope in sorted(actor.scopes_for(Action.NEED_SET))
                 if scope.startswith("token:")}  # fmt: skip
        for name, control in self._sites.items():
            image = control.snapshot().image
            for state in () if image is None else image.evses:
                if state.session is None:
                    continue
                token, scopes = state.session.id_token, (site_scope(name), token_scope(state.session.id_token))
                if actor.may(Action.NEED_SET, *scopes):
                    shown = token if token and actor.may(Action.SESSION_VIEW, *scopes) else _place(state.key)
                    found[shown] = _place(state.key)
        return list(found.items())

    def holder_at(self, actor: Actor, place: str) -> str:
        """The holder plugged in at ``station/evse`` where the actor may speak for it, else the place itself."""
        return next((holder for holder, at in self.holders(actor) if at == place), place)

    async def need(self, actor: Actor, holder: str) -> NeedView:
        """What is in force for a holder.

        Raises:
            Unknown: nothing was ever said for it.
        """
        await self.may_speak_for(actor, holder, Action.NEED_VIEW)
        found = (await self._store.needs([holder])).get(holder)
        if found is None:
            msg = f"nothing is known of what {holder} needs"
            raise Unknown(msg)
        return need_view(found)

    def where(self, actor: Actor, holder: str) -> tuple[str, EvseView] | None:
        """Site and EVSE where a holder is plugged in now, ``None`` where it is not."""
        for name, control in self._sites.items():
            snapshot = control.snapshot()
            for state in () if snapshot.image is None else snapshot.image.evses:
                if state.session is None or holder not in {state.session.id_token, _place(state.key)}:
                    continue
                scopes = (site_scope(name), token_scope(state.session.id_token))
                if actor.may(Action.NEED_VIEW, *scopes):
                    return name, evse_view(state, snapshot, holders=actor.may(Action.SESSION_VIEW, *scopes))
        return None

    def as_of(self, site_id: str) -> datetime | None:
        """Of when the values of a site are; ``None`` where there are none."""
        control = self._sites.get(site_id)
        image = None if control is None else control.snapshot().image
        return None if image is None else image.now

    def tz_of(self, site_id: str) -> str:
        """The time zone of a site; UTC for one that does not run here."""
        control = self._sites.get(site_id)
        return "UTC" if control is None else control.site.tz

    async def transactions(
        self, actor: Actor, *, station_id: str | None = None, holder: str | None = None,
        since: datetime | None = None, before: tuple[str, str] | None = None, limit: int = 100,
    ) -> list[TransactionView]:  # fmt: skip
        """Transactions at sites, and of holders, that the actor may see; the latest first.

        The store is asked for these alone: however many others there are, they cost nothing and hide nothing.
        """
        seen = actor.scopes_for(Action.SESSION_VIEW)
        stations, tokens = None, None
        if EVERYTHING not in seen:
            records = await self._registry.stations()
            stations = frozenset(item.station_id for item in records if site_scope(item.site_id) in seen)
            tokens = frozenset(scope.removeprefix("token:") for scope in seen if scope.startswith("token:"))
            if not stations and not tokens:
                return []
        place = await self._evse(holder or "")
        if place is not None and station_id not in {None, place[0]}:
            return []
        rows = await self._store.transactions(
            station_id=station_id if place is None else place[0], evse_id=None if place is None else place[1],
            id_token=holder if place is None else None, stations=stations, tokens=tokens, since=since, before=before,
            limit=limit,
        )  # fmt: skip
        return [transaction_view(row, holders=True) for row in rows]

    # ---- who may

    def control(self, actor: Actor, site_id: str, action: Action) -> SiteControl:
        """A running site, where the actor may do this to it.

        Raises:
            Unknown: no such site, or not one that the actor may see.
            NotAllowed: the actor sees it, but may not do this.
        """
        control = self._sites.get(site_id)
        if control is None or not actor.may(Action.SITE_VIEW, site_scope(site_id)):
            msg = f"there is no site {site_id!r}"
            raise Unknown(msg)
        actor.require(action, site_scope(site_id))
        return control

    async def _evse(self, holder: str) -> tuple[str, int] | None:
        """Station and EVSE that a holder names, ``None`` for a token."""
        station_id, slash, number = holder.rpartition("/")
        if not slash or not (number.isascii() and number.isdigit()) or len(number) > _DIGITS:
            return None
        return None if await self._registry.station(station_id) is None else (station_id, int(number))

    async def may_speak_for(self, actor: Actor, holder: str, action: Action) -> SiteControl | None:
        """The site where the holder is plugged in, ``None`` where it is nowhere.

        Raises:
            NotAllowed: the holder is somebody else's.
        """
        place = await self._evse(holder)
        if place is not None:  # an EVSE belongs to its station's site, whatever cards are called elsewhere
            record = await self._registry.station(place[0])
            site_id = "" if record is None else record.site_id
            control = self._sites.get(site_id)
            plugged, scopes = control is not None and _at(control.snapshot(), holder), [site_scope(site_id)]
        else:
            site_id = next((name for name, item in self._sites.items() if _at(item.snapshot(), holder)), "")
            plugged, scopes = bool(site_id), [token_scope(holder), *([site_scope(site_id)] if site_id else [])]
        if not actor.may(action, *scopes) and (
            plugged or place is not None or not await self._may_announce(actor, holder, action)
        ):
            msg = f"{actor.name} may not speak for {holder}"
            raise NotAllowed(msg)
        return self._sites[site_id] if plugged else None

    async def _may_announce(self, actor: Actor, holder: str, action: Action) -> bool:
        """Whether staff of a site may speak for somebody who has not arrived.

        They may state a need where none is in force, and see and correct what they stated themselves; what the person
        said, here or at any other site, is neither shown to them nor replaced.
        """
        if not any(scope.startswith("site:") for scope in actor.scopes_for(action)):
            return False
        found = (await self._store.needs([holder])).get(holder)
        if found is not None and self._announced.get(found.need_id) == actor.account_id:
            return True
        return action == Action.NEED_SET and (found is None or found.ready_by <= self._clock.now())

    async def _tell_consent(self, control: SiteControl, need: DriverNeed) -> None:
        """Lets the station offer, or withdraw, two-way transfer in the running transaction (2.1)."""
        snapshot = control.snapshot()
        for state in () if snapshot.image is None else snapshot.image.evses:
            session = state.session
            if session is None or need.holder not in {session.id_token, _place(state.key)}:
                continue
            modes = energy_transfer(discharge_consent=need.discharge_consent)
            payload = {"transactionId": session.transaction_id, "allowedEnergyTransfer": list(modes)}
            with suppress(BothwaysError):  # only 2.1 knows it; the loop's own gate does not depend on it
                await self._gateway.call(state.key.station_id, "NotifyAllowedEnergyTransfer", payload)


def _place(key: tuple[str, int]) -> str:
    return f"{key[0]}/{key[1]}"


def _at(snapshot: Snapshot, holder: str) -> bool:
    evses = () if snapshot.image is None else snapshot.image.evses
    return any(state.session is not None and holder in {state.session.id_token, _place(state.key)} for state in evses)
