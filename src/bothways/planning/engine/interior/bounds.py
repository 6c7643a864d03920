"""The interior-point method's work on the bounds of all variables: each formula in one pass over them.

A variable is free (it moves) or fixed, and a free one is capped where it has an upper bound; both are flags 0 or 1.
For lower and upper bounds there are slacks (``over``, ``under``) and multipliers (``low``, ``high``); what does not
apply has slack 1 and multiplier 0. All arrays are ``(n,)``. Sums may be taken in any order.
"""

from __future__ import annotations

import math

from numba import njit

from bothways.planning.problem import Floats


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def gives(over: Floats, under: Floats, low: Floats, high: Floats, free: Floats, out: Floats) -> None:
    """How far each variable gives way, 1/(low/over + high/under); 0 for one that is fixed; written to ``out``."""
    for n in range(over.shape[0]):
        stiff = low[n] / over[n] + high[n] / under[n]
        out[n] = free[n] / max(stiff, 1e-300)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def predicted(
    over: Floats, under: Floats, low: Floats, high: Floats, capped: Floats, dx: Floats, turn: Floats, counter: Floats
) -> tuple[float, float, float]:
    """The multipliers' directions towards a gap of 0 along ``dx``, into ``turn`` and ``counter``, and the gap ahead.

    Returns:
        The longest steps of variables and multipliers, at most 1, and the complementarity after them.
    """
    far, wide = 1.0, 1.0
    for n in range(over.shape[0]):
        step, slack, cap = dx[n], over[n], under[n]
        turn[n] = -low[n] - low[n] * step / slack
        counter[n] = -high[n] + high[n] * step / cap
        if step < 0.0:
            if -step * far > slack:
                far = -slack / step
        elif capped[n] > 0.0 and step * far > cap:
            far = cap / step
        if -turn[n] * wide > low[n]:
            wide = -low[n] / turn[n]
        if -counter[n] * wide > high[n]:
            wide = -high[n] / counter[n]
    after = 0.0
    for n in range(over.shape[0]):
        step = far * dx[n]
        after += (over[n] + step) * (low[n] + wide * turn[n]) + (under[n] - step) * (high[n] + wide * counter[n])
    return far, wide, after


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def centred(
    over: Floats, under: Floats, low: Floats, high: Floats, free: Floats, capped: Floats, dx: Floats, turn: Floats,
    counter: Floats, centre: float, trust: float, lack: Floats, out: Floats,
) -> None:  # fmt: skip
    """What the corrector asks for: ``turn`` and ``counter`` become its targets, ``out`` what the costs lack then.

    The predictor's direction is ``dx``, ``turn``, ``counter``; ``lack`` is what the costs lack without multipliers.
    """
    for n in range(over.shape[0]):
        above = free[n] * (centre - over[n] * low[n] - trust * dx[n] * turn[n])
        below = capped[n] * (centre - under[n] * high[n] + trust * dx[n] * counter[n])
        turn[n], counter[n] = above, below
        out[n] = lack[n] - above / over[n] + below / under[n]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def corrected(
    over: Floats, under: Floats, low: Floats, high: Floats, capped: Floats, dx: Floats, turn: Floats, counter: Floats
) -> tuple[float, float]:
    """Turns the targets in ``turn`` and ``counter`` into directions; returns the longest steps, NaN if one is none."""
    far, wide, whole = math.inf, math.inf, 0.0
    for n in range(over.shape[0]):
        step, slack, cap = dx[n], over[n], under[n]
        turn[n] = (turn[n] - low[n] * step) / slack
        counter[n] = (counter[n] + high[n] * step) / cap
        whole += 0.0 * step
        if step < 0.0:
            if -step * far > slack:
                far = -slack / step
        elif capped[n] > 0.0 and step * far > cap:
            far = cap / step
        if -turn[n] * wide > low[n]:
            wide = -low[n] / turn[n]
        if -counter[n] * wide > high[n]:
            wide = -high[n] / counter[n]
    return (far, wide) if whole == 0.0 else (math.nan, math.nan)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def advance(
    x: Floats, over: Floats, under: Floats, low: Floats, high: Floats, free: Floats, capped: Floats, dx: Floats,
    turn: Floats, counter: Floats, far: float, wide: float,
) -> float:  # fmt: skip
    """Makes the step; returns the complementarity at its end [currency].

    Slacks are kept apart from ``x``, which is too coarse to tell how far it is from a bound that is not 0.
    """
    gap = 0.0
    for n in range(x.shape[0]):
        step = far * dx[n]
        x[n] += step
        over[n] = over[n] + step if free[n] > 0.0 else 1.0
        under[n] = under[n] - step if capped[n] > 0.0 else 1.0
        low[n] += wide * turn[n]
        high[n] += wide * counter[n]
        gap += over[n] * low[n] + under[n] * high[n]
    return gap
