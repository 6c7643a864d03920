"""Results as tables for other programs: per interval, per stay, and money in long form. Pure builders, no files."""

from __future__ import annotations

import numpy as np
import polars as pl

from bothways.domain.timegrid import TimeGrid
from bothways.studies.report.amounts import COMPONENTS
from bothways.studies.report.summary import summary
from bothways.studies.result import CaseResult, Outcome, StudyResult

__all__ = ["interval_table", "money_table", "stays_table", "summary"]


def interval_table(case: CaseResult, study: StudyResult) -> pl.DataFrame:
    """One row per interval, left-labelled.

    Args:
        case: the case.
        study: the study it belongs to, for its period and emissions.

    Returns:
        ``time_utc``, ``time_local`` (ISO 8601 with offset), ``load_kw``, ``pv_kw``, ``import_price_per_kwh``,
        ``export_price_per_kwh``, ``marginal_co2_kg_per_kwh`` and ``average_co2_kg_per_kwh`` (null where not given),
        then for every strategy its ``…_net_kw``, ``…_vehicles_kw``, ``…_battery_kw`` and ``…_curtailed_kw``.
    """
    inputs, grid = study.inputs, study.inputs.grid
    carbon, periods = inputs.emissions, study.inputs.grid.periods
    first = case.outcomes[0].run.flows
    columns: list[pl.Series] = [
        *_times(grid),
        pl.Series("load_kw", first.load),
        pl.Series("pv_kw", first.pv),
        pl.Series("import_price_per_kwh", case.case.import_price.values),
        pl.Series("export_price_per_kwh", case.case.export_price.values),
        pl.Series("marginal_co2_kg_per_kwh", carbon.marginal_kg_per_kwh, dtype=pl.Float64)
        if carbon.marginal_kg_per_kwh is not None
        else pl.Series("marginal_co2_kg_per_kwh", [None] * periods, dtype=pl.Float64),
        pl.Series("average_co2_kg_per_kwh", [carbon.average_kg_per_kwh] * periods, dtype=pl.Float64),
    ]
    for outcome in case.outcomes:
        flows, key = outcome.run.flows, outcome.run.key
        columns += [
            pl.Series(f"{key}_net_kw", flows.net),
            pl.Series(f"{key}_vehicles_kw", flows.vehicles),
            pl.Series(f"{key}_battery_kw", flows.battery),
            pl.Series(f"{key}_curtailed_kw", flows.curtailed),
        ]
    return pl.DataFrame(columns)


def _times(grid: TimeGrid) -> list[pl.Series]:
    utc = _instants("time_utc", grid.epoch_s)
    local = utc.dt.convert_time_zone(grid.tz).dt.strftime("%Y-%m-%dT%H:%M:%S%:z").rename("time_local")
    return [utc, local]


def _instants(name: str, epoch_s: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
    """Instants in UTC; −1 stands for none."""
    micro = pl.Series(name, epoch_s * 1_000_000, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    return micro.set(pl.Series(epoch_s < 0), None)


def stays_table(study: StudyResult, case: CaseResult) -> pl.DataFrame:
    """One row per stay and strategy, energies in kWh.

    Args:
        study: the study.
        case: one of its cases.

    Returns:
        ``session_id``, ``vehicle_id`` (null where unknown), ``evse_id``, plug-in, plug-out and declared departure in
        UTC, ``strategy``, stored energy at start and end, AC energy charged, discharged and missing against
        uncontrolled, and the ``reason`` (null where nothing is missing).
    """
    inputs, stays = study.inputs, study.inputs.stays
    who = pl.DataFrame(
        [
            pl.Series("session_id", list(stays.session_id), dtype=pl.String),
            pl.Series("vehicle_id", list(inputs.vehicle_id), dtype=pl.String),
            pl.Series("evse_id", [stays.evse_ids[evse] for evse in stays.evse], dtype=pl.String),
            _instants("arrival_utc", inputs.arrival_s),
            _instants("departure_utc", inputs.departure_s),
            _instants("declared_departure_utc", inputs.declared_s),
        ]
    )
    return pl.concat([who.with_columns(_stay_columns(outcome, stays.session_id)) for outcome in case.outcomes])


def _stay_columns(outcome: Outcome, session_id: tuple[str, ...]) -> list[pl.Series]:
    trace = outcome.run.trace
    short = {item.session_id: item for item in outcome.unserved}
    return [
        pl.Series("strategy", [outcome.run.key] * len(session_id), dtype=pl.String),
        pl.Series("energy_start_kwh", trace.energy_start_kwh, dtype=pl.Float64),
        pl.Series("energy_end_kwh", trace.energy_end_kwh, dtype=pl.Float64),
        pl.Series("charged_kwh", trace.charged_kwh, dtype=pl.Float64),
        pl.Series("discharged_kwh", trace.discharged_kwh, dtype=pl.Float64),
        pl.Series("missing_kwh", [short[s].missing_kwh if s in short else 0.0 for s in session_id], dtype=pl.Float64),
        pl.Series("reason", [short[s].reason if s in short else None for s in session_id], dtype=pl.String),
    ]


def money_table(case: CaseResult) -> pl.DataFrame:
    """Money and what stands beside it in long form.

    Args:
        case: the case.

    Returns:
        ``case``, ``strategy``, ``month`` (null for the whole period), ``item``, ``amount`` (null where there is none)
        and ``unit``. Bill components are given by month, everything else for the period or the year.
    """
    rows: list[tuple[str, str | None, str, float | None, str]] = []
    for outcome in case.outcomes:
        rows += [(outcome.run.key, *row) for row in _bill_rows(outcome)]
        rows += [(outcome.run.key, None, *row) for row in _period_rows(case, outcome)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    return pl.DataFrame(
        [
            pl.Series("case", [case.case.name] * len(rows), dtype=pl.String),
            pl.Series("strategy", columns[0], dtype=pl.String),
            pl.Series("month", columns[1], dtype=pl.String),
            pl.Series("item", columns[2], dtype=pl.String),
            pl.Series("amount", columns[3], dtype=pl.Float64),
            pl.Series("unit", columns[4], dtype=pl.String),
        ]
    )


def _bill_rows(outcome: Outcome) -> list[tuple[str, str, float, str]]:
    bill, found = outcome.bill, []
    for month in bill.months:
        found += [(month.month, key, float(getattr(month, key)), bill.currency) for key in COMPONENTS]
        found += [(month.month, f"other: {line.name}", float(line.amount), bill.currency) for line in month.lines]
        found.append((month.month, "total", float(month.total), bill.currency))
        found.append((month.month, "peak", float(month.peak_kw), "kW"))
    return found


def _period_rows(case: CaseResult, outcome: Outcome) -> list[tuple[str, float | None, str]]:
    currency = outcome.bill.currency
    return [
        ("bill", float(outcome.bill.total), currency),
        ("wear", outcome.wear_cost, currency),
        ("unserved", outcome.unserved_cost, currency),
        ("cost", outcome.cost, currency),
        ("cost per year", case.yearly_cost(outcome.run.key), f"{currency}/year"),
        ("peak import", outcome.peak_import_kw, "kW"),
        ("served", outcome.served_kwh, "kWh"),
        ("discharged", outcome.discharged_kwh, "kWh"),
        ("missing", outcome.unserved_kwh, "kWh"),
        ("lost", outcome.carbon.loss_kwh, "kWh"),
        ("marginal CO2", outcome.carbon.marginal_kg, "kg"),
        ("average CO2", outcome.carbon.average_kg, "kg"),
    ]
