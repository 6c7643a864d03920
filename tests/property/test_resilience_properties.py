"""What must hold for every outage: more never harms, chances stay chances, energy is conserved, tiers keep order."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.domain.timegrid import TimeGrid
from bothways.resilience.fleet import CalledIn, Fleet, Kind
from bothways.resilience.site import Generator, Site, Store, Tier
from bothways.resilience.survival import follow, starts_of

T = 168
STARTS = starts_of(TimeGrid.for_days(date(2025, 1, 6), date(2025, 1, 12), timedelta(hours=1), "UTC"), 13)
HORIZON = 36


def _site(seed, kwh, kw, count, mttf, tiers):
    rng = np.random.default_rng(seed)
    loads = tuple(
        Tier(f"{level}", level, rng.uniform(0.5, 4.0, T), float(rng.uniform(0.0, 5.0)), 1.0 + level)
        for level in range(1, tiers + 1)
    )
    sun = np.maximum(0.0, rng.normal(0.0, 5.0, T))
    kinds = (Generator("g", 3.0, count, mttf_h=mttf),) if count else ()
    return Site(loads, sun, Store(kwh, kw, start_soc=float(rng.uniform(0.0, 1.0))), kinds)


sites = st.builds(
    _site, st.integers(0, 10_000), st.floats(0.0, 80.0), st.floats(0.0, 15.0), st.integers(0, 3), st.floats(5.0, 500.0),
    st.integers(1, 3),
)  # fmt: skip


def bus(chance=0.7, stored=40.0, count=2):
    return Kind("bus", count, 80.0, 10.0, 10.0, soc_floor=0.1, called=CalledIn(chance, 2, 3, stored))


def answer(site, **more):
    return follow(site, STARTS, **{"horizon": HORIZON, "draws": 4, "threads": 1, **more})


@given(sites)
@settings(max_examples=25)
def test_chances_and_energies_are_possible(site):
    found = answer(site)
    assert np.all((found.survived >= 0.0) & (found.survived <= 1.0))
    assert np.all(np.diff(found.survived, axis=1) <= 1e-9)
    assert np.all(found.energy >= -1e-9)
    sources = found.sources_kwh(HORIZON)
    load = found.load_kwh.sum()
    np.testing.assert_allclose(sources["served"] + found.unserved_kwh(HORIZON).sum(), load, rtol=1e-6)
    # what is served comes from somewhere: sun and generators first fill the battery, with losses, from what it held
    held = site.store_numbers[0]
    assert sources["served"] <= sources["pv"] + sources["generators"] + held + 1e-6
    assert (
        sources["battery"]
        <= held + sources["pv"] + sources["generators"] - (sources["served"] - sources["battery"]) + 1e-6
    )


@given(sites)
@settings(max_examples=20)
def test_fewer_tiers_survive_at_least_as_long(site):
    curves = [answer(site, keep=keep).survived for keep in range(1, len(site.tiers) + 1)]
    for few, more in pairwise(curves):
        assert np.all(few >= more - 0.02)  # a bin's rounding
    if not site.generators:
        for few, more in pairwise(curves):
            assert np.all(few >= more - 1e-9)


@given(sites, st.floats(0.0, 30.0), st.floats(0.0, 5.0))
@settings(max_examples=20)
def test_more_battery_or_sun_never_harms(site, kwh, kw):
    bare = replace(site, generators=())
    base = answer(bare, account=False).survived
    store = bare.store
    full = replace(store, start_soc=1.0)
    bigger = replace(full, capacity_kwh=store.capacity_kwh + kwh, power_kw=store.power_kw + kw)
    assert np.all(answer(replace(bare, store=full), account=False).survived >= base - 1e-9)
    assert np.all(answer(replace(bare, store=bigger), account=False).survived >= base - 1e-9)
    assert np.all(answer(replace(bare, pv_kw=bare.pv_kw * 1.3), account=False).survived >= base - 1e-9)


@given(sites)
@settings(max_examples=20)
def test_one_more_generator_never_harms(site):
    base = answer(site, account=False, bins=801).survived
    kinds = tuple(replace(kind, count=kind.count + 1) for kind in site.generators) or (Generator("new", 3.0),)
    assert np.all(answer(replace(site, generators=kinds), account=False, bins=801).survived >= base - 5e-3)


@given(sites, st.floats(0.0, 1.0), st.floats(10.0, 60.0))
@settings(max_examples=20)
def test_vehicles_never_harm_and_more_of_them_help(site, chance, stored):
    bare = replace(site, generators=(), pv_kw=np.zeros(T))
    none = answer(bare, account=False).survived
    some = answer(bare, account=False, fleet=Fleet((bus(chance, stored),))).survived
    more = answer(bare, account=False, fleet=Fleet((bus(chance, stored, 3),))).survived
    assert np.all(some >= none - 1e-9)
    assert np.all(more >= some - 1e-9)


@given(st.integers(0, 2**31), sites)
@settings(max_examples=10)
def test_the_same_key_gives_the_same_answer(key, site):
    fleet = Fleet((bus(),))
    first = answer(site, fleet=fleet, key=key)
    again = answer(site, fleet=fleet, key=key)
    np.testing.assert_array_equal(first.survived, again.survived)
    np.testing.assert_array_equal(first.energy, again.energy)
