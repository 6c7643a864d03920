"""Statements of the hot path, built once; many rows go to the driver at once, past the work done per statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Table, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from bothways.adapters.db import schema

Row = Mapping[str, Any]
_T, _E, _S = schema.transaction, schema.transaction_event, schema.sample

BY_NAME = (
    select(_T)
    .where(tuple_(_T.c.station, _T.c.transaction_id).in_(bindparam("keys", expanding=True)))
    .order_by(_T.c.number)
    .with_for_update()
)
BY_START = (
    select(_T).where(_T.c.start_key.in_(bindparam("keys", expanding=True))).order_by(_T.c.number).with_for_update()
)
EVENTS = select(_E.c.tx, _E.c.key, _E.c.kind, _E.c.at_us).where(
    tuple_(_E.c.tx, _E.c.key).in_(bindparam("keys", expanding=True))
)
SAMPLES = select(_S.c.series, _S.c.at_us, _S.c.tx).where(
    tuple_(_S.c.series, _S.c.at_us, _S.c.tx).in_(bindparam("keys", expanding=True))
)
_FIXED = {"number", "station", "transaction_id", "start_key"}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows that are known to be new; every row has every column."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_postgres_insert(table), _arrays(table, rows))
    else:
        _many(connection, insert(table), rows)


def insert_samples(connection: Connection, rows: Sequence[Row]) -> set[tuple[int, int, int]]:
    """Inserts values that are not there yet and returns the keys of those that were not."""
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(
            _postgres_insert(_S, "ON CONFLICT DO NOTHING RETURNING *"), _arrays(_S, rows)
        )
        return {(row.series, row.at_us, row.tx) for row in found}
    keys = [(row["series"], row["at_us"], row["tx"]) for row in rows]
    inserted = set(keys)
    connection.exec_driver_sql("SAVEPOINT before_values")
    if _many(connection, _NEW_SAMPLE, rows) < len(rows):  # rare: find out which were there before
        connection.exec_driver_sql("ROLLBACK TO before_values")
        inserted.difference_update((row.series, row.at_us, row.tx) for row in chosen(connection, SAMPLES, keys))
        _many(connection, _NEW_SAMPLE, rows)
    connection.exec_driver_sql("RELEASE before_values")
    return inserted


def update_transactions(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes the changing columns of transactions that are there."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_postgres_update(), _arrays(_T, rows))
    else:
        _many(connection, _UPDATE, [{**row, "_number": row["number"]} for row in rows])


def chosen(connection: Connection, statement: Executable, keys: list[Any], size: int = 500) -> list[Any]:
    """Rows of a statement that takes ``keys``, in pieces that no database finds too long."""
    found: list[Any] = []
    for begin in range(0, len(keys), size):
        found.extend(connection.execute(statement, {"keys": keys[begin : begin + size]}))
    return found


_CHANGING = [column for column in _T.c if column.name not in _FIXED]
_NEW_SAMPLE = sqlite.insert(_S).on_conflict_do_nothing()
_UPDATE = (
    update(_T)
    .where(_T.c.number == bindparam("_number"))
    .values({column.name: bindparam(column.name) for column in _CHANGING})
)


@lru_cache(maxsize=32)
def _compiled(statement: ClauseElement, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement in the driver's own words, and the names of its places."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), tuple(getattr(compiled, "positiontup", None) or ())


def _many(connection: Connection, statement: ClauseElement, rows: Sequence[Row]) -> int:
    """Runs a statement for many rows by SQLite's driver alone; returns how many rows it touched."""
    sql, places = _compiled(statement, connection.dialect)
    return connection.exec_driver_sql(sql, [tuple([row[name] for name in places]) for row in rows]).rowcount


def _unnested(table: Table) -> str:
    """All rows as one array per column: PostgreSQL then takes one statement, whatever the number of rows."""
    kinds = ((column.name, column.type.compile(postgresql.dialect())) for column in table.c)  # type: ignore[no-untyped-call]
    return "unnest(" + ", ".join(f"%({name})s::{kind}[]" for name, kind in kinds) + ")"


def _arrays(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {column.name: [row[column.name] for row in rows] for column in table.c}


@lru_cache(maxsize=8)
def _postgres_insert(table: Table, suffix: str = "") -> str:
    columns = ", ".join(column.name for column in table.c)
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM {_unnested(table)} {suffix}"  # noqa: S608 - own names


@lru_cache(maxsize=1)
def _postgres_update() -> str:
    names = ", ".join(column.name for column in _T.c)
    changes = ", ".join(f"{column.name} = given.{column.name}" for column in _CHANGING)
    given = f"{_unnested(_T)} AS given ({names})"
    return f"UPDATE {_T.name} AS kept SET {changes} FROM {given} WHERE kept.number = given.number"  # noqa: S608 - own names
