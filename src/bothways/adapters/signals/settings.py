"""What a configuration says of a source of prices and CO₂, validated whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PriceUnit = Literal["currency/kWh", "currency/MWh", "cents/kWh"]
CarbonUnit = Literal["g/kWh", "kg/kWh", "kg/MWh"]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

PER_KWH: dict[str, float] = {"currency/kWh": 1.0, "currency/MWh": 0.001, "cents/kWh": 0.01}
KG_PER_KWH: dict[str, float] = {"g/kWh": 0.001, "kg/kWh": 1.0, "kg/MWh": 0.001}


class SignalSettings(BaseModel):
    """How a table of prices is to be read.

    Attributes:
        unit: unit of the prices. There is no default: EUR/MWh read as EUR/kWh is a thousandfold.
        carbon_unit: unit of the CO₂ column; needed where ``carbon`` names one.
        tz: zone of instants that name no offset; ``None`` where every instant has its own.
        time: column (or key) of the interval's start.
        price: column of the price of import.
        export: column of the price of export; ``""`` where ``export_per_kwh`` holds all the time.
        carbon: column of the CO₂ intensity; ``""`` where there is none.
        export_per_kwh: price of export where no column gives it [currency/kWh].
        plausible_per_kwh: bounds that a price may not leave [currency/kWh]; widen them for yen, rupees, won.
        beyond: what holds after the last published interval: ``refuse``, or ``yesterday`` for the same local time one
            day (up to seven days) before, said so in the source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: PriceUnit
    carbon_unit: CarbonUnit | None = None
    tz: str | None = None
    time: str = "start"
    price: str = "price"
    export: str = ""
    carbon: str = ""
    export_per_kwh: Finite = 0.0
    plausible_per_kwh: tuple[Finite, Finite] = (-5.0, 5.0)
    beyond: Literal["refuse", "yesterday"] = "refuse"


class HttpSettings(SignalSettings):
    """A source over HTTP; CSV or JSON, by what the server says or ``format``.

    Attributes:
        address: where it is; ``{start}`` and ``{end}`` become the grid's ends in ISO 8601 with offset.
        path: keys that lead to the list of intervals in JSON, with dots between.
        token_file: file with a bearer token; tokens are not written into a configuration.
        fresh_s: how long an answer is used without asking again [s].
        keep_s: how long the last good answer is used where the server fails [s].
        timeout_s: longest wait for the server [s].
    """

    address: str = Field(pattern=r"^https?://")
    format: Literal["auto", "csv", "json"] = "auto"
    path: str = ""
    token_file: str | None = None
    fresh_s: Positive = 900.0
    keep_s: Positive = 172_800.0
    timeout_s: Positive = 10.0
