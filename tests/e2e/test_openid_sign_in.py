"""Signing in through an OpenID provider that runs here over real HTTP: who gets in, and who does not."""

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey
from prometheus_client import CollectorRegistry

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.adapters.http.application import build_application
from bothways.adapters.trust.openid import OpenIdConnect, ProviderSettings
from bothways.adapters.trust.passkeys import WebAuthnCeremonies
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.adapters.web import signin
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import Access
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk

spec = importlib.util.spec_from_file_location("openid_provider", Path(__file__).with_name("openid_provider.py"))
openid_provider = importlib.util.module_from_spec(spec)
spec.loader.exec_module(openid_provider)

PASSWORD = "four words make passphrases"
ROLE = [Grant(Role.SITE_OPERATOR, "site:house")]
HERE = "http://energy.example"
pytestmark = pytest.mark.slow


class Clock:
    def __init__(self):
        self.at = datetime.now(tz=UTC)

    def now(self):
        return self.at


class Gateway:
    def connected(self):
        return frozenset()


class World:
    def __init__(self, store, provider):
        self.store, self.provider, self.clock = store, provider, Clock()
        self.access = Access(store, Argon2Hasher(fast=True), TimeCodes(), self.clock)
        settings = ProviderSettings(provider.issuer, openid_provider.CLIENT, openid_provider.SECRET, "Example")
        self.seconds = 0.0
        self.federation = Federation(self.access, store, {"example": OpenIdConnect(settings, lambda: self.seconds)})
        services = (
            Own(self.access, store), SecondFactors(self.access, store),
            Passkeys(self.access, store, WebAuthnCeremonies()), self.federation,
        )  # fmt: skip
        memory = MemoryStore()
        desk = Desk({}, memory, memory, Gateway(), self.clock)
        self.app = build_application(
            self.access, desk, list, CollectorRegistry(), secure_cookies=False, answers=store, services=services,
            public_url=HERE,
        )  # fmt: skip
        self.app.include_router(signin.router)

    def browser(self):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=HERE)

    async def there(self, browser, query=""):
        """To the provider, as a browser goes; returns where it sends the browser back to."""
        away = await browser.get(f"/sign-in/openid/example{query}")
        assert away.status_code == 303, away.text
        async with httpx.AsyncClient() as outside:
            return (await outside.get(away.headers["location"])).headers["location"]

    async def sign_in(self, browser=None, query=""):
        browser = browser or self.browser()
        self.answer = await browser.get(await self.there(browser, query))
        return (await browser.get("/api/v1/session")).json().get("name")


@pytest_asyncio.fixture
async def world(tmp_path):
    async with openid_provider.running() as provider:
        store = await open_store(f"sqlite:///{tmp_path}/people.db")
        yield World(store, provider)
        await store.close()


@pytest.mark.asyncio
async def test_an_invited_person_comes_by_a_verified_address_once_and_by_the_identity_ever_after(world):
    account, token = await world.access.invite("Ada", ROLE, "ADA@example.org")
    assert await world.sign_in() == "Ada"
    assert world.answer.headers["refresh"] == "0; url=/"
    assert "bothways_session" in world.answer.headers["set-cookie"]
    assert await world.access.actor(token, frozenset({"invitation"})) is None, "the invitation is used up"
    asked = world.provider.asked[0]
    assert asked["redirect_uri"] == f"{HERE}/sign-in/openid/example/back"
    assert len(asked["state"]) >= 32 <= len(asked["nonce"])
    world.provider.person = {"sub": "ada-1", "email": "new@example.org", "email_verified": False}
    assert await world.sign_in() == "Ada", "the subject counts, not the address"
    assert [one.email for one in await world.store.identities(account.account_id)] == ["ada@example.org"]
    kinds = [line.kind for line in await world.store.audit_log() if line.subject == "Ada"]
    assert (kinds.count("identity linked"), kinds.count("signed in")) == (1, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("case", ["unknown", "unverified", "password", "two", "disabled", "linked to another"])
async def test_an_identity_never_makes_or_takes_over_an_account(world, case):
    email = "" if case == "unknown" else "ada@example.org"
    account, token = await world.access.invite("Ada", ROLE, email)
    if case == "unverified":
        world.provider.person["email_verified"] = False
    if case == "password":
        await world.access.accept(token, PASSWORD)
    if case == "two":
        await world.access.invite("Bo", ROLE, "ada@example.org")
    if case == "disabled":
        await world.store.replace_account(type(account)(**{**_fields(account), "disabled": True}))
    if case == "linked to another":
        assert await world.sign_in() == "Ada"
        world.provider.person["sub"] = "somebody-else-with-the-same-address"
    assert await world.sign_in() is None
    assert world.answer.status_code == 403
    assert len(await world.store.accounts()) == (2 if case == "two" else 1)


def _fields(account):
    return {name: getattr(account, name) for name in account.__slots__}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"}, {"aud": "another"}, {"iss": "https://another.example"}, {"exp": 1},
        {"aud": [openid_provider.CLIENT, "another"]}, {"sub": ""}, {"sub": 7}, "key", "none", "issuer",
    ],
    ids=str,
)  # fmt: skip
async def test_a_token_that_does_not_fit_signs_nobody_in(world, wrong):
    await world.access.invite("Ada", ROLE, "ada@example.org")
    if wrong == "key":
        world.provider.signs_with = ECKey.generate_key("P-256", {"kid": "one"})
    elif wrong == "none":
        world.provider.algorithm = "none"
    elif wrong == "issuer":
        world.provider.says_issuer = "https://another.example"
        answer = await world.browser().get("/sign-in/openid/example")
        assert answer.status_code == 403
        return
    else:
        world.provider.claims = wrong
    assert await world.sign_in() is None
    assert world.answer.status_code == 403
    assert await world.store.identity(world.provider.issuer, "ada-1") is None


@pytest.mark.asyncio
async def test_an_answer_is_for_the_browser_that_asked_and_works_once(world):
    await world.access.invite("Ada", ROLE, "ada@example.org")
    thief, victim = world.browser(), world.browser()
    stolen = await world.there(thief)
    assert (await victim.get(stolen)).status_code == 403, "a browser that asked nothing"
    await world.there(victim)
    assert (await victim.get(stolen)).status_code == 403, "another browser's state"
    assert parse_qs(urlsplit(stolen).query)["state"]
    assert (await thief.get(stolen)).status_code == 200
    assert (await thief.get(stolen)).status_code == 403, "the code was used"
    late = world.browser()
    back = await world.there(late)
    world.clock.at += timedelta(minutes=11)
    assert (await late.get(back)).status_code == 403


@pytest.mark.asyncio
async def test_somebody_signed_in_links_an_identity_and_unlinks_it(world):
    account = await world.access.create("Ada", PASSWORD, ROLE)
    browser = world.browser()
    await browser.post("/sign-in", data={"name": "Ada", "password": PASSWORD})
    assert "Continue with Example" in (await world.browser().get("/sign-in")).text
    cross = await browser.get("/sign-in/openid/example?link=1", headers={"sec-fetch-site": "cross-site"})
    assert cross.status_code == 403
    assert await world.sign_in(browser, "?link=1") == "Ada"
    assert await world.sign_in() == "Ada"
    world.clock.at += timedelta(minutes=16)
    assert (await browser.get("/sign-in/openid/example?link=1")).status_code == 403
    bo = await world.access.create("Bo", PASSWORD, ROLE)
    other = world.browser()
    await other.post("/sign-in", data={"name": "Bo", "password": PASSWORD})
    assert await world.sign_in(other, "?link=1") == "Bo"
    assert world.answer.status_code == 403, "an identity of another account is not handed over"
    assert await world.store.identities(bo.account_id) == []
    _, token = await world.access.sign_in("Ada", PASSWORD)
    await world.federation.unlink(token, world.provider.issuer)
    assert await world.store.identities(account.account_id) == []
    assert await world.sign_in() is None


@pytest.mark.asyncio
async def test_an_invitation_is_taken_up_with_an_identity(world):
    _, token = await world.access.invite("Ada", ROLE)
    page = await world.browser().get(f"/invitation/{token}")
    assert f"/sign-in/openid/example?invitation={token}" in page.text
    assert await world.sign_in(query=f"?invitation={token}") == "Ada"
    again = await world.browser().get(f"/sign-in/openid/example?invitation={token}")
    assert again.status_code == 403


@pytest.mark.asyncio
async def test_a_provider_renews_its_keys(world):
    await world.access.invite("Ada", ROLE, "ada@example.org")
    assert await world.sign_in() == "Ada"
    world.provider.key = world.provider.signs_with = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256"})
    world.seconds += 61.0
    assert await world.sign_in() == "Ada"


@pytest.mark.asyncio
async def test_a_provider_that_is_away_is_told_like_any_refusal(world):
    world.federation._providers["gone"] = OpenIdConnect(ProviderSettings("http://127.0.0.1:9", "x"))
    assert (await world.browser().get("/sign-in/openid/gone")).status_code == 403
    assert (await world.browser().get("/sign-in/openid/nothing")).status_code == 403
    with pytest.raises(InputError):
        OpenIdConnect(ProviderSettings("http://provider.example", "x"))
