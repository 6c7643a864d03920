"""Forecasts use nothing that happens later than the instant they are made at."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.studies.beliefs import Forecast, PriceBelief, published_until

QUARTER_S = 900
DAY = 96


def test_persistence_repeats_yesterday_and_measures_now():
    values = np.arange(3.0 * DAY)
    forecast = Forecast(values, "same-time-yesterday", QUARTER_S, np.zeros(0))
    seen = forecast.view(DAY + 10, 4)
    assert seen.tolist() == [DAY + 10, 11, 12, 13]


def test_persistence_reaches_into_the_week_before_the_study():
    history = np.arange(7.0 * DAY)
    forecast = Forecast(np.full(2 * DAY, -1.0), "same-time-last-week", QUARTER_S, history)
    assert forecast.view(0, 3).tolist() == [-1.0, 1.0, 2.0]
    assert forecast.view(DAY, 3).tolist() == [-1.0, DAY + 1, DAY + 2]


def test_a_known_series_is_known():
    forecast = Forecast(np.arange(10.0), "known", QUARTER_S, np.zeros(0))
    assert forecast.view(3, 3).tolist() == [3.0, 4.0, 5.0]


@given(st.sampled_from(["same-time-yesterday", "same-time-last-week"]), st.integers(0, 500), st.integers(1, 100))
def test_the_future_never_leaks(method, now, horizon):
    values = np.arange(700.0)
    other = values.copy()
    other[now + 1 :] = -999.0
    history = np.arange(50.0)
    one = Forecast(values, method, QUARTER_S, history).view(now, horizon)
    two = Forecast(other, method, QUARTER_S, history).view(now, horizon)
    assert one.tolist() == two.tolist()


@given(st.integers(0, 4 * DAY - 1), st.integers(1, DAY))
def test_unpublished_prices_never_leak(now, horizon):
    grid = TimeGrid.for_days(date(2024, 6, 3), date(2024, 6, 8), timedelta(minutes=15), "Europe/Amsterdam")
    known = published_until(grid, 13)
    values = np.arange(float(grid.periods))
    other = values.copy()
    other[known[now] :] = -999.0
    horizon = min(horizon, grid.periods - now)
    one = PriceBelief(values, known, QUARTER_S).view(now, horizon)
    assert one.tolist() == PriceBelief(other, known, QUARTER_S).view(now, horizon).tolist()
    certain = max(0, int(known[now]) - now)
    assert one[:certain].tolist() == values[now : now + horizon][:certain].tolist()


def test_prices_are_published_at_the_gate_and_that_is_news():
    grid = TimeGrid.for_days(date(2024, 3, 30), date(2024, 4, 1), timedelta(minutes=15), "Europe/Amsterdam")
    known = published_until(grid, 13)
    assert known[0] == DAY  # the first day itself
    assert known[13 * 4] == DAY + 92  # the next day has 23 hours
    belief = PriceBelief(np.zeros(grid.periods), known, QUARTER_S)
    assert [k for k in range(DAY) if belief.news_at(k)] == [52]
    with pytest.raises(DomainError):
        published_until(grid, 25)


def test_a_tariff_is_all_known():
    belief = PriceBelief(np.arange(10.0), None, QUARTER_S)
    assert belief.view(2, 3).tolist() == [2.0, 3.0, 4.0]
    assert not belief.news_at(4)
