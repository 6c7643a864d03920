"""Cases small enough to solve by hand, one for each rule."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.calls import check_calls
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.solve import solve_reserve
from bothways.planning.solve import solve

TIGHT = PlanOptions(gap=1e-7)


def planned(problem):
    answer = solve_reserve_highs(problem, TIGHT)
    assert answer.plan.status == "optimal"
    assert abs(answer.plan.objective - answer.money.total) < 1e-9
    assert check_calls(problem, answer).worst < 2e-6
    return answer


def test_an_idle_vehicle_sells_what_its_battery_can_give(plan_problem, plan_fleet, product, reserve):
    """10 kWh above the floor carry 9 kW for one hour at an efficiency of 0.9, and 10 kW of power are there."""
    fleet = plan_fleet(discharge_efficiency=0.9, charge_efficiency=0.9, energy_required_kwh=0.0, departure=1)
    answer = planned(reserve(plan_problem([0.5], fleet=fleet, export=[0.0]), (product("up", 0.1, 1),)))
    assert answer.bids_kw[0] == pytest.approx([9.0])
    assert answer.plan.objective == pytest.approx(-0.9)
    assert answer.plan.power_kw == pytest.approx(0.0)


def test_power_is_the_limit_where_energy_is_plenty(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(energy_at_arrival_kwh=40.0, energy_max_kwh=60.0, energy_required_kwh=0.0, departure=1)
    answer = planned(reserve(plan_problem([0.5], fleet=fleet, export=[0.0]), (product("up", 0.1, 1),)))
    assert answer.bids_kw[0] == pytest.approx([10.0])


def test_charging_can_be_interrupted_and_turned_around(plan_problem, plan_fleet, product, reserve):
    """At 0.1 per kW a kWh for 0.1 is free: charging at 10 kW makes 20 kW of reserve where energy is plenty."""
    fleet = plan_fleet(energy_at_arrival_kwh=40.0, energy_max_kwh=80.0, energy_required_kwh=0.0, departure=1)
    answer = planned(reserve(plan_problem([0.05], fleet=fleet), (product("up", 0.1, 1),)))
    assert answer.bids_kw[0] == pytest.approx([20.0])
    assert answer.plan.objective == pytest.approx(0.5 - 2.0)


def test_energy_for_the_drive_is_not_sold(plan_problem, plan_fleet, product, reserve):
    """20 kWh must be there at the end and nothing can be made up after the last step: all must be there before."""
    fleet = plan_fleet(energy_required_kwh=20.0, departure=2)
    answer = planned(reserve(plan_problem([0.2, 0.2], fleet=fleet), (product("up", [0.0, 1.0], 2),)))
    assert answer.bids_kw[0][1] == pytest.approx(10.0)  # charged in both steps: 10 kWh more than needed
    assert answer.plan.energy_kwh[0, 2] == pytest.approx(30.0)


def test_room_below_the_ceiling_limits_down(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(
        energy_at_arrival_kwh=36.0, energy_max_kwh=40.0, energy_required_kwh=0.0, discharge_kw=0.0, departure=1,
        charge_efficiency=0.8,
    )  # fmt: skip
    answer = planned(reserve(plan_problem([0.5], fleet=fleet), (product("down", 0.01, 1),)))
    assert answer.bids_kw[0] == pytest.approx([5.0])  # 5 kW · 1 h · 0.8 = 4 kWh


def test_one_vehicle_up_and_another_down_make_a_symmetric_bid(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(
        energy_at_arrival_kwh=[0.0, 40.0], energy_required_kwh=[0.0, 0.0], departure=1, energy_max_kwh=40.0
    )
    answer = planned(reserve(plan_problem([0.5], fleet=fleet, export=[0.0]), (product("symmetric", 0.1, 1),)))
    assert answer.bids_kw[0] == pytest.approx([10.0])
    assert answer.share_kw(reserve(plan_problem([0.5], fleet=fleet), (product("symmetric", 0.1, 1),)), up=True)[
        :, 0
    ] == pytest.approx([0.0, 10.0])


def test_vehicles_hand_over_within_a_block(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(
        arrival=[0, 2], departure=[2, 4], energy_at_arrival_kwh=[40.0, 40.0], energy_required_kwh=[0.0, 0.0],
    )  # fmt: skip
    problem = reserve(plan_problem([0.5] * 4, fleet=fleet, export=[0.0] * 4), (product("up", 0.1, 1, block_steps=4),))
    answer = planned(problem)
    assert answer.bids_kw[0] == pytest.approx([10.0])
    assert answer.shares_kw[0].sum(axis=0) == pytest.approx([10.0] * 4)


def test_a_long_call_goes_on_through_the_next_steps(plan_problem, plan_fleet, product, reserve):
    """40 kWh hold 10 kW for four hours, and 5 kW for eight."""
    fleet = plan_fleet(energy_at_arrival_kwh=40.0, energy_required_kwh=0.0, departure=8)
    for sustain, bid in ((4.0, 10.0), (8.0, 5.0)):
        offered = product("up", 0.1, 1, block_steps=8, sustain_h=sustain)
        problem = reserve(plan_problem([0.5] * 8, fleet=fleet, export=[0.0] * 8), (offered,))
        assert planned(problem).bids_kw[0] == pytest.approx([bid])


def test_two_products_never_share_a_kw(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(energy_at_arrival_kwh=40.0, energy_required_kwh=0.0, departure=1)
    offered = (product("up", 0.1, 1), product("up", 0.05, 1, name="second", sustain_h=0.5))
    answer = planned(reserve(plan_problem([0.5], fleet=fleet, export=[0.0]), offered))
    assert sum(float(bid[0]) for bid in answer.bids_kw) == pytest.approx(10.0)
    assert answer.bids_kw[0] == pytest.approx([10.0])


def test_minimum_bid_and_granularity(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(energy_at_arrival_kwh=[40.0, 40.0], energy_required_kwh=0.0, departure=1)
    base = plan_problem([0.5], fleet=fleet, export=[0.0])
    for least, unit, bid in (
        (0.0, 6.0, 18.0),
        (21.0, 0.0, 0.0),
        (20.0, 0.0, 20.0),
        (15.0, 7.0, 0.0),
        (14.0, 7.0, 14.0),
    ):
        offered = product("up", 0.1, 1, min_bid_kw=least, granularity_kw=unit)
        assert planned(reserve(base, (offered,))).bids_kw[0] == pytest.approx([bid]), (least, unit)


def test_expected_activation_is_recharged_and_worn(plan_problem, plan_fleet, product, reserve):
    """Half of b kW for one hour is delivered at 0.3 per kWh, wears 0.1 per kWh and is bought back at 0.1 afterwards.

    10 kWh can be made up for in the last step, so after a full call on top 20 − b/2 − b ≥ 10 must be left: b = 20/3.
    """
    fleet = plan_fleet(energy_at_arrival_kwh=20.0, energy_required_kwh=20.0, departure=2, wear_per_kwh=0.1)
    offered = product("up", [0.02, 0.0], 2, activation_up=0.5, price_up_per_kwh=np.array(0.3), max_bid_kw=10.0)
    base = plan_problem([0.4, 0.1], fleet=fleet, export=[0.0, 0.0])
    answer = planned(reserve(base, (offered,)))
    assert answer.bids_kw[0] == pytest.approx([20.0 / 3.0, 0.0], abs=1e-6)
    assert answer.money.activation_energy == pytest.approx(-1.0)
    assert answer.money.activation_wear == pytest.approx(1.0 / 3.0)
    assert answer.plan.power_kw[0] == pytest.approx([0.0, 10.0 / 3.0], abs=1e-6)
    assert answer.plan.energy_kwh[0] == pytest.approx([20.0, 50.0 / 3.0, 20.0])


def test_the_requirement_does_not_count_on_activation(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(energy_at_arrival_kwh=10.0, energy_required_kwh=20.0, departure=4)
    offered = product("down", 0.05, 4, activation_down=0.5)
    answer = planned(reserve(plan_problem([0.2] * 4, fleet=fleet), (offered,)))
    assert answer.bids_kw[0].max() > 0.0
    assert float(answer.plan.power_kw.sum()) >= 10.0 - 1e-6


def test_calls_stay_within_the_sites_hard_limits(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(energy_at_arrival_kwh=20.0, energy_required_kwh=0.0, departure=1)
    base = plan_problem([0.5], fleet=fleet, export=[0.0], base=4.0, export_limit_kw=2.0, import_hard_limit_kw=9.0)
    answer = planned(reserve(base, (product("up", 0.1, 1), product("down", 0.1, 1))))
    net = float(answer.plan.import_kw[0] - answer.plan.export_kw[0])
    assert net - float(answer.bids_kw[0][0]) >= -2.0 - 1e-6
    assert net + float(answer.bids_kw[1][0]) <= 9.0 + 1e-6
    assert float(answer.bids_kw[0][0] + answer.bids_kw[1][0]) == pytest.approx(11.0)


def test_no_product_is_the_plan_without(plan_problem, plan_fleet, product, reserve):
    base = plan_problem([0.3, 0.1, 0.2, 0.5], fleet=plan_fleet(energy_at_arrival_kwh=[10.0, 5.0]), base=3.0, demand=1.0)
    plain = solve(base, TIGHT).objective
    assert planned(reserve(base, ())).plan.objective == pytest.approx(plain)
    assert planned(reserve(base, (product("up", 0.0),))).plan.objective == pytest.approx(plain)


def test_where_burning_pays_one_direction_is_held(plan_problem, plan_fleet, product, reserve):
    """A full battery cannot charge to sell interruption: with charge and discharge at once it could, and must not."""
    fleet = plan_fleet(
        energy_at_arrival_kwh=40.0,
        energy_required_kwh=40.0,
        charge_efficiency=0.8,
        discharge_efficiency=0.8,
        departure=2,
    )
    base = plan_problem([0.1, 0.1], fleet=fleet, export=[0.0, 0.0])
    answer = planned(reserve(base, (product("up", 5.0, 2, sustain_h=0.01),)))
    assert answer.plan.lower_bound <= answer.plan.objective


def test_what_cannot_be_planned_is_refused(plan_problem, plan_fleet, product, reserve):
    limited = replace(plan_problem([0.1] * 4), group_limits=(GroupLimit.of("feeder", [1.0], 4, upper_kw=5.0),))
    kept = replace(plan_problem([0.1] * 4), energy_reserve=EnergyReserve.of(5.0, 1, 4))
    minimum = plan_problem([0.1] * 4, fleet=plan_fleet(min_charge_kw=2.0))
    for plan, word in ((limited, "group limits"), (kept, "energy reserve"), (minimum, "minimum power")):
        with pytest.raises(DomainError, match=word):
            solve_reserve(reserve(plan, (product(),)), PlanOptions(solver="engine"))
    with pytest.raises(DomainError, match="export pays more"):
        reserve(plan_problem([0.1] * 4, export=[0.2] * 4), (product(),))
    with pytest.raises(DomainError, match="capacity_price must hold"):
        reserve(plan_problem([0.1] * 4), (product(blocks=3),))
    with pytest.raises(DomainError, match="name of its own"):
        reserve(plan_problem([0.1] * 4), (product(), product()))
    for wrong in (
        {"direction": "sideways"}, {"block_steps": 0}, {"sustain_h": -1.0}, {"max_bid_kw": -1.0},
        {"activation_up": 2.0}, {"min_bid_kw": math.nan}, {"name": ""}, {"price": math.nan}, {"activation_down": 0.1},
    ):  # fmt: skip
        with pytest.raises(DomainError):
            product(**({"direction": "up"} | wrong))


def test_an_impossible_site_is_infeasible(plan_problem, plan_fleet, product, reserve):
    base = plan_problem([0.1], fleet=plan_fleet(departure=1), base=50.0, import_hard_limit_kw=20.0)
    answer = solve_reserve_highs(reserve(base, (product(blocks=1),)))
    assert answer.plan.status == "infeasible"
    assert math.isinf(answer.plan.objective)
    assert answer.plan.infeasible_because


def test_a_minimum_power_leaves_only_what_is_above_it_to_sell(plan_problem, plan_fleet, product, reserve):
    """10 kW charged at 10 kW with a minimum of 4 can give way by 6; standing still it can give nothing."""
    fleet = plan_fleet(departure=3, energy_required_kwh=30.0, min_charge_kw=4.0, discharge_kw=0.0)
    base = plan_problem([0.1, 0.1, 0.5], fleet=fleet, export=[0.0] * 3)
    offer = product("up", [0.01, 0.01, 0.01], 3, sustain_h=0.01)
    free = planned(reserve(replace(base, fleet=replace(fleet, min_charge_kw=np.zeros(1))), (offer,)))
    held = planned(reserve(base, (offer,)))
    assert free.bids_kw[0] == pytest.approx([10.0, 10.0, 0.0])
    assert held.plan.status == "optimal"
    assert held.bids_kw[0] == pytest.approx([6.0, 6.0, 0.0])
    assert check_calls(reserve(base, (offer,)), held).worst <= 1e-6
    assert any("minimum power" in note for note in held.plan.notes)


def test_a_vehicle_that_must_not_pause_sells_while_it_charges(plan_problem, plan_fleet, product, reserve):
    fleet = plan_fleet(departure=4, energy_required_kwh=20.0, min_charge_kw=5.0, no_pause=True)
    base = plan_problem([0.4, 0.1, 0.3, 0.4], fleet=fleet, export=[0.0] * 4)
    asked = reserve(base, (product("down", 0.001, sustain_h=0.01),))
    answer = planned(asked)
    assert answer.plan.status == "optimal"
    assert answer.plan.power_kw[0] == pytest.approx([0.0, 10.0, 0.0, 0.0])
    assert answer.bids_kw[0] == pytest.approx([0.0, 0.0, 0.0, 0.0])  # full power leaves no room, and off is off
    assert check_calls(asked, answer).worst <= 1e-6


def test_a_feeder_holds_also_while_it_is_called(plan_problem, plan_fleet, product, reserve):
    """Down: a feeder of 7 kW that carries 5 leaves 2 to sell. Up: as much as flows there and what may flow back."""
    fleet = plan_fleet(departure=2, energy_required_kwh=20.0, discharge_kw=0.0)
    base = plan_problem([0.1, 0.1], fleet=fleet, export=[0.0, 0.0])
    feeder = GroupLimit.of("feeder", [1.0], 2, upper_kw=7.0, lower_kw=0.0)
    asked = reserve(replace(base, group_limits=(feeder,)), (product("down", [1.0, 1.0], 2, sustain_h=0.01),))
    answer = planned(asked)
    assert answer.bids_kw[0] + answer.plan.group_power_kw[0] == pytest.approx([7.0, 7.0], abs=1e-5)
    assert sum(answer.bids_kw[0]) == pytest.approx(4.0, abs=1e-5)
    assert check_calls(asked, answer).group_kw <= 1e-6
    soft = replace(feeder, penalty_per_kwh=0.5)
    priced = planned(reserve(replace(base, group_limits=(soft,)), (product("up", [0.0, 5.0], 2, sustain_h=0.01),)))
    assert priced.bids_kw[0][1] == pytest.approx(10.0)  # 10 kW charged, 3 of them above the limit: worth their price
    assert priced.money.groups == pytest.approx(1.5)
    assert any("feeder is passed" in note for note in priced.plan.notes)


def test_energy_kept_back_for_the_site_is_not_sold_again(plan_problem, plan_fleet, product, reserve):
    """30 kWh held, 20 to keep back: 10 kWh are left to promise, whatever is paid."""
    fleet = plan_fleet(
        departure=2, energy_at_arrival_kwh=30.0, energy_required_kwh=0.0, charge_kw=0.0, discharge_kw=20.0
    )
    base = plan_problem([0.1, 0.1], fleet=fleet, export=[0.0, 0.0])
    kept = EnergyReserve.of(20.0, 1, 2, penalty_per_kwh=100.0)
    asked = reserve(replace(base, energy_reserve=kept), (product("up", [1.0, 1.0], 2),))
    answer = planned(asked)
    assert answer.bids_kw[0] == pytest.approx([10.0, 10.0])
    assert answer.plan.reserve_kwh == pytest.approx([20.0, 20.0])
    assert answer.money.energy_reserve == pytest.approx(0.0, abs=1e-6)
    assert answer.plan.reserve_price.max() > 0.5  # a kWh more would cost what capacity earns
    cheap = replace(kept, penalty_per_kwh=0.01)
    sold = planned(reserve(replace(base, energy_reserve=cheap), (product("up", [1.0, 1.0], 2),)))
    assert sold.bids_kw[0] == pytest.approx([20.0, 20.0])
    assert sold.plan.reserve_deficit_kwh == pytest.approx([10.0, 10.0])
    assert sold.money.energy_reserve == pytest.approx(0.2)
