"""One station's messages: read, checked, made durable, answered, in the order in which they came.

Policy for messages that break their schema, by what is wrong:

* only the form (a timestamp without offset, a text that is too long, a number that is no multiple of 0.1): the message
  is handled and answered as if it were sound; the event carries flags and the raw message;
* more than the form, in a message that carries energy (a transaction or meter values): it is read as far as it can be.
  If its essential facts are there, it is handled, flagged and answered as if it were sound; if not, the raw message is
  stored and then answered with the error that the standard asks for;
* more than the form, in any other message: answered with that error.

Nothing is answered before the intake has taken it. If the store cannot take it, the answer is ``InternalError``, upon
which a station keeps the message and sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import orjson

from bothways.adapters.ocpp import rpc, v16, v21, v201
from bothways.adapters.ocpp.capabilities import question
from bothways.adapters.ocpp.link import ADMINISTRATION
from bothways.adapters.ocpp.reading import Heard, Unreadable
from bothways.adapters.ocpp.rpc import CallError, Frame, Malformed
from bothways.adapters.ocpp.schemas import Version, Violation, actions, violations
from bothways.adapters.ocpp.steering import Steering
from bothways.adapters.ocpp.talk import Handler, Talk
from bothways.domain.errors import BothwaysError, GatewayError, StoreError
from bothways.operations.events import MessageKept

_log = logging.getLogger("bothways.ocpp")

HANDLERS: Mapping[Version, Mapping[str, Handler]] = {
    "1.6": v16.HANDLERS,
    "2.0.1": v201.HANDLERS,
    "2.1": v21.HANDLERS,
}
ENERGY: Mapping[Version, frozenset[str]] = {"1.6": v16.ENERGY, "2.0.1": v201.ENERGY, "2.1": v201.ENERGY}
QUEUE = 64


class Session:
    """The conversation with one station over one connection.

    Args:
        talk: the station.
        transmit: puts bytes on the wire.
        count: counts things that happen, by name, for the metrics.
    """

    __slots__ = ("_count", "_inbox", "_room", "_tasks", "_transmit", "_worker", "read_at", "steering", "talk")

    def __init__(self, talk: Talk, transmit: Callable[[bytes], Awaitable[None]], count: Callable[[str], None]) -> None:
        self.talk = talk
        self.steering = Steering(talk)
        self._transmit = transmit
        self._count = count
        self._inbox: deque[tuple[Frame, bytes]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.read_at = -math.inf

    async def on_message(self, raw: bytes) -> None:
        """Takes one message from the wire; returns at once unless too many wait for their answers."""
        self._count("messages_in")
        version = self.talk.version
        try:
            frame = rpc.parse(raw)
        except Malformed as error:
            await self._refuse_malformed(error)
            return
        if frame.kind in (rpc.CALLRESULT, rpc.CALLERROR):
            if not self.talk.link.answered(frame):
                self._count("answers_unasked")
            return
        if frame.kind == rpc.CALLRESULTERROR and version == "2.1":
            self._count("answers_refused")
            _log.warning("the station refused an answer", extra={"station": self.talk.station_id, "code": frame.code})
            return
        if frame.kind in (rpc.SEND, rpc.CALLRESULTERROR) and version != "2.1":
            text = f"message type {frame.kind} does not exist in {version}"
            await self._refuse_malformed(Malformed("MessageTypeNotSupported", text, frame.id))
            return
        self._inbox.append((frame, raw))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        while len(self._inbox) >= QUEUE:  # the station does not wait for answers: read it more slowly
            self._room = asyncio.Event()
            await self._room.wait()

    async def _refuse_malformed(self, error: Malformed) -> None:
        """1.6 ignores message types it does not know and has no answer to what carries no id."""
        self._count("messages_malformed")
        version = self.talk.version
        if version == "1.6" and (not error.id or error.code == "MessageTypeNotSupported"):
            return
        await self._transmit(rpc.error(version, error.id or rpc.UNREADABLE_ID, error.code, error.text))

    async def _work(self) -> None:
        try:
            while self._inbox:
                frame, raw = self._inbox.popleft()
                if self._room is not None:
                    self._room.set()
                await self._one(frame, raw)
        finally:
            self._worker = None

    async def _one(self, frame: Frame, raw: bytes) -> None:
        heard = Heard(self.talk.station_id, self.talk.clock.now(), raw)
        try:
            answer = rpc.result(frame.id, await self._handle(frame, heard))
        except CallError as error:
            self._count("calls_refused")
            answer = rpc.error(self.talk.version, frame.id, error.code, error.text)
        except StoreError:
            self._count("store_failures")
            answer = rpc.error(self.talk.version, frame.id, "InternalError", "not stored; send it again")
        except Exception:  # noqa: BLE001 - whatever one message does, the station gets an answer and the server lives
            self._count("handler_failures")
            _log.exception("a message could not be handled", extra={"station": self.talk.station_id})
            answer = rpc.error(self.talk.version, frame.id, "InternalError", "the message could not be handled")
        afterwards, self.talk.afterwards = self.talk.afterwards, []
        if frame.kind == rpc.CALL:
            await self._transmit(answer)
        for follow_up in afterwards:
            self.start(follow_up())

    async def _handle(self, frame: Frame, heard: Heard) -> dict[str, Any]:
        version, action, payload = self.talk.version, frame.action, frame.payload
        if action not in actions(version):
            raise CallError("NotImplemented", f"{action[:60]} does not exist in OCPP {version}")
        handler = HANDLERS[version].get(action)
        if handler is None:
            raise CallError("NotSupported", f"{action} is not for the server")
        if not self.talk.accepted and action != "BootNotification":
            if self.talk.may_ask_to_boot(heard.received_at):
                self.talk.afterwards.append(self._ask_to_boot)
            raise CallError("SecurityError", "this station was never accepted: send a BootNotification")
        found = violations(version, action, payload)
        if found:
            self._count("messages_flawed")
            await self._judge(action, payload, found, heard)
        try:
            answer = await handler(self.talk, payload, heard)
        except Unreadable as error:
            await self._keep_refused(action, payload, heard, error.text)
            raise CallError(rpc.code_of(found) if found else "PropertyConstraintViolation", error.text) from error
        if found and violations(version, action, answer, response=True):
            # the answer repeats what was wrong in form; the message itself is kept
            raise CallError(rpc.code_of(found), f"{found[0].where}: {found[0].text}")
        if action == "BootNotification":
            self.talk.afterwards.append(self.learn)
        return answer

    async def _judge(self, action: str, payload: object, found: tuple[Violation, ...], heard: Heard) -> None:
        """Flags what is wrong; raises where the policy says that the message cannot be handled."""
        for item in found:
            heard.flag(f"{item.kind} at {item.where or 'its top'}: {item.text}")
        energy = action in ENERGY[self.talk.version]
        if all(item.form for item in found) or (energy and isinstance(payload, dict)):
            return
        if energy:
            await self._keep_refused(action, payload, heard, "the payload is not an object")
        worst = next(item for item in found if not item.form)
        raise CallError(rpc.code_of(found), f"{worst.where or 'payload'}: {worst.text}")

    async def _keep_refused(self, action: str, payload: object, heard: Heard, why: str) -> None:
        heard.flag(f"refused: {why}")
        await self.talk.intake.receive(MessageKept(**heard.base(), action=action, payload=orjson.dumps(payload)))

    async def _ask_to_boot(self) -> None:
        await self._quietly("TriggerMessage", {"requestedMessage": "BootNotification"})

    async def learn(self) -> None:
        """Asks the station what it can do; a station that does not answer this is taken at its defaults."""
        if not self.talk.options.query_capabilities:
            return
        action, payload = question(self.talk.version)
        try:
            answer = await self.talk.link.call(action, payload, priority=ADMINISTRATION)
        except CallError:
            if self.talk.version != "1.6":  # too many at once for some: the report comes in parts, as NotifyReport
                await self._quietly("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
            return
        except GatewayError as error:
            _log.info("a station's abilities are not known", extra={"station": self.talk.station_id, "why": str(error)})
            return
        if self.talk.version == "1.6":
            self.talk.capabilities.note_configuration(answer)
        else:
            self.talk.capabilities.note_report(answer.get("getVariableResult"))

    async def _quietly(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.talk.link.call(action, payload, priority=ADMINISTRATION)
        except (GatewayError, CallError) as error:
            _log.info("%s went without answer", action, extra={"station": self.talk.station_id, "why": str(error)})
            return {}

    def start(self, coroutine: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
        """Runs something beside the conversation; it ends with the connection."""
        task = asyncio.ensure_future(_guarded(coroutine, self.talk.station_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if asyncio.iscoroutine(coroutine):  # one that was cancelled before its first step is ended, not forgotten
            task.add_done_callback(lambda _: coroutine.close())

    def idle(self) -> bool:
        """Whether no message waits for its answer."""
        return self._worker is None and not self._inbox

    async def settle(self) -> None:
        """Waits until every message read so far has been answered."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def pause(self, seconds: float) -> None:
        """Waits until the messages at hand have been answered, but no longer than this."""
        if self._worker is not None and self._worker is not asyncio.current_task():
            await asyncio.wait([self._worker], timeout=seconds)

    def close(self, reason: str) -> None:
        """Fails outgoing calls and stops what runs beside the conversation.

        Messages already read are still made durable; their answers go nowhere.
        """
        self.talk.link.close(reason)
        for task in self._tasks:
            task.cancel()
        if self._room is not None:
            self._room.set()


async def _guarded(coroutine: Awaitable[None], station_id: str) -> None:
    try:
        await coroutine
    except (BothwaysError, CallError) as error:
        _log.info("a follow-up failed", extra={"station": station_id, "why": str(error)})
    except Exception:  # noqa: BLE001 - a follow-up must not end the conversation
        _log.exception("a follow-up failed", extra={"station": station_id})
