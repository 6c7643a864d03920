"""TimeGrid: steps are counted in UTC, calendar fields follow the local clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid, month_label

QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("day", "tz", "quarters"),
    [
        (date(2019, 3, 10), "America/Los_Angeles", 92),
        (date(2019, 11, 3), "America/Los_Angeles", 100),
        (date(2024, 3, 31), "Europe/Amsterdam", 92),
        (date(2024, 10, 27), "Europe/Amsterdam", 100),
        (date(2024, 7, 1), "Europe/Amsterdam", 96),
        (date(2024, 10, 6), "Australia/Lord_Howe", 94),  # half an hour of daylight saving
        (date(2024, 7, 1), "Asia/Kathmandu", 96),
    ],
)
def test_days_have_their_real_length(day, tz, quarters):
    grid = TimeGrid.for_days(day, day, QUARTER, tz)
    assert grid.periods == quarters
    assert set(grid.local.date_ordinal) == {day.toordinal()}
    assert grid.end == TimeGrid.for_days(day + timedelta(days=1), day + timedelta(days=1), QUARTER, tz).start


@given(
    start=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)),
    tz=st.sampled_from(["America/Los_Angeles", "Europe/Amsterdam", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    minutes=st.sampled_from([5, 15, 60]),
)
def test_local_fields_agree_with_the_standard_library(start, tz, minutes):
    start = start.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    grid = TimeGrid(start, timedelta(minutes=minutes), 300, tz)
    local = grid.local
    for k in range(0, 300, 37):
        wall = grid.instant(k).astimezone(ZoneInfo(tz))
        assert (wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.weekday()) == (
            local.year[k],
            local.month[k],
            local.day[k],
            local.hour[k],
            local.minute[k],
            local.weekday[k],
        )
        assert wall.date().toordinal() == local.date_ordinal[k]


def test_every_step_around_a_change_of_clocks_is_right():
    grid = TimeGrid.for_days(date(2019, 11, 2), date(2019, 11, 4), timedelta(minutes=5), "America/Los_Angeles")
    expected = [
        int(grid.instant(k).astimezone(ZoneInfo(grid.tz)).utcoffset().total_seconds()) for k in range(grid.periods)
    ]
    assert grid.utc_offset_s.tolist() == expected


def test_slices_and_positions():
    grid = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), QUARTER, 96)
    part = grid.slice(8, 12)
    assert part.start == datetime(2024, 1, 1, 2, tzinfo=UTC)
    assert part.periods == 4
    assert grid.position(datetime(2024, 1, 1, 0, 7, 30, tzinfo=UTC)) == pytest.approx(0.5)
    assert grid.instants[1] == np.datetime64("2024-01-01T00:15:00")
    assert month_label(int(grid.local.month_index[0])) == "2024-01"


@pytest.mark.parametrize(
    "bad",
    [
        {"start": datetime(2024, 1, 1)},
        {"step": timedelta(0)},
        {"step": timedelta(seconds=0.5)},
        {"periods": 0},
        {"tz": "Mars/Olympus"},
        {"tz": "../etc/passwd"},
    ],
)
def test_nonsense_is_refused(bad):
    good = {"start": datetime(2024, 1, 1, tzinfo=UTC), "step": QUARTER, "periods": 4, "tz": "UTC"}
    with pytest.raises(DomainError):
        TimeGrid(**{**good, **bad})


def test_naive_instants_and_empty_slices_are_refused():
    grid = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), QUARTER, 4)
    with pytest.raises(DomainError):
        grid.position(datetime(2024, 1, 1))
    with pytest.raises(DomainError):
        grid.slice(2, 2)
