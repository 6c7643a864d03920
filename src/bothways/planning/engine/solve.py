"""The engine's door: from a plan problem to a certified plan and the state that a re-plan starts from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TypedDict

import numpy as np

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.answer import coupling_notes, relative_gap
from bothways.planning.engine.alike import Alike, alike
from bothways.planning.engine.coupling import coupling_of, kinds_of, pack_by_kind
from bothways.planning.engine.interior.finish import can_finish, finish, soon_done
from bothways.planning.engine.model import E0, Stays, lowest_convex_price, stays_of
from bothways.planning.engine.nested import start_prices
from bothways.planning.engine.polish import GIVE_UP, polish
from bothways.planning.engine.prices import Prices, first_prices, price_unit
from bothways.planning.engine.schedule import Compact, Tables
from bothways.planning.engine.search import Search
from bothways.planning.engine.site import site_of
from bothways.planning.engine.supported import supports
from bothways.planning.evaluation import Coupled, Flows, site_flows
from bothways.planning.layout import Layout
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, Floats, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.shortfall import explain, reach

DENSE_UP_TO = 200_000
"""Fleets above this get their schedule in compact form unless asked otherwise."""

CORRECTIVE_UP_TO = 750.0
"""Vehicles present at once, on average, up to which the corrective form takes over when the fast form has stalled."""

CORRECTIVE_VEHICLES = 20_000
"""Stays up to which it may: its columns have to fit into memory."""

SMALL_CROWD = 190.0
"""Vehicles present at once up to which it takes over soon: few vehicles need mixtures, not steps."""

THREADS_FROM = 25_000
"""Vehicles from which a second thread pays."""

PATIENCE_BEFORE_FINISH, PATIENCE_BEFORE_LONG_STEPS = 14, 60
"""Corrective passes without progress after which the interior-point method takes over, where it can; the second where
its steps are long."""

FEW = 120.0
"""Vehicles present at once, on average, up to which it takes over at once: few vehicles seldom mix well."""

FEW_AGAIN = 45.0
"""The same in a re-plan, where good prices help more vehicles to mix soon."""

WARM_SCALE = 0.04
"""Step scale of a warm start at most, in typical prices: prices that are nearly right need little room."""

WARM_SWEEPS = 4
"""Sweeps of the fast form in a re-plan of a small fleet, and before the interior-point method."""

_PREPARING = int(1.5 * FEW)  # vehicles that are too many for the interior-point method at once
_CHUNK = 4096  # vehicles that fall short, explained at once


@dataclass(frozen=True)
class EngineState:
    """What a re-plan starts from, and the schedule where the fleet is too large for tables.

    Attributes:
        price: price of energy per step, ``(T,)`` [currency/kWh].
        charge_prices: prices that the demand charges put on the steps, ``(K, T)`` [currency/kWh].
        scale: the step scale r at the end [currency/kWh].
        sweeps: passes over the fleet that were made.
        schedule: the schedule in compact form; ``None`` where the plan holds tables.
        row_prices: prices of group limits and then the reserve, ``(M, T)`` [currency/kWh].
        row_scales: step scale of each of them, ``(M,)``.
    """

    price: Floats
    charge_prices: Floats
    scale: float
    sweeps: int = 0
    schedule: Compact | None = None
    row_prices: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    row_scales: Floats = field(default_factory=lambda: np.zeros(0))

    def shifted(self, steps: int, periods: int | None = None) -> EngineState:
        """The state seen ``steps`` later over ``periods`` steps: prices move to the front, the last one is repeated."""
        places = np.arange(self.price.size if periods is None else periods) + steps
        at = np.minimum(places, self.price.size - 1)
        charges = np.where(places < self.price.size, self.charge_prices[:, at], 0.0)
        rows = self.row_prices[:, at] if self.row_prices.size else self.row_prices
        return replace(self, price=self.price[at], charge_prices=charges, schedule=None, row_prices=rows)


def solve_engine(
    problem: PlanProblem,
    options: PlanOptions | None = None,
    *,
    warm: EngineState | None = None,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int, float, float], None] | None = None,
    threads: int | None = None,
    seed: int = 0,
    dense: bool | None = None,
) -> tuple[PlanSolution, EngineState]:
    """Plans a fleet of any size and proves how good the plan is.

    Args:
        problem: what is asked.
        options: only ``gap`` is used; the engine reads no clock (see ``cancel``).
        warm: state of an earlier plan over steps that now lie in the same places (see ``EngineState.shifted``).
        cancel: asked between passes; True ends the search with the best plan so far.
        progress: told the number of passes, the lower and the upper bound after each certificate.
        threads: worker threads; by default one for small fleets, two for large ones. One thread is deterministic.
        seed: order in which vehicles are visited.
        dense: whether the plan holds ``(N, T)`` tables; by default up to 200 000 vehicles. Otherwise ``power_kw`` and
            ``energy_kwh`` have no rows and the schedule is in the state.

    Returns:
        The plan and the state for the next one. The objective is that of exactly the schedule returned; the lower bound
        is recomputed in float64 and valid however far the search came.

    Raises:
        DomainError: the problem has a feature that the engine does not support (see :func:`supports`).
        SolverError: no schedule within the hard limits was found.
    """
    options = options or PlanOptions()
    reason = supports(problem)
    if reason is not None:
        msg = f"the engine cannot plan this: {reason}"
        raise DomainError(msg)
    how: _How = {"warm": warm, "cancel": cancel, "progress": progress, "threads": threads, "seed": seed}
    groups = alike(problem) if dense is not False else None
    as_few = _as_few(problem, groups, options, how) if groups is not None else None
    if as_few is not None and (as_few[0].gap <= options.gap or (cancel is not None and cancel())):
        return as_few
    try:
        apart = _planned(problem, options, dense, how)
    except SolverError:
        if as_few is None:
            raise
        return as_few
    return apart if as_few is None or apart[0].gap <= as_few[0].gap else as_few


class _How(TypedDict):
    """Arguments of :func:`solve_engine` that :func:`searched` takes as they are."""

    warm: EngineState | None
    cancel: Callable[[], bool] | None
    progress: Callable[[int, float, float], None] | None
    threads: int | None
    seed: int


def _as_few(
    problem: PlanProblem, groups: Alike, options: PlanOptions, how: _How
) -> tuple[PlanSolution, EngineState] | None:
    """The plan with equal vehicles taken together; ``None`` where none was found so."""
    try:
        plan, state = _planned(groups.merged(problem), options, True, how)  # noqa: FBT003
    except SolverError:
        return None
    return _for_each(problem, groups, plan), state


def _planned(
    problem: PlanProblem, options: PlanOptions, dense: bool | None, how: _How
) -> tuple[PlanSolution, EngineState]:
    """The plan for a problem that was found to be supported, with every vehicle by itself."""
    search, stays = searched(problem, options.gap, **how)
    site, coupling, blocks = search.site, search.coupling, search.blocks
    if math.isinf(search.bounds.upper):
        msg = "the engine found no schedule within the hard limits of the site"
        raise SolverError(msg)
    compact = Compact(blocks, stays, coupling, search.schedules, problem.step_h, problem.periods)
    if dense is None:
        dense = problem.fleet.size <= DENSE_UP_TO
    state = EngineState(
        search.prices.energy[: site.periods].copy(),
        search.prices.charges[: site.masks.size].reshape(-1, site.width)[:, : site.periods].copy(),
        search.prices.scale,
        search.sweeps,
        None if dense else compact,
        coupling.table(search.prices.extra).copy(),
        search.prices.scales.copy(),
    )
    return _solution(problem, compact, search, options.gap, dense=dense), state


def searched(
    problem: PlanProblem,
    gap: float,
    *,
    warm: EngineState | None = None,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int, float, float], None] | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> tuple[Search, Stays]:
    """The search of :func:`solve_engine`, done, and the vehicles it was about; arguments as there."""
    stays = stays_of(problem)
    shares, kind = kinds_of(problem)
    blocks, kinds = pack_by_kind(stays.rows, problem.periods, kind, shares.shape[0])
    site = site_of(problem, stays.forced)
    coupling = coupling_of(problem, stays, blocks, shares, kinds)
    vehicles = int((blocks.vehicle >= 0).sum())
    workers = threads or (2 if vehicles >= THREADS_FROM else 1)
    offset = -problem.terminal_value_per_kwh * float(stays.rows[:, E0].sum())
    search = Search(
        site, coupling, blocks, vehicles, problem.step_h, lowest_convex_price(problem), offset, workers,
        np.random.default_rng(seed), cancel, progress,
    )  # fmt: skip
    _search(search, gap, warm)
    return search, stays


@cache
def prepare() -> None:
    """Compiles the kernels, or loads them, by planning small fleets: so that a clock which runs later sees none.

    One fleet is so small that the interior-point method takes it at once, the other goes through every form of the
    search; each as tables and in compact form, and once with all couplings. The first time on a machine this takes
    about a minute, in a process about a second, and nothing when it is asked for again.
    """
    for size in (2, _PREPARING):
        for dense in (True, False):
            solve_engine(_small(size), PlanOptions(gap=1e-9), dense=dense)
    many = _small(_PREPARING)
    solve_engine(many, PlanOptions(gap=1.0), dense=True)  # a search that ends before its numbers are wide
    limit = GroupLimit.of("all", np.ones(_PREPARING), many.periods, upper_kw=0.1 * _PREPARING, penalty_per_kwh=1.0)
    reserve = EnergyReserve.of(2.0 * _PREPARING, _PREPARING, many.periods)
    solve_engine(replace(many, group_limits=(limit,), energy_reserve=reserve), PlanOptions(gap=1e-5))


def _small(size: int) -> PlanProblem:
    """A fleet for :func:`prepare`: vehicles that are there all the time, no two alike."""
    periods, one = 3, np.ones(size)
    fleet = Fleet(
        np.zeros(size, np.int64), np.full(size, periods), 2.0 * one + np.arange(size) / size, 3.0 * one, one, 5.0 * one,
        one, one, 0.9 * one, 0.9 * one, 0.0 * one, 0.0 * one, np.zeros(size, np.bool_),
    )  # fmt: skip
    price = np.array([0.2, 0.1, 0.3])
    peak = DemandCharge(float(size), np.ones(periods, np.bool_))
    return PlanProblem(1.0, periods, price, 0.5 * price, float(size) * np.ones(periods), fleet, (peak,))


def _search(search: Search, gap: float, warm: EngineState | None) -> None:
    vehicles = search.vehicles
    if vehicles == 0:
        search.price_base_load(first_prices(search.site, search.coupling), gap)
        if search.bounds.gap() > gap and can_finish(search):
            finish(search, gap)
        return
    if warm is not None and warm.price.size == search.site.periods:
        prices = _warm_prices(search, warm)
    else:
        prices = start_prices(search, first_prices(search.site, search.coupling), gap)
    crowd = search.crowd()
    small = crowd <= CORRECTIVE_UP_TO and vehicles <= CORRECTIVE_VEHICLES
    finishable = small and can_finish(search)
    soon = finishable and soon_done(search)
    at_once = soon and crowd <= (FEW if warm is None else FEW_AGAIN)
    sweeps = _fast_sweeps(crowd, few=warm is not None or at_once) if small else 400
    search.run(prices, gap, sweeps, ends=not at_once)
    if search.bounds.gap() > gap and small:
        if not at_once:
            patience = PATIENCE_BEFORE_FINISH if soon else PATIENCE_BEFORE_LONG_STEPS if finishable else GIVE_UP
            polish(search, gap, 400, patience)
        if finishable and search.bounds.gap() > gap and not search.cancelled():
            finish(search, gap)
        # Where a group's price makes burning energy pay, that method does what must not be.
        if at_once and search.coupling.extra.rows and search.bounds.gap() > gap and not search.cancelled():
            polish(search, gap, 400)
    if not search.priced:  # what is returned is what is priced
        search.certify()
    search.finish()


def _fast_sweeps(crowd: float, *, few: bool) -> int:
    """Sweeps of the fast form before another takes over: few where prices are good, or what follows needs none."""
    if crowd >= SMALL_CROWD:
        return 60
    return WARM_SWEEPS if few else 16


def _warm_prices(search: Search, warm: EngineState) -> Prices:
    site, rows = search.site, search.coupling
    prices = first_prices(site, rows)
    prices.energy[: site.periods] = warm.price
    if warm.charge_prices.shape == (site.charges.shape[0], site.periods):
        prices.charges[: site.masks.size].reshape(-1, site.width)[:, : site.periods] = warm.charge_prices
    unit = price_unit(site)
    prices.scale = min(warm.scale, WARM_SCALE * unit)
    if rows.extra.rows and warm.row_prices.shape == (rows.extra.rows, site.periods):
        rows.table(prices.extra)[:] = warm.row_prices
        prices.scales = np.minimum(warm.row_scales, WARM_SCALE * unit)
    return prices


def _solution(problem: PlanProblem, compact: Compact, search: Search, gap: float, *, dense: bool) -> PlanSolution:
    fleet = problem.fleet
    tables = compact.tables(search.threads) if dense else compact.summary(search.threads)
    flows = site_flows(problem, tables.total_kw)
    coupled = _coupled(problem, tables)
    objective = _objective(problem, flows, tables.wear, float(tables.energy_end_kwh.sum()))
    objective += math.fsum(coupled.costs(problem))
    lower = min(search.bounds.lower, objective)
    shortfall, reasons = _shortfalls(problem, tables.energy_end_kwh)
    reached = relative_gap(objective, lower)
    notes = () if dense else ("the schedule is in compact form: see EngineState.schedule",)
    groups, reserve = _shadow(problem, search)
    return PlanSolution(
        status="optimal" if reached <= gap else "feasible",
        objective=objective,
        lower_bound=lower,
        gap=reached,
        solver="engine",
        power_kw=tables.power_kw,
        energy_kwh=tables.energy_kwh,
        import_kw=flows.import_kw,
        export_kw=flows.export_kw,
        curtailed_kw=flows.curtailed_kw,
        peak_import_kw=float(flows.import_kw.max()),
        shortfall_kwh=shortfall,
        floor_deficit_kwh=np.maximum(fleet.energy_min_kwh - fleet.energy_at_arrival_kwh, 0.0),
        reasons=reasons,
        notes=(*notes, *coupling_notes(problem, coupled)),
        group_power_kw=coupled.group_kw,
        group_price=groups,
        reserve_kwh=coupled.reserve_kwh,
        reserve_deficit_kwh=coupled.deficit_kwh,
        reserve_price=reserve,
    )


def _for_each(problem: PlanProblem, groups: Alike, plan: PlanSolution) -> PlanSolution:
    """The plan for groups of equal vehicles, told for each of them."""
    fleet = problem.fleet
    power, energy = groups.each(problem, plan)
    shortfall, reasons = _shortfalls(problem, energy[:, -1])
    lacking = np.maximum(fleet.energy_min_kwh - fleet.energy_at_arrival_kwh, 0.0)
    return replace(
        plan, power_kw=power, energy_kwh=energy, shortfall_kwh=shortfall, floor_deficit_kwh=lacking, reasons=reasons
    )


def _coupled(problem: PlanProblem, tables: Tables) -> Coupled:
    """What group limits and reserve see of the schedule."""
    seen = Coupled.start(problem)
    if not problem.group_limits and problem.energy_reserve is None:
        return seen
    if tables.rows_kwh is None:
        for begin in range(0, problem.fleet.size, _CHUNK):
            rows = slice(begin, min(begin + _CHUNK, problem.fleet.size))
            seen = seen.with_rows(problem, rows, tables.power_kw[rows], tables.energy_kwh[rows])
        return seen
    groups = len(problem.group_limits)
    kept = tables.rows_kwh[groups] if problem.energy_reserve is not None else np.zeros(0)
    missing = seen.deficit_kwh if problem.energy_reserve is None else problem.energy_reserve.required_kwh - kept
    return Coupled(tables.rows_kwh[:groups] / problem.step_h, kept, np.maximum(missing, 0.0))


def _shadow(problem: PlanProblem, search: Search) -> tuple[Floats, Floats]:
    """Prices of group limits ``(G, T)`` and of the reserve ``(T,)``: those of the best bound."""
    groups, rows = len(problem.group_limits), search.coupling.table(search.best_rows)
    return rows[:groups].copy(), np.maximum(-rows[groups], 0.0) if problem.energy_reserve is not None else np.zeros(0)


def _shortfalls(problem: PlanProblem, energy_end_kwh: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Shortfall per vehicle and its reason; only the vehicles that fall short are looked at closely."""
    fleet = problem.fleet
    shortfall = np.zeros(fleet.size)
    reasons = [""] * fleet.size
    short = np.flatnonzero(fleet.energy_required_kwh > energy_end_kwh)
    for begin in range(0, short.size, _CHUNK):
        some = short[begin : begin + _CHUNK]
        columns = {item.name: getattr(fleet, item.name)[some] for item in fields(Fleet)}
        limits = tuple(replace(limit, weight=limit.weight[some]) for limit in problem.group_limits)
        part = replace(problem, fleet=Fleet(**columns), group_limits=limits, energy_reserve=None)
        shortfall[some], texts = explain(part, reach(part, Layout.of(part)), energy_end_kwh[some])
        for i, text in zip(some.tolist(), texts, strict=True):
            reasons[i] = text
    return shortfall, tuple(reasons)


def _objective(problem: PlanProblem, flows: Flows, wear: float, energy_end_kwh: float) -> float:
    """The objective of ``PlanProblem`` from flows and sums; ``evaluation.evaluate`` says the same from the schedule."""
    bought = float(problem.import_price @ flows.import_kw - problem.export_price @ flows.export_kw)
    demand = math.fsum(
        charge.price_per_kw * max(0.0, peak - charge.peak_so_far_kw)
        for charge, peak in zip(problem.demand_charges, flows.peak_kw.tolist(), strict=True)
    )
    excess = problem.import_limit_penalty_per_kwh * float(flows.excess_kw.sum())
    return problem.step_h * (bought + excess) + wear + demand - problem.terminal_value_per_kwh * energy_end_kwh
