"""Analytic values of survival: what can be written down with a pencil."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from bothways.domain.timegrid import TimeGrid
from bothways.resilience.site import Generator, Site, Store, Tier
from bothways.resilience.survival import follow, starts_of

T = 240


def starts(every=1, days=10):
    grid = TimeGrid.for_days(date(2025, 1, 6), date(2025, 1, 6) + timedelta(days=days - 1), timedelta(hours=1), "UTC")
    return starts_of(grid, every)


def tier(kw, level=1, **more):
    load = np.full(T, float(kw)) if np.isscalar(kw) else np.asarray(kw, dtype=float)
    return Tier(f"level {level}", level, load, **more)


def site(*tiers, pv=None, **more):
    return Site(tuple(tiers), np.zeros(T) if pv is None else np.asarray(pv, dtype=float), **more)


def test_twenty_steps_of_one_generator():
    one = Generator("g", 50.0, availability=0.9, failure_to_start=0.02, mttf_h=100.0)
    answer = follow(site(tier(40.0), generators=(one,)), starts(24), horizon=20)
    assert answer.survived[:, -1] == pytest.approx(0.99**20 * 0.9 * 0.98, rel=1e-12)


@pytest.mark.parametrize(("count", "needed"), [(2, 1), (3, 2), (5, 5), (6, 2)])
def test_equal_generators_are_binomial(count, needed):
    """At least ``needed`` of ``count`` run after d hours: each with p = started · (1 − 1/MTTF)^d."""
    kind = Generator("g", 10.0, count, availability=0.97, failure_to_start=0.05, mttf_h=40.0)
    answer = follow(site(tier(10.0 * needed), generators=(kind,)), starts(24), horizon=48)
    for hours in (1, 7, 48):
        p = 0.97 * 0.95 * (1.0 - 1.0 / 40.0) ** hours
        expected = sum(math.comb(count, k) * p**k * (1.0 - p) ** (count - k) for k in range(needed, count + 1))
        assert answer.at(hours) == pytest.approx(expected, rel=1e-10)


def test_two_kinds_of_generators_multiply():
    small = Generator("small", 10.0, 1, availability=0.9, failure_to_start=0.0, mttf_h=50.0)
    large = Generator("large", 30.0, 2, availability=0.8, failure_to_start=0.1, mttf_h=80.0)
    answer = follow(site(tier(30.0), generators=(small, large)), starts(24), horizon=24)
    p = 0.8 * 0.9 * (1 - 1 / 80) ** 24
    assert answer.at(24) == pytest.approx(1.0 - (1.0 - p) ** 2, rel=1e-10)


def test_battery_alone_lasts_as_long_as_its_energy():
    battery = Store(100.0, 50.0, discharge_efficiency=0.9, start_soc=0.5, availability=0.97)  # 45 kWh come out
    answer = follow(site(tier(4.0), store=battery), starts(), horizon=24)
    assert answer.curve[:11] == pytest.approx(0.97)
    assert answer.curve[11:] == pytest.approx(0.0)
    assert answer.hours_at(0.9) == 11
    # a twelfth hour needs 4 of the 1 kWh that are left: the tier is off, as in all hours after and in the broken world
    assert answer.unserved_kwh(24)[0] == pytest.approx(0.97 * 13 * 4.0 + 0.03 * 24 * 4.0)


def test_battery_whose_energy_is_exactly_enough_carries_the_last_hour():
    battery = Store(30.0, 30.0, discharge_efficiency=1.0, availability=1.0)
    answer = follow(site(tier(3.0), store=battery), starts(), horizon=12)
    assert answer.curve[9] == 1.0
    assert answer.curve[10] == 0.0


def test_power_limits_as_energy_does():
    battery = Store(1000.0, 5.0, availability=1.0)
    assert follow(site(tier(5.1), store=battery), starts(24), horizon=3).at(1) == 0.0
    assert follow(site(tier(5.0), store=battery), starts(24), horizon=3).at(3) == 1.0


def test_inrush_counts_when_tiers_are_energised():
    battery = Store(1000.0, 20.0, availability=1.0)
    plan = site(tier(5.0), tier(5.0, 2, inrush_kw=16.0), store=battery)
    assert follow(plan, starts(24), horizon=3, keep=1).at(3) == 1.0
    assert follow(plan, starts(24), horizon=3, keep=2).at(1) == 0.0  # 5 kW run, 16 kW rush in: 21 of 20


def test_a_tier_that_could_not_start_stays_off():
    battery = Store(1000.0, 20.0, availability=1.0)
    plan = site(tier(5.0), tier(5.0, 2, inrush_kw=16.0), store=battery)
    assert follow(plan, starts(24), horizon=3).unserved_kwh(3) == pytest.approx([0.0, 15.0])


def test_sun_alone_forms_no_island():
    assert follow(site(tier(1.0), pv=np.full(T, 5.0)), starts(24), horizon=2).at(1) == 0.0
    battery = Store(0.0, 5.0, availability=1.0)  # an inverter with nothing in it
    grid = site(tier(1.0), pv=np.full(T, 5.0), store=battery, pv_availability=0.98)
    assert follow(grid, starts(24), horizon=2).at(2) == pytest.approx(0.98)


def test_fuel_ends_and_the_battery_takes_over():
    burning = Generator("g", 10.0, availability=1.0, failure_to_start=0.0, mttf_h=1e12, tank_kwh=25.0)
    alone = follow(site(tier(5.0), generators=(burning,)), starts(24), horizon=12)
    assert list(alone.curve.round(9)) == [1.0] * 5 + [0.0] * 7
    battery = Store(10.0, 10.0, 1.0, 1.0, availability=1.0)
    both = follow(site(tier(5.0), generators=(burning,), store=battery), starts(24), horizon=12)
    assert list(both.curve.round(9)) == [1.0] * 7 + [0.0] * 5


def test_tiers_are_shed_from_the_last_and_the_first_keeps_what_is_left():
    battery = Store(20.0, 100.0, 1.0, 1.0, availability=1.0)
    plan = site(tier(1.0, voll_per_kwh=10.0), tier(4.0, 3, voll_per_kwh=2.0), store=battery)
    answer = follow(plan, starts(24), horizon=10, keep=2)
    assert answer.unserved_kwh(10) == pytest.approx([6.0, 24.0])  # four hours of both, then nothing is left
    assert answer.cost(10) == pytest.approx(6.0 * 10.0 + 24.0 * 2.0)
    first = follow(plan, starts(24), horizon=10, keep=1)
    assert first.unserved_kwh(10) == pytest.approx([0.0, 40.0])


def test_surplus_is_stored_with_its_loss_and_no_more_than_fits():
    pv = np.zeros(T)
    pv[:4] = 11.0
    battery = Store(100.0, 5.0, 0.8, 1.0, start_soc=0.0, availability=1.0)
    plan = site(tier(1.0), pv=pv, store=battery, pv_availability=1.0)
    first = starts(24).select(np.arange(10) == 0)
    answer = follow(plan, first, horizon=40)
    # four hours × 5 kW × 0.8 = 16 kWh carry 16 more hours
    assert answer.hours_at(0.99) == 20
    small = Store(10.0, 5.0, 0.8, 1.0, start_soc=0.0, availability=1.0)
    answer = follow(site(tier(1.0), pv=pv, store=small, pv_availability=1.0), first, horizon=40)
    assert answer.hours_at(0.99) == 14


def test_sources_add_up():
    battery = Store(30.0, 10.0, 1.0, 1.0, availability=1.0)
    pv = np.tile(np.r_[np.zeros(8), np.full(8, 6.0), np.zeros(8)], 10)
    kind = Generator("g", 3.0, 2, mttf_h=30.0)
    plan = site(tier(4.0), tier(2.0, 2), pv=pv, store=battery, generators=(kind,))
    answer = follow(plan, starts(7), horizon=30)
    for hours in (1, 13, 30):
        found = answer.sources_kwh(hours)
        load = answer.load_kwh[:hours].sum()
        assert found["served"] + answer.unserved_kwh(hours).sum() == pytest.approx(load)
        into_battery = found["pv"] + found["generators"] + found["battery"] - found["served"]
        assert -1e-6 <= into_battery <= found["pv"] + found["generators"] + 1e-6
