import math

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.economics.investment import (
    Investment,
    ItemKind,
    LineItem,
    Replacement,
    Residual,
    YearlyCost,
    cash_flow,
)

SOURCE = "offer of 2019-04"
ITEMS = (
    LineItem(ItemKind.CHARGER, 4000.0, SOURCE, count=10),
    LineItem(ItemKind.INSTALLATION, 1500.0, SOURCE, count=10),
    LineItem(ItemKind.UPGRADE, 12_000.0, SOURCE),
    LineItem(ItemKind.SUBMETERING, 300.0, SOURCE, count=2),
    LineItem(ItemKind.REBATE, 1000.0, SOURCE, count=10, name="utility rebate"),
)


def test_investment_sums_its_lines():
    investment = Investment(ITEMS)
    assert investment.total == 40_000 + 15_000 + 12_000 + 600 - 10_000
    assert investment.charger_count == 10
    assert investment.charger_spend == 40_000
    assert investment.by_kind() == {
        ItemKind.CHARGER: 40_000,
        ItemKind.INSTALLATION: 15_000,
        ItemKind.UPGRADE: 12_000,
        ItemKind.SUBMETERING: 600,
        ItemKind.REBATE: -10_000,
    }
    assert list(investment.by_kind()) == [kind for kind in ItemKind if kind is not ItemKind.OTHER]


def test_charger_price_changes_chargers_only():
    assert Investment(ITEMS).with_charger_price(0.0).total == 17_600


@pytest.mark.parametrize("change", [{"amount": -1.0}, {"amount": math.nan}, {"count": -1}, {"source": " "}])
def test_line_item_refuses(change):
    with pytest.raises(DomainError, match="charger"):
        LineItem(**{"kind": ItemKind.CHARGER, "amount": 1.0, "source": SOURCE} | change)


def test_yearly_cost_needs_a_source_unless_free():
    assert YearlyCost().total == 0.0
    assert YearlyCost(1.0, 2.0, 3.0, 4.0, source=SOURCE).total == 10.0
    with pytest.raises(DomainError, match="source"):
        YearlyCost(maintenance=1.0)


def test_cash_flow_by_hand():
    # year:                    0        1        2        3        4
    # saving 10 000 at 2 %:          10000    10200    10404    10612.08
    # cost 500 at 3 %:                 500      515      530.45   546.3635
    # replacement 0.5·40000+100 in year 2, at 3 %: 20100·1.03 = 20703
    # residual 0.1·40000 - 50 in year 4: 3950
    flow = cash_flow(
        Investment(ITEMS),
        10_000.0,
        YearlyCost(maintenance=400.0, communication=100.0, source=SOURCE),
        4,
        escalation=0.02,
        cost_escalation=0.03,
        replacements=[Replacement(2, SOURCE, share_of_chargers=0.5, amount=100.0)],
        residual=Residual(SOURCE, share_of_chargers=0.1, amount=-50.0),
    )
    assert flow == pytest.approx([-57_600.0, 9_500.0, -11_018.0, 9_873.55, 14_015.7165])


def test_a_residual_is_nothing_unless_said():
    flow = cash_flow(Investment(ITEMS), 1.0, YearlyCost(), 2, residual=Residual(SOURCE))
    assert flow[-1] == 1.0


@pytest.mark.parametrize("year", [3, 4])
def test_no_replacement_at_the_end_of_the_study(year):
    flow = cash_flow(Investment(ITEMS), 1.0, YearlyCost(), 3, replacements=[Replacement(year, SOURCE)])
    assert flow[1:].tolist() == [1.0, 1.0, 1.0]


def test_saving_may_differ_by_year():
    flow = cash_flow(Investment(), np.array([1.0, 2.0]), YearlyCost(), 2, escalation=1.0)
    assert flow.tolist() == [0.0, 1.0, 4.0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"years": 0}, "years"),
        ({"yearly_saving": math.nan}, "yearly_saving"),
        ({"escalation": -1.0}, "escalation"),
        ({"cost_escalation": math.inf}, "cost_escalation"),
    ],
)
def test_cash_flow_refuses(change, word):
    given = {"investment": Investment(), "yearly_saving": 1.0, "yearly_cost": YearlyCost(), "years": 3} | change
    with pytest.raises(DomainError, match=word):
        cash_flow(**given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Replacement(0, SOURCE),
        lambda: Replacement(2, ""),
        lambda: Replacement(2, SOURCE, share_of_chargers=-0.1),
        lambda: Residual(SOURCE, share_of_chargers=1.1),
        lambda: Residual(""),
    ],
)
def test_later_values_refuse(make):
    with pytest.raises(DomainError):
        make()
