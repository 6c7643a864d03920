"""From power and shares to the answer: bids, money, what is proven, and in a mapping for ``--json``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import overload

import numpy as np

from bothways.planning.answer import Shadow, coupling_notes, relative_gap
from bothways.planning.evaluation import TOLERANCE, Coupled, Evaluation, Flows, evaluate, site_flows
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, PlanProblem, PlanSolution
from bothways.planning.reserve.bids import best_bids, nearest_bids, sold_kw
from bothways.planning.reserve.coupled import called_beyond_kw, seen_of
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.reserve.repair import Tables
from bothways.planning.shortfall import Reach, explain


@dataclass(frozen=True)
class Money:
    """The objective in parts [currency]; income is negative.

    Attributes:
        energy: the bill of the schedule's import and export.
        wear: wear of energy that the schedule discharges.
        demand: demand charges.
        excess: penalty for import above the contractual limit.
        terminal: −value of the expected energy at the end of each stay.
        capacity: −income for held capacity.
        activation_energy: expected energy delivered and taken, at its price.
        activation_wear: wear of energy that is expected to be discharged by activation.
        groups: penalties for power beyond soft group limits.
        energy_reserve: penalty for missing energy reserve.
    """

    energy: float
    wear: float
    demand: float
    excess: float
    terminal: float
    capacity: float
    activation_energy: float
    activation_wear: float
    groups: float = 0.0
    energy_reserve: float = 0.0

    @property
    def total(self) -> float:
        """The objective [currency]."""
        return math.fsum(getattr(self, item.name) for item in fields(self))


@dataclass(frozen=True)
class ReserveSolution:
    """A plan with bids.

    Attributes:
        plan: the schedule; ``objective``, ``lower_bound``, ``gap`` and ``status`` count bids and activation too, and
            ``energy_kwh`` is what is expected with activation.
        bids_kw: for each product its bids, one per block [kW].
        shares_kw: what each vehicle promises to each group, ``(G, N, T)`` [kW]; sums to what is sold.
        money: the objective in parts.
    """

    plan: PlanSolution
    bids_kw: tuple[Floats, ...]
    shares_kw: Floats
    money: Money

    def share_kw(self, problem: ReservePlanProblem, *, up: bool) -> Floats:
        """What each vehicle promises in one direction, all products together, ``(N, T)`` [kW]."""
        chosen = np.array([group.up == up for group in problem.groups], dtype=np.bool_)
        return np.asarray(self.shares_kw[chosen].sum(axis=0))

    def product_share_kw(self, problem: ReservePlanProblem, number: int, *, up: bool) -> Floats:
        """What each vehicle promises to product ``number`` in one direction, ``(N, T)`` [kW]."""
        product = problem.products[number]
        bid = self.bids_kw[number][problem.block_of(product)]
        sold = sold_kw(problem, self.bids_kw)
        for group, shares, total in zip(problem.groups, self.shares_kw, sold, strict=True):
            if group.up == up and number in group.products:
                return np.asarray(shares * np.divide(bid, total, out=np.zeros_like(bid), where=total > 0.0))
        return np.zeros(self.shares_kw.shape[1:])


@dataclass(frozen=True)
class Candidate:
    """A plan before its bound is known.

    Attributes:
        power_kw: per vehicle-step ``(S,)``.
        shares_kw: ``(G, S)``.
        energy_kwh: expected energy after each vehicle-step ``(S,)``.
        bids_kw: per product.
        evaluation: flows and costs of the schedule alone.
        money: the objective in parts.
        broken_kw: worst excess over a hard limit, also while called [kW].
        coupled: what group limits and energy reserve see.
    """

    power_kw: Floats
    shares_kw: Floats
    energy_kwh: Floats
    bids_kw: tuple[Floats, ...]
    evaluation: Evaluation
    money: Money
    broken_kw: float
    coupled: Coupled


def settle(
    problem: ReservePlanProblem,
    layout: Layout,
    tables: Tables,
    power_kw: Floats,
    shares_kw: Floats,
    curtailed_kw: Floats,
    bids_kw: tuple[Floats, ...],
) -> Candidate:
    """Turns a solver's wish into a plan that can be kept: repair, bids, shares cut to what is sold.

    Bids are once those wished, once those that earn most with the shares at hand; the cheaper plan is taken.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        tables: the problem as the repair takes it.
        power_kw: wished power per vehicle-step ``(S,)`` [kW].
        shares_kw: wished shares ``(G, S)`` [kW].
        curtailed_kw: wished curtailment ``(T,)`` [kW].
        bids_kw: wished bids, per product.
    """
    wished = _settled(problem, layout, tables, (power_kw, shares_kw, curtailed_kw), bids_kw)
    found = _settled(problem, layout, tables, (power_kw, shares_kw, curtailed_kw), None)
    if wished is None or found.broken_kw < wished.broken_kw - TOLERANCE:
        return found
    return wished if wished.money.total <= found.money.total else found


@overload
def _settled(
    problem: ReservePlanProblem,
    layout: Layout,
    tables: Tables,
    wish: tuple[Floats, Floats, Floats],
    bids_kw: None,
) -> Candidate: ...


@overload
def _settled(
    problem: ReservePlanProblem,
    layout: Layout,
    tables: Tables,
    wish: tuple[Floats, Floats, Floats],
    bids_kw: tuple[Floats, ...],
) -> Candidate | None: ...


def _settled(
    problem: ReservePlanProblem,
    layout: Layout,
    tables: Tables,
    wish: tuple[Floats, Floats, Floats],
    bids_kw: tuple[Floats, ...] | None,
) -> Candidate | None:
    plan, periods = problem.plan, problem.plan.periods
    power, shares, curtailed = wish[0].copy(), np.maximum(wish[1], 0.0), wish[2]
    energy = tables.fit(power, shares)
    drifts = any(group.activation > 0.0 for group in problem.groups)
    bids: tuple[Floats, ...] = ()
    flows = _flows(plan, layout.per_step(power, periods), curtailed)
    for attempt in range(4):
        held = np.array([layout.per_step(share, periods) for share in shares]).reshape(len(problem.groups), periods)
        net = flows.import_kw - flows.export_kw
        chosen = best_bids(problem, held, net) if bids_kw is None else nearest_bids(problem, held, bids_kw)
        if chosen is None:
            return None
        bids = chosen
        if attempt == 3:
            break  # shares may exceed what is sold by the little that shrank last
        sold = sold_kw(problem, bids)
        ratio = np.minimum(np.divide(sold, held, out=np.zeros_like(held), where=held > 0.0), 1.0)
        shares *= ratio[:, layout.step]
        if not drifts:
            break
        kept = shares.copy()
        energy = tables.fit(power, shares)
        flows = _flows(plan, layout.per_step(power, periods), curtailed)
        if np.array_equal(kept, shares):
            break
    evaluation = evaluate(plan, layout.spread(power, periods), flows.curtailed_kw, keep_energy=False)
    coupled = seen_of(problem, layout, evaluation.coupled.group_kw, energy, shares)
    money = _money(problem, layout, evaluation, energy, shares, bids, coupled)
    broken = _broken_kw(problem, evaluation, bids)
    broken = max(broken, called_beyond_kw(problem, layout, coupled.group_kw, shares))
    return Candidate(power, shares, energy, bids, evaluation, money, broken, coupled)


def _flows(plan: PlanProblem, total_kw: Floats, curtailed_kw: Floats) -> Flows:
    """Flows with the wished curtailment, and as much more as the export limit needs."""
    needed = -(plan.base_load_kw + total_kw) - plan.export_limit_kw
    return site_flows(plan, total_kw, np.clip(np.maximum(curtailed_kw, needed), 0.0, plan.curtailable_kw))


def _money(
    problem: ReservePlanProblem,
    layout: Layout,
    evaluation: Evaluation,
    energy_kwh: Floats,
    shares_kw: Floats,
    bids: tuple[Floats, ...],
    coupled: Coupled,
) -> Money:
    plan, cost, rates = problem.plan, evaluation.cost, Rates.of(problem.plan)
    values = [problem.bid_value(product) for product in problem.products]
    worn = sum(
        plan.step_h * group.activation * float(rates.wear[layout.owner] @ share)
        for group, share in zip(problem.groups, shares_kw, strict=True)
        if group.up
    )
    end = ends_kwh(plan, layout, energy_kwh)
    groups, missing = coupled.costs(plan)
    return Money(
        energy=cost.energy,
        wear=cost.wear,
        demand=cost.demand,
        excess=cost.excess,
        terminal=-plan.terminal_value_per_kwh * float(end.sum()),
        capacity=-math.fsum(float(value[0] @ bid) for value, bid in zip(values, bids, strict=True)),
        activation_energy=-math.fsum(float(value[1] @ bid) for value, bid in zip(values, bids, strict=True)),
        activation_wear=float(worn),
        groups=groups,
        energy_reserve=missing,
    )


def ends_kwh(plan: PlanProblem, layout: Layout, energy_kwh: Floats) -> Floats:
    """Expected energy at the end of each stay, ``(N,)`` [kWh]."""
    end = plan.fleet.energy_at_arrival_kwh.copy()
    end[layout.staying] = energy_kwh[layout.last]
    return end


def _broken_kw(problem: ReservePlanProblem, evaluation: Evaluation, bids: tuple[Floats, ...]) -> float:
    plan, sold = problem.plan, sold_kw(problem, bids)
    net = evaluation.flows.import_kw - evaluation.flows.export_kw
    is_up = np.array([group.up for group in problem.groups], dtype=np.bool_)
    called_up, called_down = net - sold[is_up].sum(axis=0), net + sold[~is_up].sum(axis=0)
    seen = evaluation.violations
    worst = max(seen.export_kw, seen.import_hard_kw, seen.group_kw, seen.min_charge_kw, float(seen.pauses))
    worst = max(worst, float((-called_up - plan.export_limit_kw).max()) if math.isfinite(plan.export_limit_kw) else 0.0)
    over = float((called_down - plan.import_hard_limit_kw).max()) if math.isfinite(plan.import_hard_limit_kw) else 0.0
    return max(0.0, worst, over)


def conclude(
    problem: ReservePlanProblem,
    layout: Layout,
    bounds: Reach,
    found: Candidate,
    bound: float,
    gap: float,
    *,
    solver: str,
    notes: tuple[str, ...] = (),
    shadow: Shadow | None = None,
) -> ReserveSolution:
    """Answers with a plan and what is known about a better one.

    Args:
        problem: what was asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        found: the plan.
        bound: no plan costs less [currency].
        gap: relative gap at which it counts as optimal.
        solver: which solver answered, in words.
        notes: remarks for the reader.
        shadow: prices of group limits and energy reserve, where they are known.
    """
    shadow = shadow or Shadow()
    plan, periods, objective = problem.plan, problem.plan.periods, found.money.total
    lower = min(bound, objective)
    reached = relative_gap(objective, lower)
    kept = found.broken_kw <= TOLERANCE
    end = ends_kwh(plan, layout, found.energy_kwh)
    shortfall, reasons = explain(plan, bounds, end, found.coupled.group_kw)
    if not kept:
        notes += (f"a hard limit is passed by {found.broken_kw:.3g} kW",)
    notes += coupling_notes(plan, found.coupled)
    flows = found.evaluation.flows
    answer = PlanSolution(
        status="optimal" if kept and reached <= gap else "feasible",
        objective=objective,
        lower_bound=lower,
        gap=reached,
        solver=solver,
        power_kw=layout.spread(found.power_kw, periods),
        energy_kwh=_energy_table(plan, layout, found.energy_kwh, end),
        import_kw=flows.import_kw,
        export_kw=flows.export_kw,
        curtailed_kw=flows.curtailed_kw,
        peak_import_kw=float(flows.import_kw.max()),
        shortfall_kwh=shortfall,
        floor_deficit_kwh=bounds.floor_deficit_kwh,
        reasons=reasons,
        notes=notes,
        group_power_kw=found.coupled.group_kw,
        group_price=shadow.group_of(plan),
        reserve_kwh=found.coupled.reserve_kwh,
        reserve_deficit_kwh=found.coupled.deficit_kwh,
        reserve_price=shadow.reserve_of(plan),
    )
    shares = np.array([layout.spread(share, periods) for share in found.shares_kw])
    return ReserveSolution(
        answer, found.bids_kw, shares.reshape(len(problem.groups), plan.fleet.size, periods), found.money
    )


def nothing_possible(
    problem: ReservePlanProblem, layout: Layout, bounds: Reach, because: tuple[str, ...], *, solver: str
) -> ReserveSolution:
    """Answers that no plan keeps the hard limits: no vehicle moves, nothing is sold, cost and bound are infinite."""
    groups = len(problem.groups)
    still = settle(
        problem, layout, Tables.of(problem, layout, bounds), np.zeros(layout.size), np.zeros((groups, layout.size)),
        np.zeros(problem.plan.periods), (),
    )  # fmt: skip
    answer = conclude(problem, layout, bounds, still, -math.inf, 0.0, solver=solver)
    plan = replace(
        answer.plan, status="infeasible", objective=math.inf, lower_bound=math.inf, gap=math.inf, notes=(),
        infeasible_because=because,
    )  # fmt: skip
    return replace(answer, plan=plan)


def _energy_table(plan: PlanProblem, layout: Layout, energy_kwh: Floats, end: Floats) -> Floats:
    steps = np.arange(plan.periods + 1)
    arrived, gone = steps <= plan.fleet.arrival[:, None], steps >= plan.fleet.departure[:, None]
    table = np.where(arrived, plan.fleet.energy_at_arrival_kwh[:, None], np.where(gone, end[:, None], 0.0))
    table[layout.owner, layout.step + 1] = energy_kwh
    return np.asarray(table)


def explain_answer(problem: ReservePlanProblem, answer: ReserveSolution) -> dict[str, object]:
    """The part of an answer that a plan without products does not have, ready for JSON."""
    products = []
    for product, bid in zip(problem.products, answer.bids_kw, strict=True):
        capacity, activation = problem.bid_value(product)
        products.append({
            "name": product.name,
            "direction": product.direction,
            "block_steps": product.block_steps,
            "bid_kw": bid.tolist(),
            "capacity_income": float(capacity @ bid),
            "activation_income": float(activation @ bid),
        })  # fmt: skip
    money = {item.name: float(getattr(answer.money, item.name)) for item in fields(Money)}
    return {"products": products, "money": money}
