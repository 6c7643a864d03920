"""The study's answer as a mapping that JSON can hold: numbers are finite, what does not exist is ``None``."""

from __future__ import annotations

import math
from typing import Any

from bothways.economics.figures import Figure
from bothways.studies.ageing import MIDDLE_YEARS, YEARS, Ageing, StrategyAgeing
from bothways.studies.backup import Backup
from bothways.studies.inputs import StudyInputs
from bothways.studies.leasing import replacements_of
from bothways.studies.losses import part_load
from bothways.studies.report.amounts import COMPONENTS, yearly_blindness, yearly_saving
from bothways.studies.report.text import iso_local
from bothways.studies.result import CaseResult, InvestmentResult, Outcome, StudyResult
from bothways.studies.stationary import StationaryAgeing

_DIGITS = 6


def summary(study: StudyResult) -> dict[str, object]:
    """Everything the report's tables say, without the series.

    Args:
        study: what the study found.

    Returns:
        ``name``, ``period``, ``currency``, ``cases`` with their ``strategies``, ``savings``, ``investments``,
        ``sensitivity`` and ``ageing``, ``assumptions``, ``quality``, ``notes``, ``seed`` and ``scenario``. Money is in
        the study's currency over the period unless its name ends in ``_per_year``; in ``ageing`` it is over ten years.
    """
    inputs, grid = study.inputs, study.inputs.grid
    return {
        "name": inputs.name,
        "summary": inputs.summary,
        "period": {
            "start": grid.start.isoformat(),
            "end": grid.end.isoformat(),
            "start_local": iso_local(grid, 0),
            "end_local": iso_local(grid, grid.periods),
            "tz": grid.tz,
            "step_h": grid.step_h,
            "intervals": grid.periods,
        },
        "currency": inputs.currency,
        "stays": inputs.stays.size,
        "chargers": inputs.stays.evse_count,
        "cases": [_case(case, inputs) for case in study.cases],
        "assumptions": [{"name": item.name, "value": item.value, "source": item.source} for item in inputs.assumptions],
        "quality": {
            "source": inputs.quality.source,
            "sessions_read": inputs.quality.sessions_read,
            "sessions_used": inputs.quality.sessions_used,
            "counts": [
                {"key": item.key, "name": item.name, "count": item.count, "treatment": item.treatment}
                for item in inputs.quality.counts
            ],
        },
        "notes": list(study.notes),
        "seed": inputs.seed,
        "scenario": inputs.scenario_path,
    }


def finite(value: float | None) -> float | None:
    """A number without noise in its last digits; ``None`` for what is absent or not finite.

    >>> finite(0.1 + 0.2), finite(float("inf")), finite(None)
    (0.3, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), _DIGITS) + 0.0


def _case(case: CaseResult, inputs: StudyInputs) -> dict[str, Any]:
    limits = case.case.limits
    return {
        "name": case.case.name,
        "description": case.case.description,
        "tariff": case.case.tariff.name,
        "limits": {
            "import_limit_kw": finite(limits.import_limit_kw),
            "import_hard_limit_kw": finite(limits.import_hard_limit_kw),
            "export_limit_kw": finite(limits.export_limit_kw),
        },
        "year_factors": {"by_days": finite(case.scale.by_days), "by_months": finite(case.scale.by_months)},
        "strategies": {outcome.run.key: _outcome(case, outcome) for outcome in case.outcomes},
        "savings": {
            "smart_against_uncontrolled_per_year": finite(yearly_saving(case, "smart", "uncontrolled")),
            "bidirectional_against_uncontrolled_per_year": finite(yearly_saving(case, "bidirectional", "uncontrolled")),
            "bidirectional_against_smart_per_year": finite(yearly_saving(case, "bidirectional", "smart")),
            "smart_cost_of_not_knowing_per_year": finite(yearly_blindness(case, "smart")),
            "bidirectional_cost_of_not_knowing_per_year": finite(yearly_blindness(case, "bidirectional")),
        },
        "investments": [_investment(item) for item in case.investments],
        "sensitivity": _sensitivity(case),
        "ageing": _ageing(case.ageing),
        "company_batteries": _company(case.ageing, inputs),
        "losses": {
            outcome.run.strategy: _losses(inputs, case, outcome)
            for outcome in case.outcomes
            if not outcome.run.foresight
        },
        "backup": None if case.backup is None else _backup(case.backup),
        "stationary_battery": {item.strategy: _stationary(item) for item in case.stationary},
    }


def _outcome(case: CaseResult, outcome: Outcome) -> dict[str, Any]:
    bill = outcome.bill.as_dict()
    months: Any = bill["months"]
    planning = outcome.run.planning
    return {
        "label": outcome.label,
        "bill": {
            "total": bill["total"],
            **{key: finite(round(sum(month[key] for month in months), 2)) for key in COMPONENTS},
            "months": months,
            "notes": list(outcome.bill.notes),
        },
        "wear": finite(outcome.wear_cost),
        "unserved": finite(outcome.unserved_cost),
        "cost": finite(outcome.cost),
        "cost_per_year": finite(case.yearly_cost(outcome.run.key)),
        "peak_import_kw": finite(outcome.peak_import_kw),
        "served_kwh": finite(outcome.served_kwh),
        "discharged_kwh": finite(outcome.discharged_kwh),
        "lost_kwh": finite(outcome.carbon.loss_kwh),
        "unserved_kwh": finite(outcome.unserved_kwh),
        "unserved_stays": len(outcome.unserved),
        "marginal_co2_kg": finite(outcome.carbon.marginal_kg),
        "average_co2_kg": finite(outcome.carbon.average_kg),
        "planning": {
            "plans": planning.plans,
            "worst_gap": finite(planning.worst_gap),
            "not_optimal": planning.not_optimal,
            "failed": planning.failed,
            "lower_bound": finite(planning.lower_bound),
            "messages": list(planning.messages),
        },
    }


def _investment(item: InvestmentResult) -> dict[str, Any]:
    return {
        "strategy": item.strategy,
        "reference": item.reference,
        "lines": [{"label": label, "amount": finite(amount)} for label, amount in item.lines],
        "outlay": finite(item.outlay),
        "saving_per_year": finite(item.yearly_saving),
        "running_cost_per_year": finite(item.yearly_cost),
        "npv": finite(item.npv),
        "irr": _figure(item.irr),
        "mirr": _figure(item.mirr),
        "simple_payback_years": _figure(item.simple_payback_years),
        "discounted_payback_years": _figure(item.discounted_payback_years),
        "break_even_charger_price": _figure(item.break_even_charger_price),
        "years": item.years,
        "discount_rate": finite(item.discount_rate),
        "cash_flow": [finite(amount) for amount in item.cash_flow],
    }


def _figure(item: Figure) -> dict[str, Any]:
    return {"value": finite(item.value), "note": item.note}


def _ageing(found: Ageing | None) -> dict[str, Any] | None:
    """Ageing by strategy and cell; fractions of new capacity, value in money."""
    if found is None:
        return None
    value = found.value
    return {
        "batteries": found.batteries,
        "fleet": found.fleet,
        "standing_for_chargers": found.by_charger,
        "assumed_capacity": found.assumed_capacity,
        "stays_with_assumed_soc": found.assumed_soc,
        "capacity_kwh": finite(found.capacity_kwh),
        "temperature_c": finite(found.temperature_c),
        "profile_days": finite(found.profile_days),
        "replacement_per_kwh": None if value is None else finite(value.replacement_per_kwh),
        "residual_per_kwh": None if value is None else finite(value.residual_per_kwh),
        "end_of_life": None if value is None else finite(value.end_of_life),
        "strategies": {item.strategy: _aged(found, item) for item in found.strategies},
    }


def _losses(inputs: StudyInputs, case: CaseResult, outcome: Outcome) -> dict[str, Any]:
    """Losses over the period, and what the run did not count of them."""
    found = part_load(inputs, case.case, outcome.run)
    return {
        "moved_kwh": finite(found.moved_kwh),
        "lost_as_counted_kwh": finite(found.constant_kwh),
        "lost_by_curve_kwh": finite(found.curve_kwh),
        "standby_kwh": finite(found.standby_kwh),
        "not_counted_per_year": finite(found.cost * case.scale.by_days),
    }


def _backup(found: Backup) -> dict[str, Any]:
    """Backup with and without the reserve, per year; tiers in the order of the outage scenario."""
    rows = {"as_played": found.plain, "with_reserve": found.kept}
    return {
        "outages_per_year": finite(found.terms.outages_per_year),
        "hours_per_year": finite(found.terms.hours_per_year),
        "presence": finite(found.presence),
        "reserve_soc": found.terms.reserve_soc,
        "reserve_cost_per_year": finite(found.reserve_cost),
        **{
            name: row
            and {
                "saving_per_year": finite(row.saving),
                "missed_per_year": finite(row.missed),
                "value_per_year": finite(row.value.per_year),
                "value_if_always_there": finite(row.value.if_always_there),
                "by_tier": [finite(value) for value in row.value.by_tier],
                "kwh_per_year": finite(row.value.kwh_per_year),
                "refill_per_year": finite(row.refill),
                "total_per_year": finite(row.total),
            }
            for name, row in rows.items()
        },
    }


def _company(found: Ageing | None, inputs: StudyInputs) -> dict[str, Any] | None:
    """Replacement of batteries that a company owns, by strategy and cell, per vehicle."""
    terms = inputs.ageing.company
    if found is None or terms is None:
        return None
    return {
        name: {
            item.key: {
                "best_years": item.best_years,
                "bounded": item.bounded,
                "yearly_cost": finite(item.yearly_cost),
                "monthly_lease": finite(item.monthly_lease),
                "resale": finite(item.resale),
                "buy_back": {"years": item.half_years, "price": finite(item.buy_back)},
            }
            for item in items
        }
        for name, items in replacements_of(found, terms).items()
    }


def _stationary(item: StationaryAgeing) -> dict[str, Any]:
    return {
        "health_at_start": finite(item.health),
        "cycles_per_year": finite(item.cycles_per_year),
        "end_of_second_life": finite(item.end),
        "cells": {
            cell.key: {
                "at_start": finite(cell.at_start),
                "left_after_5_years": finite(cell.after_5),
                "left_after_10_years": finite(cell.after_10),
                "years_to_end": finite(cell.years_to_end),
            }
            for cell in item.cells
        },
    }


def _aged(found: Ageing, item: StrategyAgeing) -> dict[str, Any]:
    extra = found.extra_value_lost(item.strategy) or (None,) * len(item.cells)
    points = found.changes(item.strategy, YEARS) or (None,) * len(item.cells)
    low, high = item.lowest_to_highest(YEARS)
    return {
        "cycles_per_year": finite(item.cycles_per_year),
        "mean_soc": finite(item.mean_soc),
        "left_after_10_years": {"lowest": finite(low), "highest": finite(high)},
        "cells": {
            cell.key: {
                "years": [finite(year) for year in cell.years],
                "left": [finite(left) for left in cell.left],
                "left_low": [finite(left) for left in cell.low],
                "left_high": [finite(left) for left in cell.high],
                "left_after_5_years": finite(cell.left[cell.at(MIDDLE_YEARS)]),
                "left_after_10_years": finite(cell.left[cell.at(YEARS)]),
                "calendar_loss_after_10_years": finite(cell.calendar_loss[cell.at(YEARS)]),
                "cycle_loss_after_10_years": finite(cell.cycle_loss[cell.at(YEARS)]),
                "points_against_uncontrolled": None if change is None else finite(100.0 * change),
                "value_lost_against_uncontrolled": finite(money),
            }
            for cell, change, money in zip(item.cells, points, extra, strict=True)
        },
    }


def _sensitivity(case: CaseResult) -> dict[str, Any] | None:
    found = case.sensitivity
    if found is None:
        return None
    return {
        "measure": found.measure,
        "base": finite(found.base),
        "rows": [
            {
                "name": row.name,
                "low": row.low,
                "high": row.high,
                "result_low": finite(row.result_low),
                "result_high": finite(row.result_high),
            }
            for row in found.rows
        ],
        "method": found.method,
    }
