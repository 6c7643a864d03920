"""Vehicles in an outage: records, reserves, leaving, calling in, chargers; against sums done by hand."""

from datetime import date, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import BatteryAssumption, apply
from bothways.mobility.sessions import session_table
from bothways.resilience.fleet import WEEK_H, CalledIn, Departure, Fleet, Kind, Record, Shuttle, record_of
from bothways.resilience.site import Site, Store, Tier
from bothways.resilience.survival import follow, starts_of
from bothways.resilience.value import backup_value

T = 8760
GRID = TimeGrid.for_days(date(2025, 1, 1), date(2025, 12, 31), timedelta(hours=1), "UTC")
STARTS = starts_of(GRID, 97)


def record(kwh, vehicles=1, hours=None):
    """Plugged in all week with ``kwh``, or only in the given hours of the week."""
    stored = np.full((WEEK_H, vehicles), -1.0, dtype=np.float32)
    inside = np.arange(WEEK_H) if hours is None else np.asarray(hours)
    stored[inside] = kwh
    there = stored[:, 0] >= 0
    until = np.zeros((WEEK_H, vehicles), dtype=np.int32)
    for t in range(WEEK_H):
        run = 1
        while run < WEEK_H and there[(t + run) % WEEK_H] == there[t]:
            run += 1
        until[t] = run
    return Record(stored, until)


def car(kwh=60.0, vehicles=1, hours=None, **more):
    given = {"capacity_kwh": 60.0, "discharge_kw": 10.0, "discharge_efficiency": 1.0, "charge_efficiency": 1.0, **more}
    return Kind("car", vehicles, record=record(kwh, vehicles, hours), **given)


def site(kw=2.0, **more):
    return Site((Tier("all", 1, np.full(T, kw), voll_per_kwh=3.0),), np.zeros(T), **more)


def hours_of(fleet, kw=2.0, **more):
    answer = follow(site(kw), STARTS, fleet=fleet, horizon=72, draws=5, account=False, **more)
    assert np.ptp(answer.survived, axis=0).max() == 0.0 or more
    return answer.hours_at(0.999)


def test_a_car_gives_what_lies_above_its_reserve():
    assert hours_of(Fleet((car(),))) == 30
    assert hours_of(Fleet((car(soc_floor=0.2),))) == 24
    kept = car(soc_floor=0.2, evacuation_km=100.0, kwh_per_km=0.2)
    assert hours_of(Fleet((kept,), cold_months=())) == 20
    cold = Fleet((car(evacuation_km=100.0, kwh_per_km=0.2, cold_factor=1.5),), cold_months=tuple(range(1, 13)))
    assert hours_of(cold) == 15
    assert hours_of(Fleet((car(discharge_efficiency=0.9),))) == 27


def test_power_is_that_of_vehicles_or_chargers_whichever_are_fewer():
    assert hours_of(Fleet((car(vehicles=3, chargers=1),)), kw=10.0) == 18  # plugs are moved: all energy, one power
    assert hours_of(Fleet((car(vehicles=3, chargers=1),)), kw=10.1) == 0
    assert hours_of(Fleet((car(vehicles=3),)), kw=30.0) == 6
    assert hours_of(Fleet((car(chargers=0),))) == 0


def test_presence_is_the_chance_of_the_first_hour():
    hours = [day * 24 + h for day in range(7) for h in range(18, 24)]
    answer = follow(site(), STARTS, fleet=Fleet((car(hours=hours),)), horizon=2, draws=3)
    there = (STARTS.day_hour >= 18).astype(float)
    np.testing.assert_allclose(answer.survived[:, 0], there)
    np.testing.assert_allclose(answer.survived[:, 1], there * (STARTS.day_hour < 23))  # it leaves at midnight


def test_a_car_that_leaves_takes_its_energy_and_brings_back_what_is_declared():
    hours = [day * 24 + h for day in range(7) for h in range(24) if h != 12]  # away from 12 to 13 each day
    ten = STARTS.select(STARTS.day_hour == 10)
    battery = Store(10.0, 10.0, 1.0, 1.0, availability=1.0)

    def carried(**more):
        fleet = Fleet((car(kwh=30.0, hours=hours, **more),))
        return follow(site(5.0, store=battery), ten, fleet=fleet, horizon=30, draws=4, account=False).hours_at(0.99)

    # 40 kWh, 10 used by noon, 30 left of which the car takes three quarters: 7.5 stay for one hour at 5 kW, 2.5 left;
    # it returns with its usual 30 kWh: 32.5 last 6 hours more
    assert carried() == 2 + 1 + 6
    assert carried(outside=0.0) == 2 + 1
    assert carried(goes=0.0) == 8


def test_everyone_leaves_at_once_with_the_common_cause():
    fleet = Fleet((car(vehicles=4),), Departure(0.25, 1.0, 3))
    answer = follow(site(), STARTS, fleet=fleet, horizon=10, draws=400)
    assert answer.at(3) == pytest.approx(1.0)
    assert answer.at(4) == pytest.approx(0.75, abs=0.01)  # all four or none: not 1 − 0.25⁴


def test_compliance_and_charger_failure_are_chances():
    half = follow(site(), STARTS, fleet=Fleet((car(compliance=0.5),)), horizon=2, draws=400)
    assert half.at(1) == pytest.approx(0.5, abs=0.01)
    broken = car(charger_availability=0.9, charger_mttf_h=20.0)
    answer = follow(site(), STARTS, fleet=Fleet((broken,)), horizon=12, draws=400)
    assert answer.at(10) == pytest.approx(0.9 * np.exp(-10.0 / 20.0), abs=0.01)


def test_called_in_buses_come_late_and_some_do_not():
    bus = Kind("bus", 1, 100.0, 50.0, called=CalledIn(0.8, 3, 0, 80.0), discharge_efficiency=1.0)
    battery = Store(6.0, 10.0, 1.0, 1.0, availability=1.0)
    answer = follow(site(store=battery), STARTS, fleet=Fleet((bus,)), horizon=60, draws=400)
    assert answer.at(3) == pytest.approx(1.0)
    assert answer.at(4) == pytest.approx(0.8, abs=0.01)
    assert answer.at(43) == pytest.approx(0.8, abs=0.01)
    assert answer.at(44) == 0.0


def test_called_in_buses_are_ordered_away_too():
    bus = Kind("bus", 1, 100.0, 50.0, called=CalledIn(1.0, 0, 0, 80.0), discharge_efficiency=1.0)
    answer = follow(site(), STARTS, fleet=Fleet((bus,), Departure(1.0, 1.0, 6)), horizon=12, draws=3)
    assert answer.hours_at(0.99) == 6


def test_a_shuttle_brings_energy_again_and_again():
    kind = car(kwh=30.0, shuttle=Shuttle(stay_h=5, away_h=2, return_kwh=40.0))
    battery = Store(20.0, 20.0, 1.0, 1.0, availability=1.0)
    without = follow(site(store=battery), STARTS, horizon=72, account=False).hours_at(0.99)
    with_it = follow(site(store=battery), STARTS, fleet=Fleet((kind,)), horizon=72, draws=3, account=False)
    assert without == 10
    assert with_it.at(72) == 1.0


def test_sessions_become_a_record_of_whole_weeks():
    monday = 1_735_689_600 + 5 * 86_400  # 2025-01-06 00:00 UTC
    arrival = [monday + 18 * 3600 + 1800 + day * 86_400 for day in range(14)]
    departure = [at + 12 * 3600 for at in arrival]
    table = session_table(
        [f"s{n}" for n in range(14)], ["1"] * 14, arrival, departure, [10.0] * 14, soc_at_arrival=[0.5] * 14
    )  # fmt: skip
    battery = BatteryAssumption("car", 40.0, 0.5, 0.1, 5.0, 5.0, 1.0, 1.0, "test")
    found = record_of(table, apply(table, battery), "UTC", table.evse_id)
    assert found.weeks == 2
    day = found.stored_kwh[24:48, 0]
    assert list(day[:6]) == [30.0] * 6  # arrived at 18:30 with 20 kWh, ten more by 20:30, gone at 6:30
    assert list(day[6:19]) == [-1.0] * 13
    assert list(day[19:22]) == [22.5, 27.5, 30.0]
    assert found.until_h[24 + 19, 0] == 11
    assert found.until_h[24 + 6, 0] == 13


def test_backup_is_worth_what_presence_leaves_of_it():
    hours = [day * 24 + h for day in range(7) for h in range(18, 24)]
    fleet = Fleet((car(hours=hours),))
    found = backup_value(site(), fleet, STARTS, outages_per_year=2.0, outage_h=[(1, 0.5), (4, 0.5)], draws=3)
    there = float((STARTS.day_hour >= 18).mean())
    assert found.if_always_there == pytest.approx(2.0 * 3.0 * (0.5 * 2.0 + 0.5 * 8.0))
    assert 0.0 < found.per_year < found.if_always_there
    one_hour = backup_value(site(), fleet, STARTS, outages_per_year=1.0, outage_h=[(1, 1.0)], draws=3)
    assert one_hour.per_year == pytest.approx(there * 2.0 * 3.0)
    assert one_hour.presence_factor == pytest.approx(there)
    with pytest.raises(DomainError, match="sum to 1"):
        backup_value(site(), fleet, STARTS, outages_per_year=1.0, outage_h=[(1, 0.5)])


def test_numbers_out_of_range_are_refused():
    for more in ({"soc_floor": 1.1}, {"compliance": float("nan")}, {"capacity_kwh": -1.0}):
        with pytest.raises(DomainError):
            car(**more)
    with pytest.raises(DomainError, match="either a record"):
        Kind("x", 1, 60.0, 10.0)
