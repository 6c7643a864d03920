"""What stations write, read into the project's units: instants, samples, tokens.

Every reader notes on the :class:`Heard` message what was wrong in form, and returns the best reading there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

from bothways.operations.events import Sample

# unit on the wire -> (unit here, factor, offset)
_UNITS: dict[str, tuple[str, float, float]] = {
    "W": ("kW", 1e-3, 0.0),
    "kW": ("kW", 1.0, 0.0),
    "Wh": ("kWh", 1e-3, 0.0),
    "kWh": ("kWh", 1.0, 0.0),
    "var": ("kvar", 1e-3, 0.0),
    "kvar": ("kvar", 1.0, 0.0),
    "varh": ("kvarh", 1e-3, 0.0),
    "kvarh": ("kvarh", 1.0, 0.0),
    "A": ("A", 1.0, 0.0),
    "V": ("V", 1.0, 0.0),
    "Hz": ("Hz", 1.0, 0.0),
    "Hertz": ("Hz", 1.0, 0.0),
    "Percent": ("fraction", 1e-2, 0.0),
    "Celsius": ("degC", 1.0, 0.0),
    "Celcius": ("degC", 1.0, 0.0),  # 1.6 spells it so
    "Fahrenheit": ("degC", 5.0 / 9.0, -160.0 / 9.0),
    "K": ("degC", 1.0, -273.15),
}

# The standard's default is Wh for everything; a power without a unit is meant in W all the same.
_DEFAULT_UNITS: tuple[tuple[str, str], ...] = (
    ("Power.Reactive", "var"),
    ("Power.Factor", ""),
    ("Power.", "W"),
    ("Energy.Reactive", "varh"),
    ("Energy.Apparent", "VAh"),
    ("Energy", "Wh"),
    ("Current.", "A"),
    ("Voltage", "V"),
    ("Frequency", "Hz"),
    ("SoC", "Percent"),
    ("Temperature", "Celsius"),
)

REGISTER = "Energy.Active.Import.Register"
_MIRRORED = {
    "Power.Active.Import": "Power.Active.Export",
    "Current.Import": "Current.Export",
    "Energy.Active.Import.Interval": "Energy.Active.Export.Interval",
}


class Base(TypedDict):
    """What every event carries."""

    station_id: str
    at: datetime
    received_at: datetime
    flags: tuple[str, ...]
    raw: bytes


class Unreadable(Exception):  # noqa: N818 - an adjective reads better where it is caught
    """A fact without which the message means nothing is missing; ``code`` says how the station is answered."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


@dataclass(slots=True)
class Heard:
    """One message while it is read.

    Attributes:
        station_id: who said it.
        received_at: when the server read it.
        raw: the message's text.
        flags: what was wrong with its form so far.
    """

    station_id: str
    received_at: datetime
    raw: bytes = b""
    flags: list[str] = field(default_factory=list)

    def flag(self, text: str) -> None:
        """Notes something wrong, once."""
        if text not in self.flags and len(self.flags) < 20:
            self.flags.append(text[:200])

    def base(self, at: datetime | None = None) -> Base:
        """The fields of every event; call it when everything else has been read."""
        flags = tuple(self.flags)
        return {
            "station_id": self.station_id,
            "at": at or self.received_at,
            "received_at": self.received_at,
            "flags": flags,
            "raw": self.raw if flags else b"",
        }

    def instant(self, found: object, where: str = "timestamp") -> datetime:
        """An instant; UTC where the offset is missing, the time of receipt where it cannot be read."""
        if isinstance(found, str):
            try:
                at = datetime.fromisoformat(found)
                if at.tzinfo is None:
                    self.flag(f"{where} has no offset from UTC: read as UTC")
                    return at.replace(tzinfo=UTC)
                return at.astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        self.flag(f"{where} cannot be read: the time of receipt is used")
        return self.received_at

    def moment(self, found: object, where: str) -> datetime | None:
        """An instant that may be absent or unreadable: ``None`` then."""
        if found is None:
            return None
        before = len(self.flags)
        at = self.instant(found, where)
        unreadable = len(self.flags) > before and at == self.received_at
        return None if unreadable else at


def text(payload: Mapping[str, Any], *path: str) -> str:
    """A text at a path, ``""`` where it is absent or something else.

    >>> text({"idToken": {"idToken": "A1"}}, "idToken", "idToken")
    'A1'
    """
    found: Any = payload
    for key in path:
        if not isinstance(found, dict):  # not Mapping: asking an abstract class costs more than all the rest
            return ""
        found = found.get(key)
    return found if isinstance(found, str) else ""


def number(found: object) -> float | None:
    """A finite number, also from a text; ``None`` for anything else.

    >>> number("7.5"), number("NaN"), number(None), number(True)
    (7.5, None, None, None)
    """
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        value = float(found)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def whole(found: object) -> int | None:
    """A whole number of at most 63 bits, also from a text; ``None`` for anything else."""
    value = number(found)
    if value is None or not value.is_integer() or abs(value) >= 2**63:
        return None
    return int(found) if isinstance(found, int) else int(value)


def kilo(found: object) -> float | None:
    """W to kW or Wh to kWh, ``None`` where there is nothing."""
    value = number(found)
    return None if value is None else value / 1000.0


def converged(measurand: str, value: float, unit: str, multiplier: int = 0) -> tuple[float, str]:
    """A value in the project's unit.

    Args:
        measurand: OCPP's name; decides the unit where none was given.
        value: as sent.
        unit: as sent, ``""`` for none.
        multiplier: power of ten that the value is to be multiplied with.

    Returns:
        The value and its unit; ``nan`` where the multiplier makes it too large.

    >>> converged("Power.Active.Import", 7400.0, "W")
    (7.4, 'kW')
    >>> converged("SoC", 62.0, "")
    (0.62, 'fraction')
    """
    sent = unit or next((default for start, default in _DEFAULT_UNITS if measurand.startswith(start)), "")
    name, factor, offset = _UNITS.get(sent, (sent, 1.0, 0.0))
    if multiplier and not -30 <= multiplier <= 30:
        return math.nan, name
    scaled = value * 10.0**multiplier if multiplier else value
    if factor == 1e-3:
        return scaled / 1000.0, name  # 1/1000 is no binary fraction: dividing keeps 7400 W exactly 7.4 kW
    if factor == 1e-2:
        return scaled / 100.0, name
    return scaled * factor + offset, name


def one_way(samples: Iterable[Sample], heard: Heard) -> tuple[Sample, ...]:
    """Turns negative imports into exports, so that nothing is counted twice.

    Some stations report discharging as an export above 0, some as a negative import, some as both. Afterwards an import
    is never negative: a negative one becomes 0 and an export of the same size, unless the station sent that export too.
    """
    given = tuple(samples)
    if not any(item.value < 0.0 and item.measurand in _MIRRORED for item in given):
        return given
    exports = {
        (item.measurand, item.at, item.phase, item.context, item.location): item.value
        for item in given
        if item.measurand in _MIRRORED.values()
    }
    out: list[Sample] = []
    for item in given:
        mirror = _MIRRORED.get(item.measurand, "")
        if item.value >= 0.0 or not mirror:
            out.append(item)
            continue
        out.append(_with(item, item.measurand, 0.0))
        sent = exports.get((mirror, item.at, item.phase, item.context, item.location))
        if sent is None:
            out.append(_with(item, mirror, -item.value))
        elif not math.isclose(abs(sent), -item.value, rel_tol=0.02, abs_tol=0.05):
            heard.flag(
                f"{item.measurand} {item.value:g} and {mirror} {sent:g} contradict each other: the export counts"
            )
    return tuple(out)


def _with(item: Sample, measurand: str, value: float) -> Sample:
    return Sample(item.at, measurand, value, item.unit, item.phase, item.context, item.location, item.signed)
