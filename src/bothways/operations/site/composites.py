"""Stations are asked again and again what they hold to, so that an order that was accepted and not kept is noticed.

A meter shows only a vehicle that takes more than it was told; a station that holds to another limit says so in its
composite schedule before any vehicle makes use of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from bothways.domain.errors import BothwaysError
from bothways.operations.events import EvseKey
from bothways.operations.ports import ChargerGateway
from bothways.operations.site.book import Outlet

EVERY_S = 300.0
"""Each EVSE in use is asked once in this time."""

ANSWER_S = 10.0


class CompositeRounds:
    """Asks one EVSE after the other, so that a large site is not asked all at once.

    Args:
        gateway: to the stations.
        settle_s: an order has to be this old before it is asked about [s].
        tick_s: time between two turns [s].
    """

    def __init__(self, gateway: ChargerGateway, settle_s: float, tick_s: float) -> None:
        self._gateway, self._settle_s, self._tick_s = gateway, settle_s, tick_s
        self._every_s = max(EVERY_S, 3.0 * settle_s)
        self._asked: dict[EvseKey, datetime] = {}

    def due(self, outlets: Mapping[EvseKey, Outlet], connected: Collection[str], now: datetime) -> list[Outlet]:
        """The EVSEs whose turn it is, those asked longest ago first; they count as asked from now on."""
        settled = now - timedelta(seconds=self._settle_s)
        late = now - timedelta(seconds=self._every_s)
        waiting = [
            item
            for key, item in outlets.items()
            if key.station_id in connected and item.visit is not None and item.visit.transaction_id
            and item.ordered_at is not None and item.ordered_at <= settled and not item.pending
            and not late < self._asked.get(key, late) <= now
        ]  # fmt: skip
        many = max(1, math.ceil(len(outlets) * self._tick_s / self._every_s))
        chosen = sorted(waiting, key=lambda item: self._asked.get(item.key, datetime.min.replace(tzinfo=now.tzinfo)))
        for item in chosen[:many]:
            self._asked[item.key] = now
        return chosen[:many]

    async def ask(self, outlet: Outlet) -> None:
        """Asks, and keeps the answer beside the order it is about; an order that came meanwhile is not judged by it."""
        about = outlet.ordered_at
        try:
            answer = await asyncio.wait_for(self._gateway.composite(outlet.key), ANSWER_S)
        except (TimeoutError, BothwaysError):
            return
        if outlet.ordered_at == about and not outlet.pending:
            outlet.composite = answer
