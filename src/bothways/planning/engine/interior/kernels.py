"""The interior-point method's work on the vehicles: one tridiagonal system each, and what it adds to the site's.

Per vehicle and step there are three variables: what flows in, what flows out (both of stored energy) and the energy
held at the end of the step. One row per step says that they agree; eliminating it leaves a symmetric tridiagonal matrix
M = L·D·Lᵀ per vehicle, and a dense matrix over the steps for the balance at the meter.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bothways.planning.problem import Floats, Ints

INTO, OUT, HELD = range(3)
"""The variables of one vehicle-step, rows of every table ``(3, S)``."""

LOST = 1e-13
"""Share of a diagonal below which what is left of it is rounding."""

HUGE = 1e100
"""In place of the root of such a pivot."""


@njit(cache=True, nogil=True, error_model="numpy")
def factor(
    edges: Ints,
    first: Ints,
    per_in: Floats,
    per_out: Floats,
    give: Floats,
    pivot: Floats,
    below: Floats,
    cross: Floats,
    band: Floats,
) -> None:
    """Factors every vehicle's system and subtracts it from the site's matrix.

    Takes:
        edges: where each vehicle's steps begin in tables over vehicle-steps, ``(N + 1,)``.
        first: first step of each vehicle's stay, ``(N,)``.
        per_in, per_out: AC energy per stored energy of each vehicle, ``(N,)``.
        give: how far each variable gives way, ``(3, S)``; 0 for one that cannot move.
        pivot, below: D and the subdiagonal of L (``below[k]`` = L[k + 1, k]), ``(S,)``; written.
        cross: coupling of each row with the balance of its step, ``(S,)``; written.
        band: the site's upper triangle by diagonals, ``(T, W)``: entry (t, j) belongs to steps t and t + j; added to.
            W is the length of the longest stay.
    """
    longest = 0
    for i in range(first.shape[0]):
        longest = max(longest, edges[i + 1] - edges[i])
    scaled = np.zeros(longest)  # one row of the inverse, times ``cross``
    for i in range(first.shape[0]):
        begin, end = edges[i], edges[i + 1]
        into_ac, out_ac = per_in[i], per_out[i]
        ground, before, share, own = 0.0, 0.0, 0.0, 1.0
        for k in range(begin, end):
            # The matrix is that of a chain of conductances ``held`` with ``into + out`` to the ground at each link; its
            # pivots are sums of what is positive, so that nothing cancels.
            into, out, held = give[INTO, k], give[OUT, k], give[HELD, k]
            if k > begin:
                share = before / own
                below[k - 1] = -share
            ground = ground * share + into + out
            own = max(ground + held, 1e-300)
            before = held
            pivot[k] = own
            cross[k] = into * into_ac + out * out_ac
            band[first[i] + k - begin, 0] += into * into_ac * into_ac + out * out_ac * out_ac
        # Row k of the inverse follows from row k + 1 (Takahashi 1973); only the present one is kept.
        diagonal, slope = 0.0, 0.0
        for k in range(end - 1, begin - 1, -1):
            t, coupled = first[i] + k - begin, cross[k]
            if k < end - 1:
                slope = below[k]
                for j in range(1, end - k):
                    scaled[k - begin + j] *= -slope
                    band[t, j] -= coupled * scaled[k - begin + j]
            diagonal = 1.0 / pivot[k] + slope * slope * diagonal
            scaled[k - begin] = diagonal * coupled
            band[t, 0] -= coupled * scaled[k - begin]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def solve_rows(edges: Ints, pivot: Floats, below: Floats, rows: Floats) -> None:
    """Solves every vehicle's system in place: ``rows`` ``(S,)`` is the right-hand side and then the answer."""
    for i in range(edges.shape[0] - 1):
        begin, end = edges[i], edges[i + 1]
        x = 0.0
        for k in range(begin, end):
            x = rows[k] - (below[k - 1] * x if k > begin else 0.0)
            rows[k] = x
        x = 0.0
        for k in range(end - 1, begin - 1, -1):
            x = rows[k] / pivot[k] - (below[k] * x if k < end - 1 else 0.0)
            rows[k] = x


@njit(cache=True, nogil=True, error_model="numpy")
def residuals(
    edges: Ints,
    first: Ints,
    per_in: Floats,
    per_out: Floats,
    start: Floats,
    x: Floats,
    v: Floats,
    price: Floats,
    cost: Floats,
    pull: Floats,
    primal: Floats,
    dual: Floats,
    energy: Floats,
) -> None:
    """What the rows and the costs still lack.

    Takes:
        edges, first, per_in, per_out: as in :func:`factor`.
        start: stored energy at the start of each stay, ``(N,)`` [kWh].
        x, cost: variables and their costs, ``(3, S)``.
        v: prices of the rows, ``(S,)``.
        price: price of AC energy per step, at least ``(T,)``.
        pull: multipliers of the lower bounds minus those of the upper ones, ``(3, S)``.
        primal, dual: what rows and costs lack, ``(S,)`` and ``(3, S)``; written.
        energy: AC energy of all vehicles per step, ``(T,)``; written.
    """
    for t in range(energy.shape[0]):
        energy[t] = 0.0
    for i in range(first.shape[0]):
        begin, end = edges[i], edges[i + 1]
        for k in range(begin, end):
            t = first[i] + k - begin
            into, out, held = x[INTO, k], x[OUT, k], x[HELD, k]
            before = x[HELD, k - 1] if k > begin else start[i]
            primal[k] = before + into - out - held
            energy[t] += per_in[i] * into - per_out[i] * out
            dual[INTO, k] = cost[INTO, k] + v[k] + per_in[i] * price[t] - pull[INTO, k]
            dual[OUT, k] = cost[OUT, k] - v[k] - per_out[i] * price[t] - pull[OUT, k]
            after = v[k + 1] if k + 1 < end else 0.0
            dual[HELD, k] = cost[HELD, k] - v[k] + after - pull[HELD, k]


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    edges: Ints, first: Ints, per_in: Floats, per_out: Floats, give: Floats, lack: Floats, rows: Floats, side: Floats
) -> None:
    """Adds A·Θ·``lack`` to the rows ``(S,)`` and to the balance ``side`` ``(≥ T,)``; ``lack`` is ``(3, S)``."""
    for i in range(first.shape[0]):
        begin, end = edges[i], edges[i + 1]
        for k in range(begin, end):
            t = first[i] + k - begin
            into, out = give[INTO, k] * lack[INTO, k], give[OUT, k] * lack[OUT, k]
            held = give[HELD, k] * lack[HELD, k]
            rows[k] += out - into + held
            if k + 1 < end:
                rows[k + 1] -= held
            side[t] += per_out[i] * out - per_in[i] * into


@njit(cache=True, nogil=True, error_model="numpy")
def couple(edges: Ints, first: Ints, cross: Floats, rows: Floats, side: Floats) -> None:
    """Subtracts what the rows pass on to the balance: ``side`` −= crossᵀ·rows."""
    for i in range(first.shape[0]):
        for k in range(edges[i], edges[i + 1]):
            side[first[i] + k - edges[i]] -= cross[k] * rows[k]


@njit(cache=True, nogil=True, error_model="numpy")
def uncouple(edges: Ints, first: Ints, cross: Floats, price: Floats, rows: Floats) -> None:
    """Subtracts what the balance passes back to the rows: ``rows`` −= cross·price."""
    for i in range(first.shape[0]):
        for k in range(edges[i], edges[i + 1]):
            rows[k] -= cross[k] * price[first[i] + k - edges[i]]


@njit(cache=True, nogil=True, error_model="numpy")
def follow(
    edges: Ints,
    first: Ints,
    per_in: Floats,
    per_out: Floats,
    give: Floats,
    lack: Floats,
    v: Floats,
    price: Floats,
    out_x: Floats,
) -> None:
    """The variables' direction Θ(Aᵀ·Δprices − lack), written to ``out_x`` ``(3, S)``."""
    for i in range(first.shape[0]):
        begin, end = edges[i], edges[i + 1]
        for k in range(begin, end):
            p = price[first[i] + k - begin]
            after = v[k + 1] if k + 1 < end else 0.0
            out_x[INTO, k] = give[INTO, k] * (-v[k] - per_in[i] * p - lack[INTO, k])
            out_x[OUT, k] = give[OUT, k] * (v[k] + per_out[i] * p - lack[OUT, k])
            out_x[HELD, k] = give[HELD, k] * (v[k] - after - lack[HELD, k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def triangle(band: Floats) -> None:
    """Writes U with Uᵀ·U = the symmetric band matrix over its upper triangle ``(T, W)``.

    A pivot that rounding has eaten up belongs to a row that says nothing new; a huge one in its place leaves that row's
    price as it is. Own loops: the systems are small, and a library that starts threads for them takes longer.
    """
    size, width = band.shape
    whole = band[:, 0].copy()
    for k in range(size):
        root = math.sqrt(band[k, 0]) if band[k, 0] > LOST * whole[k] else HUGE
        band[k, 0] = root
        reach = min(width, size - k)
        for j in range(1, reach):
            band[k, j] /= root
        for i in range(1, reach):
            share = band[k, i]
            if share != 0.0:
                for j in range(i, reach):
                    band[k + i, j - i] -= share * band[k, j]


@njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"}
)  # sums in any order: what that loses is mended
def solve_triangles(upper: Floats, side: Floats) -> None:
    """Solves Uᵀ·U·x = ``side`` in place, U as :func:`triangle` leaves it."""
    size, width = upper.shape
    for k in range(size):
        side[k] /= upper[k, 0]
        for j in range(1, min(width, size - k)):
            side[k + j] -= upper[k, j] * side[k]
    for k in range(size - 1, -1, -1):
        left = side[k]
        for j in range(1, min(width, size - k)):
            left -= upper[k, j] * side[k + j]
        side[k] = left / upper[k, 0]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def band_times(band: Floats, x: Floats, out: Floats) -> None:
    """Writes the symmetric band matrix, upper triangle ``(T, W)``, times ``x`` ``(T,)``."""
    size, width = band.shape
    for k in range(size):
        out[k] = 0.0
    for k in range(size):
        own = band[k, 0] * x[k]
        for j in range(1, min(width, size - k)):
            own += band[k, j] * x[k + j]
            out[k + j] += band[k, j] * x[k]
        out[k] += own


@njit(cache=True, nogil=True, error_model="numpy")
def share_out(
    order: Ints, edges: Ints, bought: Floats, loose: Floats, rests: Floats, wanted: Floats, rows: Floats
) -> None:
    """Solves diag(ρ) + d·11ᵀ of every step's rows for ``wanted``, written to ``rows`` ``(R,)``.

    As (w_j + d·Σ_l (w_j − w_l)/ρ_l) / ((1 + d·Σ1/ρ)·ρ_j): the plain formula subtracts
    what is nearly equal.
    """
    for t in range(bought.shape[0]):
        for a in range(edges[t], edges[t + 1]):
            j = order[a]
            apart = 0.0
            for b in range(edges[t], edges[t + 1]):
                apart += (wanted[j] - wanted[order[b]]) / rests[order[b]]
            rows[j] = (wanted[j] + bought[t] * apart) / ((1.0 + bought[t] * loose[t]) * rests[j])
