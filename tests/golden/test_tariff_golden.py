"""Bills against numbers that bothways did not compute: SAM, REopt, decimal hand calculation. See the READMEs."""

import json
import runpy
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.billing import compute_bill
from bothways.tariffs.urdb import tariff_from_urdb

HERE = Path(__file__).parent
YEAR = TimeGrid.for_days(date(2018, 1, 1), date(2018, 12, 31), timedelta(hours=1), "UTC")
LOADS = runpy.run_path(str(HERE / "tariff-sam" / "loads.py"))


def read(*parts):
    return json.loads(HERE.joinpath(*parts).read_text(encoding="utf-8"))


def column(bill, name):
    return np.array([getattr(month, name) for month in bill.months])


def test_t1_agrees_with_hand_calculation_and_sam_in_every_month():
    expected = read("tariff-t1", "expected.json")
    tariff = tariff_from_urdb(read("tariff-t1", "tariff.json")).tariff
    bill = compute_bill(tariff, YEAR, LOADS["spiky"]())
    assert bill.total == pytest.approx(expected["sam_total"], abs=1e-6)
    np.testing.assert_allclose(column(bill, "total"), expected["sam_months"], atol=2e-6)
    for name in ("energy", "demand_tou", "demand_flat", "fixed", "peak_kw"):
        hand = [month[name] for month in expected["months"]]
        np.testing.assert_allclose(column(bill, name), hand, atol=0.005 + 1e-9, err_msg=name)
    printed = bill.as_dict()
    assert printed["total"] == expected["total"]
    assert [month["month"] for month in printed["months"]] == [month["month"] for month in expected["months"]]


def test_t1_tells_chronological_tiers_from_tiers_by_period():
    tariff = tariff_from_urdb(read("tariff-t1", "tariff.json")).tariff
    energy = column(compute_bill(tariff, YEAR, LOADS["spiky"]()), "energy").sum()
    assert energy == pytest.approx(8561.9365, abs=1e-6)
    assert abs(energy - 7986.0425) > 500.0


MONTHLY = [10, 10, 20, 50, 20, 10, 20, 20, 20, 20, 20, 5]
SEASONS = [10.5] * 6 + [11.5] * 6


def ratchet_tariff(rates, **ratchet):
    structure = [[{"rate": rate}] for rate in rates]
    flat = {"flatdemandstructure": structure, "flatdemandmonths": list(range(12))}
    return tariff_from_urdb({"energyratestructure": [[{"rate": 0.0}]], **flat, **ratchet}).tariff


def peaks(base, **by_month):
    load = np.full(8760, float(base))
    for month, peak in by_month.items():
        load[np.flatnonzero(YEAR.local.month == int(month[1:]))[100]] = peak
    return load


@pytest.mark.parametrize(
    ("tariff", "load", "wrapped", "ahead_unseen"),
    [
        (
            ratchet_tariff(SEASONS, lookbackPercent=0.35, lookbackMonths=[1] * 12, lookbackRange=0),
            peaks(1, m1=100),
            5302.50,
            5302.50,
        ),
        (
            ratchet_tariff(MONTHLY, lookbackPercent=0.75, lookbackMonths=[1, 0, 0, 1, *[0] * 7, 1], lookbackRange=0),
            peaks(100, m1=200, m4=400, m6=500, m12=300),
            74_500.0,
            69_000.0,
        ),
        (
            ratchet_tariff(MONTHLY, lookbackPercent=0.75, lookbackRange=6),
            peaks(100, m1=200, m4=400, m6=500, m12=300),
            79_375.0,
            76_875.0,
        ),
    ],
)
def test_t2_ratchets_of_reopt(tariff, load, wrapped, ahead_unseen):
    year_repeats = compute_bill(tariff, YEAR, load)
    assert year_repeats.total == pytest.approx(wrapped, abs=1e-9)
    assert any("wraps around" in note for note in year_repeats.notes)
    real = compute_bill(tariff, YEAR, load, prior_peaks=[0.0])
    assert real.total == pytest.approx(ahead_unseen, abs=1e-9)
    assert any("never ahead" in note for note in real.notes)
    assert not any("wraps around" in note for note in real.notes)


SAM_CASES = sorted(path.stem for path in (HERE / "tariff-sam").glob("*.json"))


@pytest.mark.parametrize("name", SAM_CASES)
def test_rules_against_sam(name):
    case = read("tariff-sam", f"{name}.json")
    load = LOADS[case["load"]]()
    net = LOADS["roof"](load, case["pv_kw"]) if case["pv_kw"] else load
    generation = {"generation_kw": load - net} if name == "buy-all-sell-all" else {}
    tariff = tariff_from_urdb(case["tariff"]).tariff
    bill = compute_bill(tariff, YEAR, net, prior_peaks=case.get("prior_peaks", ()), **generation)
    sam = case["sam"]
    if name == "ratchet-prior-peaks":
        np.testing.assert_allclose(column(bill, "billed_kw"), sam["billed_kw"], atol=1e-6)
        np.testing.assert_allclose(column(bill, "demand_flat"), sam["demand_flat"], atol=1e-6)
        return
    energy = column(bill, "energy")
    energy = energy + column(bill, "export_credit") if name == "net-metering" else energy
    np.testing.assert_allclose(energy, sam["energy"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "demand_tou"), sam["demand_tou"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "demand_flat"), sam["demand_flat"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "fixed"), sam["fixed"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "other"), sam.get("minimum", [0.0] * 12), atol=2e-6)
    if "credit" in sam:
        np.testing.assert_allclose(-column(bill, "export_credit"), sam["credit"], atol=2e-6)
    assert bill.total == pytest.approx(sam["total"], abs=2e-5)


def test_sam_cases_are_all_there():
    assert len(SAM_CASES) == 10


@pytest.mark.parametrize("key", sorted(read("tariff-urdb", "expected.json")))
def test_published_tariffs_against_sam(key, bench_data):
    expected = read("tariff-urdb", "expected.json")[key]
    file, load_name, pv_kw = key.split("/")
    load = LOADS[load_name]()
    net = LOADS["roof"](load, float(pv_kw)) if float(pv_kw) else load
    published = json.loads((bench_data / f"urdb_{file}.json").read_text(encoding="utf-8"))
    imported = tariff_from_urdb(published, name_of_source=file)
    assert imported.warnings == ()
    bill = compute_bill(imported.tariff, YEAR, net)
    np.testing.assert_allclose(column(bill, "energy") + column(bill, "export_credit"), expected["energy"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "demand_tou"), expected["demand_tou"], atol=2e-6)
    np.testing.assert_allclose(column(bill, "demand_flat"), expected["demand_flat"], atol=2e-6)
    fixed_that_sam_does_not_read = 12 * 259.20 if file.startswith("sce") else 0.0
    assert bill.total == pytest.approx(expected["sam_total"] + fixed_that_sam_does_not_read, abs=2e-5)
