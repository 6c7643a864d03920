"""Opens databases so that a commit means durable, and brings their schema up to date."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bothways.adapters.db.schema import metadata
from bothways.domain.errors import InputError, Problem, StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 6_021_023
BUSY_S = 10.0
"""Longest wait for another process's write, such as a command line beside the server [s]."""


def parse_url(url: str) -> URL:
    """Reads a database address; ``postgresql://`` means psycopg 3.

    Raises:
        InputError: it is neither a SQLite file nor a PostgreSQL database.
    """
    allowed = "sqlite:///path/to/file.db or postgresql://user@host/name"
    try:
        parsed = make_url(url)
    except ArgumentError:
        problem = Problem("database", "an address that cannot be read", allowed, "Write it as an address.")
        raise InputError([problem]) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    found = parsed.render_as_string(hide_password=True)
    raise InputError([Problem("database", found, allowed, "Choose a file on a local disk or a PostgreSQL server.")])


def connect(url: str | URL) -> Engine:
    """An engine whose commits are durable; connections marked ``write`` take SQLite's write lock as they begin."""
    address = parse_url(url) if isinstance(url, str) else url
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    if importlib.util.find_spec("psycopg") is None:
        remedy = 'Install it: pip install "bothways[postgres]".'
        raise InputError([Problem("database", "no PostgreSQL driver", "psycopg, which is an extra", remedy)])
    engine = create_engine(
        address,
        pool_size=5,
        max_overflow=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3},
    )
    event.listen(engine, "connect", _prepare_postgres)
    return engine


def _prepare_postgres(connection: Any, _record: object) -> None:
    """A commit is durable whatever the server's default; nothing waits for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(f"SET lock_timeout = {int(BUSY_S * 1000)}")
    connection.commit()


def _sqlite(address: URL) -> Engine:
    path = Path(address.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # tokens and hashes are nobody else's business
    except OSError as error:
        problem = Problem("database", str(path), "a file that can be written", f"Choose another path ({error}).")
        raise InputError([problem]) from error
    engine = create_engine(address, pool_size=5, max_overflow=5, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def migrate(url: str) -> str:
    """Brings a database's schema up to date and returns its revision. Several processes may call it at once.

    Raises:
        InputError: the address cannot be used, or the schema is newer than this program.
        StoreError: the database cannot be reached.
    """
    engine = connect(url)
    try:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            return _upgrade(connection)
    except SQLAlchemyError as error:
        raise store_error(error) from error
    finally:
        engine.dispose()


def pending(url: str) -> int | None:
    """How many revisions the schema lacks, without changing anything; ``None`` where there is no database yet.

    Raises:
        InputError: the address cannot be used, or the schema is newer than this program.
        StoreError: the database cannot be reached.
    """
    address = parse_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return None
    engine = connect(url)
    try:
        with engine.connect() as connection:
            script = ScriptDirectory(str(_MIGRATIONS))
            known = [revision.revision for revision in script.walk_revisions()]
            have = MigrationContext.configure(connection).get_current_revision()
            if have is not None and have not in known:
                raise _too_new(have, script)
            return len(known) if have is None else known.index(have)
    except SQLAlchemyError as error:
        raise store_error(error) from error
    finally:
        engine.dispose()


def machine_offset_s(url: str) -> float | None:
    """How far the database's clock is ahead of this machine's [s]; ``None`` where it is the same machine's by nature.

    Raises:
        InputError: the address cannot be used.
        StoreError: the database cannot be reached.
    """
    if parse_url(url).get_backend_name() == "sqlite":
        return None
    engine = connect(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            before = clock_us()
            there_s = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
            return there_s - (before + clock_us()) / 2e6
    except SQLAlchemyError as error:
        raise store_error(error) from error
    finally:
        engine.dispose()


def _too_new(have: str, script: ScriptDirectory) -> InputError:
    remedy = "Install the bothways that wrote this database, or a newer one."
    return InputError([Problem("database", f"schema revision {have}", f"up to {script.get_current_head()}", remedy)])


def _upgrade(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    script = ScriptDirectory(str(_MIGRATIONS))
    known = {revision.revision for revision in script.walk_revisions()}
    environment = EnvironmentContext(Config(), script, fn=lambda have, _context: script._upgrade_revs("head", have))
    with environment:
        environment.configure(connection=connection, target_metadata=metadata)
        have = environment.get_context().get_current_revision()
        if have is not None and have not in known:
            raise _too_new(have, script)
        environment.run_migrations()
        return str(environment.get_context().get_current_revision())


def store_error(error: Exception) -> StoreError:
    """What a database's failure means to the one who wanted to store something; without addresses or values."""
    cause = getattr(error, "orig", None) or error
    words = " ".join(str(cause).split())[:200]
    return StoreError(f"the database cannot take this now ({type(cause).__name__}: {words}); nothing was acknowledged")


def clock_us() -> int:
    """The machine's clock in microseconds since 1970-01-01T00:00Z."""
    return time.time_ns() // 1000
