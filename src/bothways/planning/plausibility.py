"""Magnitudes that betray a wrong unit: watts where kilowatts are meant, watt-hours where kilowatt-hours are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bothways.planning.problem import Floats
from bothways.planning.values import Reader

_POWER_FROM_KW = 1_000.0
_POWER_PER_CAPACITY = 20.0  # 1/h: no battery charges in three minutes
_ENERGY_FROM_KWH = 2_000.0
_HOURS_TO_FILL = 2_000.0  # a quarter of a year at full power
_LOAD_FROM_KW = 1_000.0
_LOAD_PER_FLEET = 30.0  # a load so much larger than all chargers together that they would not matter to it

_CONFIRM = 'or, if the value is right, add "unusual_magnitudes": true'


def check_magnitudes(reader: Reader, vehicles: Mapping[str, Floats], base_load_kw: Floats | None) -> None:
    """Notes powers, energies and a base load that are a thousand times too large for what stands beside them.

    Args:
        reader: where problems are noted.
        vehicles: columns by name, at full length; faulty entries are NaN.
        base_load_kw: the site's load, if it could be read [kW].
    """
    ceiling = vehicles.get("energy_max_kwh")
    for key in ("charge_kw", "discharge_kw"):
        power = vehicles.get(key)
        if power is None or ceiling is None:
            continue
        faulty = (power > _POWER_FROM_KW) & (power > _POWER_PER_CAPACITY * ceiling)
        allowed = f"kW, at most {_POWER_PER_CAPACITY:g} times energy_max_kwh per hour"
        remedy = f"Give kW, not W (divide by 1000), {_CONFIRM}."
        reader.rows(f"vehicles.{key}", faulty, "{0} kW with energy_max_kwh {1}", (power, ceiling), allowed, remedy)
    charge = vehicles.get("charge_kw")
    if charge is None:
        return
    if ceiling is not None:
        faulty = (charge > 0.0) & (ceiling > _ENERGY_FROM_KWH) & (ceiling > _HOURS_TO_FILL * charge)
        allowed = f"kWh, at most {_HOURS_TO_FILL:g} h of charge_kw"
        remedy = f"Give kWh, not Wh (divide by 1000), {_CONFIRM}."
        reader.rows("vehicles.energy_max_kwh", faulty, "{0} kWh with charge_kw {1}", (ceiling, charge), allowed, remedy)
    fleet_kw = float(np.nansum(charge)) if charge.size else 0.0
    if base_load_kw is None or fleet_kw <= 0.0:
        return
    highest = float(np.nan_to_num(np.abs(base_load_kw)).max(initial=0.0))  # faulty entries are NaN
    if highest > _LOAD_FROM_KW and highest > _LOAD_PER_FLEET * fleet_kw:
        found = f"up to {highest:g} kW beside chargers of {fleet_kw:g} kW in all"
        allowed = f"kW, at most {_LOAD_PER_FLEET:g} times the chargers' power"
        reader.fault("base_load_kw", found, allowed, f"Give kW, not W (divide by 1000), {_CONFIRM}.")
