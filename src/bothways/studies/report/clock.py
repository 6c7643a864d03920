"""Site-local time for the figures, and the choice of what to show closely: which week, which day."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MONDAY = 0
_WEEK_DAYS = 7


@dataclass(frozen=True)
class Window:
    """Steps ``begin`` … ``end - 1``, with the reason why these were chosen.

    Attributes:
        begin: first step.
        end: step after the last one.
        why: completes "… was chosen because …", in words.
    """

    begin: int
    end: int
    why: str

    @property
    def span(self) -> slice:
        """The window as a slice."""
        return slice(self.begin, self.end)


def wall_ms(grid: TimeGrid) -> Floats:
    """Local wall clock of every step in milliseconds since 1970-01-01 local, shape ``(T,)``: what figures plot on."""
    return np.asarray((grid.epoch_s + grid.utc_offset_s) * 1000.0, dtype=np.float64)


def clock_changes(grid: TimeGrid) -> bool:
    """Whether the period contains a change between standard and summer time."""
    return bool(np.any(np.diff(grid.utc_offset_s)))


def day_starts(grid: TimeGrid) -> Ints:
    """First step of every local day, and the number of steps as a closing bound."""
    ordinal = grid.local.date_ordinal
    starts = np.flatnonzero(np.diff(ordinal)) + 1
    return np.concatenate([[0], starts, [grid.periods]]).astype(np.int64)


def choose_week(grid: TimeGrid, discharge_kw: Floats, uncontrolled_kw: Floats) -> Window:
    """The calendar week with most bidirectional discharge; without any, the one with the uncontrolled peak.

    Args:
        grid: the study's period.
        discharge_kw: power discharged by vehicles, positive, shape ``(T,)`` [kW].
        uncontrolled_kw: site power under uncontrolled charging, shape ``(T,)`` [kW].

    Returns:
        A whole week from Monday where the period has one, else seven days, else the whole period.
    """
    bounds = day_starts(grid)
    days = bounds.shape[0] - 1
    if days <= _WEEK_DAYS:
        return Window(0, grid.periods, "it is the whole period of the study")
    firsts = np.arange(days - _WEEK_DAYS + 1)
    mondays = firsts[grid.local.weekday[bounds[firsts]] == _MONDAY]
    firsts = mondays if mondays.size else firsts
    begin, end = bounds[firsts], bounds[firsts + _WEEK_DAYS]
    total = np.concatenate([[0.0], np.cumsum(discharge_kw)])
    given = total[end] - total[begin]
    if given.max() > 1e-6:
        best = int(np.argmax(given))
        return Window(int(begin[best]), int(end[best]), "vehicles fed back most energy in it")
    peaks = np.array([uncontrolled_kw[b:e].max() for b, e in zip(begin, end, strict=True)])
    best = int(np.argmax(peaks))
    return Window(int(begin[best]), int(end[best]), "it holds the highest uncontrolled power")


def choose_day(grid: TimeGrid, week: Window, discharge_kw: Floats, connected: Floats) -> Window:
    """The day of ``week`` with most bidirectional discharge; without any, the one with most vehicles connected.

    Args:
        grid: the study's period.
        week: where to look.
        discharge_kw: power discharged by vehicles, positive, shape ``(T,)`` [kW].
        connected: number of connected vehicles, shape ``(T,)``.

    Returns:
        One local day.
    """
    bounds = day_starts(grid)
    inside = [(int(b), int(e)) for b, e in pairwise(bounds) if week.begin <= b and e <= week.end]
    inside = inside or [(week.begin, week.end)]
    given = np.array([discharge_kw[b:e].sum() for b, e in inside])
    if given.max() > 1e-6:
        begin, end = inside[int(np.argmax(given))]
        return Window(begin, end, "vehicles fed back most energy on it")
    there = np.array([connected[b:e].sum() for b, e in inside])
    begin, end = inside[int(np.argmax(there))]
    return Window(begin, end, "most vehicles were connected on it")


def extremes(x: Floats, values: Floats, size: int) -> tuple[Floats, Floats]:
    """Thins a long series without losing a peak: of every ``size`` steps the highest and the lowest value.

    Args:
        x: where the values lie, shape ``(T,)``.
        values: shape ``(T,)``.
        size: steps per bucket; at most 2 changes nothing, because nothing would be saved.

    Returns:
        Places and values; two of each per bucket, the highest first.
    """
    if size <= 2:
        return x, values
    missing = -values.shape[0] % size
    high = np.concatenate([values, np.full(missing, -np.inf)]).reshape(-1, size).max(axis=1)
    low = np.concatenate([values, np.full(missing, np.inf)]).reshape(-1, size).min(axis=1)
    first = x[::size]
    middle = x[np.minimum(np.arange(first.shape[0]) * size + size // 2, x.shape[0] - 1)]
    return np.column_stack([first, middle]).ravel(), np.column_stack([high, low]).ravel()
