"""Segments of converters in compiled loops: out = max(0, min_k(slope_k·in + intercept_k)), arrays ``(N, K)``."""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.problem import Floats

REST_KW = 1e-9
"""Power up to which nothing flows: it is rounding [kW]."""


@njit(cache=True, nogil=True)
def out_of(slope: Floats, intercept: Floats, i: int, into: float) -> float:
    """Power that comes out."""
    if into <= REST_KW:
        return 0.0
    least = np.inf
    for k in range(slope.shape[1]):
        least = min(least, slope[i, k] * into + intercept[i, k])
    return max(0.0, least)


@njit(cache=True, nogil=True)
def in_for(slope: Floats, intercept: Floats, i: int, out: float) -> float:
    """Power that must go in."""
    if out <= REST_KW:
        return 0.0
    most = 0.0
    for k in range(slope.shape[1]):
        most = max(most, (out - intercept[i, k]) / slope[i, k])
    return most
