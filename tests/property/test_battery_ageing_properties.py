"""Laws of ageing that hold for every profile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.battery import laws
from bothways.battery.ageing import age, age_fleet
from bothways.battery.models import MODELS

KEYS = st.sampled_from(sorted(MODELS))


def walk(seed: int, length: int) -> np.ndarray:
    """A profile with rests, small and large moves."""
    rng = np.random.default_rng(seed)
    moves = rng.choice([0.0, 0.0, 0.02, -0.02, 0.3, -0.3], length) * rng.random(length)
    soc = np.empty(length)
    now = 0.5
    for t, move in enumerate(moves):
        now = min(1.0, max(0.0, now + move))
        soc[t] = now
    return soc


@settings(max_examples=40)
@given(KEYS, st.integers(0, 10_000), st.lists(st.integers(1, 499), min_size=1, max_size=6), st.booleans())
def test_pieces_give_what_the_whole_gives(key: str, seed: int, cuts: list[int], conserved: bool) -> None:
    soc = walk(seed, 500)
    celsius = np.random.default_rng(seed + 1).uniform(-10.0, 45.0, 500)
    options = {"capacity_kwh": 60.0, "energy_conserved": conserved}
    whole = age(MODELS[key], soc, 1.0, celsius, **options)
    state, part = None, whole
    for begin, end in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), 500], strict=True):
        part = age(MODELS[key], soc[begin:end], 1.0, celsius[begin:end], state=state, **options)
        state = part.state
    for name in ("calendar_loss", "cycle_loss", "full_equivalent_cycles"):
        assert getattr(part, name)[-1] == pytest.approx(getattr(whole, name)[-1], rel=1e-9, abs=1e-15)
    if whole.resistance_factor is not None and part.resistance_factor is not None:
        assert part.resistance_factor[-1] == pytest.approx(whole.resistance_factor[-1], rel=1e-9)


@settings(max_examples=20)
@given(KEYS, st.integers(0, 10_000))
def test_a_fleet_is_its_vehicles_on_one_core_or_many(key: str, seed: int) -> None:
    soc = np.stack([walk(seed + n, 200) for n in range(3)])
    celsius = np.random.default_rng(seed).uniform(0.0, 40.0, soc.shape)
    serial = age_fleet(MODELS[key], soc, 0.5, celsius, capacity_kwh=[40.0, 60.0, 80.0], years=0.1)
    parallel = age_fleet(MODELS[key], soc, 0.5, celsius, capacity_kwh=[40.0, 60.0, 80.0], years=0.1, parallel=True)
    np.testing.assert_array_equal(serial.state.values, parallel.state.values)
    np.testing.assert_array_equal(serial.capacity_kwh, parallel.capacity_kwh)
    alone = age(MODELS[key], soc[1], 0.5, celsius[1], capacity_kwh=60.0, years=0.1)
    np.testing.assert_array_equal(alone.capacity_kwh, serial.capacity_kwh[1])


@given(KEYS, st.floats(0.0, 0.95), st.floats(0.0, 0.05), st.floats(-10.0, 50.0), st.floats(0.0, 10.0))
def test_storage_hotter_or_fuller_is_never_better(
    key: str, soc: float, more_soc: float, celsius: float, more_c: float
) -> None:
    def lost(level: float, heat: float) -> float:
        result = age(MODELS[key], np.full(48, level), 1.0, heat, capacity_kwh=60.0, years=3.0, every_years=3.0)
        return float(result.calendar_loss[-1])

    base = lost(soc, celsius)
    assert lost(soc + more_soc, celsius) >= base - 1e-12
    assert lost(soc, celsius + more_c) >= base - 1e-12


@settings(max_examples=40)
@given(
    st.sampled_from([key for key, model in MODELS.items() if model.never_better & {"deeper", "hotter"}]),
    st.floats(0.02, 0.4),
    st.floats(0.0, 0.09),
    st.floats(0.0, 40.0),
    st.floats(0.0, 10.0),
)
def test_deeper_and_hotter_use_is_never_better_where_the_law_says_so(
    key: str, half: float, more: float, celsius: float, more_c: float
) -> None:
    def lost(amplitude: float, heat: float) -> float:
        soc = 0.5 + amplitude * np.sin(np.arange(240) * np.pi / 12.0)
        result = age(MODELS[key], soc, 1.0, heat, capacity_kwh=60.0, years=2.0, every_years=2.0)
        return 1.0 - float(result.capacity_fraction[-1])

    base = lost(half, celsius)
    if "deeper" in MODELS[key].never_better:
        assert lost(half + more, celsius) >= base - 1e-9
    if "hotter" in MODELS[key].never_better:
        assert lost(half, celsius + more_c) >= base - 1e-9


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(0.0, 1.0), st.floats(263.0, 318.0))
def test_faster_is_never_better_where_the_law_says_so(depth: float, rate: float, more: float, kelvin: float) -> None:
    assert laws.sony_cycle(depth, rate + more)[0] >= laws.sony_cycle(depth, rate)[0]
    for law in (laws.lfp250_cycle, laws.nca_cycle):
        assert law(depth, rate + more, kelvin) >= law(depth, rate, kelvin) * (1.0 - 1e-12)
    knowing = {key for key, model in MODELS.items() if "faster" in model.never_better}
    assert knowing == {"lfp-sony", "lfp-250ah", "nca-panasonic"}
