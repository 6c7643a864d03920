"""Plans at the edges of the interior-point method: no feeding back, charges that say the same, nobody to move."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import SolverError
from bothways.planning.engine.solve import solve_engine
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem

STEPS = 96


def sunny(seed: int, export_kw: float, charges: int = 1, vehicles: int = 0) -> PlanProblem:
    """A site with much sun and vehicles that come for some hours."""
    rng = np.random.default_rng(seed)
    size, step = vehicles or int(rng.integers(20, 60)), np.arange(STEPS)
    arrival, capacity = rng.integers(20, 60, size), rng.choice([40.0, 60.0, 77.0], size)
    start, power, one = capacity * rng.uniform(0.3, 0.7, size), rng.choice([7.4, 11.0, 22.0], size), np.ones(size)
    fleet = Fleet(
        arrival, np.minimum(STEPS, arrival + rng.integers(4, 24, size)), start,
        np.minimum(capacity, start + rng.uniform(0.0, 10.0, size)), 0.2 * capacity, capacity, power, power.copy(),
        0.93 * one, 0.93 * one, 0.02 * one, 0.0 * one, np.zeros(size, np.bool_),
    )  # fmt: skip
    buy = 0.2 + 0.15 * ((step > 68) & (step < 84)) + 0.02 * rng.random(STEPS)
    sun = 60.0 * np.maximum(0.0, np.sin((step - 24) / 48 * np.pi)) * ((step > 24) & (step < 72))
    every = np.ones(STEPS, np.bool_)
    return PlanProblem(
        0.25, STEPS, buy, np.minimum(0.5 * buy, 0.1), 10.0 + 3.0 * rng.random(STEPS) - sun, fleet,
        tuple(DemandCharge(2.0 / (k + 1), every, 3.0 * k) for k in range(charges)),
        export_limit_kw=export_kw, terminal_value_per_kwh=0.05,
    )  # fmt: skip


def judged(problem: PlanProblem) -> None:
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-4))
    exact = solve_with_highs(problem, PlanOptions(gap=1e-9))
    slack = 1e-7 * max(1.0, abs(exact.objective))
    assert plan.status == "optimal"
    assert plan.lower_bound <= exact.objective + slack
    assert exact.objective - slack <= plan.objective
    assert evaluate(problem, plan.power_kw).violations.none
    assert float(plan.export_kw.max()) <= problem.export_limit_kw + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_a_site_that_must_not_feed_back_gets_a_proven_plan(seed: int) -> None:
    judged(sunny(seed, 0.0))


@pytest.mark.parametrize("seed", range(6))
def test_a_tight_export_limit_is_kept(seed: int) -> None:
    judged(sunny(seed, 5.0))


@pytest.mark.parametrize("seed", range(6))
def test_charges_over_the_same_steps_end_in_a_plan(seed: int) -> None:
    problem = sunny(seed, 30.0, charges=3, vehicles=4 + seed)
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-4))
    exact = solve_with_highs(problem, PlanOptions(gap=1e-9))
    slack = 1e-7 * max(1.0, abs(exact.objective))
    assert plan.lower_bound <= exact.objective + slack <= plan.objective + 2 * slack


@pytest.mark.parametrize("charges", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_several_charges_are_proven_closely(seed: int, charges: int) -> None:
    problem = sunny(100 + seed, 20.0, charges=charges)
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-6))
    assert plan.gap <= 5e-5  # of costs near 0; rounding may end it a little above what was asked
    assert evaluate(problem, plan.power_kw).violations.none


@pytest.mark.parametrize("asked", range(1, 9))
@pytest.mark.parametrize("seed", range(6))
def test_whoever_stops_a_search_gets_what_was_priced_and_keeps_hard_limits(seed: int, asked: int) -> None:
    problem = replace(sunny(seed, 5.0), import_hard_limit_kw=60.0)
    questions = []

    def enough() -> bool:
        questions.append(True)
        return len(questions) >= asked

    try:
        plan, _ = solve_engine(problem, PlanOptions(gap=1e-3), cancel=enough)
    except SolverError:
        return
    seen = evaluate(problem, plan.power_kw)
    assert seen.violations.none, seen.violations.sentences()
    assert seen.objective == pytest.approx(plan.objective, rel=1e-9, abs=1e-9)


def test_a_load_above_a_soft_limit_is_priced_exactly_without_vehicles() -> None:
    none, empty = np.zeros(0), np.zeros(0, np.int64)
    fleet = Fleet(empty, empty, *(none for _ in range(10)), np.zeros(0, np.bool_))
    buy = np.full(24, 0.2)
    problem = PlanProblem(
        1.0, 24, buy, 0.5 * buy, np.full(24, 30.0), fleet, import_limit_kw=0.0, import_limit_penalty_per_kwh=100.0
    )
    plan, _ = solve_engine(problem, PlanOptions(gap=1e-4))
    assert plan.objective == pytest.approx(24 * 30.0 * 100.2)
    assert plan.status == "optimal"
