"""Every state that the real step function can reach from a finite set of events, and what must hold in all of them.

A model checker of its own: breadth first, one event per second, events chosen by an adversary. The installation here is
a few lines of truth about contactor, breakers and sources, and shares nothing with the simulated plant of the package.
What is abstracted: one second per step, one event per step, two sources, two sections, loads that always fit unless a
source dies, energy of the vehicle as seconds of full power above the reserve, short times of the site.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import pytest

from bothways.resilience.island import interlock, local_mode, machine, people
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.local_mode import GIVES_UP, kept_alone, local_modes, may_go_on
from bothways.resilience.island.offer import restart_offer
from bothways.resilience.island.signals import (
    GridReading,
    Inputs,
    Mode,
    Position,
    Request,
    RequestKind,
    SectionReading,
    SourceReading,
    VehicleReading,
)
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind, Timing
from bothways.resilience.island.state import IslandState, Phase, from_mapping, initial_state, to_mapping

FULL, LOW = 99, 9  # seconds of full power above the reserve: plenty, and the level to which "sinks" takes it
LIMIT_S = 2  # within which an unintentional island, or a vehicle that must stop, has stopped

SITE = IslandSite(
    "explored",
    sections=(Section("T1", 1, (1.0, 1.0, 1.0)), Section("T3", 3, (1.0, 1.0, 1.0))),
    sources=(
        Source("A", SourceKind.BATTERY, 10.0, grid_forming=True, efficiency=1.0),
        Source("B", SourceKind.V2X, 10.0, grid_forming=True, efficiency=1.0),
    ),
    islanding_permitted=True,
    keep_h=0.0,
    hold_h=0.0,
    restore_margin=0.0,
    timing=Timing(
        interval_s=1.0, loss_s=0.0, feedback_grace_s=1.0, confirm_s=1.0, attempts=2, by_hand_s=1.0, settle_s=0.0,
        restore_s=1.0, stable_s=0.0, return_s=1.0, backfeed_s=1.0, lease_s=3.0, flight_s=2.0, restarts=1,
    ),
)  # fmt: skip
SECOND_KWH = 10.0 / 3600.0
RESERVE_KWH = 20.0
ENERGISING = (Mode.FORMING, Mode.GIVING)


class World(NamedTuple):
    """The truth about the installation."""

    grid: bool = True
    main: bool = True
    stuck: bool = False
    blind: bool = False
    lies: bool = False  # the feedback says open whatever the contactor does
    meter: bool = True
    bus: bool = False  # whether the bus is measured
    modes: tuple[Mode, Mode] = (Mode.OFF, Mode.OFF)
    alive: bool = True  # source A
    car: bool = True  # at charger B
    out: bool = False  # its driver has opted out
    left: int = FULL  # seconds above the reserve
    closed: tuple[bool, bool] = (True, True)
    jammed: bool = False  # breaker of T3
    estop: bool = False
    latched: bool = False  # what the truth demands of the latch
    late: tuple[Command, ...] = ()
    street_s: int = 0  # seconds for which a source has fed the dead street
    unproven_s: int = 0  # seconds for which a source energises while the contactor is not confirmed open, grid dead
    driver_s: int = 0  # seconds for which a vehicle has given that must not
    hold: int = 0  # seconds for which charger B was told to hold the island without orders
    keeps: bool = True  # whether the switchgear was told to keep T3 without orders
    gone: int = 0  # seconds for which nobody has said anything
    permit: bool = False  # the operator permits an offer to a restart of the grid, in this island
    faults: int = 0


class Node(NamedTuple):
    """One state of the whole: what the controller remembers, and the truth."""

    state: IslandState
    world: World


def toggled(field: str) -> Callable[[World], World]:
    return lambda world: world._replace(**{field: not getattr(world, field)})


def leaves(world: World) -> World:
    modes = world.modes if world.car is False else (world.modes[0], Mode.OFF)
    return world._replace(car=not world.car, modes=modes, left=FULL)


def dies(world: World) -> World:
    return world._replace(alive=not world.alive, modes=(Mode.OFF, world.modes[1]) if world.alive else world.modes)


def gives_on_the_grid(world: World) -> World:
    """Ordinary dispatch lets the vehicle feed the building while the grid is there."""
    fine = world.grid and world.main and world.car and not world.out and not world.latched and world.left == FULL
    return world._replace(modes=(world.modes[0], Mode.GIVING)) if fine and world.modes[1] is Mode.OFF else world


EVENTS: dict[str, Callable[[World], World]] = {
    "grid": toggled("grid"),
    "stuck": toggled("stuck"),
    "blind": toggled("blind"),
    "lies": toggled("lies"),
    "meter": toggled("meter"),
    "bus": toggled("bus"),
    "dies": dies,
    "leaves": leaves,
    "opts out": toggled("out"),
    "sinks": lambda world: world._replace(left=LOW) if world.car else world,
    "jams": toggled("jammed"),
    "stop": toggled("estop"),
    "dispatch": gives_on_the_grid,
}
FAULTS = {"stuck", "lies", "blind", "meter", "dies", "leaves", "opts out", "sinks", "jams", "lost", "late"}
REQUESTS: dict[str, Request] = {
    **{kind.value: Request(kind) for kind in RequestKind if not kind.value.startswith(("order", "set", "back"))},
    "open main": Request(RequestKind.ORDER_OPEN, "main"),
    "close main": Request(RequestKind.ORDER_CLOSE, "main"),
    "form A": Request(RequestKind.ORDER_FORM, "A"),
    "form B": Request(RequestKind.ORDER_FORM, "B"),
    "give B": Request(RequestKind.ORDER_GIVE, "B", 10.0),
    "release A": Request(RequestKind.ORDER_RELEASE, "A"),
    "open T1": Request(RequestKind.ORDER_OPEN, "T1"),
    "open T3": Request(RequestKind.ORDER_OPEN, "T3"),
    "close T1": Request(RequestKind.ORDER_CLOSE, "T1"),
    "close T3": Request(RequestKind.ORDER_CLOSE, "T3"),
    "aside T3": Request(RequestKind.SET_ASIDE, "T3"),
    "serve T3": Request(RequestKind.BACK_IN_SERVICE, "T3"),
}


def left_alone(world: World) -> World:
    """A second without orders: followers end with their lease, who holds the island with its time, T3 by the watch."""
    lease = int(SITE.timing.lease_s)
    gone = min(world.gone + 1, lease if world.hold == FULL else max(lease, world.hold + 1))  # then nothing changes
    a, b = world.modes
    if b is Mode.GIVING and gone >= lease:
        b = Mode.OFF
    if b is Mode.FORMING and gone > world.hold:
        b = Mode.OFF
    drops = not world.keeps and gone >= lease * GIVES_UP and not world.jammed
    closed = (world.closed[0], world.closed[1] and not drops)
    return world._replace(gone=gone, modes=(a, b), closed=closed)


def told_beforehand(world: World, state: IslandState, inputs: Inputs) -> World:
    """What devices were left with after a step of the controller."""
    mode = local_modes(state, inputs, SITE)[1]
    hold = int(mode.holds_s) if mode.keep_forming and may_go_on(1, state, inputs, SITE) else 0
    keep = kept_alone(state, inputs, SITE)
    if keep is not None and "T1" not in keep:
        raise Violated("T1 is left to be dropped")
    hold = FULL if hold > 0 and world.left == FULL else hold  # plenty is not used up
    return world._replace(hold=hold, keeps=keep is None or "T3" in keep, gone=0)


def live(world: World) -> bool:
    """Whether the building's side has voltage."""
    return (world.grid and world.main) or Mode.FORMING in world.modes


def seen(world: World, request: Request | None, acknowledged: tuple[str, ...]) -> Inputs:
    """What the controller sees of the truth."""
    fed = world.main and any(mode in ENERGISING for mode in world.modes) and not world.grid
    volts = 1.0 if world.grid or fed else 0.0
    position = Position.CLOSED if world.main and not world.lies else Position.OPEN
    vehicle = VehicleReading("car", RESERVE_KWH + world.left * SECOND_KWH, RESERVE_KWH, opted_out=world.out)
    return Inputs(
        t_s=1.0,
        grid=GridReading((volts,), 60.0 * volts) if world.meter else None,
        main=Position.UNKNOWN if world.blind else position,
        loss_of_mains=fed,  # stations detect an island; voltage alone would not show it
        estop=world.estop,
        bus_pu=float(live(world)) if world.bus else None,
        sections=tuple(SectionReading(Position.CLOSED if c else Position.OPEN) for c in world.closed),
        sources=(
            SourceReading(world.modes[0], available=world.alive, energy_kwh=100.0),
            SourceReading(world.modes[1], available=world.car, vehicle=vehicle if world.car else None),
        ),
        requests=() if request is None else (request,),
        acknowledged=acknowledged,
    )


class Violated(AssertionError):  # noqa: N818 it reads as a sentence
    """A property does not hold; carries the trace that leads there."""


def obey(world: World, commands: Iterable[Command]) -> World:
    """The truth after the commands; raises where executing one is itself the harm."""
    for command in commands:
        if command.rehearsal:
            continue
        name, action = command.device, command.action
        energised = any(mode in ENERGISING for mode in world.modes)
        if name == "main":
            if action is Action.CLOSE and energised and not world.stuck and not world.main:
                raise Violated("the contactor closes on a source that is not released")
            world = world if world.stuck else world._replace(main=action is Action.CLOSE)
        elif name in {"T1", "T3"}:
            k = 0 if name == "T1" else 1
            if name == "T1" and action is Action.OPEN and world.closed[1]:
                raise Violated("T1 is dropped while T3 is on")
            if not (k == 1 and world.jammed):
                closed = (
                    (action is Action.CLOSE, world.closed[1]) if k == 0 else (world.closed[0], action is Action.CLOSE)
                )
                world = world._replace(closed=closed)
        else:
            world = _source(world, 0 if name == "A" else 1, command)
    return world


def _source(world: World, k: int, command: Command) -> World:
    action = command.action
    if action in {Action.RELEASE, Action.TRIP}:
        mode = Mode.OFF
    elif not (world.alive if k == 0 else world.car):
        return world
    else:
        mode = Mode.FORMING if action is Action.FORM else Mode.GIVING
        if world.main and not world.lies and world.modes[k] not in ENERGISING:
            raise Violated("a source is energised while the contactor is closed")
        if mode is Mode.FORMING and world.modes[1 - k] in ENERGISING and not command.rehearsal:
            raise Violated("a source is started beside another one")
    modes = (mode, world.modes[1]) if k == 0 else (world.modes[0], mode)
    return world._replace(modes=modes)


def pass_a_second(world: World) -> World:
    """What a second does: energy is used, followers stop on a dead bus, and the counters of harm run."""
    a, b = world.modes
    bus = world.main or Mode.FORMING in world.modes  # a street full of other vehicles may keep a follower running
    if not bus:
        a, b = (Mode.OFF if mode is Mode.GIVING else mode for mode in (a, b))
    left = world.left
    if b in ENERGISING and left != FULL:
        left -= 1
        if left < 0:
            raise Violated("a driver is taken below the reserve")
    energised = a in ENERGISING or b in ENERGISING
    measured = world.bus and world.meter and live(world) and not world.grid  # a live bus beside a dead street
    proven = not world.main and (not world.blind or measured)
    bad = b in ENERGISING and (world.out or not world.car)
    after = world._replace(
        modes=(a, b),
        left=left,
        street_s=world.street_s + 1 if energised and world.main and not world.grid else 0,
        unproven_s=world.unproven_s + 1 if energised and not proven and not world.grid else 0,
        driver_s=world.driver_s + 1 if bad else 0,
    )
    for seconds, harm in (
        (after.street_s, "the street is energised"),
        (after.unproven_s, "a source energises while the contactor is not confirmed open"),
        (after.driver_s, "a vehicle gives although it must not"),
    ):
        if seconds > LIMIT_S:
            raise Violated(f"{harm} for more than {LIMIT_S} s")
    if after.latched and (a is not Mode.OFF or b is not Mode.OFF):
        raise Violated("a source runs after an emergency stop")
    if live(after) and after.closed[1] and not after.closed[0] and not after.jammed:
        raise Violated("T3 is on while T1 is off")
    return after


def canonical(state: IslandState) -> IslandState:
    """Leaves out what no decision reads: the absolute time and which messages have been told."""
    return replace(state, t_s=0.0, told=frozenset())


def advance(node: Node, event: str) -> tuple[Node, tuple[Command, ...]]:
    """One second with one event through the real step function."""
    state, world = node
    faults = price(event)
    event, _, network = event.partition(", ")
    lost, late = "lost" in {event, network}, "late" in {event, network}
    world = world._replace(faults=world.faults + faults)
    if event in EVENTS:
        world = EVENTS[event](world)
    if "away" in {event, network}:
        world = obey(world._replace(late=()), world.late)
        return Node(state, pass_a_second(left_alone(world))), ()
    if "restart" in {event, network}:
        state = from_mapping(to_mapping(replace(state, t_s=1.0), SITE), SITE)
    request = REQUESTS.get(event)
    reset = request is not None and request.kind is RequestKind.RESET
    world = world._replace(latched=world.estop or (world.latched and not reset))
    drill = state.rehearsal
    answered = () if drill is None else tuple(n for n, a in zip(SITE.devices, drill.sent, strict=True) if a is not None)
    inputs = seen(world, request, answered)
    after, commands, _ = machine.step(state, inputs, SITE)
    world = told_beforehand(offered(world, request, after, inputs), after, inputs)
    spent = not world.car or world.out or world.left <= 0
    if spent and any(c.device == "B" and c.action in {Action.FORM, Action.GIVE} and not c.rehearsal for c in commands):
        raise Violated("a vehicle is asked to give that must not")
    hard = tuple(command for command in commands if command.action is Action.TRIP)
    arrived = commands if not lost and not late else hard
    waiting = world.late
    world = obey(world._replace(late=()), (*waiting, *arrived))
    if late:
        soft = tuple(command for command in commands if command.action is not Action.TRIP)
        world = world._replace(late=soft)
    return Node(canonical(after), pass_a_second(world)), commands


def offered(world: World, request: Request | None, after: IslandState, inputs: Inputs) -> World:
    """Keeps the truth of the permission; an offer without it is harm."""
    kind = None if request is None else request.kind
    permit = (world.permit or kind is RequestKind.PERMIT_OFFER) and kind is not RequestKind.WITHDRAW_OFFER
    permit = permit and after.phase in {Phase.ISLAND, Phase.RESYNCHRONISE}
    if restart_offer(after, inputs, SITE) is not None and not permit:
        raise Violated("help to a grid restart is offered without permission")
    return world._replace(permit=permit)


class Explored(NamedTuple):
    """What was seen: number of states and transitions, and for every state the one that it was reached from."""

    parents: dict[Node, tuple[Node, str] | None]
    transitions: int


def trace(parents: dict[Node, tuple[Node, str] | None], node: Node) -> list[str]:
    """The events that lead to a state."""
    events: list[str] = []
    step = parents[node]
    while step is not None:
        node, event = step
        events.append(event)
        step = parents[node]
    return events[::-1]


def price(event: str) -> int:
    """Number of faults that an event is; ``"grid, lost"`` is the grid and a lost command in the same second."""
    return sum(part in FAULTS for part in event.split(", "))


def explore(events: Iterable[str], faults: int, most: int = 400_000) -> Explored:
    """All states reachable by ``events`` with at most ``faults`` of them being faults.

    Raises:
        Violated: with the shortest trace to the first harm found.
    """
    names = ("", *events)
    first = Node(canonical(initial_state(SITE)), World())
    parents: dict[Node, tuple[Node, str] | None] = {first: None}
    level, transitions = [first], 0
    while level:
        following = []
        for node in level:
            for event in names:
                if node.world.faults + price(event) > faults:
                    continue
                transitions += 1
                try:
                    after, _ = advance(node, event)
                except Violated as harm:
                    raise Violated(f"{harm}: after {[*trace(parents, node), event]}") from None
                if after not in parents:
                    parents[after] = (node, event)
                    following.append(after)
        assert len(parents) <= most, "the abstraction is not finite enough"
        level = following
    return Explored(parents, transitions)


def helped(node: Node) -> str:
    """What a sensible world and a sensible person do next to get back to the grid."""
    state, world = node
    wrong = {
        "grid": not world.grid, "stuck": world.stuck, "lies": world.lies, "blind": world.blind,
        "meter": not world.meter,
        "dies": not world.alive, "jams": world.jammed, "stop": world.estop, "opts out": world.out,
    }  # fmt: skip
    for event, needed in wrong.items():
        if needed:
            return event
    if state.phase is Phase.LOCKED_OUT or any(state.latch.tripped):
        return "reset"
    if state.manual:
        return "hand back"
    if state.rehearsal is not None and not state.rehearsal.ending:
        return "end drill"
    if state.hold or (not state.opened and not world.main):
        return "return to grid"
    if any(state.latch.aside):
        return "serve T3"
    stuck = any(state.faulty) or any(track is not None and track.given_up for track in state.tracks)
    return "confirm" if stuck else ""


def home(node: Node) -> bool:
    """Whether the building is on the grid with every section on and nothing feeding it."""
    state, world = node
    return state.phase is Phase.GRID_CONNECTED and world.grid and world.main and all(world.closed) and not state.manual


def unreturned(nodes: Iterable[Node], within: int = 60) -> list[Node]:
    """States from which help does not lead back to the grid within so many seconds."""
    fine: set[Node] = set()
    lost = []
    for start in nodes:
        node, path, seconds = start, [], 0
        while node not in fine and not home(node) and seconds < within:
            path.append(node)
            node, _ = advance(node, helped(node))
            seconds += 1
        if node in fine or home(node):
            fine.update(path)
        else:
            lost.append(start)
    return lost


ORDERS = ("take over", "hand back", "open main", "close main", "form A", "form B", "give B", "release A")
SEARCHES = {
    "the street": (1, ("grid", "stuck", "blind", "meter", "dispatch")),
    "both sides measured": (1, ("grid", "blind", "meter", "bus", "report loss")),
    "two faults": (2, ("grid", "stuck", "blind", "dies", "lost", "late")),
    "a contactor that lies": (2, ("grid", "stuck", "lies", "confirm")),
    "emergency stop": (1, ("grid", "stop", "reset", "late", "lost", "dispatch")),
    "a person in command": (1, ("grid", *ORDERS[:6], "form A, late", "close main, late")),
    "tiers": (1, ("grid", "take over", "hand back", "open T1", "open T3", "close T1", "close T3", "aside T3", "jams")),
    "drivers": (1, ("grid", "leaves", "opts out", "sinks", "lost", "take over", "form B", "give B")),
    "a lost server": (1, ("grid", "away", "grid, away", "restart", "sinks", "leaves", "dies")),
    "offers": (1, ("grid", "permit offer", "withdraw offer", "return to grid", "report loss", "restart", "away")),
    "drill": (1, ("grid", "start drill", "end drill", "stop", "reset", "lost", "take over")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_no_reachable_state_does_harm_and_every_one_leads_back_to_the_grid(name, record_property):
    faults, events = SEARCHES[name]
    found = explore(events, faults + int(os.environ.get("BOTHWAYS_MORE_FAULTS", "0")))
    record_property("states", len(found.parents))
    print(f"{name}: {len(found.parents)} states, {found.transitions} transitions")
    assert len(found.parents) > 500, "the search was cut off: nothing would be proven"
    phases = {node.state.phase for node in found.parents}
    assert phases >= {Phase.GRID_CONNECTED, Phase.ISLANDING, Phase.BLACK_START, Phase.ISLAND, Phase.RESYNCHRONISE}
    lost = unreturned(found.parents)
    assert not lost, f"no way back from {lost[0]} after {trace(found.parents, lost[0])}"


def unlatched(latch, inputs, dt_s, site):
    after = interlock.observe(latch, inputs, dt_s, site)
    return replace(after, estop=inputs.estop, tripped=after.tripped if inputs.estop else (False,) * len(after.tripped))


def agrees(*_):
    """A rule that finds nothing wrong, ever."""
    return ""


MUTANTS = {
    "starts whatever the contactor says": (interlock, "_form", agrees, ("take over", "form A"), "contactor is closed"),
    "closes onto running sources": (interlock, "_close_main", agrees, ("take over", "close main"), "not released"),
    "forgets commands on their way": (
        interlock, "_remember", lambda latch, *_: latch, ("take over", "form A", "form B", "close main, late"),
        "beside another one|not released|is closed|dropped",
    ),
    "never stops a source by itself": (interlock, "must_stop", agrees, ("dispatch", "take over"), "more than 2 s"),
    "never cuts off": (interlock, "_due", lambda *_: False, ("dispatch", "grid, lost", "lost"), "more than 2 s"),
    "has no latch": (machine, "observe", unlatched, ("stop",), "after an emergency stop"),
    "ignores reserves and drivers": (
        interlock, "_held_back", agrees, ("take over", "form B", "opts out", "sinks"), "must not",
    ),
    "ignores the order of tiers": (
        interlock, "_switch", agrees, ("take over", "open T1", "close T3"), "dropped while|T1 is off",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_interlock_is_caught(name, monkeypatch):
    module, function, broken, events, harm = MUTANTS[name]
    faults = 3 if "lost" in events else 1
    explore(("grid", *events), faults)  # the real one passes the same search
    monkeypatch.setattr(module, function, broken)
    with pytest.raises(Violated, match=harm):
        explore(("grid", *events), faults)


def test_a_vehicle_left_alone_without_end_would_be_emptied(monkeypatch):
    """The checker sees it: without the end of its time, a lost server takes a driver below the reserve."""
    events = ("grid", "dies", "sinks", "away")
    explore(events, 2)
    monkeypatch.setattr(local_mode, "forming_s", lambda *_: float(FULL))
    with pytest.raises(Violated, match="below the reserve"):
        explore(events, 2)


def test_an_offer_without_permission_would_be_noticed(monkeypatch):
    events = ("grid", "permit offer", "withdraw offer")
    explore(events, 0)
    monkeypatch.setattr(people, "_offer", lambda turn: setattr(turn, "offer", turn.phase is Phase.ISLAND))
    with pytest.raises(Violated, match="offered without permission"):
        explore(events, 0)


def test_a_contactor_that_lies_is_noticed_only_with_the_meter_on_the_street():
    """The limit of what is proven: with a lying contactor and no meter, nothing could see that the street is fed."""
    with pytest.raises(Violated, match="the street is energised"):
        explore(("grid", "lies", "stuck", "meter", "report loss"), 3)
