"""The meter in the interior-point method: its variables, its rows, and what they see of each other.

Per step [kWh] there are import within the soft limit, import above it, export and curtailment, for each demand charge
the peak above the one so far, and for each of its steps what is left below that peak. Rows: the balance of every step,

    I + X − E − U − vehicles = load,

and π_k − I_t − X_t − rest_kt = −s_k for every step that charge k counts. A group's limits are rows like balances: with
what is left below the upper one, and what is above it and below the lower one where that is only priced,

    above − left − below − vehicles' shares = base − upper.

The rows of a step stand together (see ``kinds``), the charges' behind all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Coupling
from bothways.planning.engine.interior.band import room_for
from bothways.planning.engine.site import EXPORT, IMPORT, LOAD, SURPLUS, Site
from bothways.planning.problem import Floats, Ints


class Meter(NamedTuple):
    """The meter's variables: import, import above the soft limit, export, curtailment, peaks, rests, then the groups'.

    Attributes:
        periods: steps T.
        nodes: rows per step m.
        charges: number of demand charges K.
        high, cost: upper bounds [kWh] and costs [currency/kWh] of the variables, ``(n,)``; lower bounds are 0.
        side: right-hand sides of the rows: those of the steps, then the charges' steps, ``(T·m + R,)``.
        charge, step: charge and step of each row of a charge, ``(R,)``.
        order, edges: those rows by step, ``(R,)``, and where each step's begin, ``(T + 1,)``.
        limit_row, limit_sign: row of each of the groups' variables, and how the row sees it, ``(V,)``.
        far: a typical energy of one step [kWh], for variables without an upper bound.
    """

    periods: int
    nodes: int
    charges: int
    high: Floats
    cost: Floats
    side: Floats
    charge: Ints
    step: Ints
    order: Ints
    edges: Ints
    limit_row: Ints
    limit_sign: Floats
    far: float

    @staticmethod
    def of(site: Site, most_in: Floats, coupling: Coupling) -> Meter:
        """The meter of ``site`` and its groups, with vehicles that take at most so much per step ``(T,)`` [kWh]."""
        load, surplus = site.row(LOAD), site.row(SURPLUS)
        soft, penalty, hard, most = site.limits.tolist()
        # Only bounds that the site has: one that vehicles cannot reach would be priced, and the certificate knows none.
        within, above = min(soft, hard), max(0.0, hard - soft) if soft < hard else 0.0
        masks = site.masks.reshape(-1, site.width)[:, : site.periods] > 0.0
        charge, step = (np.ascontiguousarray(places) for places in np.nonzero(masks))  # one layout, one kernel
        count = masks.shape[0]
        nothing = np.zeros(step.size)
        every = np.ones(site.periods)
        far = float(np.abs(load).mean() + 0.25 * most_in.mean()) + 1e-3
        limits = _limits(coupling, 100.0 * far)
        high = [every * within, every * above, every * most, surplus, np.full(count + step.size, np.inf), limits.high]
        buy = site.row(IMPORT)
        own = [buy, buy + penalty, -site.row(EXPORT), np.zeros(site.periods), site.charges[:, 0], nothing]
        nodes = np.vstack([load, limits.side]).T.ravel()
        order = np.argsort(step, kind="stable")
        return Meter(
            site.periods,
            1 + limits.side.shape[0],
            count,
            np.concatenate(high),
            np.concatenate([*own, limits.cost]),
            np.concatenate([nodes, -site.charges[charge, 1]]),
            charge,
            step,
            order,
            np.searchsorted(step[order], np.arange(site.periods + 1)),
            limits.row,
            limits.sign,
            far,
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.side.size)

    @property
    def room(self) -> int:
        """Numbers in a table of the variables: whole vectors."""
        return int(room_for(self.high.size))

    def parts(self, numbers: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """A table of the meter's own variables by kind."""
        t, u, end = self.periods, 4 * self.periods + self.charges, self.high.size - self.limit_row.size
        steps = numbers[:t], numbers[t : 2 * t], numbers[2 * t : 3 * t], numbers[3 * t : 4 * t]
        return *steps, numbers[4 * t : u], numbers[u:end]

    def first(self, vehicles: Floats) -> Floats:
        """Variables to start from, inside their bounds, where rows see so much of the vehicles ``(T·m,)`` [kWh].

        The balances hold where import or export have room for what is needed; and what a charge counts is below its
        peak.
        """
        within, above, out, surplus = (np.minimum(limit, 10.0 * self.far) for limit in self.parts(self.high)[:4])
        little = 0.1 * self.far
        nodes = self.periods * self.nodes
        needed = (self.side[:nodes] + vehicles)[:: self.nodes]
        beyond, curtailed = np.minimum(0.1 * above, little), 0.1 * surplus
        exported = np.clip(np.maximum(-needed, 0.0) + np.minimum(0.1 * out, little), 0.0, 0.95 * out)
        needed = needed + exported + curtailed - beyond
        imported = np.clip(needed, np.minimum(0.05 * within, little), 0.95 * within)
        lacking = needed - imported
        beyond = np.where(above > 0.0, beyond + np.maximum(lacking, 0.0), beyond)
        beyond = np.minimum(beyond, 0.95 * self.parts(self.high)[1])
        exported = np.clip(exported - np.minimum(lacking, 0.0), exported, np.maximum(exported, 0.95 * out))
        bought = (imported + beyond)[self.step] + self.side[nodes:]
        peaks = np.zeros(self.charges)
        np.maximum.at(peaks, self.charge, bought)
        peaks += little
        rests = peaks[self.charge] - bought
        return np.concatenate([imported, beyond, exported, curtailed, peaks, rests, self._first_limits(vehicles)])

    def _first_limits(self, vehicles: Floats) -> Floats:
        """The same for the groups' variables: what is left or missing of each row, and a little of all."""
        count = self.limit_row.size
        start = self.high.size - count
        high, little = self.high[start:], 0.1 * self.far
        beyond = (self.side[: vehicles.size] + vehicles)[self.limit_row]
        left = np.maximum(self.limit_sign * beyond, 0.0) + np.minimum(little, 0.05 * high)
        return np.asarray(np.minimum(left, 0.95 * high))


class _Limits(NamedTuple):
    """The groups' rows and variables, see :class:`Meter`; ``side`` is ``(G, T)``."""

    side: Floats
    row: Ints
    sign: Floats
    high: Floats
    cost: Floats


def _limits(coupling: Coupling, unreached: float) -> _Limits:
    """Brings group limits into rows; where there is no limit at all, one that is so far off that nobody reaches it."""
    extra, groups = coupling.extra, coupling.extra.groups
    base, upper, lower = (coupling.table(flat)[:groups] for flat in (extra.base, extra.upper, extra.lower))
    none = np.isinf(upper) & np.isinf(lower)
    upper = np.where(none, np.abs(base) + unreached, upper)
    capped, held = np.isfinite(upper), np.isfinite(lower)
    anchor = np.where(capped, upper, lower)
    node = np.arange(coupling.periods) * (1 + groups) + 1 + np.arange(groups)[:, None]
    soft = np.isfinite(extra.penalty[:groups, None])
    over, under = capped & soft & ~none, held & soft
    penalty = np.broadcast_to(extra.penalty[:groups, None], node.shape)
    room = np.where(capped & held, upper - np.where(held, lower, 0.0), np.inf)
    many = int(over.sum()) + int(under.sum())
    return _Limits(
        base - anchor,
        np.concatenate([node.ravel(), node[over], node[under]]),
        np.concatenate([np.where(capped, -1.0, 1.0).ravel(), np.ones(int(over.sum())), -np.ones(int(under.sum()))]),
        np.concatenate([np.maximum(room, 0.0).ravel(), np.full(many, np.inf)]),
        np.concatenate([np.zeros(node.size), penalty[over], penalty[under]]),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def seen(meter: Meter, numbers: Floats, out: Floats) -> None:
    """Writes what the rows see of the variables, ``(T·m + R,)``."""
    steps, nodes, rests = meter.periods, meter.nodes, 4 * meter.periods + meter.charges
    limits, charges = rests + meter.step.shape[0], steps * nodes
    out[:charges] = 0.0
    for t in range(steps):
        out[t * nodes] = numbers[t] + numbers[steps + t] - numbers[2 * steps + t] - numbers[3 * steps + t]
    for j in range(meter.step.shape[0]):
        t = meter.step[j]
        out[charges + j] = numbers[4 * steps + meter.charge[j]] - numbers[t] - numbers[steps + t] - numbers[rests + j]
    for v in range(meter.limit_row.shape[0]):
        out[meter.limit_row[v]] += meter.limit_sign[v] * numbers[limits + v]


@njit(cache=True, nogil=True, error_model="numpy")
def priced(meter: Meter, y: Floats, out: Floats) -> None:
    """Writes what row prices put on the variables, ``(≥ n,)``: the transpose of :func:`seen`."""
    steps, nodes, rests = meter.periods, meter.nodes, 4 * meter.periods + meter.charges
    limits, charges = rests + meter.step.shape[0], steps * nodes
    for k in range(meter.charges):
        out[4 * steps + k] = 0.0
    for t in range(steps):
        out[t] = y[t * nodes]
        out[2 * steps + t] = out[3 * steps + t] = -y[t * nodes]
    for j in range(meter.step.shape[0]):
        peak = y[charges + j]
        out[meter.step[j]] -= peak
        out[4 * steps + meter.charge[j]] += peak
        out[rests + j] = -peak
    for t in range(steps):
        out[steps + t] = out[t]
    for v in range(meter.limit_row.shape[0]):
        out[limits + v] = meter.limit_sign[v] * y[meter.limit_row[v]]
