"""Makes meters, price sources and tariffs from the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bothways.adapters.clocks import SystemClock
from bothways.adapters.files.reading import read_bytes, read_json
from bothways.adapters.meters.configured import meter_from
from bothways.adapters.signals.sources import file_prices, http_prices
from bothways.app.live.config import Config, SitePart
from bothways.app.live.server import Parts, site_settings
from bothways.domain.errors import InputError, Problem, Problems
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import Clock, MeterSource, Prices, SignalSource
from bothways.operations.site.settings import SiteSettings
from bothways.tariffs.urdb import tariff_from_urdb

T = TypeVar("T")


class FlatPrices:
    """The same prices all day, as stated in the configuration."""

    def __init__(self, import_per_kwh: float, export_per_kwh: float) -> None:
        self._bought, self._sold = import_per_kwh, export_per_kwh

    async def prices(self, grid: TimeGrid) -> Prices:
        """Flat prices over the grid [currency/kWh]."""
        return Prices(grid, (self._bought,) * grid.periods, (self._sold,) * grid.periods, source="configuration")


def parts_of(config: Config, folder: Path, clock: Clock | None = None) -> Parts:
    """Everything that the configuration names besides the server itself.

    Args:
        config: the configuration.
        folder: where relative files are sought.
        clock: time; the machine's by default.

    Raises:
        InputError: with every problem of all sources: files that cannot be read, settings that cannot be used.
    """
    time = clock or SystemClock()
    problems = Problems()
    signals: dict[str, SignalSource] = {}
    meters: dict[str, MeterSource] = {}
    settings: dict[str, SiteSettings] = {}
    for number, site in enumerate(config.site):
        where = f"site[{number}]"
        if (source := _tried(problems, partial(_prices, site, folder, time, f"{where}.prices"))) is not None:
            signals[site.id] = source
        if (meter := _tried(problems, partial(_meter, site, folder, time, f"{where}.meter"))) is not None:
            meters[site.id] = meter
        if (fixed := _tried(problems, partial(_settings, site, folder))) is not None:
            settings[site.id] = fixed
    problems.raise_if_any()
    return Parts(clock=time, meters=meters, signals=signals, settings=settings)


def _tried(problems: Problems, work: Callable[[], T | None]) -> T | None:
    try:
        return work()
    except InputError as error:
        problems.extend(error.problems)
        return None


def _prices(site: SitePart, folder: Path, clock: Clock, at: str) -> SignalSource | None:
    prices = site.prices
    if prices.import_per_kwh is not None:
        return FlatPrices(prices.import_per_kwh, prices.export_per_kwh or 0.0)
    if prices.file is not None:
        read_bytes(folder / prices.file)  # a file that cannot be read is said now, not at the first plan
        return file_prices(folder / prices.file, prices.settings, at=at)
    if prices.settings:
        return http_prices(prices.settings, clock, folder=folder, at=at)
    return None


def _meter(site: SitePart, folder: Path, clock: Clock, at: str) -> MeterSource | None:
    if site.meter.kind == "none":
        return None
    try:
        return meter_from(site.meter.kind, site.meter.settings, clock, folder=folder, at=at)
    except ImportError as error:
        remedy = "Install bothways with the extra `meters`."
        raise InputError([Problem(at, site.meter.kind, f"an installed {error.name}", remedy)]) from error


def _settings(site: SitePart, folder: Path) -> SiteSettings:
    settings = site_settings(site, folder)
    if site.tariff is None:
        return settings
    path = folder / site.tariff
    imported = tariff_from_urdb(read_json(path), name_of_source=path.name)
    return replace(settings, tariff=imported.tariff)
