"""A used battery continues from where its first life left it, and its second life has an end."""

import numpy as np
import pytest

from bothways.battery.ageing import age
from bothways.battery.models import MODELS
from bothways.battery.second_life import worn_to, years_to
from bothways.domain.errors import DomainError


@pytest.mark.parametrize("key", MODELS)
def test_a_worn_battery_has_the_health_asked_for_and_ages_slower_than_a_new_one(key: str) -> None:
    model = MODELS[key]
    state, left = worn_to(model, 0.85, 25.0)
    assert 0.83 <= left <= 0.85
    resting = np.full(24, 0.5)
    later = age(model, resting, 1.0, 25.0, capacity_kwh=60.0, years=1.0, state=state)
    assert later.capacity_fraction[0] == pytest.approx(left, abs=1e-9)
    new = age(model, resting, 1.0, 25.0, capacity_kwh=60.0, years=1.0)
    if key not in {"nmc-nrel", "generic"}:  # a hidden reserve of lithium; a law whose late part is exponential
        assert left - later.capacity_fraction[-1] < 1.0 - new.capacity_fraction[-1]


def test_a_new_battery_is_not_worn_and_nonsense_is_refused() -> None:
    assert worn_to(MODELS["lfp-sony"], 1.0)[1] == 1.0
    for health in (0.0, 1.2, float("nan")):
        with pytest.raises(DomainError):
            worn_to(MODELS["lfp-sony"], health)


def test_when_a_curve_reaches_an_end() -> None:
    years, left = np.array([0.0, 1.0, 3.0]), np.array([0.78, 0.76, 0.68])
    assert years_to(years, left) == pytest.approx(2.5)
    assert years_to(years, left, 0.5) is None
    assert years_to(years, left, 0.8) == 0.0
