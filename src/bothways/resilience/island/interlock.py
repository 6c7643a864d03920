"""The safety interlock: the one gate through which every command passes, whoever gives it.

It keeps its own small memory (:class:`Latch`) and reads the inputs itself: nothing that the controller or a person
believes enters it. It answers three questions: what must stop now (:func:`must_stop`), may this command pass
(:func:`refusal`), and what leaves the controller (:func:`pass_through`).

1. Nothing energises unless the main contactor is confirmed open by its own feedback.
2. One source forms the island; the others follow.
3. The main contactor closes only on a good grid, onto a dead or synchronised bus, with every source released.
4. Emergency stop and fire alarm are latched and end all transfer; they are reset by a person when the input is gone.
5. A source that must stop is released at once and cut off by its hard-wired contact within 2 s.
6. No vehicle gives below its driver's reserve, after an opt-out, or with unknown energy.
7. A section is not switched off while a less important tier is on, nor on before the more important ones are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bothways.resilience.island.commands import ENDING, Action, Command
from bothways.resilience.island.signals import Grid, Inputs, Mode, Position, RequestKind, judge
from bothways.resilience.island.site import UNINTENTIONAL_ISLAND_S, IslandSite, SourceKind

_OFF = frozenset({Mode.OFF, Mode.CHARGING})
_ENERGISING = frozenset({Mode.FORMING, Mode.GIVING})
_LIVE_PU = 0.5
_LAST_BIT = 1e-9
_SEEN_KW = 0.1  # a load above this is proof that its breaker is closed
_ESTOP = "emergency stop or fire alarm"


@dataclass(frozen=True, slots=True)
class Latch:
    """The interlock's memory.

    Attributes:
        estop: an emergency stop or fire alarm has been seen and not been reset.
        tripped: per source: cut off by its hard-wired contact until a person resets.
        overdue_s: per source: for how long it should have stopped and has not [s].
        blind_s: for how long the contactor's feedback has been unknown [s].
        aside: per section: a person has taken it out of service, so that the order of tiers skips it.
        on_left_s: per device: a command that switches it on may still be on its way for so long [s].
        off_left_s: per device: the same for a command that switches it off [s].
    """

    estop: bool
    tripped: tuple[bool, ...]
    overdue_s: tuple[float, ...]
    blind_s: float
    aside: tuple[bool, ...]
    on_left_s: tuple[float, ...]
    off_left_s: tuple[float, ...]

    @classmethod
    def fresh(cls, site: IslandSite) -> Latch:
        """A memory without events."""
        n, none = len(site.sources), (0.0,) * len(site.devices)
        return cls(
            estop=False,
            tripped=(False,) * n,
            overdue_s=(0.0,) * n,
            blind_s=0.0,
            aside=(False,) * len(site.sections),
            on_left_s=none,
            off_left_s=none,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that did not pass, with the reason in words."""

    command: Command
    reason: str


def open_proven(inputs: Inputs, site: IslandSite) -> bool:
    """Whether the main contactor is open: by feedback, or by a live bus beside a dead street."""
    if inputs.main is Position.OPEN:
        return True
    if inputs.main is Position.CLOSED or inputs.bus_pu is None or inputs.grid is None:
        return False
    voltages = inputs.grid.voltage_pu
    return inputs.bus_pu >= _LIVE_PU and bool(voltages) and max(voltages) <= site.windows.dead_pu


def observe(latch: Latch, inputs: Inputs, dt_s: float, site: IslandSite) -> Latch:
    """Carries the memory over ``dt_s`` seconds to the instant of ``inputs``."""
    reset = any(request.kind is RequestKind.RESET for request in inputs.requests)
    estop = inputs.estop or (latch.estop and not reset)
    tripped = latch.tripped
    if reset and not estop:  # what still energises stays cut off
        tripped = tuple(t and source.mode in _ENERGISING for t, source in zip(tripped, inputs.sources, strict=True))
    now = replace(
        latch,
        estop=estop,
        tripped=tripped,
        blind_s=0.0 if inputs.main is not Position.UNKNOWN else _count(latch.blind_s, dt_s),
        aside=_aside(latch.aside, inputs, site),
        on_left_s=_fly(latch.on_left_s, dt_s),
        off_left_s=_fly(latch.off_left_s, dt_s),
    )
    stops = [must_stop(k, now, inputs, site) for k in range(len(tripped))]
    if not any(stops) and not any(latch.overdue_s):
        return now
    overdue = tuple(
        _count(late, dt_s) if why and source.mode not in _OFF else 0.0
        for why, late, source in zip(stops, latch.overdue_s, inputs.sources, strict=True)
    )
    now = replace(now, overdue_s=overdue)
    return replace(now, tripped=tuple(t or _due(k, stops[k], now, inputs, site) for k, t in enumerate(tripped)))


def _aside(aside: tuple[bool, ...], inputs: Inputs, site: IslandSite) -> tuple[bool, ...]:
    """Which sections people have taken out of service; one that is seen to be on is in service."""
    asked = list(aside)
    for request in inputs.requests:
        k = site.index.get(request.device, 0) - 1
        if 0 <= k < len(asked) and request.kind in {RequestKind.SET_ASIDE, RequestKind.BACK_IN_SERVICE}:
            asked[k] = request.kind is RequestKind.SET_ASIDE
    if not any(asked):
        return tuple(asked)
    return tuple(a and r.position is not Position.CLOSED for a, r in zip(asked, inputs.sections, strict=True))


def _fly(left_s: tuple[float, ...], dt_s: float) -> tuple[float, ...]:
    return tuple(max(0.0, left - dt_s) for left in left_s) if any(left_s) else left_s


def _count(was_s: float, dt_s: float) -> float:
    return min(was_s + dt_s, UNINTENTIONAL_ISLAND_S)


def _due(k: int, why: str, latch: Latch, inputs: Inputs, site: IslandSite) -> bool:
    """Whether source ``k`` is cut off now: before the next call could come too late, or below the reserve."""
    if not why:
        return False
    if why == _ESTOP:
        return True
    late_s = latch.overdue_s[k] + min(latch.blind_s, site.timing.feedback_grace_s)
    if inputs.sources[k].mode is not Mode.OFF and late_s + site.timing.interval_s >= UNINTENTIONAL_ISLAND_S:
        return True
    stored, floor = stored_kwh(k, inputs, site)
    return inputs.sources[k].mode in _ENERGISING and stored is not None and stored <= floor


def must_stop(k: int, latch: Latch, inputs: Inputs, site: IslandSite) -> str:
    """Why source ``k`` must stop now; empty where it need not."""
    mode = inputs.sources[k].mode
    if latch.estop:
        return _ESTOP
    if latch.tripped[k]:
        return "cut off until a person resets it"
    if mode not in _ENERGISING:
        return ""
    if not open_proven(inputs, site):
        blind = inputs.main is Position.UNKNOWN and latch.blind_s <= site.timing.feedback_grace_s
        if mode is Mode.FORMING and not blind:
            return "the main contactor is not confirmed open"
        lost = inputs.loss_of_mains or judge(inputs.grid, site.windows) in {Grid.LOST, Grid.UNKNOWN}
        if mode is Mode.GIVING and lost and not blind:
            return "the grid is not confirmed present and the main contactor is not confirmed open"
    return _held_back(k, inputs, site, site.margins_kwh[k])


def stored_kwh(k: int, inputs: Inputs, site: IslandSite) -> tuple[float | None, float]:
    """Stored energy of source ``k`` and the floor that it keeps [kWh]; ``None`` where there is none or unknown."""
    source, reading = site.sources[k], inputs.sources[k]
    if source.kind is not SourceKind.V2X:
        return reading.energy_kwh, source.floor_kwh
    if reading.vehicle is None:
        return None, 0.0
    return reading.vehicle.energy_kwh, max(source.floor_kwh, reading.vehicle.reserve_kwh)


def _held_back(k: int, inputs: Inputs, site: IslandSite, need_kwh: float) -> str:
    """Why source ``k`` may not give ``need_kwh`` more; empty where it may."""
    reading = inputs.sources[k]
    if site.sources[k].kind is SourceKind.V2X:
        if reading.vehicle is None:
            return "no vehicle is connected"
        if reading.vehicle.opted_out:
            return "the driver has opted out"
    stored, floor = stored_kwh(k, inputs, site)
    if stored is None:
        return "its energy is unknown"
    if stored - need_kwh < floor:
        return "it has reached the driver's reserve" if reading.vehicle else "it has reached its floor"
    return ""


def bus_dead(latch: Latch, inputs: Inputs, site: IslandSite) -> bool:
    """Whether the building's side is dead: by measurement, or as every source is off or cut off by hard wire."""
    if inputs.bus_pu is not None:
        return inputs.bus_pu <= site.windows.dead_pu
    return inputs.main is Position.OPEN and all(
        source.mode in _OFF or (source.mode is Mode.UNKNOWN and cut)
        for source, cut in zip(inputs.sources, latch.tripped, strict=True)
    )


def refusal(command: Command, latch: Latch, inputs: Inputs, site: IslandSite) -> str:
    """Why ``command`` may not pass; empty where it may."""
    k = site.index[command.device]
    if command.action in ENDING:
        return "" if k > len(site.sections) else "only sources can be released or cut off"
    if k == 0:
        return "" if command.action is Action.OPEN else _close_main(command, latch, inputs, site)
    if k <= len(site.sections):
        return _switch(k - 1, command.action, latch, inputs, site)
    return _energise(k - 1 - len(site.sections), command, latch, inputs, site)


def _close_main(command: Command, latch: Latch, inputs: Inputs, site: IslandSite) -> str:
    if command.action is not Action.CLOSE:
        return "the main contactor can only be opened or closed"
    if latch.estop:
        return _ESTOP
    if inputs.loss_of_mains or judge(inputs.grid, site.windows) is not Grid.GOOD:
        return "the grid is not confirmed good"
    dead = bus_dead(latch, inputs, site)
    proven = dead and inputs.bus_pu is not None
    for k, (reading, source) in enumerate(zip(inputs.sources, site.sources, strict=True), 1 + len(site.sections)):
        silent = reading.mode is Mode.UNKNOWN and not proven and not latch.tripped[k - 1 - len(site.sections)]
        if reading.mode in _ENERGISING or silent or latch.on_left_s[k]:
            return f"{source.source_id} is not confirmed released"
    return "" if dead or inputs.in_sync else "the building is not synchronised with the grid"


def _switch(  # noqa: PLR0911 one reason per rule
    k: int, action: Action, latch: Latch, inputs: Inputs, site: IslandSite
) -> str:
    tier = site.sections[k].tier
    if action is Action.OPEN:
        for j in range(k + 1, len(site.sections)):
            lesser = site.sections[j].tier > tier and not latch.aside[j]
            if lesser and (inputs.sections[j].position is not Position.OPEN or latch.on_left_s[j + 1]):
                return f"{site.sections[j].section_id} is less important and not confirmed off"
        return ""
    if action is not Action.CLOSE:
        return "a section can only be switched on or off"
    if latch.estop:
        return _ESTOP
    for j in range(k):
        more = site.sections[j].tier < tier and not latch.aside[j]
        if more and (not seen_closed(j, inputs) or latch.off_left_s[j + 1]):
            return f"{site.sections[j].section_id} is more important and not confirmed on"
    if inputs.main is Position.CLOSED or (inputs.bus_pu is not None and inputs.bus_pu >= _LIVE_PU):
        return ""
    forming = any(source.mode is Mode.FORMING for source in inputs.sources)
    return "" if forming and open_proven(inputs, site) else "nothing feeds the building"


def seen_closed(k: int, inputs: Inputs) -> bool:
    """Whether section ``k`` is on: by its feedback or, where that is lost, by the load that flows."""
    reading = inputs.sections[k]
    if reading.position is Position.UNKNOWN:
        return reading.phase_kw is not None and sum(reading.phase_kw) > _SEEN_KW
    return reading.position is Position.CLOSED


def _energise(  # noqa: PLR0911 one reason per rule
    k: int, command: Command, latch: Latch, inputs: Inputs, site: IslandSite
) -> str:
    source, reading = site.sources[k], inputs.sources[k]
    if command.action not in {Action.FORM, Action.GIVE}:
        return "a source can only form, give, be released or be cut off"
    if latch.estop:
        return _ESTOP
    if latch.tripped[k]:
        return "it is cut off until a person resets it"
    if not site.islanding_permitted:
        return "the site has no permission to island"
    if not reading.available:
        return "it is not available"
    if command.action is Action.FORM:
        alone_kwh = source.power_kw * command.lease_s / 3600.0 / source.efficiency + site.margins_kwh[k]
        need_kwh = max(alone_kwh - _LAST_BIT, 2.0 * site.margins_kwh[k])
        return _form(k, latch, inputs, site) or _held_back(k, inputs, site, need_kwh)
    live = inputs.bus_pu is not None and inputs.bus_pu >= _LIVE_PU
    forming = live or any(other.mode is Mode.FORMING for j, other in enumerate(inputs.sources) if j != k)
    if not forming or not open_proven(inputs, site):
        return "no island is formed; on the grid, dispatch decides"
    if command.output_kw <= 0.0:
        return ""
    if not 0.0 < command.lease_s <= site.timing.lease_s:
        return "an output needs an end (lease)"
    lease_kwh = command.output_kw * command.lease_s / 3600.0 / source.efficiency
    return _held_back(k, inputs, site, lease_kwh + site.margins_kwh[k])


def _form(  # noqa: PLR0911 one reason per rule
    k: int, latch: Latch, inputs: Inputs, site: IslandSite
) -> str:
    """Why source ``k`` may not start a dead bus, its energy aside."""
    if inputs.main is not Position.OPEN or latch.on_left_s[0]:
        return "the main contactor is not confirmed open"
    if not site.sources[k].grid_forming:
        return "it cannot form a grid"
    for j, other in enumerate(inputs.sources):
        if j != k and (other.mode in _ENERGISING or latch.on_left_s[1 + len(site.sections) + j]):
            return f"{site.sources[j].source_id} is not confirmed released"
        if j != k and other.mode is Mode.UNKNOWN and inputs.bus_pu is None and not latch.tripped[j]:
            return f"{site.sources[j].source_id} does not answer and the bus is not measured"
    if inputs.sources[k].mode is Mode.FORMING:
        return ""
    if inputs.bus_pu is not None:
        return "" if bus_dead(latch, inputs, site) else "the bus is live"
    street = inputs.grid is not None and max(inputs.grid.voltage_pu, default=0.0) > site.windows.dead_pu
    return "the street is live, and without a measured bus nothing shows that the contactor separates" if street else ""


def pass_through(
    latch: Latch, inputs: Inputs, wanted: tuple[Command, ...], site: IslandSite
) -> tuple[tuple[Command, ...], tuple[Refused, ...], Latch]:
    """What leaves the controller: what must stop first, then those of ``wanted`` that may pass.

    Every command is judged with those before it counted as on their way, and remembered as such in the memory that
    is returned, until it has acted or is too old to act (``timing.flight_s``).
    """
    granted: list[Command] = []
    stopped: set[str] = set()
    for k, source in enumerate(site.sources):
        running = inputs.sources[k].mode is not Mode.OFF or latch.on_left_s[1 + len(site.sections) + k] > 0.0
        if running and must_stop(k, latch, inputs, site):
            stopped.add(source.source_id)
            granted.append(Command(source.source_id, Action.TRIP if latch.tripped[k] else Action.RELEASE))
    refused: list[Refused] = []
    given: list[int] = []
    for command in wanted:
        if command.device in stopped and command.action is Action.RELEASE:
            continue  # said already
        ending = command.action in ENDING
        if given and command.action is not Action.GIVE:
            latch, given = _remember_given(latch, given, site), []
        reason = "it must stop" if command.device in stopped and not ending else ""
        reason = reason or refusal(command, latch, inputs, site)
        if reason:
            refused.append(Refused(command, reason))
            continue
        granted.append(command)
        if command.action is Action.GIVE:  # does not change how the next output is judged: noted together
            given.append(site.index[command.device])
        else:
            latch = _remember(latch, command, site)
    return tuple(granted), tuple(refused), _remember_given(latch, given, site)


def _remember_given(latch: Latch, given: list[int], site: IslandSite) -> Latch:
    if not given:
        return latch
    left = list(latch.on_left_s)
    for k in given:
        left[k] = site.timing.flight_s
    return replace(latch, on_left_s=tuple(left))


def _remember(latch: Latch, command: Command, site: IslandSite) -> Latch:
    k, flight = site.index[command.device], site.timing.flight_s
    if command.action is Action.TRIP:
        j = k - 1 - len(site.sections)
        return replace(latch, tripped=(*latch.tripped[:j], True, *latch.tripped[j + 1 :]))
    if command.action is Action.OPEN:
        left = latch.off_left_s
        return replace(latch, off_left_s=(*left[:k], flight, *left[k + 1 :]))
    if command.action is Action.RELEASE:
        return latch
    left = latch.on_left_s
    return replace(latch, on_left_s=(*left[:k], flight, *left[k + 1 :]))
