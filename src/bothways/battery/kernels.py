"""The compiled loop that ages batteries: one pass over a profile, state in and state out.

A sample of state of charge holds for its step (left-labelled, like every interval of bothways); the move between two
samples happens at the second one's temperature. The state knows everything that a cut of the profile would lose: the
open turning points of the rainflow, the segment under way, the day under way.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from bothways.battery.laws import (
    CAP_A,
    CAP_B,
    DAY_HIGH,
    DAY_HOURS,
    DAY_LOW,
    DAY_RATE,
    DAY_RELAX,
    DAYS,
    DIRECTION,
    FEC,
    GENERIC,
    GRID,
    HOURS,
    KELVIN,
    LAST_SOC,
    LFP250,
    NCA,
    NMC50,
    NREL,
    PATH,
    PATH_KELVIN,
    POINTS,
    R_CALENDAR,
    R_CYCLE,
    RELAX_A,
    RELAX_B,
    RELAXED,
    RES_A,
    RES_B,
    SANYO,
    SONY,
    STACK,
    VOLTAGE2,
    Z_CALENDAR,
    Z_CYCLE,
    Z_SITES,
    generic_cycle,
    lfp250_cycle,
    losses,
    nca_cycle,
    nmc50_cycle,
    nrel_cycle,
    nrel_depth_factor,
    sanyo_cycle,
    sony_cycle,
)
from bothways.battery.rainflow import POINT, STACK_DEPTH, drop_inner, drop_oldest, has_inner, push, segment

Floats = NDArray[np.float64]

STATE_SIZE = STACK + (STACK_DEPTH + 1) * POINT
"""Numbers in the state of one battery."""

REPORT_SIZE = 6
"""Numbers in a report: capacity lost with time, with use, resistance gained with time, with use, days, FEC."""

# Positions in a cell's coefficients.
KIND, HEAT_POWER, P_CALENDAR, P_CYCLE, HAS_RESISTANCE, KEEP_ENERGY = range(6)


@njit(cache=True, nogil=True)
def look_up(table: Floats, soc: float) -> float:
    """Linear interpolation in a table over state of charge 0…1."""
    x = min(max(soc, 0.0), 1.0) * GRID
    i = min(int(x), GRID - 1)
    return float(table[i] + (x - i) * (table[i + 1] - table[i]))


@njit(cache=True, nogil=True)
def add_cycle(
    c: Floats,
    tables: Floats,
    s: Floats,
    count: float,
    depth: float,
    low: float,
    high: float,
    rate: float,
    kelvin: float,
) -> None:
    """Adds ``count`` (1 or 0.5) cycles to the state's losses."""
    kind = int(c[KIND])
    real = depth
    if c[KEEP_ENERGY] > 0.0 and depth > 0.0:
        calendar, cycle = losses(kind, c[P_CALENDAR], c[P_CYCLE], s)
        # The same kWh are a deeper cycle of a battery that has shrunk.
        real = min(1.0, depth / max(0.05, 1.0 - calendar - cycle))
    fec = count * depth
    if kind == SANYO:
        if high > low:
            mean_v2 = (look_up(tables[VOLTAGE2], high) - look_up(tables[VOLTAGE2], low)) / (high - low)
            z, r = sanyo_cycle(real, math.sqrt(mean_v2))
            s[Z_CYCLE] += z * fec
            s[R_CYCLE] += r * fec
    elif kind == SONY:
        z, r = sony_cycle(real, rate)
        s[Z_CYCLE] += z * fec
        s[R_CYCLE] += r * fec
    elif kind == LFP250:
        s[Z_CYCLE] += lfp250_cycle(real, rate, kelvin) * fec
    elif kind == NCA:
        s[Z_CYCLE] += nca_cycle(real, rate, kelvin) * fec
    elif kind == NMC50:
        s[Z_CYCLE] += nmc50_cycle(real, rate, kelvin) * fec
    elif kind == NREL:
        lithium, sites = nrel_cycle(real, kelvin)
        s[Z_CYCLE] += lithium * count
        s[Z_SITES] += sites * count
    elif kind == GENERIC:
        s[Z_CYCLE] += generic_cycle(real, 0.5 * (low + high), kelvin) * count


@njit(cache=True, nogil=True)
def turn(c: Floats, tables: Floats, s: Floats) -> None:
    """The profile turns at ``LAST_SOC``: notes the turning point and settles the cycles that this closes."""
    stack = s[STACK:]
    n = push(stack, int(s[POINTS]), s[LAST_SOC], s[PATH], s[HOURS], s[PATH_KELVIN])
    s[PATH] = s[HOURS] = s[PATH_KELVIN] = 0.0
    while has_inner(stack, n):
        depth, low, high, rate, kelvin = segment(stack, n - 2)
        add_cycle(c, tables, s, 1.0, depth, low, high, rate, kelvin)
        n = drop_inner(stack, n)
    if n > STACK_DEPTH:
        depth, low, high, rate, kelvin = segment(stack, 1)
        add_cycle(c, tables, s, 0.5, depth, low, high, rate, kelvin)
        n = drop_oldest(stack, n)
    s[POINTS] = n


@njit(cache=True, nogil=True)
def end_day(s: Floats) -> None:
    """Settles the day under way of the NREL cell, whose calendar rate depends on the day's range of soc."""
    days = s[DAY_HOURS] / 24.0
    if days <= 0.0:
        return
    spread = max(0.0, s[DAY_HIGH] - s[DAY_LOW])
    s[Z_CALENDAR] += s[DAY_RATE] * nrel_depth_factor(spread)
    goal = s[DAY_RELAX] / days * (1.0 + 0.135 * spread)
    if goal > s[RELAXED]:
        s[RELAXED] += (goal - s[RELAXED]) * (1.0 - math.exp(-days / 5.0))
    s[DAY_HOURS] = s[DAY_RATE] = s[DAY_RELAX] = 0.0
    s[DAY_LOW], s[DAY_HIGH] = 2.0, -1.0


@njit(cache=True, nogil=True)
def calendar_rates(c: Floats, tables: Floats, soc: float, kelvin: float) -> tuple[float, float]:
    """Calendar rates per day at a state of charge and a temperature: of capacity, and of resistance or relaxation."""
    heat = 1.0 / kelvin
    if c[HEAT_POWER] == 3.0:
        heat = heat * heat * heat
    x = min(max(soc, 0.0), 1.0) * GRID
    i = min(int(x), GRID - 1)
    w = x - i
    a = tables[CAP_A, i] + w * (tables[CAP_A, i + 1] - tables[CAP_A, i])
    b = tables[CAP_B, i] + w * (tables[CAP_B, i + 1] - tables[CAP_B, i])
    first = math.exp(a + b * heat)
    if c[KIND] == NREL:
        a = tables[RELAX_A, i] + w * (tables[RELAX_A, i + 1] - tables[RELAX_A, i])
        b = tables[RELAX_B, i] + w * (tables[RELAX_B, i + 1] - tables[RELAX_B, i])
    elif c[HAS_RESISTANCE] > 0.0:
        a = tables[RES_A, i] + w * (tables[RES_A, i + 1] - tables[RES_A, i])
        b = tables[RES_B, i] + w * (tables[RES_B, i + 1] - tables[RES_B, i])
    else:
        return first, 0.0
    return first, math.exp(a + b * heat)


@njit(cache=True, nogil=True)
def rest_day(s: Floats, soc: float, capacity: float, relax: float, step_h: float) -> None:
    """Adds a step to the day under way of the NREL cell, and settles the day when it is full."""
    days = step_h / 24.0
    s[DAY_RATE] += days * capacity
    s[DAY_RELAX] += days * relax
    s[DAY_HOURS] += step_h
    s[DAY_LOW] = min(s[DAY_LOW], soc)
    s[DAY_HIGH] = max(s[DAY_HIGH], soc)
    if s[DAY_HOURS] >= 24.0 - 1e-9:
        end_day(s)


@njit(cache=True, nogil=True)
def move(c: Floats, tables: Floats, s: Floats, soc: float, kelvin: float, step_h: float) -> None:
    """The state of charge goes to ``soc`` within one step: throughput and rainflow."""
    if s[POINTS] == 0.0:
        s[LAST_SOC] = soc
        s[POINTS] = push(s[STACK:], 0, soc, 0.0, 0.0, 0.0)
        return
    change = soc - s[LAST_SOC]
    if change == 0.0:
        return
    if change * s[DIRECTION] < 0.0:
        turn(c, tables, s)
    way = abs(change)
    s[DIRECTION] = 1.0 if change > 0.0 else -1.0
    s[PATH] += way
    s[HOURS] += step_h
    s[PATH_KELVIN] += way * kelvin
    s[FEC] += 0.5 * way
    s[LAST_SOC] = soc


@njit(cache=True, nogil=True)
def report(c: Floats, tables: Floats, s: Floats, out: Floats) -> None:
    """Losses at this moment: open cycles count as half cycles and the open day as it is; the state stays as it was."""
    final = s.copy()
    if final[PATH] > 0.0:
        turn(c, tables, final)
    stack = final[STACK:]
    for i in range(1, int(final[POINTS])):
        depth, low, high, rate, kelvin = segment(stack, i)
        add_cycle(c, tables, final, 0.5, depth, low, high, rate, kelvin)
    end_day(final)
    out[0], out[1] = losses(int(c[KIND]), c[P_CALENDAR], c[P_CYCLE], final)
    has_r = c[HAS_RESISTANCE] > 0.0
    out[2] = final[R_CALENDAR] ** c[HAS_RESISTANCE] if has_r else 0.0
    out[3] = final[R_CYCLE] if has_r else 0.0
    out[4] = final[DAYS]
    out[5] = final[FEC]


@njit(cache=True, nogil=True)
def run_one(
    c: Floats,
    tables: Floats,
    soc: Floats,
    celsius: Floats,
    step_h: float,
    ends: NDArray[np.int64],
    s: Floats,
    out: Floats,
) -> None:
    """Ages one battery through its repeated profile; writes a report whenever a step count of ``ends`` is reached."""
    periods = soc.shape[0]
    days = step_h / 24.0
    by_day = c[KIND] == NREL
    t = 0
    done = 0
    # Sums since the last move stay in registers: writing them to the state at every step takes longer than the law.
    aged = stiffened = 0.0
    for k in range(ends.shape[0]):
        while done < ends[k]:
            kelvin = celsius[t] + KELVIN
            if soc[t] != s[LAST_SOC] or s[POINTS] == 0.0:
                s[Z_CALENDAR] += aged
                s[R_CALENDAR] += stiffened
                aged = stiffened = 0.0
                move(c, tables, s, soc[t], kelvin, step_h)
            first, second = calendar_rates(c, tables, soc[t], kelvin)
            if by_day:
                rest_day(s, soc[t], first, second, step_h)
            else:
                aged += days * first
                stiffened += days * second
            done += 1
            t += 1
            if t == periods:
                t = 0
        s[Z_CALENDAR] += aged
        s[R_CALENDAR] += stiffened
        aged = stiffened = 0.0
        s[DAYS] += days * (ends[k] - (ends[k - 1] if k > 0 else 0))
        report(c, tables, s, out[k])


@njit(cache=True, nogil=True)
def run_serial(
    c: Floats,
    tables: Floats,
    soc: Floats,
    celsius: Floats,
    step_h: float,
    ends: NDArray[np.int64],
    s: Floats,
    out: Floats,
) -> None:
    """Ages batteries one after the other; ``soc (N, T)``, ``celsius (N or 1, T)``, ``s (N, STATE_SIZE)``, no lock."""
    shared = celsius.shape[0] == 1
    for n in range(soc.shape[0]):
        run_one(c, tables, soc[n], celsius[0 if shared else n], step_h, ends, s[n], out[n])


@njit(cache=True, parallel=True)
def run_parallel(
    c: Floats,
    tables: Floats,
    soc: Floats,
    celsius: Floats,
    step_h: float,
    ends: NDArray[np.int64],
    s: Floats,
    out: Floats,
) -> None:
    """Like :func:`run_serial`, batteries spread over numba's threads; the numbers are the same."""
    shared = celsius.shape[0] == 1
    for i in prange(soc.shape[0]):
        n = np.int64(i)  # prange counts unsigned, which numba would mix with 0 into a float
        run_one(c, tables, soc[n], celsius[0 if shared else n], step_h, ends, s[n], out[n])
