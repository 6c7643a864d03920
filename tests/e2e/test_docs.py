"""Commands shown in README and docs run as they are written; every command of the CLI is documented."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main

from bothways.app.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
FENCE = re.compile(r"^```(?:console|bash|sh|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def commands(page: Path) -> list[str]:
    """The commands of a page that are run: ``bothways …`` and the copying and editing that lead to it."""
    found = []
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.removeprefix("$ ").strip()
            if words.startswith(("bothways ", "cp -r ", "sed -i ")):
                found.append(words)
    return found


CASES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if commands(page)]


@pytest.fixture
def workplace(tmp_path):
    """A folder that looks like the checkout but may be written to."""
    for name in ("examples", "docs", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", CASES)
def test_commands_run_as_written(page, workplace):
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for command in commands(page):
        expected = 2 if "# exits with 2" in command else 0
        done = subprocess.run(
            shlex.split(command, comments=True),
            cwd=workplace,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == expected, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_every_command_is_documented():
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"bothways {name}" in reference, f"docs/reference/cli.md does not mention `bothways {name}`"
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in reference, f"docs/reference/cli.md does not mention {option} of {name}"


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


def test_every_page_is_in_the_index():
    docs = ROOT / "docs"
    listed = {(docs / target).resolve() for target in LINK.findall((docs / "README.md").read_text(encoding="utf-8"))}
    pages = {page.resolve() for page in docs.rglob("*.md")} - {(docs / "README.md").resolve()}
    assert pages <= listed, f"not in docs/README.md: {sorted(page.name for page in pages - listed)}"
