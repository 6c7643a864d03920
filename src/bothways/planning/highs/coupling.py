"""Group limits and the energy reserve as rows and columns of the fleet program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.program import Assembly
from bothways.planning.layout import Layout
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import Floats, Ints, PlanProblem
from bothways.planning.stock import factors


@dataclass(frozen=True)
class PowerColumns:
    """Columns of the vehicles' powers and energies, as ``FleetProgram`` names them.

    Attributes:
        charge: one per vehicle-step, ``(S,)`` [kW].
        discharging: vehicle-steps that may discharge, positions in the layout.
        discharge: their columns [kW].
        energy: stored energy at the end of each vehicle-step, ``(S,)`` [kWh].
        lower: its lower bound, ``(S,)`` [kWh].
    """

    charge: Ints
    discharging: Ints
    discharge: Ints
    energy: Ints
    lower: Floats


@dataclass(frozen=True)
class CoupledRows:
    """Where the coupling limits are in a program.

    Attributes:
        groups: row of each group limit and step, ``(G, T)``.
        reserve: row of the reserve at each step, ``(T,)``, or none.
        over: columns of power beyond the hard group limits, where these may be broken (see ``build(soft=True)``).
        over_group: the group limit of each of ``over``.
        over_step: its step.
    """

    groups: Ints
    reserve: Ints
    over: Ints
    over_group: Ints
    over_step: Ints

    def group_prices(self, problem: PlanProblem, row_prices: Floats) -> Floats:
        """Price that each group limit adds to its members' energy, ``(G, T)`` [currency/kWh]."""
        return np.asarray(-row_prices[self.groups] / problem.step_h + 0.0)

    def reserve_prices(self, row_prices: Floats) -> Floats:
        """Shadow price of the reserve, ``(T,)`` [currency/kWh per step]."""
        return np.maximum(row_prices[self.reserve], 0.0)


def add_coupling(
    problem: PlanProblem, layout: Layout, columns: PowerColumns, assembly: Assembly, *, soft: bool
) -> CoupledRows:
    """Writes group limits and reserve.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        columns: the vehicles' columns.
        assembly: what is written to.
        soft: whether hard group limits may be broken at no cost, in columns of their own.
    """
    rows, over, owners, steps = [], [], [], []
    for number, limit in enumerate(problem.group_limits):
        row, beyond = _group(problem, layout, columns, limit, assembly, soft=soft)
        rows.append(row)
        for side in beyond:
            over.append(side)
            owners.append(np.full(side.size, number))
            steps.append(np.arange(side.size))
    none = np.zeros(0, dtype=np.int64)
    reserve = none
    if problem.energy_reserve is not None:
        reserve = _reserve(problem, layout, columns, problem.energy_reserve, assembly)
    return CoupledRows(
        groups=np.stack(rows) if rows else np.zeros((0, problem.periods), dtype=np.int64),
        reserve=reserve,
        over=np.concatenate(over) if over else none,
        over_group=np.concatenate(owners) if owners else none,
        over_step=np.concatenate(steps) if steps else none,
    )


def _group(
    problem: PlanProblem, layout: Layout, columns: PowerColumns, limit: GroupLimit, assembly: Assembly, *, soft: bool
) -> tuple[Ints, list[Ints]]:
    """The rows of one limit, and the columns of what is beyond it at no cost."""
    fleet, periods, owner = problem.fleet, problem.periods, layout.owner
    row = assembly.rows(periods, lower=limit.lower_kw - limit.base_kw, upper=limit.upper_kw - limit.base_kw)
    weight = limit.weight[owner]
    member = np.flatnonzero(weight > 0.0)
    assembly.entries(row[layout.step[member]], columns.charge[member], weight[member])
    out_at = columns.discharging
    out = np.flatnonzero(weight[out_at] > 0.0)
    assembly.entries(row[layout.step[out_at[out]]], columns.discharge[out], -weight[out_at[out]])
    if limit.hard and not soft:
        return row, []
    highest = limit.base_kw + layout.per_step(weight * fleet.charge_kw[owner], periods)
    lowest = limit.base_kw - layout.per_step(weight * fleet.discharge_kw[owner], periods)
    cost = 0.0 if limit.hard else problem.step_h * limit.penalty_per_kwh
    sides = []
    for most, sign in ((highest - limit.upper_kw, -1.0), (limit.lower_kw - lowest, 1.0)):
        beyond = assembly.columns(periods, cost=cost, upper=np.maximum(most, 0.0))
        assembly.entries(row, beyond, sign)
        sides.append(beyond)
    return row, sides if limit.hard else []


def _reserve(
    problem: PlanProblem, layout: Layout, columns: PowerColumns, reserve: EnergyReserve, assembly: Assembly
) -> Ints:
    """Σ factor·(energy − floor) + deficit ≥ required, one row per step."""
    factor = factors(problem, reserve, layout.owner, layout.step)
    floor = problem.fleet.energy_min_kwh[layout.owner]
    at = np.flatnonzero(factor > 0.0)
    aim = reserve.required_kwh + layout.per_step(factor * floor, problem.periods)
    row = assembly.rows(problem.periods, lower=aim)
    assembly.entries(row[layout.step[at]], columns.energy[at], factor[at])
    most = reserve.required_kwh + layout.per_step(factor * np.maximum(floor - columns.lower, 0.0), problem.periods)
    deficit = assembly.columns(problem.periods, cost=reserve.penalty_per_kwh, upper=most)
    assembly.entries(row, deficit, 1.0)
    return row
