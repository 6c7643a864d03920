"""What the island controller sees at one instant: readings, feedback, vehicles, requests; in the site's order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from bothways.domain.errors import DomainError
from bothways.resilience.island.site import IslandSite, Phases, Windows


class Position(StrEnum):
    """Feedback of a switch; ``UNKNOWN`` where it is lost or contradicts itself."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """What a source does now, as it reports; ``UNKNOWN`` where it does not answer."""

    OFF = "off"
    CHARGING = "charging"
    GIVING = "giving"
    FORMING = "forming"
    UNKNOWN = "unknown"


class Grid(StrEnum):
    """Judgement of the supply on the street's side of the main contactor."""

    GOOD = "good"
    POOR = "poor"
    LOST = "lost"
    UNKNOWN = "unknown"


class RequestKind(StrEnum):
    """What a person can ask for."""

    CONFIRM = "confirm"
    TAKE_OVER = "take over"
    HAND_BACK = "hand back"
    ORDER_OPEN = "order open"
    ORDER_CLOSE = "order close"
    ORDER_FORM = "order form"
    ORDER_GIVE = "order give"
    ORDER_RELEASE = "order release"
    REPORT_LOSS = "report loss"
    RETURN_TO_GRID = "return to grid"
    START_DRILL = "start drill"
    END_DRILL = "end drill"
    PERMIT_OFFER = "permit offer"
    WITHDRAW_OFFER = "withdraw offer"
    SET_ASIDE = "set aside"
    BACK_IN_SERVICE = "back in service"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a person; ``device`` is the id that it is about, where it is about one."""

    kind: RequestKind
    device: str = ""
    output_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class GridReading:
    """The street's side of the main contactor: voltage per phase as fraction of nominal, frequency [Hz]."""

    voltage_pu: tuple[float, ...]
    frequency_hz: float


@dataclass(frozen=True, slots=True)
class SectionReading:
    """One section: feedback of its breaker, measured load per phase [kW] (``None`` where not measured)."""

    position: Position
    phase_kw: Phases | None = None


@dataclass(frozen=True, slots=True)
class VehicleReading:
    """A vehicle at a bidirectional charger.

    Attributes:
        vehicle_id: pseudonym.
        energy_kwh: stored energy, the cautious end of the estimate [kWh]; ``None`` where unknown: it gives nothing.
        reserve_kwh: stored energy that the driver keeps [kWh]; see :mod:`~bothways.resilience.island.reserve`.
        ceiling_kwh: stored energy at which charging ends [kWh].
        opted_out: whether the driver wants no discharge; also without consent.
    """

    vehicle_id: str
    energy_kwh: float | None
    reserve_kwh: float
    ceiling_kwh: float = math.inf
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One source.

    Attributes:
        mode: what it does.
        available: whether it could feed now, as far as the device itself knows.
        output_kw: measured output [kW], positive toward the building, negative while it charges.
        limit_kw: greatest output that it offers now [kW].
        energy_kwh: stored energy of a battery, or what the fuel gives [kWh]; not used for vehicles.
        vehicle: the vehicle at a charger; ``None`` for none.
    """

    mode: Mode = Mode.OFF
    available: bool = True
    output_kw: float = 0.0
    limit_kw: float = math.inf
    energy_kwh: float | None = None
    vehicle: VehicleReading | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything at one instant.

    Attributes:
        t_s: time [s] on any scale that only moves forward.
        grid: reading on the street's side; ``None`` where the meter does not answer.
        main: feedback of the main contactor by a mirror contact (IEC 60947-4-1, annex F).
        sections: in the site's order.
        sources: in the site's order.
        loss_of_mains: a station or relay reports now that the mains are lost; to be withdrawn when it no longer does.
        estop: the emergency stop or the fire alarm is active.
        bus_pu: voltage on the building's side, fraction of nominal; ``None`` where not measured.
        in_sync: what a synchronism relay says across the contactor; ``None`` where there is none.
        pv_kw: output of PV now [kW].
        pv_ahead_kwh: cautious forecast of PV energy in every hour from now on [kWh].
        requests: what people asked for since the last call.
        acknowledged: devices that answered the last rehearsal (drill only).
    """

    t_s: float
    grid: GridReading | None
    main: Position
    sections: tuple[SectionReading, ...]
    sources: tuple[SourceReading, ...]
    loss_of_mains: bool = False
    estop: bool = False
    bus_pu: float | None = None
    in_sync: bool | None = None
    pv_kw: float = 0.0
    pv_ahead_kwh: tuple[float, ...] = ()
    requests: tuple[Request, ...] = ()
    acknowledged: tuple[str, ...] = ()


def judge(reading: GridReading | None, windows: Windows) -> Grid:
    """Judges the supply of the street.

    >>> judge(GridReading((1.0, 1.0, 1.0), 60.0), Windows()).value
    'good'
    >>> judge(GridReading((1.0, 1.0, 0.4), 60.0), Windows()).value
    'lost'
    """
    if reading is None or not reading.voltage_pu:
        return Grid.UNKNOWN
    low, high = min(reading.voltage_pu), max(reading.voltage_pu)
    off = reading.frequency_hz - windows.nominal_hz
    scale = windows.nominal_hz / 60.0
    if low < windows.lost_low_pu or high > windows.lost_high_pu or abs(off) > windows.lost_off_hz * scale:
        return Grid.LOST
    # a difference of two frequencies carries rounding: no edge is met to the last bit
    steady = -windows.good_below_hz * scale - 1e-9 <= off <= windows.good_above_hz * scale + 1e-9
    good = steady and windows.good_low_pu <= low and high <= windows.good_high_pu
    return Grid.GOOD if good else Grid.POOR


def check(inputs: Inputs, site: IslandSite) -> None:
    """Refuses readings that cannot be meant: wrong number of devices, NaN, unknown ids.

    Raises:
        DomainError: with the first thing that is wrong, in words.
    """
    if len(inputs.sections) != len(site.sections) or len(inputs.sources) != len(site.sources):
        msg = (
            f"site {site.site_id} has {len(site.sections)} sections and {len(site.sources)} sources; "
            f"the inputs have {len(inputs.sections)} and {len(inputs.sources)}"
        )
        raise DomainError(msg)
    numbers = [inputs.t_s, inputs.pv_kw, *inputs.pv_ahead_kwh]
    if inputs.bus_pu is not None:
        numbers.append(inputs.bus_pu)
    if inputs.grid is not None:
        numbers += [*inputs.grid.voltage_pu, inputs.grid.frequency_hz]
    for section in inputs.sections:
        numbers += section.phase_kw or ()
    for source in inputs.sources:
        numbers.append(source.output_kw)
        if source.energy_kwh is not None:
            numbers.append(source.energy_kwh)
        if source.vehicle is not None:
            numbers.append(source.vehicle.reserve_kwh)
            numbers.append(0.0 if source.vehicle.energy_kwh is None else source.vehicle.energy_kwh)
        if math.isnan(source.limit_kw):
            numbers.append(source.limit_kw)
    if not all(map(math.isfinite, numbers)):
        msg = "readings must be finite; say None where a reading is missing"
        raise DomainError(msg)
    for request in inputs.requests:
        if request.device and request.device not in site.index:
            msg = f"request {request.kind.value!r} names {request.device!r}; known: {', '.join(site.devices)}"
            raise DomainError(msg)
