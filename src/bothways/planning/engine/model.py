"""A plan problem as the engine sees it: stays without forced moves, energies, vehicles in blocks.

All energies are per step [kWh]: x is the change of stored energy, q = Δ·p the energy at the AC side. Prices are per
kWh, so Δ appears only here and where the answer is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.planning.engine.simd import LANES
from bothways.planning.problem import Floats, Ints, PlanProblem

E0, REQUIRED, FLOOR, CEILING, MOST_IN, MOST_OUT, PER_IN, PER_OUT, WEAR, VALUE, BEGIN, END, ONE_WAY = range(13)
FIELDS = 13
"""Rows of a block of vehicles: stored energy at the start, wish at the end, floor, ceiling, greatest change up and
down [kWh]; AC energy per stored energy when charging (1/ηc) and when discharging (ηd); wear, terminal value
[currency/kWh]; first step and step after the last; ``BIG`` for a vehicle that cannot discharge."""

Numbers = NDArray[np.floating[Any]]
"""float32 in the search, float64 in the certificate."""

BIG = 1e30
"""A price that no price reaches; finite, so that no kernel ever forms inf − inf."""


@dataclass(frozen=True)
class Stays:
    """Vehicles whose forced first moves are done; one row of ``FIELDS`` numbers per vehicle.

    Attributes:
        rows: shape ``(N, FIELDS)``.
        forced: AC energy per step of vehicles that must first charge up to their floor, ``(T,)`` [kWh].
        arrival: first step of presence, ``(N,)``; a forced move fills the steps from here to ``BEGIN``.
        start: stored energy then, ``(N,)`` [kWh].
    """

    rows: Floats
    forced: Floats
    arrival: Ints
    start: Floats


@dataclass(frozen=True)
class Blocks:
    """Vehicles sorted by stay and packed ``LANES`` at a time.

    Attributes:
        vehicle: vehicle in each lane, −1 for an empty lane, shape ``(B·LANES,)``.
        columns: float64, flat ``(B, FIELDS, LANES)``.
        window: first step and step after the last of each block, shape ``(B, 2)``.
        first_row: where each block's window begins in tables of one row per block and step, shape ``(B + 1,)``.
    """

    vehicle: Ints
    columns: Floats
    window: Ints
    first_row: Ints

    @property
    def count(self) -> int:
        """Number of blocks B."""
        return int(self.window.shape[0])

    @property
    def rows(self) -> int:
        """Rows of ``LANES`` numbers that a table over all blocks and steps needs."""
        return int(self.first_row[-1])


def lowest_convex_price(problem: PlanProblem) -> float:
    """Price below which charging and discharging at once would pay for some vehicle [currency/kWh].

    Buying stored energy at λ/ηc and selling it at (λ − w)ηd is a loss as long as λ ≥ −w·ηcηd/(1 − ηcηd).
    """
    fleet = problem.fleet
    columns = (fleet.discharge_kw, fleet.charge_efficiency, fleet.discharge_efficiency, fleet.wear_per_kwh)
    stays = np.asarray(fleet.departure) > np.asarray(fleet.arrival)
    return float(_lowest(stays, *(np.ascontiguousarray(column, dtype=np.float64) for column in columns)))


@njit(cache=True, nogil=True)
def _lowest(stays: NDArray[np.bool_], discharge: Floats, eff_in: Floats, eff_out: Floats, wear: Floats) -> float:
    lowest = -math.inf
    for i in range(stays.shape[0]):
        round_trip = eff_in[i] * eff_out[i]
        if stays[i] and discharge[i] > 0.0 and round_trip < 1.0:
            lowest = max(lowest, -wear[i] * round_trip / (1.0 - round_trip))
    return lowest


def stays_of(problem: PlanProblem) -> Stays:
    """Brings every vehicle into the engine's form: reachable requirement, forced charging up to the floor taken out."""
    fleet = problem.fleet
    rows = np.empty((fleet.size, FIELDS))
    forced = np.zeros(problem.periods)
    arrival = np.ascontiguousarray(fleet.arrival, dtype=np.int64)
    start = np.ascontiguousarray(fleet.energy_at_arrival_kwh, dtype=np.float64)
    _fill_stays(
        problem.step_h,
        problem.terminal_value_per_kwh,
        arrival,
        np.ascontiguousarray(fleet.departure, dtype=np.int64),
        start,
        *(
            np.ascontiguousarray(column, dtype=np.float64)
            for column in (
                fleet.energy_required_kwh,
                fleet.energy_min_kwh,
                fleet.energy_max_kwh,
                fleet.charge_kw,
                fleet.discharge_kw,
                fleet.charge_efficiency,
                fleet.discharge_efficiency,
                fleet.wear_per_kwh,
            )
        ),
        rows,
        forced,
    )
    return Stays(rows, forced, arrival, start)


@njit(cache=True, nogil=True)
def _fill_stays(
    step_h: float,
    value: float,
    arrival: Ints,
    departure: Ints,
    start: Floats,
    wish: Floats,
    floor: Floats,
    ceiling: Floats,
    charge: Floats,
    discharge: Floats,
    eff_in: Floats,
    eff_out: Floats,
    wear: Floats,
    rows: Floats,
    forced: Floats,
) -> None:
    for i in range(arrival.shape[0]):
        begin, end, energy = arrival[i], departure[i], start[i]
        most_in = charge[i] * step_h * eff_in[i]
        lowest = floor[i]
        highest = max(ceiling[i], energy)
        if most_in <= 0.0:
            lowest = min(lowest, energy)  # it cannot charge up to its floor; it must not discharge either
        while begin < end and energy + most_in < lowest:
            energy += most_in
            forced[begin] += charge[i] * step_h
            begin += 1
        if begin == end:
            lowest = min(lowest, energy)
        reachable = min(highest, energy + most_in * (end - begin))
        row = rows[i]
        row[E0] = energy
        row[REQUIRED] = max(lowest, min(wish[i], reachable))
        row[FLOOR] = lowest
        row[CEILING] = highest
        row[MOST_IN] = most_in
        row[MOST_OUT] = discharge[i] * step_h / eff_out[i]
        row[PER_IN] = 1.0 / eff_in[i]
        row[PER_OUT] = eff_out[i]
        row[WEAR] = wear[i]
        row[VALUE] = value
        row[BEGIN] = begin
        row[END] = end
        row[ONE_WAY] = 0.0 if discharge[i] > 0.0 else BIG


_SPARSE = 20  # possible keys per vehicle up to which counting them is faster than comparing


def pack(rows: Floats, periods: int) -> Blocks:
    """Sorts vehicles by departure, arrival, direction and depth of their battery, and packs them into blocks."""
    keys = np.empty(rows.shape[0], dtype=np.int64)
    free = _keys(rows, periods, keys)
    span = (periods + 1) * (periods + 1) * 16
    if span <= _SPARSE * rows.shape[0]:
        order = _counting_sort(keys, span)[:free]
    else:
        order = np.argsort(keys, kind="stable")[:free]
    count = -(-free // LANES)
    vehicle = np.full(count * LANES, -1, dtype=np.int64)
    vehicle[:free] = order
    columns = np.empty(count * FIELDS * LANES)
    window = np.empty((count, 2), dtype=np.int64)
    _fill_blocks(rows, vehicle, columns, window)
    first_row = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(window[:, 1] - window[:, 0], out=first_row[1:])
    return Blocks(vehicle, columns, window, first_row)


@njit(cache=True, nogil=True)
def _keys(
    rows: Floats,
    periods: int,
    keys: Ints,
) -> int:
    free = 0
    top = (periods + 1) * (periods + 1) * 16 - 1
    for i in range(rows.shape[0]):
        row = rows[i]
        if row[END] <= row[BEGIN] or row[MOST_IN] + row[MOST_OUT] <= 0.0:
            keys[i] = top  # nothing to decide; sorted last and left out
            continue
        free += 1
        depth = (row[CEILING] - row[FLOOR]) / max(row[MOST_IN], row[MOST_OUT])
        depth_class = min(7, int(depth / 8.0))
        two_way = 1 if row[ONE_WAY] == 0.0 else 0
        keys[i] = ((np.int64(row[END]) * (periods + 1) + np.int64(row[BEGIN])) * 2 + two_way) * 8 + depth_class
    return free


@njit(cache=True, nogil=True)
def _counting_sort(
    keys: Ints,
    span: int,
) -> Ints:
    start = np.zeros(span + 1, dtype=np.int64)
    for i in range(keys.shape[0]):
        start[keys[i] + 1] += 1
    for k in range(span):
        start[k + 1] += start[k]
    order = np.empty(keys.shape[0], dtype=np.int64)
    for i in range(keys.shape[0]):
        order[start[keys[i]]] = i
        start[keys[i]] += 1
    return order


@njit(cache=True, nogil=True)
def _fill_blocks(
    rows: Floats,
    vehicle: Ints,
    columns: Floats,
    window: Ints,
) -> None:
    for b in range(window.shape[0]):
        first, last = np.int64(2**62), np.int64(0)
        for lane in range(LANES):
            i = vehicle[b * LANES + lane]
            base = b * FIELDS * LANES + lane
            for f in range(FIELDS):
                number = rows[i, f] if i >= 0 else 0.0
                columns[base + f * LANES] = number
            if i >= 0:
                first = min(first, np.int64(rows[i, BEGIN]))
                last = max(last, np.int64(rows[i, END]))
            else:
                columns[base + ONE_WAY * LANES] = BIG
        window[b, 0], window[b, 1] = first, last
