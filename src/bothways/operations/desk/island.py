"""What people can do with an island, with the permission checked first; every request is in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from bothways.domain.errors import Problems
from bothways.operations.access.roles import Action, Actor, NotAllowed, site_scope, token_scope
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.forms import check_reason
from bothways.operations.desk.island_views import IslandView, island_view
from bothways.operations.island.gather import holder_of
from bothways.operations.island.service import IslandService
from bothways.operations.ports import Clock, Store, Switchgear
from bothways.resilience.island.offer import RestartOffer, restart_offer
from bothways.resilience.island.signals import Request, RequestKind
from bothways.resilience.island.site import IslandSite

_OF_DEVICES = frozenset({
    RequestKind.ORDER_OPEN, RequestKind.ORDER_CLOSE, RequestKind.ORDER_FORM, RequestKind.ORDER_GIVE,
    RequestKind.ORDER_RELEASE, RequestKind.SET_ASIDE, RequestKind.BACK_IN_SERVICE,
})  # fmt: skip


@runtime_checkable
class HandOperated(Protocol):
    """Switchgear with breakers whose position is what a person states."""

    @property
    def by_people(self) -> frozenset[str]:
        """Sections whose position people state."""
        ...

    def state(self, section: str, *, closed: bool, who: str) -> None:
        """Somebody looked, or switched."""
        ...


class IslandDesk:
    """The use cases of people with islands. Every method takes the actor and checks before it does anything.

    Args:
        services: controllers by site.
        gears: their switchgear.
        store: for the audit log.
        clock: time.
    """

    def __init__(
        self, services: Mapping[str, IslandService], gears: Mapping[str, Switchgear], store: Store, clock: Clock
    ) -> None:
        self._services, self._gears, self._store, self._clock = services, gears, store, clock

    def has(self, site_id: str) -> bool:
        """Whether a site is configured to be an island."""
        return site_id in self._services

    def view(self, actor: Actor, site_id: str) -> IslandView:
        """A site as an island now.

        Raises:
            Unknown: no such site, not an island, or not for this actor.
        """
        service = self._service(actor, site_id, Action.SITE_VIEW)
        holders = actor.may(Action.SESSION_VIEW, site_scope(site_id))
        return island_view(service, service.tz, self._clock.now(), self._by_people(site_id), holders=holders)

    def on_paper(self, actor: Actor, site_id: str) -> tuple[IslandSite, str]:
        """The building and who is responsible for it, for the paper plan."""
        service = self._service(actor, site_id, Action.SITE_VIEW)
        return service.building, service.contact

    def offer(self, actor: Actor, site_id: str) -> RestartOffer | None:
        """What the island offers to a restart of the grid, for a grid operator; ``None`` without permission (R28).

        Raises:
            Unknown: no such site, or not for this actor.
        """
        service = self._services.get(site_id)
        if service is None or not actor.may(Action.SITE_POWER, site_scope(site_id)):
            raise Unknown(_NONE.format(site_id=site_id))
        inputs = service.inputs
        return None if inputs is None else restart_offer(service.state, inputs, service.building)

    def ask(self, actor: Actor, site_id: str, kind: RequestKind, device: str = "", output_kw: float = 0.0) -> None:
        """Asks the controller for something; the interlock holds back what must not be.

        Raises:
            NotAllowed: not for this actor.
            InputError: a device that does not exist, or none where one is needed.
        """
        if kind is RequestKind.RESET:
            msg = "a reset needs a reason"
            raise NotAllowed(msg)
        service = self._service(actor, site_id, Action.SITE_OVERRIDE)
        _check_device(kind, device, output_kw, service.building)
        service.ask(Request(kind, device, output_kw), actor.name)

    async def reset(self, actor: Actor, site_id: str, reason: str) -> None:
        """States that it is safe after an emergency stop or a cut-off."""
        service = self._service(actor, site_id, Action.SITE_RELEASE)
        check_reason(reason)
        await service.reset(reason, actor.name)

    async def done(self, actor: Actor, site_id: str, device: str, *, closed: bool) -> None:
        """Somebody has switched a breaker that has no feedback, or walked through a rehearsed task.

        Raises:
            InputError: a device whose feedback says where it is.
        """
        service = self._service(actor, site_id, Action.SITE_OVERRIDE)
        if service.state.rehearsal is not None:
            _check_device(RequestKind.SET_ASIDE, device, 0.0, service.building, main=True)
            service.done_by_hand(device, actor.name)
            return
        gear = self._gears[site_id]
        if not isinstance(gear, HandOperated):
            problems = Problems(at="switchgear")
            problems.add("device", device, "a breaker without feedback", "The controller reads where this one is.")
            problems.raise_if_any()
            return
        gear.state(device, closed=closed, who=actor.name)
        detail = {"who": actor.name, "device": device, "closed": closed}
        await self._store.note("island position stated", site_id, self._clock.now(), detail)

    async def driver(
        self, actor: Actor, site_id: str, place: str, reserve_km: float | None, *, opted_out: bool
    ) -> None:
        """A driver, or staff for one, says how far they must still get, and whether the vehicle gives at all.

        Args:
            actor: who.
            site_id: where.
            place: ``station/evse`` where the vehicle is plugged in.
            reserve_km: kilometres to keep; ``None`` for the site's own.
            opted_out: nothing is taken from this vehicle, from now on.

        Raises:
            Unknown: no such place, or not for this actor.
        """
        service = self._services.get(site_id)
        found = None if service is None else next(
            (holder_of(key, state.session) for key, state in service.evses().items()
             if f"{key.station_id}/{key.evse_id}" == place and state.session is not None), None,
        )  # fmt: skip
        if service is None or found is None or not actor.may(Action.NEED_SET, site_scope(site_id), token_scope(found)):
            msg = f"there is no vehicle at {place!r}"
            raise Unknown(msg)
        service.drivers.say(found, reserve_km, opted_out=opted_out)
        await service.keep_drivers()
        detail = {"who": actor.name, "place": place, "reserve_km": reserve_km, "opted_out": opted_out}
        await self._store.note("island driver", site_id, self._clock.now(), detail)

    def _by_people(self, site_id: str) -> frozenset[str]:
        gear = self._gears[site_id]
        return gear.by_people if isinstance(gear, HandOperated) else frozenset()

    def _service(self, actor: Actor, site_id: str, action: Action) -> IslandService:
        service = self._services.get(site_id)
        if service is None or not actor.may(Action.SITE_VIEW, site_scope(site_id)):
            raise Unknown(_NONE.format(site_id=site_id))
        actor.require(action, site_scope(site_id))
        return service


_NONE = "there is no island at a site {site_id!r}"


def _check_device(
    kind: RequestKind, device: str, output_kw: float, building: IslandSite, *, main: bool = False
) -> None:
    problems = Problems(at="island request")
    known = building.devices
    if kind in {RequestKind.SET_ASIDE, RequestKind.BACK_IN_SERVICE} and not main:
        known = tuple(section.section_id for section in building.sections)
    if kind in _OF_DEVICES and device not in known:
        problems.add("device", device, ", ".join(known), "Name one of the building's devices.")
    if kind not in _OF_DEVICES and device:
        problems.add("device", device, "nothing", f"'{kind.value}' is about the building as a whole.")
    if not abs(output_kw) <= 10_000.0:
        problems.add("output_kw", output_kw, "a power", "Give the output in kW, positive toward the building.")
    problems.raise_if_any()
