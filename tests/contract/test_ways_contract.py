"""Passkeys, recovery codes, identities and answers by idempotency key are alike on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bothways.adapters.db.answers import Claim
from bothways.adapters.db.store import SqlStore, open_store
from bothways.domain.errors import InputError
from bothways.operations.access.ways import Identity, Passkey

NOW = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
KEY = Passkey("abc_-", "id-1", b"\x00\xff key", 0, "laptop", NOW)
SELF = Identity("https://login.example", "ada|1", "id-1", "ada@example.org", NOW)


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.mark.asyncio
async def test_a_passkey_comes_back_as_it_was_and_belongs_to_one_account(store: SqlStore) -> None:
    await store.add_passkey(KEY)
    assert await store.passkey(KEY.credential_id) == KEY
    with pytest.raises(InputError):
        await store.add_passkey(replace(KEY, account_id="id-2"))
    later = NOW + timedelta(days=1)
    await store.passkey_used(KEY.credential_id, 7, later)
    assert list(await store.passkeys("id-1")) == [replace(KEY, sign_count=7, used_at=later)]
    assert not await store.remove_passkey("id-2", KEY.credential_id)
    assert await store.remove_passkey("id-1", KEY.credential_id)
    assert await store.passkey(KEY.credential_id) is None


@pytest.mark.asyncio
async def test_a_recovery_code_is_used_up_once_however_many_try(store: SqlStore) -> None:
    await store.keep_recovery("id-1", ["a", "b"])
    await store.keep_recovery("id-2", ["c"])
    used = await asyncio.gather(*(store.use_recovery("id-1", "a") for _ in range(5)))
    assert sorted(used) == [False] * 4 + [True]
    assert not await store.use_recovery("id-1", "c")
    await store.keep_recovery("id-1", ["d"])
    assert (await store.use_recovery("id-1", "b"), await store.recovery_left("id-1")) == (False, 1)
    await store.keep_recovery("id-1", [])
    assert (await store.recovery_left("id-1"), await store.recovery_left("id-2")) == (0, 1)


@pytest.mark.asyncio
async def test_an_identity_belongs_to_one_account(store: SqlStore) -> None:
    await store.link(SELF)
    with pytest.raises(InputError):
        await store.link(replace(SELF, account_id="id-2"))
    assert await store.identity(SELF.issuer, SELF.subject) == SELF
    assert await store.identity(SELF.issuer, "ada") is None
    assert list(await store.identities("id-1")) == [SELF]
    assert not await store.unlink("id-2", SELF.issuer)
    assert await store.unlink("id-1", SELF.issuer)
    assert await store.identities("id-1") == []


@pytest.mark.asyncio
async def test_of_many_who_claim_a_key_one_gets_it_and_the_answer_is_kept(store: SqlStore) -> None:
    mine = Claim("session", "request")
    found = await asyncio.gather(*(store.claim("id-1", "key", mine, 100, 0) for _ in range(5)))
    assert sorted(found, key=str).count(None) == 1
    assert [claim for claim in found if claim is not None] == [mine] * 4
    assert await store.claim("id-2", "key", mine, 100, 0) is None, "another account's"
    await store.answered("id-1", "key", 201, b"\x00sealed")
    await store.unclaim("id-1", "key")
    assert await store.claim("id-1", "key", Claim("other", "x"), 100, 0) == Claim(
        "session", "request", 201, b"\x00sealed"
    )
    await store.unclaim("id-2", "key")
    assert await store.claim("id-2", "key", mine, 150, 0) is None, "let go of"
    assert await store.claim("id-1", "key", mine, 200, 101) is None, "forgotten"
