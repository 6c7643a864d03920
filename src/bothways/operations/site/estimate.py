"""State of charge and capacity where nobody reports them (R34), and drivers' error in what they declare (R35)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bothways.mobility.declared import DepartureModel, Finished
from bothways.operations.site.batteries import KnownHealth
from bothways.operations.site.book import Visit
from bothways.operations.site.settings import VehicleAssumption
from bothways.operations.site.state import Estimate
from bothways.operations.site.stored import StoredEnergy
from bothways.operations.stations import DriverNeed

_SOC_ERROR = 0.02
"""Half width of the interval around a reported state of charge; displays show whole percents, and packs drift."""

_ENERGY_ERROR = 0.05
"""Share of the energy moved since the last report by which the estimate may be wrong (efficiency, metering)."""

_LEAST_CHANGE = 0.1
"""Change of state of charge from which a capacity is learnt."""

_KEPT_STAYS = 500


@dataclass(frozen=True, slots=True)
class CapacityRecord:
    """Usable capacity of one vehicle as learnt.

    Attributes:
        mean_kwh: mean of what was observed [kWh].
        weight: sum of the changes of state of charge it rests on.
        least_kwh: most that the vehicle took in one stay: it holds at least that [kWh].
    """

    mean_kwh: float = math.nan
    weight: float = 0.0
    least_kwh: float = 0.0

    def observed(self, capacity_kwh: float, change: float) -> CapacityRecord:
        """With one more observation, weighted by the change of state of charge."""
        weight = self.weight + change
        old = 0.0 if math.isnan(self.mean_kwh) else self.mean_kwh
        mean = (old * self.weight + capacity_kwh * change) / weight
        return CapacityRecord(mean, min(weight, 5.0), self.least_kwh)

    def took(self, energy_kwh: float) -> CapacityRecord:
        """With a stay in which it took so much, stored [kWh]."""
        return CapacityRecord(self.mean_kwh, self.weight, max(self.least_kwh, energy_kwh))


def capacity_estimate(
    asked_kwh: float | None, known: CapacityRecord, assumed: VehicleAssumption, record: KnownHealth | None = None
) -> Estimate:
    """Usable capacity: as reported by the vehicle, else of its record of state of health, as learnt, as assumed [kWh].

    >>> capacity_estimate(None, CapacityRecord(40.0, 1.0, 30.0), VehicleAssumption()).source
    'learnt from earlier stays'
    """
    if asked_kwh is not None and math.isfinite(asked_kwh) and asked_kwh > 0.0:
        return Estimate(asked_kwh, 0.97 * asked_kwh, 1.03 * asked_kwh, "reported by the vehicle")
    if record is not None:
        value, low = max(record.capacity_kwh, known.least_kwh), max(record.low_kwh, known.least_kwh)
        return Estimate(value, low, max(record.high_kwh, value), "of its record of state of health")
    if known.weight >= _LEAST_CHANGE:
        error = 0.1 / math.sqrt(max(known.weight, _LEAST_CHANGE) / 0.5)
        value = max(known.mean_kwh, known.least_kwh)
        low = max(known.least_kwh, value * (1.0 - error))
        return Estimate(value, low, value * (1.0 + error), "learnt from earlier stays")
    value = max(assumed.capacity_kwh, known.least_kwh)
    spread = 2.0 * assumed.capacity_error
    low = max(known.least_kwh, value * max(0.1, 1.0 - spread))
    return Estimate(value, min(low, value), value * (1.0 + spread), "assumed for an unknown vehicle")


def soc_estimate(
    visit: Visit, need: DriverNeed | None, capacity: Estimate, energy: StoredEnergy, eta_c: float, assumed_soc: float
) -> Estimate:
    """State of charge now, 0…1.

    From the last report and the energy moved since; without a report from the energy moved since plug-in. What is
    certain of an unreported vehicle is only what was charged here, less what was taken: the lower end begins at 0. A
    driver who asks for energy says that there is room for it, which bounds the upper end.
    """
    if visit.soc_ref is not None:
        soc, moved = visit.soc_ref[0], energy.since(visit, visit.soc_ref[1:])
        error = _SOC_ERROR + _ENERGY_ERROR * abs(moved) / capacity.low
        low = soc + min(moved / capacity.low, moved / capacity.high) - error
        high = soc + max(moved / capacity.low, moved / capacity.high) + error
        value = soc + moved / capacity.value
        return _within(value, low, high, "reported by the vehicle")
    stored = energy.since(visit)
    if visit.full and visit.full_at is not None:
        value = (
            1.0 + energy.since(visit, visit.full_at) / capacity.value
        )  # for planning; a vehicle may stop at its owner's 80 %
        return _within(value, max(0.0, stored) / capacity.high, 1.0, "it declined to charge further")
    first, highest = assumed_soc, 1.0
    if need is not None and need.energy_kwh is not None:
        room = need.energy_kwh * eta_c
        first = min(first, max(0.0, 1.0 - room / capacity.value))
        highest = min(1.0, max(first, 1.0 - 0.5 * room / capacity.high))
    low = (1.0 - _ENERGY_ERROR) * max(0.0, stored) / capacity.high + min(0.0, stored) / capacity.low
    return _within(first + stored / capacity.value, low, highest + max(0.0, stored) / capacity.low, "from energy moved")


def _within(value: float, low: float, high: float, source: str) -> Estimate:
    low, high = min(1.0, max(0.0, low)), min(1.0, max(0.0, high))
    value = min(max(value, low), high)
    return Estimate(value, low, high, source)


@dataclass(slots=True)
class Learned:
    """What the site has learnt about vehicles and drivers; everything here survives a restart by memory.

    Attributes:
        capacity: capacity records by holder.
        asleep: pairs (id token, EVSE model) that did not resume after a pause (R32).
        departures: the departure model.
    """

    capacity: dict[str, CapacityRecord] = field(default_factory=dict)
    asleep: dict[str, str] = field(default_factory=dict)
    departures: DepartureModel = field(default_factory=DepartureModel)
    stays: list[Finished] = field(default_factory=list)

    def finished(self, visit: Visit, left: datetime, need: DriverNeed | None, energy: StoredEnergy) -> None:
        """Learns from a stay that has ended."""
        stay = Finished(
            arrival_s=_epoch(visit.since),
            departure_s=max(_epoch(left), _epoch(visit.since) + 1),
            declared_departure_s=_epoch(visit.declared) if visit.declared is not None else None,
            requested_kwh=need.energy_kwh if need is not None else None,
            delivered_kwh=max(0.0, visit.delivered_kwh - visit.returned_kwh),
            vehicle_id=visit.id_token or None,
        )
        self.departures.learn(stay)
        self.stays = [*self.stays[1 - _KEPT_STAYS :], stay]
        if visit.id_token:
            record = self.capacity.get(visit.id_token, CapacityRecord())
            record = record.took(max(0.0, energy.since(visit)))
            if visit.soc_first is not None and visit.soc_ref is not None:
                change = visit.soc_ref[0] - visit.soc_first[0]
                moved = energy.since(visit, visit.soc_first[1:]) - energy.since(visit, visit.soc_ref[1:])
                if abs(change) >= _LEAST_CHANGE and moved / change > 1.0:
                    record = record.observed(moved / change, abs(change))
            self.capacity[visit.id_token] = record

    def cautious(self, visit: Visit, declared: datetime, confidence: float) -> datetime:
        """Until when the vehicle may be counted on: the declaration made cautious by experience, fixed when stated."""
        when = self.departures.cautious_departure(
            arrival_s=_epoch(visit.since),
            declared_departure_s=_epoch(declared),
            confidence=confidence,
            vehicle_id=visit.id_token or None,
        )
        return declared if when is None else datetime.fromtimestamp(when, tz=UTC)

    def as_values(self) -> dict[str, object]:
        """For the memory; read back by :func:`learned_from`."""
        return {
            "capacity": {
                holder: [None if math.isnan(item.mean_kwh) else item.mean_kwh, item.weight, item.least_kwh]
                for holder, item in self.capacity.items()
            },
            "asleep": dict(self.asleep),
            "stays": [
                [stay.arrival_s, stay.departure_s, stay.declared_departure_s, stay.requested_kwh, stay.delivered_kwh,
                 stay.vehicle_id]
                for stay in self.stays
            ],
        }  # fmt: skip


def learned_from(values: Mapping[str, object]) -> Learned:
    """Reads what :meth:`Learned.as_values` wrote; what is not understood is left out, for learning starts again."""
    learned = Learned()
    capacity = values.get("capacity")
    if isinstance(capacity, Mapping):
        for holder, row in capacity.items():
            if isinstance(row, Sequence) and len(row) == 3:
                mean = math.nan if row[0] is None else float(row[0])
                learned.capacity[str(holder)] = CapacityRecord(mean, float(row[1]), float(row[2]))
    asleep = values.get("asleep")
    if isinstance(asleep, Mapping):
        learned.asleep = {str(pair): str(since) for pair, since in asleep.items()}
    stays = values.get("stays")
    if isinstance(stays, Sequence):
        for row in stays:
            if isinstance(row, Sequence) and len(row) == 6:
                stay = Finished(int(row[0]), int(row[1]), row[2], row[3], float(row[4]), row[5])
                learned.departures.learn(stay)
                learned.stays.append(stay)
    return learned


def _epoch(when: datetime) -> int:
    return int(when.timestamp())
