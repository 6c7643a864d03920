"""Warranty caps: what is left today, and what a profile breaks."""

import math

import numpy as np
import pytest

from bothways.battery.warranty import Breach, WarrantyLimits, breaches
from bothways.domain.errors import DomainError


def test_the_tighter_cap_decides() -> None:
    limits = WarrantyLimits(kwh_per_day=6.0, kwh_per_year=1000.0, cycles_per_year=10.0)
    assert limits.year_kwh(60.0) == 600.0
    assert limits.year_kwh(200.0) == 1000.0
    assert limits.allowance_kwh(60.0, 0.0, 0.0) == 6.0
    assert limits.allowance_kwh(60.0, 2.0, 598.0) == 2.0
    assert limits.allowance_kwh(60.0, 7.0, 598.0) == 0.0
    assert WarrantyLimits().allowance_kwh(60.0, 500.0, 1e6) == math.inf
    assert WarrantyLimits(soc_min=0.2, soc_max=0.9).window_kwh(50.0) == (10.0, 45.0)


def test_breaches_are_named_with_their_period() -> None:
    power = np.array([-4.0, -4.0, 5.0, -2.0])
    found = breaches(
        WarrantyLimits(kwh_per_day=6.0, cycles_per_year=0.15, soc_min=0.3, soc_max=0.8),
        power_kw=power,
        soc=np.array([0.5, 0.25, 0.85, 0.7]),
        step_h=1.0,
        capacity_kwh=50.0,
        day=np.array([10, 10, 11, 11]),
        year=np.full(4, 2025),
    )
    assert found == (
        Breach("kwh_per_day", 10, 8.0, 6.0),
        Breach("cycles_per_year", 2025, pytest.approx(0.2), 0.15),
        Breach("soc_min", 1, 0.25, 0.3),
        Breach("soc_max", 2, 0.85, 0.8),
    )


def test_driving_low_is_no_breach_and_the_cap_itself_is_allowed() -> None:
    limits = WarrantyLimits(kwh_per_day=6.0, soc_min=0.3)
    days = {"day": np.array([1, 1]), "year": np.array([2025, 2025])}
    assert not breaches(
        limits, power_kw=np.array([-6.0, 0.0]), soc=np.array([0.3, 0.1]), step_h=1.0, capacity_kwh=50.0, **days
    )


@pytest.mark.parametrize(
    "given", [{"kwh_per_day": -1.0}, {"cycles_per_year": math.nan}, {"soc_min": 0.9, "soc_max": 0.8}, {"soc_max": 1.1}]
)
def test_limits_that_make_no_sense(given: dict[str, float]) -> None:
    with pytest.raises(DomainError, match="warranty"):
        WarrantyLimits(**given)


def test_profiles_that_make_no_sense() -> None:
    ok = {"soc": np.zeros(2), "step_h": 1.0, "capacity_kwh": 1.0, "day": np.zeros(2, int), "year": np.zeros(2, int)}
    with pytest.raises(DomainError, match="one length"):
        breaches(WarrantyLimits(), power_kw=np.zeros(3), **ok)
    with pytest.raises(DomainError, match="finite"):
        breaches(WarrantyLimits(), power_kw=np.array([0.0, np.nan]), **ok)
    with pytest.raises(DomainError, match="above 0"):
        breaches(WarrantyLimits(), power_kw=np.zeros(2), **(ok | {"step_h": 0.0}))
    with pytest.raises(DomainError, match="today_kwh"):
        WarrantyLimits().allowance_kwh(60.0, math.nan, 0.0)
