"""The doctor's checks of what stands beside the system: the bus, meters, prices and switchgear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

from bothways.app.live.checks_switchgear import switchgear
from bothways.app.live.config import Config
from bothways.app.live.finding import Finding
from bothways.app.live.roles import bus_options
from bothways.app.live.sources import parts_of
from bothways.domain.errors import BothwaysError, InputError
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import MeterSource, SignalSource

PATIENCE_S = 6.0
_AHEAD_H = 4


async def bus(config: Config) -> list[Finding]:
    """Whether the bus answers, takes who connects, and has JetStream; nothing where none is configured."""
    if not config.bus.url:
        return []
    try:
        from bothways.adapters.bus.probe import look_at  # noqa: PLC0415 - of an extra

        seen = await look_at(bus_options(config))
    except ImportError as error:
        return [Finding("bus", "broken", f"{error.name} is not installed", 'Install it: pip install "bothways[bus]".')]
    except InputError as error:
        return [Finding("bus", "broken", str(error), "Correct the files.")]
    if isinstance(seen, str):
        remedy = "Start NATS, or correct url, ca, user and password in [bus]."
        return [Finding("bus", "broken", f"{config.bus.url}: {seen}", remedy)]
    how = "by TLS" if seen.encrypted else "without TLS, on this machine"
    used = "used before" if seen.made else "new: the first start makes what it needs"
    text = f"{seen.server} with JetStream, {how}, {seen.round_trip_ms:.1f} ms there and back; {used}"
    return [Finding("bus", "good", text)]


async def sources(config: Config, folder: Path, now: datetime) -> list[Finding]:
    """One reading of each switchgear and meter, the prices of the next hours; files as a start would read them."""
    islands = await switchgear(config)
    try:
        parts = parts_of(config, folder)
    except InputError as error:
        remedy = "Correct the file or the configuration."
        broken = [Finding("sources", "broken", f"{item.where}: {item.found}", remedy) for item in error.problems]
        return [*islands, *broken]
    looks = [_metered(site, meter) for site, meter in parts.meters.items()]
    looks += [_priced(site, signal, now) for site, signal in parts.signals.items()]
    return [*islands, *await asyncio.gather(*looks)]


async def _metered(site: str, meter: MeterSource) -> Finding:
    readings = meter.readings()
    try:
        async with asyncio.timeout(PATIENCE_S):
            reading = await anext(readings)
    except (TimeoutError, StopAsyncIteration):
        why = str(getattr(meter, "problem", "")) or f"nothing within {PATIENCE_S:g} s"
        remedy = "Check the device and [site.meter]; without it vehicles share what is safe."
        return Finding("meter", "look", f"{site}: {why}", remedy)
    finally:
        if isinstance(readings, AsyncGenerator):
            await readings.aclose()
    return Finding("meter", "good", f"{site}: {reading.power_kw:+.1f} kW now (positive is import)")


async def _priced(site: str, signal: SignalSource, now: datetime) -> Finding:
    start = now.replace(minute=0, second=0, microsecond=0)
    grid = TimeGrid(start, timedelta(hours=1), _AHEAD_H, "UTC")
    try:
        async with asyncio.timeout(PATIENCE_S):
            prices = await signal.prices(grid)
    except (TimeoutError, BothwaysError, OSError) as error:
        remedy = "Check the source and [site.prices]; without it vehicles are planned by the tariff alone."
        return Finding("prices", "look", f"{site}: {str(error) or 'no answer'}", remedy)
    least, most = min(prices.import_price), max(prices.import_price)
    return Finding("prices", "good", f"{site}: {least:.3f} to {most:.3f} per kWh in the next {_AHEAD_H} hours")
