"""Half an hour in which everything happens at once; what must never happen does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bothways.operations.site.settings import LoopOptions, SiteSettings

START = datetime(2020, 1, 1, tzinfo=UTC)
EXPORT_KW = 6.0
POINTS = 6


class Chaos:
    """Random events at a site, from a seed, and what must hold after each second."""

    def __init__(self, make_world, car, paper, seed):
        self.rng = np.random.default_rng(seed)
        self.car, self.load_kw, self.limit_kw = car, 10.0, 60.0
        site = SiteSettings("site", import_hard_limit_kw=60.0, export_limit_kw=EXPORT_KW, safe_charge_kw=2.0)
        options = LoopOptions(plan_in_thread=False, ramp_kw_per_min=300.0, settle_s=1.0, order_valid_s=60.0,
                              order_refresh_s=40.0, replan_every_s=120.0)  # fmt: skip
        dear_now = type(make_world(1).prices)(lambda hour: 0.5 if hour < 11 else 0.1, lambda hour: 0.4)
        self.world = make_world(POINTS, site=site, options=options, prices=dear_now, load=lambda now: self.load_kw,
                                min_kw=1.4, rotate=True)  # fmt: skip
        self.world.store.paper = replace(paper, export_limit_kw=EXPORT_KW)
        self.consent = {}
        self.gone = {}

    def happen(self):
        """At most one event per second."""
        world, rng = self.world, self.rng
        k = int(rng.integers(POINTS))
        point = world.gateway.points[world.key(k)]
        reachable = f"S{k}" not in world.gateway.offline
        match int(rng.integers(12)):
            case 0 | 1 | 2 if point.car is None and reachable:
                self.plug(k)
            case 3 if point.car is not None and reachable:
                world.unplug(k)
            case 4:
                self.load_kw = float(rng.uniform(0.0, 40.0))
            case 5:
                self.limit_kw = float(rng.choice([0.0, 15.0, 30.0, 60.0]))
                world.loop.set_limits(import_hard_kw=self.limit_kw)
            case 6:
                world.gateway.offline ^= {f"S{k}"}
            case 7:
                world.meter_works = not world.meter_works
            case _:
                return
        world.read()

    def plug(self, k):
        rng = self.rng
        consent = bool(rng.integers(2))
        car = self.car(energy_kwh=float(rng.uniform(5.0, 59.0)), phases=int(rng.choice([1, 3])),
                       charge_kw=float(rng.choice([3.6, 11.0])), reports_soc=bool(rng.integers(2)),
                       token=f"car{k}")  # fmt: skip
        need = self.world.need(k, float(rng.uniform(0.2, 8.0)), soc=0.6, consent=consent, floor=0.4)
        self.consent[k] = consent
        self.world.plug(k, car, need=need)

    def untold_kw(self):
        """What stations take and give that are out of reach, or were a moment ago: it counts, but cannot be stopped."""
        now = self.world.clock.now()
        self.gone.update(dict.fromkeys(self.world.gateway.offline, now))
        powers = [
            point.car.power_kw
            for key, point in self.world.gateway.points.items()
            if point.car is not None and now - self.gone.get(key.station_id, START) <= timedelta(seconds=5)
        ]
        return sum(max(0.0, power) for power in powers), sum(max(0.0, -power) for power in powers)

    def check(self):
        world = self.world
        taken, given = self.untold_kw()
        if world.meter_works:
            assert world.site_kw <= max(self.limit_kw, self.load_kw + taken) + 1e-6
            assert world.site_kw >= min(-EXPORT_KW, self.load_kw - given) - 1e-6
        for k in range(POINTS):
            point = world.gateway.points[world.key(k)]
            if point.car is None:
                continue
            if point.car.power_kw < 0.0:
                assert self.consent[k]
                assert point.car.energy_kwh >= 0.4 * 60.0 - 0.2
            assert point.car.power_kw == 0.0 or abs(point.car.power_kw) > 0.05
            order = point.order_kw
            assert np.copysign(1.0, order) > 0.0 or order < 0.0
            assert order <= 0.0 or order >= 1.4 / 3.0 - 1e-6
        alarms = world.alarms()
        assert "loop-failing" not in alarms


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_limits_and_consent_hold(make_world, car, paper, seed):
    chaos = Chaos(make_world, car, paper, seed)
    await chaos.world.open()
    for _ in range(400):
        chaos.happen()
        await chaos.world.tick(1)
        chaos.check()
    assert chaos.world.clock.now() > chaos.world.store.notes[0][2] + timedelta(minutes=5)
    assert any(point.orders for point in chaos.world.gateway.points.values())
