"""The parts of the page that all cases share: head, answer, assumptions, data quality, meaning, how to rerun."""

from __future__ import annotations

from bothways.studies.inputs import StudyInputs
from bothways.studies.report.markup import Cell, Row, bullets, facts, paragraph, table, words
from bothways.studies.report.text import BREAK, count, energy, esc, number, period, sentence
from bothways.studies.report.words import (
    Phrase,
    answer,
    chargers,
    equipment,
    excludes,
    includes,
    keys,
    qualifiers,
    vehicles,
)
from bothways.studies.result import CaseResult, StudyResult

QUESTION = "What is charging in both directions worth here?"


def masthead(study: StudyResult, version: str) -> str:
    """Title, summary and the facts of the study."""
    inputs = study.inputs
    items = [
        ("Period, site-local days", period(inputs.grid)),
        (
            "Time zone and step",
            f"{inputs.grid.tz.replace('_', ' ').replace('/', '/' + BREAK)}, {number(inputs.grid.step_h * 60)} min",
        ),
        ("Charging stays", number(inputs.stays.size)),
        ("Chargers", number(chargers(inputs))),
    ]
    known = vehicles(inputs)
    items.append(("Vehicles", number(known) if known else "not identified in the data"))
    if study.cases:
        items.append(("Energy charged, uncontrolled", energy(study.cases[0].outcomes[0].served_kwh)))
    return (
        f'<header class="mast wrap"><p class="brand"><b>bothways</b> study report, version {esc(version)}</p>'
        f"<h1>{esc(inputs.name)}</h1>{paragraph(inputs.summary, 'lede')}{facts(items)}{_contents(study)}</header>"
    )


def _contents(study: StudyResult) -> str:
    links = [("answer", "The answer")]
    links += [(f"case-{place}", case.case.name) for place, case in enumerate(study.cases, 1)]
    links += [("presence", "When vehicles are there"), ("meaning", "What the money means")]
    links += [("assumptions", "Assumptions"), ("quality", "Data"), ("rerun", "Run it again")]
    items = "".join(f'<li><a href="#{slug}">{esc(text)}</a></li>' for slug, text in links)
    return f'<nav aria-label="Contents"><ol>{items}</ol></nav>'


def answers(study: StudyResult) -> str:
    """The answer of every case in a sentence and four figures, and what qualifies it."""
    several = len(study.cases) > 1
    blocks = "".join(_answer(case, study.inputs, several=several) for case in study.cases)
    return f"<h2>{esc(QUESTION)}</h2>{blocks}"


def _answer(case: CaseResult, inputs: StudyInputs, *, several: bool) -> str:
    title = f"<h3>{esc(case.case.name)}</h3>" if several else ""
    say = "".join(_phrase(phrase) for phrase in _spaced(answer(case, inputs)))
    stats = "".join(
        f'<div class="{esc(key.strategy)}"><dt>{esc(key.label)}</dt>'
        f"<dd>{esc(key.value)}<small>{esc(key.remark)}</small></dd></div>"
        for key in keys(case, inputs)
    )
    return (
        f'<div class="answer">{title}<p class="say">{say}</p><dl class="stats">{stats}</dl>'
        f'<div class="pays">{bullets(equipment(case, inputs))}</div></div>'
    )


def _spaced(phrases: tuple[Phrase, ...]) -> list[Phrase]:
    """Puts a blank before phrases that do not begin with punctuation."""
    return [
        phrase if place == 0 or phrase.text[0] in ",;." else Phrase(f" {phrase.text}", phrase.emphasis)
        for place, phrase in enumerate(phrases)
    ]


def _phrase(phrase: Phrase) -> str:
    text = esc(phrase.text)
    if not phrase.emphasis:
        return text
    lead = "; " if text.startswith("; ") else ""
    return f'{lead}<b class="{phrase.emphasis[0]}">{text.removeprefix(lead)}</b>'


def reservations(study: StudyResult) -> str:
    """What a reader must know before using the figures."""
    return f"<h3>Before you use these figures</h3>{bullets(qualifiers(study))}"


def meaning(study: StudyResult) -> str:
    """What the money counts and what it leaves out."""
    return (
        '<h2>What the money means</h2><div class="two">'
        f"<div><h3>It counts</h3>{bullets(includes(study))}</div>"
        f"<div><h3>It leaves out</h3>{bullets(excludes(study))}</div></div>"
    )


def assumptions(inputs: StudyInputs) -> str:
    """Every number that was not measured, with its source."""
    if not inputs.assumptions:
        return f"<h2>Assumptions</h2>{paragraph('None: every number of this study was measured or given by a tariff.')}"
    rows = [Row(sentence(item.name), words(item.value, item.source)) for item in inputs.assumptions]
    return "<h2>Assumptions</h2>" + table(
        "Numbers that were not measured",
        f"{count(len(rows), 'assumption')}, each with where it comes from.",
        ["Assumption", "Value", "Source"],
        rows,
        slug="assumed",
        numeric=False,
        wide=True,
    )


def quality(inputs: StudyInputs) -> str:
    """What had to be treated in the session data, in plain words."""
    data = inputs.quality
    met = [item for item in data.counts if item.count]
    rows = [Row(sentence(item.name), (Cell(number(item.count)), *words(item.treatment))) for item in met]
    looked = [item.name for item in data.counts if not item.count]
    text = (
        f"{count(data.sessions_used, 'session')} of {data.sessions_read:,} read were used. Source: {data.source}."
        if data.sessions_read
        else f"No recorded sessions. Source: {data.source}."
    )
    body = f"<h2>The data</h2>{paragraph(text)}"
    if rows:
        body += table(
            "What was found in the session data",
            "Every case is counted, whatever was done about it.",
            ["Found", "Sessions", '<th scope="col">What was done</th>'],
            rows,
            slug="treated",
            wide=True,
        )
    if looked:
        body += f"<details><summary>Looked for and not met</summary>{bullets(looked)}</details>"
    return body


def notes(study: StudyResult) -> str:
    """Remarks of the study on how it was computed; nothing without any."""
    return f"<h3>How it was computed</h3>{bullets(study.notes)}" if study.notes else ""


def rerun(study: StudyResult, command: str, version: str) -> str:
    """How to get the same page again."""
    made = f"bothways {version}, seed {study.inputs.seed}, scenario {study.inputs.scenario_path}."
    return (
        "<h2>Run it again</h2><p>The same command gives the same figures:</p>"
        f'<pre tabindex="0"><code>{esc(command)}</code></pre>{paragraph(made, "muted small")}'
        f"{paragraph('Every number of this page lies beside it as Parquet, CSV and JSON.', 'muted small')}"
    )
