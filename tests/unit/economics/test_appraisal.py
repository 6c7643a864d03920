import math

import pytest

from bothways.domain.errors import DomainError
from bothways.economics.appraisal import StrategyCase, Terms, appraise, appraise_all, break_even_charger_price
from bothways.economics.investment import Investment, ItemKind, LineItem, Replacement, Residual, YearlyCost

SOURCE = "offer"


def _chargers(price, count=1, rebate=0.0):
    items = [LineItem(ItemKind.CHARGER, price, SOURCE, count=count)]
    return Investment((*items, LineItem(ItemKind.REBATE, rebate, SOURCE)))


UNCONTROLLED = StrategyCase("uncontrolled", 10_000.0, _chargers(800.0, 4))
SMART = StrategyCase("smart", 8_000.0, _chargers(1000.0, 4), YearlyCost(communication=100.0, source=SOURCE))
BOTH = StrategyCase(
    "bidirectional",
    7_000.0,
    _chargers(3000.0, 4, rebate=2000.0),
    YearlyCost(maintenance=200.0, communication=100.0, source=SOURCE),
    (Replacement(8, SOURCE, share_of_chargers=0.5, amount=300.0),),
    Residual(SOURCE, share_of_chargers=0.1),
)
TERMS = Terms(years=10, rate=0.05, escalation=0.02, cost_escalation=0.01)


def test_appraisal_takes_differences_of_everything():
    result = appraise(SMART, UNCONTROLLED, Terms(years=2, rate=0.0))
    assert result.extra_investment == 800.0
    assert result.yearly_saving == 2_000.0
    assert result.extra_yearly_cost == 100.0
    assert result.flow.tolist() == [-800.0, 1900.0, 1900.0]
    assert result.npv == 3000.0
    assert result.simple_payback.value == pytest.approx(800 / 1900)


def test_both_sides_have_yearly_costs():
    result = appraise(BOTH, SMART, TERMS)
    assert result.extra_yearly_cost == 200.0
    assert result.extra_investment == 12_000.0 - 2_000.0 - 4_000.0


def test_increments_add_up():
    smart, both, added = appraise_all([UNCONTROLLED, SMART, BOTH], TERMS)
    assert [(a.strategy, a.reference) for a in (smart, both, added)] == [
        ("smart", "uncontrolled"),
        ("bidirectional", "uncontrolled"),
        ("bidirectional", "smart"),
    ]
    assert smart.flow + added.flow == pytest.approx(both.flow)
    assert smart.npv + added.npv == pytest.approx(both.npv)


def test_good_against_uncontrolled_may_be_bad_against_smart():
    both = StrategyCase("bidirectional", 7_900.0, _chargers(3000.0, 4))
    against_uncontrolled = appraise(both, UNCONTROLLED, TERMS)
    against_smart = appraise(both, SMART, TERMS)
    assert against_uncontrolled.npv > 0 > against_smart.npv


def test_mirr_uses_its_own_rates_where_given():
    default = appraise(BOTH, SMART, TERMS).mirr.value
    same = appraise(BOTH, SMART, Terms(10, 0.05, 0.02, 0.01, finance_rate=0.05, reinvest_rate=0.05)).mirr.value
    other = appraise(BOTH, SMART, Terms(10, 0.05, 0.02, 0.01, reinvest_rate=0.0)).mirr.value
    assert default == same
    assert other < default


def test_replacement_leaves_irr_without_a_figure_but_mirr_with_one():
    result = appraise(BOTH, SMART, TERMS)
    assert result.flow[8] < 0 < result.flow[7]
    assert result.irr.value is None
    assert "MIRR" in result.irr.note
    assert result.mirr.known


def test_break_even_price_makes_the_npv_zero():
    price = break_even_charger_price(BOTH, SMART, TERMS)
    priced = StrategyCase(
        BOTH.strategy,
        BOTH.running,
        BOTH.investment.with_charger_price(price.value),
        BOTH.yearly_cost,
        BOTH.replacements,
        BOTH.residual,
    )
    assert appraise(priced, SMART, TERMS).npv == pytest.approx(0.0, abs=1e-6)
    assert price.note == ""


def test_break_even_price_can_be_negative_and_says_so():
    worse = StrategyCase("bidirectional", 9_000.0, _chargers(3000.0, 4))
    price = break_even_charger_price(worse, StrategyCase("smart", 8_000.0), TERMS)
    assert price.value < 0
    assert "free" in price.note


def test_break_even_price_without_chargers_has_a_reason():
    price = break_even_charger_price(StrategyCase("smart", 1.0), UNCONTROLLED, TERMS)
    assert price.value is None
    assert "buys no charger" in price.note


def test_break_even_price_where_price_does_not_matter():
    returned = StrategyCase("bidirectional", 1.0, _chargers(10.0), residual=Residual(SOURCE, share_of_chargers=1.0))
    price = break_even_charger_price(returned, StrategyCase("smart", 2.0), Terms(years=3, rate=0.0))
    assert price.value is None
    assert "residual" in price.note


@pytest.mark.parametrize("change", [{"years": 0}, {"rate": -1.0}, {"reinvest_rate": math.nan}])
def test_terms_refuse(change):
    with pytest.raises(DomainError):
        Terms(**{"years": 10, "rate": 0.05} | change)


def test_running_cost_must_be_a_number():
    with pytest.raises(DomainError, match="smart"):
        StrategyCase("smart", math.nan)
