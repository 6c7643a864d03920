"""What each vehicle can reach on its own at full power, and in words why it cannot have what it asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.layout import Layout
from bothways.planning.part_load import least_charge_kwh
from bothways.planning.problem import Floats, Ints, PlanProblem

NEGLIGIBLE_KWH = 1e-6
"""Energy below which a shortfall is rounding, not a shortfall [kWh]."""

_ROUNDING_KWH = 1e-9
_AT_LIMIT_KW = 1e-4


@dataclass(frozen=True)
class Reach:
    """Bounds that follow from a vehicle alone, before the site is looked at; all in kWh on the battery side.

    A vehicle that arrives below its floor charges at full power until it is there; until then its floor is that path.

    Attributes:
        charge_step_kwh: most that one step of charging stores, shape ``(N,)``.
        discharge_step_kwh: most that one step of discharging takes out, shape ``(N,)``.
        ceiling_kwh: highest stored energy (the energy at arrival where that is above the ceiling), ``(N,)``.
        full_power_kwh: energy at the end of the stay at full power, or the ceiling, ``(N,)``.
        required_kwh: requirement lowered to what can be reached, ``(N,)``.
        floor_kwh: lower bound at the end of each vehicle-step, floor only, ``(S,)``.
        lower_kwh: lower bound at the end of each vehicle-step from which floor and requirement stay in reach, ``(S,)``.
        upper_kwh: upper bound at the end of each vehicle-step, ``(S,)``.
        floor_deficit_kwh: energy by which a vehicle arrives below its floor, ``(N,)``.
    """

    charge_step_kwh: Floats
    discharge_step_kwh: Floats
    ceiling_kwh: Floats
    full_power_kwh: Floats
    required_kwh: Floats
    floor_kwh: Floats
    lower_kwh: Floats
    upper_kwh: Floats
    floor_deficit_kwh: Floats


def reach(problem: PlanProblem, layout: Layout) -> Reach:
    """Computes for every vehicle what it can reach with power that the site does not restrict.

    The reachable energy is min(ceiling, e0 + steps·Δ·ηc·charge_kw); the requirement is lowered to it. Only where a
    minimum power leaves less room below the ceiling than one step of it needs, the steps are walked one by one.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
    """
    fleet, owner, k = problem.fleet, layout.owner, layout.k
    at_arrival = fleet.energy_at_arrival_kwh
    charge_step = problem.step_h * fleet.charge_efficiency * fleet.charge_kw
    discharge_step = problem.step_h * fleet.discharge_kw / fleet.discharge_efficiency
    discharge_step = np.where(fleet.no_pause, 0.0, discharge_step)
    ceiling = np.maximum(fleet.energy_max_kwh, at_arrival)
    full_power = np.minimum(ceiling, at_arrival + layout.duration * charge_step)
    required = np.minimum(fleet.energy_required_kwh, full_power)
    at_full_power = at_arrival[owner] + (k + 1) * charge_step[owner]
    floor = np.minimum(fleet.energy_min_kwh[owner], at_full_power)
    for i in _crowded(problem, layout, charge_step, ceiling, required).tolist():
        least_step = float(least_charge_kwh(problem)[i])
        path, highest = _stepwise(
            float(at_arrival[i]), int(layout.duration[i]), (least_step, float(charge_step[i])),
            float(discharge_step[i]), float(fleet.energy_min_kwh[i]), float(ceiling[i]),
        )  # fmt: skip
        floor[layout.first[i] : layout.first[i] + layout.duration[i]] = path
        required[i] = min(required[i], highest)
    steps_left = layout.duration[owner] - 1 - k
    lower = np.maximum(floor, required[owner] - steps_left * charge_step[owner])
    upper = np.minimum(ceiling[owner], at_full_power)
    return Reach(
        charge_step_kwh=charge_step,
        discharge_step_kwh=discharge_step,
        ceiling_kwh=ceiling,
        full_power_kwh=full_power,
        required_kwh=required,
        floor_kwh=floor,
        lower_kwh=np.minimum(lower, upper),
        upper_kwh=upper,
        floor_deficit_kwh=np.maximum(fleet.energy_min_kwh - at_arrival, 0.0),
    )


def _crowded(problem: PlanProblem, layout: Layout, charge_step: Floats, ceiling: Floats, required: Floats) -> Ints:
    """Vehicles whose last needed step would pass the ceiling if it had to be at the minimum power."""
    fleet = problem.fleet
    least_step = least_charge_kwh(problem)
    target = np.maximum(required, np.minimum(fleet.energy_min_kwh, ceiling))
    needed = np.maximum(target - fleet.energy_at_arrival_kwh, 0.0)
    per_step = np.maximum(charge_step, 1e-300)
    steps = np.minimum(np.ceil(needed / per_step - 1e-12), layout.duration)
    highest = (steps - 1.0) * charge_step + least_step
    tight = highest > ceiling - fleet.energy_at_arrival_kwh + _ROUNDING_KWH
    return np.flatnonzero((least_step > 0.0) & (needed > 0.0) & (steps > 0) & tight)


def _stepwise(
    start: float, steps: int, charge: tuple[float, float], discharge: float, floor: float, ceiling: float
) -> tuple[list[float], float]:
    """Energies reachable step by step where charging is 0 or within ``charge``, as a union of intervals.

    Returns the floor's path (as high as can be, up to ``floor``) at the end of each step, and the highest energy at
    the end of the last.
    """
    intervals = [(start, start)]
    path: list[float] = []
    for _ in range(steps):
        moved = [(low - discharge, high) for low, high in intervals]
        moved += [(low + charge[0], min(high + charge[1], ceiling)) for low, high in intervals]
        moved = [(low, high) for low, high in moved if low <= high + _ROUNDING_KWH]
        lowest = min(floor, max(high for _, high in moved))
        path.append(lowest)
        intervals = _merged([(max(low, lowest), high) for low, high in moved if high >= lowest])
    return path, max(high for _, high in intervals)


def _merged(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1] + _ROUNDING_KWH:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def explain(
    problem: PlanProblem, bounds: Reach, energy_end_kwh: Floats, group_kw: Floats | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """Says for each vehicle what is missing at the end of its stay, and why.

    Args:
        problem: what was asked.
        bounds: what each vehicle can reach on its own.
        energy_end_kwh: stored energy at the end of each stay in the plan ``(N,)`` [kWh].
        group_kw: power at each group limit in the plan ``(G, T)`` [kW], so that those that bind can be named.

    Returns:
        Shortfall ``(N,)`` [kWh] and one sentence per vehicle, empty where nothing is missing.
    """
    shortfall = np.maximum(problem.fleet.energy_required_kwh - energy_end_kwh, 0.0)
    shortfall[shortfall <= NEGLIGIBLE_KWH] = 0.0
    reasons = [""] * problem.fleet.size
    for i in np.flatnonzero(shortfall > 0.0).tolist():
        reasons[i] = _reason(problem, bounds, i, float(energy_end_kwh[i]), float(shortfall[i]), group_kw)
    return shortfall, tuple(reasons)


def _reason(
    problem: PlanProblem, bounds: Reach, i: int, end_kwh: float, short_kwh: float, group_kw: Floats | None
) -> str:
    fleet = problem.fleet
    start = float(fleet.energy_at_arrival_kwh[i])
    wanted = float(fleet.energy_required_kwh[i])
    hours = number(float(fleet.departure[i] - fleet.arrival[i]) * problem.step_h)
    needs = f"needs {number(wanted - start)} kWh in {hours} h"
    short = f"{number(short_kwh)} kWh short"
    if float(bounds.required_kwh[i]) - end_kwh > NEGLIGIBLE_KWH:
        return f"{needs}: within {_hard_limits(problem, i, group_kw)} it leaves with {number(end_kwh)} kWh; {short}"
    reachable = float(bounds.full_power_kwh[i])
    if min(wanted, reachable) - end_kwh > NEGLIGIBLE_KWH:
        least = number(float(fleet.least_charge_kw[i]))
        return f"{needs}: a further step at its minimum power of {least} kW would pass its ceiling; {short}"
    if reachable >= float(bounds.ceiling_kwh[i]) - _ROUNDING_KWH:
        return f"{needs}: only {number(reachable - start)} kWh fit below its ceiling; {short}"
    power = number(float(fleet.charge_kw[i]))
    return f"{needs}: at {power} kW at most {number(end_kwh - start)} kWh can be stored; {short}"


def _hard_limits(problem: PlanProblem, i: int, group_kw: Floats | None) -> str:
    """The hard limits that a vehicle is under, in words; of groups only those at their limit while it is there."""
    fleet = problem.fleet
    stay = slice(int(fleet.arrival[i]), int(fleet.departure[i]))
    site, under, binding = [], [], []
    if not math.isinf(problem.import_hard_limit_kw):
        site.append(f"the site's hard import limit of {number(problem.import_hard_limit_kw)} kW")
    for g, limit in enumerate(problem.group_limits):
        if not limit.hard or limit.weight[i] <= 0.0:
            continue
        under.append(f"{limit.name} ({number(float(limit.upper_kw[stay].min(initial=math.inf)))} kW)")
        if group_kw is not None and np.any(group_kw[g, stay] >= limit.upper_kw[stay] - _AT_LIMIT_KW):
            binding.append(under[-1])
    return " and ".join(site + (binding or under)) or "the hard limits of others"


def number(value: float) -> str:
    """A figure for a sentence: one decimal, or two digits where it is small.

    >>> number(12.86), number(0.012), number(math.inf)
    ('12.9', '0.012', 'none')
    """
    if math.isinf(value):
        return "none"
    text = f"{value:.1f}" if abs(value) >= 0.05 or abs(value) < 1e-12 else f"{value:.2g}"
    return "0.0" if text == "-0.0" else text
