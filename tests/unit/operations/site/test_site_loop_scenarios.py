"""The loop against vehicles, a meter and a store that behave, and then do not."""

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bothways.domain.errors import DomainError
from bothways.operations.events import StatusChanged
from bothways.operations.site.settings import LoopOptions, SiteSettings

pytestmark = pytest.mark.asyncio


async def test_measures_plans_dispatches_and_orders(make_world, car):
    world = await make_world(2).open()
    world.plug(0, car(energy_kwh=20.0), need=world.need(0, 3, soc=0.6))
    await world.tick(5)
    assert world.loop.snapshot().plan is not None
    assert world.loop.snapshot().plan.plan.solution.status == "optimal"
    for _ in range(30):
        await world.tick(360)
    left = world.unplug(0)
    assert left.energy_kwh >= 0.6 * 60.0 - 0.5
    assert world.peak <= 60.0


async def test_who_states_nothing_is_charged_at_once(make_world, car):
    world = await make_world(1).open()
    world.plug(0, car())
    await world.tick(20)
    assert world.site_kw == pytest.approx(21.0, abs=0.2)
    assert "charged at once" in world.says(0)
