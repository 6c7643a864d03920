"""What is proven about a schedule: its cost and a lower bound, both recomputed in float64 from scratch.

For any prices λ and y in the domains of F* and F_j* and any feasible charge prices μ

    LB = Σ_i V_i(λ, y) + λᵀ·load − F*(λ; μ) + Σ_j (y_jᵀ·base_j − F_j*(y_j))  ≤  optimum,

with y the prices of group limits and reserve and V_i from the exact oracle. Nothing that the search computed enters but
λ, μ and y. The upper bound is the cost of the very schedule that is returned: the search's schedule, moved into the
vehicles' limits in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Extra, add_to_groups, fill_shift
from bothways.planning.engine.lanes import cheapest_block
from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    E0,
    END,
    FIELDS,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
    Numbers,
)
from bothways.planning.engine.simd import HALF, LANES, load, load_like, select_lt, splat, store, total, vmax, vmin
from bothways.planning.engine.turns import PIECE, claim
from bothways.planning.problem import Floats, Ints


@njit(cache=True, nogil=True)
def best_values(
    turns: Ints,
    columns: Floats,
    window: Ints,
    first_row: Ints,
    prices: Floats,
    kinds: Ints,
    y: Floats,
    extra: Extra,
    periods: int,
    width: int,
) -> float:
    """Σ V_i(λ, y) of some blocks: the vehicles' least costs at given prices, by the exact oracle in float64.

    Takes:
        turns: counter of the blocks that threads have taken (see ``turns``).
        columns, window, first_row: the blocks in float64.
        prices: price of AC energy as each kind of vehicle sees it, flat ``(C, width)``.
        kinds: kind of each block.
        y: prices of the rows of ``extra``, flat ``(M, width)``; only the reserve's are read.
        periods, width: steps, and steps with padding.
    """
    size = (2 * periods + 6) * LANES
    slopes, ends = np.empty(2 * size), np.empty(2 * size)
    up_to, down_to, change = np.empty(periods * LANES), np.empty(periods * LANES), np.empty(periods * LANES)
    stocked = extra.stock.shape[0] > 0
    shift = np.empty(periods * LANES if stocked else 0)
    value = 0.0
    block, until = 0, 0
    while True:
        if block == until:
            block = claim(turns, PIECE)
            until = min(block + PIECE, window.shape[0])
            if block >= until:
                return value
        first, last = window[block, 0], window[block, 1]
        price = prices[kinds[block] * width : (kinds[block] + 1) * width]
        for half in range(2):
            if stocked:
                fill_shift(y, extra, first_row[block], half * HALF, width, first, last, shift)
            cheapest_block(columns, block, half, HALF, price, shift, first, last, slopes, ends, up_to, down_to, change)
            base = block * FIELDS * LANES + half * HALF
            per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
            wear, worth = load(columns, base + WEAR * LANES), load(columns, base + VALUE * LANES)
            zero = splat(wear, 0.0)
            cost = zero
            for t in range(first, last):
                x = load(change, t * LANES + half * HALF)
                here = splat(wear, price[t])
                cost = cost + (vmax(x, zero) * per_in * here + vmin(x, zero) * per_out * (here - wear) - worth * x)
                if stocked:
                    cost = cost - load(shift, t * LANES + half * HALF) * x
            value += total(cost)
        block += 1


@njit(cache=True, nogil=True)
def within(x: Any, now: Any, low: Any, ceiling: Any, most_in: Any, most_out: Any, begin: Any, end: Any, t: Any) -> Any:
    """Changes ``x`` of lanes that hold ``now``, moved so that the next energies lie in [low, ceiling]; 0 outside stays.

    All are vectors, ``t`` the middle of the step. Where the two limits disagree by rounding, the lower one counts.
    """
    zero = splat(x, 0.0)
    x = vmax(vmin(x, vmin(most_in, ceiling - now)), vmax(zero - most_out, low - now))
    return select_lt(begin, t, select_lt(t, end, vmin(x, most_in), zero), zero)


@njit(cache=True, nogil=True)
def repaired(
    turns: Ints,
    columns: Floats,
    window: Ints,
    first_row: Ints,
    schedules: Numbers,
    energy: Floats,
    last_kwh: Floats,
    extra: Extra,
    width: int,
) -> float:
    """Moves schedules into the vehicles' limits in float64; adds their AC energy and returns their own cost.

    Each step's change is clipped so that the next stored energy stays between ceiling and the lowest energy from which
    floor and requirement can still be met.

    Takes:
        turns: counter of the blocks that threads have taken (see ``turns``).
        columns, window, first_row: the blocks in float64.
        schedules: changes of stored energy, flat ``(rows, LANES)``, either kind of number.
        energy: AC energy per step and behind it what the rows of ``extra`` see, ``((1 + M)·width,)`` [kWh]; added to.
        last_kwh: stored energy at the end of each stay by lane, ``(B·LANES,)`` [kWh]; written where it has room.
        extra, width: group limits and reserve, and steps with padding.

    Returns:
        Wear − terminal value of the changes [currency].
    """
    own_cost = 0.0
    coupled, stocked = extra.rows > 0, extra.stock.shape[0] > 0
    block, until = 0, 0
    while True:
        if block == until:
            block = claim(turns, PIECE)
            until = min(block + PIECE, window.shape[0])
            if block >= until:
                return own_cost
        first, last, row = window[block, 0], window[block, 1], first_row[block]
        for half in range(2):
            base = block * FIELDS * LANES + half * HALF
            ceiling, floor = load(columns, base + CEILING * LANES), load(columns, base + FLOOR * LANES)
            wish = load(columns, base + REQUIRED * LANES)
            most_in, most_out = load(columns, base + MOST_IN * LANES), load(columns, base + MOST_OUT * LANES)
            per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
            wear, worth = load(columns, base + WEAR * LANES), load(columns, base + VALUE * LANES)
            begin, end = load(columns, base + BEGIN * LANES), load(columns, base + END * LANES)
            now = load(columns, base + E0 * LANES)
            zero = splat(wear, 0.0)
            cost, more = zero, zero
            for t in range(first, last):
                place = (row + t - first) * LANES + half * HALF
                low = vmax(floor, wish - (end - splat(wear, t + 1.0)) * most_in)
                x = load_like(wear, schedules, place)
                x = within(x, now, low, ceiling, most_in, most_out, begin, end, splat(wear, t + 0.5))
                now = now + x
                sold = vmin(x, zero) * per_out
                used = vmax(x, zero) * per_in + sold
                cost = cost - wear * sold - worth * x
                amount = total(used)
                energy[t] += amount
                if coupled:
                    add_to_groups(amount, t, extra, block, width, energy)
                if stocked:
                    more = more + x
                    energy[(1 + extra.groups) * width + t] += total(more * load(extra.stock, place))
            if last_kwh.shape[0] > 0:
                store(last_kwh, block * LANES + half * HALF, now)
            own_cost += total(cost)
        block += 1
