"""Writes an outage plan's results: report, tables and summary appear together or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl

import bothways
from bothways.adapters.files.writing import folder_in_progress, write_bytes, write_json, write_text
from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.paper import outage_paper
from bothways.app.outage.report.page import render
from bothways.app.outage.summary import summary
from bothways.resilience.planning import OutagePlan


def publish(loaded: LoadedOutage, plan: OutagePlan, folder: Path, *, rerun: str) -> dict[str, object]:
    """Fills ``folder`` with report.html, paper-plan.html, summary.json, curves.csv and starts.parquet.

    Returns:
        The summary, as in summary.json.

    Raises:
        InputError: the folder holds something that is not a result.
    """
    found = summary(loaded, plan)
    with folder_in_progress(folder) as place:
        write_text(place / "report.html", render(loaded, plan, rerun=rerun, version=bothways.__version__))
        write_text(place / "paper-plan.html", outage_paper(loaded))
        write_json(place / "summary.json", found)
        write_text(place / "curves.csv", curves_table(plan).write_csv())
        content = io.BytesIO()
        starts_table(loaded, plan).write_parquet(content)
        write_bytes(place / "starts.parquet", content.getvalue())
    return found


def curves_table(plan: OutagePlan) -> pl.DataFrame:
    """Survival by tier and hours since the start: mean, quantiles over starts, and without vehicles."""
    parts = []
    for tier, answer, without in zip(plan.site.tiers, plan.answers, plan.without, strict=True):
        p10, p50, p90 = answer.quantiles()
        hours = np.arange(1, answer.survived.shape[1] + 1)
        parts.append(
            pl.DataFrame(
                {
                    "kept_up_to": [f"T{tier.level} {tier.name}"] * hours.size, "hours": hours, "survival": answer.curve,
                    "p10": p10, "p50": p50, "p90": p90, "survival_without_vehicles": without.curve,
                }
            )
        )  # fmt: skip
    return pl.concat(parts)


def starts_table(loaded: LoadedOutage, plan: OutagePlan) -> pl.DataFrame:
    """One row per start hour: time, and for every tier the chance to last the target hours."""
    micro = pl.Series("start_utc", loaded.grid.epoch_s[plan.starts.hour] * 1_000_000, dtype=pl.Int64)
    columns = [micro.cast(pl.Datetime("us", "UTC"))]
    for tier, answer in zip(plan.site.tiers, plan.answers, strict=True):
        for length in (4, 12, plan.wishes.target, 72):
            name = f"T{tier.level}_survives_{length}h"
            if length <= plan.wishes.horizon and name not in {column.name for column in columns}:
                columns.append(pl.Series(name, answer.survived[:, length - 1]))
    return pl.DataFrame(columns)
