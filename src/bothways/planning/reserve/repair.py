"""From what a solver wished to a plan in which every promise can be kept, in float64.

First shares give way to the schedule, row by row. What is left of them is taken as given and the schedule is moved by
as little as it takes: with the shares fixed, the energies that keep every row form a tube, found backward from the end
of the stay; the schedule is clipped into it forward. Where the tube is empty, the vehicle's shares shrink until it is
not; without shares it never is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.headroom import headroom_rows
from bothways.planning.reserve.model import lower_at_start_kwh
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.shortfall import Reach

_SHRINK = np.array([1.0, 1.0 - 1e-7, 1.0 - 1e-5, 1.0 - 1e-3, 0.98, 0.9, 0.7, 0.4, 0.0])
_ROUNDING = 1e-9

# Columns of the table of vehicles that the kernels read.
FIRST, DURATION, ARRIVED, CEILING, CHARGE, DISCHARGE, PER_IN, PER_OUT, CALL = range(9)


@dataclass(frozen=True)
class Tables:
    """A problem as the kernels take it.

    Attributes:
        step_h: length of a step [h].
        vehicles: ``(N, 9)``: position of the first vehicle-step, number of steps, energy at arrival, ceiling, powers,
            stored energy per AC energy in both directions, stored energy per AC energy of a call.
        lower: least energy at the end of each vehicle-step, ``(S,)`` [kWh].
        before: the same at its start, ``(S,)``.
        moved: stored energy per kWh of expected activation, ``(N, G)``.
        is_up: which groups are up, ``(G,)``.
        row_at, row_up: where in the step each kind of headroom row looks, and which side it is on, ``(R,)``.
        terms: kind of row, group, steps back, ``(M, 3)``.
        hours: hours of each term, ``(M,)``.
    """

    step_h: float
    vehicles: Floats
    lower: Floats
    before: Floats
    moved: Floats
    is_up: Ints
    row_at: Floats
    row_up: Ints
    terms: Ints
    hours: Floats

    @classmethod
    def of(cls, problem: ReservePlanProblem, layout: Layout, bounds: Reach) -> Tables:
        """Brings a problem into tables."""
        fleet, rates, kinds = problem.plan.fleet, Rates.of(problem.plan), headroom_rows(problem)
        vehicles = np.stack(
            [
                layout.first.astype(np.float64), layout.duration.astype(np.float64), fleet.energy_at_arrival_kwh,
                bounds.ceiling_kwh, fleet.charge_kw, fleet.discharge_kw, fleet.charge_efficiency,
                1.0 / fleet.discharge_efficiency, rates.call,
            ],
            axis=1,
        )  # fmt: skip
        terms = [(number, term[0], term[1]) for number, kind in enumerate(kinds) for term in kind.terms]
        moved = [rates.moved(group) for group in problem.groups]
        return cls(
            problem.plan.step_h,
            np.ascontiguousarray(vehicles),
            bounds.lower_kwh,
            lower_at_start_kwh(problem, layout, bounds),
            np.ascontiguousarray(np.array(moved).reshape(len(problem.groups), fleet.size).T),
            np.array([group.up for group in problem.groups], dtype=np.int64),
            np.array([kind.at for kind in kinds], dtype=np.float64),
            np.array([kind.up for kind in kinds], dtype=np.int64),
            np.array(terms, dtype=np.int64).reshape(len(terms), 3),
            np.array([term[2] for kind in kinds for term in kind.terms], dtype=np.float64),
        )

    def fit(self, power_kw: Floats, shares_kw: Floats) -> Floats:
        """Moves power and shares into every limit, in place; returns the expected energy after each step, ``(S,)``."""
        energy = np.empty(power_kw.size)
        _fit_all(
            self.vehicles, self.step_h, self.lower, self.before, self.moved, self.is_up, self.row_at, self.row_up,
            self.terms, self.hours, power_kw, shares_kw, energy, _SHRINK,
        )  # fmt: skip
        return energy


@njit(cache=True, nogil=True)
def _stored(power: float, per_in: float, per_out: float) -> float:
    return power * per_in if power > 0.0 else power * per_out


@njit(cache=True, nogil=True)
def _drop(
    row: int,
    k: int,
    first: int,
    terms: Ints,
    hours: Floats,
    shares: Floats,
) -> float:
    """AC energy that calls have moved where a row looks [kWh]."""
    total = 0.0
    for m in range(terms.shape[0]):
        if terms[m, 0] == row and k >= terms[m, 2]:
            total += hours[m] * shares[terms[m, 1], first + k - terms[m, 2]]
    return total


@njit(cache=True, nogil=True)
def _tube(
    car: Floats,
    step_h: float,
    lower: Floats,
    moved: Floats,
    is_up: Ints,
    row_at: Floats,
    row_up: Ints,
    terms: Ints,
    hours: Floats,
    shares: Floats,
    held: float,
    tube: Floats,
) -> bool:
    """Writes lowest and highest energy and power of each step, ``(4, n)``; False where there is no way through.

    With ``held`` 0 shares only drift (expected activation) and ask for neither power nor headroom; with 1 for both.
    """
    first, n = int(car[FIRST]), int(car[DURATION])
    brought = 0.0
    for g in range(is_up.shape[0]):
        for s in range(first, first + n):
            brought += step_h * moved[g] * shares[g, s]
    # The requirement is met also if nothing is ever activated: the stay ends higher by what activation would bring.
    after_low, after_high = -np.inf, np.inf
    if n > 0:
        after_low = lower[first + n - 1] + brought
    for k in range(n - 1, -1, -1):
        up, down, drift = 0.0, 0.0, 0.0
        for g in range(is_up.shape[0]):
            share = shares[g, first + k]
            drift += step_h * moved[g] * share
            if is_up[g] == 1:
                up += share
            else:
                down += share
        least, most = held * up - car[DISCHARGE], car[CHARGE] - held * down
        low, high = lower[first + k], car[CEILING]
        for r in range(row_at.shape[0]):
            if row_at[r] >= 1.0:
                drop = held * car[CALL] * _drop(r, k, first, terms, hours, shares)
                if row_up[r] == 1:
                    low = max(low, lower[first + k] + drop)
                else:
                    high = min(high, car[CEILING] - drop)
        low, high = max(low, after_low), min(high, after_high)
        if least > most + _ROUNDING or low > high + _ROUNDING:
            return False
        least, low = min(least, most), min(low, high)
        tube[0, k], tube[1, k], tube[2, k], tube[3, k] = low, high, least, most
        after_low = low - step_h * _stored(most, car[PER_IN], car[PER_OUT]) - drift
        after_high = high - step_h * _stored(least, car[PER_IN], car[PER_OUT]) - drift
    return bool(after_low - _ROUNDING <= car[ARRIVED] <= after_high + _ROUNDING)


@njit(cache=True, nogil=True)
def _walk(
    car: Floats,
    step_h: float,
    moved: Floats,
    shares: Floats,
    tube: Floats,
    power: Floats,
    energy: Floats,
) -> None:
    first, now = int(car[FIRST]), car[ARRIVED]
    for k in range(int(car[DURATION])):
        s, drift = first + k, 0.0
        for g in range(moved.shape[0]):
            drift += step_h * moved[g] * shares[g, s]
        wish = min(max(power[s], tube[2, k]), tube[3, k])
        after = now + step_h * _stored(wish, car[PER_IN], car[PER_OUT]) + drift
        held = min(max(after, tube[0, k]), tube[1, k])
        if held != after:
            rate = (held - now - drift) / step_h
            wish = rate / car[PER_IN] if rate > 0.0 else rate / car[PER_OUT]
            wish = min(max(wish, tube[2, k]), tube[3, k])
        power[s] = wish
        now += step_h * _stored(wish, car[PER_IN], car[PER_OUT]) + drift
        energy[s] = now


@njit(cache=True, nogil=True)
def _shrink_power(car: Floats, is_up: Ints, shares: Floats, power: Floats) -> bool:
    """Shrinks shares that a step's power does not leave room for; says whether it had to."""
    first, shrunk = int(car[FIRST]), False
    for s in range(first, first + int(car[DURATION])):
        for way in range(2):
            total = 0.0
            for g in range(is_up.shape[0]):
                if is_up[g] == way:
                    total += shares[g, s]
            room = max(car[DISCHARGE] + power[s] if way == 1 else car[CHARGE] - power[s], 0.0)
            if total > room + _ROUNDING:
                shrunk = True
                for g in range(is_up.shape[0]):
                    if is_up[g] == way:
                        shares[g, s] *= room / total
    return shrunk


@njit(cache=True, nogil=True)
def _shrink_headroom(
    car: Floats,
    lower: Floats,
    before: Floats,
    row_at: Floats,
    row_up: Ints,
    terms: Ints,
    hours: Floats,
    shares: Floats,
    energy: Floats,
    skip_from: float,
) -> bool:
    """Shrinks shares where a call would lack energy at the planned one; says whether it had to.

    Rows that look at ``skip_from`` of a step or later are left out.
    """
    first, shrunk = int(car[FIRST]), False
    for k in range(int(car[DURATION])):
        s = first + k
        start = energy[s - 1] if k > 0 else car[ARRIVED]
        for r in range(row_at.shape[0]):
            if row_at[r] >= skip_from:
                continue
            here = (1.0 - row_at[r]) * start + row_at[r] * energy[s]
            room = car[CEILING] - here
            if row_up[r] == 1:
                room = here - (1.0 - row_at[r]) * before[s] - row_at[r] * lower[s]
            drop = car[CALL] * _drop(r, k, first, terms, hours, shares)
            if drop > max(room, 0.0) + _ROUNDING:
                shrunk = True
                for m in range(terms.shape[0]):
                    if terms[m, 0] == r and k >= terms[m, 2]:
                        shares[terms[m, 1], s - terms[m, 2]] *= max(room, 0.0) / drop
    return shrunk


@njit(cache=True, nogil=True)
def _fit_all(
    vehicles: Floats,
    step_h: float,
    lower: Floats,
    before: Floats,
    moved: Floats,
    is_up: Ints,
    row_at: Floats,
    row_up: Ints,
    terms: Ints,
    hours: Floats,
    power: Floats,
    shares: Floats,
    energy: Floats,
    factors: Floats,
) -> None:
    longest = 1
    for i in range(vehicles.shape[0]):
        longest = max(longest, int(vehicles[i, DURATION]))
    tube = np.empty((4, longest))
    for i in range(vehicles.shape[0]):
        car = vehicles[i]
        first, n = int(car[FIRST]), int(car[DURATION])
        for _ in range(4):  # shares first give way to the schedule, row by row, …
            if not _tube(car, step_h, lower, moved[i], is_up, row_at, row_up, terms, hours, shares, 0.0, tube):
                break
            _walk(car, step_h, moved[i], shares, tube, power, energy)
            less = _shrink_power(car, is_up, shares, power)
            more = _shrink_headroom(car, lower, before, row_at, row_up, terms, hours, shares, energy, 2.0)
            if not (less or more):
                break
        for again in range(4):  # … then the schedule to what is left of them
            for factor in factors:
                shares[:, first : first + n] *= factor
                if _tube(car, step_h, lower, moved[i], is_up, row_at, row_up, terms, hours, shares, 1.0, tube):
                    break
            _walk(car, step_h, moved[i], shares, tube, power, energy)
            if not _shrink_headroom(car, lower, before, row_at, row_up, terms, hours, shares, energy, 1.0):
                break
            if again == 2:  # it goes back and forth: this vehicle promises nothing
                shares[:, first : first + n] = 0.0
