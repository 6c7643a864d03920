"""Data in open formats: values and transactions as CSV or Parquet, whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, select
from sqlalchemy.exc import SQLAlchemyError

from bothways.adapters.db import schema
from bothways.adapters.db.engine import connect, store_error
from bothways.adapters.db.records import transaction_row
from bothways.adapters.db.values import short, to_us
from bothways.domain.errors import InputError, Problem

_ROWS = 100_000
INSTANT = pl.Datetime("us", "UTC")
_SAMPLES = {
    "at": INSTANT,
    "station_id": pl.String,
    "evse_id": pl.Int64,
    "transaction_id": pl.String,
    "measurand": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "phase": pl.String,
    "context": pl.String,
    "location": pl.String,
    "signed": pl.String,
}
_TRANSACTIONS = {
    "station_id": pl.String,
    "transaction_id": pl.String,
    "evse_id": pl.Int64,
    "connector_id": pl.Int64,
    "id_token": pl.String,
    "started_at": INSTANT,
    "ended_at": INSTANT,
    "last_at": INSTANT,
    "energy_import_kwh": pl.Float64,
    "energy_export_kwh": pl.Float64,
    "reason": pl.String,
    "missing": pl.String,
    "flags": pl.String,
}


def export_samples(url: str, path: Path | str, start: datetime, end: datetime, *, station_id: str | None = None) -> int:
    """Writes all values with ``start <= at < end`` to a ``.csv`` or ``.parquet`` file; returns how many.

    Raises:
        InputError: the file's ending is another, or it cannot be written.
        StoreError: the database does not answer.
    """
    return write_table(url, path, _SAMPLES, lambda connection: _sample_parts(connection, start, end, station_id))


def export_transactions(
    url: str, path: Path | str, start: datetime, end: datetime, *, station_id: str | None = None
) -> int:
    """Writes all transactions first heard of within ``start <= at < end``; as :func:`export_samples`."""
    return write_table(
        url, path, _TRANSACTIONS, lambda connection: _transaction_parts(connection, start, end, station_id)
    )


def write_table(url: str, path: Path | str, columns: dict[str, Any], parts: Any) -> int:
    """Writes rows to a ``.csv`` or ``.parquet`` file, whole or not at all; returns how many.

    Args:
        url: of the store.
        path: the file.
        columns: names and types, in order.
        parts: from a connection to lists of rows.

    Raises:
        InputError: the file's ending is another, or it cannot be written.
        StoreError: the database does not answer.
    """
    target = Path(path)
    if target.suffix not in {".csv", ".parquet"}:
        remedy = "Name the file after what it should be."
        raise InputError([Problem("export", target.name, "a name that ends in .csv or .parquet", remedy)])
    work = target.parent / f".{target.name}.{secrets.token_hex(6)}.in-progress"
    engine = connect(url)
    try:
        work.mkdir(parents=True)
        with engine.connect() as connection:
            count, files = 0, list[Path]()
            for index, rows in enumerate(parts(connection)):
                files.append(work / f"{index:06d}.parquet")
                pl.DataFrame(rows, schema=columns, orient="row").write_parquet(files[-1])
                count += len(rows)
        _join(files, work / f"all{target.suffix}", columns)
        (work / f"all{target.suffix}").replace(target)
    except SQLAlchemyError as error:
        raise store_error(error) from error
    except OSError as error:
        remedy = f"Choose another place ({error.strerror or error})."
        raise InputError([Problem("export", str(target), "a file that can be written", remedy)]) from error
    finally:
        engine.dispose()
        shutil.rmtree(work, ignore_errors=True)
    return count


def _join(files: list[Path], whole: Path, columns: dict[str, Any]) -> None:
    """Puts the pieces together without holding them all in memory."""
    frame = pl.scan_parquet(files) if files else pl.LazyFrame(schema=columns)
    if whole.suffix == ".parquet":
        frame.sink_parquet(whole)
    else:
        frame.sink_csv(whole, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")


def _sample_parts(
    connection: Connection, start: datetime, end: datetime, station_id: str | None
) -> Iterator[list[tuple[Any, ...]]]:
    values, kinds, owner, signed = schema.sample, schema.series, schema.transaction, schema.signature
    words = {name: schema.term.alias(name) for name in ("station", "measurand", "unit", "phase", "context", "location")}
    query: Select[Any] = select(
        values.c.at_us,
        words["station"].c.word,
        kinds.c.evse_id,
        owner.c.transaction_id,
        words["measurand"].c.word,
        values.c.value,
        *(words[name].c.word for name in ("unit", "phase", "context", "location")),
        signed.c.signed,
        owner.c.evse_id,
    )
    source: Any = values.join(kinds, kinds.c.id == values.c.series)
    for name, word in words.items():
        source = source.join(word, word.c.id == kinds.c[name])
    same = (signed.c.series == values.c.series) & (signed.c.at_us == values.c.at_us) & (signed.c.tx == values.c.tx)
    source = source.outerjoin(owner, owner.c.number == values.c.tx).outerjoin(signed, same)
    query = query.select_from(source).where(values.c.at_us >= to_us(start), values.c.at_us < to_us(end))
    if station_id is not None:
        query = query.where(words["station"].c.word == short(station_id))
    query = query.order_by(values.c.series, values.c.at_us, values.c.tx)
    for rows in connection.execution_options(yield_per=_ROWS).execute(query).partitions(_ROWS):
        yield [(*row[:2], row[2] or row[11] or 0, row[3] or "", *row[4:10], row[10] or "") for row in rows]


def _transaction_parts(
    connection: Connection, start: datetime, end: datetime, station_id: str | None
) -> Iterator[list[tuple[Any, ...]]]:
    table, term = schema.transaction, schema.term
    query = select(table, term.c.word).join(term, term.c.id == table.c.station)
    query = query.where(table.c.first_us >= to_us(start), table.c.first_us < to_us(end))
    if station_id is not None:
        query = query.where(term.c.word == short(station_id))
    query = query.order_by(table.c.first_us, table.c.number)
    for rows in connection.execution_options(yield_per=_ROWS).execute(query).partitions(_ROWS):
        told = [transaction_row(row, row.word) for row in rows]
        yield [
            (
                *(getattr(row, name) for name in list(_TRANSACTIONS)[:11]),
                " ".join(map(str, row.missing)),
                "; ".join(row.flags),
            )
            for row in told
        ]
