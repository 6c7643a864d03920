"""A made-up building for demonstrations: a load, a roof of PV, a meter that sums what really flows, and prices.

Nothing here is data. The load is a daily shape with a slow wander, the PV a clear sky by the sun's height with passing
clouds; both are pure functions of the instant and a seed, so that a replay sees the same day.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bothways.adapters.simulated.outlet import Outlet
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import Clock, Prices, SiteReading

_DAILY_LOAD = (0.45, 0.4, 0.38, 0.37, 0.38, 0.45, 0.65, 0.85, 0.8, 0.7, 0.68, 0.7, 0.75, 0.7, 0.68, 0.7, 0.8, 0.95, 1.0,
               0.98, 0.9, 0.78, 0.62, 0.5)  # fmt: skip
_DAILY_PRICE = (0.19, 0.18, 0.17, 0.17, 0.18, 0.21, 0.27, 0.31, 0.28, 0.22, 0.18, 0.14, 0.11, 0.10, 0.12, 0.17, 0.25,
                0.34, 0.39, 0.37, 0.31, 0.26, 0.23, 0.21)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Building:
    """A building without vehicles.

    Attributes:
        tz: its time zone.
        peak_load_kw: highest load [kW].
        pv_kwp: rating of the PV on its roof [kW].
        latitude_deg: for the sun's height.
        longitude_deg: likewise, east positive.
        seed: for the wander of load and clouds.
    """

    tz: str = "Europe/Amsterdam"
    peak_load_kw: float = 60.0
    pv_kwp: float = 50.0
    latitude_deg: float = 52.1
    longitude_deg: float = 5.2
    seed: int = 1

    def load_kw(self, at: datetime) -> float:
        """Load at an instant [kW]."""
        local = at.astimezone(ZoneInfo(self.tz))
        return self.peak_load_kw * _between(_DAILY_LOAD, local) * (1.0 + 0.06 * self._wander(at, 1300.0))

    def pv_kw(self, at: datetime) -> float:
        """Production at an instant [kW], at least 0."""
        height = self._sine_of_sun(at)
        clouds = 0.72 + 0.28 * self._wander(at, 2100.0)
        return self.pv_kwp * 0.85 * max(0.0, height) * clouds

    def _sine_of_sun(self, at: datetime) -> float:
        """Sine of the sun's height, by declination and hour angle (Cooper 1969, 10.1016/0038-092X(69)90047-4)."""
        day = at.timetuple().tm_yday
        declination = math.radians(23.45) * math.sin(2.0 * math.pi * (284 + day) / 365.0)
        hours = at.hour + at.minute / 60.0 + at.second / 3600.0 + self.longitude_deg / 15.0
        angle = math.radians(15.0 * (hours - 12.0))
        latitude = math.radians(self.latitude_deg)
        return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(angle)

    def _wander(self, at: datetime, period_s: float) -> float:
        """A smooth number in -1…1 that repeats itself only after days."""
        t = at.timestamp()
        phases = (self.seed * 0.7, self.seed * 1.3, self.seed * 2.1)
        waves = (
            math.sin(2 * math.pi * t / (period_s * r) + p) for r, p in zip((1.0, 1.618, 4.236), phases, strict=True)
        )
        return sum(waves) / 3.0


class SimulatedMeter:
    """The meter at the grid connection: the building plus whatever the virtual stations really take or give."""

    def __init__(
        self, building: Building, outlets: Callable[[], Sequence[Outlet]], clock: Clock, every_s: float
    ) -> None:
        self._building = building
        self._outlets = outlets
        self._clock = clock
        self._every_s = every_s
        self.lost = False

    def read(self) -> SiteReading:
        """What the meter shows now."""
        now = self._clock.now()
        pv = self._building.pv_kw(now)
        base = self._building.load_kw(now) - pv
        phases = [base / 3.0] * 3
        for outlet in self._outlets():
            used = outlet.phases if outlet.vehicle is None else min(outlet.phases, outlet.vehicle.phases)
            for line in range(used):
                phases[line] += outlet.power_kw / used
        return SiteReading(now, sum(phases), tuple(phases), pv)

    async def readings(self) -> AsyncIterator[SiteReading]:
        """Readings at the interval; none while ``lost`` (a fault on demand)."""
        while True:
            if not self.lost:
                yield self.read()
            await self._clock.sleep(self._every_s)


class SimulatedPrices:
    """Prices with the shape of a sunny day-ahead market; export earns the price without a margin."""

    def __init__(self, tz: str, margin_per_kwh: float = 0.06) -> None:
        self._tz = ZoneInfo(tz)
        self._margin = margin_per_kwh

    async def prices(self, grid: TimeGrid) -> Prices:
        """Prices over the grid [currency/kWh], and emissions [kg/kWh]."""
        bought = tuple(
            round(_DAILY_PRICE[at.astimezone(self._tz).hour], 4)
            for at in (grid.instant(i) for i in range(grid.periods))
        )
        sold = tuple(round(max(0.0, price - self._margin), 4) for price in bought)
        carbon = tuple(round(0.05 + 1.2 * price, 4) for price in bought)  # the dear hours burn more
        return Prices(grid, bought, sold, carbon, source="made-up daily shape")


def _between(shape: Sequence[float], local: datetime) -> float:
    share = local.minute / 60.0 + local.second / 3600.0
    return shape[local.hour] * (1.0 - share) + shape[(local.hour + 1) % 24] * share
