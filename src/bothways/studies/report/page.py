"""Puts the page together: which figures a case has, in which order, and the frame around them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from bothways.studies.inputs import StudyInputs
from bothways.studies.report import ageing_page, backup_page, case_page, losses_page, money_page, study_page
from bothways.studies.report.amounts import find
from bothways.studies.report.clock import Window, choose_day, choose_week
from bothways.studies.report.figures.base import STRATEGIES
from bothways.studies.report.figures.money import cash_flow, waterfall
from bothways.studies.report.figures.presence import plug_in_share
from bothways.studies.report.figures.ribbons import FEW_EVSES, explain, ribbons, rows_to_show, span_of_days
from bothways.studies.report.figures.site import site_power
from bothways.studies.report.figures.tornado import tornado
from bothways.studies.report.figures.week import readable_week
from bothways.studies.report.markup import figure, paragraph
from bothways.studies.report.script import program
from bothways.studies.report.style import style_sheet
from bothways.studies.report.text import esc
from bothways.studies.report.words import limits_in_words
from bothways.studies.result import CaseResult, Outcome, StudyResult

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Document:
    """A whole page: body and the scripts that may run in it."""

    title: str
    body: str
    scripts: tuple[str, ...]

    def html(self) -> str:
        """The file's text. A content policy lets only these scripts run and nothing be fetched."""
        allowed = " ".join(f"'sha256-{_digest(script)}'" for script in self.scripts)
        policy = (
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
            "base-uri 'none'; form-action 'none'"
        )
        scripts = "".join(f"<script>{script}</script>" for script in self.scripts)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
            f"<title>{esc(self.title)}</title><style>{style_sheet()}</style></head>"
            f"<body>{self.body}{scripts}</body></html>\n"
        )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def document(study: StudyResult, *, rerun: str, version: str) -> Document:
    """Composes the page of a study."""
    inputs = study.inputs
    sections = [
        _section("answer", study_page.answers(study) + money_page.scoreboard(study) + study_page.reservations(study))
    ]
    sections += [_section(f"case-{place}", _case(case, inputs, place)) for place, case in enumerate(study.cases, 1)]
    reference = find(study.cases[0], "uncontrolled") or study.cases[0].outcomes[0]
    presence = figure(plug_in_share(reference.run.trace, inputs.grid, "plug-in"))
    sections += [
        _section("presence", f"<h2>When vehicles are there</h2>{presence}"),
        _section("meaning", study_page.meaning(study)),
        _section("assumptions", study_page.assumptions(inputs) + study_page.notes(study)),
        _section("quality", study_page.quality(inputs)),
        _section("rerun", study_page.rerun(study, rerun, version)),
    ]
    footer = f'<footer class="wrap">bothways {esc(version)}, seed {inputs.seed}. This file needs no network.</footer>'
    without = (
        "<noscript><p>The figures are drawn by a script, which is switched off here. Their data are told in words "
        "under each of them, and the tables hold the numbers.</p></noscript>"
    )
    body = (
        '<a class="skip" href="#answer">Skip to the answer</a>'
        f'{study_page.masthead(study, version)}<main class="wrap">{without}{"".join(sections)}</main>{footer}'
    )
    return Document(f"{inputs.name}: {study_page.QUESTION}", body, (get_plotlyjs(), program()))


def _section(slug: str, content: str) -> str:
    return f'<section id="{slug}">{content}</section>'


def _case(case: CaseResult, inputs: StudyInputs, place: int) -> str:
    slug, grid, currency = f"c{place}", inputs.grid, inputs.currency
    reference = find(case, "uncontrolled") or case.outcomes[0]
    back = _feeding(case, inputs)
    week = choose_week(grid, back, reference.run.flows.net)
    parts = [
        f'<p class="kicker">Case {place}</p><h2>{esc(case.case.name)}</h2>',
        paragraph(case.case.description),
        paragraph(limits_in_words(case), "muted small"),
        money_page.money_table(case, inputs, f"{slug}-money"),
        case_page.bill_notes(case),
        figure(waterfall(case, currency, f"{slug}-waterfall")),
        figure(site_power(case, grid, week, f"{slug}-site")),
        figure(readable_week(case, grid, inputs.emissions, currency, week, f"{slug}-week")),
        _ribbons(case, inputs, week, slug),
        ageing_page.ageing_block(case, inputs, f"{slug}-ageing"),
        backup_page.backup_block(case, inputs, slug),
        losses_page.losses_table(case, inputs, f"{slug}-losses"),
    ]
    if case.investments:
        parts += [
            case_page.investment_table(case, inputs, f"{slug}-invest"),
            figure(cash_flow(case.investments, currency, f"{slug}-cash")),
        ]
    if case.sensitivity is not None and case.sensitivity.rows:
        parts += [
            figure(tornado(case.sensitivity, currency, f"{slug}-tornado")),
            case_page.sensitivity_table(case, inputs, f"{slug}-sensitivity"),
        ]
    parts += [case_page.unserved_table(case, f"{slug}-unserved"), case_page.planning_table(case, f"{slug}-plans")]
    return "".join(parts)


def _feeding(case: CaseResult, inputs: StudyInputs) -> Floats:
    """Power that vehicles feed back under the bidirectional strategy, positive, shape ``(T,)`` [kW]."""
    both = find(case, "bidirectional")
    if both is None:
        return np.zeros(inputs.grid.periods)
    return np.asarray(np.maximum(-both.run.trace.evse_power_kw, 0.0).sum(axis=0))


def _ribbons(case: CaseResult, inputs: StudyInputs, week: Window, slug: str) -> str:
    """Uncontrolled beside bidirectional, on the same day and in the same order of rows."""
    found = [find(case, key) for key in STRATEGIES]
    shown = [outcome for outcome in (found[0], found[2] or found[1]) if outcome is not None]
    if not shown:
        return ""
    window = _ribbon_window(case, inputs, week, shown[0])
    rows, hidden = rows_to_show(shown[0], window.span)
    if rows.size == 0:
        return ""
    drawn = "".join(
        figure(ribbons(outcome, inputs.stays, inputs.grid, window, rows, f"{slug}-soc-{outcome.run.strategy}"), 4)
        for outcome in shown
    )
    length = "The week" if window == week else "A day"
    return (
        f'<div class="block"><h3>{length} in the batteries: {esc(span_of_days(inputs.grid, window))}</h3>'
        f"{paragraph(explain(shown, inputs.stays, window, rows, hidden), 'muted small')}"
        f'<div class="pair">{drawn}</div></div>'
    )


def _ribbon_window(case: CaseResult, inputs: StudyInputs, week: Window, reference: Outcome) -> Window:
    if inputs.stays.evse_count <= FEW_EVSES:
        return week
    connected = np.asarray((reference.run.trace.evse_stay >= 0).sum(axis=0), dtype=np.float64)
    return choose_day(inputs.grid, week, _feeding(case, inputs), connected)
