"""Caps on what each vehicle may discharge in a day or a year, kept in every step and respected by the plan.

Makers cap the energy fed back per day or the cycles per year. In every executed step the cap is a hard limit
(:func:`within_budget_kw`): the power of a vehicle can never take more than what is left. A plan that knew nothing of it
would promise what cannot be kept, so :func:`solve_within` plans under the caps.

The planner knows a price of wear per vehicle but no cap, so the caps are priced: where a plan exceeds them, the
vehicle's wear price rises by λ, the plan is made again, and a small linear program mixes the plans found so far, each
vehicle by itself, so that all caps and the site's limits hold and the cost is least. Its prices of the caps are the
next λ (column generation, Dantzig and Wolfe 1960, 10.1287/opre.8.1.101). By weak duality every λ also gives a bound:
the priced plan's own bound less λ × cap is below the cost of every plan that keeps the caps, which certifies the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.mixing import Mixed, mix
from bothways.dispatch.responding import best_responses
from bothways.domain.errors import DomainError
from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = NDArray[np.int32]
Solve = Callable[[PlanProblem, PlanOptions], PlanSolution]

ROUNDS = 6
"""Plans made at most beyond the first two."""

NONE = -1
"""In ``group``: no budget holds for this vehicle and step."""

_TOLERANCE_KWH = 1e-6


@dataclass(frozen=True)
class DischargeBudgets:
    """Energy that may be discharged within groups of vehicle-steps: a vehicle's day, or its year.

    Attributes:
        group: which budget a vehicle and step belong to, shape ``(N, T)``; −1 for none. A budget belongs to one
            vehicle; stays of the same vehicle may share it.
        left_kwh: what may be discharged within each group, shape ``(G,)``, at least 0 [kWh, AC side].
    """

    group: Groups
    left_kwh: Floats

    def __post_init__(self) -> None:
        good = self.left_kwh.ndim == 1 and self.group.ndim == 2 and bool((self.left_kwh >= 0.0).all())
        if not good or (self.group.size and int(self.group.max()) >= self.left_kwh.shape[0]):
            msg = "budgets: group must be (vehicles, steps) of indices into left_kwh, which must be at least 0"
            raise DomainError(msg)

    def used_kwh(self, power_kw: Floats, step_h: float) -> Floats:
        """What a plan discharges within each group, shape ``(G,)`` [kWh, AC side]."""
        some = (self.group != NONE) & (power_kw < 0.0)
        used = np.bincount(self.group[some], weights=-power_kw[some] * step_h, minlength=self.left_kwh.shape[0])
        return np.asarray(used)

    def kept_by(self, power_kw: Floats, step_h: float) -> bool:
        """Whether a plan stays within all budgets."""
        return bool((self.used_kwh(power_kw, step_h) <= self.left_kwh + _TOLERANCE_KWH).all())


def within_budget_kw(discharge_kw: Floats, left_kwh: Floats, step_h: float) -> Floats:
    """Greatest discharging power of a step that keeps the budgets, whatever is then commanded, shape ``(N,)`` [kW].

    Args:
        discharge_kw: greatest discharging power otherwise [kW].
        left_kwh: what may still be discharged, ``inf`` for no cap [kWh, AC side].
        step_h: step [h].

    >>> within_budget_kw(np.array([7.0, 7.0, 7.0]), np.array([np.inf, 0.5, -0.1]), 0.25).tolist()
    [7.0, 2.0, 0.0]
    """
    return np.asarray(np.minimum(discharge_kw, np.maximum(left_kwh, 0.0) / step_h))


@dataclass(frozen=True)
class Caps:
    """What vehicles may discharge per local day and year, and what they have; arrays have shape ``(N,)``.

    Attributes:
        per_day_kwh: cap per day, ``inf`` for none [kWh, AC side].
        per_year_kwh: cap per year, ``inf`` for none [kWh, AC side].
        today_kwh: discharged since local midnight [kWh].
        year_kwh: discharged since the begin of the local year, today included [kWh].
    """

    per_day_kwh: Floats
    per_year_kwh: Floats
    today_kwh: Floats
    year_kwh: Floats

    def left_now_kwh(self) -> Floats:
        """What may still be discharged today, shape ``(N,)`` [kWh, AC side]."""
        left = np.minimum(self.per_day_kwh - self.today_kwh, self.per_year_kwh - self.year_kwh)
        return np.asarray(np.maximum(left, 0.0))

    def ahead(self, day: Ints, year: Ints) -> tuple[DischargeBudgets, ...]:
        """The budgets of a plan that begins now: what is left today and this year, and whole caps after that.

        Args:
            day: local day of each step of the plan, never falling, shape ``(T,)``.
            year: local year of each step.
        """
        pairs = ((self.per_day_kwh, self.today_kwh, day), (self.per_year_kwh, self.year_kwh, year))
        return tuple(_ahead(cap, used, period) for cap, used, period in pairs if bool(np.isfinite(cap).any()))


def _ahead(cap_kwh: Floats, used_kwh: Floats, period: Ints) -> DischargeBudgets:
    _, place = np.unique(period, return_inverse=True)
    count, size = int(place.max()) + 1, cap_kwh.shape[0]
    left = np.repeat(cap_kwh[:, None], count, axis=1)
    left[:, 0] = np.maximum(cap_kwh - used_kwh, 0.0)
    group = np.arange(size)[:, None] * count + place[None, :]
    return DischargeBudgets(group.astype(np.int32), left.reshape(-1))


def solve_within(
    problem: PlanProblem, budgets: Sequence[DischargeBudgets], options: PlanOptions, solve: Solve
) -> PlanSolution:
    """Plans under caps on discharging.

    Args:
        problem: what is asked.
        budgets: caps; a vehicle-step may be under one of each (its day's and its year's).
        options: gap and time limit, of every single plan.
        solve: the planner.

    Returns:
        A plan that keeps the caps, ``optimal`` or ``feasible`` with its gap against a bound that holds for every plan
        that keeps them. Where discharging is what keeps the site's safety limit, the plan may exceed a cap; a note says
        so, and dispatch keeps the cap.

    Raises:
        SolverError: as the planner.
    """
    first = solve(problem, options)
    step_h = problem.step_h
    if first.status == "infeasible" or all(each.kept_by(first.power_kw, step_h) for each in budgets):
        return first
    idle = solve(_without_discharge(problem, budgets), options)
    if idle.status == "infeasible":
        note = "discharging keeps the safety limit: this plan exceeds a cap on discharging, which dispatch will keep"
        return replace(first, notes=(*first.notes, note))
    plans, bound = [first, idle], first.lower_bound
    best = mix(problem, plans, budgets)
    by_day = _several_per_vehicle(problem, budgets)
    sound = bool((problem.export_price <= problem.import_price).all()) and not first.shortfall_kwh.any()
    for _ in range(ROUNDS):
        if _gap(best, bound) <= options.gap:
            break
        price = _price(problem, budgets, best.price_per_kwh)
        priced = solve(_priced(problem, price), options)
        if priced.status == "infeasible":
            break
        bound = max(bound, priced.lower_bound - _worth(problem, budgets, price))
        plans.append(priced)
        if by_day:
            power, cost = best_responses(problem, first, best.power_price, budgets, best.price_per_kwh)
            plans.append(replace(first, power_kw=power))
            if sound:
                bound = max(bound, best.program_cost + float(np.minimum(0.0, cost - best.share_price).sum()))
        better = mix(problem, plans, budgets)
        if better.cost > best.cost:  # rounding; more plans to mix can only help
            break
        best = better
    return _as_solution(problem, first, best, bound, options)


def _several_per_vehicle(problem: PlanProblem, budgets: Sequence[DischargeBudgets]) -> bool:
    """Whether a vehicle is under several caps of one kind, which one price of its wear cannot tell apart."""
    coupled = problem.group_limits or problem.energy_reserve is not None
    return not coupled and any(bool((np.diff(each.group, axis=1) != 0).any()) for each in budgets)


def _gap(best: Mixed, bound: float) -> float:
    return max(0.0, best.cost - bound) / max(1.0, abs(best.cost))


def _without_discharge(problem: PlanProblem, budgets: Sequence[DischargeBudgets]) -> PlanProblem:
    """The same with vehicles under a cap charging only."""
    capped = np.zeros(problem.fleet.size, dtype=np.bool_)
    for each in budgets:
        capped |= (each.group != NONE).any(axis=1)
    fleet = problem.fleet
    return replace(problem, fleet=replace(fleet, discharge_kw=np.where(capped, 0.0, fleet.discharge_kw)))


def _priced(problem: PlanProblem, price: Floats) -> PlanProblem:
    fleet = problem.fleet
    return replace(problem, fleet=replace(fleet, wear_per_kwh=fleet.wear_per_kwh + price))


def _price(problem: PlanProblem, budgets: Sequence[DischargeBudgets], prices: Sequence[Floats]) -> Floats:
    """Price per vehicle from those of its budgets, the highest of each kind, shape ``(N,)`` [currency/kWh].

    The planner's price holds for all steps of a stay. A stay under several days' caps gets that of the tightest.
    """
    total = np.zeros(problem.fleet.size)
    for each, price in zip(budgets, prices, strict=True):
        padded = np.append(price, 0.0)  # group −1 is priced at nothing
        total += padded[each.group].max(axis=1, initial=0.0)
    return total


def _worth(problem: PlanProblem, budgets: Sequence[DischargeBudgets], price: Floats) -> float:
    """Σ λ_i × what vehicle i may discharge at most: what λ adds to the cost of no plan that keeps the caps.

    Stays of one vehicle share a budget, which is then counted once with the highest of their prices.
    """
    worth = np.inf
    steps = np.arange(problem.periods)
    here = (steps >= problem.fleet.arrival[:, None]) & (steps < problem.fleet.departure[:, None])
    here &= (price > 0.0)[:, None]
    for each in budgets:
        if (each.group[here] == NONE).any():
            continue  # who may discharge outside of this kind of cap is not bounded by it
        of_group = np.zeros(each.left_kwh.shape[0])
        who, _ = np.nonzero(here)
        np.maximum.at(of_group, each.group[here], price[who])
        worth = min(worth, float((of_group * np.where(of_group > 0.0, each.left_kwh, 0.0)).sum()))
    return worth


def _as_solution(
    problem: PlanProblem, first: PlanSolution, best: Mixed, bound: float, options: PlanOptions
) -> PlanSolution:
    """The mixed plan in the planner's form; prices of limits and reserve are not known of a mix and left out."""
    seen = [limit.base_kw + limit.weight @ best.power_kw for limit in problem.group_limits]
    bound = min(bound, best.cost)
    gap = _gap(best, bound)
    return replace(
        first,
        status="optimal" if gap <= options.gap else "feasible",
        objective=best.cost,
        lower_bound=bound,
        gap=gap,
        solver=f"{first.solver}, under caps on discharging",
        power_kw=best.power_kw,
        energy_kwh=best.energy_kwh,
        import_kw=best.import_kw,
        export_kw=best.export_kw,
        curtailed_kw=best.curtailed_kw,
        peak_import_kw=float(best.import_kw.max(initial=0.0)),
        group_power_kw=np.array(seen).reshape(len(seen), problem.periods),
        group_price=np.zeros((0, 0)),
        reserve_kwh=np.zeros(0),
        reserve_deficit_kwh=np.zeros(0),
        reserve_price=np.zeros(0),
    )
