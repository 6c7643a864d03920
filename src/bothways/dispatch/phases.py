"""Limits per phase and in total, minimum powers and the cap on changes, applied to setpoints; compiled.

A site has four constraints: its phases L1, L2, L3 and their sum. What a vehicle adds to a constraint is counted at its
worst, what it takes off only as far as a meter shows it: an order to discharge relieves nothing until energy flows.
Every function changes ``power`` in place; the last one, :func:`hold`, only moves powers toward 0, so nothing after it
can break a limit.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STARTS, _GOES_ON = 0.5, 0.1
"""Share of its minimum that must be left of the sum for a vehicle to start charging, and to go on."""

CONSTRAINTS = 4
"""L1, L2, L3, total."""

_TINY_KW = 1e-9
_PASSES = 4


@njit(cache=True, nogil=True)
def import_load(power: Floats, c: int, base: Floats, worst: Floats, most: Floats, sure: Floats, shown: Floats) -> float:
    """Import on constraint ``c`` if every vehicle does as told, discharging counted as far as it is metered [kW].

    Args:
        power: setpoints, shape ``(N,)`` [kW], positive charges.
        c: constraint, 0…3.
        base: import without vehicles, shape ``(4,)`` [kW].
        worst: greatest share of a vehicle's power on each constraint, shape ``(N, 4)``.
        most: greatest power of a vehicle on each constraint, shape ``(N, 4)`` [kW].
        sure: share that is certain, shape ``(N, 4)``.
        shown: metered power, shape ``(N,)`` [kW], positive charges.
    """
    total = float(base[c])
    for i in range(power.shape[0]):
        if power[i] > 0.0:
            total += min(worst[i, c] * power[i], most[i, c])
        elif power[i] < 0.0 and shown[i] < 0.0:
            total -= sure[i, c] * min(-power[i], -shown[i])
    return total


@njit(cache=True, nogil=True)
def export_load(power: Floats, c: int, base: Floats, worst: Floats, most: Floats, sure: Floats, shown: Floats) -> float:
    """Export on constraint ``c``, the mirror image of :func:`import_load` [kW]."""
    total = -float(base[c])
    for i in range(power.shape[0]):
        if power[i] < 0.0:
            total += min(worst[i, c] * -power[i], most[i, c])
        elif power[i] > 0.0 and shown[i] > 0.0:
            total -= sure[i, c] * min(power[i], shown[i])
    return total


@njit(cache=True, nogil=True)
def settle_minimum(
    power: Floats, must: Floats, high: Floats, minimum: Floats, running: Bools, order: Ints,
    base: Floats, limit: Floats, worst: Floats, most: Floats, sure: Floats, shown: Floats,
) -> None:  # fmt: skip
    """Moves powers between 0 and the minimum to one of the two; together they keep the sum that was intended.

    A plan may give many vehicles a little each; nobody would charge if each were rounded by itself. A vehicle that must
    charge now gets the minimum even where there is no room; :func:`hold` then takes it from those who can wait. Then
    those that are charging go on, at a smaller rest of the sum than one that would have to be started, so that
    contactors are not worn by a sum that moves; then the others, the most urgent first.

    Args:
        power: setpoints, changed in place, shape ``(N,)`` [kW].
        must: least power with which needs stay in reach, shape ``(N,)`` [kW].
        high: greatest power that makes sense now, less than the minimum for a nearly full vehicle, ``(N,)`` [kW].
        minimum: smallest charging power other than 0, shape ``(N,)`` [kW].
        running: whether the vehicle is charging by order already, shape ``(N,)``.
        order: rows, the most urgent first, shape ``(N,)``.
        base: import without vehicles, shape ``(4,)`` [kW].
        limit: greatest import, shape ``(4,)`` [kW].
        worst: as in :func:`import_load`.
        most: as in :func:`import_load`.
        sure: as in :func:`import_load`.
        shown: as in :func:`import_load`.
    """
    wish = np.zeros(power.shape[0])
    owed = 0.0
    for i in range(power.shape[0]):
        if 0.0 < power[i] < minimum[i]:
            wish[i] = power[i]
            owed += power[i]
            power[i] = 0.0
    if owed == 0.0:
        return
    loads = np.empty(CONSTRAINTS)
    for c in range(CONSTRAINTS):
        loads[c] = import_load(power, c, base, worst, most, sure, shown)
    for turn in range(3):  # who must, who is charging, who waits
        for i in order:
            urgent = must[i] > 0.0
            if wish[i] <= 0.0 or turn != (0 if urgent else 1 if running[i] else 2):
                continue
            takes = min(minimum[i], high[i])
            if not urgent and owed < (_GOES_ON if running[i] else _STARTS) * takes:
                continue
            fits = True
            for c in range(CONSTRAINTS):
                fits = fits and loads[c] + min(worst[i, c] * minimum[i], most[i, c]) <= limit[c] + _TINY_KW
            if fits or urgent:
                power[i] = minimum[i]
                owed -= takes
                for c in range(CONSTRAINTS):
                    loads[c] += min(worst[i, c] * minimum[i], most[i, c])


@njit(cache=True, nogil=True)
def cap_rise(power: Floats, before: Floats, minimum: Floats, order: Ints, sign: float, budget: float) -> None:
    """Lets the sum of charging (``sign`` 1) or of discharging (−1) rise by at most ``budget``; falls are free.

    Args:
        power: setpoints, changed in place, shape ``(N,)`` [kW].
        before: what was commanded last, shape ``(N,)`` [kW].
        minimum: smallest power other than 0 in this direction, shape ``(N,)`` [kW].
        order: rows, the most urgent first; their rise goes last.
        sign: 1.0 for charging, −1.0 for discharging.
        budget: greatest rise of the sum [kW].
    """
    excess = -budget
    for i in range(power.shape[0]):
        excess += max(0.0, sign * power[i]) - max(0.0, sign * before[i])
    for k in range(order.shape[0] - 1, -1, -1):
        if excess <= _TINY_KW:
            return
        i = order[k]
        new = sign * power[i]
        old = max(0.0, sign * before[i])
        if new <= old:
            continue
        less = max(old, new - excess)
        if less < minimum[i]:
            less = 0.0 if old < minimum[i] else old
        excess -= new - less
        power[i] = sign * less


@njit(cache=True, nogil=True)
def _take(
    power: Floats, i: int, c: int, sign: float, least: float, minimum: float, excess: float, worst: Floats, most: Floats
) -> float:
    """Takes up to ``excess`` kW on constraint ``c`` from row ``i``, not below ``least``; returns what was taken."""
    now = sign * power[i]
    share = worst[i, c]
    if now <= least or share <= 0.0:
        return 0.0
    load = min(share * now, most[i, c])
    less = max(least, (load - excess) / share)
    if less < minimum:  # only where nothing is left to the row: ``least`` is 0 or at least the minimum
        less = 0.0
    if less >= now:
        return 0.0
    power[i] = sign * less
    return float(load - min(share * less, most[i, c]))


@njit(cache=True, nogil=True)
def _least(stage: int, must: float, floor: float, minimum: float) -> float:
    """Charging power below which a row is not taken in this stage [kW]; see :func:`hold` for the stages."""
    if stage == 0:
        return max(must, minimum)
    if stage == 1:
        return max(must, minimum) if must > 0.0 else 0.0
    if stage == 2:
        return max(floor, minimum) if must > 0.0 else 0.0
    if stage == 3:
        return max(floor, minimum) if floor > 0.0 else 0.0
    return 0.0


@njit(cache=True, nogil=True)
def _lower_import(
    power: Floats, must: Floats, floor: Floats, minimum: Floats, order: Ints,
    base: Floats, limit: Floats, worst: Floats, most: Floats, sure: Floats, shown: Floats,
) -> bool:  # fmt: skip
    changed = False
    for stage in range(5):
        for c in range(CONSTRAINTS):
            excess = import_load(power, c, base, worst, most, sure, shown) - limit[c]
            for k in range(order.shape[0] - 1, -1, -1):
                if excess <= _TINY_KW:
                    break
                i = order[k]
                if power[i] > 0.0:
                    least = _least(stage, must[i], floor[i], minimum[i])
                    taken = _take(power, i, c, 1.0, least, minimum[i], excess, worst, most)
                    excess -= taken
                    changed = changed or taken > 0.0
    return changed


@njit(cache=True, nogil=True)
def _lower_export(
    power: Floats, minimum_out: Floats, order: Ints,
    base: Floats, limit: Floats, worst: Floats, most: Floats, sure: Floats, shown: Floats,
) -> bool:  # fmt: skip
    changed = False
    for c in range(CONSTRAINTS):
        excess = export_load(power, c, base, worst, most, sure, shown) - limit[c]
        for k in range(order.shape[0] - 1, -1, -1):
            if excess <= _TINY_KW:
                break
            i = order[k]
            if power[i] < 0.0:
                taken = _take(power, i, c, -1.0, 0.0, minimum_out[i], excess, worst, most)
                excess -= taken
                changed = changed or taken > 0.0
    return changed


@njit(cache=True, nogil=True)
def hold(
    power: Floats, must: Floats, floor: Floats, minimum: Floats, minimum_out: Floats, order: Ints,
    base_high: Floats, base_low: Floats, import_limit: Floats, export_limit: Floats,
    worst: Floats, most: Floats, sure: Floats, shown: Floats,
) -> None:  # fmt: skip
    """Moves setpoints toward 0 until every constraint holds, or until nothing of the vehicles breaks it.

    Afterwards, on each constraint, the import that vehicles may cause is at most the larger of the limit and the
    building's own import, and the same for export. Powers are taken in five stages, from the least urgent row on:
    what is above the need; vehicles that need nothing now; what is above the driver's floor; all but the floor; all.

    Args:
        power: setpoints, changed in place, shape ``(N,)`` [kW]; each is 0 or at least its minimum.
        must: least power with which needs stay in reach, shape ``(N,)`` [kW].
        floor: least power that the driver's floor alone asks for, shape ``(N,)`` [kW].
        minimum: smallest charging power other than 0, shape ``(N,)`` [kW].
        minimum_out: smallest discharging power other than 0, shape ``(N,)`` [kW].
        order: rows, the most urgent first, shape ``(N,)``.
        base_high: the building's import without vehicles, at most, shape ``(4,)`` [kW].
        base_low: the same, at least, shape ``(4,)`` [kW].
        import_limit: greatest import, shape ``(4,)`` [kW].
        export_limit: greatest export, shape ``(4,)`` [kW].
        worst: as in :func:`import_load`.
        most: as in :func:`import_load`.
        sure: as in :func:`import_load`.
        shown: as in :func:`import_load`.
    """
    for _ in range(_PASSES):
        lowered = _lower_import(power, must, floor, minimum, order, base_high, import_limit, worst, most, sure, shown)
        raised = _lower_export(power, minimum_out, order, base_low, export_limit, worst, most, sure, shown)
        if not (lowered or raised):
            return
    for i in range(power.shape[0]):  # the limits pull against each other: nobody discharges, then import is held
        power[i] = max(0.0, power[i])
    _lower_import(power, must, floor, minimum, order, base_high, import_limit, worst, most, sure, shown)
