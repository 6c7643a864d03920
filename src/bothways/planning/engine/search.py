"""The loop around the sweeps: prox centre, step scale, bounds, threads, nested start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bothways.planning.engine.certificate import best_values, repaired
from bothways.planning.engine.coupling import Coupling, extra_prices
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.model import BEGIN, END, FIELDS, Blocks, Numbers
from bothways.planning.engine.prices import Bounds, Prices, price_unit
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.site import LOAD, Site, conjugate, site_cost
from bothways.planning.engine.sweeps import sweep
from bothways.planning.engine.threads import Crew
from bothways.planning.engine.turns import fresh
from bothways.planning.problem import Floats

BALANCE, MORE_BALANCE, FROM_VEHICLES = 0.1, 0.5, 5_000
"""The step scale is steered so that the vehicles' part of the gap is this share of the site's. From so many vehicles on
it grows with their number up to the second: a large crowd follows its prices in a sweep, and leaves little open."""

GROWTH = 8.0
"""By so much a sweep may lengthen the step: where vehicles have settled and the site has not, prices have far to go."""

KEPT_BLOCKS = 256
"""Up to this many blocks the best schedule is kept aside while the search goes on; with hard group limits, always."""

NEARLY = 10.0
"""Money counts as settled within this many times the gap asked for; then what is left is to keep hard limits."""

HOPELESS = 2.5
"""Where the gap is guessed to be so many times what is asked, a certificate, as dear as a sweep, may wait."""

MORE_SWEEPS = 4
"""Sweeps for which it waits then: a guess is no proof, and a schedule that passes a hard limit has to be seen."""

RESTORING = 6
"""Sweeps that a schedule gets to be brought within hard group limits."""

Progress = Callable[[int, float, float], None]


@dataclass
class Search:
    """State of one search over one set of blocks.

    Attributes:
        site, coupling, blocks: what is planned.
        vehicles: number of vehicles in the blocks.
        step_h: length of a step [h].
        lowest: lowest price at which no vehicle charges and discharges at once.
        offset: constant added to every objective, so that gaps are relative to the true one [currency].
        threads: worker threads; 1 is deterministic.
        rng: order of the visits.
        pricing, pricing_rows: what makes the prices: hard limits drawn in once a schedule has passed one.
        best_rows: prices of group limits and reserve in the best bound, flat ``(M, width)``.
        priced: whether the present schedules' cost was taken into the bounds.
        cancel: asked between sweeps; True ends the search.
        progress: told the number of sweeps and both bounds after each certificate.
    """

    site: Site
    coupling: Coupling
    blocks: Blocks
    vehicles: int
    step_h: float
    lowest: float
    offset: float
    threads: int
    rng: np.random.Generator
    cancel: Callable[[], bool] | None = None
    progress: Progress | None = None
    schedules: Numbers = field(init=False)
    sums: Floats = field(init=False)
    prices: Prices = field(init=False)
    bounds: Bounds = field(init=False)
    crew: Crew = field(init=False)
    sweeps: int = field(init=False, default=0)
    pricing: Site = field(init=False)
    pricing_rows: Coupling = field(init=False)
    best_rows: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.schedules = np.empty(self.blocks.rows * LANES, dtype=np.float32)
        self.sums = np.zeros((self.threads, self.site.width + self.coupling.numbers))
        self.bounds = Bounds()
        self.crew = Crew(self.threads)
        self._last_cost = 0.0
        self._unit = price_unit(self.site)
        self._margin_kwh, self._gap = 0.0, 0.0
        self._keeps = self.blocks.count <= KEPT_BLOCKS or bool(np.isinf(self.coupling.extra.penalty).any())
        self._best_is_last = False
        self._best: Numbers | None = None
        self.priced = False
        self.pricing, self.pricing_rows = self.site, self.coupling
        self.best_rows = np.zeros(self.coupling.numbers)
        mean_load = float(np.abs(self.site.row(LOAD)).mean())
        self._mean_kwh = mean_load + 0.5 * self.step_h * max(self.vehicles, 1)

    def crowd(self) -> float:
        """Vehicles present at once, on average over the horizon."""
        columns = self.blocks.columns.reshape(-1, FIELDS, LANES)
        return float((columns[:, END] - columns[:, BEGIN]).sum()) / self.site.periods

    @property
    def rho(self) -> float:
        """Penalty parameter ρ [kWh² per currency]."""
        return self._mean_kwh / self.prices.scale

    @property
    def rate(self) -> Floats:
        """1/ρ of group limits and reserve, flat ``(M, width)`` [currency per kWh²]."""
        if not self.coupling.extra.rows:
            return NOWHERE
        return np.repeat(self.prices.scales, self.site.width) / self.coupling.size

    @property
    def typical_kwh(self) -> float:
        """Energy of a step, roughly [kWh]."""
        return self._mean_kwh

    @property
    def slack_kwh(self) -> float:
        """Excess over a hard limit that is rounding [kWh]; anything more buys money with safety."""
        return 1e-12 * self._mean_kwh

    def run(self, prices: Prices, gap: float, most_sweeps: int, *, ends: bool = True) -> None:
        """Searches until the proven gap is at most ``gap`` or ``most_sweeps`` are done.

        Where the search goes on with something else (not ``ends``), what it has come to then need not be proven.
        """
        self.prices, self._gap = prices.copy(), gap
        self._pass(starting=True)
        self._recentre()
        wait, certified = 4, False
        balance = min(MORE_BALANCE, BALANCE * max(1.0, self.vehicles / FROM_VEHICLES))
        while self.sweeps < most_sweeps and not self.cancelled():
            fleet_gap = self._pass(starting=False)
            self._recentre()
            site_gap = self.site_gap(self.total(), *self.conjugate())
            row_gaps = self.row_gaps(self.coupling.totals(self.sums))
            guess = (0.5 * fleet_gap + site_gap + row_gaps.sum()) / max(1.0, abs(self._objective_guess()))
            wait -= 1
            certified = guess <= gap or wait <= (0 if guess <= HOPELESS * gap else -MORE_SWEEPS)
            if certified:
                self.certify()
                if self.bounds.gap() <= gap:
                    return
                wait = 4 if self.bounds.upper < math.inf else 2
            self.rescale(fleet_gap, site_gap, row_gaps, balance, GROWTH)
        if ends and not certified:
            self.certify()  # what is returned is what is priced

    def learn(self, lower: float, y: Floats) -> None:
        """Takes over a lower bound, and the prices of the rows that gave it where it is the best."""
        if lower > self.bounds.lower:
            self.bounds.lower, self.best_rows = lower, y

    def settle(self, upper: float, broken_kwh: float, excess: Floats) -> None:
        """Takes over an upper bound; where the schedule passes a hard limit there is none, and prices get stricter.

        Args:
            upper: cost of the schedule [currency].
            broken_kwh: excess over a hard limit of the site [kWh].
            excess: that over hard group limits, ``(M, T)`` [kWh].
        """
        self.priced = True
        kept = self.keeps(broken_kwh, excess)
        if not self._keeps:
            self.bounds.upper = upper if kept else math.inf
        elif kept and upper < self.bounds.upper:
            self.bounds.upper, self._best, self._best_is_last = upper, self.schedules.copy(), True
        else:
            self._best_is_last = False
        if self.slack_kwh < broken_kwh < 1e-3 * self._mean_kwh:  # nearly there; far off, a margin would only cost
            self._margin_kwh = min(max(1.5 * self._margin_kwh, 2.0 * broken_kwh), 2e-3 * self._mean_kwh)
            self.pricing = self.site.tightened(self._margin_kwh)

    def keeps(self, broken_kwh: float, excess: Floats) -> bool:
        """Whether such an excess over hard limits, as ``settle`` takes it, is none but for rounding."""
        return broken_kwh <= self.slack_kwh and (not excess.size or float(excess.max()) <= self.slack_kwh)

    def upper(self, schedules: Numbers) -> tuple[float, float, Floats]:
        """Prices schedules in float64: their cost, and excess over hard limits as ``settle`` takes it."""
        blocks, rows, width = self.blocks, self.coupling, self.site.width
        turns, sums = fresh(), np.zeros_like(self.sums)

        def work(own: int) -> float:
            return float(
                repaired(
                    turns, blocks.columns, blocks.window, blocks.first_row, schedules, sums[own], NOWHERE, rows.extra,
                    width,
                )
            )  # fmt: skip

        own_cost = math.fsum(self.crew.run(work))
        self.sums = sums
        cost, broken, excess = self.coupling_cost()
        return self.offset + cost + own_cost, broken, excess

    def restore(self, upper: float, excess: Floats) -> None:
        """Where money is nearly settled but group limits are passed: a schedule beside the search that keeps them.

        A few sweeps from the present schedule, with ever stiffer prices for the limits that are passed, which are drawn
        in a little. The search itself goes on as if nothing had been: what it passes the limits by shrinks as it does.

        Args:
            upper: cost of the present schedule [currency].
            excess: its energy beyond hard group limits, ``(M, T)`` [kWh].
        """
        if not excess.size:
            return
        near = upper - self.bounds.lower <= NEARLY * self._gap * max(1.0, abs(upper))
        if not near or float(excess.max(initial=0.0)) <= self.slack_kwh:
            return
        before = self.schedules, self.sums, self.prices.copy(), self.pricing_rows, self.sweeps
        self.schedules = self.schedules.astype(np.float32)
        margin = np.zeros_like(excess)
        for _ in range(RESTORING):
            far = (excess > self.slack_kwh).any(axis=1)
            self.prices.scales = np.where(
                far, np.minimum(8.0 * self.prices.scales, self._unit * 1e3), self.prices.scales
            )
            margin = np.where(
                excess > 0.0, np.maximum(margin, 2.0 * excess) + 1e-6 * self.coupling.table(self.coupling.size), margin
            )
            self.pricing_rows = self.coupling.tightened(margin)
            self._pass(starting=False)
            found, broken, excess = self.upper(self.schedules)
            self.settle(found, broken, excess)
            if float(excess.max()) <= self.slack_kwh:
                break
        self._best_is_last = False
        self.schedules, self.sums, self.prices, self.pricing_rows, self.sweeps = before
        self.priced = True

    def finish(self) -> None:
        """Goes back to the best schedule seen where the last one is worse; the threads end."""
        self.crew.close()
        if self._best is not None and not self._best_is_last:
            self.schedules = self._best

    def price_base_load(self, prices: Prices, gap: float) -> None:
        """Finds the prices of a site without vehicles: the proximal point method ends after finitely many steps."""
        self.prices = prices
        for _ in range(200):
            self._recentre()
            self.certify()
            if self.bounds.gap() <= gap:
                return

    def rescale(self, fleet_gap: float, site_gap: float, row_gaps: Floats, balance: float, growth: float = 2.0) -> None:
        """Balances the parts of the gap by the step scales, which grow at most ``growth`` times."""
        self.prices.rescale(fleet_gap, site_gap, row_gaps, self.coupling.extra.groups, balance, growth, self._unit)

    def cancelled(self) -> bool:
        """Whether the caller wants an end."""
        return self.cancel is not None and self.cancel()

    @staticmethod
    def tables(site: Site) -> tuple[Floats, int, Floats, Floats, Floats]:
        """The site as the kernels take it."""
        return site.table, site.width, site.limits, site.charges, site.masks

    def _pass(self, *, starting: bool) -> float:
        """One sweep on all threads; returns the sum of gains before each step (0 for the first pass)."""
        self.priced = False
        order = self.rng.permutation(self.blocks.count)
        if starting:
            self.sums[:] = 0.0
        else:
            self.sweeps += 1
        table, width, limits, charges, masks = self.tables(self.pricing)
        extra, rate = self.pricing_rows.extra, self.rate
        turns = fresh(self.threads)

        def work(own: int) -> float:
            blocks = self.blocks
            return float(
                sweep(
                    order, turns, starting, blocks.columns, blocks.window, blocks.first_row, self.schedules,
                    self.sums, own, self.prices.energy, self.rho, self.lowest, self.site.periods, table, width,
                    limits, charges, masks, self.prices.charges.copy(), extra, self.prices.extra, rate,
                )
            )  # fmt: skip

        return math.fsum(self.crew.run(work))

    def total(self) -> Floats:
        """Energy of base load and vehicles per step, ``(width,)`` [kWh]."""
        site = self.site
        still = site.table[LOAD * site.width : (LOAD + 1) * site.width]
        return np.asarray(still + self.sums[:, : site.width].sum(axis=0))

    def _price(self) -> tuple[Floats, Floats]:
        """Price of energy and of the demand charges at the present total."""
        table, width, limits, charges, masks = self.tables(self.pricing)
        price, mu = np.empty(width), self.prices.charges.copy()
        z, wanted = np.empty(width), np.empty(width + KNOWN)
        coupling_price(
            self.total(), self.prices.energy, self.rho, table, width, limits, charges, masks, mu, z, wanted, 0, width,
            0, width, price,
        )  # fmt: skip
        return np.maximum(price, self.lowest), mu

    def _recentre(self) -> None:
        self.prices.energy, self.prices.charges = self._price()
        self.follow_rows(self.coupling.totals(self.sums))

    def follow_rows(self, totals: Floats) -> None:
        """Moves the prices of group limits and reserve to where their totals are."""
        rows = self.pricing_rows
        if rows.extra.rows:
            y = np.zeros(rows.numbers)
            extra_prices(totals, 0, self.prices.extra, self.rate, rows.extra, rows.width, 0, rows.periods, y)
            self.prices.extra = rows.feasible(y, self.prices.energy, self.lowest)

    def _objective_guess(self) -> float:
        return self._last_cost + self.offset

    def site_gap(self, total: Floats, price: Floats, value: float) -> float:
        """|F(P) + F*(λ) − λᵀP|: how far site and price are apart; without the bars negative beyond a hard limit.

        Args:
            total: AC energy of base load and vehicles, ``(≥ T,)`` [kWh].
            price: a price in the domain of F*.
            value: F* there [currency].
        """
        periods = self.site.periods
        cost, _ = site_cost(total, periods, *self.tables(self.site))
        self._last_cost = cost
        return abs(float(cost + value - price[:periods] @ total[:periods]))

    def row_gaps(self, totals: Floats) -> Floats:
        """The same of group limits and reserve, ``(M,)``."""
        rows = self.coupling
        if not rows.extra.rows:
            return np.zeros(0)
        self._last_cost += rows.cost(totals)
        return rows.gaps(rows.feasible(self.prices.extra, self.prices.energy, self.lowest), totals, self._unit)

    def coupling_cost(self) -> tuple[float, float, Floats]:
        """Cost of site and rows at the present totals [currency], and excess over hard limits as ``settle`` has it."""
        cost, broken = site_cost(self.total(), self.site.periods, *self.tables(self.site))
        if not self.coupling.extra.rows:
            return cost, broken, NOTHING
        totals = self.coupling.totals(self.sums)
        return cost + self.coupling.cost(totals), broken, self.coupling.excess(totals)

    def conjugate(self) -> tuple[Floats, float]:
        """The present price of energy, brought into the domain of F*, and F* there."""
        price = self.prices.energy.copy()
        value = conjugate(price, self.site.periods, *self.tables(self.site), self.prices.charges.copy())
        return price, float(value)

    def dual(self, price: Floats, value: float) -> tuple[float, Floats, Floats]:
        """The bound's part without vehicles, the rows' prices in it, and the price of energy as each kind sees it."""
        periods, rows = self.site.periods, self.coupling
        dual = float(price[:periods] @ self.site.row(LOAD)) - value
        if not rows.extra.rows:
            return dual, self.prices.extra, price
        y = rows.feasible(self.prices.extra, price, self.lowest)
        return dual + float(y @ rows.extra.base) - rows.conjugate(y), y, rows.prices_by_kind(price, y)

    def certify(self) -> None:
        """Recomputes both bounds in float64 from scratch; the running total is replaced by the recomputed one."""
        periods, blocks, rows, width = self.site.periods, self.blocks, self.coupling, self.site.width
        dual, y, prices = self.dual(*self.conjugate())
        turns = fresh()

        def work(_: int) -> float:
            return float(
                best_values(
                    turns, blocks.columns, blocks.window, blocks.first_row, prices, rows.kinds, y, rows.extra, periods,
                    width,
                )
            )  # fmt: skip

        lower = self.offset + dual + math.fsum(self.crew.run(work))
        upper, broken, excess = self.upper(self.schedules)
        self.learn(lower, y)
        self.settle(upper, broken, excess)
        self.restore(upper, excess)
        if self.progress is not None:
            self.progress(self.sweeps, self.bounds.lower, self.bounds.upper)


NOWHERE = np.zeros(0)
NOTHING = np.zeros((0, 0))
