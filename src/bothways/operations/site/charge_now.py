"""Drivers who charge now: they act at once, also at a site near its limit and while rises are slowed.

What they get comes from vehicles that can wait, never from what another driver needs, and the sum of all charging rises
no faster than it may: the others step down in the same second, which is never slowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.policy import Connected
from bothways.operations.site.state import EvseState

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TINY_KW = 1e-9


def wanted_now(evses: Sequence[EvseState]) -> Bools:
    """Whose driver asked to charge now, shape ``(N,)``."""
    return np.array(
        [item.session is not None and item.session.need is not None and item.session.need.charge_now for item in evses],
        dtype=np.bool_,
    )


def before_those_who_can_wait(
    connected: Connected, now: Bools, must: Floats, high: Floats, room_kw: float
) -> tuple[Connected, Floats]:
    """Drivers who charge now need it in this very step, as far as the needs of the others leave room.

    Args:
        connected: the vehicles.
        now: who charges now, shape ``(N,)``.
        must: least power that each one's need asks for, shape ``(N,)`` [kW].
        high: greatest power of each, shape ``(N,)`` [kW].
        room_kw: import that is free for vehicles [kW].

    Returns:
        The vehicles as dispatch is to see them, and the least powers: the minimum power for who charges now, if more is
        not due anyway.
    """
    if not now.any():
        return connected, must
    least = np.where(now, np.maximum(must, np.minimum(connected.minimum_kw, high)), must)
    free = max(0.0, room_kw - float(least.sum()))
    more = np.where(now, np.maximum(0.0, high - least), 0.0)
    asked = float(more.sum())
    share = 1.0 if asked <= free or asked <= _TINY_KW else free / asked
    power = np.where(now, least + share * more, connected.charge_kw)
    return replace(connected, charge_kw=power, steps_left=np.where(now, 1, connected.steps_left)), least


def step_aside(
    power: Floats, before: Floats, now: Bools, must: Floats, minimum: Floats, order: Ints, budget_kw: float
) -> None:
    """Lowers vehicles that can wait until those that charge now fit into what the sum may rise; changes ``power``.

    Where that is not enough, those that charge now share what there is: all of them begin.

    Args:
        power: setpoints, shape ``(N,)`` [kW].
        before: what was commanded last, shape ``(N,)`` [kW].
        now: who charges now, shape ``(N,)``.
        must: least power that each one's need asks for, shape ``(N,)`` [kW].
        minimum: smallest charging power other than 0, shape ``(N,)`` [kW].
        order: rows, the most urgent first, shape ``(N,)``.
        budget_kw: greatest rise of the sum [kW].
    """
    rise = float(np.where(now, np.maximum(0.0, power) - np.maximum(0.0, before), 0.0).sum())
    falls = float(np.where(now, 0.0, np.minimum(np.maximum(0.0, power) - np.maximum(0.0, before), 0.0)).sum())
    excess = rise + falls - budget_kw
    if excess <= _TINY_KW:
        return
    for stops in (False, True):  # first what is above a minimum, then whoever needs nothing now altogether
        for i in order[::-1]:
            if excess <= _TINY_KW:
                return
            held = min(power[i], max(0.0, before[i]))  # a rise of others is taken by the cap on rises
            if now[i] or held <= 0.0:
                continue
            waits = 0.0 if stops else minimum[i]
            least = max(must[i], minimum[i]) if must[i] > 0.0 else waits
            less = max(least, held - excess)
            if less < minimum[i]:
                less = 0.0
            if less < held:
                excess -= held - less
                power[i] = less
    _begin(power, before, now, minimum, order, excess)


def _begin(power: Floats, before: Floats, now: Bools, minimum: Floats, order: Ints, excess: float) -> None:
    """Where those that charge now do not all fit, each of them begins with its minimum before anyone gets more.

    What rises further is cut first, then those that run give back what is above their minimum, for the seconds in which
    the sum may not rise faster; changes ``power``.
    """
    fresh = now & (before <= 0.0) & (power > 0.0)
    if not fresh.any() or np.count_nonzero(now & (power > 0.0)) < 2:
        return
    for give_back in (False, True):
        for i in order[::-1]:
            if excess <= _TINY_KW:
                return
            if not now[i]:
                continue
            least = minimum[i] if fresh[i] or give_back else before[i]
            if least < power[i]:
                less = max(least, power[i] - excess)
                excess -= power[i] - less
                power[i] = less
