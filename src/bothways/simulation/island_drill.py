"""A drill played at the simulated building: outage, fault cards, the real controller, a record to be scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bothways.resilience.island.commands import Action, Command, Message, Severity
from bothways.resilience.island.machine import step
from bothways.resilience.island.score import DrillRecord, Sample
from bothways.resilience.island.signals import Mode, Request, RequestKind
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState, Phase, from_mapping, initial_state, to_mapping
from bothways.simulation.island import Plant, Surroundings, advance, read

SECOND_OUTAGE_S = 600.0
METER_LOST_S = 900.0
RESTART_S = 20.0


@dataclass(frozen=True)
class DrillSetup:
    """What is played.

    Attributes:
        site: the building.
        plant: its state at the beginning, on the grid.
        around: PV, sky and loads.
        outage_at_s: when the grid fails, after the beginning [s].
        outage_h: how long it stays away [h].
        after_s: how long the record goes on after the grid has come back [s].
        card_s: when the fault cards are played, after the outage [s]; several follow at the same distance.
        cards: names of fault cards, of :data:`CARDS`.
    """

    site: IslandSite
    plant: Plant
    around: Surroundings
    outage_at_s: float = 60.0
    outage_h: float = 6.0
    after_s: float = 900.0
    card_s: float = 1800.0
    cards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline: when [s after the beginning], who (grid, card, controller, message), and what."""

    t_s: float
    who: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Played:
    """A drill that has been played: the record to score, the timeline, the end."""

    record: DrillRecord
    timeline: tuple[Event, ...]
    phase: Phase
    plant: Plant


@dataclass
class _Table:
    """What the cards may change while the drill is played; lives no longer than the drill."""

    plant: Plant
    around: Surroundings
    state: IslandState
    outages: list[tuple[float, float]]
    silent_until_s: float = -1.0
    meter_until_s: float = -1.0
    second_outage: bool = False


def _charger_dies(table: _Table, site: IslandSite) -> str:
    """The charger with the fullest vehicle fails."""
    chosen = _fullest(table, site, 1)
    for k in chosen:
        table.plant = _unit(table.plant, k, alive=False)
    return f"{', '.join(site.sources[k].source_id for k in chosen) or 'no charger'} dies"


def _cars_leave(table: _Table, site: IslandSite) -> str:
    """The two fullest vehicles drive away."""
    chosen = _fullest(table, site, 2)
    names = [site.sources[k].source_id for k in chosen]
    for k in chosen:
        table.plant = _unit(table.plant, k, car=None, mode=Mode.OFF, set_kw=0.0)
    return f"vehicles leave {' and '.join(names) or 'nowhere: none is there'}"


def _fullest(table: _Table, site: IslandSite, number: int) -> list[int]:
    spare = {
        k: unit.car.energy_kwh - unit.car.reserve_kwh
        for k, unit in enumerate(table.plant.units)
        if unit.car is not None and unit.alive and site.sources[k].kind is SourceKind.V2X
    }
    return sorted(spare, key=lambda k: -spare[k])[:number]


def _unit(plant: Plant, k: int, **changes: object) -> Plant:
    units = list(plant.units)
    units[k] = replace(units[k], **changes)  # type: ignore[arg-type]
    return replace(plant, units=tuple(units))


def _smoke(table: _Table, site: IslandSite) -> str:
    del site
    table.around = replace(table.around, sky=0.3 * table.around.sky)
    return "smoke: PV gives 30 % of what it did"


def _restart(table: _Table, site: IslandSite) -> str:
    table.state = from_mapping(to_mapping(table.state, site), site)
    table.silent_until_s = table.plant.t_s + RESTART_S
    return f"the controller is away for {RESTART_S:.0f} s and starts again with its kept state"


def _meter(table: _Table, site: IslandSite) -> str:
    del site
    table.meter_until_s = table.plant.t_s + METER_LOST_S
    table.plant = replace(table.plant, meter_lost=True)
    return f"the meter on the street's side does not answer for {METER_LOST_S / 60:.0f} min"


def _second_outage(table: _Table, site: IslandSite) -> str:
    del site
    table.second_outage = True
    return "the grid will fail again while the building returns to it"


CARDS: Mapping[str, Callable[[_Table, IslandSite], str]] = {
    "charger-dies": _charger_dies,
    "two-cars-leave": _cars_leave,
    "smoke": _smoke,
    "restart": _restart,
    "meter-lost": _meter,
    "second-outage": _second_outage,
}


def play(setup: DrillSetup) -> Played:
    """Plays a drill in accelerated time: the controller that runs a building, at the simulated one.

    The controller is called every ``site.timing.interval_s`` seconds of simulated time; people do nothing but confirm
    what it asks them. Nothing is random: the same setup gives the same record.
    """
    site, dt = setup.site, setup.site.timing.interval_s
    begin = setup.plant.t_s
    first = begin + setup.outage_at_s
    table = _Table(
        plant=setup.plant,
        around=setup.around,
        state=initial_state(site),
        outages=[(first, first + setup.outage_h * 3600.0)],
    )
    hand = [(first + (k + 1) * setup.card_s, name) for k, name in enumerate(setup.cards)]
    timeline: list[Event] = []
    samples: list[Sample] = []
    held = cut = 0
    ask = False
    end = table.outages[-1][1] + setup.after_s
    while table.plant.t_s < end:
        t_s = table.plant.t_s
        _nature(table, begin, timeline)
        while hand and hand[0][0] <= t_s:
            timeline.append(Event(t_s - begin, "card", CARDS[hand.pop(0)[1]](table, site)))
        commands: tuple[Command, ...] = ()
        if t_s >= table.silent_until_s:
            requests = (Request(RequestKind.CONFIRM),) if ask else ()
            before = table.state.phase
            inputs = read(table.plant, table.around, site, requests)
            tripped = table.state.latch.tripped
            table.state, commands, messages = step(table.state, inputs, site)
            cut += sum(now and not was for now, was in zip(table.state.latch.tripped, tripped, strict=True))
            held += sum(message.code == "held back" for message in messages)
            ask = any(message.severity is Severity.ASK for message in messages)
            timeline += _told(t_s - begin, before, table.state.phase, commands, messages)
            if table.second_outage and table.state.phase is Phase.RESYNCHRONISE:
                table.second_outage = False
                table.outages.append((t_s + dt, t_s + dt + SECOND_OUTAGE_S))
                end = table.outages[-1][1] + setup.after_s
        table.plant = advance(table.plant, commands, table.around, dt, site)
        samples.append(_sample(t_s, table, setup))
    samples.append(replace(samples[-1], t_s=table.plant.t_s))
    starts = tuple(start for start, _ in table.outages)
    tiers = tuple(section.tier for section in site.sections)
    record = DrillRecord(starts, tiers, tuple(samples), held, cut)
    return Played(record, tuple(timeline), table.state.phase, table.plant)


def _nature(table: _Table, begin: float, timeline: list[Event]) -> None:
    """The grid goes and comes; the lost meter answers again."""
    t_s = table.plant.t_s
    grid = not any(start <= t_s < stop for start, stop in table.outages)
    if grid != table.around.grid:
        table.around = replace(table.around, grid=grid)
        timeline.append(Event(t_s - begin, "grid", "the grid is back" if grid else "the grid fails"))
    if table.plant.meter_lost and t_s >= table.meter_until_s:
        table.plant = replace(table.plant, meter_lost=False)
        timeline.append(Event(t_s - begin, "card", "the meter answers again"))


_WORDS = {Action.OPEN: "off", Action.CLOSE: "on", Action.FORM: "starts the island", Action.TRIP: "is cut off"}


def _told(
    t_s: float, before: Phase, after: Phase, commands: tuple[Command, ...], messages: tuple[Message, ...]
) -> list[Event]:
    """Lines of the timeline for one call; outputs that are only renewed are left out."""
    lines = [Event(t_s, "controller", f"{before.value} → {after.value}")] if before is not after else []
    for command in commands:
        word = _WORDS.get(command.action)
        if word is not None:
            again = f" (attempt {command.attempt})" if command.attempt > 1 else ""
            lines.append(Event(t_s, "command", f"{command.device} {word}{again}"))
    lines += [Event(t_s, message.severity.value, message.text, message.remedy) for message in messages]
    return lines


def _sample(t_s: float, table: _Table, setup: DrillSetup) -> Sample:
    plant, site = table.plant, setup.site
    return Sample(
        t_s=t_s,
        phase=table.state.phase.value,
        asked_kw=tuple(section.kw * table.around.load for section in site.sections),
        served_kw=plant.served_kw,
        spare_kwh=tuple(
            (unit.car.vehicle_id, unit.car.energy_kwh - unit.car.reserve_kwh)
            for unit in plant.units
            if unit.car is not None
        ),
        street_fed=plant.street_fed,
    )
