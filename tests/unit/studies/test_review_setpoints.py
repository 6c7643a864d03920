"""What gives way to what when limits bind: the order that dispatch promises, case by case."""

import math

import numpy as np
import pytest

from bothways.dispatch.setpoints import setpoints


def command(rows, *, base=0.0, target=math.inf, hard=math.inf, export=math.inf):
    """Setpoints of vehicles with ideal batteries of 60 kWh and 7 kW both ways, quarter hours."""

    def column(name, default):
        return np.array([float(row.get(name, default)) for row in rows])

    steps = np.array([row.get("steps_left", 40) for row in rows], dtype=np.int64)
    return setpoints(
        column("planned", 0.0), column("energy", 20.0), column("floor", 5.0), column("ceiling", 60.0),
        column("need", 0.0), steps, column("charge_kw", 7.0), column("discharge_kw", 0.0), np.ones(len(rows)),
        np.ones(len(rows)), column("minimum_kw", 0.0), base, target, hard, export, 0.25,
    )  # fmt: skip


def test_under_the_safety_limit_required_energy_goes_before_the_plan():
    leaving = {"need": 21.75, "steps_left": 1}
    power = command([leaving, {"planned": 7.0}], hard=7.0)
    assert power.tolist() == pytest.approx([7.0, 0.0])


def test_under_the_safety_limit_the_floor_goes_before_required_energy():
    below = {"energy": 2.0}
    leaving = {"need": 21.75, "steps_left": 1}
    assert command([below, leaving], hard=7.0).tolist() == pytest.approx([7.0, 0.0])
    assert command([below, leaving], hard=10.0).tolist() == pytest.approx([7.0, 3.0])


def test_stopping_below_the_minimum_current_does_not_break_the_export_limit():
    giving = {"planned": -0.6, "discharge_kw": 7.0, "energy": 30.0}
    taking = {"planned": 0.6, "minimum_kw": 1.4}
    power = command([giving, taking], export=0.0)
    assert power.tolist() == [0.0, 0.0]
    assert command([giving, taking], export=0.2).tolist() == pytest.approx([-0.2, 0.0])
