"""The tariff files of the examples hold the facts they claim: against the records they come from, and by hand."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.urdb import tariff_from_urdb

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TARIFFS = sorted(EXAMPLES.glob("*/data/*.json"))
QUARTER = timedelta(minutes=15)


def content(name: str) -> dict[str, Any]:
    (path,) = EXAMPLES.glob(f"*/data/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def energy_price(name: str, when: datetime) -> float:
    """Price of imported energy at an instant, straight from the file's matrices."""
    rate = content(name)
    grid = TimeGrid(when, QUARTER, 1, rate["bothways"]["timezone"])
    local = grid.local
    day = date.fromordinal(int(local.date_ordinal[0]))
    weekend = int(local.weekday[0]) >= 5 or day.isoformat() in rate["bothways"].get("holidays", {}).get("dates", [])
    matrix = rate["energyweekendschedule" if weekend else "energyweekdayschedule"]
    return rate["energyratestructure"][matrix[int(local.month[0]) - 1][int(local.hour[0])]][0]["rate"]


@pytest.mark.parametrize("path", TARIFFS, ids=lambda path: path.stem)
def test_is_read_without_a_warning_and_names_its_source(path: Path) -> None:
    imported = tariff_from_urdb(json.loads(path.read_text(encoding="utf-8")), name_of_source=path.name)
    assert imported.warnings == ()
    assert imported.tariff.source
    assert imported.tariff.valid[0] is not None
    assert imported.tariff.timezone


def test_there_are_seven_tariffs() -> None:
    assert len(TARIFFS) == 7


def test_gs2_holds_the_published_rates_and_hours(bench_data: Path) -> None:
    published = json.loads((bench_data / "urdb_sce_gs2_tou_b.json").read_text(encoding="utf-8"))
    ours = content("sce-gs2-tou-b")
    for key in ("energyweekdayschedule", "energyweekendschedule", "demandweekdayschedule", "demandweekendschedule"):
        assert ours[key] == published[key], key
    for key in ("energyratestructure", "demandratestructure", "flatdemandstructure"):
        rates = [[tier["rate"] for tier in period] for period in ours[key]]
        assert rates == [[tier["rate"] for tier in period] for period in published[key]], key
    assert ours["fixedchargefirstmeter"] == published["fixedmonthlycharge"]


@pytest.mark.parametrize(("name", "index"), [("sce-tou-ev-4-2019", 0), ("sce-tou-ev-8-2019", 2)])
def test_ev_tariffs_hold_the_recorded_rates_and_hours(bench_data: Path, name: str, index: int) -> None:
    record = bench_data.parent / "bundle" / "sce_ev_tariffs_2018_2019.json"
    tariff = json.loads(record.read_text(encoding="utf-8"))["tariffs"][index]
    ours = content(name)
    for key, kind in (("energyweekdayschedule", "WEEKDAYS"), ("energyweekendschedule", "WEEKENDS")):
        for month in range(1, 13):
            (season,) = [s for s in tariff["seasons"] if s["days"] in {"ALL", kind} and _covers(s, month)]
            for hour in range(24):
                place = np.searchsorted(season["hours"], hour, side="right") - 1
                price = ours["energyratestructure"][ours[key][month - 1][hour]][0]["rate"]
                assert price == season["energy_usd_per_kwh"][place], (key, month, hour)
    demand = {season["demand_usd_per_kw_month"] for season in tariff["seasons"]}
    assert demand == {ours["flatdemandstructure"][0][0]["rate"] if "flatdemandstructure" in ours else 0}


def _covers(season: dict[str, Any], month: int) -> bool:
    first, last = int(season["start"].split("-")[0]), int(season["end"].split("-")[0])
    return first <= month <= last if first <= last else month >= first or month <= last


@pytest.mark.parametrize(
    ("when", "price"),
    [
        (datetime(2019, 7, 9, 19, 0, tzinfo=UTC), 0.26668),  # Tuesday noon in July
        (datetime(2019, 7, 9, 18, 45, tzinfo=UTC), 0.0925),  # a quarter before
        (datetime(2019, 7, 4, 19, 0, tzinfo=UTC), 0.05623),  # noon of Independence Day, a Thursday
        (datetime(2019, 10, 1, 20, 0, tzinfo=UTC), 0.0869),  # 13 h, first day of winter
        (datetime(2019, 11, 4, 7, 0, tzinfo=UTC), 0.06087),  # 23 h of a Sunday after the clocks went back
    ],
)
def test_ev4_prices_of_single_hours(when: datetime, price: float) -> None:
    assert energy_price("sce-tou-ev-4-2019", when) == price


def test_bc_hydro_by_hand() -> None:
    """A month's kW costs 13.83, a kWh 6.79 cents, a day 29.99 cents: all less 1.5 %."""
    tariff = tariff_from_urdb(content("bc-hydro-lgs-2026")).tariff
    demand, energy = tariff.flat_demand.periods[0][0], tariff.energy[0][0]
    assert demand.rate + demand.adj == pytest.approx(13.62255)
    assert energy.rate + energy.adj == pytest.approx(0.0668815)
    assert tariff.fixed.per_day * 30 == pytest.approx(8.862045)


def test_dutch_contract_by_hand() -> None:
    """At 0.10 EUR/kWh: (0.10 + 0.0205 + 0.1088) · 1.21 = 0.277453 to take; returned the same, or 0.10."""
    netting = tariff_from_urdb(content("nl-dynamic-netting-2024")).tariff
    after = tariff_from_urdb(content("nl-dynamic-no-tax-returned")).tariff
    for tariff in (netting, after):
        series, (levy,) = tariff.price_series, tariff.levies
        assert series is not None
        assert (series.factor * 0.10 + series.adder) * (1 + series.vat) + levy.import_per_kwh == pytest.approx(0.277453)
    assert netting.price_series is not None
    back = 0.10 * (netting.price_series.export_factor or 0.0) + netting.price_series.export_adder
    assert back + netting.levies[0].import_per_kwh == pytest.approx(0.277453)
    assert netting.levies[0].exempt
    assert after.price_series is not None
    assert 0.10 * (after.price_series.export_factor or 0.0) + after.price_series.export_adder == pytest.approx(0.10)
    assert not after.levies[0].exempt
