"""The interior-point method by itself against the exact linear program, on random instances of every ugly kind."""

import math

import numpy as np
import pytest
from random_plans import KINDS, random_problem

import bothways.planning.engine.solve as engine
from bothways.domain.errors import SolverError
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.problem import PlanOptions

GAP = 1e-6


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Leaves out what otherwise comes first: one sweep for a schedule to begin with, and no corrective pass."""
    finished: list[bool] = []
    finish = engine.finish

    def told(search: object, gap: float) -> None:
        finished.append(True)
        finish(search, gap)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "polish", lambda *_: None)
    monkeypatch.setattr(engine, "_fast_sweeps", lambda *_, **__: 1)
    monkeypatch.setattr(engine, "finish", told)
    return finished


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_ends_near_a_gap_of_a_millionth(kind: int, alone: list[bool]) -> None:
    closed, tried = 0, 0
    for k in range(10):
        problem = random_problem(kind + len(KINDS) * k)
        if engine.supports(problem) is not None:
            continue
        before = len(alone)
        try:
            plan, _ = engine.solve_engine(problem, PlanOptions(gap=GAP))
        except SolverError:
            continue
        if len(alone) == before:
            continue  # the first sweep was enough
        tried += 1
        closed += plan.gap <= 10.0 * GAP  # rounding may end it a little above what was asked
        label = f"{KINDS[kind]} {k}"
        exact = solve_with_highs(problem, PlanOptions(gap=1e-9))
        slack = 1e-9 * max(1.0, abs(exact.objective))
        if np.max(exact.shortfall_kwh - plan.shortfall_kwh, initial=0.0) < 1e-6:
            assert plan.lower_bound <= exact.objective + slack, label
            assert exact.lower_bound <= plan.objective + slack, label
        seen = evaluate(problem, plan.power_kw)
        assert seen.violations.none, (label, seen.violations.sentences())
        assert math.isclose(seen.objective, plan.objective, rel_tol=1e-9, abs_tol=1e-9), label
    assert closed == tried, (KINDS[kind], closed, tried)
