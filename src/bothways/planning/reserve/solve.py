"""The door: chooses how to plan schedule and bids, and answers with a plan that says how good it is."""

from __future__ import annotations

from bothways.domain.errors import DomainError
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.answer import ReserveSolution, explain_answer
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.parsing import reserve_from_mapping
from bothways.planning.reserve.products import ReservePlanProblem

SOLVERS = {"highs": solve_reserve_highs}


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
    name = "highs" if options.solver == "auto" else options.solver
    if name not in SOLVERS:
        msg = f"unknown solver {name!r}; there are {', '.join(['auto', *SOLVERS])}"
        raise DomainError(msg)
    return SOLVERS[name](problem, options)


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
