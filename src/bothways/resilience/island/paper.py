"""The paper plan: how people separate the building, start it and bring it back, when no screen works. Pure HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from bothways.resilience.island.checklist import Task, island_tasks, return_tasks
from bothways.resilience.island.site import IslandSite, SourceKind

Say = Callable[[str], str]

TITLE = "Paper plan for an outage"
KEEP = "Keep this sheet at the main switch. It holds when no screen, network or server works."
DANGER = "Never start a source before the main switch is OFF, locked and checked. A fed street can kill."
LIFE = "Life safety (emergency lighting, alarms) has its own supply and is not on this sheet."
WRITE = "Write the time beside each step. One person reads, another one switches."
CONSENT = "No vehicle gives without its driver. Ask how far the driver must still get, and stop well above it."
STEPS, BACK = "When the grid has failed", "When the grid is back"
SURE = "The grid must have been good for {minutes} minutes."
SECTIONS, SOURCES = "Sections, in the order of switching on", "Sources, in the order of trying"
PEOPLE = "People to call"
CALL = ("Responsible for the site", "Electrician", "Grid operator", "Fire brigade and ambulance")
HEADS = ("tier", "section", "serves", "where", "load", "shall last")
SOURCE_HEADS = ("source", "kind", "power", "can start the building", "how")
YES, NO, TIME = "yes", "no", "time"
KINDS = {SourceKind.BATTERY: "battery", SourceKind.V2X: "charger with vehicle", SourceKind.GENERATOR: "generator"}
TEXTS = (
    TITLE, KEEP, DANGER, LIFE, WRITE, CONSENT, STEPS, BACK, SURE, SECTIONS, SOURCES, PEOPLE, *CALL, *HEADS,
    *SOURCE_HEADS, YES, NO, TIME, *KINDS.values(),
)  # fmt: skip
"""Every fixed text, for catalogues of translations."""

STYLE = """
body { font: 12pt/1.4 system-ui, sans-serif; color: #000; background: #fff; margin: 1rem auto; max-width: 46rem;
  padding: 0 1rem; }
h1 { font-size: 1.6em; margin: 0 0 0.2em; } h2 { font-size: 1.2em; margin: 1.2em 0 0.3em; break-after: avoid; }
.danger { border: 3px solid #000; padding: 0.5em 0.8em; font-weight: 700; }
ol { padding-left: 1.6em; } li { margin: 0.45em 0; break-inside: avoid; }
.box { display: inline-block; width: 1.1em; height: 1.1em; border: 2px solid #000; vertical-align: -0.2em;
  margin-right: 0.5em; }
.time { float: right; border-bottom: 1px solid #000; width: 7em; color: #444; font-size: 0.8em; }
table { border-collapse: collapse; width: 100%; } th, td { border: 1px solid #444; padding: 0.25em 0.5em;
  text-align: left; } th[scope=row] { width: 45%; } td.n { text-align: right; white-space: nowrap; }
.line td { height: 1.8em; }
@page { margin: 15mm; }
@media print { body { margin: 0; max-width: none; padding: 0; } }
"""


def paper_plan(
    site: IslandSite, say: Say, *, name: str = "", language: str = "en", contact: str = "", life_safety: bool = True,
    figure: Say = str,
) -> str:  # fmt: skip
    """The sheet as one HTML page without scripts, ready to be printed.

    Args:
        site: the building.
        say: a text in the reader's language; texts are those of :data:`TEXTS` and of ``instruction()``.
        name: of the building, the site's id by default.
        language: of ``say``, for the page.
        contact: who is responsible for the site.
        figure: a printed number as the reader's language writes it.
        life_safety: say that life safety has its own supply; not where an authority accepts it among the sections.
    """
    minutes = f"{max(1, math.ceil(site.timing.return_s / 60.0))}"
    called = [contact if k == 0 else "" for k in range(len(CALL))]
    parts = [
        f"<h1>{escape(say(TITLE))}: {escape(name or site.site_id)}</h1>",
        f"<p>{escape(say(KEEP))} {escape(say(WRITE))}</p>",
        f'<p class="danger">{escape(say(DANGER))}</p>',
        _steps(say(STEPS), island_tasks(site), say),
        _steps(say(BACK), return_tasks(site), say, say(SURE.format(minutes=minutes))),
        f"<h2>{escape(say(SECTIONS))}</h2>{_sections(site, say, figure)}",
        f"<p>{escape(say(LIFE))}</p>" if life_safety else "",
        f"<h2>{escape(say(SOURCES))}</h2>{_sources(site, say, figure)}",
        f"<p>{escape(say(CONSENT))}</p>",
        f"<h2>{escape(say(PEOPLE))}</h2>",
        _table((), [(f"<th scope=row>{escape(say(who))}</th>", f"<td>{escape(known)}</td>")
                    for who, known in zip(CALL, called, strict=True)]),
    ]  # fmt: skip
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(say(TITLE))} · {escape(name or site.site_id)}</title><style>{STYLE}</style></head>"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _steps(title: str, tasks: tuple[Task, ...], say: Say, before: str = "") -> str:
    first = f"<p>{escape(before)}</p>" if before else ""
    items = "".join(
        f'<li><span class="time">{escape(say(TIME))}</span><span class="box"></span>{escape(say(task.text))}</li>'
        for task in tasks
    )
    return f"<h2>{escape(title)}</h2>{first}<ol>{items}</ol>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(f'<tr class="line">{"".join(row)}</tr>' for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def _sections(site: IslandSite, say: Say, figure: Say) -> str:
    rows = [
        (
            f'<td class="n">{s.tier}</td>', f"<td>{escape(s.section_id)}</td>", f"<td>{escape(s.serves)}</td>",
            f"<td>{escape(s.by_hand)}</td>",
            f'<td class="n">{figure(f"{s.kw:.1f}")} kW</td>', f'<td class="n">{figure(f"{s.target_h:g}")} h</td>',
        )
        for s in site.sections
    ]  # fmt: skip
    return _table(tuple(say(text) for text in HEADS), rows)


def _sources(site: IslandSite, say: Say, figure: Say) -> str:
    rows = [
        (
            f"<td>{escape(s.source_id)}</td>", f"<td>{escape(say(KINDS[s.kind]))}</td>",
            f'<td class="n">{figure(f"{s.power_kw:g}")} kW</td>',
            f"<td>{escape(say(YES if s.grid_forming else NO))}</td>", f"<td>{escape(s.by_hand)}</td>",
        )
        for s in site.sources
    ]  # fmt: skip
    return _table(tuple(say(text) for text in SOURCE_HEADS), rows)
