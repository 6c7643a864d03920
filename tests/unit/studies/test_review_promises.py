"""What must be there at the end: a full vehicle's energy until it leaves, the battery's until the study ends."""

from dataclasses import replace

import numpy as np
import pytest
from small_study import small_case, small_grid, small_inputs, small_stays

from bothways.simulation.stays import Stays
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.inputs import StationaryBattery


def test_a_full_vehicle_keeps_what_it_took_though_less_was_asked_for():
    """Drivers ask for half of what the vehicle takes, as one in ten does; discharging must not eat the rest."""
    grid = small_grid(2)
    stays = small_stays(grid)
    asked = stays.energy_kwh + 0.5 * (stays.target_kwh - stays.energy_kwh)
    stays = Stays(**{**stays.__dict__, "asked_kwh": asked, "target_known": np.zeros(stays.size, dtype=np.bool_)})
    inputs = small_inputs(days=2, stays=stays)
    case = inputs.cases[0]
    reference = run_uncontrolled(inputs, case)
    short = {}
    for strategy in ("smart", "bidirectional"):
        trace = run_closed_loop(inputs, case, strategy).trace
        short[strategy] = np.maximum(0.0, reference.trace.energy_end_kwh - trace.energy_end_kwh).sum()
    assert short["bidirectional"] <= short["smart"] + 0.5


@pytest.mark.parametrize("hold", [0.0, 0.5, 1.0])
def test_the_stationary_battery_ends_the_study_with_what_it_began_with(hold):
    grid = small_grid()
    battery = StationaryBattery(30.0, 10.0, 0.95, 0.95, 0.01, hold)
    case = small_case(grid, battery=battery)
    inputs = small_inputs(case=replace(case, demand=()))
    run = run_closed_loop(inputs, inputs.cases[0], "smart")
    assert run.flows.battery_energy[-1] == pytest.approx(30.0 * hold, abs=0.01)
