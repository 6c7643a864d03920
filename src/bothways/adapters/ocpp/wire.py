"""Power on the wire: kW to W or A and back, always rounded toward zero."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from bothways.operations.stations import EvseRecord

RateUnit = Literal["W", "A"]

_TENTH = Decimal("0.1")
_MOST_W = Decimal(10) ** 9  # no outlet has a gigawatt: larger orders are bounded, toward zero like everything here


def on_wire(power_kw: float, unit: RateUnit, evse: EvseRecord, phases: int, *, strict: bool = False) -> float:
    """A power as a limit or setpoint, a multiple of 0.1 rounded toward zero.

    Args:
        power_kw: positive charges [kW].
        unit: ``W`` for the sum of the phases, ``A`` per phase.
        evse: its voltage converts to amperes.
        phases: phases in use, at least 1.
        strict: whether the value must also pass a validator that divides binary fractions by 0.1 (1.6).

    Returns:
        The value; its power is never above the asked one, its sign never another, and zero stays zero.

    >>> on_wire(7.4, "W", EvseRecord(1, 22.0), 3), on_wire(-4.0, "A", EvseRecord(1, 22.0), 3)
    (7400.0, -5.7)
    """
    watts = min(abs(Decimal(repr(power_kw)) * 1000), _MOST_W)
    per_unit = Decimal(1) if unit == "W" else Decimal(repr(evse.voltage_v)) * phases
    tenths = int((watts / per_unit / _TENTH).to_integral_value(rounding=ROUND_DOWN))
    if strict and unit == "W":
        tenths -= tenths % 10
    # 16.1 / 0.1 is not a whole number in binary: validators that divide refuse it, the next lower tenth is taken
    while strict and tenths and not (tenths / 10 / 0.1).is_integer():
        tenths -= 1
    value = tenths / 10
    return -value if power_kw < 0.0 and value else value


def power_of(value: float, unit: RateUnit, evse: EvseRecord, phases: int) -> float:
    """The power of a limit or setpoint on the wire [kW]; the inverse of :func:`on_wire`.

    >>> power_of(-5.7, "A", EvseRecord(1, 22.0), 3)
    -3.933
    """
    per_unit = Decimal(1) if unit == "W" else Decimal(repr(evse.voltage_v)) * phases
    return float(Decimal(repr(value)) * per_unit / 1000)


def stamp(at: datetime) -> str:
    """An instant as stations read it.

    >>> stamp(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
