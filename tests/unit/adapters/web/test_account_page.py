"""One's own account in plain forms: over the application without a browser."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pyotp
import pytest
from prometheus_client import CollectorRegistry

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.adapters.http.application import build_application
from bothways.adapters.trust.passkeys import WebAuthnCeremonies
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.adapters.web import signin
from bothways.operations.access.accounts import Access
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk

PASSWORD = "four words make passphrases"
OTHER = "another four words again"


class Clock:
    def __init__(self):
        self.at = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)

    def now(self):
        return self.at


class Gateway:
    def connected(self):
        return frozenset()


@pytest.fixture
def world(tmp_path):
    class World:
        async def start(self):
            self.clock = Clock()
            self.store = store = await open_store(f"sqlite:///{tmp_path}/people.db")
            self.access = access = Access(store, Argon2Hasher(fast=True), TimeCodes(), self.clock)
            await access.create("Ada <b>", PASSWORD, [Grant(Role.SITE_OPERATOR, "site:house")])
            memory = MemoryStore()
            desk = Desk({}, memory, memory, Gateway(), self.clock)
            services = (
                Own(access, store), SecondFactors(access, store), Passkeys(access, store, WebAuthnCeremonies()),
                Federation(access, store, {}),
            )  # fmt: skip
            self.app = build_application(
                access, desk, list, CollectorRegistry(), secure_cookies=False, answers=store, services=services
            )
            self.app.include_router(signin.router)
            return self

        async def browser(self, password=PASSWORD, code="", **headers):
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://bothways", headers=headers)
            form = {"name": "Ada <b>", "password": password, "code": code}
            self.answer = await client.post("/sign-in", data=form)
            return client

    return World().start


def _csrf(page):
    return re.search(r'name="csrf" value="(\w+)"', page.text)[1]


@pytest.mark.asyncio
async def test_the_page_loads_one_script_by_nonce_and_escapes_what_people_wrote(world):
    made = await world()
    browser = await made.browser()
    page = await browser.get("/account")
    assert page.status_code == 200
    assert "Ada &lt;b&gt;" in page.text
    assert "Ada <b>" not in page.text
    nonce = re.search(r'<script src="/sign-in/passkeys.js" nonce="([\w-]+)" defer></script>', page.text)[1]
    assert page.text.count("<script") == 1
    assert not re.search(r"\son\w+=", page.text)
    policy = page.headers["content-security-policy"]
    assert f"script-src 'nonce-{nonce}'" in policy
    assert "unsafe-eval" not in policy
    script = await browser.get("/sign-in/passkeys.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert (await (await made.browser("wrong one entirely")).get("/account")).status_code == 303


@pytest.mark.asyncio
async def test_a_form_of_elsewhere_or_without_the_sessions_mark_does_nothing(world):
    made = await world()
    browser = await made.browser()
    csrf = _csrf(await browser.get("/account"))
    form = {"current": PASSWORD, "new": OTHER}
    assert (await browser.post("/account/password", data=form)).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    refused = await browser.post("/account/password", data={**form, "csrf": csrf}, headers=elsewhere)
    assert refused.status_code == 403
    other = _csrf(await (await made.browser()).get("/account"))
    assert (await browser.post("/account/password", data={**form, "csrf": other})).status_code == 403
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.asyncio
async def test_a_password_is_changed_and_every_other_session_ends(world):
    made = await world()
    browser, phone = await made.browser(), await made.browser()
    csrf = _csrf(await browser.get("/account"))
    wrong = await browser.post("/account/password", data={"csrf": csrf, "current": "not right", "new": OTHER})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    short = await browser.post("/account/password", data={"csrf": csrf, "current": PASSWORD, "new": "short"})
    assert (short.status_code, "12 characters" in short.text) == (422, True)
    assert (await browser.post("/account/password", data={"csrf": csrf, "current": PASSWORD, "new": OTHER})
            ).status_code == 303  # fmt: skip
    assert (await browser.get("/account")).status_code == 200
    assert (await phone.get("/account")).status_code == 303


@pytest.mark.asyncio
async def test_a_second_factor_from_qr_code_to_recovery(world):
    made = await world()
    browser = await made.browser()
    csrf = {"csrf": _csrf(await browser.get("/account"))}
    shown = await browser.post("/account/second-factor", data=csrf)
    secret = re.search(r"<code>(\w+)</code>", shown.text)[1]
    assert "<svg" in shown.text
    assert "data:" not in shown.text
    again = await browser.post("/account/second-factor/confirm", data={**csrf, "code": "000000"})
    assert (again.status_code, secret in again.text) == (401, True)
    right = {**csrf, "code": pyotp.TOTP(secret).at(made.clock.at)}
    codes = re.findall(
        r"<code>([A-Z2-7-]{19})</code>", (await browser.post("/account/second-factor/confirm", data=right)).text
    )
    assert len(codes) == 10
    assert codes[0] not in (await browser.get("/account")).text
    made.clock.at += timedelta(minutes=1)
    await made.browser()
    assert made.answer.status_code == 401
    await made.browser(code=codes[0])
    assert made.answer.status_code == 303
    made.clock.at += timedelta(minutes=30)
    late = await browser.post("/account/second-factor/off", data=csrf)
    assert (late.status_code, "last 15 minutes" in late.text) == (403, True)
    fresh = await made.browser(code=codes[1])
    csrf = {"csrf": _csrf(await fresh.get("/account"))}
    assert (await fresh.post("/account/second-factor/off", data=csrf)).status_code == 303
    await made.browser()
    assert made.answer.status_code == 303


@pytest.mark.asyncio
async def test_sessions_are_listed_and_ended(world):
    made = await world()
    browser = await made.browser(**{"user-agent": "Mozilla (X11; Linux) Firefox/1"})
    phone = await made.browser(**{"user-agent": "Mozilla (iPhone) Safari/1"})
    page = await browser.get("/account")
    assert "Safari, iPhone" in page.text
    (named,) = re.findall(r'name="session_id" value="(\w+)"', page.text)
    form = {"csrf": _csrf(page), "session_id": named}
    assert (await browser.post("/account/sessions/end", data=form)).status_code == 303
    assert (await phone.get("/account")).status_code == 303
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.asyncio
async def test_the_page_speaks_the_chosen_language(world):
    made = await world()
    browser = await made.browser()
    form = {"csrf": _csrf(await browser.get("/account")), "chosen": "nl"}
    assert (await browser.post("/account/language", data=form)).status_code == 303
    assert "Mijn account" in (await browser.get("/account")).text
