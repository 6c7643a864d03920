"""What people ask of the controller: confirm, take over, hand back, report, return, offer, reset."""

from __future__ import annotations

from bothways.resilience.island.commands import Action, Severity
from bothways.resilience.island.signals import Mode, Position, RequestKind
from bothways.resilience.island.state import Phase
from bothways.resilience.island.turn import Turn

_ORDERS = {
    RequestKind.ORDER_OPEN: Action.OPEN,
    RequestKind.ORDER_CLOSE: Action.CLOSE,
    RequestKind.ORDER_FORM: Action.FORM,
    RequestKind.ORDER_GIVE: Action.GIVE,
    RequestKind.ORDER_RELEASE: Action.RELEASE,
}


def listen(turn: Turn) -> None:
    """Takes in every request of this call that concerns the controller's own memory."""
    for request in turn.inputs.requests:
        kind = request.kind
        if kind is RequestKind.TAKE_OVER and not turn.manual:
            turn.manual = True
            turn.tracks = [None] * len(turn.tracks)
            turn.say("taken over", Severity.WARN, "A person operates the installation; the interlock stays in force.")
        elif kind is RequestKind.HAND_BACK and turn.manual:
            turn.manual = False
            turn.tracks = [None] * len(turn.tracks)
            turn.say("handed back", Severity.INFO, "The controller operates the installation again.")
            reassess(turn)
        elif kind is RequestKind.CONFIRM:
            turn.go = True
            turn.cap = len(turn.on)
            turn.faulty = [False] * len(turn.faulty)
            turn.tracks = [None if track is not None and track.given_up else track for track in turn.tracks]
        elif kind is RequestKind.RETURN_TO_GRID:
            turn.hold, turn.opened = False, True
        elif kind is RequestKind.REPORT_LOSS and turn.phase is not Phase.GRID_CONNECTED:
            turn.hold = True
        elif kind in _ORDERS and not turn.manual:
            turn.say(
                "not taken over", Severity.WARN, f"'{kind.value}' was ignored.", "Take over first.", request.device
            )
    _offer(turn)


def _offer(turn: Turn) -> None:
    """Permission to tell the grid operator what this island could do for a restart; ends with the island."""
    if turn.asked(RequestKind.PERMIT_OFFER):
        if turn.phase is Phase.ISLAND:
            turn.offer = True
            turn.say("offer permitted", Severity.INFO, "What the building can offer to a restart of the grid is told.")
        else:
            turn.say("no island", Severity.WARN, "Only an island can offer help to a restart of the grid.")
    if turn.asked(RequestKind.WITHDRAW_OFFER):
        turn.offer = False
    if turn.phase not in {Phase.ISLAND, Phase.RESYNCHRONISE}:
        turn.offer = False


def reassess(turn: Turn) -> None:
    """Finds the phase from what is seen, after a person has operated the installation."""
    forming = [k for k, source in enumerate(turn.inputs.sources) if source.mode is Mode.FORMING]
    if turn.inputs.main is Position.CLOSED:
        turn.go_to(Phase.GRID_CONNECTED)
    elif len(forming) == 1 and turn.open_proven:
        turn.go_to(Phase.ISLAND)
        turn.former = forming[0]
        turn.forget_abilities()
    else:
        turn.go_to(Phase.ISLANDING)


def operate(turn: Turn) -> None:
    """A person has taken over: their orders are pursued like the controller's own wishes, nothing else is."""
    for device, track in enumerate(turn.tracks):
        if track is not None:
            turn.want(device, track.action, track.output_kw)
    for request in turn.inputs.requests:
        if request.kind in _ORDERS and request.device:
            device = turn.site.index[request.device]
            turn.tracks[device] = None
            turn.want(device, _ORDERS[request.kind], request.output_kw)
            if device == 0 and request.kind is RequestKind.ORDER_OPEN:
                turn.opened = True
