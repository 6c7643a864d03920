"""State of health: a record per battery, built from its visits to chargers.

Where the state of charge is known at both ends of a visit, the energy between gives the capacity: E = C·Δsoc. Each such
visit is one measurement with an error of its own (the energy meter's, and the rounding of two states of charge), and a
weighted least-squares line through the origin joins them. What they share — how well the charger's efficiency is
known — does not average out and is added at the end. The interval is therefore honest about few or shallow visits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError, InputError, Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

END_OF_FIRST_LIFE = 0.8
"""Capacity over new capacity at which a battery leaves its vehicle."""

END_OF_SECOND_LIFE = 0.7
"""Capacity over new capacity down to which it serves on as a stationary battery."""

SOC_EDGES = tuple(round(0.1 * i, 1) for i in range(11))
"""Edges of the dwell table's rows."""

CELSIUS_EDGES = (-60.0, 0.0, 10.0, 20.0, 30.0, 40.0, 100.0)
"""Edges of the dwell table's columns [°C]."""

PLAUSIBLE_HEALTH = (0.2, 1.3)
"""Capacity over new capacity that is believed; beyond, the capacity stated or a unit is wrong, not the battery."""

MOST_FILLS_PER_DAY = 2.0
"""Energy each way over new capacity that is believed of a day at a charger."""

_CONFIDENCE = 1.96  # two-sided 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of the battery at a charger, with what is known about it.

    Attributes:
        arrival: plug-in (aware).
        departure: plug-out (aware), after it.
        charged_kwh: energy into the vehicle [kWh, AC side].
        discharged_kwh: energy out of the vehicle [kWh, AC side].
        soc_at_arrival: state of charge at plug-in, ``None`` where unknown.
        soc_at_departure: state of charge at plug-out, ``None`` where unknown.
        temperature_c: mean temperature of the cells [°C], ``None`` where unknown.
    """

    arrival: datetime
    departure: datetime
    charged_kwh: float
    discharged_kwh: float = 0.0
    soc_at_arrival: float | None = None
    soc_at_departure: float | None = None
    temperature_c: float | None = None

    def __post_init__(self) -> None:
        if self.arrival.tzinfo is None or self.departure.tzinfo is None or not self.departure > self.arrival:
            msg = f"a visit needs aware instants with the departure after the arrival, not {self.arrival}"
            raise DomainError(msg)
        for name in ("charged_kwh", "discharged_kwh"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                msg = f"visit of {self.arrival}: {name} must be finite and at least 0, not {value}"
                raise DomainError(msg)
        for name in ("soc_at_arrival", "soc_at_departure"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                msg = f"visit of {self.arrival}: {name} must lie in 0…1, not {value}"
                raise DomainError(msg)
        if self.temperature_c is not None and not CELSIUS_EDGES[0] <= self.temperature_c <= CELSIUS_EDGES[-1]:
            msg = f"visit of {self.arrival}: temperature_c must lie in −60…100 °C, not {self.temperature_c}"
            raise DomainError(msg)

    @property
    def hours(self) -> float:
        """Length of the visit [h]."""
        return (self.departure - self.arrival).total_seconds() / 3600.0


def most_energy_kwh(new_capacity_kwh: float, hours: float) -> float:
    """Most energy one way that is believed of a visit: twice the new capacity in each day begun.

    A visit of weeks that feeds back daily moves more than the battery holds, so the limit grows with its days.

    Args:
        new_capacity_kwh: usable capacity when new [kWh].
        hours: length of the visit [h].

    Returns:
        The limit for ``charged_kwh`` and for ``discharged_kwh`` [kWh].

    >>> most_energy_kwh(60.0, 12.0), most_energy_kwh(60.0, 30.0)
    (120.0, 240.0)
    """
    return MOST_FILLS_PER_DAY * new_capacity_kwh * max(1, math.ceil(hours / 24.0))


@dataclass(frozen=True, slots=True)
class Metering:
    """How well the visits were measured.

    Attributes:
        charge_efficiency: stored per AC energy, in (0, 1].
        discharge_efficiency: AC per stored energy, in (0, 1].
        efficiency_error: standard error of both, shared by all visits (relative).
        energy_error: standard error of one visit's energy (relative).
        soc_error: standard error of one reading of the state of charge.
        least_move: smallest change of the state of charge that is used.
        window: visits older than this before the last one are left out of the capacity.
    """

    charge_efficiency: float = 0.9
    discharge_efficiency: float = 0.9
    efficiency_error: float = 0.02
    energy_error: float = 0.01
    soc_error: float = 0.01
    least_move: float = 0.2
    window: timedelta = timedelta(days=180)

    def __post_init__(self) -> None:
        if not (0.0 < self.charge_efficiency <= 1.0 and 0.0 < self.discharge_efficiency <= 1.0):
            msg = "efficiencies must lie in (0, 1]"
            raise DomainError(msg)
        if not (self.efficiency_error >= 0.0 and self.energy_error >= 0.0 and self.soc_error > 0.0):
            msg = "errors must be at least 0, and that of the state of charge above 0"
            raise DomainError(msg)
        if not (0.0 < self.least_move <= 1.0 and self.window > timedelta(0)):
            msg = "least_move must lie in (0, 1] and the window be above 0"
            raise DomainError(msg)


@dataclass(frozen=True, slots=True)
class CapacityEstimate:
    """Capacity with its 95 % interval.

    Attributes:
        capacity_kwh: best estimate [kWh].
        low_kwh: lower end of the interval [kWh].
        high_kwh: upper end [kWh].
        visits: visits that it rests on.
        left_out: visits with known states of charge that contradict the others and were not used.
    """

    capacity_kwh: float
    low_kwh: float
    high_kwh: float
    visits: int
    left_out: int


@dataclass(frozen=True)
class HealthRecord:
    """What is known about one battery.

    Attributes:
        battery_id: pseudonym.
        new_capacity_kwh: usable capacity when new [kWh].
        first: first plug-in.
        last: last plug-out.
        visits: number of visits.
        charged_kwh: energy into the vehicle [kWh, AC side].
        discharged_kwh: energy out of the vehicle [kWh, AC side].
        discharge_cycles: full equivalent cycles of feeding back (battery side, driving not counted).
        dwell_h: time at chargers by state of charge (rows of ``SOC_EDGES``) and temperature (columns of
            ``CELSIUS_EDGES``), shape ``(10, 6)`` [h]. Within a visit the state of charge is taken as a straight line.
        unknown_h: time at chargers with no known state of charge or temperature [h].
        estimate: the capacity, ``None`` where no visit tells it.
        resistance_factor: resistance over new, as last measured by somebody; ``None`` where unknown.
    """

    battery_id: str
    new_capacity_kwh: float
    first: datetime
    last: datetime
    visits: int
    charged_kwh: float
    discharged_kwh: float
    discharge_cycles: float
    dwell_h: Floats = field(repr=False)
    unknown_h: float
    estimate: CapacityEstimate | None
    resistance_factor: float | None = None

    @property
    def health(self) -> tuple[float, float, float] | None:
        """State of health with its interval: estimate, low and high, over new capacity; ``None`` where unknown."""
        if self.estimate is None:
            return None
        values = (self.estimate.capacity_kwh, self.estimate.low_kwh, self.estimate.high_kwh)
        best, low, high = (value / self.new_capacity_kwh for value in values)
        return best, low, high

    @property
    def stage(self) -> str:
        """``first life``, ``second life``, ``end of life``, ``unknown``, or two of them where the interval holds both.

        First life ends at 80 % of new capacity; from there to 70 % a battery serves as a stationary one.
        """
        health = self.health
        if health is None:
            return "unknown"
        low, high = _stage(health[1]), _stage(health[2])
        return high if low == high else f"{high} or {low}"


def _stage(health: float) -> str:
    if health >= END_OF_FIRST_LIFE:
        return "first life"
    return "second life" if health >= END_OF_SECOND_LIFE else "end of life"


def overlapping(begin_s: Ints, end_s: Ints) -> Ints:
    """For each visit an earlier one that had not ended when it began; a battery is at one charger at a time.

    Args:
        begin_s: arrivals, shape ``(N,)``, in any order [s].
        end_s: departures, after the arrivals [s].

    Returns:
        Index of a visit that began before (or, of two that begin together, comes before), −1 for none.

    >>> overlapping(np.array([0, 50, 100]), np.array([100, 60, 200])).tolist()
    [-1, 0, -1]
    """
    found = np.full(begin_s.shape[0], -1, dtype=np.int64)
    latest = -1
    for row in np.argsort(begin_s, kind="stable").tolist():
        if latest >= 0 and begin_s[row] < end_s[latest]:
            found[row] = latest
        if latest < 0 or end_s[row] > end_s[latest]:
            latest = row
    return found


def check_plausible(record: HealthRecord, *, named: str = "new_capacity_kwh") -> None:
    """Refuses a record whose capacity does not belong to the battery stated: a unit or the battery is wrong.

    Args:
        record: the record; one without an estimate passes.
        named: what the capacity when new is called where it was given.

    Raises:
        InputError: the estimate lies outside ``PLAUSIBLE_HEALTH`` of the new capacity.
    """
    low, high = PLAUSIBLE_HEALTH
    if record.health is None or record.estimate is None or low <= record.health[0] <= high:
        return
    new = record.new_capacity_kwh
    found = f"{new:g} kWh when new, and {record.estimate.capacity_kwh:.3g} kWh from the visits ({record.health[0]:.3%})"
    allowed = f"visits that tell {low:.0%} to {high:.0%} of the new capacity: {low * new:g} to {high * new:g} kWh"
    remedy = f"Check that {named} is in kWh (not Wh) and that of this battery, and the units of the columns."
    raise InputError([Problem(named, found, allowed, remedy)])


def build_record(
    battery_id: str,
    new_capacity_kwh: float,
    visits: Sequence[Visit],
    *,
    metering: Metering | None = None,
    resistance_factor: float | None = None,
    named: str = "new_capacity_kwh",
) -> HealthRecord:
    """Builds the record of one battery.

    Args:
        battery_id: pseudonym.
        new_capacity_kwh: usable capacity when new [kWh].
        visits: at least one, in any order.
        metering: how well they were measured.
        resistance_factor: resistance over new, where somebody measured it.
        named: what the capacity when new is called where it was given, for messages.

    Raises:
        DomainError: no visit, visits that overlap, or a capacity or resistance that is not above 0.
        InputError: the visits tell a capacity outside ``PLAUSIBLE_HEALTH`` of the new one (see
            :func:`check_plausible`).
    """
    if not visits:
        msg = f"battery {battery_id}: a record needs at least one visit"
        raise DomainError(msg)
    for name, value in (("new_capacity_kwh", new_capacity_kwh), ("resistance_factor", resistance_factor)):
        if value is not None and not (math.isfinite(value) and value > 0.0):
            msg = f"battery {battery_id}: {name} must be above 0, not {value}"
            raise DomainError(msg)
    spans = [np.array([getattr(visit, name).timestamp() for visit in visits]) for name in ("arrival", "departure")]
    clash = overlapping(*(np.round(span).astype(np.int64) for span in spans))
    if (clash >= 0).any():
        row = int(np.argmax(clash >= 0))
        msg = f"battery {battery_id}: the visit of {visits[row].arrival} overlaps that of {visits[clash[row]].arrival}"
        raise DomainError(msg)
    measured = metering or Metering()
    dwell = np.zeros((len(SOC_EDGES) - 1, len(CELSIUS_EDGES) - 1))
    unknown_h = 0.0
    for visit in visits:
        if not _add_dwell(dwell, visit):
            unknown_h += visit.hours
    out = math.fsum(visit.discharged_kwh for visit in visits)
    record = HealthRecord(
        battery_id=battery_id,
        new_capacity_kwh=new_capacity_kwh,
        first=min(visit.arrival for visit in visits),
        last=max(visit.departure for visit in visits),
        visits=len(visits),
        charged_kwh=math.fsum(visit.charged_kwh for visit in visits),
        discharged_kwh=out,
        discharge_cycles=out / measured.discharge_efficiency / new_capacity_kwh,
        dwell_h=dwell,
        unknown_h=unknown_h,
        estimate=estimate_capacity(visits, measured),
        resistance_factor=resistance_factor,
    )
    check_plausible(record, named=named)
    return record


def _add_dwell(dwell: Floats, visit: Visit) -> bool:
    """Spreads a visit's hours over the table; False where it cannot be placed."""
    if visit.soc_at_arrival is None or visit.soc_at_departure is None or visit.temperature_c is None:
        return False
    column = min(int(np.searchsorted(CELSIUS_EDGES, visit.temperature_c, side="right")) - 1, dwell.shape[1] - 1)
    low, high = sorted((visit.soc_at_arrival, visit.soc_at_departure))
    edges = np.array(SOC_EDGES)
    if high - low < 1e-9:
        row = min(int(np.searchsorted(edges, low, side="right")) - 1, dwell.shape[0] - 1)
        dwell[row, column] += visit.hours
        return True
    overlap = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    dwell[:, column] += visit.hours * np.maximum(0.0, overlap) / (high - low)
    return True


def estimate_capacity(visits: Sequence[Visit], metering: Metering) -> CapacityEstimate | None:
    """Capacity from partial charges; ``None`` where no visit within the window moves far enough.

    C = Σ w·E·Δ / Σ w·Δ² with w = 1/((σ_E·E)² + 2(σ_soc·C)²); visits further than four standard errors off are left
    out, one at a time, as long as three stay. The variance is widened where the visits scatter more than their errors.
    """
    end = max((visit.departure for visit in visits), default=None)
    if end is None:
        return None
    pairs = [_pair(visit, metering) for visit in visits if visit.departure >= end - metering.window]
    used = np.array([pair for pair in pairs if pair is not None and pair[1] >= metering.least_move]).reshape(-1, 2)
    known = used.shape[0]
    if known == 0:
        return None
    while True:
        energy, move = used[:, 0], used[:, 1]
        capacity = float(np.median(energy / move))
        weight = np.ones(energy.shape)
        for _ in range(5):
            weight = 1.0 / ((metering.energy_error * energy) ** 2 + 2.0 * (metering.soc_error * capacity) ** 2)
            capacity = float((weight * energy * move).sum() / (weight * move**2).sum())
        off = np.abs(energy - capacity * move) * np.sqrt(weight)
        if used.shape[0] <= 3 or off.max() <= 4.0:
            break
        used = np.delete(used, int(np.argmax(off)), axis=0)
    freedom = max(1, used.shape[0] - 1)
    scatter = max(1.0, float((off**2).sum()) / freedom)
    own = math.sqrt(scatter / float((weight * move**2).sum()))
    error = math.hypot(own, metering.efficiency_error * capacity)
    low, high = max(0.0, capacity - _CONFIDENCE * error), capacity + _CONFIDENCE * error
    return CapacityEstimate(capacity, low, high, used.shape[0], known - used.shape[0])


def _pair(visit: Visit, metering: Metering) -> tuple[float, float] | None:
    """Energy stored [kWh] and change of state of charge of a visit, both positive; ``None`` where unknown.

    A visit whose energy and state of charge moved in opposite directions tells nothing about capacity.
    """
    if visit.soc_at_arrival is None or visit.soc_at_departure is None:
        return None
    stored = visit.charged_kwh * metering.charge_efficiency - visit.discharged_kwh / metering.discharge_efficiency
    move = visit.soc_at_departure - visit.soc_at_arrival
    if stored * move <= 0.0:
        return None
    return abs(stored), abs(move)
