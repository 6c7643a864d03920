"""The same fleet without whole numbers: what searches start from, and what bounds are taken from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bothways.planning.problem import Fleet, Floats, PlanProblem
from bothways.planning.shortfall import Reach


def at_any_power(fleet: Fleet, required_kwh: Floats) -> Fleet:
    """The fleet without minimum powers and with pauses: a relaxation, as long as no requirement is above the fleet's.

    Args:
        fleet: the vehicles; those that must not pause do not discharge.
        required_kwh: requirements lowered to what these vehicles can reach, ``(N,)`` [kWh].
    """
    return replace(
        fleet,
        min_charge_kw=np.zeros(fleet.size),
        no_pause=np.zeros(fleet.size, dtype=np.bool_),
        discharge_kw=np.where(fleet.no_pause, 0.0, fleet.discharge_kw),
        energy_required_kwh=required_kwh,
    )


def reachable_kwh(problem: PlanProblem, bounds: Reach) -> Floats:
    """Requirements, lowered to what is in reach where a minimum power has a say in that, ``(N,)`` [kWh].

    Where any power will do, solvers lower them by themselves, to the same.
    """
    wish = problem.fleet.energy_required_kwh
    return np.where(problem.fleet.least_charge_kw > 0.0, np.minimum(wish, bounds.required_kwh), wish)
