"""``bothways age`` from file to table, JSON and figure."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bothways.app.cli import runtime
from bothways.app.cli.main import app
from bothways.battery.models import MODELS
from bothways.domain.errors import InputError


def write(path: Path, rows: list[tuple[float, float | None]]) -> Path:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    head = "timestamp,soc" + ("" if rows[0][1] is None else ",temperature_c")
    body = [
        f"{(start + timedelta(hours=i)).isoformat()},{soc}" + ("" if celsius is None else f",{celsius}")
        for i, (soc, celsius) in enumerate(rows)
    ]
    path.write_text("\n".join([head, *body]) + "\n")
    return path


def test_all_cells_as_json(tmp_path: Path) -> None:
    profile = write(tmp_path / "p.csv", [(0.8 if hour % 24 < 12 else 0.5, 20.0) for hour in range(72)])
    answer = CliRunner().invoke(app, ["age", str(profile), "--years", "2", "--json", "--replacement", "120"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert [cell["model"] for cell in told["cells"]] == list(MODELS)
    for cell in told["cells"]:
        assert cell["years"] == [0.0, 1.0, 2.0]
        assert cell["capacity_fraction"][0] == 1.0
        assert 0.7 < cell["capacity_fraction"][-1] <= 1.0
        assert cell["wear_per_kwh_new"] >= 0.0
        assert 0.0 <= cell["value_lost"] <= 60 * 120
    assert told["spread"]["lowest"][-1] <= told["spread"]["median"][-1] <= told["spread"]["highest"][-1]
    assert any("seasons" in note for note in told["notes"])
    assert any("jumps" in note for note in told["notes"])


def test_one_cell_as_table_with_figure(tmp_path: Path) -> None:
    profile = write(tmp_path / "p.csv", [(0.6, None)] * 48)
    figure = tmp_path / "figure.html"
    call = ["age", str(profile), "--model", "lfp-sony", "--temperature", "25", "--figure", str(figure)]
    answer = CliRunner().invoke(app, call)
    assert answer.exit_code == 0, answer.output
    assert "lfp-sony" in answer.stdout
    assert "Naumann" not in answer.stderr
    assert "Remaining capacity" in figure.read_text()


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([(0.5, None)] * 3, [], "no column 'temperature_c'"),
        ([(0.5, None)] * 3, ["--temperature", "200"], "--temperature"),
        ([(0.5, 20.0), (1.5, 20.0), (float("nan"), 20.0)], [], "line 3, column soc"),
        ([(0.5, 20.0), (0.5, 200.0), (0.5, 20.0)], [], "line 3, column temperature_c"),
        ([(0.5, 20.0)] * 3, ["--model", "lead"], "nmc111-sanyo"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, rows: list[tuple[float, float]], options: list[str], words: str) -> None:
    profile = write(tmp_path / "p.csv", rows)
    answer = CliRunner().invoke(app, ["age", str(profile), *options])
    assert isinstance(answer.exception, InputError)
    assert words in str(answer.exception)


def test_a_gap_in_time_is_refused_with_its_row(tmp_path: Path) -> None:
    profile = write(tmp_path / "p.csv", [(0.5, 20.0)] * 10)
    lines = profile.read_text().splitlines()
    profile.write_text("\n".join(lines[:5] + lines[6:]) + "\n")
    answer = CliRunner().invoke(app, ["age", str(profile)])
    assert isinstance(answer.exception, InputError)
    assert "line 6, column timestamp" in str(answer.exception)


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (["--residual", "200", "--replacement", "100"], ["--residual"]),
        (["--residual", "20"], ["--replacement"]),
        (["--replacement", "inf"], ["--replacement"]),
        (["--capacity-kwh", "-60", "--years", "100"], ["--years", "--capacity-kwh"]),
        (
            ["--capacity-kwh", "nan", "--model", "lead", "--temperature", "nan", "--residual", "-1"],
            ["--model", "--capacity-kwh", "--temperature", "--residual", "--replacement"],
        ),
    ],
)
def test_all_faults_of_the_options_are_told_together(tmp_path: Path, options: list[str], places: list[str]) -> None:
    profile = write(tmp_path / "p.csv", [(0.5, 20.0)] * 3)
    answer = CliRunner().invoke(app, ["age", str(profile), *options])
    assert isinstance(answer.exception, InputError), answer.output
    assert [problem.where for problem in answer.exception.problems] == places
    assert runtime.explain(answer.exception) == 2


def test_a_state_of_charge_in_percent_is_named_as_such(tmp_path: Path) -> None:
    profile = write(tmp_path / "p.csv", [(80.0, 20.0), (50.0, 20.0), (60.0, 20.0)])
    answer = CliRunner().invoke(app, ["age", str(profile)])
    assert isinstance(answer.exception, InputError)
    assert {problem.remedy for problem in answer.exception.problems} == {
        "Give a fraction from 0 to 1; divide percent by 100."
    }


def test_a_column_in_kelvin_is_told_from_one_in_celsius(tmp_path: Path) -> None:
    profile = write(tmp_path / "p.csv", [(0.8, 293.15), (0.5, 293.15), (0.8, 293.15)])
    answer = CliRunner().invoke(app, ["age", str(profile), "--years", "2"])
    assert isinstance(answer.exception, InputError)
    assert "293.15 K is 20 °C" in str(answer.exception)
