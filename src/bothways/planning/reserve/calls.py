"""Calls everything that was sold, at every step, and looks whether the vehicles could deliver: a check from outside.

Nothing of the solvers' rows is used here: vehicles run their planned power minus (or plus) what they promised, battery
energy follows from the powers, and after the call it must be possible to leave with what was required.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from bothways.planning.layout import Layout
from bothways.planning.part_load import stored_change_kwh
from bothways.planning.problem import Floats
from bothways.planning.reserve.answer import ReserveSolution
from bothways.planning.reserve.bids import sold_kw
from bothways.planning.reserve.products import ReservePlanProblem
from bothways.planning.shortfall import reach

_OFF_KW = 1e-6  # less power than this is none


@dataclass(frozen=True)
class CallCheck:
    """Worst excess over all steps, vehicles and both directions; 0 where everything is kept.

    Attributes:
        power_kw: power beyond what a vehicle can do while called [kW].
        floor_kwh: stored energy below the floor while called [kWh].
        ceiling_kwh: stored energy above the ceiling while called [kWh].
        required_kwh: energy that could not be made up for by departure at full power [kWh].
        sold_kw: capacity sold beyond the sum of the vehicles' shares [kW].
        absent_kw: shares of vehicles that are not there [kW].
        switched_kw: power by which a vehicle with a minimum is moved across it, or into the gap below it [kW].
        group_kw: power beyond a hard group limit while called [kW].
    """

    power_kw: float
    floor_kwh: float
    ceiling_kwh: float
    required_kwh: float
    sold_kw: float
    absent_kw: float
    switched_kw: float = 0.0
    group_kw: float = 0.0

    @property
    def worst(self) -> float:
        """The greatest of all [kW or kWh]."""
        return max(float(getattr(self, item.name)) for item in fields(self))


def check_calls(problem: ReservePlanProblem, answer: ReserveSolution) -> CallCheck:
    """Simulates a full call of all products of one direction from the start of every step, each as long as it may last.

    A call goes over to the shares of later steps (vehicles hand over); one that is shorter than a step ends within it
    and the vehicle goes on as planned.

    Args:
        problem: what was asked.
        answer: the plan to check.
    """
    plan, periods = problem.plan, problem.plan.periods
    held = answer.shares_kw.sum(axis=1)
    missing = sold_kw(problem, answer.bids_kw) - held
    steps = np.arange(periods)
    there = (steps >= plan.fleet.arrival[:, None]) & (steps < plan.fleet.departure[:, None])
    absent = np.abs(np.where(there, 0.0, answer.shares_kw)).max(initial=0.0)
    worst = np.zeros(6)
    for up in (True, False):
        for start in range(periods):
            worst = np.maximum(worst, _call(problem, answer, up=up, start=start))
    return CallCheck(
        power_kw=float(worst[0]),
        floor_kwh=float(worst[1]),
        ceiling_kwh=float(worst[2]),
        required_kwh=float(worst[3]),
        sold_kw=max(0.0, float(missing.max(initial=0.0))),
        absent_kw=float(absent),
        switched_kw=float(worst[4]),
        group_kw=float(worst[5]),
    )


def _call(problem: ReservePlanProblem, answer: ReserveSolution, *, up: bool, start: int) -> Floats:
    """Worst excess of power, floor, ceiling, requirement, minimum power and groups in one call, ``(6,)``."""
    plan, fleet, step_h = problem.plan, problem.plan.fleet, problem.plan.step_h
    mine = [(group, shares) for group, shares in zip(problem.groups, answer.shares_kw, strict=True) if group.up == up]
    longest = max((group.sustain_h for group, _ in mine), default=0.0)
    bounds = reach(plan, Layout.of(plan))
    energy, worst, step = answer.plan.energy_kwh[:, start].copy(), np.zeros(6), start
    while step < plan.periods and longest - (step - start) * step_h > 1e-9:
        gone_h = (step - start) * step_h
        here = (fleet.arrival <= step) & (step < fleet.departure)
        energy = np.where(fleet.arrival == step, fleet.energy_at_arrival_kwh, energy)
        cuts = sorted({0.0, step_h, *(min(max(group.sustain_h - gone_h, 0.0), step_h) for group, _ in mine)})
        for begin, end in pairwise(cuts):
            called = sum(
                (shares[:, step] for group, shares in mine if group.sustain_h - gone_h > begin + 1e-12),
                np.zeros(fleet.size),
            )
            power = answer.plan.power_kw[:, step] + (-called if up else called)
            over = np.maximum(power - fleet.charge_kw, -power - fleet.discharge_kw)
            change = stored_change_kwh(power, fleet.charge_efficiency, fleet.discharge_efficiency, end - begin)
            energy = energy + np.where(here, change, 0.0)
            left_h = (fleet.departure - step) * step_h - end
            reachable = energy + left_h * fleet.charge_efficiency * fleet.charge_kw
            floor = _floor_kwh(problem, step, end / step_h)
            switched = _switched_kw(problem, answer.plan.power_kw[:, step], power)
            excess = np.stack(
                [over, floor - energy, energy - bounds.ceiling_kwh, bounds.required_kwh - reachable, switched]
            )  # fmt: skip
            excess = np.where(here & (called > 0.0), excess, 0.0)
            worst[:5] = np.maximum(worst[:5], excess.max(axis=1, initial=0.0))
            worst[5] = max(worst[5], _beyond_groups_kw(problem, step, power))
        step += 1
    return worst


def _floor_kwh(problem: ReservePlanProblem, step: int, share: float) -> Floats:
    """The floor ``share`` of the way through a step; who arrived below it is on the way up at full power."""
    plan, fleet = problem.plan, problem.plan.fleet
    per_step = plan.step_h * fleet.charge_efficiency * fleet.charge_kw
    at_start = np.minimum(fleet.energy_min_kwh, fleet.energy_at_arrival_kwh + per_step * (step - fleet.arrival))
    at_end = np.minimum(fleet.energy_min_kwh, fleet.energy_at_arrival_kwh + per_step * (step + 1 - fleet.arrival))
    return np.asarray((1.0 - share) * at_start + share * at_end)


def _switched_kw(problem: ReservePlanProblem, planned_kw: Floats, called_kw: Floats) -> Floats:
    """How far vehicles with a minimum power are taken across it or into the gap below it, ``(N,)`` [kW]."""
    fleet = problem.plan.fleet
    least = fleet.least_charge_kw
    gap = np.where(called_kw > _OFF_KW, np.maximum(least - called_kw, 0.0), 0.0)
    crossed = (planned_kw > _OFF_KW) != (called_kw > _OFF_KW)
    return np.where(least > 0.0, np.where(crossed, np.abs(called_kw - planned_kw), gap), 0.0)


def _beyond_groups_kw(problem: ReservePlanProblem, step: int, power_kw: Floats) -> float:
    """Greatest power beyond a hard group limit in one step [kW]."""
    beyond = 0.0
    for limit in problem.plan.group_limits:
        if limit.hard:
            total = float(limit.base_kw[step] + limit.weight @ power_kw)
            beyond = max(beyond, total - float(limit.upper_kw[step]), float(limit.lower_kw[step]) - total)
    return beyond
