"""From the study's period to a year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.domain.timegrid import TimeGrid

DAYS_PER_YEAR = 365.25
MONTHS_PER_YEAR = 12.0
DAYS_PER_MONTH = DAYS_PER_YEAR / MONTHS_PER_YEAR


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
        days = grid.periods * grid.step_h / 24.0
        months = int(np.unique(grid.local.month_index).shape[0])
        return cls(DAYS_PER_YEAR / days, MONTHS_PER_YEAR / months)
