"""Reading problems: what is accepted, and that every fault is said at once."""

import copy
import json
import math

import numpy as np
import pytest

from bothways.domain.errors import DomainError, InputError
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping
from bothways.planning.problem import DemandCharge, PlanOptions


@pytest.fixture
def mapping():
    return {
        "step_h": 0.25,
        "periods": 4,
        "import_price": [0.1, 0.2, 0.3, 0.4],
        "export_price": 0.05,
        "base_load_kw": [10, 20, -5, 0],
        "demand_charge_per_kw": 12.0,
        "import_limit_kw": 50.0,
        "import_limit_penalty_per_kwh": 1.0,
        "export_limit_kw": None,
        "vehicles": {
            "arrival": [0, 1],
            "departure": [4, 3],
            "energy_at_arrival_kwh": [20.0, 5.0],
            "energy_required_kwh": [30.0, 10.0],
            "energy_min_kwh": 4,
            "energy_max_kwh": [50.0, 40.0],
            "charge_kw": 11.0,
            "discharge_kw": [11.0, 0.0],
            "charge_efficiency": 0.94,
            "discharge_efficiency": 0.94,
            "wear_per_kwh": 0.04,
        },
    }


def faults(mapping):
    with pytest.raises(InputError) as caught:
        problem_from_mapping(mapping, at="plan.json")
    return {problem.where.removeprefix("plan.json: "): problem for problem in caught.value.problems}


def test_reads_what_the_format_says(mapping):
    problem = problem_from_mapping(mapping)
    assert problem.fleet.size == 2
    assert problem.fleet.arrival.dtype == np.int64
    np.testing.assert_array_equal(problem.export_price, [0.05] * 4)
    np.testing.assert_array_equal(problem.fleet.charge_kw, [11.0, 11.0])
    np.testing.assert_array_equal(problem.fleet.min_charge_kw, [0.0, 0.0])
    assert not problem.fleet.no_pause.any()
    assert math.isinf(problem.export_limit_kw)
    assert math.isinf(problem.import_hard_limit_kw)
    assert problem.demand_charges[0].price_per_kw == 12.0
    assert problem.demand_charges[0].peak_so_far_kw == 0.0


def test_optional_keys(mapping):
    mapping |= {"peak_so_far_kw": 7, "terminal_value_per_kwh": 0.1, "import_hard_limit_kw": 80}
    mapping["vehicles"] |= {"min_charge_kw": [1.4, 0], "no_pause": [True, False]}
    mapping["demand_charges"] = [
        {"price_per_kw": 3.0, "steps": [1, 2], "peak_so_far_kw": 2.0},
        {"price_per_kw": 4.0, "steps": [True, False, False, True]},
        {"price_per_kw": 5.0},
    ]
    problem = problem_from_mapping(mapping)
    assert [charge.price_per_kw for charge in problem.demand_charges] == [12.0, 3.0, 4.0, 5.0]
    assert problem.demand_charges[0].peak_so_far_kw == 7.0
    assert [charge.steps.tolist() for charge in problem.demand_charges[1:]] == [
        [False, True, True, False],
        [True, False, False, True],
        [True] * 4,
    ]
    assert problem.fleet.no_pause.tolist() == [True, False]
    assert problem.import_hard_limit_kw == 80.0


def test_round_trip_through_json(mapping):
    mapping["demand_charges"] = [{"price_per_kw": 3.0, "steps": [1, 2]}]
    mapping["vehicles"]["no_pause"] = [1, 0]
    mapping["base_load_kw"] = [5000, 20, -5, 0]
    mapping["unusual_magnitudes"] = True
    first = problem_from_mapping(mapping)
    again = problem_from_mapping(json.loads(json.dumps(problem_to_mapping(first), allow_nan=False)))
    assert problem_to_mapping(again) == problem_to_mapping(first)
    assert "unusual_magnitudes" in problem_to_mapping(first)
    mapping["base_load_kw"] = 1.0
    assert "unusual_magnitudes" not in problem_to_mapping(problem_from_mapping(mapping))
    del mapping["demand_charges"]
    assert problem_to_mapping(problem_from_mapping(mapping))["demand_charge_per_kw"] == 12.0


def test_every_fault_is_reported_at_once(mapping):
    mapping["imprt_price"] = 1
    mapping["step_h"] = float("nan")
    mapping["import_price"] = [0.1, float("inf"), "0.3", None]
    mapping["base_load_kw"] = [1, 2, 3]
    mapping["demand_charge_per_kw"] = True
    mapping["export_limit_kw"] = -3
    del mapping["import_limit_penalty_per_kwh"]
    mapping["demand_charges"] = [{"price_per_kw": -1, "step": [1]}, 7, {"price_per_kw": 1, "steps": [0, 4]}]
    mapping["vehicles"] |= {
        "arrival": [0, 3.5],
        "departure": [0, 9],
        "energy_at_arrival_kwh": [60.0, 5.0],
        "energy_min_kwh": [0.0, 45.0],
        "energy_max_kwh": [50.0, 40.0],
        "charge_kw": [-11.0, 11.0],
        "charge_efficiency": [0.0, 1.2],
        "min_charge_kw": [0.0, 12.0],
        "no_pause": ["yes", False],
        "wear_per_kwh": [0.1, 0.2, 0.3],
        "color": ["red", "blue"],
    }
    found = faults(mapping)
    assert set(found) == {
        "imprt_price", "step_h", "import_price[1]", "import_price[2]", "import_price[3]", "base_load_kw",
        "demand_charge_per_kw", "export_limit_kw", "import_limit_penalty_per_kwh", "demand_charges[0].price_per_kw",
        "demand_charges[0].step", "demand_charges[1]", "demand_charges[2].steps[1]", "vehicles.arrival[1]",
        "vehicles.departure[0]", "vehicles.departure[1]", "vehicles.energy_at_arrival_kwh[0]",
        "vehicles.energy_min_kwh[1]", "vehicles.charge_kw[0]", "vehicles.charge_efficiency[0]",
        "vehicles.charge_efficiency[1]", "vehicles.min_charge_kw[1]", "vehicles.no_pause[0]", "vehicles.wear_per_kwh",
        "vehicles.color",
    }  # fmt: skip
    assert found["imprt_price"].remedy == "Did you mean 'import_price'?"
    assert "half-open" in found["vehicles.departure[0]"].allowed
    assert found["import_price[1]"].found == "inf"
    assert "[currency/kWh]" in found["import_price[2]"].allowed


def test_missing_keys_are_all_named():
    assert {"step_h", "periods", "import_price", "export_price", "base_load_kw", "vehicles"} <= set(faults({}))
    assert set(faults({"vehicles": {}})) >= {"vehicles.arrival", "vehicles.wear_per_kwh"}
    assert "vehicles" in faults({"vehicles": 3})
    for nonsense in (None, 3, [], "text"):
        assert faults(nonsense)


def test_many_faults_of_one_kind_are_counted(mapping):
    mapping["periods"] = 40
    mapping["import_price"] = [float("nan")] * 40
    mapping["base_load_kw"] = 1.0
    found = [problem for problem in faults(mapping).values() if "import_price" in problem.where]
    assert len(found) == 6
    assert found[-1].found == "35 more such values"


@pytest.mark.parametrize(("key", "factor"), [("charge_kw", 1000), ("energy_max_kwh", 1000), ("base_load_kw", 1000)])
def test_units_that_are_a_thousand_times_too_large(mapping, key, factor):
    wrong = copy.deepcopy(mapping)
    owner = wrong if key in wrong else wrong["vehicles"]
    owner[key] = (np.array(owner[key]) * factor).tolist()
    found = faults(wrong)
    where = key if key in wrong else f"vehicles.{key}[0]"
    assert "divide by 1000" in found[where].remedy
    wrong["unusual_magnitudes"] = True
    assert problem_from_mapping(wrong).fleet.size == 2


def test_arrays_are_read_as_lists_are(mapping):
    arrays = {key: np.array(value) for key, value in mapping.items() if key != "vehicles" and value is not None}
    arrays["vehicles"] = {key: np.array(value) for key, value in mapping["vehicles"].items()}
    assert problem_to_mapping(problem_from_mapping(arrays)) == problem_to_mapping(problem_from_mapping(mapping))
    arrays["import_price"] = np.ones((4, 2))
    arrays["base_load_kw"] = np.array(["a", "b", "c", "d"])
    arrays["vehicles"]["charge_kw"] = np.array([np.nan, 1.0])
    assert set(faults(arrays)) == {"import_price", "base_load_kw", "vehicles.charge_kw[0]"}


def test_types_refuse_what_makes_no_sense(plan_problem, plan_fleet, changed):
    for column, value in (
        ("charge_kw", [-1.0]), ("charge_efficiency", [1.1]), ("discharge_efficiency", [0.0]), ("departure", [-1]),
        ("energy_max_kwh", [-1.0]), ("min_charge_kw", [11.0]), ("wear_per_kwh", [math.nan]), ("charge_kw", [[1.0]]),
    ):  # fmt: skip
        with pytest.raises(DomainError, match="fleet"):
            plan_fleet(**{column: value})
    problem = plan_problem([0.1] * 4)
    for change in (
        {"import_price": np.full(4, np.nan)}, {"periods": 0}, {"step_h": 0.0}, {"export_limit_kw": -1.0},
        {"import_limit_penalty_per_kwh": math.inf}, {"terminal_value_per_kwh": math.nan},
        {"demand_charges": (DemandCharge(1.0, np.ones(3, dtype=bool)),)}, {"fleet": plan_fleet(departure=5)},
    ):  # fmt: skip
        with pytest.raises(DomainError):
            changed(problem, **change)
    with pytest.raises(DomainError):
        DemandCharge(-1.0, np.ones(3, dtype=bool))
    with pytest.raises(DomainError):
        PlanOptions(gap=0.0)
