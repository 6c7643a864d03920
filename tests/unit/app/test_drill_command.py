"""``bothways drill`` as a user meets it."""

import json

from typer.testing import CliRunner

from bothways.app.cli import runtime
from bothways.app.cli.main import app
from bothways.domain.errors import InputError
from bothways.simulation import island_setup

SHORT = """
[site]
return_s = 10.0
[[sections]]
id = "radio"
tier = 1
phase_kw = [1.0, 0.0, 0.0]
[[sources]]
id = "battery"
kind = "battery"
power_kw = 5.0
grid_forming = true
energy_kwh = {energy}
[outage]
hours = 0.05
"""


def run(tmp_path, *options, energy=20.0):
    file = tmp_path / "drill.toml"
    file.write_text(SHORT.format(energy=energy), encoding="utf-8")
    return CliRunner().invoke(app, ["drill", str(file), *options])


def test_the_timeline_and_the_score_are_printed(tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 0
    for words in ("the grid fails", "battery starts the island", "radio on", "every driver kept the reserve", "passed"):
        assert words in done.stdout


def test_json_is_only_json(tmp_path):
    done = run(tmp_path, "--json", "--card", "smoke")
    told = json.loads(done.stdout)
    assert told["score"]["passed"] is True
    assert told["cards"] == ["smoke"]
    assert told["plant"] == "simulated"
    assert told["timeline"][0] == {"t_s": 60.0, "who": "grid", "text": "the grid fails", "remedy": ""}


def test_a_drill_that_is_not_passed_exits_with_1(tmp_path):
    done = run(tmp_path, energy=0.0)
    assert done.exit_code == 1
    assert "NOT passed" in done.stdout
    assert "Connect a vehicle" in done.stdout


def test_an_unknown_card_is_bad_input(tmp_path, capsys):
    done = run(tmp_path, "--card", "earthquake")
    assert isinstance(done.exception, InputError)
    assert runtime.explain(done.exception) == 2
    assert "charger-dies" in capsys.readouterr().err


def test_without_a_file_the_built_in_drill_is_played(monkeypatch):
    short = {**island_setup.DEMO, "outage": {**island_setup.DEMO["outage"], "hours": 0.02}}
    monkeypatch.setattr(island_setup, "DEMO", short)
    done = CliRunner().invoke(app, ["drill"])
    assert done.exit_code == 0
    assert "community centre" in done.stdout


def test_the_paper_plan_is_written_and_nothing_is_played(tmp_path):
    sheet = tmp_path / "plan.html"
    done = run(tmp_path, "--paper", str(sheet))
    assert done.exit_code == 0
    assert "the grid fails" not in done.stdout
    assert "Switch OFF section radio" in sheet.read_text(encoding="utf-8")


def test_the_length_of_the_outage_can_be_given(tmp_path):
    told = json.loads(run(tmp_path, "--json", "--hours", "0.1").stdout)
    back = next(event for event in told["timeline"] if event["text"] == "the grid is back")
    assert back["t_s"] == 60.0 + 360.0


def test_a_paper_plan_needs_a_site_that_can_be_an_island(tmp_path):
    config = tmp_path / "live.toml"
    config.write_text('[[site]]\nid = "house"\ntz = "UTC"\n[site.prices]\nimport_per_kwh = 0.3\n', encoding="utf-8")
    done = CliRunner().invoke(app, ["drill", str(config), "--paper", str(tmp_path / "plan.html")])
    assert isinstance(done.exception, InputError)
    assert "no site has" in str(done.exception)
    assert not (tmp_path / "plan.html").exists()


def test_all_that_is_wrong_with_a_drill_is_told_at_once(tmp_path):
    file = tmp_path / "drill.toml"
    text = SHORT.format(energy="nan").replace("tier = 1", "tier = 9").replace('"battery"\npower', '"nuclear"\npower')
    file.write_text(text.replace("hours = 0.05", "hours = 1e9"), encoding="utf-8")
    done = CliRunner().invoke(app, ["drill", str(file)])
    assert isinstance(done.exception, InputError)
    places = {item.where.rpartition(": ")[2] for item in done.exception.problems}
    assert places >= {"sources[0].energy_kwh", "sections[0].tier", "sources[0].kind", "outage.hours"}
    file.write_text(SHORT.format(energy=5).replace("[[sources]]", "[sources]"), encoding="utf-8")
    (problem,) = CliRunner().invoke(app, ["drill", str(file)]).exception.problems
    assert "Input should" not in problem.allowed
    assert problem.allowed.startswith("a list")
