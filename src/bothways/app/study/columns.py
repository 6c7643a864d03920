"""A column of a file, checked and brought onto the study's grid."""

from __future__ import annotations

from pathlib import Path

from bothways.adapters.files.series import Series, read_series, resample
from bothways.domain.timegrid import TimeGrid
from bothways.studies.scenario import SeriesPart


def read_column(part: SeriesPart, folder: Path, tz: str, plausible: tuple[float, float], quantity: str) -> Series:
    """Reads the whole column in its own step.

    Raises:
        InputError: with every problem and its line.
    """
    return read_series(
        folder / part.file,
        part.column,
        tz=part.tz or tz,
        timestamp=part.timestamp,
        plausible=plausible,
        quantity=quantity,
        unit_factor=part.factor,
        fill="hold",
        fill_up_to=part.hold_gaps,
    )


def load_column(
    part: SeriesPart, grid: TimeGrid, folder: Path, plausible: tuple[float, float], quantity: str
) -> Series:
    """Reads a column and brings it onto ``grid``.

    Raises:
        InputError: unreadable, implausible, or not covering the grid.
    """
    return resample(read_column(part, folder, grid.tz, plausible, quantity), grid)
