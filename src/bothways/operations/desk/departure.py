"""From a time of day, as people state it, to the instant that is meant."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bothways.domain.errors import Problems


def next_departure(now: datetime, tz: str, wall: str) -> datetime:
    """The next instant at which clocks show a time of day.

    A time that a change of clocks leaves out is taken as the instant just as long after the change; one that occurs
    twice as the first of the two.

    Args:
        now: the instant of asking.
        tz: IANA zone of the site.
        wall: ``HH:MM``.

    Raises:
        InputError: not a time of day.

    >>> next_departure(datetime(2026, 11, 21, 18, 0, tzinfo=UTC), "Europe/Amsterdam", "07:30").isoformat()
    '2026-11-22T06:30:00+00:00'
    """
    problems = Problems(at="ready by")
    try:
        at = time.fromisoformat(wall)
    except ValueError:
        at = time()
        problems.add("", wall, "a time of day such as 07:30", "State hours and minutes.")
    problems.raise_if_any()
    zone = ZoneInfo(tz)
    today = now.astimezone(zone).date()
    for days in range(3):
        found = datetime.combine(today + timedelta(days=days), at, zone).astimezone(UTC)
        if found > now:
            return found
    msg = "a day has a next one"  # pragma: no cover - three days always hold every time of day
    raise AssertionError(msg)
