"""Applies a batch of events within one database transaction: once each, in whatever order they come.

The rows of the transactions concerned are locked first, so that several processes can write to one database: whatever
follows (recognising repeats, adding energy) is a plain computation on a state that nobody else changes meanwhile. Where
two processes create the same transaction at once, the second is refused by a unique key and applies its batch anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from bothways.adapters.db import schema
from bothways.adapters.db.accounts import Account, account
from bothways.adapters.db.entries import CONFLICT, KINDS, Entry, Message, Value, body_of, message, words_of
from bothways.adapters.db.meters import COUNTED
from bothways.adapters.db.numbers import Numbers, SeriesKey, Words, insert_new, words_of_ids
from bothways.adapters.db.statements import (
    BY_NAME,
    BY_START,
    EVENTS,
    chosen,
    insert_rows,
    insert_samples,
    update_transactions,
)
from bothways.operations.events import TransactionChanged
from bothways.operations.ports import Receipt


class Batch:
    """One batch on one connection; use it once."""

    def __init__(self, connection: Connection, words: Words, numbers: Numbers) -> None:
        self._connection = connection
        self._numbers = numbers
        self._ids = words.known_ids
        self._series = words.known_series
        self._accounts: dict[tuple[str, str], Account] = {}
        self._starts: dict[bytes, Account] = {}
        self._known_events: set[tuple[int, int]] = set()
        self._events: list[dict[str, Any]] = []
        self._repeats: dict[tuple[int, int], list[Entry]] = {}

    def apply(self, entries: Sequence[Entry]) -> list[Receipt]:
        """Stores the entries and returns their receipts, which hold once the connection has committed."""
        self._load(entries)
        owners = [self._owner(entry) for entry in entries]
        new = [owner is not None and self._hear(owner, entry) for owner, entry in zip(owners, entries, strict=True)]
        self._note_conflicts()
        fresh_values = self._store_values(entries, owners)
        fresh_messages = self._store_messages(entries)
        self._store_accounts()
        receipts = []
        for index, (entry, owner) in enumerate(zip(entries, owners, strict=True)):
            told = new[index] or fresh_values[index] or fresh_messages[index]
            if isinstance(entry.event, TransactionChanged) and owner is not None:
                receipts.append(Receipt(new[index], owner.transaction_id, owner.missing()))
            else:
                receipts.append(Receipt(told, entry.transaction_id))
        return receipts

    # --- transactions ---------------------------------------------------------------------------------------------

    def _load(self, entries: Sequence[Entry]) -> None:
        """Locks and reads the transactions concerned, and which events without a sequence number they hold."""
        named = sorted({(self._ids[entry.station], entry.transaction_id) for entry in entries if _is_named(entry)})
        starts = sorted({entry.start_key for entry in entries if entry.start_key is not None})
        stations = {self._ids[entry.station]: entry.station for entry in entries}
        for row in chosen(self._connection, BY_NAME, named) + chosen(self._connection, BY_START, starts):
            self._keep(account(row, stations[row.station]))
        keys = []
        for entry in entries:
            owner = self._accounts.get((entry.station, entry.transaction_id))
            if owner is not None and entry.key < 0:
                keys.append((owner.number, entry.key))
        self._known_events.update((row.tx, row.key) for row in chosen(self._connection, EVENTS, keys))

    def _keep(self, owner: Account) -> None:
        owner = self._accounts.setdefault((owner.station, owner.transaction_id), owner)
        if owner.start_key is not None:
            self._starts[owner.start_key] = owner

    def _owner(self, entry: Entry) -> Account | None:
        """The transaction an entry belongs to, created where it is heard of for the first time."""
        if entry.start_key is not None:
            known = self._starts.get(entry.start_key)
        elif entry.transaction_id:
            known = self._accounts.get((entry.station, entry.transaction_id))
        elif isinstance(entry.event, TransactionChanged):
            known = self._accounts.get((entry.station, ""))  # an end or update that names none: kept, not lost
        else:
            return None
        if known is not None:
            return known
        number = self._numbers.take()
        name = str(number) if entry.start_key is not None else entry.transaction_id
        owner = Account(number, entry.station, name, entry.at_us, entry.at_us, start_key=entry.start_key)
        self._keep(owner)
        return owner

    def _hear(self, owner: Account, entry: Entry) -> bool:
        """Applies an event to its transaction; whether the transaction had not heard it before."""
        event = entry.event
        if not isinstance(event, TransactionChanged):
            owner.hear(entry)
            return False
        key = (owner.number, entry.key)
        if entry.start_key is not None:
            new = owner.started_us is None
        elif entry.key >= 0:
            new = owner.seen.add(entry.key)
        else:
            new = key not in self._known_events
            self._known_events.add(key)
        owner.hear(entry)
        if new:
            self._events.append(
                {
                    "tx": owner.number,
                    "key": entry.key,
                    "kind": KINDS.index(event.kind),
                    "at_us": entry.at_us,
                    "received_us": entry.received_us,
                    "offline": event.offline,
                    "detail": self._ids[entry.detail],
                }
            )
        elif entry.key >= 0:
            self._repeats.setdefault(key, []).append(entry)
        return new

    def _note_conflicts(self) -> None:
        """Keeps what came under a sequence number that was used for something else; its facts count all the same."""
        insert_rows(self._connection, schema.transaction_event, self._events)
        by_number = {owner.number: owner for owner in self._accounts.values()}
        for tx, key, kind, at_us in chosen(self._connection, EVENTS, list(self._repeats)):
            for entry in self._repeats[tx, key]:
                event = entry.event
                assert isinstance(event, TransactionChanged)  # noqa: S101 - told to the type checker
                if (KINDS.index(event.kind), entry.at_us) != (kind, at_us):
                    entry.messages.append(message(CONFLICT, entry.at_us, body_of(event), event.raw))
                    by_number[tx].flags.add(f"sequence number {key} was used for different events")

    # --- values ---------------------------------------------------------------------------------------------------

    def _store_values(self, entries: Sequence[Entry], owners: Sequence[Account | None]) -> list[bool]:
        """Stores values that are not there; per entry, whether any was new."""
        rows: dict[tuple[int, int, int], Value] = {}
        keys: list[list[tuple[int, int, int]]] = []
        for entry, owner in zip(entries, owners, strict=True):
            tx = 0 if owner is None else owner.number
            own = [(self._series[value.series], value.at_us, tx) for value in entry.values]
            for key, value in zip(own, entry.values, strict=True):
                rows.setdefault(key, value)
            keys.append(own)
        inserted = self._insert_values(rows)
        fresh = []
        for owner, own in zip(owners, keys, strict=True):
            news = [key for key in own if key in inserted]
            inserted.difference_update(news)
            fresh.append(bool(news))
            if owner is not None:
                for key in dict.fromkeys(news):
                    owner.measure(rows[key])
        for owner in self._accounts.values():
            if owner.rebuild:
                self._rebuild(owner)
        return fresh

    def _insert_values(self, rows: dict[tuple[int, int, int], Value]) -> set[tuple[int, int, int]]:
        if not rows:
            return set()
        connection = self._connection
        ordered = sorted(rows)
        content = [{"series": k[0], "at_us": k[1], "tx": k[2], "value": rows[k].value} for k in ordered]
        inserted = insert_samples(connection, content)
        signed = [
            {"series": k[0], "at_us": k[1], "tx": k[2], "signed": rows[k].signed}
            for k in ordered
            if rows[k].signed and k in inserted
        ]
        if signed:
            connection.execute(insert_new(connection, schema.signature), signed)
        return inserted

    def _rebuild(self, owner: Account) -> None:
        """Computes a transaction's energy anew from all values, because one came late or twice at an instant."""
        series = self._station_series(owner.station)
        mine = {number: key for key, number in series.items() if key[2] in COUNTED and key[3] == "kWh"}
        table = schema.sample
        found = select(table.c.series, table.c.at_us, table.c.value).where(
            table.c.tx == owner.number, table.c.series.in_(mine)
        )
        values = [
            ((mine[series][2], mine[series][6], mine[series][4]), at_us, value)
            for series, at_us, value in self._connection.execute(found)
        ]
        owner.meters.rebuild(values)

    def _station_series(self, station: str) -> dict[SeriesKey, int]:
        """All series of a station, also those that this process has not met."""
        table = schema.series
        rows = self._connection.execute(select(table).where(table.c.station == self._ids[station])).all()
        ids = {number for row in rows for number in row[3:]}
        words = words_of_ids(self._connection, ids)
        return {(station, row.evse_id, *(words[number] for number in row[3:])): row.id for row in rows}

    # --- messages and rows ---------------------------------------------------------------------------------------

    def _store_messages(self, entries: Sequence[Entry]) -> list[bool]:
        """Stores messages that are not there; per entry, whether any was new."""
        rows: dict[tuple[int, bytes], tuple[Entry, Message]] = {}
        for entry in entries:
            for one in entry.messages:
                rows.setdefault((self._ids[entry.station], one.digest), (entry, one))
        if not rows:
            return [False] * len(entries)
        table = schema.message
        content = [
            {
                "station": key[0],
                "digest": key[1],
                "kind": self._ids[one.kind],
                "at_us": one.at_us,
                "received_us": entry.received_us,
                "body": one.body,
                "raw": one.raw,
            }
            for key, (entry, one) in sorted(rows.items(), key=lambda item: item[0])
        ]
        statement = insert_new(self._connection, table).returning(table.c.station, table.c.digest)
        inserted = {(station, bytes(key)) for station, key in self._connection.execute(statement, content)}
        fresh = []
        for entry in entries:
            news = [key for one in entry.messages if (key := (self._ids[entry.station], one.digest)) in inserted]
            inserted.difference_update(news)
            fresh.append(bool(news))
        return fresh

    def _store_accounts(self) -> None:
        changed = [owner for owner in self._accounts.values() if owner.changed or owner.rebuild]
        changed.sort(key=lambda owner: owner.number)
        created = [owner.row(self._ids[owner.station]) for owner in changed if not owner.stored]
        updated = [owner.row(self._ids[owner.station]) for owner in changed if owner.stored]
        update_transactions(self._connection, updated)
        insert_rows(self._connection, schema.transaction, created)


def _is_named(entry: Entry) -> bool:
    """Whether the entry belongs to a transaction that it names itself, be it by no name at all."""
    return entry.start_key is None and (bool(entry.transaction_id) or isinstance(entry.event, TransactionChanged))


def needs_of(entries: Sequence[Entry]) -> tuple[set[str], set[SeriesKey], int]:
    """Words, series and the most transaction numbers that a batch can use."""
    words: set[str] = set()
    series: set[SeriesKey] = set()
    for entry in entries:
        words |= words_of(entry)
        series.update(value.series for value in entry.values)
    return words, series, len(entries)
