"""What the engine can plan, and in words what it leaves to HiGHS."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from bothways.planning.engine.coupling import kinds_of
from bothways.planning.engine.model import lowest_convex_price, stays_of
from bothways.planning.problem import PlanProblem

MOST_KINDS = 20_000
"""Different shares in the group limits that the engine takes: a block of lanes holds vehicles of one kind, and where
each has a share of its own, a sweep takes as long as one over 32 times as many (5 000 such vehicles: 5 s)."""

_UNDERSTOOD = frozenset({
    "step_h", "periods", "import_price", "export_price", "base_load_kw", "fleet", "demand_charges", "import_limit_kw",
    "import_limit_penalty_per_kwh", "import_hard_limit_kw", "export_limit_kw", "terminal_value_per_kwh",
    "group_limits", "energy_reserve",
})  # fmt: skip


def supports(problem: PlanProblem) -> str | None:
    """Says why the engine cannot plan ``problem``; ``None`` where it can.

    The engine's oracle and its site are convex; what is not convex, and limits that may have to rank above required
    energy, belong to HiGHS.
    """
    for check in (_unknown_feature, _not_convex, _ranked_limits, _too_many_kinds):
        reason = check(problem)
        if reason is not None:
            return reason
    return None


def _unknown_feature(problem: PlanProblem) -> str | None:
    """A part of the problem that came after the engine and is in use."""
    for item in fields(PlanProblem):
        if item.name not in _UNDERSTOOD and getattr(problem, item.name) != item.default:
            return f"the engine does not know of {item.name}"
    return None


def _not_convex(problem: PlanProblem) -> str | None:
    fleet = problem.fleet
    if fleet.semi_continuous:
        return "a vehicle has a minimum charging power or must not pause"
    if min(fleet.energy_min_kwh.min(initial=0.0), fleet.energy_at_arrival_kwh.min(initial=0.0)) < 0.0:
        return "a stored energy is below 0"
    if np.any(problem.export_price > problem.import_price):
        return "export pays more than import costs in some step"
    lowest = lowest_convex_price(problem)
    if float(problem.export_price.min()) < lowest:
        return f"a price is below {lowest:.4g} per kWh, where charging and discharging at once would pay"
    return None


def _ranked_limits(problem: PlanProblem) -> str | None:
    burns = (problem.import_price < 0.0) & (problem.curtailable_kw > 0.0)
    if problem.demand_charges and np.any(burns):
        return "importing at a negative price competes with curtailment under a demand charge"
    if not math.isinf(problem.import_hard_limit_kw):
        forced = stays_of(problem).forced / problem.step_h
        if np.any(problem.base_load_kw + forced > problem.import_hard_limit_kw):
            return "base load, or vehicles below their floor, pass the hard import limit"
    for limit in problem.group_limits:
        if limit.hard and np.any((limit.base_kw > limit.upper_kw) | (limit.base_kw < limit.lower_kw)):
            return f"{limit.name} is passed without any vehicle"
    return None


def _too_many_kinds(problem: PlanProblem) -> str | None:
    kinds = kinds_of(problem)[0].shape[0]
    if kinds > MOST_KINDS:
        return f"the group limits see the vehicles in {kinds} different ways, which leaves most lanes empty"
    return None
