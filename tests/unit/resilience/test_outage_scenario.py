"""The outage scenario as a user writes it: what is wrong is said all at once, what is right becomes a report."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bothways.app.cli.main import app
from bothways.app.cli.runtime import explain
from bothways.app.outage.scenario import outage_scenario
from bothways.domain.errors import InputError

ROOT = Path(__file__).resolve().parents[3]

SMALL = """
[outage]
name = "Small & <b>bold</b>"
tz = "Europe/Amsterdam"
currency = "EUR"
horizon_h = 24
target_h = 12
draws = 10
per_year = 1
per_year_source = "assumed"

[[tier]]
name = "exit lights"
level = 0
kwh_per_day = 1.0
voll_per_kwh = 100.0
voll_source = "assumed"
source = "assumed"

[[tier]]
name = "water"
level = 1
kwh_per_day = 24.0
inrush_kw = 3.0
voll_per_kwh = 20.0
voll_source = "assumed"
source = "assumed"

[[tier]]
name = "comfort"
level = 4
hourly_kw = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1]
voll_per_kwh = 2.0
voll_source = "assumed"
source = "assumed"

[battery]
capacity_kwh = 10.0
power_kw = 5.0
start_soc = 0.8
source = "assumed"

[[vehicle]]
name = "car"
count = 1
usable_capacity_kwh = 50.0
discharge_kw = 7.0
charge_kw = 7.0
compliance = 0.9
evacuation_km = 50.0
kwh_per_km = 0.2
outlet_kw = 2.0
source = "assumed"

[vehicle.habit]
leaves_h = 8.0
returns_h = 18.0

[[vehicle]]
name = "bus"
count = 1
usable_capacity_kwh = 150.0
discharge_kw = 40.0
charge_kw = 40.0
compliance = 1.0
evacuation_km = 50.0
kwh_per_km = 1.0
source = "assumed"

[vehicle.called_in]
chance = 0.7
after_h = 3
soc = 0.9

[vehicle.shuttle]
stay_h = 6
away_h = 3
soc_outside = 0.9
trip_km = 10.0

[[case]]
name = "Heat wave"
months = [7]
pv_factor = 0.9
cooling_kw = 2.0
cooling_level = 1
source = "assumed"

[sweep]
compliance = [0.5, 1.0]
reserve_km = [0.0, 100.0]

[diesel]
charging_kg_per_kwh = 0.3
source = "assumed"

[[v2l]]
name = "pump"
kw = 1.0
hours_per_day = 4.0
source = "assumed"

[[v2v]]
giver = "bus"
taker = "car"
km = 30.0
kw = 7.0
efficiency = 0.8
source = "assumed"
"""


def run(folder, text, *more):
    path = folder / "home.toml"
    path.write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["outage", str(path), "--out", str(folder / "out"), *more])


def problems_of(text):
    with pytest.raises(InputError) as caught:
        outage_scenario(tomllib.loads(text), at="home.toml")
    return caught.value.problems


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outage")
    result = run(folder, SMALL, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), folder / "out"


def test_json_is_the_summary_and_adds_up(done):
    found, out = done
    assert found == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert found["left_out"] == ["exit lights"]
    assert [tier["level"] for tier in found["tiers"]] == [1, 4]
    for tier in found["tiers"]:
        assert all(0.0 <= row["chance"] <= 1.0 for row in tier["ride_through"])
        assert [row["hours"] for row in tier["ride_through"]] == [4, 6, 12, 24]
        assert all(row["p10"] <= row["p50"] <= row["p90"] for row in tier["ride_through"])
        assert all(row["interval_low"] <= row["chance"] <= row["interval_high"] for row in tier["ride_through"])
        assert tier["by_season_and_hour"][0]["season"] == "December to February"
        with_cars, without = tier["cost_per_outage"], tier["cost_per_outage_without_vehicles"]
        assert 0.0 <= with_cars <= without
    saved = found["tiers"][-1]["cost_per_outage_without_vehicles"] - found["tiers"][-1]["cost_per_outage"]
    assert found["backup_value_per_year"] == pytest.approx(saved)
    assert len(found["marginal"]) == 4
    assert [row["value"] for row in found["reserve"]] == [0.0, 100.0]
    assert found["reserve"][0]["mean_hours"][0] >= found["reserve"][1]["mean_hours"][0]
    assert found["compliance"][0]["chance_at_target"][0] <= found["compliance"][1]["chance_at_target"][0]
    assert found["reserves_kept"][0]["kwh_cold"] == pytest.approx(14.0)
    assert found["v2l"][0]["vehicle"] == "car"
    assert found["v2v"][0]["given_kwh"] == pytest.approx(30 * 0.2 * 1.4 / 0.8)
    assert found["diesel"]["litres"] == pytest.approx(0.3 * found["diesel"]["kwh"])


def test_the_page_is_whole_and_escapes_what_users_write(done):
    _, out = done
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Small &amp; &lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page
    for part in ("Riding through", "How many tiers to keep", "Diesel displaced", "Car to car", "UL 9741", "SAE J3072"):
        assert part in page
    names = {path.name for path in out.iterdir()}
    assert names >= {"report.html", "paper-plan.html", "summary.json", "curves.csv", "starts.parquet"}


def test_the_paper_plan_is_that_of_the_live_page_for_this_building(done):
    _, out = done
    sheet = (out / "paper-plan.html").read_text(encoding="utf-8")
    assert "<script" not in sheet
    assert "Small &amp; &lt;b&gt;bold&lt;/b&gt;" in sheet
    steps = ["Stop battery.", "Stop car.", "Stop bus.", "Switch OFF the main switch", "Switch OFF section comfort.",
             "Switch OFF section water.", "then start battery in island mode", "Switch ON section water."]  # fmt: skip
    places = [sheet.index(step) for step in steps]
    assert places == sorted(places)
    assert "exit lights" not in sheet
    assert "Life safety" in sheet
    assert "24 kWh a day" in sheet


def test_where_switches_are_and_who_is_responsible_comes_onto_the_paper(tmp_path):
    text = SMALL.partition("[[case]]")[0].partition("[[vehicle]]")[0]
    text = text.replace('name = "water"', 'name = "water"\nby_hand = "panel A, switch 1"').replace(
        "draws = 10", 'draws = 10\nmain_by_hand = "cellar, red handle"\ncontact = "Ann, 555-0100"'
    )
    text = text.replace(
        'name = "exit lights"\nlevel = 0', 'name = "exit lights"\nlevel = 0\nauthority = "fire marshal"'
    )
    text = text.replace('name = "comfort"', 'name = "battery"')
    assert run(tmp_path, text).exit_code == 0
    sheet = (tmp_path / "out" / "paper-plan.html").read_text(encoding="utf-8")
    for words in ("panel A, switch 1", "cellar, red handle", "Ann, 555-0100", "Switch ON section exit lights.",
                  "start battery 2 in island mode"):  # fmt: skip
        assert words in sheet, words
    assert "Life safety" not in sheet


def test_the_screen_answers_in_sentences(tmp_path):
    text = SMALL.partition("[[case]]")[0].replace("draws = 10", "draws = 10\nseed = 3")
    result = run(tmp_path, text)
    assert result.exit_code == 0, result.output
    flat = " ".join(result.stdout.split())
    for said in ("of outages of 12 h are carried", "One more car adds", "To drive away, each car keeps 10.0 kWh",
                 "Not counted here: exit lights"):  # fmt: skip
        assert said in flat
    assert max(len(line) for line in result.stdout.splitlines() if not line.startswith("Report")) <= 80


def test_a_building_without_vehicles_is_planned_too(tmp_path):
    text = SMALL.partition("[[vehicle]]")[0]
    result = run(tmp_path, text, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["draws_per_start"] == 0
    assert found["reserve"] == []
    # 8 kWh · 0.948 carry 1 kW for seven hours, when the battery works
    assert found["tiers"][0]["ride_through"][1]["chance"] == pytest.approx(0.97)
    assert found["tiers"][0]["hours_at"]["0.9"] == 7


def test_all_problems_come_at_once_with_a_remedy():
    text = (
        SMALL.replace("kwh_per_day = 24.0", "kwh_per_day = -24.0")
        .replace("power_kw = 5.0", "powr_kw = 5.0")
        .replace("discharge_kw = 7.0", "discharge_kw = 7000.0")
        .replace('tz = "Europe/Amsterdam"', 'tz = "Amsterdam"')
        .replace("chance = 0.7", "chance = 7")
        .replace("start_soc = 0.8", "start_soc = true")
    )
    found = {problem.where.removeprefix("home.toml: "): problem for problem in problems_of(text)}
    assert set(found) >= {
        "tier[1].kwh_per_day", "battery.powr_kw", "battery.power_kw", "vehicle[0].discharge_kw", "outage.tz",
        "vehicle[1].called_in.chance", "battery.start_soc",
    }  # fmt: skip
    assert "power_kw" in found["battery.powr_kw"].remedy
    assert "Watts" in found["vehicle[0].discharge_kw"].remedy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("level = 4", "level = 1", "tier: levels that rise"),
        ("target_h = 12", "target_h = 48", "must not exceed"),
        ("hourly_kw = [1, ", "hourly_kw = [", "24 values"),
        ('giver = "bus"', 'giver = "buss"', "v2v[0].giver: one of the vehicles"),
        ("cooling_level = 1", "cooling_level = 2", "case[0].cooling_level: one of [1, 4]"),
        ("[vehicle.habit]\nleaves_h = 8.0\nreturns_h = 18.0\n", "", "exactly one of"),
        ('name = "bus"', 'name = "car"', "vehicle: names that differ"),
    ],
)
def test_what_does_not_fit_together_is_refused(old, new, said):
    found = problems_of(SMALL.replace(old, new))
    assert said in " | ".join(f"{item.where.removeprefix('home.toml: ')}: {item.allowed}" for item in found)


NASTY = {
    "nothing in it": ("", ["outage", "tier"]),
    "a number for a table": (SMALL.replace("[outage]\nname", "outage = 3\nname", 1), ["outage"]),
    "a table for a list": (SMALL.partition("[[tier]]")[0] + "[tier]\nlevel = 1\n", ["tier"]),
    "watts and joules": (
        SMALL.replace("discharge_kw = 7.0", "discharge_kw = 7000").replace("capacity_kwh = 10.0", "capacity_kwh = 1e9"),
        ["vehicle[0].discharge_kw", "battery.capacity_kwh"],
    ),
    "infinite": (
        SMALL.replace("inrush_kw = 3.0", "inrush_kw = inf").replace("capacity_kwh = 10.0", "capacity_kwh = -inf"),
        ["tier[1].inrush_kw", "battery.capacity_kwh"],
    ),
    "across tables and inside them": (
        SMALL.replace("level = 4", "level = 1")
        .replace('giver = "bus"', 'giver = "lorry"')
        .replace("draws = 10", "draws = 1"),
        ["tier", "v2v[0].giver", "outage.draws"],
    ),
    "texts too short, lists too long": (
        SMALL.replace('voll_source = "assumed"', 'voll_source = ""', 1)
        .replace("cooling_level = 1", "cooling_level = 3")
        .replace("compliance = [", "compliance = [0.1] # ["),
        ["tier[0].voll_source", "case[0].cooling_level", "sweep.compliance"],
    ),
    "dates for numbers": (
        SMALL.replace("start_soc = 0.8", "start_soc = 2025-01-01"), ["battery.start_soc"],
    ),
    "a text for a list of tables": ('tier = "all"\n' + SMALL.partition("[[tier]]")[0], ["tier"]),
    "the same vehicle twice, unknown keys": (
        SMALL.replace('name = "bus"', 'name = "car"').replace("kwh_per_km", "kwh_per_mile"),
        ["vehicle", "vehicle[0].kwh_per_mile", "vehicle[0].kwh_per_km"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_nasty_files_are_told_whole_and_in_plain_words(name):
    text, places = NASTY[name]
    found = problems_of(text)
    told = {item.where.removeprefix("home.toml: ") for item in found}
    assert told >= set(places)
    for item in found:
        assert item.remedy.endswith((".", "?"))
        assert "String should" not in item.allowed
        assert "Input should" not in item.allowed
        assert "List should" not in item.allowed


def refusal(capsys, tmp_path, text):
    result = run(tmp_path, text)
    assert isinstance(result.exception, InputError)
    assert explain(result.exception) == 2
    assert not (tmp_path / "out").exists()
    return capsys.readouterr().err


def test_nan_and_files_that_are_missing_are_told(tmp_path, capsys):
    assert "nan" in refusal(capsys, tmp_path, SMALL.replace("kwh_per_day = 24.0", "kwh_per_day = nan"))
    series = 'series = {file = "nothing.csv", column = "kw", source = "meter"}'
    text = SMALL.replace("kwh_per_day = 24.0", series)
    assert "nothing.csv" in refusal(capsys, tmp_path, text)
    result = CliRunner().invoke(app, ["outage", str(tmp_path / "none.toml")])
    assert isinstance(result.exception, InputError)


def test_only_life_safety_is_no_plan_unless_an_authority_accepts(tmp_path, capsys):
    text = SMALL.partition('[[tier]]\nname = "water"')[0]
    assert "emergency system" in refusal(capsys, tmp_path, text)
    accepted = text.replace("level = 0", 'level = 0\nauthority = "fire marshal, letter of 3 May"')
    result = run(tmp_path, accepted + SMALL[SMALL.index("[battery]") : SMALL.index("[[vehicle]]")], "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["left_out"] == []


@pytest.mark.parametrize("name", ["home-blackout", "resilience-hub", "school-bus-shelter"])
def test_examples_are_valid(name):
    text = (ROOT / "examples" / name / "scenario.toml").read_text(encoding="utf-8")
    assert outage_scenario(tomllib.loads(text)).tier
