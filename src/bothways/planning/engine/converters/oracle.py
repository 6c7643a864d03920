"""The cheapest schedule of one vehicle whose steps may be held to charging, resting or discharging.

As ``onoff.oracle``, with as many slopes per step as the envelope of what the step may be has: Bellman's step is an
infimal convolution, and several convex segments in one step are several steps at once. The result is exact where every
step's envelope is what the step costs (held to one of the three, at prices of at least 0), and a lower bound otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.converters.points import ROUNDING_KWH, Points, hull
from bothways.planning.engine.model import CEILING, E0, FLOOR, REQUIRED, WEAR
from bothways.planning.engine.oracle import below, insert, trim
from bothways.planning.problem import Floats, Ints


class Room(NamedTuple):
    """Scratch of :func:`cheapest_along`.

    Attributes:
        at: corners of each step's envelope, ``(T, P)`` [kWh].
        cost: what they cost, ``(T, P)``.
        up_to: stored energy up to which each segment is used, ``(T, P)`` [kWh].
        corners: their number, ``(T,)``.
        lows: least stored energy after each step, ``(T,)`` [kWh].
        highs: most, ``(T,)`` [kWh].
        slope: of the cost-to-go, sorted.
        length: of its segments [kWh].
    """

    at: Floats
    cost: Floats
    up_to: Floats
    corners: Ints
    lows: Floats
    highs: Floats
    slope: Floats
    length: Floats


@njit(cache=True, nogil=True)
def room_for(steps: int, width: int) -> Room:
    """Scratch for stays of up to ``steps`` and vehicles of up to ``width`` points."""
    size = steps * width + 6
    return Room(
        np.empty((steps, width)), np.empty((steps, width)), np.empty((steps, width)), np.empty(steps, np.int64),
        np.empty(steps), np.empty(steps), np.empty(size), np.empty(size),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def cheapest_along(
    points: Points, i: int, row: Floats, price: Floats, worth: Floats, allowed: Ints, steps: int, room: Room,
    change: Floats, shares: Floats,
) -> float:  # fmt: skip
    """Writes the cheapest changes of stored energy under what the steps may be, and returns their cost.

    Takes:
        points: the vehicles' points.
        i: the vehicle.
        row: the vehicle, as in ``model``.
        price: price of AC energy in each step of the stay.
        worth: what a kWh stored in it is worth later.
        allowed: what each step may be.
        steps: steps of the stay.
        room: from :func:`room_for`.
        change: the result [kWh].
        shares: what each step costs by its envelope.

    Returns:
        The cost by the envelopes; infinite where no schedule is within what is allowed.
    """
    slope, length = room.slope, room.length
    low, high, count = row[REQUIRED], row[CEILING], 1
    slope[0], length[0] = 0.0, high - low
    for k in range(steps - 1, -1, -1):
        at, cost = room.at[k], room.cost[k]
        corners = hull(points, i, allowed[k], price[k], row[WEAR], worth[k], at, cost)
        if corners == 0:
            return np.inf
        room.corners[k], room.lows[k], room.highs[k] = corners, low, high
        for j in range(corners - 1):
            room.up_to[k, j] = low + below(slope, length, count, (cost[j] - cost[j + 1]) / (at[j + 1] - at[j]))
        for j in range(corners - 1):
            count = insert(slope, length, count, (cost[j] - cost[j + 1]) / (at[j + 1] - at[j]), at[j + 1] - at[j])
        low, high = low - at[corners - 1], high - at[0]
        if k > 0:
            if min(high, row[CEILING]) < max(low, row[FLOOR]) - ROUNDING_KWH:
                return np.inf
            count = trim(slope, length, count, row[FLOOR] - low, row[CEILING] - max(low, row[FLOOR]))
            low, high = max(low, row[FLOOR]), min(high, row[CEILING])
    if row[E0] < low - ROUNDING_KWH or row[E0] > high + ROUNDING_KWH:
        return np.inf
    return float(_forward(row[E0], steps, room, change, shares))


@njit(cache=True, nogil=True)
def _forward(energy: float, steps: int, room: Room, change: Floats, shares: Floats) -> float:
    total = 0.0
    for k in range(steps):
        at, cost, corners = room.at[k], room.cost[k], room.corners[k]
        x = at[0]
        for j in range(corners - 1):
            part = min(room.up_to[k, j] - energy - x, at[j + 1] - at[j])
            if part <= 0.0:
                break
            x += part
        x = max(min(x, room.highs[k] - energy), room.lows[k] - energy)
        j = 0
        while j < corners - 2 and x > at[j + 1]:
            j += 1
        here = cost[j]
        if corners > 1:
            here += (cost[j + 1] - cost[j]) * (x - at[j]) / (at[j + 1] - at[j])
        change[k], shares[k] = x, here
        energy += x
        total += here
    return total
