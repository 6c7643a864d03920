"""Reads one column of numbers per interval: finds the step, follows daylight saving, refuses gaps and guesses."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bothways.adapters.files.tables import NumberedTable, read_numbered_table
from bothways.domain.errors import DomainError, InputError, Problem, Problems
from bothways.domain.timegrid import TimeGrid, zone
from bothways.mobility.cells import Instants, Numbers, RowProblems, parse_instants, parse_numbers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PLAUSIBLE = (-100_000.0, 100_000.0)
"""Default range of values; as power it is ±100 MW, the size of a large industrial site."""

_MAX_STEP_S = 86_400
_MAX_NAMED_GAPS = 5


@dataclass(frozen=True)
class Series:
    """One number per interval.

    Attributes:
        grid: the intervals.
        values: shape ``(grid.periods,)``, finite.
        warnings: sentences on what was filled or noticed.
        source: where it comes from, for messages.
    """

    grid: TimeGrid
    values: Floats
    warnings: tuple[str, ...] = ()
    source: str = ""


def read_series(
    path: Path | str,
    column: str,
    *,
    tz: str | None = None,
    timestamp: str = "timestamp",
    plausible: tuple[float, float] = PLAUSIBLE,
    quantity: str = "load [kW]",
    unit_factor: float = 1.0,
    fill: Literal["none", "hold"] = "none",
    fill_up_to: int = 0,
    column_remedies: Mapping[str, str] = MappingProxyType({}),
    order_hint: str = "",
) -> Series:
    """Reads a column of a CSV (``.gz`` too) or Parquet file as a series of equal steps.

    Timestamps are ISO-8601, label the start of their interval and carry an offset (or ``Z``); without one they are
    local to ``tz``, where the repeated hour of autumn is told apart by order and the missing hour of spring must
    be missing. The step is the most frequent difference; any other difference is a problem.

    Args:
        path: the file.
        column: name of the column of values.
        tz: IANA zone of timestamps without offset, and of the resulting grid; ``None`` for UTC and offsets only.
        timestamp: name of the column of timestamps.
        plausible: lowest and highest value that is believed, after ``unit_factor``.
        quantity: what the values are, with unit, for messages.
        unit_factor: multiplies the file's values (0.001 for a file in W).
        fill: ``hold`` repeats the last value over gaps and empty cells of at most ``fill_up_to`` steps, and says so
            in the warnings; ``none`` makes them problems.
        fill_up_to: longest run that is filled [steps].
        column_remedies: what to do where a column is missing, by its name: the option that names another one.
        order_hint: sentence added to the remedy where rows repeat, run backward or are missing.

    Returns:
        The series in the file's own step.

    Raises:
        InputError: with all problems found, each with its line.
    """
    table = read_numbered_table(path)
    _check_zone(tz, table.source)
    _check_columns(table, (timestamp, column), column_remedies)
    rows = RowProblems(table.source, table.place)
    stamps, raw = table.frame[timestamp], table.frame[column]
    instants = parse_instants(stamps, tz)
    numbers = parse_numbers(raw)
    hold = fill_up_to if fill == "hold" else 0
    rows.add_faults(instants, stamps, timestamp, "an ISO-8601 instant such as 2019-05-01T05:00:00-07:00")
    _check_values(rows, numbers, raw, column, plausible, quantity, unit_factor, hold=hold)
    if np.any(instants.fault):
        rows.raise_if_any()
    epoch = in_order(instants)
    order = _OrderRemedies(fillable=fill == "hold", hint=order_hint)
    step_s = _check_steps(rows, instants, epoch, stamps, timestamp, hold, order)
    rows.raise_if_any()
    at = (epoch - epoch[0]) // step_s
    values = np.full(int(at[-1]) + 1, np.nan)
    values[at] = numbers.values * unit_factor
    start = datetime.fromtimestamp(int(epoch[0]), tz=UTC)
    grid = TimeGrid(start, timedelta(seconds=step_s), values.shape[0], tz or "UTC")
    filled, warnings = _hold(values, grid, hold, table.source, column)
    return Series(grid, filled, warnings, table.source)


def _check_zone(tz: str | None, source: str) -> None:
    if tz is None:
        return
    try:
        zone(tz)
    except DomainError as error:
        problem = Problem(f"{source}: tz", repr(tz), "an IANA time zone", "Give a name such as America/Los_Angeles.")
        raise InputError([problem]) from error


def _check_columns(table: NumberedTable, wanted: Sequence[str], remedies: Mapping[str, str]) -> None:
    problems = Problems(at=table.source)
    names = table.frame.columns
    for name in wanted:
        if name not in names:
            near = [other for other in names if other.strip().casefold() == name.casefold()]
            near = near or difflib.get_close_matches(name, names, n=1)
            guess = f"Did you mean {near[0]!r}?" if near else ""
            told = f"{guess} {remedies.get(name, '')}".strip()
            remedy = told or "Rename the column, or say which one it is."
            listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            problems.add("header", f"no column {name!r} among: {listed}", f"a column {name!r}", remedy)
    if table.frame.height < 2:
        problems.add("", f"{table.frame.height} row(s)", "at least 2 rows (the step is found from them)", "Add rows.")
    problems.raise_if_any()


def _check_values(
    rows: RowProblems, numbers: Numbers, raw: pl.Series, column: str, plausible: tuple[float, float], quantity: str,
    unit_factor: float, *, hold: int,
) -> None:  # fmt: skip
    fault = numbers.fault
    if hold:  # empty cells and NaN are gaps then; whether they are short enough shows when they are filled
        fault = np.where((fault == 1) | (fault == 3), 0, fault).astype(np.int8)
    rows.add_faults(Numbers(numbers.values, fault), raw, column, f"a number with a decimal point: {quantity}")
    low, high = plausible
    values = numbers.values * unit_factor
    odd = (values < low) | (values > high)  # NaN compares as False
    if not odd.any():
        return
    remedy = "Correct the value or its unit."
    if plausible == (0.0, 1.0):
        remedy = "Give a fraction from 0 to 1; divide percent by 100."
    elif "°C" in quantity and (kelvin := kelvin_remedy(values[odd].tolist())):
        remedy = kelvin
    elif np.all((values[odd] / 1000.0 >= low) & (values[odd] / 1000.0 <= high)):
        remedy = (
            "The values may be 1000 times too large (W where kW is meant, per MWh where per kWh is): check the unit."
        )
    rows.add(odd, column, raw, f"{quantity} from {low:g} to {high:g}", remedy)


def kelvin_remedy(values: list[float]) -> str:
    """What to do about temperatures that all can only be in kelvin; empty for others."""
    from bothways.battery.ageing import kelvin_hint  # noqa: PLC0415 - compiled laws are not loaded for every table

    hints = [kelvin_hint(value) for value in values]
    return f"Give it in °C: {hints[0]}." if hints and all(hints) else ""


def in_order(instants: Instants) -> Ints:
    """Chooses between the readings of repeated local times: in file order, the second occurrence is the later one.

    Returns:
        Seconds since 1970-01-01T00:00Z, shape ``(N,)``.
    """
    epoch = instants.epoch_s.copy()
    repeated = np.flatnonzero(instants.repeated)
    if repeated.size:
        _, first = np.unique(epoch[repeated], return_index=True)
        again = np.ones(repeated.size, dtype=np.bool_)
        again[first] = False
        epoch[repeated[again]] = instants.later_s[repeated[again]]
    return epoch


@dataclass(frozen=True)
class _OrderRemedies:
    """What can be done about rows that are out of step: depends on what the caller lets its user choose."""

    fillable: bool
    hint: str

    def __call__(self, remedy: str) -> str:
        return f"{remedy} {self.hint}".strip()

    @property
    def gap(self) -> str:
        filled = ", or allow longer gaps to be filled by holding the value before" if self.fillable else ""
        return self(f"Add the missing rows{filled}.")


def _check_steps(
    rows: RowProblems, instants: Instants, epoch: Ints, stamps: pl.Series, timestamp: str, hold: int,
    remedies: _OrderRemedies,
) -> int:  # fmt: skip
    """Finds the step [s] and notes every difference that is another one."""
    difference = np.diff(epoch)
    forward = difference[difference > 0]
    if forward.size == 0:
        rows.general.add(f"column {timestamp}", "no step forward in time", "rows in order of time", "Sort the rows.")
        rows.raise_if_any()
    lengths, counts = np.unique(forward, return_counts=True)
    step = int(lengths[np.argmax(counts)])
    if step > _MAX_STEP_S:
        found = f"a step of {step / 3600:g} h"
        rows.general.add(f"column {timestamp}", found, "a step of 1 s to 24 h", "Give the values in finer steps.")
    rows.add(instants.fractional, timestamp, stamps, "whole seconds", "Round the timestamps to the step.")
    after = np.concatenate([[step], difference])
    ordered = f"rows in order of time, {_span(step)} apart"

    def told(row: int) -> str:
        return f"{stamps[row]} after {stamps[row - 1]}"

    rows.add(after == 0, timestamp, told, ordered, remedies("Remove the duplicate row."))
    rows.add(after < 0, timestamp, told, ordered, remedies("Sort the rows by time."))
    off = (after > 0) & (after % step != 0)
    rows.add(off, timestamp, told, ordered, "Give all rows the same step, without seconds of drift.")
    missing = after // step - 1
    gap = (after > step) & ~off & (missing > hold)
    once = gap & _lost_repeat(instants, step)
    said = f"{ordered}; the hour that the clock repeats stands twice"
    remedy = remedies("Give the repeated hour twice, or timestamps with offset, or name a fixed zone (tz Etc/GMT…).")
    rows.add(once, timestamp, lambda row: f"{told(row)}: {missing[row]} row(s) missing", said, remedy)
    gap &= ~once
    rows.add(gap, timestamp, lambda row: f"{told(row)}: {missing[row]} row(s) missing", ordered, remedies.gap)
    return step


def _lost_repeat(instants: Instants, step_s: int) -> Bools:
    """Rows that a gap of one repeated hour, which a clock without offset shows twice, stands before."""
    lost = np.zeros(instants.epoch_s.shape[0], dtype=np.bool_)
    shown_twice = instants.repeated[:-1] & ~instants.repeated[1:]
    lost[1:] = shown_twice & (instants.epoch_s[1:] - instants.later_s[:-1] == step_s)
    return lost


def _span(seconds: int) -> str:
    return f"{seconds / 60:g} min" if seconds % 30 == 0 else f"{seconds} s"


def _hold(values: Floats, grid: TimeGrid, hold: int, source: str, column: str) -> tuple[Floats, tuple[str, ...]]:
    """Repeats the last value over runs of NaN of at most ``hold`` steps; longer runs are problems."""
    missing = np.isnan(values)
    if not missing.any():
        return values, ()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    problems = Problems(at=source)
    refused = [(b, e) for b, e in zip(begins, ends, strict=True) if e - b > hold or b == 0]
    for begin, end in refused[:_MAX_NAMED_GAPS]:
        where = f"column {column}, {grid.instant(int(begin)):%Y-%m-%dT%H:%MZ}"
        what = f"{end - begin} step(s) without a value" + (" at the very beginning" if begin == 0 else "")
        problems.add(where, what, f"gaps of at most {hold} step(s) after a value", "Fill them in, or start later.")
    if len(refused) > _MAX_NAMED_GAPS:
        more = f"… and {len(refused) - _MAX_NAMED_GAPS} more gaps like these"
        problems.add(f"column {column}", more, f"gaps of at most {hold} step(s)", "Fill them in.")
    problems.raise_if_any()
    source_index = np.maximum.accumulate(np.where(missing, 0, np.arange(values.shape[0])))
    named = ", ".join(f"{grid.instant(int(b)):%Y-%m-%dT%H:%MZ}" for b in begins[:_MAX_NAMED_GAPS])
    named += ", …" if len(begins) > _MAX_NAMED_GAPS else ""
    warning = (
        f"{source}, {column}: {int(missing.sum())} step(s) without a value in {len(begins)} gap(s) "
        f"hold the value before them ({named})"
    )
    return values[source_index], (warning,)


def resample(series: Series, grid: TimeGrid) -> Series:
    """Brings a series of means (power, price) onto another grid: mean over coarser steps, repetition over finer.

    Each value is the mean over its interval, so that energy is kept: x'_k = (1/Δ') ∫ x dt over interval k.

    Args:
        series: values of shape ``(series.grid.periods,)``.
        grid: the grid wanted; must lie within the series.

    Returns:
        Series on ``grid``.

    Raises:
        InputError: the series does not cover ``grid``.

    >>> day = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(minutes=30), 4)
    >>> hours = TimeGrid(day.start, timedelta(hours=1), 2)
    >>> resample(Series(day, np.array([1.0, 2.0, 3.0, 5.0])), hours).values.tolist()
    [1.5, 4.0]
    """
    have = series.grid
    if have.start > grid.start or have.end < grid.end:
        covered = f"{have.start:%Y-%m-%dT%H:%MZ} to {have.end:%Y-%m-%dT%H:%MZ}"
        wanted = f"all of {grid.start:%Y-%m-%dT%H:%MZ} to {grid.end:%Y-%m-%dT%H:%MZ}"
        remedy = "Give a longer series, or choose a period that it covers."
        raise InputError([Problem(series.source or "series", covered, wanted, remedy)])
    offset = grid.start_s - have.start_s
    if have.step_s % grid.step_s == 0 and offset % grid.step_s == 0:
        values = series.values[(grid.epoch_s - have.start_s) // have.step_s]
    elif grid.step_s % have.step_s == 0 and offset % have.step_s == 0:
        many, first = grid.step_s // have.step_s, offset // have.step_s
        values = series.values[first : first + many * grid.periods].reshape(grid.periods, many).mean(axis=1)
    else:
        integral = np.concatenate([[0.0], np.cumsum(series.values)]) * have.step_s
        edges = np.arange(have.periods + 1) * have.step_s
        wanted_edges = offset + np.arange(grid.periods + 1) * grid.step_s
        values = np.diff(np.interp(wanted_edges, edges, integral)) / grid.step_s
    return Series(grid, np.asarray(values, dtype=np.float64), series.warnings, series.source)
