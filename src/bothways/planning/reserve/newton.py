"""One Newton step of the interior-point method, vehicle by vehicle.

min cᵀz, a·z + w = h, w ≥ 0 for every row, Σ_i J_i z_i + site = b. With D = q/w the step of vehicle i at given price
steps Δy is Δz = H⁻¹(f − JᵀΔy), H = Σ_rows D·a·aᵀ, a band; so prices solve a system of one row per step and group that
sums J·H⁻¹·Jᵀ over the vehicles. The kernels make rows on the fly: only z, w, q and the factors of H are stored.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.band import factor, inverse, solve
from bothways.planning.reserve.cars import DISCHARGE, REQUIRED, STEPS, TIME, VALUE, WEAR, Kit, charging, rows_of, slots


@njit(cache=True, nogil=True)
def _cost(i: int, car: Floats, kit: Kit, prices: Floats, out: Floats) -> None:
    """Writes c + Jᵀy of vehicle i."""
    step_h, own, wear_share = kit[0], kit[3][i], kit[10]
    groups = own.shape[0]
    width, n, at = groups + 2, int(car[STEPS]), int(car[TIME])
    place, value = np.empty(groups + 3, dtype=np.int64), np.empty(groups + 3)
    out[: n * width] = 0.0
    for k in range(n):
        y = (at + k) * (groups + 1)
        count, _ = charging(k, car, step_h, own, -1.0, place, value)
        for m in range(count):
            out[place[m]] += value[m] * prices[y]
        out[k * width] += prices[y] + (step_h * car[WEAR] if car[DISCHARGE] > 0.0 else 0.0)
        for g in range(groups):
            out[k * width + 1 + g] += prices[y + 1 + g] + wear_share[i, g]
    out[n * width - 1] -= car[VALUE]


@njit(cache=True, nogil=True)
def coupled(i: int, car: Floats, kit: Kit, z: Floats, total: Floats, whole: float) -> None:
    """Adds J·z + whole·constant of vehicle i to ``total``; ``whole`` is 1 for a point, 0 for a direction."""
    step_h, own = kit[0], kit[3][i]
    groups = own.shape[0]
    width, at = groups + 2, int(car[TIME])
    place, value = np.empty(groups + 3, dtype=np.int64), np.empty(groups + 3)
    for k in range(int(car[STEPS])):
        y = (at + k) * (groups + 1)
        count, constant = charging(k, car, step_h, own, -1.0, place, value)
        sent = z[k * width] + whole * constant
        for m in range(count):
            sent += value[m] * z[place[m]]
        total[y] += sent
        for g in range(groups):
            total[y + 1 + g] += z[k * width + 1 + g]


@njit(cache=True, nogil=True)
def end_row(i: int, car: Floats, kit: Kit, out: Floats) -> float:
    """Writes −(e at the end − what activation brings) and returns the right-hand side, −required."""
    step_h, own = kit[0], kit[3][i]
    groups = own.shape[0]
    width, n = groups + 2, int(car[STEPS])
    out[: n * width] = 0.0
    for k in range(n):
        for g in range(groups):
            out[k * width + 1 + g] = step_h * own[g]
    out[n * width - 1] = -1.0
    return float(1e-4 - car[REQUIRED])


@njit(cache=True, nogil=True)
def _sides(
    n: int,
    offset: Ints,
    place: Ints,
    value: Floats,
    count: Ints,
    side: Floats,
    band: int,
    z: Floats,
    w: Floats,
    q: Floats,
    matrix: Floats,
    f: Floats,
    gradient: Floats,
) -> float:
    """Fills the band of H, subtracts aᵀ(D·residual) from f, adds aᵀq to the gradient; returns the worst residual."""
    matrix[:] = 0.0
    matrix[:, band] = 1e-9
    worst, kinds = 0.0, offset.shape[0] - 1
    for k in range(n):
        for j in range(kinds):
            at, first = k * kinds + j, k * offset[kinds] + offset[j]
            last = first + count[at]
            if first == last:
                continue
            residual = w[at] - side[at]
            for m in range(first, last):
                residual += value[m] * z[place[m]]
            weight = q[at] / w[at]
            worst = max(worst, abs(residual))
            for m in range(first, last):
                scaled, row = weight * value[m], place[m]
                f[row] -= scaled * residual
                gradient[row] += value[m] * q[at]
                for p in range(first, last):
                    if place[p] <= row:
                        matrix[row, band - row + place[p]] += scaled * value[p]
    return worst


@njit(cache=True, nogil=True)
def assemble(
    table: Floats,
    kit: Kit,
    variables: Ints,
    rows: Ints,
    band: int,
    kinds: int,
    z: Floats,
    w: Floats,
    q: Floats,
    prices: Floats,
    factors: Floats,
    ends: Floats,
    shares: Floats,
    along: Floats,
    step: Floats,
    schur: Floats,
    target: Floats,
    total: Floats,
) -> tuple[float, float]:
    """Factors every vehicle and makes the predictor's H⁻¹f; adds to the Schur matrix and both sums.

    Returns:
        Worst primal and worst dual residual.
    """
    drifts, primal, dual, groups = kit[11], 0.0, 0.0, kit[4].shape[0]
    longest, width = 1, groups + 2
    for i in range(table.shape[0]):
        longest = max(longest, variables[i + 1] - variables[i])
    offset = slots(groups, kit[7])
    place, value = np.empty(longest * offset[kinds], dtype=np.int64), np.empty(longest * offset[kinds])
    count, side = np.empty(longest * kinds, dtype=np.int64), np.empty(longest * kinds)
    full, half = np.empty((longest, longest)), np.empty((longest, longest))
    f, gradient = np.empty(longest), np.empty(longest)
    for i in range(table.shape[0]):
        car, v0, v1, r0, r1 = table[i], variables[i], variables[i + 1], rows[i], rows[i + 1]
        size, n, one_way = v1 - v0, int(car[STEPS]), car[DISCHARGE] <= 0.0
        rows_of(i, table, kit, offset, place, value, count, side)
        _cost(i, car, kit, prices, gradient)
        f[:size] = -gradient[:size]
        matrix = factors[v0:v1]
        worst = _sides(n, offset, place, value, count, side, band, z[v0:v1], w[r0:r1], q[r0:r1], matrix, f, gradient)
        if one_way:  # no discharge: the variable stays where it is
            for k in range(n):
                matrix[k * width, band] += 1e6
        if drifts:
            residual = w[r1 - 1] - end_row(i, car, kit, ends[v0:v1])
            for m in range(size):
                residual += ends[v0 + m] * z[v0 + m]
            weight = q[r1 - 1] / w[r1 - 1]
            for m in range(size):
                f[m] -= weight * residual * ends[v0 + m]
                gradient[m] += ends[v0 + m] * q[r1 - 1]
            worst = max(worst, abs(residual))
        primal = max(primal, worst)
        dual = max(dual, _dual_residual(gradient, size, width, one_way))
        factor(size, band, matrix)
        inverse(size, band, matrix, full)
        if drifts:
            along[v0:v1] = ends[v0:v1]
            solve(size, band, matrix, along[v0:v1])
            shares[i] = _with_end(size, full, ends[v0:v1], q[r1 - 1] / w[r1 - 1], along[v0:v1])
        step[v0:v1] = f[:size]
        solve_ended(band, matrix, ends[v0:v1], along[v0:v1], shares[i], drifts, step[v0:v1])
        coupled(i, car, kit, step[v0:v1], target, 0.0)
        coupled(i, car, kit, z[v0:v1], total, 1.0)
        _add_schur(i, car, kit, full, half, schur)
    return primal, dual


@njit(cache=True, nogil=True)
def solve_ended(
    band: int, matrix: Floats, end: Floats, along: Floats, share: float, drifts: bool, vector: Floats
) -> None:
    """Replaces ``vector`` by H⁻¹·vector; H is the band plus the row at the end, ``along`` is H⁻¹ times that row."""
    size = matrix.shape[0]
    solve(size, band, matrix, vector)
    if drifts:
        part = 0.0
        for m in range(size):
            part += end[m] * vector[m]
        for m in range(size):
            vector[m] -= share * part * along[m]


@njit(cache=True, nogil=True)
def _with_end(size: int, full: Floats, end: Floats, weight: float, along: Floats) -> float:
    """Corrects the inverse for the row a at the end, ``along`` is H⁻¹a; returns weight/(1 + weight·aᵀH⁻¹a)."""
    bent = 0.0
    for m in range(size):
        bent += end[m] * along[m]
    share = weight / (1.0 + weight * bent)
    for m in range(size):
        scaled = share * along[m]
        for p in range(size):
            full[m, p] -= scaled * along[p]
    return share


@njit(cache=True, nogil=True)
def _dual_residual(gradient: Floats, size: int, width: int, one_way: bool) -> float:
    worst = 0.0
    for m in range(size):
        if m % width != 0 or not one_way:
            worst = max(worst, abs(gradient[m]))
    return worst


@njit(cache=True, nogil=True)
def _add_schur(i: int, car: Floats, kit: Kit, full: Floats, half: Floats, schur: Floats) -> None:
    """Adds J·H⁻¹·Jᵀ of vehicle i."""
    step_h, own = kit[0], kit[3][i]
    groups = own.shape[0]
    width, n, first = groups + 2, int(car[STEPS]), int(car[TIME]) * (groups + 1)
    out = n * (groups + 1)
    place, value = np.empty(groups + 3, dtype=np.int64), np.empty(groups + 3)
    for k in range(n):  # the lower triangle is enough: nothing right of step k
        count, _ = charging(k, car, step_h, own, -1.0, place, value)
        r, size = k * (groups + 1), (k + 1) * width
        for p in range(size):
            half[r, p] = full[k * width, p]
        for m in range(count):
            for p in range(size):
                half[r, p] += value[m] * full[place[m], p]
        for g in range(groups):
            for p in range(size):
                half[r + 1 + g, p] = full[k * width + 1 + g, p]
    for k in range(n):
        count, _ = charging(k, car, step_h, own, -1.0, place, value)
        c = k * (groups + 1)
        for r in range(c, out):
            got = half[r, k * width]
            for m in range(count):
                got += value[m] * half[r, place[m]]
            schur[first + r, first + c] += got
            for g in range(groups):
                schur[first + r, first + c + 1 + g] += half[r, k * width + 1 + g]
