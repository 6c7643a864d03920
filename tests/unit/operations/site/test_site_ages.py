"""Every live number says how old it is: readings of charging points, the vehicle's own report, the site's meter."""

from datetime import timedelta

import pytest

from bothways.operations.desk.views import evse_view, site_view

pytestmark = pytest.mark.asyncio


def _seen(world):
    snapshot = world.loop.snapshot()
    return evse_view(snapshot.image.evses[0], snapshot, holders=True)


async def test_a_power_tells_when_it_was_measured_and_that_it_is_old(make_world, car):
    world = await make_world(1).open()
    await world.tick(2)
    empty = _seen(world)
    assert (empty.measured_kw, empty.measured_at, empty.measured_old) == (0.0, None, False), "nobody is plugged in"
    world.plug(0, car(), need=world.need(0, 10, soc=0.9))
    await world.tick(40)
    seen = _seen(world)
    assert timedelta(0) <= world.clock.now() - seen.measured_at <= timedelta(seconds=world.sample_every_s + 1)
    assert not seen.measured_old
    last, world.sample_every_s = seen.measured_at, 1e9  # the station stays connected and says no more
    await world.tick(int(world.options.sample_stale_s / world.options.tick_s) + 10)
    old = _seen(world)
    assert old.measured_at <= last + timedelta(seconds=60)
    assert old.measured_old
    assert old.measured_kw is not None, "the last reading is still told"


async def test_a_station_that_never_measured_tells_no_power(make_world, car):
    world = await make_world(1).open()
    world.samples = lambda _: ()
    world.plug(0, car())
    await world.tick(20)
    seen = _seen(world)
    assert (seen.measured_kw, seen.measured_at, seen.measured_old, seen.session.soc_at) == (None, None, False, None)


async def test_what_the_vehicle_reported_tells_when(make_world, car):
    world = await make_world(1).open()
    vehicle = car()
    vehicle.reports_soc = True
    world.plug(0, vehicle, need=world.need(0, 10, soc=0.9))
    await world.tick(30)
    said = _seen(world).session.soc_at
    assert said is not None
    assert world.clock.now() - said <= timedelta(seconds=world.sample_every_s + 1)


async def test_behind_a_silent_meter_no_old_sun_is_shown_as_new(make_world):
    world = await make_world(1).open()
    await world.tick(5)
    shown = site_view("house", "UTC", world.loop.snapshot(), 4.0, holders=True)
    assert (shown.meter_fresh, shown.pv_kw) == (True, 4.0)
    made = world.loop.snapshot().plan
    assert shown.plan_made_at == (None if made is None else made.made_at)
    world.meter_works = False
    await world.tick(60)
    shown = site_view("house", "UTC", world.loop.snapshot(), 4.0, holders=True)
    assert (shown.meter_fresh, shown.pv_kw, shown.import_kw, shown.phase_kw) == (False, None, None, ())
