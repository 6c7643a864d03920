"""When a company would best replace the batteries that it owns, under each strategy, and what leasing them is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.battery.replacement import ReplacementTerms, plan_replacement
from bothways.domain.errors import DomainError
from bothways.studies.ageing import Ageing, CellAgeing


@dataclass(frozen=True)
class CellReplacement:
    """One cell under one strategy, per vehicle.

    Attributes:
        key: name of the cell.
        title: the cell in words.
        best_years: age with the least annual cost [years]; ``None`` where the battery fails its work within a year.
        bounded: whether the ten years end, or the battery fails its work, before the annual cost rises again.
        yearly_cost: equivalent annual cost at that age [currency/year].
        monthly_lease: level payment that pays for the battery over that life [currency/month].
        buy_back: price at half that age that leaves the owner as well off as keeping it [currency].
        half_years: the age of ``buy_back`` [years].
        resale: what the battery brings at its best age [currency].
    """

    key: str
    title: str
    best_years: int | None
    bounded: bool = False
    yearly_cost: float = 0.0
    monthly_lease: float = 0.0
    buy_back: float = 0.0
    half_years: int = 0
    resale: float = 0.0


def replacements_of(ageing: Ageing, terms: ReplacementTerms) -> dict[str, tuple[CellReplacement, ...]]:
    """Best replacement under every strategy, for every cell, of a battery of the fleet's mean capacity.

    Args:
        ageing: what the strategies do to the batteries.
        terms: prices.

    Returns:
        By strategy, in the order of ``ageing``.
    """
    mean_kwh = ageing.capacity_kwh / ageing.fleet
    return {
        item.strategy: tuple(_replacement(cell, mean_kwh, terms) for cell in item.cells) for item in ageing.strategies
    }


def _replacement(cell: CellAgeing, capacity_kwh: float, terms: ReplacementTerms) -> CellReplacement:
    years = np.asarray(cell.years)
    whole = np.arange(int(years[-1]) + 1)
    left = np.interp(whole, years, np.asarray(cell.left))
    try:
        plan = plan_replacement(np.clip(left, 0.0, 1.0), capacity_kwh, terms)
    except DomainError:  # below what the vehicle needs within a year
        return CellReplacement(cell.key, cell.title, None)
    best, half = plan.best_years, max(1, plan.best_years // 2)
    return CellReplacement(
        cell.key, cell.title, best, plan.bounded, float(plan.annual_cost[best - 1]), plan.monthly_lease,
        float(plan.fair_buy_back[half - 1]), half, float(plan.resale[best - 1]),
    )  # fmt: skip
