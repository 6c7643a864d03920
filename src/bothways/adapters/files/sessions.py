"""Opens files of charging sessions, several as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from bothways.adapters.files.reading import shown
from bothways.adapters.files.tables import NumberedTable, read_numbered_table
from bothways.domain.errors import InputError, Problem, Problems
from bothways.mobility.reading import column_mapping, sessions_from_frame
from bothways.mobility.sessions import ImportedSessions


def read_sessions(
    paths: Path | str | Sequence[Path | str],
    *,
    preset: str = "canonical",
    columns: Mapping[str, str] | None = None,
    tz: str | None = None,
    factors: Mapping[str, float] | None = None,
    evse_charge_kw: float | None = None,
) -> ImportedSessions:
    """Reads one or more CSV (``.gz`` too) or Parquet files with the same columns as one table of sessions.

    Args:
        paths: the files; duplicates and overlaps are found across them.
        preset: ``canonical`` or ``acn``; see docs/reference/sessions.md.
        columns: canonical name → column in the files, on top of the preset.
        tz: IANA zone of timestamps without an offset.
        factors: canonical name → factor to the canonical unit (0.001 for Wh).
        evse_charge_kw: rating of the EVSEs [kW], to find sessions above it.

    Raises:
        InputError: with every problem found, each with its file and line.
    """
    column_mapping(preset, columns)  # a wrong mapping is said before files are opened
    listed = [paths] if isinstance(paths, Path | str) else list(paths)
    tables = _read_all(listed)
    frame = _joined(tables)
    places = [(table, row) for table in tables for row in range(table.frame.height)]

    def place(index: int) -> str:
        table, row = places[index]
        return table.place(row)

    source = ", ".join(table.source for table in tables)
    read = sessions_from_frame(
        frame, columns, preset=preset, tz=tz, source=source, factors=factors, evse_charge_kw=evse_charge_kw, place=place
    )
    names = ", ".join(shown(Path(path).name) for path in listed)  # a report shows names, not somebody's folders
    return replace(read, quality=replace(read.quality, source=names))


def _read_all(paths: Sequence[Path | str]) -> list[NumberedTable]:
    problems = Problems()
    tables: list[NumberedTable] = []
    if not paths:
        problems.add("sessions", "no files", "at least one file", "Name a file of sessions.")
    for path in paths:
        try:
            tables.append(read_numbered_table(path))
        except InputError as error:
            problems.extend(error.problems)
    problems.raise_if_any()
    return tables


def _joined(tables: Sequence[NumberedTable]) -> pl.DataFrame:
    first = tables[0]
    problems = Problems()
    for table in tables[1:]:
        if set(table.frame.columns) != set(first.frame.columns):
            differing = ", ".join(sorted(set(table.frame.columns) ^ set(first.frame.columns))[:10])
            problems.items.append(
                Problem(
                    f"{table.source} header",
                    f"columns that only one of the files has: {differing}",
                    f"the columns of {first.source}",
                    "Give all files the same columns, or study them one by one.",
                )
            )
    problems.raise_if_any()
    frames = [table.frame.select(first.frame.columns) for table in tables]
    if any(frame.schema != frames[0].schema for frame in frames):
        remedy = "Convert the files to one format, CSV or Parquet, with the same types."
        found = "columns of different types (CSV and Parquet together?)"
        raise InputError([Problem(", ".join(table.source for table in tables), found, "files of one kind", remedy)])
    return pl.concat(frames)
