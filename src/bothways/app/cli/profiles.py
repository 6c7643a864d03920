"""What the commands on a battery's profile share: their options, the cells they name, and reading the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bothways.adapters.files.series import Series
    from bothways.domain.errors import Problems

ProfilePath = Annotated[
    Path,
    typer.Argument(help="Table with a column of instants and one of state of charge (0…1).", show_default=False),
]
Model = Annotated[str, typer.Option("--model", help="A cell, or all.")]
CapacityKwh = Annotated[float, typer.Option("--capacity-kwh", help="Usable capacity when new [kWh], above 0.")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Temperature of the cells [°C], instead of a column.")
]
SocColumn = Annotated[str, typer.Option(help="Column with the state of charge.")]
TemperatureColumn = Annotated[str, typer.Option(help="Column with the cells' temperature [°C].")]
TimestampColumn = Annotated[str, typer.Option(help="Column with the instants.")]
Zone = Annotated[str | None, typer.Option("--tz", help="IANA zone of instants without offset.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")]


def cells(model: str, problems: Problems) -> list[Any]:
    """The cells that ``--model`` names: one, or all; a fault goes to ``problems``."""
    from bothways.battery.models import MODELS  # noqa: PLC0415

    if model == "all":
        return list(MODELS.values())
    if model not in MODELS:
        problems.add("--model", model, f"all, {', '.join(MODELS)}", "Name one of these cells.")
        return []
    return [MODELS[model]]


def shared_ranges() -> dict[str, tuple[float, float, str]]:
    """Ranges of the options that the commands share, for :func:`bothways.app.cli.ranges.check_ranges`."""
    from bothways.app.cli.ranges import CAPACITY_KWH  # noqa: PLC0415
    from bothways.battery.ageing import COLDEST_C, HOTTEST_C  # noqa: PLC0415

    return {"--capacity-kwh": CAPACITY_KWH, "--temperature": (COLDEST_C, HOTTEST_C, "°C, of the cells")}


def read_profile(
    path: Path, soc_column: str, temperature_column: str, timestamp: str, tz: str | None, temperature_c: float | None
) -> tuple[Series, Any]:
    """State of charge and the cells' temperature, a column or one number, of a table; all faults come together."""
    from bothways.adapters.files.reading import shown  # noqa: PLC0415
    from bothways.adapters.files.series import read_series  # noqa: PLC0415
    from bothways.adapters.files.tables import read_table  # noqa: PLC0415
    from bothways.battery.ageing import COLDEST_C, HOTTEST_C  # noqa: PLC0415
    from bothways.domain.errors import InputError, Problem, Problems  # noqa: PLC0415

    columns = read_table(path).columns
    problems = Problems()
    read: dict[str, Series] = {}

    def take(column: str, lowest: float, highest: float, quantity: str) -> None:
        try:
            read[column] = read_series(
                path, column, tz=tz, timestamp=timestamp, plausible=(lowest, highest), quantity=quantity
            )
        except InputError as error:
            problems.extend([problem for problem in error.problems if problem not in problems.items])

    take(soc_column, 0.0, 1.0, "state of charge as a fraction")
    if temperature_c is None and temperature_column not in columns:
        allowed = f"a temperature of {COLDEST_C:g}…{HOTTEST_C:g} °C"
        remedy = f"Add a column {temperature_column}, or give one temperature with --temperature (for example 20)."
        problems.extend([Problem(shown(path), f"no column {temperature_column!r}", allowed, remedy)])
    elif temperature_c is None:
        take(temperature_column, COLDEST_C, HOTTEST_C, "temperature of the cells in °C, not in kelvin")
    problems.raise_if_any()
    return read[soc_column], temperature_c if temperature_c is not None else read[temperature_column].values
