"""What a site saved: hand-computed periods, and the same from a store with transactions, readings and records."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.adapters.db.memory import MemoryStore
from bothways.battery.wear_table import WearTable
from bothways.economics.counterfactual import MeteredStay
from bothways.operations.access.roles import Actor, Grant, Role
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.saved import Step, saved_period
from bothways.operations.desk.savings import savings_of
from bothways.operations.events import Sample, TransactionChanged
from bothways.operations.site.batteries import BatteryKind
from bothways.operations.site.settings import SiteSettings
from bothways.operations.stations import EvseRecord, StationRecord
from bothways.tariffs.structure import DemandCharges, DemandTier, EnergyTier, Tariff

MIDNIGHT = datetime(2026, 6, 10, tzinfo=UTC)
FAIR = Actor("a1", "Mia", (Grant(Role.SITE_OPERATOR, "site:house"),))


def at(hours):
    return MIDNIGHT + timedelta(hours=hours)


def _steps(begin, end, base_kwh=1.0, *, car_from=None, car_until=None, cheap_from=3, co2=True):
    """Steps of a building that takes 4 kW; the car takes 8 kW in its hours; night after three is cheap."""
    steps = []
    for quarter in range(int(begin * 4), int(end * 4)):
        hour = quarter / 4
        car = 2.0 if car_from is not None and car_from <= hour < car_until else 0.0
        price = 0.10 if hour >= cheap_from else 0.30
        start = int(at(hour).timestamp())
        steps.append(Step(start, 900.0, base_kwh + car, price, 0.05, 0.2 if price < 0.2 else 0.5) if co2
                     else Step(start, 900.0, base_kwh + car))  # fmt: skip
    return steps


# in from 22:00 the evening before to 07:00, charged with 8 kW from 03:00 to 05:00: 16 kWh
STAY = MeteredStay(at(-2), at(7), 8.0, [(at(3), 100.0), (at(5), 116.0)])


def test_a_night_that_waited_for_the_cheap_hours():
    steps = _steps(-2, 7, car_from=3, car_until=5)
    made = saved_period("today", MIDNIGHT, at(7), [STAY], steps, SiteSettings("house"))
    assert (made.stays, made.charged_kwh, made.discharged_kwh) == (1, 16.0, 0.0)
    assert made.saved == pytest.approx(16 * (0.30 - 0.10))
    assert made.co2_saved_kg == pytest.approx(16 * (0.5 - 0.2))
    assert (made.peak_kw, made.uncontrolled_peak_kw) == (12.0, 12.0)
    assert made.metered_share == 1.0
    assert set(made.assumptions) == {"same-energy", "open-stays", "no-demand-charge", "average-carbon"}


def test_a_months_bill_counts_the_peak_that_was_avoided():
    demand = DemandCharges(periods=((DemandTier(10.0),),))
    tariff = Tariff(energy=((EnergyTier(0.2),),), flat_demand=demand, currency="EUR", timezone="UTC")
    steps = _steps(-2, 7, car_from=3, car_until=5)
    busy = [Step(s.start_s, 900.0, s.net_kwh + (2.0 if s.start_s < at(0).timestamp() else 0.0)) for s in steps]
    made = saved_period("month", MIDNIGHT.replace(day=1), at(7), [STAY], busy, SiteSettings("house", tariff=tariff))
    assert (made.peak_kw, made.uncontrolled_peak_kw) == (12.0, 20.0)
    assert made.saved == pytest.approx(10.0 * (20.0 - 12.0), abs=0.01)
    assert {"month-so-far", "unmetered", "whole-stays"} <= set(made.assumptions)


def test_discharging_costs_its_wear_and_is_not_charged_back_without_control():
    back = MeteredStay(at(-2), at(7), 8.0, [(at(3), 0.0), (at(4), 8.1)], [(at(0), 0.0), (at(1), 8.1 * 0.81)])
    steps = [Step(int(at(q / 4).timestamp()), 900.0, 0.0, 0.10 if q >= 8 else 0.5, 0.4) for q in range(-8, 28)]
    for q, energy in ((0, -8.1 * 0.81 / 4), (12, 8.1 / 4)):
        for k in range(4):
            old = steps[8 + q + k]
            steps[8 + q + k] = Step(old.start_s, 900.0, energy, old.import_price, old.export_price)
    made = saved_period("today", MIDNIGHT, at(7), [back], steps, SiteSettings("house", wear_per_kwh=0.03))
    sold, bought = 8.1 * 0.81 * 0.4, 8.1 * 0.10
    assert made.uncontrolled_cost == pytest.approx(0.0, abs=1e-6)
    assert made.wear == pytest.approx(8.1 * 0.81 * 0.03, abs=1e-3)
    assert made.saved == pytest.approx(sold - bought - made.wear, abs=1e-3)


def test_without_prices_emissions_or_a_meter_nothing_is_made_up():
    made = saved_period("today", MIDNIGHT, at(7), [STAY], _steps(-2, 7, co2=False), SiteSettings("house"))
    assert (made.cost, made.uncontrolled_cost, made.saved, made.co2_kg, made.co2_saved_kg) == (None,) * 5
    blind = saved_period("today", MIDNIGHT, at(7), [STAY], [], SiteSettings("house"))
    assert (blind.peak_kw, blind.metered_share, blind.charged_kwh) == (None, 0.0, 16.0)
    empty = saved_period("today", MIDNIGHT, MIDNIGHT, [], [], SiteSettings("house"))
    assert (empty.stays, empty.charged_kwh, empty.saved) == (0, 0.0, None)


def _register(hours, value):
    return Sample(at(hours), "Energy.Active.Import.Register", value, "kWh")


async def _lived():
    store = MemoryStore()
    await store.add_station(StationRecord("CP-1", "house", (EvseRecord(1, 8.0),)), "x")
    await store.add_station(StationRecord("CP-9", "mill", (EvseRecord(1, 8.0),)), "x")
    for station, shift in (("CP-1", 0.0), ("CP-9", 500.0)):
        for seq, (kind, hour, value) in enumerate(
            [("started", -2, 100.0), ("updated", 3, 100.0), ("updated", 5, 116.0), ("ended", 7, 116.0)]
        ):
            await store.append(TransactionChanged(
                station_id=station, at=at(hour), received_at=at(hour), kind=kind, transaction_id="t1", evse_id=1,
                seq_no=seq, id_token="T-1", samples=(_register(hour, value + shift),),
            ))  # fmt: skip
    for step in _steps(-2, 7, car_from=3, car_until=5):
        detail = {"step": step.start_s // 900, "seconds": 900, "import_kwh": step.net_kwh, "export_kwh": 0.0,
                  "import_price": step.import_price, "export_price": 0.05, "co2_kg_per_kwh": step.co2}  # fmt: skip
        await store.note("site interval", "house", at(7), detail)
    await store.note("site interval", "house", at(7), {"step": 1, "import_kwh": 1.0})  # of an earlier version
    settings = SiteSettings("house", currency="EUR")
    plan = SimpleNamespace(offset=lambda _: 0, import_price=[0.25], export_price=[0.05])
    snapshot = SimpleNamespace(plan=plan, price_source="a file", carbon_kg_per_kwh=0.3)
    control = SimpleNamespace(site=settings, snapshot=lambda: snapshot)
    clock = SimpleNamespace(now=lambda: at(8))
    return Desk({"house": control}, store, store, SimpleNamespace(connected=frozenset), clock), store


@pytest.mark.asyncio
async def test_from_the_store_the_same_is_found_and_kept_for_a_while():
    desk, store = await _lived()
    savings = savings_of(desk)
    assert savings_of(desk) is savings
    first, second = await asyncio.gather(savings.saved(FAIR, "house"), savings.saved(FAIR, "house"))
    assert first is second
    assert (first.currency, first.today.stays, first.month.stays) == ("EUR", 1, 1)
    assert first.today.saved == pytest.approx(3.2)
    assert first.month.saved == pytest.approx(3.2)
    asked = []
    store.transactions = lambda **_: asked.append(1)
    assert await savings.saved(FAIR, "house") is first
    assert asked == []


@pytest.mark.asyncio
async def test_the_price_now_names_its_source_and_strangers_see_nothing():
    desk, _ = await _lived()
    price = savings_of(desk).price(FAIR, "house")
    assert (price.currency, price.source, price.import_price, price.co2_kg_per_kwh) == ("EUR", "a file", 0.25, 0.3)
    stranger = Actor("a2", "Bo", (Grant(Role.SITE_OPERATOR, "site:mill"),))
    with pytest.raises(Unknown):
        savings_of(desk).price(stranger, "house")
    with pytest.raises(Unknown):
        await savings_of(desk).saved(stranger, "house")


def test_a_battery_of_its_own_kind_is_worn_at_its_own_price():
    kind = BatteryKind("vans", ("van-*",), wear=WearTable.flat(0.02))
    site = SiteSettings("house", wear_per_kwh=0.05, batteries=(kind,))
    assert site.wear_of("van-3", "S1", MIDNIGHT) == 0.02
    assert site.wear_of("car", "S1", MIDNIGHT) == 0.05
    readings = [(at(0), 0.0), (at(1), 4.0)]
    stays = [
        MeteredStay(at(-2), at(7), 8.0, (), readings, site.wear_of("van-3", "S1", MIDNIGHT)),
        MeteredStay(at(-2), at(7), 8.0, (), readings),
    ]
    assert saved_period("today", MIDNIGHT, at(7), stays, [], site).wear == pytest.approx(4.0 * (0.02 + 0.05))
