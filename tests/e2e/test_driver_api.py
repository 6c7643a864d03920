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


def _transaction(loop):
    """The transaction that runs; a vehicle may stay plugged in after its end."""
    session = loop.snapshot().image.evses[0].session
    return "" if session is None else session.transaction_id


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
        await world.until(lambda: not _transaction(loop), "the transaction goes on", 4.0)
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


@pytest.mark.asyncio
async def test_a_guest_reads_the_code_charges_and_leaves_and_a_driver_sees_the_month(tmp_path):
    async with live_world.world(tmp_path) as world:
        desk, guest, driver = await world.client("desk"), await world.client(), await world.client("driver")
        assert (await guest.get("/api/v1/stations/CP-1/evses/1/guest-link")).status_code == 401
        assert (await driver.get("/api/v1/stations/CP-1/evses/1/guest-link")).status_code == 404
        link = (await desk.get("/api/v1/stations/CP-1/evses/1/guest-link")).json()
        address = f"/api/v1/guest/{link['secret']}"
        assert (await guest.post(f"{address}/claim")).status_code == 409
        await world.station.plug_in(1, _vehicle("T-2"))
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        claim = (await guest.post(f"{address}/claim")).json()["claim"]
        assert (await guest.post(f"{address}/charge-now")).status_code == 403
        now = await guest.post(f"{address}/charge-now", headers={"x-guest-claim": claim})
        assert now.status_code == 200, now.text
        await world.until(lambda: world.outlet.power_kw > 4.0, "the vehicle does not charge", 4.0)
        seen = (await guest.get(address, headers={"x-guest-claim": claim})).json()
        assert (seen["mine"], seen["need"]["charge_now"], seen["evse"]["session"]["holder"]) == (True, True, None)
        await world.until(lambda: loop.snapshot().image.evses[0].session.delivered_kwh > 0.005, "no energy is metered")
        stopped = await guest.post(f"{address}/stop", headers={"x-guest-claim": claim})
        assert stopped.json()["accepted"], stopped.text
        await world.until(lambda: not _transaction(loop), "the transaction goes on", 4.0)
        assert (await guest.get("/api/v1/guest/guessed")).status_code == 404
        operator = await world.client("operator")
        month = (await operator.get("/api/v1/statements/T-2")).json()
        (stay,) = month["stays"]
        assert float(stay["sums"]["taken_kwh"]) > 0.0
        assert (await driver.get("/api/v1/statements/T-2")).json()["stays"] == []


@pytest.mark.asyncio
async def test_waiting_for_a_shared_charging_point_and_ones_own_data(tmp_path):
    async with live_world.world(tmp_path) as world:
        desk, driver, elsewhere = [await world.client(name) for name in ("desk", "driver", "elsewhere")]
        shared = {"evses": ["CP-1/1"], "members": ["T-1", "T-2"]}
        assert (await driver.put("/api/v1/sites/house/queues/garage", json=shared)).status_code == 404
        assert (await desk.put("/api/v1/sites/house/queues/garage", json=shared)).status_code == 200
        await world.station.plug_in(1, _vehicle("T-2"))
        loop = world.live.loops["house"]
        await world.until(lambda: loop.snapshot().image.evses[0].session is not None, "no session")
        joined = await driver.put("/api/v1/queues/T-1/house/garage", json={"hours": 2})
        assert (joined.json()["position"], joined.json()["free"]) == (1, 0)
        assert (await elsewhere.get("/api/v1/queues/T-1")).status_code == 403
        asked = await driver.post("/api/v1/queues/T-1/house/garage/swaps", json={"other": "CP-1/1"})
        assert asked.json()["asked"]
        (other,) = (await desk.get("/api/v1/queues/T-2")).json()
        swap = other["requests"][0]["swap_id"]
        answered = await desk.put(f"/api/v1/queues/T-2/house/garage/swaps/{swap}", json={"agrees": True})
        assert answered.status_code == 200, answered.text
        (mine,) = (await driver.get("/api/v1/queues/T-1")).json()
        assert [place["called"] for place in mine["places"] if place["mine"]] == ["CP-1/1"]

        archive = await driver.get("/api/v1/account/data")
        assert archive.headers["content-type"] == "application/zip"
        assert archive.content[:2] == b"PK"
        refused = await driver.post("/api/v1/account/erasure", json={"confirmation": "yes"})
        assert refused.status_code == 422
        erased = await driver.post("/api/v1/account/erasure", json={"confirmation": "driver"})
        assert erased.json() == {"cards": 1, "transactions": 0}
        assert (await driver.get("/api/v1/session")).status_code == 401
        (left,) = (await desk.get("/api/v1/queues/T-2")).json()
        assert left["places"] == [], "nobody waits any more"
