"""What people see of an island: time left per tier, what is on, what to do by hand next, what each vehicle can give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bothways.operations.events import EvseKey
from bothways.operations.island.alone import LeftAlone
from bothways.operations.island.gather import Statement, holder_of
from bothways.operations.island.service import IslandService
from bothways.operations.site.state import EvseState
from bothways.resilience.island import rehearsal
from bothways.resilience.island.checklist import Task, island_tasks, next_tasks, return_tasks
from bothways.resilience.island.commands import Action, instruction
from bothways.resilience.island.interlock import seen_closed, stored_kwh
from bothways.resilience.island.offer import RestartOffer, restart_offer
from bothways.resilience.island.power import abilities, load_kw
from bothways.resilience.island.rationing import lasting_h
from bothways.resilience.island.signals import Inputs, Mode, Position, judge
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState, Phase

HORIZON_H = 96.0
"""Farther ahead no time left is told."""

_EVENTS = 30


@dataclass(frozen=True, slots=True)
class TierView:
    """One tier.

    Attributes:
        tier: 1 … 4.
        on: ``on``, ``off``, ``partly`` or ``unknown``.
        load_kw: its load now, or expected where it is off [kW].
        lasts_h: how long the energy above all reserves carries it and every more important tier [h]; ``None`` for
            longer than :data:`HORIZON_H`.
        target_h: how long it shall last [h].
    """

    tier: int
    on: str
    load_kw: float
    lasts_h: float | None
    target_h: float


@dataclass(frozen=True, slots=True)
class SectionView:
    """One section of load; ``stated`` says that its position is only what a person said."""

    section_id: str
    tier: int
    position: str
    load_kw: float
    serves: str
    by_hand: str
    automated: bool
    aside: bool
    tripped: bool
    stated: bool


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source: what it does and gives, whether it was cut off by wire, and what it does without orders."""

    source_id: str
    kind: str
    mode: str
    output_kw: float
    available: bool
    cut_off: bool
    energy_kwh: float | None
    forming: bool
    alone: str


@dataclass(frozen=True, slots=True)
class GivingView:
    """One vehicle: what it still gives above what its driver keeps [kWh]; ``holder`` where the viewer may know it."""

    place: str
    source_id: str
    holder: str
    can_give_kwh: float
    keeps_kwh: float
    stored_kwh: float | None
    reserve_km: float | None
    opted_out: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """One thing to do by hand: how, whether it is done, and why it must wait."""

    device: str
    action: str
    text: str
    done: bool
    wait: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A condition that holds: what is the case, and what to do."""

    code: str
    severity: str
    text: str
    remedy: str
    device: str


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of what happened."""

    at: datetime
    who: str
    text: str
    remedy: str
    severity: str


@dataclass(frozen=True, slots=True)
class IslandView:
    """A site as an island, now. Powers in kW, output positive toward the building; energies in kWh, times in h.

    Attributes:
        at: instant of the view.
        age_s: age of the readings behind it [s]; ``None`` before the first.
        failure: why devices cannot be read or reached; empty where they can.
        phase: where the building stands.
        drill: a drill is under way: nothing of it acts.
        confirm: the controller waits for a person's confirmation.
        outage_h: time since the contactor was to be opened [h].
        energy_kwh: energy above all reserves and floors [kWh, AC side].
        stay_on: sections that stay on when the server is lost; ``None`` where all stay as they are.
    """

    site_id: str
    tz: str
    at: datetime
    age_s: float | None
    failure: str
    phase: str
    fault: str
    drill: bool
    manual: bool
    stopped: bool
    confirm: bool
    permitted: bool
    grid: str
    main: str
    outage_h: float
    energy_kwh: float
    pv_kw: float
    tiers: tuple[TierView, ...]
    sections: tuple[SectionView, ...]
    sources: tuple[SourceView, ...]
    vehicles: tuple[GivingView, ...]
    tasks: tuple[TaskView, ...]
    notices: tuple[NoticeView, ...]
    happened: tuple[LineView, ...]
    offer_permitted: bool
    offer: RestartOffer | None
    stay_on: tuple[str, ...] | None


def island_view(
    service: IslandService, tz: str, now: datetime, by_people: frozenset[str], *, holders: bool
) -> IslandView:
    """The view for one person.

    Args:
        service: the controller.
        tz: the site's zone.
        now: the instant.
        by_people: sections whose position people state.
        holders: whether the viewer may know whose vehicle it is.
    """
    site, state, inputs = service.building, service.state, service.inputs
    read_at = service.stepped_at
    seen = inputs if inputs is None or state.rehearsal is None else rehearsal.picture(state.rehearsal, inputs)
    tiers, energy = ((), 0.0) if seen is None else _tiers(seen, state, site)
    return IslandView(
        site_id=site.site_id, tz=tz, at=now,
        age_s=None if read_at is None else max(0.0, (now - read_at).total_seconds()),
        failure=service.failure, phase=state.phase.value,
        fault=state.fault.value if state.phase is Phase.FAULT else "",
        drill=state.rehearsal is not None, manual=state.manual, stopped=state.latch.estop,
        confirm=_awaited(service),
        permitted=site.islanding_permitted,
        grid="unknown" if inputs is None else "lost" if inputs.loss_of_mains
        else judge(inputs.grid, site.windows).value,
        main=Position.UNKNOWN.value if seen is None else seen.main.value,
        outage_h=state.outage_s / 3600.0, energy_kwh=energy, pv_kw=0.0 if seen is None else seen.pv_kw,
        tiers=tiers,
        sections=() if seen is None else _sections(seen, state, site, by_people),
        sources=() if seen is None else _sources(seen, state, site, service.alone),
        vehicles=() if seen is None else _vehicles(service, seen, holders=holders),
        tasks=() if seen is None else _tasks(service, seen, by_people),
        notices=tuple(
            NoticeView(m.code, m.severity.value, m.text, m.remedy, m.device) for m in service.journal.conditions
        ),
        happened=tuple(
            LineView(e.at, e.who, e.text, e.remedy, e.severity.value) for e in list(service.journal.events)[-_EVENTS:]
        )[::-1],
        offer_permitted=state.offer,
        offer=None if inputs is None else restart_offer(state, inputs, site),
        stay_on=_staying(service.alone, site),
    )  # fmt: skip


def _awaited(service: IslandService) -> bool:
    """Whether anything waits to be confirmed: a question, a fault, a tripped section, an order that nobody obeyed."""
    state = service.state
    asked = any(message.severity.value == "ask" for message in service.journal.conditions)
    fewer = state.cap < len(state.on) or any(state.faulty)
    return asked or fewer or state.phase is Phase.FAULT or any(t is not None and t.given_up for t in state.tracks)


def _tiers(inputs: Inputs, state: IslandState, site: IslandSite) -> tuple[tuple[TierView, ...], float]:
    """Time left per tier: with everything that is more important, and nothing that is less."""
    able = abilities(inputs, state.latch, state.failed, state.former, site)
    energy = sum(ability.spare_kwh for ability in able if ability.limit_kw > 0.0)
    fed = state.phase in {Phase.ISLAND, Phase.RESYNCHRONISE}  # elsewhere a section's load says nothing of an outage
    out, load = [], 0.0
    for tier in sorted({section.tier for section in site.sections}):
        members = [k for k, section in enumerate(site.sections) if section.tier == tier]
        closed = [seen_closed(k, inputs) for k in members]
        kws = [
            sum(load_kw(k, inputs, site)) if on and fed else site.sections[k].kw
            for k, on in zip(members, closed, strict=True)
        ]
        load += sum(kws)
        lasts = lasting_h(energy, inputs.pv_ahead_kwh, [(load, HORIZON_H)], 1.0)
        out.append(
            TierView(
                tier, _together([_position(k, inputs) for k in members]), sum(kws),
                None if math.isinf(lasts) else lasts, max(site.sections[k].target_h for k in members),
            )
        )  # fmt: skip
    return tuple(out), energy


def _position(k: int, inputs: Inputs) -> Position:
    """Where a breaker is, as the controller takes it: a load that flows shows that it is closed."""
    return Position.CLOSED if seen_closed(k, inputs) else inputs.sections[k].position


def _together(positions: list[Position]) -> str:
    """``on``, ``off``, ``partly``; ``unknown`` where none is known to be on, and not all to be off."""
    closed = [position is Position.CLOSED for position in positions]
    if any(closed):
        return "on" if all(closed) else "partly"
    return "off" if all(position is Position.OPEN for position in positions) else "unknown"


def _sections(
    inputs: Inputs, state: IslandState, site: IslandSite, by_people: frozenset[str]
) -> tuple[SectionView, ...]:
    return tuple(
        SectionView(
            section.section_id, section.tier, _position(k, inputs).value, sum(load_kw(k, inputs, site)),
            section.serves, section.by_hand, section.automated, state.latch.aside[k], state.faulty[k],
            section.section_id in by_people,
        )
        for k, section in enumerate(site.sections)
    )  # fmt: skip


def _staying(alone: LeftAlone, site: IslandSite) -> tuple[str, ...] | None:
    """Sections that the switchgear keeps on without orders; it drops the others only where it watches."""
    if alone.keep is None or not alone.watched:
        return None
    return tuple(section.section_id for section in site.sections if section.section_id in alone.keep)


def _sources(inputs: Inputs, state: IslandState, site: IslandSite, alone: LeftAlone) -> tuple[SourceView, ...]:
    texts = {mode.source_id: mode.text for mode in alone.modes}
    return tuple(
        SourceView(
            source.source_id, source.kind.value, reading.mode.value, reading.output_kw, reading.available,
            state.latch.tripped[k], stored_kwh(k, inputs, site)[0], reading.mode is Mode.FORMING,
            texts.get(source.source_id, ""),
        )
        for k, (source, reading) in enumerate(zip(site.sources, inputs.sources, strict=True))
    )  # fmt: skip


def _vehicles(service: IslandService, inputs: Inputs, *, holders: bool) -> tuple[GivingView, ...]:
    site, evses = service.building, service.evses()
    out = []
    for source, reading in zip(site.sources, inputs.sources, strict=True):
        vehicle, key = reading.vehicle, service.settings.chargers.get(source.source_id)
        if source.kind is not SourceKind.V2X or vehicle is None or key is None:
            continue
        keeps = max(vehicle.reserve_kwh, source.floor_kwh)
        known = vehicle.energy_kwh is not None and not vehicle.opted_out and reading.available
        spare = max(0.0, (vehicle.energy_kwh or 0.0) - keeps) * source.efficiency if known else 0.0
        name = _holder(key, evses)
        said = service.drivers.stated.get(name, Statement())
        out.append(
            GivingView(
                vehicle.vehicle_id, source.source_id, name if holders else "", spare, keeps, vehicle.energy_kwh,
                said.reserve_km, vehicle.opted_out, _why_not(vehicle.opted_out, vehicle.energy_kwh, available=known),
            )
        )  # fmt: skip
    return tuple(out)


def _holder(key: EvseKey, evses: Mapping[EvseKey, EvseState]) -> str:
    state = evses.get(key)
    return holder_of(key, None if state is None else state.session)


def _why_not(opted_out: bool, energy_kwh: float | None, *, available: bool) -> str:
    if opted_out:
        return "the driver keeps everything"
    if energy_kwh is None:
        return "its energy is not known"
    return "" if available else "it is not able to give here now"


def _tasks(service: IslandService, inputs: Inputs, by_people: frozenset[str]) -> tuple[TaskView, ...]:
    """What to switch by hand next: devices without automation and those that did not obey.

    Everything, where a person has taken over or the devices cannot be reached.
    """
    site, state = service.building, service.state
    going_back = state.phase is Phase.RESYNCHRONISE
    listed = return_tasks(site) if going_back else island_tasks(site, state.former)
    latch = state.latch if state.rehearsal is None else state.rehearsal.latch
    listed = next_tasks(listed, latch, inputs, site)
    if not (state.manual or service.failure):
        wanted = {(name, command.action) for name, command in service.journal.tasks.items()}
        wanted |= {
            (site.devices[k], track.action)
            for k, track in enumerate(state.tracks)
            if track is not None and track.given_up
        }
        found = {(task.device, task.action): replace(task, done=False) for task in listed}
        listed = tuple(found.get(key) or _alone(*key, site) for key in sorted(wanted))
    elif state.phase is Phase.GRID_CONNECTED and not service.failure:
        return ()
    return tuple(
        TaskView(t.device, t.action.value, t.text, bool(t.done), t.wait, t.device in by_people) for t in listed
    )


def _alone(device: str, action: Action, site: IslandSite) -> Task:
    return Task(device, action, instruction(device, action, site), done=False)
