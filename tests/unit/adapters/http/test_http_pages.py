"""Pages of lists, tags of what is read, keys of what is written: over the whole application."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import APIRouter, Request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.adapters.http import application
from bothways.adapters.http.faults import Fault
from bothways.adapters.http.paging import Page, Paging, page
from bothways.adapters.http.session import Asking
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk
from bothways.operations.events import TransactionChanged

PASSWORD = "four words make passphrases"
KEY = {"idempotency-key": "6f1c0f6e-2f0d-4c5b"}


class Clock:
    def __init__(self):
        self.at = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)

    def now(self):
        return self.at


class Gateway:
    def connected(self):
        return frozenset()


class World:
    """The application on a store in a file, with a route that counts and one that fails."""

    def __init__(self, folder):
        self.folder, self.clock, self.done = folder, Clock(), []
        self.wait = None

    async def start(self, monkeypatch):
        self.store = await open_store(f"sqlite:///{self.folder}/people.db")
        self.access = Access(self.store, Argon2Hasher(fast=True), TimeCodes(), self.clock)
        if not await self.store.accounts():
            await self.access.create("admin", PASSWORD, [Grant(Role.ADMINISTRATOR, "*")])
        self.memory = MemoryStore()
        desk = Desk({}, self.memory, self.memory, Gateway(), self.clock)
        monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, self._routes()))
        self.app = application.build_application(
            self.access, desk, list, CollectorRegistry(), secure_cookies=True, answers=self.store
        )
        return self

    def _routes(self):
        router = APIRouter()

        @router.post("/count", status_code=201)
        async def count(asking: Asking, fail: int = 0):
            if self.wait is not None:
                await self.wait.wait()
            if fail == 422:
                raise Fault(422, "Not right", "As asked.")
            self.done.append(asking.account.name)
            if fail:
                raise RuntimeError("as asked")
            return {"count": len(self.done), "secret": "a-token-shown-once"}

        @router.get("/numbers")
        async def numbers(request: Request, page: Paging) -> list[int]:
            return page.of(range(25), key=lambda number: (number,))

        return router

    async def client(self, session=True):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://bothways")
        if session:
            _, token = await self.access.sign_in("admin", PASSWORD)
            client.headers["authorization"] = f"Bearer {token}"
        return client


@pytest.fixture
def start(tmp_path, monkeypatch):
    worlds = []

    async def make():
        worlds.append(await World(tmp_path).start(monkeypatch))
        return worlds[-1]

    return make


async def _pages(client, path):
    found = []
    while path:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        path = answer.links["next"]["url"] if "next" in answer.links else None
    return found


@pytest.mark.asyncio
async def test_pages_follow_each_other_and_lose_nothing(start):
    client = await (await start()).client()
    pages = await _pages(client, "/api/v1/numbers?limit=10")
    assert [len(part) for part in pages] == [10, 10, 5]
    assert [number for part in pages for number in part] == list(range(25))
    assert "link" not in (await client.get("/api/v1/numbers?limit=25")).headers


@pytest.mark.asyncio
@pytest.mark.parametrize("cursor", ["!", "e30", "WyIvYXBpL3YxL3NpdGVzIl0", "WyIvYXBpL3YxL251bWJlcnMiLCJhIl0", "ä"])
async def test_a_cursor_of_elsewhere_is_refused(start, cursor):
    client = await (await start()).client()
    answer = await client.get("/api/v1/numbers", params={"cursor": cursor})
    assert answer.status_code == 422
    assert "Link" in answer.json()["remedy"]


@given(st.lists(st.integers(-(2**62), 2**62), unique=True, max_size=30), st.integers(1, 7))
def test_whatever_the_list_each_entry_comes_once(items, limit):
    found, after = [], None
    while True:
        scope = {
            "type": "http",
            "path": "/x",
            "query_string": b"",
            "headers": [],
            "server": ("h", 80),
            "scheme": "http",
        }
        made = Page(limit, after, Request(scope), httpx.Response(200))
        part = made.of(items, key=lambda item: (item,))
        found += part
        link = made.response.headers.get("link")
        if link is None:
            break
        cursor = httpx.URL(link[1:].split(">")[0]).params["cursor"]
        after = page(Request(scope), made.response, limit, cursor).after
    assert found == sorted(items)


@pytest.mark.asyncio
async def test_transactions_come_in_pages_of_the_store(start):
    world = await start()
    client = await world.client()
    for store in (world.memory, world.store):
        for number in range(7):
            at = world.clock.at + timedelta(minutes=number // 2)  # two begin together
            await store.append(
                TransactionChanged(
                    station_id="CP-1",
                    at=at,
                    received_at=at,
                    evse_id=1,
                    kind="started",
                    transaction_id=f"T{number}",
                    id_token="A",
                    seq_no=0,
                )
            )
        before, seen = None, []
        while rows := await store.transactions(before=before, limit=2):
            seen += [row.transaction_id for row in rows]
            before = (rows[-1].station_id, rows[-1].transaction_id)
        assert sorted(seen) == [f"T{number}" for number in range(7)]
        assert seen == [row.transaction_id for row in await store.transactions()]
    pages = await _pages(client, "/api/v1/transactions?limit=3")
    assert [len(part) for part in pages] == [3, 3, 1]
    assert (await client.get("/api/v1/transactions", params={"cursor": "WyIvYXBpL3YxL3RyYW5zYWN0aW9ucyIsMV0"})
            ).status_code == 422  # fmt: skip


@pytest.mark.asyncio
async def test_what_did_not_change_is_not_sent_again(start):
    client = await (await start()).client()
    first = await client.get("/api/v1/session")
    again = await client.get("/api/v1/session", headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/api/v1/session", headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.asyncio
async def test_nobody_overwrites_a_need_unseen(start):
    world = await start()
    client = await world.client()
    wish = {"ready_by": (world.clock.at + timedelta(hours=9)).isoformat(), "soc": 0.8}
    path = "/api/v1/needs/A-1"
    assert (await client.put(path, json=wish, headers={"if-match": "*"})).status_code == 412
    made = await client.put(path, json=wish, headers={"if-none-match": "*"})
    assert made.status_code == 200
    assert (await client.put(path, json=wish, headers={"if-none-match": "*"})).status_code == 412
    read = await client.get(path)
    assert read.headers["etag"] == made.headers["etag"]
    world.clock.at += timedelta(seconds=1)
    changed = {**wish, "soc": 0.9}
    assert (await client.put(path, json=changed, headers={"if-match": made.headers["etag"]})).status_code == 200
    late = await client.put(path, json=wish, headers={"if-match": made.headers["etag"]})
    assert late.status_code == 412
    assert "ETag" in late.json()["remedy"]
    assert (await client.get(path)).json()["soc"] == 0.9


@pytest.mark.asyncio
async def test_of_two_who_saw_the_same_only_one_overwrites(start):
    world = await start()
    client = await world.client()
    wish = {"ready_by": (world.clock.at + timedelta(hours=9)).isoformat(), "soc": 0.8}
    tag = (await client.put("/api/v1/needs/A-1", json=wish)).headers["etag"]
    world.clock.at += timedelta(seconds=1)
    tries = [
        client.put("/api/v1/needs/A-1", json={**wish, "soc": soc}, headers={"if-match": tag}) for soc in (0.5, 0.6, 0.7)
    ]
    said = sorted(answer.status_code for answer in await asyncio.gather(*tries))
    assert said == [200, 412, 412]


@pytest.mark.asyncio
async def test_a_request_sent_again_is_done_once_also_after_a_restart(start):
    world = await start()
    client = await world.client()
    first = await client.post("/api/v1/count", headers=KEY)
    again = await client.post("/api/v1/count", headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-security-policy"]
    assert (await client.post("/api/v1/count")).json()["count"] == 2, "without a key it is done again"
    await world.store.close()
    later = await start()
    reopened = await later.client(session=False)
    reopened.headers["authorization"] = client.headers["authorization"]
    assert (await reopened.post("/api/v1/count", headers=KEY)).json() == first.json()
    assert later.done == []


@pytest.mark.asyncio
async def test_a_key_is_for_one_request_of_one_session(start):
    world = await start()
    client, other = await world.client(), await world.client()
    await client.post("/api/v1/count", headers=KEY)
    different = await client.post("/api/v1/count", headers=KEY, json={"a": 1})
    assert (different.status_code, different.json()["title"]) == (422, "Another request")
    elsewhere = await other.post("/api/v1/count", headers=KEY)
    assert (elsewhere.status_code, "201" in elsewhere.json()["detail"]) == (409, True)
    assert (await client.post("/api/v1/count", headers={"idempotency-key": "short"})).status_code == 400
    nobody = await world.client(session=False)
    assert (await nobody.post("/api/v1/count", headers=KEY)).status_code == 401
    assert len(world.done) == 1
    world.clock.at += timedelta(hours=49)
    fresh = await world.client()
    assert (await fresh.post("/api/v1/count", headers=KEY)).status_code == 201, "after two days a key is free again"


@pytest.mark.asyncio
async def test_signing_in_anew_with_an_old_cookie_and_a_key_works(start):
    world = await start()
    client = await world.client(session=False)
    form = {"name": "admin", "password": PASSWORD}
    first = await client.post("/api/v1/session", json=form)
    client.cookies.set("bothways_session", first.cookies["bothways_session"])
    assert (await client.post("/api/v1/session", json=form, headers=KEY)).status_code == 201
    assert (await client.post("/api/v1/count", headers=KEY)).status_code == 403, "without the CSRF token"
    assert world.done == []


@pytest.mark.asyncio
async def test_what_was_not_done_can_be_tried_again_and_what_may_be_done_is_said(start):
    world = await start()
    client = await world.client()
    assert (await client.post("/api/v1/count?fail=422", headers=KEY)).status_code == 422
    assert (await client.post("/api/v1/count", headers=KEY)).status_code == 201
    key = {"idempotency-key": "another-key-entirely"}
    broken = await client.post("/api/v1/count?fail=500", headers=key)
    assert broken.status_code == 500
    assert broken.headers["x-frame-options"] == "DENY"
    again = await client.post("/api/v1/count?fail=500", headers=key)
    assert (again.status_code, again.json()["title"]) == (409, "Outcome not known")
    assert len(world.done) == 2


@pytest.mark.asyncio
async def test_two_at_once_under_one_key_are_one(start):
    world = await start()
    client = await world.client()
    world.wait = asyncio.Event()
    first = asyncio.create_task(client.post("/api/v1/count", headers=KEY))
    await asyncio.sleep(0.1)
    second = await client.post("/api/v1/count", headers=KEY)
    assert (second.status_code, second.headers["retry-after"]) == (409, "1")
    world.wait.set()
    assert (await first).status_code == 201
    assert len(world.done) == 1


@pytest.mark.asyncio
async def test_a_stolen_database_shows_no_answer(start, tmp_path):
    world = await start()
    client = await world.client()
    assert "a-token-shown-once" in (await client.post("/api/v1/count", headers=KEY)).text
    await world.store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("people.db*"))
    assert b"answered_request" in kept
    assert b"a-token-shown-once" not in kept
    assert KEY["idempotency-key"].encode() not in kept


@pytest.mark.asyncio
async def test_the_description_says_what_all_operations_share(start):
    world = await start()
    described = (await (await world.client(session=False)).get("/api/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    free = {
        f"{method} {path}"
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if operation.get("security") == []
    }
    assert {"post /api/v1/session", "get /api/v1/session/ways", "post /api/v1/invitations/accept"} <= free
    known = re.compile("/session|/invitations/accept|/guest/|/numbers$")
    assert [where for where in free if not known.search(where)] == [], "open to whoever is not signed in"
    for path, item in described["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert "application/problem+json" in operation["responses"]["default"]["content"], where
            names = {given["name"] for given in operation.get("parameters", [])}
            if method == "get" and "application/json" in operation["responses"]["200"].get("content", {}):
                assert "If-None-Match" in names, where
            if method != "get" and operation.get("security") != []:
                assert "Idempotency-Key" in names, where
            answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            if answer.get("schema", {}).get("type") == "array":
                assert {"limit", "cursor"} <= names, f"{where} is a list without pages"


@pytest.mark.asyncio
async def test_every_answer_carries_the_headers(start):
    world = await start()
    client = await world.client()
    for method, path in (
        ("GET", "/healthz"), ("GET", "/nothing/here"), ("GET", "/api/v1/nothing"), ("POST", "/api/v1/session"),
        ("GET", "/api/openapi.json"), ("POST", "/api/v1/count?fail=500"), ("PUT", "/api/v1/sites"), ("GET", "/metrics"),
    ):  # fmt: skip
        answer = await client.request(method, path)
        for name in ("x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy",
                     "strict-transport-security"):  # fmt: skip
            assert name in answer.headers, (path, name)
        if answer.status_code >= 400 and path.startswith("/api/"):
            assert answer.headers["content-type"] == "application/problem+json", path
            assert answer.json()["remedy"], path
