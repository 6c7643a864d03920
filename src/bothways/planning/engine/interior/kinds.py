"""What kinds of vehicles see of the site's rows: the meter's balance, and the groups whose limits count them.

A site has ``m`` rows per step, row ``t·m`` for the balance at the meter and one for each group behind it. A kind of
vehicle adds a share of its AC energy to each of them (all of it to the balance) and sees their prices added up
likewise. So the method works per kind, and what kinds add up to is put together here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.interior.band import AHEAD, empty_band, stride_of
from bothways.planning.problem import Floats


class Kinds(NamedTuple):
    """Series and matrices over the steps, one for each kind of vehicle.

    Attributes:
        width: numbers from one series to the next.
        stride, size: of a band, and numbers from one band to the next.
        shares: what each kind adds to the rows of a step, ``(C, m)``.
        price, turn: price of AC energy as each kind sees it and its direction, flat ``(C, width)`` [currency/kWh].
        energy, side: AC energy of each kind, and what it adds to right-hand sides, flat ``(C, width)`` [kWh].
        bands: what each kind gives way, flat ``(C, size)``.
    """

    width: int
    stride: int
    size: int
    shares: Floats
    price: Floats
    turn: Floats
    energy: Floats
    side: Floats
    bands: Floats

    @staticmethod
    def of(shares: Floats, periods: int, width: int, longest: int) -> Kinds:
        """Room for kinds with such shares ``(C, m)``, over so many steps, stays of ``longest`` steps at most."""
        count, band = shares.shape[0], empty_band(periods, longest)
        price, turn, energy, side = np.zeros((4, count * width))
        return Kinds(width, stride_of(longest), band.size, shares, price, turn, energy, side, np.tile(band, count))


@njit(cache=True, nogil=True, error_model="numpy")
def spread(kinds: Kinds, periods: int, rows: Floats, out: Floats) -> None:
    """Writes what each kind sees of numbers of the rows ``(≥ T·m,)``, flat ``(C, width)``."""
    count, nodes = kinds.shares.shape
    for c in range(count):
        for t in range(periods):
            seen = rows[t * nodes]
            for q in range(1, nodes):
                seen += kinds.shares[c, q] * rows[t * nodes + q]
            out[c * kinds.width + t] = seen


@njit(cache=True, nogil=True, error_model="numpy")
def collect(kinds: Kinds, periods: int, series: Floats, rows: Floats) -> None:
    """Adds what all kinds add to the rows ``(≥ T·m,)``."""
    count, nodes = kinds.shares.shape
    for c in range(count):
        for t in range(periods):
            amount = series[c * kinds.width + t]
            rows[t * nodes] += amount
            for q in range(1, nodes):
                rows[t * nodes + q] += kinds.shares[c, q] * amount


@njit(cache=True, nogil=True, error_model="numpy")
def combine(kinds: Kinds, periods: int, longest: int, stride: int, band: Floats) -> None:
    """Writes the rows' matrix from those of the kinds; with one row per step it is that of the only kind already."""
    count, nodes = kinds.shares.shape
    if nodes == 1:
        return
    band[:] = 0.0
    for c in range(count):
        for t in range(periods):
            for j in range(min(longest, periods - t)):
                here = kinds.bands[c * kinds.size + AHEAD + t * kinds.stride + j]
                if here == 0.0:
                    continue
                for r in range(nodes):
                    part = kinds.shares[c, r] * here
                    row = AHEAD + (t * nodes + r) * stride + j * nodes - r
                    for q in range(r if j == 0 else 0, nodes):
                        band[row + q] += part * kinds.shares[c, q]
