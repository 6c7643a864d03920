"""Drivers over real sockets with a virtual station: a standing wish is used at plug-in, its outlook, leaving now."""

import importlib.util
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bothways.adapters.simulated.vehicle import VirtualVehicle

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)


def _vehicle(token="T-1", stored_kwh=24.0):
    return VirtualVehicle(token, 60.0, stored_kwh, 11.0, discharge_kw=10.0, min_charge_kw=4.14)


@pytest.mark.asyncio
async def test_a_standing_wish_is_in_force_as_soon_as_its_card_is_plugged_in_and_the_plan_knows_it(tmp_path):
    async with live_world.world(tmp_path) as world:
        driver, desk = await world.client("driver"), await world.client("desk")
        assert (await driver.get("/api/v1/wishes/T-1")).status_code == 404
        week = {"days": [{"day": day, "wall": "05:30", "soc": 0.9} for day in range(7)], "discharge_consent": True,
                "discharge_cap_kwh": 8.0, "floor_soc": 0.35}  # fmt: skip
        kept = await driver.put("/api/v1/wishes/T-1", json=week)
        assert kept.status_code == 200, kept.text
        assert (await driver.put("/api/v1/wishes/T-2", json=week)).status_code == 403
        assert (await desk.put("/api/v1/wishes/T-1?site_id=house", json={"days": []})).status_code == 422
        assert (await driver.get("/api/v1/outlooks/T-1")).json() is None
        await world.station.plug_in(1, _vehicle())
        loop = world.live.loops["house"]

        def planned():
            snapshot = loop.snapshot()
            session = snapshot.image.evses[0].session
            known = session is not None and snapshot.plan is not None and session.session_id in snapshot.plan.rows
            return known and session.need is not None

        await world.until(planned, "the plan does not know the wish")
        session = loop.snapshot().image.evses[0].session
        ready = datetime.fromisoformat(kept.json()["next_at"])
        assert (session.need.ready_by, session.need.soc, session.need.discharge_cap_kwh) == (ready, 0.9, 8.0)
        assert session.until <= ready
        assert (await driver.get("/api/v1/needs/T-1")).json()["floor_soc"] == 0.35
        outlook = (await driver.get("/api/v1/outlooks/T-1")).json()
        assert datetime.fromisoformat(outlook["ready_by"]) == ready
        assert outlook["asked_soc"] == pytest.approx(0.9, abs=0.01)

        soon = (loop.snapshot().image.now + timedelta(minutes=30)).isoformat()
        assert (await driver.put("/api/v1/needs/T-1", json={"ready_by": soon, "soc": 1.0})).status_code == 200
        await world.until(lambda: loop.snapshot().image.evses[0].session.need.soc == 1.0, "the need is not in force")
        outlook = (await driver.get("/api/v1/outlooks/T-1")).json()
        assert (outlook["possible"], outlook["why"]) == (False, "power")
        assert outlook["best_soc"] < outlook["asked_soc"]

        assert (await (await world.client("elsewhere")).post("/api/v1/departures/T-1")).status_code == 403
        assert (await driver.post("/api/v1/departures/T-1")).json()["accepted"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is None, "the transaction goes on", 4.0)
        assert (await driver.post("/api/v1/departures/T-1")).status_code == 404


@pytest.mark.asyncio
async def test_a_card_that_the_front_desk_recorded_needs_no_telephone(tmp_path):
    async with live_world.world(tmp_path) as world:
        desk = await world.client("desk")
        week = {"days": [{"day": day, "wall": "05:30", "soc": 0.7} for day in range(7)]}
        assert (await desk.put("/api/v1/wishes/T-2?site_id=house", json=week)).status_code == 200
        await world.station.plug_in(1, _vehicle("T-2"))
        loop = world.live.loops["house"]

        def used():
            session = loop.snapshot().image.evses[0].session
            return session is not None and session.need is not None

        await world.until(used, "the wish is not used")
        assert loop.snapshot().image.evses[0].session.need.soc == 0.7
