import math
from decimal import Decimal

import pytest

from bothways.domain.errors import DomainError
from bothways.economics.statement import (
    Basis,
    CarbonCost,
    EnergyCost,
    LineGroup,
    Period,
    annual_statement,
    apportion,
    differences,
    rounded,
)

BILL = {
    "energy": Decimal("812.40"),
    "demand_tou": Decimal("100.00"),
    "demand_flat": Decimal("250.50"),
    "fixed": Decimal("25.00"),
    "export_credit": Decimal("-31.07"),
    "levies_on_re_export": Decimal("4.20"),
}
COMMON = {"currency": "USD", "vehicles": 20, "sessions": 310}


def test_period_total_is_the_sum_of_lines_to_the_cent():
    year = annual_statement(
        "bidirectional",
        BILL,
        Period(31, 1),
        bill_total=Decimal("1161.03"),
        wear=[EnergyCost(1234.5, 0.0512, "assumed 5.12 cents")],
        not_served=EnergyCost(7.0, 0.4, "public charging"),
        carbon=CarbonCost(500.0, 80.0, "marginal", "social cost, not in the tariff"),
        **COMMON,
    )
    assert year.subtotal(LineGroup.BILL) == Decimal("1161.03")
    assert year.subtotal(LineGroup.WEAR) == Decimal("63.21")
    assert year.subtotal(LineGroup.NOT_SERVED) == Decimal("2.80")
    assert year.subtotal(LineGroup.CO2) == Decimal("40.00")
    assert year.total == Decimal("1267.04") == sum(line.amount for line in year.lines)
    assert year.per_session == Decimal("4.09")
    assert year.per_vehicle_year == rounded(year.yearly_total / 20)
    names = [line.name for line in year.lines]
    assert names == [*BILL, "wear", "not_served", "co2_marginal"]
    assert "public charging" in year.lines[-2].note
    assert "marginal ledger" in year.lines[-1].note


def test_scaling_to_a_year_is_explicit():
    year = annual_statement("smart", BILL, Period(31, 1), **COMMON)
    yearly = {line.name: line.yearly for line in year.lines}
    assert yearly["demand_flat"] == Decimal("3006.00")
    assert yearly["demand_tou"] == Decimal("1200.00")
    assert yearly["fixed"] == Decimal("300.00")
    assert yearly["levies_on_re_export"] == rounded(Decimal("4.20") * Decimal("365.25") / 31)
    assert {line.basis for line in year.lines if line.name.startswith("demand")} == {Basis.MONTHS}
    exact = (Decimal("812.40") - Decimal("31.07") + Decimal("4.20")) * Decimal("365.25") / 31 + Decimal("375.50") * 12
    assert year.yearly_total == rounded(exact)
    assert "12/1" in year.period.note
    assert "365.25/31" in year.period.note


def test_monthly_components_can_be_named():
    year = annual_statement("smart", BILL, Period(30, 1), monthly={"energy"}, **COMMON)
    assert {line.name for line in year.lines if line.basis is Basis.MONTHS} == {"energy"}


@pytest.mark.parametrize(
    ("days", "months", "whole"), [(365, 12, True), (366, 12, True), (364, 12, False), (365, 11, False)]
)
def test_only_a_whole_year_needs_no_warning_about_seasons(days, months, whole):
    assert Period(days, months).whole_year is whole
    assert ("seasons" in Period(days, months).note) is not whole


@pytest.mark.parametrize(("days", "months"), [(0, 1), (31, 0), (math.nan, 1), (-1, 1)])
def test_period_refuses(days, months):
    with pytest.raises(DomainError, match="period"):
        Period(days, months)


@pytest.mark.parametrize("total", ["1161.05", "1161.01", "1157.00"])
def test_attribution_check_finds_a_missing_line(total):
    with pytest.raises(DomainError, match="missing or counted twice"):
        annual_statement("smart", BILL, Period(31, 1), bill_total=total, **COMMON)


def test_floats_of_an_optimiser_still_add_up():
    bill = {"a": 0.1, "b": 0.2, "c": 1 / 3, "d": 1 / 3, "e": 1 / 3}
    year = annual_statement("smart", bill, Period(31, 1), bill_total=1.3, **COMMON)
    assert year.total == Decimal("1.30")


def test_yen_have_no_decimals():
    year = annual_statement(
        "smart",
        {"energy": 100.4, "fixed": 100.4},
        Period(31, 1),
        currency="JPY",
        vehicles=1,
        sessions=1,
        minor_digits=0,
    )
    assert [str(line.amount) for line in year.lines] == ["101", "100"]
    assert str(year.total) == "201"


def test_nobody_to_divide_by_is_none():
    year = annual_statement("smart", BILL, Period(31, 1), currency="USD", vehicles=0, sessions=0)
    assert year.per_vehicle_year is None
    assert year.per_session is None


def test_rows_are_text_with_all_digits():
    row = annual_statement("smart", BILL, Period(31, 1), **COMMON).rows()[4]
    assert row["amount"] == "-31.07"
    assert row["currency"] == "USD"
    assert row["basis"] == "by days"


@pytest.mark.parametrize(
    "given",
    [
        {"bill": {"energy": math.nan}},
        {"bill": {"energy": "twelve"}},
        {"vehicles": -1},
        {"sessions": 1.5},
        {"bill": {"wear": 1}, "wear": [EnergyCost(1.0, 1.0, "x")]},
    ],
)
def test_statement_refuses(given):
    with pytest.raises(DomainError):
        annual_statement(**{"strategy": "smart", "bill": BILL, "period": Period(31, 1)} | COMMON | given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EnergyCost(-1.0, 0.1, "x"),
        lambda: EnergyCost(1.0, math.nan, "x"),
        lambda: EnergyCost(1.0, 0.1, ""),
        lambda: CarbonCost(1.0, -1.0, "average", "x"),
        lambda: CarbonCost(1.0, 1.0, "average", ""),
    ],
)
def test_assumed_prices_refuse(make):
    with pytest.raises(DomainError):
        make()


def test_apportion_breaks_ties_by_order():
    third = Decimal(1) / 3
    assert apportion([third] * 3, Decimal(1)) == (Decimal("0.34"), Decimal("0.33"), Decimal("0.33"))


def test_apportion_of_negative_amounts():
    assert apportion([Decimal("-0.005"), Decimal("-0.005")], Decimal("-0.01")) == (Decimal("0.00"), Decimal("-0.01"))


def test_apportion_of_nothing_is_nothing():
    assert apportion([], Decimal(0)) == ()


def test_differences_add_up_and_keep_lines_of_both():
    uncontrolled = annual_statement("uncontrolled", {"energy": 900, "penalty": 50}, Period(31, 1), **COMMON)
    both = annual_statement(
        "bidirectional",
        {"energy": 800, "export_credit": -20},
        Period(31, 1),
        wear=[EnergyCost(100, 0.05, "assumed")],
        **COMMON,
    )
    rows = differences(both, uncontrolled)
    assert [(row.name, row.saving) for row in rows] == [
        ("energy", Decimal("100.00")),
        ("penalty", Decimal("50.00")),
        ("export_credit", Decimal("20.00")),
        ("wear", Decimal("-5.00")),
    ]
    assert sum(row.saving for row in rows) == uncontrolled.total - both.total
    assert sum(row.yearly_saving for row in rows) == uncontrolled.yearly_total - both.yearly_total
    assert rows[1].yearly == 0
    # 10604.0323 and 589.1129 are rounded so that they make 11193.15, their sum rounded
    assert (rows[0].reference_yearly, rows[1].reference_yearly) == (Decimal("10604.03"), Decimal("589.12"))


@pytest.mark.parametrize(
    "change", [{"currency": "EUR"}, {"vehicles": 19}, {"sessions": 309}, {"period": Period(30, 1)}, {"minor_digits": 3}]
)
def test_only_comparable_statements_are_compared(change):
    given = {"bill": BILL, "period": Period(31, 1)} | COMMON
    one = annual_statement("smart", **given)
    other = annual_statement("uncontrolled", **given | change)
    with pytest.raises(DomainError, match=next(iter(change))):
        differences(one, other)
