"""Products in a plan file: read, refused with every fault named, written back, answered."""

import json

import numpy as np
import pytest

from bothways.domain.errors import DomainError, InputError
from bothways.planning.parsing import problem_to_mapping
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.parsing import reserve_from_mapping, reserve_to_mapping
from bothways.planning.reserve.solve import run_reserve, solve_reserve


@pytest.fixture
def mapping(plan_problem, plan_fleet):
    fleet = plan_fleet(energy_at_arrival_kwh=[20.0, 30.0])
    plan = plan_problem([0.3, 0.1, 0.2, 0.4], fleet=fleet, export=[0.0] * 4)
    return {
        **problem_to_mapping(plan),
        "products": [
            {"name": "up", "direction": "up", "capacity_price": [0.05, 0.02], "block_steps": 2, "sustain_h": 0.5},
            {
                "name": "both",
                "direction": "symmetric",
                "capacity_price": 0.03,
                "max_bid_kw": None,
                "activation_up": 0.1,
            },
        ],
    }


def test_a_file_with_products_is_read_planned_and_answered(mapping):
    problem, answer, told = run_reserve(json.loads(json.dumps(mapping)), PlanOptions(gap=1e-6))
    assert [product.name for product in problem.products] == ["up", "both"]
    assert problem.products[1].capacity_price.shape == (4,)
    json.dumps(told, allow_nan=False)
    assert [len(item["bid_kw"]) for item in told["products"]] == [2, 4]
    assert sum(told["money"].values()) == pytest.approx(answer.plan.objective)
    income = sum(item["capacity_income"] for item in told["products"])
    assert income == pytest.approx(-told["money"]["capacity"])
    assert income > 0.0


def test_reading_what_was_written_gives_the_same(mapping):
    problem = reserve_from_mapping(mapping)
    again = reserve_from_mapping(json.loads(json.dumps(reserve_to_mapping(problem))))
    assert json.dumps(reserve_to_mapping(again)) == json.dumps(reserve_to_mapping(problem))


def test_every_fault_is_named_at_once(mapping):
    mapping["step_h"] = -1.0
    mapping["products"] = [
        {"name": "", "direction": "sideways", "capacity_price": [1.0, 2.0, 3.0]},
        {"name": "a", "direction": "up", "capacity_price": 0.1, "activation_down": 0.2, "sustain": 1.0},
        "text",
        {"name": "b", "direction": "up", "capacity_price": "dear", "sustain_h": 0.0, "block_steps": 0.5},
    ]
    with pytest.raises(InputError) as error:
        reserve_from_mapping(mapping, at="plan.json")
    text = str(error.value)
    for place in (
        "step_h", "products[0].name", "products[0].direction", "products[1].activation_down", "products[1].sustain:",
        "products[2]", "products[3].capacity_price", "products[3].sustain_h", "products[3].block_steps",
    ):  # fmt: skip
        assert f"plan.json: {place}" in text, place


def test_lengths_and_combinations_are_checked(mapping):
    mapping["products"][0]["capacity_price"] = [1.0, 2.0, 3.0]
    with pytest.raises(InputError, match="2 values \\(one per block\\)"):
        reserve_from_mapping(mapping)
    mapping["products"][0]["capacity_price"] = 1.0
    mapping["products"][0]["name"] = "both"
    with pytest.raises(InputError, match="name of its own"):
        reserve_from_mapping(mapping)
    mapping["products"] = {"name": "up"}
    with pytest.raises(InputError, match="a list of objects"):
        reserve_from_mapping(mapping)
    with pytest.raises(InputError, match="an object with named values"):
        reserve_from_mapping([1, 2])


def test_without_products_it_is_a_plan(mapping):
    del mapping["products"]
    answer = solve_reserve(reserve_from_mapping(mapping))
    assert answer.bids_kw == ()
    assert answer.shares_kw.shape == (0, 2, 4)
    assert np.isfinite(answer.plan.objective)


def test_an_unknown_solver_is_refused(mapping):
    with pytest.raises(DomainError, match="unknown solver 'magic'; there are auto, highs, engine"):
        solve_reserve(reserve_from_mapping(mapping), PlanOptions(solver="magic"))
