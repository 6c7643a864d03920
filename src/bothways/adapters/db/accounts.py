"""A transaction's row while events are applied to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from bothways.adapters.db.entries import Entry, Value
from bothways.adapters.db.meters import COUNTED, Meters
from bothways.adapters.db.values import Seen, clean
from bothways.operations.events import MeterValuesReceived, TransactionChanged

LATE_AFTER_THINNING = "values arrived after older values were deleted"
REGISTER_BREAK = "a meter's register started anew"
FOREIGN_UNIT = "an energy register is not in kWh"


@dataclass(slots=True)
class Account:
    """One transaction's state. All changes are functions of the set of events, whatever order they came in."""

    number: int
    station: str
    transaction_id: str
    first_us: int
    last_us: int
    start_key: bytes | None = None
    evse_id: int = 0
    connector_id: int = 1
    id_token: str = ""
    started_us: int | None = None
    ended_us: int | None = None
    charging_state: str = ""
    reason: str = ""
    seen: Seen = field(default_factory=Seen)
    start_seq: int | None = None
    meters: Meters = field(default_factory=Meters)
    flags: set[str] = field(default_factory=set)
    thinned: bool = False
    stored: bool = False
    changed: bool = False
    rebuild: bool = False

    def hear(self, entry: Entry) -> None:
        """Takes over what an event says of the transaction itself."""
        self.changed = True
        event = entry.event
        latest = entry.at_us >= self.last_us
        self.first_us = min(self.first_us, entry.at_us)
        self.last_us = max(self.last_us, entry.at_us)
        if isinstance(event, TransactionChanged | MeterValuesReceived):
            self.evse_id = self.evse_id or event.evse_id
        if not isinstance(event, TransactionChanged):
            return
        if event.id_token and (not self.id_token or event.kind == "started"):
            self.id_token = clean(event.id_token)
        if event.charging_state and latest:
            self.charging_state = clean(event.charging_state)
        if event.kind == "started":
            self.started_us = entry.at_us if self.started_us is None else min(self.started_us, entry.at_us)
            self.evse_id = event.evse_id or self.evse_id
            self.connector_id = event.connector_id
            if event.seq_no is not None and entry.key >= 0:
                self.start_seq = entry.key
        elif event.kind == "ended" and (self.ended_us is None or entry.at_us > self.ended_us):
            self.ended_us = entry.at_us
            self.reason = clean(event.reason) or self.reason

    def measure(self, value: Value) -> None:
        """Takes a value that was not there before."""
        _station, _evse, measurand, unit, phase, _context, location = value.series
        if measurand not in COUNTED:
            return
        if unit != "kWh":
            self.flags.add(FOREIGN_UNIT)
            return
        if not self.meters.take((measurand, location, phase), value.at_us, value.value):
            if self.thinned:
                self.flags.add(LATE_AFTER_THINNING)
            else:
                self.rebuild = True

    def missing(self) -> tuple[int, ...]:
        """Sequence numbers that have not arrived: from the start's number, or 0 where the start has not arrived."""
        if not self.seen.ranges:
            return ()
        return self.seen.missing(0 if self.start_seq is None else min(self.start_seq, self.seen.ranges[0][0]))

    def row(self, station: int) -> dict[str, Any]:
        """The row of ``charging_transaction``."""
        taken, given = self.meters.energy_kwh()
        if self.meters.broken():
            self.flags.add(REGISTER_BREAK)
        return {
            "number": self.number,
            "station": station,
            "transaction_id": self.transaction_id,
            "start_key": self.start_key,
            "evse_id": self.evse_id,
            "connector_id": self.connector_id,
            "id_token": self.id_token,
            "first_us": self.first_us,
            "last_us": self.last_us,
            "started_us": self.started_us,
            "ended_us": self.ended_us,
            "charging_state": self.charging_state,
            "reason": self.reason,
            "seen": self.seen.text(),
            "start_seq": self.start_seq,
            "meters": orjson.dumps(self.meters.pack()).decode(),
            "energy_import_kwh": taken,
            "energy_export_kwh": given,
            "flags": "\n".join(sorted(self.flags)),
            "thinned": self.thinned,
        }


def account(row: Any, station: str) -> Account:
    """The account of a row of ``charging_transaction``."""
    return Account(
        number=row.number,
        station=station,
        transaction_id=row.transaction_id,
        first_us=row.first_us,
        last_us=row.last_us,
        start_key=row.start_key,
        evse_id=row.evse_id,
        connector_id=row.connector_id,
        id_token=row.id_token,
        started_us=row.started_us,
        ended_us=row.ended_us,
        charging_state=row.charging_state,
        reason=row.reason,
        seen=Seen.read(row.seen),
        start_seq=row.start_seq,
        meters=Meters.unpack(orjson.loads(row.meters)),
        flags=set(row.flags.split("\n")) if row.flags else set(),
        thinned=row.thinned,
        stored=True,
    )
