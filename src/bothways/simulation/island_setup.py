"""Reads a drill from a mapping: the building, its sources and vehicles, the outage, the fault cards; and the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bothways.domain.errors import DomainError, Problems
from bothways.domain.validation import validated
from bothways.resilience.island.reserve import evacuation_reserve_kwh
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind, Timing
from bothways.simulation.island import Car, Plant, Surroundings, Unit
from bothways.simulation.island_drill import CARDS, DrillSetup

PAGE = "docs/reference/drill.md"

Kilowatts = Annotated[float, Field(ge=0.0, le=10_000.0, allow_inf_nan=False)]
KilowattHours = Annotated[float, Field(ge=0.0, le=1_000_000.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(min_length=1, max_length=60)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class SectionPart(_Part):
    """One section of load."""

    id: Name
    tier: Annotated[int, Field(ge=1, le=4)]
    phase_kw: tuple[Kilowatts, Kilowatts, Kilowatts]
    inrush: Annotated[float, Field(ge=1.0, le=20.0)] = 1.0
    target_h: Annotated[float, Field(ge=0.0, le=720.0)] = 0.0
    serves: str = ""
    by_hand: str = ""

    def section(self, *, automated: bool = True) -> Section:
        """As the island controller has it.

        Raises:
            DomainError: values that do not go together.
        """
        return Section(
            self.id, self.tier, self.phase_kw, self.inrush, self.target_h, automated, self.by_hand, self.serves
        )


class VehiclePart(_Part):
    """A vehicle at a charger; the reserve as energy or as a distance."""

    energy_kwh: KilowattHours
    reserve_kwh: KilowattHours | None = None
    reserve_km: Annotated[float, Field(ge=0.0, le=2000.0)] | None = None
    kwh_per_km: Annotated[float, Field(gt=0.0, le=5.0)] = 0.2
    temperature_c: Annotated[float, Field(ge=-60.0, le=60.0)] = 20.0
    ceiling_kwh: KilowattHours | None = None
    opted_out: bool = False

    @model_validator(mode="after")
    def _one_reserve(self) -> VehiclePart:
        if (self.reserve_kwh is None) == (self.reserve_km is None):
            msg = "exactly one of reserve_kwh and reserve_km: what the driver keeps to drive away"
            raise ValueError(msg)
        return self

    def reserve(self) -> float:
        """What the driver keeps [kWh]."""
        if self.reserve_kwh is not None:
            return self.reserve_kwh
        return evacuation_reserve_kwh(self.reserve_km or 0.0, self.kwh_per_km, self.temperature_c)


class SourceBase(_Part):
    """A battery, charger or generator as installed."""

    id: Name
    kind: Literal["battery", "v2x", "generator"]
    power_kw: Kilowatts
    grid_forming: bool = False
    phases: tuple[Annotated[int, Field(ge=1, le=3)], ...] = (1, 2, 3)
    surge: Annotated[float, Field(ge=1.0, le=10.0)] = 1.0
    efficiency: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    floor_kwh: KilowattHours = 0.0
    by_hand: str = ""

    def source(self) -> Source:
        """As the island controller has it.

        Raises:
            DomainError: values that do not go together.
        """
        return Source(
            self.id, SourceKind(self.kind), self.power_kw, self.grid_forming,
            tuple(phase - 1 for phase in self.phases), self.surge, self.efficiency, self.floor_kwh, self.by_hand,
        )  # fmt: skip


class SourcePart(SourceBase):
    """A source of a drill, with its energy."""

    energy_kwh: KilowattHours | None = None
    vehicle: VehiclePart | None = None

    @model_validator(mode="after")
    def _energy(self) -> SourcePart:
        if self.kind == "v2x" and self.energy_kwh is not None:
            msg = "a charger has no energy of its own: give it a vehicle"
            raise ValueError(msg)
        if self.kind != "v2x" and (self.energy_kwh is None or self.vehicle is not None):
            msg = f"a {self.kind} needs energy_kwh and takes no vehicle"
            raise ValueError(msg)
        return self


class SitePart(_Part):
    """The building as a whole."""

    name: Name = "drill"
    islanding_permitted: bool = True
    confirm_islanding: bool = False
    interval_s: Annotated[float, Field(ge=0.1, le=1.0)] = 1.0
    return_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 300.0


class OutagePart(_Part):
    """The outage and the day."""

    start_hour: Annotated[float, Field(ge=0.0, lt=24.0)] = 17.0
    hours: Annotated[float, Field(gt=0.0, le=72.0)] = 6.0
    load: Annotated[float, Field(gt=0.0, le=3.0)] = 0.9
    pv_peak_kw: Kilowatts = 0.0
    sky: Share = 1.0
    sky_forecast: Share = 0.7
    cards: tuple[str, ...] = ()
    card_minutes: Annotated[float, Field(ge=0.5, le=720.0)] = 30.0


class DrillFile(_Part):
    """A drill's file."""

    site: SitePart = SitePart()
    sections: tuple[SectionPart, ...]
    sources: tuple[SourcePart, ...]
    outage: OutagePart = OutagePart()


def setup_from_mapping(mapping: Mapping[str, Any], at: str, cards: tuple[str, ...] | None = None) -> DrillSetup:
    """Builds a drill from the content of its file.

    Args:
        mapping: the parsed file.
        at: its name, for messages.
        cards: fault cards that replace those of the file; ``None`` to play those.

    Raises:
        InputError: with every problem found.
    """
    file = validated(DrillFile, mapping, at=at, page=PAGE)
    problems = Problems(at=at)
    chosen = file.outage.cards if cards is None else cards
    for name in chosen:
        if name not in CARDS:
            problems.add("--card" if cards else "outage.cards", name, ", ".join(CARDS), "Name one of these cards.")
    try:
        site = _site(file)
    except DomainError as error:
        problems.add("", "this building", str(error), f"Correct the value; see {PAGE}.")
        problems.raise_if_any()
        raise
    problems.raise_if_any()
    outage = file.outage
    outage_at_s = 60.0
    plant = Plant(
        t_s=outage.start_hour * 3600.0 - outage_at_s + 86_400.0,
        main_closed=True,
        closed=(True,) * len(site.sections),
        units=tuple(_unit(source) for source in file.sources),
        served_kw=(0.0,) * len(site.sections),
    )
    around = Surroundings(
        pv_peak_kw=outage.pv_peak_kw, sky=outage.sky, sky_forecast=outage.sky_forecast, load=outage.load
    )
    return DrillSetup(
        site=site,
        plant=plant,
        around=around,
        outage_at_s=outage_at_s,
        outage_h=outage.hours,
        after_s=file.site.return_s + 300.0,
        card_s=outage.card_minutes * 60.0,
        cards=chosen,
    )


def _site(file: DrillFile) -> IslandSite:
    return IslandSite(
        site_id=file.site.name,
        sections=tuple(part.section() for part in file.sections),
        sources=tuple(part.source() for part in file.sources),
        islanding_permitted=file.site.islanding_permitted,
        confirm_islanding=file.site.confirm_islanding,
        timing=Timing(interval_s=file.site.interval_s, return_s=file.site.return_s),
    )


def _unit(source: SourcePart) -> Unit:
    vehicle = source.vehicle
    if vehicle is None:
        return Unit(energy_kwh=source.energy_kwh or 0.0)
    ceiling = vehicle.ceiling_kwh if vehicle.ceiling_kwh is not None else vehicle.energy_kwh
    return Unit(car=Car(f"vehicle at {source.id}", vehicle.energy_kwh, vehicle.reserve(), ceiling, vehicle.opted_out))


def _charger(number: int, energy_kwh: float, **more: Any) -> dict[str, Any]:
    vehicle = {"energy_kwh": energy_kwh, "reserve_km": 80.0, "ceiling_kwh": 60.0, **more}
    return {
        "id": f"charger-{number}",
        "kind": "v2x",
        "power_kw": 11.0,
        "grid_forming": number == 1,
        "surge": 1.2,
        "efficiency": 0.92,
        "vehicle": vehicle,
    }


DEMO: Mapping[str, Any] = {
    "site": {"name": "community centre", "interval_s": 1.0},
    "sections": [
        {
            "id": "essential", "tier": 1, "phase_kw": [1.2, 1.0, 1.0], "inrush": 1.5, "target_h": 24.0,
            "serves": "medical devices, radio and network, lights of the exits, water pump",
        },
        {
            "id": "refuge", "tier": 2, "phase_kw": [2.0, 2.5, 1.5], "inrush": 2.5, "target_h": 12.0,
            "serves": "refrigerators, one conditioned room",
        },
        {
            "id": "kitchen-and-lift", "tier": 3, "phase_kw": [3.0, 3.0, 3.0], "inrush": 2.0, "target_h": 4.0,
            "serves": "kitchen, lift",
        },
        {"id": "comfort", "tier": 4, "phase_kw": [4.0, 4.0, 4.0], "inrush": 1.5, "serves": "the rest"},
    ],
    "sources": [
        {
            "id": "battery", "kind": "battery", "power_kw": 30.0, "grid_forming": True, "surge": 1.5,
            "energy_kwh": 45.0, "floor_kwh": 5.0,
        },
        _charger(1, 55.0),
        _charger(2, 48.0),
        _charger(3, 40.0),
        _charger(4, 52.0, opted_out=True),
        _charger(5, 30.0),
    ],
    "outage": {"start_hour": 17.0, "hours": 6.0, "pv_peak_kw": 50.0},
}  # fmt: skip
"""A community centre with five vehicles, 50 kW of PV and a battery; every number is an assumption."""
