"""In-memory intake, registry and clock, and a raw client, for tests of the OCPP gateway."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.server import OcppGateway
from bothways.domain.errors import StoreError
from bothways.operations.events import ConnectionChanged, StationEvent, TransactionChanged
from bothways.operations.ports import Receipt
from bothways.operations.stations import EvseRecord, StationRecord

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = b"correct-horse-battery"


class StillClock:
    """A clock that a test moves by hand; sleeping yields until somebody moved it far enough."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        until = self._now + timedelta(seconds=seconds)
        while self._now < until:
            await self._moved.wait()

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._moved.set()
        self._moved = asyncio.Event()


class MemoryIntake:
    """Keeps events in a list; recognises repeated transactions as the store does."""

    def __init__(self, keep: bool = True) -> None:
        self.events: list[StationEvent] = []
        self.tokens: dict[str, str] = {"TAG": "Accepted", "BLOCKED": "Blocked"}
        self.broken = False
        self.held: asyncio.Event | None = None
        self.waiting = asyncio.Event()
        self._keep = keep
        self._numbers = itertools.count(1)
        self._known: dict[Any, Receipt] = {}
        self._arrived = asyncio.Event()

    async def receive(self, event: StationEvent) -> Receipt:
        if self.broken:
            msg = "the store is down"
            raise StoreError(msg)
        if self.held is not None:
            self.waiting.set()
            await self.held.wait()
        if not self._keep:
            return Receipt(new=True, transaction_id="1")
        key = self._key(event)
        if key is not None and key in self._known:
            return replace(self._known[key], new=False)
        receipt = Receipt(new=True, transaction_id=self._transaction(event))
        if key is not None:
            self._known[key] = receipt
        self.events.append(event)
        self._arrived.set()
        self._arrived = asyncio.Event()
        return receipt

    async def authorize(self, station_id: str, id_token: str) -> str:
        return self.tokens.get(id_token, "Invalid")

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not wanted():
                await self._arrived.wait()

    def _transaction(self, event: StationEvent) -> str:
        if not isinstance(event, TransactionChanged):
            return ""
        return event.transaction_id or str(next(self._numbers))

    @staticmethod
    def _key(event: StationEvent) -> Any:
        if not isinstance(event, TransactionChanged):
            return None
        if event.seq_no is not None:
            return (event.station_id, event.transaction_id, event.seq_no)
        return (event.station_id, event.kind, event.transaction_id, event.evse_id, event.id_token, event.at,
                event.meter_start_kwh)  # fmt: skip


class MemoryRegistry:
    """Stations with one secret each."""

    def __init__(self, *records: StationRecord) -> None:
        self.records = {record.station_id: record for record in records}
        self.secrets = {record.station_id: SECRET for record in records}
        self.accepted: list[tuple[str, str]] = []
        self.broken = False

    async def station(self, station_id: str) -> StationRecord | None:
        if self.broken:
            msg = "the store is down"
            raise StoreError(msg)
        return self.records.get(station_id)

    async def stations(self, site_id: str | None = None) -> Sequence[StationRecord]:
        return [record for record in self.records.values() if site_id in {None, record.site_id}]

    async def verify(self, station_id: str, secret: bytes) -> bool:
        return self.secrets.get(station_id) == secret

    async def accept(self, station_id: str, at: datetime, model: str) -> None:
        self.accepted.append((station_id, model))
        record = self.records[station_id]
        self.records[station_id] = replace(record, accepted_at=record.accepted_at or at)


def station(station_id: str = "CP1", **changes: Any) -> StationRecord:
    """An accepted station with two two-way EVSEs."""
    evses = (EvseRecord(1, 22.0, 11.0), EvseRecord(2, 22.0, 11.0))
    record = StationRecord(station_id, "site", evses, accepted_at=NOW, model="Vendor Model")
    return replace(record, **changes)


class Wired:
    """A gateway that listens, with what stands behind it."""

    def __init__(
        self, gateway: OcppGateway, port: int, intake: MemoryIntake, registry: MemoryRegistry, clock: StillClock
    ):
        self.gateway, self.port, self.intake, self.registry, self.clock = gateway, port, intake, registry, clock


@asynccontextmanager
async def listening(
    *records: StationRecord, ssl_context: Any = None, clock: Any = None, **options: Any
) -> AsyncIterator[Wired]:
    """A gateway on a free port, without unasked questions to stations unless the test wants them."""
    intake, registry, clock = MemoryIntake(), MemoryRegistry(*(records or (station(),))), clock or StillClock()
    settings = {"query_capabilities": False, "ping_interval_s": 0.0, "call_timeout_s": 20.0} | options
    gateway = OcppGateway(intake, registry, clock, GatewayOptions(**settings))
    port = await gateway.listen("127.0.0.1", 0, ssl_context)
    try:
        yield Wired(gateway, port, intake, registry, clock)
    finally:
        await gateway.close(2.0)


def basic(user: str, password: bytes = SECRET) -> dict[str, str]:
    """Header with user name and password."""
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + password).decode()}


class RawStation:
    """A client on bare arrays. ``answers`` maps an action to the payload that it answers with, or a function."""

    def __init__(self, socket: ClientConnection, answers: Mapping[str, Any] | None = None) -> None:
        self.socket = socket
        self.answers: dict[str, Any] = dict(answers or {})
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.replies: asyncio.Queue[list[Any]] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._heard = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self.socket:
            message = orjson.loads(text)
            if message[0] not in (2, 6):
                self.replies.put_nowait(message)
                continue
            self.asked.append((message[2], message[3]))
            self._heard.set()
            self._heard = asyncio.Event()
            if message[0] == 6:
                continue
            answer = self.answers.get(message[2])
            if callable(answer):
                answer = answer(message[3])
            if answer is None:
                await self.raw([4, message[1], "NotImplemented", "", {}])
            elif answer != "silence":
                await self.raw([3, message[1], answer])

    async def raw(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else orjson.dumps(message).decode())

    async def call(self, action: str, payload: Any, kind: int = 2) -> list[Any]:
        """Sends a call and returns the whole answer."""
        number = f"m{next(self._numbers)}"
        await self.raw([kind, number, action, payload])
        answer = await self.reply()
        assert answer[1] == number
        return answer

    async def reply(self) -> list[Any]:
        async with asyncio.timeout(20):
            return await self.replies.get()

    async def asked_for(self, action: str, times: int = 1) -> dict[str, Any]:
        """Waits until the server asked for an action so many times; returns the latest payload."""
        async with asyncio.timeout(20):
            while sum(name == action for name, _ in self.asked) < times:
                await self._heard.wait()
        return [payload for name, payload in self.asked if name == action][-1]

    async def close(self) -> None:
        await self.socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def calling(
    wired: Wired,
    station_id: str = "CP1",
    protocol: str = "ocpp2.1",
    answers: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[RawStation]:
    """A connected raw client."""
    scheme = "wss" if "ssl" in more else "ws"
    address = f"{scheme}://127.0.0.1:{wired.port}/ocpp/{station_id}"
    settings: dict[str, Any] = {
        "additional_headers": basic(station_id),
        "subprotocols": [protocol],
        "compression": None,
    }
    seen = len(wired.intake.events)
    async with connect(address, **(settings | more)) as socket:
        client = RawStation(socket, answers)
        await wired.intake.wait_for(
            lambda: any(isinstance(item, ConnectionChanged) and item.connected for item in wired.intake.events[seen:])
        )
        try:
            yield client
        finally:
            await client.close()
