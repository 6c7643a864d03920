"""The error tree of bothways, and problems as data.

::

    BothwaysError                 everything that bothways raises on purpose
    ├── InputError                a file or mapping given by a user is wrong; carries every problem at once
    ├── DomainError               a value breaks a rule of the field (a negative capacity, NaN in a price)
    ├── InfeasibleError           no schedule exists; carries the reasons
    ├── SolverError               a solver stopped without an answer that can be used
    ├── StoreError                the store cannot take or give now; nothing was acknowledged
    └── GatewayError              a station is out of reach, did not answer, or refused
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        where: file, and line or key: ``"load.csv line 12, column load_kw"`` or ``"vehicles.charge_kw[3]"``.
        found: the value found, as the user wrote it.
        allowed: what is allowed there, with its unit.
        remedy: what to do about it, in one sentence.
    """

    where: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; allowed: {self.allowed}. {self.remedy}"


class BothwaysError(Exception):
    """Root of every error that bothways raises on purpose."""


class InputError(BothwaysError):
    """An input is wrong. Carries all problems found, never only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            msg = "an InputError needs at least one problem"
            raise ValueError(msg)
        self.problems = tuple(dict.fromkeys(problems))  # the same file read for two purposes has the same faults
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DomainError(BothwaysError):
    """A value breaks a rule of the field."""


class InfeasibleError(BothwaysError):
    """No schedule can satisfy the hard limits. ``reasons`` are sentences for a person."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


class SolverError(BothwaysError):
    """A solver ended without a usable answer."""


class StoreError(BothwaysError):
    """The store cannot take or give anything now. What was being stored is not acknowledged."""


class GatewayError(BothwaysError):
    """A station is out of reach, did not answer in time, or answered with an error."""


@dataclass(slots=True)
class Problems:
    """Collects problems while an input is read, so that the user sees all of them at once.

    ``at`` prefixes every location (usually the file's name). ``raise_if_any`` ends the reading.

    >>> problems = Problems(at="plan.json")
    >>> problems.add("step_h", -1, "a number above 0 [h]", "Give the step in hours, for example 0.25.")
    >>> len(problems)
    1
    """

    at: str = ""
    items: list[Problem] = field(default_factory=list)

    def add(self, where: str, found: object, allowed: str, remedy: str) -> None:
        """Notes one problem at ``where`` (appended to the collector's own location)."""
        place = f"{self.at}: {where}" if self.at and where else self.at or where
        text = found if isinstance(found, str) else repr(found)
        self.items.append(Problem(place, text if len(text) <= 120 else text[:117] + "...", allowed, remedy))

    def extend(self, others: Sequence[Problem]) -> None:
        """Takes over problems found elsewhere."""
        self.items.extend(others)

    def raise_if_any(self) -> None:
        """Raises :class:`InputError` with everything collected, or returns."""
        if self.items:
            raise InputError(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)
