"""What stations said: appended once, read by transaction, by range, by kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, and_, or_, select, tuple_

from bothways.adapters.db import schema
from bothways.adapters.db.accounts import account
from bothways.adapters.db.base import Database
from bothways.adapters.db.entries import KINDS, event_of
from bothways.adapters.db.numbers import ids_of_words, words_of_ids
from bothways.adapters.db.values import clean, from_us, optional_from_us, short, to_us
from bothways.operations.events import EvseKey, Sample, StationEvent
from bothways.operations.ports import Receipt, TransactionRow

E = TypeVar("E", bound=StationEvent)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A transaction event as stored; ``seq_no`` is ``None`` where the protocol has none (1.6)."""

    kind: str
    seq_no: int | None
    at: datetime
    received_at: datetime
    offline: bool
    trigger: str
    charging_state: str
    reason: str


class Records(Database):
    """Events and what follows from them."""

    async def append(self, event: StationEvent) -> Receipt:
        """Stores one event and returns after the commit. The same event again changes nothing.

        Raises:
            StoreError: the database cannot take it now; nothing is acknowledged.
            DomainError: the event holds a value that has no meaning (NaN, a naive instant).
        """
        return await self._writer.append(event)

    async def transactions(
        self,
        *,
        station_id: str | None = None,
        evse_id: int | None = None,
        id_token: str | None = None,
        stations: Collection[str] | None = None,
        tokens: Collection[str] | None = None,
        open_only: bool = False,
        since: datetime | None = None,
        before: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Sequence[TransactionRow]:
        """Transactions, the latest first.

        ``since`` keeps those first heard of at or after an instant, ``stations`` and ``tokens`` those of any of either.
        """
        table, term = schema.transaction, schema.term
        query = select(table, term.c.word).join(term, term.c.id == table.c.station)
        if station_id is not None:
            query = query.where(term.c.word == short(station_id))
        if evse_id is not None:
            query = query.where(table.c.evse_id == evse_id)
        if id_token is not None:
            query = query.where(table.c.id_token == clean(id_token))
        if stations is not None or tokens is not None:
            mine = term.c.word.in_([short(name) for name in stations or ()])
            query = query.where(or_(mine, table.c.id_token.in_([clean(token) for token in tokens or ()])))
        if open_only:
            query = query.where(table.c.ended_us.is_(None))
        if since is not None:
            query = query.where(table.c.first_us >= to_us(since))
        if before is not None:
            last = _chosen(*before).subquery()
            query = query.join(last, tuple_(table.c.first_us, table.c.number) < tuple_(last.c.first_us, last.c.number))
        query = query.order_by(table.c.first_us.desc(), table.c.number.desc()).limit(limit)
        return await self._read(
            lambda connection: [transaction_row(row, row.word) for row in connection.execute(query)]
        )

    async def transaction(self, station_id: str, transaction_id: str) -> TransactionRow | None:
        """One transaction, or ``None``."""
        query = _chosen(station_id, transaction_id)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else transaction_row(row, row.word)

    async def transaction_events(self, station_id: str, transaction_id: str) -> Sequence[EventRow]:
        """The events of a transaction, by the station's clock."""
        table, term = schema.transaction_event, schema.term
        owner = _chosen(station_id, transaction_id).subquery()
        query = (
            select(table, term.c.word)
            .join(owner, owner.c.number == table.c.tx)
            .join(term, term.c.id == table.c.detail)
            .order_by(table.c.at_us, table.c.key)
        )
        return await self._read(lambda connection: [_event(row) for row in connection.execute(query)])

    async def samples(self, evse: EvseKey, measurand: str, start: datetime, end: datetime) -> Sequence[Sample]:
        """Values of one measurand with ``start <= at < end``, in time's order.

        Values whose message did not name the EVSE (2.x updates need not) belong to their transaction's.
        """
        wanted = (short(evse.station_id), evse.evse_id, short(measurand), to_us(start), to_us(end))
        return await self._read(lambda connection: _samples(connection, *wanted))

    async def history(
        self, station_id: str, kind: type[E], *, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[E]:
        """Messages of one kind from a station, the latest first: ``Booted``, ``StatusChanged`` and the like."""
        table, term = schema.message, schema.term
        station = select(term.c.id).where(term.c.word == short(station_id)).scalar_subquery()
        word = select(term.c.id).where(term.c.word == kind.__name__).scalar_subquery()
        query = select(table).where(table.c.station == station, table.c.kind == word)
        if since is not None:
            query = query.where(table.c.at_us >= to_us(since))
        query = query.order_by(table.c.at_us.desc(), table.c.received_us.desc()).limit(limit)

        def read(connection: Connection) -> list[E]:
            found = []
            for row in connection.execute(query):
                event = event_of(
                    kind.__name__, station_id, from_us(row.at_us), from_us(row.received_us), row.body, row.raw
                )
                assert isinstance(event, kind)  # noqa: S101 - told to the type checker
                found.append(event)
            return found

        return await self._read(read)


def _chosen(station_id: str, transaction_id: str) -> Select[Any]:
    table, term = schema.transaction, schema.term
    mine = and_(term.c.word == short(station_id), table.c.transaction_id == short(transaction_id))
    return select(table, term.c.word).join(term, term.c.id == table.c.station).where(mine)


def transaction_row(row: Any, station_id: str) -> TransactionRow:
    """A row of ``charging_transaction`` as the ports tell it."""
    owner = account(row, station_id)
    return TransactionRow(
        station_id=station_id,
        transaction_id=row.transaction_id,
        evse_id=row.evse_id,
        id_token=row.id_token,
        started_at=optional_from_us(row.started_us),
        ended_at=optional_from_us(row.ended_us),
        energy_import_kwh=row.energy_import_kwh,
        energy_export_kwh=row.energy_export_kwh,
        missing=owner.missing(),
        connector_id=row.connector_id,
        charging_state=row.charging_state,
        reason=row.reason,
        last_at=from_us(row.last_us),
        flags=tuple(sorted(owner.flags)),
    )


def _event(row: Any) -> EventRow:
    trigger, state, reason = row.word.split("|", 2)
    return EventRow(
        kind=KINDS[row.kind],
        seq_no=row.key if row.key >= 0 else None,
        at=from_us(row.at_us),
        received_at=from_us(row.received_us),
        offline=row.offline,
        trigger=trigger,
        charging_state=state,
        reason=reason,
    )


def _samples(connection: Connection, station: str, evse_id: int, measurand: str, start: int, end: int) -> list[Sample]:
    kinds, values, signed, owner = schema.series, schema.sample, schema.signature, schema.transaction
    words = ids_of_words(connection, (station, measurand))
    if station not in words or measurand not in words:
        return []
    rows = connection.execute(
        select(kinds).where(
            kinds.c.station == words[station],
            kinds.c.measurand == words[measurand],
            kinds.c.evse_id.in_((evse_id, 0)),
        )
    ).all()
    ids = {number for row in rows for number in (row.unit, row.phase, row.context, row.location)}
    names = words_of_ids(connection, ids)
    by_id = {row.id: row for row in rows}
    query = (
        select(values.c.series, values.c.at_us, values.c.value, signed.c.signed)
        .outerjoin(
            signed,
            and_(signed.c.series == values.c.series, signed.c.at_us == values.c.at_us, signed.c.tx == values.c.tx),
        )
        .outerjoin(owner, owner.c.number == values.c.tx)
        .where(values.c.series.in_(by_id), values.c.at_us >= start, values.c.at_us < end)
        .order_by(values.c.at_us, values.c.series, values.c.tx)
    )
    unnamed = [row.id for row in rows if row.evse_id == 0]
    if unnamed and evse_id != 0:
        query = query.where(or_(values.c.series.not_in(unnamed), owner.c.evse_id == evse_id))
    found = []
    for number, at_us, value, text in connection.execute(query):
        row = by_id[number]
        place = (names[row.unit], names[row.phase], names[row.context], names[row.location])
        found.append(Sample(from_us(at_us), measurand, value, *place, signed=text or ""))
    return found
