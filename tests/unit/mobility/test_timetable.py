"""Habits become sessions: days of every length, seeds, chains that add up."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.mobility.assumptions import MIN_SOC, BatteryAssumption, apply
from bothways.mobility.sessions import SessionTable
from bothways.mobility.timetable import Habit, sessions_from_timetable

CAR = BatteryAssumption("car", 40.0, 0.5, 0.2, 7.0, 5.0, 0.9, 0.9, "a catalogue")
EXACT = Habit("car", CAR, leaves_spread_h=0.0, returns_spread_h=0.0, energy_spread=0.0, weekend_trip_share=0.0)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def made(habits: Habit | list[Habit], first: date, last: date, seed: int = 1, **options) -> SessionTable:
    return sessions_from_timetable(habits, first, last, "Europe/Amsterdam", np.random.default_rng(seed), **options)


def wall(epoch_s: int) -> str:
    return datetime.fromtimestamp(int(epoch_s), tz=UTC).astimezone(AMSTERDAM).strftime("%a %H:%M")


def test_a_week_without_any_spread() -> None:
    table = made(EXACT, date(2024, 6, 3), date(2024, 6, 9))
    assert [wall(t) for t in table.arrival_s] == [
        "Mon 00:00",
        *[f"{d} 17:30" for d in ("Mon", "Tue", "Wed", "Thu", "Fri")],
    ]
    assert [wall(t) for t in table.departure_s] == [
        *[f"{d} 08:00" for d in ("Mon", "Tue", "Wed", "Thu", "Fri")], "Mon 00:00"
    ]  # fmt: skip
    np.testing.assert_allclose(table.soc_at_arrival, [0.8] + [0.8 - 6.0 / 40.0] * 5)
    np.testing.assert_allclose(table.requested_kwh, [0.0] + [6.0 / 0.9] * 5)
    np.testing.assert_allclose(table.delivered_kwh, table.requested_kwh)
    assert table.has_energy_since_last_session.tolist() == [False] + [True] * 5
    np.testing.assert_allclose(table.energy_since_last_session_kwh, [0.0] + [6.0] * 5)
    assert wall(table.declared_departure_s[-1]) == "Mon 08:00"
    assert table.has_declared_departure.all()
    assert set(table.evse_id) == {"EVSE car 1"}
    assert set(table.vehicle_id) == {"car 1"}


@pytest.mark.parametrize(
    ("first", "last"), [(date(2024, 3, 29), date(2024, 4, 2)), (date(2024, 10, 25), date(2024, 10, 29))]
)
def test_the_clock_changes_but_not_the_habit(first: date, last: date) -> None:
    table = made(replace(EXACT, weekend_trip_share=1.0, weekend_leaves_h=8.0, weekend_returns_h=17.5), first, last)
    assert {wall(t)[4:] for t in table.arrival_s[1:]} == {"17:30"}
    assert {wall(t)[4:] for t in table.departure_s[:-1]} == {"08:00"}
    hours = sorted(set(table.stay_h[1:-1].round(6).tolist()))
    assert hours in ([13.5, 14.5], [14.5, 15.5])


def test_a_time_that_does_not_exist_moves_with_the_clock() -> None:
    night = replace(EXACT, weekend_trip_share=1.0, weekend_leaves_h=2.5, weekend_returns_h=12.0)
    table = made(night, date(2024, 3, 31), date(2024, 3, 31))
    assert [wall(t) for t in table.departure_s] == ["Sun 03:30", "Mon 00:00"]


def test_night_shifts_return_the_next_day() -> None:
    table = made(replace(EXACT, leaves_h=22.0, returns_h=6.0), date(2024, 6, 3), date(2024, 6, 9))
    assert [wall(t) for t in table.arrival_s][1:] == [f"{d} 06:00" for d in ("Tue", "Wed", "Thu", "Fri", "Sat")]
    assert [wall(t) for t in table.departure_s][:-1] == [f"{d} 22:00" for d in ("Mon", "Tue", "Wed", "Thu", "Fri")]


def test_seeds_shares_and_spreads() -> None:
    habit = replace(Habit("car", CAR, count=50), weekday_trip_share=0.6, weekend_trip_share=0.2)
    one, two = made(habit, date(2024, 1, 1), date(2024, 12, 31)), made(habit, date(2024, 1, 1), date(2024, 12, 31))
    np.testing.assert_array_equal(one.arrival_s, two.arrival_s)
    np.testing.assert_array_equal(one.delivered_kwh, two.delivered_kwh)
    other = made(habit, date(2024, 1, 1), date(2024, 12, 31), seed=2)
    assert not np.array_equal(one.departure_s[:50], other.departure_s[:50])
    trips = one.has_energy_since_last_session
    days = one.arrival_s[trips] // 86_400
    weekend = (days + 3) % 7 >= 5
    assert (~weekend).sum() / (50 * 262) == pytest.approx(0.6, abs=0.015)
    assert weekend.sum() / (50 * 104) == pytest.approx(0.2, abs=0.02)
    local_h = np.array([int(wall(t)[4:6]) + int(wall(t)[7:]) / 60 for t in one.arrival_s[trips][~weekend]])
    assert local_h.mean() == pytest.approx(17.5, abs=0.03)
    assert local_h.std() == pytest.approx(0.5, abs=0.03)
    used = one.energy_since_last_session_kwh[trips]
    assert used.mean() == pytest.approx(6.0, rel=0.02)
    assert used.std() == pytest.approx(1.8, rel=0.05)


def test_energy_is_conserved_along_every_chain() -> None:
    far = Habit(
        "van", replace(CAR, charge_kw=1.0), count=20, weekday_energy_kwh=25.0, energy_spread=0.5, plug_in_share=0.7
    )
    table = made(far, date(2024, 1, 1), date(2024, 3, 31))
    assert (table.soc_at_arrival >= MIN_SOC - 1e-12).all()
    assert (table.delivered_kwh <= 1.0 * table.stay_h + 1e-9).all()
    assert (table.delivered_kwh < table.requested_kwh - 1e-9).any()
    for vehicle in set(table.vehicle_id):
        mine = table.select(np.array([name == vehicle for name in table.vehicle_id]))
        arrival = mine.soc_at_arrival * 40.0
        left = arrival + mine.delivered_kwh * 0.9
        np.testing.assert_allclose(left[:-1] - mine.energy_since_last_session_kwh[1:], arrival[1:], atol=1e-9)
        assert (mine.arrival_s[1:] > mine.departure_s[:-1]).all()


def test_shared_chargers_serve_who_comes_first() -> None:
    fleet = replace(EXACT, count=3, evse_ids=("A", "B"))
    table = made(
        [fleet, replace(EXACT, name="late", returns_h=18.0, evse_ids=("A", "B"))], date(2024, 6, 3), date(2024, 6, 4)
    )
    assert set(table.evse_id) == {"A", "B"}
    assert "late 1" not in table.vehicle_id
    for evse in ("A", "B"):
        mine = table.select(np.array([name == evse for name in table.evse_id]))
        assert (mine.arrival_s[1:] >= mine.departure_s[:-1]).all()


def test_batteries_are_assumed_unless_they_are_known() -> None:
    big = replace(EXACT, name="bus", battery=replace(CAR, usable_capacity_kwh=300.0, charge_kw=50.0))
    table = made([EXACT, big], date(2024, 6, 3), date(2024, 6, 3))
    assert not table.has_usable_capacity.any()
    known = made([EXACT, big], date(2024, 6, 3), date(2024, 6, 3), battery_known=True)
    capacity = dict(zip(known.vehicle_id, known.usable_capacity_kwh.tolist(), strict=True))
    assert capacity == {"car 1": 40.0, "bus 1": 300.0}
    assert dict(zip(known.vehicle_id, known.charge_kw.tolist(), strict=True)) == {"car 1": 7.0, "bus 1": 50.0}
    energy = apply(table, CAR)
    np.testing.assert_allclose(energy.energy_at_arrival_kwh, table.soc_at_arrival * 40.0)


def test_a_day_without_trips_is_one_long_stay() -> None:
    table = made(replace(EXACT, weekday_trip_share=0.0), date(2024, 6, 3), date(2024, 6, 4))
    assert table.stay_h.tolist() == [48.0]
    assert not table.has_declared_departure.any()


@pytest.mark.parametrize(
    "changed",
    [{"leaves_h": 25.0}, {"returns_spread_h": -1.0}, {"weekday_trip_share": 1.5}, {"energy_spread": float("nan")},
     {"weekday_energy_kwh": -1.0}, {"target_soc": 0.0}, {"count": -1}, {"plug_in_share": 2.0}],
)  # fmt: skip
def test_habits_have_limits(changed: dict) -> None:
    with pytest.raises(DomainError, match=next(iter(changed))):
        replace(EXACT, **changed)


def test_wrong_calls() -> None:
    with pytest.raises(DomainError, match="last day"):
        made(EXACT, date(2024, 6, 3), date(2024, 6, 2))
    with pytest.raises(DomainError, match="differ"):
        made([EXACT, EXACT], date(2024, 6, 3), date(2024, 6, 3))
    with pytest.raises(DomainError, match="Mars"):
        sessions_from_timetable(EXACT, date(2024, 6, 3), date(2024, 6, 3), "Mars/Base", np.random.default_rng(1))
    assert made(replace(EXACT, count=0), date(2024, 6, 3), date(2024, 6, 3)).size == 0
