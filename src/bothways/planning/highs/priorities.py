"""When not everything can be had under the hard limits: safety first, then floors, then required energy, then money.

Each aim is a run of its own that the next ones must not spoil, so that no penalty has to be large enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.coupling import CoupledRows
from bothways.planning.highs.model import Soft
from bothways.planning.highs.program import Program
from bothways.planning.highs.runner import Answer, Runner
from bothways.planning.problem import Floats, PlanProblem
from bothways.planning.shortfall import number

_SLACK = 1e-6
"""By how much a later aim may worsen an earlier one: ten times the solver's tolerance [kWh or kW]."""

_MOST_REASONS = 10


@dataclass(frozen=True)
class Ranked:
    """Outcome of the runs.

    Attributes:
        answer: the last run, for money; ``None`` where the hard import limit cannot be kept.
        least: lower bounds on time below the floor [kWh·h] and missing energy [kWh], as far as the runs proved them.
        over_kw: power beyond hard limits that nothing can avoid, in the order of ``Soft.over`` [kW].
        seconds: solver time.
    """

    answer: Answer | None
    least: tuple[float, float]
    over_kw: Floats
    seconds: float


def solve_by_rank(
    program: Program,
    soft: Soft,
    start: tuple[np.ndarray, Floats] | None,
    *,
    time_limit_s: float,
    gap: float,
    cancel: Callable[[], bool] | None = None,
) -> Ranked:
    """Minimises power beyond the hard limits, then time below the floor, then missing energy, then money.

    Args:
        program: a program built with ``soft=True``.
        soft: its soft part.
        start: integer columns and values to begin with, if any are known.
        time_limit_s: solver time for all runs together [s].
        gap: relative gap for mixed-integer programs.
        cancel: asked while it runs; True stops it.
    """
    money, integers = program.cost, np.flatnonzero(program.integer)
    runner = Runner(program, time_limit_s=time_limit_s, gap=gap, cancel=cancel)
    nothing = np.zeros(soft.over.size)
    least: list[float] = []
    if start is not None:
        runner.start_from(*start)
    for columns, row, weight in (
        (soft.over, soft.over_row, 1.0),
        (soft.floor, soft.floor_row, soft.step_h),
        (soft.short, soft.short_row, 1.0),
    ):
        if columns.size == 0:
            least.append(0.0)
            continue
        cost = np.zeros(money.size)
        cost[columns] = weight
        runner.set_cost(cost)
        answer = runner.run()
        if answer.x is None:
            return Ranked(answer, (0.0, 0.0), nothing, runner.seconds)
        reached = weight * float(answer.x[columns].sum())
        if columns is soft.over and reached > _SLACK:
            proven = answer.status == "optimal"
            return Ranked(None if proven else answer, (0.0, 0.0), answer.x[columns], runner.seconds)
        least.append(max(0.0, answer.bound))
        # Safety gives no slack to what ranks below it.
        runner.limit_row(row, reached if columns is soft.over else reached + _SLACK)
        runner.start_from(integers, answer.x[integers])
    runner.set_cost(money)
    return Ranked(runner.run(), (least[1], least[2]), nothing, runner.seconds)


def cannot_be_kept(problem: PlanProblem, over_kw: Floats, coupled: CoupledRows | None = None) -> tuple[str, ...]:
    """Sentences on the steps that are beyond a hard limit whatever the vehicles do.

    Args:
        problem: what was asked.
        over_kw: power beyond the limits that remains [kW]: import, ``(T,)``, and then group limits as in ``coupled``.
        coupled: which group limit and step each further number belongs to.
    """
    limit = problem.import_hard_limit_kw
    sentences = []
    for step in np.flatnonzero(over_kw[: problem.periods] > _SLACK).tolist():
        base, left = float(problem.base_load_kw[step]), float(over_kw[step])
        covered = max(0.0, base - limit - left)
        sentences.append(
            f"step {step}: the base load of {number(base)} kW is above the hard import limit of {number(limit)} kW, "
            f"and the vehicles can discharge {number(covered)} kW against it; {number(left)} kW remain"
        )
    if coupled is not None:
        rest = over_kw[problem.periods :]
        sentences += [
            _beyond_group(problem, int(coupled.over_group[at]), int(coupled.over_step[at]), float(rest[at]))
            for at in np.flatnonzero(rest > _SLACK).tolist()
        ]
    more = len(sentences) - _MOST_REASONS
    return (*sentences[:_MOST_REASONS], *([f"and {more} further steps"] if more > 0 else []))


def _beyond_group(problem: PlanProblem, group: int, step: int, left: float) -> str:
    limit = problem.group_limits[group]
    base, upper, lower = float(limit.base_kw[step]), float(limit.upper_kw[step]), float(limit.lower_kw[step])
    side = f"at most {number(upper)} kW" if base > upper or not np.isfinite(lower) else f"at least {number(lower)} kW"
    if np.isfinite(upper) and np.isfinite(lower) and lower <= base <= upper:
        side = f"{number(lower)} … {number(upper)} kW"
    return (
        f"step {step}: {limit.name} must carry {side}, carries {number(base)} kW without the vehicles, and whatever "
        f"they do {number(left)} kW remain beyond the limit"
    )
