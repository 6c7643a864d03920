"""The migrations make exactly the tables that the code uses, and addresses are checked."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from bothways.adapters.db.engine import connect, migrate, parse_url
from bothways.adapters.db.people import person
from bothways.domain.errors import InputError, StoreError


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert migrate(url) == migrate(url)
    engine = connect(url)
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), person.metadata
        )
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        durable = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    engine.dispose()
    assert differences == []
    assert (mode, durable) == ("wal", 2)
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600


def test_whoever_copies_a_store_knows_every_table_of_it(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    code = "from bothways.adapters.db import archive, schema; print(*schema.metadata.tables)"  # and nothing else
    known = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(known) == made - {"alembic_version", "sqlite_sequence"}


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        revisions = list(pool.map(migrate, [f"sqlite:///{tmp_path}/a.db"] * 4))
    assert len(set(revisions)) == 1


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    migrate(url)
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="schema revision 9999"):
        migrate(url)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        migrate(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(InputError, match="can be written"):
        migrate(f"sqlite:///{tmp_path}/text.db/inside.db")


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_postgres_means_psycopg() -> None:
    assert parse_url("postgresql://u@h/d").drivername == "postgresql+psycopg"


def test_a_missing_driver_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="postgres"):
        connect("postgresql://u@h/d")


def test_a_missing_server_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        migrate(f"postgresql://u:hunter2@/d?host={tmp_path}")
    assert "hunter2" not in str(caught.value)
