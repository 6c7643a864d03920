"""The cheapest schedule of one vehicle whose steps may be held to charging or to not charging.

As ``engine.oracle``, with one of three states per step:

    ON      least ≤ x ≤ most in            charging, at no less than the minimum power
    OFF     −most out ≤ x ≤ 0              not charging
    FREE    −most out ≤ x ≤ most in        undecided: the convex envelope of both

Each state's cost is convex and piecewise linear in x, so the cost-to-go is a sorted list of slopes. The envelope of
an undecided step is the two slopes of charging and discharging where buying stored energy costs more than selling it
earns, and one straight line from full discharge to full charge where it does not (prices so negative that burning
energy pays). So the result is exact with every step ON or OFF, and a lower bound otherwise.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.model import CEILING, E0, FLOOR, MOST_IN, MOST_OUT, REQUIRED
from bothways.planning.engine.oracle import below, insert, trim
from bothways.planning.problem import Floats, Ints

FREE, ON, OFF = 0, 1, 2

ROUNDING_KWH = 1e-9
"""Energy that is rounding [kWh]."""


@njit(cache=True, nogil=True)
def scratch(steps: int) -> Floats:
    """Room that :func:`cheapest_within` needs for stays of up to ``steps``."""
    return np.empty((6, 2 * steps + 6))


@njit(cache=True, nogil=True)
def line_slope(row: Floats, buy: float, sell: float) -> float:
    """Slope of the envelope of an undecided step at which burning pays: full discharge to full charge."""
    return float((buy * row[MOST_IN] + sell * row[MOST_OUT]) / (row[MOST_IN] + row[MOST_OUT]))


@njit(cache=True, nogil=True)
def cheapest_within(
    row: Floats, least: float, buy: Floats, sell: Floats, state: Ints, steps: int, work: Floats, change: Floats
) -> float:
    """Writes the cheapest changes of stored energy under the states of the steps, and returns their cost.

    Takes:
        row: the vehicle, as in ``model``.
        least: least change of a step that charges [kWh].
        buy: cost of a kWh more stored in each step of the stay [currency/kWh], whatever it is worth later taken off.
        sell: what a kWh taken out earns.
        state: state of each step.
        steps: steps of the stay.
        work: from :func:`scratch`.
        change: the result [kWh].

    Returns:
        The cost, of undecided steps that of the envelope; infinite where no schedule is within the states.
    """
    up_to, down_to, lows, highs, slope, length = work[0], work[1], work[2], work[3], work[4], work[5]
    room_in, room_out = row[MOST_IN], row[MOST_OUT]
    low, high = row[REQUIRED], row[CEILING]
    slope[0], length[0], count = 0.0, high - low, 1
    for k in range(steps - 1, -1, -1):
        lows[k], highs[k] = low, high
        up_to[k] = low + below(slope, length, count, -buy[k])
        down_to[k] = low + below(slope, length, count, -sell[k])
        if state[k] == ON:
            count = insert(slope, length, count, -buy[k], room_in - least)
            low, high = low - room_in, high - least
        elif state[k] == OFF:
            if room_out > 0.0:
                count = insert(slope, length, count, -sell[k], room_out)
            high += room_out
        else:
            if room_out > 0.0 and buy[k] < sell[k]:
                line = -line_slope(row, buy[k], sell[k])
                up_to[k] = low + below(slope, length, count, line)
                count = insert(slope, length, count, line, room_in + room_out)
            else:
                count = insert(slope, length, count, -buy[k], room_in)
                if room_out > 0.0:
                    count = insert(slope, length, count, -sell[k], room_out)
            low, high = low - room_in, high + room_out
        if k > 0:
            if min(high, row[CEILING]) < max(low, row[FLOOR]) - ROUNDING_KWH:
                return np.inf
            count = trim(slope, length, count, row[FLOOR] - low, row[CEILING] - max(low, row[FLOOR]))
            low, high = max(low, row[FLOOR]), min(high, row[CEILING])
    if row[E0] < low - ROUNDING_KWH or row[E0] > high + ROUNDING_KWH:
        return np.inf
    return float(_forward(row, least, buy, sell, state, steps, work, change))


@njit(cache=True, nogil=True)
def _forward(
    row: Floats, least: float, buy: Floats, sell: Floats, state: Ints, steps: int, work: Floats, change: Floats
) -> float:
    up_to, down_to, lows, highs = work[0], work[1], work[2], work[3]
    room_in, room_out = row[MOST_IN], row[MOST_OUT]
    energy, cost = row[E0], 0.0
    for k in range(steps):
        on_line = state[k] == FREE and room_out > 0.0 and buy[k] < sell[k]
        if state[k] == ON:
            x = min(max(up_to[k] - energy, least), room_in)
        elif state[k] == OFF:
            x = max(min(down_to[k] - energy, 0.0), -room_out)
        elif on_line:
            x = min(max(up_to[k] - energy, -room_out), room_in)
        else:
            x = max(0.0, min(room_in, up_to[k] - energy)) - max(0.0, min(room_out, energy - down_to[k]))
        x = max(min(x, highs[k] - energy), lows[k] - energy)
        change[k] = x
        energy += x
        if on_line:
            cost += (x + room_out) * line_slope(row, buy[k], sell[k]) - sell[k] * room_out
        else:
            cost += buy[k] * x if x > 0.0 else sell[k] * x
    return cost
