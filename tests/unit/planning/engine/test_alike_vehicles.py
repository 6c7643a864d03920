"""Vehicles that are alike are planned as one: same optimum, equal shares, and nobody is taken for somebody else."""

from dataclasses import fields, replace

import numpy as np
import pytest

from bothways.planning.engine import alike as module
from bothways.planning.engine import solve as engine
from bothways.planning.engine.alike import alike
from bothways.planning.engine.solve import solve_engine
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.limits import GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem

PERIODS = 24
GAP = 1e-5


def depot(seed: int, kinds: int = 3, each: int = 7, *, short: bool = False) -> PlanProblem:
    """Buses of a few types that come and go together, in no order."""
    rng = np.random.default_rng(seed)
    arrival = rng.integers(0, 8, kinds)
    start = rng.uniform(12.0, 30.0, kinds)
    two_way = np.arange(kinds) % 2 == 0
    columns = {
        "arrival": arrival,
        "departure": arrival + rng.integers(6, 16, kinds),
        "energy_at_arrival_kwh": start,
        "energy_required_kwh": np.full(kinds, 90.0) if short else start + rng.uniform(5.0, 20.0, kinds),
        "energy_min_kwh": np.full(kinds, 10.0),
        "energy_max_kwh": np.full(kinds, 100.0),
        "charge_kw": np.full(kinds, 7.4),
        "discharge_kw": np.where(two_way, 7.4, 0.0),
        "charge_efficiency": np.full(kinds, 0.93),
        "discharge_efficiency": np.full(kinds, 0.94),
        "wear_per_kwh": rng.uniform(0.01, 0.05, kinds),
        "min_charge_kw": np.zeros(kinds),
        "no_pause": np.zeros(kinds, dtype=np.bool_),
    }
    type_of = rng.permutation(np.repeat(np.arange(kinds), each))
    size = type_of.size
    buy = 0.2 + 0.15 * np.sin(np.arange(PERIODS) / 3.0 + seed)
    return PlanProblem(
        step_h=0.5,
        periods=PERIODS,
        import_price=buy,
        export_price=0.8 * buy,
        base_load_kw=size * (1.0 + np.cos(np.arange(PERIODS) / 4.0)),
        fleet=Fleet(**{name: column[type_of] for name, column in columns.items()}),
        demand_charges=(DemandCharge(0.4, np.ones(PERIODS, dtype=np.bool_)),),
        import_limit_kw=3.0 * size,
        import_limit_penalty_per_kwh=1.0,
    )


def changed(problem: PlanProblem, name: str, vehicle: int, value: float) -> PlanProblem:
    columns = {item.name: getattr(problem.fleet, item.name).copy() for item in fields(Fleet)}
    columns[name][vehicle] = value
    return replace(problem, fleet=Fleet(**columns))


@pytest.mark.parametrize("seed", range(6))
def test_optimum_is_that_of_all_vehicles_and_the_plan_is_what_it_says(seed: int) -> None:
    problem = depot(seed)
    plan, _ = solve_engine(problem, PlanOptions(gap=GAP))
    exact = solve_with_highs(problem, PlanOptions(gap=1e-9))
    scale = max(1.0, abs(exact.objective))
    assert plan.lower_bound <= exact.objective + 1e-9 * scale
    assert exact.objective - 1e-9 * scale <= plan.objective <= exact.objective + 2 * GAP * scale
    seen = evaluate(problem, plan.power_kw)
    assert seen.cost.total == pytest.approx(plan.objective, rel=1e-9)
    assert seen.violations.worst <= 1e-9
    np.testing.assert_allclose(seen.energy_kwh, plan.energy_kwh, atol=1e-9)
    np.testing.assert_allclose(seen.flows.import_kw, plan.import_kw, atol=1e-8)
    fleet = problem.fleet
    assert (plan.power_kw <= fleet.charge_kw[:, None]).all()
    assert (plan.power_kw >= -fleet.discharge_kw[:, None]).all()
    assert (plan.energy_kwh <= fleet.energy_max_kwh[:, None]).all()
    assert (plan.energy_kwh >= fleet.energy_min_kwh[:, None]).all()


def test_who_falls_short_is_told_with_figures_of_one_vehicle() -> None:
    problem = depot(1, short=True)
    plan, _ = solve_engine(problem, PlanOptions(gap=GAP))
    exact = solve_with_highs(problem, PlanOptions(gap=1e-9))
    np.testing.assert_allclose(plan.shortfall_kwh, exact.shortfall_kwh, atol=1e-6)
    assert plan.shortfall_kwh.max() > 1.0
    assert plan.reasons == exact.reasons


def test_equal_vehicles_get_equal_shares_and_others_do_not() -> None:
    problem = depot(2)
    groups = alike(problem)
    assert groups is not None
    assert groups.count.tolist() == [7.0, 7.0, 7.0]
    plan, _ = solve_engine(problem, PlanOptions(gap=GAP))
    for group in range(3):
        own = plan.power_kw[groups.group == group]
        np.testing.assert_array_equal(own, own[:1].repeat(7, axis=0))
        of_group = {tuple(getattr(problem.fleet, item.name)[groups.group == group]) for item in fields(Fleet)}
        assert all(len(set(values)) == 1 for values in of_group)


@pytest.mark.parametrize("name", [item.name for item in fields(Fleet)])
def test_a_vehicle_that_differs_in_one_value_is_a_group_of_its_own(name: str) -> None:
    problem = depot(3)
    value = getattr(problem.fleet, name)[5]
    other = {"arrival": value + 1, "no_pause": True, "min_charge_kw": 1.5}.get(name, value * 0.99)
    if name == "discharge_kw" and value == 0.0:
        other = 3.0
    groups = alike(changed(problem, name, 5, other))
    assert groups is not None
    assert groups.count.size == 4
    assert groups.count[groups.group[5]] == 1.0


def test_behind_a_group_limit_vehicles_stay_apart() -> None:
    problem = depot(4, kinds=2, each=10)
    limit = GroupLimit.of("feeder", np.ones(20) / 3.0, PERIODS, upper_kw=20.0, penalty_per_kwh=3.0)
    limited = replace(problem, group_limits=(limit,))
    assert alike(limited) is None  # two large vehicles would mix worse than twenty
    plan, _ = solve_engine(limited, PlanOptions(gap=1e-4))
    assert plan.status == "optimal"


def test_what_is_left_open_together_is_planned_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = depot(5)
    planned, asked = engine._planned, []

    def open_if_few(problem: PlanProblem, *rest: object) -> object:
        asked.append(problem.fleet.size)
        plan, state = planned(problem, *rest)
        return (replace(plan, gap=0.3, status="feasible"), state) if problem.fleet.size == 3 else (plan, state)

    monkeypatch.setattr(engine, "_planned", open_if_few)
    plan, _ = engine.solve_engine(problem, PlanOptions(gap=GAP))
    assert asked == [3, 21]
    assert plan.status == "optimal"
    asked.clear()
    plan, _ = engine.solve_engine(problem, PlanOptions(gap=GAP), cancel=lambda: True)
    assert asked == [3]  # whoever cancels gets what there is


def test_a_merged_problem_is_not_refused_for_the_last_digit_of_a_sum() -> None:
    size, power = 73, 9.3
    one = np.ones(size)
    fleet = Fleet(
        np.zeros(size, np.int64), np.full(size, 12), 5.0 * one, 20.0 * one, (5.3 + power / 2) * one, 40.0 * one,
        power * one, power * one, one, one, 0.02 * one, 0.0 * one, np.zeros(size, np.bool_),
    )  # fmt: skip
    buy = np.linspace(0.3, 0.1, 12)
    problem = PlanProblem(0.5, 12, buy, 0.5 * buy, np.zeros(12), fleet, import_hard_limit_kw=678.9)
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-4))
    assert plan.status == "optimal"


def test_vehicles_that_share_a_key_by_chance_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = changed(depot(5), "charge_kw", 3, 7.0)

    class Nothing:
        @staticmethod
        def uniform(low: float, high: float, size: int) -> np.ndarray:
            return np.zeros(size)  # every vehicle gets the key 0

    monkeypatch.setattr(module.np.random, "default_rng", lambda seed: Nothing)
    assert alike(problem) is None


def test_few_and_different_vehicles_are_left_alone() -> None:
    assert alike(depot(0, kinds=1, each=module.FROM - 1)) is None
    assert alike(depot(0, kinds=12, each=1)) is None
