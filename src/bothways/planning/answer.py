"""Puts a schedule and its bound into the answer that every solver gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.evaluation import TOLERANCE, Coupled, Evaluation, evaluate
from bothways.planning.problem import Fleet, Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.shortfall import Reach, explain, number


@dataclass(frozen=True)
class Shadow:
    """Prices of the limits beside the meter; ``None`` where no solver has told any.

    Attributes:
        group: price that each group limit adds to its members' energy, ``(G, T)`` [currency/kWh].
        reserve: shadow price of the energy reserve, ``(T,)`` [currency/kWh per step].
    """

    group: Floats | None = None
    reserve: Floats | None = None

    def group_of(self, problem: PlanProblem) -> Floats:
        """The groups' prices, 0 where none are known."""
        none = np.zeros((len(problem.group_limits), problem.periods))
        return none if self.group is None else self.group

    def reserve_of(self, problem: PlanProblem) -> Floats:
        """The reserve's prices, 0 where none are known."""
        none = np.zeros(0 if problem.energy_reserve is None else problem.periods)
        return none if self.reserve is None else self.reserve


def coupling_notes(problem: PlanProblem, coupled: Coupled) -> tuple[str, ...]:
    """What a reader must not overlook: missing reserve and soft group limits that are passed."""
    notes = []
    worst = float(coupled.deficit_kwh.max(initial=0.0))
    if worst > TOLERANCE:
        step, count = int(coupled.deficit_kwh.argmax()), int(np.count_nonzero(coupled.deficit_kwh > TOLERANCE))
        notes.append(
            f"the energy reserve is missed in {count} step(s), most in step {step}: "
            f"{number(float(coupled.reserve_kwh[step]))} kWh kept back, {number(worst)} kWh missing"
        )
    for limit, row in zip(problem.group_limits, coupled.group_kw, strict=True):
        beyond = limit.beyond_kw(row)
        if not limit.hard and float(beyond.max(initial=0.0)) > TOLERANCE:
            notes.append(f"{limit.name} is passed by up to {number(float(beyond.max()))} kW, at its price")
    return tuple(notes)


def no_pause_notes(fleet: Fleet) -> list[str]:
    """What was assumed about vehicles that must not be paused."""
    notes = []
    silent = np.count_nonzero(fleet.no_pause & (fleet.discharge_kw > 0.0))
    if silent:
        notes.append(f"{silent} vehicle(s) that must not be paused do not discharge")
    unstated = np.count_nonzero(fleet.no_pause & (fleet.min_charge_kw <= 0.0))
    if unstated:
        notes.append(f"{unstated} vehicle(s) that must not be paused state no min_charge_kw: 1 % of charge_kw is used")
    return notes


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
    shadow: Shadow | None = None,
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
        shadow: prices of group limits and reserve.
    """
    objective = evaluation.objective
    lower = min(bound, objective)
    gap = relative_gap(objective, lower)
    shadow = shadow or Shadow()
    shortfall, reasons = explain(problem, bounds, evaluation.energy_end_kwh, evaluation.coupled.group_kw)
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
        notes=(*notes, *coupling_notes(problem, evaluation.coupled)),
        group_power_kw=evaluation.coupled.group_kw,
        group_price=shadow.group_of(problem),
        reserve_kwh=evaluation.coupled.reserve_kwh,
        reserve_deficit_kwh=evaluation.coupled.deficit_kwh,
        reserve_price=shadow.reserve_of(problem),
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
        group_power_kw=idle.coupled.group_kw,
        group_price=Shadow().group_of(problem),
        reserve_kwh=idle.coupled.reserve_kwh,
        reserve_deficit_kwh=idle.coupled.deficit_kwh,
        reserve_price=Shadow().reserve_of(problem),
    )
