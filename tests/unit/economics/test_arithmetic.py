import math

import pytest

from bothways.domain.errors import DomainError
from bothways.economics import arithmetic
from bothways.economics.arithmetic import PublishedLine

BC_LINES = [
    PublishedLine("peak shifting", 500, 1000, "EV and year", 20),
    PublishedLine("demand response", 36, 73, "EV and year", 20),
    PublishedLine("backup", 200, 500, "outage", 1),
    PublishedLine("PV storage", 1500, 2000, "site and year", 1),
]


def test_bid_is_rounded_up_exactly():
    # 100 / (12.5 · 0.8) is 10 exactly; 0.1 · 3 is not 0.3 in binary, but is as printed
    assert arithmetic.vehicles_for_bid(100.0, 12.5, 0.8) == 10
    assert arithmetic.vehicles_for_bid(0.3, 0.1) == 3
    assert arithmetic.vehicles_for_bid(100.0, 7.2, 0.7) == 20
    assert arithmetic.vehicles_for_bid(100.0, 7.0, 0.0001) == 142_858


@pytest.mark.parametrize("given", [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 1.1)])
def test_bid_refuses(given):
    with pytest.raises(DomainError):
        arithmetic.vehicles_for_bid(*given)


def test_f3_prices_that_the_published_values_stand_for():
    assert arithmetic.implied_price_per_kwh(500, 2) == pytest.approx(0.68, abs=0.005)
    assert arithmetic.implied_price_per_kwh(1000, 3) == pytest.approx(0.91, abs=0.005)
    # the same energy at the price of a demand-response event is worth a small part of that
    assert arithmetic.implied_price_per_kwh(500, 2) / 0.10 > 6


def test_f3_events_that_the_published_values_need():
    assert arithmetic.events_needed(73, 2, 0.10) == pytest.approx(365)
    assert arithmetic.events_needed(36, 1, 0.10) == pytest.approx(360)


def test_f3_lines_do_not_add_up_to_the_published_total():
    check = arithmetic.sum_check(BC_LINES, 2000, 4000)
    assert (check.low, check.high) == (12_420, 23_960)
    assert (check.printed_low, check.printed_high) == (2236, 3573)
    assert check.units == ("EV and year", "outage", "site and year")
    assert not check.agrees


def test_sum_check_can_agree():
    assert arithmetic.sum_check([PublishedLine("a", 100, 200, "site", 2)], 199, 401).agrees
    assert not arithmetic.sum_check([PublishedLine("a", 100, 200, "site", 2)], 200, 420).agrees


def test_sum_check_refuses():
    with pytest.raises(DomainError, match="no lines"):
        arithmetic.sum_check([], 1, 2)
    with pytest.raises(DomainError, match="stated_high"):
        arithmetic.sum_check(BC_LINES, 2, 1)
    with pytest.raises(DomainError, match="peak: high"):
        PublishedLine("peak", 2, 1, "EV", 1)


def test_f3_outage_value_lies_within_the_published_value_of_lost_load():
    # two vehicles × 10 kWh at 200-500 per outage is 10-25 per kWh; F7: 6.957-44.149 (another currency)
    for value in (200.0, 500.0):
        per_kwh = value / 20.0
        assert 6.957 < per_kwh < 44.149
        assert arithmetic.backup_value_per_year(20.0, per_kwh, 1.0, 1.0) == pytest.approx(value)


def test_small_amounts_count_in_proportion():
    assert arithmetic.backup_value_per_year(0.2, 0.5, 0.1, 0.5) == pytest.approx(0.005)
    assert arithmetic.yearly_shift_value(0.5, 0.5, 0.5, 0.4, 0.2) == pytest.approx(0.025)


def test_backup_is_worth_less_when_the_vehicle_may_be_away():
    always = arithmetic.backup_value_per_year(20.0, 10.0, 2.0, 1.0)
    assert arithmetic.backup_value_per_year(20.0, 10.0, 2.0, 0.25) == always / 4
    with pytest.raises(DomainError, match="presence"):
        arithmetic.backup_value_per_year(20.0, 10.0, 2.0, 1.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: arithmetic.days_of_supply(-1.0, 30.0),
        lambda: arithmetic.days_of_supply(30.0, 0.0),
        lambda: arithmetic.usable_for_days(math.inf, 30.0),
        lambda: arithmetic.implied_price_per_kwh(500.0, 0.0),
        lambda: arithmetic.events_needed(1.0, 1.0, 0.0),
        lambda: arithmetic.yearly_shift_value(1.0, 25.0, 365, 0.1, 0.0),
    ],
)
def test_inputs_are_checked(make):
    with pytest.raises(DomainError):
        make()
