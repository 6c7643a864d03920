"""The fleet one vehicle after another: what the on-off kernels need of each, and its schedule in flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Coupling
from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    E0,
    END,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    REQUIRED,
    Blocks,
    Numbers,
    Stays,
)
from bothways.planning.engine.simd import LANES
from bothways.planning.problem import Bools, Floats, Ints, PlanProblem

PLAIN, MINIMUM, RUN = 0, 1, 2
"""What a vehicle is: charges at any power; at none or its minimum; at its minimum and in one go."""


class Rows(NamedTuple):
    """The vehicles as kernels take them.

    Attributes:
        rows: ``(N, FIELDS)`` as in ``model``.
        least: least change of a step that charges, ``(N,)`` [kWh].
        kind: ``PLAIN``, ``MINIMUM`` or ``RUN``, ``(N,)``.
        begun: whether the vehicle is charging when its free stay begins, ``(N,)``.
        first: where its steps are in flat arrays, ``(N,)``.
        stock: reserve per stored kWh, flat by vehicle-step; empty without a reserve.
    """

    rows: Floats
    least: Floats
    kind: Ints
    begun: Bools
    first: Ints
    stock: Floats


@dataclass(frozen=True)
class Vehicles:
    """The vehicles with what lies around them.

    Attributes:
        rows: as kernels take them.
        free: those that have something to decide.
        weight: share of their AC energy that each group limit sees, ``(N, G)``.
        steps: vehicle-steps in all.
    """

    rows: Rows
    free: Ints
    weight: Floats
    steps: int


def vehicles_of(problem: PlanProblem, stays: Stays, blocks: Blocks, coupling: Coupling) -> Vehicles:
    """Lays the vehicles out one after another.

    Args:
        problem: what is asked.
        stays: its vehicles without forced moves, those that must not pause without discharging.
        blocks: the same packed.
        coupling: group limits and reserve, by block.
    """
    fleet, rows = problem.fleet, stays.rows
    steps = np.maximum(rows[:, END] - rows[:, BEGIN], 0.0).astype(np.int64)
    ends = np.cumsum(steps)
    first = ends - steps
    least = fleet.least_charge_kw * problem.step_h * fleet.charge_efficiency
    able = rows[:, MOST_IN] > 0.0
    kind = np.where(fleet.no_pause & able, RUN, np.where((least > 0.0) & able, MINIMUM, PLAIN)).astype(np.int64)
    free = np.flatnonzero((steps > 0) & (rows[:, MOST_IN] + rows[:, MOST_OUT] > 0.0))
    extra = coupling.extra
    weight = np.zeros((fleet.size, extra.groups))
    taken = np.flatnonzero(blocks.vehicle >= 0)
    weight[blocks.vehicle[taken]] = extra.weight[taken // LANES]
    size = int(ends[-1]) if ends.size else 0
    stock = np.zeros(size if extra.stock.size else 0)
    if stock.size:
        _gather(blocks.vehicle, blocks.window, blocks.first_row, extra.stock, rows, first, stock)
    begun = rows[:, BEGIN] > stays.arrival
    return Vehicles(Rows(rows, np.where(kind > PLAIN, least, 0.0), kind, begun, first, stock), free, weight, size)


@njit(cache=True, nogil=True)
def _gather(
    vehicle: Ints, window: Ints, first_row: Ints, table: Numbers, rows: Floats, first: Ints, flat: Floats
) -> None:
    """Copies a table by block, step and lane into flat rows by vehicle."""
    for lane in range(vehicle.shape[0]):
        i, block = vehicle[lane], lane // LANES
        if i < 0:
            continue
        begin = int(rows[i, BEGIN])
        for t in range(begin, int(rows[i, END])):
            flat[first[i] + t - begin] = table[(first_row[block] + t - window[block, 0]) * LANES + lane % LANES]


@njit(cache=True, nogil=True)
def take_over(
    vehicle: Ints, window: Ints, first_row: Ints, schedules: Numbers, rows: Floats, first: Ints, flat: Floats
) -> None:
    """Copies a search's schedules into flat rows by vehicle, moved into the vehicles' limits as its answer does."""
    flat[:] = 0.0
    _gather(vehicle, window, first_row, schedules, rows, first, flat)
    for i in range(rows.shape[0]):
        row = rows[i]
        now, begin, end = row[E0], int(row[BEGIN]), int(row[END])
        for t in range(begin, end):
            low = max(row[FLOOR], row[REQUIRED] - (end - (t + 1.0)) * row[MOST_IN])
            x = min(flat[first[i] + t - begin], row[MOST_IN], row[CEILING] - now)
            x = min(max(x, -row[MOST_OUT], low - now), row[MOST_IN])
            flat[first[i] + t - begin] = x
            now += x
