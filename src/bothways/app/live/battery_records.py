"""Records of batteries' state of health: certificates of ``bothways soh``, as a live site takes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

from bothways.adapters.files.reading import read_json, shown
from bothways.adapters.trust.ed25519 import read_public_key, verify
from bothways.battery.certificate import Certificate, canonical_bytes, parse_certificate
from bothways.battery.health import PLAUSIBLE_HEALTH
from bothways.battery.wear_table import WearTable
from bothways.domain.errors import InputError, Problem, Problems
from bothways.operations.site.batteries import KnownHealth

_AGAIN = "Use the file as `bothways soh --certificate` wrote it."
_STEP = 0.005


def known_health(
    paths: Sequence[str],
    key: str | None,
    folder: Path,
    wear: Callable[[float], WearTable | None],
    belongs: Callable[[str], bool],
) -> dict[str, KnownHealth]:
    """Reads the records of single batteries; of several of the same battery the latest holds.

    Args:
        paths: certificates.
        key: the public key of who must have signed them; ``None`` where anybody may have.
        folder: where relative files are sought.
        wear: the table of wear of a battery of which so much is left.
        belongs: whether a vehicle is of the kind of battery that names the records.

    Raises:
        InputError: with every problem of every file.
    """
    problems, found = Problems(), dict[str, KnownHealth]()
    issuer = read_public_key(folder / key) if key is not None else None
    for path in paths:
        try:
            token, record = _record(folder / path, issuer, wear)
        except InputError as error:
            problems.extend(error.problems)
            continue
        if not belongs(token):
            remedy = "Name it under `vehicles` of this battery, or move the record to the battery that names it."
            problems.add(shown(folder / path), f"battery {token!r}", "a vehicle that this battery names", remedy)
        elif token not in found or found[token].as_of <= record.as_of:
            found[token] = record
    problems.raise_if_any()
    return found


def _record(path: Path, issuer: bytes | None, wear: Callable[[float], WearTable | None]) -> tuple[str, KnownHealth]:
    where = shown(path)
    read = parse_certificate(read_json(path), where)
    if not verify(read.public_key, read.signature, canonical_bytes(read.payload)):
        raise InputError([Problem(where, "changed after it was signed", "an unchanged certificate", _AGAIN)])
    if issuer is not None and read.public_key != issuer:
        remedy = "Ask the issuer, or name their public key in `records_key`."
        raise InputError([Problem(where, "signed with another key", "a certificate signed with records_key", remedy)])
    token, capacity = read.payload.get("battery_id"), read.payload.get("capacity")
    if capacity is None:
        remedy = "Leave it out until visits tell the capacity (state of charge known at both ends)."
        raise InputError([Problem(where, "state of health unknown", "a record with a capacity", remedy)])
    numbers = capacity if isinstance(capacity, dict) else {}
    kwh, low, high, health = (_number(numbers.get(name)) for name in ("kwh", "low_kwh", "high_kwh", "health"))
    as_of, (least, most) = _day(read), PLAUSIBLE_HEALTH
    if not (isinstance(token, str) and token and as_of and 0.0 < low <= kwh <= high and least <= health <= most):
        wanted = f"battery_id, to, and a capacity of {least:.0%} to {most:.0%} of new within its interval"
        raise InputError([Problem(where, "a payload that does not say them", wanted, _AGAIN)])
    worn = round(min(1.0, health) / _STEP) * _STEP  # prices do not change within so little
    return token, KnownHealth(kwh, low, high, health, as_of, wear(worn))


def _number(value: object) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good and isinstance(value, (int, float)) else math.nan


def _day(read: Certificate) -> date | None:
    text = read.payload.get("to")
    try:
        return datetime.fromisoformat(text).date() if isinstance(text, str) else None
    except ValueError:
        return None
