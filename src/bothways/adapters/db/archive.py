"""Backups: one SQLite file whatever the database, restored to either.

A backup is the whole store at one instant, taken while the server runs. Restoring goes into an empty database only, and
transaction numbers go on far above all that the backup knows: ids given after the backup was taken are in the memory
of stations and on receipts, and must not come a second time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from bothways.adapters.db import answers, factors, people, schema, tries
from bothways.adapters.db.engine import clock_us, connect, migrate, parse_url, store_error
from bothways.adapters.db.registry import audit
from bothways.domain.errors import InputError, Problem

RESTORE_GAP = 1_000_000
"""Numbers left out at a restore: what 5 000 stations with 30 transactions a day use in six days."""
_ROWS = 5000
_BRING_TABLES = (answers, factors, people, tries)
"""Modules that add tables of their own to the schema: one that is not imported would be missing from a copy."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What a backup or a restore moved."""

    transactions: int
    samples: int
    stations: int


def backup(url: str, path: Path | str) -> Archived:
    """Writes the store into one file, whole or not at all; the server may run meanwhile.

    Raises:
        InputError: the file cannot be written there, or exists.
        StoreError: the database does not answer.
    """
    target = Path(path)
    if target.exists():
        raise InputError([Problem("backup", str(target), "a new file", "Choose another name; nothing is overwritten.")])
    with _temporary_beside(target) as temporary, _failures():
        if parse_url(url).get_backend_name() == "sqlite":
            _copy_sqlite(url, temporary)
        else:
            migrate(f"sqlite:///{temporary}")
            with _engine(url) as source, _engine(f"sqlite:///{temporary}") as into:
                _copy_snapshot(source, into)
        moved = _finish(temporary)
        temporary.replace(target)
        _sync(target.parent)
    return moved


def restore(path: Path | str, url: str) -> Archived:
    """Fills an empty database from a backup; numbers of new transactions start above all earlier ones.

    Raises:
        InputError: the file is no backup, or the database is not empty.
        StoreError: the database does not answer; it is left as it was.
    """
    source_file = Path(path)
    _check_is_backup(source_file)
    with tempfile.TemporaryDirectory() as folder, _failures():
        copy = Path(folder) / "backup.db"
        shutil.copyfile(source_file, copy)
        migrate(f"sqlite:///{copy}")  # an older backup is brought up to date first
        migrate(url)
        with (
            _engine(f"sqlite:///{copy}") as source,
            _engine(url) as target,
            source.connect() as given,
            target.connect().execution_options(write=True) as into,
            into.begin(),
        ):
            before = _check_is_empty(into)
            _copy_rows(given, into)
            _go_on_above(into, before)
            audit(into, "restored", source_file.name, clock_us(), {})
            return _count(into)


def _copy_sqlite(url: str, temporary: Path) -> None:
    """SQLite's own copy of a consistent state, with readers and the writer going on."""
    database = parse_url(url).database or ""
    if not Path(database).is_file():
        raise InputError([Problem("database", database, "an existing store", "Check the address of the store.")])
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute("VACUUM INTO ?", (str(temporary),))


def _copy_snapshot(source: Engine, target: Engine) -> None:
    with (
        source.connect().execution_options(isolation_level="REPEATABLE READ") as given,
        target.connect().execution_options(write=True) as into,
        into.begin(),
    ):
        _copy_rows(given, into)


def _copy_rows(given: Connection, into: Connection) -> None:
    """Copies every table in pieces; a database is never held in memory whole."""
    for table in schema.metadata.sorted_tables:
        if table is schema.counter:
            into.execute(table.delete())
        rows = given.execution_options(yield_per=_ROWS).execute(select(table))
        for part in rows.mappings().partitions(_ROWS):
            into.execute(insert(table), [dict(row) for row in part])


def _go_on_above(into: Connection, before: int) -> None:
    """Lifts the counters above everything that was ever given."""
    counter, numbers = schema.counter, schema.transaction.c.number
    highest = into.execute(select(func.max(numbers))).scalar_one() or 0
    known = into.execute(select(counter.c.next_value).where(counter.c.name == "transaction")).scalar_one_or_none()
    next_value = max(highest + 1, known or 1, before) + RESTORE_GAP
    if known is None:
        into.execute(insert(counter), [{"name": "transaction", "next_value": next_value}])
    else:
        into.execute(update(counter).where(counter.c.name == "transaction").values(next_value=next_value))
    if into.dialect.name == "postgresql":
        for table in (schema.term, schema.series, schema.audit):
            raised = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"  # noqa: S608
            into.execute(text(raised))


def _check_is_empty(into: Connection) -> int:
    """Refuses a database that holds anything; returns the number its next transaction would have got."""
    for table in (schema.transaction, schema.station, schema.sample, schema.message, schema.audit, people.person):
        if into.execute(select(func.count()).select_from(select(table).limit(1).subquery())).scalar_one():
            found, remedy = f"rows in {table.name}", "Restore into a new file or a new database."
            raise InputError([Problem("database", found, "an empty database", remedy)])
    counter = schema.counter
    known = into.execute(select(counter.c.next_value).where(counter.c.name == "transaction")).scalar_one_or_none()
    return int(known or 1)


def _check_is_backup(path: Path) -> None:
    allowed, remedy = "a file that `bothways store backup` wrote", "Check the file's name."
    if not path.is_file():
        raise InputError([Problem("backup", str(path), allowed, remedy)])
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            state = connection.execute("PRAGMA quick_check").fetchone()[0]
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        state, revision = "not a store", None
    if state != "ok" or revision is None:
        raise InputError([Problem("backup", f"{path} ({state})", allowed, remedy)])


def _finish(temporary: Path) -> Archived:
    """Makes it one file without a journal beside it, checks it, and makes it durable."""
    with contextlib.closing(sqlite3.connect(temporary)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        state = connection.execute("PRAGMA quick_check").fetchone()[0]
        if state != "ok":
            raise InputError([Problem("backup", state, "a sound copy", "Check the disk, then try again.")])
    with _engine(f"sqlite:///{temporary}") as engine, engine.connect() as kept:
        moved = _count(kept)
    with contextlib.closing(sqlite3.connect(temporary)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    _sync(temporary)
    return moved


def _count(connection: Connection) -> Archived:
    tables = (schema.transaction, schema.sample, schema.station)
    return Archived(*(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables))


@contextlib.contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """A database's failures, told as the store tells them."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise store_error(error) from error


@contextlib.contextmanager
def _temporary_beside(target: Path) -> Iterator[Path]:
    temporary = target.parent / f".{target.name}.{secrets.token_hex(6)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        remedy = f"Choose another place ({error.strerror})."
        raise InputError([Problem("backup", str(target), "a file that can be written", remedy)]) from error
    try:
        yield temporary
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Makes a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
