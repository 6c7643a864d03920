"""What the documentation says about planning is what the code does."""

import json
import re
import shlex
from pathlib import Path

import typer
from typer.testing import CliRunner

from bothways.app.cli.plan import plan
from bothways.planning.parsing import COLUMNS, KEYS, problem_from_mapping, problem_to_mapping
from bothways.planning.parsing_limits import GROUP_KEYS, RESERVE_KEYS

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "plan-format.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "plan-a-fleet.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "how-to" / "plan-a-fleet" / "office.json"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", HOW_TO, re.MULTILINE | re.DOTALL)


def test_every_key_is_documented_and_every_documented_key_exists():
    documented = re.findall(r"^\| `(\w+)` \|", REFERENCE, re.MULTILINE)
    problem, _, answer = REFERENCE.partition("## Answer")
    assert set(re.findall(r"^\| `(\w+)` \|", problem, re.MULTILINE)) == {*KEYS, *COLUMNS}
    told = json.loads(_run(str(EXAMPLE), "--json"))
    assert re.findall(r"^\| `(\w+)` \|", answer, re.MULTILINE) == list(told)
    assert len(documented) == len(set(documented))
    assert tuple(re.findall(r"^\| `group_limits\.(\w+)` \|", problem, re.MULTILINE)) == GROUP_KEYS
    assert tuple(re.findall(r"^\| `energy_reserve\.(\w+)` \|", problem, re.MULTILINE)) == RESERVE_KEYS


def test_the_commands_of_the_how_to_run(tmp_path, monkeypatch):
    commands = [shlex.split(line) for block in blocks("console") for line in block.splitlines()]
    assert len(commands) == 2
    shown = []
    for command in commands:
        assert command[:2] == ["bothways", "plan"]
        monkeypatch.chdir(ROOT)
        arguments = [str(tmp_path / word) if word == "schedule.npz" else word for word in command[2:]]
        shown.append(_run(*arguments))
    assert (tmp_path / "schedule.npz").is_file()
    told = json.loads(shown[1])
    assert abs(told["peak_import_kw"] - 30.0) < 1e-6
    assert "at 11.0 kW at most 5.1 kWh can be stored" in shown[0]
    assert told["reasons"][5].startswith("needs 28.0 kWh in 0.5 h")


def test_the_python_of_the_how_to_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for block in blocks("python"):
        exec(block, {})
    assert capsys.readouterr().out.startswith("optimal")


def test_the_example_survives_a_round_trip():
    mapping = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    problem = problem_from_mapping(mapping)
    assert problem_to_mapping(problem_from_mapping(problem_to_mapping(problem))) == problem_to_mapping(problem)


def _run(*arguments):
    app = typer.Typer()
    app.command()(plan)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout
