"""One vehicle at given prices, on or off in every step: branch and bound over its steps.

The relaxation of a node is exact and cheap (``onoff.oracle``), and at most a few steps of a relaxed schedule are
neither on nor off: those where the energy that is left over lands. So trees are small. The search may be cut off:
what it has not looked at still counts in the bound that it returns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.model import MOST_IN, MOST_OUT
from bothways.planning.engine.onoff.oracle import FREE, OFF, ON, ROUNDING_KWH, cheapest_within
from bothways.planning.problem import Floats, Ints

_DESPERATE = 20
"""As long as a vehicle has no schedule at all, its tree may grow by this factor."""


@njit(cache=True, nogil=True)
def undecided(row: Floats, least: float, buy: Floats, sell: Floats, state: Ints, steps: int, change: Floats) -> int:
    """The step of a relaxed schedule that is furthest from being on or off; −1 where none is."""
    worst, at = ROUNDING_KWH, -1
    for k in range(steps):
        if state[k] != FREE:
            continue
        x, between = change[k], 0.0
        if row[MOST_OUT] > 0.0 and buy[k] < sell[k]:
            between = min(x + row[MOST_OUT], row[MOST_IN] - x)
        if 0.0 < x < least:
            between = max(between, min(x, least - x))
        if between > worst:
            worst, at = between, k
    return at


@njit(cache=True, nogil=True)
def _first_choice(row: Floats, buy: float, sell: float, x: float) -> int:
    """On, where it is a matter of the minimum: others can give way to it. Else the nearer end."""
    if row[MOST_OUT] > 0.0 and buy < sell and x < 0.5 * (row[MOST_IN] - row[MOST_OUT]):
        return OFF
    return ON


@njit(cache=True, nogil=True)
def branched(
    row: Floats,
    least: float,
    buy: Floats,
    sell: Floats,
    steps: int,
    most_nodes: int,
    tolerance: float,
    state: Ints,
    path: Ints,
    relaxed: Floats,
    work: Floats,
    trial: Floats,
    best: Floats,
) -> tuple[float, float]:
    """Writes a good schedule that is on or off in every step; returns its cost and a lower bound on any such.

    Takes:
        row, least, buy, sell, steps: as in ``cheapest_within``.
        most_nodes: relaxations to solve at most.
        tolerance: what a better schedule must gain to be looked for [currency].
        state, path, relaxed, work, trial: scratch; ``path`` is ``(3, ≥ steps)``.
        best: the result [kWh]; left alone where none was found (the cost is infinite then).
    """
    for k in range(steps):
        state[k] = FREE
    at, choice, tried = path[0], path[1], path[2]
    depth, nodes, best_cost, bound = 0, 0, np.inf, np.inf
    while True:
        cost = cheapest_within(row, least, buy, sell, state, steps, work, trial)
        nodes += 1
        full = nodes >= most_nodes and (best_cost < np.inf or nodes >= _DESPERATE * most_nodes)
        deeper = False
        if cost < best_cost - tolerance:
            k = undecided(row, least, buy, sell, state, steps, trial)
            if k < 0:
                best_cost = cost
                for j in range(steps):
                    best[j] = 0.0 if 0.0 < trial[j] < 0.5 * least else trial[j]  # less than rounding is off
            elif not full:
                at[depth], choice[depth], tried[depth] = k, _first_choice(row, buy[k], sell[k], trial[k]), 1
                relaxed[depth] = cost
                state[k] = choice[depth]
                depth += 1
                deeper = True
        if deeper:
            continue
        bound = min(bound, cost)
        while depth > 0:
            d = depth - 1
            if tried[d] == 1 and relaxed[d] < best_cost - tolerance and not full:
                tried[d] = 2
                state[at[d]] = ON + OFF - choice[d]
                break
            if tried[d] == 1:
                bound = min(bound, relaxed[d])
            state[at[d]] = FREE
            depth -= 1
        if depth == 0:
            return best_cost, min(bound, best_cost)
