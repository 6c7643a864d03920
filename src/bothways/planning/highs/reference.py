"""Solves a fleet problem with HiGHS and says how good the answer is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bothways.planning.answer import infeasible, no_pause_notes, solution
from bothways.planning.early import early_power_kw
from bothways.planning.highs.converters import wasting
from bothways.planning.highs.model import Choices, FleetProgram
from bothways.planning.highs.neighbourhood import build_for, look_near, run, settle_converters
from bothways.planning.highs.priorities import Ranked, cannot_be_kept
from bothways.planning.highs.search import Search
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.shortfall import reach

_NAME = "HiGHS"


def solve_with_highs(
    problem: PlanProblem,
    options: PlanOptions,
    *,
    cancel: Callable[[], bool] | None = None,
    known: PlanSolution | None = None,
) -> PlanSolution:
    """Solves ``problem`` as a linear program, with integers only where they are needed.

    Integers are: import or export in steps where export pays more than import costs; minimum powers and pauses; charge
    or discharge in vehicle-steps where the solution so far does both because burning energy would pay. The linear
    program is solved first; then, around its solution, a narrow mixed-integer program that leaves open only what the
    solution leaves open; the whole one only if the narrow one's schedule is not within the gap.

    Args:
        problem: what is asked.
        options: gap and time limit.
        cancel: asked while HiGHS runs; True ends the search with the best plan so far.
        known: a plan of the same problem with a true bound, to start from and to improve on.

    Returns:
        The plan; its objective is that of the schedule returned, its bound that of the solver's prices.
    """
    layout = Layout.of(problem)
    bounds = reach(problem, layout)
    over = _not_even_with_all_discharge_kw(problem, layout)
    if np.any(over > 0.0):
        return infeasible(problem, bounds, cannot_be_kept(problem, over), solver=_NAME)
    search = Search(problem, options, layout, bounds, Choices(), cancel=cancel)
    if known is not None:
        search.offer(search.candidate(known.power_kw[layout.owner, layout.step]))
        search.learn(known.lower_bound)
    while search.seconds_left > 0.0:
        model = build_for(search, search.choices)
        outcome = run(search, model)
        if outcome.answer is None:
            return infeasible(problem, bounds, cannot_be_kept(problem, outcome.over_kw, model.coupled), solver=_NAME)
        if outcome.answer.status == "infeasible" and not search.ranked:
            search.ranked, search.best, search.bound = True, None, -math.inf
            continue
        bound = max(outcome.answer.bound, _simple_bound(search, model, outcome)) + _never_there(problem, layout)
        search.learn(bound, outcome.least)
        search.note_prices(model, outcome.answer.row_prices)
        x = outcome.answer.x
        if x is None:
            break
        search.offer(search.read(model, search.choices, x))
        wider = _wider(search, model, x)
        if search.done() or wider is search.choices:
            break
        search.choices = wider
        if search.problem.part_load is None:
            look_near(search, model, x)
        elif not model.program.integer.any():
            settle_converters(search, model, x)
        if search.done():
            break
    return _conclude(search)


def _wider(search: Search, model: FleetProgram, x: Floats) -> Choices:
    """The choices of the next program: what the solution at hand got wrong becomes a decision."""
    both = search.at_once(model, x)
    choices = search.choices
    if both.size:
        choices = replace(choices, one_direction=np.union1d(choices.one_direction, both))
    if search.problem.fleet.semi_continuous and not choices.semi_continuous:
        choices = replace(choices, semi_continuous=True)
    if search.problem.part_load is not None:
        choices = _with_converters(search, model, x, choices)
    return choices


def _with_converters(search: Search, model: FleetProgram, x: Floats, choices: Choices) -> Choices:
    """Converters first become whole; then, in all steps where one wastes energy, they are held to their curves."""
    if not choices.converters:
        return replace(choices, converters=True)
    layout = search.layout
    discharge = np.zeros(layout.size)
    discharge[model.discharging] = x[model.discharge]
    wastes = wasting(search.problem, layout, x[model.charge], discharge, model.converters, x)
    before = np.zeros(layout.size, dtype=np.bool_) if choices.exact is None else choices.exact
    steps = np.zeros(search.problem.periods, dtype=np.bool_)
    steps[layout.step[wastes & ~before]] = True
    exact = before | steps[layout.step]
    return choices if np.array_equal(exact, before) else replace(choices, exact=exact)


def _simple_bound(search: Search, model: FleetProgram, outcome: Ranked) -> float:
    """A bound for runs that were stopped early and may know less than the prices of import alone tell."""
    if outcome.answer is not None and outcome.answer.status == "optimal":
        return -math.inf
    prices = np.zeros(model.program.row_count)
    nothing = model.program.bound(prices)
    prices[model.balance] = search.problem.step_h * search.problem.import_price
    return max(nothing, model.program.bound(prices))


def _never_there(problem: PlanProblem, layout: Layout) -> float:
    """Part of the objective that is in no program: terminal value of vehicles with an empty stay [currency]."""
    empty = layout.duration == 0
    return -problem.terminal_value_per_kwh * float(problem.fleet.energy_at_arrival_kwh[empty].sum())


def _not_even_with_all_discharge_kw(problem: PlanProblem, layout: Layout) -> Floats:
    """Base load above the hard import limit that the discharging power of all vehicles there does not cover."""
    if math.isinf(problem.import_hard_limit_kw):
        return np.zeros(problem.periods)
    fleet = problem.fleet
    most = np.where(fleet.no_pause, 0.0, fleet.discharge_kw)[layout.owner]
    left = problem.base_load_kw - problem.import_hard_limit_kw - layout.per_step(most, problem.periods)
    return np.where(left > 1e-6, left, 0.0)


def _conclude(search: Search) -> PlanSolution:
    problem, bounds, notes, name = search.problem, search.bounds, _notes(search), _NAME
    if search.best is None:
        search.offer(search.candidate(early_power_kw(problem, search.layout, bounds)))
        name = "charging early"
        notes.append("stopped before HiGHS had a schedule: this one charges early at full power")
    if search.best is None:
        because = f"no schedule was found in {search.options.time_limit_s:g} s, and charging early breaks a hard limit"
        return infeasible(problem, bounds, (because,), solver=_NAME)
    if not search.least_rank:
        notes.append("stopped before the shortfall was known to be the least")
    return solution(
        problem, bounds, search.best.table_kw, search.best.evaluation, search.bound, search.options,
        solver=name, proven=search.least_rank, notes=tuple(notes), shadow=search.shadow,
    )  # fmt: skip


def _notes(search: Search) -> list[str]:
    notes = no_pause_notes(search.problem.fleet)
    if search.choices.one_direction.size:
        notes.append(
            f"prices are so negative that burning energy would pay: {search.choices.one_direction.size} vehicle-steps "
            "were held to one direction"
        )
    if search.ranked:
        notes.append(f"{_binding(search.problem)}: floors and required energy come before cost")
    integers = search.choices.one_direction.size > 0 or search.choices.semi_continuous
    if integers and (search.problem.group_limits or search.problem.energy_reserve is not None):
        notes.append("prices of group limits and reserve are those of the plan without whole numbers")
    return notes


def _binding(problem: PlanProblem) -> str:
    names = [limit.name for limit in problem.group_limits if limit.hard]
    if not math.isinf(problem.import_hard_limit_kw):
        names.insert(0, "the hard import limit")
    return f"{names[0]} binds" if len(names) == 1 else f"hard limits bind (of {', '.join(names)})"
