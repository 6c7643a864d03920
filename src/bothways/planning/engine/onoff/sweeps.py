"""Passes over the fleet, vehicle by vehicle, under the prices that the couplings put on the present totals.

A visit does two things. *Switching*: the vehicle's best on-off schedule at the present prices replaces the one it has
where the augmented Lagrangian falls (its slope is known at both ends of the change). *Mixing*: with on and off as
they are, the schedule moves towards the cheapest one as far as the prices allow. Within fixed states AC energy is
linear in stored energy, so a mixture keeps all limits, the minimum power among them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Extra, add_group_prices, extra_prices
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.model import BEGIN, END, MOST_OUT, PER_IN, PER_OUT, VALUE, WEAR
from bothways.planning.engine.onoff.branching import branched
from bothways.planning.engine.onoff.far_end import eaten_up
from bothways.planning.engine.onoff.fleet import PLAIN, RUN, Rows
from bothways.planning.engine.onoff.oracle import FREE, OFF, ON, cheapest_within, scratch
from bothways.planning.engine.onoff.runs import cheapest_run
from bothways.planning.problem import Floats, Ints

NODES = 64
"""Relaxations of one vehicle at one price."""


@njit(cache=True, nogil=True)
def _slopes(
    row: Floats,
    first: int,
    steps: int,
    price: Floats,
    stock: Floats,
    y: Floats,
    reserve: int,
    buy: Floats,
    sell: Floats,
) -> bool:
    """Fills in what a kWh stored costs and a kWh taken out earns; whether burning would pay in some step."""
    begin, worth, burns = int(row[BEGIN]), row[VALUE], False
    for k in range(steps - 1, -1, -1):
        if stock.shape[0] > 0:
            worth -= stock[first + k] * y[reserve + begin + k]
        buy[k] = price[begin + k] * row[PER_IN] - worth
        sell[k] = (price[begin + k] - row[WEAR]) * row[PER_OUT] - worth
        burns |= row[MOST_OUT] > 0.0 and buy[k] < sell[k]
    return burns


@njit(cache=True, nogil=True)
def _best(
    fleet: Rows, i: int, steps: int, buy: Floats, sell: Floats, tolerance: float, state: Ints, path: Ints,
    relaxed: Floats, work: Floats, trial: Floats, best: Floats,
) -> tuple[float, float]:  # fmt: skip
    """The vehicle's best on-off schedule at its prices; its cost and a lower bound of it."""
    row, least = fleet.rows[i], fleet.least[i]
    if fleet.kind[i] == RUN:
        cost = cheapest_run(row, least, buy, steps, fleet.begun[i], work, best)
        return cost, cost
    cost, bound = branched(row, least, buy, sell, steps, NODES, tolerance, state, path, relaxed, work, trial, best)
    return cost, bound


@njit(cache=True, nogil=True)
def _held(row: Floats, kind: int, least: float, buy: Floats, sell: Floats, x: Floats, steps: int, state: Ints) -> None:
    """The states of the steps as a schedule has them; less than half the minimum is rounding, and off."""
    for k in range(steps):
        if x[k] > 0.5 * least:
            state[k] = ON
        else:
            state[k] = OFF
        if kind == PLAIN and not (row[MOST_OUT] > 0.0 and buy[k] < sell[k]):
            state[k] = FREE


@njit(cache=True, nogil=True)
def _cost(buy: Floats, sell: Floats, x: Floats, steps: int) -> float:
    cost = 0.0
    for k in range(steps):
        cost += buy[k] * x[k] if x[k] > 0.0 else sell[k] * x[k]
    return cost


@njit(cache=True, nogil=True)
def _move(
    row: Floats, i: int, first: int, steps: int, old: Floats, new: Floats, share: float, stock: Floats, extra: Extra,
    width: int, totals: Floats, sign: float,
) -> None:  # fmt: skip
    """Adds ``sign`` times the change of the totals when a schedule moves by ``share`` from one to another."""
    begin, more = int(row[BEGIN]), 0.0
    for k in range(steps):
        x = old[k] + share * (new[k] - old[k])
        energy = (max(x, 0.0) - max(old[k], 0.0)) * row[PER_IN] + (min(x, 0.0) - min(old[k], 0.0)) * row[PER_OUT]
        t = begin + k
        totals[t] += sign * energy
        for g in range(extra.groups):
            totals[(1 + g) * width + t] += sign * extra.weight[i, g] * energy
        if stock.shape[0] > 0:
            more += x - old[k]
            totals[(1 + extra.groups) * width + t] += sign * stock[first + k] * more


@njit(cache=True, nogil=True)
def visit(  # noqa: C901, PLR0912 (a kernel: its branches are the cases of one formula)
    order: Ints,
    switching: bool,
    tolerance: float,
    fleet: Rows,
    x: Floats,
    settled: Ints,
    totals: Floats,
    centre: Floats,
    rho: float,
    periods: int,
    stairs: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
    extra: Extra,
    extra_centre: Floats,
    rate: Floats,
) -> tuple[float, int, int]:
    """Visits the vehicles of ``order`` once.

    Takes:
        order: vehicles.
        switching: whether on and off may change.
        tolerance: gain below which a vehicle's schedule counts as its best [currency].
        fleet: the vehicles; ``extra.weight`` is by vehicle here.
        x: their schedules, flat [kWh]; updated.
        settled: whether each schedule is on or off throughout, ``(N,)``; updated.
        totals: AC energy of the site with base load, behind it the rows' totals, ``((1 + M)·width,)``; updated.
        centre, rho, periods, stairs, width, limits, charges, masks, mu: the site, as in ``sweeps.sweep``.
        extra, extra_centre, rate: group limits and reserve.

    Returns:
        The sum of gains within fixed states, how many vehicles switched, and how many have no on-off schedule.
    """
    state, path = np.empty(periods, np.int64), np.empty((3, periods + 1), np.int64)
    relaxed, work = np.empty(periods + 1), scratch(periods)
    trial, best, held = np.empty(periods), np.empty(periods), np.empty(periods)
    buy, sell = np.empty(periods), np.empty(periods)
    price, z, wanted = np.empty(width), np.empty(width), np.empty(width + KNOWN)
    probe, moved = np.empty(width), np.empty(totals.shape[0])
    y, y_probe = np.zeros(extra.rows * width), np.zeros(extra.rows * width)
    reserve = extra.groups * width
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
        burns = _slopes(row, first, steps, price, fleet.stock, y, reserve, buy, sell)
        for attempt in range(2):
            if attempt == 0:
                if settled[i] and not (switching and (fleet.kind[i] > PLAIN or burns)):
                    continue
                cost, _ = _best(
                    fleet, i, steps, buy, sell, tolerance, state, path, relaxed, work, trial, best
                )  # fmt: skip
                if cost == np.inf:
                    lost += 1
                    continue
            else:
                _held(row, fleet.kind[i], fleet.least[i], buy, sell, mine, steps, state)
                cost = cheapest_within(row, fleet.least[i], buy, sell, state, steps, work, best)
                if cost == np.inf:
                    continue
            gain, share = _cost(buy, sell, mine, steps) - cost, 1.0
            if attempt == 1 and gain > 0.0:
                gains += gain
            if settled[i] and gain <= 1e-3 * tolerance:
                continue
            held[:steps] = mine
            if settled[i]:
                # The price at the far end tells how much of the gain the couplings eat up.
                moved[:] = totals
                _move(row, i, first, steps, held, best, 1.0, fleet.stock, extra, width, moved, 1.0)
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
            _move(row, i, first, steps, held, best, share, fleet.stock, extra, width, totals, 1.0)
            if attempt == 0:
                settled[i] = 1
                break  # at the prices of this visit there is nothing left to gain
    return gains, switched, lost


@njit(cache=True, nogil=True)
def fleet_values(
    order: Ints, fleet: Rows, prices: Floats, kind_of: Ints, y: Floats, extra: Extra, periods: int, width: int,
    tolerance: float,
) -> float:  # fmt: skip
    """Σ of lower bounds on the vehicles' least costs at given prices, each on or off in every step.

    Takes:
        order: vehicles.
        fleet: all of them.
        prices: price of AC energy by kind of share in the groups, flat ``(C, width)``.
        kind_of: kind of each vehicle, ``(N,)``.
        y: prices of the rows of ``extra``, flat ``(M, width)``.
        tolerance: as in ``branching``.
    """
    state, path = np.empty(periods, np.int64), np.empty((3, periods + 1), np.int64)
    relaxed, work = np.empty(periods + 1), scratch(periods)
    trial, best = np.empty(periods), np.empty(periods)
    buy, sell = np.empty(periods), np.empty(periods)
    value = 0.0
    for at in range(order.shape[0]):
        i = order[at]
        row, first = fleet.rows[i], fleet.first[i]
        steps = int(row[END]) - int(row[BEGIN])
        price = prices[kind_of[i] * width : (kind_of[i] + 1) * width]
        _slopes(row, first, steps, price, fleet.stock, y, extra.groups * width, buy, sell)
        value += _best(fleet, i, steps, buy, sell, tolerance, state, path, relaxed, work, trial, best)[1]
    return value


@njit(cache=True, nogil=True)
def own_cost(order: Ints, fleet: Rows, x: Floats) -> float:
    """Wear less terminal value of the changes of stored energy [currency]."""
    cost = 0.0
    for at in range(order.shape[0]):
        i = order[at]
        row = fleet.rows[i]
        for k in range(fleet.first[i], fleet.first[i] + int(row[END]) - int(row[BEGIN])):
            cost -= min(x[k], 0.0) * row[PER_OUT] * row[WEAR] + row[VALUE] * x[k]
    return cost


@njit(cache=True, nogil=True)
def add_up(order: Ints, fleet: Rows, x: Floats, extra: Extra, width: int, totals: Floats) -> None:
    """Adds the vehicles' schedules to totals of what stands still."""
    nothing = np.zeros(width)
    for at in range(order.shape[0]):
        i = order[at]
        row, first = fleet.rows[i], fleet.first[i]
        steps = int(row[END]) - int(row[BEGIN])
        _move(row, i, first, steps, nothing, x[first : first + steps], 1.0, fleet.stock, extra, width, totals, 1.0)
