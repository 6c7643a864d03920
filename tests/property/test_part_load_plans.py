"""Plans with losses at part load: against every pattern of on and off, and by what must hold."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_plans import random_problem
from scipy.optimize import linprog

from bothways.battery.losses import ChargerLosses, EfficiencyCurve, default_losses
from bothways.planning.engine.converters.solve import solve_converters, supports
from bothways.planning.evaluation import evaluate
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping
from bothways.planning.part_load import PartLoad, power_for, stored_by
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import reason_for, solve

KINDS = (
    default_losses(11.0),
    default_losses(22.0),
    ChargerLosses(
        EfficiencyCurve.from_efficiency(7.4, [0.1, 0.5, 1.0], [0.7, 0.9, 0.92]),
        EfficiencyCurve.from_efficiency(7.4, [0.2, 1.0], [0.8, 0.9]),
    ),
)
TIGHT = PlanOptions(gap=1e-6, time_limit_s=20.0, solver="highs")


def lossy(problem: PlanProblem, seed: int) -> PlanProblem:
    """The problem with losses of some kind at about three vehicles in four."""
    kinds = np.random.default_rng(seed + 7).integers(-1, len(KINDS), problem.fleet.size)
    return replace(problem, part_load=PartLoad(KINDS, kinds))


def crowd(size: int, periods: int) -> PlanProblem:
    """Many vehicles that come and go, and feed back."""
    rng = np.random.default_rng(3)
    hour = np.arange(periods) * 24.0 / periods
    buy = 0.2 + 0.15 * np.sin(hour / 24.0 * 2.0 * np.pi)
    start = rng.uniform(8.0, 30.0, size)
    fleet = Fleet(
        arrival=rng.integers(0, periods // 2, size), departure=rng.integers(periods // 2 + 1, periods + 1, size),
        energy_at_arrival_kwh=start, energy_required_kwh=start + rng.uniform(0.0, 20.0, size),
        energy_min_kwh=np.full(size, 6.0), energy_max_kwh=np.full(size, 60.0), charge_kw=np.full(size, 11.0),
        discharge_kw=np.full(size, 11.0), charge_efficiency=np.full(size, 0.92),
        discharge_efficiency=np.full(size, 0.92), wear_per_kwh=np.full(size, 0.02), min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )  # fmt: skip
    peak = DemandCharge(0.2, np.ones(periods, dtype=np.bool_))
    return PlanProblem(24.0 / periods, periods, buy, 0.8 * buy, np.full(periods, 40.0), fleet, (peak,))


def one_vehicle(rng: np.random.Generator, periods: int) -> PlanProblem:
    """One vehicle at prices of at least 0, so that every pattern of on and off is a linear program."""
    mapping = {
        "step_h": 0.5,
        "periods": periods,
        "import_price": rng.uniform(0.05, 0.4, periods).tolist(),
        "export_price": rng.uniform(0.0, 0.05, periods).tolist(),
        "base_load_kw": rng.uniform(0.0, 3.0, periods).tolist(),
        "demand_charge_per_kw": float(rng.choice([0.0, 0.05])),
        "loss_curves": [{"rated_kw": 11.0}],
        "vehicles": {
            "arrival": 0, "departure": periods, "energy_at_arrival_kwh": 10.0,
            "energy_required_kwh": float(10.0 + rng.uniform(-3.0, 5.0)), "energy_min_kwh": 5.0, "energy_max_kwh": 40.0,
            "charge_kw": 11.0, "discharge_kw": 11.0, "charge_efficiency": 0.5, "discharge_efficiency": 0.5,
            "wear_per_kwh": 0.02, "loss_curve": 0,
        },
    }  # fmt: skip
    return problem_from_mapping(mapping)


def cheapest_of_all_patterns(problem: PlanProblem) -> float:
    """Least cost over all patterns of charging, resting and discharging, each a linear program written by hand."""
    periods, step, curve = problem.periods, problem.step_h, KINDS[0]
    fleet, best = problem.fleet, np.inf
    into, out_of = curve.charge.segments(), curve.discharge.segments()
    for pattern in itertools.product((-1, 0, 1), repeat=periods):
        # columns: ac in, ac out, stored in, stored out, import, export (each per step), peak
        n = 6 * periods + 1
        cost, rows, limits = np.zeros(n), [], []
        cost[periods : 2 * periods] = step * fleet.wear_per_kwh[0]
        cost[4 * periods : 5 * periods] = step * problem.import_price
        cost[5 * periods : 6 * periods] = -step * problem.export_price
        cost[-1] = problem.demand_charges[0].price_per_kw if problem.demand_charges else 0.0
        bounds = [(0.0, 11.0 * (s > 0)) for s in pattern] + [(0.0, 11.0 * (s < 0)) for s in pattern]
        bounds += [(0.0, 11.0 * (s > 0)) for s in pattern] + [(0.0, 15.0 * (s < 0)) for s in pattern]
        bounds += [(0.0, None)] * (2 * periods + 1)
        for t, state in enumerate(pattern):
            sides = ((into, t, 2 * periods + t), (out_of, 3 * periods + t, periods + t))
            for (slopes, intercepts), ac, stored in sides:
                if (state > 0) == (ac == t) and state != 0:
                    for slope, intercept in zip(slopes, intercepts, strict=True):
                        row = np.zeros(n)
                        row[stored], row[ac] = 1.0, -slope
                        rows.append(row)
                        limits.append(intercept)
            low, high, peak = np.zeros(n), np.zeros(n), np.zeros(n)
            high[2 * periods : 2 * periods + t + 1], high[3 * periods : 3 * periods + t + 1] = step, -step
            floor = fleet.energy_required_kwh[0] if t == periods - 1 else fleet.energy_min_kwh[0]
            low[:] = -high
            peak[4 * periods + t], peak[-1] = 1.0, -1.0
            rows += [high, low, peak]
            limits += [fleet.energy_max_kwh[0] - 10.0, 10.0 - floor, 0.0]
        balance = np.zeros((periods, n))
        for t in range(periods):
            for column, sign in ((t, -1.0), (periods + t, 1.0), (4 * periods + t, 1.0), (5 * periods + t, -1.0)):
                balance[t, column] = sign
        found = linprog(cost, np.array(rows), limits, balance, problem.base_load_kw, bounds)
        if found.status == 0:
            best = min(best, found.fun)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_no_pattern_of_on_and_off_is_cheaper(seed: int) -> None:
    problem = one_vehicle(np.random.default_rng(seed), periods=4)
    plan = solve(problem, TIGHT)
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(cheapest_of_all_patterns(problem), abs=2e-6)


@given(seed=st.integers(0, 2000))
@settings(max_examples=15, deadline=None)
def test_plans_keep_all_limits_and_cost_what_the_curve_says(seed: int) -> None:
    problem = lossy(random_problem(seed), seed)
    plan = solve(problem, PlanOptions(gap=1e-4, time_limit_s=0.5, solver="highs"))
    if plan.status == "infeasible":
        return
    told = evaluate(problem, plan.power_kw, plan.curtailed_kw)
    assert told.violations.none, told.violations.sentences()
    assert plan.lower_bound <= plan.objective + 1e-9
    assert told.objective == pytest.approx(plan.objective, abs=1e-7)
    for i in np.flatnonzero(problem.part_load.has).tolist():
        stored = KINDS[problem.part_load.curve[i]].stored_kw(plan.power_kw[i]) * problem.step_h
        np.testing.assert_allclose(np.diff(plan.energy_kwh[i]), stored, atol=1e-8)


@given(seed=st.integers(0, 2000))
@settings(max_examples=20, deadline=None)
def test_the_engine_and_highs_bound_each_other(seed: int) -> None:
    problem = lossy(random_problem(seed), seed)
    if supports(problem) is not None:
        return
    found = solve_converters(problem, PlanOptions(gap=1e-6))
    exact = solve(problem, PlanOptions(gap=1e-6, time_limit_s=0.5, solver="highs"))
    slack = 1e-6 * max(1.0, abs(exact.objective))
    assert evaluate(problem, found.power_kw).violations.none
    assert found.lower_bound <= exact.objective + slack
    assert exact.lower_bound <= found.objective + slack


def test_the_engine_plans_many_vehicles_with_losses_group_limits_and_a_reserve() -> None:
    problem = lossy(crowd(60, 24), 5)
    weight = np.where(np.arange(60) % 3 == 0, 1.0, 0.0)
    problem = replace(
        problem,
        group_limits=(GroupLimit("feeder", weight, np.full(24, 60.0), np.full(24, -np.inf), np.zeros(24), np.inf),),
        energy_reserve=EnergyReserve.of(50.0, 60, 24),
    )
    plan = solve_converters(problem, PlanOptions(gap=1e-4))
    assert evaluate(problem, plan.power_kw).violations.none
    assert plan.gap <= 0.02
    assert plan.group_power_kw.max() <= 60.0 + 1e-6
    again = solve_converters(problem, PlanOptions(gap=1e-4))
    np.testing.assert_array_equal(plan.power_kw, again.power_kw)


def test_auto_takes_the_engine_for_many_and_says_so() -> None:
    name, why = reason_for(lossy(crowd(60, 24), 5))
    assert name == "engine"
    assert "60 vehicles" in why
    assert reason_for(lossy(crowd(10, 24), 5))[0] == "highs"
    pausing = lossy(crowd(60, 24), 5)
    pausing = replace(pausing, fleet=replace(pausing.fleet, no_pause=np.ones(60, dtype=np.bool_)))
    assert reason_for(pausing) == ("highs", "a vehicle that must not pause beside losses at part load")


@given(seed=st.integers(0, 2000))
@settings(max_examples=8, deadline=None)
def test_losses_are_never_a_gain(seed: int) -> None:
    problem = random_problem(seed)
    curves = tuple(
        ChargerLosses(
            EfficiencyCurve.quadratic(11.0, idle, 0.04, 0.02), EfficiencyCurve.quadratic(11.0, idle, 0.04, 0.02)
        )
        for idle in (0.0, 0.1, 0.4)
    )
    if problem.import_price.min() < 0.0 or problem.export_price.min() < 0.0:
        return  # where energy has a price below 0, to lose it pays
    plans = [
        solve(
            replace(problem, part_load=PartLoad((curve,), np.zeros(problem.fleet.size, np.int64))),
            PlanOptions(gap=1e-5, time_limit_s=0.3, solver="highs"),
        )
        for curve in curves
    ]
    shorts = [plan.shortfall_kwh.sum() for plan in plans]
    for less, more, short, shorter in zip(plans, plans[1:], shorts, shorts[1:], strict=False):
        if "infeasible" not in {less.status, more.status} and abs(shorter - short) < 1e-6:
            assert less.lower_bound <= more.objective + 1e-6


@given(seed=st.integers(0, 2000))
@settings(max_examples=10, deadline=None)
def test_a_curve_without_a_constant_part_is_an_efficiency(seed: int) -> None:
    problem = random_problem(seed)
    straight = EfficiencyCurve(np.array([0.0, 50.0]), np.array([0.0, 50.0 * 0.1]))
    curve = ChargerLosses(straight, straight)
    size = problem.fleet.size
    known = replace(problem, part_load=PartLoad((curve,), np.zeros(size, np.int64)))
    efficiency = np.full(size, 0.9)
    plain = replace(
        problem, fleet=replace(problem.fleet, charge_efficiency=efficiency, discharge_efficiency=efficiency)
    )
    options = PlanOptions(gap=1e-6, time_limit_s=5.0, solver="highs")
    one, other = solve(known, options), solve(plain, options)
    assert one.status == other.status
    if one.status == "optimal":
        assert one.objective == pytest.approx(other.objective, rel=3e-6, abs=3e-6)


@given(
    power=st.floats(-11.0, 11.0),
    kind=st.integers(0, len(KINDS) - 1),
)
def test_power_and_stored_energy_are_each_others_inverse(power: float, kind: int) -> None:
    problem = replace(random_problem(0), part_load=PartLoad(KINDS, np.full(random_problem(0).fleet.size, kind)))
    vehicle = np.zeros(1, np.int64)
    power = 0.0 if abs(power) < 1e-6 else power
    change = stored_by(problem, np.array([power]), vehicle)
    assert change[0] / problem.step_h == pytest.approx(float(KINDS[kind].stored_kw(power)), abs=1e-9)
    if abs(change[0]) > 1e-6:
        assert power_for(problem, change, vehicle)[0] == pytest.approx(power, abs=1e-6)


def test_the_round_trip_of_a_plan_is_between_70_and_85_percent() -> None:
    """Buy at night, sell by day: what comes back of what was bought is what chargers were measured at."""
    mapping = {
        "step_h": 1.0, "periods": 4, "import_price": [0.05, 0.05, 0.9, 0.9], "export_price": [0.0, 0.0, 0.8, 0.8],
        "base_load_kw": 0.0, "loss_curves": [{"rated_kw": 11.0}],
        "vehicles": {
            "arrival": 0, "departure": 4, "energy_at_arrival_kwh": 20.0, "energy_required_kwh": 20.0,
            "energy_min_kwh": 20.0, "energy_max_kwh": 60.0, "charge_kw": 11.0, "discharge_kw": 11.0,
            "charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_per_kwh": 0.0, "loss_curve": 0,
        },
    }  # fmt: skip
    plan = solve(problem_from_mapping(mapping), TIGHT)
    bought, sold = np.maximum(plan.power_kw, 0.0).sum(), np.maximum(-plan.power_kw, 0.0).sum()
    assert 0.70 <= sold / bought <= 0.85


def test_a_problem_with_losses_is_written_and_read_back() -> None:
    problem = lossy(random_problem(3), 3)
    assert problem.part_load is not None
    again = problem_from_mapping(problem_to_mapping(problem))
    assert again.part_load is not None
    assert np.array_equal(again.part_load.curve, problem.part_load.curve)
    for one, two in zip(again.part_load.curves, problem.part_load.curves, strict=True):
        np.testing.assert_array_equal(one.charge.loss_kw, two.charge.loss_kw)
        np.testing.assert_array_equal(one.discharge.input_kw, two.discharge.input_kw)
