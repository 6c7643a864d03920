"""The best bids for what a fleet holds: a small program over totals, one column per product and block."""

from __future__ import annotations

import math

import numpy as np

from bothways.planning.highs.program import Assembly
from bothways.planning.highs.runner import Runner
from bothways.planning.problem import Floats
from bothways.planning.reserve.products import ReservePlanProblem, ReserveProduct
from bothways.planning.reserve.site import add_lumps, most_in_blocks_kw

HAIR_KW = 1e-7
"""Shares may lack this much of a bid in whole units: a solver's rounding must not cost a unit [kW]."""


def best_bids(problem: ReservePlanProblem, held_kw: Floats, net_kw: Floats) -> tuple[Floats, ...]:
    """Bids that earn most with given shares.

    Args:
        problem: what is asked.
        held_kw: sum of the vehicles' shares, ``(G, T)`` [kW].
        net_kw: import − export as planned, ``(T,)`` [kW]; calls must stay within the site's hard limits.

    Returns:
        For each product its bids, one per block [kW].
    """
    plan, assembly, columns = problem.plan, Assembly(), []
    hair = HAIR_KW if any(product.lumpy for product in problem.products) else 0.0
    held = held_kw + hair
    rows = assembly.rows(held.size, upper=held.ravel()).reshape(held.shape)
    beyond_up = np.maximum(plan.export_limit_kw + net_kw, 0.0) + hair
    beyond_down = np.maximum(plan.import_hard_limit_kw - net_kw, 0.0) + hair
    for number, (product, most) in enumerate(zip(problem.products, most_in_blocks_kw(problem), strict=True)):
        block, least = problem.block_of(product), most
        for group, total in zip(problem.groups, held, strict=True):
            if number in group.products:
                least = np.minimum(least, np.minimum.reduceat(total, np.arange(0, plan.periods, product.block_steps)))
        capacity, activation = problem.bid_value(product)
        room = np.maximum(least, 0.0)
        bid = assembly.columns(most.size, cost=-(capacity + activation), upper=room)
        add_lumps(assembly, product, bid, room)
        for group, row in zip(problem.groups, rows, strict=True):
            if number in group.products:
                assembly.entries(row, bid[block], 1.0)
        columns.append(bid)
    for up, room in ((True, beyond_up), (False, beyond_down)):
        if math.isinf(float(room[0])):
            continue
        limit = assembly.rows(plan.periods, upper=room)
        for product, bid in zip(problem.products, columns, strict=True):
            if product.goes_up if up else product.goes_down:
                assembly.entries(limit, bid[problem.block_of(product)], 1.0)
    if not columns:
        return ()
    answer = Runner(assembly.program(), time_limit_s=60.0, gap=1e-6).run()
    if answer.x is None:
        return tuple(np.zeros(bid.size) for bid in columns)
    x = answer.x
    return tuple(_clean(product, x[bid]) for product, bid in zip(problem.products, columns, strict=True))


def nearest_bids(
    problem: ReservePlanProblem, held_kw: Floats, wished_kw: tuple[Floats, ...]
) -> tuple[Floats, ...] | None:
    """The bids that were wished, lowered to what is held; ``None`` where whole units are not held.

    Args:
        problem: what is asked.
        held_kw: sum of the vehicles' shares, ``(G, T)`` [kW].
        wished_kw: for each product its bids, one per block [kW].
    """
    if len(wished_kw) != len(problem.products):
        return None
    wished = tuple(_clean(product, bid) for product, bid in zip(problem.products, wished_kw, strict=True))
    sold = sold_kw(problem, wished)
    part = np.minimum(np.divide(held_kw, sold, out=np.ones_like(sold), where=sold > 0.0), 1.0)
    found = []
    for number, (product, bid) in enumerate(zip(problem.products, wished, strict=True)):
        least, starts = np.ones(bid.size), np.arange(0, problem.plan.periods, product.block_steps)
        for group, share in zip(problem.groups, part, strict=True):
            if number in group.products:
                least = np.minimum(least, np.minimum.reduceat(share, starts))
        if not product.lumpy:
            found.append(bid * least)
        elif float((bid * (1.0 - least)).max(initial=0.0)) <= HAIR_KW:
            found.append(bid)
        else:
            return None
    return tuple(found)


def _clean(product: ReserveProduct, bid: Floats) -> Floats:
    """Bids without a solver's rounding."""
    clean = np.where(bid > HAIR_KW, bid, 0.0)
    if product.granularity_kw > 0.0:
        clean = np.round(clean / product.granularity_kw) * product.granularity_kw
    return np.asarray(clean)


def sold_kw(problem: ReservePlanProblem, bids: tuple[Floats, ...]) -> Floats:
    """What is sold of each group in each step, ``(G, T)`` [kW]."""
    sold = np.zeros((len(problem.groups), problem.plan.periods))
    for at, group in enumerate(problem.groups):
        for number in group.products:
            sold[at] += bids[number][problem.block_of(problem.products[number])]
    return sold
