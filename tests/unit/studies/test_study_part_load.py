"""Studies that count losses at part load: the same curve in plan, simulation and bill."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from small_study import small_case, small_grid, small_inputs, small_stays

from bothways.battery.losses import default_losses
from bothways.dispatch.curves import curves_of, stored_kwh
from bothways.dispatch.setpoints import envelope
from bothways.planning.part_load import PartLoad
from bothways.simulation.plant import respond
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.foresight import run_foresight
from bothways.studies.losses import drawn_kw, part_load
from bothways.studies.scenario_vehicles import DeratingPart, LossesPart

CURVE = default_losses(7.0)


def lossy_inputs(days=1, case=None):
    grid = small_grid(days)
    stays = small_stays(grid)
    losses = PartLoad((CURVE,), np.zeros(stays.size, dtype=np.int64))
    return small_inputs(days=days, stays=stays.with_losses(losses), case=case)


@pytest.mark.parametrize("strategy", ["smart", "bidirectional"])
def test_the_loop_stores_what_the_curve_says_and_serves_everybody(strategy):
    inputs = lossy_inputs()
    run = run_closed_loop(inputs, inputs.cases[0], strategy)
    stays, trace = inputs.stays, run.trace
    assert np.all(trace.energy_end_kwh >= stays.asked_kwh - 1e-6)
    for i in range(stays.size):
        power = trace.evse_power_kw[stays.evse[i], stays.arrival[i] : stays.departure[i]]
        stored = float(CURVE.stored_kw(power).sum()) * inputs.grid.step_h
        assert trace.energy_end_kwh[i] - trace.energy_start_kwh[i] == pytest.approx(stored, abs=1e-6)
    assert run.planning.failed == 0


def test_who_knows_the_curve_pays_less_than_who_does_not():
    inputs = lossy_inputs(case=small_case(small_grid(1), demand=0.0))
    knows = run_closed_loop(inputs, inputs.cases[0], "smart")
    power = knows.trace.evse_power_kw
    on = power[power > 0.0]
    assert np.mean(on > 3.5) > 0.7  # a converter that is on anyway is used
    assert part_load(inputs, inputs.cases[0], knows).cost == 0.0  # nothing is left to be told afterwards


def test_standby_is_drawn_while_ready_and_idle_and_counted_at_the_meter():
    inputs = lossy_inputs()
    run = run_closed_loop(inputs, inputs.cases[0], "bidirectional")
    idle = (run.trace.evse_stay >= 0) & (run.trace.evse_power_kw == 0.0)
    extra = run.flows.vehicles - run.trace.vehicles_kw
    np.testing.assert_allclose(extra, idle.sum(axis=0) * CURVE.standby_kw, atol=1e-12)
    assert extra.max() > 0.0
    one_way = run_closed_loop(inputs, inputs.cases[0], "smart")
    np.testing.assert_array_equal(one_way.flows.vehicles, one_way.trace.vehicles_kw)
    told = part_load(inputs, inputs.cases[0], run)
    assert told.standby_kwh == pytest.approx(extra.sum() * inputs.grid.step_h)
    curves = curves_of(inputs.stays.part_load, inputs.stays.eta_c, inputs.stays.eta_d)
    stored = stored_kwh(curves, run.trace.evse_power_kw, run.trace.evse_stay, inputs.grid.step_h)
    assert told.curve_kwh == pytest.approx(run.trace.vehicles_kw.sum() * inputs.grid.step_h - stored)
    np.testing.assert_allclose(drawn_kw(inputs.stays, run.trace), run.flows.vehicles)


def test_uncontrolled_charging_and_the_bound_use_the_curve_too():
    inputs = lossy_inputs()
    plain = small_inputs(days=1)
    lossy = run_uncontrolled(inputs, inputs.cases[0])
    drawn = [run.trace.vehicles_kw.sum() for run in (lossy, run_uncontrolled(plain, plain.cases[0]))]
    assert drawn[0] != drawn[1]
    bound = run_foresight(inputs, inputs.cases[0], "smart", lossy.trace)
    assert np.all(bound.trace.energy_end_kwh >= lossy.trace.energy_end_kwh - 1e-6)
    assert bound.planning.lower_bound is not None


def test_envelope_and_plant_agree_on_the_curve():
    curves = curves_of(PartLoad((CURVE,), np.zeros(1, np.int64)), np.array([0.9]), np.array([0.9]))
    low, must, high = envelope(20.0, 10.0, 20.5, 20.5, 1, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)
    assert must == pytest.approx(high)
    assert respond(high, 20.0, 20.5, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)[1] == pytest.approx(20.5)
    assert respond(7.0, 20.0, 20.5, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)[0] == pytest.approx(high)
    assert low == -7.0
    near_floor = envelope(10.2, 10.0, 20.5, 0.0, 9, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)[0]
    assert respond(near_floor, 10.2, 60.0, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)[1] == pytest.approx(10.0)
    assert respond(0.0, 10.2, 60.0, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0) == (0.0, 10.2)


def test_a_cold_battery_is_planned_with_the_power_that_it_takes():
    grid = small_grid(1)
    stays = small_stays(grid)
    share = np.full(stays.size, 0.5)
    inputs = small_inputs(days=1, stays=stays.at_share_of_power(share, share))
    run = run_closed_loop(inputs, inputs.cases[0], "bidirectional")
    assert np.abs(run.trace.evse_power_kw).max() <= 3.5 + 1e-9
    assert np.abs(run.trace.evse_power_kw).max() > 3.0


def test_tables_of_a_scenario():
    assert LossesPart().curve(11.0).charge.rated_kw == 11.0
    assert LossesPart(standby_w=20.0).curve(11.0).standby_kw == pytest.approx(0.02)
    measured = LossesPart(
        rated_kw=22.0, load=[0.1, 1.0], charge_efficiency=[0.8, 0.95], discharge_efficiency=[0.7, 0.9]
    )
    assert measured.curve(11.0).charge.efficiency(2.2) == pytest.approx(0.8)
    for wrong in ({"load": [0.5]}, {"load": [0.1, 1.0], "charge_efficiency": [0.8, 0.9]}, {"standby_w": -1.0}):
        with pytest.raises(ValidationError):
            LossesPart(**wrong)
    assert DeratingPart().law.charge_share(0.0) == pytest.approx(0.2)
    with pytest.raises(ValidationError):
        DeratingPart(celsius=[0.0, 10.0], charge=[0.5, 1.0], discharge=[0.5])
    assert replace(CURVE, standby_kw=0.0).standby_kw == 0.0


@pytest.mark.parametrize("dust", [-1e-9, -1e-16, -0.0, 1e-16])
def test_rounding_is_no_command(dust):
    curves = curves_of(PartLoad((CURVE,), np.zeros(1, dtype=np.int64)), np.ones(1), np.ones(1))
    power, energy = respond(dust, 20.0, 40.0, 7.0, 7.0, 0.9, 0.9, 0.25, curves, 0)
    assert energy == 20.0
    assert float(CURVE.stored_kw(power)) == 0.0
