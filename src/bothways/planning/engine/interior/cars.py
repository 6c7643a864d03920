"""The vehicles as the interior-point method sees them: as they lie in their blocks, ``HALF`` at a time.

Per vehicle and step there are three variables: what flows in, what flows out (both of stored energy) and the energy
held at the end of the step. Tables over them have the rows of the blocks: number ``n + kind·size`` belongs to the lane
and step that number n of a schedule belongs to. Outside a vehicle's stay nothing moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.model import BEGIN, CEILING, END, FIELDS, FLOOR, MOST_IN, PER_IN, REQUIRED, Blocks
from bothways.planning.engine.simd import HALF, LANES, Vector, load, select_lt, splat, vmax, vmin
from bothways.planning.problem import Floats, Ints

INTO, OUT, HELD = range(3)
"""The variables of one vehicle-step."""

BASE, FIRST, LAST, PLACE = range(4)
"""What is known of half a block: where its columns lie, its first step and the one after its last, where its first row
lies in tables."""


class Cars(NamedTuple):
    """Vehicles, half a block at a time.

    Attributes:
        columns: the blocks' columns, flat.
        halves: ``(H, 4)``, see :data:`BASE`; halves without vehicles are left out.
        size: numbers in a table of one variable.
        longest: steps of the longest stay, at least 1.
    """

    columns: Floats
    halves: Ints
    size: int
    longest: int

    @staticmethod
    def of(blocks: Blocks) -> Cars:
        """Finds the halves of blocks that have vehicles, and their own windows."""
        table = blocks.columns.reshape(-1, FIELDS, 2, HALF)
        begin, end = table[:, BEGIN], table[:, END]
        there = end > begin
        block, half = np.nonzero(there.any(axis=2))
        first = np.where(there, begin, np.inf).min(axis=2)[block, half].astype(np.int64)
        last = np.where(there, end, 0.0).max(axis=2)[block, half].astype(np.int64)
        halves = np.empty((block.size, 4), dtype=np.int64)
        halves[:, BASE] = block * FIELDS * LANES + half * HALF
        halves[:, FIRST], halves[:, LAST] = first, last
        halves[:, PLACE] = (blocks.first_row[block] + first - blocks.window[block, 0]) * LANES + half * HALF
        longest = max(1, int((end - begin).max(initial=1.0)))
        return Cars(blocks.columns, halves, blocks.rows * LANES, longest)

    def most_kwh(self, periods: int) -> Floats:
        """Greatest AC energy that all vehicles take per step, ``(T,)`` [kWh]."""
        table = self.columns.reshape(-1, FIELDS, LANES).transpose(1, 0, 2).reshape(FIELDS, -1)
        most = np.where(table[END] > table[BEGIN], table[MOST_IN] * table[PER_IN], 0.0)
        more = np.bincount(table[BEGIN].astype(np.int64), most, periods + 1)
        less = np.bincount(table[END].astype(np.int64), most, periods + 1)
        return np.asarray(np.cumsum(more - less)[:periods])


@njit(cache=True, nogil=True)
def half_of(cars: Cars, h: int) -> tuple[int, int, int, int]:
    """What is known of half a block, in the order of :data:`BASE`."""
    return cars.halves[h, BASE], cars.halves[h, FIRST], cars.halves[h, LAST], cars.halves[h, PLACE]


@njit(cache=True, nogil=True)
def lowest_held(columns: Floats, base: int, t: int) -> Vector:
    """Vehicles' least energy at the end of step t: the floor, and in the last step of a stay what is required."""
    floor, wish = load(columns, base + FLOOR * LANES), load(columns, base + REQUIRED * LANES)
    wish = vmax(floor, vmin(wish, load(columns, base + CEILING * LANES)))
    return select_lt(splat(floor, t + 1.5), load(columns, base + END * LANES), floor, wish)
