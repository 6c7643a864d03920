"""What stations said, made ready for the tables: keys that recognise a repeat, clean text, whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from bothways.adapters.db.meters import IMPORT
from bothways.adapters.db.numbers import SeriesKey
from bothways.adapters.db.values import clean, digest, finite, negative_key, short, to_us, whole
from bothways.operations.events import (
    Booted,
    ChargingNeedsReceived,
    ConnectionChanged,
    MessageKept,
    MeterValuesReceived,
    Sample,
    StationEvent,
    StatusChanged,
    TransactionChanged,
)

KINDS = ("started", "updated", "ended")
MALFORMED = "malformed"
"""Kind of message under which the raw text of a flagged transaction event or meter value is kept."""
CONFLICT = "conflict"
"""Kind of message for an event that used a sequence number again for something else."""

MESSAGES: dict[str, type[StationEvent]] = {
    kind.__name__: kind for kind in (Booted, StatusChanged, ChargingNeedsReceived, MessageKept, ConnectionChanged)
}


@dataclass(slots=True)
class Value:
    """One measured value, ready for ``sample``."""

    series: SeriesKey
    at_us: int
    value: float
    signed: str


@dataclass(slots=True)
class Message:
    """One row for ``message``."""

    kind: str
    at_us: int
    body: bytes
    raw: bytes
    digest: bytes


@dataclass(slots=True)
class Entry:
    """One event, ready for the tables.

    Attributes:
        transaction_id: ``""`` where the event belongs to none, or where the store gives the id.
        start_key: what recognises a repeated start of a transaction whose id the store gives (1.6).
        key: what recognises a repeated event within its transaction.
        detail: trigger, charging state and reason in one word of the dictionary.
    """

    event: StationEvent
    station: str
    at_us: int
    received_us: int
    transaction_id: str = ""
    start_key: bytes | None = None
    key: int = 0
    detail: str = ""
    values: list[Value] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def prepare(event: StationEvent) -> Entry:
    """Makes an event ready.

    Raises:
        DomainError: an instant is naive, a value not finite, or a number too great to keep.
    """
    entry = Entry(event, short(event.station_id), to_us(event.at), to_us(event.received_at))
    if isinstance(event, TransactionChanged):
        _transaction(entry, event)
    elif isinstance(event, MeterValuesReceived):
        entry.transaction_id = short(event.transaction_id)
        entry.values = _values(entry.station, event.evse_id, event.samples)
    else:
        entry.messages.append(message(type(event).__name__, entry.at_us, body_of(event), event.raw))
        return entry
    if event.flags or event.raw:
        entry.messages.append(message(MALFORMED, entry.at_us, orjson.dumps(event.flags), event.raw))
    return entry


def _transaction(entry: Entry, event: TransactionChanged) -> None:
    entry.transaction_id = short(event.transaction_id)
    entry.detail = "|".join(
        short(word).replace("|", "/") for word in (event.trigger, event.charging_state, event.reason)
    )
    whole("connector_id", event.connector_id)
    samples = event.samples
    for register, context in ((event.meter_start_kwh, "Transaction.Begin"), (event.meter_stop_kwh, "Transaction.End")):
        if register is not None:
            samples = (*samples, Sample(event.at, IMPORT, register, "kWh", context=context))
    entry.values = _values(entry.station, event.evse_id, samples)
    if event.seq_no is not None:
        entry.key = whole("seq_no", event.seq_no)
        if entry.key < 0:
            entry.key = negative_key("seq_no", event.seq_no)
        return
    registers = (event.meter_start_kwh, event.meter_stop_kwh)
    entry.key = negative_key(event.kind, entry.at_us, entry.detail, event.connector_id, *registers)
    if event.kind == "started" and not entry.transaction_id:
        parts = (entry.station, event.evse_id, event.connector_id, event.id_token, entry.at_us, event.meter_start_kwh)
        entry.start_key = digest(*parts)


def _values(station: str, evse_id: int, samples: tuple[Sample, ...]) -> list[Value]:
    whole("evse_id", evse_id)
    ready = []
    for one in samples:
        series = _series(station, evse_id, one.measurand, one.unit, one.phase, one.context, one.location)
        ready.append(Value(series, to_us(one.at), finite(one.measurand, one.value), clean(one.signed)))
    return ready


@lru_cache(maxsize=50_000)  # the same few words come with every value
def _series(station: str, evse_id: int, *words: str) -> SeriesKey:
    measurand, unit, phase, context, location = map(short, words)
    return station, evse_id, measurand, unit, phase, context, location


def message(kind: str, at_us: int, body: bytes, raw: bytes) -> Message:
    """A row for ``message``; the same content at the same instant is the same message."""
    return Message(kind, at_us, body, raw, digest(kind, at_us, body, raw))


def body_of(event: StationEvent) -> bytes:
    """An event as JSON, without what is kept in columns; bytes as text where they are text."""
    content: dict[str, Any] = {}
    for item in fields(event):
        if item.name in {"station_id", "at", "received_at", "raw"}:
            continue
        value = getattr(event, item.name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        content[item.name] = clean(value) if isinstance(value, str) else value
    return orjson.dumps(content)


def event_of(kind: str, station_id: str, at: datetime, received_at: datetime, body: bytes, raw: bytes) -> StationEvent:
    """The event again that :func:`body_of` wrote."""
    content = orjson.loads(body)
    content["flags"] = tuple(content["flags"])
    if "payload" in content:
        content["payload"] = content["payload"].encode("utf-8")
    if content.get("departure") is not None:
        content["departure"] = datetime.fromisoformat(content["departure"])
    return MESSAGES[kind](station_id=station_id, at=at, received_at=received_at, raw=raw, **content)


def words_of(entry: Entry) -> set[str]:
    """Words of the dictionary that the entry needs, those of its series aside."""
    words = {entry.station, *(one.kind for one in entry.messages)}
    if isinstance(entry.event, TransactionChanged):
        words |= {entry.detail, CONFLICT}
    return words
