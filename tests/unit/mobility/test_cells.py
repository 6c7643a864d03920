"""Cells become numbers and instants, or faults."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from bothways.domain.errors import DomainError, InputError
from bothways.mobility.cells import Fault, RowProblems, local_to_epoch, parse_instants, parse_numbers


def test_numbers_from_text() -> None:
    cells = ["1", " 2.5 ", "-3e2", "+4", "1_000", "1,5", "0x1", "", None, "  ", "nan", "inf", "1e400", "x"]
    numbers = parse_numbers(pl.Series(cells))
    assert numbers.values[:4].tolist() == [1.0, 2.5, -300.0, 4.0]
    expected = [Fault.UNREADABLE] * 3 + [Fault.EMPTY] * 3 + [Fault.NOT_FINITE] * 3 + [Fault.UNREADABLE]
    assert numbers.fault.tolist() == [0, 0, 0, 0, *expected]
    assert np.isnan(numbers.values[4:]).all()


def test_numbers_from_types() -> None:
    assert parse_numbers(pl.Series([1, None, 3])).fault.tolist() == [0, Fault.EMPTY, 0]
    assert parse_numbers(pl.Series([1.5, float("nan")])).fault.tolist() == [0, Fault.NOT_FINITE]
    assert parse_numbers(pl.Series([True, None])).fault.tolist() == [Fault.UNREADABLE, Fault.EMPTY]
    assert parse_numbers(pl.Series([None, None])).fault.tolist() == [Fault.EMPTY] * 2
    assert parse_numbers(pl.Series([[1], [2]])).fault.tolist() == [Fault.UNREADABLE] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-05-01T05:04:06-07:00", datetime(2019, 5, 1, 12, 4, 6, tzinfo=UTC)),
        ("2019-05-01 05:04:06-0700", datetime(2019, 5, 1, 12, 4, 6, tzinfo=UTC)),
        (" 2019-05-01t05:04z ", datetime(2019, 5, 1, 5, 4, tzinfo=UTC)),
        ("2019-05-01T05:04:06.9Z", datetime(2019, 5, 1, 5, 4, 6, tzinfo=UTC)),
        ("2019-05-01T05:04:06 +05:30", datetime(2019, 4, 30, 23, 34, 6, tzinfo=UTC)),
        ("2019-05-01T05:04-03:30", datetime(2019, 5, 1, 8, 34, tzinfo=UTC)),
        ("2019-05-01", datetime(2019, 5, 1, 7, tzinfo=UTC)),
        ("2019-05-01T05:04:06", datetime(2019, 5, 1, 12, 4, 6, tzinfo=UTC)),
    ],
)
def test_instants(text: str, expected: datetime) -> None:
    instants = parse_instants(pl.Series([text]), "America/Los_Angeles")
    assert instants.fault.tolist() == [0]
    assert instants.epoch_s.tolist() == [int(expected.timestamp())]
    assert instants.fractional.tolist() == [".9" in text]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("2019-02-30T00:00Z", Fault.UNREADABLE),
        ("2019-05-01T24:00Z", Fault.UNREADABLE),
        ("2019-05-01T05:60Z", Fault.UNREADABLE),
        ("2019-05-01T05:00+16:00", Fault.UNREADABLE),
        ("01.05.2019 05:00", Fault.UNREADABLE),
        ("1556686800", Fault.UNREADABLE),
        ("2019-05-01T05:00", Fault.NO_OFFSET),
        ("1969-12-31T23:59Z", Fault.OUT_OF_RANGE),
        ("2100-01-01T00:00Z", Fault.OUT_OF_RANGE),
        ("9999-12-31T23:59Z", Fault.OUT_OF_RANGE),
        ("", Fault.EMPTY),
        (None, Fault.EMPTY),
    ],
)
def test_instants_that_are_none(text: str | None, fault: Fault) -> None:
    assert parse_instants(pl.Series([text], dtype=pl.String), None).fault.tolist() == [fault]


@pytest.mark.parametrize(
    "tz", ["America/Los_Angeles", "Europe/Amsterdam", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
)
def test_local_times_agree_with_the_standard_library(tz: str) -> None:
    """Every quarter hour of 2019, both readings, against zoneinfo's fold."""
    local = ZoneInfo(tz)
    walls = [datetime(2019, 1, 1) + timedelta(minutes=15 * k) for k in range(365 * 96)]
    wall_s = np.array([(wall - datetime(1970, 1, 1)) // timedelta(seconds=1) for wall in walls])
    first, last, exists = local_to_epoch(wall_s, tz)
    for k in np.flatnonzero(first != last).tolist() + np.flatnonzero(~exists).tolist() + list(range(0, len(walls), 97)):
        aware = walls[k].replace(tzinfo=local)
        back = aware.astimezone(UTC).astimezone(local).replace(tzinfo=None)
        assert exists[k] == (back == walls[k])
        assert first[k] == int(aware.timestamp())
        if exists[k]:
            assert last[k] == int(aware.replace(fold=1).timestamp())
    hours = {"America/Los_Angeles": 4, "Europe/Amsterdam": 4, "Australia/Lord_Howe": 2}.get(tz, 0)
    assert (first != last).sum() == (~exists).sum() == hours


def test_an_unknown_zone() -> None:
    with pytest.raises(DomainError, match="Mars"):
        parse_instants(pl.Series(["2019-01-01"]), "Mars/Base")
    with pytest.raises(DomainError, match="Mars"):
        local_to_epoch(np.zeros(0, dtype=np.int64), "Mars/Base")


def test_problems_share_the_list_between_kinds() -> None:
    rows = RowProblems("f.csv", lambda row: f"f.csv line {row + 2}")
    many, few = np.arange(100), np.array([7, 3])
    rows.add(many, "a", lambda row: f"a{row}", "good a", "do a")
    rows.add(few, "b", lambda row: f"b{row}", "good b", "do b")
    rows.add(np.zeros(5, dtype=np.bool_), "c", lambda row: "never", "good c", "do c")
    assert len(rows) == 102
    with pytest.raises(InputError) as caught:
        rows.raise_if_any()
    found = [problem.found for problem in caught.value.problems]
    assert {"b7", "b3"} <= set(found)
    assert len(found) == 21
    assert "… and 82 more of this kind" in found
