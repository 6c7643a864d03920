"""Tables of a scenario file that speak of vehicles, their chargers and their batteries, and what all tables share."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bothways.battery.ageing import kelvin_hint
from bothways.battery.losses import ChargerLosses, Derating, EfficiencyCurve, default_losses
from bothways.battery.models import MODELS
from bothways.battery.wear_table import DRIVEN_CYCLES
from bothways.domain.errors import DomainError

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Efficiency = Annotated[float, Field(ge=0.1, le=1.0, allow_inf_nan=False)]
Capacity = Annotated[float, Field(ge=0.1, le=1e6, allow_inf_nan=False)]
VehicleCapacity = Annotated[float, Field(ge=0.1, le=5000.0, allow_inf_nan=False)]
Kilowatts = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]
Age = Annotated[float, Field(ge=0.0, le=40.0, allow_inf_nan=False)]
Cycles = Annotated[float, Field(ge=0.0, le=5000.0, allow_inf_nan=False)]


def _celsius(value: object) -> object:
    """Says what is meant by a temperature that can only be in kelvin."""
    if isinstance(value, int | float) and kelvin_hint(float(value)):
        msg = f"a temperature in °C; {kelvin_hint(float(value))}"
        raise ValueError(msg)
    return value


Celsius = Annotated[float, BeforeValidator(_celsius), Field(ge=-20.0, le=60.0, allow_inf_nan=False)]


def twelve(values: list[float]) -> list[float]:
    """Refuses what is neither twelve numbers nor none."""
    if len(values) not in {0, 12}:
        msg = "twelve numbers, January first"
        raise ValueError(msg)
    return values


class Part(BaseModel):
    """Base of every table: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class TimetableVehicle(Part):
    """``[[timetable]]``: vehicles with habits instead of recorded sessions. Times are local, in hours."""

    name: str
    count: int = Field(default=1, ge=1, le=10_000)
    leaves_h: Annotated[float, Field(ge=0.0, lt=24.0)] = 8.0
    returns_h: Annotated[float, Field(ge=0.0, lt=24.0)] = 17.5
    leaves_spread_h: Annotated[float, Field(ge=0.0, le=6.0)] = 0.5
    returns_spread_h: Annotated[float, Field(ge=0.0, le=6.0)] = 0.5
    weekend_leaves_h: Annotated[float, Field(ge=0.0, lt=24.0)] = 10.0
    weekend_returns_h: Annotated[float, Field(ge=0.0, lt=24.0)] = 16.0
    weekday_trip_share: Fraction = 1.0
    weekend_trip_share: Fraction = 0.7
    weekday_energy_kwh: NotNegative = 6.0
    weekend_energy_kwh: NotNegative = 6.0
    energy_spread: Fraction = 0.3
    target_soc: Annotated[float, Field(ge=0.1, le=1.0)] = 0.8
    plug_in_share: Fraction = 1.0
    source: str = Field(min_length=3)


class WarrantyPart(Part):
    """``[vehicles.warranty]``: how much a vehicle may feed back, see :mod:`bothways.battery.warranty`."""

    kwh_per_day: NotNegative | None = None
    kwh_per_year: NotNegative | None = None
    cycles_per_year: NotNegative | None = None
    soc_min: Fraction = 0.0
    soc_max: Fraction = 1.0
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.soc_min >= self.soc_max:
            msg = "soc_min below soc_max"
            raise ValueError(msg)
        return self


class SegmentPart(Part):
    """``[[vehicles.segment]]``: vehicles of one kind of battery, whose wear has a price of its own."""

    name: str = Field(min_length=1, max_length=80)
    vehicles: list[str] = Field(default_factory=list)
    chargers: list[str] = Field(default_factory=list)
    cell: str = "median"
    replacement_per_kwh: NotNegative | None = None
    residual_per_kwh: NotNegative = 0.0
    end_of_life: Annotated[float, Field(ge=0.5, le=0.95)] = 0.8
    age_years: Age = 2.0
    cycles_per_year: Cycles = DRIVEN_CYCLES
    wear_per_kwh: NotNegative | None = None
    source: str = Field(min_length=3)

    @field_validator("cell")
    @classmethod
    def _known_cell(cls, name: str) -> str:
        if name not in {"median", *MODELS}:
            msg = f"median, or the cell that they have: {', '.join(MODELS)}"
            raise ValueError(msg)
        return name

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.vehicles and not self.chargers:
            msg = "vehicles or chargers must say which ones: names, or patterns such as 'van *'"
            raise ValueError(msg)
        if self.wear_per_kwh is not None and self.replacement_per_kwh is not None:
            msg = "give wear_per_kwh, or replacement_per_kwh from which it follows, not both"
            raise ValueError(msg)
        if self.replacement_per_kwh is None and self.residual_per_kwh > 0.0:
            msg = "residual_per_kwh needs replacement_per_kwh, the price of a new battery"
            raise ValueError(msg)
        if self.replacement_per_kwh is not None and self.residual_per_kwh > self.replacement_per_kwh:
            msg = "residual_per_kwh above replacement_per_kwh: wear would earn money"
            raise ValueError(msg)
        return self


class VehiclesPart(Part):
    """``[vehicles]``: what is assumed of a vehicle where nothing is measured (R34)."""

    assumption: str = Field(min_length=1)
    usable_capacity_kwh: VehicleCapacity
    soc_at_arrival: Fraction
    soc_floor: Fraction
    charge_kw: Positive
    discharge_kw: NotNegative
    charge_efficiency: Efficiency
    discharge_efficiency: Efficiency
    wear_per_kwh: NotNegative
    source: str = Field(min_length=3)
    warranty: WarrantyPart | None = None
    derating: DeratingPart | None = None
    segment: list[SegmentPart] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [part.name for part in self.segment]
        if len(set(names)) != len(names):
            msg = f"names of segments must differ, found {names}"
            raise ValueError(msg)
        if self.charge_kw > 1000 or self.usable_capacity_kwh > 5000:
            msg = "charge_kw above 1000 or usable_capacity_kwh above 5000: watts or watt-hours instead of kilo?"
            raise ValueError(msg)
        return self


class LossesPart(Part):
    """``[chargers.losses]``: losses of charger and vehicle at part load; the default ones where no points are given."""

    rated_kw: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    load: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field(default_factory=list)
    charge_efficiency: list[Efficiency] = Field(default_factory=list)
    discharge_efficiency: list[Efficiency] = Field(default_factory=list)
    standby_w: Annotated[float, Field(ge=0.0, le=2000.0)] | None = None
    source: str = "assumed: default losses of a bidirectional charger with a passenger car"

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {len(self.load), len(self.charge_efficiency), len(self.discharge_efficiency)}
        if len(given) != 1 or given == {1}:
            msg = "load, charge_efficiency and discharge_efficiency need equally many values, at least two, or none"
            raise ValueError(msg)
        try:
            self.curve(1.0)
        except DomainError as error:
            raise ValueError(str(error)) from error
        return self

    def curve(self, rated_kw: float) -> ChargerLosses:
        """The losses of a charger of that rating, unless the table says another one [kW]."""
        rated = self.rated_kw or rated_kw
        losses = default_losses(rated)
        if self.load:
            losses = ChargerLosses(
                EfficiencyCurve.from_efficiency(rated, self.load, self.charge_efficiency),
                EfficiencyCurve.from_efficiency(rated, self.load, self.discharge_efficiency),
                losses.standby_kw,
            )
        return losses if self.standby_w is None else replace(losses, standby_kw=self.standby_w / 1000.0)


class DeratingPart(Part):
    """``[vehicles.derating]``: share of power that a battery takes and gives at the temperature of its cells."""

    celsius: list[Celsius] = Field(default_factory=list)
    charge: list[Fraction] = Field(default_factory=list)
    discharge: list[Fraction] = Field(default_factory=list)
    source: str = "assumed in the manner of lithium-ion data sheets"

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            _ = self.law
        except DomainError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def law(self) -> Derating:
        """The shares by temperature; the default ones where none are given."""
        if not (self.celsius or self.charge or self.discharge):
            return Derating()
        return Derating(tuple(self.celsius), tuple(self.charge), tuple(self.discharge))


class ChargersPart(Part):
    """``[chargers]``: ratings of the EVSEs; the smaller of charger and vehicle counts."""

    charge_kw: Annotated[float, Field(gt=0.0, le=1000.0)]
    discharge_kw: Annotated[float, Field(ge=0.0, le=1000.0)]
    min_charge_kw: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    count: int | None = Field(default=None, ge=1)
    losses: LossesPart | None = None


class CompanyOwnedPart(Part):
    """``[ageing.company_owned]``: the vehicles' batteries belong to a company that replaces or leases them."""

    second_life_per_kwh: NotNegative = 0.0
    scrap_per_kwh: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    missing_per_kwh_year: NotNegative = 0.0
    interest: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    works_down_to: Annotated[float, Field(ge=0.3, le=0.95)] = 0.8
    source: str = Field(min_length=3)


class AgeingPart(Part):
    """``[ageing]``: what the vehicles' ageing is told with, and what lost capacity costs."""

    temperature_c: Celsius = 20.0
    temperature_by_month_c: list[Celsius] = Field(default_factory=list)
    temperature_source: str = "assumed"
    cells: list[str] = Field(default_factory=list)
    replacement_per_kwh: NotNegative | None = None
    residual_per_kwh: NotNegative = 0.0
    end_of_life: Annotated[float, Field(ge=0.5, le=0.95)] = 0.8
    wear_from: str = "none"
    park_low: str = "none"
    age_years: Age = 2.0
    cycles_per_year: Cycles = DRIVEN_CYCLES
    company_owned: CompanyOwnedPart | None = None
    source: str = ""

    @property
    def by_month_c(self) -> list[float]:
        """Temperature of the cells, January first, twelve numbers [°C]."""
        return self.temperature_by_month_c or [self.temperature_c] * 12

    @field_validator("temperature_by_month_c")
    @classmethod
    def _twelve(cls, values: list[float]) -> list[float]:
        return twelve(values)

    @field_validator("park_low", "wear_from")
    @classmethod
    def _known_credit(cls, name: str) -> str:
        if name not in {"none", "median", *MODELS}:
            msg = f"none, median, or the cell whose law counts: {', '.join(MODELS)}"
            raise ValueError(msg)
        return name

    @field_validator("cells")
    @classmethod
    def _known_cells(cls, cells: list[str]) -> list[str]:
        if any(cell not in MODELS for cell in cells):
            msg = f"names of cells: {', '.join(MODELS)}"
            raise ValueError(msg)
        return cells

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.replacement_per_kwh is None and self.company_owned is not None:
            msg = "company_owned needs replacement_per_kwh, the price of a new battery"
            raise ValueError(msg)
        if self.replacement_per_kwh is None and {self.park_low, self.wear_from} != {"none"}:
            msg = "park_low and wear_from need replacement_per_kwh, the price of a new battery"
            raise ValueError(msg)
        if self.replacement_per_kwh is None and self.residual_per_kwh > 0.0:
            msg = "residual_per_kwh needs replacement_per_kwh, the price of a new battery"
            raise ValueError(msg)
        if self.replacement_per_kwh is not None and self.residual_per_kwh > self.replacement_per_kwh:
            msg = "residual_per_kwh above replacement_per_kwh: wear would earn money"
            raise ValueError(msg)
        if self.replacement_per_kwh is not None and len(self.source) < 3:
            msg = "source must say where replacement_per_kwh comes from"
            raise ValueError(msg)
        return self
