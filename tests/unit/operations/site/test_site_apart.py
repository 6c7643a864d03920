"""A site whose gateways and planner are apart: catching up with the store, stopping without a planner, being seen."""

import math
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from bothways.adapters.bus.pictures import packed, packed_plan, picture_of, unpacked_picture, unpacked_plan
from bothways.adapters.bus.wire import Unreadable
from bothways.adapters.db.memory import MemoryStore
from bothways.battery.wear_table import WearTable
from bothways.operations.overrides import Override
from bothways.operations.ports import SiteReading, TransactionRow
from bothways.operations.site.apart import missed_events, newly_latched, stop_at
from bothways.operations.site.batteries import BatteryKind
from bothways.operations.site.summary import Snapshot

pytestmark = pytest.mark.asyncio


def row(station, transaction, at, last=None, token="T"):
    return TransactionRow(station, transaction, 1, token, at, None, 0.0, 0.0, last_at=last or at)


async def test_what_was_missed_is_taken_from_the_store_and_nothing_else(make_world, car):
    world = await make_world(4).open()
    for k in range(3):
        world.plug(k, car())
    await world.tick(5)
    image, now = world.loop.snapshot().image, world.clock.now()
    at = {item.key.station_id: item.session.transaction_id for item in image.evses if item.session}
    known = [row(station, transaction, now) for station, transaction in at.items()]
    assert missed_events(image, known, now) == []

    late = now - timedelta(hours=2)
    rows = [known[0], row("S1", "other", now, token="NEW"), row("S3", "begun", late, now), row("S9", "elsewhere", now)]
    found = missed_events(image, rows, now)
    assert [(event.station_id, event.kind, event.transaction_id) for event in found] == [
        ("S1", "ended", at["S1"]), ("S1", "started", "other"), ("S2", "ended", at["S2"]), ("S3", "started", "begun"),
    ]  # fmt: skip
    for event in found:
        world.loop.on_event(event)
    await world.loop.step()
    sessions = {item.key.station_id: item.session for item in world.loop.snapshot().image.evses}
    assert {name: item and item.transaction_id for name, item in sessions.items()} == {
        "S0": at["S0"], "S1": "other", "S2": None, "S3": "begun",
    }  # fmt: skip
    assert sessions["S1"].id_token == "NEW"
    assert missed_events(image, [row("S3", "silent", late)], now)[-1].kind == "ended", "silent for long: not begun now"


async def test_a_gateway_stops_a_latched_site_by_itself(make_world, car):
    world = await make_world(3).open()
    for k in range(2):
        world.plug(k, car())
    await world.tick(5)
    rows = [row(key.station_id, point.transaction, world.clock.now()) for key, point in world.gateway.points.items()]

    class Stored(MemoryStore):
        async def transactions(self, **_wanted):
            return [item for item in rows if item.transaction_id]

    world.gateway.offline = {"S1"}
    answers = await stop_at(world.gateway, world.registry, Stored(), "site", world.clock.now(), 300.0)
    assert list(answers) == ["S0/1"], "stations elsewhere are not touched"
    assert world.gateway.points[world.key(0)].orders[-1][1].power_kw == 0.0
    assert world.gateway.safe["S0"] == world.gateway.safe["S2"] == 0.0
    assert "S1" not in answers
    assert await stop_at(world.gateway, world.registry, Stored(), "mill", world.clock.now(), 300.0) == {}


async def test_a_latch_is_news_only_after_the_last_release(make_world):
    world = await make_world(1).open()
    now = world.clock.now()
    assert newly_latched(None, now)
    await world.loop.emergency_stop("smoke", "Ada")
    assert not newly_latched(world.loop.snapshot().incident, now)
    world.clock.instant += timedelta(seconds=60)
    await world.loop.release("it was toast", "Ada")
    incident = world.loop.snapshot().incident
    assert not newly_latched(incident, now), "the latch that was just released"
    assert newly_latched(incident, world.clock.now() + timedelta(seconds=1))


async def test_a_site_seen_elsewhere_is_the_site(make_world, car):
    world = await make_world(3, load=30.0).open()
    world.plug(0, car(energy_kwh=20.0), need=world.need(0, 3, soc=0.6, consent=True))
    world.plug(1, car(reports_soc=False))
    await world.tick(5)
    await world.loop.emergency_stop("smoke", "Ada")
    await world.tick(1)
    now = world.clock.now()
    snapshot = replace(world.loop.snapshot(), carbon_kg_per_kwh=0.3, price_source="exchange")
    for item in fields(Snapshot):
        assert getattr(snapshot, item.name) not in (None, "", ()), f"{item.name} is not tried here"
    override = Override("o-1", "pause", "", None, now, now + timedelta(hours=1), "Ada", "works")
    reading = SiteReading(now, math.pi, (1.0, 2.0, 0.1), None)
    picture = unpacked_picture(packed(picture_of(snapshot, (override,), reading)))
    again = picture.snapshot(unpacked_plan(packed_plan(snapshot.plan, 1 << 20)))
    assert (picture.overrides, picture.reading) == ((override,), reading)
    for item in fields(Snapshot):
        if item.name != "plan":
            assert getattr(again, item.name) == getattr(snapshot, item.name), item.name
    assert np.array_equal(again.plan.plan.power_kw, snapshot.plan.plan.power_kw)
    assert np.array_equal(again.plan.plan.target_kw, snapshot.plan.plan.target_kw)
    assert (again.plan.start, again.plan.rows) == (snapshot.plan.start, snapshot.plan.rows)
    summed = unpacked_plan(packed_plan(snapshot.plan, 10))
    assert summed.plan.power_kw.shape[0] == 1
    assert np.allclose(summed.plan.power_kw.sum(axis=0), snapshot.plan.plan.power_kw.sum(axis=0))


async def test_tables_of_wear_stay_at_home_and_rubbish_is_told(make_world, car):
    world = await make_world(1).open()
    world.plug(0, car())
    await world.tick(2)
    snapshot = world.loop.snapshot()
    session = snapshot.image.evses[0].session
    kind = BatteryKind("vans", ("*",), wear=WearTable.flat(0.05))
    evse = replace(snapshot.image.evses[0], session=replace(session, battery=kind, wear_per_kwh=0.05))
    heavy = replace(snapshot, image=replace(snapshot.image, evses=(evse,)))
    light = unpacked_picture(packed(picture_of(heavy, (), None))).image.evses[0].session
    assert light.battery == replace(kind, wear=None)
    assert light.wear_per_kwh == 0.05
    for rubbish in (b"", b"{}", packed(heavy.image.limits)):
        with pytest.raises(Unreadable):
            unpacked_picture(rubbish)
        with pytest.raises(Unreadable):
            unpacked_plan(rubbish)
