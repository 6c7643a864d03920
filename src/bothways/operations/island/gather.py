"""From what devices, stations and drivers say to the inputs of the pure machine. What is not known stays unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bothways.operations.events import EvseKey
from bothways.operations.island.settings import IslandSettings
from bothways.operations.ports import SourceGauge, SwitchgearReading
from bothways.operations.site.gate import CompatibilityRegister
from bothways.operations.site.state import EvseState, SessionState
from bothways.resilience.island.signals import (
    GridReading,
    Inputs,
    Mode,
    Position,
    Request,
    SectionReading,
    SourceReading,
    VehicleReading,
)
from bothways.resilience.island.site import Source, SourceKind
from bothways.simulation.island import clear_sky, clear_sky_energy

_FLOWS_KW = 0.05
_SUN_UP = 0.2
_UNKNOWN = SectionReading(Position.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a driver said about outages: kilometres to keep (``None`` for the site's own), and opting out."""

    reserve_km: float | None = None
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What the gathering needs besides the devices.

    Attributes:
        now: the instant.
        t_s: the machine's time [s].
        evses: the site's EVSEs as the loop sees them, by key.
        models: model of each station, for the register.
        register: which vehicle at which charger can discharge; what is not listed cannot.
        stated: what drivers said, by holder; ``None`` where it could not be read: then no vehicle gives.
        pv_kw: PV as the site's meter shows it [kW]; ``None`` where it does not.
        tz: the site's zone.
        requests: what people asked for since the last step.
        acknowledged: devices that answered the last rehearsal.
        stopped: an emergency stop of the site is latched.
    """

    now: datetime
    t_s: float
    evses: Mapping[EvseKey, EvseState]
    models: Mapping[str, str]
    register: CompatibilityRegister
    stated: Mapping[str, Statement] | None
    pv_kw: float | None = None
    tz: str = "UTC"
    requests: tuple[Request, ...] = ()
    acknowledged: tuple[str, ...] = ()
    stopped: bool = False


def holder_of(key: EvseKey, session: SessionState | None) -> str:
    """Who is plugged in: the card, or the place where none was shown."""
    return session.id_token if session is not None and session.id_token else f"{key.station_id}/{key.evse_id}"


def gather(reading: SwitchgearReading | None, around: Around, settings: IslandSettings) -> Inputs:
    """The inputs of one step.

    Args:
        reading: what the switchgear shows; ``None`` or an old one makes everything behind it unknown.
        around: vehicles, drivers, people, time.
        settings: the site.
    """
    site = settings.building
    fresh = reading is not None and (around.now - reading.at).total_seconds() <= settings.stale_s
    seen = reading if fresh else None
    pv = _pv(seen, around)
    return Inputs(
        t_s=around.t_s,
        grid=_grid(seen),
        main=Position.UNKNOWN if seen is None else seen.main,
        sections=tuple(_section(seen, section.section_id) for section in site.sections),
        sources=tuple(_source(source, seen, around, settings) for source in site.sources),
        loss_of_mains=seen is not None and seen.loss_of_mains,
        estop=around.stopped or (seen is not None and seen.estop),
        bus_pu=_finite(None if seen is None else seen.bus_pu),
        in_sync=None if seen is None else seen.in_sync,
        pv_kw=pv,
        pv_ahead_kwh=_forecast(pv, around, settings),
        requests=around.requests,
        acknowledged=around.acknowledged,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _grid(seen: SwitchgearReading | None) -> GridReading | None:
    grid = None if seen is None else seen.grid
    sound = grid is not None and all(map(math.isfinite, (*grid.voltage_pu, grid.frequency_hz)))
    return grid if sound else None


def _section(seen: SwitchgearReading | None, name: str) -> SectionReading:
    found = _UNKNOWN if seen is None else seen.sections.get(name, _UNKNOWN)
    if found.phase_kw is None or all(math.isfinite(kw) for kw in found.phase_kw):
        return found
    return SectionReading(found.position)


def _pv(seen: SwitchgearReading | None, around: Around) -> float:
    wired = _finite(None if seen is None else seen.pv_kw)
    return max(0.0, wired if wired is not None else _finite(around.pv_kw) or 0.0)


def _forecast(pv_kw: float, around: Around, settings: IslandSettings) -> tuple[float, ...]:
    """PV energy that is dared to be counted on in every hour from now [kWh], to the last target.

    A share of a clear sky; while the sun is up, no better a sky than the one that is seen: smoke counts at once.
    """
    peak, share = settings.pv_peak_kw, settings.pv_share
    if peak <= 0.0 or share <= 0.0:
        return ()
    local = around.now.astimezone(ZoneInfo(around.tz))
    hour = round((local.hour * 60 + local.minute) / 10.0) / 6.0
    clear = clear_sky(local.hour + local.minute / 60.0)
    if clear > _SUN_UP:
        share = min(share, pv_kw / (peak * clear))
    hours = math.ceil(settings.building.longest_s / 3600.0)
    return tuple(share * peak * clear_sky_energy(hour + k, 1.0) for k in range(hours))


def _source(source: Source, seen: SwitchgearReading | None, around: Around, settings: IslandSettings) -> SourceReading:
    gauge = SourceGauge() if seen is None else seen.sources.get(source.source_id, SourceGauge())
    if source.kind is SourceKind.V2X:
        key = settings.chargers[source.source_id]
        return _charger(gauge, around.evses.get(key), key, around, settings)
    if gauge.mode is None:
        return SourceReading(Mode.UNKNOWN, available=False)
    return SourceReading(
        gauge.mode, gauge.available, _finite(gauge.output_kw) or 0.0, energy_kwh=_finite(gauge.energy_kwh)
    )


def _charger(
    gauge: SourceGauge, state: EvseState | None, key: EvseKey, around: Around, settings: IslandSettings
) -> SourceReading:
    """A charger: its wired feedback where there is one, else what its station meters; its vehicle from the loop."""
    if state is None:
        return SourceReading(gauge.mode or Mode.UNKNOWN, available=False)
    wired = _finite(gauge.output_kw)
    output = -state.measured_kw if wired is None else wired
    output = output if math.isfinite(output) else 0.0
    mode = gauge.mode if gauge.mode is Mode.FORMING or wired is not None else None  # without a meter, OCPP's says
    if mode is None and wired is None and not state.online:
        mode = Mode.UNKNOWN
    if mode is None:
        mode = Mode.GIVING if output > _FLOWS_KW else Mode.CHARGING if output < -_FLOWS_KW else Mode.OFF
    session = state.session
    able = _ability_kw(state, around)
    ready = state.online and session is not None and session.transaction_id != ""
    return SourceReading(
        mode,
        available=gauge.available and ready and able > 0.0,
        output_kw=output + 0.0,
        limit_kw=able,
        vehicle=None if session is None else vehicle_reading(key, session, around.stated, settings),
    )


def _ability_kw(state: EvseState, around: Around) -> float:
    """What EVSE, vehicle and register allow to be given [kW]; what no source lists gives nothing."""
    session = state.session
    if session is None:
        return 0.0
    model = around.models.get(state.key.station_id, "")
    for vehicle in (session.id_token, session.model):
        found = around.register.ability(vehicle, model) if vehicle else None
        if found is not None:
            able = min(state.record.discharge_kw, found.discharge_kw, session.discharge_kw)
            return max(0.0, able) if found.discharge and math.isfinite(able) else 0.0
    return 0.0


def vehicle_reading(
    key: EvseKey, session: SessionState, stated: Mapping[str, Statement] | None, settings: IslandSettings
) -> VehicleReading:
    """A vehicle as the machine sees it: the cautious end of its energy, and all that its driver keeps.

    Kept is the greatest of: the evacuation reserve (the driver's kilometres, or the site's), the driver's own floor,
    and what the caps on discharging, by driver and maker, leave untouched.
    """
    unread = Statement(None, opted_out=True)
    said = unread if stated is None else stated.get(holder_of(key, session), Statement())
    need = session.need
    reserve = max(settings.evacuation.reserve_kwh(said.reserve_km), session.floor_kwh)
    left = min(session.day_cap_kwh - session.returned_today_kwh, session.year_cap_kwh - session.returned_year_kwh)
    if left < math.inf:
        reserve = max(reserve, session.energy_low_kwh - max(0.0, left) / session.eta_d)
    energy = _finite(session.energy_low_kwh)
    return VehicleReading(
        f"{key.station_id}/{key.evse_id}",
        energy,
        reserve if math.isfinite(reserve) else energy or 0.0,
        max(session.ceiling_kwh, 0.0),
        opted_out=said.opted_out or need is None or not need.discharge_consent,
    )
