from decimal import Decimal

import pytest

from bothways.domain.errors import DomainError
from bothways.economics.actors import OUTSIDE, TWELVE_ACTORS, CashFlows, Payment, pay, payments_of
from bothways.economics.statement import CarbonCost, EnergyCost, LineGroup, Period, annual_statement

YEAR = annual_statement(
    "bidirectional",
    {"energy": "1000.00", "demand_flat": "300.00", "export_credit": "-40.00"},
    Period(365.25, 12),
    currency="USD",
    vehicles=10,
    sessions=3000,
    wear=[EnergyCost(500.0, 0.06, "assumed")],
    not_served=EnergyCost(10.0, 0.5, "public charging"),
    carbon=CarbonCost(100.0, 50.0, "marginal", "social cost"),
)
PARTIES = {
    LineGroup.BILL: ("site", "energy supplier"),
    "demand_flat": ("site", "grid operator"),
    LineGroup.WEAR: ("vehicle owner", OUTSIDE),
    LineGroup.NOT_SERVED: ("vehicle owner", OUTSIDE),
    LineGroup.CO2: ("site", OUTSIDE),
}


def test_there_are_twelve_actors():
    assert len(set(TWELVE_ACTORS)) == 12


def test_a_statement_becomes_payments():
    flows = CashFlows("USD", ("site", "vehicle owner", "energy supplier", "grid operator"), payments_of(YEAR, PARTIES))
    assert flows.nets() == {
        "site": Decimal("-1265.00"),
        "vehicle owner": Decimal("-35.00"),
        "energy supplier": Decimal("960.00"),
        "grid operator": Decimal("300.00"),
        OUTSIDE: Decimal("40.00"),
    }
    assert sum(flows.nets().values()) == 0
    assert flows.net("site") + flows.net("vehicle owner") == -YEAR.yearly_total
    assert flows.gained_from_outside() == Decimal("-40.00")
    matrix = flows.matrix()
    supplier, site = flows.everybody.index("energy supplier"), flows.everybody.index("site")
    assert matrix[site][supplier] == Decimal("1000.00")
    assert matrix[supplier][site] == Decimal("40.00")
    assert sum(sum(row) for row in matrix) == sum(entry.amount for entry in flows.payments)


def test_payments_inside_do_not_change_what_comes_from_outside():
    flows = CashFlows("USD", ("site", "driver"), (pay("site", OUTSIDE, "energy", "100.00"),))
    shared = flows.with_payments([pay("site", "driver", "profit share", "12.34")])
    assert shared.gained_from_outside() == flows.gained_from_outside() == Decimal("-100.00")
    assert shared.net("driver") == Decimal("12.34")
    assert len(flows.payments) == 1


def test_amounts_of_the_period_where_asked():
    half = annual_statement("smart", {"energy": 10}, Period(182.625, 6), currency="USD", vehicles=1, sessions=1)
    parties = {LineGroup.BILL: ("site", OUTSIDE)}
    assert [entry.amount for entry in payments_of(half, parties)] == [Decimal("20.00")]
    assert [entry.amount for entry in payments_of(half, parties, yearly=False)] == [Decimal("10.00")]


def test_lines_of_nothing_are_no_payments():
    nothing = annual_statement("smart", {"energy": 0}, Period(31, 1), currency="USD", vehicles=1, sessions=1)
    assert payments_of(nothing, {LineGroup.BILL: ("site", OUTSIDE)}) == ()


def test_every_line_needs_parties_and_every_name_a_line():
    with pytest.raises(DomainError, match=r"nobody is named for wear, not_served, co2_marginal; there is no line typo"):
        payments_of(YEAR, {LineGroup.BILL: ("site", OUTSIDE), "typo": ("a", "b")})


def test_each_kind_of_gap_is_found_by_itself():
    bill = {LineGroup.BILL: ("site", OUTSIDE)}
    with pytest.raises(DomainError, match=r"nobody is named for wear, not_served, co2_marginal$"):
        payments_of(YEAR, bill)
    with pytest.raises(DomainError, match=r"bidirectional: there is no line typo$"):
        payments_of(YEAR, PARTIES | {"typo": ("a", "b")})


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "0.0000001", "1e15"])
def test_payment_is_an_amount_of_money(amount):
    with pytest.raises(DomainError):
        Payment("a", "b", "energy", Decimal(amount))


def test_nobody_pays_himself():
    with pytest.raises(DomainError, match="itself"):
        pay("a", "a", "energy", 1)


@pytest.mark.parametrize("actors", [("a", "a"), ("a", OUTSIDE)])
def test_actors_are_declared_once(actors):
    with pytest.raises(DomainError, match="repeat"):
        CashFlows("USD", actors)


def test_strangers_are_refused():
    with pytest.raises(DomainError, match="stranger"):
        CashFlows("USD", ("a",), (pay("a", "stranger", "energy", 1),))
    with pytest.raises(DomainError, match="no actor"):
        CashFlows("USD", ("a",)).net("b")


def test_rows_are_text():
    rows = CashFlows("USD", ("a",), (pay("a", OUTSIDE, "energy", "1.50"),)).rows()
    assert rows == [{"payer": "a", "payee": OUTSIDE, "what": "energy", "amount": "1.50", "currency": "USD"}]
