"""Symmetric band matrices as flat arrays, a row per step, by vectors: factors, solutions, products.

Entry (t, t + j), j ≥ 0, lies at ``AHEAD + t·stride + j`` for the j below the band's width; what else there is in a row
(see :func:`stride_of`) stays 0, so that whole vectors may be read and written around an entry. Vectors of right-hand
sides have :func:`room_for` numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bothways.planning.engine.simd import HALF, load, splat, store, total
from bothways.planning.problem import Floats

AHEAD = HALF
"""Numbers before the first row."""

LOST = 1e-13
"""Share of a diagonal below which what is left of it is rounding."""

HUGE = 1e100
"""In place of the root of such a pivot."""


def stride_of(width: int) -> int:
    """Numbers from one row to the next, for a band that is so wide."""
    return -(-width // HALF) * HALF + 2 * HALF


@njit(cache=True, nogil=True)
def room_for(size: int) -> int:
    """Numbers in a vector of so many rows: whole vectors."""
    return -(-size // HALF) * HALF


def empty_band(size: int, width: int) -> Floats:
    """A band matrix of zeros."""
    return np.zeros(AHEAD + size * stride_of(width))


@njit(cache=True, nogil=True, error_model="numpy")
def triangle(band: Floats, size: int, stride: int, inverse: Floats) -> None:
    """Writes U with Uᵀ·U = the matrix over its upper triangle, but for the diagonal, whose inverse goes to ``inverse``.

    A pivot that rounding has eaten up belongs to a row that says nothing new; a huge one in its place leaves that row's
    price as it is.
    """
    for k in range(size):
        inverse[k] = band[AHEAD + k * stride]
    for k in range(0, size, 4):
        for own in range(min(4, size - k)):
            _pivot(band, k, own, stride, inverse)
        _spread(band, k, size, stride)


@njit(cache=True, nogil=True, error_model="numpy")
def _pivot(band: Floats, k: int, own: int, stride: int, inverse: Floats) -> None:
    """Makes row ``k + own`` one of U, by the rows from ``k`` on; ``inverse`` holds its diagonal before it."""
    row = AHEAD + (k + own) * stride
    for before in range(own):
        since = row - (own - before) * (stride - 1)
        part = splat(load(band, row), band[since])
        for j in range(0, stride - 2 * HALF, HALF):
            store(band, row + j, load(band, row + j) - part * load(band, since + j))
    root = math.sqrt(band[row]) if band[row] > LOST * inverse[k + own] else HUGE
    inverse[k + own] = 1.0 / root
    band[row] = 0.0
    scale = splat(load(band, row), inverse[k + own])
    for j in range(0, stride - 2 * HALF, HALF):
        store(band, row + j, load(band, row + j) * scale)


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(band: Floats, k: int, size: int, stride: int) -> None:
    """Subtracts what four rows of U from ``k`` on leave in the rows behind them: four at once, as each row is read."""
    width = stride - 2 * HALF
    for r in range(k + 4, min(k + 3 + width, size)):
        # where the four rows have the column of row r's diagonal
        first = AHEAD + k * stride + r - k
        second, third, fourth = first + stride - 1, first + 2 * (stride - 1), first + 3 * (stride - 1)
        like = load(band, first)
        one, two = splat(like, band[first]), splat(like, band[second])
        three, four = splat(like, band[third]), splat(like, band[fourth])
        row = AHEAD + r * stride
        for j in range(0, k + 3 + width - r, HALF):
            gone = one * load(band, first + j) + two * load(band, second + j)
            gone = gone + (three * load(band, third + j) + four * load(band, fourth + j))
            store(band, row + j, load(band, row + j) - gone)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_triangles(upper: Floats, size: int, stride: int, inverse: Floats, side: Floats) -> None:
    """Solves Uᵀ·U·x = ``side`` in place, U as :func:`triangle` leaves it; ``side`` has room for whole vectors.

    Vectors lie at multiples of their length, and what has just been found stays in a register: a vector that is read
    across two that were just written waits for both.
    """
    width = stride - 2 * HALF
    found = np.zeros(-(-size // HALF) * HALF)
    zero = splat(load(upper, 0), 0.0)
    for k in range(size):
        found[k] = side[k] * inverse[k]
        now = splat(zero, found[k])
        row = AHEAD + k * stride - k
        for at in range(k // HALF * HALF, min(k + width, size), HALF):
            store(side, at, load(side, at) - now * load(upper, row + at))
    unit = np.zeros(2 * HALF)
    unit[HALF] = 1.0
    fresh = zero
    for k in range(size - 1, -1, -1):
        row, group = AHEAD + k * stride - k, k // HALF * HALF
        known = fresh * load(upper, row + group)
        for at in range(group + HALF, min(k + width, size), HALF):
            known = known + load(side, at) * load(upper, row + at)
        now = splat(zero, (found[k] - total(known)) * inverse[k])
        fresh = fresh + now * load(unit, HALF - (k - group))
        if k == group:
            store(side, group, fresh)
            fresh = zero


@njit(cache=True, nogil=True, error_model="numpy")
def band_times(band: Floats, size: int, stride: int, x: Floats, out: Floats) -> None:
    """Writes the matrix times ``x``; both have room for whole vectors, and what is behind the matrix is 0 in ``x``."""
    width = stride - 2 * HALF
    own = np.empty(size)
    out[:] = 0.0
    for k in range(size):
        row = AHEAD + k * stride - k
        here = splat(load(x, 0), x[k])
        known = splat(here, 0.0)
        for at in range(k // HALF * HALF, min(k + width, size), HALF):
            numbers = load(band, row + at)
            known = known + numbers * load(x, at)
            store(out, at, load(out, at) + numbers * here)
        own[k] = total(known) - band[row + k] * x[k]
    for k in range(size):
        out[k] += own[k]
