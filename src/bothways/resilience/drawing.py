"""Compiled kernel: one draw of what the vehicles do in one outage, as a path of pooled energy and power.

Random numbers are hashed from (key, draw, start, vehicle, purpose): a draw does not depend on threads or on which other
vehicles exist, so that variants of a fleet are compared on the same luck.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.resilience.serving import ADD, CARS, IN_KW, KEEP, OUT_KW, ROOM, TURN
from bothways.resilience.site import Floats, Ints

Singles = NDArray[np.float32]
Shorts = NDArray[np.int32]

(
    CAPACITY, DISCHARGE, CHARGE, OUT, ROUND_TRIP, FLOOR, FLOOR_COLD, CHARGERS, CHARGER_WORKS, CHARGER_MTTF, COMPLIES,
    GOES, OUTSIDE, STAY, AWAY, BACK, CALLED, COMES, AFTER, SPREAD, STORED,
) = range(21)  # fmt: skip
"""Columns of a kind's numbers; see :meth:`bothways.resilience.fleet.Fleet.numbers`."""

_WEEK, _COMPLY, _COMMON, _COMMON_LANE, _GO, _COME, _CHARGER, _CHARGER_LIFE = range(8)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def luck(key: int, draw: int, start: int, who: int, purpose: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments (SplitMix64, Steele et al. 2014)."""
    z = np.uint64(key)
    for part in (draw, start, who, purpose):
        z = (z ^ np.uint64(part)) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _stay(path: Floats, there: Floats, kind: int, begin: int, end: int, give: float, room: float) -> None:
    """Notes one stay of a vehicle: ``give`` and ``room`` are deliverable energies [kWh, AC side]."""
    horizon = path.shape[0]
    if begin >= horizon or end <= begin:
        return
    path[begin, 1] += give
    path[begin, 2] += room
    if give > 0.0:
        there[kind, begin] += 1.0
    if end < horizon:
        path[end, 0] += give
        path[end, 2] -= room
        if give > 0.0:
            there[kind, end] -= 1.0


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _shuttle(
    path: Floats, there: Floats, kind: int, n: Floats, floor: float, first: int, last: int, who: int, give: float
) -> None:  # fmt: skip
    """Trips to a charger outside: stays ``STAY`` hours, is away ``AWAY`` hours, brings ``BACK`` kWh; staggered."""
    room = (n[CAPACITY] - floor) * n[OUT]
    back = max(0.0, n[BACK] - floor) * n[OUT]
    stay, away = int(n[STAY]), int(n[AWAY])
    begin, end = first, first + 1 + (who * 7919 + stay - 1) % stay
    while begin < last:
        _stay(path, there, kind, begin, min(end, last), give, room)
        begin = end + away
        end = begin + stay
        give = back


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _habits(
    path: Floats, there: Floats, kind: int, n: Floats, floor: float, last: int, at: int, lane: int, who: int,
    stored: Singles, until: Shorts, key: int, draw: int, start: int,
) -> None:  # fmt: skip
    """Follows a vehicle of the record from hour ``at`` of it: present with its energy, or away until it returns."""
    room = (n[CAPACITY] - floor) * n[OUT]
    hours = stored.shape[0]
    k = 0
    while k < last:
        t = (at + k) % hours
        span = max(1, until[t, lane])
        energy = float(stored[t, lane])
        if energy >= 0.0:
            share = 1.0 if k == 0 else n[OUTSIDE]
            give = max(0.0, energy * share - floor) * n[OUT]
            if n[STAY] > 0.0:
                _shuttle(path, there, kind, n, floor, k, last, who, give)
                return
            end = k + span
            if end < last and luck(key, draw, start, who, _GO + 16 * end) >= n[GOES]:
                end = last
            _stay(path, there, kind, k, min(end, last), give, room)
            if end >= last:
                return
        k += span


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _lane(
    path: Floats, there: Floats, kind: int, n: Floats, cold: bool, lane: int, who: int, common: Floats, at: int,
    stored: Singles, until: Shorts, key: int, draw: int, start: int, common_cause: bool,
) -> None:  # fmt: skip
    """One vehicle: does the driver agree, does the common cause take it, is it called in, what does it do."""
    horizon = path.shape[0]
    if luck(key, draw, start, who, _COMPLY) >= n[COMPLIES]:
        return
    last = horizon
    if common_cause and luck(key, draw, start, who, _COMMON_LANE) < common[1]:
        last = min(horizon, int(common[2]))
    floor = n[FLOOR_COLD] if cold else n[FLOOR]
    if n[CALLED] > 0.0:
        if luck(key, draw, start, who, _COME) >= n[COMES]:
            return
        first = int(n[AFTER] + luck(key, draw, start, who, _COME + 16) * (n[SPREAD] + 1.0))
        give = max(0.0, n[STORED] - floor) * n[OUT]
        if n[STAY] > 0.0:
            _shuttle(path, there, kind, n, floor, first, last, who, give)
        else:
            _stay(path, there, kind, first, last, give, (n[CAPACITY] - floor) * n[OUT])
        return
    _habits(path, there, kind, n, floor, last, at, lane, who, stored, until, key, draw, start)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _chargers(
    power: Floats, there: Floats, kind: int, n: Floats, key: int, draw: int, start: int, works: Floats
) -> None:
    """Adds the kind's power: vehicles that are there, or chargers that work, whichever are fewer."""
    horizon = power.shape[0]
    for d in range(horizon):
        works[d] = 0.0
    for c in range(int(n[CHARGERS])):
        who = kind * 100_003 + c
        if luck(key, draw, start, who, _CHARGER) >= n[CHARGER_WORKS]:
            continue
        life = horizon
        if n[CHARGER_MTTF] > 0.0:
            life = int(
                min(float(horizon), -math.log(1.0 - luck(key, draw, start, who, _CHARGER_LIFE)) * n[CHARGER_MTTF])
            )
        for d in range(life):
            works[d] += 1.0
    present = 0.0
    for d in range(horizon):
        present += there[kind, d]
        usable = min(present, works[d])
        power[d, 3] += usable * n[DISCHARGE]
        power[d, 4] += usable * n[CHARGE]


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def draw_path(
    kinds: Floats, lanes: Ints, stored: Singles, until: Shorts, common: Floats,
    how: int, weeks: int, cold: bool, key: int, draw: int, start: int, path: Floats, there: Floats, works: Floats,
) -> None:  # fmt: skip
    """Writes the vehicles' path of one outage.

    All vehicles are taken from the same hour of one week of the record, drawn at random, so that what they have in
    common (a holiday, a cold week) stays common.

    Args:
        kinds: numbers of the kinds, shape ``(K, 21)``.
        lanes: kind and number for drawing of every vehicle, shape ``(V, 2)``.
        stored: energy of every vehicle in every hour of the record [kWh], −1 where it is away; shape ``(R, V)``.
        until: hours until presence changes, shape ``(R, V)``.
        common: chance of a common departure, share of vehicles that go, hours after the start.
        how: hour of the week at which the outage begins, 0 is Monday 0:00.
        weeks: weeks of the record.
        cold: whether the outage begins in a cold month.
        key: of the random numbers.
        draw: number of the draw.
        start: number of the start.
        path: out, shape ``(H, 5)``: energy that leaves (as it came) and that comes [kWh, AC side], change of capacity
            [kWh, AC side], discharge and charge power [kW].
        there: scratch, shape ``(K, H)``.
        works: scratch, shape ``(H,)``.
    """
    path[:] = 0.0
    there[:] = 0.0
    at = int(luck(key, draw, start, 0, _WEEK) * weeks) * 168 + how
    leaves = luck(key, draw, start, 0, _COMMON) < common[0]
    for lane in range(lanes.shape[0]):
        k, who = lanes[lane, 0], lanes[lane, 1]
        _lane(path, there, k, kinds[k], cold, lane, who, common, at, stored, until, key, draw, start, leaves)
    for k in range(kinds.shape[0]):
        _chargers(path, there, k, kinds[k], key, draw, start, works)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def pool_path(cars: Floats, turn: float, store: Floats, works: float, path: Floats) -> None:
    """Writes the path of vehicles and battery as one store.

    A vehicle that leaves takes the share of the stored energy that it brought. One store is what the order "first the
    unit that would last longest at its rating" of Evans, Tindemans and Angeli (2019,
    doi:10.1109/TPWRS.2019.2910388) comes to, as long as no unit runs empty before the others.

    Args:
        cars: out of :func:`draw_path`, shape ``(H, 5)``.
        turn: AC out per AC in of the vehicles.
        store: energy at the start, capacity [kWh, AC side], power [kW], AC out per AC in.
        works: 1 or 0, whether the battery does.
        path: out, shape ``(H, 7)``; see :func:`bothways.resilience.serving.follow_outage`.
    """
    came = store[0] * works
    battery = came
    room = 0.0
    for d in range(path.shape[0]):
        gone = cars[d, 0]
        path[d, KEEP] = 1.0
        if gone > 0.0:
            path[d, KEEP] = max(0.0, 1.0 - gone / came) if came > 0.0 else 0.0
        came = max(battery, came - gone + cars[d, 1])
        path[d, ADD] = cars[d, 1] + (battery if d == 0 else 0.0)
        room += cars[d, 2]
        own = store[1] * works
        path[d, ROOM] = own + max(0.0, room)
        path[d, OUT_KW] = cars[d, 3] + store[2] * works
        path[d, IN_KW] = cars[d, 4] + store[2] * works
        path[d, TURN] = (own * store[3] + max(0.0, room) * turn) / path[d, ROOM] if path[d, ROOM] > 0.0 else 0.0
        path[d, CARS] = (came - battery) / came if came > 0.0 else 0.0
