"""The outage scenario: what a user writes to ask which loads stay on. Files are opened elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from bothways.domain.errors import DomainError, InputError, Problems
from bothways.domain.timegrid import zone
from bothways.domain.validation import validated
from bothways.resilience.site import (
    FAILURE_TO_START,
    GENERATOR_AVAILABILITY,
    MTTF_H,
    ONE_WAY_EFFICIENCY,
    PV_AVAILABILITY,
    STORE_AVAILABILITY,
)
from bothways.studies.scenario import Part, PvPart, SeriesPart

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Efficiency = Annotated[float, Field(ge=0.1, le=1.0, allow_inf_nan=False)]
Kilowatts = Annotated[float, Field(ge=0.0, le=1e5, allow_inf_nan=False)]
Energy = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False)]
VehicleKw = Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]
VehicleKwh = Annotated[float, Field(ge=0.1, le=5000.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Hour = Annotated[float, Field(ge=0.0, lt=24.0, allow_inf_nan=False)]
Month = Annotated[int, Field(ge=1, le=12)]
Source = Annotated[str, Field(min_length=3)]


class OutagePart(Part):
    """``[outage]``: title, year, and what is worked out."""

    name: str = Field(min_length=1, max_length=200)
    summary: str = ""
    year: int = Field(default=2025, ge=1970, le=2999)
    tz: str
    currency: str = Field(min_length=1, max_length=8)
    horizon_h: int = Field(default=96, ge=12, le=336)
    target_h: int = Field(default=24, ge=1, le=336)
    draws: int = Field(default=50, ge=10, le=1000)
    seed: int = Field(default=1, ge=0, le=2**31)
    per_year: NotNegative | None = None
    per_year_source: str = ""
    main_by_hand: str = ""
    contact: str = ""

    @field_validator("tz")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            zone(name)
        except DomainError as error:
            msg = "an IANA time zone such as 'America/Los_Angeles'"
            raise ValueError(msg) from error
        return name

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.target_h > self.horizon_h:
            msg = f"target_h must not exceed horizon_h, {self.horizon_h}"
            raise ValueError(msg)
        if self.per_year is not None and not self.per_year_source:
            msg = "per_year_source must say where the number of outages per year comes from"
            raise ValueError(msg)
        return self


class TierPart(Part):
    """``[[tier]]``: loads that are switched together; ``level`` 0 (life safety) … 4 (comfort)."""

    name: str = Field(min_length=1, max_length=80)
    level: int = Field(ge=0, le=4)
    kwh_per_day: Energy | None = None
    hourly_kw: list[Kilowatts] | None = None
    profile: str | None = None
    annual_kwh: NotNegative | None = None
    series: SeriesPart | None = None
    inrush_kw: Kilowatts = 0.0
    voll_per_kwh: NotNegative
    voll_source: Source
    authority: str = ""
    by_hand: str = ""
    source: Source

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [self.kwh_per_day is not None, self.hourly_kw is not None, self.profile is not None]
        if sum([*given, self.series is not None]) != 1:
            msg = "exactly one of kwh_per_day, hourly_kw, profile (with annual_kwh) and series"
            raise ValueError(msg)
        if self.hourly_kw is not None and len(self.hourly_kw) != 24:
            msg = f"hourly_kw needs 24 values, found {len(self.hourly_kw)}"
            raise ValueError(msg)
        if (self.profile is None) != (self.annual_kwh is None):
            msg = "profile and annual_kwh go together"
            raise ValueError(msg)
        if self.authority and self.level != 0:
            msg = "authority belongs to level 0 only"
            raise ValueError(msg)
        return self


class OutagePvPart(PvPart):
    """``[pv]``: as in a study, with the chance that it works when an outage begins."""

    availability: Fraction = PV_AVAILABILITY


class OutageBatteryPart(Part):
    """``[battery]``: a stationary battery; ``state_of_health`` below 1 for one of second life."""

    capacity_kwh: Energy
    power_kw: Kilowatts
    state_of_health: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    start_soc: Fraction
    charge_efficiency: Efficiency = ONE_WAY_EFFICIENCY
    discharge_efficiency: Efficiency = ONE_WAY_EFFICIENCY
    availability: Fraction = STORE_AVAILABILITY
    by_hand: str = ""
    source: Source


class GeneratorPart(Part):
    """``[[generator]]``: equal generators; ``upkeep`` gives a mean time to failure in words."""

    name: str = Field(min_length=1, max_length=80)
    kw: Kilowatts
    count: int = Field(default=1, ge=1, le=20)
    availability: Fraction = GENERATOR_AVAILABILITY
    failure_to_start: Fraction = FAILURE_TO_START
    mttf_h: Annotated[float, Field(ge=1.0, le=1e6)] | None = None
    upkeep: Literal["poor", "well"] | None = None
    fuel_litres: NotNegative | None = None
    litres_per_kwh: Annotated[float, Field(ge=0.15, le=1.0)] = 0.30
    by_hand: str = ""
    source: Source

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mttf_h is not None and self.upkeep is not None:
            msg = "give either mttf_h or upkeep"
            raise ValueError(msg)
        return self

    @property
    def hours_to_failure(self) -> float:
        """Mean time to failure [h]: with poor upkeep half fail within 48 h, with good upkeep a fifth in two weeks."""
        match self.upkeep:
            case "poor":
                return float(1.0 / (1.0 - 0.5 ** (1.0 / 48.0)))
            case "well":
                return float(1.0 / (1.0 - 0.8 ** (1.0 / 336.0)))
            case _:
                return self.mttf_h if self.mttf_h is not None else MTTF_H


class HabitPart(Part):
    """``[vehicle.habit]``: local hours at which vehicles leave and return, as in a study's timetable."""

    leaves_h: Hour = 8.0
    returns_h: Hour = 17.5
    leaves_spread_h: Annotated[float, Field(ge=0.0, le=6.0)] = 0.5
    returns_spread_h: Annotated[float, Field(ge=0.0, le=6.0)] = 0.5
    weekend_leaves_h: Hour = 10.0
    weekend_returns_h: Hour = 16.0
    weekday_trip_share: Fraction = 1.0
    weekend_trip_share: Fraction = 0.7
    weekday_energy_kwh: NotNegative = 6.0
    weekend_energy_kwh: NotNegative = 6.0
    energy_spread: Fraction = 0.3
    target_soc: Annotated[float, Field(ge=0.1, le=1.0)] = 0.8
    plug_in_share: Fraction = 1.0


class RecordPart(Part):
    """``[vehicle.sessions]``: files of recorded sessions; every EVSE in them stands for one vehicle."""

    files: list[str] = Field(min_length=1)
    preset: Literal["canonical", "acn"] = "canonical"
    columns: dict[str, str] = Field(default_factory=dict)
    soc_at_arrival: Fraction


class CalledInPart(Part):
    """``[vehicle.called_in]``: vehicles that come when they are called."""

    chance: Fraction
    after_h: int = Field(ge=0, le=96)
    spread_h: int = Field(default=0, ge=0, le=48)
    soc: Fraction


class ShuttlePart(Part):
    """``[vehicle.shuttle]``: leaves to charge outside and comes back, again and again."""

    stay_h: int = Field(ge=1, le=96)
    away_h: int = Field(ge=1, le=48)
    soc_outside: Fraction
    trip_km: NotNegative


class VehiclePart(Part):
    """``[[vehicle]]``: vehicles of one kind with their chargers."""

    name: str = Field(min_length=1, max_length=80)
    count: int = Field(ge=1, le=500)
    usable_capacity_kwh: VehicleKwh
    discharge_kw: VehicleKw
    charge_kw: VehicleKw
    charge_efficiency: Efficiency = ONE_WAY_EFFICIENCY
    discharge_efficiency: Efficiency = ONE_WAY_EFFICIENCY
    soc_floor: Fraction = 0.1
    chargers: int | None = Field(default=None, ge=0, le=1000)
    charger_availability: Fraction = 1.0
    charger_mttf_h: NotNegative = 0.0
    compliance: Fraction
    leaves_as_usual: Fraction = 1.0
    outside_charging: Fraction = 1.0
    evacuation_km: Annotated[float, Field(ge=0.0, le=2000.0)]
    kwh_per_km: Annotated[float, Field(gt=0.0, le=5.0)]
    cold_factor: Annotated[float, Field(ge=1.0, le=3.0)] = 1.4
    outlet_kw: VehicleKw = 0.0
    habit: HabitPart | None = None
    sessions: RecordPart | None = None
    called_in: CalledInPart | None = None
    shuttle: ShuttlePart | None = None
    by_hand: str = ""
    source: Source

    @model_validator(mode="after")
    def _check(self) -> Self:
        ways = [part for part in (self.habit, self.sessions, self.called_in) if part is not None]
        if len(ways) != 1:
            msg = "exactly one of [vehicle.habit], [vehicle.sessions] and [vehicle.called_in]"
            raise ValueError(msg)
        return self


class DeparturePart(Part):
    """``[departure]``: a common cause that takes vehicles away, such as an evacuation order."""

    chance: Fraction
    share: Fraction
    after_h: int = Field(default=0, ge=0, le=336)
    source: Source


class CasePart(Part):
    """``[[case]]``: a heat wave, a wildfire: what is different then."""

    name: str = Field(min_length=1, max_length=80)
    months: list[Month] = Field(default_factory=list)
    pv_factor: Fraction = 1.0
    load_factor: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    cooling_kw: Kilowatts = 0.0
    cooling_level: int | None = Field(default=None, ge=0, le=4)
    cooling_from_h: Hour = 10.0
    cooling_to_h: Annotated[float, Field(gt=0.0, le=24.0)] = 22.0
    departure: DeparturePart | None = None
    source: Source


class SweepPart(Part):
    """``[sweep]``: values of the trade-off curves and of the marginal table."""

    compliance: list[Fraction] = Field(default=[0.0, 0.25, 0.5, 0.75, 1.0], min_length=2, max_length=12)
    reserve_km: list[Annotated[float, Field(ge=0.0, le=2000.0)]] = Field(
        default=[0.0, 50.0, 100.0, 150.0, 200.0, 300.0], min_length=2, max_length=12
    )
    more_kwh: Annotated[float, Field(gt=0.0, le=1e5)] = 10.0
    more_generator_kw: Annotated[float, Field(gt=0.0, le=1e5)] = 20.0


class DieselPart(Part):
    """``[diesel]``: what a generator would have burnt, and the carbon of charging the vehicles."""

    litres_per_kwh: Annotated[float, Field(ge=0.15, le=1.0)] = 0.30
    kg_per_litre: Annotated[float, Field(ge=2.0, le=3.5)] = 2.68
    charging_kg_per_kwh: Annotated[float, Field(ge=0.0, le=3.0)]
    source: Source


class StandAlonePart(Part):
    """``[[v2l]]``: a load that a vehicle feeds by its outlet."""

    name: str = Field(min_length=1, max_length=80)
    kw: Annotated[float, Field(gt=0.0, le=1000.0)]
    hours_per_day: Annotated[float, Field(gt=0.0, le=24.0)]
    source: Source


class CarToCarPart(Part):
    """``[[v2v]]``: energy from one kind of vehicle to another."""

    giver: str
    taker: str
    km: Annotated[float, Field(gt=0.0, le=1000.0)]
    kw: Annotated[float, Field(gt=0.0, le=1000.0)]
    efficiency: Efficiency
    source: Source


class OutageScenario(Part):
    """A whole outage scenario."""

    outage: OutagePart
    tier: list[TierPart] = Field(min_length=1, max_length=5)
    pv: OutagePvPart | None = None
    battery: OutageBatteryPart | None = None
    generator: list[GeneratorPart] = Field(default_factory=list, max_length=4)
    vehicle: list[VehiclePart] = Field(default_factory=list, max_length=12)
    departure: DeparturePart | None = None
    cold_months: list[Month] = Field(default=[12, 1, 2])
    case: list[CasePart] = Field(default_factory=list, max_length=8)
    sweep: SweepPart = SweepPart()
    diesel: DieselPart | None = None
    v2l: list[StandAlonePart] = Field(default_factory=list)
    v2v: list[CarToCarPart] = Field(default_factory=list)


def _across(scenario: Mapping[str, Any]) -> list[tuple[str, object, str]]:
    """What does not go together across tables: where, found, allowed. Values of another kind are told elsewhere."""
    tiers, vehicles = _tables(scenario, "tier"), _tables(scenario, "vehicle")
    faults: list[tuple[str, object, str]] = []
    levels = [part.get("level") for part in tiers]
    known = [level for level in levels if isinstance(level, int)]
    if known == levels and known != sorted(set(known)):
        faults.append(("tier", levels, "levels that rise from table to table"))
    names = [str(part.get("name")) for part in vehicles]
    if len(set(names)) != len(names):
        faults.append(("vehicle", names, "names that differ"))
    for k, item in enumerate(_tables(scenario, "v2v")):
        wrong = [role for role in ("giver", "taker") if role in item and item[role] not in names]
        faults += [(f"v2v[{k}].{role}", item[role], f"one of the vehicles {names}") for role in wrong]
    counted = [part["level"] for part in tiers if isinstance(part.get("level"), int)
               and (part["level"] > 0 or part.get("authority"))]  # fmt: skip
    for k, case in enumerate(_tables(scenario, "case")):
        cools = isinstance(case.get("cooling_kw"), int | float) and case["cooling_kw"] > 0.0
        if cools and case.get("cooling_level") not in counted:
            faults.append((f"case[{k}].cooling_level", case.get("cooling_level"), f"one of {counted}"))
    return faults


def _tables(scenario: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = scenario.get(name)
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []


_LOST_KILO = "Watts or watt-hours instead of kilo? "


def outage_scenario(mapping: Mapping[str, Any], *, at: str = "scenario") -> OutageScenario:
    """Validates an outage scenario whole.

    Args:
        mapping: the parsed TOML file.
        at: name of the file, for messages.

    Raises:
        InputError: with every problem found: key, value, what is allowed, remedy.
    """
    page = "docs/how-to/plan-for-outages.md"
    problems = Problems(at=at)
    for where, found, allowed in _across(mapping):
        problems.add(where, found, allowed, f"Correct the value; see {page}.")
    try:
        made = validated(OutageScenario, mapping, at=at, page=page, switches=False, hint=_lost_kilo)
    except InputError as error:
        raise InputError([*problems.items, *error.problems]) from error
    problems.raise_if_any()
    return made


def _lost_kilo(where: str, kind: str) -> str:
    """Asks for the usual cause of a power or energy that is too large."""
    return _LOST_KILO if kind == "less_than_equal" and where.endswith(("_kw", "_kwh", ".kw", "_per_day")) else ""
