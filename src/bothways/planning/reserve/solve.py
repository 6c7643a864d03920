"""The door: chooses how to plan schedule and bids, and answers with a plan that says how good it is."""

from __future__ import annotations

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.answer import ReserveSolution, explain_answer
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.parsing import reserve_from_mapping
from bothways.planning.reserve.products import ReservePlanProblem

DECOMPOSED_FROM = 20
"""Vehicles from which ``auto`` takes the decomposed method; below it HiGHS answers exactly within seconds."""

HIGHS_AFTER_UP_TO = 100
"""Vehicles up to which ``auto`` asks HiGHS where the decomposed method found nothing (hard limits that exclude all)."""

WHOLE_UP_TO = 100
"""Vehicles up to which ``auto`` leaves whole units to HiGHS."""


def _decomposed(problem: ReservePlanProblem, options: PlanOptions) -> ReserveSolution:
    from bothways.planning.reserve.decomposed import solve_reserve_decomposed  # noqa: PLC0415 (kernels load on demand)

    return solve_reserve_decomposed(problem, options)


SOLVERS = {"highs": solve_reserve_highs, "engine": _decomposed}


def solve_reserve(problem: ReservePlanProblem, options: PlanOptions | None = None) -> ReserveSolution:
    """Plans schedule and bids together.

    Args:
        problem: what is asked.
        options: gap, time limit and solver; ``auto`` chooses by size.

    Raises:
        DomainError: the solver's name is unknown.
        SolverError: the solver failed.
    """
    options = options or PlanOptions()
    name = options.solver
    if name == "auto":
        return _automatic(problem, options)
    if name not in SOLVERS:
        msg = f"unknown solver {name!r}; there are {', '.join(['auto', *SOLVERS])}"
        raise DomainError(msg)
    return SOLVERS[name](problem, options)


def _automatic(problem: ReservePlanProblem, options: PlanOptions) -> ReserveSolution:
    """One method, and the other where it leaves something open."""
    if problem.exact_only is not None:
        return solve_reserve_highs(problem, options)
    if choose(problem) == "engine":
        try:
            return _decomposed(problem, options)
        except SolverError:
            if problem.plan.fleet.size > HIGHS_AFTER_UP_TO:
                raise
            return solve_reserve_highs(problem, options)
    try:
        first = solve_reserve_highs(problem, options)
    except SolverError:  # out of time
        return _decomposed(problem, options)
    if first.plan.status != "feasible":
        return first
    second = _decomposed(problem, options)
    return second if second.plan.gap < first.plan.gap else first


def choose(problem: ReservePlanProblem) -> str:
    """The solver that ``auto`` begins with: HiGHS for few vehicles, whole units, and what only it can plan."""
    if problem.exact_only is not None:
        return "highs"
    few = problem.plan.fleet.size < DECOMPOSED_FROM
    whole = any(product.lumpy for product in problem.products) and problem.plan.fleet.size <= WHOLE_UP_TO
    return "highs" if few or whole else "engine"


def run_reserve(
    mapping: object, options: PlanOptions | None = None, *, at: str = ""
) -> tuple[ReservePlanProblem, ReserveSolution, dict[str, object]]:
    """Reads a plan file with ``products``, plans it, and says in a mapping what a plan without products does not say.

    Args:
        mapping: what the file holds.
        options: gap, time limit and solver.
        at: the file's name, for messages.

    Returns:
        The problem, the answer, and ``products`` and ``money`` for ``--json``.

    Raises:
        InputError: the file is wrong.
        SolverError: the solver failed.
    """
    problem = reserve_from_mapping(mapping, at=at)
    answer = solve_reserve(problem, options)
    return problem, answer, explain_answer(problem, answer)
