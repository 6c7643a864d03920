"""Lines of what happened at an island, for people: phases, commands and requests in words."""

from __future__ import annotations

import re

from bothways.adapters.web.island_actions import asked
from bothways.adapters.web.island_sayings import island_said
from bothways.adapters.web.words import Words, later
from bothways.resilience.island.signals import RequestKind

_ACTS = {
    "open": later("switch off"), "close": later("switch on"), "form": later("start the island"),
    "give": later("feed the building"), "release": later("stop"), "trip": later("cut off"),
}  # fmt: skip
_COMMAND = re.compile(r"(?P<device>.+): (?P<act>\w+)(?: \(attempt (?P<n>\d+)\))?(?P<how> as a rehearsal| by hand)?")
_KINDS = "|".join(kind.value for kind in RequestKind)
_REQUEST = re.compile(rf"(?P<who>[^:]+): (?P<kind>{_KINDS})(?: (?P<device>.+))?")


def happened_said(who: str, text: str, words: Words) -> str:
    """One line of the journal in the viewer's language; one of another shape is shown as it came.

    Args:
        who: ``controller``, ``command``, ``person`` or ``device``.
        text: as the journal has it.
        words: of the viewer.

    >>> happened_said("command", "refuge: open (attempt 2) as a rehearsal", Words("en"))
    'refuge: switch off (attempt 2, drill)'
    >>> happened_said("controller", "islanding → black start", Words("nl"))
    'wordt gescheiden → start op eigen bronnen'
    """
    if who == "controller" and " → " in text:
        return " → ".join(island_said(phase, words) for phase in text.split(" → "))
    if who == "command" and (found := _COMMAND.fullmatch(text)) and found["act"] in _ACTS:
        notes = [words("attempt {n}", n=found["n"])] if found["n"] else []
        notes += [words("drill") if found["how"].endswith("rehearsal") else words("by hand")] if found["how"] else []
        device = words("main switch") if found["device"] == "main" else found["device"]
        noted = f" ({', '.join(notes)})" if notes else ""
        return f"{device}: {words(_ACTS[found['act']])}{noted}"
    if who == "person" and (found := _REQUEST.fullmatch(text)):
        return f"{found['who']}: {asked(found['kind'], found['device'] or '', words)}"
    return island_said(text, words)
