"""What all figures share: the finished figure as data, the quiet layout, site-local axes, panel headings."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.studies.report.palette import colour, mark, name_of

Floats = NDArray[np.float64]

STRATEGIES = ("uncontrolled", "smart", "bidirectional")
NAMES = {"uncontrolled": "Uncontrolled", "smart": "Smart", "bidirectional": "Bidirectional"}

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class RangeButton:
    """A button that shows a part of the x-axis: its label, first and last value."""

    label: str
    begin: float
    end: float


@dataclass(frozen=True)
class LegendItem:
    """A series that the page's legend names and switches on and off.

    Attributes:
        key: the traces' ``legendgroup``.
        label: plain text, escaped by the page.
        colour: name in the palette.
        dash: ``solid``, ``dot``, ``dash`` or ``mark``.
        shown: whether it is drawn at first.
    """

    key: str
    label: str
    colour: str
    dash: str
    shown: bool


@dataclass(frozen=True)
class Figure:
    """A figure ready for the page; all texts are plain and are escaped by the page.

    Attributes:
        slug: unique on the page.
        title: what it shows, with the finding.
        summary: the data in words, for those who do not see the drawing.
        note: how to read it, or what it leaves out; empty for none.
        spec: plotly's figure as JSON with named colours.
        height: [px].
        buttons: parts of the x-axis to jump to.
        legend: series to name; empty where the drawing names them.
        compact: True where two such figures fit side by side.
    """

    slug: str
    title: str
    summary: str
    note: str
    spec: str
    height: int
    buttons: tuple[RangeButton, ...] = ()
    legend: tuple[LegendItem, ...] = ()
    compact: bool = False


def layout(**more: Any) -> dict[str, Any]:
    """The layout that every figure starts from; ``more`` adds to it or replaces parts."""
    base: dict[str, Any] = {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 13, "color": colour("muted")},
        "margin": {"l": 56, "r": 16, "t": 34, "b": 36},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": colour("paper"), "bordercolor": colour("faint"), "font": {"color": colour("ink")}},
        "showlegend": False,  # the page draws legends itself: as buttons, which wrap on a phone and take the keyboard
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colour("faint"), "activecolor": colour("ink")},
        "separators": ".,",
        "dragmode": "zoom",
    }  # fmt: skip
    base.update(more)
    return base


def axis(**more: Any) -> dict[str, Any]:
    """A quiet axis: hairline grid, no box."""
    base: dict[str, Any] = {
        "gridcolor": colour("grid"),
        "linecolor": colour("faint"),
        "zerolinecolor": colour("faint"),
        "zeroline": False,
        "tickcolor": colour("faint"),
        "tickfont": {"color": colour("muted")},
        "automargin": True,
        "tickangle": 0,
        "exponentformat": "none",
    }
    title = more.pop("title", None)
    base.update(more)
    if title is not None:
        base["title"] = {"text": title, "font": {"size": 12, "color": colour("muted")}}
    return base


def time_axis(**more: Any) -> dict[str, Any]:
    """An axis of site-local time whose labels grow finer as the reader zooms in."""
    stops = [
        {"dtickrange": [None, 43_200_000], "value": "%H:%M\n%a %-d %b"},
        {"dtickrange": [43_200_000, "M1"], "value": "%a %-d\n%b %Y"},
        {"dtickrange": ["M1", None], "value": "%b\n%Y"},
    ]
    return axis(type="date", tickformatstops=stops, hoverformat="%a %-d %b %Y, %H:%M", showgrid=True, **more)


def heading(text: str, y: float) -> dict[str, Any]:
    """A panel's heading above its left corner; ``text`` is already safe for figures."""
    return {
        "text": f"<b>{text}</b>", "x": 0, "xref": "paper", "xanchor": "left", "y": y, "yref": "paper",
        "yanchor": "bottom", "showarrow": False, "align": "left", "font": {"color": colour("ink"), "size": 13},
    }  # fmt: skip


def panels(heights: list[float], gap: float) -> list[tuple[float, float]]:
    """Vertical domains of stacked panels from top to bottom, with ``gap`` between them (shares of the plot)."""
    room = 1.0 - gap * (len(heights) - 1)
    scale = room / sum(heights)
    domains, top = [], 1.0
    for height in heights:
        domains.append((max(0.0, top - height * scale), top))
        top -= height * scale + gap
    return domains


def rounded(values: Floats, decimals: int) -> NDArray[np.float32]:
    """Values for drawing: rounded, in single precision, which halves the page."""
    return np.round(values, decimals).astype(np.float32)


def line(x: Floats, y: Floats | NDArray[np.float32], name: str, ink: str, **more: Any) -> go.Scatter:
    """A step line: the value holds from its step's start to the next one."""
    style = {"color": colour(ink), "width": 1.6, "shape": "hv", **more.pop("line", {})}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=style, **more)


def legend(figure: go.Figure) -> tuple[LegendItem, ...]:
    """The legend of a figure's traces in their order; traces of one ``legendgroup`` share an entry."""
    found: dict[str, LegendItem] = {}
    for trace in figure.data:
        if trace.showlegend is False or not trace.name:
            continue
        key = trace.legendgroup or trace.name
        trace.legendgroup = key
        marks = trace.mode == "markers"
        ink = name_of(trace.marker.color if marks else trace.line.color)
        dash = "mark" if marks else trace.line.dash or "solid"
        found.setdefault(key, LegendItem(key, html.unescape(trace.name), ink, dash, trace.visible != "legendonly"))
    return tuple(found.values())


def to_spec(figure: go.Figure) -> str:
    """JSON of a figure with named colours instead of placeholders."""
    return mark(str(figure.to_json()))
