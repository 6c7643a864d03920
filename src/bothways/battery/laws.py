"""The ageing laws of the cells as compiled functions: what one cycle and what one day add, and what it sums to.

Every law is used in **one state-continuation form**. A power law L = k·xᵖ under changing stress k continues from the
loss reached so far: the virtual time (or throughput) at the present stress is x* = (L/k)^(1/p), and a step dx leads to
k·(x* + dx)ᵖ. With z = L^(1/p) this is z ← z + k^(1/p)·dx: the accumulated loss is kept as ``z``, steps add to it, and
no order or cut of the profile matters. The exponential law of the generic cell is additive in its own variable, and
the NREL cell adds a relaxation that has an exact step.

Constants stand beside the law that uses them, with their source.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GAS = 8.3144598
"""Gas constant [J/(mol K)]."""

KELVIN = 273.15
ROOM_K = 298.15
"""Reference temperature of the Arrhenius laws [K]."""

GRID = 2000
"""Intervals of the tables over state of charge."""

# Which law a cell follows.
SANYO, SONY, LFP250, NCA, NREL, NMC50, GENERIC = range(7)

# Rows of a cell's tables: calendar rate exp(A + B·h(T)) of capacity, of resistance, of relaxation, then ∫V² dsoc.
CAP_A, CAP_B, RES_A, RES_B, RELAX_A, RELAX_B, VOLTAGE2 = range(7)
TABLES = 7

# Positions in the state of one battery.
Z_CALENDAR, Z_CYCLE, R_CALENDAR, R_CYCLE, Z_SITES, RELAXED, DAYS, FEC = range(8)
LAST_SOC, DIRECTION, POINTS, PATH, HOURS, PATH_KELVIN = range(8, 14)
DAY_HOURS, DAY_LOW, DAY_HIGH, DAY_RATE, DAY_RELAX = range(14, 19)
STACK = 19


@njit(cache=True, nogil=True)
def sanyo_cycle(depth: float, mean_voltage: float) -> tuple[float, float]:
    """NMC111 Sanyo UR18650E: per full equivalent cycle, capacity in z = L² and resistance (linear).

    β = 7.348e-3(V̄ − 3.667)² + 7.6e-4 + 4.081e-3·DOD per √Ah; β_R = 2.153e-4(V̄ − 3.725)² − 1.521e-5 + 2.798e-4·DOD
    per Ah; V̄ the quadratic mean voltage of the cycle. β_R turns negative for depths below some 5 %; it is held at 0
    here, because a resistance that falls with use is an artefact of the fit. 1 FEC is 2 × 2.15 Ah (the cell's measured
    capacity; its rating is 2.05 Ah). Fitted at 35 °C and 1C: no effect of temperature or rate on cycling.
    Source: Schmalstieg et al. 2014, 10.1016/j.jpowsour.2014.02.012, eq. 8–11.
    """
    beta = 7.348e-3 * (mean_voltage - 3.667) ** 2 + 7.6e-4 + 4.081e-3 * depth
    beta_r = 2.153e-4 * (mean_voltage - 3.725) ** 2 - 1.521e-5 + 2.798e-4 * depth
    return beta * beta * 4.3, max(0.0, beta_r) * 4.3


@njit(cache=True, nogil=True)
def sony_cycle(depth: float, rate: float) -> tuple[float, float]:
    """LFP Sony US26650FTC1: per full equivalent cycle, capacity in z = L² and resistance (linear).

    L[%] = (0.0630·C + 0.0971)(4.0253(DOD − 0.6)³ + 1.0923)·√FEC;
    R[%] = (−0.0020·C + 0.0021)(6.8477(DOD − 0.5)³ + 0.91882)·FEC, held at 0 where a rate above 1.05C would make the
    resistance fall. Other codes print 0.9182 for 0.91882, and one uses (0.0023 − 0.0018·min(C, 1)) read from the
    paper's figure; the paper's fitted constants are used here.
    Source: Naumann, Spingler, Jossen 2020, 10.1016/j.jpowsour.2019.227666.
    """
    k = 0.01 * (0.0630 * rate + 0.0971) * (4.0253 * (depth - 0.6) ** 3 + 1.0923)
    k_r = 0.01 * (-0.0020 * rate + 0.0021) * (6.8477 * (depth - 0.5) ** 3 + 0.91882)
    return k * k, max(0.0, k_r)


@njit(cache=True, nogil=True)
def lfp250_cycle(depth: float, rate: float, kelvin: float) -> float:
    """LFP 250 Ah prismatic: per full equivalent cycle, capacity in z = L^(1/0.828).

    k = (4.38e-8 + 1.55e-8·DOD + 1.68e-7·C)(exp(2190/T) + exp(−1.55e5/T)), EFC^0.828. Cold is worse than warm here:
    the fit balances its own calendar law between 10 and 45 °C, and must not be used outside of that.
    Source: Smith et al. 2023, 10.1016/j.est.2023.109042; constants as in NREL's BLAST-Lite 1.1.1.
    """
    k = (4.38e-8 + 1.55e-8 * depth + 1.68e-7 * rate) * (math.exp(2190.0 / kelvin) + math.exp(-1.55e5 / kelvin))
    return float(k ** (1.0 / 0.828))


@njit(cache=True, nogil=True)
def nca_cycle(depth: float, rate: float, kelvin: float) -> float:
    """NCA Panasonic NCR18650B: per full equivalent cycle, capacity in z = L^(1/0.699).

    k = (1.86e-6 + 4.74e-11·C + 1.77e-4·DOD)(exp(3.34e-11/T) + exp(−2.81e-9/T)): twice the first bracket, in effect
    without temperature or rate. EFC^0.699.
    Source: NREL's BLAST-Lite 1.1.1, fitted to Preger et al. 2020, 10.1149/1945-7111/abae37.
    """
    k = (1.86e-6 + 4.74e-11 * rate + 1.77e-4 * depth) * (math.exp(3.34e-11 / kelvin) + math.exp(-2.81e-9 / kelvin))
    return float(k ** (1.0 / 0.699))


@njit(cache=True, nogil=True)
def nmc50_cycle(depth: float, rate: float, kelvin: float) -> float:
    """NMC 50 Ah pouch (cell "NMC-Gr B2"): per full equivalent cycle, capacity in z = L^(1/0.907).

    k = 2.2e9·(DOD·√C/θ³)^11.9·exp(−35.7·DOD·√C/θ²)·exp(13.7·DOD²·C/θ³) with θ = T/308.15 K; (EFC/1e4)^0.907.
    Next to nothing below 40 % of depth at a vehicle's rates, so that time alone ages this cell; tested at 80…100 % of
    depth, up to 1.75C. Cold is worse at such depths; below 0 °C the fit falls again with depth and rate.
    Source: Smith et al. 2023, 10.1016/j.est.2023.109042; constants as in NREL's BLAST-Lite 1.1.1.
    """
    stress = depth * math.sqrt(rate)
    if stress <= 0.0:
        return 0.0
    theta = kelvin / 308.15
    log_k = math.log(2.2e9) + 11.9 * math.log(stress / theta**3)
    log_k += -35.7 * stress / theta**2 + 13.7 * stress * stress / theta**3
    return math.exp(log_k / 0.907) * 1e-4


NREL_B0, NREL_C0, NREL_D0 = 1.07, 75.675 / 75.0, 75.075 / 75.0
"""Lithium, negative sites and positive sites at the begin of life, as fractions of 75 Ah."""


@njit(cache=True, nogil=True)
def nrel_cycle(depth: float, kelvin: float) -> tuple[float, float]:
    """NMC 75 Ah of NREL: per full cycle, lithium lost b₂ and the step of the negative electrode's sites.

    b₂ = 1.541e-5·exp(42 800/R·(1/T − 1/298.15)) per cycle of any depth; sites Q = c₀·√(1 − 2z) with
    z ← z + (c₂/c₀)·DOD^4.54, c₂ = 3.9193e-3 Ah·exp(48 260/R·(1/T − 1/298.15)), c₀ = 75.675 Ah. Cold is worse.
    Every cycle counts alike in b₂ (cells were cycled at 80–100 % depth), which makes the law too harsh on profiles of
    many shallow cycles; cycles below 1 % of depth are therefore left out. NREL's SSC code steps the sites with
    c₀/(c₀ − q), c₀ in Ah and q a fraction, which all but removes the acceleration; the paper's equation is used here.
    Source: Smith et al. 2017, 10.23919/ACC.2017.7963578; constants as in SSC ``lib_battery_lifetime_nmc``.
    """
    inverse = 1.0 / kelvin - 1.0 / ROOM_K
    b2 = 1.541e-5 * math.exp(42800.0 / GAS * inverse) if depth >= 0.01 else 0.0
    sites = 3.9193e-3 / 75.675 * math.exp(48260.0 / GAS * inverse) * depth**4.54
    return b2, sites


@njit(cache=True, nogil=True)
def nrel_depth_factor(day_range: float) -> float:
    """exp(2·2.472·DOD^2.157): how the day's range of soc speeds up z = q₁² of :func:`nrel_cycle`'s cell."""
    return math.exp(2.0 * 2.472 * day_range**2.157)


@njit(cache=True, nogil=True)
def generic_cycle(depth: float, mean: float, kelvin: float) -> float:
    """Generic cell: damage f of one full cycle.

    S = 1/(1.40e5·DOD^−0.501 − 1.23e5)·exp(1.04(σ̄ − 0.5))·exp(0.0693·298.15·(1 − 298.15/T)).
    Source: Xu et al. 2016, 10.1109/TSG.2016.2578950, table I (an LMO cell).
    """
    if depth <= 0.0:
        return 0.0
    stress = 1.0 / (1.40e5 * depth**-0.501 - 1.23e5)
    return float(stress * math.exp(1.04 * (mean - 0.5) + 0.0693 * ROOM_K * (1.0 - ROOM_K / kelvin)))


@njit(cache=True, nogil=True)
def generic_loss(damage: float) -> float:
    """L = 1 − α·exp(−β·f) − (1 − α)·exp(−f), α = 0.0575, β = 121. Source: Xu et al. 2016, 10.1109/TSG.2016.2578950."""
    return 1.0 - 0.0575 * math.exp(-121.0 * damage) - (1.0 - 0.0575) * math.exp(-damage)


@njit(cache=True, nogil=True)
def losses(kind: int, p_calendar: float, p_cycle: float, s: Floats) -> tuple[float, float]:
    """Capacity lost with time and with use, as fractions of the new battery; together at most 1.

    Where a law does not split its loss (generic, NREL), it is shared in proportion to the two causes' damage.
    """
    if kind == GENERIC:
        damage = s[Z_CALENDAR] + s[Z_CYCLE]
        if damage <= 0.0:
            return 0.0, 0.0
        total = generic_loss(damage)
        return total * s[Z_CALENDAR] / damage, total * s[Z_CYCLE] / damage
    if kind == NREL:
        timed = math.sqrt(s[Z_CALENDAR]) + s[RELAXED]
        lithium = NREL_D0 * (NREL_B0 - timed - s[Z_CYCLE])
        sites = NREL_C0 * math.sqrt(max(0.0, 1.0 - 2.0 * s[Z_SITES]))
        total = 1.0 - max(0.0, min(1.0, lithium, sites))
        if sites < lithium:
            return 0.0, total
        both = timed + s[Z_CYCLE]
        share = timed / both if both > 0.0 else 0.0
        return total * share, total * (1.0 - share)
    calendar = s[Z_CALENDAR] ** p_calendar
    cycle = s[Z_CYCLE] ** p_cycle
    both = calendar + cycle
    if both > 1.0:
        return calendar / both, cycle / both
    return calendar, cycle
