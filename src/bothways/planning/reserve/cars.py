"""Vehicles as the interior-point method sees them: a few variables per step, and rows that join neighbours in time.

Per step k a vehicle has the variables d (discharge), r_1 … r_G (shares) and e (energy at the end), in this order;
charging follows from them: c = (e_k − e_{k−1} + Δ·d/ηd − Δ·Σ moved_g·r_g)/(Δ·ηc). Every limit is a row a·z ≤ h that
touches a few steps only, so the Newton matrix of a vehicle is a narrow band. Bounds are widened by a hair: the method
needs an inside, and what comes out is repaired and certified elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from bothways.planning.layout import Layout
from bothways.planning.problem import Bools, Floats, Ints
from bothways.planning.reserve.headroom import headroom_rows
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.reserve.repair import Tables
from bothways.planning.shortfall import Reach

# Columns of the table of vehicles.
AT, STEPS, START, CEILING, CHARGE, DISCHARGE, ETA_IN, PER_OUT, CALL, WEAR, VALUE, REQUIRED, TIME = range(13)
PLAIN_ROWS = 8  # besides one per group: c ≥ 0, c ≤, d ≥ 0, d ≤, e ≥, e ≤, power up, power down
HAIR = 1e-6
WIDTH = 1e-4

Kit = tuple[float, Floats, Floats, Floats, Ints, Floats, Ints, Ints, Ints, Floats, Floats, bool]
"""step_h, lower, before, moved, is_up, row_at, row_up, pointer, terms, hours, wear_share, drifts."""


@dataclass(frozen=True)
class Cars:
    """Vehicles with a choice, and the rows they keep.

    Attributes:
        step_h: length of a step [h].
        vehicle: which vehicle of the fleet each one is, ``(M,)``.
        table: ``(M, 13)`` numbers, see the names above; forced first steps are left out.
        lower, before: least energy at the end and at the start of each vehicle-step of the layout, ``(S,)``.
        moved: stored energy per kWh of expected activation, ``(M, G)``.
        is_up: which groups are up, ``(G,)``.
        row_at, row_up: the kinds of headroom rows, ``(R,)``.
        pointer: where each kind's terms begin, ``(R + 1,)``.
        terms: group and steps back, ``(K, 2)``.
        hours: hours of each term, ``(K,)``.
        wear_share: cost per kW and step of a share, ``(M, G)`` [currency/kW].
        variables, rows: where each vehicle's numbers begin, ``(M + 1,)`` each.
        band: half bandwidth of the Newton matrices.
        drifts: whether activation moves energy, so that each vehicle has one more row at the end.
        forced_kw: power in forced first steps, ``(S,)``, 0 elsewhere.
        most_kw: most that can be promised to a group, ``(S,)``; in a forced step what the slack of the rows leaves.
    """

    step_h: float
    vehicle: Ints
    table: Floats
    lower: Floats
    before: Floats
    moved: Floats
    is_up: Ints
    row_at: Floats
    row_up: Ints
    pointer: Ints
    terms: Ints
    hours: Floats
    wear_share: Floats
    variables: Ints
    rows: Ints
    band: int
    drifts: bool
    forced_kw: Floats
    most_kw: Floats

    @property
    def width(self) -> int:
        """Variables per step."""
        return int(self.is_up.size) + 2

    @property
    def kinds(self) -> int:
        """Rows per step."""
        return PLAIN_ROWS + int(self.is_up.size) + int(self.row_at.size)

    @classmethod
    def of(cls, problem: ReservePlanProblem, layout: Layout, bounds: Reach, tables: Tables) -> Cars:
        """Picks the vehicles that have a choice and takes their forced first steps out."""
        plan, fleet, groups = problem.plan, problem.plan.fleet, problem.groups
        rates, kinds = Rates.of(plan), headroom_rows(problem)
        charge_step = bounds.charge_step_kwh[layout.owner]
        at_full = fleet.energy_at_arrival_kwh[layout.owner] + (layout.k + 1) * charge_step
        forced = np.zeros(fleet.size, dtype=np.int64)
        tight = bounds.lower_kwh >= at_full - HAIR
        np.maximum.at(forced, layout.owner[tight], layout.k[tight] + 1)
        chosen = np.flatnonzero((layout.duration > forced) & (rates.most_kw > HAIR))
        start = fleet.energy_at_arrival_kwh + forced * bounds.charge_step_kwh
        table = np.stack(
            [
                (layout.first + forced).astype(np.float64), (layout.duration - forced).astype(np.float64), start,
                bounds.ceiling_kwh, fleet.charge_kw, fleet.discharge_kw, fleet.charge_efficiency,
                1.0 / fleet.discharge_efficiency, rates.call, fleet.wear_per_kwh,
                np.full(fleet.size, plan.terminal_value_per_kwh), bounds.required_kwh,
                (fleet.arrival + forced).astype(np.float64),
            ],
            axis=1,
        )[chosen]  # fmt: skip
        steps = table[:, STEPS].astype(np.int64)
        per_step = PLAIN_ROWS + len(groups) + len(kinds)
        drifts = any(group.activation > 0.0 for group in groups)
        reach_back = max((term[1] for kind in kinds for term in kind.terms), default=0) + 1
        width = len(groups) + 2
        wear = [
            plan.step_h * group.activation * rates.wear if group.up else np.zeros(fleet.size) for group in groups
        ]  # fmt: skip
        return cls(
            step_h=plan.step_h,
            vehicle=chosen,
            table=np.ascontiguousarray(table),
            lower=tables.lower,
            before=tables.before,
            moved=np.ascontiguousarray(tables.moved[chosen]),
            is_up=tables.is_up,
            row_at=tables.row_at,
            row_up=tables.row_up,
            pointer=np.concatenate([[0], np.cumsum([len(kind.terms) for kind in kinds])]).astype(np.int64),
            terms=np.ascontiguousarray(tables.terms[:, 1:]),
            hours=tables.hours,
            wear_share=np.ascontiguousarray(np.array(wear).reshape(len(groups), fleet.size).T[chosen]),
            variables=np.concatenate([[0], np.cumsum(steps * width)]).astype(np.int64),
            rows=np.concatenate([[0], np.cumsum(steps * per_step + 1)]).astype(np.int64),
            band=max(width, reach_back * width - 2),
            drifts=drifts,
            most_kw=_most_kw(problem, layout, rates, at_full - bounds.lower_kwh, layout.k < forced[layout.owner]),
            forced_kw=np.where(layout.k < forced[layout.owner], fleet.charge_kw[layout.owner], 0.0),
        )


def _most_kw(problem: ReservePlanProblem, layout: Layout, rates: Rates, slack_kwh: Floats, forced: Bools) -> Floats:
    """Where full power is needed in every step so far, e_k lies at its least: only rounding can be promised."""
    hours = min((group.hours for group in problem.groups), default=problem.plan.step_h)
    per_kw = hours * np.minimum(rates.call, problem.plan.fleet.charge_efficiency)
    most = rates.most_kw[layout.owner]
    return np.where(forced, np.minimum(most, np.maximum(slack_kwh, 0.0) / per_kw[layout.owner]), most)


@njit(cache=True, nogil=True)
def charging(
    k: int,
    car: Floats,
    step_h: float,
    moved: Floats,
    sign: float,
    place: Ints,
    value: Floats,
) -> tuple[int, float]:
    """Writes sign·c of step k as entries, in the order of the variables; returns their number and the constant."""
    width = moved.shape[0] + 2
    per_kwh = sign / (step_h * car[ETA_IN])
    count, constant = 0, 0.0
    if k > 0:
        place[0], value[0] = k * width - 1, -per_kwh
        count = 1
    else:
        constant = -per_kwh * car[START]
    place[count], value[count] = k * width, sign * car[PER_OUT] / car[ETA_IN]
    for g in range(moved.shape[0]):
        place[count + 1 + g], value[count + 1 + g] = k * width + 1 + g, -sign * moved[g] / car[ETA_IN]
    count += 1 + moved.shape[0]
    place[count], value[count] = k * width + width - 1, per_kwh
    return count + 1, constant


@njit(cache=True, nogil=True)
def slots(groups: int, pointer: Ints) -> Ints:
    """Where the entries of each kind of row begin among those of a step, ``(kinds + 1,)``."""
    kinds = PLAIN_ROWS + groups + pointer.shape[0] - 1
    offset = np.zeros(kinds + 1, dtype=np.int64)
    for j in range(kinds):
        room = 1
        if j < 2 or 6 + groups <= j < 8 + groups:
            room = groups + 3
        elif j >= 8 + groups:
            r = j - 8 - groups
            room = pointer[r + 1] - pointer[r] + 2
        offset[j + 1] = offset[j] + room
    return offset


@njit(cache=True, nogil=True)
def rows_of(
    i: int, table: Floats, kit: Kit, offset: Ints, place: Ints, value: Floats, count: Ints, side: Floats
) -> None:
    """Writes all rows of vehicle i.

    Row j of step k has ``count[k·kinds + j]`` entries from ``k·offset[kinds] + offset[j]`` on; none means that there is
    no such row. ``side`` is the right-hand side.
    """
    car = table[i]
    _bound_rows(i, car, kit, offset, place, value, count, side)
    _power_rows(i, car, kit, offset, place, value, count, side)
    _headroom_rows(car, kit, offset, place, value, count, side)


@njit(cache=True, nogil=True)
def _bound_rows(
    i: int, car: Floats, kit: Kit, offset: Ints, place: Ints, value: Floats, count: Ints, side: Floats
) -> None:
    step_h, lower, own = kit[0], kit[1], kit[3][i]
    groups = own.shape[0]
    width, kinds = groups + 2, offset.shape[0] - 1
    for k in range(int(car[STEPS])):
        at, first, base, s = k * kinds, k * offset[kinds], k * width, int(car[AT]) + k
        for j in range(2):
            sign, begin = (-1.0 if j == 0 else 1.0), first + offset[j]
            many, constant = charging(k, car, step_h, own, sign, place[begin:], value[begin:])
            count[at + j] = many
            side[at + j] = (HAIR if j == 0 else max(car[CHARGE], WIDTH) + HAIR) - constant
        slack = HAIR if car[CEILING] - lower[s] > WIDTH else WIDTH
        for j in range(2, 6 + groups):
            count[at + j] = 1 if j > 3 or car[DISCHARGE] > 0.0 else 0
            value[first + offset[j]] = 1.0 if j in (3, 5) else -1.0
            place[first + offset[j]] = base if j < 4 else (base + width - 1 if j < 6 else base + j - 5)
            side[at + j] = HAIR
        side[at + 3] += car[DISCHARGE]
        side[at + 4] = slack - lower[s]
        side[at + 5] = slack + car[CEILING]


@njit(cache=True, nogil=True)
def _power_rows(
    i: int, car: Floats, kit: Kit, offset: Ints, place: Ints, value: Floats, count: Ints, side: Floats
) -> None:
    """Σ up − c + d ≤ discharging power, and Σ down + c − d ≤ charging power."""
    step_h, own, is_up = kit[0], kit[3][i], kit[4]
    groups, kinds = own.shape[0], offset.shape[0] - 1
    for k in range(int(car[STEPS])):
        for way in range(2):
            j, sign, anyone = 6 + groups + way, (-1.0 if way == 0 else 1.0), False
            begin = k * offset[kinds] + offset[j]
            many, constant = charging(k, car, step_h, own, sign, place[begin:], value[begin:])
            first = begin + (1 if k > 0 else 0)
            value[first] -= sign  # discharge
            for g in range(groups):
                if is_up[g] == 1 - way:
                    value[first + 1 + g] += 1.0
                    anyone = True
            count[k * kinds + j] = many if anyone else 0
            side[k * kinds + j] = (car[DISCHARGE] if way == 0 else car[CHARGE]) + HAIR - constant


@njit(cache=True, nogil=True)
def _headroom_rows(car: Floats, kit: Kit, offset: Ints, place: Ints, value: Floats, count: Ints, side: Floats) -> None:
    _, lower, before, _, is_up, row_at, row_up, pointer, terms, hours, _, _ = kit
    groups, kinds = is_up.shape[0], offset.shape[0] - 1
    width = groups + 2
    for k in range(int(car[STEPS])):
        s = int(car[AT]) + k
        for r in range(row_at.shape[0]):
            j = 8 + groups + r
            at = k * offset[kinds] + offset[j]
            begin = at
            for m in range(pointer[r], pointer[r + 1]):
                if terms[m, 1] <= k:
                    place[at] = (k - terms[m, 1]) * width + 1 + terms[m, 0]
                    value[at] = car[CALL] * hours[m]
                    at += 1
            sign, most = 1.0, car[CEILING]
            if row_up[r] == 1:
                sign, most = -1.0, -(1.0 - row_at[r]) * before[s] - row_at[r] * lower[s]
            if row_at[r] < 1.0 and k > 0:
                place[at], value[at] = k * width - 1, sign * (1.0 - row_at[r])
                at += 1
            elif row_at[r] < 1.0:
                most -= sign * (1.0 - row_at[r]) * car[START]
            place[at], value[at] = k * width + width - 1, sign * row_at[r]
            count[k * kinds + j] = at + 1 - begin
            side[k * kinds + j] = most + HAIR
