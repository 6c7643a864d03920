"""From a solver's charging and discharging to a schedule that keeps every limit of each vehicle in float64."""

from __future__ import annotations

import numpy as np

from bothways.planning.layout import Layout
from bothways.planning.part_load import ac_power_kw, power_for, stored_by
from bothways.planning.problem import Bools, Floats, PlanProblem
from bothways.planning.shortfall import Reach

_ROUNDING_KWH = 1e-10
"""Deviation of stored energy that is left alone: float64 noise of a sum over a long stay [kWh]."""

_WORTH_SWITCHING_KWH = 1e-7
"""The same where a converter would have to be on for it."""


def net_power_kw(problem: PlanProblem, layout: Layout, charge_kw: Floats, discharge_kw: Floats) -> Floats:
    """Power of each vehicle-step that stores exactly what charging and discharging at once would, ``(S,)`` [kW].

    One of the two is 0 afterwards, and the site draws no more than before.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        charge_kw: charging power ``(S,)`` [kW].
        discharge_kw: discharging power ``(S,)`` [kW].
    """
    fleet, owner = problem.fleet, layout.owner
    charge = np.clip(charge_kw, 0.0, fleet.charge_kw[owner])
    discharge = np.clip(discharge_kw, 0.0, fleet.discharge_kw[owner])
    both = (charge > 0.0) & (discharge > 0.0)
    stored = charge * fleet.charge_efficiency[owner] - discharge / fleet.discharge_efficiency[owner]
    netted = ac_power_kw(stored, fleet.charge_efficiency[owner], fleet.discharge_efficiency[owner], 1.0)
    return np.where(both, netted, charge - discharge)


def repaired_power_kw(
    problem: PlanProblem, layout: Layout, bounds: Reach, lower_kwh: Floats, power_kw: Floats
) -> Floats:
    """Moves power by as little as it takes for stored energy to stay in [lower, upper] at every step.

    Solvers keep bounds to about 1e-7; a schedule that is sent to a battery keeps them to rounding. Vehicles whose
    energies are within bounds come back unchanged.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        lower_kwh: lower bound at the end of each vehicle-step, reachable from the one before, ``(S,)`` [kWh].
        power_kw: power of each vehicle-step ``(S,)`` [kW].
    """
    fleet, owner, step_h = problem.fleet, layout.owner, problem.step_h
    if problem.part_load is None:
        efficiency = np.where(power_kw > 0.0, fleet.charge_efficiency[owner], 1.0 / fleet.discharge_efficiency[owner])
        change = power_kw * efficiency * step_h
    else:
        change = stored_by(problem, power_kw, owner)
    running = np.cumsum(change)
    before = (running - change)[layout.first[owner]]
    energy = fleet.energy_at_arrival_kwh[owner] + running - before
    rounding = _ROUNDING_KWH if problem.part_load is None else _WORTH_SWITCHING_KWH
    off = (energy < lower_kwh - rounding) | (energy > bounds.upper_kwh + rounding)
    if not off.any():
        return power_kw
    power = power_kw.copy()
    vehicles = np.unique(owner[off])
    vehicles = vehicles[np.argsort(-layout.duration[vehicles], kind="stable")]
    now = fleet.energy_at_arrival_kwh[vehicles].copy()
    for k in range(int(layout.duration[vehicles[0]])):
        alive = vehicles[: np.count_nonzero(layout.duration[vehicles] > k)]
        at = layout.first[alive] + k
        held = now[: alive.size]
        wished = np.clip(change[at], -bounds.discharge_step_kwh[alive], bounds.charge_step_kwh[alive])
        after = np.clip(held + wished, lower_kwh[at], bounds.upper_kwh[at])
        moved = power_for(problem, after - held, alive)
        power[at] = np.clip(moved, -fleet.discharge_kw[alive], fleet.charge_kw[alive])
        if problem.part_load is not None:
            power[at] = np.where(np.abs(after - held) > rounding, power[at], 0.0)
            after = held + stored_by(problem, power[at], alive)
        now[: alive.size] = after
    return power


def power_following(problem: PlanProblem, layout: Layout, energy_kwh: Floats, on: Bools) -> Floats:
    """Power of converters with losses that follows a path of stored energy, ``(S,)`` [kW].

    What the path moves by in a step in which nothing is on, a solver's noise, is made up in the next one.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        energy_kwh: stored energy at the end of each vehicle-step, ``(S,)`` [kWh].
        on: where something is meant to flow, ``(S,)``.
    """
    fleet, power = problem.fleet, np.zeros(layout.size)
    vehicles = layout.staying[np.argsort(-layout.duration[layout.staying], kind="stable")]
    now = fleet.energy_at_arrival_kwh[vehicles].copy()
    for k in range(int(layout.duration[vehicles[0]]) if vehicles.size else 0):
        alive = vehicles[: np.count_nonzero(layout.duration[vehicles] > k)]
        at = layout.first[alive] + k
        moved = power_for(problem, energy_kwh[at] - now[: alive.size], alive)
        moved = np.where(on[at], moved, 0.0)
        power[at] = np.clip(moved, -fleet.discharge_kw[alive], fleet.charge_kw[alive])
        now[: alive.size] += stored_by(problem, power[at], alive)
    return power
