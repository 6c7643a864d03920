"""Backups, restores, exports and retention, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bothways.adapters.db.archive import RESTORE_GAP, backup, restore
from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.export import export_samples, export_transactions
from bothways.adapters.db.retention import erase, forget
from bothways.adapters.db.store import SqlStore, open_store
from bothways.domain.errors import InputError, StoreError
from bothways.operations.events import EvseKey, Sample, StatusChanged, TransactionChanged
from bothways.operations.ports import Latch
from bothways.operations.stations import DriverNeed, StationRecord

START = datetime(2026, 3, 1, tzinfo=UTC)
IMPORT = "Energy.Active.Import.Register"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    return str(request.getfixturevalue("postgres_server").migrated_database())


def start(day: int, token: str = "T") -> TransactionChanged:
    at = START + timedelta(days=day)
    return TransactionChanged(station_id="A", at=at, received_at=at, kind="started", transaction_id="", evse_id=1,
                              id_token=token, meter_start_kwh=10.0 * day)  # fmt: skip


def go_on(day: int, number: str, hours: int) -> TransactionChanged:
    at = START + timedelta(days=day, hours=hours)
    signed = Sample(at, "Power.Active.Import", 5.0, "kW", phase="L1", signed="OCMF|x")
    register = Sample(at, IMPORT, 10.0 * day + hours, "kWh")
    return TransactionChanged(station_id="A", at=at, received_at=at, kind="updated", transaction_id=number, evse_id=0,
                              samples=(register, signed))  # fmt: skip


async def fill(store: SqlStore) -> list[str]:
    """Five transactions of three hours, a status, a station, a need, a latch."""
    numbers = []
    for day in range(5):
        numbers.append((await store.append(start(day, f"T{day}"))).transaction_id)
        for hours in (1, 2, 3):
            await store.append(go_on(day, numbers[-1], hours))
    status = StatusChanged(station_id="A", at=START, received_at=START, evse_id=1, connector_id=1, status="Available",
                           detail="for T1")  # fmt: skip
    await store.append(status)
    await store.add_station(StationRecord("A", "home", ()), hash_secret(SECRET))
    await store.need(DriverNeed("n1", "T1", START, START, energy_kwh=5.0))
    await store.learn(EvseKey("A", 1), "T1", "resumes_after_pause", value=False, at=START)
    await store.latch(Latch("home", START, "smoke"))
    return numbers


SECRET = new_secret()


async def everything(store: SqlStore) -> list[object]:
    evse = EvseKey("A", 1)
    end = START + timedelta(days=99)
    return [
        await store.transactions(),
        await store.samples(evse, IMPORT, START, end),
        await store.samples(evse, "Power.Active.Import", START, end),
        await store.history("A", StatusChanged),
        await store.stations(),
        await store.needs(["T1"]),
        await store.latches(),
    ]


@pytest.mark.asyncio
async def test_a_backup_restores_everything_and_ids_go_on_above(url: str, tmp_path: Path) -> None:
    store = await open_store(url)
    numbers = await fill(store)
    before = await everything(store)
    file = tmp_path / "backups" / "one.db"
    moved = await asyncio.to_thread(backup, url, file)  # while the store is open
    assert (moved.transactions, moved.stations) == (5, 1)
    assert [path.name for path in file.parent.iterdir()] == ["one.db"]
    later = (await store.append(start(9))).transaction_id  # given after the backup was taken
    await store.close()

    fresh = f"sqlite:///{tmp_path}/restored.db"
    assert await asyncio.to_thread(restore, file, fresh) == moved
    again = await open_store(fresh)
    assert await everything(again) == before
    assert await again.verify("A", SECRET.encode())
    assert not (await again.append(go_on(4, numbers[4], 3))).new
    next_number = (await again.append(start(10))).transaction_id
    assert int(next_number) > max(RESTORE_GAP, int(later))
    assert (await again.audit_log())[0].kind == "restored"
    await again.close()
    with pytest.raises(InputError, match="empty database"):
        restore(file, fresh)
    with pytest.raises(InputError, match="nothing is overwritten"):
        backup(fresh, file)


@pytest.mark.asyncio
async def test_sqlite_moves_to_postgres(postgres_server: object, tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/small.db")
    numbers = await fill(store)
    before = await everything(store)
    await store.close()
    backup(f"sqlite:///{tmp_path}/small.db", tmp_path / "small.bak")
    url = postgres_server.new_database()  # type: ignore[attr-defined]
    restore(tmp_path / "small.bak", url)
    grown = await open_store(url)
    assert await everything(grown) == before
    assert int((await grown.append(start(10))).transaction_id) > max(map(int, numbers)) + RESTORE_GAP - 1
    await grown.note("new", "row", START, {})  # its id does not collide with a restored one
    await grown.append(
        StatusChanged(station_id="NEW", at=START, received_at=START, evse_id=1, connector_id=1, status="Available")
    )
    await grown.close()


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(InputError, match="wrote"):
        restore(tmp_path / "text", f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(InputError, match="wrote"):
        restore(tmp_path / "missing", f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(InputError, match="existing store"):
        backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "x.bak")
    assert not (tmp_path / "x.bak").exists()
    assert not (tmp_path / "a.db").exists()


@pytest.mark.asyncio
async def test_exports_hold_every_value_once(url: str, tmp_path: Path) -> None:
    store = await open_store(url)
    numbers = await fill(store)
    await store.close()
    end = START + timedelta(days=2)
    assert export_samples(url, tmp_path / "v.parquet", START, end) == 14
    frame = pl.read_parquet(tmp_path / "v.parquet")
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    assert set(frame["evse_id"]) == {1}  # updates did not name the EVSE; their transaction does
    assert set(frame["transaction_id"]) == set(numbers[:2])
    power = frame.filter(pl.col("measurand") == "Power.Active.Import")
    assert power["signed"].to_list() == ["OCMF|x"] * 6
    assert power["unit"].unique().to_list() == ["kW"]
    assert export_samples(url, tmp_path / "v.csv", START, end, station_id="A") == 14
    table = pl.read_csv(tmp_path / "v.csv", try_parse_dates=True)
    assert table["value"].to_list() == frame["value"].to_list()
    assert (tmp_path / "v.csv").read_text().splitlines()[1].startswith("2026-03-01T00:00:00")
    assert export_samples(url, tmp_path / "none.csv", START, end, station_id="B") == 0
    assert (tmp_path / "none.csv").read_text().startswith("at,station_id,evse_id")
    assert export_transactions(url, tmp_path / "t.parquet", START, START + timedelta(days=99)) == 5
    rows = pl.read_parquet(tmp_path / "t.parquet")
    assert rows["energy_import_kwh"].to_list() == [3.0] * 5
    with pytest.raises(InputError, match="parquet"):
        export_samples(url, tmp_path / "v.xlsx", START, end)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.asyncio
async def test_retention_keeps_transactions_and_their_energy(url: str) -> None:
    store = await open_store(url)
    numbers = await fill(store)
    cut = START + timedelta(days=3)
    gone = await asyncio.to_thread(forget, url, samples_before=cut, messages_before=cut)
    assert (gone.samples, gone.messages) == (21, 1)
    rows = await store.transactions()
    assert [row.energy_import_kwh for row in rows] == [3.0] * 5
    left = await store.samples(EvseKey("A", 1), IMPORT, START, START + timedelta(days=99))
    assert min(sample.at for sample in left) >= cut
    # a value that comes late to a thinned transaction changes no energy, and says so
    await store.append(go_on(0, numbers[0], 2))
    late = await store.transaction("A", numbers[0])
    assert late is not None
    assert late.energy_import_kwh == 3.0
    assert any("older values were deleted" in flag for flag in late.flags)
    await store.append(go_on(0, numbers[0], 5))
    later = await store.transaction("A", numbers[0])
    assert later is not None
    assert later.energy_import_kwh == 5.0
    await store.close()


@pytest.mark.asyncio
async def test_a_person_can_be_erased(url: str) -> None:
    store = await open_store(url)
    await fill(store)
    assert await asyncio.to_thread(erase, url, "T1") == 1
    tokens = {row.id_token for row in await store.transactions()}
    assert "T1" not in tokens
    assert len(tokens) == 5
    assert sum(token.startswith("erased-") for token in tokens) == 1
    assert await store.needs(["T1"]) == {}
    assert await store.learned(EvseKey("A", 1), "T1") == {}
    assert await store.history("A", StatusChanged) == []
    await store.close()


@pytest.mark.asyncio
async def test_the_audit_log_cannot_be_changed(url: str) -> None:
    store = await open_store(url)
    await store.note("login", "somebody", START, {})
    for statement in ("UPDATE audit SET kind = 'x'", "DELETE FROM audit"):
        with pytest.raises(StoreError, match="append-only"):
            await store._write(lambda connection, sql=statement: connection.exec_driver_sql(sql))
    assert len(await store.audit_log()) == 1
    await store.close()


def test_a_backup_is_one_sound_file(tmp_path: Path) -> None:
    async def make() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/a.db")
        await fill(store)
        await store.close()

    asyncio.run(make())
    backup(f"sqlite:///{tmp_path}/a.db", tmp_path / "b.db")
    connection = sqlite3.connect(f"file:{tmp_path}/b.db?mode=ro", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    assert (tmp_path / "b.db").stat().st_mode & 0o077 == 0
