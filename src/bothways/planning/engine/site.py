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
from bothways.planning.engine.simd import HALF, load, splat, store, total, vmax, vmin
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
def _excess(
    wanted: Floats,
    mask: Floats,
    offset: int,
    width: int,
    level: float,
) -> tuple[float, float]:
    """Σ (wanted − level)⁺ and Σ 1 over the counted steps with wanted > level."""
    like = load(wanted, 0)
    zero = splat(like, 0.0)
    one = splat(like, 1.0)
    line = splat(like, level)
    amount, count = zero, zero
    for t in range(0, width, HALF):
        over = vmax(load(wanted, t) - line, zero) * load(mask, offset + t)
        amount = amount + over
        count = count + vmin(over * splat(like, 1e300), one)
    return total(amount), total(count)


@njit(cache=True, nogil=True)
def _level(wanted: Floats, mask: Floats, offset: int, width: int, aim: float, low: float, guess: float) -> float:
    """The level ≥ low above which the excess is ``aim``: Newton on a convex falling function, climbing from its left.

    From the right of the root one step leads to its left, so a guess may lie on either side.
    """
    level = max(low, guess)
    amount, count = _excess(wanted, mask, offset, width, level)
    if amount < aim:
        level = max(low, level + (amount - aim) / count) if count > 0.0 else low
        amount, count = _excess(wanted, mask, offset, width, level)
    for _ in range(60):
        if count == 0.0 or amount <= aim * (1.0 + 1e-13):
            break
        step = (amount - aim) / count
        level += step
        if step <= 1e-15 * abs(level):
            break
        amount, count = _excess(wanted, mask, offset, width, level)
    return level


@njit(cache=True, nogil=True)
def _charge_prices(
    k: int,
    z: Floats,
    rate: float,
    table: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
    wanted: Floats,
) -> None:
    """Writes the prices μ_k that demand charge ``k`` puts on its steps, the other charges' prices held."""
    aim, low = charges[k, 0], charges[k, 1] * rate
    offset = k * width
    for t in range(0, width, HALF):
        here = load(z, t) - load(table, IMPORT * width + t)
        for j in range(charges.shape[0]):
            if j != k:
                here = here - load(mu, j * width + t)
        store(wanted, t, here)
    soft, penalty, hard = limits[SOFT] * rate, limits[PENALTY], limits[HARD] * rate
    # Import above the soft limit costs the penalty as well: there the cap lies the penalty higher in ``wanted``.
    lift, share, line = 0.0, 1.0, low
    memory = charges.shape[0] * width + k
    guess = mu[memory]
    over_soft = low >= soft
    if not over_soft and soft < np.inf:
        at_soft, _ = _excess(wanted, masks, offset, width, soft)
        over_soft = at_soft > aim
    if not over_soft:
        line = _level(wanted, masks, offset, width, aim, low, guess)
    else:
        line = max(low, soft) + penalty
        amount, _ = _excess(wanted, masks, offset, width, line)
        if amount >= aim:
            line = _level(wanted, masks, offset, width, aim, line, guess)
            if line > hard + penalty:
                line = hard + penalty
                amount, _ = _excess(wanted, masks, offset, width, line)
                share = min(1.0, aim / max(amount, 1e-300))
        elif low < soft:
            # The cap rests on the soft limit: between "all of the penalty" and "none of it" the charge takes its sum.
            full, _ = _excess(wanted, masks, offset, width, soft)
            lift = (aim - amount) / max(full - amount, 1e-300)
    mu[memory] = line
    like = load(wanted, 0)
    zero = splat(like, 0.0)
    for t in range(0, width, HALF):
        over = vmax(load(wanted, t) - splat(like, line), zero)
        if lift > 0.0:
            full_over = vmax(load(wanted, t) - splat(like, soft), zero)
            over = over + splat(like, lift) * (full_over - over)
        store(mu, offset + t, over * splat(like, share) * load(masks, offset + t))


@njit(cache=True, nogil=True)
def coupling_price(
    total_kwh: Floats,
    centre: Floats,
    rho: float,
    table: Floats,
    width: int,
    limits: Floats,
    charges: Floats,
    masks: Floats,
    mu: Floats,
    z: Floats,
    wanted: Floats,
    first: int,
    last: int,
    price: Floats,
) -> None:
    """The price of energy that maximises the augmented Lagrangian at a total, and the demand charges' prices.

    λ = argmax λ·P − F*(λ) − ρ/2·|λ − centre|²: with z = centre + P/ρ the price solves λ + stairs⁻¹(λ)/ρ = z step by
    step, once the charges' prices are known. Several charges take turns; the previous μ is where they start.

    Takes:
        total_kwh: energy of base load and vehicles per step, ``(width,)`` [kWh].
        centre: prox centre, ``(width,)``.
        rho: [kWh² per currency].
        mu: prices of the demand charges, flat ``(K, width)``, and after them K levels to start from; updated.
        z, wanted: scratch ``(width,)``.
        first, last: the steps whose price is asked for.
        price: the result, ``(width,)``; whole vectors around ``first`` … ``last`` are written.
    """
    rate = 1.0 / rho
    scale = splat(load(total_kwh, 0), rate)
    for t in range(0, width, HALF):
        store(z, t, load(centre, t) + load(total_kwh, t) * scale)
    count = charges.shape[0]
    for k in range(count):
        _charge_prices(k, z, rate, table, width, limits, charges, masks, mu, wanted)
    for t in range(first // HALF * HALF, last, HALF):
        at, lift = load(z, t), splat(scale, 0.0)
        for k in range(count):
            lift = lift + load(mu, k * width + t)
        best = at - load(table, (EDGE + 4) * width + t) * scale
        for j in range(4):
            stair = load(table, (STAIR + j) * width + t) + load(table, (MOVES + j) * width + t) * lift
            best = vmax(best, vmin(at - load(table, (EDGE + j) * width + t) * scale, stair))
        store(price, t, best)


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
