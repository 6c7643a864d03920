"""Tables come back cell by cell, with the line of each row, or with every wrong row named."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from bothways.adapters.files.tables import parse_csv, read_numbered_table, read_table
from bothways.domain.errors import InputError


def faults(content: bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_csv(content, "t.csv")
    return [str(problem) for problem in caught.value.problems]


def test_csv_and_gzip_and_parquet(tmp_path: Path) -> None:
    plain = b"a,b\n1,x\n2,\n"
    (tmp_path / "t.csv").write_bytes(plain)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(plain))
    expected = [("1", "x"), ("2", None)]
    assert read_table(tmp_path / "t.csv").rows() == expected
    assert read_table(tmp_path / "t.csv.gz").rows() == expected
    pl.DataFrame({"a": [1, 2], "b": [0.5, None]}).write_parquet(tmp_path / "t.parquet")
    table = read_numbered_table(tmp_path / "t.parquet")
    assert table.frame.rows() == [(1, 0.5), (2, None)]
    assert (table.word, table.lines.tolist()) == ("row", [1, 2])


@pytest.mark.parametrize(
    ("content", "rows", "lines"),
    [
        (b"a,b\n1,2\n\n3,4\n\n\n5,6", [("1", "2"), ("3", "4"), ("5", "6")], [2, 4, 7]),
        (b"\n\na,b\r\n1,2\r\n\r\n3,4\r\n", [("1", "2"), ("3", "4")], [4, 6]),
        (b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")], [2, 3]),
        (b"\xef\xbb\xbfa;b\n1,5;2\n", [("1,5", "2")], [2]),
        (b"a\tb\n1\t2\n", [("1", "2")], [2]),
        (b'a,b\n"1\n2","x,y"\n"3","say ""hi"""\n', [("1\n2", "x,y"), ("3", 'say "hi"')], [2, 4]),
        (b'"a","b"\n,\n1,\n', [("1", None)], [3]),
        (b"a,b\n,\n1,\n  \n2,3\n", [("1", None), ("2", "3")], [3, 5]),
        (b"a\n1\n\n2\n", [("1",), ("2",)], [2, 4]),
        (b"a,b\n", [], []),
        (b'"a",b', [], []),
    ],
)
def test_rows_keep_their_lines(content: bytes, rows: list[tuple[str, ...]], lines: list[int]) -> None:
    frame, found = parse_csv(content, "t.csv")
    assert frame.rows() == rows
    assert found.tolist() == lines


def test_nameless_columns_get_a_name() -> None:
    assert parse_csv(b",x, \n0,1,2\n", "t.csv")[0].columns == ["column 1", "x", "column 3"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["t.csv: found an empty file"]),
        (b" \n\n", ["empty file"]),
        (b"a,b\n1,2,3\n1,2\n1\n", ["line 2: found 3 cells", "line 4: found 1 cells"]),
        (b"a,b\n1,2\n1,2,3\n4\n", ["line 3: found 3 cells", "line 4: found 1 cells"]),
        (b"a,b\n1\n2,3\n", ["line 2: found 1 cells"]),
        (b"a,a,b\n1,2,3\n", ["line 1: found the column 'a' more than once"]),
        (b'a,b\n1,2\n"1,2\n3,4\n', ["line 3: found a row that cannot be parsed"]),
        (b"a,b\n1,\xff\n", ["line 2: found byte 0xff"]),
    ],
)
def test_faults_name_their_lines(content: bytes, words: list[str]) -> None:
    found = faults(content)
    assert len(found) == len(words)
    for text, word in zip(found, words, strict=True):
        assert word in text


def test_many_wrong_rows_are_counted() -> None:
    found = faults(b"a,b\n" + b"1\n" * 50)
    assert len(found) == 21
    assert "… and 30 more" in found[-1]


def test_broken_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="Parquet"):
        read_table(tmp_path / "t.parquet")
