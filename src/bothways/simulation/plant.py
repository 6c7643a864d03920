"""What a connected battery does with a setpoint, and how its energy moves."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.dispatch.curves import Curves
from bothways.planning.segments import REST_KW, in_for, out_of

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def respond(
    setpoint: float,
    energy: float,
    target: float,
    charge_kw: float,
    discharge_kw: float,
    eta_c: float,
    eta_d: float,
    step_h: float,
    curves: Curves | None = None,
    i: int = 0,
) -> tuple[float, float]:
    """Power that really flows in one step, and the energy stored afterwards.

    The battery obeys its own limits whatever it is told: it stops charging at ``target`` and never goes below 0.

    Args:
        setpoint: commanded power [kW], positive charges.
        energy: stored energy [kWh].
        target: stored energy at which the vehicle stops charging [kWh].
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW].
        eta_c: stored per AC energy.
        eta_d: AC per stored energy.
        step_h: step [h].
        curves: losses at part load, which then hold in place of the efficiencies.
        i: the battery in them.

    Returns:
        Mean AC power [kW] and stored energy at the end of the step [kWh].
    """
    if curves is not None:
        if setpoint > 0.0:
            room = in_for(curves.in_slope, curves.in_intercept, i, max(0.0, target - energy) / step_h)
            power = min(setpoint, charge_kw, room)
            return power, energy + step_h * out_of(curves.in_slope, curves.in_intercept, i, power)
        given = out_of(curves.out_slope, curves.out_intercept, i, max(0.0, energy) / step_h)
        power = -min(-setpoint, discharge_kw, given)
        if -power <= REST_KW:
            return 0.0, energy  # rounding, not a command: any power at all would draw what a converter loses by itself
        taken = step_h * in_for(curves.out_slope, curves.out_intercept, i, -power)
        return power, max(energy - taken, min(energy, 0.0))
    if setpoint > 0.0:
        power = min(setpoint, charge_kw, max(0.0, target - energy) / (eta_c * step_h))
        return power, energy + power * eta_c * step_h
    power = -min(-setpoint, discharge_kw, max(0.0, energy) * eta_d / step_h)
    return power, energy + power * step_h / eta_d


@njit(cache=True, nogil=True)
def respond_all(
    setpoint: Floats,
    energy: Floats,
    target: Floats,
    charge_kw: Floats,
    discharge_kw: Floats,
    eta_c: Floats,
    eta_d: Floats,
    step_h: float,
    curves: Curves | None = None,
) -> tuple[Floats, Floats]:
    """:func:`respond` for all connected vehicles; arrays have shape ``(N,)``."""
    n = setpoint.shape[0]
    power = np.empty(n)
    after = np.empty(n)
    for i in range(n):
        power[i], after[i] = respond(
            setpoint[i], energy[i], target[i], charge_kw[i], discharge_kw[i], eta_c[i], eta_d[i], step_h, curves, i
        )
    return power, after
