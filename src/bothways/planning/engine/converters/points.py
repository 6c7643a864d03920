"""What a step of each vehicle can be, as points: stored energy against AC energy, linear in between.

A vehicle's points ascend in x, the change of stored energy: those of discharging from full power to where nothing comes
out, rest, and those of charging from the least power to full power. Within charging, and within discharging, the AC
energy between two points is linear; from rest to either it jumps by what a converter needs to be on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.part_load import LEAST_OUT_KW, PartLoad, least_charge_kwh
from bothways.planning.problem import Floats, Ints, PlanProblem
from bothways.planning.segments import out_of

DISCHARGE, REST, CHARGE = 1, 2, 4
ANY = DISCHARGE + REST + CHARGE
"""What a step may be, as sums of these three."""

ROUNDING_KWH = 1e-9
"""Energy that is rounding [kWh]."""


class Points(NamedTuple):
    """The vehicles' points.

    Attributes:
        x: change of stored energy, ``(N, P)`` [kWh].
        ac: AC energy, ``(N, P)`` [kWh].
        rest: which of them is rest; those before it discharge, those after it charge, ``(N,)``.
        size: how many there are, ``(N,)``.
    """

    x: Floats
    ac: Floats
    rest: Ints
    size: Ints


def points_of(problem: PlanProblem) -> Points:
    """The points of every vehicle of ``problem``; those that must not pause do not discharge."""
    fleet, step_h = problem.fleet, problem.step_h
    charge, discharge = problem.segments
    vehicles = np.arange(fleet.size)
    least = np.maximum(fleet.least_charge_kw, np.minimum(charge.least_in_kw(), fleet.charge_kw))
    most_out = np.where(fleet.no_pause, 0.0, fleet.discharge_kw)
    least_taken = np.where(curved(problem), discharge.least_in_kw(LEAST_OUT_KW), 0.0)
    taken = np.where(most_out > 0.0, discharge.in_kw(most_out, vehicles), 0.0)
    width = charge.slope.shape[1] + discharge.slope.shape[1] + 3
    points = Points(
        np.zeros((fleet.size, width)), np.zeros((fleet.size, width)), np.zeros(fleet.size, np.int64),
        np.zeros(fleet.size, np.int64),
    )  # fmt: skip
    _fill(
        charge.slope, charge.intercept, discharge.slope, discharge.intercept, least, fleet.charge_kw,
        np.minimum(least_taken, taken), taken, step_h, points.x, points.ac, points.rest, points.size,
    )  # fmt: skip
    return points


def curved(problem: PlanProblem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Vehicles for which being on has a cost of its own, or a least power, ``(N,)``."""
    part_load = problem.part_load or PartLoad((), np.full(problem.fleet.size, -1))
    return np.asarray(part_load.has | (least_charge_kwh(problem) > 0.0))


@njit(cache=True, nogil=True)
def _corner(slope: Floats, intercept: Floats, i: int, k: int) -> float:
    """Power at which segment k hands over to the next; infinite for a repetition."""
    fall = slope[i, k] - slope[i, k + 1]
    return (intercept[i, k + 1] - intercept[i, k]) / fall if fall > 1e-12 else np.inf


@njit(cache=True, nogil=True)
def _fill(
    in_slope: Floats, in_intercept: Floats, out_slope: Floats, out_intercept: Floats, least: Floats, most: Floats,
    least_taken: Floats, most_taken: Floats, step_h: float, x: Floats, ac: Floats, rest: Ints, count: Ints,
) -> None:  # fmt: skip
    for i in range(most.shape[0]):
        at = 0
        if most_taken[i] > 0.0:
            x[i, at], ac[i, at] = -step_h * most_taken[i], -step_h * out_of(out_slope, out_intercept, i, most_taken[i])
            at += 1
            for k in range(out_slope.shape[1] - 2, -1, -1):
                power = _corner(out_slope, out_intercept, i, k)
                if least_taken[i] < power < most_taken[i]:
                    x[i, at], ac[i, at] = -step_h * power, -step_h * out_of(out_slope, out_intercept, i, power)
                    at += 1
            if least_taken[i] < most_taken[i]:
                x[i, at] = -step_h * least_taken[i]
                ac[i, at] = -step_h * out_of(out_slope, out_intercept, i, least_taken[i])
                at += 1
        rest[i] = at
        at += 1
        if most[i] > 0.0:
            if least[i] < most[i]:
                x[i, at], ac[i, at] = step_h * out_of(in_slope, in_intercept, i, least[i]), step_h * least[i]
                at += 1
            for k in range(in_slope.shape[1] - 1):
                power = _corner(in_slope, in_intercept, i, k)
                if least[i] < power < most[i]:
                    x[i, at], ac[i, at] = step_h * out_of(in_slope, in_intercept, i, power), step_h * power
                    at += 1
            x[i, at], ac[i, at] = step_h * out_of(in_slope, in_intercept, i, most[i]), step_h * most[i]
            at += 1
        count[i] = at


@njit(cache=True, nogil=True)
def ac_of(points: Points, i: int, x: float) -> float:
    """AC energy of a change of stored energy; NaN where no power makes that change."""
    if -ROUNDING_KWH <= x <= ROUNDING_KWH:
        return 0.0
    first, last = (points.rest[i] + 1, points.size[i] - 1) if x > 0.0 else (0, points.rest[i] - 1)
    xs, ac = points.x[i], points.ac[i]
    if last < first or x < xs[first] - ROUNDING_KWH or x > xs[last] + ROUNDING_KWH:
        return np.nan
    k = first
    while k < last - 1 and x > xs[k + 1]:
        k += 1
    if k == last:
        return float(ac[k])
    width = xs[k + 1] - xs[k]
    return float(ac[k] + (ac[k + 1] - ac[k]) * (x - xs[k]) / width if width > 0.0 else ac[k + 1])


@njit(cache=True, nogil=True)
def hull(
    points: Points, i: int, allowed: int, price: float, wear: float, worth: float, at: Floats, cost: Floats
) -> int:
    """Writes the lower convex envelope of what a step may cost, and returns its number of corners.

    Takes:
        points: the vehicles' points.
        i: the vehicle.
        allowed: ``DISCHARGE``, ``REST`` and ``CHARGE`` added up.
        price: of AC energy [currency/kWh].
        wear: price of AC energy discharged.
        worth: what a kWh stored is worth later.
        at: corners' changes of stored energy, ascending [kWh].
        cost: corners' costs [currency].
    """
    rest, count = points.rest[i], 0
    for j in range(points.size[i]):
        kind = DISCHARGE if j < rest else (REST if j == rest else CHARGE)
        if allowed & kind == 0:
            continue
        x, energy = points.x[i, j], points.ac[i, j]
        c = price * energy - wear * min(energy, 0.0) - worth * x
        if count > 0 and x <= at[count - 1] + 1e-12:
            if c >= cost[count - 1]:
                continue
            count -= 1
        while count > 1 and (cost[count - 1] - cost[count - 2]) * (x - at[count - 2]) >= (c - cost[count - 2]) * (
            at[count - 1] - at[count - 2]
        ):
            count -= 1
        at[count], cost[count] = x, c
        count += 1
    return count
