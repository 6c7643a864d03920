"""What is assumed fills gaps, and never overrules what was measured."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.mobility.assumptions import MIN_SOC, BatteryAssumption, apply
from bothways.mobility.sessions import SessionTable, session_table

CAR = BatteryAssumption("car", 50.0, 0.5, 0.2, 7.0, 5.0, 0.9, 0.95, "a catalogue")


def sessions(delivered: list[float], **known) -> SessionTable:
    n = len(delivered)
    return session_table([str(k) for k in range(n)], ["E"] * n, [k * 100 for k in range(n)],
                         [k * 100 + 50 for k in range(n)], delivered, **known)  # fmt: skip


def test_everything_unknown() -> None:
    energy = apply(sessions([10.0, 0.0]), CAR)
    assert energy.energy_at_arrival_kwh.tolist() == [25.0, 25.0]
    assert energy.capacity_kwh.tolist() == [50.0, 50.0]
    assert energy.energy_min_kwh.tolist() == [10.0, 10.0]
    assert (energy.charge_kw[0], energy.discharge_kw[0]) == (7.0, 5.0)
    assert (energy.charge_efficiency[0], energy.discharge_efficiency[0]) == (0.9, 0.95)
    assert (energy.n_assumed_soc, energy.n_assumed_capacity, energy.n_assumed_power) == (2, 2, 2)
    assert (energy.n_lowered, energy.n_clipped, energy.n_enlarged) == (0, 0, 0)
    assert energy.notes[0] == "car: SoC at arrival is assumed: 50% (2 of 2 sessions; a catalogue)"


def test_requests_that_do_not_fit() -> None:
    # fits; needs a lower arrival: 50 − 0.9·40 = 14; more than the battery: arrival at 2 %, room 49/0.9
    energy = apply(sessions([10.0, 10.0, 10.0], requested_kwh=[20.0, 40.0, 80.0]), CAR)
    np.testing.assert_allclose(energy.energy_at_arrival_kwh, [25.0, 14.0, MIN_SOC * 50.0])
    np.testing.assert_allclose(energy.request_kwh, [20.0, 40.0, 49.0 / 0.9])
    assert energy.capacity_kwh.tolist() == [50.0] * 3
    assert (energy.n_lowered, energy.n_clipped, energy.n_enlarged) == (2, 1, 0)


def test_delivered_energy_is_a_fact() -> None:
    energy = apply(sessions([40.0, 60.0], requested_kwh=[10.0, 10.0]), CAR)
    np.testing.assert_allclose(energy.energy_at_arrival_kwh, [14.0, 1.0])
    np.testing.assert_allclose(energy.capacity_kwh, [50.0, 1.0 + 54.0])
    assert energy.n_enlarged == 1
    assert {item.key: item.count for item in energy.quality_counts()}["capacity_enlarged"] == 1


def test_measured_values_stay() -> None:
    table = sessions(
        [40.0, 10.0], soc_at_arrival=[0.9, 0.0], has_soc_at_arrival=[True, False], usable_capacity_kwh=[80.0, 0.0],
        has_usable_capacity=[True, False], charge_kw=[11.0, 0.0], has_charge_kw=[True, False],
        discharge_kw=[0.0, 0.0],
    )  # fmt: skip
    energy = apply(table, CAR)
    np.testing.assert_allclose(energy.energy_at_arrival_kwh, [72.0, 25.0])
    np.testing.assert_allclose(energy.capacity_kwh, [72.0 + 36.0, 50.0])
    assert energy.charge_kw.tolist() == [11.0, 7.0]
    assert energy.discharge_kw.tolist() == [0.0, 0.0]
    assert (energy.n_assumed_soc, energy.n_assumed_capacity, energy.n_assumed_power) == (1, 1, 1)
    assert energy.n_lowered == 0


def test_a_spread_needs_a_generator_and_repeats_with_its_seed() -> None:
    car = BatteryAssumption("car", 50.0, 0.5, 0.2, 7.0, 5.0, 0.9, 0.95, "a catalogue", soc_spread=0.2)
    table = sessions([0.0] * 500)
    assert np.ptp(apply(table, car).energy_at_arrival_kwh) == 0.0
    one = apply(table, car, np.random.default_rng(3)).energy_at_arrival_kwh
    two = apply(table, car, np.random.default_rng(3)).energy_at_arrival_kwh
    np.testing.assert_array_equal(one, two)
    assert one.min() >= MIN_SOC * 50.0
    assert one.max() <= 50.0
    assert one.mean() == pytest.approx(25.0, abs=1.5)


def test_no_sessions_is_no_problem() -> None:
    assert apply(sessions([]), CAR).energy_at_arrival_kwh.shape == (0,)


@pytest.mark.parametrize(
    "changed",
    [{"usable_capacity_kwh": 0.0}, {"soc_at_arrival": 50.0}, {"charge_efficiency": 0.0}, {"charge_kw": -1.0},
     {"soc_floor": float("nan")}, {"discharge_kw": float("inf")}, {"discharge_efficiency": 1.1}],
)  # fmt: skip
def test_assumptions_have_limits(changed: dict) -> None:
    with pytest.raises(DomainError, match=next(iter(changed))):
        replace(CAR, **changed)
