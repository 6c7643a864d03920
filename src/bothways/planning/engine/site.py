"""The site meter: what a total costs, the price it puts on energy, and its conjugate for the bound.

Everything is per step [kWh]. With P the energy of base load, forced charging and vehicles, the meter imports I and
exports E and may curtail U, P = I − E − U, so the site's cost F is separable but for the demand charges:

    F(P) = min Σ_t imp·I + pen·(I − lim)⁺ − exp·E + Σ_k D_k·(max_{t∈k} I_t − s_k)⁺
           0 ≤ I ≤ hard, 0 ≤ E ≤ most, 0 ≤ U ≤ surplus

Writing D_k(max I − s_k)⁺ as the maximum over μ_k ≥ 0, Σ_t μ_kt ≤ D_k of Σ_t μ_kt(I_t − s_k) gives, for *every* such μ,

    F*(λ) ≤ Σ_k s_k·Σ_t μ_kt + Σ_t [lim·v⁺ + (hard − lim)(v − pen)⁺] + most·(exp − λ)⁺ + surplus·(−λ)⁺,
    v = λ − imp − Σ_k μ_kt.

So a bound needs no exact μ: any feasible one is valid, the best one is tight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.engine.model import BIG
from bothways.planning.engine.simd import HALF
from bothways.planning.problem import Floats, PlanProblem

# Rows of the table of steps: the staircase price(total) of each step, then the parts it is made of.
EDGE, STAIR, MOVES = 0, 5, 9  # 5 edges [kWh], 4 prices, 4 flags: whether a demand charge lifts that price
IMPORT, EXPORT, SURPLUS, LOAD = 13, 14, 15, 16
ROWS = 17

# Numbers that hold for all steps.
SOFT, PENALTY, HARD, MOST = range(4)


@dataclass(frozen=True)
class Site:
    """The meter as flat tables; ``width`` is the number of steps rounded up to whole vectors.

    Attributes:
        periods: steps T.
        width: steps with padding, a multiple of ``HALF``.
        table: flat ``(ROWS, width)``; padding steps cost nothing and see nothing.
        limits: soft import limit [kWh], its penalty, hard import limit [kWh], export limit [kWh].
        charges: per demand charge its price per kWh of one step and the peak so far [kWh], shape ``(K, 2)``.
        masks: flat ``(K, width)``, 1 where a charge counts.
    """

    periods: int
    width: int
    table: Floats
    limits: Floats
    charges: Floats
    masks: Floats

    @property
    def charge_numbers(self) -> int:
        """Numbers that the demand charges' prices need: one per charge and step, and one level per charge."""
        return int(self.masks.shape[0] + self.charges.shape[0])

    def row(self, index: int) -> Floats:
        """One row of the table without its padding, ``(T,)``."""
        return self.table[index * self.width : index * self.width + self.periods]

    def tightened(self, margin_kwh: float) -> Site:
        """The same site with its hard limits drawn in, for prices only: a total that nearly keeps them, keeps ours."""
        table = self.table.copy().reshape(ROWS, self.width)
        edges = table[EDGE:STAIR]
        lowest, highest = edges[0] + margin_kwh, edges[4] - margin_kwh
        table[EDGE:STAIR] = np.maximum(np.minimum(edges, highest), np.minimum(lowest, highest))
        limits = self.limits.copy()
        limits[HARD] -= margin_kwh
        limits[SOFT] = min(limits[SOFT], limits[HARD])
        return Site(self.periods, self.width, table.ravel(), limits, self.charges, self.masks)

    def inside(self, margin_kwh: float) -> Site:
        """The same site seen so that a total which keeps its hard limits but for rounding keeps ours.

        What is fed back stays ``margin_kwh`` within the limit, because the load is seen as that much less, and the
        curtailable surplus as more; steps in which nothing could give way are left as they are.
        """
        table, limits = self.table.copy().reshape(ROWS, self.width), self.limits.copy()
        shift = margin_kwh if math.isfinite(limits[MOST]) else 0.0
        load, surplus = table[LOAD, : self.periods], table[SURPLUS, : self.periods]
        gives = (load >= shift) | (surplus > 0.0) | (limits[MOST] >= shift)
        surplus += np.where(gives & (surplus > 0.0), shift, 0.0)
        load -= np.where(gives, shift, 0.0)
        limits[HARD] -= margin_kwh + shift
        limits[SOFT] = min(limits[SOFT], limits[HARD])
        return Site(self.periods, self.width, table.ravel(), limits, self.charges, self.masks)

    def shrunk(self, share: float) -> Site:
        """The same site at ``share`` of its size: its loads and limits scaled, so that prices stay what they are."""
        table = self.table.copy().reshape(ROWS, self.width)
        for row in (*range(EDGE, STAIR), SURPLUS, LOAD):
            table[row] *= share
        limits = self.limits.copy()
        limits[[SOFT, HARD, MOST]] *= share
        charges = self.charges.copy()
        charges[:, 1] *= share
        return Site(self.periods, self.width, table.ravel(), limits, charges, self.masks)


def site_of(problem: PlanProblem, forced: Floats) -> Site:
    """Brings the meter of a problem into tables.

    Args:
        problem: the problem; export prices must not exceed import prices.
        forced: AC energy that vehicles take without choice, ``(T,)`` [kWh].
    """
    periods, step_h = problem.periods, problem.step_h
    width = -(-periods // HALF) * HALF
    hard = problem.import_hard_limit_kw * step_h
    priced = problem.import_limit_penalty_per_kwh > 0.0
    soft = min(problem.import_limit_kw * step_h if priced else math.inf, hard)
    most = problem.export_limit_kw * step_h
    table = np.zeros((ROWS, width))
    table[IMPORT, :periods] = problem.import_price
    table[EXPORT, :periods] = problem.export_price
    table[SURPLUS, :periods] = problem.curtailable_kw * step_h
    table[LOAD, :periods] = problem.base_load_kw * step_h + forced
    penalty = problem.import_limit_penalty_per_kwh if priced else 0.0
    _fill_stairs(table, soft, penalty, hard, most)
    charges = [c for c in problem.demand_charges if c.price_per_kw > 0.0 and np.any(c.steps)]
    masks = np.zeros((len(charges), width))
    for k, charge in enumerate(charges):
        masks[k, :periods] = charge.steps
    return Site(
        periods,
        width,
        table.ravel(),
        np.array([soft, penalty, hard, most]),
        np.array([[c.price_per_kw / step_h, c.peak_so_far_kw * step_h] for c in charges]).reshape(len(charges), 2),
        masks.ravel(),
    )


def _fill_stairs(table: Floats, soft: float, penalty: float, hard: float, most: float) -> None:
    """Sorts, per step, what a further kWh costs: export forgone, curtailment undone, import, import above the limit."""
    imported, exported, surplus = table[IMPORT], table[EXPORT], table[SURPLUS]
    size = imported.size
    # A step without surplus has no curtailment stair: with the lowest price it is out of the way.
    prices = np.stack([exported, np.where(surplus > 0.0, 0.0, -BIG), imported, imported + penalty])
    above = hard - soft if soft < hard else 0.0
    widths = np.stack([np.full(size, most), surplus, np.full(size, soft), np.full(size, above)])
    lifted = np.repeat([[0.0], [0.0], [1.0], [1.0]], size, axis=1)
    order = np.argsort(prices, axis=0, kind="stable")
    if math.isinf(most):  # then nothing is ever curtailed: no stair, export, import, import above the limit
        table[EDGE : EDGE + 2] = -math.inf
        table[EDGE + 2] = 0.0
        table[EDGE + 3] = soft
        table[EDGE + 4] = soft + above
    else:
        table[EDGE] = -(most + surplus)
        table[EDGE + 1 : EDGE + 5] = table[EDGE] + np.cumsum(np.take_along_axis(widths, order, axis=0), axis=0)
    table[STAIR : STAIR + 4] = np.take_along_axis(prices, order, axis=0)
    table[MOVES : MOVES + 4] = np.take_along_axis(lifted, order, axis=0)


@njit(cache=True, nogil=True)
def site_cost(
    total_kwh: Floats,
    periods: int,
    table: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
) -> tuple[float, float]:
    """What a total costs at the meter [currency], and the greatest excess over a hard limit [kWh].

    Curtailment is the cheapest where no demand charge counts; elsewhere it is one that is allowed.
    """
    cost, broken = 0.0, 0.0
    peaks = np.zeros(charges.shape[0])
    for t in range(periods):
        net = total_kwh[t] + _curtailed(total_kwh[t], t, table, width, limits)
        if net >= 0.0:
            cost += net * table[IMPORT * width + t] + max(0.0, net - limits[SOFT]) * limits[PENALTY]
            broken = max(broken, net - limits[HARD])
            for k in range(charges.shape[0]):
                peaks[k] = max(peaks[k], net * masks[k * width + t])
        else:
            cost += net * table[EXPORT * width + t]
            broken = max(broken, -net - limits[MOST])
    for k in range(charges.shape[0]):
        cost += charges[k, 0] * max(0.0, peaks[k] - charges[k, 1])
    return cost, broken


@njit(cache=True, nogil=True)
def _curtailed(
    total_t: float,
    t: int,
    table: Floats,
    width: int,
    limits: Floats,
) -> float:
    """Curtailment lifts the net total as far as a kWh more of it saves money or keeps the export limit."""
    surplus = table[SURPLUS * width + t]
    if surplus <= 0.0:
        return 0.0
    buy = table[IMPORT * width + t]
    goal = -limits[MOST]
    if table[EXPORT * width + t] < 0.0:
        goal = 0.0
    if buy < 0.0:
        goal = limits[SOFT] if buy + limits[PENALTY] >= 0.0 else limits[HARD]
    return float(min(surplus, max(0.0, goal - total_t)))


@njit(cache=True, nogil=True)
def conjugate(  # noqa: C901, PLR0912 (a kernel: its branches are the cases of one formula)
    price: Floats,
    periods: int,
    table: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
) -> float:
    """An upper bound of F*(λ) from the charges' prices μ; λ is first brought into the domain where F* is finite.

    Works in place on ``price`` (clipped) and ``mu`` (made feasible: ≥ 0, Σ ≤ D). Valid for whatever comes in.
    """
    count = charges.shape[0]
    value = 0.0
    for k in range(count):
        spent = 0.0
        for t in range(periods):
            mu[k * width + t] = max(0.0, mu[k * width + t]) * masks[k * width + t]
            spent += mu[k * width + t]
        if spent > charges[k, 0]:
            share = charges[k, 0] / spent * (1.0 - 1e-15)
            for t in range(periods):
                mu[k * width + t] *= share
            spent = charges[k, 0]
        value += charges[k, 1] * spent
    soft, penalty, hard, most = limits[SOFT], limits[PENALTY], limits[HARD], limits[MOST]
    for t in range(periods):
        low = table[EXPORT * width + t]
        base = table[IMPORT * width + t]
        for k in range(count):
            base += mu[k * width + t]
        if most == np.inf:
            price[t] = max(price[t], low)
        if soft == np.inf:
            price[t] = min(price[t], base)
        elif hard == np.inf:
            price[t] = min(price[t], base + penalty)
        over = max(0.0, price[t] - base)
        if over > 0.0 and soft < np.inf:
            value += soft * over
            if over > penalty and hard > soft and hard < np.inf:
                value += (hard - soft) * (over - penalty)
        if price[t] < low and most < np.inf:
            value += most * (low - price[t])
        if price[t] < 0.0:
            value += table[SURPLUS * width + t] * -price[t]
    return value
