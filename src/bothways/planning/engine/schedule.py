"""From the engine's schedules to powers and stored energies of vehicles, dense or on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.engine.certificate import repaired
from bothways.planning.engine.coupling import Coupling
from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    E0,
    END,
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
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.threads import on_threads
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
        power, energy = np.empty((chosen.size, self.periods)), np.empty((chosen.size, self.periods + 1))
        for row, vehicle in enumerate(chosen.tolist()):
            end = np.empty(self.stays.rows.shape[0])
            self._expand(np.array([vehicle]), lane_of[[vehicle]], power[row : row + 1], energy[row : row + 1], end)
        return power, energy

    def summary(self, threads: int) -> Tables:
        """What a plan needs of the schedule without its tables: sums over vehicles, and the end of every stay."""
        blocks, rows = self.blocks, self.stays.rows
        last = np.zeros(blocks.vehicle.size)
        width = self.coupling.width
        sums = np.zeros((threads, width + self.coupling.numbers))
        edges = np.linspace(0, blocks.count, threads + 1).astype(np.int64)

        def work(own: int) -> float:
            return float(
                repaired(
                    edges[own], edges[own + 1], blocks.columns, blocks.window, blocks.first_row, self.schedules,
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
        lane_of = np.flatnonzero(self.blocks.vehicle >= 0)
        placed = self.blocks.vehicle[lane_of]
        away = np.ones(count, dtype=np.bool_)
        away[placed] = False
        idle = np.flatnonzero(away)
        vehicles = np.concatenate([placed, idle])
        lanes = np.concatenate([lane_of, np.full(idle.size, -1, dtype=np.int64)])
        power, energy = np.empty((count, self.periods)), np.empty((count, self.periods + 1))
        end = np.zeros(count)
        edges = np.linspace(0, count, threads + 1).astype(np.int64)

        def work(own: int) -> tuple[Floats, float]:
            part = slice(edges[own], edges[own + 1])
            return self._expand(vehicles[part], lanes[part], power, energy, end)

        parts = on_threads(work, threads)
        total = np.asarray(sum(part[0] for part in parts))
        return Tables(power, energy, end, total, math.fsum(part[1] for part in parts))

    def _expand(self, vehicles: Ints, lanes: Ints, power: Floats, energy: Floats, end: Floats) -> tuple[Floats, float]:
        total = np.zeros(self.periods)
        blocks, stays = self.blocks, self.stays
        wear = _expand(
            vehicles, lanes, blocks.window, blocks.first_row, self.schedules, stays.rows, stays.arrival, stays.start,
            self.step_h, power, energy, total, end,
        )  # fmt: skip
        return total, float(wear)


@njit(cache=True, nogil=True)
def _expand(
    vehicles: Ints, lanes: Ints, window: Ints, first_row: Ints, schedules: Numbers, rows: Floats, arrival: Ints,
    start: Floats, step_h: float, power: Floats, energy: Floats, total: Floats, end: Floats,
) -> float:  # fmt: skip
    """Writes schedules moved into the vehicles' limits, as ``certificate.repaired`` prices them; returns the wear.

    Tables with one row per vehicle of the fleet are written by vehicle, tables with one row in that row.
    """
    wear = 0.0
    for k in range(vehicles.shape[0]):
        i, lane = vehicles[k], lanes[k]
        row = rows[i]
        one_power, one_energy = power[min(i, power.shape[0] - 1)], energy[min(i, power.shape[0] - 1)]
        now = start[i]
        begin, stop = int(row[BEGIN]), int(row[END])
        per_in, per_out, most_in, most_out = row[PER_IN], row[PER_OUT], row[MOST_IN], row[MOST_OUT]
        forced = min(max(int(arrival[i]), 0), begin)
        one_power[:] = 0.0
        one_energy[:forced] = now
        for t in range(forced, begin):
            one_energy[t] = now
            now += most_in
            one_power[t] = most_in * per_in / step_h
            total[t] += one_power[t]
        if lane >= 0:
            block = lane // LANES
            at = (first_row[block] + begin - window[block, 0]) * LANES + lane % LANES
            for t in range(begin, stop):
                one_energy[t] = now
                low = max(row[FLOOR], row[REQUIRED] - (stop - (t + 1.0)) * most_in)
                x = min(np.float64(schedules[at]), most_in, row[CEILING] - now)
                x = min(max(x, -most_out, low - now), most_in)
                at += LANES
                sold = min(x, 0.0) * per_out
                used = (max(x, 0.0) * per_in + sold) / step_h
                wear -= sold * row[WEAR]
                now += x
                one_power[t] = used
                total[t] += used
        one_energy[stop if lane >= 0 else begin :] = now
        end[i] = now
    return wear
