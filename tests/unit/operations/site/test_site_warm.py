"""After loading, a tick finds every kernel it calls compiled for the arrays that it brings."""

import pytest

from bothways.dispatch import phases
from bothways.dispatch.setpoints import setpoints
from bothways.operations.site.warm import load_kernels


@pytest.mark.asyncio
async def test_a_tick_compiles_nothing_more(make_world, car):
    load_kernels()
    kernels = (setpoints, phases.import_load, phases.settle_minimum, phases.cap_rise, phases.hold)
    before = [len(kernel.signatures) for kernel in kernels]
    assert all(before)
    world = await make_world(2, min_kw=1.4).open()
    world.plug(0, car(), need=world.need(0, 5, soc=0.9))
    await world.tick(3)
    assert world.row(0).power_kw > 0.0
    assert [len(kernel.signatures) for kernel in kernels] == before
