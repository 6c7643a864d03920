"""The planner's benchmark compares like with like: pyomo, HiGHS and the engine agree on a small fleet's cost."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks"
NAMES = ("plan_cases", "plan_pyomo", "plan_workers", "plan")


@pytest.fixture(scope="module")
def parts() -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which find each other by the folder they lie in."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", ["base", "negative price", "three charges", "limit 1.3"])
def test_pyomo_highs_and_engine_agree(parts: dict[str, ModuleType], kind: str) -> None:
    problem = parts["plan_cases"].case(kind, 6, 3)
    workers = parts["plan_workers"]
    highs = workers.direct(problem, 30.0)[2]
    assert parts["plan_pyomo"].solve_with_pyomo(problem, 30.0).objective == pytest.approx(highs, rel=1e-6)

    (engine, *_) = workers.engine(problem, 6, kind, {"repeat": 1, "threads": 1})
    room = 1e-6 * max(1.0, abs(highs))
    assert engine.lower <= highs + room
    assert engine.objective >= highs - room
    assert engine.gap <= 1e-2
    assert 0.0 < engine.build_s < engine.total_s


def test_both_models_know_surplus_terminal_value_and_wishes_out_of_reach(parts: dict[str, ModuleType]) -> None:
    problem = parts["plan_cases"].case("base", 5, 4)
    fleet = replace(problem.fleet, energy_required_kwh=problem.fleet.energy_max_kwh)  # some stays are too short for it
    sunny = problem.base_load_kw - 60.0 * (np.arange(problem.periods) == 40)
    problem = replace(problem, fleet=fleet, base_load_kw=sunny, terminal_value_per_kwh=0.1)
    assert problem.curtailable_kw.any()
    highs = parts["plan_workers"].direct(problem, 30.0)[2]
    assert parts["plan_pyomo"].solve_with_pyomo(problem, 30.0).objective == pytest.approx(highs, rel=1e-6)


def test_pyomo_has_no_answer_when_time_is_up(parts: dict[str, ModuleType]) -> None:
    assert parts["plan_pyomo"].solve_with_pyomo(parts["plan_cases"].case("base", 2, 1), 1e-9).objective is None


def test_pyomo_declines_what_its_model_leaves_out(parts: dict[str, ModuleType]) -> None:
    problem = parts["plan_cases"].case("base", 2, 1)
    stubborn = replace(problem, fleet=replace(problem.fleet, no_pause=np.ones(2, dtype=np.bool_)))
    with pytest.raises(ValueError, match="minimum powers"):
        parts["plan_pyomo"].fleet_model(stubborn)


def test_contradictions_are_told(parts: dict[str, ModuleType]) -> None:
    def record(solver: str, objective: float, lower: float | None) -> object:
        return parts["plan_workers"].Record(
            solver, 5, "base", 0.1, 0.1, 0.2, objective, lower, None, "optimal", solver
        )  # fmt: skip

    told = parts["plan"].contradictions
    assert told([record("engine", 10.0, 9.9), record("highs", 9.95, 9.95), record("pyomo", 9.95, None)]) == []
    assert "bound 9.97" in told([record("engine", 10.0, 9.97), record("highs", 9.95, 9.95)])[0]
    assert "differ" in told([record("highs", 9.95, 9.95), record("pyomo", 9.96, None)])[0]
