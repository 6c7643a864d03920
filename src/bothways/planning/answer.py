"""Puts a schedule and its bound into the answer that every solver gives."""

from __future__ import annotations

import math

import numpy as np

from bothways.planning.evaluation import Evaluation, evaluate
from bothways.planning.problem import Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.shortfall import Reach, explain


def relative_gap(objective: float, bound: float) -> float:
    """(objective − bound) / max(1, |objective|), at least 0."""
    return max(0.0, objective - bound) / max(1.0, abs(objective))


def solution(
    problem: PlanProblem,
    bounds: Reach,
    power_kw: Floats,
    evaluation: Evaluation,
    bound: float,
    options: PlanOptions,
    *,
    solver: str,
    proven: bool = True,
    notes: tuple[str, ...] = (),
) -> PlanSolution:
    """Answers with a schedule, its recomputed cost and what is known about a better one.

    Args:
        problem: what was asked.
        bounds: what each vehicle can reach.
        power_kw: the schedule ``(N, T)`` [kW].
        evaluation: what it means, recomputed from exactly this schedule.
        bound: no schedule with this shortfall costs less [currency]; ``-inf`` where nothing is known.
        options: the gap at which a plan counts as optimal.
        solver: which solver answered, in words.
        proven: False where the shortfall itself is not known to be the least, so that nothing is called optimal.
        notes: remarks for the reader of the plan.
    """
    objective = evaluation.objective
    lower = min(bound, objective)
    gap = relative_gap(objective, lower)
    shortfall, reasons = explain(problem, bounds, evaluation.energy_end_kwh)
    energy = evaluation.energy_kwh
    if energy is None:
        energy = evaluate(problem, power_kw, evaluation.flows.curtailed_kw).energy_kwh
    return PlanSolution(
        status="optimal" if proven and gap <= options.gap else "feasible",
        objective=objective,
        lower_bound=lower,
        gap=gap,
        solver=solver,
        power_kw=power_kw,
        energy_kwh=np.asarray(energy),
        import_kw=evaluation.flows.import_kw,
        export_kw=evaluation.flows.export_kw,
        curtailed_kw=evaluation.flows.curtailed_kw,
        peak_import_kw=evaluation.peak_import_kw,
        shortfall_kwh=shortfall,
        floor_deficit_kwh=bounds.floor_deficit_kwh,
        reasons=reasons,
        notes=notes,
    )


def infeasible(problem: PlanProblem, bounds: Reach, because: tuple[str, ...], *, solver: str) -> PlanSolution:
    """Answers that no schedule keeps the hard limits: no vehicle moves, cost and bound are infinite."""
    fleet, periods = problem.fleet, problem.periods
    power = np.zeros((fleet.size, periods))
    idle = evaluate(problem, power)
    shortfall, _ = explain(problem, bounds, fleet.energy_at_arrival_kwh)
    return PlanSolution(
        status="infeasible",
        objective=math.inf,
        lower_bound=math.inf,
        gap=math.inf,
        solver=solver,
        power_kw=power,
        energy_kwh=np.asarray(idle.energy_kwh),
        import_kw=idle.flows.import_kw,
        export_kw=idle.flows.export_kw,
        curtailed_kw=idle.flows.curtailed_kw,
        peak_import_kw=idle.peak_import_kw,
        shortfall_kwh=shortfall,
        floor_deficit_kwh=bounds.floor_deficit_kwh,
        reasons=("",) * fleet.size,
        infeasible_because=because,
    )
