"""The one door to the optimiser: chooses a solver and returns a plan that says how good it is."""

from __future__ import annotations

from collections.abc import Callable

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution

Solver = Callable[[PlanProblem, PlanOptions], PlanSolution]


def _highs() -> Solver:
    from bothways.planning.highs.reference import solve_with_highs  # noqa: PLC0415 (highspy is loaded when needed)

    return solve_with_highs


def _engine() -> Solver:
    from bothways.planning.engine.solve import solve_engine  # noqa: PLC0415 (numba is loaded when needed)

    def solve_with_engine(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
        return solve_engine(problem, options, dense=True if options.keep_schedule else None)[0]

    return solve_with_engine


def _engine_then_highs() -> Solver:
    """The engine, and HiGHS after it: for a gap left open if the fleet is small, and where limits rank above needs."""
    engine, highs = _engine(), _highs()

    def solve_with_both(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
        try:
            first = engine(problem, options)
        except SolverError:  # it found no schedule within the hard limits: needs may have to give way to them
            return highs(problem, options)
        if first.status == "optimal" or problem.fleet.size > HIGHS_AFTER_ENGINE_UP_TO:
            return first
        second = highs(problem, options)
        return second if second.status != "feasible" or second.gap <= first.gap else first

    return solve_with_both


ENGINE_FROM = 300
"""Vehicles from which ``auto`` takes the engine. It is the faster one from about thirty, but below 300 HiGHS answers
exactly within a fraction of a second, and the engine's kernels take many seconds to compile on their first use."""

HIGHS_AFTER_ENGINE_UP_TO = 2_000
"""Vehicles up to which ``auto`` lets HiGHS finish what the engine left with too large a gap."""

SOLVERS: dict[str, Callable[[], Solver]] = {"highs": _highs, "engine": _engine}
"""Solvers by the name that ``PlanOptions.solver`` gives; each is loaded when it is first asked for."""


def choose(problem: PlanProblem) -> str:
    """The solver that ``auto`` begins with on this problem."""
    if problem.fleet.size < ENGINE_FROM:
        return "highs"
    from bothways.planning.engine.solve import supports  # noqa: PLC0415

    return "engine" if supports(problem) is None else "highs"


def solver_for(problem: PlanProblem, options: PlanOptions) -> Solver:
    """Loads the solver that will answer ``solve(problem, options)``.

    Raises:
        DomainError: the solver's name is unknown.
    """
    if options.solver == "auto":
        return _engine_then_highs() if choose(problem) == "engine" else _highs()
    name = options.solver
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
