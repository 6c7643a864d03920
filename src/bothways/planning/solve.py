"""The one door to the optimiser: chooses a solver and returns a plan that says how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution
from bothways.planning.watch import Watch

if TYPE_CHECKING:
    from bothways.planning.engine.solve import EngineState

Solver = Callable[[PlanProblem, PlanOptions], PlanSolution]


def _highs(watch: Watch) -> Solver:
    from bothways.planning.highs.reference import solve_with_highs  # noqa: PLC0415 (highspy is loaded when needed)

    def solve_exactly(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
        return solve_with_highs(problem, options, cancel=watch.cancel)

    return solve_exactly


def _engine(watch: Watch, warm: EngineState | None = None) -> Solver:
    from bothways.planning.engine.converters.solve import prepare_converters, solve_converters  # noqa: PLC0415
    from bothways.planning.engine.onoff.solve import needed, prepare_on_off, solve_on_off  # noqa: PLC0415
    from bothways.planning.engine.solve import prepare, solve_engine  # noqa: PLC0415 (numba is loaded when needed)

    if watch.clock is not None and not watch.prepared:
        prepare()  # compiling is not searching

    def solve_with_engine(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
        converters = problem.part_load is not None
        on_off = not converters and needed(problem)
        if watch.clock is not None and (converters or on_off):
            (prepare_converters if converters else prepare_on_off)()
        stop = watch.until(options.time_limit_s)
        if converters:
            plan = solve_converters(problem, options, cancel=stop, progress=watch.progress)
        elif on_off:
            plan = solve_on_off(problem, options, cancel=stop, progress=watch.progress)
        else:
            dense = True if options.keep_schedule else None
            plan, state = solve_engine(problem, options, warm=warm, dense=dense, cancel=stop, progress=watch.progress)
            plan = replace(plan, restart=replace(state, schedule=None))
        if plan.status == "feasible" and stop is not None and stop():
            return _noted(plan, "the search was stopped by the time limit or the caller: this is its best plan")
        return plan

    return solve_with_engine


def _engine_then_highs(watch: Watch, warm: EngineState | None = None) -> Solver:
    """The engine, and HiGHS after it: for a gap left open if the fleet is small, and where limits rank above needs."""
    engine, highs = _engine(watch, warm), _highs(watch)

    def solve_with_both(problem: PlanProblem, options: PlanOptions) -> PlanSolution:
        begin = watch.seconds()

        def rest() -> PlanOptions:
            left = max(options.time_limit_s - (watch.seconds() - begin), _LEAST_S)
            return replace(options, time_limit_s=left)

        try:
            first = engine(problem, options)
        except SolverError:  # it found no schedule within the hard limits: needs may have to give way to them
            second = highs(problem, rest())
            return _noted(second, "the engine found no schedule within the hard limits; HiGHS took over")
        stopped = watch.cancel is not None and watch.cancel()
        whole = problem.fleet.semi_continuous or problem.part_load is not None
        most = HIGHS_AFTER_ON_OFF_UP_TO if whole else HIGHS_AFTER_ENGINE_UP_TO
        if first.status == "optimal" or problem.fleet.size > most or stopped:
            return first
        if whole:  # on and off are looked for around what the engine has found
            return _narrowed(problem, first, rest(), watch)
        second = highs(problem, rest())
        if second.status == "feasible" and second.gap > first.gap:
            return first
        return _noted(second, f"the engine left a gap of {first.gap:.2g}; HiGHS took over")

    return solve_with_both


def _narrowed(problem: PlanProblem, first: PlanSolution, options: PlanOptions, watch: Watch) -> PlanSolution:
    """What HiGHS makes of the engine's on-off schedule and bound in the time that is left."""
    from bothways.planning.highs.reference import solve_with_highs  # noqa: PLC0415

    second = solve_with_highs(problem, options, cancel=watch.cancel, known=first)
    if second.gap >= first.gap:
        return first
    return _noted(second, f"the engine left a gap of {first.gap:.2g}; HiGHS went on from its plan")


def _noted(plan: PlanSolution, note: str) -> PlanSolution:
    return replace(plan, notes=(*plan.notes, note))


_LEAST_S = 0.01

ENGINE_FROM = 300
"""Vehicles from which ``auto`` takes the engine. It is the faster one from about thirty, but below 300 HiGHS answers
exactly within a fraction of a second, and the engine's kernels take many seconds to compile on their first use."""

ENGINE_FROM_PREPARED = 40
"""The same where the kernels are loaded already, as in a study or a live system that plans again and again."""

HIGHS_AFTER_ENGINE_UP_TO = 2_000
"""Vehicles up to which ``auto`` lets HiGHS finish what the engine left with too large a gap."""

ON_OFF_FROM = 50
"""Vehicles from which it does where some have a minimum power, must not pause or lose more at part load: HiGHS works on
whole numbers then, and from about here on it does not come to an end within a minute."""

HIGHS_AFTER_ON_OFF_UP_TO = 100
"""Vehicles up to which ``auto`` lets HiGHS try to narrow the gap that on and off leave."""

SOLVERS: dict[str, Callable[[Watch], Solver]] = {"highs": _highs, "engine": _engine}
"""Solvers by the name that ``PlanOptions.solver`` gives; each is loaded when it is first asked for."""


def choose(problem: PlanProblem, *, prepared: bool = False) -> str:
    """The solver that ``auto`` begins with on this problem."""
    return reason_for(problem, prepared=prepared)[0]


def reason_for(problem: PlanProblem, *, prepared: bool = False) -> tuple[str, str]:
    """The solver that ``auto`` begins with on this problem, and why."""
    vehicles, least = problem.fleet.size, ENGINE_FROM_PREPARED if prepared else ENGINE_FROM
    if problem.fleet.semi_continuous or problem.part_load is not None:
        least = ON_OFF_FROM
    if vehicles < least:
        return "highs", f"{vehicles} vehicles are fewer than {least}"
    from bothways.planning.engine.converters import solve as converters  # noqa: PLC0415
    from bothways.planning.engine.onoff import solve as on_off  # noqa: PLC0415
    from bothways.planning.engine.supported import supports  # noqa: PLC0415

    if converters.needed(problem):
        reason = converters.supports(problem)
    else:
        reason = on_off.supports(problem) if on_off.needed(problem) else supports(problem)
    if reason is None:
        return "engine", f"{vehicles} vehicles, and nothing that the engine does not take"
    return "highs", reason


def solver_for(
    problem: PlanProblem, options: PlanOptions, watch: Watch | None = None, warm: EngineState | None = None
) -> Solver:
    """Loads the solver that will answer ``solve(problem, options)``.

    With a clock in ``watch`` the engine's kernels are compiled here, so that the time limit counts the search alone.

    Raises:
        DomainError: the solver's name is unknown.
    """
    watch = watch or Watch()
    if options.solver == "auto":
        engine = choose(problem, prepared=watch.prepared) == "engine"
        return _engine_then_highs(watch, warm) if engine else _highs(watch)
    name = options.solver
    if name not in SOLVERS:
        msg = f"unknown solver {name!r}; there are {', '.join(['auto', *SOLVERS])}"
        raise DomainError(msg)
    return _engine(watch, warm) if name == "engine" else SOLVERS[name](watch)


def solve(
    problem: PlanProblem,
    options: PlanOptions | None = None,
    watch: Watch | None = None,
    warm: EngineState | None = None,
) -> PlanSolution:
    """Plans the fleet: least cost that keeps every hard limit and serves every driver as far as can be.

    Order of precedence: safety limits, drivers' floors, required energy, money.

    Args:
        problem: site, prices, vehicles.
        options: gap, time limit, solver; defaults apply where not given.
        watch: clock, cancelling and progress. HiGHS keeps the time limit by its own clock; the engine keeps it where
            the watch has one.
        warm: where the engine may start from: ``PlanSolution.restart`` of an earlier plan, shifted to this one's steps.

    Returns:
        A plan that is ``optimal`` within the gap, ``feasible`` with its gap, or ``infeasible`` with the reasons.

    Raises:
        DomainError: the solver's name is unknown.
        SolverError: the solver failed.
    """
    options = options or PlanOptions()
    return solver_for(problem, options, watch, warm)(problem, options)
