"""The fleet problem in pyomo, written from the definition of the problem and not from the planner's own program.

Docstrings of ``Fleet`` and ``PlanProblem`` say what is meant; the equations here are the plainest that say the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers import Highs

from bothways.planning.problem import PlanProblem


@dataclass(frozen=True)
class PyomoAnswer:
    """What pyomo with HiGHS took and said; ``objective`` is None where there is no proven optimum in time."""

    build_s: float
    solve_s: float
    objective: float | None


def fleet_model(problem: PlanProblem) -> pyo.ConcreteModel:
    """Writes ``problem`` as a pyomo model.

    Raises:
        ValueError: the problem has a part that this model does not know.
    """
    fleet, step = problem.fleet, problem.step_h
    known = not problem.group_limits and problem.energy_reserve is None and not fleet.semi_continuous
    if not known or np.any(fleet.energy_at_arrival_kwh < fleet.energy_min_kwh):
        message = "group limits, reserve, minimum powers and arrivals below the floor are not in this model"
        raise ValueError(message)
    model = pyo.ConcreteModel()
    model.time = pyo.RangeSet(0, problem.periods - 1)
    stays = [(i, t) for i in range(fleet.size) for t in range(int(fleet.arrival[i]), int(fleet.departure[i]))]
    model.stay = pyo.Set(initialize=stays, dimen=2)
    _vehicles(model, problem)
    _meter(model, problem)

    charged: dict[int, list[int]] = {t: [] for t in range(problem.periods)}
    for i, t in stays:
        charged[t].append(i)

    def balance(m: pyo.ConcreteModel, t: int) -> object:
        vehicles = pyo.quicksum(m.charge[i, t] - m.discharge[i, t] for i in charged[t])
        return m.bought[t] - m.sold[t] == float(problem.base_load_kw[t]) + vehicles + m.thrown_away[t]

    model.balance = pyo.Constraint(model.time, rule=balance)
    energy = pyo.quicksum(
        float(problem.import_price[t]) * model.bought[t]
        - float(problem.export_price[t]) * model.sold[t]
        + problem.import_limit_penalty_per_kwh * model.excess[t]
        for t in range(problem.periods)
    )
    wear = pyo.quicksum(float(fleet.wear_per_kwh[i]) * model.discharge[i, t] for i, t in stays)
    peaks = pyo.quicksum(charge.price_per_kw * model.peak[j] for j, charge in enumerate(problem.demand_charges))
    kept = pyo.quicksum(
        model.stored[i, int(fleet.departure[i]) - 1] for i in range(fleet.size) if fleet.departure[i] > fleet.arrival[i]
    )
    model.cost = pyo.Objective(expr=step * (energy + wear) + peaks - problem.terminal_value_per_kwh * kept)
    return model


def _vehicles(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Powers, stored energy at the end of each step, and the energy needed at departure as far as it can be had."""
    fleet, step = problem.fleet, problem.step_h
    stay = fleet.departure - fleet.arrival
    within_reach = fleet.energy_at_arrival_kwh + stay * step * fleet.charge_efficiency * fleet.charge_kw
    needed = np.minimum(fleet.energy_required_kwh, np.minimum(fleet.energy_max_kwh, within_reach))

    def stored_bounds(_: pyo.ConcreteModel, i: int, t: int) -> tuple[float, float]:
        least = float(fleet.energy_min_kwh[i])
        if t == fleet.departure[i] - 1:
            least = max(least, float(needed[i]))
        return least, float(fleet.energy_max_kwh[i])

    model.charge = pyo.Var(model.stay, bounds=lambda _, i, _t: (0.0, float(fleet.charge_kw[i])))
    model.discharge = pyo.Var(model.stay, bounds=lambda _, i, _t: (0.0, float(fleet.discharge_kw[i])))
    model.stored = pyo.Var(model.stay, bounds=stored_bounds)

    def storing(m: pyo.ConcreteModel, i: int, t: int) -> object:
        before = float(fleet.energy_at_arrival_kwh[i]) if t == fleet.arrival[i] else m.stored[i, t - 1]
        into = float(fleet.charge_efficiency[i]) * m.charge[i, t]
        out = m.discharge[i, t] / float(fleet.discharge_efficiency[i])
        return m.stored[i, t] == before + step * (into - out)

    model.storing = pyo.Constraint(model.stay, rule=storing)


def _meter(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Import, its part above the contractual limit, export, surplus thrown away, and the peaks that are billed."""

    def upper(limit: float) -> float | None:
        return None if np.isinf(limit) else limit

    model.bought = pyo.Var(model.time, bounds=(0.0, upper(problem.import_hard_limit_kw)))
    model.sold = pyo.Var(model.time, bounds=(0.0, upper(problem.export_limit_kw)))
    model.excess = pyo.Var(model.time, bounds=(0.0, None))
    surplus = np.maximum(0.0, -problem.base_load_kw - problem.export_limit_kw)
    model.thrown_away = pyo.Var(model.time, bounds=lambda _, t: (0.0, float(surplus[t])))
    if not np.isinf(problem.import_limit_kw):
        model.limit = pyo.Constraint(model.time, rule=lambda m, t: m.excess[t] >= m.bought[t] - problem.import_limit_kw)
    charges = problem.demand_charges
    model.peak = pyo.Var(range(len(charges)), bounds=(0.0, None))
    counted = [(j, t) for j, charge in enumerate(charges) for t in np.flatnonzero(charge.steps).tolist()]
    model.billed = pyo.Constraint(counted, rule=lambda m, j, t: m.peak[j] >= m.bought[t] - charges[j].peak_so_far_kw)


def solve_with_pyomo(problem: PlanProblem, limit_s: float) -> PyomoAnswer:
    """Builds and solves; ``limit_s`` counts for both. Handing the model to HiGHS is part of building."""
    begin = time.perf_counter()
    model = fleet_model(problem)
    left = limit_s - (time.perf_counter() - begin)
    if left <= 0.0:
        return PyomoAnswer(time.perf_counter() - begin, 0.0, None)
    solver = Highs()
    solver.config.time_limit = left
    solver.config.load_solution = False
    solver.highs_options = {"threads": 1, "solver": "simplex"}
    found = solver.solve(model)
    total = time.perf_counter() - begin
    optimal = found.termination_condition == TerminationCondition.optimal
    return PyomoAnswer(
        total - found.wallclock_time, found.wallclock_time, found.best_feasible_objective if optimal else None
    )
