"""Moves weight between the schedules that vehicles keep, the prices of all couplings following each move."""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Extra, add_group_prices, extra_prices
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.model import BEGIN, END, FIELDS
from bothways.planning.engine.simd import HALF, LANES, load, splat, store, total
from bothways.planning.engine.sweeps import stiffness
from bothways.planning.problem import Floats, Ints


@njit(cache=True, nogil=True)
def _turn(
    energy: Floats, to: int, since: int, first: int, last: int, prices: Floats, before: Floats, lowest: float
) -> float:
    """Σ (price now − price before)·(schedule ``to`` − schedule ``since``)."""
    change = 0.0
    for t in range(first, last):
        change += (max(prices[t], lowest) - before[t]) * (energy[to + t] - energy[since + t])
    return change


@njit(cache=True, nogil=True)
def move_weights(  # noqa: C901, PLR0912, PLR0915 (a kernel: its branches are the cases of one formula)
    sweeps: int,
    order: Ints,
    blocks: Floats,
    place: Ints,
    energy: Floats,
    own: Floats,
    weight: Floats,
    sums: Floats,
    centre: Floats,
    rho: float,
    lowest: float,
    stairs: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
    extra: Extra,
    extra_centre: Floats,
    rate: Floats,
) -> None:
    """Pairwise steps between the columns of one vehicle after another; the couplings' prices follow each.

    Takes:
        sweeps: how often to visit each vehicle.
        order: vehicles (as lanes) in the order of the visit.
        blocks: float64 blocks, for the stays.
        place, energy, own, weight: the columns; weights are updated.
        sums: total AC energy per step with base load, and behind it the totals of the rows; updated.
        centre, rho: prox centre and penalty parameter.
        lowest: lowest convex price.
        stairs, width, limits, charges, masks, mu: the site.
        extra, extra_centre, rate: group limits and reserve, the prox centre of their prices, 1/ρ of each and step.
    """
    price, probe = np.empty(width), np.empty(width)
    z, wanted, since, until = np.empty(width), np.empty(width + KNOWN), 0, width
    trial, y, y_probe = np.empty(sums.shape[0]), np.zeros(extra.rows * width), np.zeros(extra.rows * width)
    cost = np.empty(weight.shape[1])
    coupled, stocked, reserve = extra.rows > 0, extra.stock.shape[0] > 0, extra.groups * width
    worth, worth_probe = y[reserve:], y_probe[reserve:]
    for _ in range(sweeps):
        moved = 0.0
        for visit in range(order.shape[0]):
            i = order[visit]
            block = i // LANES
            base = block * FIELDS * LANES + i % LANES
            first = int(blocks[base + BEGIN * LANES]) // HALF * HALF
            last = int(blocks[base + END * LANES])
            coupling_price(
                sums, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, since, until, first, last,
                price,
            )  # fmt: skip
            since, until = 0, 0
            if coupled:
                extra_prices(sums, width, extra_centre, rate, extra, width, first, last, y)
                add_group_prices(y, extra, block, width, first, last, price)
            stock_at = place[i, 2] if stocked else 0
            low, high = -1, -1
            for k in range(weight.shape[1]):
                if weight[i, k] < 0.0:
                    continue
                offset = place[i, 0] + k * place[i, 1]
                cost[k] = own[i, k] + _along(price, energy, offset, first, last)
                if stocked:
                    for t in range(first, last):
                        cost[k] += worth[t] * energy[offset + stock_at + t]
                if low < 0 or cost[k] < cost[low]:
                    low = k
                if weight[i, k] > 0.0 and (high < 0 or cost[k] > cost[high]):
                    high = k
            aim = cost[high] - cost[low]
            if aim <= 1e-13 * (1.0 + abs(cost[low])):
                continue
            to, start = place[i, 0] + low * place[i, 1], place[i, 0] + high * place[i, 1]
            share = weight[i, high]
            length = _distance(energy, to, start, first, last)
            if coupled:
                length *= stiffness(y, extra, rate, rho, block, width, first, last)
            if stocked:
                for t in range(first, last):
                    kept = energy[to + stock_at + t] - energy[start + stock_at + t]
                    length += rate[reserve + t] * rho * kept * kept
            if share * length > aim * rho:
                # A full move may overshoot: the secant of the prices says how far to go, at least the safe step.
                safe = aim * rho / length
                for row in range(0, sums.shape[0], width):
                    for t in range(row + first, row + -(-last // HALF) * HALF):  # whole vectors, as they are moved
                        trial[t] = sums[t]
                _transfer(energy, to, start, first, last, share, trial, extra, block, width, stock_at)
                coupling_price(
                    trial, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, first, last, first,
                    last, probe,
                )  # fmt: skip
                if coupled:
                    extra_prices(trial, width, extra_centre, rate, extra, width, first, last, y_probe)
                    add_group_prices(y_probe, extra, block, width, first, last, probe)
                after = _turn(energy, to, start, first, last, probe, price, lowest)
                if stocked:
                    after += _turn(energy, to + stock_at, start + stock_at, first, last, worth_probe, worth, -np.inf)
                if after > aim:
                    share = min(share, max(safe, share * aim / after))
            _transfer(energy, to, start, first, last, share, sums, extra, block, width, stock_at)
            since, until = first, last
            weight[i, low] += share
            weight[i, high] = weight[i, high] - share if share < weight[i, high] else 0.0
            moved += aim * share
        if moved <= 0.0:
            break
    coupling_price(
        sums, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, since, until, 0, width, price
    )


@njit(cache=True, nogil=True)
def _along(
    price: Floats,
    energy: Floats,
    offset: int,
    first: int,
    last: int,
) -> float:
    like = load(price, 0)
    product = splat(like, 0.0)
    for t in range(first, last, HALF):
        product = product + load(price, t) * load(energy, offset + t)
    return float(total(product))


@njit(cache=True, nogil=True)
def _distance(
    energy: Floats,
    to: int,
    since: int,
    first: int,
    last: int,
) -> float:
    like = load(energy, to)
    product = splat(like, 0.0)
    for t in range(first, last, HALF):
        difference = load(energy, to + t) - load(energy, since + t)
        product = product + difference * difference
    return float(total(product))


@njit(cache=True, nogil=True)
def _transfer(
    energy: Floats,
    to: int,
    since: int,
    first: int,
    last: int,
    share: float,
    sums: Floats,
    extra: Extra,
    block: int,
    width: int,
    stock_at: int,
) -> None:
    """Moves ``share`` of a vehicle from one schedule to another in the totals."""
    like = load(energy, to)
    part = splat(like, share)
    for t in range(first, last, HALF):
        store(sums, t, load(sums, t) + part * (load(energy, to + t) - load(energy, since + t)))
    for g in range(extra.groups):
        seen = share * extra.weight[block, g]
        if seen > 0.0:
            for t in range(first, last):
                sums[(1 + g) * width + t] += seen * (energy[to + t] - energy[since + t])
    if stock_at > 0:
        for t in range(first, last):
            kept = energy[to + stock_at + t] - energy[since + stock_at + t]
            sums[(1 + extra.groups) * width + t] += share * kept
