"""The site's part of the API over real sockets: overrides that end by themselves, savings, prices, the audit log."""

import asyncio
import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bothways.adapters.simulated.vehicle import VirtualVehicle

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)
pytestmark = pytest.mark.asyncio


def _in(seconds):
    return (datetime.now(tz=UTC) + timedelta(seconds=seconds)).isoformat()


async def test_an_operator_pauses_a_charging_point_for_a_while(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator, desk = await world.client("operator"), await world.client("desk")
        vehicle = VirtualVehicle("T-1", 60.0, 24.0, 11.0, min_charge_kw=4.14)
        await world.station.plug_in(1, vehicle)
        await world.until(lambda: world.outlet.power_kw > 4.0, "it does not charge", 30.0)
        pause = {"kind": "pause", "subject": "CP-1/1", "until": _in(6), "reason": "cleaning"}
        refused = await desk.post("/api/v1/sites/house/overrides", json=pause)
        assert refused.status_code == 403
        made = await operator.post("/api/v1/sites/house/overrides", json=pause)
        assert made.status_code == 201, made.text
        await world.until(lambda: abs(world.outlet.power_kw) < 0.1, "it is not paused", 4.0)
        shown = (await desk.get("/api/v1/sites/house/overrides")).json()
        assert [(item["who"], item["reason"], 0 < item["left_s"] <= 6) for item in shown] == [
            ("operator", "cleaning", True)
        ]
        await world.until(lambda: world.outlet.power_kw > 4.0, "it does not go on by itself", 15.0)
        beyond = pause | {"kind": "import_limit", "subject": "", "kw": 80.1, "until": _in(60)}
        answer = await operator.post("/api/v1/sites/house/overrides", json=beyond)
        assert (answer.status_code, answer.json()["problems"][0]["where"]) == (422, "override: kw")
        again = (await operator.post("/api/v1/sites/house/overrides", json=beyond | {"kw": 60.0})).json()
        where = f"/api/v1/sites/house/overrides/{again['override_id']}"
        assert [(await operator.delete(where)).status_code for _ in range(2)] == [204, 404]
        kinds = [line["kind"] for line in (await operator.get("/api/v1/audit")).json()]
        assert kinds.count("override begun") == kinds.count("override ended") == 2


async def test_station_quality_is_told_to_who_oversees_stations(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator, elsewhere = await world.client("operator"), await world.client("elsewhere")
        (station,) = (await operator.get("/api/v1/station-quality", params={"site_id": "house"})).json()
        assert (station["station_id"], station["online"], station["protocol"]) == ("CP-1", True, "ocpp2.1")
        assert (await elsewhere.get("/api/v1/station-quality")).json() == []


async def test_savings_price_and_the_audit_log_are_for_who_oversees_the_site(tmp_path):
    async with live_world.world(tmp_path) as world:
        operator, driver = await world.client("operator"), await world.client("driver")
        elsewhere, contractor = await world.client("elsewhere"), await world.client("contractor")
        await asyncio.sleep(1.5)
        saved = (await operator.get("/api/v1/sites/house/savings")).json()
        assert (saved["site_id"], saved["today"]["name"], saved["month"]["stays"]) == ("house", "today", 0)
        price = (await operator.get("/api/v1/sites/house/price")).json()
        assert price["source"] == "made-up daily shape"
        for path in ("savings", "price", "overrides"):
            for client in (driver, elsewhere, contractor):
                assert (await client.get(f"/api/v1/sites/house/{path}")).status_code == 404
        assert (await driver.get("/api/v1/audit")).status_code == 403
        await operator.put("/api/v1/sites/house/import-limit", json={"import_kw": 70.0, "reason": "told so"})
        lines = (await operator.get("/api/v1/audit", params={"kind": "limit changed"})).json()
        assert [(line["subject"], line["detail"]["who"]) for line in lines] == [("house", "operator")]
        assert (await elsewhere.get("/api/v1/audit", params={"kind": "limit changed"})).json() == []
        first = await operator.get("/api/v1/audit", params={"limit": 1})
        assert 'rel="next"' in first.headers["link"]
