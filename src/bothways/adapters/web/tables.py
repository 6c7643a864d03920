"""Plain tables that are sent again only when something in them changed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nicegui import ui


def cell(text: str, link: str = "") -> str:
    """The content of a cell.

    >>> cell("a<b", "/site/a")
    '<a href="/site/a">a&lt;b</a>'
    """
    return f'<a href="{escape(link)}">{escape(text)}</a>' if link else escape(text)


class Table:
    """A table of ready-made cells; on a phone each row becomes a card, and the roles say that it is still a table.

    Args:
        caption: what it shows, for screen readers.
        head: column names; one that begins with ``#`` holds numbers.
        empty: the sentence in place of an empty table.
    """

    def __init__(self, caption: str, head: Sequence[str], empty: str) -> None:
        self._caption, self._head, self._empty = caption, head, empty
        self._place = ui.html("", sanitize=False).classes("bw-scroll").props(f'tabindex="0" aria-label="{caption}"')
        self._place.props('role="region"')
        self._shown = ""

    def show(self, rows: Sequence[Sequence[str]]) -> None:
        """Shows rows of cells made by :func:`cell`."""
        html = self._html(rows) if rows else f"<p>{escape(self._empty)}</p>"
        if html != self._shown:
            self._shown = html
            self._place.set_content(html)

    def _html(self, rows: Sequence[Sequence[str]]) -> str:
        kinds = [' class="number"' if name.startswith("#") else "" for name in self._head]
        head = "".join(
            f'<th scope="col" role="columnheader"{kind}>{escape(name.lstrip("#"))}</th>'
            for name, kind in zip(self._head, kinds, strict=True)
        )
        body = "".join(
            '<tr role="row">'
            + "".join(
                f'<td role="cell"{kind} data-name="{escape(name.lstrip("#"))}">{text}</td>'
                for text, kind, name in zip(row, kinds, self._head, strict=True)
            )
            + "</tr>"
            for row in rows
        )
        return (
            f'<table role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
            f'<tbody role="rowgroup">{body}</tbody></table>'
        )
