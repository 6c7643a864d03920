"""What the fleet's energy reserve sees of each vehicle: which vehicle-steps count, and how much of their energy."""

from __future__ import annotations

import numpy as np

from bothways.planning.limits import EnergyReserve
from bothways.planning.problem import Fleet, Floats, Ints, PlanProblem

_ROUNDING = 1e-9  # of a step's charge: a floor missed by less is reached


def counted_from(fleet: Fleet, step_h: float) -> Ints:
    """First step at whose end a vehicle is at or above its floor when it charges at full power, ``(N,)``.

    The step of departure, and so no step of the stay, for a vehicle that never gets there or cannot discharge.
    """
    missing = fleet.energy_min_kwh - fleet.energy_at_arrival_kwh
    per_step = step_h * fleet.charge_efficiency * fleet.charge_kw
    steps = np.ceil(np.maximum(missing, 0.0) / np.maximum(per_step, 1e-300) - _ROUNDING)
    stay = (fleet.departure - fleet.arrival).astype(np.float64)
    steps = np.where((missing > 0.0) & (per_step <= 0.0), stay, np.minimum(np.maximum(steps - 1.0, 0.0), stay))
    steps = np.where(fleet.discharge_kw > 0.0, steps, stay)
    return np.asarray(fleet.arrival + steps.astype(np.int64))


def factors(problem: PlanProblem, reserve: EnergyReserve, vehicles: Ints, steps: Ints) -> Floats:
    """Reserve per kWh that a vehicle holds above its floor at the end of a step [kWh AC per kWh stored].

    Args:
        problem: what is asked.
        reserve: its reserve.
        vehicles: which vehicles; broadcast against ``steps``.
        steps: which steps.

    Returns:
        weight·discharge efficiency where the vehicle-step counts, 0 elsewhere.
    """
    fleet = problem.fleet
    begin = counted_from(fleet, problem.step_h)[vehicles]
    counts = (steps >= begin) & (steps < fleet.departure[vehicles])
    return np.where(counts, reserve.weight_at(vehicles, steps) * fleet.discharge_efficiency[vehicles], 0.0)


def reserve_of_rows(problem: PlanProblem, reserve: EnergyReserve, rows: slice, energy_kwh: Floats) -> Floats:
    """What some vehicles keep back together at the end of each step, ``(T,)`` [kWh, AC side].

    Args:
        problem: what was asked.
        reserve: its reserve.
        rows: which vehicles.
        energy_kwh: their stored energy at step boundaries, ``(len, T + 1)`` [kWh].
    """
    vehicles = np.arange(problem.fleet.size, dtype=np.int64)[rows, None]
    steps = np.arange(problem.periods, dtype=np.int64)[None, :]
    above = energy_kwh[:, 1:] - problem.fleet.energy_min_kwh[rows, None]
    return np.asarray((factors(problem, reserve, vehicles, steps) * above).sum(axis=0))
