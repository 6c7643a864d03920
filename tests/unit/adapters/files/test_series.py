"""Series: the step is found, daylight saving is followed, and nothing is guessed."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from bothways.adapters.files.series import Series, read_series, resample
from bothways.domain.errors import InputError, Problem
from bothways.domain.timegrid import TimeGrid

PACIFIC = ZoneInfo("America/Los_Angeles")


def written(folder: Path, lines: list[str], name: str = "load.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(["timestamp,load_kw", *lines]) + "\n", encoding="utf-8")
    return path


def local_rows(first: datetime, last: datetime, step: timedelta, pattern: str) -> list[str]:
    """Rows as a logger with a wall clock writes them: walks in UTC, shows local time."""
    rows, at, n = [], first.astimezone(UTC), 0
    while at < last.astimezone(UTC):
        rows.append(f"{at.astimezone(PACIFIC).strftime(pattern)},{n}")
        at += step
        n += 1
    return rows


def problems_of(path: Path, **options) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read_series(path, "load_kw", **options)
    return caught.value.problems


@pytest.mark.parametrize("pattern", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"])
@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
@pytest.mark.parametrize(("day", "hours"), [(date(2019, 3, 10), 23), (date(2019, 11, 3), 25), (date(2019, 6, 1), 24)])
def test_days_of_23_and_25_hours(tmp_path: Path, pattern: str, minutes: int, day: date, hours: int) -> None:
    begin = datetime(day.year, day.month, day.day, tzinfo=PACIFIC)
    after = day + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=PACIFIC)
    rows = local_rows(begin, end, timedelta(minutes=minutes), pattern)
    series = read_series(written(tmp_path, rows), "load_kw", tz="America/Los_Angeles")
    assert series.grid == TimeGrid.for_days(day, day, timedelta(minutes=minutes), "America/Los_Angeles")
    assert series.grid.periods == hours * 60 // minutes
    assert series.values.tolist() == list(range(series.grid.periods))
    assert series.warnings == ()


def test_offsets_need_no_zone_and_win_over_it(tmp_path: Path) -> None:
    rows = ["2019-05-01T05:00:00-07:00,1", "2019-05-01T13:00:00Z,2", "2019-05-01T16:00:00+0200,3"]
    for tz in (None, "Asia/Tokyo"):
        series = read_series(written(tmp_path, rows), "load_kw", tz=tz)
        assert series.grid.start == datetime(2019, 5, 1, 12, tzinfo=UTC)
        assert series.grid.step == timedelta(hours=1)
        assert series.values.tolist() == [1.0, 2.0, 3.0]


def test_units_names_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(b"time_utc,x,load_W\n2024-01-01T00:00Z,a,1500\n2024-01-01T00:30Z,b,-250\n"))
    series = read_series(path, "load_W", timestamp="time_utc", unit_factor=0.001)
    assert series.values.tolist() == [1.5, -0.25]
    assert series.grid.step == timedelta(minutes=30)


@pytest.mark.parametrize("kind", ["aware", "naive", "text"])
def test_parquet(tmp_path: Path, kind: str) -> None:
    starts = [datetime(2019, 5, 1, 5, minute) for minute in (0, 15, 30)]
    stamps = pl.Series("timestamp", starts)
    if kind == "aware":
        stamps = stamps.dt.replace_time_zone("America/Los_Angeles")
    elif kind == "text":
        stamps = stamps.dt.to_string("%Y-%m-%dT%H:%M:%S")
    path = tmp_path / "t.parquet"
    pl.DataFrame({"timestamp": stamps, "load_kw": [1, 2, 3]}).write_parquet(path)
    series = read_series(path, "load_kw", tz="America/Los_Angeles")
    assert series.grid.start == datetime(2019, 5, 1, 12, tzinfo=UTC)
    assert series.values.tolist() == [1.0, 2.0, 3.0]


def test_all_problems_at_once_with_lines(tmp_path: Path) -> None:
    rows = [
        "2024-01-01T00:00Z,1",
        "2024-01-01T01:00Z,",
        "2024-01-01T02:00Z,two",
        "2024-01-01T03:00Z,nan",
        "2024-01-01T03:00Z,4",
        "2024-01-01T07:00Z,1e9",
        "2024-01-01T06:00Z,5",
        "2024-01-01T07:00Z,5",
        "2024-01-01T08:00Z,5",
        "2024-01-01T09:00Z,5",
        "2024-01-01T09:07Z,5",
    ]
    found = [str(problem) for problem in problems_of(written(tmp_path, rows), quantity="load [kW]")]
    for line, column, words in [
        (3, "load_kw", "an empty cell"),
        (4, "load_kw", "'two'"),
        (5, "load_kw", "'nan'"),
        (6, "timestamp", "Remove the duplicate"),
        (7, "load_kw", "'1e9'; allowed: load [kW] from -100000 to 100000"),
        (7, "timestamp", "3 row(s) missing"),
        (8, "timestamp", "Sort the rows"),
        (12, "timestamp", "same step"),
    ]:
        assert any(f"load.csv line {line}, column {column}: " in text and words in text for text in found), (
            line,
            words,
        )
    assert len(found) == 8


def test_problems_beyond_twenty_are_counted(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d}T{hour:02d}:00Z,x" for day in (1, 2) for hour in range(24)]
    found = problems_of(written(tmp_path, rows))
    assert len(found) == 21
    assert found[-1].found == "… and 28 more of this kind"


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (["2024-01-01 00:00,1", "2024-01-01 01:00,1"], {}, "tz"),
        (["2019-03-10 01:00,1", "2019-03-10 02:00,1"], {"tz": "America/Los_Angeles"}, "clocks go forward"),
        (["2024-01-01T00:00Z,1"], {}, "at least 2 rows"),
        ([], {}, "at least 2 rows"),
        (["2024-01-01T00:00Z,1", "2024-01-01T00:00Z,1"], {}, "no step forward"),
        (["2024-01-01T00:00:00.5Z,1", "2024-01-01T01:00:00.5Z,1"], {}, "whole seconds"),
        (["2024-01-01,1", "2024-02-01,1"], {"tz": "UTC"}, "24 h"),
        (["01.02.2024 00:00,1", "01.02.2024 01:00,1"], {"tz": "UTC"}, "ISO-8601"),
        (["1024-01-01T00:00Z,1", "1024-01-01T01:00Z,1"], {}, "1970"),
        (["2024-01-01T00:00Z,1", "2024-01-01T01:00Z,1"], {"tz": "Mars/Base"}, "Mars/Base"),
        (["2024-01-01T00:00Z,1", "2024-01-01T01:00Z,1"], {"timestamp": "timestmp"}, "Did you mean 'timestamp'"),
        (["2024-01-01T00:00Z,250", "2024-01-01T01:00Z,3e5"], {"plausible": (0, 1000)}, "W where kW is meant"),
        (["2019-11-03 00:30,1", "2019-11-03 01:00,1", "2019-11-03 01:30,1", "2019-11-03 02:00,1"],
         {"tz": "America/Los_Angeles"}, "2 row(s) missing"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, rows: list[str], options: dict, words: str) -> None:
    assert words in "\n".join(map(str, problems_of(written(tmp_path, rows), **options)))


def test_hold_fills_short_gaps_and_says_so(tmp_path: Path) -> None:
    rows = ["2024-01-01T00:00Z,1", "2024-01-01T01:00Z,2", "2024-01-01T03:00Z,4", "2024-01-01T04:00Z,"]
    path = written(tmp_path, rows)
    series = read_series(path, "load_kw", fill="hold", fill_up_to=1)
    assert series.values.tolist() == [1, 2, 2, 4, 4]
    (warning,) = series.warnings
    assert "2 step(s)" in warning
    assert "2024-01-01T02:00Z, 2024-01-01T04:00Z" in warning
    assert len(problems_of(path)) == 2
    assert len(problems_of(path, fill_up_to=1)) == 2


def test_hold_refuses_what_is_too_long_or_has_nothing_before(tmp_path: Path) -> None:
    rows = ["2024-01-01T00:00Z,", "2024-01-01T01:00Z,2", "2024-01-01T02:00Z,nan", "2024-01-01T03:00Z,",
            "2024-01-01T04:00Z,1"]  # fmt: skip
    found = [str(problem) for problem in problems_of(written(tmp_path, rows), fill="hold", fill_up_to=1)]
    assert len(found) == 2
    assert "at the very beginning" in found[0]
    assert "2 step(s) without a value" in found[1]


def test_a_year_of_dutch_prices(bench_data: Path) -> None:
    path = bench_data.parent / "bundle" / "nl_day_ahead_hourly_2015-2024.csv.gz"
    series = read_series(
        path, "price_eur_per_mwh", timestamp="datetime_utc", unit_factor=0.001, plausible=(-1, 5),
        quantity="price [EUR/kWh]", fill="hold", fill_up_to=1,
    )  # fmt: skip
    assert "2 step(s)" in series.warnings[0]
    assert "2023-12-30T23:00Z, 2024-12-30T23:00Z" in series.warnings[0]
    first = series.grid.position(datetime(2024, 1, 1, tzinfo=UTC))
    assert int((series.values[int(first) :] < 0).sum()) == 458
    assert (series.values.min(), series.values.max()) == pytest.approx((-0.5, 0.87296))


def series_of(values: list[float], minutes: int) -> Series:
    grid = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(minutes=minutes), len(values))
    return Series(grid, np.array(values, dtype=np.float64))


def test_resample() -> None:
    series = series_of([1, 2, 3, 6, 0, 0], 30)
    start = series.grid.start
    hours = TimeGrid(start, timedelta(hours=1), 3)
    assert resample(series, hours).values.tolist() == [1.5, 4.5, 0.0]
    quarters = TimeGrid(start + timedelta(minutes=15), timedelta(minutes=15), 4)
    assert resample(series, quarters).values.tolist() == [1, 2, 2, 3]
    shifted = TimeGrid(start + timedelta(minutes=45), timedelta(hours=1), 2)
    np.testing.assert_allclose(resample(series, shifted).values, [(2 * 15 + 3 * 30 + 6 * 15) / 60, (6 * 15) / 60])
    thirds = TimeGrid(start, timedelta(minutes=20), 9)
    assert resample(series, thirds).values.mean() == pytest.approx(2.0)


def test_resample_refuses_what_is_not_covered() -> None:
    series = series_of([1, 2], 30)
    with pytest.raises(InputError, match="2024-01-01T01:00Z"):
        resample(series, TimeGrid(series.grid.start, timedelta(minutes=30), 3))


def test_a_repeated_hour_that_stands_once_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    hours = "".join(f"2019-11-03T{hour:02d}:00:00,1\n" for hour in (0, 1, 2, 3))
    path.write_text(f"timestamp,load_kw\n{hours}")
    with pytest.raises(InputError) as caught:
        read_series(path, "load_kw", tz="America/Los_Angeles")
    (problem,) = caught.value.problems
    assert "1 row(s) missing" in problem.found
    assert "repeats stands twice" in problem.allowed
    assert problem.where.endswith("line 4, column timestamp")


def test_decimal_commas_are_named(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("timestamp;load_kw\n2019-06-01T00:00Z;1,5\n2019-06-01T01:00Z;1,7\n")
    with pytest.raises(InputError) as caught:
        read_series(path, "load_kw")
    assert all("1.5 for 1,5" in problem.remedy for problem in caught.value.problems)
