"""A simple safe plan: charge early at full power. What is left when the solver's time is over."""

from __future__ import annotations

import numpy as np

from bothways.planning.layout import Layout
from bothways.planning.part_load import power_for, stored_by
from bothways.planning.problem import Bools, Floats, Ints, PlanProblem
from bothways.planning.shortfall import Reach

_ENOUGH_KWH = 1e-9


def early_power_kw(problem: PlanProblem, layout: Layout, bounds: Reach) -> Floats:
    """Charges every vehicle from its arrival at full power until it has what it needs, within the hard limits.

    Vehicles that must not pause and have begun come first, then those below their floor, then those with the least
    time to spare. Minimum powers are kept; a vehicle that must not pause and had to is not started again. Where the
    base load alone is above the hard limit, vehicles discharge down to their floor to cover it.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.

    Returns:
        Power of each vehicle-step, ``(S,)`` [kW].
    """
    fleet = problem.fleet
    power = np.zeros(layout.size)
    energy = fleet.energy_at_arrival_kwh.copy()
    begun = np.zeros(fleet.size, dtype=np.bool_)
    over = np.zeros(fleet.size, dtype=np.bool_)
    target = np.maximum(bounds.required_kwh, np.minimum(fleet.energy_min_kwh, bounds.ceiling_kwh))
    for step in range(problem.periods):
        here = np.flatnonzero((fleet.arrival <= step) & (step < fleet.departure))
        room = problem.import_hard_limit_kw - float(problem.base_load_kw[step])
        if room < 0.0:
            given = _shares(_can_give_kw(problem, energy, here), -room)
            power[layout.first[here] + step - fleet.arrival[here]] = -given
            energy[here] += stored_by(problem, -given, here)
            over[here] |= begun[here]
            continue
        wanted = np.where(over[here], 0.0, _wanted_kw(problem, bounds, energy, target, here))
        order = _urgency(problem, target, energy, begun, here, step)
        taken = np.zeros(here.size)
        taken[order] = _shares(wanted[order], room)
        if problem.group_limits:
            taken[order] = _within_groups(problem, here[order], taken[order], step)
        taken[taken < fleet.least_charge_kw[here]] = 0.0
        power[layout.first[here] + step - fleet.arrival[here]] = taken
        energy[here] += stored_by(problem, taken, here)
        over[here] |= fleet.no_pause[here] & begun[here] & (taken == 0.0)
        begun[here] |= taken > 0.0
    return power


def _wanted_kw(problem: PlanProblem, bounds: Reach, energy: Floats, target: Floats, here: Ints) -> Floats:
    fleet = problem.fleet
    per_kw = problem.step_h * fleet.charge_efficiency[here]
    missing = target[here] - energy[here]
    least, most = fleet.least_charge_kw[here], fleet.charge_kw[here]
    wanted = np.clip(power_for(problem, np.maximum(missing, 0.0), here), least, most)
    # Where full power would leave less than the minimum for the last step, all steps share what is missing.
    steps = np.ceil(missing / np.maximum(most * per_kw, 1e-300) - 1e-12)
    share = power_for(problem, np.maximum(missing, 0.0) / np.maximum(steps, 1.0), here)
    crumb = missing - (steps - 1.0) * most * per_kw < least * per_kw
    above_floor = energy[here] >= fleet.energy_min_kwh[here]
    wanted = np.where(crumb & above_floor & (share >= least) & (steps > 1.0), share, wanted)
    fits = energy[here] + stored_by(problem, wanted, here) <= bounds.ceiling_kwh[here] + _ENOUGH_KWH
    return np.where((missing > _ENOUGH_KWH) & fits, wanted, 0.0)


def _can_give_kw(problem: PlanProblem, energy: Floats, here: Ints) -> Floats:
    fleet = problem.fleet
    above_floor = np.maximum(energy[here] - fleet.energy_min_kwh[here], 0.0)
    possible = np.minimum(fleet.discharge_kw[here], -power_for(problem, -above_floor, here))
    return np.where(fleet.no_pause[here], 0.0, possible)


def _urgency(problem: PlanProblem, target: Floats, energy: Floats, begun: Bools, here: Ints, step: int) -> Ints:
    fleet = problem.fleet
    hours_needed = (target[here] - energy[here]) / np.maximum(
        fleet.charge_efficiency[here] * fleet.charge_kw[here], 1e-9
    )
    to_spare = (fleet.departure[here] - step) * problem.step_h - hours_needed
    below_floor = energy[here] < fleet.energy_min_kwh[here]
    runs_on = fleet.no_pause[here] & begun[here]
    return np.lexsort((to_spare, ~below_floor, ~runs_on))


def _shares(wanted_kw: Floats, available_kw: float) -> Floats:
    """First come, first served: each gets what it wants of what those before it left."""
    before = np.cumsum(wanted_kw) - wanted_kw
    return np.clip(available_kw - before, 0.0, wanted_kw)


def _within_groups(problem: PlanProblem, vehicles: Ints, wanted_kw: Floats, step: int) -> Floats:
    """First come, first served under the hard group limits: each gets what the tightest of its limits leaves."""
    hard = [limit for limit in problem.group_limits if limit.hard]
    room = np.array([limit.upper_kw[step] - limit.base_kw[step] for limit in hard])
    weight = np.array([limit.weight[vehicles] for limit in hard]).reshape(len(hard), vehicles.size)
    taken = wanted_kw.copy()
    for at in range(vehicles.size):
        member = weight[:, at] > 0.0
        if member.any():
            taken[at] = max(0.0, min(taken[at], float((room[member] / weight[member, at]).min())))
        if taken[at] < problem.fleet.least_charge_kw[vehicles[at]]:
            taken[at] = 0.0
        room -= weight[:, at] * taken[at]
    return taken
