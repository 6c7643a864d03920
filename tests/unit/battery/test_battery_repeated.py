"""Walking through a repeated profile now and then gives what walking through all of it gives."""

import numpy as np
import pytest

from bothways.battery.ageing import age_fleet
from bothways.battery.models import MODELS
from bothways.battery.repeated import age_repeated


def commuting(days, step_h=1.0, seed=1):
    """Days of driving and feeding back in the evening, no two alike."""
    rng = np.random.default_rng(seed)
    hours = np.arange(0.0, 24.0, step_h)
    rows = []
    for _ in range(days):
        trip, low = rng.uniform(0.05, 0.2), rng.uniform(0.3, 0.5)
        levels = [0.5, 0.8, 0.8 - trip, 0.8 - trip, 0.8 - 2 * trip, low, 0.5]
        rows.append(np.interp(hours, [0.0, 6.0, 8.0, 17.0, 18.0, 21.0, 24.0], levels))
    return np.concatenate(rows)[None, :]


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize("days", [2, 31, 365])
def test_as_the_whole_walk_to_a_fraction_of_a_point(key, days):
    soc = commuting(days)
    quick = age_repeated(MODELS[key], soc, 1.0, 25.0, capacity_kwh=60.0)
    whole = age_fleet(MODELS[key], soc, 1.0, 25.0, capacity_kwh=60.0, years=10.0)
    for years in (5.0, 10.0):
        a = int(np.argmin(np.abs(quick.years - years)))
        b = int(np.argmin(np.abs(whole.years - years)))
        assert quick.years[a] == pytest.approx(whole.years[b], abs=1e-3)
        assert quick.capacity_fraction[0, a] == pytest.approx(whole.capacity_fraction[0, b], abs=1.5e-3)
    assert quick.full_equivalent_cycles[0, -1] == pytest.approx(whole.full_equivalent_cycles[0, -1], rel=2e-3)
    if whole.resistance_factor is not None:
        assert quick.resistance_factor[0, -1] == pytest.approx(whole.resistance_factor[0, -1], abs=5e-3)


def test_it_goes_on_from_a_state():
    soc, model = commuting(31), MODELS["lfp-sony"]
    worn = age_fleet(model, soc, 1.0, 25.0, capacity_kwh=60.0, years=4.0)
    later = age_repeated(model, soc, 1.0, 25.0, capacity_kwh=60.0, years=6.0, state=worn.state)
    whole = age_fleet(model, soc, 1.0, 25.0, capacity_kwh=60.0, years=10.0)
    assert later.capacity_fraction[0, 0] == pytest.approx(worn.capacity_fraction[0, -1], abs=1e-12)
    assert later.capacity_fraction[0, -1] == pytest.approx(whole.capacity_fraction[0, -1], abs=5e-4)


def test_years_that_are_no_multiple_of_the_stride_end_where_they_should():
    soc = commuting(31)
    quick = age_repeated(MODELS["nca-panasonic"], soc, 1.0, 25.0, capacity_kwh=60.0, years=3.05)
    whole = age_fleet(MODELS["nca-panasonic"], soc, 1.0, 25.0, capacity_kwh=60.0, years=3.05)
    assert quick.years[-1] == pytest.approx(3.05)
    assert np.all(np.diff(quick.years) > 0.0)
    assert quick.capacity_fraction[0, -1] == pytest.approx(whole.capacity_fraction[0, -1], abs=5e-4)
