"""The search for a schedule of converters with losses at part load: that of ``onoff``, with their kernels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bothways.planning.engine.converters.sweeps import Curved, add_up, fleet_values, own_cost, possible, visit
from bothways.planning.engine.coupling import Extra
from bothways.planning.engine.onoff.search import OnOff
from bothways.planning.problem import Bools, Floats, Ints

WORK = 40_000
"""Relaxations in a pass over the fleet; each vehicle has ``FEWEST_NODES`` at least and ``MOST_NODES`` at most."""

FEWEST_NODES, MOST_NODES = 24, 400

_KEPT = 0.25
"""Share of a cycle's margins to hard limits that the next one begins with."""


@dataclass
class ConverterSearch(OnOff):
    """State of one search.

    Attributes:
        curved: the vehicles with what their steps can be.
    """

    curved: Curved = field(kw_only=True)

    def run(self) -> None:
        """Searches; the prices that the relaxed search has found give the first bound."""
        self._bound()
        super().run()

    def _cycle(self) -> None:
        """Limits are drawn in anew in every cycle: what the first schedules passed them by is far too much later."""
        self._margin *= _KEPT
        self._margins *= _KEPT
        self.search.pricing = self.search.site.tightened(self._margin) if self._margin > 0.0 else self.search.site
        if self._margins.size and self._margins.max() > 0.0:
            self.search.pricing_rows = self.search.coupling.tightened(self._margins)
        super()._cycle()

    def _nodes(self) -> int:
        """Relaxations of one vehicle at one price: few vehicles leave the time for many, and need them."""
        return int(np.clip(WORK // max(1, self.vehicles.free.size), FEWEST_NODES, MOST_NODES))

    def _settled_first(self) -> Bools:
        return np.asarray(possible(self.curved, self.x))

    def _add_up(self, extra: Extra, totals: Floats) -> None:
        add_up(self.vehicles.free, self.curved, self.x, extra, self.search.site.width, totals)

    def _own_cost(self) -> float:
        return float(own_cost(self.vehicles.free, self.curved, self.x))

    def _visit(self, order: Ints, extra: Extra, *, switching: bool) -> tuple[float, int, int]:
        search, site = self.search, self.search.pricing
        found: tuple[float, int, int] = visit(
            order, switching, self._nodes(), self._tolerance(), self.curved, self.x, self._settled, self._totals,
            search.prices.energy, search.rho, site.periods, *search.tables(site), search.prices.charges.copy(), extra,
            search.prices.extra, search.rate,
        )  # fmt: skip
        return found

    def _values(self, by_kind: Floats, y: Floats) -> float:
        search = self.search
        value: float = fleet_values(
            self.vehicles.free, self.curved, by_kind, self.kind_of, y, search.coupling.extra, search.site.periods,
            search.site.width, self._nodes(), self._tolerance(),
        )  # fmt: skip
        return value
