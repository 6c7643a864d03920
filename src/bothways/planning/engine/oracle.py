"""The cheapest schedule of one vehicle at given prices: the readable form, one vehicle at a time.

A vehicle's cost of a step is convex and piecewise linear in x, the change of stored energy: a purchase at λ/ηc per
stored kWh for x > 0, a sale at (λ − w)·ηd for x < 0. So its cost-to-go V_t(e) is convex and piecewise linear in the
stored energy e, and Bellman's step is an infimal convolution: it inserts a segment of slope −λ/ηc (length x̄c) and one
of slope −(λ − w)·ηd (length x̄d) into the sorted list of slopes, shifts the domain, and trims it to [floor, ceiling].
The policy needs two energies per step only: charge up to B (where V_{t+1} has the slope −λ/ηc), discharge down to
S (where it reaches −(λ − w)ηd). Exact; O(T·K) with K live segments.

The fast form in ``lanes`` does the same with one vehicle per lane and without insertion; tests hold the two together.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.model import (
    BEGIN,
    BIG,
    CEILING,
    E0,
    END,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
)
from bothways.planning.problem import Floats


@njit(cache=True, nogil=True)
def cheapest(
    row: Floats,
    price: Floats,
    change: Floats,
) -> float:
    """Writes the cheapest changes of stored energy of one vehicle and returns their cost.

    Takes:
        row: the vehicle, ``(FIELDS,)`` as in ``model``.
        price: price of AC energy ``(T,)`` [currency/kWh], nowhere below the vehicle's lowest convex price.
        change: result ``(T,)`` [kWh], 0 outside the stay.

    Returns:
        Σ price·q + wear − terminal value of the change [currency].
    """
    begin, end = int(row[BEGIN]), int(row[END])
    change[:] = 0.0
    up_to = np.empty(max(end - begin, 0))
    down_to = np.empty(max(end - begin, 0))
    slope = np.empty(2 * up_to.shape[0] + 2)
    length = np.empty(2 * up_to.shape[0] + 2)
    low, count = row[REQUIRED], 1
    slope[0], length[0] = -row[VALUE], row[CEILING] - row[REQUIRED]
    for t in range(end - 1, begin - 1, -1):
        buy = -price[t] * row[PER_IN]
        sell = -(price[t] - row[WEAR]) * row[PER_OUT]
        up_to[t - begin] = low + below(slope, length, count, buy)
        down_to[t - begin] = low + below(slope, length, count, sell) if row[MOST_OUT] > 0.0 else BIG
        low -= row[MOST_IN]
        count = insert(slope, length, count, buy, row[MOST_IN])
        if row[MOST_OUT] > 0.0:
            count = insert(slope, length, count, sell, row[MOST_OUT])
        count = trim(slope, length, count, row[FLOOR] - low, row[CEILING] - max(low, row[FLOOR]))
        low = max(low, row[FLOOR])
    energy, cost = row[E0], 0.0
    for t in range(begin, end):
        x = max(0.0, min(row[MOST_IN], up_to[t - begin] - energy))
        x -= max(0.0, min(row[MOST_OUT], energy - down_to[t - begin]))
        change[t] = x
        energy += x
        cost += price[t] * x * row[PER_IN] if x > 0.0 else (price[t] - row[WEAR]) * x * row[PER_OUT]
        cost -= row[VALUE] * x
    return cost


@njit(cache=True, nogil=True)
def below(
    slope: Floats,
    length: Floats,
    count: int,
    limit: float,
) -> float:
    """Length of the segments whose slope is below ``limit``."""
    reach = 0.0
    for k in range(count):
        if slope[k] >= limit:
            break
        reach += length[k]
    return reach


@njit(cache=True, nogil=True)
def insert(
    slope: Floats,
    length: Floats,
    count: int,
    new_slope: float,
    new_length: float,
) -> int:
    """Puts a segment into the list, which stays sorted; returns the new count."""
    k = count
    while k > 0 and slope[k - 1] > new_slope:
        slope[k], length[k] = slope[k - 1], length[k - 1]
        k -= 1
    slope[k], length[k] = new_slope, new_length
    return count + 1


@njit(cache=True, nogil=True)
def trim(
    slope: Floats,
    length: Floats,
    count: int,
    cut: float,
    keep: float,
) -> int:
    """Drops ``cut`` from the left where positive, then all beyond ``keep`` from the right; returns the new count."""
    first, rest = 0, max(0.0, cut)
    while first < count - 1 and length[first] <= rest:
        rest -= length[first]
        first += 1
    length[first] = max(0.0, length[first] - rest)
    last, reach = first, length[first]
    while last < count - 1 and reach < keep:
        last += 1
        reach += length[last]
    length[last] -= max(0.0, reach - keep)
    for k in range(first, last + 1):
        slope[k - first], length[k - first] = slope[k], length[k]
    return last + 1 - first
