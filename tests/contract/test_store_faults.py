"""What was acknowledged survives: processes killed, databases stopped, disks full."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bothways.adapters.db.store import open_store
from bothways.domain.errors import StoreError
from bothways.operations.events import EvseKey, MeterValuesReceived, Sample, TransactionChanged

CHILD = Path(__file__).with_name("store_child.py")
KILLS = int(os.environ.get("BOTHWAYS_STORE_KILLS", "4"))
START = datetime(2026, 1, 1, tzinfo=UTC)
UPDATES = 12


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres_server").migrated_database())


def acknowledged_until_killed(url: str, positions: dict[str, int], acknowledgements: int) -> Iterator[list[Any]]:
    """Runs the child and yields what it acknowledged; kills it in the middle of its work."""
    with subprocess.Popen([sys.executable, CHILD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        watch = threading.Timer(60, child.kill)
        watch.start()
        child.stdin.write((json.dumps(positions) + "\n").encode())
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == ["ready"]
        for _ in range(acknowledgements):
            yield json.loads(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        for line in child.stdout:  # what was acknowledged before the signal arrived
            if line.endswith(b"\n"):
                yield json.loads(line)
        watch.cancel()
        assert child.wait() == -signal.SIGKILL


async def stored(url: str) -> tuple[list[Any], dict[str, list[int]]]:
    """All transactions and, per station, the positions of all stored 2.x events."""
    store = await open_store(url)
    rows = list(await store.transactions(limit=10_000))
    positions = defaultdict(list)
    for row in rows:
        if "-" in row.transaction_id:
            number = int(row.transaction_id.split("-")[1])
            for event in await store.transaction_events(row.station_id, row.transaction_id):
                assert event.seq_no is not None
                positions[row.station_id].append(number * (UPDATES + 2) + event.seq_no)
    await store.close()
    return rows, positions


def test_every_acknowledged_event_is_there_once_after_kills(url: str) -> None:
    chance = random.Random(7)
    positions = {f"CS{index}": 0 for index in range(10)}
    numbers: dict[str, tuple[str, int]] = {}
    for _ in range(KILLS):
        for word, station, position, *more in acknowledged_until_killed(url, positions, chance.randrange(20, 400)):
            if word == "event":
                assert position >= positions[station]
                positions[station] = position + 1
            else:
                owner = numbers.setdefault(more[0], (station, position))
                assert owner == (station, position), "a transaction id was given twice"
        # a station that was not answered repeats: half of them go back to the start of their transaction
        for station in chance.sample(sorted(positions), 5):
            positions[station] -= positions[station] % (UPDATES + 2)
    furthest = dict(positions)
    rows, found = asyncio.run(stored(url))
    for station, next_one in furthest.items():
        assert len(found[station]) == len(set(found[station]))
        assert set(range(next_one)) <= set(found[station])
    for row in rows:
        if "-" in row.transaction_id and row.ended_at is not None:
            assert row.missing == ()
            assert row.energy_import_kwh == pytest.approx(0.5 * (UPDATES + 1))
    by_id = {row.transaction_id: row for row in rows if "-" not in row.transaction_id}
    for number, (station, position) in numbers.items():
        assert by_id[number].station_id == station
        assert by_id[number].started_at == START + timedelta(seconds=position)
    events = sum(len(there) for there in found.values())
    print(
        f"soak: {KILLS} times SIGKILL of a store's process on {url.partition(':')[0]}: {events} events, each there once"
    )


def reading(second: int) -> MeterValuesReceived:
    at = START + timedelta(seconds=second)
    samples = (Sample(at, "Power.Active.Import", 1.0 * second, "kW"),)
    return MeterValuesReceived(station_id="A", at=at, received_at=at, evse_id=1, transaction_id="", samples=samples)


@pytest.mark.asyncio
async def test_a_stopped_database_refuses_and_comes_back(postgres_server: Any) -> None:
    store = await open_store(postgres_server.new_database())
    assert (await store.append(reading(0))).new
    postgres_server.stop()
    try:
        for second in (1, 2):
            with pytest.raises(StoreError, match="nothing was acknowledged"):
                await store.append(reading(second))
        with pytest.raises(StoreError):
            await store.transactions()
        assert store.state().error
    finally:
        postgres_server.start()
    assert (await store.append(reading(1))).new
    assert store.state().error == ""
    found = await store.samples(EvseKey("A", 1), "Power.Active.Import", START, START + timedelta(hours=1))
    assert [sample.value for sample in found] == [0.0, 1.0]
    await store.close()


@pytest.mark.asyncio
async def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store.db")
    kept = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))  # no file may grow beyond: as full as a disk can be
    second = 0
    try:
        refused = None
        while refused is None and second < 5000:
            try:
                await store.append(reading(second))
            except StoreError as error:
                refused = error
            else:
                kept.append(second)
                second += 1
        assert "nothing was acknowledged" in str(refused)
        with pytest.raises(StoreError):
            await store.append(reading(second))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (await store.append(reading(second))).new
    kept.append(second)
    found = await store.samples(EvseKey("A", 1), "Power.Active.Import", START, START + timedelta(hours=9))
    assert [sample.value for sample in found] == kept
    await store.close()


@pytest.mark.asyncio
async def test_a_writer_elsewhere_is_waited_for(tmp_path: Path) -> None:
    """The command line beside the server writes to the same file."""
    first = await open_store(f"sqlite:///{tmp_path}/store.db")
    second = await open_store(f"sqlite:///{tmp_path}/store.db")

    async def fill(store: Any, begin: int) -> None:
        for number in range(begin, 400, 2):
            assert (await store.append(reading(number))).new

    await asyncio.gather(fill(first, 0), fill(second, 1))
    found = await first.samples(EvseKey("A", 1), "Power.Active.Import", START, START + timedelta(hours=1))
    assert len(found) == 400
    await first.close()
    await second.close()


@pytest.mark.asyncio
async def test_two_processes_share_one_transaction(url: str) -> None:
    """A station whose connection moves between gateways: both hear of its transaction, in any order."""
    first, second = await open_store(url), await open_store(url)

    def event(seq: int, station: str) -> TransactionChanged:
        at = START + timedelta(seconds=seq)
        samples = (Sample(at, "Energy.Active.Import.Register", 0.5 * seq, "kWh"),)
        kind: Any = "updated" if seq else "started"
        return TransactionChanged(station_id=station, at=at, received_at=at, kind=kind, transaction_id="t", evse_id=1,
                                  seq_no=seq, samples=samples)  # fmt: skip

    def start(token: int) -> TransactionChanged:
        return TransactionChanged(station_id="OLD", at=START, received_at=START, kind="started", transaction_id="",
                                  evse_id=1, id_token=str(token), meter_start_kwh=0.0)  # fmt: skip

    events = [event(seq, station) for seq in range(30) for station in "ABCD"]
    both = [store.append(one) for one in events for store in (first, second)]
    numbers = [store.append(start(token)) for token in range(20) for store in (first, second)]
    receipts = await asyncio.gather(*both, *numbers)
    assert sum(receipt.new for receipt in receipts) == len(events) + 20
    assert len({receipt.transaction_id for receipt in receipts[len(both) :]}) == 20
    for row in await first.transactions():
        if row.station_id != "OLD":
            assert (row.missing, row.energy_import_kwh) == ((), pytest.approx(14.5))
    await first.close()
    await second.close()


@pytest.mark.asyncio
async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store.db")
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.append(reading(0))
    with pytest.raises(StoreError, match="closed"):
        await store.transactions()
