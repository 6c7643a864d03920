"""What follows from a step of the prices: directions of every vehicle's variables, slacks and multipliers."""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.cars import (
    AT,
    CEILING,
    CHARGE,
    DISCHARGE,
    START,
    STEPS,
    TIME,
    Kit,
    charging,
    rows_of,
    slots,
)
from bothways.planning.reserve.newton import coupled, end_row, solve_ended


@njit(cache=True, nogil=True)
def _priced(i: int, car: Floats, kit: Kit, change: Floats, out: Floats) -> None:
    """Writes Jᵀ·change of vehicle i."""
    step_h, own = kit[0], kit[3][i]
    groups = own.shape[0]
    width, n, at = groups + 2, int(car[STEPS]), int(car[TIME])
    place, value = np.empty(groups + 3, dtype=np.int64), np.empty(groups + 3)
    out[: n * width] = 0.0
    for k in range(n):
        y = (at + k) * (groups + 1)
        count, _ = charging(k, car, step_h, own, -1.0, place, value)
        for m in range(count):
            out[place[m]] += value[m] * change[y]
        out[k * width] += change[y]
        for g in range(groups):
            out[k * width + 1 + g] += change[y + 1 + g]


@njit(cache=True, nogil=True)
def direct(
    table: Floats,
    kit: Kit,
    variables: Ints,
    rows: Ints,
    band: int,
    kinds: int,
    z: Floats,
    w: Floats,
    q: Floats,
    factors: Floats,
    ends: Floats,
    shares: Floats,
    along: Floats,
    step: Floats,
    change: Floats,
    extra: Floats,
    dz: Floats,
    dw: Floats,
    dq: Floats,
) -> tuple[float, float]:
    """Writes Δz, Δw, Δq for a change of the prices; returns the greatest −Δw/w and −Δq/q.

    Takes ``step``, H⁻¹f of every vehicle, and ``extra``, what the products w·q are to lose besides themselves, per w.
    """
    drifts, groups, size = kit[11], kit[4].shape[0], 1
    for i in range(table.shape[0]):
        size = max(size, variables[i + 1] - variables[i])
    offset = slots(groups, kit[7])
    place, value = np.empty(size * offset[kinds], dtype=np.int64), np.empty(size * offset[kinds])
    count, side = np.empty(size * kinds, dtype=np.int64), np.empty(size * kinds)
    vector, ahead = np.empty(size), np.empty(size)
    steep_w, steep_q = 1e-30, 1e-30
    for i in range(table.shape[0]):
        car, v0, v1, r0, r1 = table[i], variables[i], variables[i + 1], rows[i], rows[i + 1]
        rows_of(i, table, kit, offset, place, value, count, side)
        _priced(i, car, kit, change, vector)
        solve_ended(band, factors[v0:v1], ends[v0:v1], along[v0:v1], shares[i], drifts, vector)
        for m in range(v1 - v0):
            dz[v0 + m] = step[v0 + m] - vector[m]
            ahead[m] = z[v0 + m] + dz[v0 + m]
        for k in range(int(car[STEPS])):
            for j in range(kinds):
                at, first = k * kinds + j, k * offset[kinds] + offset[j]
                if count[at] == 0:
                    continue
                move = side[at] - w[r0 + at]
                for m in range(first, first + count[at]):
                    move -= value[m] * ahead[place[m]]
                at += r0
                dw[at] = move
                dq[at] = -q[at] - extra[at] - q[at] / w[at] * move
                steep_w, steep_q = max(steep_w, -move / w[at]), max(steep_q, -dq[at] / q[at])
        if drifts:
            at = r1 - 1
            move = end_row(i, car, kit, vector) - w[at]
            for m in range(v1 - v0):
                move -= vector[m] * ahead[m]
            dw[at] = move
            dq[at] = -q[at] - extra[at] - q[at] / w[at] * move
            steep_w, steep_q = max(steep_w, -move / w[at]), max(steep_q, -dq[at] / q[at])
    return steep_w, steep_q


@njit(cache=True, nogil=True)
def correct(
    table: Floats,
    kit: Kit,
    variables: Ints,
    rows: Ints,
    band: int,
    kinds: int,
    factors: Floats,
    ends: Floats,
    shares: Floats,
    along: Floats,
    extra: Floats,
    step: Floats,
    target: Floats,
) -> None:
    """Adds H⁻¹·Σ a·extra to ``step`` of every vehicle and J times that to ``target``."""
    drifts, groups, size = kit[11], kit[4].shape[0], 1
    for i in range(table.shape[0]):
        size = max(size, variables[i + 1] - variables[i])
    offset = slots(groups, kit[7])
    place, value = np.empty(size * offset[kinds], dtype=np.int64), np.empty(size * offset[kinds])
    count, side = np.empty(size * kinds, dtype=np.int64), np.empty(size * kinds)
    vector = np.empty(size)
    for i in range(table.shape[0]):
        car, v0, v1, r0, r1 = table[i], variables[i], variables[i + 1], rows[i], rows[i + 1]
        rows_of(i, table, kit, offset, place, value, count, side)
        vector[: v1 - v0] = 0.0
        for k in range(int(car[STEPS])):
            for j in range(kinds):
                at, first = k * kinds + j, k * offset[kinds] + offset[j]
                for m in range(first, first + count[at]):
                    vector[place[m]] += value[m] * extra[r0 + at]
        if drifts:
            for m in range(v1 - v0):
                vector[m] += ends[v0 + m] * extra[r1 - 1]
        solve_ended(band, factors[v0:v1], ends[v0:v1], along[v0:v1], shares[i], drifts, vector[: v1 - v0])
        for m in range(v1 - v0):
            step[v0 + m] += vector[m]
        coupled(i, car, kit, vector, target, 0.0)


@njit(cache=True, nogil=True)
def begin(
    table: Floats,
    kit: Kit,
    variables: Ints,
    rows: Ints,
    kinds: int,
    typical: float,
    z: Floats,
    w: Floats,
    q: Floats,
) -> int:
    """Writes a start: energies between their limits, some discharge, some shares; returns the number of rows."""
    lower, drifts, groups = kit[1], kit[11], kit[4].shape[0]
    width, many, size = groups + 2, 0, 1
    for i in range(table.shape[0]):
        size = max(size, variables[i + 1] - variables[i])
    offset = slots(groups, kit[7])
    place, value = np.empty(size * offset[kinds], dtype=np.int64), np.empty(size * offset[kinds])
    count, side = np.empty(size * kinds, dtype=np.int64), np.empty(size * kinds)
    for i in range(table.shape[0]):
        car, v0, r0 = table[i], variables[i], rows[i]
        n, power, aim = int(car[STEPS]), car[CHARGE] + car[DISCHARGE], lower[int(car[AT]) + int(car[STEPS]) - 1]
        rows_of(i, table, kit, offset, place, value, count, side)
        for k in range(n):
            low, high = lower[int(car[AT]) + k], car[CEILING]
            z[v0 + k * width] = 0.2 * car[DISCHARGE]
            z[v0 + k * width + 1 : v0 + k * width + 1 + groups] = 0.1 * power / max(groups, 1)
            now = car[START] + (k + 1) / n * (0.5 * (aim + high) - car[START])
            z[v0 + k * width + width - 1] = min(max(now, low + 0.1 * (high - low)), high - 0.1 * (high - low))
        for at in range(n * kinds):
            first = at // kinds * offset[kinds] + offset[at % kinds]
            w[r0 + at], q[r0 + at] = 1.0, 0.0
            if count[at] == 0:
                continue
            room = side[at]
            for m in range(first, first + count[at]):
                room -= value[m] * z[v0 + place[m]]
            w[r0 + at] = max(room, 0.1 * power)
            q[r0 + at] = typical * power / w[r0 + at]
            many += 1
        at = rows[i + 1] - 1
        w[at], q[at] = 1.0, 0.0
        if drifts:
            w[at], q[at] = power, typical
            many += 1
    return many
