"""What the gateway knows of one connected station while it talks to it, and answers that every version shares."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from bothways.adapters.ocpp.capabilities import Capabilities
from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.reading import Heard
from bothways.adapters.ocpp.rpc import CallError
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.wire import stamp
from bothways.operations.events import Booted, MessageKept
from bothways.operations.ports import Clock, Intake, StationRegistry
from bothways.operations.stations import StationRecord

Payload = dict[str, Any]


@dataclass(slots=True)
class Talk:
    """One connected station.

    Attributes:
        version: protocol version of the connection.
        record: the station as registered when it connected.
        secure: whether TLS protects the connection, here or at a proxy.
        accepted: whether the station was ever accepted.
        capabilities: what the station said it can do.
        dynamic: schedule in force by profile id, for stations that pull it (2.1).
        afterwards: what to do once the answer is on the wire.
    """

    version: Version
    record: StationRecord
    secure: bool
    link: Link
    intake: Intake
    registry: StationRegistry
    clock: Clock
    options: GatewayOptions
    accepted: bool = False
    capabilities: Capabilities = field(default_factory=Capabilities)
    dynamic: dict[int, dict[str, float]] = field(default_factory=dict)
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    asked_to_boot_at: datetime | None = None

    @property
    def station_id(self) -> str:
        """Identity of the station."""
        return self.record.station_id

    def may_ask_to_boot(self, now: datetime) -> bool:
        """Whether to ask a station that was never accepted for its BootNotification; at most once a minute."""
        if self.asked_to_boot_at is not None and now - self.asked_to_boot_at < timedelta(minutes=1):
            return False
        self.asked_to_boot_at = now
        return True


Handler = Callable[[Talk, Payload, Heard], Awaitable[Payload]]


async def booted(talk: Talk, event: Booted) -> Payload:
    """Accepts a station: first the boot is durable, then the registration, then the station is told."""
    await talk.intake.receive(event)
    model = f"{event.vendor} {event.model}".strip()
    await talk.registry.accept(talk.station_id, event.received_at, model)
    talk.accepted = True
    spread = random.random() * 0.1  # stations that boot together must not beat together
    interval = max(1, round(talk.options.heartbeat_s * (1.0 - spread)))
    return {"status": "Accepted", "currentTime": stamp(talk.clock.now()), "interval": interval}


async def heartbeat(talk: Talk, payload: Payload, heard: Heard) -> Payload:  # noqa: ARG001
    """The time; a heartbeat is not stored."""
    return {"currentTime": stamp(talk.clock.now())}


def kept(action: str, answer: Payload | None = None, at: str = "timestamp") -> Handler:
    """A handler for messages that are stored as they are and answered always alike.

    Args:
        action: name of the message.
        answer: the answer.
        at: field with the station's own time, where the message has one.
    """

    async def handle(talk: Talk, payload: Payload, heard: Heard) -> Payload:
        await keep(talk, action, payload, heard, at)
        return dict(answer or {})

    return handle


async def keep(talk: Talk, action: str, payload: Payload, heard: Heard, at: str = "timestamp") -> None:
    """Stores a message as it is."""
    when = heard.moment(payload.get(at), at)
    await talk.intake.receive(MessageKept(**heard.base(when), action=action, payload=orjson.dumps(payload)))


async def token_status(talk: Talk, id_token: str) -> str:
    """Whether a token may charge here, in words that every version has."""
    status = await talk.intake.authorize(talk.station_id, id_token)
    return status if status in {"Accepted", "Blocked", "Expired", "Invalid"} else "Invalid"


async def vendor_data(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """A vendor's own message: stored, and answered by the vendor's handler where there is one."""
    await keep(talk, "DataTransfer", payload, heard)
    handler = talk.options.data_transfer.get(str(payload.get("vendorId")))
    if handler is None:
        return {"status": "UnknownVendorId"}
    data = payload.get("data", "")
    content = data if isinstance(data, str) else orjson.dumps(data).decode()
    status, answer = await handler(talk.station_id, str(payload.get("messageId", "")), content)
    return {"status": status, "data": answer} if answer else {"status": status}


def must_be_secure(talk: Talk, action: str) -> None:
    """Refuses certificate operations over an insecure profile.

    Raises:
        CallError: SecurityError where no TLS protects the connection.
    """
    if not talk.secure:
        text = f"{action} is refused over security profile 1"
        raise CallError("SecurityError", text)
