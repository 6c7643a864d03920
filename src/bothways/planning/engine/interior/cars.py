"""The vehicles as the interior-point method sees them: as they lie in their blocks, one register of lanes at a time.

Per vehicle and step there are three variables: what flows in, what flows out (both of stored energy) and the energy
held at the end of the step. A table over one of them has ``REGISTER`` numbers per step of each group of vehicles, and
``n + kind·size`` is number n of the table of another. Outside a vehicle's stay nothing moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.model import BEGIN, CEILING, END, FIELDS, FLOOR, MOST_IN, PER_IN, REQUIRED, Blocks
from bothways.planning.engine.simd import LANES, REGISTER, Vector, load_register, select_lt, splat, vmax, vmin
from bothways.planning.problem import Floats, Ints

INTO, OUT, HELD = range(3)
"""The variables of one vehicle-step."""

BASE, FIRST, LAST, PLACE, SCHEDULE, KIND = range(6)
"""What is known of a group: where its columns lie, its first step and the one after its last, where its tables begin,
where its schedules begin in the search's, and the kind of its vehicles."""


class Cars(NamedTuple):
    """Vehicles, a register of lanes at a time.

    Attributes:
        columns: the blocks' columns, flat.
        groups: ``(G, 6)``, see :data:`BASE`; groups without vehicles are left out.
        size: numbers in a table of one variable.
        longest: steps of the longest stay, at least 1.
    """

    columns: Floats
    groups: Ints
    size: int
    longest: int

    @staticmethod
    def of(blocks: Blocks, kinds: Ints) -> Cars:
        """Finds the groups that have vehicles, and their own windows; ``kinds`` tells the kind of each block."""
        table = blocks.columns.reshape(-1, FIELDS, LANES // REGISTER, REGISTER)
        begin, end = table[:, BEGIN], table[:, END]
        there = end > begin
        block, part = np.nonzero(there.any(axis=2))
        first = np.where(there, begin, np.inf).min(axis=2)[block, part].astype(np.int64)
        last = np.where(there, end, 0.0).max(axis=2)[block, part].astype(np.int64)
        groups = np.empty((block.size, 6), dtype=np.int64)
        groups[:, BASE] = block * FIELDS * LANES + part * REGISTER
        groups[:, FIRST], groups[:, LAST] = first, last
        size = np.cumsum(last - first) * REGISTER
        groups[:, PLACE] = size - (last - first) * REGISTER
        groups[:, SCHEDULE] = (blocks.first_row[block] + first - blocks.window[block, 0]) * LANES + part * REGISTER
        groups[:, KIND] = kinds[block]
        longest = max(1, int((end - begin).max(initial=1.0)))
        return Cars(blocks.columns, groups, int(size[-1]) if size.size else 0, longest)

    def most_kwh(self, periods: int) -> Floats:
        """Greatest AC energy that all vehicles take per step, ``(T,)`` [kWh]."""
        table = self.columns.reshape(-1, FIELDS, LANES).transpose(1, 0, 2).reshape(FIELDS, -1)
        most = np.where(table[END] > table[BEGIN], table[MOST_IN] * table[PER_IN], 0.0)
        more = np.bincount(table[BEGIN].astype(np.int64), most, periods + 1)
        less = np.bincount(table[END].astype(np.int64), most, periods + 1)
        return np.asarray(np.cumsum(more - less)[:periods])


@njit(cache=True, nogil=True)
def group_of(cars: Cars, g: int) -> tuple[int, int, int, int]:
    """What is known of a group, up to where its tables begin."""
    return cars.groups[g, BASE], cars.groups[g, FIRST], cars.groups[g, LAST], cars.groups[g, PLACE]


@njit(cache=True, nogil=True)
def lowest_held(columns: Floats, base: int, t: int) -> Vector:
    """Vehicles' least energy at the end of step t: the floor, and in the last step of a stay what is required."""
    floor, wish = load_register(columns, base + FLOOR * LANES), load_register(columns, base + REQUIRED * LANES)
    wish = vmax(floor, vmin(wish, load_register(columns, base + CEILING * LANES)))
    return select_lt(splat(floor, t + 1.5), load_register(columns, base + END * LANES), floor, wish)
