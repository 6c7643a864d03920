"""The one way to say "per interval": equal steps in UTC, with local calendar fields on demand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    """Returns the time zone called ``name``.

    Raises:
        DomainError: the name is not in the time zone database.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"unknown time zone {name!r}: give an IANA name such as 'America/Los_Angeles'"
        raise DomainError(msg) from error


@dataclass(frozen=True)
class LocalFields:
    """Local wall-clock calendar of every interval's start; all arrays have shape ``(periods,)``.

    Attributes:
        year: calendar year.
        month: 1…12.
        day: day of month 1…31.
        weekday: 0 = Monday … 6 = Sunday.
        hour: 0…23.
        minute: 0…59.
        date_ordinal: proleptic ordinal of the local date (``date.fromordinal``).
        month_index: months since year 0 (``year * 12 + month - 1``); the key of a billing month.
    """

    year: NDArray[np.int64]
    month: NDArray[np.int64]
    day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    hour: NDArray[np.int64]
    minute: NDArray[np.int64]
    date_ordinal: NDArray[np.int64]
    month_index: NDArray[np.int64]


@dataclass(frozen=True)
class TimeGrid:
    """``periods`` half-open, left-labelled intervals of length ``step`` from ``start`` (aware, kept in UTC).

    ``tz`` is the site's zone; it matters only where local time does (tariffs, screens). A day of 23 or 25 hours
    has 92 or 100 quarter hours here, because steps are counted in UTC.

    Raises:
        DomainError: naive start, a step that is not a positive whole number of seconds, no periods, unknown zone.
    """

    start: datetime
    step: timedelta
    periods: int
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            msg = "TimeGrid.start must be aware (have a UTC offset)"
            raise DomainError(msg)
        seconds = self.step.total_seconds()
        if seconds < 1 or seconds != int(seconds):
            msg = f"TimeGrid.step must be a whole number of seconds of at least 1, not {self.step}"
            raise DomainError(msg)
        if self.periods < 1:
            msg = f"TimeGrid.periods must be at least 1, not {self.periods}"
            raise DomainError(msg)
        zone(self.tz)
        object.__setattr__(self, "start", self.start.astimezone(UTC))

    @classmethod
    def for_days(cls, first: date, last: date, step: timedelta, tz: str) -> TimeGrid:
        """Covers the local days ``first`` … ``last`` (both included) of ``tz``, whatever their length.

        >>> TimeGrid.for_days(date(2024, 3, 31), date(2024, 3, 31), timedelta(minutes=15), "Europe/Amsterdam").periods
        92
        """
        local = zone(tz)
        begin = datetime(first.year, first.month, first.day, tzinfo=local).astimezone(UTC)
        after = last + timedelta(days=1)
        end = datetime(after.year, after.month, after.day, tzinfo=local).astimezone(UTC)
        count = (end - begin) / step
        if count < 1 or count != int(count):
            msg = f"the days {first} to {last} are not a whole number of steps of {step}"
            raise DomainError(msg)
        return cls(begin, step, int(count), tz)

    @property
    def step_h(self) -> float:
        """Length of one interval [h]."""
        return self.step.total_seconds() / 3600.0

    @property
    def step_s(self) -> int:
        """Length of one interval [s]."""
        return int(self.step.total_seconds())

    @property
    def start_s(self) -> int:
        """Start as whole seconds since 1970-01-01T00:00Z."""
        return int((self.start - _EPOCH).total_seconds())

    @property
    def end(self) -> datetime:
        """End of the last interval (exclusive), in UTC."""
        return self.start + self.step * self.periods

    @cached_property
    def epoch_s(self) -> NDArray[np.int64]:
        """Start of every interval in seconds since 1970-01-01T00:00Z, shape ``(periods,)``."""
        return self.start_s + np.arange(self.periods, dtype=np.int64) * self.step_s

    @cached_property
    def instants(self) -> NDArray[np.datetime64]:
        """Start of every interval as UTC ``datetime64[s]``, shape ``(periods,)``."""
        return self.epoch_s.astype("datetime64[s]")

    def instant(self, index: int) -> datetime:
        """Start of interval ``index`` (``periods`` itself gives the end), in UTC."""
        return self.start + self.step * index

    def position(self, when: datetime) -> float:
        """Where ``when`` lies, in steps from the start (may be negative or beyond the end).

        Raises:
            DomainError: ``when`` is naive.
        """
        if when.tzinfo is None:
            msg = "an instant must be aware (have a UTC offset)"
            raise DomainError(msg)
        return (when - self.start) / self.step

    def slice(self, begin: int, end: int) -> TimeGrid:
        """The grid of intervals ``begin`` … ``end - 1``."""
        if not 0 <= begin < end <= self.periods:
            msg = f"slice {begin}:{end} lies outside a grid of {self.periods} periods"
            raise DomainError(msg)
        return TimeGrid(self.instant(begin), self.step, end - begin, self.tz)

    @cached_property
    def utc_offset_s(self) -> NDArray[np.int64]:
        """Offset of local time from UTC at every interval's start [s], shape ``(periods,)``."""
        local = zone(self.tz)
        quarter = 900  # every rule of the tz database since 1970 changes on a quarter hour of UTC
        keys = self.epoch_s // quarter
        unique, inverse = np.unique(keys, return_inverse=True)
        hours, hour_inverse = np.unique(unique // 4, return_inverse=True)
        offsets = np.array([_offset_s(local, int(h) * 3600) for h in hours], dtype=np.int64)
        after = np.array([_offset_s(local, (int(h) + 1) * 3600) for h in hours], dtype=np.int64)
        by_quarter = offsets[hour_inverse]
        for k in np.flatnonzero((offsets != after)[hour_inverse]):
            by_quarter[k] = _offset_s(local, int(unique[k]) * quarter)
        return np.asarray(by_quarter[inverse], dtype=np.int64)

    @cached_property
    def local(self) -> LocalFields:
        """Local calendar fields of every interval's start."""
        wall = self.epoch_s + self.utc_offset_s
        days = wall // 86_400
        second = wall - days * 86_400
        stamp = days.astype("datetime64[D]")
        months = stamp.astype("datetime64[M]")
        month_index = months.astype(np.int64) + 1970 * 12
        return LocalFields(
            year=month_index // 12,
            month=month_index % 12 + 1,
            day=(stamp - months.astype("datetime64[D]")).astype(np.int64) + 1,
            weekday=(days + 3) % 7,  # 1970-01-01 was a Thursday
            hour=second // 3600,
            minute=(second % 3600) // 60,
            date_ordinal=days + date(1970, 1, 1).toordinal(),
            month_index=month_index,
        )


def _offset_s(local: ZoneInfo, epoch_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=epoch_s)).astimezone(local).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def month_label(month_index: int) -> str:
    """Names a billing month.

    >>> month_label(2018 * 12)
    '2018-01'
    """
    return f"{month_index // 12:04d}-{month_index % 12 + 1:02d}"
