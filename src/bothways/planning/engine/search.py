"""The loop around the sweeps: prox centre, step scale, bounds, threads, nested start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bothways.planning.engine.certificate import best_values, repaired
from bothways.planning.engine.model import BEGIN, END, FIELDS, Blocks, Numbers
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.site import LOAD, Site, conjugate, coupling_price, site_cost
from bothways.planning.engine.sweeps import sweep
from bothways.planning.engine.threads import on_threads
from bothways.planning.problem import Floats

NESTED_BLOCKS = 64
"""A sample for the nested start has at least this many blocks."""

BALANCE = 0.1
"""The step scale is steered so that the vehicles' part of the gap is this share of the site's."""

KEPT_BLOCKS = 256
"""Up to this many blocks the best schedule is kept aside while the search goes on."""

Progress = Callable[[int, float, float], None]


@dataclass
class Prices:
    """What a warm start carries: the price of energy per step, the demand charges' prices and the step scale.

    Attributes:
        energy: price per step, ``(width,)`` [currency/kWh].
        charges: prices of the demand charges, flat ``(K, width)``.
        scale: r; the price moves by about r when the fleet moves by its mean power [currency/kWh].
    """

    energy: Floats
    charges: Floats
    scale: float


@dataclass
class Bounds:
    """The best that is proven so far [currency]; costs of stored energy at arrival left out."""

    lower: float = -math.inf
    upper: float = math.inf

    def gap(self) -> float:
        """Relative gap; infinite while either bound is missing."""
        if math.isinf(self.lower) or math.isinf(self.upper):
            return math.inf
        return (self.upper - self.lower) / max(1.0, abs(self.upper))


@dataclass
class Search:
    """State of one search over one set of blocks.

    Attributes:
        site, blocks: what is planned.
        vehicles: number of vehicles in the blocks.
        step_h: length of a step [h].
        lowest: lowest price at which no vehicle charges and discharges at once.
        offset: constant added to every objective, so that gaps are relative to the true one [currency].
        threads: worker threads; 1 is deterministic.
        rng: order of the visits.
        pricing: the site that makes the prices: hard limits drawn in once a schedule has passed one.
        cancel: asked between sweeps; True ends the search.
        progress: told the number of sweeps and both bounds after each certificate.
    """

    site: Site
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
    sweeps: int = field(init=False, default=0)
    pricing: Site = field(init=False)

    def __post_init__(self) -> None:
        self.schedules = np.empty(self.blocks.rows * LANES, dtype=np.float32)
        self.sums = np.zeros((self.threads, self.site.width))
        self.bounds = Bounds()
        self._last_cost = 0.0
        self._unit = price_unit(self.site)
        self._margin_kwh = 0.0
        self._best_upper = math.inf
        self._best: Numbers | None = None
        self.pricing = self.site
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
    def slack_kwh(self) -> float:
        """Excess over a hard limit that is rounding [kWh]; anything more buys money with safety."""
        return 1e-12 * self._mean_kwh

    def run(self, prices: Prices, gap: float, most_sweeps: int) -> None:
        """Searches until the proven gap is at most ``gap`` or ``most_sweeps`` are done."""
        self.prices = Prices(prices.energy.copy(), prices.charges.copy(), prices.scale)
        self._pass(starting=True)
        self._recentre()
        wait = 4
        while self.sweeps < most_sweeps and not self._cancelled():
            fleet_gap = self._pass(starting=False)
            price, charge_prices = self._price()
            site_gap = self._site_gap(price, charge_prices)
            self.prices.energy, self.prices.charges = price, charge_prices
            guess = (0.5 * fleet_gap + site_gap) / max(1.0, abs(self._objective_guess()))
            wait -= 1
            if guess <= gap or wait <= 0:
                self.certify()
                if self.bounds.gap() <= gap:
                    return
                wait = 4 if self.bounds.upper < math.inf else 2
            self.rescale(fleet_gap, site_gap, BALANCE)
        self.certify()  # what is returned is what is priced

    def settle(self, upper: float, broken_kwh: float) -> None:
        """Takes over an upper bound; where the schedule passes a hard limit there is none, and prices get stricter."""
        self.bounds.upper = upper if broken_kwh <= self.slack_kwh else math.inf
        if self.bounds.upper < self._best_upper and self.blocks.count <= KEPT_BLOCKS:
            self._best_upper, self._best = upper, self.schedules.copy()
        if self.slack_kwh < broken_kwh < 1e-3 * self._mean_kwh:  # nearly there; far off, a margin would only cost
            self._margin_kwh = min(max(1.5 * self._margin_kwh, 2.0 * broken_kwh), 2e-3 * self._mean_kwh)
            self.pricing = self.site.tightened(self._margin_kwh)

    def finish(self) -> None:
        """Goes back to the best schedule seen where the last one is worse."""
        if self._best is not None and self._best_upper < self.bounds.upper:
            self.bounds.upper, self.schedules = self._best_upper, self._best

    def price_base_load(self, prices: Prices, gap: float) -> None:
        """Finds the prices of a site without vehicles: the proximal point method ends after finitely many steps."""
        self.prices = prices
        for _ in range(200):
            self._recentre()
            self.certify()
            if self.bounds.gap() <= gap:
                return

    def rescale(self, fleet_gap: float, site_gap: float, balance: float) -> None:
        """Balances the two parts of the gap: r up where the site is what disagrees, down where the vehicles are."""
        ratio = math.sqrt(balance * max(site_gap, 1e-300) / max(fleet_gap, 1e-300))
        scale = self.prices.scale * min(2.0, max(0.5, ratio))
        self.prices.scale = min(self._unit * 1e3, max(self._unit * 1e-2, scale))

    def _cancelled(self) -> bool:
        return self.cancel is not None and self.cancel()

    @staticmethod
    def tables(site: Site) -> tuple[Floats, int, Floats, Floats, Floats]:
        """The site as the kernels take it."""
        return site.table, site.width, site.limits, site.charges, site.masks

    def _pass(self, *, starting: bool) -> float:
        """One sweep on all threads; returns the sum of gains before each step (0 for the first pass)."""
        order = self.rng.permutation(self.blocks.count)
        if starting:
            self.sums[:] = 0.0
        else:
            self.sweeps += 1
        table, width, limits, charges, masks = self.tables(self.pricing)
        parts = np.array_split(order, self.threads)

        def work(own: int) -> float:
            blocks = self.blocks
            return float(
                sweep(
                    parts[own], starting, blocks.columns, blocks.window, blocks.first_row, self.schedules,
                    self.sums, own, self.prices.energy, self.rho, self.lowest, self.site.periods, table, width,
                    limits, charges, masks, self.prices.charges.copy(),
                )
            )  # fmt: skip

        return math.fsum(on_threads(work, self.threads))

    def total(self) -> Floats:
        """Energy of base load and vehicles per step, ``(width,)`` [kWh]."""
        site = self.site
        return np.asarray(site.table[LOAD * site.width : (LOAD + 1) * site.width] + self.sums.sum(axis=0))

    def _price(self) -> tuple[Floats, Floats]:
        """Price of energy and of the demand charges at the present total."""
        table, width, limits, charges, masks = self.tables(self.pricing)
        price, mu = np.empty(width), self.prices.charges.copy()
        z, wanted = np.empty(width), np.empty(width)
        coupling_price(
            self.total(),
            self.prices.energy,
            self.rho,
            table,
            width,
            limits,
            charges,
            masks,
            mu,
            z,
            wanted,
            0,
            width,
            price,
        )
        return np.maximum(price, self.lowest), mu

    def _recentre(self) -> None:
        self.prices.energy, self.prices.charges = self._price()

    def _objective_guess(self) -> float:
        return self._last_cost + self.offset

    def _site_gap(self, price: Floats, mu: Floats) -> float:
        """|F(P) + F*(λ) − λᵀP|: how far site and price are apart; without the bars negative beyond a hard limit."""
        table, width, limits, charges, masks = self.tables(self.site)
        periods = self.site.periods
        total = self.total()
        cost, _ = site_cost(total, periods, table, width, limits, charges, masks)
        self._last_cost = cost
        clipped = price.copy()
        value = conjugate(clipped, periods, table, width, limits, charges, masks, mu.copy())
        return abs(float(cost + value - clipped[:periods] @ total[:periods]))

    def certify(self) -> None:
        """Recomputes both bounds in float64 from scratch; the running total is replaced by the recomputed one."""
        table, width, limits, charges, masks = self.tables(self.site)
        periods, blocks = self.site.periods, self.blocks
        price, mu = self.prices.energy.copy(), self.prices.charges.copy()
        dual = -conjugate(price, periods, table, width, limits, charges, masks, mu)
        dual += float(price[:periods] @ self.site.row(LOAD))
        edges = np.linspace(0, blocks.count, self.threads + 1).astype(np.int64)
        sums = np.zeros_like(self.sums)

        def work(own: int) -> tuple[float, float]:
            begin, end = edges[own], edges[own + 1]
            value = best_values(begin, end, blocks.columns, blocks.window, price, periods)
            cost = repaired(
                begin, end, blocks.columns, blocks.window, blocks.first_row, self.schedules, sums[own], NOWHERE
            )  # fmt: skip
            return float(value), float(cost)

        parts = on_threads(work, self.threads)
        self.sums = sums
        cost, broken = site_cost(self.total(), periods, table, width, limits, charges, masks)
        lower = self.offset + dual + math.fsum(part[0] for part in parts)
        upper = self.offset + cost + math.fsum(part[1] for part in parts)
        self.bounds.lower = max(self.bounds.lower, lower)
        self.settle(upper, broken)
        if self.progress is not None:
            self.progress(self.sweeps, self.bounds.lower, self.bounds.upper)


NOWHERE = np.zeros(0)


def price_unit(site: Site) -> float:
    """A typical price [currency/kWh]: what the step scale is measured in."""
    price = np.concatenate([site.row(13), site.row(14)])
    return max(float(np.abs(price).mean()), float(np.ptp(price)), 1e-6)


def first_prices(site: Site) -> Prices:
    """Prices to start from when nothing is known: those of import, each demand charge spread over its steps."""
    energy = np.zeros(site.width)
    energy[: site.periods] = site.row(13)
    return Prices(energy, np.zeros(site.charge_numbers), price_unit(site))


def sample(blocks: Blocks, count: int) -> tuple[Blocks, float]:
    """Every so-many-th block: a sample that is spread evenly over the kinds of stay, and its share of the vehicles."""
    chosen = np.unique(np.linspace(0, blocks.count - 1, count).round().astype(np.int64))
    lanes = blocks.vehicle.reshape(-1, LANES)
    window = blocks.window[chosen]
    first_row = np.zeros(chosen.size + 1, dtype=np.int64)
    np.cumsum(window[:, 1] - window[:, 0], out=first_row[1:])
    part = Blocks(
        lanes[chosen].ravel(),
        blocks.columns.reshape(-1, FIELDS * LANES)[chosen].ravel(),
        window,
        first_row,
    )
    return part, float((part.vehicle >= 0).sum() / (blocks.vehicle >= 0).sum())


def start_prices(search: Search, prices: Prices, gap: float) -> Prices:
    """Solves a sample of the fleet, recursively, for the prices to begin with."""
    count = max(NESTED_BLOCKS, search.blocks.count // 32)
    if search.blocks.count < 2 * count:
        return prices
    blocks, share = sample(search.blocks, count)
    small = Search(
        search.site.shrunk(share), blocks, int((blocks.vehicle >= 0).sum()), search.step_h, search.lowest,
        search.offset * share, 1, search.rng, search.cancel,
    )  # fmt: skip
    small.run(start_prices(small, prices, gap), gap, 60)
    return small.prices
