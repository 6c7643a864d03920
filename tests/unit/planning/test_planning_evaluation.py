"""What a schedule costs and breaks, by hand."""

import math

import numpy as np
import pytest

from bothways.planning import evaluation
from bothways.planning.evaluation import evaluate, site_flows
from bothways.planning.problem import DemandCharge


def test_every_part_of_the_objective(plan_problem, plan_fleet):
    fleet = plan_fleet(
        arrival=[0, 1], departure=[2, 3], energy_at_arrival_kwh=[10.0, 20.0], charge_efficiency=[0.9, 1.0],
        discharge_efficiency=[0.9, 0.8], wear_per_kwh=[0.02, 0.05],
    )  # fmt: skip
    charges = (
        DemandCharge(3.0, np.array([True, True, True]), 2.0),
        DemandCharge(7.0, np.array([False, True, False]), 0.0),
    )
    problem = plan_problem(
        [0.3, 0.1, 0.2], export=[0.2, 0.05, 0.1], base=[1.0, 0.0, -2.0], fleet=fleet, step_h=0.5, export_limit_kw=20.0,
        demand_charges=charges, import_limit_kw=4.0, import_limit_penalty_per_kwh=0.6, terminal_value_per_kwh=0.1,
    )  # fmt: skip
    power = np.array([[5.0, -2.0, 0.0], [0.0, 10.0, -6.0]])
    seen = evaluate(problem, power)
    np.testing.assert_allclose(seen.flows.import_kw, [6.0, 8.0, 0.0])
    np.testing.assert_allclose(seen.flows.export_kw, [0.0, 0.0, 8.0])
    np.testing.assert_allclose(seen.flows.excess_kw, [2.0, 4.0, 0.0])
    np.testing.assert_allclose(seen.flows.peak_kw, [8.0, 8.0])
    # Vehicle 0: 10 + 0.5·5·0.9 = 12.25, then − 0.5·2/0.9. Vehicle 1: 20, + 5, − 0.5·6/0.8 = 3.75.
    np.testing.assert_allclose(seen.energy_kwh[0], [10.0, 12.25, 12.25 - 1 / 0.9, 12.25 - 1 / 0.9])
    np.testing.assert_allclose(seen.energy_kwh[1], [20.0, 20.0, 25.0, 21.25])
    assert seen.cost.energy == pytest.approx(0.5 * (0.3 * 6 + 0.1 * 8 - 0.1 * 8))
    assert seen.cost.wear == pytest.approx(0.02 * 1.0 + 0.05 * 3.0)
    assert seen.cost.demand == pytest.approx(3.0 * 6.0 + 7.0 * 8.0)
    assert seen.cost.excess == pytest.approx(0.6 * 0.5 * 6.0)
    assert seen.cost.terminal == pytest.approx(-0.1 * (12.25 - 1 / 0.9 + 21.25))
    assert seen.objective == pytest.approx(
        seen.cost.energy + seen.cost.wear + seen.cost.demand + seen.cost.excess + seen.cost.terminal
    )
    assert seen.violations.none
    assert evaluate(problem, power.astype(np.float32), keep_energy=False).energy_kwh is None


@pytest.mark.parametrize(
    ("power", "broken", "excess"),
    [
        ([[12.0, 0, 0]], "charge_kw", 2.0),
        ([[8.0, -11.0, 0]], "discharge_kw", 1.0),
        ([[0, 0, 3.0]], "absent_kw", 3.0),
        ([[10.0, 10.0, 0]], "ceiling_kwh", 5.0),
        ([[-6.0, 0, 0]], "floor_kwh", 1.0),
        ([[0.5, 0, 0]], "min_charge_kw", 0.5),
        ([[1.8, 0, 0]], "min_charge_kw", 0.2),
    ],
)
def test_broken_vehicle_limits_are_measured(plan_problem, plan_fleet, power, broken, excess):
    fleet = plan_fleet(departure=2, energy_min_kwh=5.0, energy_max_kwh=25.0, min_charge_kw=2.0)
    seen = evaluate(plan_problem([0.1] * 3, fleet=fleet), np.array(power, dtype=float))
    assert getattr(seen.violations, broken) == pytest.approx(excess)
    assert not seen.violations.none
    assert seen.violations.worst == pytest.approx(excess)
    assert broken in seen.violations.sentences()[0]


def test_broken_site_limits_and_pauses_are_measured(plan_problem, plan_fleet, monkeypatch):
    fleet = plan_fleet(no_pause=[True, True, False])
    problem = plan_problem([0.1] * 4, fleet=fleet, import_hard_limit_kw=15.0, export_limit_kw=4.0)
    power = np.array([[5.0, 0, 5, 0], [5, 0, 5, 0], [6, -9, 0, 0]])
    for block in (1, 4096):
        monkeypatch.setattr(evaluation, "_BLOCK", block)
        seen = evaluate(problem, power)
        assert seen.violations.import_hard_kw == pytest.approx(1.0)
        assert seen.violations.export_kw == pytest.approx(5.0)
        assert seen.violations.pauses == 2


def test_a_vehicle_outside_its_limits_at_arrival_may_stay_there(plan_problem, plan_fleet):
    fleet = plan_fleet(energy_at_arrival_kwh=[50.0, 2.0], energy_min_kwh=5.0)
    assert evaluate(plan_problem([0.1] * 4, fleet=fleet), np.zeros((2, 4))).violations.none


def test_curtailment_is_what_is_needed_unless_prices_are_negative(plan_problem):
    def curtailed(import_price, export_price, total=0.0, **rest):
        problem = plan_problem([import_price], export=[export_price], base=-10.0, export_limit_kw=4.0, **rest)
        return site_flows(problem, np.array([total])).curtailed_kw[0]

    assert curtailed(0.2, 0.1) == 6.0
    assert curtailed(0.2, 0.1, total=4.0) == 2.0  # charging takes up surplus
    assert curtailed(0.2, 0.1, total=9.0) == 0.0
    assert curtailed(0.2, -0.1, total=4.0) == 6.0  # exporting costs: all that may be curtailed is
    assert curtailed(0.2, -0.1, total=9.0) == 1.0  # …but not into import
    assert curtailed(-0.2, -0.3, total=9.0) == 6.0  # import pays
    assert curtailed(-0.2, -0.3, total=9.0, demand=1.0, peak_so_far=2.0) == 3.0  # …up to the peak that is paid for
    assert curtailed(-0.2, -0.3, total=9.0, import_hard_limit_kw=1.0) == 2.0
    soft = {"import_limit_kw": 1.5, "import_limit_penalty_per_kwh": 1.0}
    assert curtailed(-0.2, -0.3, total=9.0, **soft) == 2.5


def test_flows_are_net_and_mirror(plan_problem):
    problem = plan_problem([0.2] * 3, base=0.0, export_limit_kw=math.inf)
    total = np.array([3.0, -4.0, 0.0])
    flows, mirrored = site_flows(problem, total), site_flows(problem, -total)
    np.testing.assert_array_equal(flows.import_kw, mirrored.export_kw)
    np.testing.assert_array_equal(flows.export_kw, mirrored.import_kw)
