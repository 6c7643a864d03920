"""A gateway on the bus: it tells what stations said, says whose connections it holds, and takes orders for them.

Orders are taken from the planner that leads the station's site, and from nobody who led it before. A repeated order
is answered as before, without a second message to the station; an order that was overtaken by a later one is not
given any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from bothways.adapters.bus.claims import Claims
from bothways.adapters.bus.commands import FENCED, NOT_HERE, Command, Power, Request, Safe, Start, Stop
from bothways.adapters.bus.connection import BUS_ERRORS, Bus
from bothways.adapters.bus.lease import Epoch, Leases
from bothways.adapters.bus.outbox import Outbox
from bothways.adapters.bus.whereabouts import Whereabouts
from bothways.adapters.bus.wire import Answer, Unreadable, checked, enveloped, plain, read
from bothways.domain.errors import BothwaysError, GatewayError
from bothways.operations.events import ConnectionChanged, EvseKey, StationEvent
from bothways.operations.orders import StationCommand
from bothways.operations.ports import ChargerGateway

_log = logging.getLogger("bothways.bus")
_REMEMBERED = 5_000


class GatewayWorker:
    """One gateway process as others reach it.

    Args:
        bus: the bus.
        gateway: the sockets of this process.
        worker: a name that no other process, past or present, has.
        leases: who leads which site.
        whereabouts: claims of all gateways.
        site_of: the site of a station, ``""`` for an unknown one.
        send_away: closes a station's connection.
    """

    def __init__(
        self, bus: Bus, gateway: ChargerGateway, worker: str, leases: Leases, whereabouts: Whereabouts,
        site_of: Callable[[str], Awaitable[str]], send_away: Callable[[str], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.worker = worker
        self._bus, self._gateway, self._leases, self._site_of = bus, gateway, leases, site_of
        self._outbox = Outbox(bus, worker, site_of)
        self.claims = Claims(bus, whereabouts, worker, gateway.connected, send_away)
        self._done: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()
        self._newest: dict[EvseKey, tuple[Epoch, int]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self.counters: Counter[str] = Counter()
        bus.keep("orders for stations", self._take_orders)
        bus.keep("the sign of life", self._beat)

    def on_event(self, event: StationEvent) -> None:
        """Takes what a station said, after it was stored."""
        self._outbox.put(event)
        if isinstance(event, ConnectionChanged):
            self.claims.connection_changed(event.station_id, connected=event.connected)

    async def settled(self, seconds: float) -> None:
        """Waits until all events have been published, but no longer than this."""
        await self._outbox.settled(seconds)

    @property
    def waiting(self) -> int:
        """Events that wait for the bus."""
        return self._outbox.waiting

    async def _beat(self) -> None:
        while True:
            await self._bus.publish(self._bus.names.beats, self.worker.encode())
            await asyncio.sleep(self._bus.options.beat_s)

    async def _take_orders(self) -> None:
        await self._leases.known.wait()  # before, orders of a former leader could not be told from others
        taken = await self._bus.subscribe(self._bus.names.orders(self.worker), self._heard)
        try:
            await asyncio.Event().wait()
        finally:
            await taken.unsubscribe()

    async def _heard(self, message: Any) -> None:
        task = asyncio.create_task(self._answer(message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, message: Any) -> None:
        try:
            answer = await self.obey(read(Command, message.data))
        except Unreadable as error:
            answer = Answer(error="GatewayError", text=str(error))
        try:
            await message.respond(enveloped(answer))
        except BUS_ERRORS as error:
            _log.info("an answer did not reach the bus: %r", error)

    async def obey(self, command: Command) -> Answer:
        """Does what is asked, once per command, and returns what came of it."""
        running = self._done.get(command.command_id)
        if running is None:
            running = asyncio.create_task(self._obey(command))
            self._done[command.command_id] = running
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
        else:
            self.counters["orders_repeated"] += 1
        return await asyncio.shield(running)

    async def _obey(self, command: Command) -> Answer:
        self.counters["orders"] += 1
        try:
            if command.station_id not in self._gateway.connected():
                return Answer(error=NOT_HERE, text=f"{command.station_id} is not connected here")
            return await self._fenced(command) or Answer(plain(await self._do(command)))
        except BothwaysError as error:
            return Answer(error="GatewayError", text=str(error))
        except Exception:  # noqa: BLE001 - whatever one order does, it gets an answer
            _log.exception("an order could not be carried out", extra={"station": command.station_id})
            return Answer(error="GatewayError", text="the order could not be carried out")

    async def _fenced(self, command: Command) -> Answer | None:
        """Why the command is not taken; ``None`` where it is."""
        epoch, site_id = command.epoch, command.site_id
        if epoch is None:
            if command.operation in {"power", "safe"}:
                return self._refused("only the planner that leads a site sets its power", Epoch(0, 0))
            return None
        latest = self._leases.latest(site_id)
        if epoch < latest:
            return self._refused(f"another planner leads {site_id} now", latest)
        if await self._site_of(command.station_id) != site_id:
            return self._refused(f"{command.station_id} does not belong to {site_id}", Epoch(0, 0))
        self._leases.note(site_id, epoch)
        return None

    def _refused(self, text: str, latest: Epoch) -> Answer:
        self.counters["orders_fenced"] += 1
        return Answer(list(latest), FENCED, text)

    async def _do(self, command: Command) -> Any:
        gateway, body, station_id = self._gateway, command.body, command.station_id
        match command.operation:
            case "stop":
                return await gateway.stop(station_id, checked(Stop, body).transaction_id)
            case "command":
                return await gateway.command(station_id, checked(StationCommand, body))
            case "call":
                request = checked(Request, body)
                return dict(await gateway.call(station_id, request.action, request.payload))
            case _:
                return await self._do_power(command)

    async def _do_power(self, command: Command) -> Any:
        gateway, body = self._gateway, command.body
        match command.operation:
            case "power":
                power = checked(Power, body)
                _same(power.order.evse.station_id, command)
                self._in_turn(power.order.evse, command)
                return await gateway.set_power(power.order, power.evse)
            case "safe":
                profile = checked(Safe, body).profile
                _same(profile.station_id, command)
                return await gateway.set_safe_profile(profile)
            case "start":
                start = checked(Start, body)
                _same(start.evse.station_id, command)
                return await gateway.start(start.evse, start.id_token)
            case _:
                key = checked(EvseKey, body)
                _same(key.station_id, command)
                return await gateway.composite(key)

    def _in_turn(self, key: EvseKey, command: Command) -> None:
        if command.epoch is None:
            return
        turn = (command.epoch, command.number)
        if turn < self._newest.get(key, turn):
            msg = "superseded by a later order"
            raise GatewayError(msg)
        self._newest[key] = turn


def _same(station_id: str, command: Command) -> None:
    if station_id != command.station_id:
        msg = "the order names another station"
        raise GatewayError(msg)
