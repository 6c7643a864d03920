"""The price that the site's meter puts on energy at a total, in the proximal step: what every sweep asks.

The demand charges' part needs all steps; where only some of them have changed since it was last asked, what is known of
the others is used.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bothways.planning.engine.model import BIG
from bothways.planning.engine.simd import HALF, load, select_lt, splat, store, total, vmax, vmin
from bothways.planning.engine.site import EDGE, HARD, IMPORT, MOVES, PENALTY, SOFT, STAIR
from bothways.planning.problem import Floats

KNOWN = 4
"""What is kept behind the steps of ``wanted``: a level, excess and count above it, the excess over the soft limit."""


@njit(cache=True, nogil=True)
def _excess(wanted: Floats, first: int, last: int, level: float) -> tuple[float, float]:
    """Σ (wanted − level)⁺ and Σ 1 over the steps with wanted > level, whole vectors from ``first`` on."""
    like = load(wanted, 0)
    zero, one, line = splat(like, 0.0), splat(like, 1.0), splat(like, level)
    amount, count = zero, zero
    for t in range(first, last, HALF):
        here = load(wanted, t)
        amount = amount + vmax(here - line, zero)
        count = count + select_lt(line, here, one, zero)
    return total(amount), total(count)


@njit(cache=True, nogil=True)
def _level(wanted: Floats, width: int, aim: float, low: float, guess: float) -> float:
    """The level ≥ low above which the excess is ``aim``: Newton on a convex falling function, climbing from its left.

    From the right of the root one step leads to its left, so a guess may lie on either side. What is known about the
    level last looked at is used, and what is found is kept, behind the steps of ``wanted``.
    """
    level = max(low, guess)
    if wanted[width] == level:
        amount, count = wanted[width + 1], wanted[width + 2]
    else:
        amount, count = _excess(wanted, 0, width, level)
    if amount < aim:
        level = max(low, level + (amount - aim) / count) if count > 0.0 else low
        amount, count = _excess(wanted, 0, width, level)
    for _ in range(60):
        if count == 0.0 or amount <= aim * (1.0 + 1e-13):
            break
        step = (amount - aim) / count
        if step <= 1e-15 * abs(level):
            break
        level += step
        amount, count = _excess(wanted, 0, width, level)
    wanted[width], wanted[width + 1], wanted[width + 2] = level, amount, count
    return level


@njit(cache=True, nogil=True)
def _want(
    k: int, z: Floats, table: Floats, width: int, soft: float, charges: Floats, masks: Floats, mu: Floats,
    wanted: Floats, since: int, until: int,
) -> None:  # fmt: skip
    """How far the price would rise above that of import if charge ``k`` did not count; far below it where it cannot."""
    like = load(z, 0)
    first, known = since // HALF * HALF, since > 0 or until < width
    level = wanted[width]
    if known:
        amount, count = _excess(wanted, first, until, level)
        over_soft, _ = _excess(wanted, first, until, soft)
        wanted[width + 1] -= amount
        wanted[width + 2] -= count
        wanted[width + 3] -= over_soft
    for t in range(first, until, HALF):
        here = load(z, t) - load(table, IMPORT * width + t)
        for j in range(charges.shape[0]):
            if j != k:
                here = here - load(mu, j * width + t)
        store(wanted, t, select_lt(splat(like, 0.0), load(masks, k * width + t), here, splat(like, -BIG)))
    if known:
        amount, count = _excess(wanted, first, until, level)
        over_soft, _ = _excess(wanted, first, until, soft)
        wanted[width + 1] += amount
        wanted[width + 2] += count
        wanted[width + 3] += over_soft
    else:
        wanted[width] = np.nan
        wanted[width + 3], _ = _excess(wanted, 0, width, soft)


@njit(cache=True, nogil=True)
def _cap(
    k: int, rate: float, width: int, limits: Floats, charges: Floats, mu: Floats, wanted: Floats
) -> tuple[float, float, float]:
    """Where demand charge ``k`` caps what is wanted: line, lift and share as :func:`_lay` takes them."""
    aim, low = charges[k, 0], charges[k, 1] * rate
    soft, penalty, hard = limits[SOFT] * rate, limits[PENALTY], limits[HARD] * rate
    # Import above the soft limit costs the penalty as well: there the cap lies the penalty higher in ``wanted``.
    lift, share, line = 0.0, 1.0, low
    memory = charges.shape[0] * width + k
    guess = mu[memory]
    if low < soft and wanted[width + 3] <= aim:
        line = _level(wanted, width, aim, low, guess)
    else:
        line = max(low, soft) + penalty
        amount, _ = _excess(wanted, 0, width, line)
        if amount >= aim:
            line = _level(wanted, width, aim, line, guess)
            if line > hard + penalty:
                line = hard + penalty
                amount, _ = _excess(wanted, 0, width, line)
                share = min(1.0, aim / max(amount, 1e-300))
        elif low < soft:
            # The cap rests on the soft limit: between "all of the penalty" and "none of it" the charge takes its sum.
            lift = (aim - amount) / max(wanted[width + 3] - amount, 1e-300)
    mu[memory] = line
    return line, lift, share


@njit(cache=True, nogil=True)
def _lay(
    k: int, cap: tuple[float, float, float], soft: float, width: int, mu: Floats, wanted: Floats, first: int, last: int
) -> None:
    """Writes the prices μ_k that demand charge ``k`` puts on its steps, the other charges' prices held."""
    line, lift, share = cap
    like = load(wanted, 0)
    zero = splat(like, 0.0)
    for t in range(first // HALF * HALF, last, HALF):
        over = vmax(load(wanted, t) - splat(like, line), zero)
        if lift > 0.0:
            full_over = vmax(load(wanted, t) - splat(like, soft), zero)
            over = over + splat(like, lift) * (full_over - over)
        store(mu, k * width + t, over * splat(like, share))


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
    since: int,
    until: int,
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
        mu: prices of the demand charges, flat ``(K, width)``, and after them K levels to start from; updated, with one
            charge only where ``price`` is.
        z, wanted: scratch ``(width,)`` and ``(width + KNOWN,)`` that belong to this total.
        since, until: the steps whose total is another than when ``z`` and ``wanted`` were last here: 0 and ``width``
            the first time, and wherever centre or ρ are new.
        first, last: the steps whose price is asked for.
        price: the result, ``(width,)``; whole vectors around ``first`` … ``last`` are written.
    """
    rate = 1.0 / rho
    scale = splat(load(total_kwh, 0), rate)
    for t in range(since // HALF * HALF, until, HALF):
        store(z, t, load(centre, t) + load(total_kwh, t) * scale)
    count, soft = charges.shape[0], limits[SOFT] * rate
    if count == 1:
        _want(0, z, table, width, soft, charges, masks, mu, wanted, since, until)
        _lay(0, _cap(0, rate, width, limits, charges, mu, wanted), soft, width, mu, wanted, first, last)
    else:
        for k in range(count):
            _want(k, z, table, width, soft, charges, masks, mu, wanted, 0, width)
            _lay(k, _cap(k, rate, width, limits, charges, mu, wanted), soft, width, mu, wanted, 0, width)
    for t in range(first // HALF * HALF, last, HALF):
        at, lift = load(z, t), splat(scale, 0.0)
        for k in range(count):
            lift = lift + load(mu, k * width + t)
        best = at - load(table, (EDGE + 4) * width + t) * scale
        for j in range(4):
            stair = load(table, (STAIR + j) * width + t) + load(table, (MOVES + j) * width + t) * lift
            best = vmax(best, vmin(at - load(table, (EDGE + j) * width + t) * scale, stair))
        store(price, t, best)
