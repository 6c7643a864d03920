"""Time limits, cancelling and progress of both solvers, through ``solve`` and the command."""

import io
import json
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bothways.app.cli import watching
from bothways.app.cli.plan import plan as plan_command
from bothways.app.cli.watching import Watching
from bothways.planning.parsing import problem_to_mapping
from bothways.planning.problem import PlanOptions
from bothways.planning.solve import ENGINE_FROM, reason_for, solve
from bothways.planning.watch import Watch


@pytest.fixture(scope="module")
def many(plan_problem, plan_fleet):
    """Vehicles enough for the engine, with needs that compete for a peak."""
    rng = np.random.default_rng(5)
    size, periods = ENGINE_FROM, 24
    arrival = rng.integers(0, 10, size)
    fleet = plan_fleet(
        arrival=arrival.tolist(), departure=(arrival + rng.integers(6, 14, size)).tolist(),
        energy_required_kwh=rng.uniform(12.0, 35.0, size).tolist(), charge_efficiency=0.95, discharge_efficiency=0.95,
        wear_per_kwh=0.02, energy_max_kwh=40.0,
    )  # fmt: skip
    prices = (0.2 + 0.1 * np.sin(np.arange(periods))).tolist()
    return plan_problem(prices, export=[0.05] * periods, base=500.0, fleet=fleet, demand=1.0)


class Ticking:
    """A clock that moves by one second each time it is read."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_the_engine_keeps_a_time_limit_and_says_so(many):
    tight = PlanOptions(gap=1e-13, solver="engine", time_limit_s=3.0)
    plan = solve(many, tight, Watch(clock=Ticking()))
    best = solve(many, PlanOptions(gap=1e-6, solver="engine"))
    assert plan.status == "feasible"
    assert plan.lower_bound <= best.objective
    assert best.lower_bound <= plan.objective
    assert any("stopped by the time limit" in note for note in plan.notes)


def test_cancelling_ends_the_engine_and_spares_highs(many):
    plan = solve(many, PlanOptions(gap=1e-13), Watch(cancel=lambda: True))
    assert plan.solver == "engine"
    assert plan.status == "feasible"


def test_cancelling_ends_highs_with_what_there_is(many):
    plan = solve(many, PlanOptions(gap=1e-9, solver="highs"), Watch(cancel=lambda: True))
    assert plan.status == "feasible"
    assert plan.solver == "charging early"
    assert plan.lower_bound <= plan.objective


def test_highs_asks_while_it_runs(many):
    asked = []

    def soon():
        asked.append(1)
        return len(asked) > 20

    plan = solve(many, PlanOptions(gap=1e-9, solver="highs"), Watch(cancel=soon))
    assert len(asked) > 20
    assert plan.status == "feasible"
    assert plan.lower_bound <= solve(many, PlanOptions(gap=1e-6, solver="engine")).objective


def test_progress_is_told(many):
    seen = []
    solve(many, PlanOptions(gap=1e-6, solver="engine"), Watch(progress=lambda *what: seen.append(what)))
    assert seen
    lower = [bound for _, bound, _ in seen]
    assert lower == sorted(lower)


def test_what_the_engine_leaves_goes_to_highs_with_a_word(many):
    plan = solve(many, PlanOptions(gap=1e-12))
    assert plan.solver == "HiGHS" or plan.gap <= 1e-12
    if plan.solver == "HiGHS":
        assert any("HiGHS took over" in note for note in plan.notes)


def test_auto_says_why(many, plan_problem):
    assert reason_for(plan_problem([0.1, 0.2])) == ("highs", f"1 vehicles are fewer than {ENGINE_FROM}")
    assert reason_for(many)[0] == "engine"
    odd = replace(many, export_price=many.import_price + 0.1)
    assert reason_for(odd) == ("highs", "export pays more than import costs in some step")


@pytest.fixture
def app():
    made = typer.Typer()
    made.command()(plan_command)
    return made


def test_the_command_keeps_the_limit_and_says_what_it_took(app, many, tmp_path):
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(problem_to_mapping(many)), encoding="utf-8")
    limited = ["--json", "--gap", "1e-9", "--time-limit", "0.001", "--solver", "engine"]
    told = json.loads(CliRunner().invoke(app, [str(path), *limited]).stdout)
    assert told["status"] == "feasible"
    assert told["solver_because"] == "asked for"
    told = json.loads(CliRunner().invoke(app, [str(path), "--json"]).stdout)
    assert told["solver"] == "engine"
    assert told["solver_because"].startswith(f"auto: {ENGINE_FROM} vehicles")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_the_first_interrupt_asks_and_the_second_ends(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    before = signal.getsignal(signal.SIGINT)
    with Watching() as eyes:
        assert not eyes.watch.cancel()
        os.kill(os.getpid(), signal.SIGINT)
        assert eyes.watch.cancel()
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130
    assert "best plan so far" in shown.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


def test_progress_shows_after_a_while_and_is_wiped(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(watching, "PATIENCE_S", 0.0)
    monkeypatch.setattr(watching, "EVERY_S", 0.0)
    with Watching() as eyes:
        eyes.watch.progress(3, 1.0, float("inf"))
        eyes.watch.progress(4, 9.0, 10.0)
    assert "3 passes, no plan yet" in shown.getvalue()
    assert "4 passes, gap 1.0e-01" in shown.getvalue()
    assert shown.getvalue().endswith("\r\x1b[K")
