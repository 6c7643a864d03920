"""The words and bytes of a battery's certificate. Signing itself needs keys and lies outside of the core.

A certificate is a JSON object with ``format``, ``payload``, ``public_key`` and ``signature``. What is signed is the
payload in one canonical form: keys sorted, no spaces, ASCII with escapes, numbers as Python prints them. Whoever has
the issuer's public key can check it without asking anybody.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bothways.battery.health import CELSIUS_EDGES, SOC_EDGES, HealthRecord
from bothways.domain.errors import DomainError, InputError, Problem, Problems

FORMAT = "bothways-battery-certificate/1"

_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_KEYS = {"format", "payload", "public_key", "signature"}


@dataclass(frozen=True)
class Certificate:
    """A certificate as read, its signature not yet checked.

    Attributes:
        payload: what it says.
        public_key: the Ed25519 key that it names, 32 bytes.
        signature: 64 bytes.
    """

    payload: Mapping[str, object]
    public_key: bytes
    signature: bytes

    def as_json(self) -> dict[str, object]:
        """The certificate as a JSON object."""
        return {
            "format": FORMAT,
            "payload": dict(self.payload),
            "public_key": base64.b64encode(self.public_key).decode("ascii"),
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }


def payload_of(record: HealthRecord, *, issuer: str, issued: datetime) -> dict[str, object]:
    """What a certificate says about a battery.

    Args:
        record: the battery's record.
        issuer: who vouches for it.
        issued: when (aware).

    Raises:
        DomainError: an issuer without a name, or a naive instant.
    """
    if not issuer.strip() or issued.tzinfo is None:
        msg = "a certificate needs an issuer's name and an aware instant of issue"
        raise DomainError(msg)
    health, estimate = record.health, record.estimate
    told: dict[str, object] = {
        "battery_id": record.battery_id,
        "issuer": issuer,
        "issued": issued.isoformat(),
        "from": record.first.isoformat(),
        "to": record.last.isoformat(),
        "visits": record.visits,
        "new_capacity_kwh": _rounded(record.new_capacity_kwh),
        "charged_kwh": _rounded(record.charged_kwh),
        "discharged_kwh": _rounded(record.discharged_kwh),
        "discharge_cycles": _rounded(record.discharge_cycles),
        "stage": record.stage,
        "resistance_factor": None if record.resistance_factor is None else _rounded(record.resistance_factor),
        "dwell": {
            "soc_edges": list(SOC_EDGES),
            "celsius_edges": list(CELSIUS_EDGES),
            "hours": [[_rounded(hours) for hours in row] for row in record.dwell_h.tolist()],
            "unknown_hours": _rounded(record.unknown_h),
        },
        "capacity": None,
    }
    if estimate is not None and health is not None:
        told["capacity"] = {
            "kwh": _rounded(estimate.capacity_kwh),
            "low_kwh": _rounded(estimate.low_kwh),
            "high_kwh": _rounded(estimate.high_kwh),
            "confidence": 0.95,
            "visits": estimate.visits,
            "left_out": estimate.left_out,
            "health": _rounded(health[0], 4),
            "health_low": _rounded(health[1], 4),
            "health_high": _rounded(health[2], 4),
        }
    return told


def canonical_bytes(payload: Mapping[str, object]) -> bytes:
    r"""The bytes that are signed.

    Raises:
        DomainError: the payload holds NaN, infinity or what JSON does not know.

    >>> canonical_bytes({"b": 1.5, "a": "é"})
    b'{"a":"\\u00e9","b":1.5}'
    """
    try:
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"a certificate's payload must be plain JSON: {error}"
        raise DomainError(msg) from error
    return text.encode("ascii")


def parse_certificate(content: object, source: str) -> Certificate:
    """Builds a certificate from parsed JSON; the signature is not checked here.

    Args:
        content: what a JSON reader returned.
        source: where it came from, for messages.

    Raises:
        InputError: every key that is missing, unknown or not what it should be.
    """
    problems = Problems(at=source)
    remedy = "Use the file as the issuer gave it, unchanged."
    if not isinstance(content, dict):
        raise InputError([Problem(source, f"a {type(content).__name__}", "a JSON object", remedy)])
    for name in sorted(_KEYS - content.keys()):
        problems.add(name, "nothing", f"the key {name!r}", remedy)
    for name in sorted(content.keys() - _KEYS):
        problems.add(str(name), "an unknown key", f"only {', '.join(sorted(_KEYS))}", remedy)
    if content.get("format", FORMAT) != FORMAT:
        problems.add("format", content["format"], FORMAT, "This version of bothways reads that format only.")
    payload = content.get("payload", {})
    if not isinstance(payload, dict):
        problems.add("payload", type(payload).__name__, "a JSON object", remedy)
    key = _bytes(content.get("public_key"), _KEY_BYTES)
    signature = _bytes(content.get("signature"), _SIGNATURE_BYTES)
    for name, value, length in (("public_key", key, _KEY_BYTES), ("signature", signature, _SIGNATURE_BYTES)):
        if value is None and name in content:
            problems.add(name, str(content[name]), f"{length} bytes in base64", remedy)
    problems.raise_if_any()
    return Certificate(payload, key or b"", signature or b"")


def _bytes(text: object, length: int) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length else None


def _rounded(value: float, digits: int = 3) -> float:
    if not math.isfinite(value):
        msg = f"a certificate tells finite numbers, not {value}"
        raise DomainError(msg)
    return round(float(value), digits)
