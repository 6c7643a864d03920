"""Reading the audit log a page at a time: the same of a database and of plain objects."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.operations.desk.audit import AuditFilter

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)


@pytest_asyncio.fixture(params=["memory", "sqlite", "postgres"])
async def store(request, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = await open_store(f"sqlite:///{tmp_path}/store.db")
    else:
        opened = await open_store(request.getfixturevalue("postgres_server").migrated_database())
    yield opened
    await opened.close()


async def _filled(store):
    for minute, (kind, subject, detail) in enumerate([
        ("limit changed", "house", {"who": "Mia", "import_kw": 50.0}),
        ("site interval", "house", {"import_kwh": 1.0}),
        ("override begun", "CP-1/1", {"who": "mia", "reason": "100% sure_"}),
        ("limit changed", "mill", {"who": "Bo"}),
    ]):  # fmt: skip
        await store.note(kind, subject, NOW + timedelta(minutes=minute), detail)


async def _kinds(store, *, subjects=None, without=(), before=None, limit=10, **wanted):
    page = await store.audit_page(AuditFilter(**wanted), subjects=subjects, without=without, before=before, limit=limit)
    return [(line.kind, line.subject) for line in page]


async def test_lines_are_filtered_by_everything_that_can_be_asked(store):
    await _filled(store)
    newest_first = [("limit changed", "mill"), ("override begun", "CP-1/1"), ("site interval", "house"),
                    ("limit changed", "house")]  # fmt: skip
    assert await _kinds(store) == newest_first
    assert await _kinds(store, kind="limit changed") == [newest_first[0], newest_first[3]]
    assert await _kinds(store, subject="CP-1") == [newest_first[1]]
    assert await _kinds(store, text="MIA") == [newest_first[1], newest_first[3]]
    assert await _kinds(store, text="0% s") == [newest_first[1]]
    assert await _kinds(store, text="0_ s") == []  # a wildcard of the database is an ordinary letter
    assert await _kinds(store, since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=3)) == newest_first[1:3]
    assert await _kinds(store, without={"site interval"}, subjects={"house"}) == [newest_first[3]]
    assert await _kinds(store, subjects=set()) == []


async def test_pages_follow_each_other_without_gap_or_repeat(store):
    await _filled(store)
    seen, before = [], None
    while page := await store.audit_page(AuditFilter(), subjects=None, without=(), before=before, limit=3):
        seen += [line.number for line in page]
        before = page[-1].number
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 4
