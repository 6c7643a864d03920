"""The plan command from file to answer."""

import io
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bothways.app.cli.plan import arrays_as_mapping, plan
from bothways.domain.errors import InputError
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping


@pytest.fixture(scope="module")
def app():
    made = typer.Typer()
    made.command()(plan)
    return made


@pytest.fixture
def written(tmp_path, plan_problem, plan_fleet):
    fleet = plan_fleet(departure=[4, 2], energy_required_kwh=[20.0, 45.0])
    problem = plan_problem([0.3, 0.1, 0.2, 0.4], base=[5.0, 5.0, -9.0, 5.0], fleet=fleet, export_limit_kw=1.0)
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(problem_to_mapping(problem)), encoding="utf-8")
    return path


def test_json_answer_and_schedule(app, written, tmp_path):
    out = tmp_path / "made" / "schedule.npz"
    result = CliRunner().invoke(app, [str(written), "--json", "--schedule", str(out)])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["status"] == "optimal"
    assert told["lower_bound"] <= told["objective"]
    assert told["gap"] <= 1e-4
    assert told["seconds"] > 0.0
    assert told["solver"] == "HiGHS"
    assert told["shortfall_kwh"] == [0.0, 15.0]
    assert told["reasons"][1].endswith("15.0 kWh short")
    assert told["curtailed_kwh"] == pytest.approx(0.0, abs=1e-6)
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["power_kw"].shape == (2, 4)
        net = arrays["power_kw"].sum(axis=0) + np.array([5, 5, -9, 5])
        assert told["peak_import_kw"] == pytest.approx(max(0.0, net.max()))


def test_table_names_shortfalls(app, written):
    result = CliRunner().invoke(app, [str(written)])
    assert result.exit_code == 0
    assert "optimal within 0.0001" in result.stdout
    assert "vehicle 1: needs 35.0 kWh in 2.0 h" in result.stdout


def test_npz_is_the_same_problem(app, written, tmp_path):
    mapping = json.loads(written.read_text(encoding="utf-8"))
    flat = {key: value for key, value in mapping.items() if key != "vehicles" and value is not None}
    flat |= {f"vehicles.{key}": value for key, value in mapping["vehicles"].items()}
    path = tmp_path / "problem.npz"
    np.savez(path, **{key: np.array(value) for key, value in flat.items()})
    runner = CliRunner()
    answers = [json.loads(runner.invoke(app, [str(file), "--json"]).stdout) for file in (written, path)]
    for answer in answers:
        del answer["seconds"]
    assert answers[0] == answers[1]


def test_npz_demand_charges(plan_problem):
    flat = {key: value for key, value in problem_to_mapping(plan_problem([0.1, 0.2])).items() if value is not None}
    flat |= {f"vehicles.{key}": value for key, value in flat.pop("vehicles").items()}
    buffer = io.BytesIO()
    charges = {
        "demand_charges.price_per_kw": [3.0, 4.0],
        "demand_charges.steps": [[True, True], [False, True]],
        "demand_charges.peak_so_far_kw": [0.0, 1.0],
    }
    np.savez(buffer, **{key: np.array(value) for key, value in (flat | charges).items()})
    problem = problem_from_mapping(arrays_as_mapping(buffer.getvalue(), "x.npz"))
    assert [charge.price_per_kw for charge in problem.demand_charges] == [3.0, 4.0]
    assert problem.demand_charges[1].steps.tolist() == [False, True]
    single = {"demand_charges.price_per_kw": 3.0, "demand_charges.steps": [False, True]}
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.array(value) for key, value in (flat | single).items()})
    problem = problem_from_mapping(arrays_as_mapping(buffer.getvalue(), "x.npz"))
    assert problem.demand_charges[0].steps.tolist() == [False, True]


def test_infeasible_exits_with_1_and_writes_no_schedule(app, tmp_path, plan_problem):
    path, out = tmp_path / "problem.json", tmp_path / "schedule.npz"
    problem = plan_problem([0.1, 0.2], base=50.0, import_hard_limit_kw=10.0)
    path.write_text(json.dumps(problem_to_mapping(problem)), encoding="utf-8")
    result = CliRunner().invoke(app, [str(path), "--json", "--schedule", str(out)])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["status"] == "infeasible"
    assert told["objective"] is None
    assert told["infeasible_because"][0].startswith("step 0: the base load of 50.0 kW")
    assert not out.exists()
    assert "step 1" in CliRunner().invoke(app, [str(path)]).stdout


def test_bad_input_is_one_error_with_all_problems(app, written, tmp_path):
    mapping = json.loads(written.read_text(encoding="utf-8"))
    mapping["vehicles"]["departure"] = [0, 9]
    written.write_text(json.dumps(mapping), encoding="utf-8")
    error = CliRunner().invoke(app, [str(written)]).exception
    assert isinstance(error, InputError)
    assert len(error.problems) == 2
    assert str(written) in error.problems[0].where
    bad_option = CliRunner().invoke(app, [str(written), "--solver", "magic", "--schedule", str(tmp_path)]).exception
    assert isinstance(bad_option, InputError)
    assert [problem.where for problem in bad_option.problems] == ["--solver", "--schedule"]


def test_damaged_archives_are_input_errors():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3), b=np.array([{}], dtype=object))
    whole = buffer.getvalue()
    for content in (b"", b"PK\x03\x04", whole[:-40], whole[:60] + b"\x00" * 40 + whole[100:], whole):
        with pytest.raises(InputError, match="npz"):
            arrays_as_mapping(content, "x.npz")


def test_npz_carries_products(app, written, tmp_path):
    mapping = json.loads(written.read_text(encoding="utf-8"))
    products = [
        {"name": "up", "direction": "up", "capacity_price": [0.01] * 4, "sustain_h": 0.25},
        {"name": "down", "direction": "down", "capacity_price": [0.02] * 4, "sustain_h": 0.5},
    ]
    by_json = tmp_path / "offers.json"
    by_json.write_text(json.dumps(mapping | {"products": products}), encoding="utf-8")
    flat = {key: value for key, value in mapping.items() if key != "vehicles" and value is not None}
    flat |= {f"vehicles.{key}": value for key, value in mapping["vehicles"].items()}
    flat |= {f"products.{key}": np.array([one[key] for one in products]) for key in products[0]}
    path = tmp_path / "offers.npz"
    np.savez(path, **flat)
    told = [json.loads(CliRunner().invoke(app, [str(one), "--json"]).stdout) for one in (by_json, path)]
    assert [one["name"] for one in told[1]["products"]] == ["up", "down"]
    assert told[0]["products"] == told[1]["products"]
    assert told[0]["objective"] == pytest.approx(told[1]["objective"])
