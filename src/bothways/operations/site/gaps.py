"""Events that stations numbered and never sent: found in the store, told of in words."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from bothways.operations.ports import Store, TransactionRow

EVERY_S = 300.0
"""The store is asked this often."""

_LOOKED_BACK = timedelta(days=1)
_GRACE = timedelta(minutes=10)
_ROWS, _NAMED = 1000, 3


async def gaps(store: Store, stations: Collection[str], now: datetime) -> dict[str, str]:
    """What stations of a site have not told of transactions that ended within a day.

    A station that was out of reach sends what it kept when it is back, so the last ten minutes are not judged.

    Args:
        store: durable memory.
        stations: ids of the site's stations.
        now: the instant.

    Returns:
        By station, a text for a person.
    """
    if not stations:
        return {}
    rows = await store.transactions(stations=stations, since=now - _LOOKED_BACK, limit=_ROWS)
    found: dict[str, list[TransactionRow]] = {}
    for row in rows:
        if row.missing and row.ended_at is not None and (row.last_at or row.ended_at) < now - _GRACE:
            found.setdefault(row.station_id, []).append(row)
    return {station: _told(some) for station, some in found.items()}


def _told(rows: list[TransactionRow]) -> str:
    """How many events, and which of the first few transactions.

    >>> _told([TransactionRow("A", "t-1", 1, "", None, None, 0.0, 0.0, missing=(2, 3))])
    '2 events of 1 transactions never arrived: t-1 (2, 3)'
    """
    some = ", ".join(f"{row.transaction_id} ({_numbers(row.missing)})" for row in rows[:_NAMED])
    count = sum(len(row.missing) for row in rows)
    return f"{count} events of {len(rows)} transactions never arrived: {some}{', …' if len(rows) > _NAMED else ''}"


def _numbers(missing: tuple[int, ...]) -> str:
    shown = ", ".join(str(number) for number in missing[:_NAMED])
    return f"{shown}, …" if len(missing) > _NAMED else shown
