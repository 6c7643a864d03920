"""Prices that are hardly ever meant are named, never refused."""

import numpy as np
import pytest

from bothways.tariffs.plausibility import CURRENCIES, doubtful_series
from bothways.tariffs.urdb import tariff_from_urdb


def warnings_of(currency="USD", **fields):
    extension = {"currency": currency, **fields.pop("bothways", {})}
    return tariff_from_urdb(
        {"energyratestructure": [[{"rate": 0.2}]], "bothways": extension, **fields}, name_of_source="tariff.json"
    ).warnings


def priced(rule, currency="EUR"):
    return tariff_from_urdb({"bothways": {"price_series": rule, "currency": currency}}).tariff


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_energy_prices_per_mwh_or_in_cents_are_named(currency):
    (text,) = warnings_of(currency, energyratestructure=[[{"rate": 120, "max": 9}, {"rate": 130}]])
    assert text.startswith(f"energyratestructure[0][0] has a price of 120 {currency} per kWh (and 1 more like it)")


@pytest.mark.parametrize("price", [5.0, -5.0, 0.35])
def test_the_limit_itself_is_believed(price):
    assert warnings_of(energyratestructure=[[{"rate": price}]]) == ()


@pytest.mark.parametrize("currency", ["JPY", "SEK", "INR", "CNY"])
def test_other_currencies_are_not_judged(currency):
    assert warnings_of(currency, energyratestructure=[[{"rate": 120}]]) == ()
    assert doubtful_series(priced({}, currency), np.array([30.0, 40.0])) == ()


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"energyratestructure": [[{"rate": -5.1}]]}, "energyratestructure[0][0] has a price of -5.1"),
        ({"energyratestructure": [[{"rate": 4, "adj": 2}]]}, "energyratestructure[0][0] has a price of 6 "),
        ({"energyratestructure": [[{"rate": 0.1, "sell": 40}]]}, "energyratestructure[0][0].sell"),
        ({"fueladjustmentsmonthly": [0] * 6 + [12] + [0] * 5}, "fueladjustmentsmonthly[6]"),
        ({"bothways": {"levies": [{"import_per_kwh": 9.5}]}}, "bothways.levies[0].import_per_kwh"),
        (
            {"bothways": {"critical_peak_events": [
                {"start": "2019-07-01T16:00", "end": "2019-07-01T20:00", "price_per_kwh": 80}]}},
            "bothways.critical_peak_events[0]",
        ),
    ],
)  # fmt: skip
def test_every_price_per_kwh_is_looked_at(fields, place):
    (text,) = warnings_of(**fields)
    assert text.startswith(place)
    assert "in cents, or per MWh" in text


@pytest.mark.parametrize("kind", ["flatdemandstructure", "demandratestructure", "coincidentratestructure"])
@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_negative_demand_rates_are_named(kind, currency):
    schedule = {"coincidentrateschedule": [[0] * 24] * 12} if kind.startswith("coincident") else {}
    (text,) = warnings_of(currency, **{kind: [[{"rate": -9}]]}, **schedule)
    assert text.startswith(f"{kind}[0][0] has a demand rate of -9 {currency} per kW: ")
    assert "check the sign" in text


def test_a_discount_on_a_demand_rate_is_no_negative_rate():
    assert warnings_of(flatdemandstructure=[[{"rate": 9, "adj": -2}]]) == ()


def test_a_series_is_judged_after_the_factor():
    values = np.array([40.0, 60.0, -90.0, 3.0])
    (text,) = doubtful_series(priced({"factor": 1}), values)
    assert text.startswith("3 of 4 prices of the series are beyond 5 EUR per kWh (up to -90) after the factor 1:")
    assert "0.001" in text
    assert doubtful_series(priced({"factor": 0.001}), values) == ()
    assert len(doubtful_series(priced({"factor": 0.001, "export_factor": 1}), values)) == 1
    assert doubtful_series(tariff_from_urdb({"energyratestructure": [[{"rate": 0.2}]]}).tariff, values) == ()
