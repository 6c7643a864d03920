"""Plays a case's backup: bidirectional as it was, and again with a reserve kept on ordinary days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bothways.studies.backup import Backup, backup_row, presence_of, with_reserve
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.inputs import StudyInputs
from bothways.studies.result import CaseResult

STRATEGY = "bidirectional"


def backup_of(inputs: StudyInputs, result: CaseResult, on_step: Callable[[int], None] | None = None) -> Backup | None:
    """Values backup in one case, with and without the reserve that the scenario asks to try.

    Args:
        inputs: the study.
        result: the case with its outcomes.
        on_step: called with every step of the run with a reserve.

    Returns:
        ``None`` where the scenario asks for no backup.

    Raises:
        DomainError: a study without a whole week, or without vehicles that may be discharged.
    """
    terms = inputs.backup
    if terms is None:
        return None
    reference = result.outcome("uncontrolled").run
    before = result.yearly_cost("uncontrolled")
    trace = result.outcome(STRATEGY).run.trace
    plain = backup_row(inputs, result.case, trace, terms, before - result.yearly_cost(STRATEGY))
    kept = None
    if terms.reserve_soc is not None:
        held = with_reserve(inputs, terms.reserve_soc)
        run = run_closed_loop(held, result.case, STRATEGY, on_step)
        alone = replace(result, outcomes=(outcome_of(held, result.case, run, reference),))
        kept = backup_row(
            inputs, result.case, run.trace, terms, before - alone.yearly_cost(STRATEGY), terms.reserve_soc
        )  # fmt: skip
    return Backup(terms, plain, kept, presence_of(inputs, trace))
