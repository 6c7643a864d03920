"""The door of the on-off search: minimum powers, no pauses, burning prices; from a problem to a plan with its gap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.answer import no_pause_notes
from bothways.planning.engine import solve as engine
from bothways.planning.engine import supported
from bothways.planning.engine.coupling import kinds_of
from bothways.planning.engine.model import PER_IN, PER_OUT, Stays, lowest_convex_price
from bothways.planning.engine.onoff.answering import checked, owners, power_table
from bothways.planning.engine.onoff.fleet import take_over, vehicles_of
from bothways.planning.engine.onoff.search import OnOff
from bothways.planning.engine.search import Search
from bothways.planning.engine.site import site_of
from bothways.planning.layout import Layout
from bothways.planning.problem import Fleet, Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.relaxation import at_any_power, reachable_kwh
from bothways.planning.shortfall import reach

NAME = "engine, on or off"


def needed(problem: PlanProblem) -> bool:
    """Whether the problem has decisions of this kind: minimum powers, no pauses, or prices at which burning pays."""
    return problem.fleet.semi_continuous or _burns(problem)


def supports(problem: PlanProblem) -> str | None:
    """Says why this search cannot plan ``problem``; ``None`` where it can."""
    fleet = problem.fleet
    arrives_low = fleet.energy_at_arrival_kwh < fleet.energy_min_kwh
    room = fleet.energy_max_kwh - fleet.energy_min_kwh
    least = fleet.least_charge_kw * fleet.charge_efficiency * problem.step_h
    if np.any(arrives_low & (room < least)):
        return "a vehicle below its floor has less room above it than one step at its minimum power"
    return supported.supports(_relaxed(problem, fleet.energy_required_kwh))


def _burns(problem: PlanProblem) -> bool:
    return float(problem.export_price.min()) < lowest_convex_price(problem)


def _relaxed(problem: PlanProblem, required_kwh: Floats) -> PlanProblem:
    """The convex problem to start from: any power, pauses, and no price at which burning would pay."""
    easy = at_any_power(problem.fleet, required_kwh)
    lowest = lowest_convex_price(replace(problem, fleet=easy))
    return replace(
        problem,
        fleet=easy,
        import_price=np.maximum(problem.import_price, lowest),
        export_price=np.maximum(problem.export_price, lowest),
    )


def solve_on_off(
    problem: PlanProblem,
    options: PlanOptions | None = None,
    *,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int, float, float], None] | None = None,
    seed: int = 0,
) -> PlanSolution:
    """Plans a fleet in which some vehicles are either on or off.

    Args:
        problem: what is asked.
        options: only ``gap`` is used.
        cancel: asked between passes; True ends the search with the best plan so far.
        progress: told the number of passes, the lower and the upper bound.
        seed: order in which vehicles are visited; the same seed gives the same plan.

    Returns:
        The plan: ``optimal`` within the gap, else ``feasible`` with the gap that is left. The bound holds for every
        on-off schedule; the schedule is checked by ``evaluation`` before it is given out.

    Raises:
        DomainError: the problem has a feature that is not supported here (see :func:`supports`).
        SolverError: no schedule within the hard limits was found.
    """
    options = options or PlanOptions()
    reason = supports(problem)
    if reason is not None:
        msg = f"the engine cannot plan this: {reason}"
        raise DomainError(msg)
    layout = Layout.of(problem)
    bounds = reach(problem, layout)
    relaxed = _relaxed(problem, reachable_kwh(problem, bounds))
    search, stays = engine.searched(relaxed, options.gap, cancel=cancel, threads=1, seed=seed)
    vehicles = vehicles_of(problem, stays, search.blocks, search.coupling)
    x = np.zeros(vehicles.steps)
    blocks = search.blocks
    take_over(blocks.vehicle, blocks.window, blocks.first_row, search.schedules, stays.rows, vehicles.rows.first, x)
    _unrelax(search, stays, problem, relaxed)
    search.progress = progress
    found = OnOff(search, vehicles, kinds_of(problem)[1], x, options.gap)
    found.run()
    if found.best is None:
        msg = "the engine found no on-off schedule within the hard limits of the site"
        raise SolverError(msg)
    per_step = stays.rows[owners(stays)]
    energy = found.best * np.where(found.best > 0.0, per_step[:, PER_IN], per_step[:, PER_OUT])
    power = power_table(problem, stays, vehicles.rows.first, energy)
    what = "the engine's on-off schedule"
    return checked(problem, bounds, options, search, power, solver=NAME, what=what, notes=_notes(problem))


def _unrelax(search: Search, stays: Stays, problem: PlanProblem, relaxed: PlanProblem) -> None:
    """Makes the relaxed search one of the true problem: its prices, and its bound as far as it still holds."""
    search.bounds.upper = math.inf
    search.lowest = -math.inf
    if not _burns(problem):
        return
    search.bounds.lower = -math.inf
    search.site = search.pricing = site_of(problem, stays.forced)
    search.prices.energy[: problem.periods] += problem.import_price - relaxed.import_price


def _notes(problem: PlanProblem) -> tuple[str, ...]:
    notes = no_pause_notes(problem.fleet)
    if _burns(problem):
        notes.append("prices are so negative that burning energy would pay: no vehicle charges and discharges at once")
    return tuple(notes)


@cache
def prepare_on_off() -> None:
    """Compiles the kernels, or loads them, by planning one small fleet; see ``engine.solve.prepare``."""
    size, periods = 3, 4
    one = np.ones(size)
    fleet = Fleet(
        np.zeros(size, np.int64), np.full(size, periods), 2.0 * one, 3.0 * one, one, 5.0 * one, one, one, 0.9 * one,
        0.9 * one, 0.0 * one, np.array([0.5, 0.5, 0.0]), np.array([False, True, False]),
    )  # fmt: skip
    price = np.array([0.2, 0.1, 0.3, -0.5])
    solve_on_off(PlanProblem(1.0, periods, price, price - 0.1, np.ones(periods), fleet), PlanOptions(gap=1e-12))
