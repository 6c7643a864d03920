"""The meter in the interior-point method: its variables, its rows, and the matrix that they add.

Per step [kWh] there are import within the soft limit, import above it, export and curtailment, for each demand charge
the peak above the one so far, and for each of its steps what is left below that peak. Rows: the balance of every step,

    I + X − E − U − vehicles = load,

and π_k − I_t − X_t − rest_kt = −s_k for every step that charge k counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.engine.site import (
    EXPORT,
    IMPORT,
    LOAD,
    SURPLUS,
    Site,
)
from bothways.planning.problem import Floats, Ints


@dataclass(frozen=True)
class Meter:
    """The meter's variables: import, import above the soft limit, export, curtailment, peaks, rests.

    Attributes:
        periods: steps T.
        low, high, cost: bounds [kWh] and costs [currency/kWh] of the variables, ``(n,)``.
        side: right-hand sides of the rows: T balances, then the charges' steps, ``(T + R,)``.
        charge, step: charge and step of each row after the balances, ``(R,)``.
        charges: number of demand charges K.
        far: a typical energy of one step [kWh], for variables without an upper bound.
    """

    periods: int
    low: Floats
    high: Floats
    cost: Floats
    side: Floats
    charge: Ints
    step: Ints
    charges: int
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
        high_kwh = np.concatenate(high)
        return Meter(
            site.periods, np.zeros(high_kwh.size), high_kwh, np.concatenate(cost), side, charge, step, count, far
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.side.size)

    def _parts(self, numbers: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        t, k = self.periods, self.charges
        ends = (t, 2 * t, 3 * t, 4 * t, 4 * t + k)
        imported, above, exported, curtailed, peaks, rests = np.split(numbers, ends)
        return imported, above, exported, curtailed, peaks, rests

    def first(self, vehicles: Floats) -> Floats:
        """Variables to start from, above their lower bounds, with vehicles at so much per step ``(T,)`` [kWh]."""
        limits = [np.minimum(limit, 10.0 * self.far) for limit in self._parts(self.high)[:4]]
        imported, above, exported, curtailed = (0.1 * limit for limit in limits)
        needed = self.side[: self.periods] + vehicles + exported + curtailed - above
        imported = np.clip(needed, 0.1 * limits[0], 0.9 * self.high[: self.periods])
        bought = (imported + above)[self.step] + self.side[self.periods :]
        peaks = np.zeros(self.charges)
        np.maximum.at(peaks, self.charge, bought)
        peaks += self.far
        return np.concatenate([imported, above, exported, curtailed, peaks, peaks[self.charge] - bought])

    def seen(self, numbers: Floats) -> Floats:
        """What the rows see of the variables, ``(T + R,)``."""
        imported, above, exported, curtailed, peaks, rests = self._parts(numbers)
        bought = imported + above
        return np.concatenate([bought - exported - curtailed, peaks[self.charge] - bought[self.step] - rests])

    def priced(self, y: Floats) -> Floats:
        """What row prices put on the variables, ``(n,)``: the transpose of :meth:`seen`."""
        energy, peak = y[: self.periods], y[self.periods :]
        bought = energy - np.bincount(self.step, weights=peak, minlength=self.periods)
        peaks = np.bincount(self.charge, weights=peak, minlength=self.charges)
        return np.concatenate([bought, bought, -energy, -energy, peaks, -peak])

    def matrix(self, give: Floats) -> Floats:
        """Rows times ``give`` times rows, upper triangle, ``(T + R, T + R)``."""
        imported, above, exported, curtailed, peaks, rests = self._parts(give)
        bought, size, periods = imported + above, self.rows, self.periods
        matrix = np.zeros((size, size))
        steps = np.arange(periods)
        matrix[steps, steps] = bought + exported + curtailed
        at = periods + np.arange(self.step.size)
        matrix[self.step, at] = -bought[self.step]
        if self.step.size:
            block = np.where(self.charge[:, None] == self.charge, peaks[self.charge][:, None], 0.0)
            block += np.where(self.step[:, None] == self.step, bought[self.step][:, None], 0.0)
            block[np.diag_indices_from(block)] += rests
            matrix[periods:, periods:] = block
        return matrix
