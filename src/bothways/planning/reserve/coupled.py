"""Group limits and the site's energy reserve beside bids: nothing that is sold is counted twice.

A hard group limit holds as planned and while everything that was sold is called in one direction. Energy that a call
would take is not part of the energy reserve: for every way that a call can lie in time (``headroom``)

    Σ_i a_it·(e_it − floor_i) − Σ_i a_it·call_i·Σ hours·up_i + deficit_t ≥ required_t.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bothways.planning.evaluation import Coupled
from bothways.planning.highs.coupling import CoupledRows, PowerColumns, add_coupling
from bothways.planning.highs.program import Assembly
from bothways.planning.layout import Layout
from bothways.planning.limits import EnergyReserve
from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.headroom import HeadroomRow, headroom_rows
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.stock import factors


def add_coupled(
    assembly: Assembly, problem: ReservePlanProblem, layout: Layout, powers: PowerColumns, shares: Ints
) -> CoupledRows:
    """Writes group limits and energy reserve.

    Args:
        assembly: the program in the making.
        problem: what is asked.
        layout: its vehicle-steps.
        powers: columns of the vehicles' powers and expected energies.
        shares: columns of what each vehicle-step promises to each group of products, ``(G, S)``.

    Returns:
        Where the rows are; those of the reserve are several per step, kind after kind.
    """
    plan = problem.plan
    planned = add_coupling(replace(plan, energy_reserve=None), layout, powers, assembly, soft=False)
    for limit in plan.group_limits:
        if not limit.hard:
            continue
        weight = limit.weight[layout.owner]
        member = np.flatnonzero(weight > 0.0)
        out = np.flatnonzero(weight[powers.discharging] > 0.0)
        for up, bound in ((True, limit.lower_kw), (False, limit.upper_kw)):
            mine = [share for group, share in zip(problem.groups, shares, strict=True) if group.up == up]
            if not mine or np.isinf(bound).all():
                continue
            side = bound - limit.base_kw
            row = assembly.rows(plan.periods, lower=side) if up else assembly.rows(plan.periods, upper=side)
            assembly.entries(row[layout.step[member]], powers.charge[member], weight[member])
            at = powers.discharging[out]
            assembly.entries(row[layout.step[at]], powers.discharge[out], -weight[at])
            for share in mine:
                assembly.entries(row[layout.step[member]], share[member], -weight[member] if up else weight[member])
    if plan.energy_reserve is None:
        return planned
    return replace(planned, reserve=_reserve(assembly, problem, layout, powers, shares, plan.energy_reserve))


def _kinds(problem: ReservePlanProblem) -> list[HeadroomRow]:
    """The ways in which calls up can lie at the end of a step; one without any call where nothing is sold upward."""
    return [kind for kind in headroom_rows(problem) if kind.up and kind.at == 1.0] or [
        HeadroomRow(up=True, at=1.0, terms=())
    ]


def _reserve(
    assembly: Assembly, problem: ReservePlanProblem, layout: Layout, powers: PowerColumns, shares: Ints,
    reserve: EnergyReserve,
) -> Ints:  # fmt: skip
    plan, periods = problem.plan, problem.plan.periods
    factor = factors(plan, reserve, layout.owner, layout.step)
    floor, call = plan.fleet.energy_min_kwh[layout.owner], Rates.of(plan).call[layout.owner]
    at = np.flatnonzero(factor > 0.0)
    aim = reserve.required_kwh + layout.per_step(factor * floor, periods)
    kinds = _kinds(problem)
    promised = layout.per_step(factor * call * Rates.of(plan).most_kw[layout.owner], periods)
    hours = max((sum(hours for _, _, hours in kind.terms) for kind in kinds), default=0.0)
    most = aim + promised * hours
    deficit = assembly.columns(periods, cost=reserve.penalty_per_kwh, upper=most)
    found = []
    for kind in kinds:
        row = assembly.rows(periods, lower=aim)
        assembly.entries(row[layout.step[at]], powers.energy[at], factor[at])
        assembly.entries(row, deficit, 1.0)
        for number, back, length in kind.terms:
            there = at[layout.k[at] >= back]
            assembly.entries(
                row[layout.step[there]], shares[number][there - back], -factor[there] * length * call[there]
            )
        found.append(row)
    return np.concatenate(found)


def kept_kwh(problem: ReservePlanProblem, layout: Layout, energy_kwh: Floats, shares_kw: Floats) -> Floats:
    """Energy that stays back at the end of each step whatever is called, ``(T,)`` [kWh, AC side].

    Args:
        problem: what was asked, with an energy reserve.
        layout: its vehicle-steps.
        energy_kwh: expected energy after each vehicle-step, ``(S,)`` [kWh].
        shares_kw: what each vehicle-step promises, ``(G, S)`` [kW].
    """
    plan, reserve = problem.plan, problem.plan.energy_reserve
    if reserve is None:
        return np.zeros(0)
    factor = factors(plan, reserve, layout.owner, layout.step)
    above = factor * (energy_kwh - plan.fleet.energy_min_kwh[layout.owner])
    call = Rates.of(plan).call[layout.owner]
    least = np.full(plan.periods, np.inf)
    for kind in _kinds(problem):
        taken = np.zeros(layout.size)
        for number, back, length in kind.terms:
            there = np.flatnonzero(layout.k >= back)
            taken[there] += length * call[there] * shares_kw[number][there - back]
        least = np.minimum(least, layout.per_step(above - factor * taken, plan.periods))
    return least


def seen_of(
    problem: ReservePlanProblem, layout: Layout, group_kw: Floats, energy_kwh: Floats, shares_kw: Floats
) -> Coupled:
    """What group limits and energy reserve see of a plan with bids."""
    reserve = problem.plan.energy_reserve
    kept = kept_kwh(problem, layout, energy_kwh, shares_kw)
    missing = kept if reserve is None else np.maximum(reserve.required_kwh - kept, 0.0)
    return Coupled(group_kw, kept, missing)


def called_beyond_kw(problem: ReservePlanProblem, layout: Layout, group_kw: Floats, shares_kw: Floats) -> float:
    """Greatest power beyond a hard group limit while everything is called in one direction [kW]."""
    worst = 0.0
    for limit, planned in zip(problem.plan.group_limits, group_kw, strict=True):
        if not limit.hard:
            continue
        for up in (True, False):
            moved = np.zeros(problem.plan.periods)
            for group, share in zip(problem.groups, shares_kw, strict=True):
                if group.up == up:
                    moved += layout.per_step(limit.weight[layout.owner] * share, problem.plan.periods)
            worst = max(worst, float(limit.beyond_kw(planned - moved if up else planned + moved).max(initial=0.0)))
    return worst
