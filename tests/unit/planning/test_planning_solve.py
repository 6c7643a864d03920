"""Plans whose answer can be computed by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.runner import Runner
from bothways.planning.problem import DemandCharge, PlanOptions
from bothways.planning.solve import SOLVERS, solve


def planned(problem, **options):
    """Solves with HiGHS and checks what holds of every plan."""
    plan = solve(problem, PlanOptions(solver="highs", **options))
    assert plan.lower_bound <= plan.objective
    again = evaluate(problem, plan.power_kw, plan.curtailed_kw)
    assert again.violations.none, again.violations.sentences()
    assert plan.objective == again.objective
    np.testing.assert_array_equal(plan.energy_kwh, again.energy_kwh)
    return plan


def test_charges_in_the_cheapest_hours(plan_problem):
    plan = planned(plan_problem([0.3, 0.1, 0.2, 0.4], export=[0, 0, 0, 0], export_limit_kw=0.0))
    np.testing.assert_allclose(plan.power_kw, [[0, 10, 0, 0]], atol=1e-9)
    assert plan.objective == pytest.approx(1.0)
    assert plan.status == "optimal"
    assert plan.gap <= 1e-9


def test_buys_low_and_sells_high_with_losses_and_wear(plan_problem, plan_fleet):
    # Full battery cycle: 10 kW in at 0.1 stores 9, gives back 8.1 at 0.5 with wear 0.05: gain 8.1·0.45 − 1 = 2.645.
    fleet = plan_fleet(
        departure=2, energy_at_arrival_kwh=10.0, energy_required_kwh=10.0, energy_min_kwh=10.0,
        charge_efficiency=0.9, discharge_efficiency=0.9, wear_per_kwh=0.05,
    )  # fmt: skip
    plan = planned(plan_problem([0.1, 0.5], export=[0.1, 0.5], fleet=fleet))
    np.testing.assert_allclose(plan.power_kw, [[10.0, -8.1]], atol=1e-9)
    assert plan.objective == pytest.approx(-2.645)
    assert plan.export_kw[1] == pytest.approx(8.1)


def test_does_not_cycle_when_losses_and_wear_eat_the_spread(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_required_kwh=10.0, charge_efficiency=0.9, discharge_efficiency=0.9)
    plan = planned(plan_problem([0.30, 0.35], export=[0.30, 0.35], fleet=fleet))
    # Selling what is above the requirement is impossible (there is none), and a cycle returns 0.81 of 0.35 < 0.30.
    np.testing.assert_allclose(plan.power_kw, 0.0, atol=1e-9)


def test_demand_charge_flattens_and_counts_from_the_peak_so_far(plan_problem, plan_fleet):
    base = [0.0, 8.0, 0.0, 0.0]
    fleet = plan_fleet(energy_required_kwh=26.0, discharge_kw=0.0)
    flat = plan_problem([0.2] * 4, base=base, fleet=fleet, demand=5.0)
    # 16 kWh for the vehicle and 8 for the building over four hours: 6 kW at least, but hour 1 alone has 8.
    plan = planned(flat)
    assert plan.peak_import_kw == pytest.approx(8.0)
    assert plan.objective == pytest.approx(24 * 0.2 + 8 * 5.0)
    # With 7 kW already billed there is no way below 8; with 9 kW billed the charge is nothing.
    assert planned(plan_problem([0.2] * 4, base=base, fleet=fleet, demand=5.0, peak_so_far=7.0)).objective == (
        pytest.approx(24 * 0.2 + 5.0)
    )
    assert planned(plan_problem([0.2] * 4, base=base, fleet=fleet, demand=5.0, peak_so_far=9.0)).objective == (
        pytest.approx(24 * 0.2)
    )


def test_a_demand_charge_counts_only_in_its_steps(plan_problem, plan_fleet):
    window = DemandCharge(100.0, np.array([True, True, False, False]))
    plan = planned(plan_problem([0.1, 0.1, 0.4, 0.4], fleet=plan_fleet(discharge_kw=0.0), demand_charges=(window,)))
    np.testing.assert_allclose(plan.import_kw[:2], 0.0, atol=1e-9)


def test_the_contractual_limit_is_soft(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_required_kwh=26.0, discharge_kw=0.0)
    soft = {"import_limit_kw": 6.0, "import_limit_penalty_per_kwh": 0.5}
    plan = planned(plan_problem([0.1, 0.3], fleet=fleet, **soft))
    # 16 kWh in two hours: the cheap hour is filled before 6 kW of the dear one are exceeded by 4 kWh in all.
    assert plan.objective == pytest.approx(0.1 * 10 + 0.3 * 6 + 4 * 0.5)
    assert plan.shortfall_kwh[0] == 0.0


def test_terminal_value_fills_the_battery_of_everyone(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=[2, 4], energy_required_kwh=10.0)
    plan = planned(plan_problem([0.2] * 4, fleet=fleet, terminal_value_per_kwh=0.3))
    np.testing.assert_allclose(plan.energy_kwh[:, -1], [30.0, 40.0])
    assert plan.objective == pytest.approx(0.2 * 50 - 0.3 * 70)


def test_surplus_above_the_export_limit_is_curtailed_and_said(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_required_kwh=10.0, energy_max_kwh=14.0)
    plan = planned(plan_problem([0.2, 0.2], export=[0.1, 0.1], base=[-10.0, -10.0], fleet=fleet, export_limit_kw=5.0))
    # 10 kWh are too much over two hours, 4 of them fit into the battery.
    assert plan.curtailed_kw.sum() == pytest.approx(6.0)
    assert plan.objective == pytest.approx(-1.0)
    assert (plan.export_kw <= 5.0 + 1e-9).all()


def test_import_and_export_exclude_each_other_where_export_pays_more(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=1, energy_at_arrival_kwh=20.0, energy_required_kwh=0.0)
    plan = planned(plan_problem([0.1], export=[0.5], base=4.0, fleet=fleet))
    # 10 kW discharged, 4 of them into the building, 6 sold: buying for the building and selling all 10 is not a thing.
    assert plan.objective == pytest.approx(-3.0)
    assert plan.import_kw[0] == pytest.approx(0.0)
    assert plan.status == "optimal"


def test_negative_prices_do_not_burn_energy(plan_problem, plan_fleet):
    # Room for 10 kWh only, but at −1 a linear program would charge and discharge at once to draw more.
    fleet = plan_fleet(
        departure=1, energy_at_arrival_kwh=30.0, energy_required_kwh=0.0, charge_kw=20.0, discharge_kw=20.0,
        charge_efficiency=0.8, discharge_efficiency=0.8,
    )  # fmt: skip
    plan = planned(plan_problem([-1.0], export=[-1.0], fleet=fleet))
    assert plan.power_kw[0, 0] == pytest.approx(12.5)
    assert plan.objective == pytest.approx(-12.5)
    assert plan.status == "optimal"
    assert "burning energy" in " ".join(plan.notes)


def test_minimum_power(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_required_kwh=15.0, min_charge_kw=4.0, discharge_kw=0.0)
    # 2 kW + 3 kW would keep the peak at 3; with the minimum it is 5 kW once.
    plan = planned(plan_problem([0.2, 0.2], fleet=fleet, demand=1.0, base=[1.0, 0.0]))
    np.testing.assert_allclose(plan.power_kw, [[0.0, 5.0]], atol=1e-7)
    assert plan.objective == pytest.approx(0.2 * 6 + 5.0)


def test_no_pause_keeps_charging_in_one_piece(plan_problem, plan_fleet):
    prices = [0.1, 0.9, 0.1, 0.5]
    fleet = plan_fleet(energy_required_kwh=30.0, min_charge_kw=2.0, no_pause=True)
    plan = planned(plan_problem(prices, fleet=fleet))
    # 20 kWh in the two cheap hours need the dear one between them at 2 kW; hours 2 and 3 cost 1 + 5 = 6.
    np.testing.assert_allclose(plan.power_kw, [[9.0, 2.0, 9.0, 0.0]] if plan.power_kw[0, 0] < 9.5 else [[10, 2, 8, 0]])
    assert plan.objective == pytest.approx(1.8 + 1.8)
    assert "do not discharge" in plan.notes[0]


def test_no_pause_without_a_minimum_still_charges_in_one_piece(plan_problem, plan_fleet):
    fleet = plan_fleet(energy_required_kwh=30.0, no_pause=True)
    plan = planned(plan_problem([0.1, 0.9, 0.1, 0.5], fleet=fleet))
    on = plan.power_kw[0] > 1e-6
    assert on[:3].all()
    assert plan.power_kw[0, 1] == pytest.approx(0.1)
    assert any("state no min_charge_kw" in note for note in plan.notes)


def test_shortfall_is_minimal_and_has_its_reason(plan_problem, plan_fleet):
    fleet = plan_fleet(
        departure=[2, 4, 4], charge_kw=[7.0, 10.0, 10.0], charge_efficiency=[0.92, 1.0, 1.0],
        energy_required_kwh=[40.0, 45.0, 20.0],
    )  # fmt: skip
    plan = planned(plan_problem([0.2] * 4, fleet=fleet))
    np.testing.assert_allclose(plan.shortfall_kwh, [17.12, 5.0, 0.0])
    assert plan.reasons[0] == "needs 30.0 kWh in 2.0 h: at 7.0 kW at most 12.9 kWh can be stored; 17.1 kWh short"
    assert plan.reasons[1] == "needs 35.0 kWh in 4.0 h: only 30.0 kWh fit below its ceiling; 5.0 kWh short"
    assert plan.reasons[2] == ""
    assert plan.status == "optimal"


def test_below_the_floor_charges_first(plan_problem, plan_fleet):
    fleet = plan_fleet(energy_at_arrival_kwh=2.0, energy_min_kwh=15.0, energy_required_kwh=15.0)
    plan = planned(plan_problem([0.9, 0.8, 0.1, 0.1], fleet=fleet))
    np.testing.assert_allclose(plan.energy_kwh[0, :3], [2.0, 12.0, 15.0])
    assert plan.floor_deficit_kwh[0] == pytest.approx(13.0)


def test_a_vehicle_above_its_ceiling_is_not_charged_further(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=1, energy_at_arrival_kwh=45.0)
    plan = planned(plan_problem([-0.1], export=[-0.2], fleet=fleet))
    assert plan.power_kw[0, 0] <= 1e-9


def test_a_minimum_power_that_does_not_fit_below_the_ceiling(plan_problem, plan_fleet):
    fleet = plan_fleet(
        energy_at_arrival_kwh=38.0, energy_required_kwh=40.0, min_charge_kw=3.0, discharge_kw=[0.0, 10.0]
    )
    plan = planned(plan_problem([0.2] * 4, fleet=fleet))
    assert plan.shortfall_kwh[0] == pytest.approx(2.0)
    assert "minimum power of 3.0 kW would pass its ceiling" in plan.reasons[0]
    assert plan.shortfall_kwh[1] == 0.0  # discharging 1 kWh first makes room
    assert plan.status == "optimal"


def test_a_hard_limit_ranks_above_required_energy(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_required_kwh=[30.0, 30.0], discharge_kw=0.0)
    plan = planned(plan_problem([0.1, 0.9], base=2.0, fleet=fleet, import_hard_limit_kw=12.0))
    assert plan.import_kw.max() <= 12.0 + 1e-6
    assert plan.shortfall_kwh.sum() == pytest.approx(20.0, abs=1e-4)
    assert plan.objective == pytest.approx(0.1 * 12 + 0.9 * 12, abs=1e-4)
    assert plan.status == "optimal"
    assert any("hard import limit of 12.0 kW" in reason for reason in plan.reasons)


def test_floors_rank_above_requirements(plan_problem, plan_fleet):
    fleet = plan_fleet(
        departure=1, energy_at_arrival_kwh=[10.0, 2.0], energy_required_kwh=[40.0, 2.0], energy_min_kwh=[0.0, 8.0],
        discharge_kw=0.0, charge_efficiency=[1.0, 0.5],
    )  # fmt: skip
    # 10 kW: all of them to the second vehicle, although the first would store twice as much.
    plan = planned(plan_problem([0.1], fleet=fleet, import_hard_limit_kw=10.0))
    np.testing.assert_allclose(plan.power_kw[:, 0], [0.0, 10.0], atol=1e-4)


def test_vehicles_cover_a_base_load_above_the_hard_limit(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=2, energy_at_arrival_kwh=20.0, energy_required_kwh=20.0, wear_per_kwh=0.01)
    plan = planned(plan_problem([0.2, 0.2], base=[15.0, 0.0], fleet=fleet, import_hard_limit_kw=10.0))
    np.testing.assert_allclose(plan.power_kw, [[-5.0, 5.0]], atol=1e-6)
    assert plan.shortfall_kwh[0] == 0.0


def test_infeasible_names_step_and_power(plan_problem, plan_fleet):
    by_power = planned_infeasible(plan_problem([0.2, 0.2], base=[5.0, 35.0], import_hard_limit_kw=20.0))
    expected = (
        "step 1: the base load of 35.0 kW is above the hard import limit of 20.0 kW, and the vehicles can discharge "
        "10.0 kW against it; 5.0 kW remain"
    )
    assert by_power.infeasible_because == (expected,)
    fleet = plan_fleet(departure=3, energy_at_arrival_kwh=12.0, energy_min_kwh=10.0, charge_kw=0.0)
    by_energy = planned_infeasible(plan_problem([0.2] * 3, base=22.0, fleet=fleet, import_hard_limit_kw=20.0))
    assert sum("kW remain" in sentence for sentence in by_energy.infeasible_because) >= 1
    assert "hard import limit of 20.0 kW" in by_energy.infeasible_because[0]
    many = planned_infeasible(plan_problem([0.2] * 30, base=90.0, import_hard_limit_kw=20.0))
    assert many.infeasible_because[-1] == "and 20 further steps"


def planned_infeasible(problem):
    plan = solve(problem, PlanOptions(solver="highs"))
    assert plan.status == "infeasible"
    assert math.isinf(plan.objective)
    assert not plan.power_kw.any()
    assert plan.infeasible_because
    return plan


def test_no_vehicles_and_empty_stays(plan_problem, plan_fleet):
    nobody = plan_fleet(**{key: [] for key in vars(plan_fleet())})
    plan = planned(plan_problem([0.2, 0.2], base=3.0, fleet=nobody, demand=1.0))
    assert plan.objective == pytest.approx(1.2 + 3.0)
    assert plan.status == "optimal"
    passing = planned(plan_problem([0.2, 0.2], fleet=plan_fleet(arrival=1, departure=1)))
    assert passing.shortfall_kwh[0] == pytest.approx(10.0)
    assert "in 0.0 h" in passing.reasons[0]


def test_stopped_early_is_never_called_optimal(plan_problem, plan_fleet):
    rng = np.random.default_rng(5)
    size, periods = 60, 96
    arrival = rng.integers(0, 48, size)
    fleet = plan_fleet(
        arrival=arrival.tolist(), departure=(arrival + 48).tolist(), energy_required_kwh=25.0, min_charge_kw=7.0,
        no_pause=True, charge_efficiency=0.9,
    )  # fmt: skip
    prices = rng.uniform(0.1, 0.4, periods).tolist()
    hurried = plan_problem(prices, fleet=fleet, demand=20.0, base=40.0, import_hard_limit_kw=140.0)
    for limit in (1e-9, 0.005):
        plan = planned(hurried, time_limit_s=limit)
        assert plan.status == "feasible"
        assert plan.gap > 1e-4
        assert math.isfinite(plan.gap) or limit < 1e-6
        assert not plan.shortfall_kwh.any()


def test_a_schedule_of_a_stopped_solver_is_feasible_with_the_bound_it_had(plan_problem, monkeypatch):
    finished = Runner.run

    def stopped(runner):
        answer = finished(runner)
        return replace(answer, status="stopped", bound=answer.bound - 0.5)

    monkeypatch.setattr(Runner, "run", stopped)
    plan = planned(plan_problem([0.3, 0.1, 0.2, 0.4]))
    assert plan.status == "feasible"
    assert plan.gap > 1e-4
    assert plan.lower_bound < plan.objective


def test_an_unknown_solver_is_named(plan_problem):
    with pytest.raises(DomainError, match="unknown solver 'magic'; there are auto, highs"):
        solve(plan_problem([0.1]), PlanOptions(solver="magic"))
    assert "highs" in SOLVERS
