"""The drill: the whole state machine runs, every device answers, nothing acts and the contactor stays closed.

The controller sees the installation as it would be: the grid gone, and every device in the position that its last
acknowledged rehearsal would have brought it to. The interlock judges the rehearsed commands in that picture, and the
real ones in the real one.
"""

from __future__ import annotations

from dataclasses import replace

from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.interlock import Latch
from bothways.resilience.island.signals import Grid, GridReading, Inputs, Mode, Position, RequestKind, judge
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.state import IslandState, Phase, Rehearsal

_NO_GRID = GridReading((0.0, 0.0, 0.0), 0.0)
_POSITIONS = {Action.OPEN: Position.OPEN, Action.CLOSE: Position.CLOSED}
_MODES = {Action.FORM: Mode.FORMING, Action.GIVE: Mode.GIVING, Action.RELEASE: Mode.OFF, Action.TRIP: Mode.OFF}


def begin(inputs: Inputs, latch: Latch, site: IslandSite) -> Rehearsal:
    """A drill that starts from what is seen now."""
    return Rehearsal(
        main=Position.CLOSED,
        sections=tuple(reading.position for reading in inputs.sections),
        modes=(Mode.OFF,) * len(site.sources),
        sent=(None,) * len(site.devices),
        latch=replace(latch, blind_s=0.0),
    )


def may_begin(state: IslandState, inputs: Inputs, latch: Latch, site: IslandSite) -> str:
    """Why no drill can begin now; empty where it can."""
    if state.manual:
        return "a person has taken over"
    if latch.estop or any(latch.tripped):
        return "the emergency stop or a cut-off has not been reset"
    if state.phase is not Phase.GRID_CONNECTED or inputs.main is not Position.CLOSED:
        return "the building is not on the grid"
    if inputs.loss_of_mains or judge(inputs.grid, site.windows) is not Grid.GOOD:
        return "the grid is not good"
    return ""


def must_end(inputs: Inputs, latch: Latch, site: IslandSite) -> str:
    """Why a drill under way ends at once; empty where it goes on."""
    if latch.estop:
        return "emergency stop or fire alarm"
    if inputs.loss_of_mains or judge(inputs.grid, site.windows) in {Grid.LOST, Grid.POOR}:
        return "the grid has really failed"
    if inputs.main is not Position.CLOSED:
        return "the main contactor is not confirmed closed"
    if any(request.kind is RequestKind.TAKE_OVER for request in inputs.requests):
        return "a person takes over"
    return ""


def acknowledge(drill: Rehearsal, inputs: Inputs, site: IslandSite) -> Rehearsal:
    """Moves every device that answered to where its last rehearsed command would have brought it."""
    main, sections, modes = drill.main, list(drill.sections), list(drill.modes)
    for name in inputs.acknowledged:
        k = site.index.get(name)
        action = None if k is None else drill.sent[k]
        if k is None or action is None:
            continue
        if k == 0:
            main = _POSITIONS[action]
        elif k <= len(sections):
            sections[k - 1] = _POSITIONS[action]
        else:
            modes[k - 1 - len(sections)] = _MODES[action]
    ending = drill.ending or any(request.kind is RequestKind.END_DRILL for request in inputs.requests)
    return replace(drill, main=main, sections=tuple(sections), modes=tuple(modes), ending=ending)


def picture(drill: Rehearsal, inputs: Inputs) -> Inputs:
    """The installation as it would be: without the grid until the drill is being ended."""
    return replace(
        inputs,
        grid=inputs.grid if drill.ending else _NO_GRID,
        main=drill.main,
        sections=tuple(
            replace(reading, position=position, phase_kw=reading.phase_kw if position is Position.CLOSED else None)
            for reading, position in zip(inputs.sections, drill.sections, strict=True)
        ),
        sources=tuple(
            replace(reading, mode=reading.mode if reading.mode is Mode.UNKNOWN else mode, output_kw=0.0)
            for reading, mode in zip(inputs.sources, drill.modes, strict=True)
        ),
        bus_pu=None,
        in_sync=None,
    )


def rehearsed(drill: Rehearsal, commands: tuple[Command, ...], latch: Latch, site: IslandSite) -> Rehearsal:
    """Notes what was asked of every device, so that its answer can be understood."""
    sent = list(drill.sent)
    for command in commands:
        sent[site.index[command.device]] = command.action
    return replace(drill, sent=tuple(sent), latch=latch)
