"""Cells of a table as numbers and instants: vectorised, with the fault of every cell that cannot be used."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from itertools import zip_longest
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bothways.domain.errors import Problem, Problems
from bothways.domain.timegrid import zone

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_LISTED = 20
"""How many rows with problems are listed before the rest is only counted."""

_DAY_S = 86_400
_FIRST_S = 0  # 1970-01-01
_LAST_S = 4_102_444_800  # 2100-01-01
_ISO = (
    r"^\s*(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?"
    r"\s*(?:([Zz])|([+-]\d{2}):?(\d{2})?)?\s*$"
)


class Fault(IntEnum):
    """Why a cell cannot be used."""

    NONE = 0
    EMPTY = 1
    UNREADABLE = 2
    NOT_FINITE = 3
    NO_OFFSET = 4
    NO_SUCH_LOCAL_TIME = 5
    OUT_OF_RANGE = 6


ALLOWED: dict[Fault, tuple[str, str]] = {
    Fault.EMPTY: ("a value", "Fill in the cell or remove the row."),
    Fault.UNREADABLE: ("", "Correct the cell."),
    Fault.NOT_FINITE: (
        "a finite number",
        "Fill in the value or remove the row: NaN and infinity are never guessed away.",
    ),
    Fault.NO_OFFSET: (
        "an ISO-8601 instant with its offset from UTC, such as 2019-05-01T05:04:06-07:00",
        "Add the offset (or Z), or say in which time zone the times are (tz).",
    ),
    Fault.NO_SUCH_LOCAL_TIME: (
        "a local time that exists (clocks go forward here)",
        "If the times have no daylight saving, name a fixed zone such as Etc/GMT+8 (8 h behind UTC) as tz.",
    ),
    Fault.OUT_OF_RANGE: ("a date from 1970 to 2099", "Correct the date."),
}
"""What is allowed and what to do, by fault; the caller words ``UNREADABLE`` itself."""


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: shape ``(N,)``; NaN where ``fault`` is not 0.
        fault: :class:`Fault` by row.
    """

    values: Floats
    fault: NDArray[np.int8]


@dataclass(frozen=True)
class Instants:
    """A column as instants; arrays have shape ``(N,)``.

    Attributes:
        epoch_s: whole seconds since 1970-01-01T00:00Z (fractions are cut off); 0 where ``fault`` is not 0.
        later_s: the second reading of a local time that occurs twice, else the same as ``epoch_s``.
        fractional: whether a fraction of a second was cut off.
        fault: :class:`Fault` by row.
    """

    epoch_s: Ints
    later_s: Ints
    fractional: Bools
    fault: NDArray[np.int8]

    @property
    def repeated(self) -> Bools:
        """Which rows hold a local time that occurs twice, so that ``epoch_s`` is only its first reading."""
        return np.not_equal(self.later_s, self.epoch_s)


def parse_numbers(column: pl.Series) -> Numbers:
    """Reads numbers from strings or a numeric column; no thousands separators, decimal point only."""
    size = len(column)
    if column.dtype == pl.Null:
        return Numbers(np.full(size, np.nan), np.full(size, Fault.EMPTY, dtype=np.int8))
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        fault = np.where(column.is_null().to_numpy(), Fault.EMPTY, Fault.UNREADABLE).astype(np.int8)
        return Numbers(np.full(size, np.nan), fault)
    text = column.str.strip_chars() if column.dtype == pl.String else column
    empty = _true(text.is_null() | (text == "") if column.dtype == pl.String else text.is_null())
    cast = text.cast(pl.Float64, strict=False)
    unreadable = cast.is_null().to_numpy() & ~empty
    values = cast.fill_null(math.nan).to_numpy().astype(np.float64)
    fault = np.select([empty, unreadable, ~np.isfinite(values)], [Fault.EMPTY, Fault.UNREADABLE, Fault.NOT_FINITE], 0)
    values[fault != 0] = math.nan
    return Numbers(values, fault.astype(np.int8))


def _true(mask: pl.Series) -> Bools:
    filled: Bools = mask.fill_null(value=True).to_numpy().astype(np.bool_)
    return filled


def parse_instants(column: pl.Series, tz: str | None) -> Instants:
    """Reads ISO-8601 instants with an offset or ``Z``; without one they are local times of ``tz``.

    A local time that occurs twice (clocks go back) has both readings in the result; one that does not exist
    (clocks go forward) is a fault. Offsets in the cell always win over ``tz``.

    Args:
        column: strings, dates, or datetimes with or without a zone, shape ``(N,)``.
        tz: IANA zone of cells without an offset; ``None`` makes them faults.

    Raises:
        DomainError: ``tz`` is no known zone.
    """
    wall, offset, fractional, fault = _wall_clock(column)
    epoch = wall - np.where(offset == _NO_OFFSET, 0, offset)
    later = epoch.copy()
    local = (fault == 0) & (offset == _NO_OFFSET)
    if tz is None:
        fault[local] = Fault.NO_OFFSET
    else:
        out = local & ((wall < _FIRST_S) | (wall >= _LAST_S))
        fault[out] = Fault.OUT_OF_RANGE
        local &= ~out
        first, second, exists = local_to_epoch(wall[local], tz)
        epoch[local], later[local] = first, second
        fault[np.flatnonzero(local)[~exists]] = Fault.NO_SUCH_LOCAL_TIME
    fault[(fault == 0) & ((epoch < _FIRST_S) | (epoch >= _LAST_S))] = Fault.OUT_OF_RANGE
    bad = fault != 0
    epoch[bad] = 0
    later[bad] = 0
    return Instants(epoch, later, fractional & ~bad, fault)


_NO_OFFSET = np.iinfo(np.int64).min


def _wall_clock(column: pl.Series) -> tuple[Ints, Ints, Bools, NDArray[np.int8]]:
    """Wall-clock seconds, offset [s] (``_NO_OFFSET`` where none), whether fractional, and faults."""
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if column.dtype.base_type() == pl.Datetime:
        micros = column.dt.epoch("us")
        offset = _NO_OFFSET if getattr(column.dtype, "time_zone", None) is None else 0
        fault = np.where(micros.is_null().to_numpy(), Fault.EMPTY, Fault.NONE).astype(np.int8)
        whole = micros.fill_null(0).to_numpy().astype(np.int64)
        return whole // 1_000_000, np.full(len(column), offset), whole % 1_000_000 != 0, fault
    if column.dtype != pl.String:
        fault = np.where(column.is_null().to_numpy(), Fault.EMPTY, Fault.UNREADABLE).astype(np.int8)
        zeros = np.zeros(len(column), dtype=np.int64)
        return zeros, zeros.copy(), np.zeros(len(column), dtype=np.bool_), fault
    return _wall_clock_of_text(column)


def _wall_clock_of_text(column: pl.Series) -> tuple[Ints, Ints, Bools, NDArray[np.int8]]:
    parts = column.str.extract_groups(_ISO).struct.unnest()
    day, hour, minute, second, fraction, zulu, offset_h, offset_min = (parts[name] for name in parts.columns)

    def whole(part: pl.Series) -> Ints:
        return part.cast(pl.Int64, strict=False).fill_null(0).to_numpy().astype(np.int64)

    days = day.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32)
    hours, minutes, seconds = whole(hour), whole(minute), whole(second)
    wall = days.fill_null(0).to_numpy().astype(np.int64) * _DAY_S + hours * 3600 + minutes * 60 + seconds
    east_h, east_min = whole(offset_h), whole(offset_min)
    sign = np.where(offset_h.str.starts_with("-").fill_null(value=False).to_numpy(), -1, 1)
    offset = east_h * 3600 + sign * east_min * 60
    offset[(zulu.is_null() & offset_h.is_null()).to_numpy()] = _NO_OFFSET
    wrong = days.is_null().to_numpy() | (hours > 23) | (minutes > 59) | (seconds > 59)
    wrong |= (np.abs(east_h) > 15) | (east_min > 59)
    empty = _true((column == "") | (column.str.strip_chars() == ""))
    fault = np.select([empty, wrong], [Fault.EMPTY, Fault.UNREADABLE], Fault.NONE).astype(np.int8)
    fractional = (fraction.cast(pl.Float64, strict=False).fill_null(0.0) > 0.0).to_numpy()
    return wall, offset, np.asarray(fractional, dtype=np.bool_), fault


def local_to_epoch(wall_s: Ints, tz: str) -> tuple[Ints, Ints, Bools]:
    """Turns wall-clock times into instants, for whole arrays.

    Args:
        wall_s: local time as if it were UTC, seconds since 1970-01-01T00:00, shape ``(N,)``.
        tz: IANA zone.

    Returns:
        First reading, last reading (they differ where clocks went back) and whether the local time exists, each
        of shape ``(N,)``. Where it does not exist the readings are those of the offset before the change.

    Raises:
        DomainError: unknown zone.

    >>> first, last, exists = local_to_epoch(np.array([1_572_139_800]), "Europe/Amsterdam")  # 2019-10-27T01:30
    >>> (int(last[0] - first[0]), bool(exists[0]))
    (0, True)
    >>> first, last, exists = local_to_epoch(np.array([1_572_143_400]), "Europe/Amsterdam")  # 2019-10-27T02:30
    >>> (int(last[0] - first[0]), bool(exists[0]))
    (3600, True)
    """
    first = np.zeros_like(wall_s)
    last = np.zeros_like(wall_s)
    exists = np.zeros(wall_s.shape, dtype=np.bool_)
    if wall_s.size == 0:
        zone(tz)
        return first, last, exists
    begins, offsets = _offset_segments(zone(tz), int(wall_s.min()) - 2 * _DAY_S, int(wall_s.max()) + 2 * _DAY_S)
    for k, offset in enumerate(offsets):
        candidate = wall_s - offset
        inside = candidate >= begins[k]
        if k + 1 < len(begins):
            before_end = candidate < begins[k + 1]
            skipped = ~before_end & (wall_s < begins[k + 1] + offsets[k + 1])
            first[skipped], last[skipped] = candidate[skipped], candidate[skipped]
            inside &= before_end
        fresh = inside & ~exists
        first[fresh] = candidate[fresh]
        last[inside] = candidate[inside]
        exists |= inside
    return first, last, exists


def _offset_segments(local: ZoneInfo, begin_s: int, end_s: int) -> tuple[list[int], list[int]]:
    """Begins [epoch s] and offsets [s] of the spans of constant offset between two instants."""

    def offset(epoch_s: int) -> int:
        shift = datetime.fromtimestamp(epoch_s, tz=UTC).astimezone(local).utcoffset()
        return int(shift.total_seconds()) if shift is not None else 0

    begins, offsets = [begin_s], [offset(begin_s)]
    for day in range(begin_s, end_s, _DAY_S):
        after = offset(day + _DAY_S)
        if after != offsets[-1]:
            low, high = day, day + _DAY_S
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if offset(middle) == after else (middle, high)
            begins.append(high)
            offsets.append(after)
    return begins, offsets


@dataclass
class RowProblems:
    """Collects faults of rows by kind; lists some of each kind and counts the rest.

    Attributes:
        source: file name for messages.
        place: says where a row stands, from its index: ``"load.csv line 12"``.
        general: problems that belong to no row.
    """

    source: str
    place: Callable[[int], str]
    general: Problems = field(default_factory=Problems)
    _kinds: list[tuple[Ints, Callable[[int], Problem]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.general.at = self.source

    def add(
        self, rows: Bools | Ints, column: str, found: Callable[[int], str] | pl.Series, allowed: str, remedy: str
    ) -> None:
        """Notes a problem for all ``rows`` (a mask or indices); ``found`` words it from the row's index."""
        where = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        if where.size == 0:
            return

        def problem(row: int) -> Problem:
            text = _cell(found, row) if isinstance(found, pl.Series) else found(row)
            at = f"{self.place(row)}, column {column}"
            return Problem(at, text if len(text) <= 120 else text[:117] + "...", allowed, remedy)

        self._kinds.append((where, problem))

    def add_faults(self, cells: Numbers | Instants, raw: pl.Series, column: str, unreadable: str) -> None:
        """Notes all faulty cells of a column; ``unreadable`` says what would have been readable."""
        for fault in np.unique(cells.fault):
            if fault:
                allowed, remedy = ALLOWED[Fault(fault)]
                faulty = cells.fault == fault
                if fault == Fault.UNREADABLE and isinstance(cells, Numbers) and _decimal_commas(raw, faulty):
                    remedy = "Write decimals with a point, 1.5 for 1,5, here and in the whole column."
                self.add(faulty, column, raw, allowed or unreadable, remedy)

    def __len__(self) -> int:
        return len(self.general) + sum(int(rows.size) for rows, _ in self._kinds)

    def raise_if_any(self) -> None:
        """Raises :class:`~bothways.domain.errors.InputError` with everything collected, or returns."""
        problems = Problems()
        problems.extend(tuple(self.general))
        turns = zip_longest(
            *([(kind, int(row)) for row in rows[:MAX_LISTED]] for kind, (rows, _) in enumerate(self._kinds))
        )
        chosen = [pick for turn in turns for pick in turn if pick is not None][:MAX_LISTED]
        for kind, (rows, problem) in enumerate(self._kinds):
            listed = [row for of, row in chosen if of == kind]
            problems.extend([problem(row) for row in listed])
            if len(listed) < rows.size:
                sample = problem(int(rows[0]))
                more = f"… and {rows.size - len(listed)} more of this kind"
                problems.add(self.source, more, sample.allowed, sample.remedy)
        problems.raise_if_any()


_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def _decimal_commas(column: pl.Series, rows: Bools) -> bool:
    """Whether what is unreadable in a column are numbers with a decimal comma."""
    texts = [column[int(row)] for row in np.flatnonzero(rows)[:MAX_LISTED]]
    return all(isinstance(text, str) and _DECIMAL_COMMA.fullmatch(text) for text in texts)


def _cell(column: pl.Series, row: int) -> str:
    value = column[row]
    if value is None or (isinstance(value, str) and not value.strip()):
        return "an empty cell"
    return repr(value) if isinstance(value, str) else str(value)
