"""How well a station is connected and kept: firmware, certificate, reconnects, missed heartbeats, disagreement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, runtime_checkable

from bothways.operations.access.roles import Action, Actor, site_scope
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.views import finite
from bothways.operations.events import Booted, ConnectionChanged, EvseKey, StationEvent
from bothways.operations.stations import StationRecord

E = TypeVar("E", bound=StationEvent)

DAY = timedelta(days=1)
HEARTBEAT = timedelta(seconds=300)
SOON = timedelta(days=30)
DIFFERS_KW = 0.3
_DIFFERS_SHARE = 0.05
_MOST = 500
_TOGETHER = 20


@runtime_checkable
class Presences(Protocol):
    """A gateway that knows when stations were heard of."""

    def heard_at(self, station_id: str) -> datetime | None:
        """When a station said something for the last time."""
        ...

    def certificate_until(self, station_id: str) -> datetime | None:
        """When the certificate ends with which it connected."""
        ...


@runtime_checkable
class Histories(Protocol):
    """A store that keeps what stations said."""

    async def history(
        self, station_id: str, kind: type[E], *, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[E]:
        """Messages of one kind, the latest first."""
        ...


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A charging point whose meter shows something else than it was ordered [kW]."""

    evse_id: int
    ordered_kw: float
    measured_kw: float


@dataclass(frozen=True, slots=True)
class StationQuality:
    """A station as whoever looks after it sees it. ``None`` stands for what is not known.

    Attributes:
        reconnects: connections in the last day, beyond the first.
        missed_heartbeats: how many intervals of five minutes have passed without a word while it is connected.
        last_seen: when it was heard of last.
        certificate_until: when the certificate ends with which it connects; ``None`` where it shows none.
        booted_at: its last start.
        disagreements: where command and meter differ by more than 0.3 kW and 5 % now.
    """

    station_id: str
    site_id: str
    online: bool
    accepted_at: datetime | None
    security_profile: int
    vendor_model: str
    serial: str
    firmware: str
    protocol: str
    discharge: str
    evses: int
    last_seen: datetime | None
    reconnects: int
    missed_heartbeats: int
    certificate_until: datetime | None
    booted_at: datetime | None
    disagreements: tuple[Disagreement, ...]

    def calls(self, now: datetime) -> bool:
        """Whether somebody should look at it."""
        ending = self.certificate_until is not None and self.certificate_until - now < SOON
        return (
            (not self.online and self.accepted_at is not None)
            or bool(self.disagreements)
            or ending
            or self.missed_heartbeats > 1
            or self.reconnects > 5
        )


async def qualities(desk: Desk, actor: Actor, site_id: str | None = None) -> list[StationQuality]:
    """The stations that the actor may see, those that call for somebody first."""
    records = [
        record
        for record in await desk.parts.registry.stations(site_id)
        if actor.may(Action.STATION_VIEW, site_scope(record.site_id))
    ]
    gate = asyncio.Semaphore(_TOGETHER)

    async def look(record: StationRecord) -> StationQuality:
        async with gate:
            return await quality(desk, record)

    found = await asyncio.gather(*(look(record) for record in records))
    now = desk.now()
    return sorted(found, key=lambda item: (not item.calls(now), item.online, item.site_id, item.station_id))


async def quality(desk: Desk, record: StationRecord) -> StationQuality:
    """One station; who may see it was checked before."""
    now, gateway, store = desk.now(), desk.parts.gateway, desk.parts.store
    online = record.station_id in gateway.connected()
    boots: Sequence[Booted] = ()
    links: Sequence[ConnectionChanged] = ()
    if isinstance(store, Histories):
        boots = await store.history(record.station_id, Booted, limit=1)
        links = await store.history(record.station_id, ConnectionChanged, since=now - DAY, limit=_MOST)
    heard = gateway.heard_at(record.station_id) if isinstance(gateway, Presences) else None
    seen = max((at for at in (heard, links[0].at if links else None) if at is not None), default=None)
    ups = sum(link.connected for link in links)
    boot = boots[0] if boots else None
    return StationQuality(
        station_id=record.station_id, site_id=record.site_id, online=online, accepted_at=record.accepted_at,
        security_profile=record.security_profile, vendor_model=record.model, serial=record.serial,
        firmware="" if boot is None else boot.firmware, protocol="" if boot is None else boot.protocol,
        discharge=record.discharge, evses=len(record.evses), last_seen=seen, reconnects=max(0, ups - 1),
        missed_heartbeats=int((now - seen) // HEARTBEAT) if online and seen is not None and now > seen else 0,
        certificate_until=gateway.certificate_until(record.station_id) if isinstance(gateway, Presences) else None,
        booted_at=None if boot is None else boot.at, disagreements=_disagreements(desk, record),
    )  # fmt: skip


def _disagreements(desk: Desk, record: StationRecord) -> tuple[Disagreement, ...]:
    control = desk.parts.sites.get(record.site_id)
    snapshot = None if control is None else control.snapshot()
    found = []
    for state in () if snapshot is None or snapshot.image is None else snapshot.image.evses:
        row = None if snapshot is None else snapshot.rows.get(EvseKey(*state.key))
        if state.key.station_id != record.station_id or state.session is None or row is None or not state.fresh:
            continue
        ordered, measured = row.power_kw, finite(state.measured_kw)
        if measured is None:
            continue
        beyond = abs(state.excess_kw)
        if beyond > DIFFERS_KW and beyond > _DIFFERS_SHARE * abs(ordered):
            found.append(Disagreement(state.key.evse_id, round(ordered, 3), measured))
    return tuple(found)
