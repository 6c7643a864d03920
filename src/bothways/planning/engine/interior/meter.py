"""The meter in the interior-point method: its variables, its rows, and the matrix that they add.

Per step [kWh] there are import within the soft limit, import above it, export and curtailment, for each demand charge
the peak above the one so far, and for each of its steps what is left below that peak. Rows: the balance of every step,

    I + X − E − U − vehicles = load,

and π_k − I_t − X_t − rest_kt = −s_k for every step that charge k counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bothways.planning.engine.interior.kernels import band_times, share_out, solve_triangles, triangle
from bothways.planning.engine.site import (
    EXPORT,
    IMPORT,
    LOAD,
    SURPLUS,
    Site,
)
from bothways.planning.problem import Floats, Ints

_STIFF = 1e-300  # what gives way by less does not give way at all
_REFINEMENTS = 30
_EXACT = 1e-10  # what a solution may lack, of its right-hand side: less changes next to no step of the method


@dataclass(frozen=True)
class Meter:
    """The meter's variables: import, import above the soft limit, export, curtailment, peaks, rests.

    Attributes:
        periods: steps T.
        low, high, cost: bounds [kWh] and costs [currency/kWh] of the variables, ``(n,)``.
        side: right-hand sides of the rows: T balances, then the charges' steps, ``(T + R,)``.
        charge, step: charge and step of each row after the balances, ``(R,)``.
        order, edges: rows after the balances by step, ``(R,)``, and where each step's begin, ``(T + 1,)``.
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
    order: Ints
    edges: Ints
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
        order = np.argsort(step, kind="stable")
        edges = np.searchsorted(step[order], np.arange(site.periods + 1))
        return Meter(
            site.periods,
            np.zeros(high_kwh.size),
            high_kwh,
            np.concatenate(cost),
            side,
            charge,
            step,
            order,
            edges,
            count,
            far,
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.side.size)

    def _parts(self, numbers: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        t, u = self.periods, 4 * self.periods + self.charges
        steps = numbers[:t], numbers[t : 2 * t], numbers[2 * t : 3 * t], numbers[3 * t : 4 * t]
        return *steps, numbers[4 * t : u], numbers[u:]

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

    def system(self, give: Floats, width: int) -> MeterSystem:
        """The rows' system for variables that give way by ``give`` ``(n,)``; vehicles reach over ``width`` steps."""
        imported, above, exported, curtailed, peaks, rests = self._parts(give)
        rests = np.maximum(rests, _STIFF)
        loose = np.bincount(self.step, weights=1.0 / rests, minlength=self.periods).astype(np.float64)
        band = np.zeros((self.periods, width))
        band[:, 0] = exported + curtailed
        return MeterSystem(self, band, imported + above, loose, rests, peaks)


@dataclass
class MeterSystem:
    """The rows' system: a band over the steps, the charges' rows eliminated step by step, their peaks as a correction.

    With d = what import gives way per step and ρ what the rests give, the rows of the charges that count a step form
    diag(ρ) + d·11ᵀ and reach the balance by −d·1, so that they leave d / (1 + d·Σ1/ρ) of it there (Sherman and
    Morrison 1950). A peak couples all steps of its charge; that is one column each (Woodbury). What such a correction
    loses in rounding, conjugate gradients mend.

    Attributes:
        meter: whose rows these are.
        band: upper triangle by diagonals, ``(T, W)``; vehicles are added before :meth:`factor`.
        bought: d, ``(T,)``.
        loose: Σ 1/ρ, ``(T,)``.
        rests: ρ, ``(R,)``.
        peaks: what each peak gives way, ``(K,)``.
    """

    meter: Meter
    band: Floats
    bought: Floats
    loose: Floats
    rests: Floats
    peaks: Floats
    plain: Floats = field(init=False)
    columns: Floats = field(init=False)
    inner: Floats = field(init=False)

    def factor(self) -> None:
        """Factors the band and prepares the peaks' correction."""
        meter = self.meter
        self.plain = self.band.copy()
        self.band[:, 0] += self.bought / (1.0 + self.bought * self.loose)
        triangle(self.band)
        count, periods = meter.charges, meter.periods
        self.columns = np.zeros((count, meter.rows))
        for k in range(count):
            self.columns[k, periods:] = meter.charge == k
            self.columns[k] = self._without_peaks(self.columns[k])
        self.inner = np.array([self._sums(column) for column in self.columns]).reshape(count, count).T
        self.inner += np.diag(1.0 / np.maximum(self.peaks, _STIFF))
        if count == 1:  # one peak is the usual case, and a library call takes longer than its division
            self.columns /= self.inner[0, 0]

    def solve(self, side: Floats) -> Floats:
        """The rows' prices at a right-hand side ``(T + R,)``: conjugate gradients, which mend what rounding took."""
        found = self._once(side)
        if not self.meter.charges:
            return found
        left = side - self.times(found)
        near, best = float(np.abs(left).max()), found
        enough = _EXACT * float(np.abs(side).max())
        if near <= enough:
            return found
        mended = self._once(left)
        turn, along = float((left * mended).sum()), mended
        for _ in range(_REFINEMENTS):
            if near <= enough or not turn > 0.0:
                break
            seen = self.times(along)
            bend = float((along * seen).sum())
            if not bend > 0.0:
                break
            found = found + turn / bend * along
            left = left - turn / bend * seen
            now = float(np.abs(left).max())
            if now < near:
                near, best = now, found
            mended = self._once(left)
            before, turn = turn, float((left * mended).sum())
            along = mended + turn / before * along
        return best

    def times(self, y: Floats) -> Floats:
        """The system times ``y`` ``(T + R,)``."""
        meter = self.meter
        energy, rows = y[: meter.periods], y[meter.periods :]
        seen = self.bought * (energy - np.bincount(meter.step, weights=rows, minlength=meter.periods))
        balance = np.empty(meter.periods)
        band_times(self.plain, energy, balance)
        peaks = (self.peaks * self._sums(y))[meter.charge]
        return np.concatenate([balance + seen, self.rests * rows + peaks - seen[meter.step]])

    def _once(self, side: Floats) -> Floats:
        found = self._without_peaks(side)
        if not self.meter.charges:
            return found
        sums = self._sums(found)
        if sums.size == 1:
            return np.asarray(found - sums[0] * self.columns[0], dtype=np.float64)
        share = np.linalg.solve(self.inner, sums)
        return np.asarray(found - (share[:, None] * self.columns).sum(axis=0), dtype=np.float64)

    def _sums(self, y: Floats) -> Floats:
        meter = self.meter
        sums = np.bincount(meter.charge, weights=y[meter.periods :], minlength=meter.charges)
        return sums.astype(np.float64)

    def _without_peaks(self, side: Floats) -> Floats:
        meter = self.meter
        step, peak = meter.step, side[meter.periods :]
        pulled = np.bincount(step, weights=peak / self.rests, minlength=meter.periods)
        energy = side[: meter.periods] + self.bought / (1.0 + self.bought * self.loose) * pulled
        solve_triangles(self.band, energy)
        wanted = peak + (self.bought * energy)[step]
        rows = np.empty(wanted.size)
        share_out(meter.order, meter.edges, self.bought, self.loose, self.rests, wanted, rows)
        return np.concatenate([energy, rows])
