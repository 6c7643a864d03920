"""Standard loads: independent numbers from demandlib's own classes, days of 23 and 25 hours, exact scaling."""

import importlib
import sys
import warnings
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from bothways.adapters.profiles.load import PROFILES, describe_load, standard_load_kw
from bothways.adapters.profiles.tables import classic_table
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid

AMSTERDAM = "Europe/Amsterdam"
QUARTER = timedelta(minutes=15)


def days(first: date, last: date, *, step: timedelta = QUARTER, tz: str = AMSTERDAM) -> TimeGrid:
    return TimeGrid.for_days(first, last, step, tz)


def demandlib_year(profile: str, year: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """What demandlib itself gives for a year without clock changes, at 15 min."""
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bdew = importlib.import_module("demandlib.bdew")
        monkeypatch.setattr(warnings, "simplefilter", lambda *_args, **_kwargs: None)  # it asks for "error", always
        if profile.endswith("25"):
            index = pandas.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="15min", inclusive="left")
            series = getattr(bdew, profile.upper())(index)
        else:
            series = bdew.ElecSlp(year).slp_frame[profile]
        return np.array(series, dtype=float)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_equals_demandlib_where_there_is_no_clock_change(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = TimeGrid(datetime(2023, 1, 1, tzinfo=UTC), QUARTER, 365 * 96, "UTC")
    ours = standard_load_kw(grid, profile, annual_kwh=4000.0)
    with monkeypatch.context() as patch:
        theirs = demandlib_year(profile, 2023, patch)
    theirs *= 4000.0 / (theirs.sum() * 0.25)
    tolerance = 2e-2 if profile == "h0_dyn" else 1e-9  # h0_dyn: it counts fractions of days, the rule counts days
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def test_a_holiday_is_a_sunday() -> None:
    christmas_2024 = days(date(2024, 12, 25), date(2024, 12, 25))  # a Wednesday
    sunday = days(date(2024, 12, 22), date(2024, 12, 22))
    off = standard_load_kw(christmas_2024, "g1", annual_kwh=1000.0, holidays="NL")
    np.testing.assert_allclose(off, standard_load_kw(sunday, "g1", annual_kwh=1000.0, holidays="NL"))
    assert standard_load_kw(christmas_2024, "g1", annual_kwh=1000.0).max() > 3 * off.max()


@pytest.mark.parametrize("profile", ["h0_dyn", "g1", "h25"])
@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_energy_of_a_year_is_exact(profile: str, minutes: int) -> None:
    grid = days(date(2024, 1, 1), date(2024, 12, 31), step=timedelta(minutes=minutes))
    power = standard_load_kw(grid, profile, annual_kwh=3500.0)
    assert power.sum() * grid.step_h == pytest.approx(3500.0, rel=1e-12)


def test_every_calendar_year_has_its_own_energy() -> None:
    grid = days(date(2023, 1, 1), date(2024, 12, 31))
    power = standard_load_kw(grid, "g0", annual_kwh=1000.0)
    for year in (2023, 2024):
        assert power[grid.local.year == year].sum() * 0.25 == pytest.approx(1000.0, rel=1e-12)


def test_peak_of_a_year_is_exact_and_a_month_stays_below() -> None:
    year = days(date(2026, 1, 1), date(2026, 12, 31), tz="America/Vancouver")
    power = standard_load_kw(year, "h0_dyn", peak_kw=300.0, holidays="CA-BC")
    assert power.max() == pytest.approx(300.0, rel=1e-12)
    assert power.min() > 0.0
    july = days(date(2026, 7, 1), date(2026, 7, 31), tz="America/Vancouver")
    part = standard_load_kw(july, "h0_dyn", peak_kw=300.0, holidays="CA-BC")
    np.testing.assert_allclose(part, power[year.local.month == 7])


def test_short_day_leaves_out_the_hour_that_does_not_exist() -> None:
    short = standard_load_kw(days(date(2024, 3, 31), date(2024, 3, 31)), "g1", annual_kwh=1000.0)
    plain = standard_load_kw(days(date(2024, 4, 7), date(2024, 4, 7)), "g1", annual_kwh=1000.0)  # next Sunday
    assert short.shape == (92,)
    np.testing.assert_allclose(short, np.delete(plain, slice(8, 12)))


def test_long_day_has_the_repeated_hour_twice() -> None:
    long = standard_load_kw(days(date(2024, 10, 27), date(2024, 10, 27)), "g1", annual_kwh=1000.0)
    plain = standard_load_kw(days(date(2024, 10, 20), date(2024, 10, 20)), "g1", annual_kwh=1000.0)
    assert long.shape == (100,)
    np.testing.assert_allclose(long, np.insert(plain, 12, plain[8:12]))


def test_office_hours_are_local_hours() -> None:
    noon_in_los_angeles = TimeGrid(datetime(2019, 7, 9, 19, tzinfo=UTC), QUARTER, 4, "America/Los_Angeles")
    night_in_los_angeles = TimeGrid(datetime(2019, 7, 9, 9, tzinfo=UTC), QUARTER, 4, "America/Los_Angeles")
    day = standard_load_kw(noon_in_los_angeles, "g1", peak_kw=150.0)
    night = standard_load_kw(night_in_los_angeles, "g1", peak_kw=150.0)
    assert day.min() > 5 * night.max()


def test_hours_are_the_means_of_their_quarters() -> None:
    day = date(2024, 5, 14)
    fine = standard_load_kw(days(day, day), "h25", annual_kwh=3500.0)
    hours = standard_load_kw(days(day, day, step=timedelta(hours=1)), "h25", annual_kwh=3500.0)
    np.testing.assert_allclose(hours, fine.reshape(24, 4).mean(axis=1))


def test_a_grid_off_the_quarter_hour_keeps_the_energy() -> None:
    start = datetime(2024, 5, 14, 0, 5, tzinfo=UTC)
    shifted = standard_load_kw(TimeGrid(start, timedelta(minutes=15), 96, "UTC"), "g0", annual_kwh=1000.0)
    fine = standard_load_kw(TimeGrid(start, timedelta(minutes=5), 288, "UTC"), "g0", annual_kwh=1000.0)
    np.testing.assert_allclose(shifted, fine.reshape(96, 3).mean(axis=1))


def test_all_problems_come_at_once() -> None:
    grid = days(date(2024, 5, 14), date(2024, 5, 14))
    with pytest.raises(InputError) as caught:
        standard_load_kw(grid, "h2x", annual_kwh=float("nan"), peak_kw=-3.0)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "h2x" in text
    assert "exactly one of the two" in text
    assert "kWh and kW, not Wh and W" in text


@pytest.mark.parametrize("country", ["XX", "US-ZZ"])
def test_unknown_country_is_named(country: str) -> None:
    with pytest.raises(InputError, match=country):
        standard_load_kw(days(date(2024, 5, 14), date(2024, 5, 14)), "g1", peak_kw=1.0, holidays=country)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    classic_table.cache_clear()
    monkeypatch.setitem(sys.modules, "demandlib", None)
    with pytest.raises(InputError, match=r"pip install 'bothways\[profiles\]'"):
        standard_load_kw(days(date(2024, 5, 14), date(2024, 5, 14)), "g1", peak_kw=1.0)


def test_description_names_profile_scale_and_holidays() -> None:
    text = describe_load("G1", peak_kw=150.0, holidays="US-CA")
    assert text.startswith("BDEW standard load profile G1 (business on weekdays 8-18 h")
    assert "as stand-in" in text
    assert "150 kW peak" in text
    assert "US-CA" in text
    assert "3500 kWh a year; no public holidays" in describe_load("h25", annual_kwh=3500.0)
