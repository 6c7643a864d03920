"""``bothways replace``: when to replace a company's battery, what to lease it for, what to buy it back for."""

from __future__ import annotations

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
    from bothways.battery.ageing import AgeingResult
    from bothways.battery.replacement import ReplacementTerms

_WHOLE_YEARS = "2…40, whole years"


def replace(
    profile: ProfilePath,
    price: Annotated[float, typer.Option("--price", help="Price of a new battery, built in, per kWh of capacity.")],
    second_life: Annotated[
        float, typer.Option("--second-life", help="What a kWh that is left brings down to 70 % of capacity.")
    ] = 0.0,
    scrap: Annotated[
        float,
        typer.Option("--scrap", help="What recycling pays below 70 %, per kWh when new; negative where it costs."),
    ] = 0.0,
    missing: Annotated[
        float, typer.Option("--missing", help="What a year without a kWh of the new capacity costs.")
    ] = 0.0,
    interest: Annotated[
        float, typer.Option("--interest", help="The owner's real rate of interest a year, 0…0.5.")
    ] = 0.05,
    works_down_to: Annotated[
        float, typer.Option("--works-down-to", help="Share of capacity below which the vehicle cannot do its work.")
    ] = 0.8,
    model: Model = "all",
    years: Annotated[int, typer.Option("--years", help=f"Greatest age looked at ({_WHOLE_YEARS}).")] = 20,
    capacity_kwh: CapacityKwh = 60.0,
    temperature_c: Temperature = None,
    soc_column: SocColumn = "soc",
    temperature_column: TemperatureColumn = "temperature_c",
    timestamp_column: TimestampColumn = "timestamp",
    tz: Zone = None,
    json: Json = False,
) -> None:
    """Finds the age at which a company best replaces a battery, and its prices for leasing and buying back.

    Kept longer, a battery costs less a year and does less; the age with the least equivalent annual cost is told for
    every cell side by side, because they age at different speeds.
    """
    from bothways.battery.ageing import age  # noqa: PLC0415
    from bothways.battery.replacement import ReplacementTerms  # noqa: PLC0415

    numbers: dict[str, float | None] = {
        "--price": price, "--second-life": second_life, "--scrap": scrap, "--missing": missing, "--interest": interest,
        "--works-down-to": works_down_to, "--years": float(years), "--capacity-kwh": capacity_kwh,
        "--temperature": temperature_c,
    }  # fmt: skip
    models = _checked(model, numbers)
    soc, celsius = read_profile(profile, soc_column, temperature_column, timestamp_column, tz, temperature_c)
    terms = ReplacementTerms(price, second_life, scrap, missing, interest, works_down_to)
    results = [
        age(one, soc.values, soc.grid.step_h, celsius, capacity_kwh=capacity_kwh, years=float(years)) for one in models
    ]
    told = {
        "profile": str(profile),
        "capacity_kwh": capacity_kwh,
        "years": list(range(1, years + 1)),
        "cells": [_told(result, capacity_kwh, terms) for result in results],
        "notes": list(soc.warnings),
    }
    if json:
        import json as encoder  # noqa: PLC0415

        typer.echo(encoder.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(told)


def _checked(model: str, numbers: dict[str, float | None]) -> list[Any]:
    """The cells asked for; all faults of the options come back together."""
    from bothways.app.cli.ranges import check_ranges  # noqa: PLC0415
    from bothways.domain.errors import Problems  # noqa: PLC0415

    problems = Problems()
    models = cells(model, problems)
    per_kwh = (0.0, 1e6, "per kWh")
    ranges = {
        "--price": (1e-6, 1e6, "per kWh of new capacity"),
        "--second-life": per_kwh,
        "--scrap": (-1e6, 1e6, "per kWh of new capacity"),
        "--missing": (0.0, 1e6, "per kWh and year"),
        "--interest": (0.0, 0.5, "a year"),
        "--works-down-to": (0.0, 0.99, "of new capacity"),
        "--years": (2.0, 40.0, "years"),
        **shared_ranges(),
    }
    check_ranges(problems, numbers, ranges)
    price, used = numbers["--price"] or 0.0, numbers["--second-life"] or 0.0
    if used > price > 0.0:
        allowed = f"at most --price, {price:g} per kWh"
        problems.add("--second-life", f"{used:g}", allowed, "A used battery brings no more than a new one costs.")
    problems.raise_if_any()
    return models


def _told(result: AgeingResult, capacity_kwh: float, terms: ReplacementTerms) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    from bothways.battery.replacement import plan_replacement  # noqa: PLC0415
    from bothways.domain.errors import DomainError  # noqa: PLC0415

    left = np.clip(result.capacity_fraction, 0.0, 1.0)
    told: dict[str, Any] = {"model": result.model.key, "title": result.model.title, "capacity_fraction": left.tolist()}
    try:
        plan = plan_replacement(left, capacity_kwh, terms)
    except DomainError as error:
        return {**told, "best_years": None, "why": str(error)}
    works = np.isfinite(plan.annual_cost)
    return {
        **told,
        "best_years": plan.best_years,
        "bounded": plan.bounded,
        "yearly_cost_at_best": float(plan.annual_cost[plan.best_years - 1]),
        "monthly_lease": plan.monthly_lease,
        "yearly_cost": [float(cost) if fit else None for cost, fit in zip(plan.annual_cost, works, strict=True)],
        "resale": plan.resale.tolist(),
        "fair_buy_back": plan.fair_buy_back.tolist(),
    }


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    table = Table(
        title=f"When to replace a battery of {told['capacity_kwh']:g} kWh, by cell", box=None, padding=(0, 1),
        title_justify="left",
    )  # fmt: skip
    table.add_column("cell", no_wrap=True)
    for heading in ("best age", "left", "cost/year", "lease/month", "resale", "buy-back"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in told["cells"]:
        best = cell["best_years"]
        if best is None:
            table.add_row(cell["model"], "fails", *["–"] * 5)
            continue
        half = max(1, best // 2)
        table.add_row(
            cell["model"],
            f"{best} y{' *' if cell['bounded'] else ''}",
            f"{cell['capacity_fraction'][best]:.0%}",
            f"{cell['yearly_cost_at_best']:.0f}",
            f"{cell['monthly_lease']:.2f}",
            f"{cell['resale'][best - 1]:.0f}",
            f"{cell['fair_buy_back'][half - 1]:.0f} at {half} y",
        )
    console.print(table)
    console.print("Resale at the best age; buy-back: the price at half of it that leaves the owner as well off.")
    if any(cell.get("bounded") for cell in told["cells"]):
        console.print("*: the battery stops doing its work, or the ages looked at end, before it gets dearer to keep.")
    if len(told["cells"]) > 1:
        console.print("Ask which cell the battery has before relying on one row.")
    for note in told["notes"]:
        console.print(f"note: {note}", markup=False)
