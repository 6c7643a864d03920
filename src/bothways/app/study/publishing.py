"""Writes a study's results: report, tables and summary appear together or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import bothways
from bothways.adapters.files.writing import folder_in_progress, write_bytes, write_json, write_text
from bothways.studies.report.html import render
from bothways.studies.report.summary import summary
from bothways.studies.report.tables import interval_table, money_table, stays_table
from bothways.studies.result import StudyResult

if TYPE_CHECKING:
    import polars as pl


def publish(result: StudyResult, folder: Path, *, rerun: str) -> dict[str, object]:
    """Fills ``folder`` with report.html, summary.json and, per case, tables as Parquet and CSV.

    Returns:
        The summary, as in summary.json.

    Raises:
        InputError: the folder holds something that is not a study's result.
    """
    found = summary(result)
    with folder_in_progress(folder) as place:
        write_text(place / "report.html", render(result, rerun=rerun, version=bothways.__version__))
        write_json(place / "summary.json", found)
        for number, case in enumerate(result.cases, 1):
            stem = f"case{number}" if len(result.cases) > 1 else "case"
            _write(place / f"{stem}-intervals", interval_table(case, result), csv=False)
            _write(place / f"{stem}-stays", stays_table(result, case), csv=True)
            _write(place / f"{stem}-money", money_table(case), csv=True)
    return found


def _write(path: Path, table: pl.DataFrame, *, csv: bool) -> None:
    content = io.BytesIO()
    table.write_parquet(content)
    write_bytes(path.with_suffix(".parquet"), content.getvalue())
    if csv:
        write_text(path.with_suffix(".csv"), table.write_csv())
