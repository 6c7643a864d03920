"""Uncontrolled charging of the same stays: energy is kept, power is bounded, it comes first."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.economics.counterfactual import MeteredStay, energy_cost, metered_kwh, uncontrolled_kwh

START = datetime(2026, 6, 1, tzinfo=UTC)
GRID = TimeGrid(START, timedelta(minutes=15), 96)


def at(hours):
    return START + timedelta(hours=hours)


@st.composite
def stays(draw):
    begins = draw(st.floats(0.0, 12.0))
    ends = begins + draw(st.floats(0.5, 11.0))
    count = draw(st.integers(2, 6))
    times = sorted(draw(st.lists(st.floats(begins, ends), min_size=count, max_size=count, unique=True)))
    rises = draw(st.lists(st.floats(0.0, 10.0), min_size=count, max_size=count))
    backs = draw(st.lists(st.floats(0.0, 2.0), min_size=count, max_size=count))
    taken = list(zip(map(at, times), np.cumsum(rises), strict=True))
    given_ = list(zip(map(at, times), np.cumsum(backs), strict=True))
    return MeteredStay(at(begins), at(ends), draw(st.floats(1.4, 22.0)), taken, given_)


@settings(max_examples=60)
@given(stays())
def test_energy_is_kept_and_the_reference_comes_first(stay):
    taken, given_back = metered_kwh(stay, GRID)
    assert taken.sum() == pytest.approx(stay.taken_kwh, abs=1e-6)
    assert given_back.sum() == pytest.approx(stay.given_kwh, abs=1e-6)
    drawn = uncontrolled_kwh(stay, GRID, 0.9, 0.9)
    wanted = max(0.0, stay.taken_kwh - stay.given_kwh / 0.81)
    assert drawn.sum() == pytest.approx(wanted, abs=1e-6)
    hours = (stay.ends - stay.begins).total_seconds() / 3600
    assert drawn.max() / 0.25 <= max(stay.charge_kw, wanted / hours) + 1e-6
    if stay.given_kwh == 0.0 and wanted <= stay.charge_kw * hours and taken.max() / 0.25 <= stay.charge_kw:
        assert (np.cumsum(drawn) >= np.cumsum(taken) - 1e-6).all()


@settings(max_examples=30)
@given(stays(), st.integers(2, 95))
def test_cutting_the_grid_cuts_the_result(stay, cut):
    whole = uncontrolled_kwh(stay, GRID, 0.9, 0.9)
    parts = [
        uncontrolled_kwh(stay, GRID.slice(0, cut), 0.9, 0.9),
        uncontrolled_kwh(stay, GRID.slice(cut, 96), 0.9, 0.9),
    ]
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-9)


def test_import_and_export_have_their_own_price():
    net, price = np.array([2.0, -3.0]), np.array([0.3, 0.4])
    assert energy_cost(net, price, np.array([0.1, 0.2])) == pytest.approx(0.6 - 0.6)


def test_a_stay_without_readings_drew_nothing_and_nonsense_is_refused():
    assert not uncontrolled_kwh(MeteredStay(at(0), at(1), 11.0, [(at(0), 5.0)]), GRID, 0.9, 0.9).any()
    for begins, ends, kw in ((1, 0, 11.0), (0, 1, 0.0)):
        with pytest.raises(DomainError):
            MeteredStay(at(begins), at(ends), kw)
    with pytest.raises(DomainError):
        uncontrolled_kwh(MeteredStay(at(0), at(1), 11.0), GRID, 0.0, 0.9)
