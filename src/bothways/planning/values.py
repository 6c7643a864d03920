"""Reads numbers and columns out of a mapping, and notes everything that is wrong with them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bothways.domain.errors import Problems
from bothways.planning.problem import Bools, Floats

_MOST_LISTED = 5  # faulty entries of one column that are shown one by one


@dataclass(frozen=True)
class Allowed:
    """What a number may be.

    Attributes:
        unit: in words, for the message.
        low: least value.
        high: greatest value.
        above_low: whether ``low`` itself is excluded.
        whole: whether only whole numbers count.
    """

    unit: str
    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        parts = []
        if math.isfinite(self.low):
            parts.append(f"{'above' if self.above_low else 'at least'} {self.low:g}")
        if math.isfinite(self.high):
            parts.append(f"at most {self.high:g}")
        return " ".join(filter(None, (kind, " and ".join(parts), f"[{self.unit}]")))

    def faults(self, values: Floats) -> Bools:
        """Which values are not allowed; NaN never is."""
        low_ok = values > self.low if self.above_low else values >= self.low
        good = np.isfinite(values) & low_ok & (values <= self.high)
        if self.whole:
            good &= values == np.round(values)
        return ~good


class Reader:
    """Reads one mapping; every fault goes into ``problems`` and reading continues.

    Args:
        mapping: keys and values as they came from a file.
        problems: where faults are noted.
        prefix: how keys are named in messages, ``"vehicles."`` for example.
    """

    def __init__(self, mapping: Mapping[str, object], problems: Problems, prefix: str = "") -> None:
        self._mapping = mapping
        self._problems = problems
        self._prefix = prefix

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._mapping

    def raw(self, key: str) -> object:
        """The value as it came, ``None`` where there is none."""
        return self._mapping.get(key)

    def fault(self, key: str, found: object, allowed: str, remedy: str) -> None:
        """Notes a problem with one key."""
        self._problems.add(f"{self._prefix}{key}", found, allowed, remedy)

    def check_keys(self, known: Sequence[str], required: Collection[str]) -> None:
        """Notes keys that are missing, and unknown ones with the nearest known name."""
        for key in self._mapping:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else "Remove it."
                self.fault(str(key)[:60], "an unknown key", ", ".join(known), remedy)
        for key in known:
            if key in required and key not in self._mapping:
                self.fault(key, "nothing", "this key is required", "Add it; docs/reference/plan-format.md says how.")

    def number(self, key: str, allowed: Allowed, default: float, *, nullable: bool = False) -> float:
        """One number; ``default`` where the key is missing (or null, if ``nullable``) and where it is faulty."""
        if key not in self._mapping or (nullable and self._mapping[key] is None):
            return default
        value = as_number(self._mapping[key])
        if value is None:
            self.fault(key, self._mapping[key], str(allowed), "Give a number, without quotes.")
            return default
        if allowed.faults(np.array([value]))[0]:
            self.fault(key, _said(value), str(allowed), "Correct the value.")
            return default
        return value

    def numbers(self, key: str, allowed: Allowed, *, length: int | None, default: float | None = None) -> Floats | None:
        """A column of numbers; a single number stands for all of them (an array of shape ``()`` comes back).

        Faulty entries come back as NaN. ``None`` where there is nothing that can be read.

        Args:
            key: which.
            allowed: what each entry may be.
            length: entries there must be; ``None`` for any.
            default: stands in for a missing (or null) key.
        """
        raw = self._mapping.get(key)
        if raw is None:
            if default is None and key in self._mapping:
                self.fault(key, None, f"a list of numbers ({allowed})", "Give the values.")
            return None if default is None else np.array(default)
        column = self._column(key, raw, allowed)
        if column is None:
            return None
        if column.ndim == 1 and length is not None and column.size != length:
            self.fault(key, f"{column.size} values", f"{length} values, or one number for all", "Match the lengths.")
            return None
        flat = np.atleast_1d(column)
        faulty = np.flatnonzero(allowed.faults(flat) & ~np.isnan(flat)).tolist()
        for at in faulty[:_MOST_LISTED]:
            self.fault(f"{key}[{at}]" if column.ndim else key, _said(flat[at]), str(allowed), "Correct the value.")
        self.more(key, len(faulty), str(allowed))
        flat[faulty] = math.nan
        return column

    def more(self, key: str, count: int, allowed: str) -> None:
        """Says that a column has more faults than were listed."""
        if count > _MOST_LISTED:
            self.fault(key, f"{count - _MOST_LISTED} more such values", allowed, "Correct them as well.")

    def rows(self, key: str, faulty: Bools, found: str, values: Sequence[Floats], allowed: str, remedy: str) -> None:
        """Notes the vehicles for which a rule between columns is broken; ``found`` is formatted with their values."""
        which = np.flatnonzero(faulty).tolist()
        for at in which[:_MOST_LISTED]:
            self.fault(f"{key}[{at}]", found.format(*(f"{column[at]:g}" for column in values)), allowed, remedy)
        self.more(key, len(which), allowed)

    def _column(self, key: str, raw: object, allowed: Allowed) -> Floats | None:
        expected = f"a list of numbers ({allowed})"
        if isinstance(raw, np.ndarray):
            if raw.ndim > 1 or raw.dtype.kind not in "iufb":
                shape = f"an array of shape {raw.shape} and type {raw.dtype}"
                self.fault(key, shape, expected, "Store a one-dimensional array of numbers.")
                return None
            column = raw.astype(np.float64)
            self._not_finite(key, np.atleast_1d(column), allowed)
            return column
        if not isinstance(raw, list | tuple):
            value = as_number(raw)
            if value is None:
                self.fault(key, raw, expected, "Give a list of numbers, or one number for all.")
                return None
            column = np.array(value)
            self._not_finite(key, np.atleast_1d(column), allowed)
            return column
        values = [as_number(item) for item in raw]
        wrong = [at for at, value in enumerate(values) if value is None]
        for at in wrong[:_MOST_LISTED]:
            self.fault(f"{key}[{at}]", raw[at], str(allowed), "Give a number, without quotes.")
        self.more(key, len(wrong), str(allowed))
        column = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
        self._not_finite(key, column, allowed)
        column[wrong] = math.nan
        return column

    def _not_finite(self, key: str, column: Floats, allowed: Allowed) -> None:
        bad = np.flatnonzero(~np.isfinite(column)).tolist()
        for at in bad[:_MOST_LISTED]:
            self.fault(f"{key}[{at}]", _said(column[at]), str(allowed), "Replace it by the value that is meant.")
        self.more(key, len(bad), str(allowed))
        column[bad] = math.nan


def as_number(value: object) -> float | None:
    """The value as a float, ``None`` where it is no number (a boolean is none).

    >>> as_number(3), as_number("3"), as_number(True), as_number(10**400)
    (3.0, None, None, inf)
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _said(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.12g}"
