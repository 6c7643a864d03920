"""Accounts and sessions answer alike on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bothways.adapters.db.store import SqlStore, open_store
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import Account, SignedIn
from bothways.operations.access.roles import Grant, Role

NOW = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    opened = await open_store(url)
    yield opened
    await opened.close()


ADA = Account("id-1", "Ada Ünsal", "hash", (Grant(Role.SITE_OPERATOR, "site:house"), Grant(Role.DRIVER, "token:A-1")))


@pytest.mark.asyncio
async def test_an_account_comes_back_as_it_was(store: SqlStore) -> None:
    await store.add_account(ADA)
    assert await store.account("id-1") == ADA
    assert await store.account_by_name("ADA ünsal") == ADA
    changed = replace(ADA, totp_secret="S", language="nl", disabled=True)
    await store.replace_account(changed)
    assert list(await store.accounts()) == [changed]
    assert await store.account("id-2") is None


@pytest.mark.asyncio
async def test_a_name_is_taken_whatever_its_case(store: SqlStore) -> None:
    await store.add_account(ADA)
    with pytest.raises(InputError):
        await store.add_account(replace(ADA, account_id="id-2", name="ada ünsal"))
    assert len(await store.accounts()) == 1


@pytest.mark.asyncio
async def test_sessions_open_and_close(store: SqlStore) -> None:
    first = SignedIn("hash-1", "id-1", "session", NOW, NOW + timedelta(hours=1))
    later = SignedIn("hash-2", "id-1", "token", NOW + timedelta(seconds=1), NOW + timedelta(days=9), "meter reader")
    other = SignedIn("hash-3", "id-2", "session", NOW, NOW + timedelta(hours=1))
    for session in (first, later, other):
        await store.open_session(session)
    assert list(await store.sessions("id-1")) == [later, first]
    assert await store.session("hash-1") == first
    await store.close_session("hash-1")
    assert await store.session("hash-1") is None
    await store.close_sessions("id-1")
    assert await store.sessions("id-1") == []
    assert await store.session("hash-3") == other


@pytest.mark.asyncio
async def test_expired_sessions_do_not_pile_up(store: SqlStore) -> None:
    for number in range(5):
        opened = NOW + timedelta(hours=2 * number)
        await store.open_session(SignedIn(f"hash-{number}", "id-1", "session", opened, opened + timedelta(hours=1)))
    assert [session.token_hash for session in await store.sessions("id-1")] == ["hash-4"]


@pytest.mark.asyncio
async def test_tries_are_counted_one_after_the_other_by_two_processes_and_fade(store: SqlStore) -> None:
    other = SqlStore(store.url)
    try:
        tries = [one.begin_try(["name:ada", f"source:{n}"], 1000.0) for n in range(20) for one in (store, other)]
        told = await asyncio.gather(*tries)
        passed = [counts for wait, counts in told if wait == 0.0]
        assert sorted(counts["name:ada"] for counts in passed) == [1, 2, 3, 4, 5]
        assert {wait for wait, _ in told} == {0.0, 2.0}
        assert (await other.begin_try(["name:ada"], 1001.5))[0] == 0.5
        assert await other.begin_try(["name:ada"], 1002.0) == (0.0, {"name:ada": 6})
        await other.forget_tries(["name:ada", "name:nobody"])
        assert await store.begin_try(["name:ada"], 1003.0) == (0.0, {"name:ada": 1})
        for _ in range(6):
            await store.begin_try(["name:bo"], 1003.0)
        assert (await store.begin_try(["name:bo"], 1003.0))[0] > 0.0
        assert await store.begin_try(["name:bo"], 1003.0 + 3600.0) == (0.0, {"name:bo": 1})
    finally:
        await other.close()


@pytest.mark.asyncio
async def test_what_is_used_once_is_used_for_every_process_until_it_is_over(store: SqlStore) -> None:
    other = SqlStore(store.url)
    try:
        until = NOW + timedelta(minutes=2)
        uses = [one.use_once("a code", NOW, until) for _ in range(5) for one in (store, other)]
        assert sum(await asyncio.gather(*uses)) == 1
        assert not await other.use_once("a code", until, until + timedelta(minutes=2))
        after = until + timedelta(seconds=1)
        assert await other.use_once("a code", after, after + timedelta(minutes=2))
    finally:
        await other.close()


@pytest.mark.asyncio
async def test_a_second_factor_is_sealed_anew_unless_it_was_changed_meanwhile(store: SqlStore) -> None:
    await store.add_account(replace(ADA, totp_secret="before"))
    await store.reseal("id-1", "something else", "after")
    assert (await store.account("id-1")).totp_secret == "before"
    await store.reseal("id-1", "before", "after")
    assert await store.account("id-1") == replace(ADA, totp_secret="after")
