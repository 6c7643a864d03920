"""Laws that every bill keeps, whatever the tariff; and junk that must never surface as anything but an InputError."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.billing import compute_bill
from bothways.tariffs.prices import planning_prices
from bothways.tariffs.structure import (
    Amounts,
    ContractedCapacity,
    DemandCharges,
    DemandTier,
    EnergyTier,
    Levy,
    Metering,
    Ratchet,
    Schedule,
    ScheduleOverride,
    Surplus,
    Tariff,
    TierUnit,
)
from bothways.tariffs.urdb import CHARGED, DESCRIPTIVE, tariff_from_urdb

ZONES = st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"])
PRICE = st.floats(0.0, 2.0)


@st.composite
def energy_periods(draw, count):
    unit = draw(st.sampled_from(list(TierUnit)))
    bounds_of = [sorted(draw(st.lists(st.floats(1.0, 500.0), max_size=2, unique=True))) for _ in range(count)]
    return tuple(
        tuple(
            EnergyTier(draw(PRICE), adj=draw(st.floats(-0.1, 0.1)), sell=draw(st.none() | PRICE), max=bound, unit=unit)
            for bound in (*bounds, float("inf"))
        )
        for bounds in bounds_of
    )


@st.composite
def schedules(draw, count):
    hours = st.lists(st.integers(0, count - 1), min_size=24, max_size=24).map(tuple)
    weekday, weekend = draw(hours), draw(hours)
    return Schedule((weekday,) * 12, (weekend,) * 12)


@st.composite
def demand_charges(draw, count):
    bound = draw(st.floats(1.0, 50.0))
    periods = tuple(
        (DemandTier(draw(PRICE), max=bound), DemandTier(draw(PRICE)))
        if draw(st.booleans())
        else (DemandTier(draw(PRICE)),)
        for _ in range(count)
    )
    return DemandCharges(periods, daily=draw(st.booleans()), units_per_kw=draw(st.sampled_from([1.0, 1.25])))


@st.composite
def tariffs(draw):
    count = draw(st.integers(1, 3))
    override = ScheduleOverride(
        first=draw(st.sampled_from([(1, 1), (3, 15), (11, 1)])),
        days=draw(st.sampled_from(["all", "weekday", "weekend"])),
        start=draw(st.times()).replace(second=0, microsecond=0, minute=draw(st.sampled_from([0, 15, 30]))),
        energy_period=draw(st.integers(0, count - 1)),
        demand_period=0,
    )
    return Tariff(
        energy=draw(energy_periods(count)),
        energy_schedule=draw(schedules(count)),
        flat_demand=draw(demand_charges(1)),
        tou_demand=draw(demand_charges(2)),
        tou_demand_schedule=draw(schedules(2)),
        demand_window_minutes=draw(st.sampled_from([None, 15, 30, 60])),
        fixed=Amounts(draw(PRICE), draw(PRICE), draw(PRICE)),
        metering=draw(st.sampled_from(list(Metering))),
        overrides=draw(st.sampled_from([(), (override,)])),
        contracted_import=draw(st.sampled_from([None, ContractedCapacity(5.0, 0.1, 0.2, 0.3, 0.4)])),
        levies=draw(st.sampled_from([(), (Levy("tax", 0.1, 0.05),), (Levy("tax", 0.1, 0.05, exempt=True),)])),
    )


@st.composite
def cases(draw, *, lowest=-20.0, step=timedelta(hours=1)):
    tariff, tz = draw(tariffs()), draw(ZONES)
    first = draw(st.sampled_from([date(2024, 2, 27), date(2024, 3, 8), date(2024, 10, 25), date(2024, 12, 30)]))
    grid = TimeGrid.for_days(first, first + timedelta(days=4), timedelta(minutes=30), tz)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tariff, grid, rng.uniform(lowest, 30.0, grid.periods)


def split(grid, parts):
    return TimeGrid(grid.start, grid.step / parts, grid.periods * parts, grid.tz)


@settings(max_examples=40)
@given(cases(), st.sampled_from([2, 3, 5, 6]))
def test_splitting_an_interval_keeps_the_bill(case, parts):
    tariff, grid, load = case
    stated = replace(tariff, demand_window_minutes=tariff.demand_window_minutes or 15)
    whole = compute_bill(stated, grid, load)
    fine = compute_bill(stated, split(grid, parts), np.repeat(load, parts))
    for name in ("energy", "demand_tou", "demand_flat", "fixed", "export_credit", "other", "total", "peak_kw"):
        ours = [getattr(month, name) for month in whole.months]
        assert [getattr(month, name) for month in fine.months] == pytest.approx(ours, abs=1e-7), name


@settings(max_examples=25)
@given(cases())
def test_a_bill_is_the_sum_of_its_months(case):
    tariff, grid, load = case
    tariff = replace(tariff, surplus=Surplus.PAID)
    both = compute_bill(tariff, grid, load)
    first_of = grid.local.month_index
    cuts = [0, *(np.flatnonzero(np.diff(first_of)) + 1).tolist(), grid.periods]
    alone = [compute_bill(tariff, grid.slice(a, b), load[a:b]) for a, b in pairwise(cuts)]
    assert [bill.months[0].total for bill in alone] == pytest.approx([month.total for month in both.months], abs=1e-7)
    assert sum(bill.total for bill in alone) == pytest.approx(both.total, abs=1e-6)


@settings(max_examples=25)
@given(cases())
def test_a_mirrored_load_mirrors_the_energy_charge_where_buying_and_selling_cost_the_same(case):
    tariff, grid, load = case
    symmetric = tuple(tuple(replace(tier, adj=0.0, sell=tier.rate) for tier in tiers[-1:]) for tiers in tariff.energy)
    symmetric = tuple((replace(tiers[0], max=float("inf")),) for tiers in symmetric)
    tariff = replace(tariff, energy=symmetric, metering=Metering.NET_BILLING_INSTANTANEOUS)
    here, mirror = compute_bill(tariff, grid, load), compute_bill(tariff, grid, -load)
    for one, other in zip(here.months, mirror.months, strict=True):
        assert one.energy == pytest.approx(-other.export_credit, abs=1e-9)
        assert one.export_credit == pytest.approx(-other.energy, abs=1e-9)
        assert (one.import_kwh, one.export_kwh) == pytest.approx((other.export_kwh, other.import_kwh))


@settings(max_examples=25)
@given(cases())
def test_no_load_costs_exactly_the_fixed_charges(case):
    tariff, grid, _ = case
    tariff = replace(tariff, contracted_import=None)
    bill = compute_bill(tariff, grid, np.zeros(grid.periods))
    days = [
        len(set(grid.local.date_ordinal[grid.local.month_index == m].tolist()))
        for m in np.unique(grid.local.month_index)
    ]
    fixed = tariff.fixed
    assert bill.total == pytest.approx(sum(fixed.per_month + fixed.per_year / 12 + fixed.per_day * n for n in days))
    assert all(month.total == month.fixed for month in bill.months)


@settings(max_examples=25)
@given(cases(lowest=0.1), st.integers(0, 10**6))
def test_the_planning_price_is_the_slope_of_the_bill(case, where):
    tariff, grid, load = case
    tariff = replace(
        tariff, flat_demand=DemandCharges(), tou_demand=DemandCharges(), contracted_import=None, overrides=(),
        energy=tuple(tuple(replace(t, unit=TierUnit.KWH) for t in tiers[-1:]) for tiers in tariff.energy),
    )  # fmt: skip
    tariff = replace(tariff, energy=tuple((replace(tiers[0], max=float("inf")),) for tiers in tariff.energy))
    index = where % grid.periods
    more = load.copy()
    more[index] += 1.0
    rise = (compute_bill(tariff, grid, more).total - compute_bill(tariff, grid, load).total) / grid.step_h
    prices = planning_prices(tariff, grid, expected_net_kw=load)
    assert rise == pytest.approx(prices.import_per_kwh[index], abs=1e-6)


@settings(max_examples=25)
@given(st.lists(st.floats(0.0, 500.0), min_size=12, max_size=30), st.floats(0.0, 1.0), st.integers(0, 11))
def test_a_ratchet_never_lowers_and_never_looks_ahead(peaks, percent, reach):
    grid = TimeGrid(datetime(2018, 1, 1, tzinfo=UTC), timedelta(days=1), 365 * 3, "UTC")
    month = grid.local.month_index - 2018 * 12
    load = np.array([*peaks, *[0.0] * 40])[month]
    plain = Tariff(flat_demand=DemandCharges(((DemandTier(1.0),),)))
    raised = replace(plain, ratchet=Ratchet(percent, previous=reach))
    bill = compute_bill(raised, grid, load)
    for billed, free in zip(bill.months, compute_bill(plain, grid, load).months, strict=True):
        assert billed.demand_flat >= free.demand_flat - 1e-9
    changed = load.copy()
    changed[month == 20] += 1000.0
    later = compute_bill(raised, grid, changed)
    assert [m.total for m in later.months[:20]] == pytest.approx([m.total for m in bill.months[:20]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
EXTENSION_KEYS = [
    "currency", "timezone", "holidays", "schedule_overrides", "export", "contracted_import", "contracted_export",
    "levies", "critical_peak_events", "coincident_hours", "price_series", "ratchet_applies_to", "power_factor",
    "kw", "start", "end", "from", "to", "country", "only", "dates", "factor", "name", "allowed", "surplus", "days",
]  # fmt: skip
WORDS = st.sampled_from(
    ["2024-01-01T00:00", "24:00", "US", "CA", "paid", "EUR", "Net Metering", "kW daily", "kWh/kW", "02-29", "$/day"]
)
ROW = st.lists(st.integers(-1, 2) | st.none() | st.floats(), min_size=23, max_size=25)
PIECE = (
    JSON
    | WORDS
    | st.lists(ROW, min_size=11, max_size=12)
    | st.lists(
        st.lists(
            st.dictionaries(st.sampled_from(["rate", "adj", "max", "sell", "unit"]), JSON | WORDS), max_size=3,
        ),
        max_size=3,
    )
    | st.dictionaries(st.sampled_from(EXTENSION_KEYS), JSON | WORDS, max_size=6)
    | st.lists(st.dictionaries(st.sampled_from(EXTENSION_KEYS), JSON | WORDS, max_size=6), max_size=2)
)  # fmt: skip
FIELDS = st.sampled_from([*sorted(CHARGED | DESCRIPTIVE), "items", "Energyratestructure"])


@settings(max_examples=120)
@given(JSON | st.dictionaries(FIELDS, PIECE, max_size=12))
def test_junk_gives_a_tariff_or_an_input_error(junk):
    problems, warnings = (), ()
    try:
        warnings = tariff_from_urdb(junk, name_of_source="junk.json").warnings
    except InputError as error:
        problems = error.problems
    assert all(problem.where.startswith("junk.json") for problem in problems)
    assert "\n".join([*map(str, problems), *warnings]).encode("utf-8") or not problems


BASE = {
    "energyratestructure": [[{"rate": 0.1, "max": 100, "unit": "kWh/kW"}, {"rate": 0.2, "sell": 0.1}], [{"rate": 0.3}]],
    "energyweekdayschedule": [[0] * 24] * 12,
    "energyweekendschedule": [[1] * 24] * 12,
    "demandratestructure": [[{"rate": 5, "max": 10}, {"rate": 6}]],
    "flatdemandstructure": [[{"rate": 1}], [{"rate": 2}]],
    "flatdemandmonths": [0, 1] * 6,
    "lookbackpercent": 0.5,
    "lookbackrange": 3,
    "bothways": {"levies": [{"import_per_kwh": 0.1}], "holidays": {"country": "US"}, "timezone": "America/Denver"},
}


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


PLACES = sorted((place for place in places(BASE) if place), key=str)


@settings(max_examples=120)
@given(st.sampled_from(PLACES), JSON | st.sampled_from([-1, 0, 1e38, 10**400, "x", True]))
def test_one_wrong_value_anywhere_is_found_or_can_be_billed(place, value):
    spoilt = json.loads(json.dumps(BASE))
    target = spoilt
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    try:
        tariff = tariff_from_urdb(spoilt).tariff
    except InputError:
        return
    grid = TimeGrid(datetime(2024, 3, 9, tzinfo=UTC), timedelta(hours=1), 72, "UTC")
    series = np.ones(72) if tariff.price_series is not None else None
    bill = compute_bill(tariff, grid, np.linspace(-10.0, 20.0, 72), price_series=series)
    assert np.isfinite(bill.total)
    json.dumps(bill.as_dict(), allow_nan=False)
