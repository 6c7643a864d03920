"""Records of drivers, and everything of one person, answer alike on SQLite, PostgreSQL and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import SqlStore, open_store
from bothways.operations.access.accounts import Account, SignedIn
from bothways.operations.access.roles import Grant, Role
from bothways.operations.documents import Documents, documents_in
from bothways.operations.events import EvseKey, TransactionChanged
from bothways.operations.stations import DriverNeed

NOW = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)


@pytest_asyncio.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryStore | SqlStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.mark.asyncio
async def test_the_record_that_was_kept_last_is_the_one_there_is(store: Documents) -> None:
    assert documents_in(store) is store
    await store.keep_document("wish", "T-1\x1f", NOW, {"a": 1, "ü": [None, 0.25]})
    await store.keep_document("wish", "T-2\x1f", NOW, {"a": 2})
    await store.keep_document("queue", "T-1\x1f", NOW, {"a": 3})
    await store.keep_document("wish", "T-1\x1f", NOW - timedelta(hours=1), {"a": 4})
    assert dict(await store.documents("wish")) == {"T-1\x1f": {"a": 4}, "T-2\x1f": {"a": 2}}
    assert dict(await store.documents("wish", ["T-2\x1f", "none"])) == {"T-2\x1f": {"a": 2}}
    assert dict(await store.documents("wish", [])) == {}
    await store.drop_document("wish", "T-1\x1f")
    await store.drop_document("wish", "T-1\x1f")
    assert list(await store.documents("wish")) == ["T-2\x1f"]
    assert dict(await store.documents("queue")) == {"T-1\x1f": {"a": 3}}


@pytest.mark.asyncio
async def test_a_record_is_swapped_only_where_it_is_still_as_it_was_seen(store: Documents) -> None:
    first, second = {"stay": "tx-1", "n": 0.1}, {"n": 1, "stay": "tx-2"}
    assert not await store.swap_document("claim", "CP-1/1", NOW, first, second), "nothing is there that was seen"
    assert await store.swap_document("claim", "CP-1/1", NOW, first, None)
    assert await store.swap_document("claim", "CP-1/1", NOW, first, None), "what was done is not undone by a repeat"
    assert not await store.swap_document("claim", "CP-1/1", NOW, second, None)
    assert not await store.swap_document("claim", "CP-1/1", NOW, second, {"stay": "tx-0"})
    assert dict(await store.documents("claim")) == {"CP-1/1": first}
    assert await store.swap_document("claim", "CP-1/1", NOW, second, {"n": 0.1, "stay": "tx-1"}), "in any order of keys"
    assert dict(await store.documents("claim")) == {"CP-1/1": second}
    assert dict(await store.documents("other")) == {}


@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.parametrize("seen", [None, {"stay": "before"}])
async def test_of_many_who_race_for_a_record_over_two_servers_one_gets_it(
    request: pytest.FixtureRequest, tmp_path: Path, backend: str, seen: dict[str, str] | None
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    if backend == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    servers = [await open_store(url), await open_store(url)]
    try:
        for round_ in range(12):
            place = f"CP-{round_}/1"
            if seen is not None:
                await servers[0].keep_document("claim", place, NOW, seen)
            runners = [(servers[k % 2], {"stay": "now", "claim": f"guest {k}"}) for k in range(6)]
            won = await asyncio.gather(
                *(store.swap_document("claim", place, NOW, body, seen) for store, body in runners)
            )
            assert sum(won) == 1, won
            kept = (await servers[0].documents("claim", [place]))[place]
            assert kept == runners[won.index(True)][1], "and what is kept is the winner's"
    finally:
        for server in servers:
            await server.close()


@pytest.mark.asyncio
async def test_lines_of_a_kind_are_read_in_order_and_within_their_time(store: MemoryStore | SqlStore) -> None:
    for hour in range(4):
        await store.note("site interval", "house", NOW + timedelta(hours=hour), {"step": hour})
    await store.note("site interval", "mill", NOW, {"step": 9})
    await store.note("other", "house", NOW, {"step": 9})
    found = await store.noted("site interval", "house", NOW + timedelta(hours=1), NOW + timedelta(hours=3))
    assert [detail["step"] for detail in found] == [1, 2]


@pytest.mark.asyncio
async def test_a_person_is_told_whole_and_forgotten_in_one_commit(store: MemoryStore | SqlStore) -> None:
    if isinstance(store, MemoryStore):
        pytest.skip("a store in memory keeps no accounts")
    ada = Account("id-1", "Ada", "hash", (Grant(Role.DRIVER, "token:A_1"),))
    await store.add_account(ada)
    await store.open_session(SignedIn("hash-1", "id-1", "session", NOW, NOW + timedelta(hours=1)))
    for number, token in enumerate(("A_1", "AX1")):  # a wildcard in a card's number is no wildcard
        event = TransactionChanged(
            station_id="CP-1", at=NOW, received_at=NOW, kind="started", transaction_id=f"tx-{number}", evse_id=1,
            seq_no=0, id_token=token,
        )  # fmt: skip
        await store.append(event)
        await store.need(DriverNeed(f"n-{number}", token, NOW + timedelta(hours=8), NOW, soc=0.8))
        await store.keep_document("wish", f"{token}\x1f", NOW, {"days": []})
    await store.need(DriverNeed("n-9", "A_1", NOW + timedelta(hours=9), NOW + timedelta(hours=1), soc=0.9))
    learned = {"capacity": {"A_1": [60.0], "AX1": [40.0]}, "stays": [[1, "A_1"], [2, "AX1"]]}
    await store.learn(EvseKey("house", 0), "", "learned", learned, NOW)
    await store.note("account invited", "Ada", NOW, {"who": "boss"})
    assert [need.soc for need in await store.said("A_1")] == [0.9, 0.8]
    assert [line[1] for line in await store.noted_about({"Ada"})] == ["account invited"]
    assert await store.erase_person("id-1", ["A_1"]) == 1
    gone = await store.account("id-1")
    assert gone is not None
    assert (gone.disabled, gone.grants, gone.password_hash) == (True, (), "")
    assert await store.account_by_name("Ada") is None
    assert list(await store.sessions("id-1")) == []
    assert list(await store.said("A_1")) == []
    assert list(await store.documents("wish")) == ["AX1\x1f"]
    tokens = sorted(row.id_token for row in await store.transactions())
    assert tokens[0] == "AX1"
    assert tokens[1].startswith("erased-")
    kept = await store.learned(EvseKey("house", 0), "")
    assert kept["learned"] == {"capacity": {"AX1": [40.0]}, "stays": [[1, None], [2, "AX1"]]}
