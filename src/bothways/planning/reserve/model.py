"""A reserve problem as one program: vehicles, site and market, as HiGHS takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.coupling import CoupledRows, PowerColumns
from bothways.planning.highs.model import Choices, add_directions, add_no_pause
from bothways.planning.highs.program import Assembly, Program
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.coupled import add_coupled
from bothways.planning.reserve.headroom import headroom_rows
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.reserve.site import SiteColumns, add_site
from bothways.planning.shortfall import Reach


@dataclass(frozen=True)
class ReserveProgram:
    """The program and the meaning of its columns.

    Attributes:
        program: the arrays.
        site: the site's rows and columns.
        charge: column of each vehicle-step's charging power, ``(S,)`` [kW].
        discharging: vehicle-steps that may discharge, positions in the layout.
        discharge: their columns [kW].
        energy: expected stored energy at the end of each vehicle-step, ``(S,)`` [kWh].
        shares: what each vehicle-step promises to each group, ``(G, S)`` [kW].
        on_at: vehicle-steps whose on or off is a decision, positions in the layout.
        on: columns that say whether they charge.
        coupled: where group limits and the energy reserve are.
    """

    program: Program
    site: SiteColumns
    charge: Ints
    discharging: Ints
    discharge: Ints
    energy: Ints
    shares: Ints
    on_at: Ints
    on: Ints
    coupled: CoupledRows


def lower_at_start_kwh(problem: ReservePlanProblem, layout: Layout, bounds: Reach) -> Floats:
    """Least energy at the start of each vehicle-step from which floor and requirement stay in reach, ``(S,)`` [kWh]."""
    before = np.roll(bounds.lower_kwh, 1)
    first = layout.k == 0
    before[first] = problem.plan.fleet.energy_at_arrival_kwh[layout.owner[first]]
    need = bounds.lower_kwh - bounds.charge_step_kwh[layout.owner]
    floor = np.minimum(problem.plan.fleet.energy_min_kwh[layout.owner], before)
    return np.where(first, np.minimum(before, np.maximum(floor, need)), before)


def build(
    problem: ReservePlanProblem, layout: Layout, bounds: Reach, *, choices: Choices, whole: bool
) -> ReserveProgram:
    """Writes the problem as a program.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        choices: which vehicle-steps either charge or discharge, or are on or off.
        whole: whether bids are lumpy.
    """
    plan, fleet, owner, step_h = problem.plan, problem.plan.fleet, layout.owner, problem.plan.step_h
    rates, assembly = Rates.of(plan), Assembly()
    site = add_site(assembly, problem, plan.base_load_kw, whole=whole)
    least_charge, most_charge = choices.charge_bounds_kw(plan, layout)
    charge = assembly.columns(layout.size, lower=least_charge, upper=most_charge)
    energy = assembly.columns(
        layout.size,
        cost=np.where(layout.is_last, -plan.terminal_value_per_kwh, 0.0),
        lower=bounds.lower_kwh,
        upper=bounds.ceiling_kwh[owner],
    )
    most_discharge = choices.discharge_bound_kw(plan, layout)
    discharging = np.flatnonzero(((fleet.discharge_kw > 0.0) & ~fleet.no_pause)[owner])
    discharger = owner[discharging]
    discharge = assembly.columns(
        discharging.size, cost=step_h * fleet.wear_per_kwh[discharger], upper=most_discharge[discharging]
    )
    shares = np.stack([
        assembly.columns(
            layout.size,
            cost=(step_h * group.activation * rates.wear)[owner] if group.up else 0.0,
            upper=rates.most_kw[owner],
        )
        for group in problem.groups
    ]) if problem.groups else np.zeros((0, layout.size), dtype=np.int64)  # fmt: skip
    start = np.where(layout.k == 0, fleet.energy_at_arrival_kwh[owner], 0.0)
    stored = assembly.rows(layout.size, lower=start, upper=start)
    assembly.entries(stored, charge, -step_h * fleet.charge_efficiency[owner])
    assembly.entries(stored, energy, 1.0)
    goes_on = np.flatnonzero(~layout.is_last)
    assembly.entries(stored[goes_on + 1], energy[goes_on], -1.0)
    assembly.entries(stored[discharging], discharge, step_h / fleet.discharge_efficiency[discharger])
    for group, share in zip(problem.groups, shares, strict=True):
        if group.activation > 0.0:
            assembly.entries(stored, share, -step_h * rates.moved(group)[owner])
    assembly.entries(site.balance[layout.step], charge, -1.0)
    assembly.entries(site.balance[layout.step[discharging]], discharge, 1.0)
    for rows, share in zip(site.cover, shares, strict=True):
        assembly.entries(rows[layout.step], share, 1.0)
    on_at, on = add_directions(plan, layout, choices, (charge, discharging, discharge), assembly)
    add_no_pause(plan, layout, choices, on_at, on, assembly)
    _power(assembly, problem, layout, (charge, discharging, discharge), shares, choices, (on_at, on))
    _energy(assembly, problem, layout, bounds, energy, shares)
    _without_activation(assembly, problem, layout, bounds, energy, shares)
    powers = PowerColumns(charge, discharging, discharge, energy, bounds.lower_kwh)
    coupled = add_coupled(assembly, problem, layout, powers, shares)
    return ReserveProgram(assembly.program(), site, charge, discharging, discharge, energy, shares, on_at, on, coupled)


def _power(
    assembly: Assembly,
    problem: ReservePlanProblem,
    layout: Layout,
    powers: tuple[Ints, Ints, Ints],
    shares: Ints,
    choices: Choices,
    decided: tuple[Ints, Ints],
) -> None:
    """What the power in each step leaves room for.

    A vehicle with a minimum power promises what it can deliver to any part of the kW: it stays on (down to its minimum)
    or stays off (up to 0). So while it is on, up is at most charge − least; while it is off, down is at most discharge.
    """
    charge, discharging, discharge = powers
    fleet, owner = problem.plan.fleet, layout.owner
    most_out = np.where(fleet.no_pause, 0.0, fleet.discharge_kw)[owner]
    _, least = choices.open_at(problem.plan, layout)
    stepped = least > 0.0
    on_at, on = decided
    open_here = np.flatnonzero(stepped[on_at])
    is_on = np.zeros(layout.size) if choices.on is None else choices.on.astype(np.float64)
    known = stepped & (np.zeros(layout.size, dtype=np.bool_) if choices.held is None else choices.held)
    for up, most in ((True, most_out), (False, fleet.charge_kw[owner])):
        mine = [share for group, share in zip(problem.groups, shares, strict=True) if group.up == up]
        if not mine:
            continue
        sign = -1.0 if up else 1.0
        side = np.where(known, most - (least + most_out) * is_on if up else most * is_on, most)
        if not up:
            side[on_at[open_here]] = 0.0
        rows = assembly.rows(layout.size, upper=side)
        assembly.entries(rows, charge, sign)
        assembly.entries(rows[discharging], discharge, -sign)
        at = on_at[open_here]
        assembly.entries(rows[at], on[open_here], (least + most_out)[at] if up else -most[at])
        for share in mine:
            assembly.entries(rows, share, 1.0)


def _energy(
    assembly: Assembly,
    problem: ReservePlanProblem,
    layout: Layout,
    bounds: Reach,
    energy: Ints,
    shares: Ints,
) -> None:
    owner, arrived = layout.owner, problem.plan.fleet.energy_at_arrival_kwh[layout.owner]
    call, before = Rates.of(problem.plan).call[owner], lower_at_start_kwh(problem, layout, bounds)
    later = np.flatnonzero(layout.k > 0)
    for kind in headroom_rows(problem):
        # The energy at arrival is a number, not a column: it goes to the other side.
        known = np.where(layout.k == 0, (1.0 - kind.at) * arrived, 0.0)
        if kind.up:
            side = (1.0 - kind.at) * before + kind.at * bounds.lower_kwh - known
            rows = assembly.rows(layout.size, lower=side)
        else:
            rows = assembly.rows(layout.size, upper=bounds.ceiling_kwh[owner] - known)
        assembly.entries(rows, energy, kind.at)
        if kind.at < 1.0:
            assembly.entries(rows[later], energy[later - 1], 1.0 - kind.at)
        for number, back, hours in kind.terms:
            there = np.flatnonzero(layout.k >= back)
            weight = hours * call[there]
            assembly.entries(rows[there], shares[number][there - back], -weight if kind.up else weight)


def _without_activation(
    assembly: Assembly, problem: ReservePlanProblem, layout: Layout, bounds: Reach, energy: Ints, shares: Ints
) -> None:
    """The requirement is met also if nothing is ever activated: what activation would bring is not counted on."""
    if not any(group.activation > 0.0 for group in problem.groups):
        return
    rates, step_h = Rates.of(problem.plan), problem.plan.step_h
    rows = assembly.rows(layout.staying.size, lower=bounds.required_kwh[layout.staying])
    assembly.entries(rows, energy[layout.last], 1.0)
    row_of = np.zeros(layout.duration.size, dtype=np.int64)
    row_of[layout.staying] = rows
    for group, share in zip(problem.groups, shares, strict=True):
        if group.activation > 0.0:
            assembly.entries(row_of[layout.owner], share, -step_h * rates.moved(group)[layout.owner])
