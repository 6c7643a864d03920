"""``auto``: HiGHS for small and odd fleets, the engine for large ones, and both prove the same optimum."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.planning.evaluation import evaluate
from bothways.planning.limits import EnergyReserve
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import ENGINE_FROM, ENGINE_FROM_PREPARED, ON_OFF_FROM, choose, solve
from bothways.planning.watch import Watch

STEPS = 48


def fleet_problem(vehicles, *, dear_export=False):
    """A site with a demand charge and vehicles that come and go."""
    rng = np.random.default_rng(3)
    arrival = rng.integers(0, 20, vehicles)
    departure = np.minimum(STEPS, arrival + rng.integers(8, 28, vehicles))
    energy = rng.uniform(5.0, 20.0, vehicles)
    full = np.full(vehicles, 60.0)
    fleet = Fleet(
        arrival=arrival,
        departure=departure,
        energy_at_arrival_kwh=energy,
        energy_required_kwh=energy + rng.uniform(0.0, 8.0, vehicles),
        energy_min_kwh=np.full(vehicles, 5.0),
        energy_max_kwh=full,
        charge_kw=np.full(vehicles, 7.0),
        discharge_kw=np.where(rng.random(vehicles) < 0.6, 7.0, 0.0),
        charge_efficiency=np.full(vehicles, 0.95),
        discharge_efficiency=np.full(vehicles, 0.95),
        wear_per_kwh=np.full(vehicles, 0.03),
        min_charge_kw=np.zeros(vehicles),
        no_pause=np.zeros(vehicles, dtype=np.bool_),
    )
    price = 0.2 + 0.1 * np.sin(np.arange(STEPS) / 6.0)
    return PlanProblem(
        step_h=0.5,
        periods=STEPS,
        import_price=price,
        export_price=price + 0.01 if dear_export else np.full(STEPS, 0.05),
        base_load_kw=np.full(STEPS, 0.4 * vehicles),
        fleet=fleet,
        demand_charges=(DemandCharge(1.0, np.ones(STEPS, dtype=np.bool_)),),
    )


def test_size_and_oddity_decide():
    assert choose(fleet_problem(ENGINE_FROM - 1)) == "highs"
    assert choose(fleet_problem(ENGINE_FROM)) == "engine"
    assert choose(fleet_problem(ENGINE_FROM, dear_export=True)) == "highs"
    with pytest.raises(DomainError):
        solve(fleet_problem(2), PlanOptions(solver="magic"))


def test_engine_and_highs_prove_the_same_optimum():
    problem = fleet_problem(ENGINE_FROM)
    answers = [solve(problem, PlanOptions(solver=name)) for name in ("auto", "highs")]
    for answer in answers:
        assert answer.status == "optimal"
        assert evaluate(problem, answer.power_kw).objective == pytest.approx(answer.objective, rel=1e-9)
    by_engine, exact = answers
    scale = abs(exact.objective)
    assert by_engine.lower_bound <= exact.objective + 1e-9 * scale
    assert by_engine.objective >= exact.lower_bound - 1e-9 * scale
    assert by_engine.objective <= exact.objective + 1.01e-4 * scale


def test_what_the_engine_cannot_close_is_finished_by_highs():
    problem = fleet_problem(ENGINE_FROM)
    kept = EnergyReserve.of(np.where(np.arange(STEPS) == 20, 9.0 * ENGINE_FROM, 0.0), ENGINE_FROM, STEPS)
    answer = solve(replace(problem, energy_reserve=kept), PlanOptions(gap=1e-12))
    assert answer.status == "optimal"
    assert answer.solver.startswith("HiGHS")


def test_limits_that_needs_cannot_keep_go_to_highs_instead_of_failing():
    problem = replace(fleet_problem(ENGINE_FROM), import_hard_limit_kw=0.4 * ENGINE_FROM + 10.0)
    answer = solve(problem, PlanOptions(time_limit_s=120.0))
    assert answer.solver.startswith("HiGHS")
    assert answer.shortfall_kwh.sum() > 1.0
    assert answer.import_kw.max() <= problem.import_hard_limit_kw + 1e-6


def test_on_and_off_go_to_the_engine_from_fifty_vehicles_on_and_highs_narrows_the_gap():
    problem = fleet_problem(ON_OFF_FROM)
    fleet = replace(problem.fleet, min_charge_kw=np.full(ON_OFF_FROM, 4.0))
    problem = replace(problem, fleet=fleet, demand_charges=())
    assert choose(problem) == "engine"
    fewer = fleet_problem(ON_OFF_FROM - 1)
    runs = replace(fewer.fleet, no_pause=np.ones(ON_OFF_FROM - 1, dtype=np.bool_))
    assert choose(replace(fewer, fleet=runs)) == "highs"
    first = solve(problem, PlanOptions(solver="engine"))
    assert first.solver == "engine, on or off"
    assert evaluate(problem, first.power_kw).violations.none
    both = solve(problem, PlanOptions(gap=1e-9, time_limit_s=1.0))
    assert both.gap <= first.gap
    assert evaluate(problem, both.power_kw).violations.none
    assert evaluate(problem, both.power_kw).objective == pytest.approx(both.objective, rel=1e-9)


def test_where_the_kernels_are_loaded_smaller_fleets_go_to_the_engine_too():
    problem = fleet_problem(ENGINE_FROM_PREPARED)
    assert choose(problem, prepared=True) == "engine"
    assert choose(problem) == "highs"
    assert choose(fleet_problem(ENGINE_FROM_PREPARED - 1), prepared=True) == "highs"


@pytest.mark.parametrize("vehicles", [40, 90])
def test_a_replan_starts_from_the_one_before_and_is_as_good(vehicles):
    watch = Watch(prepared=True)
    before = solve(fleet_problem(vehicles), watch=watch)
    assert before.restart is not None
    later = fleet_problem(vehicles)
    later = replace(later, base_load_kw=later.base_load_kw * 1.02)
    warm = solve(later, watch=watch, warm=before.restart.shifted(0, STEPS))
    exact = solve(later, PlanOptions(solver="highs"))
    assert warm.status == "optimal"
    assert warm.lower_bound <= exact.objective + 1e-9 * abs(exact.objective)
    assert warm.objective <= exact.objective + 1.01e-4 * max(1.0, abs(exact.objective))


def test_a_state_seen_later_repeats_its_last_price_and_forgets_charges_that_are_over():
    state = solve(fleet_problem(ENGINE_FROM_PREPARED), watch=Watch(prepared=True)).restart
    later = state.shifted(10, 60)
    assert later.price.shape == (60,)
    np.testing.assert_array_equal(later.price[:38], state.price[10:])
    assert np.all(later.price[38:] == state.price[-1])
    assert np.all(later.charge_prices[:, 38:] == 0.0)
