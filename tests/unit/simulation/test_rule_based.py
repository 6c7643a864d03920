"""Uncontrolled charging: cross-checked against a straightforward reading of the same rule in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.simulation.rule_based import charge_on_arrival
from bothways.simulation.stays import Stays


def make_stays(rows, evses=3):
    """Stays from dictionaries; missing values take a plain default."""
    rows = sorted(rows, key=lambda row: row.get("arrival", 0))
    n = len(rows)

    def column(name, default, dtype=np.float64):
        return np.array([row.get(name, default) for row in rows], dtype=dtype)

    target = column("target_kwh", 20.0)
    return Stays(
        session_id=tuple(f"s{k}" for k in range(n)),
        evse=column("evse", 0, np.int64),
        evse_ids=tuple(f"e{k}" for k in range(evses)),
        arrival=column("arrival", 0, np.int64),
        departure=column("departure", 4, np.int64),
        declared=column("declared", -1, np.int64),
        energy_kwh=column("energy_kwh", 10.0),
        floor_kwh=column("floor_kwh", 0.0),
        asked_kwh=column("asked_kwh", 20.0),
        target_kwh=target,
        charge_kw=column("charge_kw", 10.0),
        discharge_kw=column("discharge_kw", 0.0),
        eta_c=column("eta_c", 1.0),
        eta_d=column("eta_d", 1.0),
        minimum_kw=column("minimum_kw", 0.0),
        previous=column("previous", -1, np.int64),
        away_kwh=column("away_kwh", 0.0),
        target_known=column("target_known", False, np.bool_),
        capacity_kwh=column("capacity_kwh", 60.0),
    )


def test_full_power_until_full_then_nothing():
    stays = make_stays([{"arrival": 1, "departure": 5, "target_kwh": 15.0, "eta_c": 0.8}])
    trace = charge_on_arrival(stays, np.zeros(6), 0.5)
    # 5 kWh stored need 6.25 kWh AC: 5 kWh in the first half hour, 1.25 in the second
    assert trace.evse_power_kw[0].tolist() == [0.0, 10.0, 2.5, 0.0, 0.0, 0.0]
    assert trace.energy_end_kwh.tolist() == [15.0]
    assert trace.charged_kwh[0] == pytest.approx(6.25)
    assert trace.evse_stay[0].tolist() == [-1, 0, 0, 0, 0, -1]
    assert trace.evse_energy_kwh[0, 2] == 15.0


def test_a_hard_limit_is_shared_and_never_broken():
    stays = make_stays([{"evse": 0}, {"evse": 1, "charge_kw": 5.0}])
    trace = charge_on_arrival(stays, np.full(4, 4.0), 0.25, import_hard_limit_kw=10.0)
    assert np.all(trace.vehicles_kw <= 6.0 + 1e-9)
    assert trace.evse_power_kw[:, 0] == pytest.approx([4.0, 2.0, 0.0])


def test_energy_carries_over_between_linked_stays():
    stays = make_stays(
        [
            {"arrival": 0, "departure": 2, "energy_kwh": 10.0, "target_kwh": 60.0, "charge_kw": 4.0},
            {"arrival": 4, "departure": 6, "energy_kwh": 99.0, "target_kwh": 99.0, "previous": 0, "away_kwh": 5.0},
        ]
    )
    trace = charge_on_arrival(stays, np.zeros(6), 1.0)
    assert trace.energy_end_kwh[0] == 18.0
    assert trace.energy_start_kwh[1] == 13.0


def test_a_stay_beyond_the_grid_is_refused():
    with pytest.raises(DomainError):
        charge_on_arrival(make_stays([{"departure": 9}]), np.zeros(4), 1.0)
    with pytest.raises(DomainError):
        make_stays([{"arrival": 3, "departure": 3}])
    with pytest.raises(DomainError):
        make_stays([{"previous": 0}])


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 20), st.floats(0, 30), st.floats(0, 30), st.floats(1, 22)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([math.inf, 1e6]),
)
def test_agrees_with_a_plain_reading_of_the_rule(rows, hard):
    """With no limit and with one that cannot bind, the compiled loop equals charging each stay by itself."""
    stays = make_stays(
        [
            {"evse": k, "arrival": a, "departure": a + d, "energy_kwh": e, "target_kwh": e + more, "charge_kw": p,
             "eta_c": 0.9, "asked_kwh": e + more, "capacity_kwh": 200.0}
            for k, (a, d, e, more, p) in enumerate(rows)
        ],
        evses=6,
    )  # fmt: skip
    trace = charge_on_arrival(stays, np.zeros(41), 0.25, import_hard_limit_kw=hard)
    for i in range(stays.size):
        energy = float(stays.energy_kwh[i])
        for t in range(stays.arrival[i], stays.departure[i]):
            power = min(stays.charge_kw[i], (stays.target_kwh[i] - energy) / (0.9 * 0.25))
            energy += power * 0.9 * 0.25
            assert trace.evse_power_kw[stays.evse[i], t] == pytest.approx(power, abs=1e-9)
        assert trace.energy_end_kwh[i] == pytest.approx(energy)
