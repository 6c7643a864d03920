"""The price of wear by month and state of charge, for batteries of a stated age."""

import numpy as np
import pytest

from bothways.battery.ageing import AgeingState, age
from bothways.battery.models import MODELS
from bothways.battery.wear import BatteryValue, Use, aged_wear_per_kwh, marginal_wear_per_kwh
from bothways.battery.wear_table import BANDS, DRIVEN_CYCLES, WearTable, driven_state, driven_to, wear_table
from bothways.domain.errors import DomainError, InputError

VALUE = BatteryValue(120.0, 40.0)
MILD = [20.0] * 12


def test_with_one_temperature_the_middle_bands_are_the_price_that_the_fleet_had():
    for key in ("nca-panasonic", "lfp-sony", "nmc111-sanyo"):
        table = wear_table([MODELS[key]], VALUE, temperature_c=MILD, discharge_efficiency=0.9)
        before = marginal_wear_per_kwh(
            MODELS[key],
            driven_state(MODELS[key], age_years=2.0),
            VALUE,
            use=Use(mean_soc=0.55),
            discharge_efficiency=0.9,
        )
        assert table.at(5, 0.55) == pytest.approx(before[0])
    sony = wear_table([MODELS["lfp-sony"]], VALUE, temperature_c=MILD)  # its law does not ask where the cycle lies
    assert sony.at(1, 0.6) == pytest.approx(aged_wear_per_kwh(MODELS["lfp-sony"], VALUE))


def test_the_price_follows_age_and_throughput():
    model = MODELS["nca-panasonic"]
    prices = [
        float(wear_table([model], VALUE, temperature_c=MILD, age_years=years, cycles_per_year=cycles).at(1, 0.5))
        for years, cycles in ((0.0, 0.0), (2.0, 73.0), (5.0, 73.0), (5.0, 300.0))
    ]
    # Q ~ EFC^0.699: the derivative falls with throughput
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == 4


def test_throughput_is_what_was_asked_for_also_when_it_needs_several_cycles_a_day():
    model = MODELS["generic"]
    for cycles in (0.0, 20.0, DRIVEN_CYCLES, 500.0, 1500.0):
        state = driven_state(model, age_years=2.0, cycles_per_year=cycles)
        assert state.full_equivalent_cycles[0] == pytest.approx(2 * cycles, abs=1.0)
        assert state.years[0] == pytest.approx(2.0, abs=0.01)


def test_season_and_state_of_charge_enter_where_the_law_has_them():
    seasons = [0.0] * 6 + [30.0] * 6
    generic = wear_table([MODELS["generic"]], VALUE, temperature_c=seasons)
    assert generic.at(7, 0.5) > generic.at(1, 0.5)  # Xu 2016: kT 0.0693 per kelvin, kσ 1.04 around σ
    assert generic.at(7, 0.8) > generic.at(7, 0.3)
    ratio = float(generic.at(1, 0.75) / generic.at(1, 0.45))
    assert ratio == pytest.approx(np.exp(1.04 * 0.3), rel=0.02)
    lfp = wear_table([MODELS["lfp-250ah"]], VALUE, temperature_c=seasons)
    assert lfp.at(1, 0.5) > lfp.at(7, 0.5)  # this one is worn more by cycles in the cold


def test_of_several_cells_the_middle_price_counts():
    models = [MODELS[key] for key in ("lfp-sony", "nca-panasonic", "nmc111-sanyo")]
    each = np.stack([wear_table([model], VALUE, temperature_c=MILD).per_kwh for model in models])
    assert wear_table(models, VALUE, temperature_c=MILD).per_kwh == pytest.approx(np.sort(each, axis=0)[1])


def test_looking_up_clips_the_state_of_charge_and_refuses_what_is_no_month():
    table = WearTable(np.arange(12.0)[:, None] + np.arange(BANDS)[None, :] / 100.0)
    assert table.at([1, 12], [-0.1, 1.2]).tolist() == [0.0, 11.09]
    for month, soc in ((0, 0.5), (13, 0.5), (1, np.nan)):
        with pytest.raises(DomainError):
            table.at(month, soc)


@pytest.mark.parametrize("prices", [np.zeros((12, 3)), np.full((12, BANDS), -0.1), np.full((12, BANDS), np.nan)])
def test_a_table_of_other_things_than_prices_is_refused(prices):
    with pytest.raises(DomainError):
        WearTable(prices)


@pytest.mark.parametrize(
    "values", [{"age_years": -1.0}, {"age_years": 41.0}, {"age_years": 1.0, "cycles_per_year": -1}]
)
def test_batteries_that_cannot_be_are_refused(values):
    with pytest.raises(DomainError):
        driven_state(MODELS["generic"], **values)


def test_a_new_battery_and_bad_tables_asked_for():
    new = driven_state(MODELS["generic"], age_years=0.0)
    assert (new.values == AgeingState.new(MODELS["generic"]).values).all()
    with pytest.raises(DomainError, match="12 temperatures"):
        wear_table([MODELS["generic"]], VALUE, temperature_c=[20.0] * 3)
    with pytest.raises(DomainError):
        wear_table([], VALUE, temperature_c=MILD)
    with pytest.raises(InputError, match=r"293 K is 19\.85 °C"):
        wear_table([MODELS["generic"]], VALUE, temperature_c=[293.0] * 12)


def test_a_battery_is_driven_to_the_health_that_its_record_tells():
    for name in ("nca-panasonic", "nmc111-sanyo", "nmc-nrel"):
        model = MODELS[name]
        for health in (0.97, 0.9, 0.82):
            state = driven_to(model, health, cycles_per_year=150.0, temperature_c=15.0)
            years = float(state.years[0])
            same = driven_state(model, age_years=years, cycles_per_year=150.0, temperature_c=15.0)
            later = age(model, np.array([0.5]), 1e-3, 15.0, capacity_kwh=1.0, state=state)
            assert later.capacity_fraction[0] == pytest.approx(health, abs=1e-3)
            assert state.full_equivalent_cycles[0] == pytest.approx(same.full_equivalent_cycles[0], rel=0.01)
    assert driven_to(MODELS["lfp-sony"], 1.02).years[0] == 0.0
    assert driven_to(MODELS["lfp-250ah"], 0.3).years[0] == pytest.approx(40.0)
    with pytest.raises(DomainError, match="above 0"):
        driven_to(MODELS["lfp-sony"], 0.0)


def test_the_price_of_a_table_follows_the_record_and_not_the_age():
    worth, models = BatteryValue(120.0, 40.0), list(MODELS.values())
    prices = [
        wear_table(models, worth, temperature_c=[20.0] * 12, health=health, age_years=7.0).price(6, 0.5)
        for health in (0.98, 0.93, 0.85)
    ]
    assert prices[0] > prices[1] > prices[2] > 0.0
    assert wear_table(models, worth, temperature_c=[20.0] * 12, health=0.93).price(6, 0.5) == prices[1]
