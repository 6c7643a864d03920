import math

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.economics import returns


def test_npv_does_not_discount_today():
    assert returns.npv(0.5, [100.0]) == 100.0
    assert returns.npv(0.25, [-100.0, 125.0]) == 0.0


@pytest.mark.parametrize("rate", [-1.0, -2.0, math.nan, math.inf])
def test_rate_must_be_above_minus_one(rate):
    with pytest.raises(DomainError, match="rate"):
        returns.npv(rate, [-1.0, 2.0])


@pytest.mark.parametrize("flow", [[], [[1.0, 2.0]], [1.0, math.nan], [math.inf]])
def test_flow_must_be_a_list_of_finite_amounts(flow):
    with pytest.raises(DomainError, match="cash flow"):
        returns.npv(0.05, flow)


def test_sign_changes_ignore_zeros():
    assert returns.sign_changes([0, -1, 0, 0, 2, 0, 3]) == 1
    assert returns.sign_changes([0, 0]) == 0


@pytest.mark.parametrize("flow", [[-100.0, -5.0], [0.0, 0.0], [5.0, 0.0, 1.0]])
def test_irr_without_change_of_sign_has_a_reason(flow):
    found = returns.irr(flow)
    assert found.value is None
    assert "never changes sign" in found.note


def test_irr_of_a_loan_is_a_cost():
    found = returns.irr([1000.0, -1100.0])
    assert found.value == pytest.approx(0.10)
    assert "lower is better" in found.note


@pytest.mark.parametrize(
    ("flow", "rate"),
    [
        ([-1.0, 1e9], 1e9 - 1.0),
        ([-1e9, 1.0], 1e-9 - 1.0),
        ([-100.0] + [0.0] * 49 + [100.0], 0.0),
        ([-1e-200, 2e-200], 1.0),
        ([0.0, 0.0, -10.0, 11.0], 0.1),
    ],
)
def test_irr_survives_extreme_flows(flow, rate):
    assert returns.irr(flow).value == pytest.approx(rate, rel=1e-9, abs=1e-12)


def test_irr_says_when_no_rate_can_be_quoted():
    found = returns.irr([-1e-150, 1e150])
    assert found.value is None
    assert "beyond" in found.note


@pytest.mark.parametrize("flow", [[1.0, 2.0], [-1.0, -2.0], [0.0]])
def test_mirr_needs_both_signs(flow):
    found = returns.mirr(flow, 0.05, 0.05)
    assert found.value is None
    assert "one sign" in found.note


def test_payback_takes_the_last_crossing():
    # paid back after 2 years, but a replacement of 90 in year 3 makes it negative again
    assert returns.simple_payback([-100.0, 50.0, 50.0, -90.0, 60.0, 60.0]).value == pytest.approx(4.5)


def test_payback_counts_what_is_missing():
    found = returns.simple_payback([-100.0, 20.0, 30.0])
    assert found.value is None
    assert "50.00" in found.note
    assert "2 years" in found.note


def test_payback_exactly_at_the_end():
    assert returns.simple_payback([-100.0, 50.0, 50.0]).value == 2.0


def test_payback_of_nothing_owed_is_zero():
    assert returns.simple_payback([0.0, 5.0]).value == 0.0


def test_annuity_pays_back_its_present_value():
    payment = returns.annuity(5000.0, 0.03, 7)
    assert returns.npv(0.03, np.r_[0.0, np.full(7, payment)]) == pytest.approx(5000.0)


def test_annuity_at_rate_zero_is_an_equal_share():
    assert returns.annuity(1000.0, 0.0, 8) == 125.0


def test_annuity_factor_is_continuous_where_growth_equals_rate():
    exact = returns.annuity_factor(0.04, 20, 0.04)
    assert exact == pytest.approx(20 / 1.04)
    assert returns.annuity_factor(0.04, 20, 0.04 + 1e-9) == pytest.approx(exact, rel=1e-7)
    assert returns.annuity_factor(0.04, 20, 0.04 + 1e-13) == pytest.approx(exact, rel=1e-10)


def test_annuity_needs_a_year():
    with pytest.raises(DomainError, match="years"):
        returns.annuity_factor(0.05, 0)
