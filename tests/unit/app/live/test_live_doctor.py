"""The doctor only looks: a database that is missing or behind is said to be so, and stays as it is."""

import json
import sqlite3

import pytest

from bothways.adapters.db.engine import migrate, pending
from bothways.app.live.doctor import examine


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bothways.toml"
    path.write_text(
        f"""
[store]
url = "sqlite:///{tmp_path}/live.db"
[server]
port = 0
web_port = 0
[[site]]
id = "house"
tz = "UTC"
[site.prices]
import_per_kwh = 0.3
""",
        encoding="utf-8",
    )
    return path


def findings(config, capsys, check="store"):
    assert examine(config, as_json=True)
    return [row for row in json.loads(capsys.readouterr().out) if row["check"] == check]


def revision(file):
    with sqlite3.connect(file) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_database_that_is_not_there_is_not_made(config, tmp_path, capsys):
    (row,) = findings(config, capsys)
    assert row["verdict"] == "look"
    assert "none yet" in row["text"]
    assert not (tmp_path / "live.db").exists()


def test_a_schema_that_is_behind_stays_so(config, tmp_path, capsys):
    url, file = f"sqlite:///{tmp_path}/live.db", tmp_path / "live.db"
    newest = migrate(url)
    assert pending(url) == 0
    assert "current" in findings(config, capsys)[0]["text"]
    with sqlite3.connect(file) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert pending(url) >= 1
    (row,) = findings(config, capsys)
    assert row["verdict"] == "look"
    assert "behind" in row["text"]
    assert "Back it up" in row["remedy"]
    assert revision(file) == "0001" != newest
