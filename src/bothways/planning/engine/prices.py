"""Prices and bounds that a search carries, and the prices to start from when nothing is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bothways.planning.engine.coupling import Coupling
from bothways.planning.engine.site import Site
from bothways.planning.problem import Floats


@dataclass
class Prices:
    """What a warm start carries: the price of energy per step, the demand charges' prices and the step scale.

    Attributes:
        energy: price per step, ``(width,)`` [currency/kWh].
        charges: prices of the demand charges, flat ``(K, width)``.
        scale: r; the price moves by about r when the fleet moves by its mean power [currency/kWh].
        extra: prices of group limits and reserve, flat ``(M, width)``.
        scales: step scale of each of them, ``(M,)``.
    """

    energy: Floats
    charges: Floats
    scale: float
    extra: Floats
    scales: Floats

    def copy(self) -> Prices:
        """The same prices in arrays of their own."""
        return Prices(self.energy.copy(), self.charges.copy(), self.scale, self.extra.copy(), self.scales.copy())

    def rescale(
        self, fleet_gap: float, site_gap: float, row_gaps: Floats, groups: int, balance: float, growth: float,
        unit: float,
    ) -> None:  # fmt: skip
        """Balances the parts of the gap: r up where a coupling is what disagrees, down where the vehicles are.

        Site and group limits all see power and move together; the reserve, which sees stored energy, goes by itself.

        Args:
            fleet_gap: the vehicles' part of the gap [currency].
            site_gap: the site's part [currency].
            row_gaps: that of each row, ``(M,)`` [currency].
            groups: how many of the rows are group limits; they come first.
            balance: share that the vehicles' part shall be of a coupling's.
            growth: scales grow at most so many times.
            unit: a typical price [currency/kWh].
        """
        power_gap = site_gap + float(row_gaps[:groups].sum())
        ratio = math.sqrt(balance * max(power_gap, 1e-300) / max(fleet_gap, 1e-300))
        least, most = unit * 1e-2, unit * 1e3
        self.scale = min(most, max(least, self.scale * min(growth, max(0.5, ratio))))
        if row_gaps.size:
            ratios = np.full(row_gaps.size, ratio)
            ratios[groups:] = np.sqrt(balance * np.maximum(row_gaps[groups:], 1e-300) / max(fleet_gap, 1e-300))
            ratios[row_gaps == 0.0] = 1.0  # a limit that is far away says nothing
            self.scales = np.clip(self.scales * np.clip(ratios, 0.5, growth), least, most)


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


def price_unit(site: Site) -> float:
    """A typical price [currency/kWh]: what the step scale is measured in."""
    price = np.concatenate([site.row(13), site.row(14)])
    return max(float(np.abs(price).mean()), float(np.ptp(price)), 1e-6)


def first_prices(site: Site, rows: Coupling) -> Prices:
    """Prices to start from when nothing is known: those of import, each demand charge spread over its steps."""
    energy = np.zeros(site.width)
    energy[: site.periods] = site.row(13)
    unit = price_unit(site)
    return Prices(energy, np.zeros(site.charge_numbers), unit, np.zeros(rows.numbers), np.full(rows.extra.rows, unit))
