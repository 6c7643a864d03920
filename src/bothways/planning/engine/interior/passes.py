"""The interior-point method's passes over the vehicles, half a block at a time, one vehicle per lane.

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
from bothways.planning.engine.interior.cars import HELD, INTO, OUT, Cars, half_of
from bothways.planning.engine.model import BEGIN, E0, END, PER_IN, PER_OUT, VALUE, WEAR
from bothways.planning.engine.simd import HALF, LANES, greatest, load, select_lt, splat, store, total, vmax, vmin
from bothways.planning.problem import Floats


class Chains(NamedTuple):
    """What the method keeps of the vehicles' rows, ``(size,)`` each.

    Attributes:
        price: prices of the rows [currency/kWh].
        lack: what the rows lack [kWh].
        inverse: 1/D.
        link: −L, of each step to the one before.
        cross: coupling of each row with the balance of its step.
        weight: diagonal of the inverse, times ``cross``.
        found: solution of the rows by themselves, and then the direction of their prices.
        turned: working room.
    """

    price: Floats
    lack: Floats
    inverse: Floats
    link: Floats
    cross: Floats
    weight: Floats
    found: Floats
    turned: Floats

    @staticmethod
    def of(size: int) -> Chains:
        """Rows that lack nothing."""
        return Chains(*(np.zeros(size) for _ in range(8)))


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(
    cars: Cars,
    at: Point,
    chains: Chains,
    y: Floats,
    band: Floats,
    stride: int,
    energy: Floats,
    side: Floats,
    sums: Floats,
) -> None:
    """Begins a step: residuals, every vehicle's factors, what they add to the site's matrix, the predictor's rows.

    Takes:
        cars: the vehicles.
        at: their variables, ``(3·size,)``.
        chains: their rows.
        y: price of AC energy per step, at least ``(T,)``.
        band: the site's matrix; added to.
        stride: of the band.
        energy: AC energy of all vehicles per step; added to [kWh].
        side: what they add to the right-hand side of the balance; added to [kWh].
        sums: told the most that a row lacks.
    """
    for h in range(cars.halves.shape[0]):
        _, first, last, place = half_of(cars, h)
        sums[LACK] = max(sums[LACK], _compare(cars, h, at, chains, energy))
        _factor(cars, h, at, chains, y, band, stride, side)
        _backward(chains, first, last, place, side)
        _weigh(chains, first, last, place)
        _couple(cars, h, chains, band, stride)


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(cars: Cars, h: int, at: Point, chains: Chains, energy: Floats) -> float:
    """What half a block's rows lack; adds its AC energy to ``energy`` and returns the most that a row lacks [kWh]."""
    columns, size = cars.columns, cars.size
    base, first, last, place = half_of(cars, h)
    per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
    begin, end = load(columns, base + BEGIN * LANES), load(columns, base + END * LANES)
    start, zero, one = load(columns, base + E0 * LANES), splat(begin, 0.0), splat(begin, 1.0)
    kept, most = zero, zero
    for t in range(first, last):
        n, clock = place + (t - first) * LANES, splat(begin, t + 0.5)
        there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
        into, out = load(at.x, n + INTO * size), load(at.x, n + OUT * size)
        before = select_lt(begin + one, clock, kept, start)
        kept = load(at.x, n + HELD * size)
        lack = there * (before + into - out - kept)
        most = vmax(most, vmax(lack, zero - lack))
        energy[t] += total(per_in * into - per_out * out)
        store(chains.lack, n, lack)
    return float(greatest(most))


@njit(cache=True, nogil=True, error_model="numpy")
def _factor(cars: Cars, h: int, at: Point, chains: Chains, y: Floats, band: Floats, stride: int, side: Floats) -> None:
    """Factors half a block's rows and begins the predictor's solution; adds to band and side what needs no rows."""
    columns, size = cars.columns, cars.size
    base, first, last, place = half_of(cars, h)
    per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
    begin, end = load(columns, base + BEGIN * LANES), load(columns, base + END * LANES)
    zero, one, tiny = splat(begin, 0.0), splat(begin, 1.0), splat(begin, 1e-300)
    worth = load(columns, base + VALUE * LANES)
    cost_in, cost_out = zero - worth, load(columns, base + WEAR * LANES) * per_out + worth
    ground, held, inverse, carried, forward = zero, zero, zero, zero, zero
    for t in range(first, last):
        n = place + (t - first) * LANES
        clock, price, row_price = splat(begin, t + 0.5), splat(begin, y[t]), load(chains.price, n)
        there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
        after = load(chains.price, n + LANES) if t + 1 < last else zero
        want_in, want_out = cost_in + row_price + per_in * price, cost_out - row_price - per_out * price
        give_in, give_out = ready(at, n + INTO * size, want_in), ready(at, n + OUT * size, want_out)
        link = select_lt(begin + one, clock, there, zero) * held * inverse  # not in the first step of a stay
        held = ready(at, n + HELD * size, after - row_price)
        ground = ground * link + give_in + give_out
        inverse = there / vmax(ground + held, tiny)
        store(chains.inverse, n, inverse)
        store(chains.link, n, link)
        store(chains.cross, n, give_in * per_in + give_out * per_out)
        band[AHEAD + t * stride] += total(give_in * per_in * per_in + give_out * per_out * per_out)
        into, out, kept = give_in * want_in, give_out * want_out, held * (after - row_price)
        side[t] += total(per_out * out - per_in * into)
        forward = there * (load(chains.lack, n) + out - into + kept - carried) + link * forward
        carried = kept
        store(chains.found, n, forward)


@njit(cache=True, nogil=True, error_model="numpy")
def _backward(chains: Chains, first: int, last: int, place: int, side: Floats) -> None:
    """Ends the solution of half a block's rows, and subtracts what they pass on to the balance."""
    found = splat(load(chains.found, place), 0.0)
    link = found
    for t in range(last - 1, first - 1, -1):
        n = place + (t - first) * LANES
        found = load(chains.found, n) * load(chains.inverse, n) + link * found
        link = load(chains.link, n)
        store(chains.found, n, found)
        side[t] -= total(load(chains.cross, n) * found)


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh(chains: Chains, first: int, last: int, place: int) -> None:
    """The diagonal of the inverse, row by row from the last one (Takahashi 1973), times ``cross``."""
    diagonal = splat(load(chains.link, place), 0.0)
    link = diagonal
    for t in range(last - 1, first - 1, -1):
        n = place + (t - first) * LANES
        diagonal = load(chains.inverse, n) + link * link * diagonal
        link = load(chains.link, n)
        store(chains.weight, n, diagonal * load(chains.cross, n))


@njit(cache=True, nogil=True, error_model="numpy")
def _couple(cars: Cars, h: int, chains: Chains, band: Floats, stride: int) -> None:
    """Subtracts from the site's matrix what half a block's rows take away: crossᵀ·M⁻¹·cross of each vehicle.

    Of each vehicle only the present row of the inverse, times ``cross``, is kept; row k follows from row k + 1 by one
    factor. Vectors are over steps here, counted from the first of the half.
    """
    base, first, last, place = half_of(cars, h)
    room = -(-(last - first) // HALF) * HALF
    rows, unit = np.zeros(HALF * room), np.zeros(2 * HALF)
    unit[HALF] = 1.0
    begins, ends = np.empty(HALF, dtype=np.int64), np.empty(HALF, dtype=np.int64)
    for lane in range(HALF):
        begins[lane] = int(cars.columns[base + BEGIN * LANES + lane]) - first
        ends[lane] = int(cars.columns[base + END * LANES + lane]) - first
    zero = splat(load(rows, 0), 0.0)
    for k in range(last - first - 1, -1, -1):
        n, group, further = place + k * LANES, k // HALF * HALF, k
        row, own = AHEAD + (first + k) * stride - k, zero
        one = load(unit, HALF - (k - group))
        for lane in range(HALF):
            if k < begins[lane] or k >= ends[lane]:
                continue
            further = max(further, ends[lane])
            link = splat(zero, chains.link[n + LANES + lane] if k + 1 < ends[lane] else 0.0)
            scaled = load(rows, lane * room + group) * link + one * splat(zero, chains.weight[n + lane])
            store(rows, lane * room + group, scaled)
            own = own + scaled * splat(zero, chains.cross[n + lane])
        store(band, row + group, load(band, row + group) - own)
        for p in range(group + HALF, further, HALF):
            own = zero
            for lane in range(HALF):
                if k < begins[lane] or p >= ends[lane]:
                    continue
                scaled = load(rows, lane * room + p) * splat(zero, chains.link[n + LANES + lane])
                store(rows, lane * room + p, scaled)
                own = own + scaled * splat(zero, chains.cross[n + lane])
            store(band, row + p, load(band, row + p) - own)


@njit(cache=True, nogil=True, error_model="numpy")
def follow(cars: Cars, at: Point, chains: Chains, dy: Floats, sums: Floats, corrects: bool) -> None:
    """The variables' direction at the balance's prices ``dy``, ``(≥ T,)``, and how far it can be followed.

    Adds to ``sums``; ``corrects`` tells the corrector's direction from the predictor's.
    """
    columns, size = cars.columns, cars.size
    for h in range(cars.halves.shape[0]):
        base, first, last, place = half_of(cars, h)
        per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
        zero = splat(per_in, 0.0)
        forward = zero
        for t in range(first, last):
            n = place + (t - first) * LANES
            forward = load(chains.link, n) * forward - load(chains.cross, n) * splat(zero, dy[t])
            store(chains.turned, n, forward)
        back, link, after = zero, zero, zero
        made = zero, zero, zero, zero
        for t in range(last - 1, first - 1, -1):
            n = place + (t - first) * LANES
            back = load(chains.turned, n) * load(chains.inverse, n) + link * back
            link = load(chains.link, n)
            price, now = splat(zero, dy[t]), load(chains.found, n) + back
            store(chains.found, n, now)
            a, b, c = n + INTO * size, n + OUT * size, n + HELD * size
            into = load(at.give, a) * (zero - now - per_in * price - load(at.want, a))
            out = load(at.give, b) * (now + per_out * price - load(at.want, b))
            held = load(at.give, c) * (now - after - load(at.want, c))
            after = now
            if corrects:
                made = correct(at, c, held, correct(at, b, out, correct(at, a, into, made)))
            else:
                made = predict(at, c, held, predict(at, b, out, predict(at, a, into, made)))
        keep(made, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def turn(cars: Cars, at: Point, chains: Chains, centre: float, trust: float, side: Floats) -> None:
    """From the prediction to the corrector's right-hand side; adds to ``side`` what vehicles add to the balance's."""
    columns, size = cars.columns, cars.size
    for h in range(cars.halves.shape[0]):
        base, first, last, place = half_of(cars, h)
        per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
        begin, end = load(columns, base + BEGIN * LANES), load(columns, base + END * LANES)
        zero, one = splat(begin, 0.0), splat(begin, 1.0)
        carried, forward = zero, zero
        for t in range(first, last):
            n = place + (t - first) * LANES
            a, b, c = n + INTO * size, n + OUT * size, n + HELD * size
            clock = splat(begin, t + 0.5)
            there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
            into, out = load(at.give, a) * aim(at, a, centre, trust), load(at.give, b) * aim(at, b, centre, trust)
            held = load(at.give, c) * aim(at, c, centre, trust)
            side[t] += total(per_out * out - per_in * into)
            lack = load(chains.lack, n) + out - into + held - carried
            forward = there * lack + load(chains.link, n) * forward
            carried = held
            store(chains.found, n, forward)
        _backward(chains, first, last, place, side)


@njit(cache=True, nogil=True, error_model="numpy")
def move(cars: Cars, at: Point, chains: Chains, far: float, wide: float, sums: Floats) -> None:
    """Makes the step and adds up the complementarity."""
    for h in range(cars.halves.shape[0]):
        _, first, last, place = half_of(cars, h)
        like = load(chains.price, place)
        long, broad, gap = splat(like, far), splat(like, wide), splat(like, 0.0)
        for t in range(first, last):
            n = place + (t - first) * LANES
            for kind in range(3):
                gap = gap + advance(at, n + kind * cars.size, long, broad)
            store(chains.price, n, load(chains.price, n) + broad * load(chains.found, n))
        sums[GAP] += total(gap)


@njit(cache=True, nogil=True, error_model="numpy")
def cost(cars: Cars, at: Point) -> float:
    """Wear less terminal value of the vehicles' changes [currency]."""
    columns, spent = cars.columns, 0.0
    for h in range(cars.halves.shape[0]):
        base, first, last, place = half_of(cars, h)
        worth = load(columns, base + VALUE * LANES)
        cost_out = load(columns, base + WEAR * LANES) * load(columns, base + PER_OUT * LANES) + worth
        made = splat(worth, 0.0)
        for t in range(first, last):
            n = place + (t - first) * LANES
            made = made + cost_out * load(at.x, n + OUT * cars.size) - worth * load(at.x, n + INTO * cars.size)
        spent += total(made)
    return spent


@njit(cache=True, nogil=True, error_model="numpy")
def changes_as_metered(cars: Cars, at: Point, schedules: Floats) -> None:
    """Writes changes of stored energy that take the AC energy which charging and discharging take together."""
    columns = cars.columns
    for h in range(cars.halves.shape[0]):
        base, first, last, place = half_of(cars, h)
        per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
        zero, tiny = splat(per_in, 0.0), splat(per_in, 1e-300)
        for t in range(first, last):
            n = place + (t - first) * LANES
            energy = per_in * load(at.x, n + INTO * cars.size) - per_out * load(at.x, n + OUT * cars.size)
            store(schedules, n, vmax(energy, zero) / vmax(per_in, tiny) + vmin(energy, zero) / vmax(per_out, tiny))
