"""What the controller does in each phase, and when it leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bothways.resilience.island.commands import Action, Severity, instruction
from bothways.resilience.island.signals import Grid, Mode, Position, RequestKind, judge
from bothways.resilience.island.state import Fault, Phase
from bothways.resilience.island.switching import open_from, ramp, serve, share
from bothways.resilience.island.turn import Turn


def grid_connected(turn: Turn) -> None:
    """On the grid: watches for its loss; sections come back one after the other."""
    site, main = turn.site, turn.inputs.main
    reported = turn.asked(RequestKind.REPORT_LOSS)
    lost = reported or (turn.grid is Grid.LOST and turn.lost_s >= site.timing.loss_s)
    if lost:
        if not site.islanding_permitted:
            turn.say_while(
                "not permitted",
                Severity.ALARM,
                "The grid is lost. This site has no permission to island: nothing is energised.",
                "Wait for the grid, or use equipment that is not connected to the building.",
            )
            return
        turn.say("grid lost", Severity.ALARM, "The grid is lost. The building is being separated from the street.")
        turn.hold = reported and turn.grid is Grid.GOOD
        turn.go_to(Phase.ISLANDING)
        return
    if turn.grid is Grid.UNKNOWN:
        turn.say_while(
            "grid unknown",
            Severity.WARN,
            "The meter of the grid does not answer; nothing is fed until it does.",
            "Look at the meter. If the building is dark, report the loss of the grid.",
        )
    if main is Position.OPEN:
        _ask_about_main(turn)
        if turn.opened and turn.grid is Grid.GOOD:
            turn.go_to(Phase.RESYNCHRONISE)
        return
    ramp(turn)


def _ask_about_main(turn: Turn) -> None:
    """A contactor that somebody else opened is closed only when a person asks for it: somebody may be at work."""
    if turn.inputs.main is Position.OPEN and turn.grid is Grid.GOOD and not turn.opened:
        turn.say_while(
            "main open",
            Severity.ASK,
            "The grid is good, the main contactor is open, and this controller did not open it.",
            "If nobody works on the installation, ask to return to the grid.",
        )


def islanding(turn: Turn) -> None:
    """Separating: every source released, the contactor open, the sections off; then the black start."""
    site = turn.site
    if turn.returning and turn.inputs.main is Position.CLOSED:
        turn.say("grid back", Severity.INFO, "The grid is back before the building was separated.")
        turn.go_to(Phase.GRID_CONNECTED)
        return
    if turn.returning and turn.inputs.main is Position.OPEN:
        turn.go_to(Phase.RESYNCHRONISE)
        return
    _ask_about_main(turn)
    turn.want(0, Action.OPEN)
    turn.opened = turn.opened or turn.inputs.main is not Position.OPEN
    turn.release_all()
    dark = open_from(turn, 0)
    if turn.gave_up(0) or turn.distrust:
        turn.go_to(Phase.FAULT, Fault.BACKFEED if turn.distrust else Fault.MAIN_NOT_OPEN)
        return
    if turn.inputs.main is not Position.OPEN or not turn.released() or not dark:
        return
    stuck = _stuck(turn)
    if stuck:
        name = site.sections[stuck].section_id
        turn.say_while(
            "section stuck",
            Severity.ALARM,
            f"Section {name} is still on and is less important than others: the black start waits.",
            instruction(name, Action.OPEN, site),
            name,
        )
        return
    if site.confirm_islanding and not turn.go:
        turn.say_while(
            "confirm start",
            Severity.ASK,
            "The building is separated from the street and ready to be fed from its own sources.",
            "Confirm to start.",
        )
        return
    turn.go_to(Phase.BLACK_START)


def _stuck(turn: Turn) -> int:
    """The first section below the first tier whose breaker says that it is on; 0 for none."""
    for k, section in enumerate(turn.site.sections):
        lesser = section.tier > turn.site.sections[0].tier
        if lesser and turn.position(k) is Position.CLOSED:
            return k
    return 0


def black_start(turn: Turn) -> None:
    """One grid-forming source starts the dead bus."""
    if _backfeeding(turn):
        return
    started = turn.former is not None and turn.inputs.sources[turn.former].mode is Mode.FORMING
    if turn.returning and not started:
        turn.go_to(Phase.RESYNCHRONISE)
        return
    if not turn.open_proven:
        turn.go_to(Phase.ISLANDING)
        return
    if turn.former is None:
        turn.former = turn.candidate()
        turn.forget_abilities()
        turn.phase_s = turn.switched_s = 0.0
    former = turn.former
    if former is None:
        turn.go_to(Phase.FAULT, Fault.NO_SOURCE)
        return
    device, mode = turn.first_source + former, turn.inputs.sources[former].mode
    dropped = turn.phase_s > 0.0 and turn.tracks[device] is None and mode is not Mode.FORMING
    weak = turn.phase_s >= turn.longest_phase_s and not _bus_held(turn)
    if turn.gave_up(device) or weak or dropped or turn.able[former].limit_kw <= 0.0:
        # the bus is made dead and every source released again before another one is tried
        turn.failed[former] = turn.able[former].limit_kw > 0.0
        turn.go_to(Phase.ISLANDING)
        return
    turn.want(device, Action.FORM)
    for k in range(len(turn.site.sources)):
        if k != former and not turn.latch.tripped[k]:
            turn.want(turn.first_source + k, Action.RELEASE)
    if mode is not Mode.FORMING or not _bus_held(turn):
        turn.switched_s = 0.0
    elif turn.switched_s >= turn.site.timing.stable_s:
        name = turn.site.sources[former].source_id
        turn.say("island", Severity.INFO, f"The building is an island, held by {name}.")
        turn.go_to(Phase.ISLAND)


def _bus_held(turn: Turn) -> bool:
    bus_pu = turn.inputs.bus_pu
    return bus_pu is None or bus_pu >= turn.site.windows.good_low_pu


def _backfeeding(turn: Turn) -> bool:
    """Voltage on the street right after the start means that the contactor lies, or that the grid came back just now.

    Either way the start is taken back; only if the voltage then stays is it the grid's.
    """
    forming = turn.former is not None and turn.inputs.sources[turn.former].mode is Mode.FORMING
    alive = judge(turn.inputs.grid, turn.site.windows) in {Grid.GOOD, Grid.POOR}
    rising = alive and turn.state.lost_s > 0.0
    early = turn.phase is Phase.BLACK_START or turn.phase_s <= turn.site.timing.backfeed_s
    if not (forming and rising and early):
        return False
    turn.say(
        "street alive",
        Severity.ALARM,
        "Voltage appeared on the street just as the building was started. The start is taken back.",
        "If the street goes dark again, the main switch does not separate: do not start by hand. Call an electrician.",
    )
    turn.distrust = True
    turn.go_to(Phase.FAULT, Fault.BACKFEED)
    return True


def island(turn: Turn) -> None:
    """The building on its own sources."""
    former = turn.former
    if former is None or _backfeeding(turn):
        if former is None:
            turn.go_to(Phase.ISLANDING)
        return
    _ask_about_main(turn)
    device, mode = turn.first_source + former, turn.inputs.sources[former].mode
    if mode is Mode.UNKNOWN and _fed(turn):
        _carry_on(turn, former)
        return
    if mode is not Mode.FORMING or turn.able[former].limit_kw <= 0.0:
        _collapse(turn, former)
        return
    if not turn.open_proven:
        turn.say_while(
            "main unproven",
            Severity.ALARM,
            "The main contactor no longer says that it is open; the sources are stopped if it does not at once.",
            "Check the main switch and its feedback contact.",
        )
    if turn.returning:
        turn.say("grid back", Severity.INFO, "The grid is good again. The building returns to it.")
        turn.go_to(Phase.RESYNCHRONISE)
        return
    turn.want(device, Action.FORM)
    serve(turn)


def _fed(turn: Turn) -> bool:
    """Whether something is seen to feed the building: a live bus, or a load that flows."""
    if turn.inputs.bus_pu is not None:
        return turn.inputs.bus_pu >= turn.site.windows.lost_low_pu
    return any(sum(section.phase_kw or ()) > 0.1 for section in turn.inputs.sections)


def _carry_on(turn: Turn, former: int) -> None:
    """The forming source does not answer but the building is fed: nothing is switched until it answers again."""
    name = turn.site.sources[former].source_id
    turn.say_while(
        "former silent",
        Severity.ALARM,
        f"{name} holds the island but does not answer. Nothing is switched until it does.",
        "Look at its network. It stops by itself at the reserve that it was told.",
        name,
    )
    for k in range(len(turn.site.sources)):
        track = turn.tracks[turn.first_source + k]
        if track is not None and track.action is Action.GIVE:
            turn.want(turn.first_source + k, Action.GIVE, track.output_kw)


def _collapse(turn: Turn, former: int) -> None:
    """The forming source stopped or may no longer give: take it all down and start again, with bounds."""
    name = turn.site.sources[former].source_id
    if turn.able[former].limit_kw <= 0.0:
        turn.say("change of source", Severity.WARN, f"{name} can no longer hold the island. Another source is started.")
        turn.go_to(Phase.ISLANDING)
        return
    turn.say("collapse", Severity.ALARM, f"{name} stopped holding the island. The building is started again.")
    on = sum(turn.state.on)
    if on > 1:
        turn.cap = on - 1
        turn.say(
            "fewer sections",
            Severity.WARN,
            f"It may have been too much: at most {turn.cap} of {len(turn.on)} sections are switched on.",
            "Confirm to lift this.",
        )
    turn.restarts += 1
    if turn.restarts > turn.site.timing.restarts:
        turn.restarts = turn.site.timing.restarts
        turn.go_to(Phase.FAULT, Fault.COLLAPSES)
        return
    turn.go_to(Phase.ISLANDING)


def resynchronise(turn: Turn) -> None:
    """Back to the grid: lesser sections off, sources released, contactor closed onto the dead bus, then the ramp."""
    if turn.inputs.main is Position.CLOSED and turn.released():
        turn.say("on the grid", Severity.INFO, "The building is on the grid again. Sections follow one by one.")
        turn.go_to(Phase.GRID_CONNECTED)
        return
    former = turn.former
    forming = former is not None and turn.inputs.sources[former].mode is Mode.FORMING
    if turn.grid is not Grid.GOOD:
        turn.say("grid lost again", Severity.ALARM, "The grid failed again during the return.")
        held = forming and turn.open_proven and turn.latch.on_left_s[0] <= 0.0
        turn.go_to(Phase.ISLAND if held else Phase.ISLANDING)
        return
    if turn.gave_up(0):
        turn.hold = True  # the building carries on as an island until a person asks to return
        turn.go_to(Phase.FAULT, Fault.MAIN_NOT_CLOSED)
        return
    first_tier = sum(section.tier == turn.site.sections[0].tier for section in turn.site.sections)
    if not open_from(turn, first_tier) and former is not None and forming:
        turn.want(turn.first_source + former, Action.FORM)
        share(turn, former)
        return
    turn.release_all()
    if turn.released() and not any(turn.latch.on_left_s[turn.first_source :]):
        turn.want(0, Action.CLOSE)


_SAID = {
    Fault.NONE: ("The controller waits.", "Confirm to go on."),
    Fault.MAIN_NOT_OPEN: (
        "The main contactor is not confirmed open: nothing can be energised.",
        "Switch it off and lock it by hand, check the feedback, then confirm.",
    ),
    Fault.MAIN_NOT_CLOSED: (
        "The main contactor does not close onto the grid.",
        "The building goes on as an island where it can. Ask to return to the grid to try again.",
    ),
    Fault.NO_SOURCE: (
        "No source can start the building: none is available, able, or above its reserve.",
        "Connect a vehicle with energy to a charger that can form a grid, or start a generator.",
    ),
    Fault.COLLAPSES: (
        "The island collapsed several times.",
        "Look for an overload or a short circuit, take the section out of service, then confirm.",
    ),
    Fault.BACKFEED: (
        "The street became live when the building was started.",
        "Do not energise anything. Have the main switch checked, then confirm.",
    ),
}


def fault(turn: Turn) -> None:
    """Waits for a person, or for what was missing; everything is released meanwhile."""
    text, remedy = _SAID[turn.fault]
    turn.say_while(f"fault: {turn.fault.value}", Severity.ALARM, text, remedy)
    turn.release_all()
    main, cause = turn.inputs.main, turn.fault
    if turn.asked(RequestKind.CONFIRM):
        turn.failed = [False] * len(turn.failed)
        turn.restarts = 0
        turn.go, turn.distrust = True, False
        turn.go_to(Phase.ISLANDING)
    elif main is Position.CLOSED and turn.released() and (turn.good_s >= turn.site.timing.return_s):
        turn.go_to(Phase.GRID_CONNECTED)
    elif main is Position.OPEN and turn.opened and turn.returning and turn.released():
        turn.go_to(Phase.RESYNCHRONISE)
    elif cause is Fault.NO_SOURCE and turn.candidate() is not None:
        turn.go_to(Phase.ISLANDING)
    elif cause is Fault.MAIN_NOT_CLOSED and main is Position.OPEN and turn.released():
        turn.go_to(Phase.ISLANDING)  # the contactor is open for certain: keep the building on meanwhile


def locked_out(turn: Turn) -> None:
    """Emergency stop or fire alarm: nothing moves until a person resets it."""
    turn.say_while(
        "locked out",
        Severity.ALARM,
        "Emergency stop or fire alarm: all transfer of energy has been ended.",
        "When the danger is over and the button is released, reset.",
    )
    turn.release_all()
    if turn.latch.estop:
        return
    turn.say("reset", Severity.INFO, "The emergency stop was reset.")
    if turn.inputs.main is Position.CLOSED and turn.grid is not Grid.LOST:
        turn.go_to(Phase.GRID_CONNECTED)
    else:
        turn.go_to(Phase.ISLANDING)


HANDLERS: Mapping[Phase, Callable[[Turn], None]] = {
    Phase.GRID_CONNECTED: grid_connected,
    Phase.ISLANDING: islanding,
    Phase.BLACK_START: black_start,
    Phase.ISLAND: island,
    Phase.RESYNCHRONISE: resynchronise,
    Phase.FAULT: fault,
    Phase.LOCKED_OUT: locked_out,
}
