"""An order that was accepted and not kept is noticed; one that has just changed is not held against the station."""

import pytest

from bothways.operations.orders import Composite
from bothways.operations.site.settings import LoopOptions

pytestmark = pytest.mark.asyncio


async def test_a_station_that_holds_to_another_limit_is_found_by_asking(make_world, car):
    world = await make_world(2).open()
    for k in range(2):
        world.plug(k, car(energy_kwh=20.0, charge_kw=3.0), need=world.need(k, 9, soc=0.9, charge_now=True))
    await world.tick(20)
    world.gateway.composites[world.key(0)] = Composite(limit_kw=world.row(0).power_kw)
    await world.tick(330)
    assert "composite-differs" not in world.alarms()  # asked, and agrees
    world.gateway.composites[world.key(0)] = Composite(limit_kw=22.0)
    await world.tick(330)  # the meter shows nothing: the vehicle takes 3 kW by itself
    found = [alarm for alarm in world.loop.snapshot().alarms if alarm.kind == "composite-differs"]
    assert [alarm.subject for alarm in found] == ["S0/1"]
    assert "holds to 22.0 kW" in found[0].text


async def test_orders_that_keep_changing_raise_no_alarm(make_world, car):
    """The image of a tick shows the order before: it must not be compared with the one that the tick gives."""
    limit = 60.0
    world = make_world(1, load=0.0, options=LoopOptions(plan_in_thread=False, settle_s=20.0, ramp_kw_per_min=6000.0))
    await world.open()
    world.plug(0, car(energy_kwh=5.0), need=world.need(0, 9, soc=0.9, charge_now=True))
    await world.tick(60)
    assert world.row(0).power_kw == pytest.approx(11.0, abs=0.1)
    for step in range(12):  # a lower limit every ten seconds: no order lives long enough to be metered
        limit = 10.5 - 0.5 * step
        world.loop.set_limits(import_hard_kw=limit)
        await world.tick(10)
    assert world.row(0).power_kw == pytest.approx(limit, abs=0.2)
    assert world.alarms() == set()
