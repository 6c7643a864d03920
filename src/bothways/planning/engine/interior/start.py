"""Where the interior-point method starts: on steady paths through the middle of what vehicles can do, at given prices.

A method that starts far from its equations spends half its steps on the way. Here the vehicles' rows hold from the
start wherever a steady path stays inside its bounds, the balances hold wherever the meter has room, and multipliers are
what the prices say they are, where that is more than what keeps all products of slacks and multipliers at one level.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.interior.bounds import Point
from bothways.planning.engine.interior.cars import HELD, INTO, KIND, OUT, Cars, group_of, lowest_held
from bothways.planning.engine.interior.kinds import Kinds
from bothways.planning.engine.interior.meter import Meter, priced
from bothways.planning.engine.interior.passes import Chains
from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    E0,
    END,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
)
from bothways.planning.engine.simd import (
    LANES,
    REGISTER,
    Vector,
    load_register,
    select_lt,
    splat,
    store,
    total,
    vmax,
    vmin,
)
from bothways.planning.problem import Floats

FIXED_KWH = 1e-6
"""A variable with less room than this does not move."""

_LEVEL = 0.005  # products of slacks and multipliers, of a typical price times a typical slack


@njit(cache=True, nogil=True, error_model="numpy")
def _clip(value: Vector, least: Vector, most: Vector) -> Vector:
    return vmin(vmax(value, least), most)


@njit(cache=True, nogil=True, error_model="numpy")
def _put(at: Point, n: int, x: Vector, least: Vector, most: Vector, there: Vector) -> tuple[Vector, Vector]:
    """Puts variables between their bounds; multipliers of 1 tell which move. Returns distances, and how many move."""
    zero, one = splat(x, 0.0), splat(x, 1.0)
    moves = select_lt(splat(x, FIXED_KWH), most - least, there, zero)
    x = select_lt(zero, moves, x, there * splat(x, 0.5) * (least + most))
    over, under = select_lt(zero, moves, x - least, one), select_lt(zero, moves, most - x, one)
    store(at.x, n, x)
    store(at.over, n, over)
    store(at.under, n, under)
    store(at.low, n, moves)
    store(at.high, n, moves)
    return moves * vmin(over, under), moves


@njit(cache=True, nogil=True, error_model="numpy")
def place(cars: Cars, at: Point, kinds: Kinds) -> tuple[float, float]:
    """Places the vehicles' variables; adds their AC energy to that of their kinds [kWh].

    Returns:
        The sum of the distances to the nearest bounds [kWh], and the number of variables that move.
    """
    columns, size = cars.columns, cars.size
    far, moving = 0.0, 0.0
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        shift = cars.groups[g, KIND] * kinds.width
        begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
        zero, one, twentieth = splat(begin, 0.0), splat(begin, 1.0), splat(begin, 0.05)
        most_in, most_out = (
            load_register(columns, base + MOST_IN * LANES),
            load_register(columns, base + MOST_OUT * LANES),
        )
        start, high = load_register(columns, base + E0 * LANES), load_register(columns, base + CEILING * LANES)
        floor, wish = load_register(columns, base + FLOOR * LANES), load_register(columns, base + REQUIRED * LANES)
        per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
        steps = vmax(end - begin, one)
        least, most = vmax(vmax(floor, vmin(wish, high)), start - steps * most_out), vmin(high, start + steps * most_in)
        rate = (splat(zero, 0.5) * (least + most) - start) / steps
        into = _clip(rate + splat(zero, 0.1) * most_out, twentieth * most_in, (one - twentieth) * most_in)
        out = _clip(into - rate, twentieth * most_out, (one - twentieth) * most_out)
        slack, count = zero, zero
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            clock = splat(zero, t + 0.5)
            there = select_lt(begin, clock, select_lt(clock, end, one, zero), zero)
            low = lowest_held(columns, base, t)
            room = twentieth * (high - low)
            held = _clip(start + (splat(zero, t + 1.0) - begin) * rate, low + room, high - room)
            in_slack, in_count = _put(at, n + INTO * size, there * into, zero, most_in, there)
            out_slack, out_count = _put(at, n + OUT * size, there * out, zero, most_out, there)
            held_slack, held_count = _put(at, n + HELD * size, there * held, low, high, there)
            slack, count = slack + in_slack + out_slack + held_slack, count + in_count + out_count + held_count
            kinds.energy[shift + t] += total(
                per_in * load_register(at.x, n + INTO * size) - per_out * load_register(at.x, n + OUT * size)
            )
        far += total(slack)
        moving += total(count)
    return far, moving


@njit(cache=True, nogil=True, error_model="numpy")
def _value(at: Point, n: int, want: Vector, level: Vector) -> Vector:
    """Multipliers of variables whose costs lack ``want`` without them; returns slacks times multipliers."""
    over, under = load_register(at.over, n), load_register(at.under, n)
    zero = splat(over, 0.0)
    low = select_lt(zero, load_register(at.low, n), level / over, zero)
    high = select_lt(zero, load_register(at.high, n), level / under, zero)
    more = want - low + high
    low = select_lt(zero, low, low + vmax(more, zero), zero)
    high = select_lt(zero, high, high + vmax(zero - more, zero), zero)
    store(at.low, n, low)
    store(at.high, n, high)
    return over * low + under * high


@njit(cache=True, nogil=True, error_model="numpy")
def value(cars: Cars, at: Point, chains: Chains, kinds: Kinds, level: float) -> float:
    """Prices of the vehicles' rows and multipliers of their bounds at the prices of their kinds; returns the gap.

    A vehicle's stored energy has one price at first, half-way between what charging costs and what discharging earns on
    average; products of slacks and multipliers are at least ``level``.
    """
    columns, size, gap = cars.columns, cars.size, 0.0
    for g in range(cars.groups.shape[0]):
        base, first, last, place = group_of(cars, g)
        shift = cars.groups[g, KIND] * kinds.width
        begin, end = load_register(columns, base + BEGIN * LANES), load_register(columns, base + END * LANES)
        zero, one, like = splat(begin, 0.0), splat(begin, 1.0), splat(begin, level)
        per_in, per_out = load_register(columns, base + PER_IN * LANES), load_register(columns, base + PER_OUT * LANES)
        worth = load_register(columns, base + VALUE * LANES)
        cost_in, cost_out = zero - worth, load_register(columns, base + WEAR * LANES) * per_out + worth
        prices, made = zero, zero
        for t in range(first, last):
            clock = splat(zero, t + 0.5)
            prices = prices + select_lt(
                begin, clock, select_lt(clock, end, splat(zero, kinds.price[shift + t]), zero), zero
            )
        mean = prices / vmax(end - begin, one)
        price = splat(zero, 0.5) * (cost_out - cost_in - (per_in + per_out) * mean)
        for t in range(first, last):
            n = place + (t - first) * REGISTER
            clock, now = splat(zero, t + 0.5), splat(zero, kinds.price[shift + t])
            there = select_lt(begin, clock, select_lt(clock, end, price, zero), zero)
            after = select_lt(clock + one, end, there, zero)
            store(chains.price, n, there)
            made = made + _value(at, n + INTO * size, cost_in + price + per_in * now, like)
            made = made + _value(at, n + OUT * size, cost_out - price - per_out * now, like)
            made = made + _value(at, n + HELD * size, after - there, like)
        gap += total(made)
    return gap


def place_meter(meter: Meter, at: Point, vehicles: Floats) -> tuple[float, float, float]:
    """Places the meter's variables, where rows see so much of the vehicles ``(T·m,)`` [kWh].

    Returns:
        Distances to the nearest bounds and variables that move as :func:`place`, and those that have upper bounds.
    """
    count, high = meter.high.size, meter.high
    moves = high > FIXED_KWH
    capped = moves & np.isfinite(high)
    x = np.where(moves, meter.first(vehicles), 0.5 * np.where(np.isfinite(high), high, 0.0))
    for numbers, own, rest in (
        (at.x, x, 0.0),
        (at.over, np.where(moves, x, 1.0), 1.0),
        (at.under, np.where(capped, high - x, 1.0), 1.0),
        (at.low, moves, 0.0),
        (at.high, capped, 0.0),
    ):
        numbers[:count], numbers[count:] = own, rest
    nearest = np.where(capped, np.minimum(at.over[:count], at.under[:count]), at.over[:count])
    return float(nearest[moves].sum()), float(moves.sum()), float(capped.sum())


@njit(cache=True, nogil=True, error_model="numpy")
def value_meter(meter: Meter, at: Point, y: Floats, level: float) -> float:
    """Multipliers of the meter's variables at the prices of its rows; returns the gap."""
    lack, gap = np.zeros(at.x.shape[0]), 0.0
    priced(meter, y, lack)
    for n in range(meter.cost.shape[0]):
        lack[n] = meter.cost[n] - lack[n]
    for n in range(0, lack.shape[0], REGISTER):
        want = load_register(lack, n)
        gap += total(_value(at, n, want, splat(want, level)))
    return gap


def level_of(unit: float, far: float, moving: float) -> float:
    """The level of products of slacks and multipliers for variables so far from their bounds in sum [currency]."""
    return _LEVEL * unit * max(far / max(moving, 1.0), FIXED_KWH)
