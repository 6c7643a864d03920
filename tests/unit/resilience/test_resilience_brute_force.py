"""Survival against two other ways of getting it: every history enumerated, and the plain-numpy reference."""

import itertools
from datetime import date, timedelta

import numpy as np
import pytest

from bothways.domain.timegrid import TimeGrid
from bothways.resilience.oracle import survival_reference
from bothways.resilience.site import Generator, Site, Store, Tier
from bothways.resilience.survival import follow, starts_of

T = 168


def starts(every=1):
    grid = TimeGrid.for_days(date(2025, 1, 6), date(2025, 1, 12), timedelta(hours=1), "UTC")
    return starts_of(grid, every)


def enumerated(site, begin, horizon):
    """Chance of survival by going through every history of every generator, battery and PV; units fail one by one."""
    units = [(kind.kw, kind.starts, 1.0 / kind.mttf_h) for kind in site.generators for _ in range(kind.count)]
    store = site.store or Store(0.0, 0.0, availability=1.0)
    survived = np.zeros(horizon)
    lives = itertools.product(range(horizon + 1), repeat=len(units))  # hours that each unit runs; 0 also for no start
    load = sum(tier.load_kw for tier in site.tiers)
    for life in lives:
        chance = 1.0
        for hours, (_, begins, fails) in zip(life, units, strict=True):
            alive = begins * (1.0 - fails) ** hours
            chance *= alive * (fails if hours < horizon else 1.0) + ((1.0 - begins) if hours == 0 else 0.0)
        for battery_works, sun_works in itertools.product((1, 0), repeat=2):
            p = chance * (store.availability if battery_works else 1.0 - store.availability)
            p *= site.pv_availability if sun_works else 1.0 - site.pv_availability
            stored, rating = store.capacity_kwh * store.start_soc * battery_works, store.power_kw * battery_works
            for d in range(horizon):
                t = (begin + d) % T
                running = sum(kw for hours, (kw, _, _) in zip(life, units, strict=True) if d < hours)
                sun = site.pv_kw[t] * sun_works if running + rating > 0 else 0.0
                net = running + sun - load[t]
                out = stored * store.discharge_efficiency
                if -net > min(rating, out) + 1e-9:
                    break
                if net < 0:
                    stored += net / store.discharge_efficiency
                else:
                    into = min(net, rating, (store.capacity_kwh * battery_works - stored) / store.charge_efficiency)
                    stored += into * store.charge_efficiency
                survived[d] += p
    return survived


def a_site(seed, count=2):
    rng = np.random.default_rng(seed)
    load = rng.uniform(2.0, 9.0, T)
    sun = np.maximum(0.0, rng.normal(0.0, 6.0, T))
    kinds = (Generator("g", 4.0, count, 0.9, 0.05, 12.0),)
    battery = Store(float(rng.uniform(5.0, 20.0)), 5.0, 0.93, 0.91, float(rng.uniform(0.3, 1.0)), 0.95)
    return Site((Tier("all", 1, load),), sun, battery, kinds, 0.96)


@pytest.mark.parametrize("seed", range(4))
def test_every_history_of_a_small_site(seed):
    site = a_site(seed)
    few = starts(31)
    answer = follow(site, few, horizon=8, bins=2001)
    for row, begin in enumerate(few.hour):
        np.testing.assert_allclose(answer.survived[row], enumerated(site, int(begin), 8), atol=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_bins_only_ever_understate(seed):
    site = a_site(seed)
    few = starts(31)
    exact = np.array([enumerated(site, int(begin), 8) for begin in few.hour])
    coarse = follow(site, few, horizon=8, bins=11).survived
    assert np.all(coarse <= exact + 1e-9)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_plain_reference_agrees(count):
    site = a_site(7, max(count, 1))
    if count == 0:
        site = Site(site.tiers, site.pv_kw, site.store, (), site.pv_availability)
    few = starts(5)
    fine = follow(site, few, horizon=30, account=False, bins=2001).survived
    reference = survival_reference(site, few, 1, 30, bins=2001)
    # an energy that is just enough, or just not, is what rounding can turn: rare, and never in favour of survival
    assert np.abs(fine - reference).mean() < 1e-3
    assert (np.abs(fine - reference) > 5e-3).mean() < 0.01
    assert np.all(fine <= reference + 5e-3)
    coarse = follow(site, few, horizon=30, account=False).survived
    assert np.abs(coarse - fine).mean() < 2e-3


def test_counting_energy_changes_no_survival_and_threads_change_nothing():
    site, few = a_site(11), starts(3)
    with_account, without = follow(site, few, horizon=30), follow(site, few, horizon=30, account=False)
    np.testing.assert_array_equal(with_account.survived, without.survived)
    alone = follow(site, few, horizon=30, threads=1)
    np.testing.assert_array_equal(alone.survived, with_account.survived)
    np.testing.assert_array_equal(alone.energy, with_account.energy)
