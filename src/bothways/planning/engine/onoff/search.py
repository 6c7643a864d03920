"""The search for an on-off schedule: rounds of switching and mixing, the best of which is kept, with its bound.

There is no convergence to wait for. On and off leave a gap that no price closes, so a round is judged by the cost of
its schedule alone, and the bound by the best prices met on the way. With many vehicles both come together, because
what one vehicle cannot do another does (Shapley and Folkman); with few they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bothways.planning.engine.coupling import Extra
from bothways.planning.engine.onoff.fleet import PLAIN, Vehicles
from bothways.planning.engine.onoff.sweeps import add_up, fleet_values, own_cost, visit
from bothways.planning.engine.polish import follow
from bothways.planning.engine.search import Search
from bothways.planning.engine.site import LOAD
from bothways.planning.problem import Bools, Floats, Ints

SWITCHING, MIXING = 4, 8
"""Rounds of each in a cycle: switching finds which vehicle is on, mixing how much of it."""

CYCLES = 12
"""Cycles at most."""

IDLE_CYCLES = 3
"""Cycles without a gain after which the answer is what it is."""

MANY_STEPS = 1_000_000
"""Vehicle-steps from which one such cycle is enough: it takes many seconds."""

WORTH = 0.02
"""A gain of less than this share of the open gap is none."""

BALANCE = 0.1
"""As in ``engine.search``."""

MOST_MARGIN = 0.1
"""Hard limits are drawn in by at most this share of the mean energy of a step."""

TOLERANCE = 0.05
"""Share of the asked gap, divided among the vehicles, that a vehicle's own tree leaves open."""


@dataclass
class OnOff:
    """State of one search.

    Attributes:
        search: the relaxed search that it takes over: prices, step scale, site and bounds.
        vehicles: the fleet.
        kind_of: kind of each vehicle's shares in the groups, ``(N,)``.
        x: the schedules, flat [kWh].
        gap: what is asked.
        best: the best schedule that keeps every limit, flat; ``None`` while there is none.
        lost: vehicles for which the last round found no on-off schedule.
    """

    search: Search
    vehicles: Vehicles
    kind_of: Ints
    x: Floats
    gap: float
    best: Floats | None = field(init=False, default=None)
    lost: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        search = self.search
        self._settled = self._settled_first().astype(np.int64)
        self._rows = search.coupling.extra._replace(weight=self.vehicles.weight)
        self._margin = 0.0
        self._margins = np.zeros((search.coupling.extra.rows, search.site.periods))
        self._totals = self._summed()

    def _summed(self) -> Floats:
        """Totals of site and rows, from scratch."""
        site, extra = self.search.site, self._rows
        totals = np.concatenate([site.table[LOAD * site.width : (LOAD + 1) * site.width], extra.base])
        self._add_up(extra, totals)
        return totals

    def _settled_first(self) -> Bools:
        """Vehicles whose schedule from the relaxed search is one of theirs, whatever it is."""
        return np.asarray(self.vehicles.rows.kind == PLAIN)

    def _add_up(self, extra: Extra, totals: Floats) -> None:
        add_up(self.vehicles.free, self.vehicles.rows, self.x, extra, self.search.site.width, totals)

    def _own_cost(self) -> float:
        """Wear less terminal value of the present schedules [currency]."""
        return float(own_cost(self.vehicles.free, self.vehicles.rows, self.x))

    def _visit(self, order: Ints, extra: Extra, *, switching: bool) -> tuple[float, int, int]:
        """One pass over the fleet: gains within fixed states, vehicles that switched, those without a schedule."""
        search, site = self.search, self.search.pricing
        found: tuple[float, int, int] = visit(
            order, switching, self._tolerance(), self.vehicles.rows, self.x, self._settled, self._totals,
            search.prices.energy, search.rho, site.periods, *search.tables(site), search.prices.charges.copy(), extra,
            search.prices.extra, search.rate,
        )  # fmt: skip
        return found

    def _values(self, by_kind: Floats, y: Floats) -> float:
        """Lower bounds on the vehicles' least costs at given prices, added up."""
        search, vehicles = self.search, self.vehicles
        value: float = fleet_values(
            vehicles.free, vehicles.rows, by_kind, self.kind_of, y, search.coupling.extra, search.site.periods,
            search.site.width, self._tolerance(),
        )  # fmt: skip
        return value

    def run(self) -> None:
        """Searches until the gap is closed or nothing is gained any more."""
        idle, before = 0, math.inf
        for _ in range(CYCLES):
            self._cycle()
            bounds = self.search.bounds
            if bounds.gap() <= self.gap or self._cancelled():
                return
            gained = before - bounds.upper if before < math.inf else math.inf
            idle = 0 if gained > WORTH * (bounds.upper - bounds.lower) else idle + 1
            before = min(before, bounds.upper)
            if idle >= (IDLE_CYCLES if self.vehicles.steps < MANY_STEPS else 1):
                return

    def _cycle(self) -> None:
        for number in range(SWITCHING + MIXING):
            switching = number < SWITCHING
            fleet_gap = self._round(switching=switching)
            self._judge(fleet_gap, bounded=number in {0, SWITCHING - 1, SWITCHING + MIXING - 1})
            if self.search.bounds.gap() <= self.gap or self._cancelled():
                return

    def _cancelled(self) -> bool:
        return self.search.cancel is not None and self.search.cancel()

    def _tolerance(self) -> float:
        search = self.search
        size = abs(search.bounds.lower) if search.bounds.lower > -math.inf else abs(search.offset)
        return TOLERANCE * self.gap * max(1.0, size) / max(1, self.vehicles.free.size)

    def _round(self, *, switching: bool) -> float:
        """One pass over the fleet; returns the sum of gains within fixed states."""
        search = self.search
        search.sweeps += 1
        order = search.rng.permutation(self.vehicles.free)
        extra = search.pricing_rows.extra._replace(weight=self.vehicles.weight)
        gains, _, self.lost = self._visit(order, extra, switching=switching)
        return float(gains)

    def _judge(self, fleet_gap: float, *, bounded: bool) -> None:
        """Prices the schedule, keeps it if it is the best, and moves prices, step scale and bound."""
        search, width = self.search, self.search.site.width
        self._totals = self._summed()
        still = search.site.table[LOAD * width : (LOAD + 1) * width]
        search.sums[:] = 0.0
        search.sums[0] = self._totals - np.concatenate([still, self._rows.base])
        cost, broken, excess = search.coupling_cost()
        upper = search.offset + cost + self._own_cost()
        beyond = max(broken, float(excess.max(initial=0.0)))
        if not self.lost and beyond <= search.slack_kwh and upper < search.bounds.upper:
            search.bounds.upper, self.best = upper, self.x.copy()
        if beyond > search.slack_kwh:
            self._draw_in(broken, excess)
        follow(search, self._totals)
        if bounded:
            self._bound()
        site_gap = search.site_gap(self._totals, *search.conjugate())
        row_gaps = search.row_gaps(self._totals[width:])
        search.rescale(fleet_gap, site_gap, row_gaps, BALANCE)
        if search.progress is not None:
            search.progress(search.sweeps, search.bounds.lower, search.bounds.upper)

    def _draw_in(self, broken: float, excess: Floats) -> None:
        """Prices are made as if the hard limits that are passed were a little tighter."""
        search = self.search
        if broken > search.slack_kwh:
            most = MOST_MARGIN * search.rho * search.prices.scale
            self._margin = min(max(1.5 * self._margin, 2.0 * broken), most)
            search.pricing = search.site.tightened(self._margin)
        if np.any(excess > search.slack_kwh):
            self._margins = np.maximum(self._margins, 2.0 * excess)
            search.pricing_rows = search.coupling.tightened(self._margins)

    def _bound(self) -> None:
        """The bound of the present prices: on-off vehicles as they are, by their own trees."""
        search = self.search
        dual, y, by_kind = search.dual(*search.conjugate())
        search.learn(search.offset + dual + self._values(by_kind, y), y)
