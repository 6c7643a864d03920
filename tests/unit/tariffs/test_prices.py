"""Prices that the planner sees, against the bill they stand for."""

from dataclasses import replace
from datetime import date, time, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.billing import compute_bill
from bothways.tariffs.prices import planning_prices, price_blocks
from bothways.tariffs.structure import (
    ContractedCapacity,
    DemandCharges,
    DemandTier,
    EnergyTier,
    Levy,
    Metering,
    PricedWindow,
    PriceSeriesRule,
    Ratchet,
    Schedule,
    ScheduleOverride,
    Tariff,
    TierUnit,
)

HOUR = timedelta(hours=1)
EVENING = ((*[0] * 16, *[1] * 5, *[0] * 3),) * 12
NIGHT_0 = ((0,) * 24,) * 12
ON_PEAK = Schedule(weekday=EVENING, weekend=NIGHT_0)
DAY = TimeGrid.for_days(date(2018, 1, 2), date(2018, 1, 2), HOUR, "UTC")
TWO_MONTHS = TimeGrid.for_days(date(2018, 1, 1), date(2018, 2, 28), HOUR, "UTC")
TWO_PERIODS = ((EnergyTier(0.1, adj=0.01, sell=0.04),), (EnergyTier(0.5, sell=0.2),))


def test_time_of_use_and_sell():
    prices = planning_prices(Tariff(energy=TWO_PERIODS, energy_schedule=ON_PEAK), DAY)
    assert prices.import_per_kwh.tolist() == pytest.approx([0.11] * 16 + [0.5] * 5 + [0.11] * 3)
    assert prices.export_per_kwh.tolist() == pytest.approx([0.04] * 16 + [0.2] * 5 + [0.04] * 3)
    assert prices.demand == ()
    assert prices.export_allowed
    assert prices.import_limit_kw == prices.export_limit_kw == float("inf")


def test_net_metering_credits_the_retail_price_but_not_the_levies():
    levy = Levy("tax", import_per_kwh=0.03, export_per_kwh=0.02)
    tariff = Tariff(energy=TWO_PERIODS, energy_schedule=ON_PEAK, metering=Metering.NET_METERING, levies=(levy,))
    prices = planning_prices(tariff, DAY)
    assert prices.import_per_kwh[[0, 17]] == pytest.approx([0.14, 0.53])
    assert prices.export_per_kwh[[0, 17]] == pytest.approx([0.09, 0.48])
    exempt = planning_prices(replace(tariff, levies=(replace(levy, exempt=True),)), DAY)
    assert exempt.export_per_kwh[[0, 17]] == pytest.approx([0.14, 0.53])


def test_a_tariff_without_sell_earns_nothing():
    prices = planning_prices(Tariff(energy=((EnergyTier(0.3),),)), DAY)
    assert not prices.export_per_kwh.any()
    assert prices.export_allowed
    closed = planning_prices(Tariff(export_allowed=False), DAY)
    assert (closed.export_allowed, closed.export_limit_kw) == (False, 0.0)


def test_the_tier_that_the_month_has_reached():
    tariff = Tariff(energy=((EnergyTier(0.1, max=100.0), EnergyTier(0.2)),))
    assert planning_prices(tariff, DAY, month_to_date_kwh=99.9).import_per_kwh[0] == 0.1
    assert planning_prices(tariff, DAY, month_to_date_kwh=100.0).import_per_kwh[0] == 0.2
    by_month = planning_prices(tariff, TWO_MONTHS, month_to_date_kwh={"2018-01": 500.0, "2018-02": 3.0})
    assert by_month.import_per_kwh[[0, 744]].tolist() == [0.2, 0.1]
    assert planning_prices(tariff, TWO_MONTHS, month_to_date_kwh=500.0).import_per_kwh[744] == 0.1
    foreseen = planning_prices(tariff, TWO_MONTHS, expected_net_kw=np.full(TWO_MONTHS.periods, 10.0))
    assert foreseen.import_per_kwh[[9, 10, 743, 744]].tolist() == [0.1, 0.2, 0.2, 0.1]
    with pytest.raises(DomainError):
        planning_prices(tariff, DAY, month_to_date_kwh=float("nan"))


def test_events_and_price_series():
    rule = PriceSeriesRule(factor=0.001, adder=0.02, vat=0.2, export_factor=0.001)
    event = PricedWindow(DAY.instant(3).replace(tzinfo=None), DAY.instant(5).replace(tzinfo=None), price=1.5)
    tariff = Tariff(energy=((EnergyTier(0.05),),), price_series=rule, events=(event,))
    prices = planning_prices(tariff, DAY, price_series=np.arange(24.0) * 10)
    assert prices.import_per_kwh[[2, 3, 4, 5]] == pytest.approx([0.05 + 0.04 * 1.2, 1.5, 1.5, 0.05 + 0.07 * 1.2])
    assert prices.export_per_kwh[[2, 3]] == pytest.approx([0.02, 0.03])
    with pytest.raises(DomainError, match="price series"):
        planning_prices(tariff, DAY)


def test_demand_terms_by_month_and_period():
    tariff = Tariff(
        flat_demand=DemandCharges(((DemandTier(8.0),), (DemandTier(8.0, max=30.0), DemandTier(12.0)))),
        flat_demand_months=(0, 1, *[0] * 10),
        tou_demand=DemandCharges(((DemandTier(0.0),), (DemandTier(18.0),))),
        tou_demand_schedule=ON_PEAK,
    )
    terms = planning_prices(tariff, TWO_MONTHS).demand
    named = [(term.kind, term.month, term.price_per_kw, term.above_kw) for term in terms]
    assert named == [
        ("flat", "2018-01", 8.0, 0.0),
        ("flat", "2018-02", 8.0, 0.0),
        ("flat", "2018-02", 4.0, 30.0),
        ("tou", "2018-01", 18.0, 0.0),
        ("tou", "2018-02", 18.0, 0.0),
    ]
    assert terms[0].steps.sum() == 744
    assert terms[3].steps.sum() == 23 * 5
    assert not (terms[3].steps & terms[4].steps).any()


def test_terms_add_up_to_the_demand_charges_of_the_bill():
    rising = (DemandTier(2.0, max=4.0), DemandTier(3.0, max=9.0), DemandTier(7.0))
    start, end = (DAY.instant(hour).replace(tzinfo=None) for hour in (30, 34))
    tariff = Tariff(
        flat_demand=DemandCharges((rising,), units_per_kw=1.3),
        tou_demand=DemandCharges(((DemandTier(1.0),), (DemandTier(5.0),)), daily=True),
        tou_demand_schedule=ON_PEAK,
        coincident_windows=(PricedWindow(start, end, per_kw=2.5),),
        contracted_import=ContractedCapacity(6.0, excess_per_kw=1.5, excess_per_kwh=0.3),
        ratchet=Ratchet(percent=0.5),
        demand_window_minutes=60,
    )  # fmt: skip
    load = 8.0 + 7.0 * np.sin(np.arange(TWO_MONTHS.periods) * 0.37)
    prior = {"2017-12": 16.0}
    prices = planning_prices(tariff, TWO_MONTHS, prior_peaks=prior)
    planned = sum(t.price_per_kw * max(0.0, float(load[t.steps].max()) - t.above_kw) for t in prices.demand)
    excess = prices.import_limit_penalty_per_kwh * float(np.maximum(load - prices.import_limit_kw, 0.0).sum())
    bill = compute_bill(tariff, TWO_MONTHS, load, prior_peaks=prior)
    floors_cost = 2 * float(2 * 4.0 + 3 * 5.0 + 7 * (8.0 * 1.3 - 9.0))  # what the ratchet's 8 kW cost anyway
    # January alone looks back at 16 kW; February's floor of half January's peak is not known to the planner
    assert float(load[:744].max()) * 0.5 < 8.0
    assert planned + excess == pytest.approx(bill.total - floors_cost)
    assert any("ratchet" in note for note in prices.notes)


def test_falling_demand_tiers_are_planned_at_the_peak_so_far():
    tiers = (DemandTier(10.0, max=50.0), DemandTier(4.0))
    tariff = Tariff(flat_demand=DemandCharges((tiers,)))
    low, high = planning_prices(tariff, DAY), planning_prices(tariff, DAY, month_peak_kw={"2018-01": 80.0})
    assert (low.demand[0].price_per_kw, high.demand[0].price_per_kw) == (10.0, 4.0)
    assert "falling tiers" in low.notes[0]
    assert price_blocks((DemandTier(-1.0),), 0.0) == ([], False)


def test_limits_and_notes():
    tariff = Tariff(
        contracted_import=ContractedCapacity(50.0, excess_per_kwh=2.0),
        contracted_export=ContractedCapacity(20.0),
        metering=Metering.NET_BILLING_HOURLY,
        flat_demand=DemandCharges(((DemandTier(1.0),),)),
        demand_window_minutes=60,
    )
    quarter = TimeGrid.for_days(date(2018, 1, 2), date(2018, 1, 2), timedelta(minutes=15), "UTC")
    prices = planning_prices(tariff, quarter)
    assert (prices.import_limit_kw, prices.import_limit_penalty_per_kwh, prices.export_limit_kw) == (50.0, 2.0, 20.0)
    assert any("60 min" in note for note in prices.notes)
    assert any("netted" in note for note in prices.notes)


def test_an_override_within_the_hour_gives_the_mean_price():
    override = ScheduleOverride(start=time(15, 30), end=time(16), energy_period=1)
    prices = planning_prices(Tariff(energy=TWO_PERIODS, overrides=(override,)), DAY)
    assert prices.import_per_kwh[[14, 15, 16]] == pytest.approx([0.11, 0.305, 0.11])
    assert prices.import_per_kwh.shape == (24,)


def test_tiers_per_kw_follow_the_peak():
    tariff = Tariff(energy=((EnergyTier(0.1, max=100.0, unit=TierUnit.KWH_PER_KW), EnergyTier(0.05)),))
    assert planning_prices(tariff, DAY, month_to_date_kwh=500.0, month_peak_kw=6.0).import_per_kwh[0] == 0.1
    assert planning_prices(tariff, DAY, month_to_date_kwh=700.0, month_peak_kw=6.0).import_per_kwh[0] == 0.05
