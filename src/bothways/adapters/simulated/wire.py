"""The station's end of OCPP-J: calls and answers over a websocket, and a queue that survives being offline."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

Payload = dict[str, Any]
Handler = Callable[[str, Payload], Awaitable[Payload]]


class Refused(Exception):  # noqa: N818 - the protocol's own word
    """The other side answered with a CALLERROR, or this side wants to."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(f"{code}: {text}")


class Away(Exception):  # noqa: N818 - a state rather than a fault
    """There is no connection, or it went while waiting."""


@dataclass(slots=True)
class Queued:
    """A message that must arrive: built when it is sent, because an id may only be known by then.

    Attributes:
        action: its name.
        build: makes the payload; gets whether it happened without a connection.
        done: called with the answer once the server acknowledged it.
        waited: whether it happened while there was no connection.
    """

    action: str
    build: Callable[[bool], Payload]
    done: Callable[[Payload], None] | None = None
    waited: bool = False
    tries: int = 0


@dataclass(slots=True)
class Wire:
    """One station's connection, kept up for as long as it runs.

    Attributes:
        url: address without the station's id, such as ``ws://127.0.0.1:9000/ocpp``.
        station_id: identity and user name.
        subprotocol: ``ocpp1.6``, ``ocpp2.0.1`` or ``ocpp2.1``.
        handler: answers calls of the server; raises :class:`Refused` for an error.
        on_connect: runs after each connection, before queued messages go out.
        on_change: told of every change of the connection.
        secret: Basic authentication's password; empty for none.
        tls: context for ``wss``.
        timeout_s: wall-clock seconds to wait for an answer.
        retry_s: first and longest pause between tries to connect [s].
        cut: True keeps the line down (a fault on demand).
        rejected: messages that the server refused for good, with its words.
        refusal: why the last try to connect failed.
        journal: where a list is given, every acknowledged message of the queue: action, payload, answer.
    """

    url: str
    station_id: str
    subprotocol: str
    handler: Handler
    on_connect: Callable[[], Awaitable[None]]
    on_change: Callable[[bool], None]
    secret: str = ""
    tls: ssl.SSLContext | None = None
    timeout_s: float = 30.0
    retry_s: tuple[float, float] = (0.2, 5.0)
    cut: bool = False
    rng: random.Random = field(default_factory=random.Random)
    queue: deque[Queued] = field(default_factory=deque)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""
    journal: list[tuple[str, Payload, Payload]] | None = None
    _socket: ClientConnection | None = None
    _answers: dict[str, asyncio.Future[Payload]] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=itertools.count)
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    async def run(self) -> None:
        """Connects, serves, reconnects with growing pauses; ends when cancelled."""
        pause = self.retry_s[0]
        while True:
            try:
                if self.cut:
                    raise OSError("the line is cut")
                async with self._dial() as socket:
                    pause = self.retry_s[0]
                    self.refusal = ""
                    await self._serve(socket)
            except (OSError, WebSocketException, TimeoutError) as error:
                self.refusal = str(error)
            await asyncio.sleep(pause * (0.5 + self.rng.random()))
            pause = min(pause * 2.0, self.retry_s[1])

    def _dial(self) -> connect:
        headers = {}
        if self.secret:
            token = base64.b64encode(f"{self.station_id}:{self.secret}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        return connect(
            f"{self.url.rstrip('/')}/{self.station_id}",
            subprotocols=[Subprotocol(self.subprotocol)],
            additional_headers=headers,
            compression=None,
            ssl=self.tls,
            open_timeout=10.0,
            close_timeout=1.0,
            ping_interval=None,
            max_size=1 << 20,
        )

    async def _serve(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.on_change(True)  # noqa: FBT003 - a connection is there or not
        reader = asyncio.create_task(self._read(socket))
        sender = asyncio.create_task(self._send_queued())
        try:
            await asyncio.wait({reader, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._socket = None
            for task in (reader, sender):
                task.cancel()
            await asyncio.gather(reader, sender, return_exceptions=True)
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(Away("the connection was lost"))
            self._answers.clear()
            self.on_change(False)  # noqa: FBT003

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            kind, identity = message[0], str(message[1])
            if kind in {2, 6}:
                task = asyncio.create_task(self._answer(socket, kind, identity, message[2], message[3]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif (waiting := self._answers.pop(identity, None)) is not None and not waiting.done():
                if kind == 3:
                    waiting.set_result(message[2])
                else:
                    waiting.set_exception(Refused(str(message[2]), str(message[3])))

    async def _answer(self, socket: ClientConnection, kind: int, identity: str, action: str, payload: Payload) -> None:
        try:
            reply: list[Any] = [3, identity, await self.handler(action, payload)]
        except Refused as refusal:
            reply = [4, identity, refusal.code, str(refusal), {}]
        if kind == 2:
            with contextlib.suppress(WebSocketException, OSError):
                await socket.send(json.dumps(reply))

    async def _send_queued(self) -> None:
        await self.on_connect()
        while True:
            while self.queue:
                head = self.queue[0]
                head.tries += 1
                payload = head.build(head.waited)
                try:
                    answer = await self.call(head.action, payload)
                except Refused as refusal:
                    if refusal.code in {"InternalError", "GenericError"} and head.tries < 1000:
                        await asyncio.sleep(min(0.05 * head.tries, 2.0))
                        continue
                    self.rejected.append((head.action, str(refusal)))
                    answer = {}
                except TimeoutError:
                    return  # an answer that never came: connect anew, send again
                self.queue.popleft()
                if self.journal is not None:
                    self.journal.append((head.action, payload, answer))
                if head.done is not None:
                    head.done(answer)
            self._more.clear()
            await self._more.wait()

    def post(self, item: Queued) -> None:
        """Queues a message that must arrive; it goes out in order, now or when there is a connection again."""
        item.waited = item.waited or not self.connected
        self.queue.append(item)
        self._more.set()

    async def call(self, action: str, payload: Payload) -> Payload:
        """Sends a request and waits for its answer; one is outstanding at a time.

        Raises:
            Away: without a connection.
            Refused: when the server answers with an error.
            TimeoutError: when it does not answer.
        """
        async with self._line:
            socket = self._socket
            if socket is None:
                msg = "there is no connection"
                raise Away(msg)
            identity = f"{self.station_id}-{next(self._serial)}-{self.rng.getrandbits(32):08x}"
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._answers[identity] = answer
            try:
                await socket.send(json.dumps([2, identity, action, payload]))
            except (WebSocketException, OSError) as error:
                self._answers.pop(identity, None)
                raise Away(str(error)) from error
            try:
                return await asyncio.wait_for(answer, self.timeout_s)
            finally:
                self._answers.pop(identity, None)

    async def drop(self) -> None:
        """Cuts the connection, as a bad line would."""
        if self._socket is not None:
            self._socket.transport.abort()
