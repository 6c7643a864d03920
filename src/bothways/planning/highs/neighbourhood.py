"""Good integer schedules in the neighbourhood of a relaxed one, from programs that leave only little open.

The whole mixed-integer program is the last resort: it proves a bound, but finds good schedules late.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bothways.planning.early import early_power_kw
from bothways.planning.highs.model import Choices, FleetProgram, build
from bothways.planning.highs.priorities import Ranked, solve_by_rank
from bothways.planning.highs.runner import Runner
from bothways.planning.highs.search import Search
from bothways.planning.problem import Bools, Floats, Ints

_IDLE_KW = 1e-7  # the solver's tolerance: less than this is no charging
_OPEN_AT_ONCE = 80  # whole numbers that HiGHS settles in a fraction of a second
_ROUGHLY = 3e-4  # gap of a step whose result is only a start
_SHARE = 0.6  # of the time may go into the neighbourhood; the rest is for the whole program
_LAST_SHARE = 0.8  # of what is left then may go into the step that makes a schedule of it
_ROUNDS = 20
_WORTH_A_ROUND = 0.1  # of the gap asked for: a round that gains less is the last


def build_for(search: Search, choices: Choices) -> FleetProgram:
    """The program of these choices."""
    return build(search.problem, search.layout, search.bounds, choices, soft=search.ranked)


def run(search: Search, model: FleetProgram, *, at_most_s: float = math.inf, gap: float = 0.0) -> Ranked:
    """Runs a program, by rank where the hard limit asks for it, starting from the best schedule so far.

    Args:
        search: what is known.
        model: the program.
        at_most_s: solver time, if it is not all that is left [s].
        gap: relative gap, if it may be larger than the one asked for.
    """
    gap, seconds = max(search.options.gap, gap), min(at_most_s, search.seconds_left)
    start = None
    if model.program.integer.any():
        if search.best is None:
            search.offer(search.candidate(early_power_kw(search.problem, search.layout, search.bounds)))
        start = search.integers(model)
    if model.soft is not None:
        outcome = solve_by_rank(model.program, model.soft, start, time_limit_s=seconds, gap=gap, cancel=search.cancel)
    else:
        runner = Runner(model.program, time_limit_s=seconds, gap=gap, cancel=search.cancel)
        if start is not None:
            runner.start_from(*start)
        outcome = Ranked(runner.run(), (0.0, 0.0), np.zeros(0), runner.seconds)
    search.seconds += outcome.seconds
    return outcome


def look_near(search: Search, relaxed: FleetProgram, x: Floats) -> None:
    """Offers schedules near a relaxed solution.

    First, vehicle-steps that are on or off in the relaxed solution stay so; open are those that charge below their
    minimum, and, group by group, the vehicles that pause and must not. Then groups of vehicles are opened again while
    the others keep the best schedule, as long as that pays.

    Args:
        search: what is known; better schedules are offered to it.
        relaxed: the program that was solved without some of the choices.
        x: its solution.
    """
    until_s = search.seconds + _SHARE * search.seconds_left
    choices = search.choices
    if choices.one_direction.size:
        # Everywhere, so that what comes out is a schedule and not another one to net.
        choices = replace(choices, one_direction=relaxed.discharging)
    _settle(search, choices, *_read_relaxed(search, relaxed, x), until_s)
    if choices.semi_continuous:
        _reopen(search, choices, until_s)


def settle_converters(search: Search, relaxed: FleetProgram, x: Floats) -> None:
    """Offers the best schedule whose converters are on or off as in a relaxed solution, where it says so."""
    converters, size = relaxed.converters, search.layout.size
    near = (np.zeros(size), np.zeros(size))
    near[0][converters.charging_at] = x[converters.charging]
    near[1][converters.discharging_at] = x[converters.discharging]
    model = build_for(search, replace(search.choices, near=near))
    answer = run(search, model, at_most_s=_SHARE * search.seconds_left).answer
    if answer is not None and answer.x is not None:
        search.offer(search.read(model, search.choices, answer.x))


def _read_relaxed(search: Search, relaxed: FleetProgram, x: Floats) -> tuple[Bools, Bools, Bools]:
    """What is on in a relaxed solution, what is unsettled, ``(S,)`` each, and which vehicles pause and must not."""
    layout, fleet = search.layout, search.problem.fleet
    charge = x[relaxed.charge]
    stored = charge * fleet.charge_efficiency[layout.owner]
    discharger = layout.owner[relaxed.discharging]
    stored[relaxed.discharging] -= x[relaxed.discharge] / fleet.discharge_efficiency[discharger]
    on = stored > _IDLE_KW
    weak = on & (charge < fleet.least_charge_kw[layout.owner] - _IDLE_KW)
    begins = on & ~(np.concatenate(([False], on[:-1])) & (layout.k > 0))
    starts = np.bincount(layout.owner[begins], minlength=fleet.size)
    too_weak = np.bincount(layout.owner[weak], minlength=fleet.size) > 0
    broken = fleet.no_pause & ((starts > 1) | too_weak)
    return on, weak, np.asarray(broken)


def _settle(search: Search, choices: Choices, on: Bools, weak: Bools, broken: Bools, until_s: float) -> None:
    """Relax and fix: the broken vehicles become whole group by group, the ones after them still relaxed.

    When the time runs out, those that are left charge when they would if they charged early.
    """
    owner = search.layout.owner
    waiting, is_open = broken[owner], weak & ~broken[owner]
    for group in _groups(search, np.flatnonzero(broken)):
        inside = np.isin(owner, group)
        now = replace(choices, relaxed=waiting & ~inside, held=~(is_open | waiting), on=on)
        model = build_for(search, now)
        answer = run(search, model, at_most_s=until_s - search.seconds, gap=_ROUGHLY).answer
        if answer is None or answer.x is None:
            early = early_power_kw(search.problem, search.layout, search.bounds)
            on[waiting] = early[waiting] > 0.0
            break
        settled = broken[owner[model.on_at]]
        on[model.on_at[settled]] = answer.x[model.on[settled]] > 0.5
        waiting &= ~inside
        is_open &= ~inside
    now = replace(choices, held=~is_open, on=on)
    model = build_for(search, now)
    answer = run(search, model, at_most_s=_LAST_SHARE * search.seconds_left).answer
    if answer is not None and answer.x is not None:
        search.offer(search.read(model, now, answer.x))


def _reopen(search: Search, choices: Choices, until_s: float) -> None:
    """Opens groups of vehicles, the others held at the best schedule, until a round over all gains little."""
    owner = search.layout.owner
    vehicles = np.flatnonzero(search.problem.fleet.least_charge_kw > 0.0)
    rng = np.random.default_rng(0)
    for _ in range(_ROUNDS):
        before = search.best
        if before is None or search.done():
            return
        for group in _groups(search, vehicles, rng):
            if search.best is None or search.seconds >= until_s or search.done():
                return
            held = replace(choices, held=~np.isin(owner, group), on=search.best.power_kw > 0.0)
            model = build_for(search, held)
            answer = run(search, model, at_most_s=until_s - search.seconds).answer
            if answer is not None and answer.x is not None:
                search.offer(search.read(model, held, answer.x))
        now = search.best or before
        gained = before.evaluation.objective - now.evaluation.objective
        worth = _WORTH_A_ROUND * search.options.gap * max(1.0, abs(now.evaluation.objective))
        if now.rank == before.rank and gained < worth:
            return


def _groups(search: Search, vehicles: Ints, rng: np.random.Generator | None = None) -> list[Ints]:
    """Vehicles that are there at about the same time, in groups with few enough steps to settle at once."""
    fleet = search.problem.fleet
    middle = (fleet.arrival + fleet.departure)[vehicles] / 2.0
    if rng is not None:
        middle = middle + rng.normal(0.0, 0.1 * search.problem.periods, vehicles.size)
    order = np.argsort(middle, kind="stable")
    number = np.cumsum(search.layout.duration[vehicles][order]) // _OPEN_AT_ONCE
    return [vehicles[order[number == one]] for one in np.unique(number)]
