"""What people see: plain frozen records made from the live image. ``None`` stands for *not known*, never for zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.operations.ports import TransactionRow
from bothways.operations.site.alarms import KINDS, Alarm
from bothways.operations.site.state import Estimate, EvseState
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import DriverNeed, StationRecord


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with the range in which it lies, and where it comes from."""

    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm for a person: what, whom it concerns, since when, what to do."""

    kind: str
    severity: str
    subject: str
    since: datetime
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """A vehicle that is plugged in. ``holder`` is shown only to who may see sessions.

    ``soc_at`` is when the vehicle reported its state of charge, ``null`` where it did not: ``soc`` holds for now, from
    that report or from the energy moved. A price of wear of ``null`` is that of the site.
    """

    transaction_id: str
    since: datetime
    holder: str | None
    soc: Range
    soc_at: datetime | None
    stored_kwh: float
    needed_kwh: float
    ready_by: datetime | None
    charged_kwh: float
    discharged_kwh: float
    capacity_kwh: float
    capacity_from: str
    wear_per_kwh: float | None
    wear_from: str


@dataclass(frozen=True, slots=True)
class EvseView:
    """An EVSE: what it does and why. Powers in kW, positive charges.

    ``measured_at`` is when the power was measured, ``null`` where it never was or nobody is plugged in;
    ``measured_old`` tells that it is too old to decide by, ``measured_fresh`` that it already shows what the latest
    order led to.
    """

    station_id: str
    evse_id: int
    online: bool
    charge_kw: float
    discharge_kw: float
    measured_kw: float | None
    measured_at: datetime | None
    measured_old: bool
    measured_fresh: bool
    ordered_kw: float | None
    doing: str
    why_not_discharging: str
    session: SessionView | None


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of today's plan: all vehicles together, and the import that is aimed at [kW]."""

    start: datetime
    vehicles_kw: float
    target_kw: float | None


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site on the page of all sites: only what calls for attention."""

    site_id: str
    tz: str
    at: datetime | None
    import_kw: float | None
    import_limit_kw: float | None
    vehicles_kw: float
    connected: int
    stations_offline: int
    stopped: bool
    alarms: tuple[AlarmView, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site now. Powers in kW, import positive.

    ``meter_age_s`` is how old the site's reading is; where ``meter_fresh`` is false, ``building_kw`` is assumed and not
    measured. ``plan_made_at`` is when the plan was made, ``null`` without one.
    """

    site_id: str
    tz: str
    at: datetime | None
    import_kw: float | None
    building_kw: float | None
    pv_kw: float | None
    vehicles_kw: float
    phase_kw: tuple[float, ...]
    meter_age_s: float | None
    meter_fresh: bool
    import_limit_kw: float | None
    phase_limit_kw: float | None
    export_limit_kw: float
    headroom_kw: float | None
    stopped: bool
    stop_reason: str
    following_plan: bool
    imported_kwh: float
    exported_kwh: float
    charged_kwh: float
    discharged_kwh: float
    energy_cost: float
    evses: tuple[EvseView, ...]
    alarms: tuple[AlarmView, ...]
    plan: tuple[PlanStep, ...]
    plan_made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SitePower:
    """A site as the grid sees it [kW], import positive: nothing that tells who is there."""

    site_id: str
    at: datetime | None
    import_kw: float | None
    import_limit_kw: float | None
    export_limit_kw: float
    meter_age_s: float | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class StationView:
    """A charging station: what is recorded of it, and whether it is there."""

    station_id: str
    site_id: str
    online: bool
    accepted_at: datetime | None
    security_profile: int
    model: str
    discharge: str
    evses: int


@dataclass(frozen=True, slots=True)
class NeedView:
    """What a driver asked for, as it is in force."""

    holder: str
    ready_by: datetime
    stated_at: datetime
    energy_kwh: float | None
    soc: float | None
    floor_soc: float
    discharge_consent: bool
    discharge_cap_kwh: float | None
    charge_now: bool


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction as stored. ``holder`` is shown only to who may see sessions."""

    station_id: str
    evse_id: int
    transaction_id: str
    holder: str | None
    started_at: datetime | None
    ended_at: datetime | None
    charged_kwh: float
    discharged_kwh: float
    missing: tuple[int, ...]


def finite(value: float) -> float | None:
    """The value, or ``None`` where it is not known (NaN) or there is no limit (inf)."""
    return round(value, 6) + 0.0 if math.isfinite(value) else None


def alarm_view(alarm: Alarm) -> AlarmView:
    """An alarm with its severity and remedy."""
    kind = KINDS[alarm.kind]
    return AlarmView(alarm.kind, kind.severity, alarm.subject, alarm.since, alarm.text, kind.remedy)


def site_line(site_id: str, tz: str, snapshot: Snapshot) -> SiteLine:
    """The site's line among all sites."""
    image, summary = snapshot.image, snapshot.summary
    evses = () if image is None else image.evses
    offline = {item.key.station_id for item in evses if not item.online}
    return SiteLine(
        site_id=site_id,
        tz=tz,
        at=None if image is None else image.now,
        import_kw=None if image is None or not image.meter_fresh else finite(image.site_kw),
        import_limit_kw=None if image is None else finite(image.limits.import_hard_kw),
        vehicles_kw=0.0 if summary is None else round(summary.vehicles_kw, 3),
        connected=0 if summary is None else summary.connected,
        stations_offline=len(offline),
        stopped=_stopped(snapshot),
        alarms=tuple(alarm_view(item) for item in snapshot.alarms),
    )


def site_power(site_id: str, snapshot: Snapshot) -> SitePower:
    """The site as the grid sees it."""
    image = snapshot.image
    return SitePower(
        site_id=site_id,
        at=None if image is None else image.now,
        import_kw=None if image is None or not image.meter_fresh else finite(image.site_kw),
        import_limit_kw=None if image is None else finite(image.limits.import_hard_kw),
        export_limit_kw=0.0 if image is None else finite(image.limits.export_kw) or 0.0,
        meter_age_s=None if image is None else finite(image.meter_age_s),
        stopped=_stopped(snapshot),
    )


def site_view(site_id: str, tz: str, snapshot: Snapshot, pv_kw: float | None, *, holders: bool) -> SiteView:
    """A site now; ``holders`` tells whether tokens may be shown."""
    image, summary, totals = snapshot.image, snapshot.summary, snapshot.totals
    if image is None or summary is None:
        return _unknown_site(site_id, tz, snapshot)
    limit = finite(image.limits.import_hard_kw)
    net = finite(image.site_kw) if image.meter_fresh else None
    return SiteView(
        site_id=site_id,
        tz=tz,
        at=image.now,
        import_kw=net,
        building_kw=finite(summary.building_kw),
        pv_kw=pv_kw if image.meter_fresh else None,
        vehicles_kw=round(summary.vehicles_kw, 3),
        phase_kw=tuple(round(value, 3) for value in image.phase_kw) if image.meter_fresh else (),
        meter_age_s=finite(image.meter_age_s),
        meter_fresh=image.meter_fresh,
        import_limit_kw=limit,
        phase_limit_kw=finite(image.limits.phase_kw),
        export_limit_kw=finite(image.limits.export_kw) or 0.0,
        headroom_kw=None if limit is None or net is None else round(limit - net, 3),
        stopped=_stopped(snapshot),
        stop_reason=snapshot.incident.reason if snapshot.incident is not None and _stopped(snapshot) else "",
        following_plan=summary.following_plan,
        imported_kwh=round(totals.import_kwh, 3),
        exported_kwh=round(totals.export_kwh, 3),
        charged_kwh=round(totals.charged_kwh, 3),
        discharged_kwh=round(totals.discharged_kwh, 3),
        energy_cost=round(totals.cost, 4),
        evses=tuple(evse_view(item, snapshot, holders=holders) for item in image.evses),
        alarms=tuple(alarm_view(item) for item in snapshot.alarms),
        plan=plan_steps(snapshot),
        plan_made_at=None if snapshot.plan is None else snapshot.plan.made_at,
    )


def _stopped(snapshot: Snapshot) -> bool:
    """Whether an emergency stop is latched, also between two ticks."""
    return snapshot.incident is not None and snapshot.incident.latched


def _unknown_site(site_id: str, tz: str, snapshot: Snapshot) -> SiteView:
    return SiteView(
        site_id=site_id, tz=tz, at=None, import_kw=None, building_kw=None, pv_kw=None, vehicles_kw=0.0, phase_kw=(),
        meter_age_s=None, meter_fresh=False, import_limit_kw=None, phase_limit_kw=None, export_limit_kw=0.0,
        headroom_kw=None, stopped=False, stop_reason="", following_plan=False, imported_kwh=0.0, exported_kwh=0.0,
        charged_kwh=0.0, discharged_kwh=0.0, energy_cost=0.0, evses=(),
        alarms=tuple(alarm_view(item) for item in snapshot.alarms), plan=(),
    )  # fmt: skip


def evse_view(state: EvseState, snapshot: Snapshot, *, holders: bool) -> EvseView:
    """An EVSE now."""
    row = snapshot.rows.get(state.key)
    session = state.session
    return EvseView(
        station_id=state.key.station_id,
        evse_id=state.key.evse_id,
        online=state.online,
        charge_kw=state.record.charge_kw,
        discharge_kw=state.record.discharge_kw,
        measured_kw=0.0 if session is None else None if state.measured_at is None else finite(state.measured_kw),
        measured_at=None if session is None else state.measured_at,
        measured_old=session is not None and state.measured_at is not None and state.measured_old,
        measured_fresh=state.fresh or session is None,
        ordered_kw=None if row is None else finite(row.power_kw),
        doing=snapshot.sentences.get(state.key, ""),
        why_not_discharging=state.why_not_discharging,
        session=None
        if session is None
        else SessionView(
            transaction_id=session.transaction_id,
            since=session.since,
            holder=session.id_token if holders else None,
            soc=_range(session.soc),
            soc_at=session.soc_at,
            stored_kwh=round(session.energy_kwh, 3),
            needed_kwh=round(session.asked_kwh, 3),
            ready_by=session.until,
            charged_kwh=round(session.delivered_kwh, 3),
            discharged_kwh=round(session.returned_kwh, 3),
            capacity_kwh=round(session.capacity_kwh.value, 3),
            capacity_from=session.capacity_kwh.source,
            wear_per_kwh=None if session.wear_per_kwh is None else round(session.wear_per_kwh, 5),
            wear_from=session.wear_basis,
        ),
    )


def _range(estimate: Estimate) -> Range:
    return Range(round(estimate.value, 4), round(estimate.low, 4), round(estimate.high, 4), estimate.source)


def plan_steps(snapshot: Snapshot) -> tuple[PlanStep, ...]:
    """The plan in force, all vehicles together; empty without one."""
    active = snapshot.plan
    if active is None:
        return ()
    power = active.plan.power_kw.sum(axis=0)
    return tuple(
        PlanStep(
            active.start + step * timedelta(seconds=active.step_s),
            round(float(power[step]), 3),
            finite(float(active.plan.target_kw[step])),
        )
        for step in range(len(power))
    )


def station_view(record: StationRecord, connected: frozenset[str]) -> StationView:
    """A station as people see it."""
    return StationView(
        station_id=record.station_id,
        site_id=record.site_id,
        online=record.station_id in connected,
        accepted_at=record.accepted_at,
        security_profile=record.security_profile,
        model=record.model,
        discharge=record.discharge,
        evses=len(record.evses),
    )


def need_view(need: DriverNeed) -> NeedView:
    """A need as people see it."""
    return NeedView(
        holder=need.holder,
        ready_by=need.ready_by,
        stated_at=need.stated_at,
        energy_kwh=need.energy_kwh,
        soc=need.soc,
        floor_soc=need.floor_soc,
        discharge_consent=need.discharge_consent,
        discharge_cap_kwh=finite(need.discharge_cap_kwh),
        charge_now=need.charge_now,
    )


def transaction_view(row: TransactionRow, *, holders: bool) -> TransactionView:
    """A stored transaction as people see it."""
    return TransactionView(
        station_id=row.station_id,
        evse_id=row.evse_id,
        transaction_id=row.transaction_id,
        holder=row.id_token if holders else None,
        started_at=row.started_at,
        ended_at=row.ended_at,
        charged_kwh=round(row.energy_import_kwh, 4),
        discharged_kwh=round(row.energy_export_kwh, 4),
        missing=row.missing,
    )
