"""A lower bound from prices and multipliers, recomputed in float64 from scratch and valid whatever they are.

Prices λ of energy and μ of capacity split the problem into site and vehicles; multipliers θ ≥ 0 put a vehicle's power
and headroom rows into its cost. What is left of a vehicle is a store of energy with independent moves (charging,
discharging, activation), each with a constant cost per kWh and step: its cost-to-go is convex and piecewise linear in
the stored energy, and every move is one more segment in the sorted list of its slopes. That minimum is exact, so

    LB = site's bound (weak duality) + Σ_i V_i(λ, μ, θ) ≤ optimum.

Charging and discharging in one step is allowed to the vehicle here, which can only lower the bound.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.repair import ARRIVED, CALL, CEILING, CHARGE, DISCHARGE, DURATION, FIRST, PER_IN, PER_OUT


@njit(cache=True, nogil=True)
def _insert(slope: Floats, length: Floats, count: int, new_slope: float, new_length: float) -> None:
    k = count
    while k > 0 and slope[k - 1] > new_slope:
        slope[k], length[k] = slope[k - 1], length[k - 1]
        k -= 1
    slope[k], length[k] = new_slope, new_length


@njit(cache=True, nogil=True)
def _trim(slope: Floats, length: Floats, count: int, cut: float, keep: float, value: float) -> tuple[int, float]:
    """Drops ``cut`` from the left and all beyond ``keep`` from the right; returns the count and the new left value."""
    first, rest = 0, max(cut, 0.0)
    while rest > 0.0 and first < count:
        gone = min(rest, length[first])
        value += slope[first] * gone
        length[first] -= gone
        rest -= gone
        if length[first] > 0.0 or first == count - 1:
            break
        first += 1
    reach, last = 0.0, first
    for k in range(first, count):
        slope[k - first] = slope[k]
        length[k - first] = min(length[k], max(keep - reach, 0.0))
        reach += length[k]
        last = k
        if reach >= keep:
            break
    return last + 1 - first, value


@njit(cache=True, nogil=True)
def _move(state: Floats, slope: Floats, length: Floats, count: int, cost: float, effect: float, most: float) -> int:
    """Joins one kind of move: ``cost`` per unit, ``effect`` on stored energy per unit, up to ``most`` units.

    ``state`` holds the least energy, the cost-to-go there, and an offset that all stored slopes lack.
    """
    if most <= 0.0:
        return count
    if effect == 0.0:
        state[1] += min(0.0, cost) * most
        return count
    if effect > 0.0:
        state[0] -= effect * most
        state[1] += cost * most
    _insert(slope, length, count, -cost / effect - state[2], abs(effect) * most)
    return count + 1


@njit(cache=True, nogil=True)
def _rows_at(
    k: int,
    first: int,
    car: Floats,
    lower: Floats,
    before: Floats,
    row_at: Floats,
    row_up: Ints,
    theta: Floats,
    along: Floats,
) -> float:
    """Adds the slopes that the headroom rows of step k put on the energies around it; returns their constants."""
    constant = 0.0
    for r in range(row_at.shape[0]):
        weight = theta[r, first + k]
        if weight <= 0.0:
            continue
        sign = -weight if row_up[r] == 1 else weight
        along[k + 1] += sign * row_at[r]
        along[k] += sign * (1.0 - row_at[r])
        if row_up[r] == 1:
            constant += weight * ((1.0 - row_at[r]) * before[first + k] + row_at[r] * lower[first + k])
        else:
            constant -= weight * car[CEILING]
    return constant


@njit(cache=True, nogil=True)
def vehicle_values(
    vehicles: Floats,
    arrival: Ints,
    step_h: float,
    wear: Floats,
    worth: float,
    required: Floats,
    lower: Floats,
    before: Floats,
    moved: Floats,
    wear_share: Floats,
    most: Floats,
    is_up: Ints,
    row_at: Floats,
    row_up: Ints,
    terms: Ints,
    hours: Floats,
    prices: Floats,
    power: Floats,
    theta: Floats,
    at_end: Floats,
    values: Floats,
) -> None:
    """Writes the least cost of every vehicle at given prices and multipliers.

    Takes:
        vehicles … hours: the tables of ``repair`` and ``cars``.
        most: most that can be promised to a group, ``(S,)`` [kW].
        prices: ``(1 + G, T)``: of energy, of the groups' capacity [currency/kW for one step].
        power: multipliers of the power rows, up and down, ``(2, S)``.
        theta: multipliers of the headroom rows, ``(R, S)``.
        at_end: multipliers of the requirement without activation, ``(N,)``.
        values: result ``(N,)``.
    """
    groups = is_up.shape[0]
    longest = 1
    for i in range(vehicles.shape[0]):
        longest = max(longest, int(vehicles[i, DURATION]))
    slope, length = np.empty((groups + 2) * longest + 2), np.empty((groups + 2) * longest + 2)
    along, state = np.empty(longest + 1), np.empty(3)
    for i in range(vehicles.shape[0]):
        car = vehicles[i]
        first, n = int(car[FIRST]), int(car[DURATION])
        if n == 0:
            values[i] = -worth * car[ARRIVED]
            continue
        along[: n + 1] = 0.0
        along[n] = -worth - at_end[i]
        constant = at_end[i] * required[i]
        for k in range(n):
            constant += _rows_at(k, first, car, lower, before, row_at, row_up, theta, along)
            constant -= power[0, first + k] * car[DISCHARGE] + power[1, first + k] * car[CHARGE]
        low, high = lower[first + n - 1], car[CEILING]
        slope[0], length[0], count = along[n], high - low, 1
        state[0], state[1], state[2] = low, along[n] * low, 0.0
        for k in range(n - 1, -1, -1):
            s, t = first + k, arrival[i] + k
            here = prices[0, t] - power[0, s] + power[1, s]
            count = _move(state, slope, length, count, here, step_h * car[PER_IN], car[CHARGE])
            out = -here + step_h * wear[i]
            count = _move(state, slope, length, count, out, -step_h * car[PER_OUT], car[DISCHARGE])
            for g in range(groups):
                cost = wear_share[i, g] - prices[1 + g, t] + at_end[i] * step_h * moved[i, g]
                cost += power[0, s] if is_up[g] == 1 else power[1, s]
                for m in range(terms.shape[0]):
                    if terms[m, 1] == g and k + terms[m, 2] < n:
                        cost += car[CALL] * hours[m] * theta[terms[m, 0], s + terms[m, 2]]
                count = _move(state, slope, length, count, cost, step_h * moved[i, g], most[s])
            if k > 0:
                low = max(lower[first + k - 1], state[0])
                # ``slope`` lacks the offset, the left value has it: both are brought together in the cut.
                cut = low - state[0]
                count, state[1] = _trim(slope, length, count, cut, high - low, state[1] + state[2] * cut)
                state[0] = low
                state[2] += along[k]
                state[1] += along[k] * low
        values[i] = constant + along[0] * car[ARRIVED] + _look_up(slope, length, count, car[ARRIVED], state)


@njit(cache=True, nogil=True)
def _look_up(slope: Floats, length: Floats, count: int, energy: float, state: Floats) -> float:
    """Cost-to-go at one energy; beyond either end the nearest value (float64 rounding only)."""
    rest = max(energy - state[0], 0.0)
    value = state[1]
    for k in range(count):
        part = min(rest, length[k])
        value += (slope[k] + state[2]) * part
        rest -= part
        if rest <= 0.0:
            break
    return float(value)
