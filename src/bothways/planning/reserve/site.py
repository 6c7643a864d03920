"""The meter and the market as a program: import, export, curtailment, peaks, bids; vehicles enter through its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.meter import add_meter
from bothways.planning.highs.program import Assembly
from bothways.planning.problem import Floats, Ints, PlanProblem
from bothways.planning.reserve.products import Rates, ReservePlanProblem, ReserveProduct


@dataclass(frozen=True)
class SiteColumns:
    """Where things are in a program.

    Attributes:
        balance: row of each step: import + excess − export − curtailed − Σ p = load, ``(T,)``.
        cover: rows Σ_i share − Σ_products bid, 0 or more (0 where activation moves energy), ``(G, T)``.
        imported: columns of import up to the priced limit, ``(T,)`` [kW].
        beyond: steps in which import may exceed it.
        excess: their columns [kW].
        exported: columns, ``(T,)`` [kW].
        curtailing: steps with surplus that may be curtailed.
        curtail: their columns [kW].
        calls: rows that keep the hard limits while everything sold is called.
        bids: columns of each product's bids, one per block [kW].
    """

    balance: Ints
    cover: Ints
    imported: Ints
    beyond: Ints
    excess: Ints
    exported: Ints
    curtailing: Ints
    curtail: Ints
    calls: Ints
    bids: tuple[Ints, ...]

    def curtailed_kw(self, x: Floats, periods: int) -> Floats:
        """Curtailment in a solution, ``(T,)`` [kW]."""
        curtailed = np.zeros(periods)
        curtailed[self.curtailing] = np.maximum(x[self.curtail], 0.0)
        return curtailed


def most_in_blocks_kw(problem: ReservePlanProblem) -> list[Floats]:
    """For each product the most that its bids can be: what all vehicles that are there could promise, per block."""
    plan = problem.plan
    most = Rates.of(plan).most_kw
    change = np.zeros(plan.periods + 1)
    np.add.at(change, plan.fleet.arrival, most)
    np.add.at(change, plan.fleet.departure, -most)
    there = np.maximum(np.cumsum(change)[:-1], 0.0)
    found = []
    for product in problem.products:
        starts = np.arange(0, plan.periods, product.block_steps)
        found.append(np.minimum(np.minimum.reduceat(there, starts), product.max_bid_kw))
    return found


def add_site(assembly: Assembly, problem: ReservePlanProblem, load_kw: Floats, *, whole: bool) -> SiteColumns:
    """Adds the site's columns and rows.

    Args:
        assembly: the program in the making.
        problem: what is asked.
        load_kw: base load and vehicles without choice, ``(T,)`` [kW].
        whole: whether minimum bids and granularity are modelled with integers.
    """
    plan, periods = problem.plan, problem.plan.periods
    balance = assembly.rows(periods, lower=load_kw, upper=load_kw)
    most_import, most_export = _most_flows_kw(plan, load_kw)
    meter = add_meter(assembly, plan, balance, most_import, most_export)
    # A share that nobody buys must not be activated either: where activation moves energy, shares sum to what is sold.
    most = np.repeat([0.0 if group.activation > 0.0 else math.inf for group in problem.groups], periods)
    cover = assembly.rows(most.size, lower=0.0, upper=most).reshape(len(problem.groups), periods)
    bids = _bids(assembly, problem, cover, whole=whole)
    flows = (meter.imported, meter.beyond, meter.excess, meter.exported)
    calls = _calls(assembly, problem, flows, bids)
    return SiteColumns(
        balance, cover, meter.imported, meter.beyond, meter.excess, meter.exported, meter.curtailing, meter.curtail,
        calls, bids,
    )  # fmt: skip


def _most_flows_kw(plan: PlanProblem, load_kw: Floats) -> tuple[Floats, Floats]:
    """Bounds on import and export that follow from what is connected, within the hard limits, ``(T,)`` each [kW]."""
    fleet, periods = plan.fleet, plan.periods
    charge, discharge = np.zeros(periods + 1), np.zeros(periods + 1)
    for change, power in ((charge, fleet.charge_kw), (discharge, fleet.discharge_kw)):
        np.add.at(change, fleet.arrival, power)
        np.add.at(change, fleet.departure, -power)
    most_charge, most_discharge = np.cumsum(charge)[:-1], np.cumsum(discharge)[:-1]
    most_import = np.maximum(load_kw + most_charge + plan.curtailable_kw, 0.0)
    most_export = np.clip(most_discharge - load_kw, 0.0, plan.export_limit_kw)
    return np.minimum(most_import, plan.import_hard_limit_kw), most_export


def _bids(assembly: Assembly, problem: ReservePlanProblem, cover: Ints, *, whole: bool) -> tuple[Ints, ...]:
    columns = []
    for number, (product, most) in enumerate(zip(problem.products, most_in_blocks_kw(problem), strict=True)):
        capacity, activation = problem.bid_value(product)
        bid = assembly.columns(most.size, cost=-(capacity + activation), upper=most)
        block = problem.block_of(product)
        for group, rows in zip(problem.groups, cover, strict=True):
            if number in group.products:
                assembly.entries(rows, bid[block], -1.0)
        columns.append(bid)
        if whole:
            add_lumps(assembly, product, bid, most)
    return tuple(columns)


def add_lumps(assembly: Assembly, product: ReserveProduct, bid: Ints, most: Floats) -> None:
    """Adds the integers of one product: bids are 0 or at least the minimum, in whole units.

    Args:
        assembly: the program in the making.
        product: which.
        bid: its columns, one per block.
        most: the most that can be bid in each block [kW].
    """
    if product.granularity_kw > 0.0:
        units = np.floor(most / product.granularity_kw + 1e-9)
        count = assembly.columns(most.size, upper=units, integer=True)
        same = assembly.rows(most.size, lower=0.0, upper=0.0)
        assembly.entries(same, bid, 1.0)
        assembly.entries(same, count, -product.granularity_kw)
    if product.min_bid_kw > 0.0:
        offered = assembly.columns(most.size, upper=(most >= product.min_bid_kw).astype(np.float64), integer=True)
        least = assembly.rows(most.size, lower=0.0)
        assembly.entries(least, bid, 1.0)
        assembly.entries(least, offered, -product.min_bid_kw)
        none = assembly.rows(most.size, upper=0.0)
        assembly.entries(none, bid, 1.0)
        assembly.entries(none, offered, -most)


def _calls(
    assembly: Assembly, problem: ReservePlanProblem, flows: tuple[Ints, Ints, Ints, Ints], bids: tuple[Ints, ...]
) -> Ints:
    """The site's hard limits also hold while everything that was sold is called in one direction."""
    plan, every, found = problem.plan, np.arange(problem.plan.periods), [np.zeros(0, dtype=np.int64)]
    imported, beyond, excess, exported = flows
    for up, limit in ((True, plan.export_limit_kw), (False, plan.import_hard_limit_kw)):
        concerned = [
            (product, bid)
            for product, bid in zip(problem.products, bids, strict=True)
            if (product.goes_up if up else product.goes_down)
        ]
        if math.isinf(limit) or not concerned:
            continue
        row = assembly.rows(every.size, lower=-limit) if up else assembly.rows(every.size, upper=limit)
        assembly.entries(row, imported, 1.0)
        assembly.entries(row[beyond], excess, 1.0)
        assembly.entries(row, exported, -1.0)
        for product, bid in concerned:
            assembly.entries(row, bid[problem.block_of(product)], -1.0 if up else 1.0)
        found.append(row)
    return np.concatenate(found)
