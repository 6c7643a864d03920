"""Couplings beside the site meter: group limits and the energy reserve, as rows that see the vehicles.

Each row j sees a total G_j per step: Σ_i w_ji·q_i for a group limit (q AC energy), Σ_i a_it·(e_i − floor_i) for the
reserve (e stored energy at the end of the step). It costs

    F_j(G) = pen·((G − upper)⁺ + (lower − G)⁺),        F_j*(y) = Σ_t upper·y⁺ − lower·(−y)⁺  on  |y| ≤ pen,

a hard limit having pen = ∞, the reserve only a lower side. The prices y_j enter a vehicle's problem linearly: a group's
as part of the price of AC energy, the reserve's as the worth of a kWh stored in step t, C_it = −Σ_{τ≥t} y_τ·a_iτ, which
shifts both slopes of the step. So the oracle stays what it is, and stays convex under the same condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.model import BEGIN, E0, END, Blocks, Numbers, Stays, pack
from bothways.planning.engine.simd import HALF, LANES, load, load_like, splat, store
from bothways.planning.problem import Floats, Ints, PlanProblem
from bothways.planning.stock import counted_from

LEAST_SIZE = 1e-3
"""Typical movement of a total is at least this share of its greatest in any step."""


class Extra(NamedTuple):
    """The rows as kernels take them; ``width`` is that of the site's tables.

    Attributes:
        rows: number of rows M; 0 where the site meter is all that couples.
        groups: how many of them are group limits; the reserve, if any, comes last.
        weight: share of their AC energy that each group sees of a block's vehicles, ``(B, G)``.
        base: total without moves, flat ``(M, width)`` [kWh].
        upper: flat ``(M, width)`` [kWh].
        lower: flat ``(M, width)`` [kWh].
        penalty: ``(M,)`` [currency/kWh].
        stock: reserve per stored kWh, by row of a block's window and lane, flat; empty without a reserve.
    """

    rows: int
    groups: int
    weight: Floats
    base: Floats
    upper: Floats
    lower: Floats
    penalty: Floats
    stock: Floats


@njit(cache=True, nogil=True)
def extra_prices(
    totals: Floats,
    offset: int,
    centre: Floats,
    rate: Floats,
    extra: Extra,
    width: int,
    first: int,
    last: int,
    y: Floats,
) -> None:
    """Prices of the rows that maximise the augmented Lagrangian at given totals.

    Takes:
        totals: rows' totals from ``offset`` on, flat ``(M, width)`` [kWh].
        centre: prox centre, flat ``(M, width)``.
        rate: 1/ρ of each row and step, flat ``(M, width)``.
        first, last: the steps asked for.
        y: the result, flat ``(M, width)``.
    """
    for j in range(extra.rows):
        most = extra.penalty[j]
        for t in range(j * width + first, j * width + last):
            slope = rate[t]
            z = centre[t] + totals[offset + t] * slope
            over = max(z - extra.upper[t] * slope, 0.0) + min(z - extra.lower[t] * slope, 0.0)
            y[t] = min(max(over, -most), most)


@njit(cache=True, nogil=True)
def add_group_prices(y: Floats, extra: Extra, block: int, width: int, first: int, last: int, price: Floats) -> None:
    """Adds the groups' prices, as a block's vehicles see them, to the price of energy."""
    for g in range(extra.groups):
        share = extra.weight[block, g]
        if share > 0.0:
            for t in range(first, last):
                price[t] += share * y[g * width + t]


@njit(cache=True, nogil=True)
def fill_shift(
    y: Floats, extra: Extra, row: int, place: int, width: int, first: int, last: int, shift: Numbers
) -> None:
    """Worth of a kWh stored in each step for the reserve, C_it, into ``shift`` ``(T, LANES)``.

    Takes:
        y: prices of the rows, flat ``(M, width)``.
        row: the block's first row in tables of one row per block and step.
        place: first lane, 0 or ``HALF``; the vector is as wide as the numbers of ``shift`` make it.
        first, last: the block's window.
    """
    worth = splat(load(shift, place), 0.0)
    for t in range(last - 1, first - 1, -1):
        share = load_like(worth, extra.stock, (row + t - first) * LANES + place)
        worth = worth - share * splat(worth, y[extra.groups * width + t])
        store(shift, t * LANES + place, worth)


@njit(cache=True, nogil=True)
def add_to_groups(amount: float, t: int, extra: Extra, block: int, width: int, sums: Floats) -> None:
    """Adds AC energy of a block's vehicles in one step to the totals of their groups, behind those of the site."""
    for g in range(extra.groups):
        sums[(1 + g) * width + t] += extra.weight[block, g] * amount


@njit(cache=True, nogil=True)
def _fill_stock(
    vehicle: Ints, window: Ints, first_row: Ints, rows: Floats, share: Floats, counted: Ints, floor: Floats,
    stock: Floats, base: Floats, there: Floats,
) -> None:  # fmt: skip
    """Reserve per stored kWh of the lanes, the reserve of the whole fleet if nobody moved, and its shares by step."""
    per_step = share.shape[1] > 1
    for i in range(rows.shape[0]):
        for t in range(max(int(rows[i, BEGIN]), counted[i]), int(rows[i, END])):
            base[t] += share[i, t if per_step else 0] * (rows[i, E0] - floor[i])
            there[t] += share[i, t if per_step else 0]
    for lane in range(vehicle.shape[0]):
        i, block = vehicle[lane], lane // LANES
        if i < 0:
            continue
        for t in range(max(int(rows[i, BEGIN]), counted[i]), int(rows[i, END])):
            stock[(first_row[block] + t - window[block, 0]) * LANES + lane % LANES] = share[i, t if per_step else 0]


@dataclass(frozen=True)
class Coupling:
    """The rows with what the search needs around them.

    Attributes:
        extra: the rows as kernels take them.
        periods: steps T.
        width: steps with padding.
        kinds: which shares the vehicles of a block have, ``(B,)``.
        shares: shares of the groups by kind, ``(C, G)``.
        size: typical movement of the rows' totals, flat ``(M, width)`` [kWh].
    """

    extra: Extra
    periods: int
    width: int
    kinds: Ints
    shares: Floats
    size: Floats

    @property
    def numbers(self) -> int:
        """Numbers that a price per row and step needs, padding included."""
        return self.extra.rows * self.width

    def table(self, flat: Floats) -> Floats:
        """A flat table of the rows without its padding, ``(M, T)``."""
        return flat.reshape(self.extra.rows, self.width)[:, : self.periods]

    def totals(self, sums: Floats) -> Floats:
        """Totals of the rows, flat ``(M, width)``, from the threads' sums."""
        if not self.extra.rows:
            return self.extra.base
        return np.asarray(self.extra.base + sums[:, self.width :].sum(axis=0))

    def cost(self, totals: Floats) -> float:
        """What the totals cost in penalties [currency]."""
        hard = np.isinf(self.extra.penalty)
        return float(self.extra.penalty[~hard] @ self._beyond(totals)[~hard].sum(axis=1))

    def excess(self, totals: Floats) -> Floats:
        """Energy beyond hard limits, ``(M, T)`` [kWh]."""
        return self._beyond(totals) * np.isinf(self.extra.penalty)[:, None]

    def _beyond(self, totals: Floats) -> Floats:
        now, extra = self.table(totals), self.extra
        return np.maximum(np.maximum(now - self.table(extra.upper), self.table(extra.lower) - now), 0.0)

    def feasible(self, y: Floats, price: Floats, lowest: float) -> Floats:
        """Prices of the rows for which their conjugates are finite and no vehicle gains by burning energy.

        Args:
            y: prices, flat ``(M, width)``.
            price: price of energy at the meter, at least ``lowest``, ``(width,)``.
            lowest: lowest price at which no vehicle charges and discharges at once.
        """
        extra = self.extra
        made = np.zeros(self.numbers)
        now = self.table(made)
        most = extra.penalty[:, None]
        now[:] = np.clip(self.table(y), -most, most)
        now[np.isinf(self.table(extra.upper)) & (now > 0.0)] = 0.0
        now[np.isinf(self.table(extra.lower)) & (now < 0.0)] = 0.0
        groups = now[: extra.groups]
        if np.any(groups < 0.0) and lowest > -np.inf:
            down = -(self.shares @ np.minimum(groups, 0.0))
            room = price[: self.periods] - lowest + self.shares @ np.maximum(groups, 0.0)
            part = np.min(np.where(down > 0.0, room / np.maximum(down, 1e-300), 1.0), axis=0)
            part = np.clip(part * (1.0 - 1e-12), 0.0, 1.0)
            groups[:] = np.where(groups < 0.0, groups * part, groups)
        return made

    def conjugate(self, y: Floats) -> float:
        """Σ_j F_j*(y_j) of feasible prices."""
        return float(self._conjugates(y).sum())

    def _conjugates(self, y: Floats) -> Floats:
        now = self.table(y)
        upper = np.where(now > 0.0, self.table(self.extra.upper), 0.0)
        lower = np.where(now < 0.0, self.table(self.extra.lower), 0.0)
        return np.asarray((upper * np.maximum(now, 0.0) + lower * np.minimum(now, 0.0)).sum(axis=1))

    def gaps(self, y: Floats, totals: Floats, unit: float) -> Floats:
        """|F_j(G_j) + F_j*(y_j) − y_jᵀG_j| of each row, ``(M,)``: how far totals and prices are apart.

        Beyond a hard limit twice the row's highest price counts, at least ``unit``: infinity would steer nothing.
        """
        if not self.extra.rows:
            return np.zeros(0)
        dear = np.maximum(unit, 2.0 * np.abs(self.table(y)).max(axis=1))
        cost = np.minimum(self.extra.penalty, dear) * self._beyond(totals).sum(axis=1)
        met = (self.table(y) * self.table(totals)).sum(axis=1)
        return np.asarray(np.abs(cost + self._conjugates(y) - met))

    def prices_by_kind(self, price: Floats, y: Floats) -> Floats:
        """Price of AC energy as each kind of vehicle sees it, flat ``(C, width)``."""
        if not self.extra.groups:
            return np.tile(price, self.shares.shape[0])
        groups = y[: self.extra.groups * self.width].reshape(self.extra.groups, self.width)
        return np.asarray((price + self.shares @ groups).ravel())

    def tightened(self, margin_kwh: Floats) -> Coupling:
        """The same rows with limits drawn in by a margin ``(M, T)`` [kWh], for prices only."""
        margin = np.zeros(self.numbers)
        self.table(margin)[:] = margin_kwh
        upper, lower = self.extra.upper - margin, self.extra.lower + margin
        crossed = lower > upper
        middle = 0.5 * (self.extra.upper[crossed] + self.extra.lower[crossed])
        upper[crossed], lower[crossed] = middle, middle
        return replace(self, extra=self.extra._replace(upper=upper, lower=lower))

    def sampled(self, blocks: Blocks, chosen: Ints, share: float) -> Coupling:
        """The same rows for some of the blocks, their totals and limits scaled by ``share``."""
        extra = self.extra
        stock = extra.stock
        if stock.size:
            rows = np.concatenate([np.arange(blocks.first_row[b], blocks.first_row[b + 1]) for b in chosen])
            stock = stock.reshape(-1, LANES)[rows].ravel()
        part = extra._replace(
            weight=extra.weight[chosen],
            base=extra.base * share,
            upper=extra.upper * share,
            lower=extra.lower * share,
            stock=stock,
        )
        return replace(self, extra=part, kinds=self.kinds[chosen], size=self.size * share)


def kinds_of(problem: PlanProblem) -> tuple[Floats, Ints]:
    """The different shares that vehicles have in the groups, ``(C, G)``, and which of them each has, ``(N,)``."""
    if not problem.group_limits:
        return np.zeros((1, 0)), np.zeros(problem.fleet.size, dtype=np.int64)
    table = np.stack([limit.weight for limit in problem.group_limits], axis=1)
    if not table.shape[0]:
        return np.zeros((1, len(problem.group_limits))), np.zeros(0, dtype=np.int64)
    shares, kind = np.unique(table, axis=0, return_inverse=True)
    return shares, kind.reshape(-1).astype(np.int64)


def coupling_of(problem: PlanProblem, stays: Stays, blocks: Blocks, shares: Floats, kinds: Ints) -> Coupling:
    """Brings group limits and reserve of a problem into rows.

    Args:
        problem: the problem.
        stays: its vehicles without forced moves.
        blocks: the same packed; a block holds one kind of vehicle.
        shares: shares of the groups by kind, ``(C, G)``.
        kinds: kind of each block, ``(B,)``.
    """
    step_h, periods, reserve = problem.step_h, problem.periods, problem.energy_reserve
    width, groups = -(-periods // HALF) * HALF, len(problem.group_limits)
    rows = groups + (reserve is not None)
    tables = np.zeros((3, rows, width))
    tables[1], tables[2] = np.inf, -np.inf
    penalty = np.zeros(rows)
    for g, limit in enumerate(problem.group_limits):
        forced = _forced(problem, stays, limit.weight) if np.any(stays.rows[:, BEGIN] > stays.arrival) else 0.0
        tables[0, g, :periods] = limit.base_kw * step_h + forced
        tables[1, g, :periods] = limit.upper_kw * step_h
        tables[2, g, :periods] = limit.lower_kw * step_h
        penalty[g] = limit.penalty_per_kwh
    stock, there = np.zeros(0), np.zeros(periods)
    if reserve is not None:
        stock = np.zeros(blocks.rows * LANES)
        weight = reserve.weight if reserve.weight.ndim > 1 else reserve.weight[:, None]
        _fill_stock(
            blocks.vehicle, blocks.window, blocks.first_row, stays.rows,
            np.ascontiguousarray(weight * problem.fleet.discharge_efficiency[:, None]),
            counted_from(problem.fleet, step_h), problem.fleet.energy_min_kwh.astype(np.float64), stock,
            tables[0, groups], there,
        )  # fmt: skip
        tables[2, groups, :periods] = reserve.required_kwh
        penalty[groups] = reserve.penalty_per_kwh
    extra = Extra(
        rows, groups, np.ascontiguousarray(shares[kinds]), tables[0].ravel(), tables[1].ravel(), tables[2].ravel(),
        penalty, stock,
    )  # fmt: skip
    return Coupling(extra, periods, width, kinds, shares, _sizes(problem, blocks, extra, there))


def _sizes(problem: PlanProblem, blocks: Blocks, extra: Extra, there: Floats) -> Floats:
    """Typical movement of the rows' totals, flat ``(M, width)`` [kWh].

    The reserve moves by what a stay adds up to, and its price, added up over a stay, is like one of energy. Its steps
    go by the vehicles present, so that where they are few the price soon tells.
    """
    half_kw, periods = 0.5 * problem.step_h, problem.periods
    placed = blocks.vehicle[blocks.vehicle >= 0]
    sizes = np.zeros((extra.rows, -(-periods // HALF) * HALF))
    for g, limit in enumerate(problem.group_limits):
        base = np.abs(limit.base_kw).mean() * problem.step_h
        sizes[g] = float(base) + half_kw * max(float(limit.weight[placed].sum()), 1e-3)
    if problem.energy_reserve is not None:
        stay = blocks.rows / max(blocks.count, 1)
        sizes[-1, :periods] = half_kw * there * max(stay, 1.0) ** 2
        sizes[-1] = np.maximum(sizes[-1], LEAST_SIZE * max(float(sizes[-1].max()), 1e-6))
    return sizes.ravel()


def _forced(problem: PlanProblem, stays: Stays, weight: Floats) -> Floats:
    """AC energy that vehicles below their floor take without choice, as a group sees it, ``(T,)`` [kWh]."""
    change = np.zeros(problem.periods + 1)
    amount = weight * problem.fleet.charge_kw * problem.step_h
    np.add.at(change, stays.arrival, amount)
    np.add.at(change, stays.rows[:, BEGIN].astype(np.int64), -amount)
    return np.cumsum(change)[: problem.periods]


def pack_by_kind(rows: Floats, periods: int, kind: Ints, count: int) -> tuple[Blocks, Ints]:
    """Packs vehicles so that a block holds one kind; returns the blocks and the kind of each.

    Args:
        rows: as in :class:`Stays`.
        periods: steps T.
        kind: kind of each vehicle, ``(N,)``.
        count: number of kinds.
    """
    if count == 1:
        blocks = pack(rows, periods)
        return blocks, np.zeros(blocks.count, dtype=np.int64)
    parts, kinds = [], []
    for one in range(count):
        chosen = np.flatnonzero(kind == one)
        part = pack(np.ascontiguousarray(rows[chosen]), periods)
        vehicle = np.where(part.vehicle >= 0, chosen[part.vehicle], -1)
        parts.append((vehicle, part.columns, part.window))
        kinds.append(np.full(part.count, one, dtype=np.int64))
    vehicle, columns, window = (np.concatenate([part[k] for part in parts]) for k in range(3))
    first_row = np.zeros(window.shape[0] + 1, dtype=np.int64)
    np.cumsum(window[:, 1] - window[:, 0], out=first_row[1:])
    return Blocks(vehicle, columns, window, first_row), np.concatenate(kinds)
