"""The door of the search for converters with losses at part load: from a problem to a plan with its gap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from bothways.battery.losses import default_losses
from bothways.domain.errors import DomainError, SolverError
from bothways.planning.engine import solve as engine
from bothways.planning.engine import supported
from bothways.planning.engine.converters.points import curved, points_of
from bothways.planning.engine.converters.search import ConverterSearch
from bothways.planning.engine.converters.sweeps import Curved, ac_energies
from bothways.planning.engine.coupling import kinds_of
from bothways.planning.engine.model import Stays, lowest_convex_price
from bothways.planning.engine.onoff.answering import checked, owners, power_table
from bothways.planning.engine.onoff.fleet import take_over, vehicles_of
from bothways.planning.engine.search import Search
from bothways.planning.engine.site import site_of
from bothways.planning.layout import Layout
from bothways.planning.part_load import PartLoad, least_charge_kwh
from bothways.planning.problem import Fleet, Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.relaxation import at_any_power, reachable_kwh
from bothways.planning.shortfall import reach

NAME = "engine, converters on or off"


def needed(problem: PlanProblem) -> bool:
    """Whether some vehicle has losses at part load."""
    return problem.part_load is not None


def supports(problem: PlanProblem) -> str | None:
    """Says why this search cannot plan ``problem``; ``None`` where it can."""
    fleet = problem.fleet
    if np.any(fleet.no_pause):
        return "a vehicle that must not pause beside losses at part load"
    arrives_low = fleet.energy_at_arrival_kwh < fleet.energy_min_kwh
    room = fleet.energy_max_kwh - fleet.energy_min_kwh
    if np.any(arrives_low & (room < least_charge_kwh(problem))):
        return "a vehicle below its floor has less room above it than one step at its minimum power"
    return supported.supports(_relaxed(problem, fleet.energy_required_kwh))


def _relaxed(problem: PlanProblem, required_kwh: Floats) -> PlanProblem:
    """The convex problem that the search starts from: any power, at the efficiencies of full power."""
    easy = at_any_power(problem.fleet, required_kwh)
    plain = replace(problem, fleet=easy, part_load=None)
    lowest = lowest_convex_price(plain)
    return replace(
        plain,
        import_price=np.maximum(problem.import_price, lowest),
        export_price=np.maximum(problem.export_price, lowest),
    )


def solve_converters(
    problem: PlanProblem,
    options: PlanOptions | None = None,
    *,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int, float, float], None] | None = None,
    seed: int = 0,
) -> PlanSolution:
    """Plans a fleet whose chargers lose more at part load.

    Args:
        problem: what is asked.
        options: only ``gap`` is used.
        cancel: asked between passes; True ends the search with the best plan so far.
        progress: told the number of passes, the lower and the upper bound.
        seed: order in which vehicles are visited; the same seed gives the same plan.

    Returns:
        The plan: ``optimal`` within the gap, else ``feasible`` with the gap that is left. The bound holds for every
        schedule of these converters; the schedule is checked by ``evaluation``, with their curves, before it is given
        out.

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
    x, blocks = np.zeros(vehicles.steps), search.blocks
    first = vehicles.rows.first
    take_over(blocks.vehicle, blocks.window, blocks.first_row, search.schedules, stays.rows, first, x)
    _unrelax(search, stays, problem, relaxed)
    search.progress = progress
    fleet = Curved(stays.rows, points_of(problem), curved(problem), first, vehicles.rows.stock)
    found = ConverterSearch(search, vehicles, kinds_of(problem)[1], x, options.gap, curved=fleet)
    found.run()
    if found.best is None:
        msg = "the engine found no schedule of the converters within the hard limits of the site"
        raise SolverError(msg)
    power = power_table(problem, stays, first, ac_energies(owners(stays), fleet.points, found.best))
    what = "the engine's schedule of converters"
    return checked(problem, bounds, options, search, power, solver=NAME, what=what)


def _unrelax(search: Search, stays: Stays, problem: PlanProblem, relaxed: PlanProblem) -> None:
    """Makes the relaxed search one of the true problem: its prices, and none of its bounds."""
    search.bounds.upper, search.bounds.lower, search.lowest = math.inf, -math.inf, -math.inf
    search.site = search.pricing = site_of(problem, stays.forced)
    search.prices.energy[: problem.periods] += problem.import_price - relaxed.import_price


@cache
def prepare_converters() -> None:
    """Compiles the kernels, or loads them, by planning one small fleet; see ``engine.solve.prepare``."""
    size, periods = 2, 4
    one = np.ones(size)
    fleet = Fleet(
        np.zeros(size, np.int64), np.full(size, periods), 2.0 * one, 3.0 * one, one, 5.0 * one, one, one, 0.9 * one,
        0.9 * one, 0.0 * one, 0.0 * one, np.zeros(size, np.bool_),
    )  # fmt: skip
    price = np.array([0.2, 0.1, 0.3, 0.2])
    known = PartLoad((default_losses(1.0),), np.array([0, -1]))
    problem = PlanProblem(1.0, periods, price, price - 0.1, np.ones(periods), fleet, part_load=known)
    solve_converters(problem, PlanOptions(gap=1e-12))
