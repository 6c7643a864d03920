"""``bothways store`` as a person uses it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bothways.adapters.db.store import open_store
from bothways.operations.events import Sample, TransactionChanged

BOTHWAYS = Path(sys.executable).with_name("bothways")
IMPORT = "Energy.Active.Import.Register"
CONFIG = """
[store]
url = "sqlite:///{database}"
keep_samples_days = 30
[[site]]
id = "depot"
tz = "Europe/Amsterdam"
[site.prices]
import_per_kwh = 0.3
"""


def run(*words: object, expect: int = 0) -> str:
    done = subprocess.run(
        [BOTHWAYS, "store", *map(str, words)], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout if expect == 0 else done.stderr


def config(folder: Path, name: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(CONFIG.format(database=folder / f"{name}.db"))
    return path


async def fill(url: str) -> None:
    store = await open_store(url)
    now = datetime.now(tz=UTC).replace(microsecond=0)
    for seq, (days, register) in enumerate([(100, 5.0), (99, 7.5), (1, 9.0)]):
        at = now - timedelta(days=days)
        await store.append(
            TransactionChanged(
                station_id="CS",
                at=at,
                received_at=at,
                kind="updated" if seq else "started",
                transaction_id="t",
                evse_id=1,
                seq_no=seq,
                id_token="ANNA",
                samples=(Sample(at, IMPORT, register, "kWh"),),
            )
        )
    await store.close()


def test_a_store_is_kept_taken_out_and_forgotten(tmp_path: Path) -> None:
    live, new = config(tmp_path, "live"), config(tmp_path, "new")
    asyncio.run(fill(f"sqlite:///{tmp_path}/live.db"))
    moved = json.loads(run("backup", live, tmp_path / "b.bak", "--json"))
    assert moved == {"transactions": 1, "samples": 3, "stations": 0}
    assert "nothing is overwritten" in run("backup", live, tmp_path / "b.bak", expect=2)
    assert json.loads(run("forget", live, "--json")) == {"samples": 2, "messages": 0}
    assert "erased from 1 " in run("erase", live, "ANNA")
    run("export", live, tmp_path / "t.csv", "--what", "transactions")
    row = pl.read_csv(tmp_path / "t.csv").row(0, named=True)
    assert row["id_token"].startswith("erased-")
    assert row["energy_import_kwh"] == 4.0
    run("restore", new, tmp_path / "b.bak")
    assert json.loads(run("export", new, tmp_path / "v.parquet", "--json")) == {"samples": 3}
    assert pl.read_parquet(tmp_path / "v.parquet")["value"].to_list() == [5.0, 7.5, 9.0]
    assert "empty database" in run("restore", new, tmp_path / "b.bak", expect=2)
    told = run("export", new, tmp_path / "x.csv", "--what", "all", "--from", "soon", expect=2)
    assert "--what" in told
    assert "--from" in told
