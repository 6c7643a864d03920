"""The island controller: ``step(state, inputs, site) -> (state, commands, messages)``. Pure: same in, same out.

Order within one call: the interlock looks first (:func:`~.interlock.observe`), people are heard, the phase decides
what each device should do, wishes become commands, and every command passes the interlock
(:func:`~.interlock.pass_through`) on its way out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from bothways.resilience.island import rehearsal
from bothways.resilience.island.commands import Action, Command, Message, Severity
from bothways.resilience.island.interlock import Latch, Refused, observe, pass_through
from bothways.resilience.island.people import listen, operate
from bothways.resilience.island.phases import HANDLERS
from bothways.resilience.island.signals import Inputs, RequestKind, check
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.state import IslandState, Phase, Rehearsal, after_drill
from bothways.resilience.island.switching import watch_breakers
from bothways.resilience.island.turn import Turn

LONGEST_STEP_S = 3600.0
_CHAIN = 4


class Step(NamedTuple):
    """What one call gives: the next memory, commands for devices, messages for people."""

    state: IslandState
    commands: tuple[Command, ...]
    messages: tuple[Message, ...]


def step(state: IslandState, inputs: Inputs, site: IslandSite) -> Step:
    """Decides for one instant.

    To be called at least every ``timing.interval_s`` seconds, and whenever a reading changes. Commands marked
    ``by_hand`` are for a person, those marked ``rehearsal`` are answered by the devices but not acted on.

    Args:
        state: what the last call returned, or :func:`~.state.initial_state`.
        inputs: readings, feedback and requests, in the site's order.
        site: the building.

    Returns:
        The next state, the commands to be sent now in this order, the messages.

    Raises:
        DomainError: readings that cannot be meant (NaN, wrong number of devices, unknown device).
    """
    check(inputs, site)
    dt_s = 0.0 if state.t_s is None else min(max(inputs.t_s - state.t_s, 0.0), LONGEST_STEP_S)
    latch = observe(state.latch, inputs, dt_s, site)
    said: list[Message] = []
    state, drill = _drill(state, inputs, latch, site, said)
    if drill is None:
        after, commands, messages = _decide(state, inputs, latch, dt_s, site)
        return Step(after, commands, (*said, *messages))
    seen = rehearsal.picture(drill, inputs)
    shadow = observe(drill.latch, seen, dt_s, site)
    after, rehearsed, messages = _decide(state, seen, shadow, dt_s, site)
    real, _, latch = pass_through(latch, inputs, (), site)
    drill = rehearsal.rehearsed(drill, rehearsed, after.latch, site)
    after = replace(after, latch=latch, rehearsal=drill)
    if drill.ending and after.phase is Phase.GRID_CONNECTED:
        said.append(Message("drill over", Severity.INFO, "The drill is over."))
        after = after_drill(after, site)
    marked = tuple(replace(command, rehearsal=True) for command in rehearsed)
    return Step(after, (*real, *marked), (*said, *messages))


def _drill(
    state: IslandState, inputs: Inputs, latch: Latch, site: IslandSite, said: list[Message]
) -> tuple[IslandState, Rehearsal | None]:
    """Begins, carries on or ends a drill."""
    drill = state.rehearsal
    if drill is None:
        if not any(request.kind is RequestKind.START_DRILL for request in inputs.requests):
            return state, None
        why = rehearsal.may_begin(state, inputs, latch, site)
        if why:
            said.append(Message("no drill", Severity.WARN, f"A drill cannot begin: {why}."))
            return state, None
        said.append(Message("drill", Severity.WARN, "A drill begins. Devices answer but do not act."))
        return state, rehearsal.begin(inputs, latch, site)
    why = rehearsal.must_end(inputs, latch, site)
    if why:
        said.append(Message("drill cut short", Severity.ALARM, f"The drill has ended: {why}."))
        return after_drill(state, site), None
    return state, rehearsal.acknowledge(drill, inputs, site)


def _decide(
    state: IslandState, inputs: Inputs, latch: Latch, dt_s: float, site: IslandSite
) -> tuple[IslandState, tuple[Command, ...], tuple[Message, ...]]:
    turn = Turn(state, inputs, latch, dt_s, site)
    watch_breakers(turn)
    listen(turn)
    if latch.estop and turn.phase is not Phase.LOCKED_OUT:
        turn.go_to(Phase.LOCKED_OUT)
    if turn.manual and turn.phase is not Phase.LOCKED_OUT:
        operate(turn)
    else:
        for _ in range(_CHAIN):
            phase = turn.phase
            HANDLERS[phase](turn)
            if turn.phase is phase:
                break
    granted, refused, latch = pass_through(latch, inputs, tuple(turn.commands()), site)
    _note(turn, granted, refused)
    return _next_state(turn, latch), granted, tuple(turn.messages)


def _note(turn: Turn, granted: tuple[Command, ...], refused: tuple[Refused, ...]) -> None:
    """Counts what was sent; what the interlock held back is told, and an order by a person is then forgotten."""
    for command in granted:
        device = turn.site.index[command.device]
        track = turn.tracks[device]
        if track is not None and track.action is command.action:
            kept = track.output_kw if command.action is not Action.GIVE else command.output_kw
            turn.tracks[device] = replace(track, attempts=command.attempt, output_kw=kept)
    for held in refused:
        text = f"'{held.command.action.value}' for {held.command.device} was held back: {held.reason}."
        if turn.manual:
            turn.tracks[turn.site.index[held.command.device]] = None
            turn.say("held back", Severity.WARN, text, "", held.command.device)
        else:
            turn.say_while("held back", Severity.INFO, text, "", held.command.device)


def _next_state(turn: Turn, latch: Latch) -> IslandState:
    return IslandState(
        phase=turn.phase,
        latch=latch,
        failed=tuple(turn.failed),
        on=tuple(turn.on),
        faulty=tuple(turn.faulty),
        tracks=tuple(turn.tracks),
        cap=turn.cap,
        fault=turn.fault,
        t_s=turn.inputs.t_s,
        good_s=turn.good_s,
        lost_s=turn.lost_s,
        phase_s=turn.phase_s,
        outage_s=turn.outage_s,
        switched_s=turn.switched_s,
        shed_s=turn.shed_s,
        former=turn.former,
        restarts=turn.restarts,
        manual=turn.manual,
        hold=turn.hold,
        opened=turn.opened,
        go=turn.go,
        distrust=turn.distrust,
        offer=turn.offer,
        told=frozenset(turn.told),
        rehearsal=turn.state.rehearsal,
    )
