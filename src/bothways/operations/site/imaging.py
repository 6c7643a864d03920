"""Makes the frozen image of a tick from the book, what was learnt, and what is on paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bothways.operations.ports import SiteReading
from bothways.operations.site.batteries import NOTHING, kind_of
from bothways.operations.site.book import Outlet, SiteBook, Visit
from bothways.operations.site.estimate import CapacityRecord, Learned, capacity_estimate, soc_estimate
from bothways.operations.site.gate import CompatibilityRegister, discharge_gate
from bothways.operations.site.observe import metered_after_order
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.site.state import EvseState, Image, SessionState, SiteLimits, phase_use
from bothways.operations.site.stored import FullPower, StoredEnergy
from bothways.operations.stations import DriverNeed, GridPermission

_ROOM_KWH = 2.0
_LOOK_UP_S = 10.0
_SITE_WEAR = (None, "")


@dataclass(frozen=True, slots=True)
class World:
    """Everything besides the book that an image is made of."""

    now: datetime
    day: int
    settings: SiteSettings
    options: LoopOptions
    limits: SiteLimits
    permission: GridPermission
    register: CompatibilityRegister
    needs: Mapping[str, DriverNeed]
    learned: Learned
    connected: frozenset[str]
    disobedient: frozenset[tuple[str, int]]
    lacks: tuple[str, ...]
    reading: SiteReading | None
    meter_age_s: float
    latched: bool
    stored: StoredEnergy
    running: tuple[float, float] = (0.0, 0.0)

    @property
    def meter_fresh(self) -> bool:
        """Whether the site's meter can be used."""
        return self.reading is not None and self.meter_age_s <= self.options.meter_stale_s


def pair_of(visit: Visit, model: str) -> str:
    """Name under which a vehicle at a charger model is remembered."""
    return f"{visit.id_token}@{model}" if visit.id_token else ""


def need_of(outlet: Outlet, visit: Visit, needs: Mapping[str, DriverNeed]) -> DriverNeed | None:
    """The need of whoever is plugged in: of the outlet where stated since plug-in, else of the token."""
    here = needs.get(f"{outlet.key.station_id}/{outlet.key.evse_id}")
    if here is not None and here.stated_at >= visit.since:
        return here
    return needs.get(visit.id_token) if visit.id_token else None


def take_image(book: SiteBook, world: World) -> Image:
    """The image of this instant; the book is not changed except for departures that are fixed at plug-in."""
    reading = world.reading if world.meter_fresh else None
    return Image(
        now=world.now,
        evses=tuple(_evse(outlet, book, world) for outlet in book.outlets.values()),
        limits=world.limits,
        permission=world.permission,
        site_kw=reading.power_kw if reading is not None else math.nan,
        phase_kw=reading.phase_kw if reading is not None and len(reading.phase_kw) == 3 else (),
        meter_age_s=world.meter_age_s,
        meter_fresh=world.meter_fresh,
        latched=world.latched,
        step_mean_kw=world.running[0],
        step_seen_s=world.running[1],
    )


def _evse(outlet: Outlet, book: SiteBook, world: World) -> EvseState:
    station = book.stations[outlet.key.station_id]
    online = outlet.key.station_id in world.connected
    obeys = outlet.key not in world.disobedient
    visit = outlet.visit
    session = _session(outlet, visit, world, station.model) if visit is not None else None
    fresh = online and metered_after_order(outlet, world.now, world.options.settle_s, world.options.sample_stale_s)
    low, high = _range(outlet, world, online=online, fresh=fresh)
    excess = _excess(outlet, world, fresh=fresh) if session is not None else 0.0
    controllable = online and obeys and visit is not None and visit.transaction_id != "" and _looked_up(visit, world)
    reserved = 0.0
    if session is not None and not controllable:
        reserved = _reserved(outlet, world, high, online=online)
    elif session is None and not online and not world.meter_fresh:  # nobody would see that somebody plugged in
        reserved = min(world.settings.safe_charge_kw, outlet.record.charge_kw)
    power, why, to_grid = 0.0, "", True
    if session is not None:
        verdict = discharge_gate(
            world.lacks, station, outlet.record, session, world.register, meter_fresh=world.meter_fresh,
        )  # fmt: skip
        power, why, to_grid = verdict.discharge_kw, verdict.why_not, verdict.to_grid
    return EvseState(
        key=outlet.key, record=outlet.record, online=online, session=session,
        measured_kw=outlet.meter.power_kw if outlet.meter.power_at is not None else 0.0,
        fresh=fresh, low_kw=low, high_kw=high, excess_kw=excess, ordered_kw=outlet.ordered_kw, reserved_kw=reserved,
        controllable=controllable, phases=phase_use(outlet.record, outlet.meter.shares),
        may_discharge_kw=power, why_not_discharging=why, to_grid=to_grid, measured_at=outlet.meter.power_at,
        measured_old=not _recent(outlet, world),
    )  # fmt: skip


def _recent(outlet: Outlet, world: World) -> bool:
    """Whether there is a metered power that is not too old to decide by."""
    at = outlet.meter.power_at
    return at is not None and world.now - at <= timedelta(seconds=world.options.sample_stale_s)


def _looked_up(visit: Visit, world: World) -> bool:
    """Whether the driver's need was sought, or the store has taken too long to say it."""
    return visit.looked_up or not timedelta(0) <= world.now - visit.since < timedelta(seconds=_LOOK_UP_S)


def _range(outlet: Outlet, world: World, *, online: bool, fresh: bool) -> tuple[float, float]:
    """Between which powers the EVSE may be now [kW].

    A station out of reach follows its last order while that lives, then its safe profile.
    """
    if outlet.visit is None:
        return 0.0, 0.0
    measured = outlet.meter.power_kw
    if fresh:
        return measured, measured
    ends = [0.0]
    if online or _alive(outlet, world):
        ends.append(outlet.ordered_kw)
        settle = timedelta(seconds=world.options.settle_s)
        if outlet.pending or outlet.ordered_at is None or world.now - outlet.ordered_at < 3 * settle:
            ends.append(outlet.before_kw)
    else:
        ends.append(min(world.settings.safe_charge_kw, outlet.record.charge_kw))
    if _recent(outlet, world):
        ends.append(measured)
    if outlet.uncertain and online:
        ends.append(outlet.record.charge_kw)
    return min(ends), max(ends)


def _alive(outlet: Outlet, world: World) -> bool:
    """Whether the last order may still be in force at the station."""
    life = timedelta(seconds=world.options.order_valid_s)
    return outlet.ordered_at is not None and world.now - outlet.ordered_at < life


def _excess(outlet: Outlet, world: World, *, fresh: bool) -> float:
    """Power beyond what the orders allow, as metered [kW]: positive takes too much, negative gives too much."""
    measured = outlet.meter.power_kw
    if outlet.ordered_at is None or not _recent(outlet, world):
        return 0.0
    told = [0.0, outlet.ordered_kw] if fresh else [0.0, outlet.ordered_kw, outlet.before_kw]
    return measured - min(max(measured, min(told)), max(told))


def _reserved(outlet: Outlet, world: World, high: float, *, online: bool) -> float:
    """What an EVSE that takes no orders may draw [kW]: all that its range explains, its safe profile at least.

    One with a connection but no transaction draws nothing by itself.
    """
    if online and outlet.visit is not None and outlet.visit.transaction_id == "":
        return 0.0
    return max(high, min(world.settings.safe_charge_kw, outlet.record.charge_kw), outlet.meter.power_kw)


def _session(outlet: Outlet, visit: Visit, world: World, model: str) -> SessionState:
    assumed, asks = world.settings.vehicle, visit.asks
    need = need_of(outlet, visit, world.needs)
    known = world.learned.capacity.get(visit.id_token, CapacityRecord())
    local = date.fromordinal(world.day)
    kind = kind_of(world.settings.batteries, visit.id_token, outlet.key.station_id)
    health = kind.records.get(visit.id_token) if kind.records else None
    capacity = capacity_estimate(asks.capacity_kwh if asks else None, known, assumed, health)
    full, minimum = _powers(outlet, visit, world, assumed.shares(local.month, kind.celsius_by_month))
    soc = soc_estimate(visit, need, capacity, world.stored, full.eta_c, assumed.soc_at_arrival)
    energy, reported = soc.value * capacity.value, visit.soc_ref is not None
    ceiling = _ceiling_kwh(visit, energy, capacity.value, world.stored)
    declared = _declared(need, visit)
    _fix_departure(visit, need, declared, world)
    until = None if need is not None and need.charge_now else visit.until
    wear, basis = _SITE_WEAR if kind is NOTHING else kind.wear_now(visit.id_token, local.month, soc.value)
    return SessionState(
        session_id=visit.number, transaction_id=visit.transaction_id, id_token=visit.id_token, since=visit.since,
        need=need, soc=soc, capacity_kwh=capacity, energy_kwh=energy, energy_low_kwh=soc.low * capacity.value,
        floor_kwh=min(ceiling, (need.floor_soc if need is not None else 0.0) * capacity.value),
        ceiling_kwh=ceiling,
        asked_kwh=_asked_kwh(visit, need, capacity.value, ceiling, energy - world.stored.since(visit), full.eta_c),
        target_known=reported or visit.full,
        until=until, declared=declared,
        charge_kw=full.charge_kw, discharge_kw=full.discharge_kw, minimum_kw=min(minimum, full.charge_kw),
        minimum_out_kw=asks.min_discharge_kw or 0.0 if asks is not None else 0.0,
        eta_c=full.eta_c, eta_d=full.eta_d, full=visit.full,
        keep=visit.asleep or pair_of(visit, model) in world.learned.asleep or _listed(visit, model, world),
        delivered_kwh=visit.delivered_kwh, returned_kwh=visit.returned_kwh,
        returned_today_kwh=visit.returned_in_day(world.day),
        returned_year_kwh=visit.returned_in_year(local.year), counted=visit.before is not None, battery=kind,
        wear_per_kwh=wear, wear_basis=basis, soc_at=outlet.meter.soc_at,
    )  # fmt: skip


def _powers(outlet: Outlet, visit: Visit, world: World, shares: tuple[float, float]) -> tuple[FullPower, float]:
    """What charger, vehicle and the temperature of its cells allow, and the smallest charging power [kW].

    A charger cannot offer less than its smallest power, however cold the battery is; the vehicle takes what it will.
    """
    record, asks = outlet.record, visit.asks
    used = _phases_used(outlet)
    minimum = max(record.min_charge_kw * used / record.phases, _asked(asks))
    charge = min(record.charge_kw, asks.charge_kw if asks and asks.charge_kw is not None else math.inf)
    if outlet.meter.shares is not None:  # a vehicle on one phase takes what one phase carries
        charge = min(charge, record.charge_kw * used / record.phases)
    out = asks.discharge_kw if asks is not None and asks.discharge_kw is not None else record.discharge_kw
    charge = max(min(charge, minimum), charge * shares[0], 0.0)
    return world.stored.full_power(charge, out * shares[1]), minimum


def _listed(visit: Visit, model: str, world: World) -> bool:
    """Whether the register says that this pair does not resume after a pause."""
    ability = world.register.ability(visit.id_token, model) if visit.id_token else None
    return ability is not None and ability.resumes is False


def _asked(asks: object) -> float:
    least = getattr(asks, "min_charge_kw", None)
    return float(least) if least is not None else 0.0


def _phases_used(outlet: Outlet) -> int:
    """Phases in use as measured, else those the EVSE is wired to."""
    shares = outlet.meter.shares
    if shares is None:
        return outlet.record.phases
    return max(1, min(outlet.record.phases, sum(share > 0.15 for share in shares)))


def _declared(need: DriverNeed | None, visit: Visit) -> datetime | None:
    if need is not None and need.ready_by > visit.since:
        return need.ready_by
    return visit.asks.departure if visit.asks is not None else None


def _fix_departure(visit: Visit, need: DriverNeed | None, declared: datetime | None, world: World) -> None:
    """The cautious departure is fixed when the declaration is made, and again when it changes."""
    marker = (need.need_id if need is not None else "", declared)
    if visit.wish == marker:
        return
    visit.wish, visit.declared = marker, declared
    visit.until = None
    if declared is not None:
        visit.until = world.learned.cautious(visit, declared, world.options.departure_confidence)


def _asked_kwh(visit: Visit, need: DriverNeed | None, capacity: float, ceiling: float, first: float,
               eta_c: float) -> float:  # fmt: skip
    """Stored energy that was asked for [kWh]; what is owed follows by ``policy.standing_need``.

    ``first`` is what was stored at plug-in [kWh].
    """
    if visit.full:
        return ceiling
    if need is not None and need.soc is not None:
        return need.soc * capacity
    if need is not None and need.energy_kwh is not None:
        return first + need.energy_kwh * eta_c
    if visit.asks is not None and visit.asks.energy_target_kwh is not None:
        return first + visit.asks.energy_target_kwh
    return ceiling


def _ceiling_kwh(visit: Visit, energy: float, capacity: float, stored: StoredEnergy) -> float:
    """Stored energy at which charging ends: what a full vehicle held, what it asked for at most, or its capacity."""
    if visit.full_at is not None and visit.full:
        return energy + max(0.0, -stored.since(visit, visit.full_at))
    ceiling, asks = max(capacity, energy), visit.asks
    if visit.soc_ref is None:  # an estimate must not stop a vehicle that still takes energy
        ceiling = max(ceiling, energy + _ROOM_KWH)
    if asks is not None and asks.energy_max_kwh is not None and visit.soc_first is not None:
        ceiling = max(energy, min(ceiling, visit.soc_first[0] * capacity + asks.energy_max_kwh))
    return ceiling
