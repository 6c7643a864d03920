"""The ``[backup]`` table of a scenario: outages, what they cost, and how vehicles serve in them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from bothways.studies.scenario_vehicles import Fraction, NotNegative, Part

Hours = Annotated[int, Field(ge=1, le=336)]


class BackupPart(Part):
    """``[backup]``: values what the vehicles keep on in outages; the building is that of an outage scenario."""

    outage: str = Field(min_length=1)
    per_year: NotNegative | None = None
    outage_h: list[tuple[Hours, Fraction]] = Field(min_length=1, max_length=12)
    reserve_soc: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    compliance: Fraction
    leaves_as_usual: Fraction = 1.0
    charger_availability: Fraction = 1.0
    draws: int = Field(default=20, ge=2, le=500)
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = sum(share for _, share in self.outage_h)
        if abs(total - 1.0) > 1e-6:
            msg = f"shares of outage_h that sum to 1, not {total:g}"
            raise ValueError(msg)
        return self
