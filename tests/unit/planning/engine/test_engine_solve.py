"""The door of the engine: states, threads, refusals, compact schedules."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.engine.solve import EngineState, solve_engine
from bothways.planning.engine.supported import supports
from bothways.planning.evaluation import evaluate
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem

PERIODS = 48


def _problem(size: int, seed: int = 0) -> PlanProblem:
    rng = np.random.default_rng(seed)
    arrival = rng.integers(0, 24, size)
    capacity, start = np.full(size, 60.0), rng.uniform(12.0, 40.0, size)
    fleet = Fleet(
        arrival=arrival,
        departure=arrival + rng.integers(6, 25, size),
        energy_at_arrival_kwh=start,
        energy_required_kwh=np.minimum(start + rng.uniform(0.0, 20.0, size), 55.0),
        energy_min_kwh=np.full(size, 10.0),
        energy_max_kwh=capacity,
        charge_kw=np.full(size, 11.0),
        discharge_kw=np.where(rng.random(size) < 0.7, 11.0, 0.0),
        charge_efficiency=np.full(size, 0.95),
        discharge_efficiency=np.full(size, 0.95),
        wear_per_kwh=np.full(size, 0.03),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )
    buy = 0.2 + 0.15 * np.sin(np.arange(PERIODS) / 4.0)
    return PlanProblem(
        step_h=0.5,
        periods=PERIODS,
        import_price=buy,
        export_price=0.8 * buy,
        base_load_kw=size * (1.0 + np.cos(np.arange(PERIODS) / 7.0)),
        fleet=fleet,
        demand_charges=(DemandCharge(0.5, np.ones(PERIODS, dtype=np.bool_)),),
        import_limit_kw=3.0 * size,
        import_limit_penalty_per_kwh=1.0,
    )


def test_one_thread_gives_the_same_plan_twice() -> None:
    problem = _problem(300)
    one, _ = solve_engine(problem, threads=1)
    two, _ = solve_engine(problem, threads=1)
    np.testing.assert_array_equal(one.power_kw, two.power_kw)
    assert one.lower_bound == two.lower_bound


def test_bounds_of_two_threads_enclose_each_other() -> None:
    problem = _problem(3000)
    one, _ = solve_engine(problem, threads=1)
    two, _ = solve_engine(problem, threads=2)
    assert one.status == two.status == "optimal"
    assert one.lower_bound <= two.objective
    assert two.lower_bound <= one.objective


def test_warm_start_needs_fewer_passes_and_keeps_the_gap() -> None:
    problem = _problem(1000)
    _, cold = solve_engine(problem)
    news = replace(problem, base_load_kw=problem.base_load_kw * 1.01)
    again, warm = solve_engine(news, warm=cold)
    _, fresh = solve_engine(news)
    assert again.status == "optimal"
    assert warm.sweeps < fresh.sweeps


def test_state_moves_with_the_horizon() -> None:
    state = EngineState(np.array([1.0, 2.0, 3.0]), np.array([[0.0, 4.0, 5.0]]), 0.1)
    later = state.shifted(2)
    np.testing.assert_array_equal(later.price, [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(later.charge_prices, [[5.0, 0.0, 0.0]])


def test_compact_schedule_is_the_dense_one() -> None:
    problem = _problem(200)
    dense, _ = solve_engine(problem, threads=1)
    compact, state = solve_engine(problem, threads=1, dense=False)
    assert compact.power_kw.shape == (0, PERIODS)
    assert state.schedule is not None
    assert compact.objective == pytest.approx(dense.objective, rel=1e-12)
    power, energy = state.schedule.rows(np.arange(200))
    np.testing.assert_allclose(power, dense.power_kw, atol=1e-12)
    np.testing.assert_allclose(energy, dense.energy_kwh, atol=1e-12)
    assert evaluate(problem, power).objective == pytest.approx(compact.objective, rel=1e-12)


@pytest.mark.parametrize("size", [200, 3000])
def test_cancelled_search_says_feasible_with_a_valid_gap(size: int) -> None:
    problem = _problem(size)
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-9), cancel=lambda: True)
    best, _ = solve_engine(problem, PlanOptions(gap=1e-5))
    assert plan.status == "feasible"
    assert plan.lower_bound <= best.objective
    assert plan.objective >= best.lower_bound


def test_progress_is_told_bounds_that_close() -> None:
    seen: list[tuple[int, float, float]] = []
    solve_engine(_problem(200), progress=lambda *what: seen.append(what))
    assert seen
    assert all(lower <= upper for _, lower, upper in seen)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"export_price": np.full(PERIODS, 1.0)}, "export pays"),
        ({"import_price": np.full(PERIODS, -1.0), "export_price": np.full(PERIODS, -1.0)}, "at once"),
        ({"import_hard_limit_kw": 1.0}, "hard import limit"),
    ],
)
def test_what_is_not_convex_is_refused(change: dict[str, object], word: str) -> None:
    problem = replace(_problem(5), **change)
    assert word in str(supports(problem))
    with pytest.raises(DomainError, match=word):
        solve_engine(problem)


def test_minimum_power_is_refused() -> None:
    problem = _problem(5)
    fleet = replace(problem.fleet, min_charge_kw=np.full(5, 1.4))
    assert "minimum" in str(supports(replace(problem, fleet=fleet)))


def test_empty_fleet_has_a_plan() -> None:
    problem = _problem(3)
    empty = Fleet(**{name: getattr(problem.fleet, name)[:0] for name in problem.fleet.__dataclass_fields__})
    for load in (problem.base_load_kw, np.zeros(PERIODS)):
        plan, _ = solve_engine(replace(problem, fleet=empty, base_load_kw=load))
        assert plan.status == "optimal"
        assert plan.power_kw.shape == (0, PERIODS)


def test_long_stays_are_certified_too() -> None:
    problem = _problem(40)
    fleet = replace(problem.fleet, arrival=np.zeros(40, dtype=np.int64), departure=np.full(40, PERIODS))
    plan, _ = solve_engine(replace(problem, fleet=fleet))
    assert plan.status == "optimal"


def test_a_binding_hard_limit_is_kept_and_certified() -> None:
    problem = replace(_problem(100), demand_charges=())
    free, _ = solve_engine(problem)
    limit = 0.9 * free.peak_import_kw
    plan, _ = solve_engine(replace(problem, import_hard_limit_kw=limit))
    assert plan.status == "optimal"
    assert plan.peak_import_kw <= limit + 1e-6
    assert plan.objective >= free.lower_bound


def test_needs_that_a_hard_limit_forbids_are_not_decided_here() -> None:
    problem = _problem(40)
    fleet = replace(problem.fleet, energy_required_kwh=np.full(40, 60.0), discharge_kw=np.zeros(40))
    limit = float(problem.base_load_kw.max()) + 5.0
    with pytest.raises(SolverError, match="hard limits"):
        solve_engine(replace(problem, fleet=fleet, import_hard_limit_kw=limit))
