"""Plans vehicles that visit several sites: one program for all sites, exact, with the bound of its row prices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.answer import relative_gap
from bothways.planning.evaluation import Evaluation
from bothways.planning.highs.model import Choices
from bothways.planning.highs.priorities import Ranked, cannot_be_kept, solve_by_rank
from bothways.planning.highs.runner import Runner
from bothways.planning.highs.search import Candidate, Search
from bothways.planning.journeys.model import JourneyProgram, build_journeys
from bothways.planning.journeys.problem import JourneyProblem
from bothways.planning.journeys.reach import Linked, arriving, linked, out_of_reach
from bothways.planning.problem import Floats, PlanOptions, PlanProblem
from bothways.planning.shortfall import explain

NAME = "HiGHS, all sites at once"

INTERIOR_FROM = 60_000
"""Columns from which a linear program goes to the interior-point method: at 260 000 it took 25 s where dual simplex had
no answer in 60 s."""


@dataclass(frozen=True)
class SitePlan:
    """One site's part of the plan.

    Attributes:
        problem: the site with the energies at arrival that the plan brings about.
        power_kw: ``(N, T)``, AC side, positive charges [kW].
        evaluation: flows, energies and cost of exactly this schedule.
        shortfall_kwh: energy missing at the end of each stay, ``(N,)`` [kWh].
        reasons: for each stay why it falls short, empty where it does not.
    """

    problem: PlanProblem
    power_kw: Floats
    evaluation: Evaluation
    shortfall_kwh: Floats
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class JourneySolution:
    """A plan for all sites, with what is known about how good it is.

    Attributes:
        status: ``optimal`` (gap within the one asked for), ``feasible`` (above it) or ``infeasible``.
        objective: cost of exactly these schedules [currency].
        lower_bound: no schedules with this shortfall cost less.
        gap: (objective − lower_bound) / max(1, |objective|).
        solver: which solver answered.
        sites: a plan per site; empty where there is none.
        leaves_kwh: stored energy at the start of each trip, ``(M,)`` [kWh].
        arrives_kwh: stored energy at its end, ``(M,)`` [kWh].
        infeasible_because: sentences, for ``infeasible`` only.
        notes: what a reader of the plan needs to know.
    """

    status: str
    objective: float
    lower_bound: float
    gap: float
    solver: str = NAME
    sites: tuple[SitePlan, ...] = ()
    leaves_kwh: Floats = field(default_factory=lambda: np.zeros(0))
    arrives_kwh: Floats = field(default_factory=lambda: np.zeros(0))
    infeasible_because: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def solve_journeys(
    problem: JourneyProblem, options: PlanOptions | None = None, *, cancel: Callable[[], bool] | None = None
) -> JourneySolution:
    """Plans all sites together: least cost within every hard limit, every battery where it is.

    What ranks above what is as in ``planning.solve.solve``, over all sites at once.

    Args:
        problem: the sites and the trips between them.
        options: gap and time limit.
        cancel: asked while HiGHS runs; True ends the search with the best plan so far.

    Returns:
        The plan; its objective is that of the schedules returned, its bound that of the solver's prices or tree.

    Raises:
        DomainError: a site asks for an energy reserve, which depends on what vehicles arrive with.
        SolverError: the solver failed.
    """
    options = options or PlanOptions()
    if any(site.energy_reserve is not None for site in problem.sites):
        msg = "an energy reserve cannot be planned together with trips"
        raise DomainError(msg)
    parts = linked(problem)
    because = out_of_reach(problem, parts)
    if because:
        return _infeasible(because)
    choices = tuple(Choices(semi_continuous=part.problem.fleet.semi_continuous) for part in parts)
    ranked, seconds = False, 0.0
    while True:
        model = build_journeys(problem, parts, choices, soft=ranked)
        outcome = _run(model, replace(options, time_limit_s=max(options.time_limit_s - seconds, 1e-3)), cancel)
        seconds += outcome.seconds
        if outcome.answer is None:
            return _infeasible(_beyond(problem, model, outcome))
        if outcome.answer.status == "infeasible" and not ranked:
            ranked = True
            continue
        if outcome.answer.x is None:
            return _at_full_power(problem, parts, outcome.answer.bound, options)
        found = _read(problem, parts, model, choices, outcome.answer.x, ranked=ranked)
        wider = _one_way(model, found, choices, outcome.answer.x)
        stopped = outcome.answer.status != "optimal" or seconds >= options.time_limit_s
        if wider == choices or stopped:
            notes = ("hard limits bind: floors and required energy come before cost",) if ranked else ()
            bound, proven = outcome.answer.bound, not stopped or not ranked
            return _solution(problem, parts, found, bound, options, proven=proven, notes=notes)
        choices = wider


def _run(model: JourneyProgram, options: PlanOptions, cancel: Callable[[], bool] | None) -> Ranked:
    limit, gap = options.time_limit_s, options.gap
    if model.soft is not None:
        return solve_by_rank(model.program, model.soft, None, time_limit_s=limit, gap=gap, cancel=cancel)
    large = model.program.column_count >= INTERIOR_FROM and not model.program.integer.any()
    runner = Runner(model.program, time_limit_s=limit, gap=gap, cancel=cancel, interior=large)
    return Ranked(runner.run(), (0.0, 0.0), np.zeros(0), runner.seconds)


def _searches(
    parts: tuple[Linked, ...], start_kwh: list[Floats], choices: tuple[Choices, ...], *, ranked: bool
) -> list[Search]:
    searches = []
    for part, start, choice in zip(parts, start_kwh, choices, strict=True):
        fleet = replace(part.problem.fleet, energy_at_arrival_kwh=np.maximum(start, 0.0))
        site = replace(part.problem, fleet=fleet)
        searches.append(Search(site, PlanOptions(), part.layout, part.bounds, choice, ranked=ranked))
    return searches


def _read(
    problem: JourneyProblem, parts: tuple[Linked, ...], model: JourneyProgram, choices: tuple[Choices, ...], x: Floats,
    *, ranked: bool,
) -> list[tuple[Search, Candidate]]:  # fmt: skip
    """Schedules that are exact in float64, stay after stay: each begins with what the one before has really left."""
    ends = []
    for number, part in enumerate(parts):
        energy = model.of_site(x, number)[model.sites[number].energy]
        end = part.problem.fleet.energy_at_arrival_kwh.astype(np.float64)
        end[part.layout.staying] = energy[part.layout.last]
        ends.append(end)
    while True:
        start = arriving(problem, ends)
        searches = _searches(parts, start, choices, ranked=ranked)
        read = [
            (search, search.read(model.sites[number], choices[number], model.of_site(x, number)))
            for number, search in enumerate(searches)
        ]
        now = [candidate.evaluation.energy_end_kwh for _, candidate in read]
        if all(np.array_equal(one, other) for one, other in zip(now, ends, strict=True)):
            return read
        ends = now


def _one_way(
    model: JourneyProgram, found: list[tuple[Search, Candidate]], choices: tuple[Choices, ...], x: Floats
) -> tuple[Choices, ...]:
    """The choices with those vehicle-steps held to one direction in which the solution charges and discharges."""
    wider = []
    for number, choice in enumerate(choices):
        both = found[number][0].at_once(model.sites[number], model.of_site(x, number))
        more = np.union1d(choice.one_direction, both)
        wider.append(replace(choice, one_direction=more) if more.size > choice.one_direction.size else choice)
    return tuple(wider)


def _at_full_power(
    problem: JourneyProblem, parts: tuple[Linked, ...], bound: float, options: PlanOptions
) -> JourneySolution:
    """What is left when HiGHS had no schedule in time: charging at full power everywhere, if that keeps the limits."""
    found = []
    for part in parts:
        highest, layout, fleet = part.bounds.upper_kwh, part.layout, part.problem.fleet
        start = fleet.energy_at_arrival_kwh[layout.owner]
        before = np.where(layout.k == 0, start, np.concatenate(([0.0], highest[:-1])))
        power = (highest - before) / (fleet.charge_efficiency[layout.owner] * part.problem.step_h)
        search = Search(part.problem, options, layout, part.bounds, Choices())
        found.append((search, search.candidate(power)))
    late = f"no schedule was found in {options.time_limit_s:g} s"
    if not all(candidate.evaluation.violations.none for _, candidate in found):
        return _infeasible((f"{late}, and charging at full power breaks a hard limit",))
    notes = (f"{late}: this one charges at full power everywhere",)
    return _solution(problem, parts, found, bound, options, proven=False, notes=notes)


def _beyond(problem: JourneyProblem, model: JourneyProgram, outcome: Ranked) -> tuple[str, ...]:
    """Which hard limits cannot be kept, by site."""
    sentences: list[str] = []
    at = 0
    for name, site, part in zip(problem.names, problem.sites, model.sites, strict=True):
        size = 0 if part.soft is None else part.soft.over.size
        said = cannot_be_kept(site, outcome.over_kw[at : at + size], part.coupled)
        sentences += [f"{name}: {one}" for one in said]
        at += size
    return tuple(sentences)


def _infeasible(because: tuple[str, ...]) -> JourneySolution:
    return JourneySolution("infeasible", math.inf, math.inf, math.inf, infeasible_because=because)


def _solution(
    problem: JourneyProblem, parts: tuple[Linked, ...], found: list[tuple[Search, Candidate]], bound: float,
    options: PlanOptions, *, proven: bool, notes: tuple[str, ...],
) -> JourneySolution:  # fmt: skip
    sites, objective = [], 0.0
    for number, (search, candidate) in enumerate(found):
        evaluation = candidate.evaluation
        if not evaluation.violations.none:
            msg = (
                f"{problem.names[number]}: the schedule breaks a limit: {'; '.join(evaluation.violations.sentences())}"
            )
            raise SolverError(msg)
        short, reasons = explain(search.problem, search.bounds, evaluation.energy_end_kwh, evaluation.coupled.group_kw)
        sites.append(SitePlan(search.problem, candidate.table_kw, evaluation, short, reasons))
        goes_on = parts[number].trip_from >= 0  # what a battery holds is valued after its last stay
        twice = search.problem.terminal_value_per_kwh * float(evaluation.energy_end_kwh[goes_on].sum())
        objective += evaluation.objective + twice
    trips = problem.trips
    leaves = np.array([
        sites[site].evaluation.energy_end_kwh[row]
        for site, row in zip(trips.from_site.tolist(), trips.from_vehicle.tolist(), strict=True)
    ]).reshape(trips.size)  # fmt: skip
    lower = min(bound, objective)
    gap = relative_gap(objective, lower)
    return JourneySolution(
        "optimal" if proven and gap <= options.gap else "feasible", objective, lower, gap, NAME, tuple(sites), leaves,
        leaves - trips.energy_kwh, (), notes,
    )  # fmt: skip
