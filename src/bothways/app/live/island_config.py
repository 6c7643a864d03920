"""The part of a site's configuration that makes it an island: tiers, sources, switchgear, reserves."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bothways.adapters.switchgear.settings import ModbusGearSettings
from bothways.domain.errors import DomainError
from bothways.operations.events import EvseKey
from bothways.operations.island.settings import Evacuation, IslandSettings
from bothways.resilience.island.site import IslandSite, Timing, Windows
from bothways.simulation.island_setup import SectionPart, SourceBase

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IslandSection(SectionPart):
    """A section; ``switched`` says who operates its breaker, ``seen`` who says where it is."""

    switched: Literal["by command", "by hand"] = "by command"
    seen: Literal["by contact", "by people"] = "by contact"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.switched == "by command" and self.seen == "by people":
            msg = "a breaker that obeys commands needs its contact: a command is confirmed by feedback"
            raise ValueError(msg)
        if self.switched == "by hand" and not self.by_hand:
            msg = "switched by hand needs by_hand: where the breaker is, for somebody who has never seen it"
            raise ValueError(msg)
        return self


class IslandSource(SourceBase):
    """A source; a charger names its station and EVSE."""

    station: str | None = None
    evse: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _place(self) -> Self:
        if (self.kind == "v2x") != (self.station is not None):
            msg = "a v2x source names its station, and no other source does"
            raise ValueError(msg)
        return self


class EvacuationPart(_Part):
    """What drivers keep where they state nothing else."""

    distance_km: Annotated[float, Field(ge=0.0, le=2000.0)] = 80.0
    kwh_per_km: Annotated[float, Field(gt=0.0, le=5.0)] = 0.2
    temperature_c: Annotated[float, Field(ge=-60.0, le=60.0)] = -10.0


class IslandPart(_Part):
    """One site that can be an island."""

    sections: tuple[IslandSection, ...] = Field(min_length=1)
    sources: tuple[IslandSource, ...] = Field(min_length=1)
    switchgear: ModbusGearSettings | None = None
    evacuation: EvacuationPart = EvacuationPart()
    confirm_islanding: bool = True
    main_switched: Literal["by command", "by hand"] = "by command"
    main_by_hand: str = ""
    nominal_hz: Literal[50, 60] = 50
    interval_s: Annotated[float, Field(ge=0.1, le=1.0)] = 0.5
    return_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 300.0
    pv_peak_kw: Annotated[float, Field(ge=0.0, le=10_000.0)] = 0.0
    pv_share: Share = 0.3

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            self.settings("site")
        except DomainError as error:
            raise ValueError(str(error)) from error
        if self.switchgear is not None and (lacks := self._lacking(self.switchgear)):
            raise ValueError("; ".join(lacks))
        return self

    def _lacking(self, gear: ModbusGearSettings) -> list[str]:
        """What the switchgear does not say of a device that needs it."""
        lacks = []
        if self.main_switched == "by command" and gear.main.coil is None:
            lacks.append('switchgear.main needs a coil, or main_switched = "by hand"')
        for section in self.sections:
            part = gear.sections.get(section.id)
            if section.switched == "by command" and (part is None or part.coil is None):
                lacks.append(f'switchgear.sections.{section.id} needs a coil, or the section switched = "by hand"')
            seen = part is not None and (part.open_input is not None or part.closed_input is not None)
            if section.seen == "by contact" and not seen:
                lacks.append(
                    f'switchgear.sections.{section.id} needs open_input or closed_input, or seen = "by people"'
                )
        for source in self.sources:
            wired = gear.sources.get(source.id)
            if source.grid_forming and (wired is None or wired.form_coil is None):
                lacks.append(f"switchgear.sources.{source.id} needs form_coil: it can form a grid")
            if wired is None or wired.trip_coil is None:
                lacks.append(f"switchgear.sources.{source.id} needs trip_coil: what feeds untold is cut off by wire")
        known = {part.id for part in self.sections} | {source.id for source in self.sources}
        lacks += [f"switchgear names {name}, which is no section or source"
                  for name in (*gear.sections, *gear.sources) if name not in known]  # fmt: skip
        return lacks

    def settings(self, site_id: str) -> IslandSettings:
        """As the live controller has it; the permission to island is read from the store.

        Raises:
            DomainError: values that do not go together.
        """
        building = IslandSite(
            site_id=site_id,
            sections=tuple(part.section(automated=part.switched == "by command") for part in self.sections),
            sources=tuple(part.source() for part in self.sources),
            confirm_islanding=self.confirm_islanding,
            main_automated=self.main_switched == "by command",
            main_by_hand=self.main_by_hand,
            timing=Timing(interval_s=self.interval_s, return_s=self.return_s),
            windows=Windows(nominal_hz=float(self.nominal_hz)),
        )
        chargers = {part.id: EvseKey(part.station, part.evse) for part in self.sources if part.station is not None}
        kept = self.evacuation
        return IslandSettings(
            building, chargers, Evacuation(kept.distance_km, kept.kwh_per_km, kept.temperature_c), self.pv_peak_kw,
            self.pv_share,
        )  # fmt: skip

    @property
    def by_people(self) -> frozenset[str]:
        """Sections whose breaker only people see."""
        return frozenset(part.id for part in self.sections if part.seen == "by people")
