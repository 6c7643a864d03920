"""The record of a battery: capacity from partial charges, its interval, dwell and stages."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bothways.battery.health import CapacityEstimate, Metering, Visit, build_record, estimate_capacity, overlapping
from bothways.domain.errors import DomainError, InputError

START = datetime(2025, 1, 1, tzinfo=UTC)
EXACT = Metering(charge_efficiency=0.9, efficiency_error=0.0, energy_error=0.005, soc_error=0.01)


def visits(capacity: float, count: int, seed: int, metering: Metering = EXACT) -> list[Visit]:
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        first, last = rng.uniform(0.1, 0.4), rng.uniform(0.7, 0.95)
        energy = capacity * (last - first) / metering.charge_efficiency * (1 + metering.energy_error * rng.normal())
        read = np.clip([first, last] + metering.soc_error * rng.normal(size=2), 0.0, 1.0)
        arrival = START + timedelta(days=n)
        made.append(Visit(arrival, arrival + timedelta(hours=8), energy, 0.0, float(read[0]), float(read[1]), 20.0))
    return made


def test_capacity_is_found_and_its_interval_holds_the_truth_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        estimate = estimate_capacity(visits(52.0, 20, seed), EXACT)
        assert estimate is not None
        assert estimate.capacity_kwh == pytest.approx(52.0, rel=0.05)
        inside += estimate.low_kwh <= 52.0 <= estimate.high_kwh
    assert 180 <= inside <= 200  # 95 % of 200 is 190


def test_more_visits_narrow_the_interval_but_not_below_what_they_share() -> None:
    shared = Metering(charge_efficiency=0.9, efficiency_error=0.02, energy_error=0.005, soc_error=0.01)
    widths = []
    for count in (1, 5, 150):
        estimate = estimate_capacity(visits(52.0, count, 1), shared)
        assert estimate is not None
        assert estimate.visits == count
        widths.append(estimate.high_kwh - estimate.low_kwh)
    assert widths[0] > widths[1] > widths[2] > 2 * 1.96 * 0.02 * 50.0


def test_a_wrong_meter_reading_is_left_out() -> None:
    many = visits(52.0, 15, 3)
    many[4] = Visit(many[4].arrival, many[4].departure, 100.0, 0.0, 0.3, 0.8, 20.0)
    estimate = estimate_capacity(many, EXACT)
    assert estimate is not None
    assert (estimate.visits, estimate.left_out) == (14, 1)
    assert estimate.capacity_kwh == pytest.approx(52.0, rel=0.02)


def test_feeding_back_tells_capacity_too_and_old_or_shallow_visits_do_not() -> None:
    arrival, departure = START, START + timedelta(hours=6)
    back = Visit(arrival, departure, 0.0, 20.0 * 0.9, 0.9, 0.5)
    estimate = estimate_capacity([back], Metering(discharge_efficiency=0.9))
    assert estimate is not None
    assert estimate.capacity_kwh == pytest.approx(50.0)
    shallow = Visit(arrival, departure, 5.0, 0.0, 0.5, 0.6)
    contrary = Visit(arrival, departure, 5.0, 0.0, 0.9, 0.5)
    unknown = Visit(arrival, departure, 5.0)
    assert estimate_capacity([shallow, contrary, unknown], Metering()) is None
    later = Visit(departure + timedelta(days=400), departure + timedelta(days=401), 1.0)
    assert estimate_capacity([back, later], Metering()) is None
    assert estimate_capacity([], Metering()) is None


def test_record_adds_up() -> None:
    stays = [
        Visit(START, START + timedelta(hours=10), 20.0, 0.0, 0.35, 0.85, 12.0),
        Visit(START + timedelta(days=1), START + timedelta(days=1, hours=4), 3.0, 9.0, 0.8, 0.8, 31.0),
        Visit(START + timedelta(days=2), START + timedelta(days=2, hours=2), 3.0),
    ]
    record = build_record("b1", 60.0, stays, resistance_factor=1.2)
    assert (record.visits, record.charged_kwh, record.discharged_kwh) == (3, 26.0, 9.0)
    assert record.discharge_cycles == pytest.approx(9.0 / 0.9 / 60.0)
    assert record.dwell_h.sum() == pytest.approx(14.0)
    np.testing.assert_allclose(record.dwell_h[3:9, 2], [1.0, 2.0, 2.0, 2.0, 2.0, 1.0])
    assert record.dwell_h[8, 4] == pytest.approx(4.0)
    assert record.unknown_h == pytest.approx(2.0)
    assert record.stage == "end of life"  # 18 kWh stored for half the battery: 36 of 60 kWh
    assert build_record("b1", 60.0, stays[2:]).stage == "unknown"


@pytest.mark.parametrize(
    ("low", "high", "stage"),
    [
        (50.0, 55.0, "first life"),
        (43.0, 47.0, "second life"),
        (30.0, 41.0, "end of life"),
        (46.0, 50.0, "first life or second life"),
        (41.0, 43.0, "second life or end of life"),
        (40.0, 50.0, "first life or end of life"),
        (48.0, 48.0, "first life"),
        (42.0, 42.0, "second life"),
    ],
)
def test_stage_says_when_it_cannot_tell(low: float, high: float, stage: str) -> None:
    record = build_record("b", 60.0, [Visit(START, START + timedelta(hours=1), 1.0)])
    object.__setattr__(record, "estimate", CapacityEstimate((low + high) / 2, low, high, 5, 0))
    assert record.stage == stage


def test_what_no_battery_does() -> None:
    later = START + timedelta(hours=1)
    for wrong in (
        {"departure": START},
        {"arrival": datetime(2025, 1, 1)},
        {"charged_kwh": -1.0},
        {"discharged_kwh": float("nan")},
        {"soc_at_arrival": 1.2},
        {"temperature_c": 200.0},
    ):
        with pytest.raises(DomainError):
            Visit(**({"arrival": START, "departure": later, "charged_kwh": 1.0} | wrong))  # type: ignore[arg-type]
    for wrong_metering in ({"charge_efficiency": 0.0}, {"soc_error": 0.0}, {"least_move": 0.0}):
        with pytest.raises(DomainError):
            Metering(**wrong_metering)
    with pytest.raises(DomainError, match="at least one visit"):
        build_record("b", 60.0, [])
    with pytest.raises(DomainError, match="resistance_factor"):
        build_record("b", 60.0, [Visit(START, later, 1.0)], resistance_factor=0.0)


def test_a_battery_is_at_one_charger_at_a_time() -> None:
    made = visits(50.0, 3, 1)
    late = Visit(made[1].departure - timedelta(minutes=1), made[1].departure + timedelta(hours=2), 5.0)
    with pytest.raises(DomainError, match="overlaps"):
        build_record("b", 50.0, [*made, late])
    after = Visit(made[1].departure, made[1].departure + timedelta(hours=2), 5.0)
    assert build_record("b", 50.0, [after, *made]).visits == 4


def test_overlaps_are_found_in_any_order_and_against_the_longest_before() -> None:
    begin, end = np.array([100, 0, 40, 200]), np.array([120, 110, 50, 210])
    assert overlapping(begin, end).tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize("stated", [50_000.0, 5.0, 30.0])
def test_a_record_of_another_battery_or_unit_is_refused_in_the_core(stated: float) -> None:
    with pytest.raises(InputError) as caught:
        build_record("b", stated, visits(50.0, 5, 1), named="capacity in the form")
    assert caught.value.problems[0].where == "capacity in the form"
    assert "capacity in the form" in caught.value.problems[0].remedy
