"""Any sequence of events, in any batches, is told alike by SQLite and by plain objects."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import SqlStore, open_store
from bothways.operations.events import EvseKey, MeterValuesReceived, Sample, TransactionChanged

START = datetime(2026, 1, 1, tzinfo=UTC)
MEASURANDS = (
    "Energy.Active.Import.Register",
    "Energy.Active.Export.Register",
    "Energy.Active.Import.Interval",
    "Power.Active.Import",
)
STATIONS = itertools.count()

samples = st.lists(
    st.builds(
        lambda minute, measurand, value, phase, context: Sample(
            START + timedelta(minutes=minute),
            measurand,
            value / 4,
            "kWh" if "Energy" in measurand else "kW",
            phase,
            context,
        ),
        st.integers(0, 6),
        st.sampled_from(MEASURANDS),
        st.integers(0, 800),
        st.sampled_from(["", "L1"]),
        st.sampled_from(["Sample.Periodic", "Transaction.End"]),
    ),
    max_size=3,
).map(tuple)


def changed(seq: int | None, kind: Any, minute: int, evse: int, taken: tuple[Sample, ...], *, offline: bool) -> Any:
    at = START + timedelta(minutes=minute)
    return TransactionChanged(
        station_id="",
        at=at,
        received_at=at,
        kind=kind,
        transaction_id="t",
        evse_id=evse,
        seq_no=seq,
        charging_state=kind,
        reason=kind if kind == "ended" else "",
        id_token="T" if kind == "started" else "",
        offline=offline,
        samples=taken,
    )


def metered(transaction: str, minute: int, taken: tuple[Sample, ...]) -> Any:
    at = START + timedelta(minutes=minute)
    return MeterValuesReceived(
        station_id="", at=at, received_at=at, evse_id=1, transaction_id=transaction, samples=taken
    )


events = st.lists(
    st.one_of(
        st.builds(
            changed,
            st.one_of(st.none(), st.integers(0, 7)),
            st.sampled_from(["started", "updated", "ended"]),
            st.integers(0, 6),
            st.integers(0, 1),
            samples,
            offline=st.booleans(),
        ),
        st.builds(metered, st.sampled_from(["t", ""]), st.integers(0, 6), samples),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, SqlStore]]:
    folder: Path = tmp_path_factory.mktemp("equivalence")
    with asyncio.Runner() as runner:
        store = runner.run(open_store(f"sqlite:///{folder}/store.db"))
        yield runner, store
        runner.run(store.close())


async def told(store: Any, station: str) -> list[Any]:
    end = START + timedelta(days=1)
    readings = [await store.samples(EvseKey(station, 1), measurand, START, end) for measurand in MEASURANDS]
    ordered = [sorted(found, key=repr) for found in readings]
    heard = sorted(await store.transaction_events(station, "t"), key=repr)
    return [await store.transactions(station_id=station), heard, ordered]


@given(events, st.lists(st.integers(1, 5), min_size=1, max_size=12))
@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])  # shrinking would commit for minutes
def test_sqlite_and_plain_objects_agree(
    world: tuple[asyncio.Runner, SqlStore], sent: list[Any], batches: list[int]
) -> None:
    runner, durable = world
    station = f"S{next(STATIONS)}"
    sent = [replace(event, station_id=station) for event in [*sent, *sent[:3]]]

    async def compare() -> None:
        plain = MemoryStore()
        expected = [await plain.append(event) for event in sent]
        receipts, rest = [], list(sent)
        for size in itertools.cycle(batches):
            receipts += await asyncio.gather(*(durable.append(event) for event in rest[:size]))
            rest = rest[size:]
            if not rest:
                break
        # what is missing is told as of the commit, which may already hold later events: compared in the end
        assert [(one.new, one.transaction_id) for one in receipts] == [
            (one.new, one.transaction_id) for one in expected
        ]
        assert await told(durable, station) == await told(plain, station)

    runner.run(compare())
