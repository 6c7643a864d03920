"""A virtual vehicle whose charger loses more at part load."""

import numpy as np
import pytest

from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.battery.losses import default_losses
from bothways.dispatch.curves import curves_of
from bothways.planning.part_load import PartLoad

LOSSES = default_losses(11.0)
CURVES = curves_of(PartLoad((LOSSES,), np.zeros(1, dtype=np.int64)), np.ones(1), np.ones(1))


@pytest.mark.parametrize("power_kw", [11.0, 1.5, 0.15, -10.0, -1.0])
def test_it_stores_what_the_losses_leave(power_kw):
    vehicle = VirtualVehicle("car", 60.0, 30.0, 11.0, 10.0, taper_from_soc=1.0, curves=CURVES)
    assert vehicle.step(power_kw, 0.25) == pytest.approx(power_kw)
    assert vehicle.energy_kwh - 30.0 == pytest.approx(0.25 * float(LOSSES.stored_kw(power_kw)))


def test_without_losses_its_efficiency_holds():
    vehicle = VirtualVehicle("car", 60.0, 30.0, 11.0, charge_efficiency=0.9)
    vehicle.step(1.5, 1.0)
    assert vehicle.energy_kwh == pytest.approx(30.0 + 0.9 * 1.5)
