"""One pass over the blocks: a price, the cheapest schedules at it, and a step towards them.

The step of a block minimises −gᵀγ + |Dγ|²/2ρ over γ ∈ [0, 1]^LANES, g the vehicles' gains and D their changes of AC
energy: projected gradient rounds with an exact line search, then one secant along the step, because the site's price
rises more slowly than 1/ρ wherever a price stair absorbs the change. AC energy is convex in stored energy, so a mixture
of two schedules costs no more than the mixture of their costs and never leaves a battery's limits.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import (
    Extra,
    add_group_prices,
    add_to_groups,
    extra_prices,
    fill_shift,
)
from bothways.planning.engine.lanes import cheapest_block
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.model import FIELDS, PER_IN, PER_OUT, VALUE, WEAR, Numbers
from bothways.planning.engine.simd import LANES, load, load_like, splat, store, total, vmax, vmin
from bothways.planning.engine.site import LOAD
from bothways.planning.engine.turns import PIECE, claim
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
    scale: float,
) -> None:
    """D = change of AC energy towards the cheapest schedule, times ``scale``; gains and |D|² per lane into ``pad``."""
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
        gain = gain + (wear * (sold_new - sold_old) - splat(wear, price[t]) * energy + value * (new - old))
        energy = energy * splat(wear, scale)
        store(turn, t * LANES, energy)
        length = length + energy * energy
    store(pad, 0, gain)
    store(pad, LANES, length)


@njit(cache=True, nogil=True)
def _turn_stock(
    y: Floats,
    extra: Extra,
    width: int,
    first: int,
    last: int,
    table: Numbers,
    row: int,
    change: Numbers,
    turn: Numbers,
    pad: Numbers,
    scale: Floats,
) -> None:
    """The same for the reserve: its change times ``scale`` behind the window's rows of ``turn``; adds to ``pad``."""
    gain, length = load(pad, 0), load(pad, LANES)
    more = splat(gain, 0.0)
    for t in range(first, last):
        more = more + (load(change, t * LANES) - load(table, (row + t - first) * LANES))
        kept = more * load_like(gain, extra.stock, (row + t - first) * LANES)
        gain = gain - kept * splat(gain, y[extra.groups * width + t])
        kept = kept * splat(gain, scale[t])
        store(turn, (last + t - first) * LANES, kept)
        length = length + kept * kept
    store(pad, 0, gain)
    store(pad, LANES, length)


@njit(cache=True, nogil=True)
def _gains(pad: Numbers) -> float:
    """Takes gains below 0 and lengths of 0 out of ``pad``; returns the sum of the gains."""
    gain, length = load(pad, 0), load(pad, LANES)
    gain = vmax(gain, splat(gain, 0.0))
    store(pad, 0, gain)
    store(pad, LANES, vmax(length, splat(gain, 1e-12)))
    return float(total(gain))


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
    extra: Extra,
    width: int,
) -> None:
    """Moves the block's schedules and the running totals."""
    base = block * FIELDS * LANES
    like = load(change, 0)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    zero = splat(per_in, 0.0)
    share = vmin(load(pad, 3 * LANES) * splat(per_in, stretch), splat(per_in, 1.0))
    coupled, stocked, more = extra.rows > 0, extra.stock.shape[0] > 0, zero
    for t in range(first, last):
        place = (row + t - first) * LANES
        old = load(table, place)
        new = old + share * (load(change, t * LANES) - old)
        store(table, place, new)
        energy = (vmax(new, zero) - vmax(old, zero)) * per_in + (vmin(new, zero) - vmin(old, zero)) * per_out
        used = total(energy)
        sums[t] += used
        if coupled:
            add_to_groups(used, t, extra, block, width, sums)
        if stocked:
            more = more + (new - old)
            sums[(1 + extra.groups) * width + t] += total(more * load_like(more, extra.stock, place))


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
    extra: Extra,
    width: int,
) -> None:
    """Takes over the cheapest schedules as they are."""
    base = block * FIELDS * LANES
    like = load(change, 0)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    zero = splat(per_in, 0.0)
    coupled, stocked, more = extra.rows > 0, extra.stock.shape[0] > 0, zero
    for t in range(first, last):
        new = load(change, t * LANES)
        store(table, (row + t - first) * LANES, new)
        used = total(vmax(new, zero) * per_in + vmin(new, zero) * per_out)
        sums[t] += used
        if coupled:
            add_to_groups(used, t, extra, block, width, sums)
        if stocked:
            more = more + new
            kept = more * load_like(more, extra.stock, (row + t - first) * LANES)
            sums[(1 + extra.groups) * width + t] += total(kept)


@njit(cache=True, nogil=True)
def _totals(sums: Floats, scale: float, stairs: Floats, width: int, extra: Extra, totals: Floats) -> None:
    """Totals of the site and behind them of the rows: what does not move, and ``scale`` times what the threads have."""
    for t in range(totals.shape[0]):
        fleet = 0.0
        for other in range(sums.shape[0]):
            fleet += sums[other, t]
        still = stairs[LOAD * width + t] if t < width else extra.base[t - width]
        totals[t] = still + scale * fleet


@njit(cache=True, nogil=True)
def stiffness(
    y: Floats, extra: Extra, rate: Floats, rho: float, block: int, width: int, first: int, last: int
) -> float:
    """How much stiffer than the site alone the price of a block's energy is: groups count where they have a price."""
    stiff = 1.0
    for g in range(extra.groups):
        share = extra.weight[block, g]
        if share > 0.0:
            for t in range(g * width + first, g * width + last):
                if y[t] != 0.0:
                    stiff += share * share * rate[t] * rho
                    break
    return stiff


@njit(cache=True, nogil=True)
def _advance(
    totals: Floats, along: Floats, stretch: float, extra: Extra, block: int, width: int, first: int, last: int
) -> None:
    """Moves the totals along a step."""
    for t in range(first, last):
        totals[t] += stretch * along[t]
        add_to_groups(stretch * along[t], t, extra, block, width, totals)
    if extra.stock.shape[0] > 0:
        for t in range(first, last):
            totals[(1 + extra.groups) * width + t] += stretch * along[last + t - first]


@njit(cache=True, nogil=True)
def sweep(  # noqa: C901, PLR0912, PLR0915 (a kernel: its branches are the couplings)
    order: Ints,
    turns: Ints,
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
    extra: Extra,
    extra_centre: Floats,
    rate: Floats,
) -> float:
    """Visits the blocks of ``order`` once; returns the sum of the vehicles' gains before each step.

    Takes:
        order: blocks in the order of the visit.
        turns: how many of them threads have taken, and how many each has done in a first pass, ``(1 + threads,)``.
        starting: True for the first pass, which has no schedules yet and extrapolates the total from those done.
        columns, window, first_row: the blocks in float64.
        schedules: changes of stored energy, flat ``(rows, LANES)``; updated. Its kind of number is the search's.
        sums: per step and thread, ``(threads, (1 + M)·width)``: AC energy of the vehicles, then what the rows of
            ``extra`` see of them; only row ``own`` is written.
        own: which row of ``sums`` is this thread's.
        centre: prox centre of the price, ``(width,)``.
        rho: [kWh² per currency].
        lowest: lowest price at which no vehicle charges and discharges at once.
        periods, stairs, width, limits, charges, masks: the site.
        mu: this thread's demand charge prices, flat ``(K, width)``; updated.
        extra: group limits and reserve.
        extra_centre: prox centre of their prices, flat ``(M, width)``.
        rate: 1/ρ of each and step, flat ``(M, width)``.
    """
    kind = schedules.dtype
    slopes, ends = np.empty(2 * (2 * periods + 6) * LANES, kind), np.empty(2 * (2 * periods + 6) * LANES, kind)
    up_to, down_to = np.empty(periods * LANES, kind), np.empty(periods * LANES, kind)
    coupled, stocked = extra.rows > 0, extra.stock.shape[0] > 0
    tall = 2 if stocked else 1
    change, turn = np.empty(periods * LANES, kind), np.empty(tall * periods * LANES, kind)
    shift = np.empty(periods * LANES if stocked else 0, kind)
    pad = np.empty(4 * LANES, kind)
    price, probe = np.empty(width), np.empty(width)
    z, wanted = np.empty(width), np.empty(width + KNOWN)
    along, move = np.zeros(tall * width), np.zeros(tall * width)
    totals, y, y_probe = np.empty(sums.shape[1]), np.zeros(extra.rows * width), np.zeros(extra.rows * width)
    gains, stiff, stiff_stock = 0.0, 1.0, np.empty(width if stocked else 0)
    visit, until = 0, 0
    while True:
        if visit == until:
            visit = claim(turns, PIECE)
            until = min(visit + PIECE, order.shape[0])
            if visit >= until:
                return gains
        block = order[visit]
        visit += 1
        first, last, row = window[block, 0], window[block, 1], first_row[block]
        _totals(sums, order.shape[0] / max(turns[1:].sum(), 1) if starting else 1.0, stairs, width, extra, totals)
        coupling_price(
            totals, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, 0, width, first, last, price
        )
        if coupled:
            extra_prices(totals, width, extra_centre, rate, extra, width, first, last, y)
            add_group_prices(y, extra, block, width, first, last, price)
        for t in range(first, last):
            price[t] = max(price[t], lowest)
        if stocked:
            fill_shift(y, extra, row, 0, width, first, last, shift)
        cheapest_block(columns, block, 0, LANES, price, shift, first, last, slopes, ends, up_to, down_to, change)
        if starting:
            _first_schedule(columns, block, first, last, schedules, row, change, sums[own], extra, width)
            turns[1 + own] += 1
            continue
        if coupled:
            stiff = math.sqrt(stiffness(y, extra, rate, rho, block, width, first, last))
        _turn_to(columns, block, price, first, last, schedules, row, change, turn, pad, stiff)
        bottom = last
        if stocked:
            for t in range(first, last):
                stiff_stock[t] = math.sqrt(rate[extra.groups * width + t] * rho)
            _turn_stock(y, extra, width, first, last, schedules, row, change, turn, pad, stiff_stock)
            bottom = 2 * last - first
        gains += _gains(pad)
        for lane in range(LANES):
            pad[2 * LANES + lane] = rho / pad[LANES + lane]
        aim, highest = _shares(turn, first, bottom, 1.0 / rho, pad, along, move)
        if highest <= 0.0:
            continue
        if coupled:
            for t in range(first, bottom):
                along[t] /= stiff if t < last else stiff_stock[t - last + first]
        # The secant: how far along the step do the couplings' prices eat up the gain?
        stretch = min(1.0 / highest, 1e3)
        _advance(totals, along, stretch, extra, block, width, first, last)
        coupling_price(
            totals, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, first, last, first, last,
            probe,
        )  # fmt: skip
        bend = 0.0
        if coupled:
            extra_prices(totals, width, extra_centre, rate, extra, width, first, last, y_probe)
            add_group_prices(y_probe, extra, block, width, first, last, probe)
            for t in range(last, bottom):
                at = extra.groups * width + t - last + first
                bend += (y_probe[at] - y[at]) * along[t]
        for t in range(first, last):
            bend += (max(probe[t], lowest) - price[t]) * along[t]
        if bend > aim:
            stretch *= aim / bend
        _step(columns, block, first, last, schedules, row, change, pad, stretch, sums[own], extra, width)
