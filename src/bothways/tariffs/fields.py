"""Reads the fields of a tariff's JSON one by one; every fault is noted, none ends the reading."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TypeVar

from bothways.domain.errors import Problems

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
LARGEST = 1e9
"""No price, power or amount of money in a tariff is larger; anything above is a slip."""

_T = TypeVar("_T")


def shown(value: object) -> str:
    """Returns the value in a form short enough for a message, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints, or endless nesting
        text = f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 100 else f"{text[:97]}..."


@dataclass
class Fields:
    """What is read, what is wrong with it, and what should be known about it.

    Attributes:
        problems: faults, each with its place.
        warnings: sentences on what was assumed or is not used.
    """

    problems: Problems
    warnings: list[str] = field(default_factory=list)

    def fault(self, where: str, found: object, allowed: str, remedy: str) -> None:
        """Notes one problem."""
        self.problems.add(where, found if isinstance(found, str) else shown(found), allowed, remedy)

    def number(
        self, where: str, value: object, what: str, *, low: float = -LARGEST, high: float = LARGEST,
        default: float = 0.0,
    ) -> float:  # fmt: skip
        """Reads a number in ``low`` … ``high``; ``None`` gives ``default``; a fault is noted and gives ``default``."""
        if value is None:
            return default
        allowed = f"{what}, {_span(low, high)}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            remedy = "Write the number without quotes." if isinstance(value, str) else "Give a number."
            self.fault(where, value, allowed, remedy)
            return default
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fault(where, value, allowed, "Give a finite number, or leave the field out.")
            return default
        if not low <= number <= high:
            self.fault(where, value, allowed, "Correct the value or its unit.")
            return default
        return number

    def whole(self, where: str, value: object, what: str, *, low: int, high: int, default: int = 0) -> int:
        """Reads a whole number in ``low`` … ``high``."""
        number = self.number(where, value, what, low=low, high=high, default=default)
        if number != int(number):
            self.fault(where, value, f"{what}, a whole number", "Round the value.")
            return default
        return int(number)

    def text(self, where: str, value: object, what: str, *, default: str = "") -> str:
        """Reads a text; ``None`` gives ``default``."""
        if value is None:
            return default
        if not isinstance(value, str):
            self.fault(where, value, what, "Give a text in quotes.")
            return default
        return value.strip()

    def yes(self, where: str, value: object, *, default: bool) -> bool:
        """Reads true or false (also 0 and 1)."""
        if value is None:
            return default
        if value in (0, 1) and isinstance(value, (bool, int, float)):
            return bool(value)
        self.fault(where, value, "true or false", "Write true or false without quotes.")
        return default

    def choice(self, where: str, value: object, choices: Mapping[str, _T], default: _T) -> _T:
        """Reads one of some words, whatever their case."""
        word = self.text(where, value, "a text")
        if not word:
            return default
        for name, meaning in choices.items():
            if name.casefold() == word.casefold():
                return meaning
        near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
        remedy = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
        self.fault(where, value, " | ".join(choices), remedy)
        return default

    def mapping(self, where: str, value: object, keys: Iterable[str]) -> dict[str, object]:
        """Reads an object whose keys must be among ``keys``; faulty ones are noted and left out."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(where, value, "an object with named values", "Write { … }.")
            return {}
        known = list(keys)
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else "Remove it, or correct its spelling."
                self.fault(f"{where}.{shown(key)[1:-1]}", "an unknown key", ", ".join(known), remedy)
        return {key: value[key] for key in known if key in value}

    def sequence(self, where: str, value: object, what: str) -> Sequence[object]:
        """Reads a list; ``None`` gives an empty one."""
        if value is None:
            return ()
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            self.fault(where, value, what, "Write a list: [ … ].")
            return ()
        return value

    def required(self, where: str, found: Mapping[str, object], keys: Iterable[str]) -> bool:
        """Notes which keys are missing; returns whether all are there."""
        missing = [key for key in keys if found.get(key) is None]
        for key in missing:
            self.fault(f"{where}.{key}", "nothing", "a value", f"Add {key!r}.")
        return not missing

    def matrix(self, where: str, value: object, periods: int) -> tuple[tuple[int, ...], ...] | None:
        """Reads 12 rows of 24 period indices below ``periods``; ``None`` where it has any fault."""
        shape = "12 rows (months) of 24 period indices (hours)"
        rows = self.sequence(where, value, shape)
        if len(rows) != 12:
            if rows or value == []:
                self.fault(where, f"{len(rows)} rows", shape, "Give one row for each month, January first.")
            return None
        read = [self._row(f"{where}[{month}] ({MONTHS[month]})", row, periods) for month, row in enumerate(rows)]
        complete = [row for row in read if row is not None]
        return tuple(complete) if len(complete) == 12 else None

    def _row(self, where: str, value: object, periods: int) -> tuple[int, ...] | None:
        cells = self.sequence(where, value, "24 period indices")
        if len(cells) != 24:
            found = f"{len(cells)} hours"
            self.fault(where, found, "24 hours, midnight first", "A schedule must not have holes: name every hour.")
            return None
        good: list[int] = []
        bad: list[str] = []
        for hour, cell in enumerate(cells):
            whole = isinstance(cell, (int, float)) and not isinstance(cell, bool) and cell in range(periods)
            if whole and isinstance(cell, (int, float)):
                good.append(int(cell))
            else:
                bad.append(f"{shown(cell)} at hour {hour}")
        if bad:
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            allowed = f"a period index 0…{periods - 1}" if periods else "no schedule, as there are no periods"
            self.fault(where, ", ".join(bad[:3]) + more, allowed, "Every hour must name a period that exists.")
            return None
        return tuple(good)

    def of_months(
        self, where: str, value: object, what: str, *, low: float = -LARGEST, high: float = LARGEST
    ) -> tuple[float, ...]:
        """Reads 12 numbers, January first; empty where ``value`` is missing or has the wrong length."""
        cells = self.sequence(where, value, f"12 numbers: {what}")
        if len(cells) != 12:
            if cells:
                self.fault(where, f"{len(cells)} values", "12 values, January first", "Give one for each month.")
            return ()
        for month, cell in enumerate(cells):
            if cell is None:
                self.fault(f"{where}[{month}] ({MONTHS[month]})", "nothing", what, "Give a number, 0 for none.")
        return tuple(
            self.number(f"{where}[{month}] ({MONTHS[month]})", cell, what, low=low, high=high)
            for month, cell in enumerate(cells)
        )

    def moment(self, where: str, value: object) -> datetime | None:
        """Reads an ISO-8601 instant, local where it has no offset; whole minutes."""
        allowed = "an instant in whole minutes such as 2019-07-24T16:00"
        word = self.text(where, value, allowed)
        try:
            moment = datetime.fromisoformat(word)  # local on purpose: the tariff's zone is applied later
        except (ValueError, OverflowError):
            moment = None
        if moment is None or moment.second or moment.microsecond:
            self.fault(where, value, allowed, "Write year-month-dayThour:minute.")
            return None
        return moment

    def day(self, where: str, value: object) -> date | None:
        """Reads an ISO-8601 date."""
        word = self.text(where, value, "a date such as 2019-12-24")
        try:
            return date.fromisoformat(word)
        except ValueError:
            self.fault(where, value, "a date such as 2019-12-24", "Write year-month-day.")
            return None

    def month_day(self, where: str, value: object, default: tuple[int, int]) -> tuple[int, int]:
        """Reads a day of any year as ``MM-DD`` (02-29 is allowed)."""
        word = self.text(where, value, "a day such as 06-15")
        if not word:
            return default
        try:
            parsed = date.fromisoformat(f"2000-{word}")
        except ValueError:
            self.fault(where, value, "a day such as 06-15", "Write month-day, each with two digits.")
            return default
        return parsed.month, parsed.day

    def clock(self, where: str, value: object) -> time:
        """Reads a local time of day ``HH:MM``; ``24:00`` is midnight at the end of the day, given as ``time(0)``."""
        word = self.text(where, value, "a time such as 15:30")
        if word in {"", "24:00"}:
            return time(0)
        try:
            parsed = time.fromisoformat(word)
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is not None or parsed.second or parsed.microsecond:
            self.fault(where, value, "a local time such as 15:30", "Write hour:minute, each with two digits.")
            return time(0)
        return parsed


def _span(low: float, high: float) -> str:
    if low == -LARGEST and high == LARGEST:
        return "finite"
    if high == LARGEST:
        return f"at least {low:g}"
    return f"{low:g}…{high:g}"
