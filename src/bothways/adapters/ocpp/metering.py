"""Meter values of every protocol version as samples."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from bothways.adapters.ocpp.reading import REGISTER, Heard, converged, number, one_way, text, whole
from bothways.operations.events import Sample

PERIODIC, OUTLET = "Sample.Periodic", "Outlet"


def samples(found: object, heard: Heard) -> tuple[Sample, ...]:
    """All readable values of a ``meterValue`` or ``transactionData`` array, of 1.6 or 2.x.

    Args:
        found: the array as parsed; anything else is noted and gives no samples.
        heard: the message it came in; what cannot be read is flagged there, so that the raw message is kept.

    Returns:
        The samples in the order sent, imports never negative.
    """
    if found is None:
        return ()
    if not isinstance(found, list):
        heard.flag("the meter values are not an array")
        return ()
    out: list[Sample] = []
    for group in found:
        if not isinstance(group, dict):
            heard.flag("a meter value is not an object")
            continue
        at = heard.instant(group.get("timestamp"), "the meter value's timestamp")
        values = group.get("sampledValue")
        if not isinstance(values, list):
            heard.flag("a meter value has no sampled values")
            continue
        out.extend(_group(values, at, heard))
    return one_way(out, heard)


def _group(values: list[Any], at: datetime, heard: Heard) -> list[Sample]:
    out: list[Sample] = []
    seals: list[tuple[str, str]] = []
    for value in values:
        if not isinstance(value, dict):
            heard.flag("a sampled value is not an object")
        elif value.get("format") == "SignedData":
            seals.append((text(value, "measurand") or REGISTER, str(value.get("value", ""))))
        else:
            sample = _sample(value, at, heard)
            if sample is not None:
                out.append(sample)
    for measurand, seal in seals:
        _attach(out, measurand, seal, heard)
    return out


def _sample(value: dict[str, Any], at: datetime, heard: Heard) -> Sample | None:
    measurand = _word(value, "measurand", REGISTER)
    read = number(value.get("value"))
    if read is None:
        heard.flag(f"the value of {measurand} is no finite number: {value.get('value')!r:.60}")
        return None
    unit_object = value.get("unitOfMeasure")
    multiplier: int | None = 0
    if isinstance(unit_object, dict):
        unit = _word(unit_object, "unit", "")
        if "multiplier" in unit_object:
            multiplier = whole(unit_object["multiplier"])
    else:
        unit = _word(value, "unit", "")
    amount, name = converged(measurand, read, unit, multiplier) if multiplier is not None else (math.nan, unit)
    if not math.isfinite(amount):
        heard.flag(f"the multiplier of {measurand} cannot be applied")
        return None
    if amount < 0.0 and ".Export" in measurand:
        heard.flag(f"{measurand} is negative: kept as sent")
    return Sample(
        at,
        measurand,
        amount,
        name,
        _word(value, "phase", ""),
        _word(value, "context", PERIODIC),
        _word(value, "location", OUTLET),
        text(value, "signedMeterValue", "signedMeterData") if "signedMeterValue" in value else "",
    )


def _word(value: dict[str, Any], key: str, default: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) and found else default


def _attach(out: list[Sample], measurand: str, seal: str, heard: Heard) -> None:
    """1.6 sends signed data as a value of its own: it belongs to the plain reading beside it."""
    for index, item in enumerate(out):
        if item.measurand == measurand and not item.signed:
            out[index] = Sample(
                item.at, item.measurand, item.value, item.unit, item.phase, item.context, item.location, seal
            )
            return
    heard.flag(f"signed data of {measurand} came without a plain reading")
