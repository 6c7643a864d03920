"""Vehicles that are alike in everything are planned as one: a smaller problem with the same optimum.

Powers and energies of one vehicle form a convex set and cost in proportion to what flows, so that n equal vehicles can
do together exactly what one vehicle n times as large can, and equal shares of its schedule are a schedule of each of
them. Objective and bound carry over as they are. Where many are alike the search gains most: it would have to mix
schedules between vehicles that no price tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from bothways.planning.engine.interior.finish import takes
from bothways.planning.problem import Fleet, Floats, Ints, PlanProblem, PlanSolution

FROM = 8
"""Vehicles from which it is worth looking."""

UP_TO = 20_000
"""Vehicles up to which it is: larger fleets mix by themselves."""

AT_LEAST = 2.0
"""Vehicles per group, on average, from which the smaller problem is taken."""

_SCALED = (
    "energy_at_arrival_kwh", "energy_required_kwh", "energy_min_kwh", "energy_max_kwh", "charge_kw", "discharge_kw",
)  # fmt: skip


@dataclass(frozen=True)
class Alike:
    """Groups of equal vehicles.

    Attributes:
        group: group of each vehicle, ``(N,)``.
        first: one vehicle of each group, ``(G,)``.
        count: vehicles of each group, ``(G,)``.
    """

    group: Ints
    first: Ints
    count: Floats

    def merged(self, problem: PlanProblem) -> PlanProblem:
        """The problem with one vehicle per group."""
        columns = {item.name: getattr(problem.fleet, item.name)[self.first] for item in fields(Fleet)}
        for name in _SCALED:
            columns[name] = columns[name] * self.count
        return replace(problem, fleet=Fleet(**columns))

    def each(self, problem: PlanProblem, plan: PlanSolution) -> tuple[Floats, Floats]:
        """Every vehicle's share of a plan for the groups: power ``(N, T)`` [kW], stored energy ``(N, T + 1)`` [kWh].

        Shares are kept within each vehicle's own limits, which division by the count passes in the last digit.
        """
        fleet, group = problem.fleet, self.group
        count = self.count[:, None]
        power, energy = (plan.power_kw / count)[group], (plan.energy_kwh / count)[group]
        np.clip(power, -fleet.discharge_kw[:, None], fleet.charge_kw[:, None], out=power)
        most = np.maximum(fleet.energy_max_kwh, fleet.energy_at_arrival_kwh)
        least = np.minimum(fleet.energy_min_kwh, fleet.energy_at_arrival_kwh)
        np.clip(energy, least[:, None], most[:, None], out=energy)
        return power, energy


def alike(problem: PlanProblem) -> Alike | None:
    """Groups of equal vehicles, where there are few groups and few vehicles can be planned; ``None`` elsewhere."""
    fleet = problem.fleet
    if not FROM <= fleet.size <= UP_TO or problem.group_limits or problem.energy_reserve is not None:
        return None
    longest = int((fleet.departure - fleet.arrival).max())
    if not takes(problem.periods, longest, len(problem.demand_charges)):
        return None
    stays = fleet.arrival * np.int64(problem.periods + 1) + fleet.departure
    if np.unique(stays).size * AT_LEAST > fleet.size:
        return None
    columns = [np.asarray(getattr(fleet, item.name), dtype=np.float64) for item in fields(Fleet)]
    key = np.zeros(fleet.size)
    for column, factor in zip(columns, np.random.default_rng(0).uniform(1.0, 2.0, len(columns)), strict=True):
        key += factor * column
    _, first, group, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if first.size * AT_LEAST > fleet.size:
        return None
    if not all(np.array_equal(column, column[first][group]) for column in columns):
        return None  # two different vehicles with one key
    return Alike(group.astype(np.int64), first.astype(np.int64), count.astype(np.float64))
