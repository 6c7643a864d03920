"""The reference: vehicles charge as soon as they are plugged in, the stationary battery only stores surplus."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.simulation.rule_based import charge_on_arrival
from bothways.studies.inputs import Case, StationaryBattery, StudyInputs
from bothways.studies.runs import Planning, StrategyRun, site_flows

Floats = NDArray[np.float64]

_REPEATS = 50
_SETTLED_KWH = 1e-6


def run_uncontrolled(inputs: StudyInputs, case: Case) -> StrategyRun:
    """Plays uncontrolled charging, within the site's safety limit only; a battery to be bought is not there."""
    trace = charge_on_arrival(
        inputs.stays, case.base_kw, inputs.grid.step_h, import_hard_limit_kw=case.limits.import_hard_limit_kw
    )
    periods = inputs.grid.periods
    battery, stored = np.zeros(periods), np.zeros(periods)
    if case.battery is not None and not case.battery.bought:
        battery, stored = _settled(case.battery, case.base_kw + trace.vehicles_kw, inputs.grid.step_h)
    flows = site_flows(
        case.load.values, case.pv.values, trace.vehicles_kw, battery, stored, case.limits.export_limit_kw
    )
    messages = () if math.isinf(case.limits.import_hard_limit_kw) else ("a safety limit was shared in proportion",)
    return StrategyRun("uncontrolled", False, trace, flows, Planning(messages=messages))  # noqa: FBT003


def _settled(own: StationaryBattery, net_kw: Floats, step_h: float) -> tuple[Floats, Floats]:
    """The surplus battery over a period that it ends as it began, so that no stock is used up for nothing.

    What a period ends with rises with what it begins with, and never by more, so repeating it settles.
    """
    start = own.hold * own.capacity_kwh
    for _ in range(_REPEATS):
        power, stored = store_surplus(net_kw, own.capacity_kwh, own.power_kw, own.eta_c, own.eta_d, start, step_h)
        if abs(stored[-1] - start) <= _SETTLED_KWH:
            break
        start = float(stored[-1])
    return power, stored


@njit(cache=True, nogil=True)
def store_surplus(
    net_kw: Floats, capacity_kwh: float, power_kw: float, eta_c: float, eta_d: float, start_kwh: float, step_h: float
) -> tuple[Floats, Floats]:
    """A battery that charges from surplus and serves load, with no view of prices.

    Args:
        net_kw: load minus production, vehicles included, shape ``(T,)`` [kW].
        capacity_kwh: usable capacity [kWh].
        power_kw: greatest power [kW].
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        start_kwh: energy at the start [kWh].
        step_h: step [h].

    Returns:
        Power (positive charges) and stored energy at the end of each step, both ``(T,)``.
    """
    power = np.zeros(net_kw.shape[0])
    stored = np.empty(net_kw.shape[0])
    energy = start_kwh
    for t in range(net_kw.shape[0]):
        if net_kw[t] < 0.0:
            flow = min(-net_kw[t], power_kw, (capacity_kwh - energy) / (eta_c * step_h))
            energy += flow * eta_c * step_h
        else:
            flow = -min(net_kw[t], power_kw, energy * eta_d / step_h)
            energy += flow * step_h / eta_d
        power[t] = flow
        stored[t] = energy
    return power, stored
