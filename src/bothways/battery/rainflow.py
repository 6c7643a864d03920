"""Four-point rainflow counting that needs one pass, so that a profile may come in pieces.

A turning point is a row of the stack: its state of charge and, for the segment that leads to it, the path travelled,
the hours in which it moved and the path weighted with temperature. From these come the depth, the rate and the
temperature of a cycle. After Amzallag et al. 1994, 10.1016/0142-1123(94)90343-3 (four-point form); counted with the
residue as half cycles it gives the same cycles as ASTM E1049-85.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STACK_DEPTH = 64
"""Turning points kept per battery. A residue that grows beyond it gives its oldest range as a half cycle."""

POINT = 4
"""Numbers per turning point: state of charge, path, hours in motion, path × temperature [K]."""


@njit(cache=True, nogil=True)
def segment(stack: Floats, i: int) -> tuple[float, float, float, float, float]:
    """Range between points ``i - 1`` and ``i``: depth, lowest and highest soc, C-rate [1/h], temperature [K]."""
    a = stack[(i - 1) * POINT]
    b = stack[i * POINT]
    path = stack[i * POINT + 1]
    hours = stack[i * POINT + 2]
    rate = path / hours if hours > 0.0 else 0.0
    kelvin = stack[i * POINT + 3] / path if path > 0.0 else 298.15
    return abs(b - a), min(a, b), max(a, b), rate, kelvin


@njit(cache=True, nogil=True)
def push(stack: Floats, n: int, soc: float, path: float, hours: float, path_kelvin: float) -> int:
    """Adds a turning point and returns the new number of points."""
    stack[n * POINT] = soc
    stack[n * POINT + 1] = path
    stack[n * POINT + 2] = hours
    stack[n * POINT + 3] = path_kelvin
    return n + 1


@njit(cache=True, nogil=True)
def has_inner(stack: Floats, n: int) -> bool:
    """Whether the last four points hold a closed cycle (the inner range within both outer ones)."""
    if n < 4:
        return False
    a = stack[(n - 4) * POINT]
    b = stack[(n - 3) * POINT]
    c = stack[(n - 2) * POINT]
    d = stack[(n - 1) * POINT]
    inner = abs(c - b)
    return bool(inner <= abs(b - a) and inner <= abs(d - c))


@njit(cache=True, nogil=True)
def drop_inner(stack: Floats, n: int) -> int:
    """Removes the closed cycle's two points; the segments around it become one. Returns the number of points left."""
    last, before = (n - 1) * POINT, (n - 3) * POINT
    stack[before] = stack[last]
    for j in range(1, POINT):
        stack[before + j] += stack[last + j]
    return n - 2


@njit(cache=True, nogil=True)
def drop_oldest(stack: Floats, n: int) -> int:
    """Forgets the oldest point. Returns the number of points left."""
    for j in range((n - 1) * POINT):
        stack[j] = stack[j + POINT]
    return n - 1


@njit(cache=True)
def _count(soc: Floats, out: Floats) -> int:
    stack = np.zeros((STACK_DEPTH + 1) * POINT)
    n, found, direction = push(stack, 0, soc[0], 0.0, 0.0, 0.0), 0, 0
    for t in range(1, soc.shape[0] + 1):
        ended = t == soc.shape[0]
        move = 0.0 if ended else soc[t] - soc[t - 1]
        turned = direction != 0 and (ended or move * direction < 0.0)
        if turned:
            n = push(stack, n, soc[t - 1], 0.0, 0.0, 0.0)
            while has_inner(stack, n):
                depth, low, high, _, _ = segment(stack, n - 2)
                out[found, 0], out[found, 1], out[found, 2] = depth, 0.5 * (low + high), 1.0
                found += 1
                n = drop_inner(stack, n)
            if n > STACK_DEPTH:
                depth, low, high, _, _ = segment(stack, 1)
                out[found, 0], out[found, 1], out[found, 2] = depth, 0.5 * (low + high), 0.5
                found += 1
                n = drop_oldest(stack, n)
        if move != 0.0:
            direction = 1 if move > 0.0 else -1
    for i in range(1, n):
        depth, low, high, _, _ = segment(stack, i)
        out[found, 0], out[found, 1], out[found, 2] = depth, 0.5 * (low + high), 0.5
        found += 1
    return found


def count_cycles(soc: Floats) -> Floats:
    """Counts the cycles of a profile.

    Args:
        soc: state of charge, shape ``(T,)``.

    Returns:
        One row per cycle, shape ``(cycles, 3)``: depth, mean, and 1 for a full or 0.5 for a half cycle.

    >>> count_cycles(np.array([0.5, 0.9, 0.7, 0.8, 0.2])).round(3).tolist()
    [[0.1, 0.75, 1.0], [0.4, 0.7, 0.5], [0.7, 0.55, 0.5]]
    """
    values = np.ascontiguousarray(soc, dtype=np.float64)
    out = np.empty((values.shape[0] + 1, 3))
    return out[: _count(values, out)] if values.shape[0] else out[:0]
