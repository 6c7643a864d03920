"""Single rules of the bill against figures worked out by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.bill import COMPONENTS, apportion
from bothways.tariffs.billing import compute_bill
from bothways.tariffs.structure import (
    Amounts,
    ContractedCapacity,
    DemandCharges,
    DemandTier,
    EnergyTier,
    Holidays,
    Levy,
    Metering,
    PricedWindow,
    PriceSeriesRule,
    Ratchet,
    RatchetScope,
    Schedule,
    ScheduleOverride,
    Surplus,
    Tariff,
)
from bothways.tariffs.urdb import tariff_from_urdb

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
ALL_1 = ((1,) * 24,) * 12
EVENING = ((*[0] * 16, *[1] * 5, *[0] * 3),) * 12
NIGHT_0 = ((0,) * 24,) * 12
TWO_PERIODS = ((EnergyTier(0.1, sell=0.04),), (EnergyTier(0.5, sell=0.2),))
ON_PEAK = Schedule(weekday=EVENING, weekend=NIGHT_0)


def days(first, last, step=HOUR, tz="UTC"):
    return TimeGrid.for_days(first, last, step, tz)


JANUARY = days(date(2018, 1, 1), date(2018, 1, 31))
FLAT_DEMAND = DemandCharges(((DemandTier(10.0),),))


def ones(grid, value=1.0):
    return np.full(grid.periods, float(value))


def only(bill):
    assert len(bill.months) == 1
    return bill.months[0]


def line(month, name):
    return {entry.name: entry.amount for entry in month.lines}[name]


def test_days_of_23_and_25_hours_follow_the_clock():
    tariff = Tariff(energy=TWO_PERIODS, energy_schedule=Schedule(weekday=EVENING, weekend=EVENING))
    for day, hours in ((date(2024, 3, 10), 23), (date(2024, 11, 3), 25), (date(2024, 7, 1), 24)):
        grid = days(day, day, QUARTER, "America/Los_Angeles")
        month = only(compute_bill(tariff, grid, ones(grid)))
        assert month.energy == pytest.approx(5 * 0.5 + (hours - 5) * 0.1)
        assert month.import_kwh == pytest.approx(hours)


def test_the_hour_that_the_clock_repeats_is_charged_twice_and_is_two_demand_windows():
    night = ((0, 1, *[0] * 22),) * 12
    tariff = Tariff(
        energy=TWO_PERIODS,
        energy_schedule=Schedule(weekday=night, weekend=night),
        flat_demand=FLAT_DEMAND,
        demand_window_minutes=60,
    )
    grid = days(date(2024, 11, 3), date(2024, 11, 3), QUARTER, "America/Los_Angeles")
    load = np.zeros(100)
    load[4:8] = 8.0  # the first of the two hours from 1 to 2 o'clock
    month = only(compute_bill(tariff, grid, load))
    assert month.energy == pytest.approx(8 * 0.5)
    assert month.peak_kw == pytest.approx(8.0)
    load[8:12] = 8.0  # the second
    assert only(compute_bill(tariff, grid, load)).energy == pytest.approx(16 * 0.5)


def test_the_tariffs_own_zone_goes_before_that_of_the_grid():
    tariff = Tariff(energy=TWO_PERIODS, energy_schedule=ON_PEAK, timezone="America/Denver")
    grid = TimeGrid(datetime(2018, 1, 2, 23, tzinfo=UTC), HOUR, 5, "UTC")  # Tuesday 16 to 21 h in Denver
    assert only(compute_bill(tariff, grid, ones(grid))).energy == pytest.approx(2.5)


def test_public_holidays_count_as_weekends():
    tariff = Tariff(energy=TWO_PERIODS, energy_schedule=Schedule(weekday=ALL_1, weekend=NIGHT_0))
    grid = days(date(2018, 7, 2), date(2018, 7, 8))  # Wednesday is the 4th of July
    assert only(compute_bill(tariff, grid, ones(grid))).energy == pytest.approx(24 * (5 * 0.5 + 2 * 0.1))
    observed = replace(tariff, holidays=Holidays("US", "CA"))
    assert only(compute_bill(observed, grid, ones(grid))).energy == pytest.approx(24 * (4 * 0.5 + 3 * 0.1))
    others = replace(tariff, holidays=Holidays("US", only=("Christmas",)))
    assert only(compute_bill(others, grid, ones(grid))).energy == pytest.approx(24 * (5 * 0.5 + 2 * 0.1))
    dated = replace(tariff, holidays=Holidays(dates=(date(2018, 7, 3), date(2018, 7, 5))))
    assert only(compute_bill(dated, grid, ones(grid))).energy == pytest.approx(24 * (3 * 0.5 + 4 * 0.1))


@pytest.mark.parametrize(("window", "peak"), [(None, 12.0), (15, 12.0), (30, 9.0), (60, 7.5)])
def test_demand_is_the_mean_of_clock_aligned_windows(window, peak):
    load = np.zeros(JANUARY.periods * 4)
    grid = days(date(2018, 1, 1), date(2018, 1, 31), QUARTER)
    load[40:46] = [6.0, 6.0, 6.0, 12.0, 6.0, 3.0]  # 10:00 to 11:30; 12 and 6 are no window together
    tariff = Tariff(flat_demand=FLAT_DEMAND, demand_window_minutes=window)
    month = only(compute_bill(tariff, grid, load))
    assert month.peak_kw == pytest.approx(peak)
    assert month.demand_flat == pytest.approx(10 * peak)


def test_data_finer_than_a_quarter_hour_are_averaged_and_coarser_data_noted():
    fine = days(date(2018, 1, 1), date(2018, 1, 31), timedelta(minutes=5))
    load = ones(fine, 0.0)
    load[300:303] = [3.0, 6.0, 9.0]
    assumed = compute_bill(Tariff(flat_demand=FLAT_DEMAND), fine, load)
    assert only(assumed).peak_kw == pytest.approx(6.0)
    assert any("mean over 15 min" in note for note in assumed.notes)
    coarse = compute_bill(Tariff(flat_demand=FLAT_DEMAND, demand_window_minutes=15), JANUARY, ones(JANUARY))
    assert any("step of 60 min is longer" in note for note in coarse.notes)


def test_only_import_counts_as_demand():
    grid = days(date(2018, 1, 1), date(2018, 1, 31), timedelta(minutes=5))
    load = ones(grid, -3.0)
    load[12] = 9.0
    month = only(compute_bill(Tariff(flat_demand=FLAT_DEMAND, demand_window_minutes=15), grid, load))
    assert month.peak_kw == pytest.approx(3.0)


def test_time_of_use_demand_by_period_and_tier():
    peak_tiers = (DemandTier(5.0, max=2.0), DemandTier(7.0, adj=1.0))
    tariff = Tariff(tou_demand=DemandCharges(((DemandTier(1.0),), peak_tiers)), tou_demand_schedule=ON_PEAK)
    load = ones(JANUARY)
    load[3] = 10.0
    load[24 + 17] = 6.0
    load[5 * 24 + 17] = 30.0  # a Saturday: off-peak
    month = only(compute_bill(tariff, JANUARY, load))
    assert month.demand_tou == pytest.approx(30 * 1.0 + 2 * 5.0 + 4 * 8.0)
    assert month.demand_flat == 0.0


def test_daily_demand_charges_every_day_its_own_peak():
    tariff = Tariff(flat_demand=DemandCharges(((DemandTier(0.5),),), daily=True, units_per_kw=2.0))
    load = ones(JANUARY)
    load[100] = 11.0
    assert only(compute_bill(tariff, JANUARY, load)).demand_flat == pytest.approx(0.5 * 2.0 * (30 * 1.0 + 11.0))


def test_monthly_ratchet_percentage_sees_eleven_months():
    grid = days(date(2017, 1, 1), date(2018, 2, 28))
    load = ones(grid, 10.0)
    load[5] = 100.0  # January 2017
    ratchet = Ratchet(month_percent=(0.5, 0.4, *[0.0] * 9, 0.3))
    bill = compute_bill(Tariff(flat_demand=FLAT_DEMAND, ratchet=ratchet), grid, load)
    billed = {month.month: month.billed_kw for month in bill.months}
    assert billed["2017-12"] == pytest.approx(30.0)  # eleven months back
    assert billed["2018-01"] == pytest.approx(10.0)  # twelve back: not seen
    assert billed["2017-02"] == pytest.approx(40.0)


def test_ratchet_without_flat_demand_raises_time_of_use_demand():
    tariff = tariff_from_urdb(
        {
            "energyratestructure": [[{"rate": 0.0}]],
            "demandratestructure": [[{"rate": 2}]],
            "demandratchetpercentage": [0.8] * 12,
        }
    ).tariff
    bill = compute_bill(tariff, JANUARY, ones(JANUARY, 5.0), prior_peaks={"2017-06": 50.0})
    assert only(bill).demand_tou == pytest.approx(80.0)
    assert only(bill).demand_flat == 0.0
    both = replace(tariff, flat_demand=FLAT_DEMAND, ratchet=replace(tariff.ratchet, scope=RatchetScope.FLAT))
    assert only(compute_bill(both, JANUARY, ones(JANUARY, 5.0), prior_peaks=[50.0])).demand_tou == pytest.approx(10.0)


@pytest.mark.parametrize("prior", [{"2018-01": 5.0}, {"2017-13": 5.0}, {"June": 1.0}, [-1.0], [float("nan")]])
def test_prior_peaks_that_cannot_be_are_refused(prior):
    with pytest.raises(DomainError):
        compute_bill(Tariff(ratchet=Ratchet(0.5)), JANUARY, ones(JANUARY), prior_peaks=prior)


def test_coincident_peaks_by_schedule_and_by_hour():
    tariff = Tariff(
        coincident=DemandCharges(((DemandTier(0.0),), (DemandTier(3.0),))),
        coincident_schedule=EVENING,
        coincident_windows=(
            PricedWindow(datetime(2018, 1, 9, 17), datetime(2018, 1, 9, 19), per_kw=4.0),
            PricedWindow(datetime(2019, 1, 9, 17), datetime(2019, 1, 9, 19), per_kw=400.0),
        ),
    )
    load = ones(JANUARY)
    load[8 * 24 + 18] = 7.0
    load[6 * 24 + 20] = 9.0  # a Sunday: the schedule knows no weekends
    load[2] = 50.0
    month = only(compute_bill(tariff, JANUARY, load))
    assert line(month, "coincident peak") == pytest.approx(9 * 3.0 + 7 * 4.0)
    assert month.other == month.total == pytest.approx(55.0)


def test_contracted_capacity_in_both_directions():
    tariff = Tariff(
        contracted_import=ContractedCapacity(5.0, per_kw_day=0.2, excess_per_kw=3.0, excess_per_kwh=0.5),
        contracted_export=ContractedCapacity(2.0, per_kw_month=1.5, excess_per_kw=7.0),
    )
    load = ones(JANUARY)
    load[10:12] = [8.0, 6.0]
    load[20] = -6.0
    month = only(compute_bill(tariff, JANUARY, load))
    assert line(month, "contracted import capacity") == pytest.approx(5 * 0.2 * 31)
    assert line(month, "excess of import capacity") == pytest.approx(3 * 3.0 + (3 + 1) * 0.5)
    assert line(month, "contracted export capacity") == pytest.approx(3.0)
    assert line(month, "excess of export capacity") == pytest.approx(4 * 7.0)


def test_levies_are_due_twice_unless_exempt():
    levy = Levy("energy tax", import_per_kwh=0.1, export_per_kwh=0.06)
    load = ones(JANUARY)
    load[:100] = -2.0
    twice = only(compute_bill(Tariff(levies=(levy,)), JANUARY, load))
    assert line(twice, "energy tax on import") == pytest.approx(64.4)
    assert line(twice, "energy tax on re-export") == pytest.approx(12.0)
    assert twice.other == pytest.approx(76.4)
    exempt = only(compute_bill(Tariff(levies=(replace(levy, exempt=True),)), JANUARY, load))
    assert line(exempt, "energy tax: refund on re-export") == pytest.approx(-20.0)
    assert exempt.other == pytest.approx(44.4)


def test_critical_peak_events_add_or_replace():
    start, end = datetime(2018, 1, 9, 16), datetime(2018, 1, 9, 18)
    tariff = Tariff(energy=TWO_PERIODS, events=(PricedWindow(start, end, adder=0.7),))
    base = only(compute_bill(replace(tariff, events=()), JANUARY, ones(JANUARY))).energy
    assert only(compute_bill(tariff, JANUARY, ones(JANUARY))).energy == pytest.approx(base + 2 * 0.7)
    fixed = replace(tariff, events=(PricedWindow(start, end, price=2.0),))
    assert only(compute_bill(fixed, JANUARY, ones(JANUARY))).energy == pytest.approx(base + 2 * (2.0 - 0.1))
    offset = timedelta(hours=-8)
    aware = PricedWindow(*((moment + offset).replace(tzinfo=UTC) for moment in (start, end)), price=2.0)
    west = days(date(2018, 1, 1), date(2018, 1, 31), HOUR, "Asia/Shanghai")
    at_home = only(compute_bill(replace(tariff, events=(aware,)), west, ones(west))).energy
    assert at_home == pytest.approx(only(compute_bill(fixed, JANUARY, ones(JANUARY))).energy)


def test_overrides_cut_to_the_minute_even_in_hourly_data():
    afternoon = ScheduleOverride((12, 20), (1, 10), "weekday", time(15, 30), time(17, 15), energy_period=1)
    tariff = Tariff(energy=TWO_PERIODS, overrides=(afternoon,))
    month = only(compute_bill(tariff, JANUARY, ones(JANUARY)))
    weekdays = 8  # 1 to 10 January 2018
    assert month.energy == pytest.approx(744 * 0.1 + weekdays * 1.75 * 0.4)
    overnight = replace(tariff, overrides=(ScheduleOverride(start=time(22), end=time(6), energy_period=1),))
    assert only(compute_bill(overnight, JANUARY, ones(JANUARY))).energy == pytest.approx(31 * (8 * 0.5 + 16 * 0.1))


def test_price_series_with_factor_adder_and_vat():
    rule = PriceSeriesRule(factor=0.001, adder=0.02, vat=0.21, export_factor=0.001, export_adder=-0.01)
    tariff = Tariff(currency="EUR", energy=((EnergyTier(0.05),),), price_series=rule)
    series = np.where(np.arange(JANUARY.periods) % 2 == 0, 100.0, -50.0)
    load = np.where(np.arange(JANUARY.periods) % 2 == 0, 1.0, -1.0)
    month = only(compute_bill(tariff, JANUARY, load, price_series=series))
    assert month.energy == pytest.approx(372 * (0.05 + 0.12 * 1.21))
    assert month.export_credit == pytest.approx(-372 * (-0.05 - 0.01))
    with pytest.raises(DomainError, match="price series"):
        compute_bill(tariff, JANUARY, load)
    with pytest.raises(DomainError, match="price series"):
        compute_bill(Tariff(), JANUARY, load, price_series=series)
    with pytest.raises(DomainError, match="finite"):
        compute_bill(tariff, JANUARY, load, price_series=np.full(744, np.nan))


def alternating(grid):
    """+4, −1, −5, +2 kW by quarter hour: 1 kWh in, 1.5 kWh out, each hour alike."""
    return np.tile([4.0, -1.0, -5.0, 2.0], grid.periods // 4)


@pytest.mark.parametrize(
    ("metering", "energy", "credit"),
    [
        (Metering.NET_BILLING_INSTANTANEOUS, 1.5 * 0.3, 1.5 * 0.1),
        (Metering.NET_BILLING_HOURLY, 0.0, 0.0),
        (Metering.NET_METERING, 1.5 * 0.3, 1.5 * 0.3),
    ],
)
def test_metering_rules_within_the_hour(metering, energy, credit):
    grid = days(date(2018, 1, 1), date(2018, 1, 31), QUARTER)
    tariff = Tariff(energy=((EnergyTier(0.3, sell=0.1),),), metering=metering)
    month = only(compute_bill(tariff, grid, alternating(grid)))
    assert month.energy == pytest.approx(744 * energy)
    assert month.export_credit == pytest.approx(-744 * credit)


def test_hourly_netting_leaves_the_balance_of_the_hour():
    grid = days(date(2018, 1, 1), date(2018, 1, 31), QUARTER)
    tariff = Tariff(energy=((EnergyTier(0.3, sell=0.1),),), metering=Metering.NET_BILLING_HOURLY)
    month = only(compute_bill(tariff, grid, alternating(grid) + np.where(np.arange(grid.periods) < 4, 2.0, -2.0)))
    assert month.import_kwh == pytest.approx(2.0)
    assert month.export_kwh == pytest.approx(743 * 2.0)


def test_a_meter_that_runs_backwards_earns_the_tier_it_is_in():
    tiers = (EnergyTier(0.1, max=10.0), EnergyTier(0.2))
    tariff = Tariff(energy=(tiers,), metering=Metering.NET_METERING)
    load = np.zeros(744)
    load[0], load[1], load[2] = 15.0, -8.0, -12.0
    month = only(compute_bill(tariff, JANUARY, load))
    assert month.energy == pytest.approx(10 * 0.1 + 5 * 0.2)
    assert month.export_credit == pytest.approx(-(5 * 0.2 + 3 * 0.1 + 12 * 0.1))


def test_periods_may_have_different_numbers_of_tiers():
    periods = ((EnergyTier(0.1, max=200.0), EnergyTier(0.2)), (EnergyTier(0.5),))
    tariff = Tariff(energy=periods, energy_schedule=Schedule(weekday=EVENING, weekend=EVENING))
    month = only(compute_bill(tariff, JANUARY, ones(JANUARY)))
    off_peak = (np.arange(744) % 24 < 16) | (np.arange(744) % 24 >= 21)
    cheap = int(off_peak[:200].sum())  # the evening's energy fills the tier too
    assert month.energy == pytest.approx(cheap * 0.1 + (int(off_peak.sum()) - cheap) * 0.2 + 31 * 5 * 0.5)


def test_export_without_a_price_earns_nothing_and_says_so():
    bill = compute_bill(Tariff(energy=((EnergyTier(0.3),),)), JANUARY, ones(JANUARY, -5.0))
    assert bill.total == 0.0
    assert any("export earns 0" in note for note in bill.notes)
    closed = compute_bill(Tariff(export_allowed=False), JANUARY, ones(JANUARY, -5.0))
    assert any("does not allow export" in note for note in closed.notes)


def test_buy_all_sell_all_has_two_meters():
    tariff = Tariff(energy=((EnergyTier(0.3, sell=0.1),),), metering=Metering.BUY_ALL_SELL_ALL)
    load = ones(JANUARY, -1.0)
    two = compute_bill(tariff, JANUARY, load, generation_kw=ones(JANUARY, 3.0))
    assert (only(two).energy, only(two).export_credit) == pytest.approx((744 * 2 * 0.3, -744 * 3 * 0.1))
    one = compute_bill(tariff, JANUARY, load)
    assert only(one).export_credit == pytest.approx(-744 * 0.1)
    assert any("without a generation meter" in note for note in one.notes)
    with pytest.raises(DomainError, match="generation_kw"):
        compute_bill(tariff, JANUARY, load, generation_kw=ones(JANUARY, -3.0))


@pytest.mark.parametrize(
    ("surplus", "expected"),
    [
        (Surplus.PAID, [-200.0, -10.0, 0.0]),
        (Surplus.LOST, [-100.0, -10.0, 0.0]),
        (Surplus.CARRIED, [-100.0, -100.0, -10.0]),
    ],
)
def test_credit_beyond_the_months_energy_charge(surplus, expected):
    grid = days(date(2018, 1, 1), date(2018, 3, 31))
    load = np.zeros(grid.periods)
    for month, (bought, sold) in enumerate(((100.0, 200.0), (100.0, 10.0), (100.0, 0.0)), 1):
        first = int(np.flatnonzero(grid.local.month == month)[0])
        load[first], load[first + 1] = bought, -sold
    tariff = Tariff(energy=((EnergyTier(1.0, sell=1.0),),), surplus=surplus)
    bill = compute_bill(tariff, grid, load)
    assert [month.export_credit for month in bill.months] == pytest.approx(expected)
    assert any("beyond the month's energy charge" in note for note in bill.notes)


def test_fixed_and_minimum_amounts():
    tariff = Tariff(fixed=Amounts(per_month=5.0, per_day=1.0, per_year=12.0), minimum=Amounts(per_day=2.0))
    month = only(compute_bill(tariff, JANUARY, np.zeros(744)))
    assert month.fixed == pytest.approx(37.0)
    assert line(month, "minimum charge") == pytest.approx(25.0)
    assert month.total == pytest.approx(62.0)


def test_yearly_minimum_needs_twelve_months():
    tariff = Tariff(energy=((EnergyTier(1.0),),), minimum=Amounts(per_year=1000.0))
    grid = days(date(2018, 1, 1), date(2019, 1, 31))
    load = np.zeros(grid.periods)
    load[0] = 100.0
    bill = compute_bill(tariff, grid, load)
    assert bill.months[11].other == pytest.approx(900.0)
    assert bill.months[12].total == 0.0
    assert any("2019-01 to 2019-01" in note for note in bill.notes)


def test_parts_of_months_are_named():
    grid = days(date(2018, 1, 10), date(2018, 3, 1))
    bill = compute_bill(Tariff(fixed=Amounts(per_month=10.0, per_day=1.0)), grid, ones(grid))
    assert [month.complete for month in bill.months] == [False, True, False]
    assert [month.fixed for month in bill.months] == pytest.approx([32.0, 38.0, 11.0])
    assert any("2018-01, 2018-03" in note for note in bill.notes)
    assert compute_bill(Tariff(), JANUARY, ones(JANUARY)).notes == ()


def test_validity_is_noted():
    tariff = Tariff(valid=(datetime(2019, 1, 1, tzinfo=UTC), None))
    assert "2019-01-01 to …" in compute_bill(tariff, JANUARY, ones(JANUARY)).notes[0]


def test_monthly_adjustment():
    tariff = Tariff(energy=((EnergyTier(0.1),),), month_adj=(0.02, *[0.0] * 11))
    assert only(compute_bill(tariff, JANUARY, ones(JANUARY))).energy == pytest.approx(744 * 0.12)


def test_coarse_steps_are_split_at_the_boundaries():
    daily = days(date(2018, 1, 1), date(2018, 1, 31), timedelta(days=1))
    tariff = Tariff(energy=TWO_PERIODS, energy_schedule=Schedule(weekday=EVENING, weekend=EVENING))
    assert only(compute_bill(tariff, daily, ones(daily))).energy == pytest.approx(31 * (5 * 0.5 + 19 * 0.1))
    crooked = TimeGrid(datetime(2018, 1, 1, 0, 7, tzinfo=UTC), timedelta(minutes=15), 96, "UTC")
    assert only(compute_bill(tariff, crooked, ones(crooked))).energy == pytest.approx(5 * 0.5 + 19 * 0.1)
    seconds = TimeGrid(datetime(2018, 1, 1, 0, 0, 1, tzinfo=UTC), timedelta(hours=1), 8760, "UTC")
    with pytest.raises(DomainError, match="resample"):
        compute_bill(tariff, seconds, ones(seconds))


@pytest.mark.parametrize("bad", [np.ones(3), np.full(744, np.inf), np.ones((744, 1))])
def test_loads_that_do_not_fit_are_refused(bad):
    with pytest.raises(DomainError, match="net_load_kw"):
        compute_bill(Tariff(), JANUARY, bad)


def test_printed_components_add_up_to_printed_totals():
    grid = days(date(2018, 1, 1), date(2018, 12, 31))
    tariff = Tariff(
        energy=((EnergyTier(0.123457, sell=0.0312347),),),
        flat_demand=DemandCharges(((DemandTier(7.77333),),)),
        levies=(Levy("tax", 0.0123457, 0.003333),),
        fixed=Amounts(per_year=100.0),
    )
    load = 3.0 * np.sin(np.arange(grid.periods) * 0.7) + 0.777
    bill = compute_bill(tariff, grid, load)
    printed = bill.as_dict()
    assert printed.keys() == {"currency", "total", "months"}
    assert printed["total"] == round(bill.total, 2)
    assert round(sum(month["total"] for month in printed["months"]), 9) == printed["total"]
    for month, exact in zip(printed["months"], bill.months, strict=True):
        assert list(month) == ["month", *COMPONENTS, "total", "peak_kw"]
        assert round(sum(month[name] for name in COMPONENTS), 9) == month["total"]
        for name in (*COMPONENTS, "total"):
            assert abs(month[name] - getattr(exact, name)) < 0.01
            assert round(month[name], 2) == month[name]


def test_halves_of_cents_round_away_from_zero():
    assert apportion([1.005], 101) == [101]
    assert apportion([0.5, -0.25, 0.005], 26) == [50, -25, 1]
