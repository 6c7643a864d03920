"""The meter in the interior-point method: its variables, its rows, and what they see of each other.

Per step [kWh] there are import within the soft limit, import above it, export and curtailment, for each demand charge
the peak above the one so far, and for each of its steps what is left below that peak. Rows: the balance of every step,

    I + X − E − U − vehicles = load,

and π_k − I_t − X_t − rest_kt = −s_k for every step that charge k counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.interior.band import room_for
from bothways.planning.engine.site import EXPORT, IMPORT, LOAD, SURPLUS, Site
from bothways.planning.problem import Floats, Ints


class Meter(NamedTuple):
    """The meter's variables: import, import above the soft limit, export, curtailment, peaks, rests.

    Attributes:
        periods: steps T.
        charges: number of demand charges K.
        high, cost: upper bounds [kWh] and costs [currency/kWh] of the variables, ``(n,)``; lower bounds are 0.
        side: right-hand sides of the rows: T balances, then the charges' steps, ``(T + R,)``.
        charge, step: charge and step of each row after the balances, ``(R,)``.
        order, edges: rows after the balances by step, ``(R,)``, and where each step's begin, ``(T + 1,)``.
        far: a typical energy of one step [kWh], for variables without an upper bound.
    """

    periods: int
    charges: int
    high: Floats
    cost: Floats
    side: Floats
    charge: Ints
    step: Ints
    order: Ints
    edges: Ints
    far: float

    @staticmethod
    def of(site: Site, most_in: Floats) -> Meter:
        """The meter of ``site`` with vehicles that take at most so much per step ``(T,)`` [kWh]."""
        load, surplus = site.row(LOAD), site.row(SURPLUS)
        soft, penalty, hard, most = site.limits.tolist()
        # Only bounds that the site has: one that vehicles cannot reach would be priced, and the certificate knows none.
        within, above = min(soft, hard), max(0.0, hard - soft) if soft < hard else 0.0
        masks = site.masks.reshape(-1, site.width)[:, : site.periods] > 0.0
        charge, step = np.nonzero(masks)
        count = masks.shape[0]
        nothing = np.zeros(step.size)
        every = np.ones(site.periods)
        high = [every * within, every * above, every * most, surplus, np.full(count + step.size, np.inf)]
        buy = site.row(IMPORT)
        cost = [buy, buy + penalty, -site.row(EXPORT), np.zeros(site.periods), site.charges[:, 0], nothing]
        side = np.concatenate([load, -site.charges[charge, 1]])
        far = float(np.abs(load).mean() + 0.25 * most_in.mean()) + 1e-3
        order = np.argsort(step, kind="stable")
        edges = np.searchsorted(step[order], np.arange(site.periods + 1))
        return Meter(
            site.periods, count, np.concatenate(high), np.concatenate(cost), side, charge, step, order, edges, far
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
        """A table of the variables by kind."""
        t, u, end = self.periods, 4 * self.periods + self.charges, self.high.size
        steps = numbers[:t], numbers[t : 2 * t], numbers[2 * t : 3 * t], numbers[3 * t : 4 * t]
        return *steps, numbers[4 * t : u], numbers[u:end]

    def first(self, vehicles: Floats) -> Floats:
        """Variables to start from, inside their bounds, with vehicles at so much per step ``(T,)`` [kWh].

        The balances hold where import or export have room for what is needed; and what a charge counts is below its
        peak.
        """
        within, above, out, surplus = (np.minimum(limit, 10.0 * self.far) for limit in self.parts(self.high)[:4])
        little = 0.1 * self.far
        needed = self.side[: self.periods] + vehicles
        beyond, curtailed = np.minimum(0.1 * above, little), 0.1 * surplus
        exported = np.clip(np.maximum(-needed, 0.0) + np.minimum(0.1 * out, little), 0.0, 0.95 * out)
        needed = needed + exported + curtailed - beyond
        imported = np.clip(needed, np.minimum(0.05 * within, little), 0.95 * within)
        lacking = needed - imported
        beyond = np.where(above > 0.0, beyond + np.maximum(lacking, 0.0), beyond)
        beyond = np.minimum(beyond, 0.95 * self.parts(self.high)[1])
        exported = np.clip(exported - np.minimum(lacking, 0.0), exported, np.maximum(exported, 0.95 * out))
        bought = (imported + beyond)[self.step] + self.side[self.periods :]
        peaks = np.zeros(self.charges)
        np.maximum.at(peaks, self.charge, bought)
        peaks += little
        return np.concatenate([imported, beyond, exported, curtailed, peaks, peaks[self.charge] - bought])


@njit(cache=True, nogil=True, error_model="numpy")
def seen(meter: Meter, numbers: Floats, out: Floats) -> None:
    """Writes what the rows see of the variables, ``(T + R,)``."""
    steps, rests = meter.periods, 4 * meter.periods + meter.charges
    for t in range(steps):
        out[t] = numbers[t] + numbers[steps + t] - numbers[2 * steps + t] - numbers[3 * steps + t]
    for j in range(meter.step.shape[0]):
        t = meter.step[j]
        out[steps + j] = numbers[4 * steps + meter.charge[j]] - numbers[t] - numbers[steps + t] - numbers[rests + j]


@njit(cache=True, nogil=True, error_model="numpy")
def priced(meter: Meter, y: Floats, out: Floats) -> None:
    """Writes what row prices put on the variables, ``(≥ n,)``: the transpose of :func:`seen`."""
    steps, rests = meter.periods, 4 * meter.periods + meter.charges
    for k in range(meter.charges):
        out[4 * steps + k] = 0.0
    for t in range(steps):
        out[t] = y[t]
        out[2 * steps + t] = out[3 * steps + t] = -y[t]
    for j in range(meter.step.shape[0]):
        peak = y[steps + j]
        out[meter.step[j]] -= peak
        out[4 * steps + meter.charge[j]] += peak
        out[rests + j] = -peak
    for t in range(steps):
        out[steps + t] = out[t]
