"""The interior-point method's work on the bounds of all variables: each formula in one pass over them.

A variable is free (it moves) or fixed, and a free one is capped where it has an upper bound; both are flags 0 or 1.
For lower and upper bounds there are slacks (``over``, ``under``) and multipliers (``low``, ``high``); what does not
apply has slack 1 and multiplier 0. All arrays are ``(n,)``. Sums may be taken in any order.
"""

from __future__ import annotations

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
    over: Floats, under: Floats, low: Floats, high: Floats, capped: Floats, dx: Floats, turn: Floats, counter: Floats,
    share: Floats, wider: Floats,
) -> None:  # fmt: skip
    """The multipliers' directions towards a gap of 0 along ``dx``, into ``turn`` and ``counter``.

    With the share q of its slack that a variable goes, its multiplier goes −(1 + q) of itself: one division tells both
    how far. The shares that variables and multipliers go of what they have, at most, are written to ``share`` and
    ``wider``; a variable that is fixed does not move, and one without a cap has no second share. (Greatest values are
    left to the caller: a loop that looks for them takes one number at a time.)
    """
    for n in range(over.shape[0]):
        gone, left = dx[n] / over[n], capped[n] * dx[n] / under[n]
        turn[n] = -low[n] * (1.0 + gone)
        counter[n] = -high[n] * (1.0 - left)
        share[n] = max(-gone, left)
        wider[n] = 1.0 + max(gone, -left)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def gap_ahead(
    over: Floats, under: Floats, low: Floats, high: Floats, dx: Floats, turn: Floats, counter: Floats, far: float,
    wide: float,
) -> float:  # fmt: skip
    """The complementarity after steps ``far`` of the variables and ``wide`` of the multipliers [currency]."""
    after = 0.0
    for n in range(over.shape[0]):
        step = far * dx[n]
        after += (over[n] + step) * (low[n] + wide * turn[n]) + (under[n] - step) * (high[n] + wide * counter[n])
    return after


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
    over: Floats, under: Floats, low: Floats, high: Floats, capped: Floats, dx: Floats, turn: Floats, counter: Floats,
    share: Floats, wider: Floats,
) -> None:  # fmt: skip
    """Turns the targets in ``turn`` and ``counter`` into directions; shares as :func:`predicted` writes them."""
    for n in range(over.shape[0]):
        step, slack, cap = dx[n], over[n], under[n]
        up, down = (turn[n] - low[n] * step) / slack, (counter[n] + high[n] * step) / cap
        turn[n], counter[n] = up, down
        share[n] = max(-step / slack, capped[n] * step / cap)
        # where there is no multiplier, it is 0 and does not change
        wider[n] = max(-up / (low[n] + 1e-300), -down / (high[n] + 1e-300))


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
