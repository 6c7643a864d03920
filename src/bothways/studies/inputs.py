"""What a study is given: a site with its prices, the stays, and the strategies to compare."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bothways.battery.replacement import ReplacementTerms
from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear import BatteryValue
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.sessions import DataQuality
from bothways.simulation.stays import Stays
from bothways.studies.backup_terms import BackupTerms
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.tariffs.prices import DemandTerm
from bothways.tariffs.structure import Tariff

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Assumption:
    """A number that was not measured, with where it comes from. Every report lists them all."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class StationaryBattery:
    """A battery at the site, planned like a vehicle that never leaves.

    Attributes:
        capacity_kwh: usable capacity [kWh].
        power_kw: greatest power in either direction [kW].
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        wear_per_kwh: cost of wear per kWh discharged [currency/kWh].
        hold: share of the capacity that every plan ends with, and that the study starts with.
        health: capacity over that when new: below 1 for a battery that has had a first life.
        cell: key of :data:`bothways.battery.models.MODELS`; empty where it is not known.
        price: what it costs, built in [currency]; above 0 it is bought with the strategies that control it, and
            uncontrolled charging is without it.
        remaining_cycles: full cycles that it has left; ``inf`` where nobody says.
        source: who says what it costs.
    """

    capacity_kwh: float
    power_kw: float
    eta_c: float
    eta_d: float
    wear_per_kwh: float
    hold: float = 0.5
    health: float = 1.0
    cell: str = ""
    price: float = 0.0
    remaining_cycles: float = math.inf
    source: str = ""

    @property
    def bought(self) -> bool:
        """Whether it comes with control, so that uncontrolled charging does without."""
        return self.price > 0.0


@dataclass(frozen=True)
class Limits:
    """Limits of the grid connection; see :class:`bothways.domain.assets.Site` for what each means."""

    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    import_hard_limit_kw: float = math.inf
    export_limit_kw: float = 0.0


@dataclass(frozen=True)
class Case:
    """One way of connecting and billing the same vehicles.

    Attributes:
        name: short name.
        description: one or two sentences for the report.
        tariff: what the bill follows.
        tariff_prices: price series that the tariff refers to, shape ``(T,)`` [currency/kWh]; ``None`` for none.
        limits: of the grid connection.
        load: the building's load [kW].
        pv: production, positive [kW].
        battery: stationary battery, ``None`` for none.
        import_price: what the optimiser pays per imported kWh.
        export_price: what it earns per exported kWh.
        demand: demand charges as the optimiser sees them.
        load_note: what the load is, for the list of assumptions.
    """

    name: str
    description: str
    tariff: Tariff
    tariff_prices: Floats | None
    limits: Limits
    load: Forecast
    pv: Forecast
    battery: StationaryBattery | None
    import_price: PriceBelief
    export_price: PriceBelief
    demand: tuple[DemandTerm, ...]

    @cached_property
    def base_kw(self) -> Floats:
        """True load minus production, shape ``(T,)`` [kW]."""
        return self.load.values - self.pv.values


@dataclass(frozen=True)
class PolicySettings:
    """Parameters of the policy, the same in study and operation.

    Attributes:
        horizon_h: how far ahead plans reach at most [h].
        replan_every_h: a plan older than this is renewed [h].
        departure_confidence: share of stays that should not end before the cautious departure.
        gap: relative optimality gap asked of the planner.
        time_limit_s: solver time per plan [s].
        wear_per_kwh: cost of wear per kWh discharged [currency/kWh].
        earliness_per_kwh_h: preference for storing energy an hour earlier [currency/kWh/h].
        resting_per_kwh_h: what a stored kWh costs per hour in calendar ageing [currency/kWh/h].
    """

    horizon_h: float = 36.0
    replan_every_h: float = 4.0
    departure_confidence: float = 0.9
    gap: float = 1e-4
    time_limit_s: float = 2.0
    wear_per_kwh: float = 0.0
    earliness_per_kwh_h: float = 0.001
    resting_per_kwh_h: float = 0.0


@dataclass(frozen=True)
class AgeingSettings:
    """What the vehicles' ageing is told with.

    Attributes:
        temperature_c: of the cells, all the time [°C].
        temperature_source: who says so.
        cells: keys of :data:`bothways.battery.models.MODELS`; empty for all of them.
        value: what a battery is worth, ``None`` where the scenario gives no prices.
        value_source: who says so.
        temperature_by_month_c: temperatures instead, January first; empty where one holds all the time [°C].
        company: prices around replacement where the batteries belong to a company; ``None`` where they do not.
        company_source: who says so.
    """

    temperature_c: float = 20.0
    temperature_source: str = "assumed; give [ageing] temperature_c"
    cells: tuple[str, ...] = ()
    value: BatteryValue | None = None
    value_source: str = ""
    temperature_by_month_c: tuple[float, ...] = ()
    company: ReplacementTerms | None = None
    company_source: str = ""

    def celsius(self, month: Ints) -> Floats:
        """Temperature of the cells in each step, from its local month, shape of ``month`` [°C]."""
        by_month = np.array(self.temperature_by_month_c or (self.temperature_c,) * 12)
        return by_month[month - 1]


@dataclass(frozen=True)
class BatterySegment:
    """Vehicles of one kind of battery.

    Attributes:
        name: as the report calls them.
        cell: which law prices their wear, in words.
        value: what a battery is worth; ``None`` where only a price of wear was given, or nothing.
        source: who says so.
    """

    name: str
    cell: str
    value: BatteryValue | None
    source: str


@dataclass(frozen=True, eq=False)
class VehicleWear:
    """What a kWh fed back costs in wear, stay by stay.

    Attributes:
        per_kwh: price of each stay, by the battery's kind, the season and the state of charge at plug-in, ``(S,)``
            [currency/kWh discharged].
        segment: kind of battery of each stay, ``(S,)``.
        segments: the kinds.
    """

    per_kwh: Floats
    segment: Ints
    segments: tuple[BatterySegment, ...]


@dataclass(frozen=True)
class Emissions:
    """Carbon intensities, two ledgers that are never added.

    Attributes:
        marginal_kg_per_kwh: effect of one more kWh, shape ``(T,)``; ``None`` where no signal is given.
        marginal_source: where it comes from.
        average_kg_per_kwh: the grid's average; ``None`` where no figure is given.
        average_source: where it comes from.
    """

    marginal_kg_per_kwh: Floats | None
    marginal_source: str
    average_kg_per_kwh: float | None
    average_source: str


@dataclass(frozen=True)
class StudyInputs:
    """Everything a study needs, as numbers.

    Attributes:
        name: title.
        summary: one paragraph for the reader of the report.
        grid: the study's period.
        stays: sessions on the grid, with the bidirectional chargers' discharge power.
        arrival_s: true plug-in instants of the stays [s since 1970], for learning drivers' habits.
        departure_s: true plug-out instants.
        declared_s: declared departures; −1 for none.
        vehicle_id: pseudonyms, ``None`` where unknown.
        settings: the policy's parameters.
        cases: the ways of connecting them.
        emissions: carbon intensities.
        unserved_price_per_kwh: what a driver pays elsewhere for a kWh that the site failed to deliver.
        currency: of all money.
        quality: counts of what had to be treated in the session data.
        assumptions: named numbers.
        seed: of all randomness.
        scenario_path: how to rerun, as the user wrote it.
        ageing: what the vehicles' ageing is told with.
        warranty: caps on feeding back, the same for every vehicle; ``None`` for none.
        capacity_known: whether the sessions themselves gave a stay's capacity, ``(S,)``; ``None`` for none of them.
        backup: outages and what they cost; ``None`` where backup is not asked for.
        wear: price of wear stay by stay; ``None`` where ``settings.wear_per_kwh`` holds for all.
    """

    name: str
    summary: str
    grid: TimeGrid
    stays: Stays
    arrival_s: Ints
    departure_s: Ints
    declared_s: Ints
    vehicle_id: tuple[str | None, ...]
    settings: PolicySettings
    cases: tuple[Case, ...]
    emissions: Emissions
    unserved_price_per_kwh: float
    currency: str
    quality: DataQuality
    assumptions: tuple[Assumption, ...]
    seed: int
    scenario_path: str
    ageing: AgeingSettings = AgeingSettings()
    warranty: WarrantyLimits | None = None
    capacity_known: NDArray[np.bool_] | None = None
    wear: VehicleWear | None = None
    backup: BackupTerms | None = None

    @cached_property
    def wear_per_kwh(self) -> Floats:
        """Price of wear of every stay, shape ``(S,)`` [currency/kWh discharged]."""
        if self.wear is None:
            return np.full(self.stays.size, self.settings.wear_per_kwh)
        return self.wear.per_kwh

    def with_wear(self, per_kwh: float) -> StudyInputs:
        """The same study with one price of wear for every vehicle."""
        return replace(self, settings=replace(self.settings, wear_per_kwh=per_kwh), wear=None)
