"""From schedules of stored energy to a plan that was checked: for searches whose vehicles are on or off."""

from __future__ import annotations

import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.answer import Shadow, solution
from bothways.planning.engine.model import BEGIN, END, Stays
from bothways.planning.engine.search import Search
from bothways.planning.evaluation import evaluate
from bothways.planning.problem import Floats, Ints, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.shortfall import Reach

BEST_PRICES = "prices of group limits and reserve are those of the best bound"


def owners(stays: Stays) -> Ints:
    """Vehicle of each place in the flat arrays over vehicle-steps, ``(S,)``."""
    steps = np.maximum(stays.rows[:, END] - stays.rows[:, BEGIN], 0.0).astype(np.int64)
    return np.repeat(np.arange(steps.size), steps)


def power_table(problem: PlanProblem, stays: Stays, first: Ints, energy_kwh: Floats) -> Floats:
    """AC power of every vehicle and step, ``(N, T)`` [kW]; what leads up to a floor is charged at full power.

    Args:
        problem: what was asked.
        stays: the vehicles and their forced first moves.
        first: where each vehicle's steps begin in flat arrays, ``(N,)``.
        energy_kwh: AC energy per vehicle-step, ``(S,)`` [kWh].
    """
    rows, step = stays.rows, np.arange(problem.periods)
    power = np.zeros((problem.fleet.size, problem.periods))
    forced = (step >= stays.arrival[:, None]) & (step < rows[:, BEGIN, None])
    power[forced] = np.broadcast_to(problem.fleet.charge_kw[:, None], power.shape)[forced]
    owner = owners(stays)
    at = np.arange(energy_kwh.size) - first[owner] + rows[owner, BEGIN].astype(np.int64)
    power[owner, at] = energy_kwh / problem.step_h
    return power


def checked(
    problem: PlanProblem, bounds: Reach, options: PlanOptions, search: Search, power_kw: Floats, *, solver: str,
    what: str, notes: tuple[str, ...] = (),
) -> PlanSolution:  # fmt: skip
    """The plan of a schedule ``(N, T)`` [kW], once ``evaluation`` has found that it keeps every limit.

    Raises:
        SolverError: it does not; ``what`` names the schedule then.
    """
    evaluation = evaluate(problem, power_kw)
    if not evaluation.violations.none:
        msg = f"{what} breaks a limit: " + "; ".join(evaluation.violations.sentences())
        raise SolverError(msg)
    groups, rows = len(problem.group_limits), search.coupling.table(search.best_rows)
    reserve = np.maximum(-rows[groups], 0.0) if problem.energy_reserve is not None else None
    if problem.group_limits or problem.energy_reserve is not None:
        notes = (*notes, BEST_PRICES)
    return solution(
        problem, bounds, power_kw, evaluation, search.bounds.lower, options, solver=solver, notes=notes,
        shadow=Shadow(rows[:groups].copy(), reserve),
    )  # fmt: skip
