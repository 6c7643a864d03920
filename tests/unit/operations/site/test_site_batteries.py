"""Warranties at a live site: days, years, cycles and windows, counted over visits, restarts and New Year."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from bothways.adapters.bus.pictures import _light
from bothways.app.live.batteries import BatteryPart, battery_kinds
from bothways.app.live.config import config_from_mapping
from bothways.app.live.server import site_settings
from bothways.battery.models import MODELS
from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear import BatteryValue
from bothways.battery.wear_table import WearTable, wear_table
from bothways.domain.errors import DomainError, InputError
from bothways.operations.desk.views import evse_view
from bothways.operations.events import EvseKey, Sample
from bothways.operations.ports import TransactionRow
from bothways.operations.site.batteries import NOTHING, BatteryKind, KnownHealth, kind_of
from bothways.operations.site.planner import caps_of, connected_rows, make_plan
from bothways.operations.site.settings import LoopOptions, SiteSettings

COARSE = LoopOptions(
    tick_s=30.0, plan_in_thread=False, ramp_kw_per_min=6000.0, settle_s=2.0, meter_stale_s=60.0, clock_jump_s=90.0,
    sample_stale_s=180.0,
)  # fmt: skip


def row(station, name, token, begun, ended, out_kwh):
    return TransactionRow(station, name, 1, token, begun, ended, 20.0, out_kwh)


def kinds(**limits):
    return (BatteryKind("vans", ("car0",), (), WarrantyLimits(**limits)),)


@pytest.fixture
def dear(make_prices):
    """Prices at which everybody would feed back for the first two hours."""
    return make_prices(lambda hour: 0.9 if hour < 10 else 0.05, lambda hour: 0.8 if hour < 10 else 0.01)


async def opened(make_world, paper, dear, *, batteries=(), past=(), **changes):
    site = SiteSettings("site", import_hard_limit_kw=60.0, export_limit_kw=20.0, batteries=batteries, **changes)
    world = make_world(2, site=site, options=COARSE, load=2.0, prices=dear)
    world.store.paper = replace(paper, export_limit_kw=20.0)
    world.store.past = list(past)
    await world.open()
    return world


def sentence_of(world, k=0):
    return world.loop.snapshot().why_not_discharging[world.key(k)]


def image_of(world):
    return world.loop.snapshot().image


@pytest.mark.asyncio
async def test_a_maker_caps_the_day_where_the_driver_caps_nothing(make_world, car, paper, dear):
    world = await opened(make_world, paper, dear, batteries=kinds(kwh_per_day=3.0))
    capped, free = car(energy_kwh=50.0), car(energy_kwh=50.0)
    world.plug(0, capped, need=world.need(0, 14, soc=0.5, consent=True))
    world.plug(1, free, need=world.need(1, 14, soc=0.5, consent=True))
    await world.tick(240)
    assert 2.8 <= capped.discharged_kwh <= 3.05
    assert free.discharged_kwh > 4.0


@pytest.mark.asyncio
async def test_a_year_counts_what_was_fed_back_before_this_visit(make_world, car, paper, dear):
    earlier = datetime(2026, 2, 3, 18, tzinfo=UTC)
    past = [
        row("elsewhere", "a", "car0", earlier, earlier + timedelta(hours=9), 90.0),
        row("S1", "b", "car0", earlier - timedelta(days=60), earlier - timedelta(days=60), 500.0),  # last year
        row("S1", "c", "car1", earlier, earlier + timedelta(hours=9), 500.0),  # somebody else
    ]
    world = await opened(make_world, paper, dear, batteries=kinds(kwh_per_year=93.0), past=past)
    vehicle = car(energy_kwh=50.0)
    world.plug(0, vehicle, need=world.need(0, 14, soc=0.5, consent=True))
    await world.tick(240)
    session = image_of(world).evses[0].session
    assert session.returned_year_kwh == pytest.approx(93.0, abs=0.1)
    assert 2.8 <= vehicle.discharged_kwh <= 3.05
    assert "93 kWh that the battery's warranty permits this year" in sentence_of(world)


@pytest.mark.asyncio
async def test_cycles_a_year_are_of_the_least_capacity_that_it_may_have(make_world, car, paper, dear):
    world = await opened(make_world, paper, dear, batteries=kinds(cycles_per_year=2.0))
    world.plug(0, car(energy_kwh=50.0), need=world.need(0, 14, soc=0.5, consent=True))
    await world.tick(4)
    (item, _) = image_of(world).evses
    assert caps_of([item]).per_year_kwh[0] == pytest.approx(2.0 * item.session.capacity_kwh.low)


@pytest.mark.asyncio
async def test_a_second_visit_of_the_day_and_a_restart_have_no_second_cap(make_world, car, paper, dear):
    world = await opened(make_world, paper, dear, batteries=kinds(kwh_per_day=4.0))
    vehicle = car(energy_kwh=50.0)
    point = world.plug(0, vehicle, need=world.need(0, 14, soc=0.5, consent=True))
    begun = world.clock.now()
    await world.tick(60)
    first = vehicle.discharged_kwh
    assert 0.3 < first < 3.5
    # restarted in the middle of the visit: the store knows what its registers showed
    name = point.transaction
    world.store.open = [row("S0", name, "car0", begun, None, first)]
    register = (EvseKey("S0", 1), "Energy.Active.Export.Register")
    world.store.sample_rows[register] = [
        Sample(begun, register[1], 10.0, "kWh"), Sample(world.clock.now(), register[1], 10.0 + first, "kWh")
    ]  # fmt: skip
    world.loop = world.new_loop()
    await world.open()
    session_before = await _counted(world)
    assert session_before.returned_today_kwh == pytest.approx(first, abs=0.2)
    await world.tick(60)
    # plugged out and in again: a visit of its own
    world.unplug(0)
    world.store.open = []
    world.store.past = [row("S0", name, "car0", begun, world.clock.now(), vehicle.discharged_kwh)]
    world.plug(0, vehicle, need=world.need(0, 12, soc=0.5, consent=True))
    await world.tick(240)
    assert 3.7 <= vehicle.discharged_kwh <= 4.1


async def _counted(world):
    for _ in range(6):
        await world.tick(1)
        session = image_of(world).evses[0].session
        if session.counted:
            return session
    raise AssertionError("never counted")


@pytest.mark.asyncio
async def test_what_reaches_over_midnight_and_new_year_is_cut_by_its_register(make_world, car, paper, make_prices):
    begun = datetime(2026, 12, 30, 12, tzinfo=UTC)
    start = datetime(2027, 1, 1, 10, tzinfo=UTC)
    site = SiteSettings("site", tz="Europe/Berlin", batteries=kinds(kwh_per_year=50.0))
    world = make_world(1, site=site, options=COARSE, start=start, prices=make_prices(lambda hour: 0.3))
    world.store.past = [row("S9", "x", "car0", begun, start - timedelta(hours=1), 30.0)]
    name = "Energy.Active.Export.Register"
    new_year = datetime(2026, 12, 31, 23, tzinfo=UTC)  # local midnight
    world.store.sample_rows[EvseKey("S9", 1), name] = [
        Sample(begun, name, 100.0, "kWh"), Sample(new_year - timedelta(minutes=1), name, 118.0, "kWh"),
        Sample(start - timedelta(hours=1), name, 130.0, "kWh"),
    ]  # fmt: skip
    await world.open()
    world.plug(0, car(), need=world.need(0, 12, soc=0.5, consent=True))
    session = await _counted(world)
    assert session.returned_year_kwh == pytest.approx(12.0)
    assert session.returned_today_kwh == pytest.approx(12.0)
    world.store.sample_rows.clear()  # without a register the whole of it counts
    other = make_world(1, site=world.settings, options=COARSE, start=start, store=world.store)
    await other.open()
    other.plug(0, car(), need=other.need(0, 12, soc=0.5, consent=True))
    assert (await _counted(other)).returned_year_kwh == pytest.approx(30.0)


@pytest.mark.asyncio
async def test_until_the_store_has_said_it_a_capped_vehicle_is_not_discharged(make_world, car, paper, dear):
    world = await opened(make_world, paper, dear, batteries=kinds(kwh_per_year=500.0))
    world.store.broken = True
    capped, free = car(energy_kwh=50.0), car(energy_kwh=50.0)
    world.plug(0, capped, need=world.need(0, 14, soc=0.5, consent=True))
    world.plug(1, free, need=world.need(1, 14, soc=0.5, consent=True))
    await world.tick(30)
    assert capped.discharged_kwh == 0.0
    assert free.discharged_kwh > 0.5
    assert "not been read" in sentence_of(world)
    world.store.broken = False
    await world.tick(60)
    assert capped.discharged_kwh > 0.5


@pytest.mark.asyncio
async def test_the_window_keeps_from_discharging_below_and_from_charging_above_for_it(make_world, car, paper, dear):
    world = await opened(make_world, paper, dear, batteries=kinds(soc_min=0.5, soc_max=0.7))
    low, owed = car(energy_kwh=40.0), car(energy_kwh=40.0)
    world.plug(0, low, need=world.need(0, 14, soc=0.6, consent=True, floor=0.2))
    world.plug(1, owed, need=world.need(1, 14, soc=0.9, consent=True, floor=0.2))
    await world.tick(4)
    image = image_of(world)
    rows, _ = connected_rows(image, image.now, 900.0, 0.0)
    assert rows.floor_kwh[0] >= 30.0 - 1e-9
    assert rows.ceiling_kwh[0] == pytest.approx(42.0)
    assert rows.ceiling_kwh[1] > 50.0
    assert rows.need_kwh[0] == pytest.approx(36.0)
    await world.tick(400)
    assert low.energy_kwh >= 30.0 - 0.1
    below = car(energy_kwh=20.0)
    world.unplug(0)
    world.plug(0, below, need=world.need(0, 3, soc=0.35, consent=True, floor=0.2))
    await world.tick(4)
    assert "warranty lets nobody feed back below 50 %" in sentence_of(world)


@pytest.mark.asyncio
async def test_each_kind_has_its_price_of_wear_by_month_and_charge_and_the_credit_reaches_the_plan(
    make_world, car, paper, dear, monkeypatch
):
    prices = np.zeros((12, 10))
    prices[5] = np.arange(10) / 100.0  # June
    batteries = (BatteryKind("vans", ("car0",), wear=WearTable(prices)),)
    world = await opened(
        make_world, paper, dear, batteries=batteries, wear_per_kwh=0.5, resting_per_kwh_h=0.004
    )  # fmt: skip
    world.plug(0, car(energy_kwh=39.0), need=world.need(0, 14, soc=0.6, consent=True))
    world.plug(1, car(energy_kwh=39.0), need=world.need(1, 14, soc=0.6, consent=True))
    seen = []
    from bothways.operations.site import planner  # noqa: PLC0415 - the module whose function is watched

    asked = planner.decide
    monkeypatch.setattr(planner, "decide", lambda site, *rest: seen.append(site) or asked(site, *rest))
    await world.tick(4)
    image = image_of(world)
    rows, _ = connected_rows(image, image.now, 900.0, world.settings.wear_per_kwh)
    assert rows.wear_per_kwh.tolist() == [0.06, 0.5]
    assert {site.resting_per_kwh_h for site in seen} == {0.004}
    assert make_plan is planner.make_plan


def test_the_first_kind_that_names_a_vehicle_holds_and_unnamed_ones_go_by_their_station():
    a, b = BatteryKind("a", ("van-*",)), BatteryKind("b", ("van-1", "x"), ("S*",))
    assert kind_of((a, b), "van-1", "S1") is a
    assert kind_of((a, b), "x", "T1") is b
    assert kind_of((a, b), "", "S1") is b
    assert kind_of((a, b), "", "T1") is NOTHING
    assert kind_of((), "van-1", "S1") is NOTHING
    assert math.isinf(NOTHING.limits.kwh_per_day)
    with pytest.raises(DomainError, match="which ones"):
        BatteryKind("nobody")


def test_the_configuration_makes_kinds():
    warranty = {"kwh_per_year": 500, "soc_min": 0.2, "source": "the booklet"}
    parts = [
        BatteryPart(name="vans", vehicles=["van-*"], cell="lfp-sony", replacement_per_kwh=120, residual_per_kwh=40,
                    temperature_c=15, source="an offer", warranty=warranty),
        BatteryPart(name="given", chargers=["S1"], wear_per_kwh=0.05, source="the contract"),
        BatteryPart(name="plain", vehicles=["x"], source="nobody"),
    ]  # fmt: skip
    vans, given, plain = battery_kinds(parts, 0.9)
    assert (vans.limits.kwh_per_year, vans.limits.soc_min, vans.limits.soc_max) == (500.0, 0.2, 1.0)
    own = wear_table(
        [MODELS["lfp-sony"]], BatteryValue(120.0, 40.0), temperature_c=[15.0] * 12, discharge_efficiency=0.9
    )
    assert vans.wear.price(1, 0.5) == pytest.approx(own.price(1, 0.5))
    assert given.wear.price(7, 0.3) == 0.05
    assert given.stations == ("S1",)
    assert (plain.wear, plain.limits) == (None, WarrantyLimits())
    with pytest.raises(ValueError, match="293 K is 19.85 °C"):  # noqa: RUF043 - dots are dots here
        BatteryPart(name="x", vehicles=["x"], temperature_c=293, source="abc")


def test_a_configured_site_has_its_kinds_of_batteries():
    table = {
        "site": [
            {
                "id": "depot", "tz": "Europe/Amsterdam", "prices": {"import_per_kwh": 0.3}, "resting_per_kwh_h": 0.001,
                "battery": [
                    {"name": "vans", "vehicles": ["van-*"], "wear_per_kwh": 0.04, "source": "the contract",
                     "warranty": {"cycles_per_year": 50, "source": "the booklet"}},
                ],
            }
        ]
    }  # fmt: skip
    settings = site_settings(config_from_mapping(table, {}, at="site.toml").site[0])
    (vans,) = settings.batteries
    assert settings.resting_per_kwh_h == 0.001
    assert (vans.vehicles, vans.limits.cycles_per_year, vans.wear.price(3, 0.4)) == (("van-*",), 50.0, 0.04)
    table["site"][0]["battery"][0]["cell"] = "lead"
    with pytest.raises(InputError, match="lfp-sony"):
        config_from_mapping(table, {}, at="site.toml")


@pytest.mark.asyncio
async def test_a_record_of_state_of_health_is_what_the_planner_counts_with(make_world, car, paper, dear):
    worn = KnownHealth(48.0, 46.0, 50.0, 0.8, date(2026, 5, 30), WearTable.flat(0.01))
    kind = BatteryKind(
        "vans", ("car*",), wear=WearTable.flat(0.03), basis="assumed: two years old", records={"car0": worn}
    )
    world = await opened(make_world, paper, dear, batteries=(kind,))
    for k in range(2):
        world.plug(k, car(energy_kwh=30.0, reports_soc=False), need=world.need(k, 14, kwh=5.0, consent=True))
    await world.tick(4)
    image = image_of(world)
    rows, _ = connected_rows(image, image.now, 900.0, 0.0)
    assert rows.wear_per_kwh.tolist() == [0.01, 0.03]
    assert image.evses[0].session.capacity_kwh.value == 48.0
    views = [evse_view(item, world.loop.snapshot(), holders=True).session for item in image.evses]
    assert [view.wear_per_kwh for view in views] == [0.01, 0.03]
    assert views[0].wear_from == "its record of state of health: 80.0% of new capacity on 2026-05-30"
    assert views[0].capacity_from == "of its record of state of health"
    assert views[1].wear_from == "assumed: two years old"
    light = _light(image).evses[0].session
    assert (light.battery.wear, light.battery.records) == (None, {})  # the tables do not travel, the price does
    assert light.wear_per_kwh == 0.01
