"""``[site.vehicle]``: what is taken for true of vehicles that say nothing about themselves."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bothways.operations.site.settings import VehicleAssumption
from bothways.studies.scenario_vehicles import Celsius, DeratingPart, LossesPart, twelve

_Efficiency = Annotated[float, Field(gt=0.0, le=1.0)]


class VehiclePart(BaseModel):
    """What is taken for true of vehicles that say nothing; ``losses`` and ``derating`` are the tables of a study."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capacity_kwh: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 60.0
    capacity_error: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    soc_at_arrival: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] = 0.5
    charge_efficiency: _Efficiency = 0.9
    discharge_efficiency: _Efficiency = 0.9
    losses_rated_kw: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    losses: LossesPart | None = None
    derating: DeratingPart | None = None
    temperature_by_month_c: list[Celsius] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        twelve(self.temperature_by_month_c)
        if self.losses is not None and self.losses_rated_kw > 0.0:
            msg = "give losses_rated_kw for the default losses, or a table losses, not both"
            raise ValueError(msg)
        if self.losses is not None and self.losses.rated_kw is None:
            msg = "losses.rated_kw: losses at part load need the rating of the chargers"
            raise ValueError(msg)
        return self

    @property
    def counts_losses(self) -> bool:
        """Whether losses at part load are counted."""
        return self.losses is not None or self.losses_rated_kw > 0.0

    def assumption(self) -> VehicleAssumption:
        """The table as the loop uses it."""
        return VehicleAssumption(
            capacity_kwh=self.capacity_kwh,
            capacity_error=self.capacity_error,
            soc_at_arrival=self.soc_at_arrival,
            eta_c=self.charge_efficiency,
            eta_d=self.discharge_efficiency,
            losses_rated_kw=self.losses_rated_kw,
            losses=None if self.losses is None else self.losses.curve(0.0),
            derating=None if self.derating is None else self.derating.law,
            celsius_by_month=tuple(self.temperature_by_month_c),
        )
