"""What each vehicle would do by itself at given prices of the site's power and of its own budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.programs import Triplets
from bothways.planning.problem import PlanProblem, PlanSolution

if TYPE_CHECKING:
    from bothways.dispatch.budgets import DischargeBudgets

Floats = NDArray[np.float64]


def best_responses(
    problem: PlanProblem,
    kept: PlanSolution,
    power_price: Floats,
    budgets: Sequence[DischargeBudgets],
    prices: Sequence[Floats],
) -> tuple[Floats, Floats]:
    """The cheapest schedule of every vehicle at prices, each by itself; one linear program of blocks.

    Unlike the planner's price of wear, those of budgets differ from day to day, which shifts discharging to the day
    whose cap has room.

    Args:
        problem: the vehicles.
        kept: a plan whose energies at the end of stays, and on the way up to floors, are to be kept.
        power_price: price of a kW in each step, shape ``(T,)`` [currency/kW].
        budgets: caps on discharging.
        prices: price of each of their groups [currency/kWh].

    Returns:
        Power, shape ``(N, T)`` [kW], and cost at these prices, shape ``(N,)`` [currency].
    """
    fleet, step_h, periods = problem.fleet, problem.step_h, problem.periods
    steps = np.arange(periods)
    here = (steps >= fleet.arrival[:, None]) & (steps < fleet.departure[:, None])
    who, when = np.nonzero(here)
    wear = fleet.wear_per_kwh[who].copy()
    for each, price in zip(budgets, prices, strict=True):
        wear += np.append(price, 0.0)[each.group[who, when]]
    last = when == fleet.departure[who] - 1
    after = kept.energy_kwh[who, when + 1]
    low = np.minimum(fleet.energy_min_kwh[who], after)
    low = np.where(last, np.maximum(low, np.minimum(fleet.energy_required_kwh[who], after)), low)
    high = np.maximum(fleet.energy_max_kwh, fleet.energy_at_arrival_kwh)[who]
    program = Triplets()
    costs = power_price[when], -power_price[when] + step_h * wear
    charge = program.columns(costs[0], fleet.charge_kw[who])
    discharge = program.columns(costs[1], fleet.discharge_kw[who])
    energy = program.columns(np.zeros(who.size), np.maximum(high, low), low)
    begins = np.where(when == fleet.arrival[who], fleet.energy_at_arrival_kwh[who], 0.0)
    rows = program.rows(begins, begins)
    program.set(rows, energy, np.ones(who.size))
    program.set(rows, charge, -step_h * fleet.charge_efficiency[who])
    program.set(rows, discharge, step_h / fleet.discharge_efficiency[who])
    goes_on = np.flatnonzero(~last)
    program.set(rows[goes_on + 1], energy[goes_on], -np.ones(goes_on.size))
    x = program.solve().x
    power = np.zeros((fleet.size, periods))
    power[who, when] = x[charge] - x[discharge]
    cost = np.bincount(who, weights=costs[0] * x[charge] + costs[1] * x[discharge], minlength=fleet.size)
    return power, np.asarray(cost)
