"""The meter's rows in the interior-point method, once vehicles and the meter's own variables are eliminated.

With d = what import gives way per step and ρ what the rests give, the rows of the charges that count a step form
diag(ρ) + d·11ᵀ and reach the balance by −d·1, so that they leave d / (1 + d·Σ1/ρ) of it there (Sherman and Morrison
1950). A peak couples all steps of its charge; that is one column each (Woodbury). What such a correction loses in
rounding, conjugate gradients mend.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.interior.band import (
    AHEAD,
    band_times,
    empty_band,
    room_for,
    solve_triangles,
    stride_of,
    triangle,
)
from bothways.planning.engine.interior.kinds import Kinds, combine
from bothways.planning.engine.interior.meter import Meter
from bothways.planning.problem import Floats

_STIFF = 1e-300  # what gives way by less does not give way at all
_REFINEMENTS = 30
_SOFT = 1e-7
"""Share of what a peak gives way that its rests give at least, in the factors: with less, the correction for the peak
is the difference of what is nearly equal, and no longer positive. Conjugate gradients mend that too."""

_EXACT = 1e-10  # what a solution may lack, of its right-hand side: less changes next to no step of the method


class Rows(NamedTuple):
    """The rows' system.

    Attributes:
        longest: steps of the longest stay.
        stride: of the band.
        band: what vehicles and all of the meter but import give way, over the rows of the steps.
        upper, inverse: factors of the band with import in it, see ``band.triangle``.
        bought: d, ``(T,)``.
        loose: Σ 1/ρ, ``(T,)``.
        rests, soft: ρ, and what the factors take for it, ``(R,)``.
        peaks: what each peak gives way, ``(K,)``.
        columns: the rows' answer to each peak, ``(K, T·m + R)``.
        inner, inner_inverse: factors of the peaks' own system.
    """

    longest: int
    stride: int
    band: Floats
    upper: Floats
    inverse: Floats
    bought: Floats
    loose: Floats
    rests: Floats
    soft: Floats
    peaks: Floats
    columns: Floats
    inner: Floats
    inner_inverse: Floats

    @staticmethod
    def of(meter: Meter, kinds: Kinds, longest: int) -> Rows:
        """Room for the system of a meter and vehicles whose longest stay has so many steps."""
        size, count, steps = meter.rows, meter.charges, meter.periods
        nodes, wide = steps * meter.nodes, longest * meter.nodes
        band = kinds.bands if meter.nodes == 1 else empty_band(nodes, wide)  # one row per step: what its kind gives way
        bands = band, empty_band(nodes, wide)
        tables = np.zeros(nodes), np.zeros(steps), np.zeros(steps)
        rests, soft = np.zeros((2, meter.step.size))
        inner = empty_band(count, max(1, count))
        return Rows(
            longest, stride_of(wide), *bands, *tables, rests, soft, np.zeros(count), np.zeros((count, size)), inner,
            np.zeros(count),
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def factor(meter: Meter, kinds: Kinds, rows: Rows, give: Floats) -> None:
    """Factors the system for variables that give way by ``give`` ``(≥ n,)``, and vehicles as ``kinds`` says."""
    steps, nodes, count = meter.periods, meter.nodes, meter.charges
    rests, charges = 4 * steps + count, steps * nodes
    combine(kinds, steps, rows.longest, rows.stride, rows.band)
    rows.loose[:] = 0.0
    for k in range(count):
        rows.peaks[k] = give[4 * steps + k]
    for j in range(meter.step.shape[0]):
        rows.rests[j] = give[rests + j]
        rows.soft[j] = max(rows.rests[j], _SOFT * rows.peaks[meter.charge[j]], _STIFF)
        rows.loose[meter.step[j]] += 1.0 / rows.soft[j]
    for t in range(steps):
        rows.bought[t] = give[t] + give[steps + t]
        rows.band[AHEAD + t * nodes * rows.stride] += give[2 * steps + t] + give[3 * steps + t]
    for v in range(meter.limit_row.shape[0]):
        rows.band[AHEAD + meter.limit_row[v] * rows.stride] += give[rests + meter.step.shape[0] + v]
    rows.upper[:] = rows.band
    for t in range(steps):
        rows.upper[AHEAD + t * nodes * rows.stride] += rows.bought[t] / (1.0 + rows.bought[t] * rows.loose[t])
    triangle(rows.upper, charges, rows.stride, rows.inverse)
    wish = np.zeros(rows.columns.shape[1])
    rows.inner[:] = 0.0
    for k in range(count):
        for j in range(meter.step.shape[0]):
            wish[charges + j] = 1.0 if meter.charge[j] == k else 0.0
        _without_peaks(meter, rows, wish, rows.columns[k])
    inner_stride = (rows.inner.shape[0] - AHEAD) // max(1, count)
    for k in range(count):
        for j in range(meter.step.shape[0]):
            if meter.charge[j] >= k:
                rows.inner[AHEAD + k * inner_stride + meter.charge[j] - k] += rows.columns[k, charges + j]
        rows.inner[AHEAD + k * inner_stride] += 1.0 / max(rows.peaks[k], _STIFF)
    triangle(rows.inner, count, inner_stride, rows.inner_inverse)


@njit(cache=True, nogil=True, error_model="numpy")
def solve(meter: Meter, rows: Rows, side: Floats, best: Floats) -> float:
    """Writes the rows' prices at a right-hand side ``(T·m + R,)``: conjugate gradients mend what rounding took.

    Returns:
        What is left of the right-hand side, at most, as a share of it.
    """
    _once(meter, rows, side, best)
    if meter.charges == 0 and meter.nodes == 1:
        return 0.0
    found, seen = best.copy(), np.empty(side.shape[0])
    _times(meter, rows, found, seen)
    left = side - seen
    near, whole = _most(left), max(_most(side), _STIFF)
    enough = _EXACT * whole
    if near <= enough:
        return float(near / whole)
    mended = np.empty(side.shape[0])
    _once(meter, rows, left, mended)
    turn, along = _dot(left, mended), mended.copy()
    for _ in range(_REFINEMENTS):
        if near <= enough or not turn > 0.0:
            break
        _times(meter, rows, along, seen)
        bend = _dot(along, seen)
        if not bend > 0.0:
            break
        share = turn / bend
        for n in range(side.shape[0]):
            found[n] += share * along[n]
            left[n] -= share * seen[n]
        now = _most(left)
        if now < near:
            near = now
            best[:] = found
        _once(meter, rows, left, mended)
        before, turn = turn, _dot(left, mended)
        for n in range(side.shape[0]):
            along[n] = mended[n] + turn / before * along[n]
    return float(near / whole)


@njit(cache=True, nogil=True, error_model="numpy")
def _times(meter: Meter, rows: Rows, y: Floats, out: Floats) -> None:
    """Writes the system times ``y`` ``(T·m + R,)``."""
    nodes, charges = meter.nodes, meter.periods * meter.nodes
    energy, balance = np.zeros(room_for(charges)), np.empty(room_for(charges))
    energy[:charges] = y[:charges]
    band_times(rows.band, charges, rows.stride, energy, balance)
    pressed, sums = np.empty(meter.periods), np.zeros(meter.charges)
    for t in range(meter.periods):
        pressed[t] = y[t * nodes]
    for j in range(meter.step.shape[0]):
        pressed[meter.step[j]] -= y[charges + j]
        sums[meter.charge[j]] += y[charges + j]
    out[:charges] = balance[:charges]
    for t in range(meter.periods):
        pressed[t] *= rows.bought[t]
        out[t * nodes] += pressed[t]
    for j in range(meter.step.shape[0]):
        k = meter.charge[j]
        out[charges + j] = rows.rests[j] * y[charges + j] + rows.peaks[k] * sums[k] - pressed[meter.step[j]]


@njit(cache=True, nogil=True, error_model="numpy")
def _once(meter: Meter, rows: Rows, side: Floats, out: Floats) -> None:
    """Writes the rows' prices as the factors give them."""
    _without_peaks(meter, rows, side, out)
    count, charges = meter.charges, meter.periods * meter.nodes
    if count == 0:
        return
    sums = np.zeros(room_for(count))
    for j in range(meter.step.shape[0]):
        sums[meter.charge[j]] += out[charges + j]
    solve_triangles(rows.inner, count, (rows.inner.shape[0] - AHEAD) // count, rows.inner_inverse, sums)
    for k in range(count):
        for n in range(out.shape[0]):
            out[n] -= sums[k] * rows.columns[k, n]


@njit(cache=True, nogil=True, error_model="numpy")
def _without_peaks(meter: Meter, rows: Rows, side: Floats, out: Floats) -> None:
    """The same, as if no peak gave way."""
    nodes, charges = meter.nodes, meter.periods * meter.nodes
    energy, pulled = np.zeros(room_for(charges)), np.zeros(meter.periods)
    for j in range(meter.step.shape[0]):
        pulled[meter.step[j]] += side[charges + j] / rows.soft[j]
    energy[:charges] = side[:charges]
    for t in range(meter.periods):
        energy[t * nodes] += rows.bought[t] / (1.0 + rows.bought[t] * rows.loose[t]) * pulled[t]
    solve_triangles(rows.upper, charges, rows.stride, rows.inverse, energy)
    out[:charges] = energy[:charges]
    _share_out(meter, rows, energy, side[charges:], out[charges:])


@njit(cache=True, nogil=True, error_model="numpy")
def _share_out(meter: Meter, rows: Rows, energy: Floats, side: Floats, out: Floats) -> None:
    """Solves diag(ρ) + d·11ᵀ of every step's rows for ``side`` + d·``energy``, written to ``out`` ``(R,)``.

    As (w_j + d·Σ_l (w_j − w_l)/ρ_l) / ((1 + d·Σ1/ρ)·ρ_j): the plain formula subtracts what is nearly equal.
    """
    order, edges = meter.order, meter.edges
    for t in range(meter.periods):
        for a in range(edges[t], edges[t + 1]):
            j = order[a]
            apart = 0.0
            for b in range(edges[t], edges[t + 1]):
                apart += (side[j] - side[order[b]]) / rows.soft[order[b]]
            wanted = side[j] + rows.bought[t] * energy[t * meter.nodes]
            out[j] = (wanted + rows.bought[t] * apart) / ((1.0 + rows.bought[t] * rows.loose[t]) * rows.soft[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _most(numbers: Floats) -> float:
    most = 0.0
    for n in range(numbers.shape[0]):
        most = max(most, abs(numbers[n]))
    return most


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _dot(left: Floats, right: Floats) -> float:
    product = 0.0
    for n in range(left.shape[0]):
        product += left[n] * right[n]
    return product
