"""A reserve problem as one program: vehicles, site and market, as HiGHS takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.program import Assembly, Program
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints
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
    """

    program: Program
    site: SiteColumns
    charge: Ints
    discharging: Ints
    discharge: Ints
    energy: Ints
    shares: Ints


def lower_at_start_kwh(problem: ReservePlanProblem, layout: Layout, bounds: Reach) -> Floats:
    """Least energy at the start of each vehicle-step from which floor and requirement stay in reach, ``(S,)`` [kWh]."""
    before = np.roll(bounds.lower_kwh, 1)
    first = layout.k == 0
    before[first] = problem.plan.fleet.energy_at_arrival_kwh[layout.owner[first]]
    need = bounds.lower_kwh - bounds.charge_step_kwh[layout.owner]
    floor = np.minimum(problem.plan.fleet.energy_min_kwh[layout.owner], before)
    return np.where(first, np.minimum(before, np.maximum(floor, need)), before)


def build(
    problem: ReservePlanProblem, layout: Layout, bounds: Reach, *, one_direction: Ints, whole: bool
) -> ReserveProgram:
    """Writes the problem as a program.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        one_direction: vehicle-steps that must either charge or discharge, positions in the layout.
        whole: whether bids are lumpy.
    """
    plan, fleet, owner, step_h = problem.plan, problem.plan.fleet, layout.owner, problem.plan.step_h
    rates, assembly = Rates.of(plan), Assembly()
    site = add_site(assembly, problem, plan.base_load_kw, whole=whole)
    charge = assembly.columns(layout.size, upper=fleet.charge_kw[owner])
    energy = assembly.columns(
        layout.size,
        cost=np.where(layout.is_last, -plan.terminal_value_per_kwh, 0.0),
        lower=bounds.lower_kwh,
        upper=bounds.ceiling_kwh[owner],
    )
    discharging = np.flatnonzero((fleet.discharge_kw > 0.0)[owner])
    discharger = owner[discharging]
    discharge = assembly.columns(
        discharging.size, cost=step_h * fleet.wear_per_kwh[discharger], upper=fleet.discharge_kw[discharger]
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
    _power(assembly, problem, layout, (charge, discharging, discharge), shares)
    _energy(assembly, problem, layout, bounds, energy, shares)
    _without_activation(assembly, problem, layout, bounds, energy, shares)
    _binaries(assembly, problem, layout, one_direction, (charge, discharging, discharge))
    return ReserveProgram(assembly.program(), site, charge, discharging, discharge, energy, shares)


def _power(
    assembly: Assembly,
    problem: ReservePlanProblem,
    layout: Layout,
    powers: tuple[Ints, Ints, Ints],
    shares: Ints,
) -> None:
    charge, discharging, discharge = powers
    fleet, owner = problem.plan.fleet, layout.owner
    for up, most in ((True, fleet.discharge_kw), (False, fleet.charge_kw)):
        mine = [share for group, share in zip(problem.groups, shares, strict=True) if group.up == up]
        if not mine:
            continue
        sign = -1.0 if up else 1.0
        rows = assembly.rows(layout.size, upper=most[owner])
        assembly.entries(rows, charge, sign)
        assembly.entries(rows[discharging], discharge, -sign)
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


def _binaries(
    assembly: Assembly,
    problem: ReservePlanProblem,
    layout: Layout,
    one_direction: Ints,
    powers: tuple[Ints, Ints, Ints],
) -> None:
    charge, discharging, discharge = powers
    fleet, owner = problem.plan.fleet, layout.owner[one_direction]
    charges = assembly.columns(one_direction.size, upper=1.0, integer=True)
    only = assembly.rows(one_direction.size, upper=0.0)
    assembly.entries(only, charge[one_direction], 1.0)
    assembly.entries(only, charges, -fleet.charge_kw[owner])
    either = assembly.rows(one_direction.size, upper=fleet.discharge_kw[owner])
    assembly.entries(either, discharge[np.searchsorted(discharging, one_direction)], 1.0)
    assembly.entries(either, charges, fleet.discharge_kw[owner])
