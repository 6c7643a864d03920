"""One vehicle that must not pause, at given prices: every window in which it could charge, exactly.

Within a window all steps charge at the minimum at least, so what is left is to place the rest of the energy in its
cheapest steps. The windows are few (those long enough for the requirement and short enough for the ceiling), and
growing a window by one step is an insertion into a sorted list.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.model import CEILING, E0, FLOOR, MOST_IN, REQUIRED
from bothways.planning.engine.onoff.oracle import ROUNDING_KWH
from bothways.planning.problem import Floats


@njit(cache=True, nogil=True)
def _fill(costs: Floats, rooms: Floats, count: int, needed: float, most: float) -> float:
    """Cost of storing ``needed`` above the minimum, and up to ``most`` where that earns something."""
    cost, placed = 0.0, 0.0
    for j in range(count):
        want = (most if costs[j] < 0.0 else needed) - placed
        if want <= 0.0:
            break
        part = min(want, rooms[j])
        cost += costs[j] * part
        placed += part
    return cost


@njit(cache=True, nogil=True)
def cheapest_run(
    row: Floats, least: float, buy: Floats, steps: int, begun: bool, work: Floats, change: Floats
) -> float:
    """Writes the cheapest changes of stored energy that charge in one go, and returns their cost.

    Takes:
        row, least, buy, steps: as in ``cheapest_within``; discharging is out of the question.
        begun: whether the vehicle is charging when the stay begins (it was forced to), so that only going on counts.
        work: scratch, as from ``oracle.scratch``.
        change: the result [kWh].

    Returns:
        The cost; infinite where no window serves the vehicle.
    """
    costs, rooms = work[0], work[1]
    most_in, now = row[MOST_IN], row[E0]
    needed, most = max(0.0, row[REQUIRED] - now), row[CEILING] - now
    at_once = max(least, row[FLOOR] - now)  # below the floor: the first step of the stay has to bring it there
    late = row[FLOOR] <= now + ROUNDING_KWH
    best, best_from, best_to = np.inf, 0, 0
    if needed <= ROUNDING_KWH and late:
        best = 0.0
    for start in range(1 if begun or not late else steps):
        count, base, base_cost = 0, 0.0, 0.0
        for k in range(start, steps):
            lowest = at_once if k == 0 else least
            base += lowest
            if base > most + ROUNDING_KWH or lowest > most_in + ROUNDING_KWH:
                break
            base_cost += lowest * buy[k]
            j = count
            while j > 0 and costs[j - 1] > buy[k]:
                costs[j], rooms[j] = costs[j - 1], rooms[j - 1]
                j -= 1
            costs[j], rooms[j] = buy[k], max(0.0, most_in - lowest)
            count += 1
            if count * most_in < needed - ROUNDING_KWH:
                continue
            cost = base_cost + _fill(costs, rooms, count, needed - base, most - base)
            if cost < best:
                best, best_from, best_to = cost, start, k + 1
    if best < np.inf:
        _write(row, least, buy, steps, best_from, best_to, at_once, change)
    return best


@njit(cache=True, nogil=True)
def _write(
    row: Floats, least: float, buy: Floats, steps: int, begin: int, end: int, at_once: float, change: Floats
) -> None:
    """The schedule of one window."""
    change[:steps] = 0.0
    base = 0.0
    for k in range(begin, end):
        change[k] = at_once if k == 0 else least
        base += change[k]
    needed, most = row[REQUIRED] - row[E0] - base, row[CEILING] - row[E0] - base
    placed = 0.0
    for at in np.argsort(buy[begin:end], kind="mergesort"):
        k = begin + at
        want = (most if buy[k] < 0.0 else needed) - placed
        if want <= 0.0:
            break
        part = min(want, max(0.0, row[MOST_IN] - change[k]))
        change[k] += part
        placed += part
