"""Visits that a store exports are those from which ``bothways soh`` tells a battery's capacity, on both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from bothways.adapters.db.export_visits import export_visits
from bothways.adapters.db.store import SqlStore, open_store
from bothways.app.cli.main import app
from bothways.operations.events import Sample, TransactionChanged

START = datetime(2026, 3, 1, tzinfo=UTC)
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
IMPORT = "Energy.Active.Import.Register"
CAPACITY = 52.0


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    return str(request.getfixturevalue("postgres_server").migrated_database())


async def visit(store: SqlStore, k: int, token: str, socs: list[tuple[float, float]], *, ends: bool = True) -> None:
    """A stay of four hours that stores 0.6 of the capacity; states of charge by hours since plug-in."""
    begin, energy = START + timedelta(days=k), 0.6 * CAPACITY / 0.9
    for seq, hours in enumerate((0.0, 2.0, 4.0)):
        at = begin + timedelta(hours=hours)
        samples = [Sample(at, IMPORT, 100.0 * k + energy * hours / 4.0, "kWh")]
        for when, soc in socs:
            if hours - 2.0 < when <= hours or (hours == 0.0 and when == 0.0):
                samples.append(Sample(begin + timedelta(hours=when), "SoC", soc, "fraction", location="EV"))
        kind = "started" if seq == 0 else "ended" if ends and seq == 2 else "updated"
        event = TransactionChanged(
            station_id="A", at=at, received_at=at, kind=kind, transaction_id=f"t{k}", evse_id=1, seq_no=seq,
            id_token=token, samples=tuple(samples), reason="Local" if kind == "ended" else "",
        )  # fmt: skip
        await store.append(event)


async def fill(url: str) -> None:
    store = await open_store(url)
    both = [(0.0, 0.2), (2.0, 0.5), (4.0, 0.8)]
    for k in range(4):
        await visit(store, k, "van-3", both)
    await visit(store, 4, "van-3", [(0.02, 0.2), (3.0, 0.65)])  # silent in its last hour
    await visit(store, 5, "van-3", [])
    await visit(store, 6, "", both)  # nobody's
    await visit(store, 7, "van-4", both)
    await visit(store, 8, "van-3", both, ends=False)  # still there
    await store.close()


def test_visits_are_written_as_the_state_of_health_is_read_from_them(url: str, tmp_path: Path) -> None:
    asyncio.run(fill(url))
    path = tmp_path / "visits.csv"
    assert export_visits(url, path, *EVER) == 7
    table = pl.read_csv(path)
    assert table["vehicle_id"].to_list() == ["van-3"] * 6 + ["van-4"]
    assert table["soc_at_arrival"].to_list() == [0.2, 0.2, 0.2, 0.2, 0.2, None, 0.2]
    assert table["soc_at_departure"].to_list() == [0.8, 0.8, 0.8, 0.8, None, None, 0.8]
    assert table["charged_kwh"].to_list() == pytest.approx([0.6 * CAPACITY / 0.9] * 7)
    call = ["soh", str(path), "--capacity-kwh", "60", "--battery", "van-3", "--json"]
    told = json.loads(CliRunner().invoke(app, call).stdout)
    assert told["visits"] == 6
    assert told["capacity"]["visits"] == 4
    assert told["capacity"]["kwh"] == pytest.approx(CAPACITY)


def test_only_the_days_and_the_station_asked_for(url: str, tmp_path: Path) -> None:
    asyncio.run(fill(url))
    days = (START + timedelta(days=1), START + timedelta(days=3))
    assert export_visits(url, tmp_path / "two.parquet", *days) == 2
    assert export_visits(url, tmp_path / "none.parquet", *EVER, station_id="B") == 0
    assert pl.read_parquet(tmp_path / "two.parquet")["arrival"].to_list() == [days[0], days[0] + timedelta(days=1)]
