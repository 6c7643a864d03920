"""The chargers behind all gateways of an installation, as a planner or the web reaches them over the bus."""

from __future__ import annotations

import asyncio
import itertools
import math
import uuid
from collections.abc import Mapping
from typing import Any

from bothways.adapters.bus.commands import FENCED, NOT_HERE, Command, Operation, Power, Request, Safe, Start, Stop
from bothways.adapters.bus.connection import Bus, Nobody
from bothways.adapters.bus.lease import Epoch, SiteLease
from bothways.adapters.bus.whereabouts import Whereabouts
from bothways.adapters.bus.wire import Answer, checked, enveloped, plain, read
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult, Composite, PowerOrder, SafeProfile, StationCommand
from bothways.operations.ports import Clock
from bothways.operations.stations import EvseRecord

_AGAIN_S = 0.1


class _Offline(GatewayError):  # noqa: N818 - read as a sentence where it is raised
    """Nobody holds the station's connection, or may not be asked now."""


class RemoteGateway:
    """Fulfils :class:`bothways.operations.ports.ChargerGateway` over the bus.

    With a lease it is a planner's: it sees and commands stations only while the planner leads its site. Without one
    it is a person's: it can ask, start, stop and administer, but sets no power.

    Args:
        bus: the bus.
        whereabouts: which gateway holds which station.
        clock: for the instants of answers.
        lease: the site's lease, ``None`` for people.
    """

    def __init__(self, bus: Bus, whereabouts: Whereabouts, clock: Clock, lease: SiteLease | None = None) -> None:
        self._bus, self._whereabouts, self._clock, self._lease = bus, whereabouts, clock, lease
        self._name = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._waiting: dict[str, set[asyncio.Task[bytes]]] = {}
        whereabouts.on_move(self._moved)

    def connected(self) -> frozenset[str]:
        """Stations with a live connection at any gateway; none while this planner does not lead."""
        if self._lease is not None and self._lease.epoch() is None:
            return frozenset()
        return self._whereabouts.connected()

    async def set_power(self, order: PowerOrder, evse: EvseRecord) -> CommandResult:
        """Puts a setpoint on the wire of the gateway that holds the station."""
        return await self._order(order.evse.station_id, "power", Power(order, evse))

    async def set_safe_profile(self, profile: SafeProfile) -> CommandResult:
        """Leaves a profile at the station that holds when the server is silent."""
        return await self._order(profile.station_id, "safe", Safe(profile))

    async def composite(self, evse: EvseKey) -> Composite | None:
        """Asks the station what it holds to now; ``None`` where it cannot say, or cannot be asked."""
        try:
            value = await self._ask(evse.station_id, "composite", evse)
        except (GatewayError, TimeoutError):
            return None
        return None if value is None else checked(Composite, value)

    async def start(self, evse: EvseKey, id_token: str) -> CommandResult:
        """Asks the station to start a transaction."""
        return await self._order(evse.station_id, "start", Start(evse, id_token))

    async def stop(self, station_id: str, transaction_id: str) -> CommandResult:
        """Asks the station to end a transaction."""
        return await self._order(station_id, "stop", Stop(transaction_id))

    async def command(self, station_id: str, command: StationCommand) -> CommandResult:
        """Asks the station for what a person wants of it, in its own protocol version."""
        return await self._order(station_id, "command", command)

    async def call(self, station_id: str, action: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        """Sends any request of the station's protocol version; for administration.

        Raises:
            GatewayError: where the station is offline, did not answer, or answered with an error.
        """
        try:
            value = await self._ask(station_id, "call", Request(action, dict(payload)))
        except TimeoutError as error:
            msg = f"{station_id} did not answer"
            raise GatewayError(msg) from error
        if not isinstance(value, dict):
            msg = f"{station_id} gave an answer that cannot be read"
            raise GatewayError(msg)
        return value

    async def _order(self, station_id: str, operation: Operation, body: Any) -> CommandResult:
        try:
            return checked(CommandResult, await self._ask(station_id, operation, body))
        except TimeoutError:
            return self._not_done("timeout", "no answer over the bus")
        except _Offline as error:
            return self._not_done("offline", str(error))
        except GatewayError as error:
            text = str(error)
            return self._not_done("superseded" if text.startswith("superseded") else "refused", text)

    def _not_done(self, word: str, detail: str) -> CommandResult:
        return CommandResult(accepted=False, status=word, commanded_kw=math.nan, at=self._clock.now(), detail=detail)

    # ---- over the bus

    async def _ask(self, station_id: str, operation: Operation, body: Any) -> Any:
        """Asks the gateway that holds the station; once more, with the same id, where it holds it no longer."""
        number = next(self._numbers)
        for attempt in (1, 2):
            worker = self._whereabouts.worker_of(station_id)
            if not worker:
                msg = f"{station_id} is not connected"
                raise _Offline(msg)
            epoch = self._epoch_now()
            command = Command(
                f"{self._name}-{number}", station_id, operation, plain(body), "" if epoch is None else self._site_id,
                epoch, number,
            )  # fmt: skip
            try:
                answer = read(Answer, await self._send(station_id, worker, enveloped(command)))
            except Nobody:
                self._whereabouts.nobody_at(worker)
                answer = Answer(error=NOT_HERE, text=f"the gateway of {station_id} is gone")
            if answer.error != NOT_HERE or attempt == 2:
                return self._value_of(answer)
            await asyncio.sleep(_AGAIN_S)
        return None

    def _epoch_now(self) -> Epoch | None:
        if self._lease is None:
            return None
        epoch = self._lease.epoch()
        if epoch is None:
            msg = f"this planner does not lead {self._site_id} now"
            raise _Offline(msg)
        return epoch

    @property
    def _site_id(self) -> str:
        return "" if self._lease is None else self._lease.site_id

    async def _send(self, station_id: str, worker: str, data: bytes) -> bytes:
        """Waits for the answer, but not once the station or its gateway is gone."""
        asked = self._bus.request(self._bus.names.orders(worker), data, self._bus.options.order_s)
        task = asyncio.ensure_future(asked)
        waiting = self._waiting.setdefault(station_id, set())
        waiting.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            msg = f"{station_id} has left its gateway"
            raise _Offline(msg) from None
        finally:
            task.cancel()
            waiting.discard(task)
            if not waiting:
                self._waiting.pop(station_id, None)

    def _moved(self, station_id: str) -> None:
        for task in tuple(self._waiting.get(station_id, ())):
            task.cancel()

    def _value_of(self, answer: Answer) -> Any:
        if answer.error == FENCED:
            if self._lease is not None:
                latest = checked(Epoch, answer.value)
                self._lease.fence(latest)
            raise _Offline(answer.text)
        if answer.error == NOT_HERE:
            raise _Offline(answer.text)
        if answer.error:
            raise GatewayError(answer.text)
        return answer.value
