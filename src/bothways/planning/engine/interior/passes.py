"""The interior-point method's passes over the vehicles, a register of lanes at a time, one vehicle per lane.

A vehicle's rows say per step that what flows in and out and what is held agree. Eliminating its variables leaves a
symmetric tridiagonal matrix M = L·D·Lᵀ: that of a chain of conductances ``held`` with ``into + out`` to the ground at
each link, so that pivots are sums of what is positive and nothing cancels. Eliminating the rows leaves the balance at
the meter: a matrix over the steps, as wide as the longest stay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.interior.band import AHEAD
from bothways.planning.engine.interior.bounds import GAP, LACK, Point, advance, aim, correct, keep, predict, ready
from bothways.planning.engine.interior.cars import HELD, INTO, KIND, OUT, SCHEDULE, Cars, group_of
from bothways.planning.engine.interior.kinds import Kinds
from bothways.planning.engine.model import BEGIN, E0, END, PER_IN, PER_OUT, VALUE, WEAR
from bothways.planning.engine.simd import (
    LANES,
    REGISTER,
    greatest,
    load_register,
    select_lt,
    splat,
    store,
    total,
    vmax,
    vmin,
)
from bothways.planning.problem import Floats


class Chains(NamedTuple):
    """What the method keeps of the vehicles' rows, ``(size,)`` each.

    Attributes:
        price: prices of the rows [currency/kWh].
        lack: what the rows lack [kWh].
        inverse: 1/D.
        share: −L of the next step to this one: ``held`` over D.
        ground: conductance to the ground at this step and by way of those before.
        left: that by way of those before alone.
        cross: coupling of each row with the balance of its step.
        weight: diagonal of the inverse, times ``cross``.
        ahead: right-hand side after the steps before are eliminated, without what is held at the end of this step.
        found: solution of the rows by themselves, and then the direction of their prices.
        turned: working room.
    """

    price: Floats
    lack: Floats
    inverse: Floats
    share: Floats
    ground: Floats
    left: Floats
    cross: Floats
    weight: Floats
    ahead: Floats
    found: Floats
    turned: Floats

    @staticmethod
    def of(size: int) -> Chains:
        """Room for the rows of so many vehicle-steps."""
        return Chains(*np.empty((11, size)))


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(cars: Cars, at: Point, chains: Chains, kinds: Kinds, sums: Floats) -> None:
    """Begins a step: residuals, every vehicle's factors, what they add to the matrices, the predictor's rows.

    Takes:
        cars: the vehicles.
        at: their variables, ``(3·size,)``.
        chains: their rows.
        kinds: prices are read; energy, sides and bands are added to.
        sums: told the most that a row lacks.
    """
    for g in range(cars.groups.shape[0]):
        sums[LACK] = max(sums[LACK], _compare(cars, g, at, chains, kinds))
        _factor(cars, g, at, chains, kinds)
        _backward(cars, g, at, chains, kinds)
        _weigh(cars, g, at, chains, kinds)
        _couple(cars, g, chains, kinds)


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(cars: Cars, g: int, at: Point, chains: Chains, kinds: Kinds) -> float:
    """What a group's rows lack; adds its AC energy to its kind's and returns the most that a row lacks [kWh]."""
    columns, size, shift = cars.columns, cars.size, cars.groups[g, KIND] * kinds.width
    base, first, last, place = group_of(cars, g)
    per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
    begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
    kept, zero, one = load_register(columns, base + E0 * LANES), splat(begin, 0.0), splat(begin, 1.0)
    most = zero
    for t in range(first, last):
        n, clock = place + (t - first) * REGISTER, splat(begin, t + 0.5)
        there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
        into, out = load_register(at.x, n + INTO * size), load_register(at.x, n + OUT * size)
        held = load_register(at.x, n + HELD * size)
        lack = there * (kept + into - out - held)
        kept = select_lt(begin, clock, held, kept)
        most = vmax(most, vmax(lack, zero - lack))
        kinds.energy[shift + t] += total(per_in * into - per_out * out)
        store(chains.lack, n, lack)
    return float(greatest(most))


@njit(cache=True, nogil=True, error_model="numpy")
def _factor(cars: Cars, g: int, at: Point, chains: Chains, kinds: Kinds) -> None:
    """Factors a group's rows and begins the predictor's solution; adds to its kind's side what needs no rows."""
    columns, size, shift = cars.columns, cars.size, cars.groups[g, KIND] * kinds.width
    base, first, last, place = group_of(cars, g)
    per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
    begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
    zero, one, tiny = splat(begin, 0.0), splat(begin, 1.0), splat(begin, 1e-300)
    worth = load_register(columns, base + VALUE * LANES)
    cost_in, cost_out = zero - worth, load_register(columns, base + WEAR * LANES) * per_out + worth
    ground, share, want, forward = zero, zero, zero, zero
    for t in range(first, last):
        n = place + (t - first) * REGISTER
        clock, price, row_price = (
            splat(begin, t + 0.5),
            splat(begin, kinds.price[shift + t]),
            load_register(chains.price, n),
        )
        there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
        after = load_register(chains.price, n + REGISTER) if t + 1 < last else zero
        want_in, want_out = cost_in + row_price + per_in * price, cost_out - row_price - per_out * price
        give_in, give_out = ready(at, n + INTO * size, want_in), ready(at, n + OUT * size, want_out)
        kinds.side[shift + t] += total(per_out * give_out * want_out - per_in * give_in * want_in)
        forward = there * (load_register(chains.lack, n) + give_out * want_out - give_in * want_in) + share * (
            forward - ground * want
        )
        left = ground * share
        ground, want = left + give_in + give_out, after - row_price
        held = ready(at, n + HELD * size, want)
        inverse = there / vmax(ground + held, tiny)
        share = held * inverse
        store(chains.ahead, n, forward)
        store(chains.left, n, left)
        store(chains.ground, n, ground)
        store(chains.inverse, n, inverse)
        store(chains.share, n, share)
        store(chains.cross, n, give_in * per_in + give_out * per_out)


@njit(cache=True, nogil=True, error_model="numpy")
def _backward(cars: Cars, g: int, at: Point, chains: Chains, kinds: Kinds) -> None:
    """Ends the solution of a group's rows, and subtracts what they pass on to the balance."""
    _, first, last, place = group_of(cars, g)
    shift = cars.groups[g, KIND] * kinds.width
    found = splat(load_register(chains.ahead, place), 0.0)
    for t in range(last - 1, first - 1, -1):
        n = place + (t - first) * REGISTER
        found = found + load_register(at.want, n + HELD * cars.size)
        found = (
            load_register(chains.ahead, n) * load_register(chains.inverse, n) + load_register(chains.share, n) * found
        )
        store(chains.found, n, found)
        kinds.side[shift + t] -= total(load_register(chains.cross, n) * found)


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh(cars: Cars, g: int, at: Point, chains: Chains, kinds: Kinds) -> None:
    """The diagonal of the inverse, times ``cross``, and what a group leaves on the diagonal of its kind's matrix.

    With into i, out o, their AC energies p and q, and the chain's conductance r to the ground by way of other steps,
    that is p²i + q²o − (pi + qo)²/(i + o + r) = ((p²i + q²o)·r + io·(p − q)²)/(i + o + r): a sum of what is positive.
    """
    columns, size, shift = cars.columns, cars.size, cars.groups[g, KIND] * kinds.size + AHEAD
    base, first, last, place = group_of(cars, g)
    per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
    begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
    zero, one, tiny = splat(begin, 0.0), splat(begin, 1.0), splat(begin, 1e-300)
    apart, behind = (per_in - per_out) * (per_in - per_out), zero
    for t in range(last - 1, first - 1, -1):
        n, clock = place + (t - first) * REGISTER, splat(begin, t + 0.5)
        there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
        into, out, held = (
            load_register(at.give, n + INTO * size),
            load_register(at.give, n + OUT * size),
            load_register(at.give, n + HELD * size),
        )
        right = select_lt(clock + one, end, held * behind / vmax(held + behind, tiny), held)  # at the end to the ground
        others = load_register(chains.left, n) + right
        behind = into + out + right
        diagonal = there / vmax(into + out + others, tiny)
        store(chains.weight, n, diagonal * load_register(chains.cross, n))
        stiff = (per_in * per_in * into + per_out * per_out * out) * others + into * out * apart
        kinds.bands[shift + t * kinds.stride] += total(stiff * diagonal)


@njit(cache=True, nogil=True, error_model="numpy")
def _couple(cars: Cars, g: int, chains: Chains, kinds: Kinds) -> None:
    """Subtracts beside the diagonal of a kind's matrix what rows take away: crossᵀ·M⁻¹·cross of each vehicle.

    Of each vehicle only the present row of the inverse, times ``cross``, is kept; row k follows from row k + 1 by one
    factor. Vectors are over steps here, counted from the group's first.
    """
    base, first, last, place = group_of(cars, g)
    shift = cars.groups[g, KIND] * kinds.size + AHEAD
    room = -(-(last - first) // REGISTER) * REGISTER
    rows, unit = np.zeros(REGISTER * room), np.zeros(2 * REGISTER)
    unit[REGISTER] = 1.0
    begins, ends = np.empty(REGISTER, dtype=np.int64), np.empty(REGISTER, dtype=np.int64)
    for lane in range(REGISTER):
        begins[lane] = int(cars.columns[base + BEGIN * LANES + lane]) - first
        ends[lane] = int(cars.columns[base + END * LANES + lane]) - first
    zero = splat(load_register(rows, 0), 0.0)
    for k in range(last - first - 1, -1, -1):
        n, group, further = place + k * REGISTER, k // REGISTER * REGISTER, k
        row, own = shift + (first + k) * kinds.stride - k, zero
        one = load_register(unit, REGISTER - (k - group))
        for lane in range(REGISTER):
            if k < begins[lane] or k >= ends[lane]:
                continue
            further = max(further, ends[lane])
            scaled = load_register(rows, lane * room + group) * splat(zero, chains.share[n + lane])
            own = own + scaled * splat(zero, chains.cross[n + lane])
            store(rows, lane * room + group, scaled + one * splat(zero, chains.weight[n + lane]))
        store(kinds.bands, row + group, load_register(kinds.bands, row + group) - own)
        for p in range(group + REGISTER, further, REGISTER):
            own = zero
            for lane in range(REGISTER):
                if k < begins[lane] or p >= ends[lane]:
                    continue
                scaled = load_register(rows, lane * room + p) * splat(zero, chains.share[n + lane])
                store(rows, lane * room + p, scaled)
                own = own + scaled * splat(zero, chains.cross[n + lane])
            store(kinds.bands, row + p, load_register(kinds.bands, row + p) - own)


@njit(cache=True, nogil=True, error_model="numpy")
def follow(cars: Cars, at: Point, chains: Chains, kinds: Kinds, sums: Floats, corrects: bool) -> None:
    """The variables' direction where prices turn as ``kinds`` says, and how far it can be followed.

    Adds to ``sums``; ``corrects`` tells the corrector's direction from the predictor's.
    """
    columns, size = cars.columns, cars.size
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        shift = cars.groups[g, KIND] * kinds.width
        per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
        zero = splat(per_in, 0.0)
        forward, share = zero, zero
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            forward = share * forward - load_register(chains.cross, n) * splat(zero, kinds.turn[shift + t])
            share = load_register(chains.share, n)
            store(chains.turned, n, forward)
        back, after = zero, zero
        made = zero, zero, zero, zero, zero
        for t in range(last - 1, first - 1, -1):
            n = place + (t - first) * REGISTER
            forward, share = load_register(chains.turned, n), load_register(chains.share, n)
            back = forward * load_register(chains.inverse, n) + share * back
            price, now = splat(zero, kinds.turn[shift + t]), load_register(chains.found, n) + back
            store(chains.found, n, now)
            a, b, c = n + INTO * size, n + OUT * size, n + HELD * size
            into = load_register(at.give, a) * (zero - now - per_in * price - load_register(at.want, a))
            out = load_register(at.give, b) * (now + per_out * price - load_register(at.want, b))
            # give·(now − after − want), without the difference of what is nearly equal
            held = share * (
                load_register(chains.ahead, n)
                + forward
                - load_register(chains.ground, n) * (after + load_register(at.want, c))
            )
            after = now
            if corrects:
                made = correct(at, c, held, correct(at, b, out, correct(at, a, into, made)))
            else:
                made = predict(at, c, held, predict(at, b, out, predict(at, a, into, made)))
        keep(made, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def turn(cars: Cars, at: Point, chains: Chains, kinds: Kinds, centre: float, trust: float) -> None:
    """From the prediction to the corrector's right-hand side; adds to the sides what vehicles add to the balance's."""
    columns, size = cars.columns, cars.size
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        shift = cars.groups[g, KIND] * kinds.width
        per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
        begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
        zero, one = splat(begin, 0.0), splat(begin, 1.0)
        ground, share, want, forward = zero, zero, zero, zero
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            a, b, c = n + INTO * size, n + OUT * size, n + HELD * size
            clock = splat(begin, t + 0.5)
            there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
            into, out = (
                load_register(at.give, a) * aim(at, a, centre, trust),
                load_register(at.give, b) * aim(at, b, centre, trust),
            )
            kinds.side[shift + t] += total(per_out * out - per_in * into)
            forward = there * (load_register(chains.lack, n) + out - into) + share * (forward - ground * want)
            ground, share, want = (
                load_register(chains.ground, n),
                load_register(chains.share, n),
                aim(at, c, centre, trust),
            )
            store(chains.ahead, n, forward)
        _backward(cars, g, at, chains, kinds)


@njit(cache=True, nogil=True, error_model="numpy")
def move(cars: Cars, at: Point, chains: Chains, far: float, wide: float, sums: Floats) -> None:
    """Makes the step and adds up the complementarity."""
    for g in range(cars.groups.shape[0]):
        _, first, last, place = group_of(cars, g)
        like = load_register(chains.price, place)
        long, broad, gap = splat(like, far), splat(like, wide), splat(like, 0.0)
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            for kind in range(3):
                gap = gap + advance(at, n + kind * cars.size, long, broad)
            store(chains.price, n, load_register(chains.price, n) + broad * load_register(chains.found, n))
        sums[GAP] += total(gap)


@njit(cache=True, nogil=True, error_model="numpy")
def cost(cars: Cars, at: Point) -> float:
    """Wear less terminal value of the vehicles' changes [currency]."""
    columns, spent = cars.columns, 0.0
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        worth = load_register(columns, base + VALUE * LANES)
        cost_out = load_register(columns, base + WEAR * LANES) * load_register(columns, base + PER_OUT * LANES) + worth
        made = splat(worth, 0.0)
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            made = (
                made
                + cost_out * load_register(at.x, n + OUT * cars.size)
                - worth * load_register(at.x, n + INTO * cars.size)
            )
        spent += total(made)
    return spent


@njit(cache=True, nogil=True, error_model="numpy")
def write_changes(cars: Cars, at: Point, as_metered: bool, schedules: Floats) -> None:
    """Writes changes of stored energy where the search keeps them: those of the present point.

    Or, ``as_metered``, those that take the AC energy which charging and discharging take together.
    """
    columns, size = cars.columns, cars.size
    schedules[:] = 0.0
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
        zero, tiny = splat(per_in, 0.0), splat(per_in, 1e-300)
        for t in range(first, last):
            n, to = place + (t - first) * REGISTER, cars.groups[g, SCHEDULE] + (t - first) * LANES
            into, out = load_register(at.x, n + INTO * size), load_register(at.x, n + OUT * size)
            if as_metered:
                used = per_in * into - per_out * out
                store(schedules, to, vmax(used, zero) / vmax(per_in, tiny) + vmin(used, zero) / vmax(per_out, tiny))
            else:
                store(schedules, to, into - out)
