"""The bound, whole and month by month."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from small_study import STEP_S, small_case, small_inputs, small_stays

from bothways.domain.timegrid import TimeGrid
from bothways.studies import foresight
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.foresight import months, run_foresight


def two_months():
    """Two days at the end of May and two at the beginning of June, a demand charge in each month."""
    grid = TimeGrid.for_days(date(2024, 5, 30), date(2024, 6, 2), timedelta(minutes=15), "UTC")
    stays = small_stays(grid)
    case = small_case(grid)
    may = grid.local.month == 5
    demand = tuple(replace(case.demand[0], steps=steps) for steps in (may, ~may))
    case = replace(case, demand=demand)
    return small_inputs(
        days=3, stays=stays, case=case, grid=grid, arrival_s=grid.start_s + stays.arrival * STEP_S
    ), case


def test_months_are_those_of_the_bill():
    inputs, _ = two_months()
    assert months(inputs.grid) == [(0, 192), (192, 384)]


@pytest.mark.parametrize("strategy", ["smart", "bidirectional"])
def test_month_by_month_is_the_whole_where_no_stay_crosses(strategy, monkeypatch):
    inputs, case = two_months()
    reference = run_uncontrolled(inputs, case).trace
    whole = run_foresight(inputs, case, strategy, reference)
    monkeypatch.setattr(foresight, "WHOLE_CELLS", 10)
    parts = run_foresight(inputs, case, strategy, reference)
    assert parts.planning.plans == 2
    assert parts.planning.lower_bound == pytest.approx(whole.planning.lower_bound, rel=1e-4)
    assert np.all(parts.trace.energy_end_kwh >= reference.energy_end_kwh - 1e-6)


def test_stays_across_a_months_end_are_kept_as_they_were_and_counted(monkeypatch):
    inputs, case = two_months()
    stays = inputs.stays
    last = int(np.flatnonzero(stays.arrival < 192)[-1])
    departure = stays.departure.copy()
    departure[last] = 200
    stays = type(stays)(**{**stays.__dict__, "departure": departure})
    inputs = replace(inputs, stays=stays)
    reference = run_uncontrolled(inputs, case).trace
    monkeypatch.setattr(foresight, "WHOLE_CELLS", 10)
    run = run_foresight(inputs, case, "smart", reference)
    assert "1 stays" in run.planning.messages[0]
    where = stays.evse[last]
    span = slice(int(stays.arrival[last]), 200)
    assert np.array_equal(run.trace.evse_power_kw[where, span], reference.evse_power_kw[where, span])
    np.testing.assert_allclose(run.flows.net, case.base_kw + run.trace.vehicles_kw, atol=1e-9)
