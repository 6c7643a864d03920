"""The one door to the optimiser: chooses a solver and returns a plan that says how good it is."""

from __future__ import annotations

from collections.abc import Callable

from bothways.domain.errors import DomainError
from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution

Solver = Callable[[PlanProblem, PlanOptions], PlanSolution]


def _highs() -> Solver:
    from bothways.planning.highs.reference import solve_with_highs  # noqa: PLC0415 (highspy is loaded when needed)

    return solve_with_highs


SOLVERS: dict[str, Callable[[], Solver]] = {"highs": _highs}
"""Solvers by the name that ``PlanOptions.solver`` gives; each is loaded when it is first asked for."""


def choose(problem: PlanProblem) -> str:
    """The solver that ``auto`` stands for on this problem."""
    del problem
    return "highs"


def solver_for(problem: PlanProblem, options: PlanOptions) -> Solver:
    """Loads the solver that will answer ``solve(problem, options)``.

    Raises:
        DomainError: the solver's name is unknown.
    """
    name = choose(problem) if options.solver == "auto" else options.solver
    if name not in SOLVERS:
        msg = f"unknown solver {name!r}; there are {', '.join(['auto', *SOLVERS])}"
        raise DomainError(msg)
    return SOLVERS[name]()


def solve(problem: PlanProblem, options: PlanOptions | None = None) -> PlanSolution:
    """Plans the fleet: least cost that keeps every hard limit and serves every driver as far as can be.

    Order of precedence: safety limits, drivers' floors, required energy, money.

    Args:
        problem: site, prices, vehicles.
        options: gap, time limit, solver; defaults apply where not given.

    Returns:
        A plan that is ``optimal`` within the gap, ``feasible`` with its gap, or ``infeasible`` with the reasons.

    Raises:
        DomainError: the solver's name is unknown.
        SolverError: the solver failed.
    """
    options = options or PlanOptions()
    return solver_for(problem, options)(problem, options)
