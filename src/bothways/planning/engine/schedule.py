"""From the engine's schedules to powers and stored energies of vehicles, dense or on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.engine.certificate import repaired, within
from bothways.planning.engine.coupling import Coupling
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
    Numbers,
    Stays,
)
from bothways.planning.engine.simd import HALF, LANES, load, load_like, splat, store, total, vmax, vmin
from bothways.planning.engine.stream import stream
from bothways.planning.engine.threads import on_threads
from bothways.planning.engine.turns import PIECE, claim, fresh
from bothways.planning.problem import Floats, Ints


@dataclass(frozen=True)
class Tables:
    """A schedule as the plan format wants it.

    Attributes:
        power_kw: ``(N, T)`` or no rows [kW].
        energy_kwh: ``(N, T + 1)`` or no rows [kWh].
        energy_end_kwh: ``(N,)`` [kWh].
        total_kw: power of all vehicles, ``(T,)`` [kW].
        wear: [currency].
        rows_kwh: what group limits and reserve see, ``(M, T)`` [kWh]; left out where there are tables.
    """

    power_kw: Floats
    energy_kwh: Floats
    energy_end_kwh: Floats
    total_kw: Floats
    wear: float
    rows_kwh: Floats | None = None


@dataclass(frozen=True)
class Compact:
    """Schedules of a large fleet, stored for the steps of each stay only.

    Attributes:
        blocks, stays: how vehicles are packed, and their forced first moves.
        coupling: group limits and reserve.
        schedules: changes of stored energy, flat ``(rows, LANES)`` [kWh].
        step_h: length of a step [h].
        periods: steps T.
    """

    blocks: Blocks
    stays: Stays
    coupling: Coupling
    schedules: Numbers
    step_h: float
    periods: int

    def rows(self, vehicles: Ints) -> tuple[Floats, Floats]:
        """AC power ``(len, T)`` [kW] and stored energy ``(len, T + 1)`` [kWh] of some vehicles, exactly as planned."""
        lane_of = np.full(self.stays.rows.shape[0], -1, dtype=np.int64)
        taken = np.flatnonzero(self.blocks.vehicle >= 0)
        lane_of[self.blocks.vehicle[taken]] = taken
        chosen = np.asarray(vehicles, dtype=np.int64)
        power, energy = np.zeros((chosen.size, self.periods)), np.empty((chosen.size, self.periods + 1))
        end = np.empty(chosen.size)
        lanes = lane_of[chosen]
        placed = np.flatnonzero(lanes >= 0)
        place = np.full((placed.size, LANES), -1, dtype=np.int64)
        place[np.arange(placed.size), lanes[placed] % LANES] = placed
        self._expand(fresh(), lanes[placed] // LANES, place.ravel(), power, energy, end)
        idle = np.flatnonzero(lanes < 0)
        self._leave(chosen[idle], idle, power, energy, end)
        return power, energy

    def summary(self, threads: int) -> Tables:
        """What a plan needs of the schedule without its tables: sums over vehicles, and the end of every stay."""
        blocks, rows = self.blocks, self.stays.rows
        last = np.zeros(blocks.vehicle.size)
        width = self.coupling.width
        sums = np.zeros((threads, width + self.coupling.numbers))
        turns = fresh()

        def work(own: int) -> float:
            return float(
                repaired(
                    turns, blocks.columns, blocks.window, blocks.first_row, self.schedules,
                    sums[own], last, self.coupling.extra, width,
                )
            )  # fmt: skip

        own_cost = math.fsum(on_threads(work, threads))
        end = rows[:, E0].copy()
        taken = np.flatnonzero(blocks.vehicle >= 0)
        placed = blocks.vehicle[taken]
        worth = float((last[taken] - end[placed]) @ rows[placed, VALUE])
        end[placed] = last[taken]
        total = (sums.sum(axis=0)[: self.periods] + self.stays.forced) / self.step_h
        none = np.empty((0, self.periods)), np.empty((0, self.periods + 1))
        rows_kwh = self.coupling.table(self.coupling.totals(sums))
        return Tables(*none, end, total, own_cost + worth, rows_kwh)

    def tables(self, threads: int) -> Tables:
        """Every vehicle's schedule as tables."""
        count = self.stays.rows.shape[0]
        away = np.ones(count, dtype=np.bool_)
        away[self.blocks.vehicle[self.blocks.vehicle >= 0]] = False
        idle = np.flatnonzero(away)
        # Zeros cost nothing where nobody writes: most of the day a vehicle is not there.
        power, energy = np.zeros((count, self.periods)), np.empty((count, self.periods + 1))
        end = np.empty(count)
        turns, blocks = fresh(), np.arange(self.blocks.count)

        def work(_: int) -> tuple[Floats, float]:
            return self._expand(turns, blocks, self.blocks.vehicle, power, energy, end)

        parts = on_threads(work, threads)
        self._leave(idle, idle, power, energy, end)
        total = (np.sum([part[0] for part in parts], axis=0)[: self.periods] + self.stays.forced) / self.step_h
        return Tables(power, energy, end, total, math.fsum(part[1] for part in parts))

    def _expand(
        self, turns: Ints, visited: Ints, place: Ints, power: Floats, energy: Floats, end: Floats
    ) -> tuple[Floats, float]:
        """Writes the schedules of blocks into tables; returns AC energy per step without forced moves, and wear."""
        total = np.zeros(self.periods)
        blocks, stays = self.blocks, self.stays
        wear = _expand(
            turns, visited, place, blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, self.schedules,
            stays.arrival, stays.start, self.step_h, power, energy, end, total,
        )  # fmt: skip
        return total, float(wear)

    def _leave(self, vehicles: Ints, place: Ints, power: Floats, energy: Floats, end: Floats) -> None:
        """The same for vehicles that have nothing to decide."""
        stays = self.stays
        _leave(vehicles, place, stays.rows, stays.arrival, stays.start, self.step_h, power, energy, end)


@njit(cache=True, nogil=True)
def _arrive(
    at: int, arrival: int, begin: int, start: float, most_in: float, forced_kw: float, power: Floats, energy: Floats
) -> float:
    """Writes row ``at`` before a vehicle's first decision: energy at arrival, forced charging; returns the last."""
    forced, now = min(max(arrival, 0), begin), start
    for t in range(forced):
        stream(energy, at, t, now)
    for t in range(forced, begin):
        stream(energy, at, t, now)
        stream(power, at, t, forced_kw)
        now += most_in
    return now


@njit(cache=True, nogil=True)
def _leave(
    vehicles: Ints, place: Ints, rows: Floats, arrival: Ints, start: Floats, step_h: float, power: Floats,
    energy: Floats, end: Floats,
) -> None:  # fmt: skip
    """Writes vehicles without a decision into rows ``place`` of tables whose powers are 0."""
    for k in range(vehicles.shape[0]):
        i, at = vehicles[k], place[k]
        begin, most_in = int(rows[i, BEGIN]), rows[i, MOST_IN]
        forced_kw = most_in * rows[i, PER_IN] / step_h
        end[at] = _arrive(at, arrival[i], begin, start[i], most_in, forced_kw, power, energy)
        energy[at, begin:] = end[at]


@njit(cache=True, nogil=True)
def _expand(
    turns: Ints, visited: Ints, place: Ints, columns: Floats, window: Ints, first_row: Ints, vehicle: Ints,
    schedules: Numbers, arrival: Ints, start: Floats, step_h: float, power: Floats, energy: Floats, end: Floats,
    used: Floats,
) -> float:  # fmt: skip
    """Writes schedules moved into the vehicles' limits, as ``certificate.repaired`` prices them; returns the wear.

    Takes:
        turns: counter of the places in ``visited`` that are taken; shared by threads.
        visited: blocks to write, ``(V,)``.
        place: row of the tables for each of their lanes, −1 for lanes that are not wanted, ``(V·LANES,)``.
        columns, window, first_row, vehicle: the blocks in float64.
        schedules: changes of stored energy, flat ``(rows, LANES)``, either kind of number.
        arrival, start, step_h: first step of presence, energy then [kWh], length of a step [h].
        power, energy, end: the tables, powers 0 before; and energy at the end by row of them.
        used: AC energy per step without forced moves, ``(T,)`` [kWh]; added to.
    """
    periods = power.shape[1]
    moves, stock = np.empty(periods * HALF), np.empty((periods + 1) * HALF)
    worn = 0.0
    while True:
        claimed = claim(turns, PIECE)
        if claimed >= visited.shape[0]:
            return worn
        for visit in range(claimed, min(claimed + PIECE, visited.shape[0])):
            block = visited[visit]
            for half in range(2):
                worn += _half(columns, window, first_row, schedules, block, half, 1.0 / step_h, moves, stock, used)
                first = window[block, 0]
                for lane in range(HALF):
                    at = place[visit * LANES + half * HALF + lane]
                    if at < 0:
                        continue
                    i = vehicle[block * LANES + half * HALF + lane]
                    base = block * FIELDS * LANES + half * HALF + lane
                    begin, stop = int(columns[base + BEGIN * LANES]), int(columns[base + END * LANES])
                    most_in = columns[base + MOST_IN * LANES]
                    forced_kw = most_in * columns[base + PER_IN * LANES] / step_h
                    _arrive(at, arrival[i], begin, start[i], most_in, forced_kw, power, energy)
                    for t in range(begin, stop):
                        stream(power, at, t, moves[(t - first) * HALF + lane])
                        stream(energy, at, t, stock[(t - first) * HALF + lane])
                    now = stock[(stop - first) * HALF + lane]
                    for t in range(stop, periods + 1):
                        stream(energy, at, t, now)
                    end[at] = now


@njit(cache=True, nogil=True)
def _half(
    columns: Floats, window: Ints, first_row: Ints, schedules: Numbers, block: int, half: int, per_h: float,
    moves: Floats, stock: Floats, used: Floats,
) -> float:  # fmt: skip
    """Powers [kW] and stored energies before each step and after the last [kWh] of half a block; returns its wear."""
    base, first, row = block * FIELDS * LANES + half * HALF, window[block, 0], first_row[block]
    ceiling, floor = load(columns, base + CEILING * LANES), load(columns, base + FLOOR * LANES)
    wish = load(columns, base + REQUIRED * LANES)
    most_in, most_out = load(columns, base + MOST_IN * LANES), load(columns, base + MOST_OUT * LANES)
    per_in, per_out = load(columns, base + PER_IN * LANES), load(columns, base + PER_OUT * LANES)
    begin, end = load(columns, base + BEGIN * LANES), load(columns, base + END * LANES)
    now, zero = load(columns, base + E0 * LANES), splat(ceiling, 0.0)
    worn = zero
    for t in range(first, window[block, 1]):
        place = (row + t - first) * LANES + half * HALF
        store(stock, (t - first) * HALF, now)
        low = vmax(floor, wish - (end - splat(ceiling, t + 1.0)) * most_in)
        x = load_like(ceiling, schedules, place)
        x = within(x, now, low, ceiling, most_in, most_out, begin, end, splat(ceiling, t + 0.5))
        now = now + x
        sold = vmin(x, zero) * per_out
        amount = vmax(x, zero) * per_in + sold
        worn = worn - sold * load(columns, base + WEAR * LANES)
        store(moves, (t - first) * HALF, amount * splat(ceiling, per_h))
        used[t] += total(amount)
    store(stock, (window[block, 1] - first) * HALF, now)
    return float(total(worn))
