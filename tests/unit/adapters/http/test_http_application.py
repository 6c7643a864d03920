"""The web application in this process, with accounts in memory and a desk that shows one site."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.adapters.http import sites as sites_routes
from bothways.adapters.http.application import build_application
from bothways.adapters.http.limits import WATCHERS_EACH, BodyLimit
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.summary import Snapshot

PASSWORD = "four words make passphrases"


class Clock:
    def now(self):
        return datetime.now(tz=UTC)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


class Site:
    """A site that has not begun."""

    site = SiteSettings("house")
    reading = None

    def snapshot(self):
        return Snapshot("house")


class Gateway:
    def connected(self):
        return frozenset()


class Web:
    def __init__(self, app, access):
        self.app, self.access = app, access

    def client(self, host="127.0.0.1", **headers):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(host, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://bothways", headers=headers)

    async def token(self, name):
        account = await self.access.store.account_by_name(name)
        _, session = await self.access.sign_in(account.name, PASSWORD)
        return session


@pytest.fixture
def web(tmp_path):
    async def make():
        store = await open_store(f"sqlite:///{tmp_path}/people.db")
        access = Access(store, Argon2Hasher(fast=True), TimeCodes(), Clock())
        await access.create("admin", PASSWORD, [Grant(Role.ADMINISTRATOR, "*")])
        await access.create("op", PASSWORD, [Grant(Role.SITE_OPERATOR, "site:house")])
        memory = MemoryStore()
        desk = Desk({"house": Site()}, memory, memory, Gateway(), Clock())
        app = build_application(
            access, desk, lambda: ["a secret lack"], CollectorRegistry(), secure_cookies=True, answers=store
        )
        return Web(app, access)

    return make


@pytest.mark.asyncio
async def test_figures_and_lacks_are_told_here_and_to_who_may_see_all_sites(web):
    made = await web()
    admin, operator = await made.token("admin"), await made.token("op")
    for client, may in (
        (made.client(), True),
        (made.client(**{"x-forwarded-for": "203.0.113.9"}), False),
        (made.client("203.0.113.9"), False),
        (made.client("203.0.113.9", authorization=f"Bearer {operator}"), False),
        (made.client("203.0.113.9", authorization=f"Bearer {admin}"), True),
    ):
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ("a secret lack" in ready.text) == may
        assert (await client.get("/metrics")).status_code == (200 if may else 401)
        assert (await client.get("/healthz")).status_code == 200
    await made.access.store.close()


@pytest.mark.asyncio
async def test_a_body_too_long_is_refused_unread_with_and_without_a_length(web):
    made = await web()
    client = made.client()
    sent = []

    async def pieces():
        for _ in range(4000):
            sent.append(1)
            yield b"x" * 1024

    for content in (b"x" * 2_000_000, pieces()):
        answer = await client.post("/api/v1/session", content=content)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.post("/api/v1/session", content=b"", headers={"content-length": "-1"})).status_code == 413
    await made.access.store.close()


@pytest.mark.asyncio
async def test_reading_stops_at_the_bound():
    came = 0

    async def receive():
        nonlocal came
        came += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async def app(scope, receive, send):
        while True:
            await receive()

    said = []

    async def send(message):
        said.append(message)

    await BodyLimit(app, 1000)({"type": "http", "headers": []}, receive, send)
    assert said[0]["status"] == 413
    assert came == 11


@pytest.mark.asyncio
async def test_a_wrong_request_does_not_repeat_a_password(web):
    made = await web()
    secret = "correct horse battery staple " * 12
    answer = await made.client().post("/api/v1/session", json={"name": "op", "password": secret})
    assert answer.status_code == 422
    assert "correct horse" not in answer.text
    answer = await made.client().post("/api/v1/invitations/accept", json={"token": 7, "password": ["battery"]})
    assert "battery" not in answer.text
    await made.access.store.close()


@pytest.mark.asyncio
async def test_live_values_end_with_the_session_and_watchers_are_counted(web, monkeypatch):
    monkeypatch.setattr(sites_routes, "_EVERY_S", 0.02)
    monkeypatch.setattr(sites_routes, "_CHECK_S", 0.02)
    made = await web()
    token = await made.token("op")
    client = made.client(authorization=f"Bearer {token}")
    watchers = made.app.state.watchers
    reading = asyncio.create_task(client.get("/api/v1/sites/house/live"))
    while not watchers._by_account:
        await asyncio.sleep(0.01)
    await made.access.sign_out(token)
    answer = await asyncio.wait_for(reading, 5)
    assert "event: site" in answer.text
    assert not watchers._by_account
    again = await made.token("op")
    account = await made.access.actor(again)
    watchers._by_account[account.account_id] = WATCHERS_EACH
    refused = await made.client(authorization=f"Bearer {again}").get("/api/v1/sites/house/live")
    assert refused.status_code == 429
    await made.access.store.close()


@pytest.mark.asyncio
async def test_a_leaked_token_makes_no_others(web):
    made = await web()
    client = made.client(authorization=f"Bearer {await made.token('op')}")
    token = (await client.post("/api/v1/tokens", json={"label": "reader", "days": 1})).json()["token"]
    thief = made.client(authorization=f"Bearer {token}")
    assert (await thief.get("/api/v1/sites")).status_code == 200
    assert (await thief.post("/api/v1/tokens", json={"label": "mine", "days": 365})).status_code == 403
    await made.access.store.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/api/v1/needs/%ff", "/api/v1/needs/a%00b", "/api/v1/vehicles/%2F", "/api/v1/sites/%0a"]
)
async def test_odd_paths_break_nothing(web, path):
    made = await web()
    client = made.client(authorization=f"Bearer {await made.token('op')}")
    assert (await client.get(path)).status_code < 500
    await made.access.store.close()
