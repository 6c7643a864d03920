"""From the study's period to a year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.domain.timegrid import TimeGrid
from bothways.economics.statement import DAYS_PER_YEAR, Basis, Period
from bothways.tariffs.bill import BillMonth
from bothways.tariffs.structure import Tariff

DAYS_PER_MONTH = float(DAYS_PER_YEAR) / 12.0


@dataclass(frozen=True)
class YearScale:
    """How a period's money becomes a year's: seasons that the period does not contain are not invented.

    Attributes:
        by_days: factor for what grows with time (energy, export, wear, energy not served): 365.25 days / days.
        by_months: factor for what is charged once a month (demand, fixed): 12 / billing months touched.
    """

    by_days: float
    by_months: float

    @classmethod
    def of(cls, grid: TimeGrid) -> YearScale:
        """The scale of a study's grid.

        >>> from datetime import date, timedelta
        >>> scale = YearScale.of(TimeGrid.for_days(date(2024, 6, 1), date(2024, 6, 30), timedelta(hours=1), "UTC"))
        >>> (scale.by_days, scale.by_months)
        (12.175, 12.0)
        """
        months = int(np.unique(grid.local.month_index).shape[0])
        studied = Period(days=grid.periods * grid.step_h / 24.0, billing_months=months)
        return cls(float(studied.factor(Basis.DAYS)), float(studied.factor(Basis.MONTHS)))


_MONTHLY_LINES = ("coincident peak", "excess of", "minimum charge")


def monthly_amount(tariff: Tariff, month: BillMonth) -> float:
    """The part of a month's bill that is charged once a month, however many of its days were studied [currency].

    Demand unless the tariff bills it by the day, fixed charges unless they are per day, and of the other lines
    coincident peaks, excess and minimum charges, and contracted capacity with a price per month.
    """
    amount = 0.0
    if not tariff.tou_demand.daily:
        amount += float(month.demand_tou)
    if not tariff.flat_demand.daily:
        amount += float(month.demand_flat)
    if tariff.fixed.per_month or tariff.fixed.per_year or not tariff.fixed.per_day:
        amount += float(month.fixed)
    prefixes = list(_MONTHLY_LINES)
    for direction, capacity in (("import", tariff.contracted_import), ("export", tariff.contracted_export)):
        if capacity is not None and capacity.per_kw_month:
            prefixes.append(f"contracted {direction} capacity")
    return amount + sum(float(line.amount) for line in month.lines if line.name.startswith(tuple(prefixes)))
