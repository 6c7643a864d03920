"""Runs virtual stations from the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bothways.adapters.clocks import ScaledClock, SystemClock
from bothways.adapters.files.reading import read_text
from bothways.adapters.files.tables import read_table
from bothways.adapters.simulated.drivers import Driver, Routine
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.domain.errors import Problems
from bothways.operations.ports import Clock

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
SECRET_VARIABLE = "BOTHWAYS_STATION_SECRET"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What ``bothways station-simulator`` was asked for; see its options."""

    url: str
    station_id: str
    protocol: str
    stations: Path | None
    secret_file: Path | None
    evses: int
    charge_kw: float
    discharge_kw: float
    speed: float
    ca: Path | None
    duration_s: float
    seed: int


def run_simulator(settings: SimulatorSettings) -> None:
    """Runs until interrupted, or for the duration asked for.

    Raises:
        InputError: an address, protocol or file that cannot be used; all problems at once.
    """
    credentials, tls = _checked(settings)
    clock: Clock = SystemClock() if settings.speed == 1.0 else ScaledClock(datetime.now(tz=UTC), settings.speed)
    rng = random.Random(settings.seed)
    stations = [_station(settings, name, secret, clock, tls, rng) for name, secret in credentials]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(settings, stations, clock, rng))
    print(f"stopped; {summary(stations)}", file=sys.stderr)


def _checked(settings: SimulatorSettings) -> tuple[list[tuple[str, str]], ssl.SSLContext | None]:
    problems = Problems(at="station-simulator")
    if not settings.url.startswith(("ws://", "wss://")):
        problems.add("URL", settings.url, "an address that starts with ws:// or wss://", "Give ws://HOST:PORT/ocpp.")
    if settings.protocol not in PROTOCOLS:
        problems.add("--protocol", settings.protocol, ", ".join(PROTOCOLS), "Choose one of them.")
    if settings.stations is not None and settings.secret_file is not None:
        problems.add("--secret-file", str(settings.secret_file), "no --stations beside it", "Give one of the two.")
    problems.raise_if_any()
    tls = None
    if settings.url.startswith("wss://"):
        tls = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.stations is not None:
        return _credentials(settings.stations), tls
    secret = os.environ.get(SECRET_VARIABLE, "")
    if settings.secret_file is not None:
        secret = read_text(settings.secret_file).strip()
    return [(settings.station_id, secret)], tls


def _credentials(path: Path) -> list[tuple[str, str]]:
    table = read_table(path)
    problems = Problems(at=path.name)
    for column in ("station_id", "secret"):
        if column not in table.columns:
            problems.add("header", ", ".join(table.columns), "the columns station_id and secret", f"Add {column!r}.")
    problems.raise_if_any()
    rows = list(zip(table["station_id"].to_list(), table["secret"].to_list(), strict=True))
    if not rows:
        problems.add("rows", "none", "at least one station", "Add a row for each station.")
    for number, (name, secret) in enumerate(rows, 1):
        if not name or not secret:
            problems.add(f"row {number}", "an empty cell", "a station id and its secret", "Fill in both cells.")
    problems.raise_if_any()
    return rows


def _station(
    settings: SimulatorSettings, name: str, secret: str, clock: Clock, tls: ssl.SSLContext | None, rng: random.Random
) -> VirtualStation:
    outlets = [
        Outlet(number, charge_kw=settings.charge_kw, discharge_kw=settings.discharge_kw)
        for number in range(1, settings.evses + 1)
    ]
    options = StationOptions(
        protocol=settings.protocol, secret=secret, tick_s=max(1.0, 0.2 * settings.speed), meter_s=60.0
    )
    return VirtualStation(name, settings.url, outlets, clock, options, tls=tls, rng=random.Random(rng.getrandbits(64)))


async def _run(
    settings: SimulatorSettings, stations: Sequence[VirtualStation], clock: Clock, rng: random.Random
) -> None:
    routine = Routine(
        charge_kw=settings.charge_kw, discharge_kw=settings.discharge_kw, consents=settings.discharge_kw > 0.0
    )
    drivers = [
        Driver(f"{station.station_id}-{outlet.evse_id}"[:20], station, outlet.evse_id, routine, clock, rng)
        for station in stations
        for outlet in station.outlets
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.duration_s or None), asyncio.TaskGroup() as group:
            for station in stations:
                group.create_task(station.run())
            for driver in drivers:
                group.create_task(driver.run(starts_plugged_in=True))
            group.create_task(_tell(stations))


async def _tell(stations: Sequence[VirtualStation]) -> None:
    while True:
        await asyncio.sleep(5.0)
        print(summary(stations), file=sys.stderr)


def summary(stations: Sequence[VirtualStation]) -> str:
    """One line on all stations."""
    online = sum(station.wire.connected for station in stations)
    outlets = [outlet for station in stations for outlet in station.outlets]
    power = sum(outlet.power_kw for outlet in outlets)
    running = sum(outlet.transaction is not None for outlet in outlets)
    waiting = sum(len(station.wire.queue) for station in stations)
    refusals = {station.wire.refusal for station in stations if station.wire.refusal}
    text = (
        f"{online} of {len(stations)} stations connected, {running} transactions, {power:.1f} kW, "
        f"{waiting} messages waiting"
    )
    return f"{text}; last refusal: {sorted(refusals)[0]}" if refusals and not online else text
