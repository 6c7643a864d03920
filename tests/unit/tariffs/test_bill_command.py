"""``bothways bill`` as a user meets it."""

import json
import runpy
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bothways.adapters.files.series import read_series
from bothways.app.cli import main
from bothways.domain.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden"
FLAT = {"name": "Flat", "energyratestructure": [[{"rate": 0.1, "sell": 0.04}]], "fixedmonthlycharge": 5}


@pytest.fixture
def files(tmp_path):
    """Writes a tariff and a load of January 2018, and returns their paths as arguments."""

    def write(tariff=FLAT, *, hours=744, offset="", value=lambda hour: 2.0, columns=("load_kw",)):
        (tmp_path / "tariff.json").write_text(json.dumps(tariff), encoding="utf-8")
        start = datetime(2018, 1, 1)
        rows = [
            f"{(start + timedelta(hours=hour)).isoformat()}{offset},{','.join([str(value(hour))] * len(columns))}"
            for hour in range(hours)
        ]
        (tmp_path / "load.csv").write_text("\n".join([f"timestamp,{','.join(columns)}", *rows]), encoding="utf-8")
        return ["bill", "--tariff", str(tmp_path / "tariff.json"), "--load", str(tmp_path / "load.csv")]

    return write


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command as the shell does: exit code, stdout, stderr."""

    def call(arguments):
        monkeypatch.setattr(sys, "argv", ["bothways", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main.run()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return call


def test_json_is_the_bill_and_nothing_else(files, run):
    code, out, err = run([*files(), "--tz", "America/Denver", "--json"])
    assert (code, err) == (0, "")
    month = {
        "month": "2018-01", "energy": 148.8, "demand_tou": 0.0, "demand_flat": 0.0, "fixed": 5.0, "export_credit": 0.0,
        "other": 0.0, "total": 153.8, "peak_kw": 2.0,
    }  # fmt: skip
    assert json.loads(out) == {"currency": "USD", "total": 153.8, "months": [month]}


def test_table_names_what_occurs_and_warnings_go_to_stderr(files, run):
    code, out, err = run([*files({**FLAT, "colour": "red"}, value=lambda hour: 3 - hour % 7), "--tz", "UTC"])
    assert code == 0
    assert "export credit" in out
    assert "demand" not in out
    assert "…" not in out
    assert err == "warning: unknown field 'colour' is kept and not used\n"


def test_table_is_never_cut_off(files, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    tariff = {**FLAT, "flatdemandstructure": [[{"rate": 7}]], "bothways": {"levies": [{"import_per_kwh": 0.01}]}}
    code, out, _ = run([*files(tariff), "--tz", "UTC", "--detail"])
    assert code == 0
    assert "demand (flat)" in out
    assert "import kWh" in out
    assert "other: levy 1 on import 14.88 USD" in out


def test_detail_as_json(files, run):
    tariff = {**FLAT, "bothways": {"levies": [{"name": "tax", "import_per_kwh": 0.01}]}}
    _, out, err = run([*files(tariff, hours=700), "--tz", "UTC", "--json", "--detail"])
    answer = json.loads(out)
    assert answer["months"][0]["lines"] == [{"name": "tax on import", "amount": 14.0}]
    assert answer["months"][0]["complete"] is False
    assert "part of 2018-01" in answer["notes"][0]
    assert err == ""


def test_notes_of_json_go_to_stderr(files, run):
    _, out, err = run([*files(hours=700), "--tz", "UTC", "--json"])
    assert json.loads(out).keys() == {"currency", "total", "months"}
    assert err.startswith("note: the load covers only a part of 2018-01")


@pytest.mark.parametrize(
    ("offset", "zone"), [("", "UTC"), ("Z", "UTC"), ("-08:00", "Etc/GMT+8"), ("+01:00", "Etc/GMT-1")]
)
def test_without_a_zone_the_clock_of_the_file_is_used_and_that_is_said(files, run, offset, zone):
    code, out, err = run([*files(offset=offset), "--json"])
    assert code == 0
    assert [month["month"] for month in json.loads(out)["months"]] == ["2018-01"]
    assert f"({zone})" in err


def test_an_offset_that_is_no_whole_hour_needs_a_zone(files, run):
    code, _, err = run([*files(offset="+05:30"), "--json"])
    assert code == 2
    assert "--tz" in err
    assert run([*files(offset="+05:30"), "--json", "--tz", "Asia/Kolkata"])[0] == 0


def test_zone_of_the_tariff(files, run):
    tariff = {**FLAT, "bothways": {"timezone": "America/Denver", "currency": "CAD"}}
    code, out, err = run([*files(tariff), "--json"])
    assert (code, err) == (0, "")
    assert json.loads(out)["currency"] == "CAD"
    _, _, err = run([*files(tariff), "--json", "--tz", "America/Los_Angeles"])
    assert "hours are those of America/Denver" in err


def test_problems_of_all_files_come_together(files, run):
    arguments = files({"energyratestructure": [[{"rate": "x"}]]}, value=lambda hour: 60_000.0 if hour == 5 else 1.0)
    code, out, err = run([*arguments, "--tz", "Mars/Base", "--prior-peaks", "many"])
    assert (code, out) == (2, "")
    assert "energyratestructure[0][0].rate" in err
    assert "load.csv line 7, column load_kw" in err
    assert "1000 times too large" in err
    assert "--tz" in err
    assert "--prior-peaks" in err


def test_watts_are_noticed_and_large_sites_can_say_so(files, run):
    arguments = files(value=lambda hour: 35_000.0)
    assert run([*arguments, "--tz", "UTC"])[0] == 2
    assert run([*arguments, "--tz", "UTC", "--max-kw", "50000"])[0] == 0
    home = files({**FLAT, "sector": "Residential"}, value=lambda hour: 1_500.0)
    assert run([*home, "--tz", "UTC"])[0] == 2
    small = files({**FLAT, "peakkwcapacitymax": 200}, value=lambda hour: 5_000.0)
    assert run([*small, "--tz", "UTC"])[0] == 2


def test_prior_peaks_change_the_ratchet(files, run):
    tariff = {**FLAT, "flatdemandstructure": [[{"rate": 10}]], "lookbackpercent": 0.5, "lookbackrange": 6}
    arguments = [*files(tariff), "--tz", "UTC", "--json"]
    assert json.loads(run(arguments)[1])["months"][0]["demand_flat"] == 20.0
    for peaks in ("5,80", "2017-09=80", "2017-09 = 80.0, 2017-12=10"):
        assert json.loads(run([*arguments, "--prior-peaks", peaks])[1])["months"][0]["demand_flat"] == 400.0
    code, _, err = run([*arguments, "--prior-peaks", "2018-01=5"])
    assert code == 2
    assert "before 2018-01" in err


def test_prices_from_a_csv(files, run, tmp_path):
    rule = {"price_series": {"factor": 0.001, "vat": 0.2}, "currency": "EUR"}
    arguments = [*files({"bothways": rule, "fixedmonthlycharge": 0}), "--tz", "UTC", "--json"]
    code, _, err = run(arguments)
    assert code == 2
    assert "--prices" in err
    start = datetime(2018, 1, 1)
    rows = [f"{(start + timedelta(minutes=15 * n)).isoformat()}Z,{[40, 60, 20, 80][n % 4]}" for n in range(744 * 4)]
    prices = tmp_path / "prices.csv"
    prices.write_text("\n".join(["timestamp,eur_per_mwh", *rows]), encoding="utf-8")
    answer = json.loads(run([*arguments, "--prices", str(prices), "--price-column", "eur_per_mwh"])[1])
    assert answer["total"] == round(744 * 2 * 0.05 * 1.2, 2)
    code, _, err = run([*files(), "--tz", "UTC", "--prices", str(prices), "--price-column", "eur_per_mwh"])
    assert code == 2
    assert "bothways.price_series" in err


def test_generation_column(files, run):
    tariff = {**FLAT, "dgrules": "Buy All Sell All"}
    arguments = [*files(tariff, columns=("load_kw", "pv_kw")), "--tz", "UTC", "--json", "--generation-column", "pv_kw"]
    month = json.loads(run(arguments)[1])["months"][0]
    assert (month["energy"], month["export_credit"]) == (round(744 * 4 * 0.1, 2), round(-744 * 2 * 0.04, 2))


def test_t1_through_the_command(run, tmp_path):
    values = runpy.run_path(str(GOLDEN / "tariff-sam" / "loads.py"))["spiky"]()
    start = datetime(2018, 1, 1)
    rows = [f"{(start + timedelta(hours=n)).isoformat()},{value:.9g}" for n, value in enumerate(values)]
    path = tmp_path / "load.csv"
    path.write_text("\n".join(["timestamp,load_kw", *rows]), encoding="utf-8")
    tariff = str(GOLDEN / "tariff-t1" / "tariff.json")
    code, out, _ = run(["bill", "--tariff", tariff, "--load", str(path), "--tz", "UTC", "--json"])
    assert code == 0
    assert json.loads(out)["total"] == 21525.74


def test_a_misspelt_charge_ends_the_bill(files, run):
    code, out, err = run([*files({"name": "x", "energyratestruture": [[{"rate": 0.1}]]}), "--tz", "UTC"])
    assert (code, out) == (2, "")
    assert "Did you mean 'energyratestructure'?" in err


def test_doubtful_prices_are_said_on_stderr_and_billed_all_the_same(files, run, tmp_path):
    tariff = {**FLAT, "energyratestructure": [[{"rate": 120}]], "flatdemandstructure": [[{"rate": -9}]]}
    code, out, err = run([*files(tariff), "--tz", "UTC", "--json"])
    assert (code, json.loads(out)["months"][0]["demand_flat"]) == (0, -18.0)
    assert "warning: energyratestructure[0][0] has a price of 120 USD per kWh" in err
    assert "warning: flatdemandstructure[0][0] has a demand rate of -9 USD per kW" in err
    prices = tmp_path / "prices.csv"
    rows = [f"{(datetime(2018, 1, 1) + timedelta(hours=n)).isoformat()},45" for n in range(744)]
    prices.write_text("\n".join(["timestamp,price", *rows]), encoding="utf-8")
    arguments = files({"name": "dynamic", "bothways": {"price_series": {"factor": 1}, "currency": "EUR"}})
    code, _, err = run([*arguments, "--tz", "UTC", "--json", "--prices", str(prices)])
    assert code == 0
    assert f"warning: {prices}: 744 of 744 prices of the series are beyond 5 EUR per kWh" in err


def test_missing_columns_name_the_option(files, run, tmp_path):
    arguments = [*files({"name": "x", "bothways": {"price_series": {}}}, columns=("power",)), "--tz", "UTC"]
    prices = tmp_path / "prices.csv"
    prices.write_text("timestamp,eur_per_mwh\n2018-01-01,40\n2018-01-02,50\n", encoding="utf-8")
    code, _, err = run([*arguments, "--prices", str(prices), "--generation-column", "pv_kw"])
    said = " ".join(err.split())
    assert code == 2
    assert "must be called load_kw" in said
    assert "--price-column" in said
    assert "--generation-column" in said


def test_the_column_of_times_has_no_option(files, run, tmp_path):
    arguments = files()
    (tmp_path / "load.csv").write_text("when,load_kw\n2018-01-01T00:00Z,1\n2018-01-01T01:00Z,1\n", encoding="utf-8")
    code, _, err = run([*arguments, "--tz", "UTC"])
    assert code == 2
    assert "Call the column of times timestamp." in " ".join(err.split())


def test_local_times_without_a_zone_lead_to_the_option(files, run, tmp_path):
    arguments = files()
    hours = ["2019-11-03T00:00", "2019-11-03T01:00", "2019-11-03T01:00", "2019-11-03T02:00", "2019-11-03T03:00"]
    (tmp_path / "load.csv").write_text("\n".join(["timestamp,load_kw", *(f"{h},1" for h in hours)]), encoding="utf-8")
    code, _, err = run(arguments)
    said = " ".join(err.split())
    assert code == 2
    assert "Remove the duplicate row. If the times have no offset and follow daylight saving" in said
    assert "--tz America/Los_Angeles" in said
    assert run([*arguments, "--tz", "America/Los_Angeles"])[0] == 0


def test_times_that_do_not_exist_lead_to_the_option(files, run, tmp_path):
    arguments = files()
    rows = [f"2019-03-10T0{hour}:00,1" for hour in range(5)]
    (tmp_path / "load.csv").write_text("\n".join(["timestamp,load_kw", *rows]), encoding="utf-8")
    code, _, err = run([*arguments, "--tz", "America/Los_Angeles"])
    assert code == 2
    assert "--tz Etc/GMT+8" in " ".join(err.split())


def test_filling_of_gaps_is_only_suggested_where_it_can_be_chosen(files, run, tmp_path):
    arguments = files()
    load = tmp_path / "load.csv"
    rows = [f"2018-01-01T0{hour}:00Z,1" for hour in (0, 1, 2, 6, 7)]
    load.write_text("\n".join(["timestamp,load_kw", *rows]), encoding="utf-8")
    code, _, err = run([*arguments, "--tz", "UTC"])
    assert code == 2
    assert "Add the missing rows." in " ".join(err.split())
    assert "filled" not in err
    with pytest.raises(InputError, match="or allow longer gaps to be filled"):
        read_series(load, "load_kw", fill="hold", fill_up_to=1)
