"""Help texts as they are written: units in brackets are units, not markup."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperGroup

_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[\]]*\])")
"""What Rich reads as markup; ``[kWh]`` is one of them."""


def shown_as_written(text: str) -> str:
    r"""Marks brackets so that Rich shows them.

    >>> print(shown_as_written("Usable capacity [kWh], 20 [°C]."))
    Usable capacity \[kWh], 20 [°C].
    """
    return _TAG.sub(r"\1\\\2", text)


class PlainGroup(TyperGroup):
    """A group of commands whose help texts, and those of all below it, are shown as they are written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for command in self.commands.values():
            _protect(command)


def _protect(command: Any) -> None:
    for inner in getattr(command, "commands", {}).values():
        _protect(inner)
    for thing in (command, *command.params):
        if getattr(thing, "help", None):
            thing.help = shown_as_written(thing.help)
