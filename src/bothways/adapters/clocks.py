"""Clocks: the machine's, and one that runs faster for replays, drills and demonstrations."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from bothways.domain.errors import DomainError


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The instant, aware, UTC."""
        return datetime.now(tz=UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits for so many seconds."""
        await asyncio.sleep(max(0.0, seconds))


class ScaledClock:
    """A clock that starts at a given instant and runs ``speed`` times as fast as the machine's.

    Args:
        start: its first instant, aware.
        speed: seconds of this clock per second of the machine's, above 0.

    Raises:
        DomainError: a start without time zone, or a speed that is not above 0.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        if start.tzinfo is None:
            msg = "a clock needs an aware start"
            raise DomainError(msg)
        if not speed > 0.0:
            msg = f"a clock's speed must be above 0, not {speed}"
            raise DomainError(msg)
        self._start = start.astimezone(UTC)
        self._speed = speed
        self._origin = time.monotonic()

    def now(self) -> datetime:
        """The instant, aware, UTC."""
        return self._start + timedelta(seconds=(time.monotonic() - self._origin) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Waits for so many seconds of this clock."""
        await asyncio.sleep(max(0.0, seconds) / self._speed)
