"""Profiles at the virtual station: recurring ones, ones relative to the start, and limits that all EVSEs share."""

from datetime import UTC, datetime, timedelta

import pytest

from bothways.adapters.clocks import SystemClock
from bothways.adapters.simulated.commands import answer
from bothways.adapters.simulated.outlet import Outlet, Transaction
from bothways.adapters.simulated.profiles import Period, Profile, ProfileStore
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle

NIGHT = datetime(2026, 6, 1, 22, 0, tzinfo=UTC)


def limit(store, now, sharers=1, evse_id=1):
    return store.in_force(evse_id, "t", now, 0.0, 22.0, 0.0, sharers).limit_kw


def test_a_profile_that_recurs_daily_holds_every_night_for_its_duration():
    store = ProfileStore()
    store.install(
        Profile(1, 1, 0, "TxDefaultProfile", NIGHT, (Period(0.0, 7.0),), duration_s=8 * 3600.0, repeats_s=86_400.0)
    )
    for day in range(3):
        night = NIGHT + timedelta(days=day)
        assert limit(store, night - timedelta(seconds=1)) == 22.0
        assert limit(store, night) == limit(store, night + timedelta(hours=7.9)) == 7.0
        assert limit(store, night + timedelta(hours=8)) == 22.0


def test_the_limit_of_the_station_is_shared_and_that_of_an_evse_is_not():
    store = ProfileStore()
    store.install(Profile(1, 0, 0, "ChargingStationMaxProfile", NIGHT, (Period(0.0, 20.0),)))
    assert limit(store, NIGHT) == 20.0
    assert limit(store, NIGHT, sharers=2) == limit(store, NIGHT, sharers=2, evse_id=2) == 10.0
    store.install(Profile(2, 2, 0, "ChargePointMaxProfile", NIGHT, (Period(0.0, 6.0),)))
    assert limit(store, NIGHT, sharers=2, evse_id=2) == 6.0
    assert limit(store, NIGHT, sharers=2) == 10.0


def profile(kind, **schedule):
    period = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000.0}], **schedule}
    return {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": kind, "recurrencyKind": "Weekly", "chargingSchedule": period,
    }  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "began_h", "repeats"), [("Relative", 2.0, False), ("Absolute", 0.0, False), ("Recurring", 0.0, True)]
)
async def test_kinds_of_profiles_begin_when_they_should(kind, began_h, repeats):
    clock = SystemClock()
    station = VirtualStation("CP", "ws://127.0.0.1:1/ocpp", [Outlet(1, 11.0)], clock, StationOptions("ocpp1.6"))
    outlet, now = station.outlets[0], clock.now()
    outlet.vehicle = VirtualVehicle("T", 60.0, 20.0, 11.0)
    outlet.transaction = Transaction("a", "T", now - timedelta(hours=2), 0)
    payload = {"connectorId": 1, "csChargingProfiles": profile(kind, duration=3600 * 5)}
    assert await answer(station, "SetChargingProfile", payload) == {"status": "Accepted"}
    (held,) = station.profiles.profiles
    assert (now - held.start).total_seconds() == pytest.approx(began_h * 3600.0, abs=5.0)
    assert held.repeats_s == (604_800.0 if repeats else float("inf"))
