"""The fully corrective form, for small fleets: every vehicle keeps a few schedules and their weights.

With few vehicles one step towards one schedule at a time is slow: a vehicle's optimum is a mixture of several cheapest
schedules. Here a pass prices the site once, asks the exact oracle in float64 for every vehicle (which is also the lower
bound), adds the answers as columns, and then moves weight within each vehicle from its dearest column in use to its
cheapest, vehicle after vehicle, the price following each move.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Extra, fill_shift
from bothways.planning.engine.lanes import cheapest_block
from bothways.planning.engine.model import BEGIN, END, FIELDS, PER_IN, PER_OUT, VALUE, WEAR, Blocks
from bothways.planning.engine.simd import HALF, LANES, load, splat, store
from bothways.planning.problem import Floats, Ints

COLUMNS, MOST_COLUMNS = 10, 32
"""Schedules that a vehicle keeps: ten for stays of a day, more for longer ones, whose optimum mixes more of them."""


def places(blocks: Blocks, *, stocked: bool) -> tuple[Ints, int, int]:
    """Where the columns of each lane lie in one flat array, how long that is, and how many columns a vehicle has.

    Column k of vehicle i holds the AC energy of step t at ``place[i, 0] + k·place[i, 1] + t``, and what it keeps for
    the reserve at the end of that step ``place[i, 2]`` further on: whole vectors around its stay, no more.
    """
    table = blocks.columns.reshape(-1, FIELDS, LANES)
    begin = table[:, BEGIN].ravel().astype(np.int64) // HALF * HALF
    end = -(-table[:, END].ravel().astype(np.int64) // HALF) * HALF
    span = np.maximum(end - begin, 0)
    taken = span > 0
    count = int(np.clip(span[taken].mean() / COLUMNS, COLUMNS, MOST_COLUMNS)) if taken.any() else COLUMNS
    tall = 2 * span if stocked else span
    start = np.cumsum(count * tall) - count * tall
    return np.stack([start - begin, tall, span], axis=1), int((count * tall).sum()), count


@njit(cache=True, nogil=True)
def add_columns(
    blocks: Floats,
    window: Ints,
    first_row: Ints,
    vehicle: Ints,
    prices: Floats,
    kinds: Ints,
    y: Floats,
    extra: Extra,
    periods: int,
    width: int,
    place: Ints,
    energy: Floats,
    own: Floats,
    weight: Floats,
) -> tuple[float, float]:
    """Asks the oracle for every vehicle at one price and keeps the answers as columns.

    A new schedule takes the place of the unused column that is dearest now; where all are in use, the two of least
    weight are first mixed into one. So the present mixture, and with it the site's total, is never touched.

    Takes:
        blocks: the float64 blocks.
        window, first_row: their windows and rows.
        vehicle: ``(B·LANES,)``, −1 for an empty lane.
        prices: price of AC energy as each kind sees it, flat ``(C, width)``.
        kinds: kind of each block.
        y: prices of the rows of ``extra``, flat ``(M, width)``.
        extra: group limits and reserve.
        periods, width: steps, and steps with padding.
        place: where each vehicle's columns lie (see :func:`places`).
        energy: columns' AC energies and what they keep for the reserve, flat [kWh]; updated.
        own: columns' wear minus terminal value, ``(B·LANES, columns)``; updated.
        weight: ``(B·LANES, columns)``, rows sum to 1; a negative weight marks an empty place; updated.

    Returns:
        Σ V_i(λ), and Σ (cost of the present mixture − V_i).
    """
    size = (2 * periods + 6) * LANES
    slopes, ends = np.empty(2 * size), np.empty(2 * size)
    up_to, down_to, change = np.empty(periods * LANES), np.empty(periods * LANES), np.empty(periods * LANES)
    stocked = extra.stock.shape[0] > 0
    shift = np.empty(periods * LANES if stocked else 0)
    fresh = np.zeros(2 * width)
    worth_of_stock = y[extra.groups * width :]
    values, gap = 0.0, 0.0
    for block in range(window.shape[0]):
        first, last = window[block, 0], window[block, 1]
        price = prices[kinds[block] * width : (kinds[block] + 1) * width]
        for half in range(2):
            if stocked:
                fill_shift(y, extra, first_row[block], half * HALF, width, first, last, shift)
            cheapest_block(blocks, block, half, HALF, price, shift, first, last, slopes, ends, up_to, down_to, change)
        base = block * FIELDS * LANES
        for lane in range(LANES):
            i = block * LANES + lane
            if vehicle[i] < 0:
                continue
            begin, end = int(blocks[base + BEGIN * LANES + lane]), int(blocks[base + END * LANES + lane])
            per_in, per_out = blocks[base + PER_IN * LANES + lane], blocks[base + PER_OUT * LANES + lane]
            wear, worth = blocks[base + WEAR * LANES + lane], blocks[base + VALUE * LANES + lane]
            cost, own_cost, more = 0.0, 0.0, 0.0
            for t in range(begin, end):
                x = change[t * LANES + lane]
                q = x * per_in if x > 0.0 else x * per_out
                fresh[t] = q
                cost += price[t] * q
                own_cost -= worth * x + wear * min(q, 0.0)
                if stocked:
                    more += x
                    fresh[width + t] = more * extra.stock[(first_row[block] + t - first) * LANES + lane]
                    cost += worth_of_stock[t] * fresh[width + t]
            values += cost + own_cost
            gap += _keep(
                i, fresh, own_cost, cost + own_cost, begin, end, price, worth_of_stock, place, energy, own, weight
            )
    return values, gap


@njit(cache=True, nogil=True)
def _keep(  # noqa: C901, PLR0912 (a kernel: its branches are the cases of one formula)
    i: int,
    fresh: Floats,
    own_cost: float,
    value: float,
    begin: int,
    end: int,
    price: Floats,
    worth_of_stock: Floats,
    place: Ints,
    energy: Floats,
    own: Floats,
    weight: Floats,
) -> float:
    """Puts a schedule among the columns of vehicle ``i``; returns by how much the mixture was dearer."""
    stocked = place[i, 1] > place[i, 2]
    mixture, spot, dearest, lightest, known = 0.0, -1, -np.inf, 0, False
    for k in range(weight.shape[1]):
        if weight[i, k] < 0.0:
            if dearest < np.inf:
                spot, dearest = k, np.inf
            continue
        cost, offset = own[i, k], place[i, 0] + k * place[i, 1]
        for t in range(begin, end):
            cost += price[t] * energy[offset + t]
        if stocked:
            for t in range(begin, end):
                cost += worth_of_stock[t] * energy[offset + place[i, 2] + t]
        mixture += weight[i, k] * cost
        if cost - value <= 1e-12 * (1.0 + abs(value)):
            known = True
        if weight[i, k] == 0.0 and cost > dearest:
            spot, dearest = k, cost
        if weight[i, k] < weight[i, lightest]:
            lightest = k
    if known:
        return max(0.0, mixture - value)
    if spot < 0:
        spot = _merge_lightest(i, lightest, begin, end, place, energy, own, weight)
    empty = True
    for k in range(weight.shape[1]):
        empty = empty and weight[i, k] < 0.0
    weight[i, spot] = 1.0 if empty else 0.0
    own[i, spot] = own_cost
    offset = place[i, 0] + spot * place[i, 1]
    for t in range(begin, end):
        energy[offset + t] = fresh[t]
        if stocked:
            energy[offset + place[i, 2] + t] = fresh[fresh.shape[0] // 2 + t]
    return 0.0 if empty else max(0.0, mixture - value)


@njit(cache=True, nogil=True)
def _merge_lightest(
    i: int,
    lightest: int,
    begin: int,
    end: int,
    place: Ints,
    energy: Floats,
    own: Floats,
    weight: Floats,
) -> int:
    """Mixes the two columns of least weight into one, which changes nothing; returns the place that is free now."""
    second = -1
    for k in range(weight.shape[1]):
        if k != lightest and (second < 0 or weight[i, k] < weight[i, second]):
            second = k
    both = weight[i, lightest] + weight[i, second]
    part = weight[i, lightest] / both
    into, out_of = place[i, 0] + second * place[i, 1], place[i, 0] + lightest * place[i, 1]
    for t in range(begin, end):
        energy[into + t] += part * (energy[out_of + t] - energy[into + t])
    if place[i, 1] > place[i, 2]:
        for t in range(begin + place[i, 2], end + place[i, 2]):
            energy[into + t] += part * (energy[out_of + t] - energy[into + t])
    own[i, second] += part * (own[i, lightest] - own[i, second])
    weight[i, second] = both
    return lightest


@njit(cache=True, nogil=True)
def mixture_energy(
    blocks: Floats,
    vehicle: Ints,
    width: int,
    place: Ints,
    energy: Floats,
    weight: Floats,
    load_kwh: Floats,
    extra: Extra,
    out: Floats,
) -> None:
    """Total AC energy of base load and mixtures, and behind it the totals of the rows, ``((1 + M)·width,)`` [kWh]."""
    for t in range(out.shape[0]):
        out[t] = load_kwh[t] if t < width else extra.base[t - width]
    for i in range(vehicle.shape[0]):
        if vehicle[i] < 0:
            continue
        base = (i // LANES) * FIELDS * LANES + i % LANES
        first, last = int(blocks[base + BEGIN * LANES]) // HALF * HALF, int(blocks[base + END * LANES])
        for k in range(weight.shape[1]):
            if weight[i, k] > 0.0:
                offset = place[i, 0] + k * place[i, 1]
                part = splat(load(out, 0), weight[i, k])
                for t in range(first, last, HALF):
                    store(out, t, load(out, t) + part * load(energy, offset + t))
                for g in range(extra.groups):
                    share = extra.weight[i // LANES, g]
                    if share > 0.0:
                        row = (1 + g) * width
                        for t in range(first, last):
                            out[row + t] += share * weight[i, k] * energy[offset + t]
                if place[i, 1] > place[i, 2]:
                    row = (1 + extra.groups) * width
                    for t in range(first, last):
                        out[row + t] += weight[i, k] * energy[offset + place[i, 2] + t]


@njit(cache=True, nogil=True)
def mixed_schedules(
    blocks: Floats,
    window: Ints,
    first_row: Ints,
    vehicle: Ints,
    place: Ints,
    energy: Floats,
    weight: Floats,
    schedules: Floats,
) -> None:
    """Writes the mixtures as changes of stored energy, flat ``(rows, LANES)``: mixed there, where limits are linear."""
    for block in range(window.shape[0]):
        base = block * FIELDS * LANES
        first, last, row = window[block, 0], window[block, 1], first_row[block]
        for lane in range(LANES):
            i = block * LANES + lane
            for t in range(first, last):
                schedules[(row + t - first) * LANES + lane] = 0.0
            if vehicle[i] < 0:
                continue
            per_in, per_out = blocks[base + PER_IN * LANES + lane], blocks[base + PER_OUT * LANES + lane]
            for k in range(weight.shape[1]):
                if weight[i, k] > 0.0:
                    offset = place[i, 0] + k * place[i, 1]
                    for t in range(int(blocks[base + BEGIN * LANES + lane]), int(blocks[base + END * LANES + lane])):
                        q = energy[offset + t]
                        x = q / per_in if q > 0.0 else q / per_out
                        schedules[(row + t - first) * LANES + lane] += weight[i, k] * x


@njit(cache=True, nogil=True)
def seed_columns(
    blocks: Floats,
    window: Ints,
    first_row: Ints,
    vehicle: Ints,
    place: Ints,
    schedules: Floats,
    extra: Extra,
    energy: Floats,
    own: Floats,
    weight: Floats,
) -> None:
    """Makes the schedules found so far the first column of every vehicle."""
    for block in range(window.shape[0]):
        base = block * FIELDS * LANES
        first, row = window[block, 0], first_row[block]
        for lane in range(LANES):
            i = block * LANES + lane
            weight[i, :] = -1.0
            if vehicle[i] < 0:
                continue
            per_in, per_out = blocks[base + PER_IN * LANES + lane], blocks[base + PER_OUT * LANES + lane]
            cost, more = 0.0, 0.0
            for t in range(int(blocks[base + BEGIN * LANES + lane]), int(blocks[base + END * LANES + lane])):
                x = np.float64(schedules[(row + t - first) * LANES + lane])
                if place[i, 1] > place[i, 2]:
                    more += x
                    kept = more * extra.stock[(row + t - first) * LANES + lane]
                    energy[place[i, 0] + place[i, 2] + t] = kept
                q = x * per_in if x > 0.0 else x * per_out
                energy[place[i, 0] + t] = q
                cost -= blocks[base + VALUE * LANES + lane] * x + blocks[base + WEAR * LANES + lane] * min(q, 0.0)
            own[i, 0] = cost
            weight[i, 0] = 1.0
