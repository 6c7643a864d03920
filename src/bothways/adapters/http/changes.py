"""Live values: whole once, then only what changed."""

from __future__ import annotations

from typing import Any

import orjson

from bothways.operations.desk.views import SiteView

Plain = dict[str, Any]


def plain(view: SiteView) -> Plain:
    """A view as plain values."""
    values: Plain = orjson.loads(orjson.dumps(view))
    return values


def changes(before: Plain, now: Plain) -> Plain | None:
    """The fields that changed; of ``evses`` only those that did.

    Args:
        before: what was told last.
        now: what holds.

    Returns:
        The changed fields, empty for none; ``None`` where EVSEs came or went, so that everything is told anew.

    >>> a = {"at": 1, "import_kw": 2.0, "evses": [{"station_id": "A", "evse_id": 1, "kw": 0}]}
    >>> b = {"at": 2, "import_kw": 2.0, "evses": [{"station_id": "A", "evse_id": 1, "kw": 7}]}
    >>> changes(a, b)
    {'at': 2, 'evses': [{'station_id': 'A', 'evse_id': 1, 'kw': 7}]}
    >>> changes(a, {**b, "evses": []}) is None
    True
    """
    known = {(evse["station_id"], evse["evse_id"]): evse for evse in before["evses"]}
    found = {(evse["station_id"], evse["evse_id"]): evse for evse in now["evses"]}
    if known.keys() != found.keys():
        return None
    changed = {name: value for name, value in now.items() if name != "evses" and value != before.get(name)}
    evses = [evse for key, evse in found.items() if evse != known[key]]
    return changed | {"evses": evses} if evses else changed


def event(name: str, values: Plain) -> bytes:
    """A server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(values) + b"\n\n"
