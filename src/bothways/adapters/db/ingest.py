"""Applies a batch of events within one database transaction: once each, in whatever order they come.

The rows of the transactions concerned are locked first, so that several processes can write to one database: whatever
follows (recognising repeats, adding energy) is a plain computation on a state that nobody else changes meanwhile. Where
two processes create the same transaction at once, the second is refused by a unique key and applies its batch anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from bothways.adapters.db import schema
from bothways.adapters.db.accounts import Account, account
from bothways.adapters.db.entries import CONFLICT, KINDS, Entry, Message, Value, body_of, message, words_of
from bothways.adapters.db.meters import COUNTED
from bothways.adapters.db.numbers import Numbers, SeriesKey, Words, chunks, insert_new, words_of_ids
from bothways.operations.events import TransactionChanged
from bothways.operations.ports import Receipt

_SAMPLE_KEY = (schema.sample.c.series, schema.sample.c.at_us, schema.sample.c.tx)
_EVENT_KEY = (schema.transaction_event.c.tx, schema.transaction_event.c.key)


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
        self._repeats: dict[tuple[int, int], Entry] = {}

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
        table = schema.transaction
        named = sorted({(self._ids[e.station], e.transaction_id) for e in entries if e.transaction_id})
        starts = sorted({entry.start_key for entry in entries if entry.start_key is not None})
        stations = {self._ids[entry.station]: entry.station for entry in entries}
        for pairs in chunks(named):
            chosen = tuple_(table.c.station, table.c.transaction_id).in_(pairs)
            self._read(select(table).where(chosen).order_by(table.c.number).with_for_update(), stations)
        for digests in chunks(starts):
            chosen = table.c.start_key.in_(digests)
            self._read(select(table).where(chosen).order_by(table.c.number).with_for_update(), stations)
        keys = []
        for entry in entries:
            owner = self._accounts.get((entry.station, entry.transaction_id))
            if owner is not None and entry.key < 0:
                keys.append((owner.number, entry.key))
        for part in chunks(keys):
            self._known_events.update(
                (tx, key)
                for tx, key in self._connection.execute(select(*_EVENT_KEY).where(tuple_(*_EVENT_KEY).in_(part)))
            )

    def _read(self, query: Any, stations: dict[int, str]) -> None:
        for row in self._connection.execute(query):
            self._keep(account(row, stations[row.station]))

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
            self._repeats[key] = entry
        return new

    def _note_conflicts(self) -> None:
        """Keeps what came under a sequence number that was used for something else; its facts count all the same."""
        if self._events:
            self._connection.execute(insert(schema.transaction_event), self._events)
        table = schema.transaction_event
        for part in chunks(list(self._repeats)):
            found = select(table.c.tx, table.c.key, table.c.kind, table.c.at_us).where(tuple_(*_EVENT_KEY).in_(part))
            for tx, key, kind, at_us in self._connection.execute(found):
                entry = self._repeats[tx, key]
                event = entry.event
                assert isinstance(event, TransactionChanged)  # noqa: S101 - told to the type checker
                if (KINDS.index(event.kind), entry.at_us) == (kind, at_us):
                    continue
                entry.messages.append(message(CONFLICT, entry.at_us, body_of(event), event.raw))
                owner = next(one for one in self._accounts.values() if one.number == tx)
                owner.flags.add(f"sequence number {key} was used for different events")

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
        statement = insert_new(connection, schema.sample).returning(*_SAMPLE_KEY)
        inserted = {(series, at_us, tx) for series, at_us, tx in connection.execute(statement, content)}
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

    # --- the rest -------------------------------------------------------------------------------------------------

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
        table = schema.transaction
        changed = [owner for owner in self._accounts.values() if owner.changed or owner.rebuild]
        changed.sort(key=lambda owner: owner.number)
        created = [owner.row(self._ids[owner.station]) for owner in changed if not owner.stored]
        updated = [owner.row(self._ids[owner.station]) for owner in changed if owner.stored]
        if updated:
            fixed = {"number", "station", "transaction_id", "start_key"}
            names = [column.name for column in table.c if column.name not in fixed]
            statement = update(table).where(table.c.number == bindparam("_number"))
            statement = statement.values({name: bindparam(name) for name in names})
            self._connection.execute(
                statement, [{"_number": row["number"], **{name: row[name] for name in names}} for row in updated]
            )
        if created:
            self._connection.execute(insert(table), created)


def needs_of(entries: Sequence[Entry]) -> tuple[set[str], set[SeriesKey], int]:
    """Words, series and the most transaction numbers that a batch can use."""
    words: set[str] = set()
    series: set[SeriesKey] = set()
    for entry in entries:
        words |= words_of(entry)
        series.update(value.series for value in entry.values)
    return words, series, len(entries)
