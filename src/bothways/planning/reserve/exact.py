"""The reference: a reserve problem as one linear (or mixed-integer) program in HiGHS."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.answer import Shadow, no_pause_notes, relative_gap
from bothways.planning.evaluation import TOLERANCE
from bothways.planning.highs.model import Choices
from bothways.planning.highs.program import Program
from bothways.planning.highs.runner import Answer, Runner
from bothways.planning.layout import Layout
from bothways.planning.problem import Bools, Floats, Ints, PlanOptions, PlanSolution
from bothways.planning.relaxation import at_any_power, reachable_kwh
from bothways.planning.reserve.answer import Candidate, ReserveSolution, conclude, nothing_possible, settle
from bothways.planning.reserve.model import ReserveProgram, build
from bothways.planning.reserve.products import ReservePlanProblem
from bothways.planning.reserve.repair import Tables
from bothways.planning.schedule import net_power_kw
from bothways.planning.shortfall import Reach, reach
from bothways.planning.solve import solve

_NAME = "HiGHS"
_BOTH_KW = 1e-6
_FIRST_SHARE = 0.3  # of the time may go into a plan without products to start from
_IDLE = 0.02  # of the minimum: a relaxed vehicle-step that charges less is off
_UNSETTLED_SHARE = 0.5  # of the time that is left may go into what lies between
_ROUGHLY = 2e-3  # gap at which such a plan will do


def solve_reserve_highs(problem: ReservePlanProblem, options: PlanOptions | None = None) -> ReserveSolution:
    """Plans schedule and bids together, exactly.

    Integers are: minimum bids and granularity, minimum powers and pauses, and charge or discharge in vehicle-steps
    where the solution so far does both at once. A linear program's bound is recomputed from the row prices by weak
    duality.

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
    search = _Search(problem, options, layout, reach(problem.plan, layout))
    if problem.plan.fleet.semi_continuous:
        _first_on_off(search)
    whole = any(product.lumpy for product in problem.products)
    while search.seconds < options.time_limit_s and not search.done():
        model, answer = _run(search, search.choices, whole=whole)
        if answer.status == "infeasible":
            because = (
                "base load, needs and hard limits of the site cannot be met together; plan without products to see"
            )
            return nothing_possible(problem, layout, search.bounds, (because,), solver=_NAME)
        search.bound = max(search.bound, answer.bound)
        if answer.x is None:
            break
        search.offer(_read(search, model, answer.x, search.choices))
        search.note_prices(model, answer)
        wider = np.union1d(search.choices.one_direction, _both(model, answer.x))
        if wider.size == search.choices.one_direction.size:
            break
        search.choices = replace(search.choices, one_direction=wider)
    if search.best is None:
        msg = f"HiGHS found no plan within {options.time_limit_s:g} s"
        raise SolverError(msg)
    return conclude(
        problem, layout, search.bounds, search.best, search.bound, options.gap, solver=_NAME, notes=_notes(search),
        shadow=search.shadow,
    )  # fmt: skip


class _Search:
    """What is known while one problem is solved by a sequence of programs."""

    def __init__(self, problem: ReservePlanProblem, options: PlanOptions, layout: Layout, bounds: Reach) -> None:
        self.problem, self.options, self.layout, self.bounds = problem, options, layout, bounds
        self.tables = Tables.of(problem, layout, bounds)
        self.choices = Choices(semi_continuous=problem.plan.fleet.semi_continuous)
        self.best: Candidate | None = None
        self.bound, self.seconds = -math.inf, 0.0
        self.shadow = Shadow()

    def done(self) -> bool:
        """Whether the best plan is within the gap."""
        return self.best is not None and relative_gap(self.best.money.total, self.bound) <= self.options.gap

    def offer(self, found: Candidate) -> None:
        """Keeps a plan if it is the first one or a better one within all limits."""
        kept = found.broken_kw <= TOLERANCE
        if self.best is None or (kept and (self.best.broken_kw > TOLERANCE or self._cheaper(found))):
            self.best = found

    def _cheaper(self, found: Candidate) -> bool:
        return self.best is None or found.money.total < self.best.money.total

    def note_prices(self, model: ReserveProgram, answer: Answer) -> None:
        """Prices of group limits and reserve, where a linear program tells them."""
        if answer.row_prices is None:
            return
        plan, rows = self.problem.plan, model.coupled
        kept = np.maximum(answer.row_prices[rows.reserve], 0.0)
        reserve = kept.reshape(-1, plan.periods).sum(axis=0) if kept.size else None
        self.shadow = Shadow(rows.group_prices(plan, answer.row_prices), reserve)


def _run(
    search: _Search, choices: Choices, *, whole: bool, relaxed: bool = False, share: float = 1.0
) -> tuple[ReserveProgram, Answer]:
    """One program, in a share of the time left, from the best plan so far; ``relaxed`` without whole numbers."""
    model = build(search.problem, search.layout, search.bounds, choices=choices, whole=whole)
    program = model.program
    if relaxed:
        program = replace(program, integer=np.zeros(program.column_count, dtype=np.bool_))
    seconds = share * max(search.options.time_limit_s - search.seconds, 1e-3)
    runner = Runner(program, time_limit_s=seconds, gap=search.options.gap)
    if search.best is not None and model.on.size:
        runner.start_from(model.on, (search.best.power_kw[model.on_at] > 0.0).astype(np.float64))
    answer = runner.run()
    search.seconds += runner.seconds
    return model, answer


def _first_on_off(search: _Search) -> None:
    """What the whole program would find late: plans with on and off as in easier problems, and a relaxed bound."""
    problem, layout, options = search.problem, search.layout, search.options
    seconds = _FIRST_SHARE * options.time_limit_s
    alone = solve(problem.plan, PlanOptions(gap=max(options.gap, _ROUGHLY), time_limit_s=seconds))
    if alone.status == "infeasible":
        return
    power, nothing = alone.power_kw[layout.owner, layout.step], np.zeros((len(problem.groups), layout.size))
    search.offer(settle(problem, layout, search.tables, power, nothing, alone.curtailed_kw, ()))
    relaxed = _relaxed(search)
    if relaxed is not None:
        search.bound = max(search.bound, relaxed.lower_bound)
        charging = relaxed.power_kw[layout.owner, layout.step]
        least = problem.plan.fleet.least_charge_kw[layout.owner]
        whole_run = problem.plan.fleet.no_pause[layout.owner]  # one run each: as in the plan without products
        unsettled = ~whole_run & (charging > _IDLE * least) & (charging < least)
        _offer_held(search, np.where(whole_run, power > 0.0, charging >= least), unsettled)
    if not search.done():
        _offer_held(search, power > 0.0)
    if relaxed is None:
        _, answer = _run(search, search.choices, whole=False, relaxed=True)
        search.bound = max(search.bound, answer.bound)


def _offer_held(search: _Search, on: Bools, unsettled: Bools | None = None) -> None:
    """The best plan with on and off as given, but for what is unsettled, if there is one in time."""
    fixed = np.ones(search.layout.size, dtype=np.bool_) if unsettled is None else ~unsettled
    held = replace(search.choices, held=fixed, on=on)
    model, answer = _run(search, held, whole=False, share=1.0 if unsettled is None else _UNSETTLED_SHARE)
    if answer.x is not None:
        search.offer(_read(search, model, answer.x, held))


def _relaxed(search: _Search) -> PlanSolution | None:
    """The plan without whole numbers by the decomposed method, where that may be asked and has an answer."""
    problem = search.problem
    fleet = at_any_power(problem.plan.fleet, reachable_kwh(problem.plan, search.bounds))
    easy = replace(problem, plan=replace(problem.plan, fleet=fleet))
    if easy.exact_only is not None or np.any(search.bounds.floor_deficit_kwh > 0.0):
        return None
    from bothways.planning.reserve.decomposed import solve_reserve_decomposed  # noqa: PLC0415

    try:
        return solve_reserve_decomposed(easy, search.options).plan
    except SolverError:  # no plan within the hard limits, and so none to read anything from
        return None


def _notes(search: _Search) -> tuple[str, ...]:
    notes = no_pause_notes(search.problem.plan.fleet)
    if search.choices.one_direction.size:
        notes.append(f"{search.choices.one_direction.size} vehicle-steps were held to one direction")
    if search.choices.semi_continuous:
        notes.append("vehicles with a minimum power promise only what they deliver without being switched on or off")
    return tuple(notes)


def _read(search: _Search, model: ReserveProgram, x: Floats, choices: Choices) -> Candidate:
    layout = search.layout
    charge, discharge = x[model.charge].copy(), np.zeros(layout.size)
    if model.on.size:
        _, least = choices.open_at(search.problem.plan, layout)
        least_here = least[model.on_at]
        charge[model.on_at] = np.where(x[model.on] > 0.5, np.maximum(charge[model.on_at], least_here), 0.0)
    discharge[model.discharging] = x[model.discharge]
    power = net_power_kw(search.problem.plan, layout, charge, discharge)
    curtailed = model.site.curtailed_kw(x, search.problem.plan.periods)
    bids = tuple(x[bid] for bid in model.site.bids)
    return settle(search.problem, layout, search.tables, power, x[model.shares], curtailed, bids)


def _both(model: ReserveProgram, x: Floats) -> Ints:
    """Vehicle-steps that charge and discharge at once."""
    at_once = (x[model.charge][model.discharging] > _BOTH_KW) & (x[model.discharge] > _BOTH_KW)
    return np.asarray(model.discharging[at_once])


def program_of(problem: ReservePlanProblem) -> Program:
    """The linear program itself, integers left out: for comparison with other solvers."""
    layout = Layout.of(problem.plan)
    return build(problem, layout, reach(problem.plan, layout), choices=Choices(), whole=False).program
