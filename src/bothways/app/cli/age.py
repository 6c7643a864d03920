"""``bothways age``: what a profile of state of charge does to a battery, for every cell side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.app.cli.profiles import (
    CapacityKwh,
    Json,
    Model,
    ProfilePath,
    SocColumn,
    Temperature,
    TemperatureColumn,
    TimestampColumn,
    Zone,
    cells,
    read_profile,
    shared_ranges,
)

if TYPE_CHECKING:
    from bothways.adapters.files.series import Series
    from bothways.battery.ageing import AgeingResult
    from bothways.battery.wear import BatteryValue


def age(
    profile: ProfilePath,
    model: Model = "all",
    years: Annotated[float, typer.Option("--years", help="The profile repeats up to this age (0.01…60 years).")] = 10.0,
    capacity_kwh: CapacityKwh = 60.0,
    temperature_c: Temperature = None,
    soc_column: SocColumn = "soc",
    temperature_column: TemperatureColumn = "temperature_c",
    timestamp_column: TimestampColumn = "timestamp",
    tz: Zone = None,
    replacement: Annotated[
        float | None, typer.Option("--replacement", help="Price of a new battery per kWh, for wear in money.")
    ] = None,
    residual: Annotated[
        float | None,
        typer.Option("--residual", help="What it brings per kWh at the end of first life (80 %); 0 if left out."),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Write the figure of capacity over years (HTML).", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Ages a battery through a profile: what is left after years, lost with time and with use, for every cell.

    Whether feeding back harms a battery depends on the cell, so all cells are told side by side unless one is named.
    """
    from bothways.adapters.files.writing import check_result_file, write_text  # noqa: PLC0415
    from bothways.battery import ageing  # noqa: PLC0415
    from bothways.battery.wear import BatteryValue  # noqa: PLC0415

    numbers = {"--years": years, "--capacity-kwh": capacity_kwh, "--temperature": temperature_c}
    models = _check_options(model, numbers, replacement, residual)
    value = None if replacement is None else BatteryValue(replacement, residual or 0.0)
    if figure is not None:
        check_result_file(figure)
    soc, celsius = read_profile(profile, soc_column, temperature_column, timestamp_column, tz, temperature_c)
    grid = soc.grid
    results = [
        ageing.age(
            one, soc.values, grid.step_h, celsius,
            capacity_kwh=capacity_kwh, years=years, every_years=min(1.0, years),
        )
        for one in models
    ]  # fmt: skip
    told = {
        "profile": str(profile),
        "step_h": grid.step_h,
        "periods": grid.periods,
        "capacity_kwh": capacity_kwh,
        "cells": [_told(result, value) for result in results],
        "spread": _spread(results),
        "notes": _notes(soc, years),
    }
    if figure is not None:
        write_text(figure, _figure(results))
    if json:
        import json as encoder  # noqa: PLC0415

        typer.echo(encoder.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(told, figure)


def _notes(soc: Series, years: float) -> list[str]:
    """What a reader should know of the profile before believing the answer."""
    from bothways.battery.ageing import HOURS_PER_YEAR  # noqa: PLC0415

    notes = list(soc.warnings)
    length_years = soc.grid.periods * soc.grid.step_h / HOURS_PER_YEAR
    if length_years < min(0.99, years):
        notes.append(f"the profile of {length_years * 365:.3g} days is repeated; it holds no whole year of seasons")
    seam = abs(float(soc.values[0] - soc.values[-1]))
    if length_years < years and seam > 0.05:
        notes.append(f"where the profile repeats, its state of charge jumps by {seam:.2f}; that counts as a move")
    return notes


def _check_options(
    model: str, numbers: dict[str, float | None], replacement: float | None, residual: float | None
) -> list[Any]:
    """The cells asked for; all faults of the options come back together."""
    from bothways.app.cli.ranges import check_ranges  # noqa: PLC0415
    from bothways.domain.errors import Problems  # noqa: PLC0415

    problems = Problems()
    models = cells(model, problems)
    price = (0.0, 1e6, "per kWh of new capacity")
    ranges = {"--years": (0.01, 60.0, "years"), **shared_ranges(), "--replacement": price, "--residual": price}
    check_ranges(problems, {**numbers, "--replacement": replacement, "--residual": residual}, ranges)
    if residual is not None and replacement is None:
        remedy = "Give --replacement too, or leave out --residual."
        problems.add("--replacement", "nothing", "the price of a new battery, where --residual is given", remedy)
    elif residual is not None and replacement is not None and residual > replacement:
        allowed = f"at most --replacement, {replacement:g} per kWh"
        problems.add("--residual", f"{residual:g}", allowed, "A used battery brings no more than a new one costs.")
    problems.raise_if_any()
    return models


def _told(result: AgeingResult, value: BatteryValue | None) -> dict[str, Any]:
    from bothways.battery.ageing import AgeingState  # noqa: PLC0415
    from bothways.battery.wear import marginal_wear_per_kwh  # noqa: PLC0415

    model = result.model
    told: dict[str, Any] = {
        "model": model.key,
        "title": model.title,
        "chemistry": model.chemistry,
        "source": model.source,
        "validity": model.validity,
        "years": result.years.round(9).tolist(),
        "capacity_fraction": result.capacity_fraction.tolist(),
        "capacity_kwh": result.capacity_kwh.tolist(),
        "calendar_loss": result.calendar_loss.tolist(),
        "cycle_loss": result.cycle_loss.tolist(),
        "resistance_factor": None if result.resistance_factor is None else result.resistance_factor.tolist(),
        "full_equivalent_cycles": result.full_equivalent_cycles.tolist(),
    }
    if value is not None:
        spent = min(1.0 - float(result.capacity_fraction[-1]), 1.0 - value.end_of_life)
        told["wear_per_kwh_new"] = float(marginal_wear_per_kwh(model, AgeingState.new(model), value)[0])
        told["wear_per_kwh_end"] = float(marginal_wear_per_kwh(model, result.state, value)[0])
        told["value_lost"] = float(value.of_loss(result.capacity_kwh[0])) * spent
    return told


def _spread(results: list[AgeingResult]) -> dict[str, list[float]]:
    import numpy as np  # noqa: PLC0415

    left = np.stack([result.capacity_fraction for result in results])
    return {
        "years": results[0].years.round(9).tolist(),
        "lowest": left.min(axis=0).tolist(),
        "median": np.median(left, axis=0).tolist(),
        "highest": left.max(axis=0).tolist(),
    }


def _show(told: dict[str, Any], figure: Path | None) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    cells, years = told["cells"], told["spread"]["years"]
    middle = min(range(len(years)), key=lambda i: abs(years[i] - years[-1] / 2))
    title = f"Remaining capacity of {told['capacity_kwh']:g} kWh, lost with time and use, by cell"
    table = Table(title=title, box=None, padding=(0, 1), title_justify="left")
    table.add_column("cell", no_wrap=True)
    headings = [f"{years[middle]:.3g} y", f"{years[-1]:.3g} y", "time", "use", "ohm", "cycles"]
    priced = "value_lost" in cells[0]
    for heading in [*headings, *(["new", "end", "lost"] if priced else [])]:
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in cells:
        resistance = cell["resistance_factor"]
        row = [
            cell["model"],
            f"{cell['capacity_fraction'][middle]:.1%}",
            f"{cell['capacity_fraction'][-1]:.1%}",
            f"{cell['calendar_loss'][-1]:.1%}",
            f"{cell['cycle_loss'][-1]:.1%}",
            "–" if resistance is None else f"×{resistance[-1]:.2f}",
            f"{cell['full_equivalent_cycles'][-1]:.0f}",
        ]
        if priced:
            row += [f"{cell[f'wear_per_kwh_{when}']:.3f}" for when in ("new", "end")] + [f"{cell['value_lost']:.0f}"]
        table.add_row(*row)
    console.print(table)
    if priced:
        console.print(
            "New and end: wear per kWh discharged when new and at the end; lost: value, in the price's currency."
        )
    spread = told["spread"]
    if len(cells) > 1:
        low, mid, high = (spread[name][-1] for name in ("lowest", "median", "highest"))
        console.print(
            f"After {years[-1]:.3g} years {low:.1%} to {high:.1%} are left, {mid:.1%} in the middle: ask which"
        )
        console.print("cell the battery has before relying on one number.")
    for note in told["notes"]:
        console.print(f"note: {note}", markup=False)
    if figure is not None:
        console.print(f"figure: {figure}", markup=False)


def _figure(results: list[AgeingResult]) -> str:
    import numpy as np  # noqa: PLC0415
    import plotly.graph_objects as go  # noqa: PLC0415

    left = 100.0 * np.stack([result.capacity_fraction for result in results])
    years = results[0].years
    chart = go.Figure()
    if len(results) > 1:
        band = {"fill": "toself", "fillcolor": "rgba(90,110,140,0.15)", "line": {"width": 0}, "hoverinfo": "skip"}
        x = np.concatenate([years, years[::-1]])
        y = np.concatenate([left.max(axis=0), left.min(axis=0)[::-1]])
        chart.add_trace(go.Scatter(x=x, y=y, name="spread over cells", **band))
    for result, percent in zip(results, left, strict=True):
        chart.add_trace(go.Scatter(x=years, y=percent, name=result.model.title, mode="lines+markers"))
    chart.add_hline(y=80.0, line_dash="dash", annotation_text="end of first life")
    chart.update_layout(
        template="plotly_white",
        title="Remaining capacity",
        xaxis_title="years",
        yaxis_title="capacity [% of new]",
        legend_title="cell",
    )
    return str(chart.to_html(include_plotlyjs=True, full_html=True))
