"""How values become columns: instants, words, digests and the sequence numbers that a transaction has shown."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bothways.domain.errors import DomainError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**31 - 1
_LONGEST = 400
MISSING_SHOWN = 1000
"""Most sequence numbers that are listed as missing: a station that jumps to 2³¹ must not fill the memory."""


def to_us(at: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware instant, exactly.

    Raises:
        DomainError: ``at`` is naive.

    >>> to_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if at.tzinfo is None:
        msg = f"the instant {at} has no UTC offset"
        raise DomainError(msg)
    return (at - _EPOCH) // _MICROSECOND


def from_us(value: int) -> datetime:
    """The aware UTC instant of a number of microseconds."""
    return _EPOCH + timedelta(microseconds=value)


def optional_us(at: datetime | None) -> int | None:
    """As :func:`to_us`, ``None`` for ``None``."""
    return None if at is None else to_us(at)


def optional_from_us(value: int | None) -> datetime | None:
    """As :func:`from_us`, ``None`` for ``None``."""
    return None if value is None else from_us(value)


def clean(text: str) -> str:
    r"""Text that both databases can keep: NUL and lone surrogates become U+FFFD.

    >>> clean("a\x00b")
    'a\ufffdb'
    """
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def short(text: str) -> str:
    """Clean text that fits an index of both databases: what is absurdly long keeps its beginning and a digest."""
    text = clean(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 33]}#{digest(text).hex()}"


def whole(name: str, value: int) -> int:
    """A number that fits an integer column.

    Raises:
        DomainError: it does not.
    """
    if not -_LARGEST <= value <= _LARGEST:
        msg = f"{name} must lie within ±{_LARGEST}, not {value}"
        raise DomainError(msg)
    return value


def finite(name: str, value: float) -> float:
    """A finite number.

    Raises:
        DomainError: it is NaN or infinite.
    """
    if not math.isfinite(value):
        msg = f"{name} must be finite, not {value}"
        raise DomainError(msg)
    return value


def digest(*parts: object) -> bytes:
    """Sixteen bytes that are the same for the same parts; the parts' borders count."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8, "big") + raw)
    return state.digest()


def negative_key(*parts: object) -> int:
    """A key below 0 for an event that has no sequence number (63 bits of :func:`digest`)."""
    return -1 - (int.from_bytes(digest(*parts)[:8], "big") >> 1)


class Seen:
    """A set of sequence numbers, kept as ranges.

    >>> seen = Seen.read("0-3,5")
    >>> seen.add(5), seen.add(4), seen.text()
    (False, True, '0-5')
    """

    __slots__ = ("ranges",)

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self.ranges = list(ranges)

    @classmethod
    def read(cls, text: str) -> Seen:
        """Reads what :meth:`text` wrote."""
        ranges = []
        for part in text.split(",") if text else ():
            low, _, high = part.partition("-")
            ranges.append((int(low), int(high or low)))
        return cls(ranges)

    def text(self) -> str:
        """The ranges in words, such as ``0-57,59``."""
        return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)

    def __contains__(self, number: int) -> bool:
        return any(low <= number <= high for low, high in reversed(self.ranges))

    def add(self, number: int) -> bool:
        """Adds a number of at least 0; False where it was there before."""
        if self.ranges and number == self.ranges[-1][1] + 1:  # the usual case: the next one
            self.ranges[-1] = (self.ranges[-1][0], number)
            return True
        if number in self:
            return False
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self.ranges, (number, number)]):
            if merged and low == merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        self.ranges = merged
        return True

    def missing(self, first: int) -> tuple[int, ...]:
        """Numbers from ``first`` up to the greatest seen that were not seen, at most ``MISSING_SHOWN``."""
        gaps: list[int] = []
        expected = first
        for low, high in self.ranges:
            if low > expected:
                gaps.extend(range(expected, min(low, expected + MISSING_SHOWN - len(gaps))))
            expected = max(expected, high + 1)
            if len(gaps) >= MISSING_SHOWN:
                break
        return tuple(gaps)
