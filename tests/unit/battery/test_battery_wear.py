"""The price of wear against differences of whole simulations, and its value in money."""

import numpy as np
import pytest

from bothways.battery.ageing import AgeingState, age
from bothways.battery.models import MODELS
from bothways.battery.wear import (
    DRIVING_DAY,
    BatteryValue,
    Use,
    aged_wear_per_kwh,
    marginal_wear_per_kwh,
    resting_cost_per_h,
    resting_price_per_kwh_h,
)
from bothways.domain.errors import DomainError

VALUE = BatteryValue(replacement_per_kwh=120.0, residual_per_kwh=40.0, end_of_life=0.8)


@pytest.mark.parametrize("key", ["lfp-250ah", "lfp-sony", "nca-panasonic", "nmc111-sanyo", "generic"])
def test_price_is_what_the_next_cycles_cost(key: str) -> None:
    """One hundred full equivalent cycles more, run through the ageing loop, lose the price times their energy."""
    model = MODELS[key]
    down, up = np.linspace(0.75, 0.45, 26), np.linspace(0.45, 0.75, 26)  # depth 0.3 in 2.5 h: 0.12C
    cycle = np.concatenate([down[:-1], up[:-1]])
    past = age(model, np.tile(cycle, 500), 0.1, 20.0, capacity_kwh=60.0)
    rested = age(model, np.full(1, 0.75), 1e-6, 20.0, capacity_kwh=60.0, state=past.state)
    # The generic cell's time and use share one law, so no time may pass; it knows no rate.
    step_h = 1e-9 if key == "generic" else 0.1
    more = age(model, np.tile(cycle, round(100 / 0.3)), step_h, 20.0, capacity_kwh=60.0, state=past.state)
    loss = more.cycle_loss[-1] - rested.cycle_loss[-1]
    if key == "generic":
        loss = rested.capacity_fraction[-1] - more.capacity_fraction[-1]
    expected = loss * 60.0 * (120.0 - 40.0) / 0.2 / (100.0 * 60.0)
    price = marginal_wear_per_kwh(model, past.state, VALUE, use=Use(0.3, 0.6, 0.12, 20.0))
    assert price[0] == pytest.approx(expected, rel=0.03)


def test_new_batteries_wear_dearest_under_root_laws() -> None:
    for key in ("lfp-sony", "nca-panasonic", "nmc111-sanyo", "generic"):
        model = MODELS[key]
        worn = age(model, np.tile([0.8, 0.6], 2000), 1.0, 20.0, capacity_kwh=60.0).state
        new = marginal_wear_per_kwh(model, AgeingState.new(model), VALUE)[0]
        assert new > marginal_wear_per_kwh(model, worn, VALUE)[0] > 0.0


def test_a_fleet_has_a_price_per_vehicle_and_losses_raise_it() -> None:
    model = MODELS["lfp-250ah"]
    prices = marginal_wear_per_kwh(model, AgeingState.new(model, 3), VALUE, discharge_efficiency=[1.0, 0.9, 0.8])
    np.testing.assert_allclose(prices, prices[0] / np.array([1.0, 0.9, 0.8]))
    twice = BatteryValue(240.0, 80.0)
    doubled = marginal_wear_per_kwh(model, AgeingState.new(model, 3), twice, discharge_efficiency=[1.0, 0.9, 0.8])
    np.testing.assert_allclose(doubled, 2 * prices)


@pytest.mark.parametrize("key", sorted(MODELS))
def test_parking_lower_earns_a_credit(key: str) -> None:
    model = MODELS[key]
    aged = age(model, np.full(8760 * 2, 0.6), 1.0, 20.0, capacity_kwh=60.0).state
    cost = resting_cost_per_h(model, aged, VALUE, capacity_kwh=60.0, soc=[0.3, 0.6, 1.0])[0]
    assert np.all(np.diff(cost) >= 0.0)
    assert np.all(cost >= 0.0)
    month = age(model, np.full(720, 1.0), 1.0, 20.0, capacity_kwh=60.0, state=aged).calendar_loss
    if key not in {"nmc-nrel", "generic"}:  # the move to full counts in their calendar loss too
        expected = (month[-1] - month[0]) * 60.0 * 400.0 / 720.0
        assert cost[2] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"replacement_per_kwh": 100.0, "residual_per_kwh": 120.0}, "residual"),
        ({"replacement_per_kwh": float("nan")}, "residual"),
        ({"replacement_per_kwh": 100.0, "end_of_life": 1.0}, "end_of_life"),
    ],
)
def test_values_that_make_no_sense(given: dict[str, float], words: str) -> None:
    with pytest.raises(DomainError, match=words):
        BatteryValue(**given)


def test_questions_that_make_no_sense() -> None:
    model = MODELS["generic"]
    state = AgeingState.new(model)
    with pytest.raises(DomainError, match="0…1"):
        Use(depth=0.8, mean_soc=0.8)
    with pytest.raises(DomainError, match="rate"):
        Use(rate=0.0)
    with pytest.raises(DomainError, match="the state is of"):
        marginal_wear_per_kwh(MODELS["lfp-sony"], state, VALUE)
    with pytest.raises(DomainError, match="efficiency"):
        marginal_wear_per_kwh(model, state, VALUE, discharge_efficiency=0.0)
    with pytest.raises(DomainError, match="ahead_cycles"):
        marginal_wear_per_kwh(model, state, VALUE, ahead_cycles=0.0)
    with pytest.raises(DomainError, match="soc"):
        resting_cost_per_h(model, state, VALUE, capacity_kwh=60.0, soc=[1.2])
    with pytest.raises(DomainError, match="ahead_days"):
        resting_cost_per_h(model, state, VALUE, capacity_kwh=60.0, soc=[0.5], ahead_days=0.0)


@pytest.mark.parametrize("key", ["lfp-250ah", "lfp-sony", "nca-panasonic", "nmc111-sanyo", "nmc-50ah"])
def test_the_credit_for_parking_low_is_what_storage_says(key: str) -> None:
    """Thirty days at 90 % instead of 50 %, from one two-year-old battery, cost the credit times energy and hours."""
    model = MODELS[key]
    old = age(model, np.full(1, 0.7), 24.0, 20.0, capacity_kwh=60.0, years=2.0)
    losses = []
    for soc in (0.5, 0.9):
        state = AgeingState(model.key, old.state.values.copy())
        state.values[:, 8:] = AgeingState.new(model).values[:, 8:]
        losses.append(age(model, np.full(30, soc), 24.0, 20.0, capacity_kwh=60.0, state=state).calendar_loss[-1])
    expected = float(VALUE.of_loss(60.0)) * (losses[1] - losses[0])
    assert resting_price_per_kwh_h(model, VALUE) * 0.4 * 60.0 * 720.0 == pytest.approx(expected, rel=1e-6)


def test_the_credit_needs_two_states_of_charge_in_order() -> None:
    with pytest.raises(DomainError, match="lower one first"):
        resting_price_per_kwh_h(MODELS["lfp-sony"], VALUE, soc=(0.9, 0.5))


def test_a_battery_in_its_prime_wears_at_the_price_of_its_state() -> None:
    model = MODELS["nca-panasonic"]
    driven = age(model, DRIVING_DAY, 1.0, 25.0, capacity_kwh=60.0, years=2.0)
    expected = marginal_wear_per_kwh(model, driven.state, VALUE, use=Use(temperature_c=25.0), discharge_efficiency=0.9)
    found = aged_wear_per_kwh(model, VALUE, temperature_c=25.0, discharge_efficiency=0.9)
    assert found == pytest.approx(float(expected[0]), rel=1e-12)
