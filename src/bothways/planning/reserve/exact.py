"""The reference: a reserve problem as one linear (or mixed-integer) program in HiGHS."""

from __future__ import annotations

import math

import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.answer import relative_gap
from bothways.planning.evaluation import TOLERANCE
from bothways.planning.highs.program import Program
from bothways.planning.highs.runner import Runner
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints, PlanOptions
from bothways.planning.reserve.answer import Candidate, ReserveSolution, conclude, nothing_possible, settle
from bothways.planning.reserve.model import ReserveProgram, build
from bothways.planning.reserve.products import ReservePlanProblem
from bothways.planning.reserve.repair import Tables
from bothways.planning.schedule import net_power_kw
from bothways.planning.shortfall import reach

_NAME = "HiGHS"
_BOTH_KW = 1e-6


def solve_reserve_highs(problem: ReservePlanProblem, options: PlanOptions | None = None) -> ReserveSolution:
    """Plans schedule and bids together, exactly.

    Integers are: minimum bids and granularity, and charge or discharge in vehicle-steps where the solution so far does
    both at once. A linear program's bound is recomputed from the row prices by weak duality.

    Args:
        problem: what is asked.
        options: gap and time limit.

    Returns:
        The plan with its bids; ``infeasible`` where base load and vehicles cannot keep a hard limit.

    Raises:
        SolverError: HiGHS failed, or found nothing within the time limit.
    """
    options = options or PlanOptions()
    layout = Layout.of(problem.plan)
    bounds = reach(problem.plan, layout)
    tables = Tables.of(problem, layout, bounds)
    whole = any(product.lumpy for product in problem.products)
    best: Candidate | None = None
    bound, seconds, one_direction = -math.inf, 0.0, np.zeros(0, dtype=np.int64)
    while seconds < options.time_limit_s:
        model = build(problem, layout, bounds, one_direction=one_direction, whole=whole)
        run = Runner(model.program, time_limit_s=options.time_limit_s - seconds, gap=options.gap)
        answer = run.run()
        seconds += run.seconds
        if answer.status == "infeasible":
            because = (
                "base load, needs and hard limits of the site cannot be met together; plan without products to see"
            )
            return nothing_possible(problem, layout, bounds, (because,), solver=_NAME)
        bound = max(bound, answer.bound)
        if answer.x is None:
            break
        found = _read(problem, layout, tables, model, answer.x)
        if best is None or (found.broken_kw <= TOLERANCE and found.money.total < best.money.total):
            best = found
        wider = np.union1d(one_direction, _both(model, answer.x))
        if wider.size == one_direction.size or relative_gap(best.money.total, bound) <= options.gap:
            break
        one_direction = wider
    if best is None:
        msg = f"HiGHS found no plan within {options.time_limit_s:g} s"
        raise SolverError(msg)
    notes: tuple[str, ...] = ()
    if one_direction.size:
        notes = (f"{one_direction.size} vehicle-steps were held to one direction",)
    return conclude(problem, layout, bounds, best, bound, options.gap, solver=_NAME, notes=notes)


def _read(problem: ReservePlanProblem, layout: Layout, tables: Tables, model: ReserveProgram, x: Floats) -> Candidate:
    discharge = np.zeros(layout.size)
    discharge[model.discharging] = x[model.discharge]
    power = net_power_kw(problem.plan, layout, x[model.charge], discharge)
    curtailed = model.site.curtailed_kw(x, problem.plan.periods)
    return settle(problem, layout, tables, power, x[model.shares], curtailed, tuple(x[bid] for bid in model.site.bids))


def _both(model: ReserveProgram, x: Floats) -> Ints:
    """Vehicle-steps that charge and discharge at once."""
    at_once = (x[model.charge][model.discharging] > _BOTH_KW) & (x[model.discharge] > _BOTH_KW)
    return np.asarray(model.discharging[at_once])


def program_of(problem: ReservePlanProblem) -> Program:
    """The linear program itself, integers left out: for comparison with other solvers."""
    layout = Layout.of(problem.plan)
    return build(
        problem, layout, reach(problem.plan, layout), one_direction=np.zeros(0, dtype=np.int64), whole=False
    ).program
