"""Feeders, phases and the fleet's energy reserve: small cases with answers known by hand, reading, and reasons."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bothways.app.cli.plan import plan as plan_command
from bothways.domain.errors import DomainError, InputError
from bothways.planning.limits import EnergyReserve, GroupLimit, phase_limits
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping
from bothways.planning.problem import PlanOptions
from bothways.planning.solve import solve

HIGHS = PlanOptions(gap=1e-9, solver="highs")


def reserve_of(problem, required, **rest):
    return EnergyReserve.of(required, problem.fleet.size, problem.periods, **rest)


def test_a_feeder_spreads_what_two_vehicles_would_take_at_once(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=[2, 2], energy_required_kwh=[20.0, 20.0], discharge_kw=0.0)
    problem = plan_problem([0.1, 0.3], fleet=fleet)
    problem = replace(problem, group_limits=(GroupLimit.of("feeder", [1.0, 1.0], 2, upper_kw=12.0),))
    plan = solve(problem, HIGHS)
    np.testing.assert_allclose(plan.group_power_kw, [[12.0, 8.0]], atol=1e-6)
    assert plan.group_price[0] == pytest.approx([0.2, 0.0])  # a kWh more at 0.1 saves one at 0.3
    assert plan.objective == pytest.approx(12 * 0.1 + 8 * 0.3)


def test_a_three_phase_vehicle_takes_a_third_on_each(plan_problem, plan_fleet):
    fleet = plan_fleet(departure=[1, 1], energy_required_kwh=[25.0, 15.0], charge_kw=[15.0, 10.0], discharge_kw=0.0)
    problem = plan_problem([0.1], fleet=fleet)
    problem = replace(problem, group_limits=phase_limits([0, 2], 1, upper_kw=7.5, base_kw=[[0.0], [1.0], [2.0]]))
    plan = solve(problem, HIGHS)
    assert plan.power_kw.sum(axis=1) == pytest.approx([15.0, 1.5]) or plan.shortfall_kwh.sum() == pytest.approx(3.5)
    np.testing.assert_array_less(plan.group_power_kw, 7.5 + 1e-6)
    assert "within L2 (7.5 kW)" in "".join(plan.reasons)


def test_limits_that_cannot_be_kept_are_named(plan_problem, plan_fleet):
    problem = plan_problem([0.1, 0.1], fleet=plan_fleet(departure=[2], energy_required_kwh=10.0))
    limits = (GroupLimit.of("feeder 7", [1.0], 2, upper_kw=20.0, base_kw=[50.0, 0.0]),)
    plan = solve(replace(problem, group_limits=limits), HIGHS)
    assert plan.status == "infeasible"
    (because,) = plan.infeasible_because
    assert because == (
        "step 0: feeder 7 must carry at most 20.0 kW, carries 50.0 kW without the vehicles, and whatever they do "
        "20.0 kW remain beyond the limit"
    )
    soft = replace(limits[0], penalty_per_kwh=1.0)
    plan = solve(replace(problem, group_limits=(soft,)), HIGHS)
    assert plan.status == "optimal"
    assert any(note.startswith("feeder 7 is passed by up to 20.0 kW") for note in plan.notes)


def test_the_reserve_holds_energy_back_and_names_its_price(plan_problem, plan_fleet):
    problem = plan_problem([0.1, 0.5, 0.1], export=[0.05, 0.4, 0.05], fleet=plan_fleet(departure=3))
    free = solve(problem, HIGHS)
    assert free.reserve_price.size == 0
    assert free.energy_kwh[0].tolist() == pytest.approx([10.0, 20.0, 10.0, 20.0])
    kept = solve(replace(problem, energy_reserve=reserve_of(problem, [0.0, 15.0, 0.0])), HIGHS)
    assert kept.energy_kwh[0, 2] == pytest.approx(15.0)
    assert kept.reserve_kwh == pytest.approx(kept.energy_kwh[0, 1:])
    assert kept.reserve_deficit_kwh.max() == pytest.approx(0.0)
    assert kept.reserve_price == pytest.approx([0.0, 0.3, 0.0])  # not sold at 0.4, and not bought again at 0.1
    assert kept.objective - free.objective == pytest.approx(5 * 0.3)


def test_missing_reserve_is_shown_and_no_driver_pays_for_it(plan_problem, plan_fleet):
    problem = plan_problem([0.1] * 3, fleet=plan_fleet(departure=2, energy_required_kwh=30.0))
    plan = solve(replace(problem, energy_reserve=reserve_of(problem, 50.0)), HIGHS)
    assert plan.reserve_deficit_kwh == pytest.approx([30.0, 20.0, 50.0])
    assert plan.reserve_price == pytest.approx([10.0, 10.0, 10.0])
    assert plan.shortfall_kwh[0] == 0.0
    assert any("reserve is missed in 3 step(s), most in step 2: 0.0 kWh kept back" in note for note in plan.notes)


def test_only_what_can_be_given_counts(plan_problem, plan_fleet):
    fleet = plan_fleet(
        departure=[4, 4, 4], discharge_kw=[10.0, 0.0, 10.0], energy_at_arrival_kwh=[20.0, 20.0, 0.0],
        energy_min_kwh=[5.0, 5.0, 15.0], discharge_efficiency=0.9, energy_required_kwh=0.0,
    )  # fmt: skip
    problem = plan_problem([0.2] * 4, export=[0.0] * 4, fleet=fleet)
    plan = solve(replace(problem, energy_reserve=reserve_of(problem, 1.0, weight=[1.0, 1.0, 0.5])), HIGHS)
    above = plan.energy_kwh[:, 1:] - fleet.energy_min_kwh[:, None]
    expected = 0.9 * (above[0] + 0.5 * np.where(np.arange(4) >= 1, above[2], 0.0))
    assert plan.reserve_kwh == pytest.approx(expected)


@pytest.fixture
def written(plan_problem, plan_fleet):
    problem = plan_problem([0.1, 0.3, 0.2], fleet=plan_fleet(departure=[3, 2], energy_required_kwh=[20.0, 25.0]))
    weight = np.array([[1.0, 0.5, 0.5], [1.0, 0.9, 0.0]])
    return replace(
        problem,
        group_limits=(
            GroupLimit.of("feeder", [True, False], 3, upper_kw=[9.0, math.inf, 8.0]),
            GroupLimit.of("L1", [0.5, 1.0], 3, lower_kw=-5.0, base_kw=1.0, penalty_per_kwh=0.3),
        ),
        energy_reserve=reserve_of(problem, [1.0, 2.0, 3.0], weight=weight, penalty_per_kwh=4.0),
    )


def test_written_and_read_back(written):
    mapping = json.loads(json.dumps(problem_to_mapping(written)))
    again = problem_from_mapping(mapping)
    assert problem_to_mapping(again) == mapping
    np.testing.assert_array_equal(again.energy_reserve.weight, written.energy_reserve.weight)
    assert again.group_limits[0].hard
    assert again.group_limits[1].penalty_per_kwh == 0.3
    assert solve(again, HIGHS).objective == pytest.approx(solve(written, HIGHS).objective)


def test_members_by_number(written):
    mapping = problem_to_mapping(written)
    mapping["group_limits"] = [{"name": "line", "vehicles": [1], "weight": 0.5, "upper_kw": 4, "base_kw": None}]
    mapping["energy_reserve"] = {"required_kwh": 2.0}
    problem = problem_from_mapping(mapping)
    assert problem.group_limits[0].weight.tolist() == [0.0, 0.5]
    assert problem.energy_reserve.weight.tolist() == [1.0, 1.0]
    assert problem.energy_reserve.penalty_per_kwh == 10.0


def test_every_fault_is_named(written):
    mapping = problem_to_mapping(written)
    mapping["group_limits"] = [
        {"name": "", "upper_kw": 5.0},
        {"name": "none"},
        {"name": "long", "upper_kw": [1.0]},
        {"name": "twice", "upper_kw": 1.0, "vehicles": [1, 1]},
        {"name": "far", "upper_kw": 1.0, "vehicles": [2]},
        {"name": "order", "upper_kw": 1.0, "lower_kw": [0.0, 2.0, 0.0]},
        {"name": "weights", "upper_kw": 1.0, "weight": [1.0, -1.0]},
        {"name": "sizes", "upper_kw": 1.0, "weight": [1.0]},
        {"name": "key", "uper_kw": 1.0, "upper_kw": 1.0},
        7,
    ]
    mapping["energy_reserve"] = {"required_kwh": [-1.0, 0.0, 0.0], "weight": [[1.0] * 3], "penalty_per_kwh": 0.0}
    with pytest.raises(InputError) as caught:
        problem_from_mapping(mapping)
    where = {problem.where for problem in caught.value.problems}
    expected = {
        "group_limits[0].name", "group_limits[1].upper_kw", "group_limits[2].upper_kw", "group_limits[3].vehicles",
        "group_limits[4].vehicles", "group_limits[5].lower_kw[1]", "group_limits[6].weight[1]",
        "group_limits[7].weight", "group_limits[8].uper_kw", "group_limits[9]", "energy_reserve.required_kwh[0]",
        "energy_reserve.weight", "energy_reserve.penalty_per_kwh",
    }  # fmt: skip
    assert expected <= {place.replace("vehicles[0]", "vehicles") for place in where}, expected - where


@pytest.mark.parametrize("value", [3, "yes", [1]])
def test_what_is_no_object_is_refused(written, value):
    mapping = problem_to_mapping(written) | {"group_limits": value, "energy_reserve": value}
    with pytest.raises(InputError):
        problem_from_mapping(mapping)


def test_limits_check_themselves(written):
    with pytest.raises(DomainError, match="lower_kw is above upper_kw"):
        GroupLimit.of("x", [1.0], 2, upper_kw=1.0, lower_kw=2.0)
    with pytest.raises(DomainError, match="weight"):
        GroupLimit.of("x", [-1.0], 2, upper_kw=1.0)
    with pytest.raises(DomainError, match="phase"):
        phase_limits([4], 1, upper_kw=1.0)
    with pytest.raises(DomainError, match="required_kwh"):
        EnergyReserve.of(-1.0, 1, 1)
    with pytest.raises(DomainError, match="penalty_per_kwh"):
        EnergyReserve.of(1.0, 1, 1, penalty_per_kwh=math.inf)
    with pytest.raises(DomainError, match="one weight per vehicle"):
        replace(written, group_limits=(GroupLimit.of("x", [1.0], 3, upper_kw=1.0),))
    with pytest.raises(DomainError, match="reserve must hold"):
        replace(written, energy_reserve=EnergyReserve.of(1.0, 5, 3))


def test_the_command_shows_limits_and_reserve(written, tmp_path):
    app = typer.Typer()
    app.command()(plan_command)
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(problem_to_mapping(written)), encoding="utf-8")
    shown = CliRunner().invoke(app, [str(path)]).stdout
    assert "energy reserve" in shown
    assert "reserve price" in shown
    assert "feeder" in shown
    told = json.loads(CliRunner().invoke(app, [str(path), "--json"]).stdout)
    assert [group["name"] for group in told["groups"]] == ["feeder", "L1"]
    assert len(told["reserve_price"]) == 3
    flat = {f"vehicles.{name}": getattr(written.fleet, name) for name in written.fleet.__dataclass_fields__}
    flat |= {name: getattr(written, name) for name in ("step_h", "periods", "import_price", "export_price")}
    flat |= {"base_load_kw": written.base_load_kw, "energy_reserve.required_kwh": written.energy_reserve.required_kwh}
    flat |= {
        "energy_reserve.weight": written.energy_reserve.weight, "group_limits.name": np.array(["feeder", "L1"]),
        "group_limits.weight": np.array([[1.0, 0.0], [0.5, 1.0]]), "group_limits.upper_kw": np.array([9.0, 8.0]),
    }  # fmt: skip
    buffer = io.BytesIO()
    np.savez(buffer, **flat)
    packed = tmp_path / "problem.npz"
    packed.write_bytes(buffer.getvalue())
    result = CliRunner().invoke(app, [str(packed), "--json"])
    assert result.exit_code == 0, result.stdout
    assert [group["name"] for group in json.loads(result.stdout)["groups"]] == ["feeder", "L1"]
