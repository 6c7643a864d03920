"""What must hold for bids whatever the prices are."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.planning.evaluation import evaluate
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.reserve.calls import check_calls
from bothways.planning.reserve.decomposed import solve_reserve_decomposed
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.products import ReservePlanProblem, ReserveProduct
from bothways.planning.solve import solve

TIGHT = PlanOptions(gap=1e-6)


@st.composite
def plans(draw):
    """A site of a few steps with a few vehicles."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    size, periods = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    capacity = rng.uniform(10.0, 60.0, size)
    power = rng.choice([3.7, 11.0, 22.0], size)
    arrival = rng.integers(0, periods, size)
    return PlanProblem(
        step_h=draw(st.sampled_from([0.25, 0.5, 1.0])),
        periods=periods,
        import_price=rng.uniform(0.1, 0.5, periods),
        export_price=rng.uniform(0.0, 0.1, periods),
        base_load_kw=rng.uniform(-10.0, 20.0, periods),
        fleet=Fleet(
            arrival=arrival,
            departure=rng.integers(arrival, periods) + 1,
            energy_at_arrival_kwh=capacity * rng.uniform(0.0, 1.0, size),
            energy_required_kwh=capacity * rng.uniform(0.0, 1.0, size),
            energy_min_kwh=capacity * rng.uniform(0.0, 0.3, size),
            energy_max_kwh=capacity,
            charge_kw=power,
            discharge_kw=power * rng.integers(0, 2, size),
            charge_efficiency=rng.uniform(0.8, 1.0, size),
            discharge_efficiency=rng.uniform(0.8, 1.0, size),
            wear_per_kwh=np.full(size, 0.03),
            min_charge_kw=np.zeros(size),
            no_pause=np.zeros(size, dtype=np.bool_),
        ),
        demand_charges=(DemandCharge(draw(st.sampled_from([0.0, 1.0])), np.ones(periods, dtype=np.bool_)),),
        export_limit_kw=draw(st.sampled_from([math.inf, 15.0])),
    )


@st.composite
def offers(draw, *, activation=True):
    """One to three products for eight steps and fewer."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        direction = draw(st.sampled_from(["up", "down", "symmetric"]))
        share = draw(st.sampled_from([0.0, 0.15])) if activation else 0.0
        found.append(
            {
                "name": str(number),
                "direction": direction,
                "capacity_price": draw(st.floats(0.0, 0.1)),
                "block_steps": draw(st.integers(1, 4)),
                "sustain_h": draw(st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0])),
                "activation_up": share if direction != "down" else 0.0,
                "activation_down": share if direction != "up" else 0.0,
            }
        )
    return found


def problem_of(plan, listed, factor=1.0):
    products = []
    for item in listed:
        given_item = dict(item)
        blocks = -(-plan.periods // item["block_steps"])
        given_item["capacity_price"] = np.full(blocks, factor * item["capacity_price"])
        given_item["sustain_h"] = min(item["sustain_h"], plan.periods * plan.step_h)
        products.append(ReserveProduct(**given_item))
    return ReservePlanProblem(plan, tuple(products))


@given(plans(), offers())
@settings(max_examples=25)
def test_every_plan_survives_every_call(plan, listed):
    problem = problem_of(plan, listed)
    for solver in (solve_reserve_highs, solve_reserve_decomposed):
        answer = solver(problem, PlanOptions(gap=1e-3))
        assert check_calls(problem, answer).worst < 2e-6
        power, up, down = answer.plan.power_kw, answer.share_kw(problem, up=True), answer.share_kw(problem, up=False)
        assert np.all(up <= plan.fleet.discharge_kw[:, None] + power + 1e-6)
        assert np.all(down <= plan.fleet.charge_kw[:, None] - power + 1e-6)
        for way, shares in ((True, up), (False, down)):
            parts = [answer.product_share_kw(problem, n, up=way) for n in range(len(problem.products))]
            assert np.allclose(sum(parts), shares, atol=1e-5)


@given(plans(), offers())
@settings(max_examples=25)
def test_both_solvers_hold_the_same_optimum_between_their_bounds(plan, listed):
    problem = problem_of(plan, listed)
    exact, large = solve_reserve_highs(problem, TIGHT), solve_reserve_decomposed(problem, PlanOptions(gap=1e-4))
    slack = 2e-6 * max(1.0, abs(exact.plan.objective))
    assert large.plan.lower_bound <= exact.plan.objective + slack
    assert exact.plan.lower_bound <= large.plan.objective + slack


@given(plans(), offers(activation=False))
@settings(max_examples=20)
def test_products_that_pay_nothing_change_nothing(plan, listed):
    problem = problem_of(plan, listed, factor=0.0)
    plain = solve(plan, replace(TIGHT, solver="highs")).objective
    assert abs(solve_reserve_highs(problem, TIGHT).plan.objective - plain) <= 1e-5 * max(1.0, abs(plain))


@given(plans(), offers(), st.floats(1.0, 5.0))
@settings(max_examples=20)
def test_a_higher_price_never_lowers_the_profit(plan, listed, factor):
    cheap, dear = problem_of(plan, listed), problem_of(plan, listed, factor)
    low, high = solve_reserve_highs(cheap, TIGHT).plan, solve_reserve_highs(dear, TIGHT).plan
    assert high.objective <= low.objective + 1e-5 * max(1.0, abs(low.objective))


@st.composite
def limited(draw):
    """A plan with some of: minimum powers, no pauses, a hard feeder, energy kept back."""
    plan = draw(plans())
    rng, size, periods = np.random.default_rng(draw(st.integers(0, 2**31))), plan.fleet.size, plan.periods
    if draw(st.booleans()):
        least = plan.fleet.charge_kw * rng.uniform(0.1, 0.5, size) * (rng.random(size) < 0.7)
        fleet = replace(plan.fleet, min_charge_kw=least, no_pause=rng.random(size) < 0.3)
        plan = replace(plan, fleet=fleet)
    if draw(st.booleans()):
        upper = float(rng.uniform(0.5, 1.0)) * float(plan.fleet.charge_kw.sum())
        feeder = GroupLimit.of("feeder", np.ones(size), periods, upper_kw=upper, lower_kw=-upper)
        plan = replace(plan, group_limits=(feeder,))
    if draw(st.booleans()):
        required = float(rng.uniform(0.0, 0.5)) * float(plan.fleet.energy_max_kwh.sum())
        plan = replace(plan, energy_reserve=EnergyReserve.of(required, size, periods, penalty_per_kwh=0.2))
    return plan


@given(limited(), offers())
@settings(max_examples=30)
def test_limits_hold_with_bids_and_while_called(plan, listed):
    problem = problem_of(plan, listed)
    answer = solve_reserve_highs(problem, PlanOptions(gap=1e-4, time_limit_s=5.0))
    if answer.plan.status == "infeasible":
        return  # the feeder is too narrow for what drivers need: a plan without products would rank them
    assert check_calls(problem, answer).worst < 5e-6
    seen = evaluate(plan, answer.plan.power_kw)
    assert max(seen.violations.min_charge_kw, seen.violations.pauses, seen.violations.group_kw) < 1e-5
    assert answer.plan.lower_bound <= answer.plan.objective
    worthless = problem_of(plan, [item | {"activation_up": 0.0, "activation_down": 0.0} for item in listed], factor=0.0)
    alone, plain = solve_reserve_highs(worthless, TIGHT).plan, solve(plan, replace(TIGHT, solver="highs"))
    slack = 2e-5 * max(1.0, abs(plain.objective))
    assert abs(alone.objective - plain.objective) <= slack
