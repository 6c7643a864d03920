"""Commands are found by name; what is not asked for is not imported."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import bothways.app.cli
from bothways.app.cli.main import app
from bothways.app.cli.registry import ENTRIES, build

NO_COMMANDS = {"__init__", "main", "registry", "runtime", "helping", "ranges", "watching", "plan_journeys", "profiles"}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_leads_to_a_command_of_that_name(name):
    command = build(name)
    assert command.name == name
    assert command.help
    assert len(ENTRIES[name].summary) < 80


def test_every_module_with_a_command_is_listed():
    modules = {path.stem for path in Path(bothways.app.cli.__file__).parent.glob("*.py")}
    assert {entry.place.partition(":")[0] for entry in ENTRIES.values()} == modules - NO_COMMANDS


def test_the_list_shows_all_and_imports_none():
    script = (
        "import sys, contextlib\n"
        "from bothways.app.cli.main import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'])\n"
        "print([m for m in sys.modules if m.startswith('bothways.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *shown, imported = done.stdout.splitlines()
    for name in ENTRIES:
        assert any(f" {name} " in line for line in shown), name
    for module in ("cli.bill", "cli.study", "domain", "planning"):
        assert module not in imported


def test_a_misspelt_command_is_told_with_what_is_meant():
    answer = CliRunner().invoke(app, ["studdy"])
    assert answer.exit_code == 2
    assert "'study'" in answer.output


def test_all_commands_can_be_looked_through():
    group = typer.main.get_command(app)
    assert list(group.commands) == list(ENTRIES)
    assert "list" in group.commands["account"].commands
