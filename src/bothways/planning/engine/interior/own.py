"""The interior-point method's steps of the meter's own variables and of its rows."""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.interior.bounds import GAP, LACK, Point, advance, aim, correct, keep, predict, ready
from bothways.planning.engine.interior.kinds import Kinds, collect, spread
from bothways.planning.engine.interior.meter import Meter, priced, seen
from bothways.planning.engine.interior.rows import Rows, factor, solve
from bothways.planning.engine.simd import REGISTER, load_register, splat, store, total
from bothways.planning.problem import Floats


@njit(cache=True, nogil=True, error_model="numpy")
def predictor(
    meter: Meter, kinds: Kinds, rows: Rows, at: Point, y: Floats, lack: Floats, dy: Floats, sums: Floats
) -> float:
    """Residuals and factors of the rows, and their prices' direction towards a gap of 0.

    Takes:
        meter, kinds, rows, at: the meter, what vehicles add to its rows, these rows, and its variables.
        y: prices of the rows, ``(T·m + R,)``.
        lack: what the rows lack, ``(T·m + R,)`` [kWh]; written.
        dy: the direction; written.
        sums: told the most that a row lacks.

    Returns:
        How far off the direction is, see ``rows.solve``.
    """
    moved, missing = np.zeros(at.x.shape[0]), np.empty(lack.shape[0])
    priced(meter, y, moved)
    for n in range(meter.cost.shape[0]):
        moved[n] = meter.cost[n] - moved[n]
    for n in range(0, moved.shape[0], REGISTER):
        want = load_register(moved, n)
        store(moved, n, want * ready(at, n, want))
    seen(meter, at.x, missing)
    for j in range(lack.shape[0]):
        lack[j] = meter.side[j] - missing[j]
    collect(kinds, meter.periods, kinds.energy, lack)
    for j in range(lack.shape[0]):
        sums[LACK] = max(sums[LACK], abs(lack[j]))
    factor(meter, kinds, rows, at.give)
    return float(_solve(meter, kinds, rows, moved, lack, dy))


@njit(cache=True, nogil=True, error_model="numpy")
def corrector(
    meter: Meter, kinds: Kinds, rows: Rows, at: Point, centre: float, trust: float, lack: Floats, dy: Floats
) -> float:
    """From the prediction to the prices' direction of the corrector; arguments as in :func:`predictor`."""
    moved = np.empty(at.x.shape[0])
    for n in range(0, moved.shape[0], REGISTER):
        store(moved, n, aim(at, n, centre, trust) * load_register(at.give, n))
    return float(_solve(meter, kinds, rows, moved, lack, dy))


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(meter: Meter, kinds: Kinds, rows: Rows, moved: Floats, lack: Floats, dy: Floats) -> float:
    """Solves the rows for what they lack, what vehicles add, and what the meter's own variables move."""
    wanted = np.empty(lack.shape[0])
    seen(meter, moved, wanted)
    for j in range(lack.shape[0]):
        wanted[j] += lack[j]
    collect(kinds, meter.periods, kinds.side, wanted)
    off = solve(meter, rows, wanted, dy)
    spread(kinds, meter.periods, dy, kinds.turn)
    return float(off)


@njit(cache=True, nogil=True, error_model="numpy")
def follow(meter: Meter, at: Point, dy: Floats, sums: Floats, corrects: bool) -> None:
    """The meter's variables' direction at their rows' prices ``dy``; adds to ``sums`` as ``passes.follow``."""
    pull = np.zeros(at.x.shape[0])
    priced(meter, dy, pull)
    zero = splat(load_register(pull, 0), 0.0)
    made = zero, zero, zero, zero, zero
    for n in range(0, pull.shape[0], REGISTER):
        step = load_register(at.give, n) * (load_register(pull, n) - load_register(at.want, n))
        made = correct(at, n, step, made) if corrects else predict(at, n, step, made)
    keep(made, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def move(at: Point, far: float, wide: float, sums: Floats) -> None:
    """Makes the step and adds up the complementarity."""
    like = load_register(at.x, 0)
    long, broad, gap = splat(like, far), splat(like, wide), splat(like, 0.0)
    for n in range(0, at.x.shape[0], REGISTER):
        gap = gap + advance(at, n, long, broad)
    sums[GAP] += total(gap)
