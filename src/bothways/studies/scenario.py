"""The scenario file: what a user writes to describe a study. Parsed from a mapping; files are opened elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bothways.battery.models import MODELS
from bothways.domain.errors import DomainError
from bothways.domain.timegrid import zone
from bothways.domain.validation import validated
from bothways.studies.scenario_backup import BackupPart
from bothways.studies.scenario_vehicles import (
    AgeingPart,
    Capacity,
    ChargersPart,
    Efficiency,
    Fraction,
    Kilowatts,
    NotNegative,
    Part,
    Positive,
    Share,
    TimetableVehicle,
    VehicleCapacity,
    VehiclesPart,
    WarrantyPart,
)

__all__ = [
    "AgeingPart",
    "BatteryPart",
    "Capacity",
    "CasePart",
    "ChargersPart",
    "Efficiency",
    "EmissionsPart",
    "EquipmentPart",
    "ForecastMethod",
    "Fraction",
    "InvestmentPart",
    "Kilowatts",
    "LoadPart",
    "NotNegative",
    "Part",
    "PolicyPart",
    "Positive",
    "PricesPart",
    "PvPart",
    "Scenario",
    "SensitivityPart",
    "SeriesPart",
    "SessionsPart",
    "Share",
    "StudyPart",
    "TimetableVehicle",
    "UnservedPart",
    "VehicleCapacity",
    "VehiclesPart",
    "WarrantyPart",
    "scenario_from_mapping",
]

ForecastMethod = Literal["known", "same-time-last-week", "same-time-yesterday"]

_FIRST_YEAR, _LAST_YEAR = 1970, 2999
"""Time zones are known from 1970 on."""


class StudyPart(Part):
    """``[study]``: title and period; ``start`` and ``end`` are local days, both included."""

    name: str = Field(min_length=1, max_length=200)
    summary: str = ""
    start: date
    end: date
    tz: str
    currency: str = Field(min_length=1, max_length=8)
    step_minutes: Literal[5, 15, 30, 60] = 15
    seed: int = Field(default=1, ge=0)

    @field_validator("start", "end")
    @classmethod
    def _year(cls, day: date) -> date:
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            msg = f"a day in the years {_FIRST_YEAR} to {_LAST_YEAR}"
            raise ValueError(msg)
        return day

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: date, info: ValidationInfo) -> date:
        start = info.data.get("start")
        if start is not None and end < start:
            msg = f"a day not before the start, {start}"
            raise ValueError(msg)
        if start is not None and (end - start).days > 366 * 3:
            msg = f"a day at most three years after the start, {start}"
            raise ValueError(msg)
        return end

    @field_validator("tz")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            zone(name)
        except DomainError as error:
            msg = "an IANA time zone such as 'America/Los_Angeles'"
            raise ValueError(msg) from error
        return name


class SessionsPart(Part):
    """``[sessions]``: files of recorded charging sessions."""

    files: list[str] = Field(min_length=1)
    preset: Literal["canonical", "acn"] = "canonical"
    columns: dict[str, str] = Field(default_factory=dict)
    tz: str | None = None


class PolicyPart(Part):
    """``[policy]``: see :class:`bothways.studies.inputs.PolicySettings`."""

    horizon_h: Annotated[float, Field(ge=1.0, le=168.0)] = 36.0
    replan_every_h: Annotated[float, Field(gt=0.0, le=24.0)] = 4.0
    departure_confidence: Share = 0.9
    gap: Annotated[float, Field(gt=0.0, lt=0.1)] = 1e-4
    time_limit_s: Positive = 2.0
    earliness_per_kwh_h: Annotated[float, Field(ge=0.0, le=1.0)] = 0.001


class UnservedPart(Part):
    """``[unserved]``: what a kWh costs the driver that the site did not deliver."""

    price_per_kwh: NotNegative
    source: str = Field(min_length=3)


class SeriesPart(Part):
    """A column of a CSV or Parquet file with a ``timestamp``; ``factor`` converts its unit to the one needed."""

    file: str
    column: str
    timestamp: str = "timestamp"
    tz: str | None = None
    factor: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    hold_gaps: int = Field(default=0, ge=0, le=96)
    source: str = Field(min_length=3)


class PricesPart(SeriesPart):
    """``[case.prices]``: a price series; ``publish_hour`` is the local hour at which the next day is published."""

    publish_hour: int | None = Field(default=13, ge=0, le=24)


class EmissionsPart(Part):
    """``[emissions]``: marginal and average carbon intensity, apart."""

    marginal: SeriesPart | None = None
    average_kg_per_kwh: NotNegative | None = None
    average_source: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.average_kg_per_kwh is not None and not self.average_source:
            msg = "average_source must say where average_kg_per_kwh comes from"
            raise ValueError(msg)
        if self.average_kg_per_kwh is not None and self.average_kg_per_kwh > 3:
            msg = "average_kg_per_kwh above 3: grams instead of kilograms?"
            raise ValueError(msg)
        return self


class LoadPart(Part):
    """``[case.load]``: the building, from a file or a standard profile scaled to a year's energy or a peak."""

    profile: str | None = None
    annual_kwh: Positive | None = None
    peak_kw: Positive | None = None
    holidays: str | None = None
    series: SeriesPart | None = None
    forecast: ForecastMethod = "same-time-last-week"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.profile is None) == (self.series is None):
            msg = "give either profile or series"
            raise ValueError(msg)
        if self.profile is not None and (self.annual_kwh is None) == (self.peak_kw is None):
            msg = "a profile needs either annual_kwh or peak_kw"
            raise ValueError(msg)
        return self


class PvPart(Part):
    """``[case.pv]``: photovoltaics, computed for a clear sky times a monthly clearness, or from a file."""

    peak_kw: Positive | None = None
    latitude: Annotated[float, Field(ge=-66.0, le=66.0)] | None = None
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)] | None = None
    tilt_deg: Annotated[float, Field(ge=0.0, le=90.0)] = 35.0
    azimuth_deg: Annotated[float, Field(ge=0.0, lt=360.0)] = 180.0
    clearness: list[Fraction] = Field(default_factory=list)
    clearness_source: str = ""
    series: SeriesPart | None = None
    forecast: ForecastMethod = "same-time-yesterday"

    @model_validator(mode="after")
    def _check(self) -> Self:
        computed = self.peak_kw is not None
        if computed == (self.series is not None):
            msg = "give either peak_kw (with latitude, longitude and clearness) or series"
            raise ValueError(msg)
        if computed and (self.latitude is None or self.longitude is None or len(self.clearness) != 12):
            msg = "computed PV needs latitude, longitude and twelve values of clearness"
            raise ValueError(msg)
        if computed and not self.clearness_source:
            msg = "clearness_source must say where the clearness comes from"
            raise ValueError(msg)
        return self


class BatteryPart(Part):
    """``[case.battery]``: a stationary battery."""

    capacity_kwh: Capacity
    power_kw: Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)]
    charge_efficiency: Efficiency = 0.95
    discharge_efficiency: Efficiency = 0.95
    wear_per_kwh: NotNegative | None = None
    hold: Fraction = 0.5
    soh: Annotated[float, Field(ge=0.3, le=1.0)] = 1.0
    cell: str = ""
    price_per_kwh: NotNegative = 0.0
    remaining_cycles: Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)] | None = None
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cell and self.cell not in MODELS:
            msg = f"cell must be one of {', '.join(MODELS)}, or be left out"
            raise ValueError(msg)
        if self.remaining_cycles is not None and self.wear_per_kwh is not None:
            msg = "give wear_per_kwh, or price_per_kwh with remaining_cycles, not both"
            raise ValueError(msg)
        if self.remaining_cycles is not None and self.price_per_kwh <= 0.0:
            msg = "remaining_cycles needs price_per_kwh: wear is the price over what the cycles deliver"
            raise ValueError(msg)
        return self


class CasePart(Part):
    """``[[case]]``: one way of connecting and billing the same vehicles."""

    name: str = Field(min_length=1, max_length=80)
    description: str = ""
    tariff: str
    prices: PricesPart | None = None
    import_hard_limit_kw: Kilowatts | None = None
    export_limit_kw: Kilowatts = 0.0
    load: LoadPart | None = None
    pv: PvPart | None = None
    battery: BatteryPart | None = None


class EquipmentPart(Part):
    """``[investment.smart]`` and ``[investment.bidirectional]``: what is bought, above uncontrolled chargers."""

    charger_price: NotNegative
    installation_per_charger: NotNegative = 0.0
    panel_upgrade: NotNegative = 0.0
    sub_metering: NotNegative = 0.0
    rebate: NotNegative = 0.0
    yearly_operation: NotNegative = 0.0
    yearly_maintenance: NotNegative = 0.0
    yearly_insurance: NotNegative = 0.0
    yearly_communication: NotNegative = 0.0
    source: str = Field(min_length=3)


class InvestmentPart(Part):
    """``[investment]``: lifetime and rates, and what each strategy's equipment costs."""

    years: int = Field(default=10, ge=1, le=40)
    discount_rate: Annotated[float, Field(gt=-0.5, lt=1.0)] = 0.05
    reinvestment_rate: Annotated[float, Field(gt=-0.5, lt=1.0)] = 0.05
    escalation: Annotated[float, Field(gt=-0.5, lt=0.5)] = 0.0
    smart: EquipmentPart
    bidirectional: EquipmentPart


class SensitivityPart(Part):
    """``[sensitivity]``: low and high values to try, on the first ``days`` days of the study."""

    days: int = Field(default=7, ge=1, le=31)
    price_spread: tuple[NotNegative, NotNegative] | None = (0.5, 1.5)
    wear_per_kwh: tuple[NotNegative, NotNegative] | None = None
    round_trip_efficiency: tuple[Efficiency, Efficiency] | None = (0.7, 0.9)
    usable_capacity_kwh: tuple[VehicleCapacity, VehicleCapacity] | None = None
    soc_at_arrival: tuple[Fraction, Fraction] | None = None


class Scenario(Part):
    """A whole scenario file."""

    study: StudyPart
    sessions: SessionsPart | None = None
    timetable: list[TimetableVehicle] = Field(default_factory=list)
    vehicles: VehiclesPart
    chargers: ChargersPart
    policy: PolicyPart = PolicyPart()
    ageing: AgeingPart = AgeingPart()
    unserved: UnservedPart
    emissions: EmissionsPart = EmissionsPart()
    investment: InvestmentPart | None = None
    sensitivity: SensitivityPart | None = None
    backup: BackupPart | None = None
    case: list[CasePart] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sessions is None) == (not self.timetable):
            msg = "give either [sessions] or [[timetable]]"
            raise ValueError(msg)
        names = [case.name for case in self.case]
        if len(set(names)) != len(names):
            msg = f"case names must differ, found {names}"
            raise ValueError(msg)
        unpriced = [
            part.name
            for part in self.vehicles.segment
            if part.wear_per_kwh is None
            and part.replacement_per_kwh is None
            and self.ageing.replacement_per_kwh is None
        ]
        if unpriced:
            msg = f"segments {unpriced} need wear_per_kwh or replacement_per_kwh, their own or that of [ageing]"
            raise ValueError(msg)
        return self


def scenario_from_mapping(mapping: Mapping[str, Any], *, at: str = "scenario") -> Scenario:
    """Validates a scenario whole.

    Args:
        mapping: the parsed TOML file.
        at: name of the file, for messages.

    Raises:
        InputError: with every problem found: key, value, what is allowed, remedy.
    """
    return validated(Scenario, mapping, at=at, page="docs/reference/scenario.md", switches=False)
