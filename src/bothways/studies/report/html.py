"""The report: one HTML file that works offline, for the one who decides and for the engineer who checks."""

from __future__ import annotations

from bothways.domain.errors import DomainError
from bothways.studies.report.page import document
from bothways.studies.result import StudyResult


def render(result: StudyResult, *, rerun: str, version: str) -> str:
    """Writes the report.

    Args:
        result: what the study found; at least one case with at least one strategy.
        rerun: the command that gives this result again.
        version: of the software.

    Returns:
        A self-contained HTML document: style, script and data inside, no request to anywhere.

    Raises:
        DomainError: the study has no case, or a case has no strategy.
    """
    if not result.cases or any(all(o.run.foresight for o in case.outcomes) for case in result.cases):
        msg = "a report needs at least one case, and every case at least one strategy as it was played"
        raise DomainError(msg)
    return document(result, rerun=rerun, version=version).html()
