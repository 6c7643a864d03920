"""What travels on the bus: frozen records as JSON, checked against their types when they are read.

Numbers that are not finite keep their meaning (``NaN``, ``Infinity``), unlike in strict JSON.

>>> from bothways.operations.orders import SafeProfile
>>> read(SafeProfile, written(SafeProfile("CP-1", 1.4)))
SafeProfile(station_id='CP-1', charge_kw=1.4, station_kw=inf)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bothways.domain.errors import DomainError, GatewayError
from bothways.operations import events
from bothways.operations.events import StationEvent

T = TypeVar("T")
_EVENTS: dict[str, type[StationEvent]] = {
    kind.__name__: kind
    for kind in (
        events.Booted,
        events.ChargingNeedsReceived,
        events.ConnectionChanged,
        events.MessageKept,
        events.MeterValuesReceived,
        events.StatusChanged,
        events.TransactionChanged,
    )
}


class Unreadable(GatewayError):  # noqa: N818 - read as a sentence where it is raised
    """Something on the bus that this version cannot read."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    made = _ADAPTERS.get(kind)
    if made is None:
        made = _ADAPTERS[kind] = TypeAdapter(kind)
    return made


def plain(value: Any, kind: Any = None) -> Any:
    """A record as values that JSON knows."""
    return _adapter(kind or type(value)).dump_python(value, mode="json")


def written(value: Any, kind: Any = None) -> bytes:
    """A record as bytes."""
    return json.dumps(plain(value, kind), separators=(",", ":")).encode()


def enveloped(record: Any) -> bytes:
    """A record whose fields are plain values already, as bytes."""
    return json.dumps(
        {item.name: getattr(record, item.name) for item in fields(record)}, separators=(",", ":")
    ).encode()


def checked(kind: type[T], value: Any) -> T:
    """A record from plain values.

    Raises:
        Unreadable: the values do not make one.
    """
    try:
        made: T = _adapter(kind).validate_python(value)
    except (ValidationError, DomainError) as error:
        msg = f"not a {getattr(kind, '__name__', kind)}"
        raise Unreadable(msg) from error
    return made


def read(kind: type[T], data: bytes) -> T:
    """A record from bytes.

    Raises:
        Unreadable: the bytes do not make one.
    """
    return checked(kind, loads(data))


def loads(data: bytes) -> Any:
    """Plain values from bytes.

    Raises:
        Unreadable: the bytes are no JSON.
    """
    try:
        return json.loads(data)
    except ValueError as error:
        msg = "not JSON"
        raise Unreadable(msg) from error


def event_written(event: StationEvent) -> bytes:
    """An event as bytes. A flawed message's raw text stays in the store; nobody decides by it."""
    return json.dumps(
        {"kind": type(event).__name__, "event": plain(replace(event, raw=b""))}, separators=(",", ":")
    ).encode()


def event_read(data: bytes) -> StationEvent:
    """An event from bytes.

    Raises:
        Unreadable: it is none, or of a kind that this version does not know.
    """
    told = loads(data)
    kind = _EVENTS.get(told.get("kind", "")) if isinstance(told, dict) else None
    if kind is None:
        msg = "not an event of a known kind"
        raise Unreadable(msg)
    return checked(kind, told.get("event"))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request: a value, or what went wrong.

    Attributes:
        value: plain values.
        error: name of the error, ``""`` where there is none.
        text: what it says.
    """

    value: Any = None
    error: str = ""
    text: str = ""
