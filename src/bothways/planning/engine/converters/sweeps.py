"""Passes over the fleet, vehicle by vehicle, under the prices that the couplings put on the present totals.

As ``onoff.sweeps``: *switching* replaces a vehicle's schedule by its best one at the present prices where the augmented
Lagrangian falls; *mixing* keeps what charges, rests and discharges, and moves towards the cheapest schedule within
that. There AC energy is convex in stored energy, so a mixture keeps all limits and needs no more than its parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.converters.branching import branched, step_cost, tree_for
from bothways.planning.engine.converters.oracle import cheapest_along
from bothways.planning.engine.converters.points import ANY, CHARGE, DISCHARGE, REST, ROUNDING_KWH, Points, ac_of
from bothways.planning.engine.coupling import Extra, add_group_prices, extra_prices
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.model import BEGIN, END, PER_IN, PER_OUT, VALUE, WEAR
from bothways.planning.engine.onoff.far_end import eaten_up
from bothways.planning.problem import Bools, Floats, Ints


class Curved(NamedTuple):
    """The vehicles as kernels take them.

    Attributes:
        rows: ``(N, FIELDS)`` as in ``model``.
        points: what their steps can be.
        on_off: whether being on has a cost of its own, or a least power, ``(N,)``.
        first: where their steps are in flat arrays, ``(N,)``.
        stock: reserve per stored kWh, flat by vehicle-step; empty without a reserve.
    """

    rows: Floats
    points: Points
    on_off: Bools
    first: Ints
    stock: Floats


@njit(cache=True, nogil=True)
def _worths(row: Floats, first: int, steps: int, stock: Floats, y: Floats, reserve: int, worth: Floats) -> None:
    """What a kWh stored in each step is worth later: at the end of the stay, and to the reserve."""
    begin, value = int(row[BEGIN]), row[VALUE]
    for k in range(steps - 1, -1, -1):
        if stock.shape[0] > 0:
            value -= stock[first + k] * y[reserve + begin + k]
        worth[k] = value


@njit(cache=True, nogil=True)
def _hold(row: Floats, on_off: bool, price: Floats, x: Floats, steps: int, allowed: Ints) -> None:
    """What the steps may be so that a schedule stays as it is; those at any power may turn where that is convex."""
    for k in range(steps):
        if not on_off and price[k] * row[PER_IN] >= (price[k] - row[WEAR]) * row[PER_OUT]:
            allowed[k] = ANY
        elif x[k] > ROUNDING_KWH:
            allowed[k] = CHARGE
        elif x[k] < -ROUNDING_KWH:
            allowed[k] = DISCHARGE
        else:
            allowed[k] = REST


@njit(cache=True, nogil=True)
def _cost(points: Points, i: int, wear: float, price: Floats, worth: Floats, x: Floats, steps: int) -> float:
    cost = 0.0
    for k in range(steps):
        cost += step_cost(points, i, wear, price[k], worth[k], x[k])
    return cost


@njit(cache=True, nogil=True)
def _move(
    fleet: Curved, i: int, steps: int, old: Floats, new: Floats, share: float, extra: Extra, width: int, totals: Floats
) -> None:
    """Adds the change of the totals when a schedule moves by ``share`` from one to another."""
    begin, first, more = int(fleet.rows[i, BEGIN]), fleet.first[i], 0.0
    for k in range(steps):
        x = old[k] + share * (new[k] - old[k])
        energy = 0.0 if x == old[k] else ac_of(fleet.points, i, x) - _known(fleet.points, i, old[k])
        t = begin + k
        totals[t] += energy
        for g in range(extra.groups):
            totals[(1 + g) * width + t] += extra.weight[i, g] * energy
        if fleet.stock.shape[0] > 0:
            more += x - old[k]
            totals[(1 + extra.groups) * width + t] += fleet.stock[first + k] * more


@njit(cache=True, nogil=True)
def _known(points: Points, i: int, x: float) -> float:
    """AC energy of a schedule that may not be one yet: too little power counts as none."""
    energy = ac_of(points, i, x)
    return 0.0 if np.isnan(energy) else energy


@njit(cache=True, nogil=True)
def visit(  # noqa: C901, PLR0912 (a kernel: its branches are the cases of one formula)
    order: Ints, switching: bool, nodes: int, tolerance: float, fleet: Curved, x: Floats, settled: Ints, totals: Floats,
    centre: Floats, rho: float, periods: int, stairs: Floats, width: int, limits: Floats, charges: Floats,
    masks: Floats, mu: Floats, extra: Extra, extra_centre: Floats, rate: Floats,
) -> tuple[float, int, int]:  # fmt: skip
    """Visits the vehicles of ``order`` once; takes and returns what ``onoff.sweeps.visit`` does.

    Also takes ``nodes``, the relaxations of one vehicle at one price.
    """
    tree = tree_for(periods, fleet.points.x.shape[1])
    best, held = np.empty(periods), np.empty(periods)
    worth, shares = np.empty(periods), np.empty(periods)
    allowed = np.empty(periods, np.int64)
    price, z, wanted = np.empty(width), np.empty(width), np.empty(width + KNOWN)
    probe, moved = np.empty(width), np.empty(totals.shape[0])
    y, y_probe = np.zeros(extra.rows * width), np.zeros(extra.rows * width)
    gains, switched, lost = 0.0, 0, 0
    for at in range(order.shape[0]):
        i = order[at]
        row, first = fleet.rows[i], fleet.first[i]
        begin, end = int(row[BEGIN]), int(row[END])
        steps = end - begin
        mine = x[first : first + steps]
        coupling_price(
            totals, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, 0, width, begin, end, price
        )
        if extra.rows > 0:
            extra_prices(totals, width, extra_centre, rate, extra, width, begin, end, y)
            add_group_prices(y, extra, i, width, begin, end, price)
        _worths(row, first, steps, fleet.stock, y, extra.groups * width, worth)
        own = price[begin:end]
        for attempt in range(2):
            if attempt == 0:
                if settled[i] and not (switching and fleet.on_off[i]):
                    continue
                cost, _ = branched(fleet.points, i, row, own, worth, steps, nodes, tolerance, tree, best)
                if cost == np.inf:
                    lost += 1
                    continue
            else:
                _hold(row, fleet.on_off[i], own, mine, steps, allowed)
                cost = cheapest_along(fleet.points, i, row, own, worth, allowed, steps, tree.room, best, shares)
                if cost == np.inf:
                    continue
                cost = _cost(fleet.points, i, row[WEAR], own, worth, best, steps)
                if cost == np.inf:
                    continue
            gain, share = _cost(fleet.points, i, row[WEAR], own, worth, mine, steps) - cost, 1.0
            if attempt == 1 and gain > 0.0:
                gains += gain
            if settled[i] and gain <= 1e-3 * tolerance:
                continue
            held[:steps] = mine
            if settled[i]:
                # The price at the far end tells how much of the gain the couplings eat up.
                moved[:] = totals
                _move(fleet, i, steps, held, best, 1.0, extra, width, moved)
                bend = eaten_up(
                    moved, totals, i, begin, end, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted,
                    price, extra_centre, rate, extra, y, y_probe, probe,
                )  # fmt: skip
                if attempt == 0:
                    if gain <= 0.5 * bend:
                        continue
                    switched += 1
                elif bend > gain:
                    share = gain / bend
            for k in range(steps):
                mine[k] = held[k] + share * (best[k] - held[k])
            _move(fleet, i, steps, held, best, share, extra, width, totals)
            if attempt == 0:
                settled[i] = 1
                break  # at the prices of this visit there is nothing left to gain
    return gains, switched, lost


@njit(cache=True, nogil=True)
def fleet_values(
    order: Ints, fleet: Curved, prices: Floats, kind_of: Ints, y: Floats, extra: Extra, periods: int, width: int,
    nodes: int, tolerance: float,
) -> float:  # fmt: skip
    """Σ of lower bounds on the vehicles' least costs at given prices; as ``onoff.sweeps.fleet_values``."""
    tree = tree_for(periods, fleet.points.x.shape[1])
    best, worth = np.empty(periods), np.empty(periods)
    value = 0.0
    for at in range(order.shape[0]):
        i = order[at]
        row = fleet.rows[i]
        begin, end = int(row[BEGIN]), int(row[END])
        price = prices[kind_of[i] * width + begin : kind_of[i] * width + end]
        _worths(row, fleet.first[i], end - begin, fleet.stock, y, extra.groups * width, worth)
        value += branched(fleet.points, i, row, price, worth, end - begin, nodes, tolerance, tree, best)[1]
    return value


@njit(cache=True, nogil=True)
def own_cost(order: Ints, fleet: Curved, x: Floats) -> float:
    """Wear less terminal value of the changes of stored energy [currency]."""
    cost = 0.0
    for at in range(order.shape[0]):
        i = order[at]
        row = fleet.rows[i]
        for k in range(fleet.first[i], fleet.first[i] + int(row[END]) - int(row[BEGIN])):
            cost -= min(_known(fleet.points, i, x[k]), 0.0) * row[WEAR] + row[VALUE] * x[k]
    return cost


@njit(cache=True, nogil=True)
def add_up(order: Ints, fleet: Curved, x: Floats, extra: Extra, width: int, totals: Floats) -> None:
    """Adds the vehicles' schedules to totals of what stands still."""
    for at in range(order.shape[0]):
        i = order[at]
        begin, first, held = int(fleet.rows[i, BEGIN]), fleet.first[i], 0.0
        for k in range(int(fleet.rows[i, END]) - begin):
            energy, t = _known(fleet.points, i, x[first + k]), begin + k
            totals[t] += energy
            for g in range(extra.groups):
                totals[(1 + g) * width + t] += extra.weight[i, g] * energy
            if fleet.stock.shape[0] > 0:
                held += x[first + k]
                totals[(1 + extra.groups) * width + t] += fleet.stock[first + k] * held


@njit(cache=True, nogil=True)
def ac_energies(owner: Ints, points: Points, x: Floats) -> Floats:
    """AC energy of every vehicle-step of a schedule [kWh]."""
    found = np.empty(x.shape[0])
    for k in range(x.shape[0]):
        found[k] = _known(points, owner[k], x[k])
    return found


@njit(cache=True, nogil=True)
def possible(fleet: Curved, x: Floats) -> Bools:
    """Whether there is a power for every change of each vehicle's schedule, ``(N,)``."""
    found = np.ones(fleet.rows.shape[0], dtype=np.bool_)
    for i in range(fleet.rows.shape[0]):
        for k in range(fleet.first[i], fleet.first[i] + max(0, int(fleet.rows[i, END]) - int(fleet.rows[i, BEGIN]))):
            if np.isnan(ac_of(fleet.points, i, x[k])):
                found[i] = False
    return found
