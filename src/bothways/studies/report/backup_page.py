"""The part of a case's page on backup: what outages are worth, and what a reserve for them costs on ordinary days."""

from __future__ import annotations

from bothways.studies.backup import Backup, BackupRow
from bothways.studies.inputs import StudyInputs
from bothways.studies.report.markup import Cell, Row, paragraph, table
from bothways.studies.report.text import esc, money, money_decimals, number, percent
from bothways.studies.result import CaseResult


def backup_block(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """Everything on backup; nothing where it was not asked for."""
    found = result.backup
    if found is None:
        return ""
    return (
        f'<div class="block"><h3>{esc(_heading(found, inputs))}</h3>{paragraph(_finding(found, inputs))}</div>'
        f"{_table(found, inputs, slug)}"
    )


def _heading(found: Backup, inputs: StudyInputs) -> str:
    value = money(found.plain.value.per_year, inputs.currency)
    return f"Backup in outages is worth {value} a year with the energy that ordinary days leave"


def _finding(found: Backup, inputs: StudyInputs) -> str:
    unit, plain, kept = inputs.currency, found.plain, found.kept
    terms = found.terms
    text = (
        f"{number(terms.outages_per_year, 2)} outages a year, {number(terms.hours_per_year, 1)} hours in all; a "
        f"vehicle that may be discharged is at {percent(found.presence)} of the chargers' hours, with "
        f"{number(plain.stored_kwh, 1)} kWh on average. "
    )
    text += (
        f"If every vehicle were always there and willing, it would be "
        f"{money(plain.value.if_always_there, unit)}: their absence leaves {percent(plain.value.presence_factor)} of "
        "that."
    )
    if kept is None:
        return text
    gain = kept.value.per_year - plain.value.per_year
    verdict = "worth it" if kept.total > plain.total else "not worth it"
    return (
        f"{text} Keeping {percent(kept.reserve_soc)} of the charge on ordinary days costs "
        f"{money(found.reserve_cost, unit)} a year there and adds {money(gain, unit)} in outages: {verdict} at these "
        "values of lost load."
    )


def _table(found: Backup, inputs: StudyInputs, slug: str) -> str:
    rows = [row for row in (found.plain, found.kept) if row is not None]
    decimals = money_decimals(max(abs(row.total) for row in rows))

    def of(label: str, values: list[float], digits: int = decimals) -> Row:
        return Row(label, tuple(Cell(number(value, digits)) for value in values))

    lines = [
        of("Saving of ordinary days", [row.saving for row in rows]),
        of("Less the hours without the grid", [-row.missed for row in rows]),
        *_tiers(found, rows, of),
        of("Energy bought again", [-row.refill for row in rows]),
        of("Together", [row.total for row in rows]),
        of("Energy kept on in outages [kWh/year]", [row.value.kwh_per_year for row in rows], 1),
        of("Energy of a vehicle that is there [kWh]", [row.stored_kwh for row in rows], 1),
    ]
    heads = ["As played", *([f"{percent(found.kept.reserve_soc)} kept"] if found.kept else [])]
    return table(
        f"Ordinary days and outages together [{inputs.currency}/year]",
        "Bidirectional against uncontrolled charging without backup. A kWh counts once: outages begin with what "
        "ordinary days left in the vehicle, earn nothing else meanwhile, and are paid back.",
        ["", *heads],
        lines,
        slug=f"{slug}-backup",
    )


def _tiers(found: Backup, rows: list[BackupRow], of: object) -> list[Row]:
    assert callable(of)  # noqa: S101  (the caller's own function)
    return [
        of(f"Lost load avoided: {tier.name}", [row.value.by_tier[place] for row in rows])
        for place, tier in enumerate(found.terms.site.tiers)
    ]
