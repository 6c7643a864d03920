"""Small pieces of HTML: tables that a screen reader can follow, figures with their text, definition lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bothways.studies.report.figures.base import Figure, LegendItem
from bothways.studies.report.text import esc


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: plain text, escaped when written.
        numeric: aligned to the right.
        span: columns covered.
        style: CSS classes.
    """

    text: str
    numeric: bool = True
    span: int = 1
    style: str = ""


@dataclass(frozen=True)
class Row:
    """A row with its heading; ``style`` is a CSS class such as ``sum``; a ``part`` is a heading over rows."""

    head: str
    cells: tuple[Cell, ...]
    style: str = ""


def table(
    caption: str,
    remark: str,
    heads: Sequence[str],
    rows: Sequence[Row],
    *,
    slug: str,
    groups: str = "",
    numeric: bool = True,
    wide: bool = False,
) -> str:
    """A table in a scrolling region that the keyboard reaches.

    Args:
        caption: its title, plain text.
        remark: a line under the title, plain text; empty for none.
        heads: column headings as HTML, the first for the row headings.
        rows: body.
        slug: unique on the page.
        groups: an extra heading row as HTML.
        numeric: whether the columns after the first are numbers.
        wide: keeps the first column in sight while scrolling sideways.

    Returns:
        HTML.
    """
    first, *others = heads
    align = ' class="n"' if numeric else ""
    head = f'<th scope="col">{first}</th>' + "".join(
        text if text.startswith("<th") else f'<th scope="col"{align}>{text}</th>' for text in others
    )
    body = "".join(_row(row) for row in rows)
    small = f"<span>{esc(remark)}</span>" if remark else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{slug}-t">'
        f"<table{' class=long' if wide else ''}>"
        f'<caption><b id="{slug}-t">{esc(caption)}</b>{small}</caption><thead>{groups}<tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Row) -> str:
    cells = "".join(_cell(cell) for cell in row.cells)
    style = f' class="{row.style}"' if row.style else ""
    if row.style == "part":
        columns = 1 + sum(cell.span for cell in row.cells)
        return f'<tr class="part"><th scope="rowgroup" colspan="{columns}">{esc(row.head)}</th></tr>'
    return f'<tr{style}><th scope="row">{esc(row.head)}</th>{cells}</tr>'


def _cell(cell: Cell) -> str:
    classes = " ".join(name for name in ("n" if cell.numeric else "", cell.style) if name)
    span = f' colspan="{cell.span}"' if cell.span > 1 else ""
    style = f' class="{classes}"' if classes else ""
    return f"<td{style}{span}>{esc(cell.text)}</td>"


def words(*texts: str) -> tuple[Cell, ...]:
    """Cells of text."""
    return tuple(Cell(text, numeric=False) for text in texts)


def figure(item: Figure, level: int = 3) -> str:
    """A figure with title, its data in words, the drawing's place, a note, and the drawing as data."""
    slug = esc(item.slug)
    buttons = "".join(
        f'<button type="button" data-begin="{button.begin:.0f}" data-end="{button.end:.0f}" '
        f'aria-pressed="{"true" if place == 0 else "false"}">{esc(button.label)}</button>'
        for place, button in enumerate(item.buttons)
    )
    ranges = (
        f'<div class="ranges" role="group" aria-label="Part of the period" data-plot="{slug}">{buttons}</div>'
        if buttons
        else ""
    )
    keys = "".join(_key(entry) for entry in item.legend)
    series = f'<div class="keys" role="group" aria-label="Series" data-plot="{slug}">{keys}</div>' if keys else ""
    note = f'<p class="note">{esc(item.note)}</p>' if item.note else ""
    compact = ' data-compact="yes"' if item.compact else ""
    return (
        f'<figure><figcaption><h{level} id="{slug}-t">{esc(item.title)}</h{level}>'
        f"{note}</figcaption>{ranges}{series}"
        f'<div class="plot" id="{slug}" role="img" aria-labelledby="{slug}-t" aria-describedby="{slug}-s" '
        f'data-spec="{slug}-spec"{compact} style="height:{item.height}px"></div>'
        f'<details><summary>The figure in words</summary><p id="{slug}-s">{esc(item.summary)}</p></details>'
        f'<script type="application/json" id="{slug}-spec">{inert(item.spec)}</script></figure>'
    )


def _key(entry: LegendItem) -> str:
    return (
        f'<button type="button" data-key="{esc(entry.key)}" aria-pressed="{"true" if entry.shown else "false"}">'
        f'<i class="s-{esc(entry.dash)}" style="--c:var(--{esc(entry.colour)})"></i>{esc(entry.label)}</button>'
    )


def inert(json_text: str) -> str:
    """JSON that cannot end the script element it stands in, whatever strings it holds."""
    return json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def facts(items: Sequence[tuple[str, str]], style: str = "facts") -> str:
    """A list of short facts."""
    body = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in items)
    return f'<dl class="{style}">{body}</dl>'


def bullets(items: Sequence[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{esc(item)}</li>" for item in items) + "</ul>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph; nothing for an empty text."""
    return f"<p{f' class={style!r}' if style else ''}>{esc(text)}</p>" if text.strip() else ""
