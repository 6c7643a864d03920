"""A pair that is known to feed a building, but not the grid, never makes the site export."""

import pytest

from bothways.operations.site.gate import ListedPairs, PairAbility
from bothways.operations.site.settings import SiteSettings

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("to_grid", "exported"), [(True, 6.0), (False, 0.0)])
async def test_what_a_vehicle_gives_stays_behind_the_meter(make_world, make_prices, car, paper, to_grid, exported):
    able = ListedPairs({("car0", "Box"): PairAbility(True, 10.0, "test", to_grid=to_grid)})
    dear = make_prices(lambda hour: 0.9 if hour < 10 else 0.05, export=lambda hour: 0.85 if hour < 10 else 0.0)
    site = SiteSettings("site", import_hard_limit_kw=60.0, export_limit_kw=50.0)
    world = make_world(1, load=4.0, prices=dear, register=able, site=site)
    world.store.paper = paper
    await world.open()
    world.plug(0, car(energy_kwh=50.0), need=world.need(0, 10, soc=0.5, consent=True))
    await world.tick(60)
    given = -world.row(0).power_kw
    assert given == pytest.approx(4.0 + exported, abs=0.2)
    assert world.site_kw == pytest.approx(-exported, abs=0.2)
