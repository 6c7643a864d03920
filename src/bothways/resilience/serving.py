"""Compiled kernels: an outage followed hour by hour over (generators running) × (bins of stored energy).

A row per state of the generators holds probabilities by bin of stored energy. Rows of outages without a missed hour
have a frame of their own: bin ``b`` of row ``g`` stands for the energy ``(b + frac[g])·delta``, so that a charge or
discharge moves the frame and loses nothing. Only what a failed generator brings into another row, and what a full store
cuts off in part, is rounded, and always down: survival is never overstated. Without generators nothing is rounded.
Outages that have missed an hour are kept on the fixed bins ``b·delta`` and split between neighbours, which keeps their
mean energy.

The small kernels are merged into their callers (``inline``): an hour of an outage costs some tens of nanoseconds, and a
call that hands over a dozen arrays costs as much.
"""

from __future__ import annotations

import math

from numba import njit

from bothways.resilience.site import Floats, Ints

GENERATED, PV_USED, FROM_BATTERY, FROM_VEHICLES, SERVED, UNSERVED = range(6)
"""Columns of the energy account; the unserved energy of the tiers follows from :data:`UNSERVED` on."""

KEEP, ADD, ROOM, OUT_KW, IN_KW, TURN, CARS = range(7)
"""Columns of the stores' path: share of the energy that stays and energy that comes at the beginning of the hour,
capacity [kWh, AC side], power out and in [kW], AC out per AC in, share of the energy that is the vehicles'."""

_EPS = 1e-7
_NEGLIGIBLE = 1e-15


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def needed_kw(loads: Floats, hour: int, tiers: int, first: bool, inrush: Floats) -> tuple[float, float]:
    """Load of the first ``tiers`` tiers, and the power they need: more in the first hour, where inrush counts [kW]."""
    total = need = 0.0
    for j in range(tiers):
        if first:
            need = max(need, total + inrush[j])
        total += loads[j, hour]
    return total, max(total, need)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def centre(rows: Floats, frac: Floats, low: Ints, high: Ints, g: int) -> None:
    """Moves a row's bins to the middle of its memory; their energies stay."""
    by = (rows.shape[1] - (high[g] - low[g] + 1)) // 2 - low[g]
    if by > 0:
        for b in range(high[g], low[g] - 1, -1):
            rows[g, b + by] = rows[g, b]
    else:
        for b in range(low[g], high[g] + 1):
            rows[g, b + by] = rows[g, b]
    low[g] += by
    high[g] += by
    frac[g] -= by


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def bring(rows: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats, g: int, to: int, chance: float) -> None:
    """Adds a share of row ``g`` to row ``to``, each energy in the bin at or below it."""
    if high[to] < low[to]:
        frac[to], low[to], high[to] = frac[g], low[g], low[g] - 1
    shift = math.floor(frac[g] - frac[to] + _EPS)
    if low[g] + shift < 0 or high[g] + shift >= rows.shape[1]:
        centre(rows, frac, low, high, to)
        shift = math.floor(frac[g] - frac[to] + _EPS)
    begin, end = low[g] + shift, high[g] + shift
    for b in range(begin, low[to]):
        rows[to, b] = 0.0
    for b in range(max(high[to], low[to] - 1) + 1, end + 1):
        rows[to, b] = 0.0
    low[to], high[to] = min(low[to], begin), max(high[to], end)
    source, target = rows[g, low[g] : high[g] + 1], rows[to, begin : end + 1]
    for i in range(source.shape[0]):  # counted from 0: without the check for negative places the loop is vectorised
        target[i] += chance * source[i]
    mass[to] += chance * mass[g]


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def fail(rows: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats, move: Floats) -> None:
    """Lets generators fail for an hour: moves probability into the rows of states with fewer running."""
    for to in range(rows.shape[0] - 1, -1, -1):
        if move[to, to] < 1.0:
            kept = rows[to, low[to] : high[to] + 1]
            for i in range(kept.shape[0]):
                kept[i] *= move[to, to]
            mass[to] *= move[to, to]
        for g in range(to):
            if move[g, to] > _NEGLIGIBLE and high[g] >= low[g]:
                bring(rows, frac, low, high, mass, g, to, move[g, to])


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def fail_missed(missed: Floats, span: Ints, move: Floats) -> None:
    """The same for the rows of outages that have missed an hour."""
    for to in range(missed.shape[0] - 1, -1, -1):
        for b in range(span[to, 0], span[to, 1] + 1):
            missed[to, b] *= move[to, to]
        for g in range(to):
            if move[g, to] > _NEGLIGIBLE and span[g, 1] >= span[g, 0]:
                for b in range(span[g, 0], span[g, 1] + 1):
                    missed[to, b] += move[g, to] * missed[g, b]
                span[to, 0], span[to, 1] = min(span[to, 0], span[g, 0]), max(span[to, 1], span[g, 1])


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def lift(missed: Floats, span: Ints, g: int, fresh: Floats) -> int:
    """Takes a row of missed outages out into ``fresh`` and leaves it empty; returns the first bin taken."""
    begin, end = span[g, 0], span[g, 1]
    for b in range(begin, end + 1):
        fresh[0, b] = missed[g, b]
        missed[g, b] = 0.0
    span[g, 0], span[g, 1] = missed.shape[1], -1
    return int(begin)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def spread(target: Floats, span: Ints, g: int, place: float, p: float) -> None:
    """Adds ``p`` at a place between two bins, split so that the mean stays; ``span`` holds the bins in use."""
    b = int(min(max(place, 0.0), target.shape[1] - 1.0))
    upper = min(max(place - b, 0.0), 1.0)
    target[g, b] += p * (1.0 - upper)
    span[g, 0] = min(span[g, 0], b)
    if upper > 0.0 and b + 1 < target.shape[1]:
        target[g, b + 1] += p * upper
        b += 1
    span[g, 1] = max(span[g, 1], b)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def book(
    energy: Floats, d: int, p: float, load: float, gen: float, sun: float, out: float, into: float, cars: float
) -> None:  # fmt: skip
    """Books an hour's flows: ``out`` from and ``into`` the stores [kWh, AC side], PV before generators."""
    wanted = load + into - out
    used = min(sun, wanted)
    energy[d, PV_USED] += p * used
    energy[d, GENERATED] += p * min(gen, max(0.0, wanted - used))
    energy[d, FROM_VEHICLES] += p * out * cars
    energy[d, FROM_BATTERY] += p * out * (1.0 - cars)
    energy[d, SERVED] += p * load


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def serve_missed(
    source: Floats, g: int, frac: float, low: int, high: int, target: Floats, span: Ints, to: int, delta: float,
    needs: Floats, gen: float, sun: float, path: Floats, d: int, keep: int, loads: Floats, hour: int, weight: float,
    energy: Floats,
) -> None:  # fmt: skip
    """Takes bins ``low`` … ``high`` through an hour in which as many tiers are carried as can be, in their order.

    After a missed hour tiers must be able to start again: inrush counts in every hour.
    """
    for b in range(low, high + 1):
        p = source[g, b]
        if p <= _NEGLIGIBLE:
            continue
        stored = max(0.0, (b + frac) * delta)
        free = gen + sun + min(path[d, OUT_KW], stored) + _EPS * delta
        tiers = keep
        while tiers > 0 and needs[2, tiers] > free:
            tiers -= 1
        net = needs[0, tiers] - gen - sun
        if net > 0.0:
            out, into, after = net, 0.0, max(0.0, stored - net)
        else:
            out = 0.0
            turn = path[d, TURN]
            after = min(max(stored, path[d, ROOM]), stored + min(-net, path[d, IN_KW]) * turn)
            into = (after - stored) / turn if turn > 0.0 else 0.0
        share = weight * p
        book(energy, d, share, needs[0, tiers], gen, sun, out, into, path[d, CARS])
        for j in range(tiers, keep):
            energy[d, UNSERVED + j] += share * loads[j, hour]
        spread(target, span, to, after / delta, p)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def mean_place(rows: Floats, frac: Floats, low: Ints, high: Ints, g: int) -> float:
    """Probability times position of a row [bins]."""
    total = 0.0
    for b in range(low[g], high[g] + 1):
        total += rows[g, b] * (b + frac[g])
    return total


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def cap_row(rows: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats, g: int, top: float) -> None:
    """Cuts what lies above ``top`` bins down to it: exactly where that is all of the row, else to the bin below."""
    if low[g] + frac[g] >= top - _EPS:
        rows[g, low[g]] = mass[g]
        high[g] = low[g]
        frac[g] = top - low[g]
        return
    ceiling = math.floor(top - frac[g] + _EPS)
    if high[g] > ceiling:
        cut = 0.0
        for b in range(ceiling + 1, high[g] + 1):
            cut += rows[g, b]
        rows[g, ceiling] += cut
        high[g] = ceiling


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def drop_short(
    rows: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats, g: int, lacks: float, most: float, delta: float
) -> int:
    """Where the part of a row begins that can give ``lacks`` kW for an hour; takes the rest out of its mass."""
    if lacks <= 0.0:
        return int(low[g])
    if lacks > most + _EPS * delta:
        mass[g] = 0.0
        return int(high[g] + 1)
    begin = low[g]
    while begin <= high[g] and (begin + frac[g]) * delta < lacks - _EPS * delta:
        mass[g] -= rows[g, begin]
        begin += 1
    return int(begin)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def serve_row(
    rows: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats, g: int, missed: Floats, span: Ints, delta: float,
    needs: Floats, gen: float, sun: float, path: Floats, d: int, keep: int, loads: Floats, hour: int, account: bool,
    weight: float, energy: Floats,
) -> float:  # fmt: skip
    """Takes one row of outages without a missed hour through the hour; what cannot carry all kept tiers leaves it.

    Returns:
        Probability that stays.
    """
    begin = drop_short(rows, frac, low, high, mass, g, needs[1, keep] - gen - sun, path[d, OUT_KW], delta)
    if account and begin > low[g]:
        serve_missed(
            rows, g, frac[g], low[g], begin - 1, missed, span, g, delta, needs, gen, sun, path, d, keep, loads, hour,
            weight, energy,
        )  # fmt: skip
    low[g] = begin
    if begin > high[g] or mass[g] <= _NEGLIGIBLE:
        low[g], high[g], mass[g] = 0, -1, 0.0
        return 0.0
    net = needs[0, keep] - gen - sun
    if net > 0.0:
        frac[g] -= net / delta
        if account:
            book(energy, d, weight * mass[g], needs[0, keep], gen, sun, net, 0.0, path[d, CARS])
        return float(mass[g])
    into, turn = 0.0, path[d, TURN]
    if path[d, ROOM] > 0.0 and turn > 0.0 and net < 0.0:
        before = mean_place(rows, frac, low, high, g) if account else 0.0
        frac[g] += min(-net, path[d, IN_KW]) * turn / delta
        if high[g] + frac[g] > path[d, ROOM] / delta:
            cap_row(rows, frac, low, high, mass, g, path[d, ROOM] / delta)
        if account:
            into = max(0.0, mean_place(rows, frac, low, high, g) - before) * delta / turn / mass[g]
    if account:
        book(energy, d, weight * mass[g], needs[0, keep], gen, sun, 0.0, into, path[d, CARS])
    return float(mass[g])


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def turn_over(
    rows: Floats, frac: Floats, low: Ints, high: Ints, missed: Floats, span: Ints, delta: float,
    path: Floats, d: int, fresh: Floats,
) -> float:  # fmt: skip
    """Vehicles leave and come: every energy ``e`` becomes ``e·KEEP + ADD``, at most ``ROOM``, on bins that fit it.

    Returns:
        The new width of a bin [kWh].
    """
    bins, room, stays, comes = missed.shape[1], path[d, ROOM], path[d, KEEP], path[d, ADD]
    wide = room / (bins - 1) if room > 0.0 else 1.0
    for g in range(rows.shape[0]):
        if high[g] >= low[g]:
            for b in range(min(bins, int((high[g] - low[g]) * delta * stays / wide) + 3)):
                fresh[0, b] = 0.0
            lowest = min(room, max(0.0, (low[g] + frac[g]) * delta) * stays + comes) / wide
            last = 0
            for b in range(low[g], high[g] + 1):
                place = min(room, max(0.0, (b + frac[g]) * delta) * stays + comes) / wide
                at = int(place - lowest + _EPS)
                fresh[0, at] += rows[g, b]
                last = max(last, at)
            begin = (rows.shape[1] - last) // 2
            for b in range(last + 1):
                rows[g, begin + b] = fresh[0, b]
            low[g], high[g], frac[g] = begin, begin + last, lowest - begin
        last = span[g, 1]
        for b in range(lift(missed, span, g, fresh), last + 1):
            if fresh[0, b] > 0.0:
                spread(missed, span, g, min(room, b * delta * stays + comes) / wide, fresh[0, b])
    return wide


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def begin_rows(
    path: Floats, gen_start: Floats, rows: Floats, missed: Floats, span: Ints, frac: Floats, low: Ints, high: Ints,
    mass: Floats,
) -> float:  # fmt: skip
    """Puts the probabilities at the start into the rows; returns the width of a bin [kWh]."""
    bins, middle = missed.shape[1], rows.shape[1] // 2
    delta = path[0, ROOM] / (bins - 1) if path[0, ROOM] > 0.0 else 1.0
    for g in range(rows.shape[0]):
        low[g], high[g], mass[g] = 0, -1, 0.0
        if gen_start[g] > _NEGLIGIBLE:
            low[g] = high[g] = middle
            frac[g] = min(path[0, ADD], path[0, ROOM]) / delta - middle
            rows[g, middle] = mass[g] = gen_start[g]
        for b in range(bins):
            missed[g, b] = 0.0
        span[g, 0], span[g, 1] = bins, -1
    return float(delta)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def running_kw(units: Floats, unit_kw: Floats, lasts: Floats, g: int, d: int) -> float:
    """Power of the generators that run and have fuel [kW]."""
    total = 0.0
    for k in range(unit_kw.shape[0]):
        if d < lasts[k]:
            total += units[g, k] * unit_kw[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def follow_outage(
    begin: int, loads: Floats, inrush: Floats, keep: int, pv: Floats, sun_works: float, path: Floats, gen_start: Floats,
    gen_move: Floats, units: Floats, unit_kw: Floats, lasts: Floats, account: bool, weight: float, rows: Floats,
    missed: Floats, span: Ints, needs: Floats, fresh: Floats, frac: Floats, low: Ints, high: Ints, mass: Floats,
    survived: Floats, energy: Floats,
) -> None:  # fmt: skip
    """Follows one outage and adds ``weight`` times its results.

    Each hour: vehicles leave and come, generators fail, what cannot carry the kept tiers leaves the survivors, energy
    is moved. With ``account`` those who have missed an hour are followed too: they carry as many tiers as they can.

    Args:
        begin: hour of the year at which the outage begins.
        loads: shape ``(J, T)`` [kW].
        inrush: shape ``(J,)`` [kW].
        keep: tiers that are kept on; those after are switched off at once.
        pv: shape ``(T,)`` [kW].
        sun_works: 1 or 0.
        path: stores hour by hour, shape ``(H, 7)``, columns :data:`KEEP` … :data:`CARS`.
        gen_start: as in :class:`bothways.resilience.site.GeneratorStates`, and so ``gen_move``, ``units``, ``unit_kw``.
        gen_move: shape ``(G, G)``.
        units: shape ``(G, K)``.
        unit_kw: shape ``(K,)`` [kW].
        lasts: hour from which each kind has no fuel, shape ``(K,)``.
        account: whether ``energy`` is wanted.
        weight: of this outage.
        rows: scratch, shape ``(G, 4·B)``: room for the frames to move.
        missed: scratch, shape ``(G, B)``.
        span: scratch, shape ``(G, 2)``.
        needs: scratch, shape ``(3, J + 1)``.
        fresh: scratch, shape ``(1, B)``.
        frac: scratch, shape ``(G,)``; so ``low`` and ``high``.
        low: scratch.
        high: scratch.
        mass: scratch, shape ``(G,)``.
        survived: chance to have carried the kept tiers through every hour so far, shape ``(H,)``; added to.
        energy: expected energy of each hour [kWh], shape ``(H, 5 + J)``; added to.
    """
    delta = begin_rows(path, gen_start, rows, missed, span, frac, low, high, mass)
    for d in range(path.shape[0]):
        if d > 0 and (path[d, KEEP] != 1.0 or path[d, ADD] != 0.0 or path[d, ROOM] != path[d - 1, ROOM]):
            delta = turn_over(rows, frac, low, high, missed, span, delta, path, d, fresh)
        fail(rows, frac, low, high, mass, gen_move)
        if account:
            fail_missed(missed, span, gen_move)
        hour = (begin + d) % pv.shape[0]
        for tiers in range(keep + 1):
            needs[0, tiers], needs[1, tiers] = needed_kw(loads, hour, tiers, d == 0, inrush)
            needs[2, tiers] = needed_kw(loads, hour, tiers, True, inrush)[1]  # noqa: FBT003
        alive = 0.0
        for g in range(rows.shape[0]):
            gen = running_kw(units, unit_kw, lasts, g, d)
            sun = pv[hour] * sun_works if gen > 0.0 or path[d, OUT_KW] > 0.0 else 0.0  # PV alone forms no island
            if account and span[g, 1] >= span[g, 0]:
                last = span[g, 1]
                first = lift(missed, span, g, fresh)
                serve_missed(
                    fresh, 0, 0.0, first, last, missed, span, g, delta, needs, gen, sun, path, d, keep, loads, hour,
                    weight, energy,
                )  # fmt: skip
            if high[g] >= low[g]:
                alive += serve_row(
                    rows, frac, low, high, mass, g, missed, span, delta, needs, gen, sun, path, d, keep, loads, hour,
                    account, weight, energy,
                )  # fmt: skip
        survived[d] += weight * alive
        if alive <= 0.0 and not account:
            break
