"""When to replace a company's battery, and what it is worth to the next user at any age.

A battery kept n years costs its price less what it then brings, plus what its missing capacity cost meanwhile, spread
evenly over the n years at the company's rate of interest r:

    EAC(n) = (P − S_n/(1+r)ⁿ + Σ_{y≤n} u_y/(1+r)^y) · r / (1 − (1+r)^−n)

The best age is the one with the least equivalent annual cost. The buy-back price at which the owner is indifferent
between selling at n and keeping the battery to its best age is the n-year price that gives the same annual cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.battery.health import END_OF_FIRST_LIFE, END_OF_SECOND_LIFE
from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReplacementTerms:
    """Prices around a battery's replacement.

    Attributes:
        price_per_kwh: a new battery, built in [currency per kWh of new capacity].
        second_life_per_kwh: what a remaining kWh brings in second life [currency per kWh left].
        scrap_per_kwh: what recycling pays (or, negative, costs) below 70 % of capacity [currency per kWh new].
        missing_per_kwh_year: cost of a year without a kWh of the new capacity [currency per kWh and year].
        interest: the owner's real rate of interest per year.
        works_down_to: fraction of new capacity below which the vehicle cannot do its work; it is never kept beyond.
    """

    price_per_kwh: float
    second_life_per_kwh: float = 0.0
    scrap_per_kwh: float = 0.0
    missing_per_kwh_year: float = 0.0
    interest: float = 0.05
    works_down_to: float = END_OF_FIRST_LIFE

    def __post_init__(self) -> None:
        numbers = (self.price_per_kwh, self.second_life_per_kwh, self.missing_per_kwh_year, self.interest)
        if not all(np.isfinite(value) and value >= 0.0 for value in numbers) or not np.isfinite(self.scrap_per_kwh):
            msg = "prices and interest must be finite and at least 0 (scrap may cost)"
            raise DomainError(msg)
        if not 0.0 <= self.works_down_to < 1.0:
            msg = f"works_down_to must lie in 0…1, not {self.works_down_to}"
            raise DomainError(msg)

    def resale(self, capacity_fraction: ArrayLike, capacity_kwh: float) -> Floats:
        """What a used battery brings [currency], same shape as ``capacity_fraction``."""
        left = np.asarray(capacity_fraction, dtype=np.float64)
        used = np.where(left >= END_OF_SECOND_LIFE, self.second_life_per_kwh * left, self.scrap_per_kwh)
        return np.asarray(used * capacity_kwh)


@dataclass(frozen=True, eq=False)
class ReplacementPlan:
    """When to replace, and at what prices.

    Attributes:
        best_years: age with the least annual cost [years].
        annual_cost: equivalent annual cost of every age 1, 2 … years, shape ``(Y,)`` [currency/year]; ``inf`` where
            the battery no longer does its work.
        resale: what the battery brings at those ages, shape ``(Y,)`` [currency].
        fair_buy_back: price at those ages that leaves the owner as well off as keeping it to the best age, ``(Y,)``.
        monthly_lease: level monthly payment that pays for the battery over its best life [currency/month].
        bounded: True where the profile ends, or the battery fails its work, before the annual cost rises again.
    """

    best_years: int
    annual_cost: Floats
    resale: Floats
    fair_buy_back: Floats
    monthly_lease: float
    bounded: bool


def plan_replacement(capacity_fraction: Floats, capacity_kwh: float, terms: ReplacementTerms) -> ReplacementPlan:
    """Finds the best age for replacement.

    Args:
        capacity_fraction: remaining capacity at ages 0, 1, 2 … years, shape ``(Y + 1,)``.
        capacity_kwh: capacity of the new battery [kWh].
        terms: prices.

    Raises:
        DomainError: fewer than two ages, values outside 0…1, or a battery that fails its work within a year.

    >>> left = np.array([1.0, 0.96, 0.93, 0.90, 0.87, 0.84, 0.81, 0.78])
    >>> terms = ReplacementTerms(price_per_kwh=100.0, second_life_per_kwh=30.0, missing_per_kwh_year=20.0)
    >>> plan_replacement(left, 60.0, terms).best_years
    6
    """
    left = np.asarray(capacity_fraction, dtype=np.float64)
    if left.ndim != 1 or left.shape[0] < 2 or not ((left >= 0.0) & (left <= 1.0)).all():
        msg = "capacity_fraction must hold at least two ages, each in 0…1"
        raise DomainError(msg)
    if not (np.isfinite(capacity_kwh) and capacity_kwh > 0.0):
        msg = f"capacity_kwh must be above 0, not {capacity_kwh}"
        raise DomainError(msg)
    ages = np.arange(1, left.shape[0])
    rate = terms.interest
    discount = (1.0 + rate) ** -ages.astype(np.float64)
    annuity = rate / (1.0 - discount) if rate > 0.0 else 1.0 / ages
    missing = 1.0 - 0.5 * (left[1:] + left[:-1])
    burden = np.cumsum(missing * terms.missing_per_kwh_year * capacity_kwh * discount)
    price = terms.price_per_kwh * capacity_kwh
    resale = terms.resale(left[1:], capacity_kwh)
    cost = (price - resale * discount + burden) * annuity
    works = left[1:] >= terms.works_down_to
    if not works[0]:
        msg = (
            f"after one year {left[1]:.0%} is left, below {terms.works_down_to:.0%}: the battery fails its work at once"
        )
        raise DomainError(msg)
    cost = np.where(np.logical_and.accumulate(works), cost, np.inf)
    best = int(np.argmin(cost))
    least = float(cost[best])
    return ReplacementPlan(
        best_years=int(ages[best]),
        annual_cost=cost,
        resale=resale,
        fair_buy_back=(price + burden - least / annuity) / discount,
        monthly_lease=least / 12.0,
        bounded=best == ages.shape[0] - 1 or not bool(works[best + 1]),
    )
