"""What a driver keeps for leaving: kilometres, in the cold, as stored energy."""

from __future__ import annotations

import math

from bothways.domain.errors import DomainError

MILD_C = 20.0
COLD_C = -20.0
COLD_FACTOR = 1.8
"""Consumption at −20 °C relative to 20 °C: the upper end of cabin heating by resistance on short trips."""


def cold_factor(temperature_c: float) -> float:
    """Consumption relative to 20 °C: 1 above, rising linearly to 1.8 at −20 °C, kept below.

    A cautious straight line, not a measurement of a vehicle; where the vehicle's own figure is known, use that.

    >>> cold_factor(25.0), cold_factor(0.0), cold_factor(-30.0)
    (1.0, 1.4, 1.8)
    """
    if not math.isfinite(temperature_c):
        msg = f"the temperature must be a number [°C], not {temperature_c}"
        raise DomainError(msg)
    cold = min(max((MILD_C - temperature_c) / (MILD_C - COLD_C), 0.0), 1.0)
    return 1.0 + (COLD_FACTOR - 1.0) * cold


def evacuation_reserve_kwh(
    distance_km: float, kwh_per_km: float, temperature_c: float = MILD_C, arrival_kwh: float = 0.0
) -> float:
    """Stored energy that a driver keeps to drive away [kWh].

    Equation: ``distance · consumption · cold factor + energy left on arrival``.

    Args:
        distance_km: to drive, detours included [km].
        kwh_per_km: consumption at 20 °C from the battery [kWh/km].
        temperature_c: outside [°C].
        arrival_kwh: to be left on arrival [kWh].

    >>> evacuation_reserve_kwh(100.0, 0.2, 0.0)
    28.0
    """
    for name, value in (("distance_km", distance_km), ("kwh_per_km", kwh_per_km), ("arrival_kwh", arrival_kwh)):
        if not (math.isfinite(value) and value >= 0.0):
            msg = f"evacuation reserve: {name} must be finite and at least 0, not {value}"
            raise DomainError(msg)
    return distance_km * kwh_per_km * cold_factor(temperature_c) + arrival_kwh
