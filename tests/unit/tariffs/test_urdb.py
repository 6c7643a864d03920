"""Import of OpenEI URDB JSON: what is accepted, what is refused, and in which words."""

import json
import math
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from bothways.domain.errors import InputError
from bothways.tariffs.structure import (
    Amounts,
    ContractedCapacity,
    Holidays,
    Levy,
    Metering,
    RatchetScope,
    Surplus,
    TierUnit,
)
from bothways.tariffs.urdb import tariff_from_urdb

FLAT = {"energyratestructure": [[{"rate": 0.2}]]}
ZEROS = [[0] * 24 for _ in range(12)]
ONES = [[1] * 24 for _ in range(12)]
TWO = {
    "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.3}]],
    "energyweekdayschedule": ONES,
    "energyweekendschedule": ZEROS,
}


def with_extension(**extension):
    return tariff_from_urdb({**FLAT, "bothways": extension})


def problems_of(mapping):
    with pytest.raises(InputError) as caught:
        tariff_from_urdb(mapping, name_of_source="tariff.json")
    assert all(problem.allowed and problem.remedy and problem.found for problem in caught.value.problems)
    return {problem.where.removeprefix("tariff.json: "): problem for problem in caught.value.problems}


def test_smallest_tariff():
    imported = tariff_from_urdb(FLAT)
    assert imported.warnings == ()
    assert imported.tariff.energy[0][0].rate == 0.2
    assert imported.tariff.energy[0][0].sell is None
    assert imported.tariff.energy[0][0].max == math.inf
    assert imported.tariff.currency == "USD"
    assert imported.tariff.metering is Metering.NET_BILLING_INSTANTANEOUS


def test_wrapper_of_the_api_and_spelling_of_fields_do_not_matter():
    rate = {"energyRateStructure": FLAT["energyratestructure"], "lookbackPercent": 0.5, "flatdemandstructure": [[{}]]}
    imported = tariff_from_urdb({"items": [rate]})
    assert imported.tariff.ratchet.percent == 0.5
    assert "neither rate nor adj" in imported.warnings[0]


def test_every_tier_field_is_read():
    tier = {"rate": 0.1, "adj": -0.02, "sell": 0.05, "max": 300, "unit": "kwh/kw DAILY"}
    read = tariff_from_urdb({"energyratestructure": [[tier, {"rate": 1}]]}).tariff.energy[0][0]
    assert (read.rate, read.adj, read.sell, read.max, read.unit) == (0.1, -0.02, 0.05, 300.0, TierUnit.KWH_PER_KW_DAILY)
    assert read.unit.daily
    assert read.unit.per_kw


def test_unknown_fields_are_kept_and_named():
    imported = tariff_from_urdb({**FLAT, "label": "abc", "colour": "blue"})
    assert imported.tariff.extra["colour"] == "blue"
    assert imported.tariff.extra["label"] == "abc"
    assert imported.warnings == ("unknown field 'colour' is kept and not used",)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("energyratestruture", "energyratestructure"),
        ("flatdemandmonth", "flatdemandmonths"),
        ("fixedmontlycharge", "fixedmonthlycharge"),
        ("bothway", "bothways"),
    ],
)
def test_a_misspelt_charge_is_refused_as_it_would_be_missing_on_the_bill(wrong, meant):
    found = problems_of({"name": "slip", "energyweekdayschedule": ZEROS, wrong: [[{"rate": 0.2}]]})
    assert list(found) == [wrong]
    assert found[wrong].remedy == f"Did you mean {meant!r}?"


def test_a_misspelt_charge_is_refused_where_the_right_one_is_null():
    assert list(problems_of({"energyratestructure": None, "energyratestruture": [[{"rate": 0.2}]]})) == [
        "energyratestruture"
    ]


def test_a_near_name_beside_the_right_field_is_only_named():
    imported = tariff_from_urdb({**FLAT, "energyratestructures": []})
    assert imported.warnings == ("unknown field 'energyratestructures' is kept and not used",)


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("data/*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_tariffs_of_the_examples_are_plausible(path):
    imported = tariff_from_urdb(json.loads(path.read_text(encoding="utf-8")))
    assert not [text for text in imported.warnings if "hardly ever" in text or "check the sign" in text]


@pytest.mark.parametrize("name", ["urdb_pge_e19_secondary_2019.json", "urdb_psco_rd.json", "urdb_sce_gs2_tou_b.json"])
def test_published_tariffs_are_plausible(bench_data, name):
    imported = tariff_from_urdb(json.loads((bench_data / name).read_text(encoding="utf-8")))
    assert not [text for text in imported.warnings if "hardly ever" in text or "check the sign" in text]


def test_charges_that_cannot_be_billed_are_named():
    imported = tariff_from_urdb({**FLAT, "demandreactivepowercharge": 0.3, "fixedchargeeaaddl": 0})
    assert len(imported.warnings) == 1
    assert "demandreactivepowercharge" in imported.warnings[0]


def test_all_problems_come_at_once():
    holed = [*ZEROS[:11], [0] * 23]
    outside = [[0, 2, *[0] * 22], *ZEROS[1:]]
    found = problems_of(
        {
            "energyratestructure": [[{"rate": math.nan}], [{"rate": 0.1, "max": -5}, {"rate": 0.2}]],
            "energyweekdayschedule": holed,
            "energyweekendschedule": outside,
            "flatdemandstructure": [[{"rate": "8"}]],
            "flatdemandmonths": [0] * 11,
            "demandwindow": 25,
            "dgrules": "Net Meterin",
            "mincharge": -3,
        }
    )
    assert set(found) == {
        "energyratestructure[0][0].rate",
        "energyratestructure[1][0].max",
        "energyweekdayschedule[11] (December)",
        "energyweekendschedule[0] (January)",
        "flatdemandstructure[0][0].rate",
        "flatdemandmonths",
        "demandwindow",
        "dgrules",
        "mincharge",
    }
    assert "23 hours" in found["energyweekdayschedule[11] (December)"].found
    assert "2 at hour 1" in found["energyweekendschedule[0] (January)"].found
    assert "0…1" in found["energyweekendschedule[0] (January)"].allowed
    assert "Net Metering" in found["dgrules"].remedy


@pytest.mark.parametrize("hole", [None, "", math.nan, True, -1, 0.5, [], 10**400])
def test_a_hole_in_a_schedule_is_refused(hole):
    schedule = [list(row) for row in ZEROS]
    schedule[6][13] = hole
    found = problems_of({**TWO, "energyweekendschedule": schedule})
    assert list(found) == ["energyweekendschedule[6] (July)"]
    assert "hour 13" in found["energyweekendschedule[6] (July)"].found


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, {"items": []}, {"items": [1, 2]}, {"a": 1}, b"x"])
def test_what_is_no_tariff_is_refused(junk):
    with pytest.raises(InputError):
        tariff_from_urdb(junk)


def test_periods_without_schedule_are_refused_and_one_missing_day_kind_is_filled():
    found = problems_of({"energyratestructure": TWO["energyratestructure"]})
    assert list(found) == ["energyweekdayschedule"]
    imported = tariff_from_urdb({key: TWO[key] for key in ("energyratestructure", "energyweekdayschedule")})
    assert imported.tariff.energy_schedule.weekend[3][4] == 1
    assert "energyweekendschedule is missing" in imported.warnings[0]


def test_a_missing_schedule_of_seasons_is_refused():
    assert list(problems_of({**FLAT, "flatdemandstructure": [[{"rate": 1}], [{"rate": 2}]]})) == ["flatdemandmonths"]
    assert "coincidentrateschedule" in problems_of({**FLAT, "coincidentratestructure": [[{"rate": 1}]]})


def test_tiers_must_rise_and_may_end_bounded_or_at_1e38():
    falling = {"energyratestructure": [[{"rate": 1, "max": 500}, {"rate": 2, "max": 400}, {"rate": 3}]]}
    assert list(problems_of(falling)) == ["energyratestructure[0][1].max"]
    mixed = [{"rate": 1, "max": 500}, {"rate": 2, "max": 200, "unit": "kWh/kW"}, {"rate": 3, "max": 1e38}]
    imported = tariff_from_urdb({"energyratestructure": [mixed]})
    assert imported.warnings == ()
    assert imported.tariff.energy[0][2].max == math.inf
    assert "also holds above" in tariff_from_urdb({"energyratestructure": [[{"rate": 1, "max": 9}]]}).warnings[0]
    unreachable = tariff_from_urdb({"energyratestructure": [[{"rate": 1}, {"rate": 2}]]})
    assert len(unreachable.tariff.energy[0]) == 1
    assert "never reached" in unreachable.warnings[0]


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        ({"fixedmonthlycharge": 5}, Amounts(per_month=5.0)),
        ({"fixedchargefirstmeter": 5, "fixedchargeunits": "$/month"}, Amounts(per_month=5.0)),
        ({"fixedchargefirstmeter": 0.5, "fixedchargeunits": "$/day"}, Amounts(per_day=0.5)),
        ({"fixedchargefirstmeter": 60, "fixedchargeunits": "$/year"}, Amounts(per_year=60.0)),
        ({"fixedchargefirstmeter": 7, "fixedmonthlycharge": 7, "fixedchargeunits": "$/month"}, Amounts(per_month=7.0)),
    ],
)
def test_fixed_charges(charge, expected):
    imported = tariff_from_urdb({**FLAT, **charge})
    assert imported.tariff.fixed == expected
    assert imported.warnings == ()


def test_minimum_charges_old_and_new():
    old = tariff_from_urdb({**FLAT, "minmonthlycharge": 10, "annualmincharge": 100}).tariff.minimum
    assert old == Amounts(per_month=10.0, per_year=100.0)
    assert tariff_from_urdb({**FLAT, "mincharge": 4, "minchargeunits": "$/day"}).tariff.minimum == Amounts(per_day=4.0)
    assumed = tariff_from_urdb({**FLAT, "mincharge": 4})
    assert assumed.tariff.minimum == Amounts(per_month=4.0)
    assert "minchargeunits is missing" in assumed.warnings[0]


@pytest.mark.parametrize(
    ("fields", "metering"),
    [
        ({"dgrules": "Net Metering"}, Metering.NET_METERING),
        ({"dgrules": "net billing hourly"}, Metering.NET_BILLING_HOURLY),
        ({"dgrules": "Buy All Sell All"}, Metering.BUY_ALL_SELL_ALL),
        ({"usenetmetering": True}, Metering.NET_METERING),
        ({"usenetmetering": False}, Metering.NET_BILLING_INSTANTANEOUS),
    ],
)
def test_metering(fields, metering):
    assert tariff_from_urdb({**FLAT, **fields}).tariff.metering is metering


def test_ratchets():
    flat = {**FLAT, "flatdemandstructure": [[{"rate": 5}]]}
    read = tariff_from_urdb({**flat, "lookbackpercent": 0.8, "lookbackmonths": [True, *[False] * 10, 1]}).tariff.ratchet
    assert (read.percent, read.months, read.previous, read.scope) == (0.8, (1, 12), 0, RatchetScope.FLAT)
    percent = tariff_from_urdb({**FLAT, "demandratestructure": [[{"rate": 5}]], "demandratchetpercentage": [50] * 12})
    assert percent.tariff.ratchet.month_percent == (0.5,) * 12
    assert percent.tariff.ratchet.scope is RatchetScope.TOU
    assert "percent" in percent.warnings[0]
    assert tariff_from_urdb({**flat, "lookbackpercent": 0, "demandratchetpercentage": [0] * 12}).tariff.ratchet is None
    both = tariff_from_urdb({**flat, "lookbackpercent": 75, "lookbackrange": 6, "lookbackmonths": [1] * 12})
    assert len(both.warnings) == 2
    assert (both.tariff.ratchet.percent, both.tariff.ratchet.previous) == (0.75, 6)
    nothing = tariff_from_urdb({**flat, "lookbackpercent": 0.5, "lookbackmonths": [0] * 12})
    assert nothing.tariff.ratchet is None
    assert "no effect" in nothing.warnings[0]
    assert tariff_from_urdb({**flat, "lookbackpercent": 0.5}).tariff.ratchet.months == tuple(range(1, 13))


def test_units_of_demand():
    horses = tariff_from_urdb({**FLAT, "flatdemandstructure": [[{"rate": 5}]], "flatdemandunit": "hp daily"})
    assert horses.tariff.flat_demand.units_per_kw == pytest.approx(1 / 0.746)
    assert horses.tariff.flat_demand.daily
    apparent = {**FLAT, "demandratestructure": [[{"rate": 5}]], "demandrateunit": "kVA"}
    assumed = tariff_from_urdb(apparent)
    assert assumed.tariff.tou_demand.units_per_kw == 1.0
    assert "power factor of 1" in assumed.warnings[0]
    stated = tariff_from_urdb({**apparent, "bothways": {"power_factor": 0.8}})
    assert stated.tariff.tou_demand.units_per_kw == 1.25
    assert stated.warnings == ()


def test_validity():
    imported = tariff_from_urdb({**FLAT, "startdate": 1433116800, "enddate": "2016-01-01"})
    assert imported.tariff.valid == (datetime(2015, 6, 1, tzinfo=UTC), datetime(2016, 1, 1, tzinfo=UTC))
    assert "not understood" in tariff_from_urdb({**FLAT, "startdate": {"$date": "x"}}).warnings[0]


def test_whole_extension():
    extension = {
        "currency": "eur",
        "timezone": "Europe/Amsterdam",
        "holidays": {"country": "NL", "only": ["Christmas"], "dates": ["2024-05-04"]},
        "schedule_overrides": [
            {"from": "11-15", "to": "02-28", "days": "weekday", "start": "16:30", "end": "24:00", "energy_period": 0}
        ],
        "export": {"allowed": False, "surplus": "lost"},
        "contracted_import": {"kw": 80, "price_per_kw_day": 0.1, "excess_price_per_kw": 4},
        "contracted_export": {"kw": 40, "price_per_kw_month": 1, "excess_price_per_kwh": 2},
        "levies": [{"name": "energy tax", "import_per_kwh": 0.1, "export_per_kwh": 0.1, "exempt": True}],
        "critical_peak_events": [{"start": "2024-07-01T16:00", "end": "2024-07-01T19:00", "adder_per_kwh": 0.7}],
        "coincident_hours": [{"start": "2024-07-01T17:00+02:00", "end": "2024-07-01T18:00+02:00", "price_per_kw": 9}],
        "price_series": {"factor": 0.001, "adder": 0.02, "vat": 0.21, "export_factor": 0.001, "export_adder": -0.01},
        "ratchet_applies_to": "both",
        "power_factor": 0.9,
    }
    tariff = with_extension(**extension).tariff
    assert tariff.currency == "EUR"
    assert tariff.timezone == "Europe/Amsterdam"
    assert tariff.holidays == Holidays("NL", "", ("Christmas",), (date(2024, 5, 4),))
    override = tariff.overrides[0]
    assert (override.first, override.last, override.start, override.end) == ((11, 15), (2, 28), time(16, 30), time(0))
    assert (tariff.export_allowed, tariff.surplus) == (False, Surplus.LOST)
    assert tariff.contracted_import == ContractedCapacity(80.0, per_kw_day=0.1, excess_per_kw=4.0)
    assert tariff.contracted_export == ContractedCapacity(40.0, per_kw_month=1.0, excess_per_kwh=2.0)
    assert tariff.levies == (Levy("energy tax", 0.1, 0.1, exempt=True),)
    assert tariff.events[0].adder == 0.7
    assert tariff.coincident_windows[0].per_kw == 9.0
    assert (tariff.price_series.vat, tariff.price_series.export_adder) == (0.21, -0.01)
    assert tariff_from_urdb({**FLAT, "bothways": extension}).tariff == tariff
    assert hash(tariff_from_urdb({**FLAT, "bothways": extension}).tariff) == hash(tariff)


def test_problems_of_the_extension_come_at_once():
    found = problems_of(
        {
            **FLAT,
            "bothways": {
                "curency": "EUR",
                "timezone": "Mars/Base",
                "holidays": {"country": "ZZ"},
                "schedule_overrides": [{"from": "13-01", "energy_period": 4}, {}],
                "contracted_import": {"kw": -1},
                "contracted_export": {"price_per_kw_day": 1},
                "critical_peak_events": [{"start": "2024-07-01T16:00", "end": "2024-07-01T15:00", "adder_per_kwh": 1}],
                "coincident_hours": [{"start": "2024-07-01", "end": "2024-07-02"}],
                "price_series": {"vat": 21},
                "levies": {"name": "x"},
            },
        }
    )
    assert set(found) == {
        "bothways.curency",
        "bothways.timezone",
        "bothways.holidays",
        "bothways.schedule_overrides[0].from",
        "bothways.schedule_overrides[0].energy_period",
        "bothways.schedule_overrides[1]",
        "bothways.contracted_import.kw",
        "bothways.contracted_export.kw",
        "bothways.critical_peak_events[0].end",
        "bothways.coincident_hours[0]",
        "bothways.price_series.vat",
        "bothways.levies",
    }
    assert "currency" in found["bothways.curency"].remedy


def test_unknown_name_of_a_holiday_lists_the_known_ones():
    found = problems_of({**FLAT, "bothways": {"holidays": {"country": "US", "only": ["Thanksgiving", "Boxing Day"]}}})
    assert list(found) == ["bothways.holidays.only[1]"]
    assert "Labor Day" in found["bothways.holidays.only[1]"].allowed


@pytest.mark.parametrize("name", ["pge_e19_secondary_2019", "sce_gs2_tou_b", "psco_rd"])
def test_published_files_import_without_a_word(name, bench_data):
    imported = tariff_from_urdb(json.loads((bench_data / f"urdb_{name}.json").read_text(encoding="utf-8")))
    assert imported.warnings == ()
    assert imported.tariff.energy
    assert imported.tariff.flat_demand.periods
