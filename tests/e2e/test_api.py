"""The API over real sockets: sign-in, permissions per object, live values, a driver's need, an emergency stop."""

import asyncio
import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from bothways.adapters.simulated.vehicle import VirtualVehicle

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)


CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance"


def _vehicle(token="T-1"):
    return VirtualVehicle(token, 60.0, 24.0, 11.0, discharge_kw=10.0, min_charge_kw=4.14)


def _in(hours):
    return (datetime.now(tz=UTC) + timedelta(hours=hours)).isoformat()


@pytest.mark.asyncio
async def test_nobody_gets_in_without_signing_in_and_wrong_passwords_tell_nothing(tmp_path):
    async with live_world.world(tmp_path) as world:
        stranger = await world.client()
        for path in ("/sites", "/sites/house", "/stations", "/transactions", "/accounts", "/session", "/needs/T-1"):
            answer = await stranger.get(f"/api/v1{path}")
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
        said = {
            (await stranger.post("/api/v1/session", json={"name": name, "password": "not this one at all"})).text
            for name in ("admin", "nobody-here")
        }
        assert len(said) == 1
        signed = await world.client("admin")
        assert (await signed.get("/api/v1/session")).json()["name"] == "admin"
        assert "httponly" in str(signed.cookies.jar).lower() or signed.cookies.get("bothways_session")
        await signed.delete("/api/v1/session")
        assert (await signed.get("/api/v1/sites")).status_code == 401


@pytest.mark.asyncio
async def test_a_page_of_another_origin_cannot_act(tmp_path):
    async with live_world.world(tmp_path) as world:
        admin = await world.client("admin")
        del admin.headers["x-csrf-token"]
        answer = await admin.post("/api/v1/sites/house/emergency-stop", json={"reason": "forged from elsewhere"})
        assert answer.status_code == 403
        assert not world.live.loops["house"].snapshot().image.latched


@pytest.mark.asyncio
async def test_each_sees_what_is_theirs(tmp_path):
    async with live_world.world(tmp_path) as world:
        await world.station.plug_in(1, _vehicle())
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        operator, elsewhere, driver, desk, contractor = [
            await world.client(name) for name in ("operator", "elsewhere", "driver", "desk", "contractor")
        ]
        assert [line["site_id"] for line in (await operator.get("/api/v1/sites")).json()] == ["house"]
        assert (await elsewhere.get("/api/v1/sites")).json() == []
        assert (await elsewhere.get("/api/v1/sites/house")).status_code == 404
        assert (await driver.get("/api/v1/sites/house")).status_code == 404
        assert (await contractor.get("/api/v1/sites/house")).status_code == 404
        assert [s["station_id"] for s in (await contractor.get("/api/v1/stations")).json()] == ["CP-1"]
        seen = (await operator.get("/api/v1/sites/house")).json()["evses"][0]["session"]
        assert seen["holder"] == "T-1"
        assert (await desk.get("/api/v1/sites/house")).json()["evses"][0]["session"]["holder"] is None
        place = (await driver.get("/api/v1/vehicles/T-1")).json()
        assert place["evse"]["station_id"] == "CP-1"
        assert (place["tz"], place["site_id"]) == ("Europe/Amsterdam", "house")
        assert abs((datetime.fromisoformat(place["at"]) - datetime.now(tz=UTC)).total_seconds()) < 5.0
        meant = (await driver.get("/api/v1/departures/T-1", params={"wall": "07:30"})).json()
        assert meant["tz"] == "Europe/Amsterdam"
        assert f"{datetime.fromisoformat(meant['ready_by']).astimezone(ZoneInfo(meant['tz'])):%H:%M}" == "07:30"
        assert (await elsewhere.get("/api/v1/departures/T-1", params={"wall": "07:30"})).status_code == 403
        code = await desk.get("/api/v1/stations/CP-1/evses/1/guest-code")
        assert (code.status_code, code.headers["content-type"]) == (200, "image/svg+xml")
        assert code.content.startswith(b"<?xml")
        assert (await elsewhere.get("/api/v1/stations/CP-1/evses/1/guest-code")).status_code == 404
        assert (await elsewhere.get("/api/v1/vehicles/T-1")).json() is None
        assert (await driver.get("/api/v1/vehicles")).json() == [{"holder": "T-1", "place": "CP-1/1"}]
        assert [item["place"] for item in (await desk.get("/api/v1/vehicles")).json()] == ["CP-1/1"]
        assert (await elsewhere.get("/api/v1/vehicles")).json() == []
        own = (await driver.get("/api/v1/transactions")).json()
        assert [row["holder"] for row in own] == ["T-1"]
        for holder, rows in (("T-1", 1), ("CP-1/1", 1), ("T-2", 0)):
            found = await operator.get("/api/v1/transactions", params={"holder": holder})
            assert len(found.json()) == rows, holder
        assert (await driver.get("/api/v1/transactions", params={"holder": "T-2"})).json() == []
        assert (await elsewhere.get("/api/v1/transactions")).json() == []
        assert (await driver.post("/api/v1/sites/house/emergency-stop", json={"reason": "not mine"})).status_code == 404
        assert (await desk.put("/api/v1/sites/house/import-limit", json={"import_kw": 1, "reason": "no right"})
                ).status_code == 403  # fmt: skip
        assert (await operator.get("/api/v1/accounts")).status_code == 403


@pytest.mark.asyncio
async def test_a_driver_says_what_is_needed_and_charge_now_acts_within_seconds(tmp_path):
    async with live_world.world(tmp_path) as world:
        driver, elsewhere = await world.client("driver"), await world.client("elsewhere")
        assert (await driver.get("/api/v1/needs/T-1")).status_code == 404
        wish = {"ready_by": _in(30), "soc": 0.42}
        assert (await driver.put("/api/v1/needs/T-1", json=wish)).status_code == 200
        await world.station.plug_in(1, _vehicle())
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        faults = {"ready_by": "2020-01-01T00:00:00Z", "soc": 0.5, "energy_kwh": 3.0, "floor_soc": 0.2}
        refused = await driver.put("/api/v1/needs/T-1", json=faults)
        assert refused.status_code == 422
        assert len(refused.json()["problems"]) == 2
        assert (await driver.put("/api/v1/needs/T-2", json=wish)).status_code == 403
        assert (await driver.get("/api/v1/needs/T-1")).json()["soc"] == 0.42
        now = await driver.put("/api/v1/needs/T-1", json={"ready_by": _in(1), "soc": 0.9, "charge_now": True})
        assert now.status_code == 200
        began = asyncio.get_running_loop().time()
        await world.until(lambda: world.outlet.power_kw > 4.0, "the vehicle does not charge")
        assert asyncio.get_running_loop().time() - began < 10.0
        assert (await elsewhere.get("/api/v1/vehicles/T-1")).json() is None


@pytest.mark.asyncio
async def test_an_emergency_stop_ends_all_transfer_and_is_released_by_a_person(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator = await world.client("operator")
        await operator.put("/api/v1/needs/T-1", json={"ready_by": _in(1), "soc": 0.9, "charge_now": True})
        await world.station.plug_in(1, _vehicle())
        await world.until(lambda: world.outlet.power_kw > 4.0, "the vehicle does not charge")
        reason = {"reason": "smoke in the garage"}
        assert (await operator.post("/api/v1/sites/house/emergency-stop", json=reason)).status_code == 204
        await world.until(lambda: world.outlet.power_kw == 0.0, "power still flows", 2.0)
        seen = (await operator.get("/api/v1/sites/house")).json()
        assert seen["stopped"]
        assert seen["stop_reason"] == reason["reason"]
        assert (await operator.post("/api/v1/sites/house/release", json={"reason": ""})).status_code == 422
        assert (await operator.post("/api/v1/sites/house/release", json={"reason": "it was toast"})).status_code == 204
        await asyncio.sleep(1.2)
        assert not (await operator.get("/api/v1/sites/house")).json()["stopped"]


@pytest.mark.asyncio
async def test_a_lowered_limit_holds_and_cannot_be_raised_above_the_site(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator = await world.client("operator")
        change = {"import_kw": 20.0, "reason": "the feeder is full"}
        assert (await operator.put("/api/v1/sites/house/import-limit", json=change)).status_code == 204
        await asyncio.sleep(1.2)
        assert (await operator.get("/api/v1/sites/house")).json()["import_limit_kw"] == 20.0
        more = {"import_kw": 500.0, "reason": "I want more"}
        assert (await operator.put("/api/v1/sites/house/import-limit", json=more)).status_code == 422


@pytest.mark.asyncio
async def test_live_values_stream_and_metrics_speak(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator = await world.client("operator")
        lines = []
        async with operator.stream("GET", "/api/v1/sites/house/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                lines.append(line)
                if sum(text.startswith("data: ") for text in lines) == 2:
                    break
        assert "event: site" in lines
        text = (await operator.get("/metrics")).text
        assert "bothways_stations_connected 1.0" in text
        assert (await operator.get("/readyz")).json() == {"ready": True, "missing": []}
        page = await operator.get("/api/v1/sites")
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.asyncio
async def test_programs_use_tokens_that_can_be_taken_back(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator = await world.client("operator")
        token = (await operator.post("/api/v1/tokens", json={"label": "meter reader", "days": 7})).json()["token"]
        async with httpx.AsyncClient(base_url=world.url, headers={"authorization": f"Bearer {token}"}) as program:
            assert (await program.get("/api/v1/sites")).status_code == 200
            await operator.delete("/api/v1/sessions")
            assert (await program.get("/api/v1/sites")).status_code == 401


@pytest.mark.asyncio
async def test_people_ask_a_station_for_things_and_limit_it_for_a_while(tmp_path):
    async with live_world.world(tmp_path) as world:
        contractor, operator, driver = [await world.client(name) for name in ("contractor", "operator", "driver")]
        detail = (await contractor.get("/api/v1/stations/CP-1")).json()
        assert (detail["station"]["online"], detail["evses"][0]["charge_kw"]) == (True, 11.0)
        why = {"reason": "is it there"}
        asked = await contractor.post("/api/v1/stations/CP-1/trigger", json={**why, "message": "heartbeat"})
        assert (asked.status_code, asked.json()["accepted"]) == (200, True)
        assert (await contractor.post("/api/v1/stations/CP-1/evses/1/unlock", json=why)).json()["accepted"]
        assert (await contractor.post("/api/v1/stations/CP-1/evses/9/unlock", json=why)).status_code == 404
        assert (await driver.post("/api/v1/stations/CP-1/reset", json=why)).status_code == 404
        await operator.put("/api/v1/needs/T-1", json={"ready_by": _in(1), "soc": 0.9, "charge_now": True})
        await world.station.plug_in(1, _vehicle())
        await world.until(lambda: world.outlet.power_kw > 6.0, "the vehicle does not charge")
        path = "/api/v1/stations/CP-1/evses/1/charging-profile"
        limit = {"reason": "a hot cable", "charge_kw": 5.0, "until": _in(1)}
        assert (await contractor.put(path, json=limit)).status_code in {403, 404}
        made = await operator.put(path, json=limit)
        assert (made.status_code, made.json()["kw"]) == (200, 5.0)
        await world.until(lambda: 4.0 < world.outlet.power_kw <= 5.0, "the limit is not kept")
        held = (await operator.get(path)).json()
        assert held["told"]
        assert max(held["ordered_kw"], held["limit_kw"] or held["setpoint_kw"]) <= 5.0
        ended = f"/api/v1/sites/house/overrides/{made.json()['override_id']}"
        assert (await operator.delete(ended)).status_code == 204
        await world.until(lambda: world.outlet.power_kw > 6.0, "the limit did not end")


@pytest.mark.slow
@pytest.mark.asyncio
async def test_no_request_that_the_description_allows_breaks_the_server(tmp_path):
    async with live_world.world(tmp_path) as world:
        admin = await world.client("admin")
        token = (await admin.post("/api/v1/tokens", json={"label": "examiner", "days": 1})).json()["token"]
        described = await admin.get("/api/openapi.json")
        assert described.json()["openapi"].startswith("3.1")
        done = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"), "run", f"{world.url}/api/openapi.json", "--no-color",
            "--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--max-examples", "8",
            "--phases", "examples,fuzzing", "--exclude-path-regex", "(/live$|/sessions$|/api/v1/session$)",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await asyncio.wait_for(done.communicate(), 300))[0].decode()
        assert done.returncode == 0, said[-4000:]
        assert (await admin.get("/readyz")).json()["ready"], "the server survived"
