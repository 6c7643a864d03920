"""What each vehicle can reach on its own at full power, and in words why it cannot have what it asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, PlanProblem

NEGLIGIBLE_KWH = 1e-6
"""Energy below which a shortfall is rounding, not a shortfall [kWh]."""


@dataclass(frozen=True)
class Reach:
    """Bounds that follow from a vehicle alone, before the site is looked at; all in kWh on the battery side.

    A vehicle that arrives below its floor charges at full power until it is there; until then its floor is that path.

    Attributes:
        charge_step_kwh: most that one step of charging stores, shape ``(N,)``.
        discharge_step_kwh: most that one step of discharging takes out, shape ``(N,)``.
        ceiling_kwh: highest stored energy (the energy at arrival where that is above the ceiling), ``(N,)``.
        required_kwh: requirement lowered to what can be reached, ``(N,)``.
        floor_kwh: lower bound at the end of each vehicle-step, floor only, ``(S,)``.
        lower_kwh: lower bound at the end of each vehicle-step from which floor and requirement stay in reach, ``(S,)``.
        upper_kwh: upper bound at the end of each vehicle-step, ``(S,)``.
        floor_deficit_kwh: energy by which a vehicle arrives below its floor, ``(N,)``.
    """

    charge_step_kwh: Floats
    discharge_step_kwh: Floats
    ceiling_kwh: Floats
    required_kwh: Floats
    floor_kwh: Floats
    lower_kwh: Floats
    upper_kwh: Floats
    floor_deficit_kwh: Floats


def reach(problem: PlanProblem, layout: Layout) -> Reach:
    """Computes for every vehicle what it can reach with power that the site does not restrict.

    The reachable energy is min(ceiling, e0 + steps·Δ·ηc·charge_kw); the requirement is lowered to it.
    """
    fleet = problem.fleet
    at_arrival = fleet.energy_at_arrival_kwh
    charge_step = problem.step_h * fleet.charge_efficiency * fleet.charge_kw
    discharge_step = problem.step_h * fleet.discharge_kw / fleet.discharge_efficiency
    ceiling = np.maximum(fleet.energy_max_kwh, at_arrival)
    required = np.minimum(fleet.energy_required_kwh, np.minimum(ceiling, at_arrival + layout.duration * charge_step))
    owner, k = layout.owner, layout.k
    at_full_power = at_arrival[owner] + (k + 1) * charge_step[owner]
    floor = np.minimum(fleet.energy_min_kwh[owner], at_full_power)
    steps_left = layout.duration[owner] - 1 - k
    lower = np.maximum(floor, required[owner] - steps_left * charge_step[owner])
    upper = np.minimum(ceiling[owner], at_full_power)
    return Reach(
        charge_step_kwh=charge_step,
        discharge_step_kwh=discharge_step,
        ceiling_kwh=ceiling,
        required_kwh=required,
        floor_kwh=floor,
        lower_kwh=np.minimum(lower, upper),
        upper_kwh=upper,
        floor_deficit_kwh=np.maximum(fleet.energy_min_kwh - at_arrival, 0.0),
    )


def explain(problem: PlanProblem, bounds: Reach, energy_end_kwh: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Says for each vehicle what is missing at the end of its stay, and why.

    Args:
        problem: what was asked.
        bounds: what each vehicle can reach on its own.
        energy_end_kwh: stored energy at the end of each stay in the plan ``(N,)`` [kWh].

    Returns:
        Shortfall ``(N,)`` [kWh] and one sentence per vehicle, empty where nothing is missing.
    """
    shortfall = np.maximum(problem.fleet.energy_required_kwh - energy_end_kwh, 0.0)
    shortfall[shortfall <= NEGLIGIBLE_KWH] = 0.0
    reasons = [""] * problem.fleet.size
    for i in np.flatnonzero(shortfall > 0.0).tolist():
        reasons[i] = _reason(problem, bounds, i, float(energy_end_kwh[i]), float(shortfall[i]))
    return shortfall, tuple(reasons)


def _reason(problem: PlanProblem, bounds: Reach, i: int, end_kwh: float, short_kwh: float) -> str:
    fleet = problem.fleet
    start = float(fleet.energy_at_arrival_kwh[i])
    needs = _number(float(fleet.energy_required_kwh[i]) - start)
    hours = _number(float(fleet.departure[i] - fleet.arrival[i]) * problem.step_h)
    short = f"{_number(short_kwh)} kWh short"
    if float(bounds.required_kwh[i]) - end_kwh > NEGLIGIBLE_KWH:
        limit = _number(problem.import_hard_limit_kw)
        return (
            f"needs {needs} kWh in {hours} h: the hard import limit of {limit} kW leaves "
            f"{_number(end_kwh - start)} kWh for it; {short}"
        )
    ceiling = float(bounds.ceiling_kwh[i])
    if end_kwh >= ceiling - NEGLIGIBLE_KWH:
        return f"needs {needs} kWh, but only {_number(ceiling - start)} kWh fit below its ceiling; {short}"
    power = _number(float(fleet.charge_kw[i]))
    return (
        f"needs {needs} kWh in {hours} h: at {power} kW at most {_number(end_kwh - start)} kWh can be stored; {short}"
    )


def _number(value: float) -> str:
    if math.isinf(value):
        return "no"
    text = f"{value:.1f}" if abs(value) >= 0.05 or value == 0.0 else f"{value:.2g}"
    return "0.0" if text == "-0.0" else text
