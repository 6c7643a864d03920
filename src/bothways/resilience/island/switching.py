"""Sections of load in an island: on in order, one at a time, if they fit; off in reverse order; never a gap."""

from __future__ import annotations

from bothways.resilience.island.commands import Action, Severity
from bothways.resilience.island.interlock import seen_closed
from bothways.resilience.island.power import fits, outputs_kw, overloaded
from bothways.resilience.island.rationing import Ration, ration
from bothways.resilience.island.signals import Mode, Position
from bothways.resilience.island.turn import Turn

_TINY_KW = 0.05
_WORTH_KW = 1.0  # below, a difference between order and measurement says nothing


def watch_breakers(turn: Turn) -> None:
    """Notes which sections are on, and which switched themselves off: those wait for a person."""
    for k, section in enumerate(turn.site.sections):
        position, track = turn.position(k), turn.tracks[k + 1]
        if seen_closed(k, turn.inputs):
            turn.on[k] = True
            turn.faulty[k] = False
        elif position is Position.OPEN and turn.on[k]:
            turn.on[k] = False
            ordered = turn.before.off_left_s[k + 1] > 0.0 or (track is not None and track.action is Action.OPEN)
            turn.faulty[k] = not ordered
        if turn.faulty[k]:
            turn.say_while(
                "section tripped",
                Severity.ALARM,
                f"Section {section.section_id} switched itself off.",
                "Look for the cause (overload, short circuit). Then confirm to switch it on again, or take it out "
                "of service so that less important sections can be switched on.",
                section.section_id,
            )


def open_from(turn: Turn, first: int) -> bool:
    """Wishes sections ``first`` … off, the least important tier first; returns whether nothing is left to wait for.

    A more important tier waits until the less important ones are confirmed off. Where one does not obey, the rest
    stays as it is: a person has been told, and the interlock would hold it back.
    """
    site = turn.site
    for tier in sorted({section.tier for section in site.sections[first:]}, reverse=True):
        left = [
            k
            for k in range(first, len(site.sections))
            if site.sections[k].tier == tier
            and not turn.latch.aside[k]
            and (turn.position(k) is not Position.OPEN or turn.latch.on_left_s[k + 1] > 0.0)
        ]
        for k in left:
            turn.want(k + 1, Action.OPEN)
        if left:
            return all(turn.gave_up(k + 1) for k in left)
    return True


def serve(turn: Turn) -> None:
    """One call in an island: shed what cannot be carried, else switch on the next section, and share the load."""
    former = turn.former
    if former is None:
        return
    plan = ration(turn.inputs, turn.able, turn.outage_s, turn.site)
    _tell(turn, plan)
    on = _count_on(turn)
    if not _shed(turn, plan, on):
        _switch_on(turn, plan, former)
    share(turn, former)


def _count_on(turn: Turn) -> int:
    """Number of sections up to the last one that is not confirmed off."""
    sections = range(len(turn.site.sections))
    last = [k for k in sections if turn.position(k) is not Position.OPEN and not turn.latch.aside[k]]
    return last[-1] + 1 if last else 0


def _shed(turn: Turn, plan: Ration, on: int) -> bool:
    """Sheds the last section where power or energy falls short; never the first. Returns whether it does."""
    keep = min(plan.keep, turn.cap)
    over = overloaded(turn.inputs, turn.able, turn.former, turn.site)
    if over:
        keep = min(keep, on - 1)
    floor = _first_tier(turn)
    if on <= max(keep, floor):
        if over:
            turn.say_while(
                "overload",
                Severity.ALARM,
                "The most important sections ask for more than the sources can give.",
                "Switch off single devices by hand, or connect another vehicle.",
            )
        return False
    open_from(turn, max(keep, floor) if not over else max(on - 1, floor))
    turn.shed_s = 0.0
    why = "the sources cannot carry it" if over else "the energy must last for what is more important"
    name = turn.site.sections[on - 1].section_id
    turn.say_while("shedding", Severity.WARN, f"Section {name} is switched off: {why}.", "", name)
    return True


def _first_tier(turn: Turn) -> int:
    first = turn.site.sections[0].tier
    return sum(section.tier == first for section in turn.site.sections)


def _switch_on(turn: Turn, plan: Ration, former: int) -> None:
    """Wishes the next section on, when the last one has settled and this one fits."""
    site, timing = turn.site, turn.site.timing
    for k, section in enumerate(site.sections):
        if seen_closed(k, turn.inputs) or turn.latch.aside[k]:
            continue
        if turn.faulty[k]:
            return
        pending = turn.tracks[k + 1]
        started = pending is not None and pending.action is Action.CLOSE
        lesser = section.tier > site.sections[0].tier
        if k > 0 and not started and turn.switched_s < timing.settle_s:
            return
        if lesser and (k >= min(plan.add, turn.cap) or turn.shed_s < timing.restore_s):
            return
        held = fits(k, turn.inputs, turn.able, former, site) if turn.position(k) is Position.OPEN else ""
        if held:
            severity = Severity.INFO if lesser else Severity.ALARM
            remedy = "" if lesser else "Connect another vehicle or start another source, or switch off devices in it."
            text = f"Section {section.section_id} stays off: {held}."
            turn.say_while("does not fit", severity, text, remedy, section.section_id)
            return
        turn.want(k + 1, Action.CLOSE)
        turn.switched_s = 0.0 if not started else turn.switched_s
        return


def ramp(turn: Turn) -> None:
    """On the grid again: switches the sections on one after the other."""
    for k in range(len(turn.site.sections)):
        if seen_closed(k, turn.inputs) or turn.latch.aside[k]:
            continue
        if turn.faulty[k]:
            return
        pending = turn.tracks[k + 1]
        started = pending is not None and pending.action is Action.CLOSE
        if started or k == 0 or turn.switched_s >= turn.site.timing.settle_s:
            turn.want(k + 1, Action.CLOSE)
            turn.switched_s = 0.0 if not started else turn.switched_s
        return


def share(turn: Turn, former: int) -> None:
    """Wishes the outputs of the sources that follow."""
    for k, kw in enumerate(outputs_kw(turn.inputs, turn.able, former, turn.site)):
        if k == former or turn.latch.tripped[k]:
            continue
        if abs(kw) > _TINY_KW:
            turn.want(turn.first_source + k, Action.GIVE, kw)
        else:
            turn.want(turn.first_source + k, Action.RELEASE)


def _tell(turn: Turn, plan: Ration) -> None:
    site = turn.site
    if plan.short_h > 0.0:
        first = site.sections[0]
        turn.say_while(
            "energy short",
            Severity.ALARM,
            f"Section {first.section_id} lasts {plan.lasts_h:.1f} h, {plan.short_h:.1f} h less than its target.",
            "Connect another vehicle or bring fuel; switch off what is not needed.",
        )
    for k, (source, reading) in enumerate(zip(site.sources, turn.inputs.sources, strict=True)):
        track = turn.tracks[turn.first_source + k]
        asked = track.output_kw if track is not None and track.age_s >= site.timing.confirm_s else 0.0
        if reading.mode is Mode.GIVING and asked > _WORTH_KW and reading.output_kw < 0.5 * asked:
            turn.say_while(
                "not delivering",
                Severity.WARN,
                f"{source.source_id} was told {asked:.1f} kW and gives {reading.output_kw:.1f} kW.",
                "Look at the charger and the vehicle; another vehicle may be needed.",
                source.source_id,
            )
        if reading.mode is Mode.UNKNOWN:
            turn.say_while(
                "silent",
                Severity.WARN,
                f"{source.source_id} does not answer; it is not counted on.",
                "Look at the device and its network.",
                source.source_id,
            )
