"""Validators made from the JSON schema files that the ``ocpp`` package ships.

The package itself is never imported: only its published schema files are read, and the wire keeps its own camelCase.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import orjson

Version = Literal["1.6", "2.0.1", "2.1"]

FOLDERS: Mapping[Version, str] = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}

# Wrong only in form: the meaning can still be read, so that the message is kept and flagged instead of being refused.
FORM_KINDS = frozenset({"Format", "MaxLength", "MultipleOf"})


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a payload breaks its schema.

    Attributes:
        kind: the keyword that failed: ``Required``, ``Type``, ``Enum``, ``Format``, …
        where: path in the payload, such as ``meterValue/0/timestamp``.
        text: for people.
    """

    kind: str
    where: str
    text: str

    @property
    def form(self) -> bool:
        """Whether only the form is wrong and the meaning can be read."""
        return self.kind in FORM_KINDS


@cache
def folder(version: Version) -> Path:
    """Where the schema files of a version lie."""
    spec = importlib.util.find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        msg = "the package `ocpp` is not installed; install bothways[live] for its schema files"
        raise ModuleNotFoundError(msg, name="ocpp")
    return Path(next(iter(spec.submodule_search_locations))) / FOLDERS[version] / "schemas"


@cache
def actions(version: Version) -> frozenset[str]:
    """Names of all messages of a protocol version."""
    names = {path.stem for path in folder(version).glob("*.json")}
    return frozenset(name.removesuffix("Request") for name in names if not name.endswith("Response"))


@cache
def schema(version: Version, action: str, *, response: bool = False) -> dict[str, Any] | None:
    """The schema of a message, or ``None`` where the version has none.

    1.6 has no suffix on requests, and ``NotifyPeriodicEventStream`` of 2.1 has neither a suffix nor a response.
    """
    if action not in actions(version):
        return None
    stems = (f"{action}Response",) if response else (f"{action}Request", action)
    for stem in stems:
        path = folder(version) / f"{stem}.json"
        if path.is_file():
            loaded: dict[str, Any] = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
            return loaded
    return None


@cache
def validator(version: Version, action: str, *, response: bool = False) -> jsonschema_rs.Validator | None:
    """The compiled validator of a message, or ``None`` where the version has none."""
    found = schema(version, action, response=response)
    if found is None:
        return None
    return jsonschema_rs.validator_for(found, validate_formats=True)


def violations(version: Version, action: str, payload: object, *, response: bool = False) -> tuple[Violation, ...]:
    """Everything in which a payload breaks its schema; empty for a sound one.

    Args:
        version: protocol version.
        action: name of the message without suffix; must exist in this version.
        payload: as parsed from the wire.
        response: whether it is the answer.

    Returns:
        The violations. A message without a schema of its own (the answer to a stream) may only be an object.
    """
    compiled = validator(version, action, response=response)
    if compiled is None:
        return () if isinstance(payload, dict) else (Violation("Type", "", "the payload is not an object"),)
    if compiled.is_valid(payload):
        return ()
    return tuple(
        Violation(type(error.kind).__name__, "/".join(map(str, error.instance_path)), error.message[:200])
        for error in compiled.iter_errors(payload)
    )
