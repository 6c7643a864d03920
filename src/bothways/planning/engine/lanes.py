"""The cheapest schedules of a block of vehicles, one vehicle per lane: the fast form of ``oracle``.

The list of slopes is kept without insertion. Every lane has the same number of slots; a slot holds a slope and
the upper end E of its segment. A backward step adds a dead slot at both ends; each slot looks at its *old* neighbours:

    s'_k = min(max(s_k, min(s_{k+1}, buy)), max(s_{k−1}, sell))
    E'_k = E_{k+1} − x̄c where s_{k+1} < buy;  E_{k−1} + x̄d where s_k ≥ sell;  E_k otherwise;  clipped to the new domain

so slots below ``buy`` move down one place, slots above ``sell`` up one place, and the two new segments fall into the
gaps. Slots that are empty in every lane are dropped at both ends. The same code runs in float32 (search) and in float64
(certificate), where a block is done in two halves.
"""

from __future__ import annotations

from numba import njit

from bothways.planning.engine.model import (
    BEGIN,
    BIG,
    CEILING,
    E0,
    END,
    FIELDS,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    ONE_WAY,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
    Numbers,
)
from bothways.planning.engine.simd import LANES, any_lt, load, load_like, select_lt, splat, store, vmax, vmin
from bothways.planning.problem import Floats


def slots(periods: int) -> int:
    """Numbers that one slot list of a block needs."""
    return (2 * periods + 6) * LANES


@njit(cache=True, nogil=True)
def cheapest_block(  # noqa: PLR0915 (a kernel: its branches are the cases of one formula)
    columns: Floats,
    block: int,
    half: int,
    width: int,
    price: Floats,
    shift: Numbers,
    first: int,
    last: int,
    slopes: Numbers,
    ends: Numbers,
    up_to: Numbers,
    down_to: Numbers,
    change: Numbers,
) -> None:
    """Writes the cheapest changes of stored energy of the lanes of one block.

    Takes:
        columns: flat ``(B, FIELDS, LANES)``.
        block: which block.
        half: which part of the block (0 in float32; 0 or 1 in float64).
        width: lanes computed at once.
        price: price of AC energy ``(≥ last,)``.
        shift: what a kWh stored in a step is worth later beside its use, flat ``(T, LANES)``; empty where nothing.
        first, last: the block's window of steps.
        slopes, ends: scratch, ``2·slots(T)`` numbers each; their kind of number is the kind computed in.
        up_to, down_to: scratch, ``T·LANES`` numbers each.
        change: result, flat ``(T, LANES)`` by step; rows outside the window are left alone.
    """
    base = block * FIELDS * LANES + half * width
    like = load(slopes, 0)
    ceiling = load_like(like, columns, base + CEILING * LANES)
    floor = load_like(like, columns, base + FLOOR * LANES)
    most_in = load_like(like, columns, base + MOST_IN * LANES)
    most_out = load_like(like, columns, base + MOST_OUT * LANES)
    per_in = load_like(like, columns, base + PER_IN * LANES)
    per_out = load_like(like, columns, base + PER_OUT * LANES)
    wear = load_like(like, columns, base + WEAR * LANES)
    begin = load_like(like, columns, base + BEGIN * LANES)
    end = load_like(like, columns, base + END * LANES)
    one_way = load_like(like, columns, base + ONE_WAY * LANES)
    zero = splat(ceiling, 0.0)
    top = splat(ceiling, BIG)
    bottom = splat(ceiling, -BIG)
    low = load_like(like, columns, base + REQUIRED * LANES)
    shifted = shift.shape[0] > 0
    now, then = 0, slopes.shape[0] // 2  # the two halves of the scratch take turns
    head, count = 1, 1
    store(slopes, now + width, zero - load_like(like, columns, base + VALUE * LANES))
    store(ends, now + width, ceiling)
    for t in range(last - 1, first - 1, -1):
        here = splat(ceiling, price[t])
        clock = splat(ceiling, t + 0.5)
        buy, sell = zero - here * per_in, (wear - here) * per_out + one_way
        if shifted:
            buy = buy + load(shift, t * LANES + half * width)
            sell = sell + load(shift, t * LANES + half * width)
        buy = select_lt(begin, clock, select_lt(clock, end, buy, bottom), bottom)
        sell = select_lt(begin, clock, select_lt(clock, end, sell, top), top)
        room_in = select_lt(bottom, buy, most_in, zero)
        room_out = select_lt(sell, top, most_out, zero)
        start = now + (head - 1) * width
        store(slopes, start, bottom)
        store(ends, start, low)
        stop = now + (head + count) * width
        store(slopes, stop, top)
        store(ends, stop, ceiling)
        charge_to, discharge_to = low, low
        s0, s1, e0, e1 = bottom, bottom, low, low
        low = vmax(low - room_in, floor)
        count += 2
        for k in range(1, count):
            s2, e2 = load(slopes, start + k * width), load(ends, start + k * width)
            moved = select_lt(s1, sell, e1, e0 + room_out)
            moved = select_lt(s2, buy, e2 - room_in, moved)
            store(slopes, then + k * width, vmin(vmax(s1, vmin(s2, buy)), vmax(s0, sell)))
            store(ends, then + k * width, vmin(vmax(moved, low), ceiling))
            charge_to = vmax(charge_to, select_lt(s1, buy, e1, zero))
            discharge_to = vmax(discharge_to, select_lt(s1, sell, e1, zero))
            s0, s1, e0, e1 = s1, s2, e1, e2
        store(slopes, then + count * width, vmax(s0, sell))
        store(ends, then + count * width, ceiling)
        store(up_to, t * width, charge_to)
        store(down_to, t * width, discharge_to)
        head = 1
        while count > 1 and not any_lt(low, load(ends, then + head * width)):
            head += 1
            count -= 1
        while count > 1 and not any_lt(load(ends, then + (head + count - 2) * width), ceiling):
            count -= 1
        now, then = then, now
    energy = load_like(like, columns, base + E0 * LANES)
    for t in range(first, last):
        clock = splat(ceiling, t + 0.5)
        more = vmax(vmin(load(up_to, t * width) - energy, most_in), zero)
        less = vmax(vmin(energy - load(down_to, t * width), most_out), zero)
        x = select_lt(begin, clock, select_lt(clock, end, more - less, zero), zero)
        store(change, t * LANES + half * width, x)
        energy = energy + x
