"""How often somebody without an account may ask: so many at once, then so many a minute. Pure but for its memory."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

_REMEMBERED = 10_000


class Pace:
    """A bucket of tries per key, filled again at a steady rate; the memory is bounded.

    Args:
        at_once: tries in a full bucket.
        per_minute: how many come back in a minute.
    """

    def __init__(self, at_once: int, per_minute: float) -> None:
        self._at_once, self._per_s = float(at_once), per_minute / 60.0
        self._left: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def wait_s(self, key: str, now: datetime) -> float:
        """Takes a try and returns 0, or how long to wait for the next one [s].

        >>> from datetime import UTC, timedelta
        >>> pace, now = Pace(2, 6.0), datetime(2026, 1, 1, tzinfo=UTC)
        >>> [pace.wait_s("a", now) for _ in range(3)], pace.wait_s("b", now)
        ([0.0, 0.0, 10.0], 0.0)
        >>> pace.wait_s("a", now + timedelta(seconds=10))
        0.0
        """
        left, last = self._left.pop(key, (self._at_once, now))
        left = min(self._at_once, left + max(0.0, (now - last).total_seconds()) * self._per_s)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._per_s
        self._left[key] = (left - 1.0 if wait <= 0.0 else left, now)
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return wait
