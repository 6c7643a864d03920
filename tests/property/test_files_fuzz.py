"""Whatever bytes come in, only an InputError with places and remedies comes out."""

import csv
import gzip
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.files.reading import parse_json, parse_toml, read_bytes
from bothways.adapters.files.series import Series, read_series, resample
from bothways.adapters.files.tables import parse_csv
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid

JSON_LIKE = st.lists(
    st.sampled_from(['{', '}', '[', ']', ',', ':', '"a"', '"b"', '1', '-2.5e3',
                      '1e999', 'NaN', 'null', '\n', ' ', '"\\ud800"']),
    max_size=30,
).map("".join)  # fmt: skip
TOML_LIKE = st.lists(
    st.sampled_from(["[", "]", "a", "b", ".", "=", "1", "nan", '"', "'", "\n", " ", "{", "}", ",", "1979-05-27", "#"]),
    max_size=30,
).map("".join)  # fmt: skip
CSV_LIKE = st.lists(
    st.sampled_from(
        ["timestamp", "load_kw", ",", ",", "\n", "\n", ";", '"', "1", "2.5", "nan", "", " ", "\r", "é", "\0",
         "2024-01-01T00:00Z", "2024-01-01T01:00Z", "2024-01-01T02:00Z", "2024-03-31 02:30", "2024-10-27 02:30"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def said(error: InputError) -> None:
    for problem in error.problems:
        assert problem.where
        assert problem.found
        assert problem.allowed
        assert problem.remedy
        str(problem).encode("utf-8")


@given(st.one_of(JSON_LIKE, st.text()))
def test_json(text: str) -> None:
    try:
        value = parse_json(text, "f")
    except InputError as error:
        said(error)
    else:
        json.dumps(value, allow_nan=False).encode("utf-8")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_that_is_fine_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value, indent=1), "f") == value


@given(st.one_of(TOML_LIKE, st.text()))
def test_toml(text: str) -> None:
    try:
        parse_toml(text, "f")
    except InputError as error:
        said(error)


@given(st.binary(max_size=200), st.booleans(), st.sampled_from(["a.csv", "a.csv.gz"]))
def test_bytes(content: bytes, packed: bool, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(content)[: -len(content) % 7 or None] if packed else content)
        try:
            read_bytes(path)
        except InputError as error:
            said(error)
        try:
            read_series(path, "load_kw")
        except InputError as error:
            said(error)


@given(CSV_LIKE | st.text(), st.sampled_from([None, "Europe/Amsterdam"]), st.sampled_from([0, 2]))
def test_series(text: str, tz: str | None, hold: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(b"timestamp,load_kw\n" + text.encode("utf-8"))
        try:
            series = read_series(path, "load_kw", tz=tz, fill="hold" if hold else "none", fill_up_to=hold)
        except InputError as error:
            said(error)
        else:
            assert np.isfinite(series.values).all()
            assert series.values.shape == (series.grid.periods,)


@given(st.binary(max_size=300))
def test_parquet_that_is_none(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        path.write_bytes(b"PAR1" + content + b"PAR1")
        with pytest.raises(InputError):
            read_series(path, "load_kw")


CELL = st.text(alphabet=st.sampled_from('ab1 ,;"\n\té'), max_size=6)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8), st.booleans())
def test_csv_comes_back_as_another_writer_wrote_it(rows: list[list[str]], quote_all: bool) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerows([["x", "y", "z"], *rows])
    frame, lines = parse_csv(out.getvalue().encode("utf-8"), "f")
    kept = [tuple(cell or None for cell in row) for row in rows if any(cell.strip() for cell in row)]
    assert [row for row in frame.rows() if any(cell and cell.strip() for cell in row)] == kept
    assert len(lines) == frame.height
    assert (np.diff(lines) > 0).all()


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=12, max_size=48),
    st.sampled_from([1, 5, 10, 15, 20, 30, 45, 60]),
    st.integers(0, 40),
)
def test_resampling_keeps_energy(values: list[float], minutes: int, skip: int) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    series = Series(TimeGrid(start, timedelta(minutes=15), len(values)), np.array(values))
    begin = start + timedelta(minutes=skip)
    grid = TimeGrid(begin, timedelta(minutes=minutes), (len(values) * 15 - skip) // minutes)
    result = resample(series, grid)
    minute = np.repeat(values, 15)[skip : skip + grid.periods * minutes]
    np.testing.assert_allclose(result.values.sum() * minutes, minute.sum(), atol=1e-6)
    np.testing.assert_allclose(result.values, minute.reshape(grid.periods, minutes).mean(axis=1), atol=1e-8)
