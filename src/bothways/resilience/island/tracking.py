"""One wish per device, pursued until it is confirmed: sent, sent again a bounded number of times, then a person's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bothways.resilience.island.commands import Action
from bothways.resilience.island.interlock import seen_closed
from bothways.resilience.island.signals import Inputs, Mode, Position
from bothways.resilience.island.site import IslandSite


@dataclass(frozen=True, slots=True)
class Want:
    """What a device should do."""

    action: Action
    output_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """How far a wish has come.

    Attributes:
        action: the wish.
        attempts: times sent so far; 0 while the interlock holds it back.
        age_s: time since it was last sent [s].
        given_up: every attempt is used up and a person has been told.
        output_kw: output last sent, for ``GIVE`` [kW].
    """

    action: Action
    attempts: int = 0
    age_s: float = 0.0
    given_up: bool = False
    output_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Chase:
    """What to do about one wish now."""

    track: Track | None
    send: bool = False
    tell: bool = False


def confirmed(k: int, action: Action, inputs: Inputs, site: IslandSite) -> bool:
    """Whether device ``k`` reports what ``action`` asked for. Silence confirms nothing."""
    sections = len(site.sections)
    if 0 < k <= sections and action is Action.CLOSE:
        return seen_closed(k - 1, inputs)
    if k <= sections:
        position = inputs.main if k == 0 else inputs.sections[k - 1].position
        return position is (Position.CLOSED if action is Action.CLOSE else Position.OPEN)
    mode = inputs.sources[k - 1 - sections].mode
    if action is Action.FORM:
        return mode is Mode.FORMING
    if action is Action.GIVE:
        return mode in {Mode.GIVING, Mode.CHARGING}
    return mode is Mode.OFF


def chase(  # noqa: PLR0911 one return per answer
    track: Track | None, want: Want | None, *, done: bool, dt_s: float, by_hand: bool, site: IslandSite
) -> Chase:
    """Decides whether a wish is sent now, has been met, or is handed to a person.

    Args:
        track: how far the wish has come; ``None`` for a new one or one that is met.
        want: the wish; ``None`` to leave the device as it is.
        done: whether the device reports it.
        dt_s: time since the last call [s].
        by_hand: whether a person has to do it.
        site: for its times.
    """
    if want is None:
        return Chase(None)
    timing = site.timing
    if track is None or track.action is not want.action:
        if done and want.action is not Action.GIVE:
            return Chase(None)
        return Chase(Track(want.action, output_kw=want.output_kw), send=True)
    if done and want.action is not Action.GIVE:
        return Chase(None)
    patience_s = timing.by_hand_s if by_hand else timing.confirm_s
    age_s = min(track.age_s + dt_s, max(patience_s, timing.lease_s))
    if done:
        moved = abs(want.output_kw - track.output_kw) > max(0.2, 0.05 * abs(track.output_kw))
        renew = moved or age_s >= timing.lease_s / 3.0
        kept = track.output_kw if not renew else want.output_kw
        return Chase(Track(Action.GIVE, age_s=0.0 if renew else age_s, output_kw=kept), send=renew)
    if track.attempts == 0 and track.action is not Action.GIVE:
        return Chase(track, send=True)  # held back by the interlock last time
    if age_s < patience_s or track.given_up:
        return Chase(replace(track, age_s=age_s))
    if track.attempts >= timing.attempts:
        return Chase(replace(track, age_s=age_s, given_up=True), tell=True)
    return Chase(replace(track, age_s=0.0, output_kw=want.output_kw), send=True)
