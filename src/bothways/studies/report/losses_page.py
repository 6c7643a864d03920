"""The part of a case's page on what constant efficiencies leave out."""

from __future__ import annotations

from bothways.studies.inputs import StudyInputs
from bothways.studies.losses import part_load
from bothways.studies.report.figures.base import NAMES
from bothways.studies.report.markup import Cell, Row, table
from bothways.studies.report.text import esc, money_decimals, number
from bothways.studies.result import CaseResult


def losses_table(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """Losses at part load and stand-by of every strategy as it was played."""
    played = [outcome.run for outcome in result.outcomes if not outcome.run.foresight]
    found = [part_load(inputs, result.case, run) for run in played]
    scale = result.scale.by_days
    decimals = money_decimals(max((abs(item.cost) * scale for item in found), default=0.0))
    rows = [
        Row(
            NAMES[run.strategy],
            (
                Cell(number(item.moved_kwh)), Cell(number(item.constant_kwh)), Cell(number(item.curve_kwh)),
                Cell(number(item.standby_kwh) if item.standby_kwh else "none"),
                Cell(number(item.cost * scale, decimals)),
            ),
        )
        for run, item in zip(played, found, strict=True)
    ]  # fmt: skip
    counted = inputs.stays.part_load is not None
    return table(
        "Losses at part load",
        "Plans, runs and bills count the converters' part-load curve, and the stand-by of vehicles kept ready to feed "
        "back."
        if counted
        else "Runs count one efficiency per direction. This is what a converter's part-load curve and the stand-by of "
        "vehicles kept ready to feed back would add; it is not in the money above.",
        ["Strategy", "Moved [kWh]", "Lost, as counted [kWh]", "Lost, by the curve [kWh]", "Stand-by [kWh]",
         f"Not counted [{esc(inputs.currency)}/year]"],
        rows,
        slug=slug,
        wide=True,
    )  # fmt: skip
