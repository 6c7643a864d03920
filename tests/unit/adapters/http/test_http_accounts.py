"""Accounts over the API: invitations, roles, sessions, second factor, what is noted; over the whole application."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pyotp
import pytest
from prometheus_client import CollectorRegistry

from bothways.adapters.db.store import open_store
from bothways.adapters.http.application import build_application
from bothways.adapters.trust.passkeys import WebAuthnCeremonies
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.operations.access.accounts import Access
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk
from bothways.operations.stations import EvseRecord, StationRecord

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


class Site:
    """A site that has not begun."""


class World:
    def __init__(self, store):
        self.clock, self.store = Clock(), store
        self.access = Access(store, Argon2Hasher(fast=True), TimeCodes(), self.clock)
        self.desk = Desk({"house": Site(), "mill": Site()}, store, store, Gateway(), self.clock)
        services = (
            Own(self.access, store), SecondFactors(self.access, store),
            Passkeys(self.access, store, WebAuthnCeremonies()), Federation(self.access, store, {}),
        )  # fmt: skip
        self.app = build_application(
            self.access, self.desk, list, CollectorRegistry(), secure_cookies=False, answers=store, services=services
        )

    async def client(self, name="", password=PASSWORD, code="", agent="Mozilla/5.0 (X11; Linux) Firefox/140"):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(
            transport=transport, base_url="http://bothways/api/v1", headers={"user-agent": agent}
        )
        if name:
            answer = await client.post("/session", json={"name": name, "password": password, "code": code})
            assert answer.status_code == 201, answer.text
            client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return client

    def code(self, secret, steps=0):
        return pyotp.TOTP(secret).at(self.clock.at + timedelta(seconds=30 * steps))


@pytest.fixture
def start(tmp_path):
    async def make():
        world = World(await open_store(f"sqlite:///{tmp_path}/people.db"))
        for name, grant in (
            ("admin", Grant(Role.ADMINISTRATOR, "*")), ("op", Grant(Role.SITE_OPERATOR, "site:house")),
            ("driver", Grant(Role.DRIVER, "token:T-1")),
        ):  # fmt: skip
            await world.access.create(name, PASSWORD, [grant])
        return world

    return make


async def _id(admin, name):
    return next(item["account_id"] for item in (await admin.get("/accounts")).json() if item["name"] == name)


@pytest.mark.asyncio
async def test_somebody_is_invited_changed_sent_away_and_let_in_again(start):
    world = await start()
    admin, stranger = await world.client("admin"), await world.client()
    wrong = await admin.post("/invitations", json={"name": "Robin", "grants": [
        {"role": "driver", "scope": "*"}, {"role": "front_desk", "scope": "site:castle"}]})  # fmt: skip
    assert (wrong.status_code, len(wrong.json()["problems"])) == (422, 2)
    desk = {"name": "Robin", "grants": [{"role": "front_desk", "scope": "site:house"}]}
    invited = (await admin.post("/invitations", json=desk)).json()
    taken = await stranger.post("/invitations/accept", json={"token": invited["token"], "password": PASSWORD})
    assert taken.json()["name"] == "Robin"
    again = {"token": invited["token"], "password": OTHER}
    assert (await stranger.post("/invitations/accept", json=again)).status_code == 401
    robin = await world.client("Robin")
    path = f"/accounts/{invited['account_id']}"
    seen = await admin.get(path)
    grants = {"grants": [{"role": "front_desk", "scope": "site:mill"}]}
    assert (await admin.put(f"{path}/grants", json=grants, headers={"if-match": '"old"'})).status_code == 412
    changed = await admin.put(f"{path}/grants", json=grants, headers={"if-match": seen.headers["etag"]})
    assert changed.status_code == 200
    assert (await robin.get("/session")).json()["grants"] == grants["grants"], "a change holds at once"
    assert (await admin.post(f"{path}/disable")).status_code == 204
    assert (await robin.get("/session")).status_code == 401
    assert (await admin.post(f"{path}/invite")).status_code == 422, "first enable it"
    assert (await admin.post(f"{path}/enable")).status_code == 204
    fresh = (await admin.post(f"{path}/invite")).json()["token"]
    assert (await stranger.post("/invitations/accept", json={"token": fresh, "password": OTHER})).status_code == 201
    await world.client("Robin", OTHER)
    told = [line["kind"] for line in (await admin.get("/audit")).json()]
    assert told.count("signed in") == 3
    kinds = [kind for kind in told if kind != "signed in"]
    assert kinds == ["account invited again", "account enabled", "account disabled", "account's roles changed",
                     "account invited"]  # fmt: skip


@pytest.mark.asyncio
async def test_an_invitation_ends_after_three_days_and_with_the_next_one(start):
    world = await start()
    admin, stranger = await world.client("admin"), await world.client()
    body = {"name": "Robin", "grants": [{"role": "grid_viewer", "scope": "site:house"}]}
    first = (await admin.post("/invitations", json=body)).json()
    second = (await admin.post(f"/accounts/{first['account_id']}/invite")).json()
    old = await stranger.post("/invitations/accept", json={"token": first["token"], "password": PASSWORD})
    assert old.status_code == 401
    world.clock.at += timedelta(days=3)
    late = await stranger.post("/invitations/accept", json={"token": second["token"], "password": PASSWORD})
    assert late.status_code == 401


@pytest.mark.asyncio
async def test_administrators_do_not_shut_themselves_out_and_nobody_else_manages(start):
    world = await start()
    admin, operator = await world.client("admin"), await world.client("op")
    mine = await _id(admin, "admin")
    body = {"grants": [{"role": "driver", "scope": "token:A"}]}
    assert (await admin.put(f"/accounts/{mine}/grants", json=body)).status_code == 422
    assert (await admin.post(f"/accounts/{mine}/disable")).status_code == 422
    assert (await admin.post("/accounts/nobody/disable")).status_code == 404
    for method, path in (
        ("GET", "/accounts"), ("GET", f"/accounts/{mine}"), ("POST", f"/accounts/{mine}/disable"),
        ("POST", f"/accounts/{mine}/enable"), ("POST", f"/accounts/{mine}/invite"),
        ("DELETE", f"/accounts/{mine}/second-factor"),
    ):  # fmt: skip
        assert (await operator.request(method, path)).status_code == 403, path
    assert (await operator.put(f"/accounts/{mine}/grants", json=body)).status_code == 403
    scoped = await world.access.create("half", PASSWORD, [Grant(Role.ADMINISTRATOR, "site:house")])
    half = await world.client("half")
    assert (await half.get("/accounts")).status_code == 403, f"{scoped.name} administers one site, not people"


@pytest.mark.asyncio
async def test_one_sees_and_ends_ones_own_sessions(start):
    world = await start()
    first = await world.client("op")
    second = await world.client("op", agent="Mozilla/5.0 (iPhone; like Mac OS X) Safari/605")
    token = (await first.post("/tokens", json={"label": "reader", "days": 3})).json()["token"]
    listed = (await first.get("/account/sessions")).json()
    assert sorted((item["label"], item["purpose"], item["current"]) for item in listed) == [
        ("Firefox, Linux", "session", True),
        ("Safari, iPhone", "session", False),
        ("reader", "token", False),
    ]
    assert token not in str(listed)
    other = next(item["session_id"] for item in listed if item["label"].startswith("Safari"))
    driver = await world.client("driver")
    assert (await driver.delete(f"/account/sessions/{other}")).status_code == 404, "somebody else's"
    assert (await first.delete(f"/account/sessions/{other}")).status_code == 204
    assert (await second.get("/session")).status_code == 401
    assert (await first.delete("/account/sessions")).status_code == 204
    program = await world.client()
    assert (await program.get("/session", headers={"authorization": f"Bearer {token}"})).status_code == 401
    assert (await first.get("/session")).status_code == 200


@pytest.mark.asyncio
async def test_a_new_password_ends_every_session_but_gives_the_one_who_did_it_a_new_one(start):
    world = await start()
    first, second = await world.client("op"), await world.client("op")
    token = (await first.post("/tokens", json={"label": "reader", "days": 3})).json()["token"]
    wrong = await first.put("/account/password", json={"current": "not this one at all", "new": OTHER})
    assert wrong.status_code == 401
    assert (await first.put("/account/password", json={"current": PASSWORD, "new": "short"})).status_code == 422
    program = await world.client()
    program.headers["authorization"] = f"Bearer {token}"
    assert (await program.put("/account/password", json={"current": PASSWORD, "new": OTHER})).status_code == 403
    changed = await first.put("/account/password", json={"current": PASSWORD, "new": OTHER})
    assert changed.status_code == 200, changed.text
    first.headers["x-csrf-token"] = changed.json()["csrf_token"]
    assert (await first.get("/account")).status_code == 200
    for gone in (second, program):
        assert (await gone.get("/session")).status_code == 401
    nobody = await world.client()
    refused = await nobody.post("/session", json={"name": "op", "password": PASSWORD})
    assert refused.status_code == 401


@pytest.mark.asyncio
async def test_a_second_factor_is_set_up_used_replaced_by_recovery_codes_and_removed(start):
    world = await start()
    client = await world.client("op")
    made = (await client.post("/account/second-factor")).json()
    assert made["qr_svg"].startswith("<svg")
    assert not re.search(r"<script|\bon\w+=|javascript:", made["qr_svg"])
    assert made["secret"] in made["address"]
    assert (await client.post("/account/second-factor/confirm", json={"code": "000000"})).status_code == 401
    codes = (await client.post("/account/second-factor/confirm", json={"code": world.code(made["secret"])})).json()
    assert len(set(codes["codes"])) == 10
    world.clock.at += timedelta(minutes=1)
    nobody = await world.client()
    bare = await nobody.post("/session", json={"name": "op", "password": PASSWORD})
    assert bare.status_code == 401
    await world.client("op", code=world.code(made["secret"]))
    recovery = codes["codes"][3]
    await world.client("op", code=recovery.lower().replace("-", " "))
    twice = await nobody.post("/session", json={"name": "op", "password": PASSWORD, "code": recovery})
    assert twice.status_code == 401, "a recovery code works once"
    assert (await client.get("/account")).json()["recovery_codes_left"] == 9
    world.clock.at += timedelta(hours=1)
    late = await client.delete("/account/second-factor")
    assert (late.status_code, late.json()["title"]) == (403, "Sign in again")
    fresh = await world.client("op", code=world.code(made["secret"]))
    renewed = (await fresh.post("/account/recovery-codes")).json()["codes"]
    old = await nobody.post("/session", json={"name": "op", "password": PASSWORD, "code": codes["codes"][4]})
    assert old.status_code == 401
    assert (await fresh.delete("/account/second-factor")).status_code == 204
    await world.client("op")
    assert (await fresh.get("/account")).json()["recovery_codes_left"] == 0
    assert len(renewed) == 10


@pytest.mark.asyncio
async def test_recovery_codes_are_kept_hashed_and_an_administrator_removes_a_lost_factor(start, tmp_path):
    world = await start()
    client, admin = await world.client("op"), await world.client("admin")
    made = (await client.post("/account/second-factor")).json()
    codes = (await client.post("/account/second-factor/confirm", json={"code": world.code(made["secret"])})).json()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("people.db*"))
    assert not any(code.encode() in kept or code.replace("-", "").encode() in kept for code in codes["codes"])
    assert made["secret"].encode() not in kept, "a copy of the database gives no codes away"
    path = f"/accounts/{await _id(admin, 'op')}/second-factor"
    assert (await admin.delete(path)).status_code == 204
    await world.client("op")
    noted = (await admin.get("/audit?kind=second factor turned off")).json()
    assert [line["detail"]["who"] for line in noted] == ["admin"]


@pytest.mark.asyncio
async def test_guessing_codes_of_a_set_up_is_slowed(start):
    world = await start()
    client = await world.client("op")
    await client.post("/account/second-factor")
    said = [await client.post("/account/second-factor/confirm", json={"code": f"00000{n}"}) for n in range(7)]
    assert [answer.status_code for answer in said][-1] == 429
    assert "retry-after" in said[-1].headers


@pytest.mark.asyncio
async def test_a_token_of_a_program_changes_nothing_of_how_one_signs_in(start):
    world = await start()
    client = await world.client("op")
    token = (await client.post("/tokens", json={"label": "reader", "days": 3})).json()["token"]
    program = await world.client()
    program.headers["authorization"] = f"Bearer {token}"
    for method, path in (
        ("POST", "/account/second-factor"), ("DELETE", "/account/second-factor"), ("POST", "/account/recovery-codes"),
        ("POST", "/account/passkeys/question"), ("DELETE", "/account/passkeys/x"),
        ("DELETE", "/account/identities?issuer=https://x"),
    ):  # fmt: skip
        assert (await program.request(method, path)).status_code == 403, path


@pytest.mark.asyncio
async def test_operators_read_what_happened_at_their_sites_and_nothing_of_people(start):
    world = await start()
    admin, operator, driver = [await world.client(name) for name in ("admin", "op", "driver")]
    for site, station in (("house", "CP-1"), ("mill", "CP-2")):
        await world.store.add_station(StationRecord(station, site, (EvseRecord(1, 11.0),)), "hash")
        for number in range(4):
            await world.desk.record("limit changed", site, {"who": "admin", "number": number})
        await world.desk.record("override begun", f"{station}/1", {"who": "admin"})
    await world.desk.record("account disabled", "house", {"who": "admin"})
    rows, path = [], "/audit?limit=2"
    while path:
        answer = await operator.get(path)
        rows += answer.json()
        path = answer.links["next"]["url"].removeprefix("/api/v1") if "next" in answer.links else None
    assert [row["subject"] for row in rows] == ["CP-1/1", "house", "house", "house", "house", "CP-1"]
    told = [row["kind"] for row in (await admin.get("/audit")).json()]
    assert (len(told), told.count("signed in")) == (16, 3)
    assert (await driver.get("/audit")).status_code == 403


@pytest.mark.asyncio
async def test_the_language_is_ones_own_choice(start):
    world = await start()
    client = await world.client("op")
    assert (await client.put("/account/language", json={"language": "nl"})).status_code == 204
    assert (await client.get("/session")).json()["language"] == "nl"
    assert (await client.put("/account/language", json={"language": "xx"})).status_code == 422


@pytest.mark.asyncio
async def test_passkey_messages_that_fit_nothing_are_refused_like_a_wrong_password(start):
    world = await start()
    client, nobody = await world.client("op"), await world.client()
    asked = (await client.post("/account/passkeys/question")).json()
    assert asked["options"]["authenticatorSelection"]["userVerification"] == "required"
    junk = {"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}
    answer = await client.post("/account/passkeys", json={"ticket": asked["ticket"], "answer": junk})
    assert answer.status_code == 401
    question = (await nobody.post("/session/passkey/question")).json()
    for ticket, content in (
        (question["ticket"], junk), (question["ticket"], {}), (question["ticket"], {"rawId": "é"}), ("AAAA", junk),
        (asked["ticket"], junk), ("é", junk),
    ):  # fmt: skip
        world.clock.at += timedelta(minutes=2)
        refused = await nobody.post("/session/passkey", json={"ticket": ticket, "answer": content})
        assert refused.status_code in {401, 429}, refused.text
    assert (await nobody.get("/session/ways")).json() == {"password": True, "passkey": True, "providers": []}


@pytest.mark.asyncio
async def test_the_grid_connection_is_recorded_by_who_may_and_not_overwritten_unseen(start):
    world = await start()
    admin, operator = await world.client("admin"), await world.client("op")
    path, until = "/sites/house/grid-permission", (world.clock.at + timedelta(days=90)).isoformat()
    before = await operator.get(path)
    assert len(before.json()["missing"]) == 3
    form = {"agreement": "EAN 8716", "export_limit_kw": 20.0, "protection": "VDE-AR-N 4105 no. 7",
            "certificates": [{"name": "charger 1", "valid_until": until}]}  # fmt: skip
    assert (await operator.put(path, json=form)).status_code == 403
    made = await admin.put(path, json=form, headers={"if-match": before.headers["etag"]})
    assert (made.status_code, made.json()["missing"]) == (200, [])
    assert (await admin.put(path, json=form, headers={"if-match": before.headers["etag"]})).status_code == 412
    assert (await world.store.permission("house")).allowed_export_kw(world.clock.at) == 20.0
    late = {**form, "certificates": [{"name": "", "valid_until": world.clock.at.isoformat()}], "agreement": " x"}
    refused = await admin.put(path, json=late)
    assert (refused.status_code, len(refused.json()["problems"])) == (422, 3)
    noted = (await operator.get("/audit")).json()[0]
    assert (noted["kind"], noted["detail"]["who"]) == ("grid permission by", "admin")
    assert (await admin.put("/sites/castle/grid-permission", json=form)).status_code == 404
