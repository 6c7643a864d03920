"""Visits of vehicles to chargers, as ``bothways soh`` reads them, with the state of charge at both ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, func, or_, select

from bothways.adapters.db import schema
from bothways.adapters.db.export import INSTANT, write_table
from bothways.adapters.db.records import transaction_row
from bothways.adapters.db.values import short, to_us

NEAR_S = 300.0
"""A state of charge that was reported within so many seconds of an end of the visit is the one at that end."""

_ROWS = 500
_COLUMNS = {
    "vehicle_id": pl.String,
    "arrival": INSTANT,
    "departure": INSTANT,
    "charged_kwh": pl.Float64,
    "discharged_kwh": pl.Float64,
    "soc_at_arrival": pl.Float64,
    "soc_at_departure": pl.Float64,
}

Ends = dict[int, tuple[tuple[int, float], tuple[int, float]]]
"""First and last report of a transaction: instant [µs] and state of charge."""


def export_visits(url: str, path: Path | str, start: datetime, end: datetime, *, station_id: str | None = None) -> int:
    """Writes ended transactions that showed a token, first heard of within ``start <= at < end``; returns how many.

    A state of charge that the vehicle did not report near an end of its visit is left empty.

    Raises:
        InputError: the file's ending is neither ``.csv`` nor ``.parquet``, or it cannot be written.
        StoreError: the database does not answer.
    """
    return write_table(url, path, _COLUMNS, lambda connection: _parts(connection, start, end, station_id))


def _parts(
    connection: Connection, start: datetime, end: datetime, station_id: str | None
) -> Iterator[list[tuple[Any, ...]]]:
    table, term = schema.transaction, schema.term
    query = select(table, term.c.word).join(term, term.c.id == table.c.station)
    query = query.where(table.c.first_us >= to_us(start), table.c.first_us < to_us(end), table.c.id_token != "")
    query = query.where(table.c.ended_us > table.c.started_us)
    if station_id is not None:
        query = query.where(term.c.word == short(station_id))
    query = query.order_by(table.c.started_us, table.c.number)
    found = connection.execute(query).all()
    for begin in range(0, len(found), _ROWS):
        part = found[begin : begin + _ROWS]
        ends = _ends(connection, [row.number for row in part])
        yield [_visit(row, ends) for row in part]


def _ends(connection: Connection, numbers: list[int]) -> Ends:
    """First and last state of charge of transactions."""
    values, kinds, word = schema.sample, schema.series, schema.term
    told = select(kinds.c.id).join(word, word.c.id == kinds.c.measurand).where(word.c.word == "SoC")
    of_these = values.c.series.in_(told) & values.c.tx.in_(numbers)
    edges = select(values.c.tx, func.min(values.c.at_us).label("first"), func.max(values.c.at_us).label("last"))
    edge = edges.where(of_these).group_by(values.c.tx).subquery()
    query = select(values.c.tx, values.c.at_us, values.c.value).join(edge, edge.c.tx == values.c.tx)
    query = query.where(of_these, or_(values.c.at_us == edge.c.first, values.c.at_us == edge.c.last))
    found: Ends = {}
    for tx, at_us, value in connection.execute(query.order_by(values.c.tx, values.c.at_us)):
        known = found.get(tx)
        found[tx] = ((at_us, value), (at_us, value)) if known is None else (known[0], (at_us, value))
    return found


def _visit(row: Any, ends: Ends) -> tuple[Any, ...]:
    told = transaction_row(row, row.word)
    first, last = ends.get(row.number, ((None, None), (None, None)))
    return (
        told.id_token, told.started_at, told.ended_at, told.energy_import_kwh, told.energy_export_kwh,
        _near(first, row.started_us), _near(last, row.ended_us),
    )  # fmt: skip


def _near(report: tuple[int | None, float | None], instant_us: int) -> float | None:
    at_us, soc = report
    if at_us is None or soc is None or not 0.0 <= soc <= 1.0:
        return None
    return soc if abs(at_us - instant_us) <= NEAR_S * 1e6 else None
