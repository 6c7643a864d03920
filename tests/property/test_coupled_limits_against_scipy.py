"""Group limits and the fleet's energy reserve against a second formulation, solved by SciPy's ``linprog``.

The second formulation is dense and naive: energies are sums over past steps; nothing of the planner's model is used.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from bothways.domain.errors import SolverError
from bothways.planning.engine.solve import solve_engine
from bothways.planning.engine.supported import supports
from bothways.planning.evaluation import evaluate
from bothways.planning.limits import EnergyReserve, GroupLimit, phase_limits
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import solve

TIGHT = PlanOptions(gap=1e-9, solver="highs")
KINDS = (
    "phases", "feeders that overlap", "soft and tight", "lower limit", "reserve", "reserve above all there is",
    "no reserve asked", "presence by step", "one vehicle", "identical vehicles", "below the floor", "everything",
)  # fmt: skip


def _fleet(rng, kind, size, periods):
    arrival = rng.integers(0, periods // 2, size)
    departure = np.minimum(periods, arrival + rng.integers(1, periods, size))
    capacity = rng.choice([15.0, 40.0, 77.0], size)
    start = capacity * rng.uniform(0.2, 0.8, size)
    charge = rng.choice([3.7, 7.4, 11.0], size)
    floor = capacity * rng.uniform(0.0, 0.2, size)
    if kind == "below the floor":
        floor = np.clip(start + rng.uniform(-5.0, 12.0, size), 0.0, capacity)
    fleet = Fleet(
        arrival=arrival,
        departure=departure,
        energy_at_arrival_kwh=start,
        energy_required_kwh=start + rng.uniform(0.0, 0.5, size) * (capacity - start),
        energy_min_kwh=floor,
        energy_max_kwh=capacity,
        charge_kw=charge,
        discharge_kw=np.where(rng.random(size) < 0.7, charge, 0.0),
        charge_efficiency=rng.uniform(0.88, 0.97, size),
        discharge_efficiency=rng.uniform(0.88, 0.97, size),
        wear_per_kwh=rng.uniform(0.0, 0.08, size),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )
    if kind == "identical vehicles":
        return Fleet(**{name: np.repeat(getattr(fleet, name)[:1], size) for name in fleet.__dataclass_fields__})
    return fleet


def random_problem(seed, *, sizes=(2, 9), lengths=(4, 14)):
    """A problem of the kind that the seed picks, with prices that never make burning energy pay."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    periods = int(rng.integers(*lengths))
    size = 1 if kind == "one vehicle" else int(rng.integers(*sizes))
    fleet = _fleet(rng, kind, size, periods)
    buy = rng.uniform(0.05, 0.4, periods)
    problem = PlanProblem(
        step_h=float(rng.choice([0.25, 0.5, 1.0])),
        periods=periods,
        import_price=buy,
        export_price=buy * rng.uniform(0.1, 0.95),
        base_load_kw=rng.uniform(-4.0, 8.0, periods) * size,
        fleet=fleet,
        demand_charges=(DemandCharge(float(rng.choice([0.0, 1.0])), np.ones(periods, dtype=np.bool_)),),
    )
    return kind, replace(problem, group_limits=_groups(rng, kind, problem), energy_reserve=_reserve(rng, kind, problem))


def _groups(rng, kind, problem):
    size, periods = problem.fleet.size, problem.periods
    power = float(problem.fleet.charge_kw.sum())
    groups = []
    if kind in {"phases", "everything", "one vehicle"}:
        load = rng.uniform(0.0, 0.1 * power, (3, periods))
        groups += phase_limits(rng.integers(0, 4, size), periods, upper_kw=0.45 * power, base_kw=load)
    if kind in {"feeders that overlap", "everything", "below the floor", "identical vehicles"}:
        for number in range(2):
            member = rng.random(size) < 0.7
            limit = 0.6 * float(problem.fleet.charge_kw @ member)
            groups.append(GroupLimit.of(f"feeder {number}", member, periods, upper_kw=limit, lower_kw=-limit))
    if kind in {"soft and tight", "everything"}:
        weight, price = rng.uniform(0.0, 1.0, size), float(rng.choice([0.0, 0.05, 1.0]))
        upper = rng.uniform(0.0, 0.2 * power, periods)
        groups.append(GroupLimit.of("line", weight, periods, upper_kw=upper, lower_kw=-2.0, penalty_per_kwh=price))
    if kind == "lower limit":
        lower = rng.uniform(-0.3 * power, -0.05 * power, periods)
        groups.append(GroupLimit.of("no back feed", np.ones(size), periods, lower_kw=lower))
    return tuple(groups)


def _reserve(rng, kind, problem):
    size, periods = problem.fleet.size, problem.periods
    stored = float((problem.fleet.energy_at_arrival_kwh - problem.fleet.energy_min_kwh).clip(min=0.0).sum())
    share = {"no reserve asked": 0.0, "reserve above all there is": 20.0}.get(kind, float(rng.uniform(0.2, 1.2)))
    if kind in {"phases", "feeders that overlap", "soft and tight", "lower limit"}:
        return None
    weight = rng.uniform(0.0, 1.0, (size, periods) if kind in {"presence by step", "everything"} else size)
    required = share * stored * rng.uniform(0.5, 1.0, periods)
    price = float(rng.choice([0.05, 10.0])) if kind != "reserve" else 10.0
    return EnergyReserve.of(required, size, periods, weight=weight, penalty_per_kwh=price)


class Naive:
    """Columns: per vehicle-step charging and discharging, then import, export, peak, penalties."""

    def __init__(self, problem):
        self.problem = problem
        self.cost, self.bounds, self.rows, self.limits = [], [], [], []

    def column(self, high, cost=0.0):
        self.cost.append(cost)
        self.bounds.append((0.0, high))
        return len(self.cost) - 1

    def at_most(self, terms, limit):
        if math.isfinite(limit):
            self.rows.append(dict(terms))
            self.limits.append(limit)

    def between(self, terms, low, high):
        self.at_most(terms, high)
        self.at_most({column: -value for column, value in terms.items()}, -low)

    def optimum(self):
        matrix = np.zeros((len(self.rows), len(self.cost)))
        for number, terms in enumerate(self.rows):
            for column, value in terms.items():
                matrix[number, column] = value
        return linprog(self.cost, A_ub=matrix, b_ub=self.limits, bounds=self.bounds, method="highs")


def naive_optimum(problem):
    """Cost of the optimum, ``None`` where hard limits and drivers' needs conflict."""
    fleet, step_h, periods = problem.fleet, problem.step_h, problem.periods
    naive = Naive(problem)
    power = [[{} for _ in range(periods)] for _ in range(fleet.size)]
    held = [{} for _ in range(periods)]
    base = np.zeros(periods)
    reserve = problem.energy_reserve
    for i in range(fleet.size):
        start, floor = float(fleet.energy_at_arrival_kwh[i]), float(fleet.energy_min_kwh[i])
        into_kwh, out_kwh = step_h * float(fleet.charge_efficiency[i]), step_h / float(fleet.discharge_efficiency[i])
        stored, full = {}, start
        for t in range(int(fleet.arrival[i]), int(fleet.departure[i])):
            full = full + into_kwh * float(fleet.charge_kw[i])
            into = naive.column(float(fleet.charge_kw[i]))
            out = naive.column(float(fleet.discharge_kw[i]), step_h * float(fleet.wear_per_kwh[i]))
            stored |= {into: into_kwh, out: -out_kwh}
            power[i][t] = {into: 1.0, out: -1.0}
            naive.between(stored, min(floor, full) - start, max(float(fleet.energy_max_kwh[i]), start) - start)
            if reserve is not None and full >= floor - 1e-9 and fleet.discharge_kw[i] > 0.0:
                weight = reserve.weight[i] if reserve.weight.ndim == 1 else reserve.weight[i, t]
                share = float(weight * fleet.discharge_efficiency[i])
                for column, value in stored.items():
                    held[t][column] = held[t].get(column, 0.0) + share * value
                base[t] += share * (start - floor)
        best = min(full, max(float(fleet.energy_max_kwh[i]), start))
        naive.between(stored, min(float(fleet.energy_required_kwh[i]), best) - start, math.inf)
    _site(naive, power)
    _couple(naive, power, held, base)
    found = naive.optimum()
    return float(found.fun) if found.status == 0 else None


def _sum(parts):
    terms = {}
    for part, weight in parts:
        for column, value in part.items():
            terms[column] = terms.get(column, 0.0) + weight * value
    return terms


def _site(naive, power):
    problem = naive.problem
    peak = naive.column(None, problem.demand_charges[0].price_per_kw)
    for t in range(problem.periods):
        bought = naive.column(None, problem.step_h * float(problem.import_price[t]))
        sold = naive.column(None, -problem.step_h * float(problem.export_price[t]))
        load = float(problem.base_load_kw[t])
        naive.between(_sum([*((one[t], -1.0) for one in power), ({bought: 1.0, sold: -1.0}, 1.0)]), load, load)
        naive.at_most({bought: 1.0, peak: -1.0}, 0.0)


def _couple(naive, power, held, base):
    problem, reserve = naive.problem, naive.problem.energy_reserve
    for limit in problem.group_limits:
        for t in range(problem.periods):
            price = problem.step_h * limit.penalty_per_kwh
            over, under = (
                ({}, {}) if limit.hard else ({naive.column(None, price): -1.0}, {naive.column(None, price): 1.0})
            )
            terms = _sum((one[t], float(weight)) for one, weight in zip(power, limit.weight, strict=True))
            base_kw = float(limit.base_kw[t])
            naive.at_most(terms | over, float(limit.upper_kw[t]) - base_kw)
            naive.at_most({c: -v for c, v in (terms | under).items()}, base_kw - float(limit.lower_kw[t]))
    if reserve is not None:
        for t in range(problem.periods):
            missing = naive.column(None, reserve.penalty_per_kwh)
            naive.between(held[t] | {missing: 1.0}, float(reserve.required_kwh[t]) - base[t], math.inf)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_plans_agree_with_a_second_formulation(kind):
    agreed = 0
    for seed in range(kind, kind + 8 * len(KINDS), len(KINDS)):
        label, problem = random_problem(seed)
        optimum, plan = naive_optimum(problem), solve(problem, TIGHT)
        if optimum is None:  # needs gave way, or the limits cannot be kept: ranks, not money, decide
            ranked = plan.status == "infeasible" or any("binds" in note or "bind (" in note for note in plan.notes)
            assert ranked, (label, seed)
            continue
        agreed += 1
        assert plan.status == "optimal", (label, seed)
        assert math.isclose(plan.objective, optimum, rel_tol=1e-7, abs_tol=1e-6), (label, seed)
        assert plan.lower_bound <= optimum + 1e-6, (label, seed)
        seen = evaluate(problem, plan.power_kw)
        assert seen.violations.none, (label, seed, seen.violations.sentences())
        np.testing.assert_allclose(seen.coupled.reserve_kwh, plan.reserve_kwh, atol=1e-9)
    assert agreed >= 3, KINDS[kind]


@pytest.mark.parametrize("kind", ["phases", "feeders that overlap", "soft and tight", "everything"])
def test_removing_a_limit_never_costs_more(kind):
    _, problem = random_problem(KINDS.index(kind) + 3 * len(KINDS))
    full = solve(problem, TIGHT)
    assert full.status == "optimal"
    for dropped in range(len(problem.group_limits)):
        rest = problem.group_limits[:dropped] + problem.group_limits[dropped + 1 :]
        free = solve(replace(problem, group_limits=rest), TIGHT)
        assert free.objective <= full.objective + 1e-7
    assert solve(replace(problem, energy_reserve=None), TIGHT).objective <= full.objective + 1e-7


def _between_both_slopes(price, below, here, above, step):
    """Whether a price lies between the slopes of a convex cost on both sides."""
    left, right = (here - below) / step, (above - here) / step
    return left - 1e-4 <= price <= right + 1e-4


@pytest.mark.parametrize("kind", ["reserve", "presence by step", "below the floor", "everything"])
def test_the_reserve_price_is_what_more_of_it_costs(kind):
    step, seen = 1e-3, 0.0
    for seed in range(KINDS.index(kind), 5 * len(KINDS), len(KINDS)):
        _, problem = random_problem(seed)
        plan, reserve = solve(problem, TIGHT), problem.energy_reserve
        if plan.status != "optimal" or any("bind" in note for note in plan.notes):
            continue
        t = int(plan.reserve_price.argmax())
        if reserve.required_kwh[t] < step:
            continue
        nudge = step * (np.arange(problem.periods) == t)
        costs = [
            solve(
                replace(problem, energy_reserve=replace(reserve, required_kwh=reserve.required_kwh + sign * nudge)),
                TIGHT,
            )
            for sign in (-1.0, 1.0)
        ]
        seen = max(seen, float(plan.reserve_price[t]))
        assert plan.reserve_price.max() <= reserve.penalty_per_kwh + 1e-9
        assert _between_both_slopes(
            plan.reserve_price[t], costs[0].objective, plan.objective, costs[1].objective, step
        ), seed
    assert seen > 0.01


def test_the_group_price_is_what_more_of_the_limit_saves():
    seen = 0.0
    for seed in (*range(0, 60, len(KINDS)), *range(1, 60, len(KINDS))):
        _, problem = random_problem(seed)
        plan, step = solve(problem, TIGHT), 1e-3
        if plan.status != "optimal" or any("bind" in note for note in plan.notes):
            continue
        g, t = np.unravel_index(plan.group_price.argmax(), plan.group_price.shape)
        limit = problem.group_limits[g]
        nudge = step * (np.arange(problem.periods) == t)
        costs = [
            solve(
                replace(
                    problem,
                    group_limits=tuple(
                        replace(one, upper_kw=one.upper_kw + sign * nudge) if one is limit else one
                        for one in problem.group_limits
                    ),
                ),
                TIGHT,
            ).objective
            for sign in (1.0, -1.0)
        ]
        # a tighter limit may be one that cannot be kept
        if not math.isfinite(costs[1]):
            continue
        price = float(plan.group_price[g, t]) * problem.step_h
        seen = max(seen, price)
        assert _between_both_slopes(price, costs[0], plan.objective, costs[1], step), seed
    assert seen > 0.01


def _certified(problem, gap, label):
    """The engine's plan, held against the exact one; ``None`` where needs give way to limits, which HiGHS decides."""
    assert supports(problem) is None, label
    exact = solve(problem, TIGHT)
    try:
        plan, _ = solve_engine(problem, PlanOptions(gap=gap))
    except SolverError:
        return None
    slack = 1e-7 * max(1.0, abs(exact.objective))
    assert plan.lower_bound <= exact.objective + slack, label
    assert exact.lower_bound <= plan.objective + slack, label
    seen = evaluate(problem, plan.power_kw)
    assert seen.violations.none, (label, seen.violations.sentences())
    assert math.isclose(seen.objective, plan.objective, rel_tol=1e-9, abs_tol=1e-9), label
    np.testing.assert_allclose(seen.coupled.group_kw, plan.group_power_kw, atol=1e-8)
    np.testing.assert_allclose(seen.coupled.reserve_kwh, plan.reserve_kwh, atol=1e-8)
    return plan


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_the_engine_proves_its_gap_on_the_smallest_fleets(kind):
    gaps = []
    for seed in range(kind, kind + 10 * len(KINDS), len(KINDS)):
        label, problem = random_problem(seed)
        plan = _certified(problem, 1e-5, (label, seed))
        if plan is not None:
            gaps.append(plan.gap)
    assert len(gaps) >= 5
    assert np.median(gaps) <= 1e-4, gaps


@pytest.mark.parametrize("kind", ["phases", "feeders that overlap", "reserve", "presence by step", "below the floor"])
def test_the_engine_closes_the_gap_of_larger_fleets(kind):
    for seed in (KINDS.index(kind), KINDS.index(kind) + len(KINDS)):
        _, problem = random_problem(seed, sizes=(60, 120), lengths=(24, 40))
        plan = _certified(problem, 1e-4, (kind, seed))
        assert plan is not None
        assert plan.gap <= 1e-3, (kind, seed)


def test_the_engine_tells_the_price_of_the_reserve():
    seen = 0.0
    for seed in (4, 16, 28):
        _, problem = random_problem(seed, sizes=(60, 120), lengths=(24, 40))
        plan, exact = solve_engine(problem, PlanOptions(gap=1e-6))[0], solve(problem, TIGHT)
        worth = problem.energy_reserve.required_kwh
        assert float(plan.reserve_price @ worth) == pytest.approx(
            float(exact.reserve_price @ worth), rel=0.05, abs=0.05
        )
        seen = max(seen, float(exact.reserve_price.max()))
    assert seen > 0.01


def test_compact_threaded_and_warm_plans_see_the_same_couplings():
    _, problem = random_problem(11, sizes=(90, 91), lengths=(30, 31))
    problem = replace(problem, group_limits=problem.group_limits[:5])
    dense, state = solve_engine(problem, threads=1)
    compact, _ = solve_engine(problem, threads=1, dense=False)
    assert compact.objective == pytest.approx(dense.objective, rel=1e-9)
    np.testing.assert_allclose(compact.group_power_kw, dense.group_power_kw, atol=1e-8)
    np.testing.assert_allclose(compact.reserve_kwh, dense.reserve_kwh, atol=1e-8)
    threaded, _ = solve_engine(problem, threads=2)
    assert threaded.lower_bound <= dense.objective + 1e-7
    assert dense.lower_bound <= threaded.objective + 1e-7
    warm, _ = solve_engine(problem, warm=state.shifted(0))
    assert warm.lower_bound <= dense.objective + 1e-7
    assert evaluate(problem, warm.power_kw).violations.none


def test_what_the_engine_leaves_to_highs_has_a_reason(monkeypatch):
    _, problem = random_problem(0)
    base = np.full(problem.periods, 1e3)
    crowded = replace(problem, group_limits=(replace(problem.group_limits[0], base_kw=base),))
    assert supports(crowded) == "L1 is passed without any vehicle"
    below = replace(problem.fleet, energy_min_kwh=np.full(problem.fleet.size, -1.0))
    assert supports(replace(problem, fleet=below)) == "a stored energy is below 0"
    monkeypatch.setattr("bothways.planning.engine.supported.MOST_KINDS", 5)
    many = Fleet(**{name: np.repeat(getattr(below, name)[:1], 6) for name in below.__dataclass_fields__})
    many = replace(many, energy_min_kwh=np.zeros(6))
    own = GroupLimit.of("line", np.arange(6) / 6.0, problem.periods, upper_kw=1e4)
    assert "6 different ways" in supports(replace(problem, fleet=many, group_limits=(own,)))


def test_every_vehicle_may_have_a_share_of_its_own():
    rng = np.random.default_rng(2)
    size, periods = 600, 12
    arrival = rng.integers(0, 6, size)
    start = rng.uniform(5.0, 20.0, size)
    fleet = Fleet(
        arrival=arrival, departure=np.minimum(arrival + rng.integers(3, 8, size), periods), energy_at_arrival_kwh=start,
        energy_required_kwh=start + rng.uniform(0.0, 6.0, size), energy_min_kwh=np.zeros(size),
        energy_max_kwh=np.full(size, 40.0), charge_kw=np.full(size, 11.0), discharge_kw=np.full(size, 11.0),
        charge_efficiency=np.full(size, 0.95), discharge_efficiency=np.full(size, 0.95),
        wear_per_kwh=np.full(size, 0.03), min_charge_kw=np.zeros(size), no_pause=np.zeros(size, dtype=np.bool_),
    )  # fmt: skip
    price = rng.uniform(0.1, 0.4, periods)
    free = PlanProblem(1.0, periods, price, 0.5 * price, np.full(periods, 500.0), fleet)
    own = rng.uniform(0.2, 1.0, size)
    seen = own @ solve_engine(free)[0].power_kw
    line = GroupLimit.of("line", own, periods, upper_kw=0.7 * float(seen.max()))
    plan, _ = solve_engine(replace(free, group_limits=(line,)))
    assert plan.status == "optimal"
    assert evaluate(replace(free, group_limits=(line,)), plan.power_kw).violations.none
    assert plan.group_price.max() > 0.0
