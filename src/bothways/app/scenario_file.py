"""Opens a scenario, and says so where it is one for another command."""

from __future__ import annotations

from pathlib import Path

from bothways.adapters.files.reading import read_toml, shown
from bothways.domain.errors import InputError, Problem


def read_scenario(path: Path, command: str, other: str) -> dict[str, object]:
    """Reads a scenario; ``nan`` stays in, so that validation tells it together with all other faults.

    Args:
        path: the TOML file.
        command: the command that reads it, whose table the file must hold.
        other: the command whose scenarios are taken for those of this one.

    Raises:
        InputError: no TOML, or a scenario of the other command.
    """
    content = read_toml(path, with_nan=True)
    if command not in content and other in content:
        remedy = f"Run bothways {other} with it."
        found = f"a scenario with a table [{other}] and none [{command}]"
        raise InputError([Problem(shown(path), found, f"a scenario of bothways {command}", remedy)])
    return content
