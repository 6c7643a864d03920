"""A contractor puts a virtual station into service through the API: credentials, first boot, test charge, hand-over."""

import asyncio
import contextlib
import importlib.util
import random
from pathlib import Path

import pytest

from bothways.adapters.clocks import SystemClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)
pytestmark = pytest.mark.asyncio
NEW = {"station_id": "NEW-1", "site_id": "house", "charge_kw": 11.0, "discharge_kw": 10.0, "discharge": "v2x"}


@contextlib.asynccontextmanager
async def _station(told):
    options = StationOptions(protocol="ocpp2.1", secret=told["password"], tick_s=0.2, meter_s=0.5)
    outlet = Outlet(1, 11.0, 10.0)
    url = f"ws://127.0.0.1:{told['port']}/ocpp"
    station = VirtualStation(told["station_id"], url, [outlet], SystemClock(), options, rng=random.Random(2))
    running = asyncio.create_task(station.run())
    try:
        yield station, outlet
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _state(client, step):
    steps = (await client.get("/api/v1/installations/NEW-1")).json()["steps"]
    return next(item for item in steps if item["name"] == step)


async def _until(client, step, seconds=30.0):
    for _ in range(int(seconds / 0.2)):
        found = await _state(client, step)
        if found["state"] not in {"waiting", "running"}:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(step)


async def test_a_contractor_puts_a_station_into_service(tmp_path):
    async with live_world.world(tmp_path) as world:
        contractor, operator = await world.client("contractor"), await world.client("operator")
        refused = await operator.post("/api/v1/installations", json=NEW)
        assert refused.status_code == 403
        elsewhere = await contractor.post("/api/v1/installations", json=NEW | {"site_id": "mill"})
        assert elsewhere.status_code == 403
        taken = await contractor.post("/api/v1/installations", json=NEW | {"station_id": "CP-1"})
        assert taken.status_code == 422
        assert (await contractor.get("/api/v1/installation-sites")).json() == ["house"]
        assert (await operator.get("/api/v1/installation-sites")).json() == []
        made = await contractor.post("/api/v1/installations", json=NEW)
        assert made.status_code == 201, made.text
        told = made.json()
        assert (told["path"], told["port"], len(told["password"])) == ("/ocpp/NEW-1", world.live.port, 40)
        first = (await contractor.get("/api/v1/installations/NEW-1")).json()
        assert (first["next_step"], "password" in str(first)) == ("connected", False)
        early = await contractor.post("/api/v1/installations/NEW-1/hand-over", json={"reason": "looks fine"})
        assert early.status_code == 409
        assert (await contractor.post("/api/v1/installations/NEW-1/evses/1/test-charge")).status_code == 409
        agreed = {"agreed": True, "said": "Ada stands beside me"}
        where = "/api/v1/installations/NEW-1/evses/1/test-discharge"
        assert (await operator.post(where, json=agreed)).status_code == 404
        assert (await contractor.post(where, json=agreed)).status_code == 409, "agreed, and not connected yet"
        told = (await contractor.post("/api/v1/installations/NEW-1/credentials")).json()

        async with _station(told) as (station, outlet):
            boot = await _until(contractor, "boot")
            assert "bothways virtual" in boot["detail"]
            await station.plug_in(1, VirtualVehicle("T-2", 60.0, 40.0, 11.0, discharge_kw=10.0, min_charge_kw=4.14))
            assert outlet.transaction is not None
            assert (await contractor.post("/api/v1/installations/NEW-1/evses/1/test-charge")).status_code == 202
            again = await contractor.post("/api/v1/installations/NEW-1/evses/1/test-charge")
            assert again.status_code == 409
            charged = await _until(contractor, "test_charge")
            assert charged["state"] == "done", charged
            assert (await contractor.post(where, json={"agreed": False})).status_code == 422

            done = await contractor.post("/api/v1/installations/NEW-1/hand-over", json={"reason": "label on the left"})
            assert (done.status_code, done.json()["next_step"]) == (200, "")
        assert (await contractor.get("/api/v1/installations")).json() == []
        ended = (await contractor.get("/api/v1/installations", params={"handed_over": True})).json()
        assert [item["station_id"] for item in ended] == ["NEW-1"]
        kinds = {line["kind"] for line in (await operator.get("/api/v1/audit", params={"subject": "NEW-1"})).json()}
        assert {"installation begun", "station password renewed", "test charge ended", "station handed over"} <= kinds
        said = (await operator.get("/api/v1/audit", params={"kind": "driver agreed to a test discharge"})).json()
        assert [(line["subject"], line["detail"]["said"]) for line in said] == [("NEW-1/1", "Ada stands beside me")]
        assert (await contractor.get("/api/v1/audit")).status_code == 403
        assert (await contractor.get("/api/v1/transactions")).json() == []
