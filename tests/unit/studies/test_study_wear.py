"""Wear per vehicle: every stay is planned, bounded and billed at the price of its own battery."""

from dataclasses import replace

import numpy as np
import pytest
from small_study import small_inputs

from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.excerpt import first_days
from bothways.studies.foresight import foresight_problem
from bothways.studies.inputs import BatterySegment, VehicleWear
from bothways.studies.sensitivity import yearly_cost

SEGMENTS = (BatterySegment("gentle", "lfp", None, "test"), BatterySegment("dear", "nmc", None, "test"))


def two_kinds(inputs, gentle=0.0, dear=1.0):
    """Every other charger's vehicles have a battery that is dear to wear."""
    kind = (inputs.stays.evse % 2).astype(np.int64)
    return replace(inputs, wear=VehicleWear(np.where(kind == 1, dear, gentle), kind, SEGMENTS))


def test_one_number_for_all_is_the_same_as_the_number_stay_by_stay():
    plain = small_inputs(days=2, wear=0.03)
    told = two_kinds(plain, 0.03, 0.03)
    case = plain.cases[0]
    a, b = (run_closed_loop(inputs, case, "bidirectional") for inputs in (plain, told))
    np.testing.assert_array_equal(a.trace.evse_power_kw, b.trace.evse_power_kw)
    reference = run_uncontrolled(plain, case)
    assert outcome_of(told, case, b, reference).wear_cost == pytest.approx(0.03 * b.trace.discharged_kwh.sum())


def test_a_vehicle_whose_battery_is_dear_is_spared_and_the_bill_counts_its_own_price():
    inputs = two_kinds(small_inputs(days=2), 0.0, 5.0)
    case = inputs.cases[0]
    run, reference = run_closed_loop(inputs, case, "bidirectional"), run_uncontrolled(inputs, case)
    given, dear = run.trace.discharged_kwh, inputs.wear.segment == 1
    assert given[~dear].sum() > 1.0
    assert given[dear].sum() == pytest.approx(0.0, abs=1e-6)
    halves = two_kinds(small_inputs(days=2), 0.01, 0.02)
    cost = outcome_of(halves, case, run, reference).wear_cost
    assert cost == pytest.approx(0.01 * given[~dear].sum() + 0.02 * given[dear].sum())
    less = yearly_cost(halves, case, run, reference) - yearly_cost(two_kinds(inputs, 0.0, 0.0), case, run, reference)
    assert less == pytest.approx(cost * 365.25 / 2, rel=0.01)


def test_the_bound_plans_with_the_same_prices():
    inputs = two_kinds(small_inputs(days=2), 0.01, 0.07)
    case = inputs.cases[0]
    reference = run_uncontrolled(inputs, case)
    problem = foresight_problem(inputs, case, inputs.stays, reference.trace)
    np.testing.assert_array_equal(problem.fleet.wear_per_kwh, inputs.wear_per_kwh)


def test_an_excerpt_keeps_the_prices_of_its_stays_and_one_price_for_all_replaces_them():
    inputs = two_kinds(small_inputs(days=3), 0.01, 0.07)
    short = first_days(inputs, inputs.cases[0], 1).inputs
    assert short.wear_per_kwh.shape == (short.stays.size,)
    np.testing.assert_array_equal(short.wear_per_kwh, np.where(short.stays.evse % 2 == 1, 0.07, 0.01))
    assert set(inputs.with_wear(0.5).wear_per_kwh) == {0.5}
