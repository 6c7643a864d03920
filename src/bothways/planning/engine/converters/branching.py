"""One vehicle at given prices, charging, resting or discharging in every step: branch and bound over its steps.

As ``onoff.branching``. Here a relaxed schedule is mostly a schedule already, only dearer than its relaxation says, so
every node offers one. The search may be cut off: what it has not looked at still counts in the bound that it returns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.converters.oracle import Room, cheapest_along, room_for
from bothways.planning.engine.converters.points import ANY, CHARGE, DISCHARGE, ROUNDING_KWH, Points, ac_of
from bothways.planning.engine.model import WEAR
from bothways.planning.problem import Floats, Ints

_DESPERATE = 20
"""As long as a vehicle has no schedule at all, its tree may grow by this factor."""


class Tree(NamedTuple):
    """Scratch of :func:`branched`.

    Attributes:
        room: of the relaxation.
        allowed: what each step may be, ``(T,)``.
        at: step of each decision, ``(T + 1,)``; decisions may touch a step twice.
        before: what it was allowed to be.
        second: what is tried second.
        tried: how many of the two.
        relaxed: cost of the relaxation there.
        trial: a relaxed schedule [kWh].
        shares: what its steps cost by their envelopes.
    """

    room: Room
    allowed: Ints
    at: Ints
    before: Ints
    second: Ints
    tried: Ints
    relaxed: Floats
    trial: Floats
    shares: Floats


@njit(cache=True, nogil=True)
def tree_for(steps: int, width: int) -> Tree:
    """Scratch for stays of up to ``steps`` and vehicles of up to ``width`` points."""
    depth = 2 * steps + 2
    return Tree(
        room_for(steps, width), np.empty(steps, np.int64), np.empty(depth, np.int64), np.empty(depth, np.int64),
        np.empty(depth, np.int64), np.empty(depth, np.int64), np.empty(depth), np.empty(steps), np.empty(steps),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def step_cost(points: Points, i: int, wear: float, price: float, worth: float, x: float) -> float:
    """What a step really costs; infinite where no power makes that change."""
    energy = ac_of(points, i, x)
    if np.isnan(energy):
        return np.inf
    return float(price * energy - wear * min(energy, 0.0) - worth * x)


@njit(cache=True, nogil=True)
def _furthest(
    points: Points, i: int, wear: float, price: Floats, worth: Floats, steps: int, tree: Tree
) -> tuple[float, int]:
    """True cost of the trial, and the undecided step that costs most beyond its envelope; −1 where none does."""
    total, worst, at = 0.0, 1e-12, -1
    for k in range(steps):
        here = step_cost(points, i, wear, price[k], worth[k], tree.trial[k])
        total += here
        allowed = tree.allowed[k]
        if allowed & (allowed - 1) and here - tree.shares[k] > worst:
            worst, at = here - tree.shares[k], k
    return total, at


@njit(cache=True, nogil=True)
def branched(  # noqa: C901 (a kernel: its branches are those of the tree)
    points: Points, i: int, row: Floats, price: Floats, worth: Floats, steps: int, most_nodes: int, tolerance: float,
    tree: Tree, best: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Writes a good schedule; returns its true cost and a lower bound on that of any.

    Takes:
        points, i, row, price, worth, steps: as in ``cheapest_along``.
        most_nodes: relaxations to solve at most.
        tolerance: what a better schedule must gain to be looked for [currency].
        tree: from :func:`tree_for`.
        best: the result [kWh]; left alone where none was found (the cost is infinite then).
    """
    for k in range(steps):
        tree.allowed[k] = ANY
    depth, nodes, best_cost, bound = 0, 0, np.inf, np.inf
    while True:
        cost = cheapest_along(
            points, i, row, price, worth, tree.allowed, steps, tree.room, tree.trial, tree.shares
        )  # fmt: skip
        nodes += 1
        full = nodes >= most_nodes and (best_cost < np.inf or nodes >= _DESPERATE * most_nodes)
        deeper = False
        if cost < best_cost - tolerance:
            true, k = _furthest(points, i, row[WEAR], price, worth, steps, tree)
            if true < best_cost:
                best_cost = true
                for j in range(steps):
                    best[j] = tree.trial[j] if abs(tree.trial[j]) > ROUNDING_KWH else 0.0
            if k >= 0 and not full and cost < best_cost - tolerance:
                allowed = tree.allowed[k]
                first = allowed & CHARGE if tree.trial[k] > 0.0 else allowed & DISCHARGE
                if first == 0:
                    first = allowed & -allowed
                tree.at[depth], tree.before[depth], tree.second[depth] = k, allowed, allowed - first
                tree.tried[depth], tree.relaxed[depth] = 1, cost
                tree.allowed[k] = first
                depth += 1
                deeper = True
        if deeper:
            continue
        bound = min(bound, cost)
        while depth > 0:
            d = depth - 1
            if tree.tried[d] == 1 and tree.relaxed[d] < best_cost - tolerance and not full:
                tree.tried[d] = 2
                tree.allowed[tree.at[d]] = tree.second[d]
                break
            if tree.tried[d] == 1:
                bound = min(bound, tree.relaxed[d])
            tree.allowed[tree.at[d]] = tree.before[d]
            depth -= 1
        if depth == 0:
            return best_cost, min(bound, best_cost)
