"""Dispatch: limits hold in their order, nothing flips its sign, and the battery never gains energy from nowhere."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bothways.dispatch.phases import settle_minimum
from bothways.dispatch.setpoints import envelope, setpoints
from bothways.simulation.plant import respond_all

STEP_H = 0.25


@st.composite
def fleets(draw):
    n = draw(st.integers(1, 6))

    def column(low, high):
        return np.array(draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))

    capacity = column(10.0, 100.0)
    return {
        "planned": column(-30.0, 30.0),
        "energy": capacity * column(0.0, 1.0),
        "floor": capacity * column(0.0, 0.5),
        "ceiling": capacity,
        "need": capacity * column(0.0, 1.0),
        "steps_left": np.array(draw(st.lists(st.integers(1, 40), min_size=n, max_size=n)), dtype=np.int64),
        "charge_kw": column(1.0, 22.0),
        "discharge_kw": column(0.0, 22.0) * draw(st.sampled_from([0.0, 1.0])),
        "eta_c": column(0.7, 1.0),
        "eta_d": column(0.7, 1.0),
        "minimum_kw": np.zeros(n),
    }


def call(fleet, base=0.0, target=math.inf, hard=math.inf, export=math.inf):
    return setpoints(*fleet.values(), base, target, hard, export, STEP_H)


@given(fleets(), st.floats(-50, 50), st.floats(0, 100), st.floats(0, 100), st.floats(0, 50))
def test_battery_and_driver_limits_always_hold(fleet, base, target, hard, export):
    power = call(fleet, base, target, hard, export)
    assert np.all(power <= fleet["charge_kw"] + 1e-9)
    assert np.all(power >= -fleet["discharge_kw"] - 1e-9)
    _, after = respond_all(
        power, fleet["energy"], fleet["ceiling"], fleet["charge_kw"], fleet["discharge_kw"], fleet["eta_c"],
        fleet["eta_d"], STEP_H,
    )  # fmt: skip
    assert np.all(after <= np.maximum(fleet["ceiling"], fleet["energy"]) + 1e-9)
    assert np.all(after >= np.minimum(fleet["floor"], fleet["energy"]) - 1e-9)


@given(fleets(), st.floats(0, 50), st.floats(0, 100))
def test_the_hard_limit_is_broken_only_by_the_building(fleet, base, hard):
    power = call(fleet, base, hard=hard)
    lowest = base + sum(
        -min(d, max(0.0, e - f) * eta / STEP_H)
        for d, e, f, eta in zip(fleet["discharge_kw"], fleet["energy"], fleet["floor"], fleet["eta_d"], strict=True)
    )
    assert base + power.sum() <= max(hard, lowest) + 1e-6


@given(fleets(), st.floats(-50, 50), st.floats(0, 50))
def test_vehicles_never_add_to_an_export_above_its_limit(fleet, base, export):
    power = call(fleet, base, export=export)
    assert base + power.sum() >= min(-export, base) - 1e-6


@given(fleets())
def test_without_limits_the_plan_is_followed_inside_the_envelope(fleet):
    power = call(fleet)
    for i in range(power.size):
        low, must, high = envelope(
            fleet["energy"][i], fleet["floor"][i], fleet["ceiling"][i], fleet["need"][i], fleet["steps_left"][i],
            fleet["charge_kw"][i], fleet["discharge_kw"][i], fleet["eta_c"][i], fleet["eta_d"][i], STEP_H,
        )  # fmt: skip
        assert low - 1e-12 <= must <= high + 1e-12
        assert power[i] == min(max(fleet["planned"][i], must), high)


@given(fleets())
def test_zero_stays_zero_and_one_way_never_discharges(fleet):
    fleet["planned"] = np.zeros_like(fleet["planned"])
    fleet["need"] = fleet["energy"].copy()
    fleet["floor"] = np.minimum(fleet["floor"], fleet["energy"])
    idle = call(fleet)
    assert np.all(idle == 0.0)
    fleet["planned"] = np.full_like(idle, -1e9)
    fleet["discharge_kw"] = np.zeros_like(idle)
    assert np.all(call(fleet) >= 0.0)


@given(fleets(), st.floats(0.5, 5.0), st.floats(0, 60))
def test_the_minimum_current_is_kept_or_nothing_flows(fleet, minimum, hard):
    fleet["minimum_kw"] = np.minimum(minimum, fleet["charge_kw"])
    power = call(fleet, hard=hard)
    low = (power > 0.0) & (power < fleet["minimum_kw"] - 1e-9)
    assert not low.any()
    assert power.sum() <= hard + 1e-6


@given(st.floats(0.05, 0.35))
def test_the_last_bit_is_charged_at_the_minimum_and_ended_by_the_vehicle(missing):
    one = np.ones(1)
    power = setpoints(
        np.inf * one, 20.0 * one, 0 * one, (20.0 + missing) * one, (20.0 + missing) * one, np.ones(1, dtype=np.int64),
        7.0 * one, 0 * one, one, one, 1.44 * one, 0.0, math.inf, math.inf, math.inf, STEP_H,
    )  # fmt: skip
    assert power[0] == 1.44
    flowed, after = respond_all(power, 20.0 * one, (20.0 + missing) * one, 7.0 * one, 0 * one, one, one, STEP_H)
    assert after[0] <= 20.0 + missing + 1e-12
    assert flowed[0] <= 1.44


@given(fleets())
def test_needs_are_met_by_dispatch_alone_when_nothing_is_planned(fleet):
    """With an empty plan every need in reach is met in the end: dispatch charges as late as possible."""
    fleet["planned"] = np.zeros_like(fleet["planned"])
    first = fleet["energy"].copy()
    steps = fleet["steps_left"].copy()
    final = first.copy()
    for _ in range(int(steps.max())):
        power = call(fleet)
        _, after = respond_all(
            power, fleet["energy"], fleet["ceiling"], fleet["charge_kw"], fleet["discharge_kw"], fleet["eta_c"],
            fleet["eta_d"], STEP_H,
        )  # fmt: skip
        here = fleet["steps_left"] >= 1
        fleet["energy"] = np.where(here, after, fleet["energy"])
        final = np.where(here, after, final)
        fleet["steps_left"] = fleet["steps_left"] - 1
    reachable = np.minimum(fleet["ceiling"], first + steps * fleet["charge_kw"] * fleet["eta_c"] * STEP_H)
    wanted = np.minimum(fleet["need"], np.maximum(reachable, first))
    assert np.all(final >= wanted - 1e-6)


@given(fleets(), st.lists(st.floats(-40, 40), min_size=6, max_size=6))
def test_the_plant_conserves_energy(fleet, commands):
    point = np.array(commands)[: fleet["energy"].size]
    power, after = respond_all(
        point, fleet["energy"], fleet["ceiling"], fleet["charge_kw"], fleet["discharge_kw"], fleet["eta_c"],
        fleet["eta_d"], STEP_H,
    )  # fmt: skip
    moved = after - fleet["energy"]
    ac = power * STEP_H
    lost = ac - moved
    assert np.all(lost >= -1e-9)
    assert np.all(np.sign(power) * np.sign(point) >= 0)
    charging = power > 0
    np.testing.assert_allclose(moved[charging], (ac * fleet["eta_c"])[charging], atol=1e-9)
    np.testing.assert_allclose(moved[~charging], (ac / fleet["eta_d"])[~charging], atol=1e-9)
    assert np.all(after >= -1e-9)


@given(
    st.lists(st.floats(0.0, 1.3), min_size=1, max_size=30),
    st.lists(st.floats(1.4, 4.2), min_size=30, max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
    st.lists(st.floats(-5.0, 0.0), min_size=30, max_size=30),
)
def test_small_powers_are_rounded_together_not_each_by_itself(planned, minimum, running, musts):
    """A plan that gives everybody a little is followed in sum, to half a minimum, at any mixture of minima."""
    n = len(planned)
    wish, least = np.array(planned), np.array(minimum[:n])
    power = wish.copy()
    one, base, limit = np.ones(n), np.zeros(4), np.full(4, np.inf)
    shares = (np.ones((n, 4)), np.full((n, 4), np.inf), np.ones((n, 4)), one)
    settle_minimum(
        power, np.array(musts[:n]), 22.0 * one, least, np.array(running[:n]), np.arange(n), base, limit, *shares
    )
    assert np.all((power == 0.0) | (power == least))
    if np.any(running[:n]):
        assert abs(power.sum() - wish.sum()) <= 0.9 * least.max() + 1e-9
    else:
        assert abs(power.sum() - wish.sum()) <= 0.5 * least.max() + 1e-9
    assert np.all(power[wish == 0.0] == 0.0)

    seen = setpoints(
        wish, np.full(n, 20.0), np.zeros(n), np.full(n, 60.0), np.zeros(n), np.full(n, 40), 22.0 * one, 0.0 * one,
        one, one, least, 0.0, math.inf, math.inf, math.inf, 0.25,
    )  # fmt: skip
    assert np.all((seen == 0.0) | (seen == least))
    assert abs(seen.sum() - wish.sum()) <= 0.5 * least.max() + 1e-9


def test_a_vehicle_by_itself_starts_at_half_its_minimum_and_goes_on_at_a_tenth():
    def settled(wish, running):
        power, one, none = np.array([wish]), np.ones(1), np.zeros(1)
        shares = (np.ones((1, 4)), np.full((1, 4), np.inf), np.ones((1, 4)), one)
        settle_minimum(
            power, none, 22.0 * one, 4.0 * one, np.array([running]), np.arange(1), np.zeros(4), np.full(4, np.inf),
            *shares,
        )  # fmt: skip
        return power[0]

    assert settled(1.9, running=False) == 0.0
    assert settled(2.1, running=False) == 4.0
    assert settled(0.5, running=True) == 4.0
    assert settled(0.3, running=True) == 0.0
