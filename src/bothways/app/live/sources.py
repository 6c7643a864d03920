"""Makes meters, price sources and tariffs from the configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bothways.adapters.files.reading import read_json
from bothways.app.live.config import Config, SitePart
from bothways.app.live.server import Parts, site_settings
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import MeterSource, Prices, SignalSource
from bothways.operations.site.settings import SiteSettings
from bothways.tariffs.urdb import tariff_from_urdb


class FlatPrices:
    """The same prices all day, as stated in the configuration."""

    def __init__(self, import_per_kwh: float, export_per_kwh: float) -> None:
        self._bought, self._sold = import_per_kwh, export_per_kwh

    async def prices(self, grid: TimeGrid) -> Prices:
        """Flat prices over the grid [currency/kWh]."""
        return Prices(grid, (self._bought,) * grid.periods, (self._sold,) * grid.periods, source="configuration")


def parts_of(config: Config, folder: Path) -> Parts:
    """Everything that the configuration names besides the server itself.

    Args:
        config: the configuration.
        folder: where relative files are sought.

    Raises:
        InputError: a file that cannot be read, or settings that a source cannot use.
    """
    signals: dict[str, SignalSource] = {}
    meters: dict[str, MeterSource] = {}
    settings: dict[str, SiteSettings] = {}
    for site in config.site:
        if (source := _prices(site)) is not None:
            signals[site.id] = source
        settings[site.id] = _settings(site, folder)
    return Parts(meters=meters, signals=signals, settings=settings)


def _prices(site: SitePart) -> SignalSource | None:
    if site.prices.import_per_kwh is not None:
        return FlatPrices(site.prices.import_per_kwh, site.prices.export_per_kwh)
    return None


def _settings(site: SitePart, folder: Path) -> SiteSettings:
    settings = site_settings(site)
    if site.tariff is None:
        return settings
    path = folder / site.tariff
    imported = tariff_from_urdb(read_json(path), name_of_source=path.name)
    return replace(settings, tariff=imported.tariff)
