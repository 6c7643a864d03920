"""Named assumptions about batteries that nobody measured (R34), applied to sessions without inventing facts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.mobility.sessions import QualityCount, SessionTable

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_SOC = 0.02
"""Share of capacity below which no assumption puts a vehicle at arrival: drivers do not arrive empty."""


@dataclass(frozen=True)
class BatteryAssumption:
    """What is assumed of a vehicle where the data says nothing; shown in the report under its name.

    Attributes:
        name: short name.
        usable_capacity_kwh: usable energy [kWh, battery side].
        soc_at_arrival: 0…1 of usable capacity.
        soc_floor: 0…1; discharging never goes below it.
        charge_kw: greatest charging power [kW, AC side].
        discharge_kw: greatest discharging power [kW, AC side]; 0 for one-way.
        charge_efficiency: stored per AC energy, in (0, 1].
        discharge_efficiency: AC per stored energy, in (0, 1].
        source: where the numbers come from.
        soc_spread: standard deviation of SoC at arrival between sessions; drawn only if a generator is passed.

    Raises:
        DomainError: a number outside its range.
    """

    name: str
    usable_capacity_kwh: float
    soc_at_arrival: float
    soc_floor: float
    charge_kw: float
    discharge_kw: float
    charge_efficiency: float
    discharge_efficiency: float
    source: str
    soc_spread: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "usable_capacity_kwh": (0.1, 10_000.0),
            "soc_at_arrival": (0.0, 1.0),
            "soc_floor": (0.0, 1.0),
            "charge_kw": (0.0, 10_000.0),
            "discharge_kw": (0.0, 10_000.0),
            "charge_efficiency": (0.1, 1.0),
            "discharge_efficiency": (0.1, 1.0),
            "soc_spread": (0.0, 0.5),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                msg = f"battery assumption {self.name!r}: {name} must lie in {low:g}…{high:g}, not {value}"
                raise DomainError(msg)


@dataclass(frozen=True)
class EnergyColumns:
    """Battery-side energies and ratings of every session; arrays have shape ``(N,)``.

    Attributes:
        energy_at_arrival_kwh: stored energy at plug-in [kWh].
        energy_min_kwh: floor of discharging [kWh]; may lie above the energy at arrival.
        capacity_kwh: usable capacity [kWh].
        charge_kw: greatest charging power [kW, AC side].
        discharge_kw: greatest discharging power [kW, AC side].
        charge_efficiency: stored per AC energy.
        discharge_efficiency: AC per stored energy.
        request_kwh: what the driver asked for as far as it fits into the battery [kWh, AC side]; 0 where unknown.
        n_assumed_soc: sessions whose SoC at arrival is assumed.
        n_assumed_capacity: sessions whose capacity is assumed.
        n_assumed_power: sessions whose charging or discharging power is assumed.
        n_lowered: sessions whose energy at arrival was lowered so that the energy asked for fits.
        n_clipped: requests larger than the battery, cut to what fits.
        n_enlarged: sessions whose capacity was enlarged so that the energy delivered fits.
        notes: the counts above as sentences for the report.
    """

    energy_at_arrival_kwh: Floats
    energy_min_kwh: Floats
    capacity_kwh: Floats
    charge_kw: Floats
    discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    request_kwh: Floats
    n_assumed_soc: int
    n_assumed_capacity: int
    n_assumed_power: int
    n_lowered: int
    n_clipped: int
    n_enlarged: int
    notes: tuple[str, ...]

    def quality_counts(self) -> tuple[QualityCount, ...]:
        """The counts in the form of a report's data-quality table."""
        used = "the assumption's value is used"
        return (
            QualityCount("assumed_soc", "SoC at arrival not reported", self.n_assumed_soc, used),
            QualityCount("assumed_capacity", "capacity not reported", self.n_assumed_capacity, used),
            QualityCount("assumed_power", "vehicle's power not reported", self.n_assumed_power, used),
            QualityCount(
                "arrival_lowered", "energy asked for or delivered would not fit above the assumed SoC", self.n_lowered,
                "the energy at arrival is lowered until it fits, never below the minimum",
            ),
            QualityCount(
                "request_clipped", "energy asked for is more than the battery holds", self.n_clipped,
                "the request is cut to what fits",
            ),
            QualityCount(
                "capacity_enlarged", "energy delivered is more than the battery would hold", self.n_enlarged,
                "the capacity of that session is enlarged: delivered energy is a fact",
            ),
        )  # fmt: skip


def apply(table: SessionTable, assumption: BatteryAssumption, rng: np.random.Generator | None = None) -> EnergyColumns:
    """Fills in what the sessions do not say, and keeps what they do say.

    With capacity C, efficiency η, request q and delivery d (both AC side), and m = ``MIN_SOC``·C:
    the energy at arrival is soc·C, lowered to max(m, C − η·max(q, d)) where that is less and the SoC is assumed;
    q is cut to (C − e)/η; where e + η·d still exceeds C, C becomes e + η·d. Measured SoC is never changed.
    Lowering for the delivered energy as well as for the requested keeps the enlargement to sessions that really
    cannot fit.

    Args:
        table: N sessions.
        assumption: what is assumed.
        rng: draws the SoC at arrival around the assumed one with ``soc_spread``; without it, or with a spread of
            0, all assumed SoC are equal.

    Returns:
        Columns of shape ``(N,)`` with the counts of what was assumed and adapted.
    """
    eta = assumption.charge_efficiency
    capacity = np.where(table.has_usable_capacity, table.usable_capacity_kwh, assumption.usable_capacity_kwh)
    soc = np.where(table.has_soc_at_arrival, table.soc_at_arrival, _assumed_soc(table.size, assumption, rng))
    smallest = np.minimum(MIN_SOC, soc) * capacity
    wish = np.maximum(np.where(table.has_request, table.requested_kwh, 0.0), table.delivered_kwh) * eta
    arrival = soc * capacity
    fitting = np.maximum(smallest, np.minimum(arrival, capacity - wish))
    fitting = np.where(table.has_soc_at_arrival, arrival, fitting)
    lowered = fitting < arrival - 1e-9
    room = np.maximum(0.0, capacity - fitting) / eta
    request = np.where(table.has_request, np.minimum(table.requested_kwh, room), 0.0)
    clipped = table.has_request & (table.requested_kwh > room + 1e-9)
    needed = fitting + table.delivered_kwh * eta
    enlarged = needed > capacity + 1e-9
    counts = {
        "n_assumed_soc": int((~table.has_soc_at_arrival).sum()),
        "n_assumed_capacity": int((~table.has_usable_capacity).sum()),
        "n_assumed_power": int((~(table.has_charge_kw & table.has_discharge_kw)).sum()),
        "n_lowered": int(lowered.sum()),
        "n_clipped": int(clipped.sum()),
        "n_enlarged": int(enlarged.sum()),
    }
    return EnergyColumns(
        energy_at_arrival_kwh=fitting,
        energy_min_kwh=assumption.soc_floor * capacity,
        capacity_kwh=np.where(enlarged, needed, capacity),
        charge_kw=np.where(table.has_charge_kw, table.charge_kw, assumption.charge_kw),
        discharge_kw=np.where(table.has_discharge_kw, table.discharge_kw, assumption.discharge_kw),
        charge_efficiency=np.full(table.size, eta),
        discharge_efficiency=np.full(table.size, assumption.discharge_efficiency),
        request_kwh=request,
        notes=_notes(assumption, table.size, counts),
        **counts,
    )


def _assumed_soc(size: int, assumption: BatteryAssumption, rng: np.random.Generator | None) -> Floats:
    if rng is None or assumption.soc_spread == 0.0:
        return np.full(size, assumption.soc_at_arrival)
    drawn = rng.normal(assumption.soc_at_arrival, assumption.soc_spread, size)
    return np.clip(drawn, min(MIN_SOC, assumption.soc_at_arrival), 1.0)


def _notes(assumption: BatteryAssumption, size: int, counts: dict[str, int]) -> tuple[str, ...]:
    capacity, soc = assumption.usable_capacity_kwh, assumption.soc_at_arrival
    worded = {
        "n_assumed_soc": f"SoC at arrival is assumed: {soc:.0%}",
        "n_assumed_capacity": f"usable capacity is assumed: {capacity:g} kWh",
        "n_assumed_power": f"power is assumed: {assumption.charge_kw:g} kW in, {assumption.discharge_kw:g} kW out",
        "n_lowered": "energy at arrival lowered so that what was asked for or delivered fits",
        "n_clipped": "request larger than the battery, cut to what fits",
        "n_enlarged": "capacity enlarged, because more was delivered than the battery would hold",
    }
    return tuple(
        f"{assumption.name}: {words} ({counts[key]} of {size} sessions; {assumption.source})"
        if key.startswith("n_assumed")
        else f"{assumption.name}: {words} ({counts[key]} of {size} sessions)"
        for key, words in worded.items()
        if counts[key]
    )
