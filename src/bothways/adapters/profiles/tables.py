"""The tables of the German standard load profiles, as the package demandlib carries them.

demandlib's own classes are not used: version 0.2.2 turns every warning of the whole process into an error and then
stops on the warnings of pandas 3.1; they also know neither time zones nor days of 23 and 25 hours. A test compares the
numbers with theirs.
"""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.profiles.optional import folder
from bothways.domain.errors import InputError, Problem

Floats = NDArray[np.float64]

QUARTERS = 96
CLASSIC_SEASONS = ("winter", "summer", "transition")
NEW_DAYS = ("WT", "SA", "FT")


@cache
def classic_table(profile: str) -> Floats:
    """Power of one profile of 1999, in the table's own unit.

    Args:
        profile: column name, ``h0``, ``g0`` … ``g6``, ``l0`` … ``l2``.

    Returns:
        Shape ``(3, 7, 96)``: season (:data:`CLASSIC_SEASONS`), weekday (Monday first), quarter hour.

    Raises:
        InputError: demandlib is missing or holds no such table.
    """
    rows = _rows("selp_series.csv")
    column = _column(rows[0], profile)
    season, weekday = rows[0].index("period"), rows[0].index("weekday")
    table = np.full((3, 7, QUARTERS), np.nan)
    filled = np.zeros((3, 7), dtype=np.int64)
    for row in rows[1:]:
        place = CLASSIC_SEASONS.index(row[season]), int(row[weekday]) - 1
        table[(*place, filled[place])] = float(row[column])
        filled[place] += 1
    return _whole(table, profile)


@cache
def new_table(profile: str) -> Floats:
    """Energy per quarter hour of one profile of 2025 for a million kWh a year, before the dynamic factor.

    Args:
        profile: ``h25``, ``g25``, ``l25``, ``p25`` or ``s25``.

    Returns:
        Shape ``(12, 3, 96)``: month, kind of day (:data:`NEW_DAYS`), quarter hour [kWh].

    Raises:
        InputError: demandlib is missing or holds no such table.
    """
    rows = _rows(f"{profile}.csv")
    table = np.full((12, 3, QUARTERS), np.nan)
    for column, kind in enumerate(rows[1][1:]):
        table[column // 3, NEW_DAYS.index(kind)] = [float(row[column + 1]) for row in rows[2 : 2 + QUARTERS]]
    return _whole(table, profile)


def _rows(name: str) -> list[list[str]]:
    file = folder("demandlib", needed_for="a standard load profile") / "bdew" / "bdew_data" / name
    if not file.is_file():
        raise _unusable(name)
    return list(csv.reader(file.read_text(encoding="utf-8").splitlines()))


def _column(header: list[str], profile: str) -> int:
    if profile not in header:
        raise _unusable(profile)
    return header.index(profile)


def _whole(table: Floats, profile: str) -> Floats:
    if not np.isfinite(table).all():
        raise _unusable(profile)
    table.setflags(write=False)
    return table


def _unusable(name: str) -> InputError:
    return InputError(
        [
            Problem(
                "a standard load profile",
                f"no whole table {name!r} in the installed demandlib",
                "the tables of demandlib 0.2.2",
                "Run: pip install 'demandlib==0.2.2' - or give the load as a file.",
            )
        ]
    )
