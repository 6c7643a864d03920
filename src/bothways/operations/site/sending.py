"""Sends orders: all EVSEs at once, one outstanding each, only what changed or is about to run out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bothways.domain.errors import BothwaysError
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult, PowerOrder
from bothways.operations.ports import ChargerGateway, Clock
from bothways.operations.site.book import Outlet
from bothways.operations.site.settings import LoopOptions
from bothways.operations.site.state import SessionState

_HELD_S = 15.0
"""A small rise is held back for so long at most."""

_RETRY_S = 5.0
"""A refused order is not repeated sooner."""


@dataclass(slots=True)
class _Desk:
    """Sending state of one EVSE."""

    outstanding: PowerOrder | None = None
    last: PowerOrder | None = None
    sent_at: datetime | None = None
    answered: CommandResult | None = None
    again: bool = False


class Orders:
    """Keeps every EVSE's order at the station as it should be.

    Args:
        gateway: to the stations.
        clock: for ages and answers.
        options: life and refreshing of orders, dead band, quantum.
        answered: called with every answer.
    """

    def __init__(
        self, gateway: ChargerGateway, clock: Clock, options: LoopOptions,
        answered: Callable[[EvseKey, PowerOrder, CommandResult], None],
    ) -> None:  # fmt: skip
        self._gateway, self._clock, self._options, self._answered = gateway, clock, options, answered
        self._desks: dict[EvseKey, _Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self, key: EvseKey) -> None:
        """Nothing is known of the station's order any more: the next one is sent whatever it is."""
        desk = self._desks.get(key)
        if desk is not None:
            desk.last, desk.sent_at = None, None

    def again(self, key: EvseKey) -> None:
        """The order in force is to be sent again."""
        self._desks.setdefault(key, _Desk()).again = True

    def place(self, outlet: Outlet, power_kw: float, session: SessionState, phases: int, now: datetime) -> bool:
        """Sends the setpoint if it is due; returns whether something was put on its way.

        Falls are sent at once, small rises wait a little for company.
        """
        desk = self._desks.setdefault(outlet.key, _Desk())
        if desk.outstanding is not None:
            return False
        power = round(power_kw, 6) + 0.0  # a negative zero would be a sign on the wire
        order = PowerOrder(outlet.key, power, session.transaction_id, self._options.order_valid_s, phases=phases)
        if not self._due(desk, order, now):
            return False
        self._start(outlet, desk, order, now)
        return True

    def _due(self, desk: _Desk, order: PowerOrder, now: datetime) -> bool:
        last, sent_at, options = desk.last, desk.sent_at, self._options
        if last is None or sent_at is None or last.transaction_id != order.transaction_id or desk.again:
            return True
        age_s = (now - sent_at).total_seconds()
        if age_s < 0.0 or age_s >= options.order_refresh_s:
            return True
        if desk.answered is not None and not desk.answered.accepted:
            return age_s >= _RETRY_S
        if last.phases != order.phases and order.power_kw != 0.0:
            return True
        change = abs(order.power_kw - last.power_kw)
        grows = order.power_kw * last.power_kw > 0.0 and abs(order.power_kw) > abs(last.power_kw)
        patient = grows and change < options.deadband_kw and age_s < _HELD_S
        return change > 1e-9 and not patient

    def _start(self, outlet: Outlet, desk: _Desk, order: PowerOrder, now: datetime) -> None:
        changed = desk.last is None or abs(desk.last.power_kw - order.power_kw) > 1e-9
        desk.outstanding, desk.last, desk.sent_at, desk.again = order, order, now, False
        desk.answered = None
        if changed:
            outlet.before_kw = outlet.ordered_kw
            outlet.ordered_kw = order.power_kw
            outlet.ordered_at = now
            outlet.pending = True
            outlet.composite = None  # what the station said was about the order before
        self.run(self._send(outlet, desk, order))

    async def _send(self, outlet: Outlet, desk: _Desk, order: PowerOrder) -> None:
        try:
            limit = self._options.send_timeout_s
            result = await asyncio.wait_for(self._gateway.set_power(order, outlet.record), limit)
        except TimeoutError:
            result = CommandResult(accepted=False, status="timeout", commanded_kw=order.power_kw, at=self._clock.now())
        except BothwaysError as error:
            result = CommandResult(False, "offline", math.nan, self._clock.now(), str(error))  # noqa: FBT003
        finally:
            desk.outstanding = None
            was_pending, outlet.pending = outlet.pending, False
        if was_pending and result.accepted and outlet.ordered_at is not None:
            outlet.ordered_at = self._clock.now()  # the vehicle begins to follow when the station knows
        desk.answered = result
        self._answered(outlet.key, order, result)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the loop and keeps hold of it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Waits until nothing is outstanding."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
