"""From a scenario's ``[backup]`` and the outage scenario that it names to what the study needs."""

from __future__ import annotations

from pathlib import Path

from bothways.app.outage.loading import LoadedOutage, load_outage
from bothways.domain.errors import Problems
from bothways.resilience.fleet import Departure
from bothways.resilience.survival import starts_of
from bothways.studies.backup_terms import BackupTerms
from bothways.studies.inputs import Assumption
from bothways.studies.scenario import Scenario
from bothways.studies.scenario_backup import BackupPart

EVERY = 11
"""Every n-th hour of the year begins an outage; 11 meets every hour of the week."""


def load_backup(
    scenario: Scenario, folder: Path, at: str
) -> tuple[BackupTerms | None, tuple[Assumption, ...], tuple[str, ...]]:
    """Reads the outage scenario: its tiers, sources, common departure and number of outages; not its vehicles.

    Args:
        scenario: of the study.
        folder: that the outage scenario's name is relative to.
        at: name of the study's file, for messages.

    Returns:
        The terms, ``None`` where the scenario has no ``[backup]``; assumptions; remarks on files.

    Raises:
        InputError: a file that cannot be read or is wrong, no number of outages, or another currency.
    """
    part = scenario.backup
    if part is None:
        return None, (), ()
    path = folder / part.outage
    problems = Problems(at=at)
    if not path.is_file():
        problems.add("backup.outage", part.outage, "a file", "Name an outage scenario beside this file.")
        problems.raise_if_any()
    loaded = load_outage(path)
    said = loaded.scenario.outage
    per_year = said.per_year if part.per_year is None else part.per_year
    if per_year is None:
        problems.add("backup.per_year", "nothing", "the expected number of outages a year, here or in the outage "
                     "scenario's [outage] per_year", "Give it with its source.")  # fmt: skip
    if said.currency != scenario.study.currency:
        problems.add("backup.outage", said.currency, f"prices in {scenario.study.currency}, as the study's",
                     "Give the value of lost load in the study's currency.")  # fmt: skip
    if min(scenario.vehicles.discharge_kw, scenario.chargers.discharge_kw) <= 0.0:
        problems.add("backup", "one-way vehicles or chargers", "vehicles and chargers with discharge_kw above 0",
                     "Leave [backup] out: who cannot feed back keeps nothing on.")  # fmt: skip
    problems.raise_if_any()
    assert per_year is not None  # noqa: S101  (a missing number would have raised)
    gone = loaded.scenario.departure
    terms = BackupTerms(
        site=loaded.site,
        starts=starts_of(loaded.grid, EVERY),
        outages_per_year=per_year,
        outage_h=tuple(part.outage_h),
        reserve_soc=part.reserve_soc,
        compliance=part.compliance,
        leaves_as_usual=part.leaves_as_usual,
        charger_availability=part.charger_availability,
        departure=Departure(gone.chance, gone.share, gone.after_h) if gone else Departure(),
        draws=part.draws,
    )
    return terms, tuple(_said(part, loaded, terms, scenario.study.currency)), loaded.warnings


def _said(part: BackupPart, loaded: LoadedOutage, terms: BackupTerms, unit: str) -> list[Assumption]:
    outage = loaded.scenario.outage
    source = part.source if part.per_year is not None else outage.per_year_source
    lengths = ", ".join(f"{hours} h {share:.0%}" for hours, share in terms.outage_h)
    found = [
        Assumption("backup: outages", f"{terms.outages_per_year:g} a year", source),
        Assumption("backup: lengths of outages", lengths, part.source),
        Assumption(
            "backup: drivers and chargers in an outage",
            f"{part.compliance:.0%} let the energy be used, {part.leaves_as_usual:.0%} leave as usual, "
            f"{part.charger_availability:.0%} of chargers work",
            part.source,
        ),
        Assumption("backup: the building without the grid", f"{part.outage}: {outage.name}", "outage scenario"),
    ]
    tiers = [tier for tier in loaded.scenario.tier if tier.name not in loaded.left_out]
    found += [
        Assumption(f"backup: value of lost load, {tier.name}", f"{tier.voll_per_kwh:g} {unit}/kWh", tier.voll_source)
        for tier in tiers
    ]
    if part.reserve_soc is not None:
        text = f"nobody is discharged below {part.reserve_soc:.0%} on ordinary days, and below the driver's floor never"
        found.append(Assumption("backup: reserve that is tried", text, part.source))
    return found
