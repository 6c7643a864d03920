"""A live site that counts what its chargers lose at part load, and what the cold takes of their power."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from bothways.battery.losses import ChargerLosses, Derating, EfficiencyCurve, default_losses
from bothways.dispatch.curves import curves_of
from bothways.dispatch.setpoints import envelope
from bothways.operations.events import EvseKey
from bothways.operations.site import planner, warm
from bothways.operations.site.batteries import BatteryKind
from bothways.operations.site.book import Outlet, Visit
from bothways.operations.site.control import _ac_kw
from bothways.operations.site.settings import LoopOptions, SiteSettings, VehicleAssumption
from bothways.operations.site.stored import StoredEnergy
from bothways.operations.stations import EvseRecord
from bothways.planning.engine import solve as engine
from bothways.planning.engine.converters import solve
from bothways.planning.part_load import PartLoad
from bothways.simulation.plant import respond

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


LOSSES = default_losses(11.0)
COUNTED = VehicleAssumption(losses_rated_kw=11.0)


@dataclass
class Followed:
    """A vehicle at a charger with a perfect meter, and the truth by the plant that studies simulate."""

    now: datetime
    energy_kwh: float = 30.0

    def __post_init__(self):
        self.stored = StoredEnergy(COUNTED)
        self.visit = Visit(1, self.now)
        self.outlet = Outlet(EvseKey("S", 1), EvseRecord(1, 11.0, 10.0), visit=self.visit)
        self.curves = curves_of(PartLoad((LOSSES,), np.zeros(1, dtype=np.int64)), np.ones(1), np.ones(1))
        self.stored.follow([self.outlet], self.now)

    def flow(self, power_kw, seconds, *, metered=True):
        """Lets a power flow, second by second."""
        hours = 1.0 / 3600.0
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.visit.delivered_kwh += max(0.0, power_kw) * hours
            self.visit.returned_kwh += max(0.0, -power_kw) * hours
            if abs(power_kw) > 0.1:
                _, self.energy_kwh = respond(
                    power_kw, self.energy_kwh, math.inf, 99.0, 99.0, 1.0, 1.0, hours, self.curves, 0
                )
            self.outlet.meter.power_kw, self.outlet.meter.power_at = power_kw, self.now if metered else None
            self.stored.follow([self.outlet], self.now)
        return self


START = datetime.fromisoformat("2026-06-03T08:00:00+00:00")


def test_what_is_stored_is_what_the_simulated_plant_stores():
    one = Followed(START)
    for power, minutes in ((11.0, 5), (1.5, 30), (0.0, 5), (-10.0, 5), (-1.2, 20), (0.065, 5), (4.0, 5)):
        one.flow(power, 60 * minutes)
    assert one.stored.since(one.visit) == pytest.approx(one.energy_kwh - 30.0, abs=1e-9)
    plain = StoredEnergy(VehicleAssumption())
    assert abs(plain.since(one.visit) - (one.energy_kwh - 30.0)) > 0.1  # one efficiency does not tell


def test_it_is_counted_from_every_instant_that_the_visit_remembers():
    one = Followed(START).flow(1.5, 600)
    one.visit.soc_ref = one.visit.soc_first = (0.4, one.visit.delivered_kwh, one.visit.returned_kwh)
    at_report = one.energy_kwh
    one.flow(11.0, 600)
    assert one.stored.since(one.visit, one.visit.soc_ref[1:]) == pytest.approx(one.energy_kwh - at_report, abs=1e-9)
    one.visit.full_at = (one.visit.delivered_kwh, one.visit.returned_kwh)
    at_full = one.energy_kwh
    one.flow(-2.0, 600)
    assert one.stored.since(one.visit, one.visit.full_at) == pytest.approx(one.energy_kwh - at_full, abs=1e-9)
    assert one.stored.since(one.visit, one.visit.soc_ref[1:]) == pytest.approx(one.energy_kwh - at_report, abs=1e-9)
    one.stored.leave(one.visit)
    assert one.stored.since(one.visit) > 0.0  # with the site's efficiencies, once nobody follows it


def test_a_register_corrects_what_was_stored_at_the_power_of_before():
    one = Followed(START).flow(2.0, 600)
    before = one.stored.since(one.visit)
    one.visit.delivered_kwh += 0.05
    one.outlet.meter.power_kw = 0.0
    one.stored.follow([one.outlet], one.now)
    assert one.stored.since(one.visit) - before == pytest.approx(0.05 * float(LOSSES.charge.efficiency(2.0)))


def test_registers_without_powers_count_at_the_mean_power_between_them():
    one = Followed(START)
    one.flow(0.0, 1, metered=False)
    for _ in range(4):
        one.now += timedelta(seconds=900)
        one.visit.delivered_kwh += 0.5  # 2 kW
        one.stored.follow([one.outlet], one.now)
    share = float(LOSSES.charge.efficiency(2.0))
    assert one.stored.since(one.visit) == pytest.approx(2.0 * share, rel=0.01)


def test_visits_that_ended_without_a_word_are_let_go():
    stored, outlet = StoredEnergy(COUNTED), Outlet(EvseKey("S", 1), EvseRecord(1, 11.0))
    for number in range(100):
        outlet.visit = Visit(number, START)
        stored.follow([outlet], START)
    assert len(stored._followed) < 20


def test_full_power_is_what_plans_take_for_it():
    full = StoredEnergy(COUNTED).full_power(11.0, 10.0)
    assert full.eta_c == pytest.approx(float(LOSSES.charge.efficiency(11.0)))
    assert full.eta_d == pytest.approx(10.0 / float(LOSSES.discharge.input_for(10.0)))
    plain = StoredEnergy(VehicleAssumption()).full_power(11.0, 10.0)
    assert (plain.charge_kw, plain.discharge_kw, plain.eta_c, plain.eta_d) == (11.0, 10.0, 0.9, 0.9)
    many = StoredEnergy(COUNTED)
    for k in range(5000):
        many.full_power(1.0 + k / 1000.0, 0.0)
    assert len(many._full) <= 4096


def test_a_tick_asks_for_the_power_that_the_kernel_asks_for():
    rng = np.random.default_rng(3)
    count = 50
    energy, need = rng.uniform(5.0, 50.0, count), rng.uniform(10.0, 60.0, count)
    plain = planner.Connected(
        key=np.arange(count), energy_kwh=energy, floor_kwh=rng.uniform(0.0, 30.0, count),
        ceiling_kwh=np.full(count, 60.0), need_kwh=need, steps_left=rng.integers(1, 4, count),
        charge_kw=rng.uniform(3.0, 11.0, count), discharge_kw=np.full(count, 10.0), eta_c=np.full(count, 0.9),
        eta_d=np.full(count, 0.9), wear_per_kwh=np.zeros(count), minimum_kw=np.zeros(count),
    )  # fmt: skip
    for rows in (plain, plain.with_losses(LOSSES)):
        curves = curves_of(rows.part_load, rows.eta_c, rows.eta_d)
        high = np.minimum(rows.charge_kw, _ac_kw(rows, rows.ceiling_kwh - rows.energy_kwh, 1.0 / 60.0))
        for i in range(count):
            extra = () if curves is None else (curves, i)
            *_, top = envelope(
                rows.energy_kwh[i], rows.floor_kwh[i], rows.ceiling_kwh[i], rows.need_kwh[i], rows.steps_left[i],
                rows.charge_kw[i], rows.discharge_kw[i], rows.eta_c[i], rows.eta_d[i], 1.0 / 60.0, *extra,
            )  # fmt: skip
            assert high[i] == pytest.approx(top)


def curve_car(car):
    """A vehicle of the tests whose charger loses as the default curve says."""
    one = car(energy_kwh=30.0, reports_soc=True)

    def move(order_kw, seconds):
        hours = seconds / 3600.0
        power = min(max(order_kw, -10.0), one.charge_kw) if one.energy_kwh < one.capacity_kwh else min(order_kw, 0.0)
        one.energy_kwh += float(LOSSES.stored_kw(power)) * hours
        one.charged_kwh += max(0.0, power) * hours
        one.discharged_kwh += max(0.0, -power) * hours
        one.power_kw = power

    one.move = move
    return one


@pytest.mark.asyncio
@pytest.mark.parametrize("counted", [True, False])
async def test_a_live_estimate_follows_a_vehicle_that_charges_with_little_power(make_world, make_prices, car, counted):
    assumed = COUNTED if counted else VehicleAssumption()
    site = SiteSettings("site", import_hard_limit_kw=4.0, vehicle=replace(assumed, capacity_kwh=60.0))
    world = make_world(1, site=site, options=COARSE, load=2.4, prices=make_prices(lambda _: 0.2, lambda _: 0.0))
    await world.open()
    one = curve_car(car)
    world.plug(0, one, need=world.need(0, 12, soc=1.0))
    await world.tick(20)
    one.reports_soc = False  # it has said it once; from now on the energy moved tells
    began = world.loop.snapshot().image.evses[0].session.energy_kwh - one.energy_kwh
    await world.tick(480)
    session = world.loop.snapshot().image.evses[0].session
    drift = session.energy_kwh - one.energy_kwh - began
    assert one.energy_kwh > 33.0  # hours at about a seventh of the rating
    assert (abs(drift) < 0.05) == counted


@pytest.mark.asyncio
async def test_the_cold_takes_power_as_far_as_the_charger_can_offer_less(make_world, make_prices, car):
    winter = (-5.0,) * 12
    kinds = (BatteryKind("warm", ("car1",), celsius_by_month=(20.0,) * 12),)
    vehicle = VehicleAssumption(derating=Derating(), celsius_by_month=winter)
    site = SiteSettings("site", import_hard_limit_kw=60.0, vehicle=vehicle, batteries=kinds)
    world = make_world(
        2, site=site, options=COARSE, load=2.0, min_kw=4.1, prices=make_prices(lambda _: 0.2, lambda _: 0.0)
    )
    await world.open()
    for k in range(2):
        world.plug(k, car(energy_kwh=20.0), need=world.need(k, 14, soc=0.9))
    await world.tick(4)
    cold, warmed = (item.session for item in world.loop.snapshot().image.evses)
    assert cold.charge_kw == pytest.approx(4.1)  # an eighth of 11 kW is less than the charger can offer
    assert cold.discharge_kw == pytest.approx(0.65 * warmed.discharge_kw)
    assert warmed.charge_kw == 11.0


def test_twelve_temperatures_or_none():
    with pytest.raises(Exception, match="none or twelve"):
        VehicleAssumption(celsius_by_month=(20.0,))


def test_measured_losses_stand_before_the_default_ones():
    own = ChargerLosses(
        EfficiencyCurve.quadratic(7.0, 0.1, 0.02, 0.01), EfficiencyCurve.quadratic(7.0, 0.1, 0.02, 0.01)
    )
    assert VehicleAssumption(losses=own, losses_rated_kw=11.0).part_load is own
    assert VehicleAssumption().part_load is None


@pytest.mark.asyncio
async def test_plans_see_the_standby_of_those_who_are_ready_to_feed_back(
    make_world, make_prices, car, paper, monkeypatch
):
    site = SiteSettings("site", import_hard_limit_kw=60.0, export_limit_kw=20.0, vehicle=COUNTED)
    prices = make_prices(lambda hour: 0.9 if hour < 10 else 0.05, lambda hour: 0.8 if hour < 10 else 0.01)
    world = make_world(2, site=site, options=COARSE, load=2.0, prices=prices)
    world.store.paper = replace(paper, export_limit_kw=20.0)
    await world.open()
    for k in range(2):
        world.plug(k, car(energy_kwh=50.0), need=world.need(k, 14, soc=0.5, consent=k == 0))
    seen, asked = [], planner.decide

    def watched(view, *known, **more):
        seen.append(view.base_kw)
        return asked(view, *known, **more)

    monkeypatch.setattr(planner, "decide", watched)
    await world.tick(8)
    plan = world.loop.snapshot().plan
    extra = seen[-1] - plan.base_kw
    assert extra[0] == pytest.approx(LOSSES.standby_kw)  # of the one that may; the load expected stays the building's


@pytest.mark.asyncio
async def test_a_large_site_plans_while_the_kernels_of_converters_are_on_their_way(
    make_world, make_prices, car, monkeypatch
):
    site = SiteSettings("site", import_hard_limit_kw=300.0, vehicle=COUNTED)
    options = replace(COARSE, plan_in_thread=True)
    world = make_world(60, site=site, options=options, load=2.0, prices=make_prices(lambda _: 0.2, lambda _: 0.0))
    await world.open()
    for k in range(60):
        world.plug(k, car(energy_kwh=30.0), need=world.need(k, 14, soc=0.6))
    await world.tick(4)
    image = world.loop.snapshot().image
    ready, seen, asked = [False], [], planner.decide

    def watched(*known, **more):
        seen.append(known[1].part_load is not None)
        return asked(*known, **more)

    monkeypatch.setattr(planner, "converters_loaded", lambda: ready[0])
    monkeypatch.setattr(planner, "decide", watched)
    connected, _ = planner.connected_rows(image, image.now, 900.0, 0.0, LOSSES)
    view = planner.SiteView(0.25, np.full(8, 2.0), np.full(8, 0.2), np.zeros(8), (), import_hard_limit_kw=300.0)
    for now_ready in (False, True):
        ready[0] = now_ready
        plan = planner._decided(view, connected, options, (), None, image.now)
        assert plan.solution is not None
        assert plan.solution.status in {"optimal", "feasible"}
        assert ("converters" in plan.solution.solver) == now_ready
        assert now_ready or plan.solution.solver.startswith("HiGHS"), plan.solution.solver
    assert seen[0] is False
    assert seen[1] is True
    await world.loop.settled()


def test_the_kernels_of_converters_are_loaded_once(monkeypatch):
    calls = []
    monkeypatch.setattr(solve, "prepare_converters", lambda: calls.append("converters"))
    monkeypatch.setattr(engine, "prepare", lambda: calls.append("engine"))
    monkeypatch.setattr(warm, "_loaded", set())
    assert not warm.converters_loaded()
    warm.load_converters()
    warm.load_converters()
    assert warm.converters_loaded()
    assert calls == ["engine", "converters"]


def test_a_tick_with_losses_has_its_kernel_too():
    warm.load_kernels(part_load=True)
    assert warm.kernels_loaded(part_load=True)
