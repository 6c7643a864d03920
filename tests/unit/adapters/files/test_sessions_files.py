"""Several files of sessions are one table, and every problem names its own file and line."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from bothways.adapters.files.sessions import read_sessions
from bothways.domain.errors import InputError

HEADER = "session_id,evse_id,arrival,departure,delivered_kwh\n"


def test_files_are_joined_and_overlaps_found_across_them(tmp_path: Path) -> None:
    (tmp_path / "may.csv").write_text(HEADER + "a,E1,2019-05-31T08:00Z,2019-06-01T09:00Z,1\n")
    june = "delivered_kwh,session_id,evse_id,arrival,departure\n2,b,E1,2019-06-01T08:00Z,2019-06-01T09:00Z\n"
    (tmp_path / "june.csv.gz").write_bytes(gzip.compress(june.encode()))
    read = read_sessions([tmp_path / "may.csv", tmp_path / "june.csv.gz"])
    assert read.table.session_id == ("a", "b")
    assert read.table.stay_h.tolist() == [24.0, 1.0]
    assert read.quality.count("overlapping") == 1
    assert read.quality.source == "may.csv, june.csv.gz"
    assert read_sessions(tmp_path / "may.csv").table.size == 1


def test_parquet(tmp_path: Path) -> None:
    rows = {"session_id": ["a"], "evse_id": ["E"], "arrival": ["2019-05-31T08:00Z"], "departure": ["2019-05-31T09:00Z"]}
    pl.DataFrame({**rows, "delivered_kwh": [-1.0]}).write_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet row 1, column delivered_kwh: found -1\.0"):
        read_sessions(tmp_path / "s.parquet")


def test_problems_name_their_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(HEADER + "a,E1,2019-05-31T08:00Z,2019-05-31T09:00Z,x\n")
    (tmp_path / "2.csv").write_text(HEADER + "\nb,E1,2019-06-01T08:00Z,2019-06-01T09:00Z,-1\n")
    with pytest.raises(InputError) as caught:
        read_sessions([tmp_path / "1.csv", tmp_path / "2.csv"])
    where = [problem.where.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert where == ["1.csv line 2, column delivered_kwh", "2.csv line 3, column delivered_kwh"]


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(HEADER + "a,E1,2019-05-31T08:00Z,2019-05-31T09:00Z,1\n")
    (tmp_path / "2.csv").write_text("x\n1\n")
    pl.read_csv(tmp_path / "1.csv").write_parquet(tmp_path / "3.parquet")
    for other, words in (
        ("2.csv", "only one of the files has"),
        ("3.parquet", "different types"),
        ("4.csv", "no such"),
    ):
        with pytest.raises(InputError, match=words):
            read_sessions([tmp_path / "1.csv", tmp_path / other])
    with pytest.raises(InputError) as caught:
        read_sessions([tmp_path / "4.csv", tmp_path / "5.csv"])
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="at least one file"):
        read_sessions([])
    with pytest.raises(InputError, match="preset"):
        read_sessions(tmp_path / "4.csv", preset="ocpi")
