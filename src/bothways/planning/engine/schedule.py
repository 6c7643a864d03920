"""From the engine's schedules to powers and stored energies of vehicles, dense or on demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.engine.model import (
    BEGIN,
    CEILING,
    END,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    PER_IN,
    PER_OUT,
    REQUIRED,
    WEAR,
    Blocks,
    Numbers,
    Stays,
)
from bothways.planning.engine.simd import LANES
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
    """

    power_kw: Floats
    energy_kwh: Floats
    energy_end_kwh: Floats
    total_kw: Floats
    wear: float


@dataclass(frozen=True)
class Compact:
    """Schedules of a large fleet, stored for the steps of each stay only.

    Attributes:
        blocks, stays: how vehicles are packed, and their forced first moves.
        schedules: changes of stored energy, flat ``(rows, LANES)`` [kWh].
        step_h: length of a step [h].
        periods: steps T.
    """

    blocks: Blocks
    stays: Stays
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
            self._expand(np.array([vehicle]), lane_of[[vehicle]], power[row : row + 1], energy[row : row + 1])
        return power, energy

    def tables(self, *, dense: bool) -> Tables:
        """Every vehicle's schedule: as tables, or only what is summed over vehicles or steps."""
        count = self.stays.rows.shape[0]
        lane_of = np.flatnonzero(self.blocks.vehicle >= 0)
        placed = self.blocks.vehicle[lane_of]
        away = np.ones(count, dtype=np.bool_)
        away[placed] = False
        idle = np.flatnonzero(away)
        vehicles = np.concatenate([placed, idle])
        lanes = np.concatenate([lane_of, np.full(idle.size, -1, dtype=np.int64)])
        power = np.empty((count if dense else 0, self.periods))
        energy = np.empty((count if dense else 0, self.periods + 1))
        total, end, wear = self._expand(vehicles, lanes, power, energy)
        return Tables(power, energy, end, total, wear)

    def _expand(self, vehicles: Ints, lanes: Ints, power: Floats, energy: Floats) -> tuple[Floats, Floats, float]:
        total, end = np.zeros(self.periods), np.zeros(self.stays.rows.shape[0])
        blocks, stays = self.blocks, self.stays
        wear = _expand(
            vehicles, lanes, blocks.window, blocks.first_row, self.schedules, stays.rows, stays.arrival, stays.start,
            self.step_h, power, energy, total, end,
        )  # fmt: skip
        return total, end, float(wear)


@njit(cache=True, nogil=True)
def _expand(
    vehicles: Ints, lanes: Ints, window: Ints, first_row: Ints, schedules: Numbers, rows: Floats, arrival: Ints,
    start: Floats, step_h: float, power: Floats, energy: Floats, total: Floats, end: Floats,
) -> float:  # fmt: skip
    """Writes schedules moved into the vehicles' limits, as ``certificate.repaired`` prices them; returns the wear.

    Tables with one row per vehicle of the fleet are written by vehicle, tables with one row only in that row, tables
    without rows not at all.
    """
    periods = total.shape[0]
    one_power, one_energy = np.empty(periods), np.empty(periods + 1)
    wear = 0.0
    for k in range(vehicles.shape[0]):
        i, lane = vehicles[k], lanes[k]
        row = rows[i]
        if power.shape[0] > 0:
            one_power, one_energy = power[min(i, power.shape[0] - 1)], energy[min(i, power.shape[0] - 1)]
        now = start[i]
        begin, stop = int(row[BEGIN]), int(row[END])
        per_in, per_out, most_in, most_out = row[PER_IN], row[PER_OUT], row[MOST_IN], row[MOST_OUT]
        block = lane // LANES
        shift = (first_row[block] - window[block, 0]) * LANES + lane % LANES if lane >= 0 else 0
        for t in range(periods):
            one_energy[t] = now
            x = 0.0
            if arrival[i] <= t < begin:
                x = most_in
            elif lane >= 0 and begin <= t < stop:
                low = max(row[FLOOR], row[REQUIRED] - (stop - (t + 1.0)) * most_in)
                x = min(np.float64(schedules[shift + t * LANES]), most_in, row[CEILING] - now)
                x = min(max(x, -most_out, low - now), most_in)
            used = max(x, 0.0) * per_in + min(x, 0.0) * per_out
            wear -= min(x, 0.0) * per_out * row[WEAR]
            now += x
            one_power[t] = used / step_h
            total[t] += used / step_h
        one_energy[periods] = now
        end[i] = now
    return wear
