"""The best age of replacement, against a plain sum over years."""

import numpy as np
import pytest

from bothways.battery.replacement import ReplacementTerms, plan_replacement
from bothways.domain.errors import DomainError

LEFT = np.array([1.0, 0.96, 0.93, 0.90, 0.87, 0.84, 0.81, 0.78, 0.74, 0.69])


def plain_cost(years: int, terms: ReplacementTerms, capacity: float) -> float:
    """Present value of everything, as the level payment of the same value."""
    r = terms.interest
    value = terms.price_per_kwh * capacity
    for year in range(1, years + 1):
        missing = 1 - (LEFT[year] + LEFT[year - 1]) / 2
        value += missing * terms.missing_per_kwh_year * capacity / (1 + r) ** year
    left = LEFT[years]
    resale = terms.second_life_per_kwh * left if left >= 0.7 else terms.scrap_per_kwh
    value -= resale * capacity / (1 + r) ** years
    return value / sum((1 + r) ** -year for year in range(1, years + 1))


@pytest.mark.parametrize("interest", [0.0, 0.04, 0.12])
def test_annual_cost_is_the_level_payment(interest: float) -> None:
    terms = ReplacementTerms(110.0, 35.0, -5.0, 40.0, interest, works_down_to=0.6)
    plan = plan_replacement(LEFT, 60.0, terms)
    expected = [plain_cost(years, terms, 60.0) for years in range(1, 10)]
    np.testing.assert_allclose(plan.annual_cost, expected, rtol=1e-12)
    assert plan.best_years == int(np.argmin(expected)) + 1
    assert plan.monthly_lease == pytest.approx(min(expected) / 12)


def test_buy_back_at_the_best_age_is_what_the_market_pays_and_more_before() -> None:
    terms = ReplacementTerms(110.0, 35.0, 0.0, 40.0, 0.05, works_down_to=0.6)
    plan = plan_replacement(LEFT, 60.0, terms)
    best = plan.best_years - 1
    assert plan.fair_buy_back[best] == pytest.approx(plan.resale[best])
    others = np.delete(np.arange(9), best)
    assert np.all(plan.fair_buy_back[others] >= plan.resale[others])


def test_a_battery_is_not_kept_beyond_its_work() -> None:
    terms = ReplacementTerms(110.0, interest=0.05)
    plan = plan_replacement(LEFT, 60.0, terms)
    assert plan.best_years == 6  # the last year above 80 %
    assert plan.bounded
    assert np.isinf(plan.annual_cost[6:]).all()
    dear = plan_replacement(LEFT, 60.0, ReplacementTerms(110.0, 90.0, 0.0, 300.0, 0.05))
    assert dear.best_years < 6
    assert not dear.bounded


def test_second_life_ends_at_seventy_percent() -> None:
    terms = ReplacementTerms(110.0, 35.0, -5.0)
    np.testing.assert_allclose(terms.resale([0.8, 0.7, 0.69], 60.0), [1680.0, 1470.0, -300.0])


def test_terms_that_make_no_sense() -> None:
    for wrong in ({"price_per_kwh": -1.0}, {"price_per_kwh": 1.0, "interest": -0.1}, {"price_per_kwh": np.nan}):
        with pytest.raises(DomainError):
            ReplacementTerms(**wrong)
    with pytest.raises(DomainError, match="works_down_to"):
        ReplacementTerms(100.0, works_down_to=1.0)
    terms = ReplacementTerms(100.0)
    for left in ([1.0], [1.0, 1.2], [1.0, np.nan]):
        with pytest.raises(DomainError, match="capacity_fraction"):
            plan_replacement(np.array(left), 60.0, terms)
    with pytest.raises(DomainError, match="at once"):
        plan_replacement(np.array([1.0, 0.7]), 60.0, terms)
    with pytest.raises(DomainError, match="capacity_kwh"):
        plan_replacement(LEFT, 0.0, terms)
