"""Reads tables: CSV (plain or gzipped) as text, cell by cell as the user wrote it, and Parquet with its types."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bothways.adapters.files.reading import MAX_LISTED, decode, read_bytes, shown
from bothways.domain.errors import InputError, Problem, Problems

_PARQUET_MAGIC = b"PAR1"
_SEPARATORS = (",", ";", "\t")
_MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class NumberedTable:
    """A table that remembers where its rows stood.

    Attributes:
        frame: the rows; CSV cells are strings (``None`` where empty), Parquet cells have the file's types.
        lines: line of each row in the file (row number for Parquet), from 1, shape ``(N,)``.
        word: what ``lines`` counts: ``line`` or ``row``.
        source: the file's name, for messages.
    """

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    word: str
    source: str

    def place(self, row: int) -> str:
        """Where a row stands, for messages: ``load.csv line 12``."""
        return f"{self.source} {self.word} {self.lines[row]}"


def read_table(path: Path | str) -> pl.DataFrame:
    """Reads a CSV (also ``.csv.gz``; separated by comma, semicolon or tab) or Parquet file.

    CSV cells come as strings, ``None`` where empty; blank lines are skipped. Parquet cells keep their types.

    Raises:
        InputError: the file cannot be read, is not UTF-8, has no header, repeats a column, or has rows with more
            or fewer cells than the header.
    """
    return read_numbered_table(path).frame


def read_numbered_table(path: Path | str) -> NumberedTable:
    """As :func:`read_table`, with the line of every row for messages."""
    content = read_bytes(path)
    source = shown(path)
    if content.startswith(_PARQUET_MAGIC):
        frame = _parse_parquet(content, source)
        return NumberedTable(frame, np.arange(1, frame.height + 1), "row", source)
    frame, lines = parse_csv(content, source)
    return NumberedTable(frame, lines, "line", source)


def _parse_parquet(content: bytes, source: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first_line = str(error).strip().split("\n", 1)[0][:80]
        remedy = "The file is damaged or was cut off: write or fetch it again."
        raise InputError([Problem(source, f"not readable as Parquet ({first_line})", "Parquet", remedy)]) from error


def parse_csv(content: bytes, source: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parses CSV with a header; returns all cells as strings and the line of every row.

    Raises:
        InputError: see :func:`read_table`.
    """
    text = decode(content, source)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    body = text.lstrip("\n")
    first_line = len(text) - len(body) + 1
    if not body.strip():
        remedy = "Write the names of the columns into the first line."
        raise InputError([Problem(source, "an empty file", "a header and at least one row", remedy)])
    header_text, _, rows_text = body.partition("\n")
    separator = max(_SEPARATORS, key=header_text.count)
    if '"' in body:
        return _parse_quoted(body, source, separator, first_line)
    header = _checked_header(header_text.split(separator), source, first_line)
    quick = _parse_plain(rows_text, header, separator)
    if quick is None:
        return _parse_quoted(body, source, separator, first_line)
    lines = np.arange(quick.height, dtype=np.int64) + first_line + 1
    return _without_blank(quick, lines)


def _parse_plain(rows_text: str, header: list[str], separator: str) -> pl.DataFrame | None:
    """Parses rows without quotes; ``None`` where some row has too many or too few cells, or polars objects."""
    if not rows_text:
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    blank = rows_text.count("\n\n") + rows_text.startswith("\n")
    rows = rows_text.count("\n") + (not rows_text.endswith("\n"))
    if blank == 0 and rows_text.count(separator) != rows * (len(header) - 1):
        return None
    try:
        frame = pl.read_csv(
            io.BytesIO(rows_text.encode("utf-8")),
            has_header=False,
            schema={f"c{index}": pl.String for index in range(len(header))},
            separator=separator,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != rows or (blank and not _full_rows(frame, rows_text, separator)):
        return None
    frame.columns = header
    return frame


def _full_rows(frame: pl.DataFrame, rows_text: str, separator: str) -> bool:
    """Whether all rows that are not blank lines have as many cells as the header."""
    blank = sum(1 for line in rows_text.split("\n")[: frame.height] if not line)
    return rows_text.count(separator) == (frame.height - blank) * (frame.width - 1)


def _parse_quoted(body: str, source: str, separator: str, first_line: int) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The careful way: follows quotes over lines and finds the rows whose cells do not match the header."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = first_line
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(line)
            line = first_line + reader.line_num
    except csv.Error as error:
        remedy = 'Check the quotes (") on this line and before it: every opened one must be closed.'
        found = f"a row that cannot be parsed ({error})"
        raise InputError([Problem(f"{source} line {line}", found, "comma-separated cells", remedy)]) from error
    header = _checked_header(rows[0] if rows else [""], source, first_line)
    _check_widths(rows, lines, len(header), source)
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(header)
    data = {name: pl.Series(name, column, dtype=pl.String) for name, column in zip(header, columns, strict=True)}
    frame = pl.DataFrame(data).with_columns(pl.all().replace("", None))
    return _without_blank(frame, np.array(lines[1:], dtype=np.int64))


def _check_widths(rows: list[list[str]], lines: list[int], width: int, source: str) -> None:
    wrong = [(line, len(row)) for row, line in zip(rows, lines, strict=True) if len(row) != width]
    problems = Problems(at=source)
    for line, count in wrong[:MAX_LISTED]:
        remedy = "Put cells that contain the separator into double quotes, and write empty cells too."
        problems.add(f"line {line}", f"{count} cells", f"{width} cells, as in the header", remedy)
    if len(wrong) > MAX_LISTED:
        more = f"… and {len(wrong) - MAX_LISTED} more rows like these"
        problems.add("", more, f"{width} cells, as in the header", "Correct them in the same way.")
    problems.raise_if_any()


def _checked_header(cells: list[str], source: str, line: int) -> list[str]:
    """Strips names; nameless columns get ``column <n>`` (an index that was written along)."""
    problems = Problems(at=source)
    names = [cell.strip() or f"column {index + 1}" for index, cell in enumerate(cells)]
    for name in sorted({name for name in names if names.count(name) > 1} if len(names) <= _MAX_COLUMNS else ()):
        problems.add(f"line {line}", f"the column {name!r} more than once", "each name once", "Rename one of them.")
    if len(names) > _MAX_COLUMNS:
        problems.add(f"line {line}", f"{len(names)} columns", f"at most {_MAX_COLUMNS}", "Is this a table?")
    problems.raise_if_any()
    return names


def _without_blank(frame: pl.DataFrame, lines: NDArray[np.int64]) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not blank.any():
        return frame, lines
    return frame.filter(~blank), lines[~blank.to_numpy()]
