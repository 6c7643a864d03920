"""Laws that money keeps whatever the amounts."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bothways.economics import returns
from bothways.economics.actors import OUTSIDE, CashFlows, LineGroup, pay, payments_of
from bothways.economics.appraisal import StrategyCase, Terms, appraise, appraise_all
from bothways.economics.investment import Investment, ItemKind, LineItem, Replacement, Residual, YearlyCost, cash_flow
from bothways.economics.sensitivity import NpvModel, Range, tornado
from bothways.economics.statement import EnergyCost, Period, annual_statement, apportion, differences

amounts = st.floats(0.01, 1e6)
rates = st.floats(-0.5, 1.0)
flows = st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=30)
conventional = st.tuples(amounts, st.lists(st.floats(0.0, 1e5), min_size=1, max_size=30)).map(
    lambda pair: np.array([-pair[0], *pair[1]])
)
cents = st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100)
money = st.decimals(-(10**6), 10**6, places=5)


@given(conventional, rates, rates)
def test_npv_of_a_conventional_flow_falls_with_the_rate(flow, one, other):
    low, high = sorted((one, other))
    tolerance = 1e-9 * np.abs(flow).sum() / min(1.0, (1.0 + low) ** (len(flow) - 1))
    assert returns.npv(high, flow) <= returns.npv(low, flow) + tolerance


@given(flows, flows, rates)
def test_npv_is_linear(one, other, rate):
    size = min(len(one), len(other))
    first, second = np.array(one[:size]), np.array(other[:size])
    whole = returns.npv(rate, 2.0 * first - second)
    scale = (np.abs(first) + np.abs(second)).sum() * (1.0 + max(0.0, -rate) / (1.0 + rate)) ** size
    assert whole == pytest.approx(2.0 * returns.npv(rate, first) - returns.npv(rate, second), abs=1e-9 * (1.0 + scale))


@given(conventional)
def test_irr_makes_the_npv_zero(flow):
    found = returns.irr(flow)
    if not (flow[1:] > 0).any():
        assert found.value is None
        return
    assume(found.known and found.value > -0.999999)  # nearer to -1 the sum 1 + rate itself has no digits left
    factors = returns.discount_factors(found.value, len(flow) - 1)
    assert abs(flow @ factors) <= 1e-8 * (np.abs(flow) @ factors)


@given(conventional, rates)
def test_irr_lies_above_the_rate_exactly_when_the_npv_is_positive(flow, rate):
    found = returns.irr(flow)
    assume(found.known)
    assume(abs(found.value - rate) > 1e-6)
    assert (found.value > rate) == (returns.npv(rate, flow) > 0.0)


@given(flows)
def test_irr_has_a_figure_or_a_reason(flow):
    found = returns.irr(flow)
    changes = returns.sign_changes(flow)
    assert found.known or found.note
    if changes != 1:
        assert not found.known


@given(flows, st.floats(0.0, 0.5))
def test_mirr_lies_above_its_rate_exactly_when_the_npv_is_positive(flow, rate):
    found = returns.mirr(flow, rate, rate)
    assume(found.known)
    value = returns.npv(rate, flow)
    assume(abs(value) > 1e-6 * np.abs(flow).sum())
    assume(found.value > -1.0)
    assert (found.value > rate) == (value > 0.0)


@given(flows, st.floats(0.0, 0.5))
def test_payback_comes_no_later_with_more_money(flow, extra):
    better = np.array(flow) + extra
    slow, fast = returns.simple_payback(flow), returns.simple_payback(better)
    if slow.known:
        assert fast.known
        assert fast.value <= slow.value + 1e-6


@given(conventional, st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_discounted_payback_comes_no_earlier_with_a_higher_rate(flow, one, other):
    low, high = sorted((one, other))
    fast, slow = returns.discounted_payback(flow, low), returns.discounted_payback(flow, high)
    if slow.known:
        assert fast.known
        assert fast.value <= slow.value + 1e-6
        assert returns.simple_payback(flow).value <= fast.value + 1e-6


@given(amounts, st.floats(-0.3, 0.5), st.integers(1, 40))
def test_annuity_is_worth_its_present(present, rate, years):
    payment = returns.annuity(present, rate, years)
    assert returns.npv(rate, np.r_[0.0, np.full(years, payment)]) == pytest.approx(present, rel=1e-9)


@given(st.floats(-0.3, 0.5), st.floats(-0.3, 0.5), st.integers(1, 40))
def test_annuity_factor_is_the_value_of_growing_payments(rate, growth, years):
    flow = cash_flow(Investment(), 1.0, YearlyCost(), years, escalation=growth)
    assert returns.annuity_factor(rate, years, growth) == pytest.approx(returns.npv(rate, flow), rel=1e-9)


cases = st.builds(
    lambda running, price, count, install, upkeep, year, share, back: StrategyCase(
        "x",
        running,
        Investment(
            (
                LineItem(ItemKind.CHARGER, price, "test", count=count),
                LineItem(ItemKind.INSTALLATION, install, "test"),
            )
        ),
        YearlyCost(maintenance=upkeep, source="test"),
        (Replacement(year, "test", share_of_chargers=share),),
        Residual("test", share_of_chargers=back),
    ),
    st.floats(-1e5, 1e5),
    st.floats(0.0, 1e4),
    st.integers(1, 50),
    st.floats(0.0, 1e5),
    st.floats(0.0, 1e3),
    st.integers(1, 20),
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.5),
)
terms = st.builds(
    Terms,
    st.integers(1, 20),
    st.floats(0.0, 0.2),
    escalation=st.floats(-0.05, 0.05),
    cost_escalation=st.floats(0, 0.05),
)


@given(cases, cases, terms)
def test_break_even_price_makes_the_npv_zero(case, reference, rules):
    price = appraise(case, reference, rules).break_even_charger_price
    assert price.known
    at = max(price.value, 0.0)
    priced = replace(case, investment=case.investment.with_charger_price(at))
    value = appraise(priced, reference, rules).npv
    if price.value >= 0.0:
        assert value == pytest.approx(0.0, abs=1e-8 * (1e6 + at * 50))
    else:
        assert value < 0.0
        assert price.note


@given(cases, cases, cases, terms)
def test_increments_add_up(first, second, third, rules):
    one, both, added = appraise_all([first, second, third], rules)
    assert one.flow + added.flow == pytest.approx(both.flow, abs=1e-5)
    assert one.npv + added.npv == pytest.approx(both.npv, abs=1e-4)
    assert appraise(first, first, rules).npv == 0.0


@given(st.lists(money, max_size=12), st.integers(0, 3))
def test_apportioned_lines_add_up_and_stay_near(values, digits):
    total = sum(values, Decimal(0))
    lines = apportion(values, total, digits)
    unit = Decimal(1).scaleb(-digits)
    assert abs(sum(lines, Decimal(0)) - total) <= unit / 2
    assert all(abs(line - value) < unit for line, value in zip(lines, values, strict=True))
    assert all(line == line.quantize(unit) for line in lines)


bills = st.dictionaries(st.sampled_from(["energy", "demand_flat", "fixed", "export_credit", "levies"]), money)


@given(bills, bills, st.floats(0.0, 1e5), st.floats(0.0, 1.0), st.integers(1, 366), st.integers(1, 12))
def test_a_statement_adds_up_everywhere(bill, other, kwh, price, days, months):
    common = {"currency": "EUR", "vehicles": 3, "sessions": 7}
    period = Period(days, months)
    reference = annual_statement("uncontrolled", other, period, **common)
    year = annual_statement("smart", bill, period, wear=[EnergyCost(kwh, price, "test")], **common)
    assert year.total == sum((year.subtotal(group) for group in LineGroup), Decimal(0))
    assert abs(year.subtotal(LineGroup.BILL) - sum(bill.values(), Decimal(0))) <= Decimal("0.005")
    rows = differences(year, reference)
    assert sum((row.saving for row in rows), Decimal(0)) == reference.total - year.total
    assert sum((row.yearly_saving for row in rows), Decimal(0)) == reference.yearly_total - year.yearly_total
    parties = {LineGroup.BILL: ("site", "supplier"), LineGroup.WEAR: ("owner", OUTSIDE)}
    flows = CashFlows("EUR", ("site", "owner", "supplier"), payments_of(year, parties))
    assert sum(flows.nets().values()) == 0
    assert flows.net("site") + flows.net("owner") == -year.yearly_total


people = st.sampled_from(["maker", "owner", "supplier", "grid", OUTSIDE])


@given(st.lists(st.tuples(people, people, cents), max_size=30))
def test_cash_flows_sum_to_zero_against_the_outside_world(entries):
    payments = [pay(payer, payee, "x", amount) for payer, payee, amount in entries if payer != payee]
    actors = ("maker", "owner", "supplier", "grid")
    flows = CashFlows("EUR", actors, tuple(payments))
    nets = flows.nets()
    assert sum(nets.values()) == 0
    assert sum(nets[actor] for actor in actors) == flows.gained_from_outside()
    matrix = flows.matrix()
    for k, name in enumerate(flows.everybody):
        assert nets[name] == sum(row[k] for row in matrix) - sum(matrix[k])
        assert matrix[k][k] == 0


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0.0, 1e3), st.floats(0.0, 1e3), st.floats(-10, 10))
def test_tornado_of_a_monotone_model_has_its_base_inside(base, offset, down, up, slope):
    item = Range("x", "1", base - down, base, base + up, "test")

    def model(changed):
        return offset + slope * changed.get("x", base)

    (row,) = tornado(model({}), model, [item])
    assert row.base_inside
    assert row.swing == pytest.approx(abs(slope) * (item.high - item.low), rel=1e-9, abs=1e-6)


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.0, 0.3), st.floats(0.5, 1.0), st.floats(0.0, 100.0))
def test_closed_form_moves_the_right_way(spread, more, wear, efficiency, capacity):
    model = NpvModel(
        years=8,
        rate=0.04,
        chargers=5,
        charger_price=1500.0,
        shifted_kwh=10_000.0,
        measured_capacity_kwh=50.0,
        capacity_kwh=capacity,
        shift_limit_kwh=15_000.0,
        price_spread=spread,
        charge_price=0.12,
        round_trip_efficiency=efficiency,
        wear_per_kwh=wear,
    )
    assert model.evaluate({"price_spread": spread + more}) >= model.npv
    assert model.evaluate({"wear_per_kwh": wear + more}) <= model.npv
    assert model.evaluate({"round_trip_efficiency": 1.0}) >= model.npv
    assert model.evaluate({"capacity_kwh": capacity + 10.0}) >= model.npv
    assert model.evaluate({"charger_price": 1501.0}) == pytest.approx(model.npv - 5.0)
