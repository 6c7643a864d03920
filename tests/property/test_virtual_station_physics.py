"""The virtual station's physics: energy is conserved, limits hold, and no request becomes power the other way."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.simulated.outlet import Outlet, Transaction
from bothways.adapters.simulated.profiles import Period, Profile, ProfileStore
from bothways.adapters.simulated.vehicle import VirtualVehicle

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
SETPOINTS = st.one_of(st.just(0.0), st.floats(-40.0, 40.0))
STEPS = st.lists(st.tuples(SETPOINTS, st.floats(0.0, 3.0)), min_size=1, max_size=30)


@st.composite
def vehicles(draw):
    capacity = draw(st.floats(5.0, 120.0))
    return VirtualVehicle(
        "T", capacity, capacity * draw(st.floats(0.0, 1.0)), draw(st.floats(1.0, 22.0)), draw(st.floats(0.0, 22.0)),
        min_charge_kw=draw(st.sampled_from([0.0, 1.38])), charge_efficiency=draw(st.floats(0.7, 1.0)),
        discharge_efficiency=draw(st.floats(0.7, 1.0)), target_soc=draw(st.floats(0.1, 1.0)),
        resumes=draw(st.booleans()),
    )  # fmt: skip


def _plugged(vehicle):
    outlet = Outlet(1, 22.0, 22.0, vehicle=vehicle, authorized=True)
    outlet.transaction = Transaction("tx", "T", NOW, 0)
    return outlet


@given(vehicles(), STEPS)
def test_the_meter_and_the_battery_agree_and_nothing_runs_over(vehicle, steps):
    outlet, before = _plugged(vehicle), vehicle.energy_kwh
    for setpoint, hours in steps:
        started = vehicle.energy_kwh
        outlet.live(hours, setpoint)
        assert -vehicle.discharge_kw - 1e-9 <= outlet.power_kw <= vehicle.charge_kw + 1e-9
        if hours > 0.0:
            assert setpoint * outlet.power_kw >= 0.0, "power never flows against the request"
            assert abs(outlet.power_kw) <= abs(setpoint) + 1e-9, "nor beyond it"
            if outlet.power_kw > 0.0:
                assert vehicle.energy_kwh <= max(started, vehicle.target_soc * vehicle.capacity_kwh) + 1e-9
        assert 0.0 <= vehicle.energy_kwh <= vehicle.capacity_kwh
    taken, given_back = outlet.import_wh / 1000.0, outlet.export_wh / 1000.0
    stored = taken * vehicle.charge_efficiency - given_back / vehicle.discharge_efficiency
    assert vehicle.energy_kwh - before == pytest.approx(stored, abs=1e-6)
    assert given_back <= (before + taken * vehicle.charge_efficiency) * vehicle.discharge_efficiency + 1e-6


@given(vehicles(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_fuller_battery_accepts_no_more_than_an_emptier_one(vehicle, one, other):
    powers = []
    for soc in sorted((one, other)):
        vehicle.energy_kwh, vehicle.asleep = soc * vehicle.capacity_kwh, False
        powers.append(vehicle._acceptance_kw())
    assert powers[0] >= powers[1] - 1e-9
    assert powers[1] > 0.0


limits = st.one_of(st.none(), st.floats(-50.0, 50.0))
periods = st.builds(
    Period, st.just(0.0), limits, limits, limits,
    st.sampled_from(["ChargingOnly", "CentralSetpoint", "Idle", "ExternalLimits", "LocalFrequency"]),
)  # fmt: skip


@given(
    st.lists(
        st.builds(
            Profile, st.integers(1, 4), st.sampled_from([0, 1]), st.integers(0, 3),
            st.sampled_from(["TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"]), st.just(NOW),
            st.tuples(periods), st.sampled_from([math.inf, 60.0]),
        ),
        max_size=5,
    ),
    st.sampled_from([0.0, 10.0, 100.0]),
)  # fmt: skip
def test_whatever_profiles_say_an_evse_stays_within_its_rating(profiles, offline_s):
    store = ProfileStore()
    for profile in profiles:
        store.install(profile)
    held = store.in_force(1, "", NOW + timedelta(seconds=30), offline_s, 11.0, 10.0)
    assert -10.0 <= held.discharge_limit_kw <= 0.0 <= held.limit_kw <= 11.0
    assert held.discharge_limit_kw <= held.target_kw() <= held.limit_kw
    for profile in profiles:
        if profile in store.profiles and profile.purpose == "ChargingStationMaxProfile":
            said = profile.periods[0].limit_kw
            if said is not None:
                assert held.limit_kw <= max(said, 0.0)
