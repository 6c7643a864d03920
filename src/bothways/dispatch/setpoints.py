"""Setpoints for one step: follow the plan inside what vehicles, drivers and the site allow.

The order of what gives way is fixed: safety limit of the site > driver's floor > required energy > the plan.
The same kernel runs in a compiled year-long simulation and, one call at a time, in a live site.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.dispatch.curves import Curves
from bothways.planning.segments import in_for, out_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TINY_KW = 1e-9


@njit(cache=True, nogil=True)
def envelope(  # numba has no keyword structures here: one row per quantity keeps the kernel flat
    energy: float,
    floor: float,
    ceiling: float,
    need: float,
    steps_left: int,
    charge_kw: float,
    discharge_kw: float,
    eta_c: float,
    eta_d: float,
    step_h: float,
    curves: Curves | None = None,
    i: int = 0,
) -> tuple[float, float, float]:
    """Range of power of one vehicle in one step.

    Args:
        energy: stored energy now [kWh].
        floor: energy that discharging never crosses [kWh].
        ceiling: energy at which the vehicle stops charging [kWh].
        need: energy to be held when the stay ends [kWh].
        steps_left: whole steps until the stay is expected to end, this one included.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW].
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        step_h: step [h].
        curves: losses at part load; the efficiencies are then those at full power.
        i: the vehicle in them.

    Returns:
        ``(low, must, high)`` [kW]: ``low`` is the least power the battery and the driver's floor allow, ``must``
        (at least ``low``) the least with which the need is still in reach afterwards, ``high`` the greatest.
    """
    if curves is None:
        high = min(charge_kw, max(0.0, ceiling - energy) / (eta_c * step_h))
        low = -min(discharge_kw, max(0.0, energy - floor) * eta_d / step_h)
    else:
        high = min(charge_kw, in_for(curves.in_slope, curves.in_intercept, i, max(0.0, ceiling - energy) / step_h))
        low = -min(discharge_kw, out_of(curves.out_slope, curves.out_intercept, i, max(0.0, energy - floor) / step_h))
    later = max(0, steps_left - 1) * charge_kw * eta_c * step_h
    missing = min(need, ceiling) - later - energy
    urgent = max(missing, floor - energy)  # negative: that much may leave the battery in this step
    if curves is None:
        must = urgent / (eta_c * step_h) if urgent >= 0.0 else urgent * eta_d / step_h
    elif urgent >= 0.0:
        must = in_for(curves.in_slope, curves.in_intercept, i, urgent / step_h)
    else:
        must = -out_of(curves.out_slope, curves.out_intercept, i, -urgent / step_h)
    return low, min(max(must, low), high), high


@njit(cache=True, nogil=True)
def _lower(power: Floats, bound: Floats, excess: float) -> float:
    """Takes ``excess`` kW out of ``power``, each in proportion to its room above ``bound``; returns what is left."""
    room = 0.0
    for i in range(power.shape[0]):
        room += max(0.0, power[i] - bound[i])
    if room <= _TINY_KW or excess <= 0.0:
        return excess
    share = min(1.0, excess / room)
    for i in range(power.shape[0]):
        if power[i] > bound[i]:
            power[i] -= share * (power[i] - bound[i])
    return excess - share * room


@njit(cache=True, nogil=True)
def _minimum_current(power: Floats, must: Floats, high: Floats, minimum: Floats, room: float) -> None:
    """Moves powers between 0 and the minimum to one of the two; ``room`` is what the site can still take [kW].

    Together they keep the sum that was intended, to half a minimum: a plan may give many vehicles a little each, and
    nobody would charge if each were rounded by itself. Who must charge comes first, then who was to get most. A vehicle
    that needs less than a step at the minimum is told the minimum and stops by itself when it is full.
    """
    wish = np.zeros(power.shape[0])
    owed = 0.0
    for i in range(power.shape[0]):
        if 0.0 < power[i] < minimum[i]:
            wish[i] = power[i] / minimum[i] + (1.0 if must[i] > 0.0 else 0.0)
            owed += power[i]
            room += power[i]
            power[i] = 0.0
    if owed == 0.0:
        return
    for i in np.argsort(-wish, kind="mergesort"):
        if wish[i] <= 0.0:
            break
        takes = min(minimum[i], high[i])
        if minimum[i] <= room and (must[i] > 0.0 or 2.0 * owed >= takes):
            power[i] = minimum[i]
            room -= minimum[i]
            owed -= takes


@njit(cache=True, nogil=True)
def _hold_export(power: Floats, base_kw: float, export_kw: float) -> None:
    """Takes discharging back, in proportion, as far as it adds to an export above the limit.

    Surplus of the building alone is curtailed by the site, not by vehicles.
    """
    total = base_kw
    out = 0.0
    for i in range(power.shape[0]):
        total += power[i]
        out += max(0.0, -power[i])
    gap = -export_kw - total
    if gap <= 0.0 or out <= _TINY_KW:
        return
    share = min(1.0, gap / out)
    for i in range(power.shape[0]):
        if power[i] < 0.0:
            power[i] -= share * power[i]


@njit(cache=True, nogil=True)
def setpoints(
    planned: Floats,
    energy: Floats,
    floor: Floats,
    ceiling: Floats,
    need: Floats,
    steps_left: Ints,
    charge_kw: Floats,
    discharge_kw: Floats,
    eta_c: Floats,
    eta_d: Floats,
    minimum_kw: Floats,
    base_kw: float,
    target_kw: float,
    hard_kw: float,
    export_kw: float,
    step_h: float,
    curves: Curves | None = None,
) -> Floats:
    """Setpoints of all connected vehicles for one step; arrays have shape ``(N,)``.

    Args:
        planned: power that the plan intends [kW]; ``inf`` means "as much as possible".
        energy: stored energy [kWh].
        floor: energy that discharging never crosses [kWh].
        ceiling: energy at which charging ends [kWh].
        need: energy to be held at the end of the stay [kWh].
        steps_left: steps until the stay is expected to end, this one included.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 without consent or capability.
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        minimum_kw: smallest charging power other than 0 [kW].
        base_kw: load minus production measured now, without vehicles [kW].
        target_kw: site import that the plan wants not to be exceeded [kW]; required energy goes before it.
        hard_kw: site import that must not be exceeded [kW]; goes before everything.
        export_kw: greatest site export [kW]; vehicles never add to an export above it.
        step_h: step [h].
        curves: losses at part load; the efficiencies are then those at full power.

    Returns:
        Setpoints [kW], positive charges. A setpoint is what is commanded: below the minimum current only 0 is
        possible, so the last bit of charging is commanded at the minimum and ended by the vehicle.
    """
    n = planned.shape[0]
    power = np.empty(n)
    low = np.empty(n)
    must = np.empty(n)
    high = np.empty(n)
    keep = np.empty(n)
    total = base_kw
    for i in range(n):
        low[i], must[i], high[i] = envelope(
            energy[i], floor[i], ceiling[i], need[i], steps_left[i], charge_kw[i], discharge_kw[i], eta_c[i],
            eta_d[i], step_h, curves, i,
        )  # fmt: skip
        power[i] = min(max(planned[i], must[i]), high[i])
        total += power[i]
    wanted = min(target_kw, hard_kw)
    if total > wanted:
        total = wanted + _lower(power, must, total - wanted)
    if total > hard_kw:
        for i in range(n):  # what the driver's floor alone demands gives way last
            keep[i] = min(must[i], max(low[i], (floor[i] - energy[i]) / (eta_c[i] * step_h)))
        total = hard_kw + _lower(power, keep, total - hard_kw)
    if total > hard_kw:
        total = hard_kw + _lower(power, low, total - hard_kw)
    _minimum_current(power, must, high, minimum_kw, max(0.0, hard_kw - total))
    _hold_export(power, base_kw, export_kw)
    return power
