"""Solves a fleet problem with HiGHS and says how good the answer is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bothways.planning.evaluation import Evaluation, evaluate
from bothways.planning.highs.model import Choices, FleetProgram, build, least_charge_kw
from bothways.planning.highs.runner import Answer, Runner
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.schedule import net_power_kw, repaired_power_kw
from bothways.planning.shortfall import Reach, explain, reach

_BOTH_KW = 1e-6  # charging and discharging below this at once is the solver's noise, not a decision


@dataclass(frozen=True)
class _Plan:
    power_kw: Floats
    evaluation: Evaluation


def solve_with_highs(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
    """Solves ``problem`` as a linear program, with integers only where they are needed.

    Args:
        problem: what is asked.
        options: gap and time limit.

    Returns:
        The plan; its objective is that of the schedule returned, its bound that of the solver's prices.
    """
    layout = Layout.of(problem)
    bounds = reach(problem, layout)
    choices = Choices(semi_continuous=problem.fleet.semi_continuous)
    best: _Plan | None = None
    bound = -math.inf
    while True:
        model = build(problem, layout, bounds, choices)
        answer = Runner(model.program, time_limit_s=options.time_limit_s, gap=options.gap).run()
        if answer.status == "infeasible":
            return infeasible(problem, bounds, ("no schedule keeps the hard import limit",))
        bound = max(bound, bound_of(model, answer))
        if answer.x is None:
            break
        plan = schedule_of(problem, layout, bounds, model, answer.x)
        if plan.evaluation.violations.none and (best is None or plan.evaluation.objective < best.evaluation.objective):
            best = plan
        if best is not None and relative_gap(best.evaluation.objective, bound) <= options.gap:
            break
        both = at_once(problem, model, answer.x, choices)
        if both.size == 0 or answer.status != "optimal":
            break
        choices = replace(choices, one_direction=np.union1d(choices.one_direction, both))
    if best is None:
        return infeasible(problem, bounds, ("the solver found no schedule in the time given",))
    return solution(problem, bounds, best, bound, options)


def bound_of(model: FleetProgram, answer: Answer) -> float:
    """Lower bound on the objective: from the row prices of a linear program, or the tree of a mixed one."""
    if answer.row_prices is not None:
        return model.program.bound(answer.row_prices)
    return answer.bound


def relative_gap(objective: float, bound: float) -> float:
    """(objective − bound) / max(1, |objective|), at least 0."""
    return max(0.0, objective - bound) / max(1.0, abs(objective))


def at_once(problem: PlanProblem, model: FleetProgram, x: Floats, choices: Choices) -> Ints:
    """Vehicle-steps that charge and discharge at once and are not yet forbidden to, positions in the layout."""
    del problem
    charging = x[model.charge[model.discharging]]
    both = model.discharging[(charging > _BOTH_KW) & (x[model.discharge] > _BOTH_KW)]
    return np.setdiff1d(both, choices.one_direction)


def schedule_of(problem: PlanProblem, layout: Layout, bounds: Reach, model: FleetProgram, x: Floats) -> _Plan:
    """Turns column values into a schedule in float64 and evaluates it."""
    charge = x[model.charge].copy()
    if model.on.size:
        least = least_charge_kw(problem)[layout.owner[model.on_at]]
        charge[model.on_at] = np.where(x[model.on] > 0.5, np.maximum(charge[model.on_at], least), 0.0)
    discharge = np.zeros(layout.size)
    discharge[model.discharging] = x[model.discharge]
    power = net_power_kw(problem, layout, charge, discharge)
    power = repaired_power_kw(problem, layout, bounds, bounds.lower_kwh, power)
    table = layout.spread(power, problem.periods)
    curtailed = np.zeros(problem.periods)
    curtailed[model.curtailing] = x[model.curtail]
    net = problem.base_load_kw + table.sum(axis=0)
    curtailed = np.clip(np.maximum(curtailed, -net - problem.export_limit_kw), 0.0, problem.curtailable_kw)
    return _Plan(table, evaluate(problem, table, curtailed))


def solution(
    problem: PlanProblem, bounds: Reach, plan: _Plan, bound: float, options: PlanOptions, notes: tuple[str, ...] = ()
) -> PlanSolution:
    """Puts a plan and its bound into the answer."""
    evaluation = plan.evaluation
    objective = evaluation.objective
    lower = min(bound, objective)
    gap = relative_gap(objective, lower)
    shortfall, reasons = explain(problem, bounds, evaluation.energy_end_kwh)
    energy = evaluation.energy_kwh
    return PlanSolution(
        status="optimal" if gap <= options.gap else "feasible",
        objective=objective,
        lower_bound=lower,
        gap=gap,
        solver="highs",
        power_kw=plan.power_kw,
        energy_kwh=energy if energy is not None else np.zeros((problem.fleet.size, problem.periods + 1)),
        import_kw=evaluation.flows.import_kw,
        export_kw=evaluation.flows.export_kw,
        curtailed_kw=evaluation.flows.curtailed_kw,
        peak_import_kw=evaluation.peak_import_kw,
        shortfall_kwh=shortfall,
        floor_deficit_kwh=bounds.floor_deficit_kwh,
        reasons=reasons,
        notes=notes,
    )


def infeasible(problem: PlanProblem, bounds: Reach, because: tuple[str, ...]) -> PlanSolution:
    """The answer where no schedule keeps the hard limits: nothing moves, and the reasons are given."""
    fleet, periods = problem.fleet, problem.periods
    idle = evaluate(problem, np.zeros((fleet.size, periods)))
    shortfall, _ = explain(problem, bounds, fleet.energy_at_arrival_kwh)
    return PlanSolution(
        status="infeasible",
        objective=math.inf,
        lower_bound=math.inf,
        gap=math.inf,
        solver="highs",
        power_kw=np.zeros((fleet.size, periods)),
        energy_kwh=idle.energy_kwh if idle.energy_kwh is not None else np.zeros((fleet.size, periods + 1)),
        import_kw=idle.flows.import_kw,
        export_kw=idle.flows.export_kw,
        curtailed_kw=idle.flows.curtailed_kw,
        peak_import_kw=idle.peak_import_kw,
        shortfall_kwh=shortfall,
        floor_deficit_kwh=bounds.floor_deficit_kwh,
        reasons=("",) * fleet.size,
        infeasible_because=because,
    )
