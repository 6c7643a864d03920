"""One connection to the bus that comes back by itself, and work that goes on for as long as it is there.

Nothing is buffered while the connection is away: an order that was meant for now must not be delivered later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import nats
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import BadRequestError, NotFoundError

from bothways.adapters.bus.names import Names
from bothways.adapters.bus.options import BusOptions, dialling
from bothways.domain.errors import GatewayError

_log = logging.getLogger("bothways.bus")
AGAIN_S = 0.25
_PATIENCE_S = 0.2
BUS_ERRORS = (NatsError, OSError, TimeoutError)
Handler = Callable[[Any], Awaitable[None]]


class Bus:
    """The bus as one process reaches it.

    Args:
        options: settings.
        name: of this process, shown by the server.

    Raises:
        InputError: files that the settings name cannot be used.
    """

    def __init__(self, options: BusOptions, name: str) -> None:
        self.options, self.name = options, name
        self.names = Names(options.prefix)
        self._how = dialling(options)
        self.down_since: float | None = time.monotonic()
        self.failure = "not connected yet"
        self._client: Any = None
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Begins to connect, for as long as it takes; returns at once."""
        self._tasks.add(asyncio.create_task(self._connect(), name="the bus"))

    async def close(self) -> None:
        """Ends all work on the bus, then the connection."""
        self._closing = True
        await asyncio.gather(*(ended(task) for task in tuple(self._tasks)))
        if self._client is not None:
            with suppress(*BUS_ERRORS):
                await self._client.close()

    @property
    def connected(self) -> bool:
        """Whether the bus can be used now."""
        return self._up.is_set()

    @property
    def down_s(self) -> float:
        """For how long the bus has been away [s]; 0 while it is there."""
        return 0.0 if self.down_since is None else time.monotonic() - self.down_since

    @property
    def max_payload(self) -> int:
        """Longest message that the server takes [B]."""
        return int(self._client.max_payload) if self._client is not None else 1 << 20

    async def up(self) -> None:
        """Waits until the bus can be used."""
        await self._up.wait()

    # ---- while it is there

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Runs work whenever the bus is there: it is ended when the bus goes, begun anew when it comes or fails.

        Returns:
            A task; cancelling it ends the work for good.
        """
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._up.wait()
            running = asyncio.ensure_future(work())
            gone = asyncio.create_task(self._down.wait())
            try:
                await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                await ended(running)
            if running.done() and not running.cancelled() and (error := running.exception()) is not None:
                level = logging.INFO if isinstance(error, BUS_ERRORS) else logging.ERROR
                _log.log(level, "%s failed and begins anew: %r", name, error)
            await asyncio.sleep(AGAIN_S)

    async def publish(self, subject: str, data: bytes) -> None:
        """Tells whoever listens now.

        Raises:
            GatewayError: the bus is away.
        """
        try:
            await self._client_now().publish(subject, data)
        except BUS_ERRORS as error:
            raise GatewayError(_words(error)) from error

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Asks, and waits for the answer.

        Raises:
            Nobody: nobody takes this request.
            TimeoutError: no answer came.
            GatewayError: the bus is away.
        """
        try:
            answer = await self._client_now().request(subject, data, timeout=timeout_s)
        except nats.errors.NoRespondersError:
            msg = "nobody answers there"
            raise Nobody(msg) from None
        except nats.errors.TimeoutError:
            raise TimeoutError(subject) from None
        except BUS_ERRORS as error:
            raise GatewayError(_words(error)) from error
        return bytes(answer.data)

    async def subscribe(self, subject: str, handler: Handler) -> Any:
        """Calls ``handler`` with every message on a subject; ``unsubscribe()`` of what is returned ends it."""
        return await self._client_now().subscribe(subject, cb=handler)

    def jetstream(self) -> Any:
        """The persistent part."""
        return self._client_now().jetstream(timeout=self.options.answer_s)

    async def bucket(self, name: str) -> Any:
        """A bucket of keys and values."""
        return await self.jetstream().key_value(name)

    def _client_now(self) -> Any:
        if self._client is None or not self._up.is_set():
            msg = f"the bus does not answer ({self.failure})"
            raise GatewayError(msg)
        return self._client

    # ---- connecting

    async def _connect(self) -> None:
        while self._client is None:
            try:
                self._client = await self._dial()
            except (*BUS_ERRORS, ValueError) as error:
                self.failure = said(error)
                await asyncio.sleep(AGAIN_S)
        while True:  # streams and buckets may be gone with a server that lost its disk
            await self._ready()
            await self._down.wait()
            while not self._client.is_connected:
                await asyncio.sleep(AGAIN_S / 5.0)

    async def _dial(self) -> Any:
        return await nats.connect(
            name=self.name, connect_timeout=2, reconnect_time_wait=AGAIN_S, max_reconnect_attempts=-1, ping_interval=2,
            max_outstanding_pings=2, pending_size=0, drain_timeout=2, disconnected_cb=self._lost, error_cb=self._error,
            **self._how,
        )  # fmt: skip

    async def _ready(self) -> None:
        while True:
            try:
                await self._prepare()
            except (*BUS_ERRORS, GatewayError) as error:
                self.failure = said(error)
                await asyncio.sleep(AGAIN_S)
                continue
            if self._client.is_connected:
                break
        self._down.clear()
        self.down_since, self.failure = None, ""
        self._up.set()
        _log.info("the bus is there")

    async def _lost(self) -> None:
        if self._up.is_set() and not self._closing:
            _log.warning("the bus is away")
            self.down_since, self.failure = time.monotonic(), "the connection is gone"
        self._up.clear()
        self._down.set()

    async def _error(self, error: Exception) -> None:
        if not self._up.is_set():  # why it cannot be reached is told here alone
            self.failure = said(error)
        _log.info("the bus: %r", error)

    async def _prepare(self) -> None:
        """Makes the stream and the buckets where they are missing."""
        options, names = self.options, self.names
        jetstream = self._client.jetstream(timeout=options.answer_s)
        stream = api.StreamConfig(
            name=names.events, subjects=[names.all_events], storage=api.StorageType.MEMORY, max_age=options.kept_s,
            max_bytes=options.kept_bytes, discard=api.DiscardPolicy.OLD, duplicate_window=min(120.0, options.kept_s),
        )  # fmt: skip
        try:
            await jetstream.stream_info(names.events)
        except NotFoundError:
            await _made(jetstream.add_stream(stream))
        for bucket, ttl in ((names.leases, options.lease_s), (names.links, options.links_s)):
            try:
                await jetstream.key_value(bucket)
            except NotFoundError:
                await _made(jetstream.create_key_value(api.KeyValueConfig(bucket=bucket, ttl=ttl, history=1)))

    async def bucket_age(self, name: str) -> int:
        """When a bucket was made, in milliseconds since 1970: later for one that replaced a lost one."""
        info = await self.jetstream().stream_info(f"KV_{name}")
        made: Any = info.created
        return int(made.timestamp() * 1000.0)


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancels a task until it has ended: a wait that is just over can swallow a cancellation (Python 3.11)."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_PATIENCE_S)


class Nobody(GatewayError):  # noqa: N818 - read as a sentence where it is raised
    """Nobody takes this request now."""


async def _made(work: Awaitable[object]) -> None:
    with suppress(BadRequestError):  # another process was first
        await work


def said(error: BaseException) -> str:
    """What a failure of the bus means, in short; the library's texts name no secret."""
    if isinstance(error, BrokenPipeError | ConnectionResetError):  # what a server does after it refused who connects
        return "the server closed the connection: is who connects allowed to?"
    text = " ".join(str(error).removeprefix("nats:").split())[:120]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _words(error: BaseException) -> str:
    return f"the bus does not answer ({said(error)})"
