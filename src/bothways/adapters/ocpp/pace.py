"""How fast one station may be read."""

from __future__ import annotations


class Pace:
    """A token bucket: a burst at once, then so many per second.

    Args:
        per_s: messages per second in the long run.
        burst: messages at once.
    """

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = 0.0

    def wait_s(self, now: float) -> float:
        """Takes one message; how long to wait before the next is read [s].

        >>> pace = Pace(10.0, 2)
        >>> [pace.wait_s(100.0) for _ in range(3)]
        [0.0, 0.0, 0.1]
        """
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0.0 else -self._tokens / self._per_s
