"""Ageing against each paper's own closed form, and what it refuses."""

import math

import numpy as np
import pytest

from bothways.battery import laws
from bothways.battery.ageing import AgeingState, age, age_fleet
from bothways.battery.models import MODELS, SANYO_OCV_V, anode_potential_v
from bothways.domain.errors import DomainError, InputError

DAYS = 3650.0
R = 8.3144598


def stored_loss(key: str, soc: float, celsius: float) -> float:
    """The papers' calendar equations after ten years at one state of charge, written out a second time."""
    kelvin = celsius + 273.15
    volts = float(np.interp(soc, np.linspace(0, 1, 41), SANYO_OCV_V))
    anode = float(anode_potential_v(np.array(soc)))
    inverse = 1 / kelvin - 1 / 298.15
    match key:
        case "nmc111-sanyo":
            return (7.543 * volts - 23.75) * 1e6 * math.exp(-6976 / kelvin) * DAYS**0.75
        case "lfp-sony":
            k = 1.2571e-5 * math.exp(-17126 / R * inverse) * (2.8575 * (soc - 0.5) ** 3 + 0.60225)
            return k * math.sqrt(DAYS * 86400)
        case "lfp-250ah":
            return 8.37e4 * math.exp(-5210 / kelvin) * math.exp(-3560 * anode / kelvin) * DAYS**0.526
        case "nca-panasonic":
            return 75.4 * math.exp(-3340 / kelvin) * math.exp(353 * soc / kelvin) * DAYS**0.512
        case "nmc-50ah":
            theta = kelvin / 308.15
            return 12 * math.exp(-3.91 / theta**3 * (anode / 0.123) ** (1 / 3)) * (DAYS / 1e4) ** 0.584
        case "generic":
            f = 4.14e-10 * DAYS * 86400 * math.exp(1.04 * (soc - 0.5))
            f *= math.exp(0.0693 * (kelvin - 298.15) * 298.15 / kelvin)
            return 1 - 0.0575 * math.exp(-121 * f) - (1 - 0.0575) * math.exp(-f)
    raise KeyError(key)


@pytest.mark.parametrize("key", [key for key in MODELS if key != "nmc-nrel"])
@pytest.mark.parametrize(("soc", "celsius"), [(0.3, 25.0), (0.8, 10.0), (0.6, 35.0)])
def test_storage_follows_the_paper(key: str, soc: float, celsius: float) -> None:
    result = age(MODELS[key], np.full(24, soc), 1.0, celsius, capacity_kwh=60.0, years=10.0)
    assert result.calendar_loss[-1] == pytest.approx(stored_loss(key, soc, celsius), rel=2e-4)
    assert result.cycle_loss[-1] == 0.0
    assert result.capacity_kwh[-1] == pytest.approx(60.0 * (1.0 - result.calendar_loss[-1]))


def triangle(low: float, high: float, cycles: int, steps: int = 8) -> np.ndarray:
    down = np.linspace(high, low, steps + 1)[1:]
    up = np.linspace(low, high, steps + 1)[1:]
    return np.concatenate([[high], np.tile(np.concatenate([down, up]), cycles)])


def test_cycling_follows_the_papers() -> None:
    soc = triangle(0.3, 0.7, 500)  # 200 full equivalent cycles of depth 0.4 at 0.05 per quarter hour, 0.2C
    common = {"capacity_kwh": 60.0, "energy_conserved": False}

    def cycle_loss(key: str) -> float:
        return float(age(MODELS[key], soc, 0.25, 25.0, **common).cycle_loss[-1])

    volts = np.interp(np.linspace(0.3, 0.7, 4001), np.linspace(0, 1, 41), SANYO_OCV_V)
    beta = 7.348e-3 * (math.sqrt(float(np.mean(volts**2))) - 3.667) ** 2 + 7.6e-4 + 4.081e-3 * 0.4
    assert cycle_loss("nmc111-sanyo") == pytest.approx(beta * math.sqrt(200 * 2 * 2.15), rel=1e-4)
    sony = 0.01 * (0.0630 * 0.2 + 0.0971) * (4.0253 * (0.4 - 0.6) ** 3 + 1.0923) * math.sqrt(200)
    assert cycle_loss("lfp-sony") == pytest.approx(sony, rel=1e-9)
    lfp = (4.38e-8 + 1.55e-8 * 0.4 + 1.68e-7 * 0.2) * math.exp(2190 / 298.15) * 200**0.828
    assert cycle_loss("lfp-250ah") == pytest.approx(lfp, rel=1e-6)
    assert cycle_loss("nca-panasonic") == pytest.approx(2 * (1.86e-6 + 1.77e-4 * 0.4) * 200**0.699, rel=1e-4)


def test_resistance_follows_the_papers() -> None:
    stored = age(MODELS["lfp-sony"], np.full(24, 0.8), 1.0, 25.0, capacity_kwh=60.0, years=10.0)
    expected = 3.4194e-10 * (-3.3903 * 0.3**2 + 1.5604) * DAYS * 86400
    assert stored.resistance_factor is not None
    assert stored.resistance_factor[-1] - 1.0 == pytest.approx(expected, rel=1e-4)
    cycled = age(MODELS["nmc111-sanyo"], triangle(0.3, 0.7, 500), 1e-9, 25.0, capacity_kwh=60.0, energy_conserved=False)
    volts = np.interp(np.linspace(0.3, 0.7, 4001), np.linspace(0, 1, 41), SANYO_OCV_V)
    beta = 2.153e-4 * (math.sqrt(float(np.mean(volts**2))) - 3.725) ** 2 - 1.521e-5 + 2.798e-4 * 0.4
    assert cycled.resistance_factor is not None
    assert cycled.resistance_factor[-1] - 1.0 == pytest.approx(beta * 200 * 4.3, rel=1e-3)
    assert age(MODELS["generic"], np.full(24, 0.8), 1.0, 25.0, capacity_kwh=60.0).resistance_factor is None


def test_rate_and_depth_of_the_nrel_cell() -> None:
    soc = np.tile(np.concatenate([np.linspace(0.9, 0.1, 13)[:-1], np.linspace(0.1, 0.9, 13)[:-1]]), 365)
    result = age(MODELS["nmc-nrel"], soc, 1.0, 25.0, capacity_kwh=60.0, energy_conserved=False)
    state = result.state.values[0]
    assert state[laws.Z_CYCLE] == pytest.approx(1.541e-5 * 365, rel=0.01)
    assert state[laws.Z_SITES] == pytest.approx(3.9193e-3 / 75.675 * 365 * 0.8**4.54, rel=0.01)
    calm = age(MODELS["nmc-nrel"], np.full(8760, 0.5), 1.0, 25.0, capacity_kwh=60.0)
    assert result.capacity_fraction[-1] < calm.capacity_fraction[-1]


def test_energy_is_conserved_by_deeper_cycles() -> None:
    soc = triangle(0.2, 0.8, 300)
    for key in ("lfp-250ah", "lfp-sony", "nca-panasonic", "nmc111-sanyo", "generic"):
        model = MODELS[key]
        shallow = age(model, soc, 0.25, 25.0, capacity_kwh=60.0, years=5.0, energy_conserved=False)
        deep = age(model, soc, 0.25, 25.0, capacity_kwh=60.0, years=5.0)
        assert deep.cycle_loss[-1] > shallow.cycle_loss[-1], key
        assert deep.full_equivalent_cycles[-1] == shallow.full_equivalent_cycles[-1]


def test_years_are_told_one_by_one_and_the_last_may_be_broken() -> None:
    result = age(MODELS["generic"], np.full(24, 0.5), 1.0, 25.0, capacity_kwh=60.0, years=2.5)
    np.testing.assert_allclose(result.years, [0.0, 1.0, 2.0, 2.5])
    assert result.capacity_fraction[0] == 1.0
    assert result.state.years[0] == pytest.approx(2.5)
    once = age(MODELS["generic"], np.full(24, 0.5), 1.0, 25.0, capacity_kwh=60.0)
    np.testing.assert_allclose(once.years, [0.0, 24 / 8760])


def test_loss_never_exceeds_the_battery() -> None:
    soc = np.tile([1.0, 0.0], 500)
    for model in MODELS.values():
        result = age(model, soc, 0.5, 60.0, capacity_kwh=60.0, years=30.0)
        assert result.capacity_fraction.min() >= -1e-12
        assert np.all(np.diff(result.capacity_fraction) <= 1e-9)


def test_rows_that_are_wrong_are_named() -> None:
    soc = np.full(100, 0.5)
    soc[[3, 40, 70]] = [np.nan, 1.2, -0.1]
    with pytest.raises(InputError) as caught:
        age(MODELS["generic"], soc, 1.0, 25.0, capacity_kwh=60.0)
    assert [problem.where for problem in caught.value.problems] == ["row 4, soc", "row 41, soc", "row 71, soc"]
    celsius = np.full((2, 100), 20.0)
    celsius[1, 1] = 300.0
    with pytest.raises(InputError, match="battery 1, row 2, temperature_c"):
        age_fleet(MODELS["generic"], np.full((2, 100), 0.5), 1.0, celsius, capacity_kwh=60.0)
    with pytest.raises(InputError, match="80 more such rows"):
        age(MODELS["generic"], np.full(100, np.nan), 1.0, 25.0, capacity_kwh=60.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_h": 0.0}, "step_h"),
        ({"step_h": math.nan}, "step_h"),
        ({"capacity_kwh": -1.0}, "capacity_kwh"),
        ({"years": 0.0}, "years"),
        ({"every_years": 0.0}, "every_years"),
        ({"temperature_c": np.zeros(7)}, "temperature_c"),
        ({"soc": np.zeros((2, 2))}, "age_fleet"),
        ({"soc": np.zeros(0)}, "at least one"),
        ({"state": AgeingState.new(MODELS["lfp-sony"])}, "the state is of"),
        ({"state": AgeingState.new(MODELS["generic"], 2)}, "the state is of"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {
        "model": MODELS["generic"],
        "soc": np.full(10, 0.5),
        "step_h": 1.0,
        "temperature_c": 20.0,
        "capacity_kwh": 60.0,
    }
    with pytest.raises(DomainError, match=words):
        age(**(arguments | change))  # type: ignore[arg-type]


def test_models_say_where_they_come_from() -> None:
    for key, model in MODELS.items():
        assert model.key == key
        assert "10." in model.source or "BLAST" in model.source
        assert np.isfinite(model.tables).all()
        assert not model.tables.flags.writeable
