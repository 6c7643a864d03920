"""Prices as they are known: fetched once per planning step, cut to what a plan asks for."""

from __future__ import annotations

from datetime import datetime, timedelta

from bothways.domain.errors import BothwaysError
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import Prices, SignalSource
from bothways.operations.site.planner import step_start
from bothways.operations.site.settings import LoopOptions


class PriceBoard:
    """The latest prices of a signal source over the planning horizon."""

    def __init__(self, source: SignalSource | None, options: LoopOptions, tz: str) -> None:
        self._source, self._options, self._tz = source, options, tz
        self._prices: Prices | None = None
        self._for: datetime | None = None
        self.failure = ""

    async def refresh(self, now: datetime) -> bool:
        """Fetches prices if a new step has begun; returns whether they changed."""
        start = step_start(now, self._options.step_s)
        if self._source is None or self._for == start:
            return False
        self._for = start
        periods = max(1, round(self._options.horizon_h * 3600 / self._options.step_s))
        grid = TimeGrid(start, timedelta(seconds=self._options.step_s), periods, self._tz)
        try:
            fetched = await self._source.prices(grid)
        except (BothwaysError, OSError, TimeoutError) as error:
            self.failure = str(error) or type(error).__name__
            return False
        self.failure = ""
        before, self._prices = self._prices, fetched
        return before is None or _differ(before, fetched)

    def carbon(self, now: datetime) -> float | None:
        """Emissions of the grid's electricity now, as the source says [kg/kWh]; ``None`` where it says nothing."""
        prices = self._prices
        if prices is None or not prices.co2_kg_per_kwh:
            return None
        step = int((now - prices.grid.start) // prices.grid.step)
        return prices.co2_kg_per_kwh[step] if 0 <= step < prices.grid.periods else None

    @property
    def source(self) -> str:
        """Where the prices come from; ``""`` without any."""
        return "" if self._prices is None else self._prices.source

    def over(self, grid: TimeGrid) -> Prices | None:
        """Prices over a grid within what was fetched, else ``None``."""
        prices = self._prices
        if prices is None or prices.grid.step != grid.step:
            return None
        first = round(prices.grid.position(grid.start))
        last = first + grid.periods
        if first < 0 or last > prices.grid.periods:
            return None
        return Prices(grid, prices.import_price[first:last], prices.export_price[first:last], (), prices.source)


def _differ(before: Prices, after: Prices) -> bool:
    """Whether prices changed where both speak of the same steps."""
    shift = round(before.grid.position(after.grid.start))
    common = min(before.grid.periods - shift, after.grid.periods)
    if shift < 0 or common <= 0:
        return True
    ours = slice(shift, shift + common)
    return (before.import_price[ours], before.export_price[ours]) != (
        after.import_price[:common], after.export_price[:common],
    )  # fmt: skip
