"""The decomposed method against HiGHS and against a program written another way, on instances that are not nice."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.reserve.calls import check_calls
from bothways.planning.reserve.decomposed import solve_reserve_decomposed
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.products import ReservePlanProblem, ReserveProduct
from bothways.planning.reserve.solve import choose, solve_reserve

UGLY = (
    "plain", "no demand charge", "huge demand charge", "tight limit", "no load", "flat price", "negative price",
    "identical", "out of reach", "one vehicle", "one step", "lossless", "no wear", "one-way", "short windows",
    "export at import price", "terminal value", "below the floor", "export limit", "hard limit", "surplus",
    "full batteries", "reserve is dear", "much activation", "short calls", "long calls", "products of price 0",
)  # fmt: skip


def fleet_of(rng, kind, size, periods):
    arrival = rng.integers(0, max(periods - 1, 1), size)
    stay = rng.integers(1, 2 if kind == "short windows" else periods + 1, size)
    capacity = rng.choice([20.0, 40.0, 60.0], size)
    start = rng.uniform(0.95 if kind == "full batteries" else 0.15, 1.0 if kind == "full batteries" else 0.8, size)
    power = rng.choice([3.7, 11.0, 22.0], size)
    efficiency = np.full(size, 1.0) if kind == "lossless" else rng.uniform(0.8, 1.0, size)
    fleet = Fleet(
        arrival=arrival,
        departure=np.minimum(arrival + stay, periods),
        energy_at_arrival_kwh=capacity * start,
        energy_required_kwh=capacity * rng.uniform(0.2, 2.0 if kind == "out of reach" else 0.9, size),
        energy_min_kwh=capacity * (0.3 if kind == "below the floor" else 0.1),
        energy_max_kwh=capacity,
        charge_kw=power,
        discharge_kw=np.where(rng.random(size) < (0.0 if kind == "one-way" else 0.7), power, 0.0),
        charge_efficiency=efficiency,
        discharge_efficiency=efficiency[::-1].copy(),
        wear_per_kwh=np.full(size, 0.0 if kind == "no wear" else 0.04),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )
    if kind == "identical":
        fleet = Fleet(**{name: np.full_like(getattr(fleet, name), getattr(fleet, name)[0]) for name in vars(fleet)})
    return fleet


def products_of(rng, kind, periods):
    price = {"reserve is dear": 1.0, "products of price 0": 0.0}.get(kind, 0.03)
    activation = 0.3 if kind == "much activation" else float(rng.choice([0.0, 0.1]))
    longest = {"short calls": 0.1, "long calls": 2.0}.get(kind, 1.0)
    found = []
    for number, direction in enumerate(("up", "down", "symmetric")):
        steps = int(rng.integers(1, 5))
        goes_up, goes_down = direction != "down", direction != "up"
        found.append(
            ReserveProduct(
                f"{direction} {number}",
                direction,
                price * rng.uniform(0.3, 1.5, -(-periods // steps)),
                steps,
                float(min(rng.choice([0.1, 0.25, 0.5, 1.0]) * longest, 0.5 * periods)),
                max_bid_kw=math.inf if rng.random() < 0.7 else 15.0,
                activation_up=activation * goes_up,
                activation_down=activation * goes_down,
                price_up_per_kwh=np.array(0.25),
                price_down_per_kwh=np.array(0.1),
            )
        )
    return tuple(found[: int(rng.integers(1, 4))])


def ugly(kind, seed, size=None):
    """One random instance of a kind; steps of half an hour."""
    rng = np.random.default_rng((seed, UGLY.index(kind)))
    periods = 1 if kind == "one step" else int(rng.integers(3, 13))
    size = size or (1 if kind == "one vehicle" else int(rng.integers(2, 9)))
    buy = np.full(periods, 0.2) if kind == "flat price" else rng.uniform(0.05, 0.5, periods)
    if kind == "negative price":
        buy = buy - 0.15
    sell = buy.copy() if kind == "export at import price" else buy - rng.uniform(0.0, 0.1, periods)
    load = np.zeros(periods) if kind == "no load" else rng.uniform(-5.0, 15.0, periods)
    if kind == "surplus":
        load = load - 25.0
    demand = {"no demand charge": 0.0, "huge demand charge": 50.0}.get(kind, 1.0)
    some = rng.random(periods) < 0.7
    plan = PlanProblem(
        step_h=0.5,
        periods=periods,
        import_price=buy,
        export_price=sell,
        base_load_kw=load,
        fleet=fleet_of(rng, kind, size, periods),
        demand_charges=(DemandCharge(demand, some, 5.0), DemandCharge(0.5 * demand, np.ones(periods, dtype=bool))),
        import_limit_kw=10.0 if kind == "tight limit" else 60.0,
        import_limit_penalty_per_kwh=1.0,
        import_hard_limit_kw=15.0 * size + 20.0 if kind == "hard limit" else math.inf,
        export_limit_kw=6.0 if kind in {"export limit", "surplus"} else math.inf,
        terminal_value_per_kwh=0.12 if kind == "terminal value" else 0.0,
    )
    return ReservePlanProblem(plan, products_of(rng, kind, periods))


@pytest.mark.parametrize("kind", UGLY)
def test_bounds_hold_the_optimum_between_them(kind):
    for seed in range(3):
        problem = ugly(kind, seed)
        exact = solve_reserve_highs(problem, PlanOptions(gap=1e-7))
        answer = solve_reserve_decomposed(problem, PlanOptions(gap=1e-3))
        slack = 1e-6 * max(1.0, abs(exact.plan.objective))
        assert answer.plan.lower_bound <= exact.plan.objective + slack
        assert exact.plan.lower_bound <= answer.plan.objective + slack
        assert exact.plan.status == answer.plan.status == "optimal"
        for one in (exact, answer):
            assert check_calls(problem, one).worst < 2e-6
            assert one.plan.objective == pytest.approx(one.money.total)
            assert np.allclose(one.plan.shortfall_kwh, exact.plan.shortfall_kwh, atol=1e-6)


def dense_optimum(problem):
    """The same problem as dense inequalities over powers, energies written out as sums.

    A call lasts one step, nothing is activated.

    Nothing here is taken from the package but the numbers of the problem.
    """
    plan, fleet = problem.plan, problem.plan.fleet
    hours, steps, count = plan.step_h, plan.periods, plan.fleet.size
    kinds = 4  # charge, discharge, up, down
    bids = [-(-steps // product.block_steps) for product in problem.products]
    size = count * steps * kinds + 2 * steps + 1 + sum(bids)
    at = np.arange(count * steps * kinds).reshape(count, steps, kinds)
    bought, sold, peak = at.size + np.arange(steps), at.size + steps + np.arange(steps), at.size + 2 * steps
    first = peak + 1 + np.concatenate([[0], np.cumsum(bids)])
    cost, top = np.zeros(size), np.full(size, np.inf)
    cost[bought], cost[sold] = hours * plan.import_price, -hours * plan.export_price
    cost[peak] = plan.demand_charges[0].price_per_kw
    less, less_side, same, same_side = [], [], [], []

    def add(rows, sides, entries, side):
        line = np.zeros(size)
        for column, value in entries:
            line[column] += value
        rows.append(line)
        sides.append(side)

    for i in range(count):
        two_way = fleet.discharge_kw[i] > 0.0
        rate = 1.0 / fleet.discharge_efficiency[i] if two_way else fleet.charge_efficiency[i]
        inside = fleet.charge_efficiency[i] * hours
        full = fleet.energy_at_arrival_kwh[i]
        ceiling = max(fleet.energy_max_kwh[i], full)
        stay = fleet.departure[i] - fleet.arrival[i]
        needed = min(fleet.energy_required_kwh[i], ceiling, full + stay * inside * fleet.charge_kw[i])
        energy = []
        for t in range(steps):
            there = fleet.arrival[i] <= t < fleet.departure[i]
            top[at[i, t]] = [fleet.charge_kw[i], fleet.discharge_kw[i], np.inf, np.inf] if there else 0.0
            cost[at[i, t, 1]] = hours * fleet.wear_per_kwh[i]
            if not there:
                continue
            energy += [(at[i, t, 0], inside), (at[i, t, 1], -hours / fleet.discharge_efficiency[i])]
            add(less, less_side, [(at[i, t, 2], 1), (at[i, t, 0], -1), (at[i, t, 1], 1)], fleet.discharge_kw[i])
            add(less, less_side, [(at[i, t, 3], 1), (at[i, t, 0], 1), (at[i, t, 1], -1)], fleet.charge_kw[i])
            left = fleet.departure[i] - t - 1
            reach = full + (t - fleet.arrival[i] + 1) * inside * fleet.charge_kw[i]
            low = max(min(fleet.energy_min_kwh[i], reach), needed - left * inside * fleet.charge_kw[i])
            call = hours * rate
            add(less, less_side, [(c, -v) for c, v in energy] + [(at[i, t, 2], call)], full - low)
            add(less, less_side, [*energy, (at[i, t, 3], call)], ceiling - full)
    for t in range(steps):
        powers = [(at[i, t, k], (-1.0, 1.0)[k]) for i in range(count) for k in range(2)]
        add(same, same_side, [(bought[t], 1), (sold[t], -1), *powers], plan.base_load_kw[t])
        add(less, less_side, [(bought[t], 1), (peak, -1)], plan.demand_charges[0].peak_so_far_kw)
        for k, way in ((2, "down"), (3, "up")):
            taken = [
                (first[n] + t // product.block_steps, 1.0)
                for n, product in enumerate(problem.products)
                if product.direction != way
            ]
            add(less, less_side, taken + [(at[i, t, k], -1.0) for i in range(count)], 0.0)
    for n, product in enumerate(problem.products):
        for t in range(steps):
            price = product.capacity_price[t if product.capacity_price.size == steps else t // product.block_steps]
            cost[first[n] + t // product.block_steps] -= hours * price
        top[first[n] : first[n + 1]] = product.max_bid_kw
    found = linprog(
        cost,
        np.array(less),
        np.array(less_side),
        np.array(same),
        np.array(same_side),
        np.stack([np.zeros(size), top], 1),
    )  # fmt: skip
    assert found.status == 0
    return found.fun


@pytest.mark.parametrize("seed", range(6))
def test_a_program_written_another_way_gives_the_same(seed):
    rng = np.random.default_rng(seed)
    periods = 6
    plan = PlanProblem(
        step_h=0.5,
        periods=periods,
        import_price=rng.uniform(0.1, 0.4, periods),
        export_price=rng.uniform(0.0, 0.1, periods),
        base_load_kw=rng.uniform(-5.0, 10.0, periods),
        fleet=fleet_of(rng, "plain", 4, periods),
        demand_charges=(DemandCharge(0.7, np.ones(periods, dtype=bool), 3.0),),
    )
    products = tuple(
        ReserveProduct(way, way, rng.uniform(0.01, 0.1, 3), 2, 0.5, max_bid_kw=limit)
        for way, limit in (("up", 20.0), ("down", math.inf), ("symmetric", math.inf))
    )
    problem = ReservePlanProblem(plan, products)
    optimum = dense_optimum(problem)
    assert solve_reserve_highs(problem, PlanOptions(gap=1e-8)).plan.objective == pytest.approx(optimum, abs=1e-6)
    answer = solve_reserve_decomposed(problem, PlanOptions(gap=1e-5))
    assert answer.plan.lower_bound - 1e-6 <= optimum <= answer.plan.objective + 1e-6


def test_auto_chooses_by_size_and_by_whole_units():
    small, large = ugly("plain", 1), ugly("plain", 1, 60)
    assert choose(small) == "highs"
    assert choose(large) == "engine"
    assert solve_reserve(large, PlanOptions(gap=1e-3)).plan.solver.startswith("interior point")
    whole = ReservePlanProblem(large.plan, (ReserveProduct("w", "up", np.array([0.1]), 100, granularity_kw=5.0),))
    assert choose(whole) == "highs"


def test_a_hair_too_much_costs_a_hair_not_the_share():
    """Vehicles that need all they can get leave room for one bid; rounding in other steps must not take it away."""
    problem = ugly("plain", 1)
    fleet = problem.plan.fleet
    wish = replace(fleet, energy_required_kwh=fleet.energy_at_arrival_kwh + 1e3)
    problem = ReservePlanProblem(replace(problem.plan, fleet=wish), problem.products)
    answer = solve_reserve_decomposed(problem, PlanOptions(gap=1e-4))
    assert answer.plan.status == "optimal"
    assert answer.bids_kw[0].max() == pytest.approx(4.295, abs=1e-3)


@pytest.mark.parametrize("change", ["nobody", "no power", "one leaves at once"])
def test_fleets_without_a_choice(change):
    problem = ugly("plain", 1)
    fleet = problem.plan.fleet
    if change == "nobody":
        fleet = Fleet(**{name: column[:0] for name, column in vars(fleet).items()})
    elif change == "no power":
        fleet = replace(fleet, charge_kw=0.0 * fleet.charge_kw, discharge_kw=0.0 * fleet.charge_kw)
    else:
        fleet = replace(fleet, departure=np.where(np.arange(fleet.size) == 0, fleet.arrival, fleet.departure))
    problem = ReservePlanProblem(replace(problem.plan, fleet=fleet), problem.products)
    exact = solve_reserve_highs(problem, PlanOptions(gap=1e-6))
    answer = solve_reserve_decomposed(problem, PlanOptions(gap=1e-4))
    assert exact.plan.status == answer.plan.status == "optimal"
    assert answer.plan.objective == pytest.approx(exact.plan.objective, rel=2e-4)


def test_auto_asks_the_other_method_where_one_has_no_answer():
    hopeless = ugly("plain", 1, 30)
    hopeless = ReservePlanProblem(
        replace(hopeless.plan, base_load_kw=np.full(hopeless.plan.periods, 1e4), import_hard_limit_kw=100.0),
        hopeless.products,
    )
    assert choose(hopeless) == "engine"
    assert solve_reserve(hopeless).plan.status == "infeasible"
    in_a_hurry = solve_reserve(ugly("plain", 1, 10), PlanOptions(gap=1e-3, time_limit_s=1e-9))
    assert in_a_hurry.plan.solver.startswith("interior point")
    assert in_a_hurry.plan.status == "optimal"


def test_whole_units_in_a_large_fleet_are_kept_and_bounded():
    base = ugly("plain", 3, 12)
    blocks = -(-base.plan.periods // 2)
    lumpy = ReserveProduct("w", "up", np.full(blocks, 0.05), 2, 0.5, min_bid_kw=10.0, granularity_kw=5.0)
    problem = ReservePlanProblem(base.plan, (lumpy,))
    exact = solve_reserve_highs(problem, PlanOptions(gap=1e-7))
    answer = solve_reserve_decomposed(problem, PlanOptions(gap=1e-3))
    bid = answer.bids_kw[0]
    assert np.all((bid == 0.0) | ((bid >= 10.0 - 1e-9) & (np.abs(bid / 5.0 - np.round(bid / 5.0)) < 1e-9)))
    assert answer.plan.lower_bound <= exact.plan.objective + 1e-6
    assert exact.plan.objective <= answer.plan.objective + 1e-6


def test_a_search_can_be_ended_and_told_about():
    told = []
    answer = solve_reserve_decomposed(
        ugly("plain", 2), PlanOptions(gap=1e-9), cancel=lambda: True, progress=lambda *step: told.append(step)
    )
    assert answer.plan.status == "feasible"
    assert math.isfinite(answer.plan.lower_bound)
    assert answer.plan.lower_bound <= answer.plan.objective
