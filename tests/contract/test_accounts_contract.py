"""Accounts and sessions answer alike on SQLite and PostgreSQL."""

from __future__ import annotations

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
