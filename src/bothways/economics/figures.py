"""A number, or the reason why there is none; and the checks that keep NaN out of money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A result that may not exist, in which case the reason is the result.

    Attributes:
        value: the number, ``None`` where there is none.
        note: why there is no number, or what must be known to read it; empty where nothing needs saying.

    >>> Figure(None, "the flow never changes sign").known
    False
    """

    value: float | None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            msg = "a figure without a value needs the reason why"
            raise DomainError(msg)

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return self.value is not None


def finite(name: str, value: float, *, low: float = -math.inf, high: float = math.inf) -> float:
    """Returns ``value`` as float if it is finite and within ``low … high``.

    Raises:
        DomainError: NaN, infinite or outside the range; the message names the value.
    """
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        msg = f"{name} must be a finite number in {low:g} … {high:g}, not {number:g}"
        raise DomainError(msg)
    return number


def above_zero(name: str, value: float) -> float:
    """Returns ``value`` as float if it is finite and above 0.

    Raises:
        DomainError: NaN, infinite, zero or negative.
    """
    number = float(value)
    if not math.isfinite(number) or number <= 0.0:
        msg = f"{name} must be a finite number above 0, not {number:g}"
        raise DomainError(msg)
    return number


def growth_rate(name: str, rate: float) -> float:
    """Returns ``rate`` as float if it is a finite fraction per year above -1, the loss of everything.

    Raises:
        DomainError: NaN, infinite, or -1 and below.
    """
    value = finite(name, rate)
    if value <= -1.0:
        msg = f"{name} must be above -1 (the loss of everything), not {value:g}"
        raise DomainError(msg)
    return value


def whole(name: str, value: float, *, low: int = 0) -> int:
    """Returns ``value`` as int if it is a whole number of at least ``low``.

    Raises:
        DomainError: a fraction, NaN, infinite or below ``low``.
    """
    if not math.isfinite(value) or value != int(value) or value < low:
        msg = f"{name} must be a whole number of at least {low}, not {value}"
        raise DomainError(msg)
    return int(value)


def series(name: str, values: ArrayLike, periods: int, *, non_negative: bool = False) -> Floats:
    """Returns ``values`` as float array of shape ``(periods,)``.

    Raises:
        DomainError: another shape, NaN or infinite values, or negative ones where ``non_negative``.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (periods,):
        msg = f"{name} must hold {periods} values, one per interval, not shape {array.shape}"
        raise DomainError(msg)
    if not np.isfinite(array).all():
        at = int(np.flatnonzero(~np.isfinite(array))[0])
        msg = f"{name}[{at}] is {array[at]}: every value must be finite"
        raise DomainError(msg)
    if non_negative and (array < 0.0).any():
        at = int(np.flatnonzero(array < 0.0)[0])
        msg = f"{name}[{at}] is {array[at]:g}: values must be at least 0"
        raise DomainError(msg)
    return array


def decimal(name: str, amount: Decimal | float | str) -> Decimal:
    """Returns ``amount`` as an exact ``Decimal``; a float is read as it prints (0.1 is one tenth).

    Raises:
        DomainError: NaN, infinite, or text that is no number.
    """
    try:
        value = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    except ArithmeticError as error:
        msg = f"{name} must be an amount of money, not {amount!r}"
        raise DomainError(msg) from error
    if not value.is_finite():
        msg = f"{name} must be a finite amount of money, not {value}"
        raise DomainError(msg)
    return value


def sourced(name: str, source: str) -> str:
    """Returns ``source`` if it says something.

    Raises:
        DomainError: empty text: a number that nobody stands behind is not an input.
    """
    if not source.strip():
        msg = f"{name} needs a source: who says so, and when"
        raise DomainError(msg)
    return source
