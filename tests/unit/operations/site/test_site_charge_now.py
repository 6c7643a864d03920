"""Charging now acts within two seconds, also near the limit and while rises are slowed; nobody's need pays for it."""

import numpy as np
import pytest

from bothways.operations.site.charge_now import step_aside
from bothways.operations.site.settings import LoopOptions, SiteSettings

pytestmark = pytest.mark.asyncio
CARS = 8
MINIMUM = 4.14


def total(world):
    return sum(max(0.0, row.power_kw) for row in world.loop.snapshot().rows.values())


async def busy_site(make_world, car, *, limit_kw, others_h, ramp=None):
    """Seven vehicles charge for hours, the eighth waits for a cheaper hour or for room."""
    options = LoopOptions(plan_in_thread=False, ramp_kw_per_min=ramp)
    site = SiteSettings("site", import_hard_limit_kw=limit_kw, phase_limit_kw=1.2 * limit_kw / 3.0)
    world = make_world(CARS, load=20.0, min_kw=MINIMUM, options=options, site=site, rotate=True)
    world.sample_every_s = 10.0
    await world.open()
    for k in range(1, CARS):
        world.plug(k, car(energy_kwh=20.0), need=world.need(k, others_h, soc=0.9, charge_now=others_h > 20))
    world.plug(0, car(energy_kwh=20.0), need=world.need(0, 30, soc=0.9))
    return world


@pytest.mark.parametrize("limit_kw", [45.0, 60.0])
async def test_it_acts_within_two_seconds_at_a_site_near_its_limit(make_world, car, limit_kw):
    world = await busy_site(make_world, car, limit_kw=limit_kw, others_h=6)
    await world.tick(120)
    world.loop.set_limits(import_hard_kw=limit_kw - 5.0)
    await world.tick(30)
    await world.loop.set_need(world.need(0, 10, soc=0.9, charge_now=True))
    await world.tick(2)
    assert world.row(0).power_kw >= MINIMUM
    assert world.gateway.points[world.key(0)].car.power_kw >= MINIMUM
    assert world.site_kw <= limit_kw - 5.0 + 0.5


async def test_it_acts_while_others_use_up_what_the_sum_may_rise(make_world, car):
    """The sum may rise by a fifth of a kilowatt a second, and seven vehicles that could wait are rising with it."""
    world = await busy_site(make_world, car, limit_kw=200.0, others_h=6, ramp=12.0)
    await world.tick(5)
    while total(world) < 30.0:  # in the middle of the rise: nothing of it is saved up
        await world.tick(1)
        assert world.clock.now().minute < 30
    was = total(world)
    await world.loop.set_need(world.need(0, 10, soc=0.9, charge_now=True))
    await world.tick(2)
    assert world.row(0).power_kw >= 10.9
    assert total(world) <= was + 2 * 0.2 + MINIMUM + 0.1  # no faster than it may


async def test_the_needs_of_others_go_first(make_world, car):
    """Where the others need all there is, charging now gets its minimum and no more."""
    world = await busy_site(make_world, car, limit_kw=80.0, others_h=4.6)
    await world.tick(60)
    await world.loop.set_need(world.need(0, 10, soc=0.9, charge_now=True))
    await world.tick(3)
    others = [world.row(k) for k in range(1, CARS)]
    assert world.row(0).power_kw >= MINIMUM
    assert all(row.power_kw >= min(row.must_kw, row.high_kw) - 0.2 for row in others)


async def test_only_those_who_can_wait_step_aside():
    power, before = np.array([11.0, 6.0, 6.0, 6.0]), np.array([0.0, 6.0, 6.0, 6.0])
    now = np.array([True, False, False, False])
    must, minimum = np.array([4.0, 6.0, 0.0, 5.0]), np.full(4, 4.0)
    step_aside(power, before, now, must, minimum, np.arange(4), 1.0)
    assert power.tolist() == [11.0, 6.0, 0.0, 5.0]  # the one that needs nothing now stops: less than 4 it cannot take
    enough = np.array([11.0, 6.0, 6.0, 6.0])
    step_aside(enough, before, now, must, minimum, np.arange(4), 8.0)
    assert enough.tolist() == [11.0, 6.0, 4.0, 5.0]


async def test_who_charges_now_already_makes_room_for_who_begins():
    now, must, minimum = np.full(3, fill_value=True), np.full(3, 4.0), np.full(3, 4.0)
    power, before = np.full(3, 11.0), np.array([11.0, 0.0, 0.0])
    step_aside(power, before, now, must, minimum, np.arange(3), 1.0)
    assert power.tolist() == [4.0, 4.0, 4.0]  # two begin within a rise of 1 kW of all together
    roomy = np.full(3, 11.0)
    step_aside(roomy, before, now, must, minimum, np.arange(3), 10.0)
    assert roomy.sum() <= before.sum() + 10.0
    assert roomy[0] == 11.0
    assert roomy.min() >= 4.0


async def test_the_second_driver_who_presses_begins_at_once_too(make_world, car):
    """Nobody who could wait is charging, and the first has used up what the sum may rise: it gives some back."""
    site = SiteSettings("site", import_hard_limit_kw=200.0)
    world = make_world(
        CARS, load=20.0, min_kw=MINIMUM, options=LoopOptions(plan_in_thread=False, ramp_kw_per_min=54.0), site=site
    )
    world.sample_every_s = 10.0
    await world.open()
    for k in range(CARS):
        world.plug(k, car(energy_kwh=45.0), need=world.need(k, 30, soc=0.9))
    await world.tick(60)
    for k in range(2):
        before = total(world)
        assert world.row(k).power_kw == 0.0
        await world.loop.set_need(world.need(k, 30, soc=0.9, charge_now=True))
        await world.tick(2)
        assert world.row(k).power_kw >= MINIMUM
        assert total(world) <= before + (10.0 + 2.0) * 0.9 + 0.1  # no faster than it may
