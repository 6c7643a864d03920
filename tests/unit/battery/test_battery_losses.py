"""Loss curves: published bands, convexity, inverse, and what is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bothways.battery.losses import ChargerLosses, Derating, EfficiencyCurve, default_losses
from bothways.domain.errors import DomainError


@pytest.mark.parametrize("rated_kw", [3.7, 7.4, 10.0, 11.0, 22.0])
def test_default_round_trip_lies_in_the_published_band(rated_kw: float) -> None:
    losses = default_losses(rated_kw)
    usual = losses.round_trip(rated_kw * np.linspace(0.25, 1.0, 16))
    assert usual.min() >= 0.70
    assert usual.max() <= 0.85
    assert losses.round_trip(rated_kw * 0.09) < 0.70  # poor below a tenth of the rating
    assert losses.round_trip(rated_kw * 0.01) == 0.0


def test_segments_are_the_curve_and_bound_it_from_above() -> None:
    curve = EfficiencyCurve.quadratic(11.0, 0.2, 0.04, 0.03)
    slopes, intercepts = curve.segments()
    assert np.all(np.diff(slopes) < 0.0)  # concave output: a solver may take the least of all segments
    power = np.linspace(0.5, 11.0, 50)
    np.testing.assert_allclose(curve.output_kw(power), np.min(slopes * power[:, None] + intercepts, axis=1))
    exact = 0.2 + 0.04 * power + 0.03 * power**2 / 11.0
    assert np.all(curve.loss(power) >= exact - 1e-12)
    assert np.max(curve.loss(power) - exact) <= 0.03 * 11.0 * 0.125**2 + 1e-12
    np.testing.assert_allclose(curve.loss(curve.input_kw), curve.loss_kw)


@given(st.floats(0.05, 30.0), st.floats(0.001, 0.02), st.floats(0.0, 0.1), st.floats(0.0, 0.1))
def test_what_goes_in_for_an_output_gives_that_output(output: float, idle: float, linear: float, square: float) -> None:
    curve = EfficiencyCurve.quadratic(22.0, 22.0 * idle, linear, square)
    assert float(curve.output_kw(curve.input_for(output))) == pytest.approx(output, rel=1e-9)


@given(st.floats(-22.0, 22.0))
def test_energy_is_never_made(ac_kw: float) -> None:
    losses = default_losses(22.0)
    stored = float(losses.stored_kw(ac_kw))
    assert stored <= ac_kw
    assert (stored == 0.0) == (ac_kw == 0.0) or 0.0 < ac_kw < 0.6


def test_measured_points_become_a_convex_curve() -> None:
    curve = EfficiencyCurve.from_efficiency(10.0, [1.0, 0.05, 0.25, 0.5], [0.93, 0.6, 0.90, 0.91])
    assert float(curve.efficiency(10.0)) == pytest.approx(0.93)
    assert float(curve.efficiency(0.5)) == pytest.approx(0.6)
    assert float(curve.efficiency(5.0)) >= 0.91  # that point lies above the envelope
    assert np.all(np.diff(np.diff(curve.loss_kw) / np.diff(curve.input_kw)) >= -1e-12)
    falling = EfficiencyCurve.from_efficiency(10.0, [0.1, 1.0], [0.5, 0.96])
    np.testing.assert_allclose(falling.loss([1.0, 10.0]), [0.5, 0.5])


def test_a_loss_that_falls_is_level_before_the_envelope_is_drawn() -> None:
    load, loss = np.array([0.5, 0.51, 1.02, 1.03]), np.array([0.0625, 0.05, 0.06375, 0.064375])
    curve = EfficiencyCurve.from_efficiency(1.0, load, 1.0 - loss / load)
    assert np.all(curve.loss(load) <= np.maximum.accumulate(loss) + 1e-12)


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.85, 1.0)), min_size=2, max_size=8), st.floats(1.0, 300.0))
def test_any_measured_points_give_a_convex_curve_that_loses_no_more(
    points: list[tuple[float, float]], rated_kw: float
) -> None:
    load, efficiency = (np.array(values) for values in zip(*sorted(points), strict=True))
    load = load + np.arange(load.size) * 0.01  # no two at the same load
    # A converter that gives less when it gets more is refused (see below), so such points are no example.
    assume(np.all(np.diff(load * (1.0 - efficiency)) < np.diff(load)))
    curve = EfficiencyCurve.from_efficiency(rated_kw, load, efficiency)
    measured = load * rated_kw * (1.0 - efficiency)
    level = np.maximum.accumulate(measured)  # losses that fall with power are held level
    assert np.all(curve.loss(load * rated_kw) <= level + 1e-9 * rated_kw)
    assert np.all(np.diff(np.diff(curve.loss_kw) / np.diff(curve.input_kw)) >= -1e-9)


def test_standby_is_drawn_while_waiting_only() -> None:
    losses = default_losses(11.0)
    power, plugged = np.array([0.0, 0.0, 7.0, 0.0]), np.array([True, True, True, False])
    assert losses.standby_kwh(power, plugged, 0.5) == pytest.approx(0.065)
    assert losses.stored_kw([0.0, -5.5, 5.5]).round(3).tolist() == [0.0, -6.069, 4.972]


def test_derating_in_the_cold_and_the_heat() -> None:
    curve = Derating()
    assert curve.charge_share([-40.0, 25.0, 70.0]).tolist() == [0.0, 1.0, 0.0]
    assert float(curve.discharge_share(-10.0)) == 0.5
    assert np.all(curve.charge_share(np.linspace(-30, 10, 50)) <= curve.discharge_share(np.linspace(-30, 10, 50)))


@pytest.mark.parametrize(
    ("power", "loss"),
    [
        ([0.0, 1.0], [0.1]),
        ([0.1, 1.0], [0.1, 0.2]),
        ([0.0, 1.0, 1.0], [0.1, 0.2, 0.3]),
        ([0.0, 1.0], [-0.1, 0.2]),
        ([0.0, 1.0, 2.0], [0.1, 0.5, 0.6]),
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.0, 1.0], [0.0, np.nan]),
    ],
)
def test_curves_that_no_converter_has(power: list[float], loss: list[float]) -> None:
    with pytest.raises(DomainError):
        EfficiencyCurve(np.array(power), np.array(loss))


def test_points_that_nobody_measured() -> None:
    with pytest.raises(DomainError, match="at least two"):
        EfficiencyCurve.from_efficiency(10.0, [0.5], [0.9])
    with pytest.raises(DomainError, match="in \\(0, 1\\]"):
        EfficiencyCurve.from_efficiency(10.0, [0.5, 1.0], [0.9, 1.1])
    curve = EfficiencyCurve.quadratic(10.0, 0.1, 0.05, 0.02)
    with pytest.raises(DomainError, match="standby"):
        ChargerLosses(curve, curve, standby_kw=-1.0)
    with pytest.raises(DomainError, match="ascending"):
        Derating(celsius=(0.0, 0.0), charge=(0.0, 1.0), discharge=(0.0, 1.0))
    with pytest.raises(DomainError, match="0…1"):
        Derating(celsius=(0.0, 1.0), charge=(0.0, 2.0), discharge=(0.0, 1.0))
