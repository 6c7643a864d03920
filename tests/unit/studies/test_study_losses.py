"""What constant efficiencies leave out: part load and stand-by from what flowed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from report_cases import make_runs
from small_study import small_inputs

from bothways.battery.losses import default_losses
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.compare import outcome_of
from bothways.studies.losses import part_load
from bothways.studies.period import YearScale
from bothways.studies.report.html import render
from bothways.studies.report.summary import summary
from bothways.studies.result import CaseResult, StudyResult


def flat(run, power):
    """The same run with every vehicle that is there at one power."""
    there = run.trace.evse_stay >= 0
    return replace(run, trace=replace(run.trace, evse_power_kw=np.where(there, power, 0.0)))


@pytest.fixture(scope="module")
def study():
    inputs = small_inputs(days=2)
    return inputs, run_uncontrolled(inputs, inputs.cases[0])


def test_a_tenth_of_the_power_costs_what_the_curve_says(study):
    inputs, run = study
    hours = float((run.trace.evse_stay >= 0).sum()) * inputs.grid.step_h
    found = part_load(inputs, inputs.cases[0], flat(run, 0.7))
    assert found.moved_kwh == pytest.approx(0.7 * hours)
    assert found.constant_kwh == pytest.approx(0.07 * hours)  # 10 % of 0.7 kW
    # 0.63 kW into the battery through a converter of 7 kW: P = 0.63 + 0.14 + 0.045 P + 0.022 P²/7, to within a chord
    power = 0.7
    for _ in range(50):
        power = 0.63 + 0.14 + 0.045 * power + 0.022 * power**2 / 7.0
    assert found.curve_kwh == pytest.approx((power - 0.63) * hours, rel=0.03)
    assert found.extra_kwh > 0.0
    assert found.cost > 0.0


def test_at_the_rating_the_curve_is_near_the_constant(study):
    inputs, run = study
    found = part_load(inputs, inputs.cases[0], flat(run, 7.0))
    assert abs(found.extra_kwh) < 0.02 * found.moved_kwh
    both = default_losses(7.0)
    out = part_load(inputs, inputs.cases[0], replace(flat(run, -7.0), strategy="bidirectional"))
    hours = float((run.trace.evse_stay >= 0).sum()) * inputs.grid.step_h
    more = (float(both.discharge.input_for(7.0)) - 7.0 / 0.9) / 0.9
    assert out.curve_kwh - out.constant_kwh == pytest.approx(more * hours)


def test_only_who_is_kept_ready_to_feed_back_stands_by(study):
    inputs, run = study
    idle = flat(run, 0.0)
    assert part_load(inputs, inputs.cases[0], idle).standby_kwh == 0.0
    hours = float((run.trace.evse_stay >= 0).sum()) * inputs.grid.step_h
    ready = part_load(inputs, inputs.cases[0], replace(idle, strategy="bidirectional"))
    assert ready.standby_kwh == pytest.approx(0.065 * hours)
    assert (ready.moved_kwh, ready.curve_kwh) == (0.0, 0.0)
    noise = part_load(inputs, inputs.cases[0], replace(flat(run, -1e-9), strategy="bidirectional"))
    assert (noise.curve_kwh, noise.standby_kwh) == (0.0, ready.standby_kwh)
    unable = replace(inputs, stays=inputs.stays.one_way())
    assert part_load(unable, inputs.cases[0], replace(idle, strategy="bidirectional")).standby_kwh == 0.0


def test_the_report_and_the_summary_tell_it(study):
    inputs, _ = study
    case = inputs.cases[0]
    runs = make_runs(inputs, case)
    outcomes = tuple(outcome_of(inputs, case, run, runs[0]) for run in runs)
    told = StudyResult(inputs, (CaseResult(case, outcomes, (), None, YearScale.of(inputs.grid)),), ())
    assert "Losses at part load" in render(told, rerun="", version="0")
    losses = json.loads(json.dumps(summary(told), allow_nan=False))["cases"][0]["losses"]
    assert set(losses) == {"uncontrolled", "smart", "bidirectional"}
    assert losses["smart"]["standby_kwh"] == 0.0
    assert losses["bidirectional"]["standby_kwh"] > 0.0
