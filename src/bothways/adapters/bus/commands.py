"""What planners and people ask of a gateway, as it travels on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bothways.adapters.bus.lease import Epoch
from bothways.operations.events import EvseKey
from bothways.operations.orders import PowerOrder, SafeProfile
from bothways.operations.stations import EvseRecord

Operation = Literal["power", "safe", "composite", "start", "stop", "command", "call"]
FENCED = "Fenced"
NOT_HERE = "NotHere"


@dataclass(frozen=True, slots=True)
class Command:
    """One request to a gateway.

    Attributes:
        command_id: the same for a repetition, which is then not done twice.
        station_id: whom it concerns.
        operation: what is asked.
        body: its arguments as plain values.
        site_id: the site whose planner asks, ``""`` for a person.
        epoch: in which epoch the planner leads; ``None`` for a person.
        number: counts within the epoch: an order is never done after a later one.
    """

    command_id: str
    station_id: str
    operation: Operation
    body: Any
    site_id: str = ""
    epoch: Epoch | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Power:
    """Arguments of ``power``."""

    order: PowerOrder
    evse: EvseRecord


@dataclass(frozen=True, slots=True)
class Safe:
    """Arguments of ``safe``."""

    profile: SafeProfile


@dataclass(frozen=True, slots=True)
class Start:
    """Arguments of ``start``."""

    evse: EvseKey
    id_token: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Arguments of ``stop``."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """Arguments of ``call``."""

    action: str
    payload: dict[str, Any]
