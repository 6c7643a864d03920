"""One pass over the blocks: a price, the cheapest schedules at it, and a step towards them.

The step of a block minimises −gᵀγ + |Dγ|²/2ρ over γ ∈ [0, 1]^LANES, g the vehicles' gains and D their changes of AC
energy: projected gradient rounds with an exact line search, then one secant along the step, because the site's price
rises more slowly than 1/ρ wherever a price stair absorbs the change. AC energy is convex in stored energy, so a mixture
of two schedules costs no more than the mixture of their costs and never leaves a battery's limits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.lanes import cheapest_block
from bothways.planning.engine.model import FIELDS, PER_IN, PER_OUT, VALUE, WEAR, Numbers
from bothways.planning.engine.simd import LANES, load, load_like, splat, store, total, vmax, vmin
from bothways.planning.engine.site import LOAD, coupling_price
from bothways.planning.problem import Floats, Ints

ROUNDS = 4


@njit(cache=True, nogil=True)
def _turn_to(
    columns: Floats,
    block: int,
    price: Floats,
    first: int,
    last: int,
    table: Numbers,
    row: int,
    change: Numbers,
    turn: Numbers,
    pad: Numbers,
) -> float:
    """D = change of AC energy towards the cheapest schedule; gains and squared lengths per lane into ``pad``."""
    base = block * FIELDS * LANES
    like = load(change, 0)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    wear = load_like(like, columns, base + WEAR * LANES)
    value = load_like(like, columns, base + VALUE * LANES)
    zero = splat(wear, 0.0)
    gain, length = zero, zero
    for t in range(first, last):
        old, new = load(table, (row + t - first) * LANES), load(change, t * LANES)
        sold_old, sold_new = vmin(old, zero) * per_out, vmin(new, zero) * per_out
        energy = (vmax(new, zero) - vmax(old, zero)) * per_in + (sold_new - sold_old)
        store(turn, t * LANES, energy)
        gain = gain + (wear * (sold_new - sold_old) - splat(wear, price[t]) * energy + value * (new - old))
        length = length + energy * energy
    store(pad, 0, vmax(gain, zero))
    store(pad, LANES, vmax(length, splat(wear, 1e-12)))
    return float(total(vmax(gain, zero)))


@njit(cache=True, nogil=True)
def _shares(
    turn: Numbers,
    first: int,
    last: int,
    rate: float,
    pad: Numbers,
    along: Floats,
    move: Floats,
) -> tuple[float, float]:
    """Step shares γ of the lanes into ``pad`` and Dγ into ``along``; returns gᵀγ and the greatest γ."""
    gain = load(pad, 0)
    zero = splat(gain, 0.0)
    one = splat(gain, 1.0)
    share = zero
    newton = load(pad, 2 * LANES)
    for t in range(first, last):
        along[t] = 0.0
    for _ in range(ROUNDS):
        slope = zero
        for t in range(first, last):
            slope = slope + load(turn, t * LANES) * splat(gain, along[t])
        slope = gain - slope * splat(gain, rate)
        step = vmin(vmax(share + slope * newton, zero), one) - share
        bend = 0.0
        for t in range(first, last):
            move[t] = total(load(turn, t * LANES) * step)
            bend += move[t] * move[t]
        rise = total(slope * step)
        if rise <= 0.0:
            break
        stretch = 1.0 if bend * rate <= rise else rise / (bend * rate)
        share = share + step * splat(gain, stretch)
        for t in range(first, last):
            along[t] += stretch * move[t]
    store(pad, 3 * LANES, share)
    highest = 0.0
    for lane in range(LANES):
        highest = max(highest, pad[3 * LANES + lane])
    return total(gain * share), highest


@njit(cache=True, nogil=True)
def _step(
    columns: Floats,
    block: int,
    first: int,
    last: int,
    table: Numbers,
    row: int,
    change: Numbers,
    pad: Numbers,
    stretch: float,
    sums: Floats,
) -> None:
    """Moves the block's schedules and the running total."""
    base = block * FIELDS * LANES
    like = load(change, 0)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    zero = splat(per_in, 0.0)
    share = vmin(load(pad, 3 * LANES) * splat(per_in, stretch), splat(per_in, 1.0))
    for t in range(first, last):
        place = (row + t - first) * LANES
        old = load(table, place)
        new = old + share * (load(change, t * LANES) - old)
        store(table, place, new)
        energy = (vmax(new, zero) - vmax(old, zero)) * per_in + (vmin(new, zero) - vmin(old, zero)) * per_out
        sums[t] += total(energy)


@njit(cache=True, nogil=True)
def _first_schedule(
    columns: Floats,
    block: int,
    first: int,
    last: int,
    table: Numbers,
    row: int,
    change: Numbers,
    sums: Floats,
) -> None:
    """Takes over the cheapest schedules as they are."""
    base = block * FIELDS * LANES
    like = load(change, 0)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    zero = splat(per_in, 0.0)
    for t in range(first, last):
        new = load(change, t * LANES)
        store(table, (row + t - first) * LANES, new)
        sums[t] += total(vmax(new, zero) * per_in + vmin(new, zero) * per_out)


@njit(cache=True, nogil=True)
def sweep(
    order: Ints,
    starting: bool,
    columns: Floats,
    window: Ints,
    first_row: Ints,
    schedules: Numbers,
    sums: Floats,
    own: int,
    centre: Floats,
    rho: float,
    lowest: float,
    periods: int,
    stairs: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
) -> float:
    """Visits the blocks of ``order`` once; returns the sum of the vehicles' gains before each step.

    Takes:
        order: blocks in the order of the visit.
        starting: True for the first pass, which has no schedules yet and extrapolates the total from those done.
        columns, window, first_row: the blocks in float64.
        schedules: changes of stored energy, flat ``(rows, LANES)``; updated. Its kind of number is the search's.
        sums: AC energy of the vehicles per step and thread, ``(threads, width)``; only row ``own`` is written.
        own: which row of ``sums`` is this thread's.
        centre: prox centre of the price, ``(width,)``.
        rho: [kWh² per currency].
        lowest: lowest price at which no vehicle charges and discharges at once.
        periods, stairs, width, limits, charges, masks: the site.
        mu: this thread's demand charge prices, flat ``(K, width)``; updated.
    """
    kind = schedules.dtype
    slopes, ends = np.empty(2 * (2 * periods + 6) * LANES, kind), np.empty(2 * (2 * periods + 6) * LANES, kind)
    up_to, down_to = np.empty(periods * LANES, kind), np.empty(periods * LANES, kind)
    change, turn = np.empty(periods * LANES, kind), np.empty(periods * LANES, kind)
    pad = np.empty(4 * LANES, kind)
    price, probe = np.empty(width), np.empty(width)
    z, wanted, energy, along, move = (
        np.empty(width), np.empty(width), np.empty(width), np.zeros(width), np.zeros(width),
    )  # fmt: skip
    gains = 0.0
    for visit in range(order.shape[0]):
        block = order[visit]
        first, last, row = window[block, 0], window[block, 1], first_row[block]
        scale = order.shape[0] / max(visit, 1) if starting else 1.0
        for t in range(width):
            fleet = 0.0
            for other in range(sums.shape[0]):
                fleet += sums[other, t]
            energy[t] = stairs[LOAD * width + t] + scale * fleet
        coupling_price(energy, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, first, last, price)
        for t in range(first, last):
            price[t] = max(price[t], lowest)
        cheapest_block(columns, block, 0, LANES, price, first, last, slopes, ends, up_to, down_to, change)
        if starting:
            _first_schedule(columns, block, first, last, schedules, row, change, sums[own])
            continue
        gains += _turn_to(columns, block, price, first, last, schedules, row, change, turn, pad)
        for lane in range(LANES):
            pad[2 * LANES + lane] = rho / pad[LANES + lane]
        aim, highest = _shares(turn, first, last, 1.0 / rho, pad, along, move)
        if highest <= 0.0:
            continue
        # The secant: how far along the step does the site's price eat up the gain?
        stretch = min(1.0 / highest, 1e3)
        for t in range(first, last):
            energy[t] += stretch * along[t]
        coupling_price(energy, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, first, last, probe)
        bend = 0.0
        for t in range(first, last):
            bend += (max(probe[t], lowest) - price[t]) * along[t]
        if bend > aim:
            stretch *= aim / bend
        _step(columns, block, first, last, schedules, row, change, pad, stretch, sums[own])
    return gains
