"""Statements of the hot path, built once; many rows go to the driver at once, past the work done per statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from bothways.adapters.db import schema

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
INSERT_EVENT = insert(_E)
INSERT_TRANSACTION = insert(_T)
_FIXED = {"number", "station", "transaction_id", "start_key"}
UPDATE_TRANSACTION = (
    update(_T)
    .where(_T.c.number == bindparam("_number"))
    .values({column.name: bindparam(column.name) for column in _T.c if column.name not in _FIXED})
)
SAMPLE_SQLITE = sqlite.insert(_S).on_conflict_do_nothing()
SAMPLE_POSTGRES = postgresql.insert(_S).on_conflict_do_nothing().returning(_S.c.series, _S.c.at_us, _S.c.tx)


@lru_cache(maxsize=32)
def _compiled(statement: ClauseElement, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement in the driver's own words, and the names of its places where they are counted."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), tuple(getattr(compiled, "positiontup", None) or ())


def many(connection: Connection, statement: ClauseElement, rows: Sequence[Mapping[str, Any]]) -> int:
    """Runs a statement for many rows by the driver alone; returns how many rows it touched.

    Columns must need no conversion: whole numbers, floats, text, bytes and truth values.
    """
    sql, places = _compiled(statement, connection.dialect)
    content: Any = [tuple(row[name] for name in places) for row in rows] if places else [dict(row) for row in rows]
    return connection.exec_driver_sql(sql, content).rowcount


def chosen(connection: Connection, statement: Executable, keys: list[Any], size: int = 500) -> list[Any]:
    """Rows of a statement that takes ``keys``, in pieces that no database finds too long."""
    found: list[Any] = []
    for begin in range(0, len(keys), size):
        found.extend(connection.execute(statement, {"keys": keys[begin : begin + size]}))
    return found
