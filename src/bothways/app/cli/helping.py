"""Help texts as they are written: units in brackets are units, not markup."""

from __future__ import annotations

import re
from typing import Any

_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[\]]*\])")
"""What Rich reads as markup; ``[kWh]`` is one of them."""


def shown_as_written(text: str) -> str:
    r"""Marks brackets so that Rich shows them.

    >>> print(shown_as_written("Usable capacity [kWh], 20 [°C]."))
    Usable capacity \[kWh], 20 [°C].
    """
    return _TAG.sub(r"\1\\\2", text)


def protect(command: Any) -> None:
    """Makes the help texts of a command, and of those below it, appear as they are written."""
    for inner in getattr(command, "commands", {}).values():
        protect(inner)
    for thing in (command, *command.params):
        if getattr(thing, "help", None):
            thing.help = shown_as_written(thing.help)
