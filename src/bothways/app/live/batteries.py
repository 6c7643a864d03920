"""``[[site.battery]]``: kinds of batteries at a live site, with their warranties and what wear costs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from bothways.app.live.battery_records import known_health
from bothways.battery.models import MODELS
from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear import BatteryValue
from bothways.battery.wear_table import WearTable, wear_table
from bothways.operations.site.batteries import BatteryKind, KnownHealth
from bothways.studies.scenario_vehicles import Celsius, SegmentPart, WarrantyPart, twelve


class BatteryPart(SegmentPart):
    """One kind, with the keys of a study's ``[[vehicles.segment]]``; ``chargers`` names stations."""

    temperature_c: Celsius = 20.0
    temperature_by_month_c: list[Celsius] = Field(default_factory=list)
    warranty: WarrantyPart | None = None
    records: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    records_key: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _months(self) -> Self:
        twelve(self.temperature_by_month_c)
        if self.records_key is not None and not self.records:
            msg = "records_key checks who signed the records: name the records, or leave it out"
            raise ValueError(msg)
        return self

    def kind(self, discharge_efficiency: float, folder: Path | None = None) -> BatteryKind:
        """The kind as the loop uses it, its tables of wear made.

        Args:
            discharge_efficiency: AC energy per stored energy.
            folder: where records are sought.

        Raises:
            InputError: records that cannot be used, with every problem.
        """
        limits = WarrantyLimits()
        if self.warranty is not None:
            limits = WarrantyLimits(**self.warranty.model_dump(exclude={"source"}, exclude_none=True))
        return BatteryKind(
            self.name, tuple(self.vehicles), tuple(self.chargers), limits, self._wear(discharge_efficiency),
            self._stated_celsius, self._basis, self._known(discharge_efficiency, folder or Path()),
        )  # fmt: skip

    @property
    def _basis(self) -> str:
        """What the price of wear rests on where a battery has no record, in words."""
        if self.wear_per_kwh is not None:
            return "as stated for its kind of battery"
        if self.replacement_per_kwh is None:
            return ""
        return f"assumed: {self.age_years:g} years old, {self.cycles_per_year:g} full cycles a year ({self.cell})"

    def _known(self, discharge_efficiency: float, folder: Path) -> Mapping[str, KnownHealth]:
        """What the records say, by the vehicle's token."""
        tables: dict[float, WearTable | None] = {}

        def wear(health: float) -> WearTable | None:
            if health not in tables:
                tables[health] = self._wear(discharge_efficiency, health)
            return tables[health]

        return known_health(
            self.records, self.records_key, folder, wear,
            lambda token: any(fnmatchcase(token, pattern) for pattern in self.vehicles),
        )  # fmt: skip

    @property
    def _stated_celsius(self) -> tuple[float, ...]:
        """Temperatures of the cells, empty where the file says none: the site's hold then [°C]."""
        if self.temperature_by_month_c:
            return tuple(self.temperature_by_month_c)
        return (self.temperature_c,) * 12 if "temperature_c" in self.model_fields_set else ()

    def _wear(self, discharge_efficiency: float, health: float | None = None) -> WearTable | None:
        if self.wear_per_kwh is not None:
            return WearTable.flat(self.wear_per_kwh)
        if self.replacement_per_kwh is None:
            return None
        value = BatteryValue(self.replacement_per_kwh, self.residual_per_kwh, self.end_of_life)
        return wear_table(
            list(MODELS.values()) if self.cell == "median" else [MODELS[self.cell]], value,
            temperature_c=self.temperature_by_month_c or [self.temperature_c] * 12,
            discharge_efficiency=discharge_efficiency, age_years=self.age_years,
            cycles_per_year=self.cycles_per_year, health=health,
        )  # fmt: skip


def battery_kinds(
    parts: Sequence[BatteryPart], discharge_efficiency: float, folder: Path | None = None
) -> tuple[BatteryKind, ...]:
    """The kinds of a configured site, in their order; the first that names a vehicle holds.

    Args:
        parts: as configured.
        discharge_efficiency: AC energy per stored energy, of the site's vehicles.
        folder: where records of state of health are sought.

    Raises:
        InputError: records that cannot be used, with every problem.
    """
    return tuple(part.kind(discharge_efficiency, folder) for part in parts)
