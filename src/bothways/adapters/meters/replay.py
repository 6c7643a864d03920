"""Readings replayed from a CSV file, at the pace of a clock: for drills, tests and demonstrations."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bothways.domain.errors import InputError, Problem, Problems
from bothways.operations.ports import Clock, SiteReading

_COLUMNS = ("power", "l1", "l2", "l3", "pv")


class ReplayedMeter:
    """Fulfils ``MeterSource``: gives every reading when the clock reaches its instant.

    Raises:
        InputError: the file cannot be read, or rows of it are wrong; all of them are named.
    """

    def __init__(self, path: Path, clock: Clock, *, repeat: bool = False, shift: bool = True) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            allowed = "a CSV file in UTF-8 with columns at and power_kw (or power_w)"
            raise InputError([Problem(str(path), str(error), allowed, "Check the path.")]) from error
        self._rows = parse_readings(text, path.name)
        self._clock = clock
        self._repeat = repeat
        self._shift = shift

    async def readings(self) -> AsyncIterator[SiteReading]:
        """The file's readings; ends after the last unless it is to be repeated."""
        first, last = self._rows[0].at, self._rows[-1].at
        step = (last - first) / (len(self._rows) - 1) if len(self._rows) > 1 else timedelta(minutes=1)
        moved = self._clock.now() - first if self._shift else timedelta(0)
        while True:
            for row in self._rows:
                at = row.at + moved
                wait = (at - self._clock.now()).total_seconds()
                if wait > 0.0:
                    await self._clock.sleep(wait)
                yield SiteReading(at, row.power_kw, row.phase_kw, row.pv_kw)
            if not self._repeat:
                return
            moved += last - first + step


def parse_readings(text: str, name: str) -> Sequence[SiteReading]:
    """Reads rows of ``at,power_kw,…``; every column's name states its unit.

    Raises:
        InputError: with every row that is wrong.
    """
    problems = Problems(at=name)
    rows = list(csv.DictReader(io.StringIO(text)))
    header = tuple(rows[0]) if rows else ()
    units = {column: unit for column in _COLUMNS for unit in ("kw", "w") if f"{column}_{unit}" in header}
    unknown = [column for column in header if column != "at" and column not in {f"{c}_{u}" for c, u in units.items()}]
    if "at" not in header or "power" not in units:
        problems.add("line 1", ",".join(header) or "nothing", "columns at and power_kw or power_w", "Name the columns.")
    for column in unknown:
        problems.add(
            "line 1", column, "at, power_kw, l1_kw, l2_kw, l3_kw, pv_kw (or _w)", "State the unit in the name."
        )
    problems.raise_if_any()
    readings: list[SiteReading] = []
    for line, row in enumerate(rows, start=2):
        reading = _reading(row, units, problems, f"line {line}")
        if reading is not None and readings and reading.at <= readings[-1].at:
            problems.add(f"line {line}, column at", row["at"], "an instant after the one before", "Sort the rows.")
        elif reading is not None:
            readings.append(reading)
    problems.raise_if_any()
    return readings


def _reading(row: dict[str, str], units: dict[str, str], problems: Problems, where: str) -> SiteReading | None:
    before = len(problems)
    at = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        at = datetime.fromisoformat(row["at"] or "")
        if at.tzinfo is None:
            raise ValueError
    except ValueError:
        allowed = "ISO 8601 with offset, such as 2026-03-29T01:00:00Z"
        problems.add(f"{where}, column at", row["at"] or "nothing", allowed, "Write the offset from UTC.")
    values: dict[str, float] = {}
    for column, unit in units.items():
        text = row[f"{column}_{unit}"] or ""
        try:
            value = float(text) / (1000.0 if unit == "w" else 1.0)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (column == "pv" and value < 0.0):
            allowed = "a finite number" + (" of at least 0" if column == "pv" else "")
            problems.add(f"{where}, column {column}_{unit}", text or "nothing", allowed, "Correct or delete the row.")
        values[column] = value
    if len(problems) > before:
        return None
    phases = tuple(values[name] for name in ("l1", "l2", "l3") if name in values)
    return SiteReading(at.astimezone(UTC), values["power"], phases if len(phases) == 3 else (), values.get("pv"))
