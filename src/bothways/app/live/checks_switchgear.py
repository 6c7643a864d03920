"""The doctor's check of what makes a building an island: contactor, breakers, sources, relays; it only reads."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence

from bothways.adapters.clocks import SystemClock
from bothways.adapters.switchgear.settings import ModbusGearSettings
from bothways.app.live.config import Config, SitePart
from bothways.app.live.finding import Finding
from bothways.app.live.island_config import IslandPart
from bothways.domain.errors import GatewayError
from bothways.operations.ports import SwitchgearReading
from bothways.operations.stations import GridPermission, StationRecord
from bothways.resilience.island.signals import Grid, Position, judge

PATIENCE_S = 6.0
CHECK = "switchgear"
SEPARATE = (
    "Run this site in a process of its own, without [bus]; near the building, on an uninterruptible supply. "
    "An island must not hang on a network between servers."
)


async def switchgear(config: Config) -> list[Finding]:
    """One reading of every building's switchgear, and what an outage would miss; nothing where there is no island."""
    islands = [site for site in config.site if site.island is not None]
    found = await asyncio.gather(*(_site(config, site) for site in islands))
    return [finding for findings in found for finding in findings]


def recorded(site: SitePart, permission: GridPermission, stations: Sequence[StationRecord]) -> list[Finding]:
    """What the store must know before the building may be an island; nothing where it is none, or all is there."""
    if site.island is None:
        return []
    findings = []
    if not permission.islanding:
        text = f"{site.id}: the separate permission to island is not recorded: in an outage nothing is energised"
        findings.append(Finding("island", "look", text, "Record it with `bothways permit … --islanding`."))
    known = {(record.station_id, evse.evse_id) for record in stations for evse in record.evses}
    named = [(part.station or "", part.evse) for part in site.island.sources if part.kind == "v2x"]
    strangers = [f"{station}/{evse}" for station, evse in named if (station, evse) not in known]
    if strangers:
        text = f"{site.id}: not among the registered stations: {', '.join(strangers)}"
        findings.append(Finding("island", "look", text, "Correct station and evse of the source, or add the station."))
    return findings


async def _site(config: Config, site: SitePart) -> list[Finding]:
    island = site.island
    assert island is not None  # noqa: S101 - only such sites are asked for
    findings = []
    if config.bus.url:
        findings.append(Finding(CHECK, "broken", f"{site.id}: an island does not run in several processes", SEPARATE))
    gear = island.switchgear
    if gear is None:
        remedy = "Add [site.island.switchgear]; see docs/reference/configuration.md."
        return [
            *findings,
            Finding(CHECK, "broken", f"{site.id}: none is configured; the server would not start", remedy),
        ]
    findings += _missing(site.id, island, gear)
    try:
        from bothways.adapters.switchgear.modbus import ModbusSwitchgear  # noqa: PLC0415 - of an extra
    except ImportError as error:
        remedy = "Install bothways with the extra `meters`."
        return [*findings, Finding(CHECK, "broken", f"{site.id}: {error.name} is not installed", remedy)]
    device = ModbusSwitchgear(gear, SystemClock())
    try:
        async with asyncio.timeout(PATIENCE_S):
            reading = await device.read()
    except (TimeoutError, GatewayError) as error:
        text = f"{site.id}: {gear.host}:{gear.port} does not answer: {str(error) or type(error).__name__}"
        remedy = "Check the device and [site.island.switchgear]; without it the building cannot be an island."
        return [*findings, Finding(CHECK, "look", text, remedy)]
    finally:
        device.close()
    return [*findings, *_seen(site.id, island, reading)]


def _missing(site: str, island: IslandPart, gear: ModbusGearSettings) -> Iterator[Finding]:
    """What is not configured and would be missed on the worst day."""
    unmetered = [
        part.id for part in island.sources if part.id not in gear.sources or gear.sources[part.id].power is None
    ]
    if unmetered:
        text = f"{site}: no power register: {', '.join(unmetered)}"
        yield Finding(CHECK, "look", text, "What is not seen to stop within 2 s is cut off by its trip_coil.")
    if gear.watchdog is None:
        text = f"{site}: no watchdog: when the server is lost in an outage, every section stays on"
        yield Finding(CHECK, "look", text, "Let the device drop lesser sections by itself: watchdog and keep_coil.")
    if gear.estop_input is None:
        text = f"{site}: no estop_input: the building's emergency stop is not seen"
        yield Finding(CHECK, "look", text, "Wire the emergency stop and the fire alarm to an input.")
    if not any(source.grid_forming for source in island.sources):
        text = f"{site}: no source can form a grid: nothing starts the building"
        yield Finding(CHECK, "look", text, "Say grid_forming = true where a source can hold a dead bus by itself.")


def _seen(site: str, island: IslandPart, reading: SwitchgearReading) -> Iterator[Finding]:
    """What the reading shows, and what in it is not known."""
    settings = island.settings(site)
    grid = Grid.LOST if reading.loss_of_mains else judge(reading.grid, settings.building.windows)
    main = reading.main.value if reading.main is not Position.UNKNOWN else "not known"
    yield Finding(CHECK, "good", f"{site}: answers; main contactor {main}, grid {grid.value}")
    if reading.main is Position.UNKNOWN:
        remedy = "Check its mirror contact (open_input) and closed_input: as it is, nothing is ever energised."
        yield Finding(CHECK, "look", f"{site}: the main contactor's contacts contradict each other", remedy)
    blind = [
        section.id for section in island.sections
        if section.seen == "by contact" and _unknown(reading, section.id)
    ]  # fmt: skip
    if blind:
        text = f"{site}: where these breakers are is not known: {', '.join(blind)}"
        yield Finding(CHECK, "look", text, "Check open_input and closed_input, and their wires.")
    silent = [part.id for part in island.sources if part.id not in reading.sources or _silent(reading, part.id)]
    if silent:
        text = f"{site}: these sources do not say what they do: {', '.join(silent)}"
        yield Finding(CHECK, "look", text, "Check power and forming_input; what does not answer is not counted on.")
    if reading.estop:
        text = f"{site}: the emergency stop or the fire alarm is active"
        yield Finding(CHECK, "look", text, "If nobody pressed it: is the input wired the other way round?")


def _unknown(reading: SwitchgearReading, section: str) -> bool:
    found = reading.sections.get(section)
    return found is None or found.position is Position.UNKNOWN


def _silent(reading: SwitchgearReading, source: str) -> bool:
    gauge = reading.sources[source]
    return gauge.mode is None and (gauge.output_kw is None or not math.isfinite(gauge.output_kw))
