"""Mixes several plans of one problem into the cheapest one that also keeps caps on discharging.

Every plan keeps the vehicles' limits, and these are convex: any mix of a vehicle's schedules keeps them too. So each
vehicle takes shares of its schedules, and a linear program over the shares and the site's import, export and peaks
finds the best ones within the caps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.programs import Triplets
from bothways.planning.problem import PlanProblem, PlanSolution

if TYPE_CHECKING:
    from bothways.dispatch.budgets import DischargeBudgets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TINY_KW = 1e-9


@dataclass(frozen=True)
class Mixed:
    """The mix of least cost.

    Attributes:
        cost: of exactly this schedule [currency].
        power_kw: shape ``(N, T)`` [kW].
        energy_kwh: at step boundaries, ``(N, T + 1)`` [kWh].
        import_kw: ``(T,)`` [kW].
        export_kw: ``(T,)`` [kW].
        curtailed_kw: ``(T,)`` [kW].
        price_per_kwh: what a kWh more of each budget would save, one array per kind [currency/kWh].
        power_price: what a kW more of load would cost in each step, ``(T,)`` [currency/kW].
        share_price: what each vehicle's schedule costs at these prices, ``(N,)`` [currency].
        program_cost: cost by the linear program, which sees losses of all mixed schedules [currency].
    """

    cost: float
    power_kw: Floats
    energy_kwh: Floats
    import_kw: Floats
    export_kw: Floats
    curtailed_kw: Floats
    price_per_kwh: tuple[Floats, ...]
    power_price: Floats
    share_price: Floats
    program_cost: float


def mix(problem: PlanProblem, plans: Sequence[PlanSolution], budgets: Sequence[DischargeBudgets]) -> Mixed:
    """The cheapest mix of plans within the budgets.

    Args:
        problem: what the plans answer.
        plans: at least one of them keeps the budgets.
        budgets: caps on discharging.

    Raises:
        SolverError: no mix keeps the budgets.
    """
    program = Triplets()
    size, step_h, fleet = problem.fleet.size, problem.step_h, problem.fleet
    one = np.ones(size)
    shares = [
        program.columns(step_h * fleet.wear_per_kwh * np.maximum(-plan.power_kw, 0.0).sum(axis=1), one)
        for plan in plans
    ]
    whole = program.rows(one, one)
    for share in shares:
        program.set(whole, share, one)
    if problem.group_limits or problem.energy_reserve is not None:
        _together(program, shares)  # one share for all vehicles keeps whatever couples them
    balance = _site(program, problem)
    for share, plan in zip(shares, plans, strict=True):
        who, when = np.nonzero(plan.power_kw)
        program.set(balance[when], share[who], -plan.power_kw[who, when])
    caps = [_cap(program, each, plans, shares, step_h) for each in budgets]
    found = program.solve()
    power = np.zeros((size, problem.periods))
    for share, plan in zip(shares, plans, strict=True):
        power += np.maximum(found.x[share], 0.0)[:, None] * plan.power_kw
    realised = _realised(problem, power)
    return replace(
        realised,
        price_per_kwh=tuple(np.maximum(0.0, -found.prices[rows]) for rows in caps),
        power_price=found.prices[balance],
        share_price=found.prices[whole],
        program_cost=found.cost,
    )


def _together(program: Triplets, shares: list[Ints]) -> None:
    for share in shares[1:]:
        count = share.shape[0] - 1
        rows = program.rows(np.zeros(count), np.zeros(count))
        program.set(rows, share[1:], np.ones(count))
        program.set(rows, np.full(count, share[0]), -np.ones(count))


def _cap(
    program: Triplets, budget: DischargeBudgets, plans: Sequence[PlanSolution], shares: list[Ints], step_h: float
) -> Ints:
    """A row per budget; ``−∞ ≤ Σ share × what the plan discharges ≤ left``."""
    count = budget.left_kwh.shape[0]
    rows = program.rows(np.full(count, -np.inf), budget.left_kwh)
    for share, plan in zip(shares, plans, strict=True):
        who, when = np.nonzero((plan.power_kw < -_TINY_KW) & (budget.group >= 0))
        if who.size == 0:
            continue
        size = share.shape[0]
        pair = budget.group[who, when] * size + who
        keys, place = np.unique(pair, return_inverse=True)
        used = np.bincount(place, weights=-plan.power_kw[who, when] * step_h).astype(np.float64)
        program.set(rows[keys // size], share[keys % size], used)
    return rows


def _site(program: Triplets, problem: PlanProblem) -> Ints:
    """Import, export, curtailment and peaks; returns the rows of the balance, to which vehicles add −power."""
    periods, step_h, infinite = problem.periods, problem.step_h, np.inf
    hard = problem.import_hard_limit_kw
    balance = program.rows(problem.base_load_kw, problem.base_load_kw)
    each = np.ones(periods)
    imported = program.columns(step_h * problem.import_price, np.full(periods, hard))
    program.set(balance, imported, each)
    # export that pays more than import costs would be bought and sold at once; the true cost is taken afterwards
    credit = np.minimum(problem.export_price, problem.import_price)
    exported = program.columns(-step_h * credit, np.full(periods, problem.export_limit_kw))
    program.set(balance, exported, -each)
    curtailed = program.columns(np.zeros(periods), problem.curtailable_kw)
    program.set(balance, curtailed, -each)
    if problem.import_limit_penalty_per_kwh > 0.0 and math.isfinite(problem.import_limit_kw):
        beyond = program.columns(np.full(periods, step_h * problem.import_limit_penalty_per_kwh), each * infinite)
        over = program.rows(-each * infinite, np.full(periods, problem.import_limit_kw))
        program.set(over, imported, each)
        program.set(over, beyond, -each)
    for charge in problem.demand_charges:
        counted = np.flatnonzero(charge.steps)
        if counted.size == 0:
            continue
        peak = program.columns(np.array([charge.price_per_kw]), np.array([infinite]))
        rows = program.rows(np.full(counted.size, -infinite), np.full(counted.size, charge.peak_so_far_kw))
        program.set(rows, imported[counted], np.ones(counted.size))
        program.set(rows, np.full(counted.size, peak[0]), -np.ones(counted.size))
    return balance


def _realised(problem: PlanProblem, power: Floats) -> Mixed:
    """What the mixed powers do: where one plan charged and another discharged, less is lost than in both."""
    fleet, step_h = problem.fleet, problem.step_h
    power[np.abs(power) < _TINY_KW] = 0.0
    energy = np.empty((fleet.size, problem.periods + 1))
    energy[:, 0] = fleet.energy_at_arrival_kwh
    ceiling = np.maximum(fleet.energy_max_kwh, fleet.energy_at_arrival_kwh)
    for t in range(problem.periods):
        room = np.maximum(0.0, ceiling - energy[:, t]) / (fleet.charge_efficiency * step_h)
        power[:, t] = np.minimum(power[:, t], room)
        gained = np.where(
            power[:, t] > 0.0, power[:, t] * fleet.charge_efficiency, power[:, t] / fleet.discharge_efficiency
        )
        energy[:, t + 1] = energy[:, t] + step_h * gained
    net = problem.base_load_kw + power.sum(axis=0)
    curtailed = np.minimum(np.maximum(0.0, -net - problem.export_limit_kw), problem.curtailable_kw)
    imported, exported = np.maximum(net + curtailed, 0.0), np.maximum(-net - curtailed, 0.0)
    cost = step_h * float((problem.import_price * imported - problem.export_price * exported).sum())
    cost += step_h * float((fleet.wear_per_kwh[:, None] * np.maximum(-power, 0.0)).sum())
    if problem.import_limit_penalty_per_kwh > 0.0:
        beyond = np.maximum(0.0, imported - problem.import_limit_kw)
        cost += step_h * problem.import_limit_penalty_per_kwh * float(beyond.sum())
    for charge in problem.demand_charges:
        if charge.steps.any():
            cost += charge.price_per_kw * max(0.0, float(imported[charge.steps].max()) - charge.peak_so_far_kw)
    cost -= problem.terminal_value_per_kwh * float(energy[:, -1].sum())
    none = np.zeros(0)
    return Mixed(cost, power, energy, imported, exported, curtailed, (), none, none, cost)
