"""Symmetric positive band matrices: factor, solve, and the whole inverse."""

from __future__ import annotations

from numba import njit

from bothways.planning.problem import Floats

_SUMS = {"reassoc", "contract"}  # sums in any order, so that they can be vectorised; the result is only a guess


@njit(cache=True, nogil=True, fastmath=_SUMS)
def factor(size: int, band: int, matrix: Floats) -> None:
    """Replaces the lower band of H by L (unit, below the diagonal) and D (on it), H = L·D·Lᵀ.

    Takes:
        size: rows n.
        band: half bandwidth b.
        matrix: ``(n, b + 1)``; entry [i, b − (i − j)] is H_ij for i − b ≤ j ≤ i.
    """
    for i in range(size):
        first = max(0, i - band)
        for j in range(first, i):
            total = matrix[i, band - (i - j)]
            for k in range(max(first, j - band), j):
                total -= matrix[i, band - (i - k)] * matrix[j, band - (j - k)]
            matrix[i, band - (i - j)] = total
        pivot = matrix[i, band]
        for k in range(first, i):
            scaled = matrix[i, band - (i - k)]
            share = scaled / matrix[k, band]
            pivot -= scaled * share
            matrix[i, band - (i - k)] = share
        matrix[i, band] = pivot if pivot > 1e-300 else 1e300


@njit(cache=True, nogil=True, fastmath=_SUMS)
def solve(size: int, band: int, matrix: Floats, vector: Floats) -> None:
    """Replaces ``vector`` by H⁻¹·vector."""
    for i in range(size):
        for j in range(max(0, i - band), i):
            vector[i] -= matrix[i, band - (i - j)] * vector[j]
    for i in range(size):
        vector[i] /= matrix[i, band]
    for i in range(size - 1, -1, -1):
        for j in range(max(0, i - band), i):
            vector[j] -= matrix[i, band - (i - j)] * vector[i]


@njit(cache=True, nogil=True, fastmath=_SUMS)
def inverse(size: int, band: int, matrix: Floats, full: Floats) -> None:
    """Writes H⁻¹ into ``full``, ``(≥ n, ≥ n)``, row by row from the last (Takahashi's recurrence)."""
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            full[i, j] = 0.0
        last = min(size - 1, i + band)
        for k in range(i + 1, last + 1):
            share = matrix[k, band - (k - i)]
            if share != 0.0:
                for j in range(i + 1, size):
                    full[i, j] -= share * full[k, j]
        total = 1.0 / matrix[i, band]
        for k in range(i + 1, last + 1):
            total -= matrix[k, band - (k - i)] * full[i, k]
        full[i, i] = total
        for j in range(i + 1, size):
            full[j, i] = full[i, j]
