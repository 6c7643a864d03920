"""The calls of one connection: at most one outstanding towards the station, urgent ones first, answers checked."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

from bothways.adapters.ocpp import rpc
from bothways.adapters.ocpp.rpc import CallError, Frame
from bothways.adapters.ocpp.schemas import Version, violations
from bothways.domain.errors import GatewayError

URGENT, ORDER, ADMINISTRATION = 0, 1, 2
PATIENCE_S = 1.0  # an urgent call waits this long for the answer to an earlier one, then goes out all the same


class NoAnswer(GatewayError):  # noqa: N818 - reads better where it is caught
    """The station did not answer in time."""


class BadAnswer(GatewayError):  # noqa: N818 - reads better where it is caught
    """The station answered, but not with what the standard says."""


class Superseded(Exception):  # noqa: N818 - not an error: a newer order made this one pointless
    """The call was given up before it was sent, because nobody wants it any more."""


class Link:
    """Outgoing calls over one connection.

    Args:
        version: protocol version of the connection.
        transmit: puts bytes on the wire.
        timeout_s: how long an answer may take [s].
    """

    __slots__ = ("_action", "_busy", "_closed", "_future", "_order", "_pending", "_transmit", "_waiting", "timeout_s",
                 "version")  # fmt: skip

    def __init__(self, version: Version, transmit: Callable[[bytes], Awaitable[None]], timeout_s: float) -> None:
        self.version = version
        self.timeout_s = timeout_s
        self._transmit = transmit
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._busy = False
        self._closed = ""
        self._pending = ""
        self._action = ""
        self._future: asyncio.Future[Any] | None = None

    async def call(
        self,
        action: str,
        payload: Mapping[str, object],
        *,
        priority: int = ADMINISTRATION,
        wanted: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Args:
            action: name of the request.
            payload: its content, sound by the schema.
            priority: lower is sent earlier where several wait.
            wanted: asked just before sending; where it says no, nothing is sent.

        Returns:
            The answer, sound by its schema.

        Raises:
            GatewayError: where the connection is gone, the answer did not come in time, or is not sound.
            CallError: where the station answered with an error.
            Superseded: where ``wanted`` said no.
        """
        await self._take_turn(priority)
        if wanted is not None and not wanted():
            self._pass_turn()
            raise Superseded(action)
        return await self._exchange(action, payload)

    async def send(self, action: str, payload: Mapping[str, object]) -> None:
        """Sends a message that is not answered (2.1)."""
        self._must_be_open()
        await self._transmit(rpc.send(str(uuid4()), action, payload))

    async def _exchange(self, action: str, payload: Mapping[str, object]) -> dict[str, Any]:
        message_id = str(uuid4())
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._pending, self._future, self._action = message_id, future, action
        text = f"{action}: no answer within {self.timeout_s:g} s"
        timer = loop.call_later(self.timeout_s, self._give_up, future, text)
        future.add_done_callback(lambda done: self._ended(done, timer))
        try:
            self._must_be_open()
            async with asyncio.timeout(self.timeout_s):  # a station that does not read fills the buffers
                await self._transmit(rpc.call(message_id, action, payload))
        except TimeoutError as error:
            future.cancel()
            raise NoAnswer(text) from error
        except BaseException:
            future.cancel()
            raise
        # A caller that gives up early does not free the line: the station still owes its answer.
        answer = await asyncio.shield(future)
        found = violations(self.version, action, answer, response=True)
        if any(not item.form for item in found):
            if self.version == "2.1":
                code = rpc.code_of(found)
                await self._transmit(rpc.error(self.version, message_id, code, found[0].text, of_result=True))
            msg = f"{action}: the answer breaks the schema at {found[0].where or 'its top'}: {found[0].text}"
            raise BadAnswer(msg)
        sound: dict[str, Any] = answer
        return sound

    def answered(self, frame: Frame) -> bool:
        """Takes a CALLRESULT or CALLERROR; ``False`` where nobody waits for it (late, or never asked)."""
        future = self._future
        if future is None or frame.id != self._pending or future.done():
            return False
        if frame.kind == rpc.CALLRESULT:
            future.set_result(frame.payload)
        else:
            future.set_exception(CallError(frame.code, frame.text, frame.payload))
        return True

    def close(self, reason: str) -> None:
        """Fails everything that waits; nothing can be sent afterwards."""
        self._closed = reason or "closed"
        if self._future is not None and not self._future.done():
            self._future.set_exception(GatewayError(self._closed))
        for _, _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(GatewayError(self._closed))
        self._waiting.clear()

    def _must_be_open(self) -> None:
        if self._closed:
            raise GatewayError(self._closed)

    async def _take_turn(self, priority: int) -> None:
        self._must_be_open()
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        if priority == URGENT and self._future is not None:
            # an emergency stop must not queue behind a station's silence
            why = f"{self._action}: given up for an urgent call"
            asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up, self._future, why)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_turn()  # the turn had been given in the same instant
            raise

    def _give_up(self, future: asyncio.Future[Any], why: str) -> None:
        if not future.done():
            future.set_exception(NoAnswer(why))

    def _ended(self, future: asyncio.Future[Any], timer: asyncio.TimerHandle) -> None:
        """The line is free again: the next call may go out."""
        timer.cancel()
        if not future.cancelled():
            future.exception()  # seen, even where the caller has given up
        self._pending, self._future = "", None
        self._pass_turn()

    def _pass_turn(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False
