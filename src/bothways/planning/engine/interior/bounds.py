"""The interior-point method's work on the bounds of all variables, a vector of them at a time.

A variable that moves has a slack ``over`` its lower bound and a multiplier ``low`` > 0 for it; where it also has an
upper bound, a slack ``under`` that and a multiplier ``high`` > 0. What does not apply has slack 1 and multiplier 0; a
variable that does not move has neither multiplier. So the multipliers tell which is which, and nothing else is read.

Slacks are kept apart from the variables, which are too coarse to tell how far they are from a bound that is not 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.simd import Vector, greatest, load_register, select_lt, splat, store, total, vmax
from bothways.planning.problem import Floats

SHARE, WIDER, TILT, BOW, PULL, GAP, LACK = range(7)
"""What a pass over variables tells: the greatest share of a slack and of a multiplier that a step takes, three sums
that give the complementarity ahead (see :func:`predict`, :func:`correct`), the complementarity, and the most that a
row lacks [kWh]."""

SUMS = 7

Vectors = tuple[Vector, Vector, Vector, Vector, Vector]
"""The first five of them, as they are added up."""


class Point(NamedTuple):
    """Variables with their bounds, ``(n,)`` each, n whole vectors.

    Attributes:
        x: the variables [kWh].
        over, under: slacks [kWh].
        low, high: multipliers [currency/kWh].
        per_over, per_under: 1/slack.
        give: how far each variable gives way [kWh² per currency].
        want: what its cost lacks, as the present right-hand side has it [currency/kWh].
        step: direction of the variables [kWh].
        above, below: what slack times multiplier should become, less what it is [currency].
    """

    x: Floats
    over: Floats
    under: Floats
    low: Floats
    high: Floats
    per_over: Floats
    per_under: Floats
    give: Floats
    want: Floats
    step: Floats
    above: Floats
    below: Floats

    @staticmethod
    def of(size: int) -> Point:
        """Room for so many variables; see ``start`` for what is written there first."""
        return Point(*np.empty((12, size)))


@njit(cache=True, nogil=True, error_model="numpy")
def ready(at: Point, n: int, want: Vector) -> Vector:
    """Prepares a step of the variables from ``n`` on, whose costs lack ``want``; returns how far they give way."""
    low = load_register(at.low, n)
    zero, one = splat(low, 0.0), splat(low, 1.0)
    per_over, per_under = one / load_register(at.over, n), one / load_register(at.under, n)
    stiff = low * per_over + load_register(at.high, n) * per_under
    give = select_lt(zero, low, one / vmax(stiff, splat(low, 1e-300)), zero)
    store(at.per_over, n, per_over)
    store(at.per_under, n, per_under)
    store(at.give, n, give)
    store(at.want, n, want)
    return give


@njit(cache=True, nogil=True, error_model="numpy")
def predict(at: Point, n: int, step: Vector, sums: Vectors) -> Vectors:
    """Takes the direction ``step`` towards a gap of 0 and adds to ``sums``.

    With the share q of its slack that a variable goes, its multiplier goes −(1 + q) of itself. So after a step f of the
    variables and w of the multipliers the complementarity is (1 − w)·gap + (f − w)·TILT − f·w·(TILT + BOW), with
    TILT = Σ step·(low − high) and BOW = Σ low·step²/over + high·step²/under.
    """
    share, wider, tilt, bow, pull = sums
    store(at.step, n, step)
    low, high = load_register(at.low, n), load_register(at.high, n)
    zero, one = splat(low, 0.0), splat(low, 1.0)
    gone = step * load_register(at.per_over, n)
    left = select_lt(zero, high, step * load_register(at.per_under, n), zero)
    share = vmax(share, vmax(zero - gone, left))
    wider = vmax(wider, one + vmax(gone, zero - left))
    return share, wider, tilt + step * (low - high), bow + step * (low * gone + high * left), pull


@njit(cache=True, nogil=True, error_model="numpy")
def aim(at: Point, n: int, centre: float, trust: float) -> Vector:
    """Turns the prediction in ``step`` into what the corrector asks for; returns what the costs lack then."""
    low, high, step = load_register(at.low, n), load_register(at.high, n), load_register(at.step, n)
    per_over, per_under = load_register(at.per_over, n), load_register(at.per_under, n)
    zero, one = splat(low, 0.0), splat(low, 1.0)
    level, part = splat(low, centre), splat(low, trust)
    turn, counter = low * (one + step * per_over), high * (one - step * per_under)
    above = select_lt(zero, low, level - load_register(at.over, n) * low + part * step * turn, zero)
    below = select_lt(zero, high, level - load_register(at.under, n) * high - part * step * counter, zero)
    want = load_register(at.want, n) - low + high - above * per_over + below * per_under
    store(at.above, n, above)
    store(at.below, n, below)
    store(at.want, n, want)
    return want


@njit(cache=True, nogil=True, error_model="numpy")
def correct(at: Point, n: int, step: Vector, sums: Vectors) -> Vectors:
    """Takes the corrector's direction and adds to ``sums`` how much of slacks and multipliers it takes.

    After a step f of the variables and w of the multipliers the complementarity is
    gap + w·PULL + (f − w)·TILT + f·w·BOW, with TILT as before, PULL = Σ above + below, BOW = Σ step·(Δlow − Δhigh).
    """
    share, wider, tilt, bow, pull = sums
    store(at.step, n, step)
    low, high = load_register(at.low, n), load_register(at.high, n)
    per_over, per_under = load_register(at.per_over, n), load_register(at.per_under, n)
    zero, tiny = splat(low, 0.0), splat(low, 1e-300)
    left = select_lt(zero, high, step * per_under, zero)
    share = vmax(share, vmax(zero - step * per_over, left))
    down, up = (
        (low * step - load_register(at.above, n)) * per_over,
        (zero - high * step - load_register(at.below, n)) * per_under,
    )
    wider = vmax(wider, vmax(down / (low + tiny), up / (high + tiny)))
    pull = pull + load_register(at.above, n) + load_register(at.below, n)
    return share, wider, tilt + step * (low - high), bow + step * (up - down), pull


@njit(cache=True, nogil=True, error_model="numpy")
def advance(at: Point, n: int, far: Vector, wide: Vector) -> Vector:
    """Makes the step, ``far`` for variables and ``wide`` for multipliers; returns slacks times multipliers after it."""
    over, under, low, high = (
        load_register(at.over, n),
        load_register(at.under, n),
        load_register(at.low, n),
        load_register(at.high, n),
    )
    step = load_register(at.step, n)
    low = low + wide * (load_register(at.above, n) - low * step) * load_register(at.per_over, n)
    high = high + wide * (load_register(at.below, n) + high * step) * load_register(at.per_under, n)
    moved = far * step
    over, under = over + moved, select_lt(splat(low, 0.0), high, under - moved, under)
    store(at.x, n, load_register(at.x, n) + moved)
    store(at.over, n, over)
    store(at.under, n, under)
    store(at.low, n, low)
    store(at.high, n, high)
    return over * low + under * high


@njit(cache=True, nogil=True, error_model="numpy")
def keep(sums: Vectors, out: Floats) -> None:
    """Adds the sums of a pass over variables to ``out`` ``(SUMS,)``."""
    share, wider, tilt, bow, pull = sums
    out[SHARE] = max(out[SHARE], greatest(share))
    out[WIDER] = max(out[WIDER], greatest(wider))
    out[TILT] += total(tilt)
    out[BOW] += total(bow)
    out[PULL] += total(pull)
