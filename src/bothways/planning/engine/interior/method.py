"""The interior-point method: what ends the search where steps towards one schedule at a time do not.

Mehrotra's predictor and corrector (1992) over all vehicles and the meter at once. The vehicles are eliminated one by
one (see ``kernels``); what is left is a dense system with one row per step and one per step of each demand
charge. Prices and schedules that come out are a guess like any other: the certificate makes the bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.engine.interior.bounds import advance, centred, corrected, gap_ahead, gives, predicted
from bothways.planning.engine.interior.kernels import (
    couple,
    factor,
    follow,
    gather,
    residuals,
    solve_rows,
    uncouple,
)
from bothways.planning.engine.interior.meter import Meter, MeterSystem
from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    E0,
    END,
    FIELDS,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
    Blocks,
)
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.site import Site
from bothways.planning.problem import Floats, Ints

FIXED_KWH = 1e-6
"""A variable with less room than this does not move."""

_BACK = 0.995  # share of the way to the nearest bound
_SHORT = 1e-6  # steps shorter than this lead nowhere


@dataclass(frozen=True)
class Cars:
    """The vehicles as the method sees them; tables over vehicle-steps have ``(3, S)`` numbers.

    Attributes:
        lane: lane of each vehicle in the blocks, ``(N,)``.
        edges, first: where its steps begin in the tables, ``(N + 1,)``, and its first step, ``(N,)``.
        per_in, per_out, start: AC per stored energy, and stored energy at the start [kWh], ``(N,)``.
        low, high, cost: bounds [kWh] and costs [currency/kWh] of the variables, ``(3, S)``.
    """

    lane: Ints
    edges: Ints
    first: Ints
    per_in: Floats
    per_out: Floats
    start: Floats
    low: Floats
    high: Floats
    cost: Floats

    @staticmethod
    def of(blocks: Blocks) -> Cars:
        """Reads the vehicles out of their blocks."""
        table = blocks.columns.reshape(-1, FIELDS, LANES).transpose(1, 0, 2).reshape(FIELDS, -1)
        lane = np.flatnonzero((blocks.vehicle >= 0) & (table[END] > table[BEGIN]))
        rows = table[:, lane]
        first = rows[BEGIN].astype(np.int64)
        edges = np.zeros(lane.size + 1, dtype=np.int64)
        np.cumsum(rows[END].astype(np.int64) - first, out=edges[1:])
        owner = np.repeat(np.arange(lane.size), np.diff(edges))
        low, high = np.zeros((3, owner.size)), np.empty((3, owner.size))
        high[0], high[1] = rows[MOST_IN][owner], rows[MOST_OUT][owner]
        low[2], high[2] = rows[FLOOR][owner], rows[CEILING][owner]
        last = edges[1:] - 1
        low[2, last] = np.maximum(low[2, last], np.minimum(rows[REQUIRED], high[2, last]))
        cost = np.stack([-rows[VALUE][owner], (rows[WEAR] * rows[PER_OUT] + rows[VALUE])[owner], np.zeros(owner.size)])
        per_in, per_out, start = (np.ascontiguousarray(rows[n]) for n in (PER_IN, PER_OUT, E0))
        return Cars(lane, edges, first, per_in, per_out, start, low, high, cost)

    @property
    def longest(self) -> int:
        """Steps of the longest stay, at least 1."""
        return max(1, int(np.diff(self.edges).max(initial=1)))

    def most_kwh(self, periods: int) -> Floats:
        """Greatest AC energy that all vehicles take per step, ``(T,)`` [kWh]."""
        return self.energy(np.stack([self.high[0], np.zeros_like(self.high[0]), self.high[2]]), periods)

    def path(self) -> Floats:
        """Variables to start from, ``(3, S)`` [kWh]: a steady way from the start to a place that can be reached."""
        spans, last = np.diff(self.edges), self.edges[1:] - 1
        owner = np.repeat(np.arange(self.lane.size), spans)
        most_in, most_out = self.high[0, last], self.high[1, last]
        least = np.maximum(self.low[2, last], self.start - spans * most_out)
        most = np.minimum(self.high[2, last], self.start + spans * most_in)
        rate = (0.5 * (least + most) - self.start) / spans
        out = 0.1 * most_out
        into = np.clip(rate + out, 0.05 * most_in, 0.95 * most_in)
        out = np.clip(into - rate, 0.05 * most_out, 0.95 * most_out)
        k = np.arange(owner.size) - self.edges[:-1][owner] + 1
        room = self.high[2] - self.low[2]
        held = np.clip(self.start[owner] + k * rate[owner], self.low[2] + 0.05 * room, self.high[2] - 0.05 * room)
        return np.stack([into[owner], out[owner], held])

    def energy(self, x: Floats, periods: int) -> Floats:
        """AC energy of all vehicles per step at variables ``(3, S)``, ``(T,)`` [kWh]."""
        owner = np.repeat(np.arange(self.lane.size), np.diff(self.edges))
        step = np.arange(owner.size) - self.edges[:-1][owner] + self.first[owner]
        flow = x[0] * self.per_in[owner] - x[1] * self.per_out[owner]
        return np.bincount(step, weights=flow, minlength=periods).astype(np.float64)


class Interior:
    """The state of one search; :meth:`iterate` makes a step.

    Args:
        site: the meter.
        blocks: the vehicles.
        unit: a typical price [currency/kWh].

    Attributes:
        complementarity: duality gap of a point that keeps its equations [currency].
        lacking: what the equations still lack [kWh].
    """

    def __init__(self, site: Site, blocks: Blocks, unit: float) -> None:
        self.cars = cars = Cars.of(blocks)
        self.meter = meter = Meter.of(site, cars.most_kwh(site.periods))
        self._moving = cars.cost.size
        low, high = np.concatenate([cars.low.ravel(), meter.low]), np.concatenate([cars.high.ravel(), meter.high])
        self._cost = np.concatenate([cars.cost.ravel(), meter.cost])
        width = high - low
        self._free = (width > FIXED_KWH).astype(np.float64)
        capped = (self._free > 0.0) & np.isfinite(high)
        self._capped = capped.astype(np.float64)
        fixed = self._free == 0.0
        middle = np.where(fixed, np.maximum(low, 0.5 * (low + np.where(np.isfinite(high), high, low))), low)
        moving = np.where(fixed[: self._moving], middle[: self._moving], cars.path().ravel())
        self.x = np.concatenate([moving, middle[self._moving :]])
        self.x[self._moving :] += (
            meter.first(cars.energy(moving.reshape(3, -1), site.periods)) * self._free[self._moving :]
        )
        room = np.minimum(self.x - low, high - self.x)
        self._over = np.where(self._free > 0.0, self.x - low, 1.0)
        self._under = np.where(capped, high - self.x, 1.0)
        steps = int(cars.edges[-1])
        self.v, self.y = np.zeros(steps), np.zeros(meter.rows)
        self.y[: site.periods] = meter.cost[: site.periods]
        middling = float(np.median(room[self._free > 0.0])) if self._free.any() else 1.0
        self.zl = np.where(self._free > 0.0, unit * middling / np.maximum(room, FIXED_KWH), 0.0)
        self.zu = np.where(capped, self.zl, 0.0)
        self.count = float(self._free.sum() + self._capped.sum())
        self._pivot, self._below, self._cross = np.empty(steps), np.empty(steps), np.empty(steps)
        self._share, self._wider = np.empty(self.x.size), np.empty(self.x.size)
        self.lacking = math.inf
        self.complementarity = float((self._over * self.zl).sum() + (self._under * self.zu).sum())

    @property
    def objective(self) -> float:
        """Cost of the present point, which need not keep its equations [currency]."""
        return float((self._cost * self.x).sum())

    def _vehicles(self, numbers: Floats) -> Floats:
        return numbers[: self._moving].reshape(3, -1)

    def iterate(self) -> float:
        """One predictor and corrector; returns the length of the step, 0 where none could be made."""
        slacks = self._over, self._under, self.zl, self.zu
        give, cars = np.empty(self.x.size), self.cars
        gives(*slacks, self._free, give)
        rows, side, lack = self._lacking()
        system = self.meter.system(give[self._moving :], cars.longest)
        factor(
            cars.edges, cars.first, cars.per_in, cars.per_out, self._vehicles(give), self._pivot, self._below,
            self._cross, system.band,
        )  # fmt: skip
        system.factor()
        turn, counter, wanted = np.empty(self.x.size), np.empty(self.x.size), lack + self.zl - self.zu
        dx, _, _ = self._direction(give, system, rows, side, wanted)
        predicted(*slacks, self._capped, dx, turn, counter, self._share, self._wider)
        far, wide = min(1.0, self._longest(self._share)), min(1.0, self._longest(self._wider))
        after = gap_ahead(*slacks, dx, turn, counter, far, wide)
        centre = min(max(after, 0.0) / self.complementarity, 1.0) ** 3 * self.complementarity / self.count
        centred(*slacks, self._free, self._capped, dx, turn, counter, centre, far * wide, lack, wanted)
        dx, dv, dy = self._direction(give, system, rows, side, wanted)
        corrected(*slacks, self._capped, dx, turn, counter, self._share, self._wider)
        far, wide = self._longest(self._share), self._longest(self._wider)
        if math.isnan(far) or math.isnan(wide) or not (np.isfinite(dy).all() and np.isfinite(dv).all()):
            return 0.0
        far, wide = min(1.0, _BACK * far), min(1.0, _BACK * wide)
        self.complementarity = advance(self.x, *slacks, self._free, self._capped, dx, turn, counter, far, wide)
        self.v += wide * dv
        self.y += wide * dy
        length = max(far, wide)
        return length if length > _SHORT else 0.0

    @staticmethod
    def _longest(shares: Floats) -> float:
        """The longest step, where one step would take such shares of what there is; NaN where one is none."""
        return 1.0 / max(float(shares.max(initial=0.0)), 1e-300)  # in this order: none stays none

    def _lacking(self) -> tuple[Floats, Floats, Floats]:
        """What rows, balances and costs still lack."""
        cars, meter = self.cars, self.meter
        rows, energy, pull = np.empty(self.v.size), np.empty(meter.periods), self.zl - self.zu
        lack = np.empty(self.x.size)
        residuals(
            cars.edges, cars.first, cars.per_in, cars.per_out, cars.start, self._vehicles(self.x), self.v, self.y,
            self._vehicles(self._cost), self._vehicles(pull), rows, self._vehicles(lack), energy,
        )  # fmt: skip
        own = slice(self._moving, None)
        lack[own] = self._cost[own] - meter.priced(self.y) - pull[own]
        lack *= self._free
        side = meter.side - meter.seen(self.x[own])
        side[: meter.periods] += energy
        self.lacking = max(float(np.abs(rows).max(initial=0.0)), float(np.abs(side).max()) if side.size else 0.0)
        return rows, side, lack

    def _direction(
        self, give: Floats, system: MeterSystem, rows: Floats, side: Floats, lack: Floats
    ) -> tuple[Floats, Floats, Floats]:
        cars, meter, own = self.cars, self.meter, slice(self._moving, None)
        rows, side = rows.copy(), side + meter.seen(give[own] * lack[own])
        gives, lacks = self._vehicles(give), self._vehicles(lack)
        gather(cars.edges, cars.first, cars.per_in, cars.per_out, gives, lacks, rows, side)
        solve_rows(cars.edges, self._pivot, self._below, rows)
        couple(cars.edges, cars.first, self._cross, rows, side)
        side = system.solve(side)
        back = np.zeros(rows.size)
        uncouple(cars.edges, cars.first, self._cross, side, back)
        solve_rows(cars.edges, self._pivot, self._below, back)
        rows += back
        dx = np.empty(self.x.size)
        follow(cars.edges, cars.first, cars.per_in, cars.per_out, gives, lacks, rows, side, self._vehicles(dx))
        dx[own] = give[own] * (meter.priced(side) - lack[own])
        return dx, rows, side
