"""Sessions in figures, against sums done by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.sessions import session_table
from bothways.mobility.statistics import plug_in_profile, session_statistics


def at(day: int, hour: float) -> int:
    """Amsterdam in June 2024 is two hours ahead of UTC; the 3rd is a Monday."""
    return int((datetime(2024, 6, day, tzinfo=UTC) + timedelta(hours=hour - 2)).timestamp())


TABLE = session_table(
    ["a", "b", "c"],
    ["E1", "E2", "E1"],
    [at(3, 8.25), at(3, 9), at(8, 22)],
    [at(3, 10), at(3, 9.5), at(9, 2)],
    [3.5, 4.0, 6.0],
    vehicle_id=["v", None, "w"],
    charge_kw=[7.0, 4.0, 0.0],
    has_charge_kw=[True, True, False],
)


def test_figures_by_hand() -> None:
    figures = session_statistics(TABLE, "Europe/Amsterdam", rating_kw=3.0)
    assert (figures.sessions, figures.evses, figures.vehicles, figures.days) == (3, 2, 2, 7.0)
    assert figures.stay_h.mean == pytest.approx((1.75 + 0.5 + 4.0) / 3)
    assert figures.stay_h.median == 1.75
    assert figures.total_kwh == 13.5
    assert figures.delivered_kwh.mean == 4.5
    assert figures.plugged_h_per_evse_day == pytest.approx(6.25 / 14)
    assert figures.plugged_h_per_vehicle_day == pytest.approx(5.75 / 14)
    assert figures.slack_h.median == pytest.approx(1.25)  # of 1.75 − 0.5, max(0, 0.5 − 1) and 4 − 2
    weekday = np.zeros(24)
    weekday[8:10] = [0.75 / 5, 1.5 / 5]
    weekend = np.zeros(24)
    weekend[[22, 23, 0, 1]] = 0.5
    np.testing.assert_allclose(figures.profile.weekday, weekday, atol=1e-12)
    np.testing.assert_allclose(figures.profile.weekend, weekend, atol=1e-12)
    np.testing.assert_allclose(figures.profile.weekend_share, weekend / 2, atol=1e-12)


def test_the_profile_holds_all_connected_hours_of_a_25_hour_day() -> None:
    day = TimeGrid.for_days(date(2024, 10, 27), date(2024, 10, 27), timedelta(minutes=15), "Europe/Amsterdam")
    table = session_table(["a"], ["E"], [day.start_s], [day.start_s + 25 * 3600], [1.0])
    profile = plug_in_profile(table, day)
    np.testing.assert_allclose(profile.weekend_share, np.ones(24))
    np.testing.assert_array_equal(profile.weekday, np.zeros(24))


def test_unknown_vehicles_have_no_hours_per_vehicle() -> None:
    table = session_table(["a"], ["E"], [at(3, 8)], [at(3, 9)], [1.0])
    assert session_statistics(table, "Europe/Amsterdam", 7.0).plugged_h_per_vehicle_day is None


def test_nothing_to_describe() -> None:
    with pytest.raises(DomainError, match="at least one"):
        session_statistics(session_table([], [], [], [], []), "UTC", 7.0)
    with pytest.raises(DomainError, match="rating"):
        session_statistics(TABLE, "UTC", 0.0)
