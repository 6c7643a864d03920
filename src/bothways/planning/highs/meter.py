"""The site meter as rows and columns of a program: import, export, curtailment, peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.program import Assembly
from bothways.planning.problem import Floats, Ints, PlanProblem


@dataclass(frozen=True)
class MeterColumns:
    """Where the meter is in a program.

    Attributes:
        imported: columns of import up to the priced limit, ``(T,)`` [kW].
        beyond: steps in which import may exceed it.
        excess: their columns [kW].
        exported: columns, ``(T,)`` [kW].
        curtailing: steps with surplus that may be curtailed.
        curtail: their columns [kW].
    """

    imported: Ints
    beyond: Ints
    excess: Ints
    exported: Ints
    curtailing: Ints
    curtail: Ints


def add_meter(
    assembly: Assembly, plan: PlanProblem, balance: Ints, most_import: Floats, most_export: Floats
) -> MeterColumns:
    """Adds the meter's flows to the balance rows, with their prices, and the peaks.

    Args:
        assembly: the program in the making.
        plan: prices, limits and demand charges.
        balance: row of each step: import + excess − export − curtailed − vehicles = load, ``(T,)``.
        most_import: bound on import that follows from what is connected, ``(T,)`` [kW].
        most_export: that on export.
    """
    step_h, periods, curtailable = plan.step_h, plan.periods, plan.curtailable_kw
    priced_limit = plan.import_limit_kw if plan.import_limit_penalty_per_kwh > 0.0 else np.inf
    within = np.minimum(most_import, priced_limit)
    imported = assembly.columns(periods, cost=step_h * plan.import_price, upper=within)
    assembly.entries(balance, imported, 1.0)
    beyond = np.flatnonzero(most_import > within)
    excess = assembly.columns(
        beyond.size,
        cost=step_h * (plan.import_price[beyond] + plan.import_limit_penalty_per_kwh),
        upper=(most_import - within)[beyond],
    )
    assembly.entries(balance[beyond], excess, 1.0)
    exported = assembly.columns(periods, cost=-step_h * plan.export_price, upper=most_export)
    assembly.entries(balance, exported, -1.0)
    curtailing = np.flatnonzero(curtailable > 0.0)
    curtail = assembly.columns(curtailing.size, upper=curtailable[curtailing])
    assembly.entries(balance[curtailing], curtail, -1.0)
    for demand in plan.demand_charges:
        counted = np.flatnonzero(demand.steps)
        if demand.price_per_kw <= 0.0 or counted.size == 0:
            continue
        most = max(0.0, float(most_import[counted].max()) - demand.peak_so_far_kw)
        peak = assembly.columns(1, cost=demand.price_per_kw, upper=most)
        above = assembly.rows(counted.size, lower=-demand.peak_so_far_kw)
        assembly.entries(above, np.full(counted.size, peak[0]), 1.0)
        assembly.entries(above, imported[counted], -1.0)
        both = demand.steps[beyond]
        assembly.entries(above[np.searchsorted(counted, beyond[both])], excess[both], -1.0)
    return MeterColumns(imported, beyond, excess, exported, curtailing, curtail)
