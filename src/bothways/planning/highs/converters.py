"""Converters with losses at part load as rows and columns of the fleet program.

Per vehicle-step and direction, with a column ``on`` between 0 and 1,

    stored ≤ slope_k·ac + intercept_k·on,  ac ≤ most·on            (charging; discharging likewise, roles swapped)

which with ``on`` a whole number is the converter as it is, as long as wasting energy does not pay, and else its convex
hull: the straight line from nothing to the power of best efficiency, and the curve from there. Where wasting
pays (prices below 0, an export limit that binds), one more whole number per segment says which of them holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.program import Assembly
from bothways.planning.layout import Layout
from bothways.planning.part_load import LEAST_OUT_KW, Segments
from bothways.planning.problem import Bools, Floats, Ints, PlanProblem

_NEARLY = 0.01  # this near to on or off counts as that
_WASTE_KW = 1e-4  # the solver's tolerance, and what a schedule may cost by it, are less


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Converters:
    """Where they are; positions in the layout are ascending.

    Attributes:
        charging_at: vehicle-steps of vehicles with losses that may charge, positions in the layout.
        charging: their columns that say whether they do.
        stored: columns of the power that arrives in the battery [kW].
        discharging_at: vehicle-steps of such vehicles that may discharge.
        discharging: their columns that say whether they do.
        taken: columns of the power taken from the battery [kW].
    """

    charging_at: Ints
    charging: Ints
    stored: Ints
    discharging_at: Ints
    discharging: Ints
    taken: Ints


NO_CONVERTERS = Converters(_none(), _none(), _none(), _none(), _none(), _none())


@dataclass(frozen=True)
class Sides:
    """What the fleet program has already.

    Attributes:
        charge: columns of charging power, one per vehicle-step, ``(S,)``.
        most_charge: their upper bounds, ``(S,)`` [kW].
        least_charge: least power of a vehicle-step that charges, 0 for any, ``(S,)`` [kW].
        discharging: vehicle-steps that may discharge, positions in the layout.
        discharge: their columns.
        most_discharge: upper bounds by vehicle-step, ``(S,)`` [kW].
        exact: vehicle-steps in which nothing can be wasted, ``(S,)``.
        near: how far charging and discharging are on in a relaxed solution, ``(S,)`` each: those that are on or off
            there stay so.
    """

    charge: Ints
    most_charge: Floats
    least_charge: Floats
    discharging: Ints
    discharge: Ints
    most_discharge: Floats
    exact: Bools
    near: tuple[Floats, Floats] | None


def add_converters(
    problem: PlanProblem, layout: Layout, sides: Sides, stored_row: Ints, assembly: Assembly, *, whole: bool
) -> Converters:
    """Writes the converters of vehicles with losses; they enter the rows of stored energy in place of efficiencies.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        sides: charging and discharging.
        stored_row: the row of each vehicle-step's stored energy, ``(S,)``.
        assembly: what is written to.
        whole: whether on and off are whole numbers.
    """
    if problem.part_load is None:
        return NO_CONVERTERS
    has, owner = problem.part_load.has[layout.owner], layout.owner
    into, out_of = problem.segments
    at = np.flatnonzero(has)
    decided = (np.zeros(layout.size), np.ones(layout.size)) if sides.near is None else _decided(sides.near[0])
    on, stored = _one_way(
        problem, owner[at], into, (sides.charge[at], sides.most_charge[at], sides.least_charge[at]),
        (decided[0][at], decided[1][at]), assembly, whole=whole,
    )  # fmt: skip
    _exactly(
        into, owner[at], stored, sides.charge[at], on, problem.fleet.charge_kw[owner[at]], sides.exact[at], assembly
    )
    assembly.entries(stored_row[at], stored, -problem.step_h)
    which = np.flatnonzero(has[sides.discharging])
    out_at = sides.discharging[which]
    giving = sides.discharge[which]
    most = sides.most_discharge[out_at]
    decided = (np.zeros(layout.size), np.ones(layout.size)) if sides.near is None else _decided(sides.near[1])
    off, taken = _other_way(
        problem, owner[out_at], out_of, (giving, most), (decided[0][out_at], decided[1][out_at]), assembly, whole=whole
    )
    most_taken = problem.fleet.discharge_kw[owner[out_at]] / problem.fleet.discharge_efficiency[owner[out_at]]
    _exactly(out_of, owner[out_at], giving, taken, off, most_taken, sides.exact[out_at], assembly)
    assembly.entries(stored_row[out_at], taken, problem.step_h)
    both = assembly.rows(out_at.size, upper=1.0)
    assembly.entries(both, off, 1.0)
    assembly.entries(both, on[np.searchsorted(at, out_at)], 1.0)
    return Converters(at, on, stored, out_at, off, taken)


def _decided(on: Floats) -> tuple[Floats, Floats]:
    """Bounds of columns that stay as they are where they are nearly whole."""
    return (on > 1.0 - _NEARLY).astype(np.float64), (on > _NEARLY).astype(np.float64)


def _one_way(
    problem: PlanProblem, vehicle: Ints, curve: Segments, power: tuple[Ints, Floats, Floats],
    decided: tuple[Floats, Floats], assembly: Assembly, *, whole: bool,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Charging: columns that say whether it is on, and of what is stored."""
    fleet, (ac, most_kw, least_kw) = problem.fleet, power
    on = assembly.columns(vehicle.size, lower=decided[0], upper=decided[1], integer=whole)
    stored = assembly.columns(vehicle.size, upper=fleet.charge_kw[vehicle] * fleet.charge_efficiency[vehicle])
    _curve(curve, vehicle, stored, ac, on, assembly)
    at_most = assembly.rows(vehicle.size, upper=0.0)
    assembly.entries(at_most, ac, 1.0)
    assembly.entries(at_most, on, -most_kw)
    some = np.flatnonzero(least_kw > 0.0)
    at_least = assembly.rows(some.size, lower=0.0)
    assembly.entries(at_least, ac[some], 1.0)
    assembly.entries(at_least, on[some], -least_kw[some])
    return on, stored


def _other_way(
    problem: PlanProblem, vehicle: Ints, curve: Segments, power: tuple[Ints, Floats], decided: tuple[Floats, Floats],
    assembly: Assembly, *, whole: bool,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Discharging: columns that say whether it is on, and of what is taken out."""
    fleet, (ac, most_kw) = problem.fleet, power
    most_taken = fleet.discharge_kw[vehicle] / fleet.discharge_efficiency[vehicle]
    on = assembly.columns(vehicle.size, lower=decided[0], upper=decided[1], integer=whole)
    taken = assembly.columns(vehicle.size, upper=most_taken)
    _curve(curve, vehicle, ac, taken, on, assembly)
    at_most = assembly.rows(vehicle.size, upper=0.0)
    assembly.entries(at_most, taken, 1.0)
    assembly.entries(at_most, on, -np.where(most_kw > 0.0, most_taken, 0.0))
    at_least = assembly.rows(vehicle.size, lower=0.0)
    assembly.entries(at_least, ac, 1.0)
    assembly.entries(at_least, on, -LEAST_OUT_KW)
    return on, taken


def _curve(curve: Segments, vehicle: Ints, out: Ints, into: Ints, on: Ints, assembly: Assembly) -> None:
    """Out ≤ slope_k·into + intercept_k·on, each segment once."""
    slope, intercept = curve.slope[vehicle], curve.intercept[vehicle]
    for k in range(slope.shape[1]):
        some = np.flatnonzero(_fresh(slope, intercept, k))
        row = assembly.rows(some.size, upper=0.0)
        assembly.entries(row, out[some], 1.0)
        assembly.entries(row, into[some], -slope[some, k])
        assembly.entries(row, on[some], -intercept[some, k])


def _exactly(
    curve: Segments, vehicle: Ints, out: Ints, into: Ints, on: Ints, most_in_kw: Floats, exact: Bools,
    assembly: Assembly,
) -> None:  # fmt: skip
    """Out ≥ slope_k·into + intercept_k·on for one k where it is on, so that nothing is wasted."""
    at = np.flatnonzero(exact)
    if at.size == 0:
        return
    slope, intercept = curve.slope[vehicle[at]], curve.intercept[vehicle[at]]
    one = assembly.rows(at.size, lower=0.0)
    assembly.entries(one, on[at], -1.0)
    for k in range(slope.shape[1]):
        some = np.flatnonzero(_fresh(slope, intercept, k))
        which = at[some]
        holds = assembly.columns(some.size, upper=1.0, integer=True)
        assembly.entries(one[some], holds, 1.0)
        slack = slope[some, k] * most_in_kw[which]
        row = assembly.rows(some.size, lower=-slack)
        assembly.entries(row, out[which], 1.0)
        assembly.entries(row, into[which], -slope[some, k])
        assembly.entries(row, on[which], -intercept[some, k])
        assembly.entries(row, holds, -slack)


def _fresh(slope: Floats, intercept: Floats, k: int) -> Bools:
    """Where segment k is not a repetition of the one before."""
    if k == 0:
        return np.ones(slope.shape[0], dtype=np.bool_)
    return np.asarray((slope[:, k] != slope[:, k - 1]) | (intercept[:, k] != intercept[:, k - 1]))


def wasting(
    problem: PlanProblem, layout: Layout, charge_kw: Floats, discharge_kw: Floats, converters: Converters, x: Floats
) -> Bools:
    """Vehicle-steps in which a program's converters lose more than they have to, ``(S,)``.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        charge_kw: what the program charges, ``(S,)``.
        discharge_kw: what it discharges, ``(S,)``.
        converters: where they are in the program.
        x: its columns.
    """
    into, out_of = problem.segments
    found = np.zeros(layout.size, dtype=np.bool_)
    at, out_at = converters.charging_at, converters.discharging_at
    found[at] = into.out_kw(charge_kw[at], layout.owner[at]) - x[converters.stored] > _WASTE_KW
    found[out_at] |= out_of.out_kw(x[converters.taken], layout.owner[out_at]) - discharge_kw[out_at] > _WASTE_KW
    return found
