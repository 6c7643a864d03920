"""A live site whose plans count what its chargers lose at part load."""

import numpy as np
import pytest

from bothways.operations.site import planner
from bothways.operations.site.settings import LoopOptions, SiteSettings, VehicleAssumption

COARSE = LoopOptions(
    tick_s=30.0, plan_in_thread=False, ramp_kw_per_min=6000.0, settle_s=2.0, meter_stale_s=60.0, clock_jump_s=90.0,
    sample_stale_s=180.0,
)  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("rated_kw", [0.0, 11.0])
async def test_plans_count_losses_where_the_site_states_its_chargers_rating(
    make_world, make_prices, car, monkeypatch, rated_kw
):
    prices = make_prices(lambda hour: 0.3 if hour < 11 else 0.05, lambda _: 0.0)
    site = SiteSettings("site", import_hard_limit_kw=60.0, vehicle=VehicleAssumption(losses_rated_kw=rated_kw))
    world = make_world(2, site=site, options=COARSE, load=2.0, prices=prices)
    await world.open()
    for k in range(2):
        world.plug(k, car(energy_kwh=30.0), need=world.need(k, 14, soc=0.6))
    seen, asked = [], planner.decide

    def watched(*known, **more):
        seen.append((known[1], asked(*known, **more)))
        return seen[-1][1]

    monkeypatch.setattr(planner, "decide", watched)
    await world.tick(4)
    connected, plan = seen[-1]
    assert (connected.part_load is None) == (rated_kw == 0.0)
    assert plan.solution is not None
    assert plan.solution.status != "infeasible"
    if rated_kw:
        power = plan.power_kw[plan.power_kw > 0.0]
        most = connected.charge_kw.max()
        assert np.mean(power > 0.9 * most) > 0.5  # whoever charges does so at full power where it can
