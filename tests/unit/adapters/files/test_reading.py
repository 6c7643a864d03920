"""Whole files come back whole, and every fault is one sentence with a place."""

import gzip
from pathlib import Path

import pytest

from bothways.adapters.files.reading import parse_json, read_bytes, read_json, read_text, read_toml
from bothways.domain.errors import InputError, Problem


def problems_of(call, *args, **kwargs) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    return caught.value.problems


def made(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_gzip_is_unpacked_whatever_the_name(tmp_path: Path) -> None:
    packed = gzip.compress(b"hello\n", mtime=0)
    assert read_bytes(made(tmp_path, "a.csv.gz", packed)) == b"hello\n"
    assert read_bytes(made(tmp_path, "a.csv", packed)) == b"hello\n"
    assert read_bytes(str(made(tmp_path, "b.csv", b"plain"))) == b"plain"


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert read_text(made(tmp_path, "a.txt", b"\xef\xbb\xbfx")) == "x"


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (gzip.compress(b"abcd", mtime=0)[:-9], "cut.gz", "broken gzip"),
        (gzip.compress(b"abcd", mtime=0)[:10] + b"\xff\xff\xff\xff\xff", "bad.gz", "broken gzip"),
        (b"text", "text.gz", "not gzipped"),
        (b"abcdef", "big.txt", "more than 5 bytes"),
        (gzip.compress(b"x" * 100, mtime=0), "bomb.gz", "more than 5 bytes"),
    ],
)
def test_damaged_or_large_files(tmp_path: Path, content: bytes, name: str, found: str) -> None:
    (problem,) = problems_of(read_bytes, made(tmp_path, name, content), limit=5)
    assert found in problem.found
    assert problem.where.endswith(name)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    assert "no such file" in problems_of(read_bytes, tmp_path / "none")[0].found
    assert "folder" in problems_of(read_bytes, tmp_path / "no" / "none")[0].found
    assert problems_of(read_bytes, tmp_path)[0].found == "a folder"
    assert "not readable" in problems_of(read_bytes, made(tmp_path, "f", b"") / "x")[0].found
    assert "not readable" in problems_of(read_bytes, "a\0b")[0].found
    (problem,) = problems_of(read_bytes, "\udcff")
    problem.where.encode("utf-8")


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    (problem,) = problems_of(read_text, made(tmp_path, "a.txt", b"ok\nok\n caf\xe9"))
    assert problem.where.endswith("a.txt line 3")
    assert "0xe9" in problem.found
    assert "UTF-16" in problems_of(read_text, made(tmp_path, "b.txt", "é".encode("utf-16")))[0].found


def test_json_comes_back(tmp_path: Path) -> None:
    text = '{"a": [1, 2.5e3, null, "x: NaN \\" {"], "b": {"a": 1}, "n": -0, "big": 1e308}'
    expected = {"a": [1, 2500.0, None, 'x: NaN " {'], "b": {"a": 1}, "n": 0, "big": 1e308}
    assert read_json(made(tmp_path, "a.json", text.encode())) == expected


def test_json_problems_come_all_at_once_with_lines() -> None:
    text = '{"a": 1,\n "b": {"a": NaN,\n "c": [-Infinity, 1e999, {"q": 1}],\n "c": 1},\n "a" : 2, "s": "NaN"}'
    where = [(problem.where, problem.found) for problem in problems_of(parse_json, text, "f.json")]
    assert where == [
        ("f.json: line 2", "NaN"),
        ("f.json: line 3", "-Infinity"),
        ("f.json: line 3", "1e999"),
        ("f.json: line 4", "the key 'c' again"),
        ("f.json: line 5", "the key 'a' again"),
    ]


def test_many_json_problems_are_counted() -> None:
    found = problems_of(parse_json, "[" + ",\n".join(["NaN"] * 50) + "]", "f.json")
    assert len(found) == 21
    assert found[-1].found == "… and 30 more"


@pytest.mark.parametrize(
    ("text", "found", "place"),
    [
        ("", "an empty file", "line 1, column 1"),
        ('{"a": 1,\n  b: 2}', "syntax error", "line 2, column 3"),
        ("[" * 100_000, "nested too deeply", ""),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply", ""),
        ("9" * 5000, "99999", "line 1"),
        ("9" * 400, "99999", "line 1"),
        ('"\\ud800"', "ud800", "line 1"),
        ("[1] x", "syntax error", "column 5"),
    ],
)
def test_json_faults(text: str, found: str, place: str) -> None:
    (problem,) = problems_of(parse_json, text, "f.json")
    assert found in problem.found
    assert place in problem.where


def test_json_that_only_looks_suspicious() -> None:
    assert parse_json('["1e999", "\\ud83d\\ude00", 1e100, 0.' + "0" * 310 + "1]", "f")[1] == "😀"


def test_toml(tmp_path: Path) -> None:
    assert read_toml(made(tmp_path, "a.toml", b"[a]\nb = 1\nc = inf\n")) == {"a": {"b": 1, "c": float("inf")}}


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (b"a = 1\nb = \n", "line 2, column 5", "Invalid value"),
        (b"a = 1\na = 2\n", "line 2", "overwrite"),
        (b"a = 1\n[b", "line 2", "Expected"),
        (b"[a]\nb = [1, {c = nan}]", "a.b[1].c", "nan"),
        (b"a = " + b"[" * 5000, "", "nested too deeply"),
        (b"a = " + b"9" * 5000, "", "cannot be read"),
        (b"a = 1979-13-45", "", ""),
    ],
)
def test_toml_faults(tmp_path: Path, text: bytes, place: str, found: str) -> None:
    (problem,) = problems_of(read_toml, made(tmp_path, "a.toml", text))
    assert place in problem.where
    assert found in problem.found
