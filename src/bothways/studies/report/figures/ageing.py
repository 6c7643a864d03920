"""Figures of battery ageing: capacity over years with the spread over cells, and what a strategy changes by cell."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from bothways.studies.ageing import YEARS, Ageing, StrategyAgeing
from bothways.studies.report.figures.base import NAMES, Figure, axis, layout, legend, to_spec
from bothways.studies.report.palette import colour, tint
from bothways.studies.report.text import chart, number, sentence_list, signed

_DASHES = {"uncontrolled": "solid", "smart": "dash", "bidirectional": "dot"}
_MARKS = {"smart": "diamond", "bidirectional": "circle"}
_END_OF_FIRST_LIFE = 80.0


def capacity_over_years(ageing: Ageing, slug: str) -> Figure:
    """Remaining capacity of every strategy: a line for the middle cell, a band from the worst to the best."""
    figure = go.Figure(layout=layout(
        margin={"l": 60, "r": 16, "t": 12, "b": 44},
        xaxis=axis(title="Years", range=[0, YEARS], dtick=1, showgrid=False),
        yaxis=axis(title="Capacity left [% of new]", nticks=7, range=[_lowest(ageing), 100.5]),
    ))  # fmt: skip
    for item in ageing.strategies:
        _band(figure, item)
    for item in ageing.strategies:
        left = 100.0 * np.median([cell.left for cell in item.cells], axis=0)
        figure.add_trace(go.Scatter(
            x=item.cells[0].years, y=[round(float(value), 3) for value in left], name=NAMES[item.strategy],
            mode="lines", legendgroup=item.strategy, hovertemplate="%{y:.2f} %",
            line={"color": colour(item.strategy), "width": 2.2, "dash": _DASHES[item.strategy]},
        ))  # fmt: skip
    figure.add_hline(y=_END_OF_FIRST_LIFE, line={"color": colour("limit"), "width": 1, "dash": "dash"})
    figure.add_annotation(
        text="end of first life", x=YEARS, y=_END_OF_FIRST_LIFE, xanchor="right", yanchor="bottom", showarrow=False,
        font={"color": colour("limit"), "size": 12},
    )  # fmt: skip
    return Figure(
        slug=slug,
        title="Capacity over ten years",
        summary=_over_years_in_words(ageing),
        note="Lines: the middle cell. Bands: from the worst cell to the best, mean over the batteries.",
        spec=to_spec(figure),
        legend=legend(figure),
        height=340,
        compact=True,
    )


def _lowest(ageing: Ageing) -> float:
    lowest = min(100.0 * item.lowest_to_highest(YEARS)[0] for item in ageing.strategies)
    return float(max(0.0, min(78.0, 5.0 * np.floor(lowest / 5.0) - 1.0)))


def _band(figure: go.Figure, item: StrategyAgeing) -> None:
    left = 100.0 * np.array([cell.left for cell in item.cells])
    years = list(item.cells[0].years)
    figure.add_trace(go.Scatter(
        x=[*years, *reversed(years)], y=np.round(np.concatenate([left.max(axis=0), left.min(axis=0)[::-1]]), 3),
        fill="toself", fillcolor=tint(item.strategy), line={"width": 0, "color": colour(item.strategy)}, mode="lines",
        hoverinfo="skip", showlegend=False, name=NAMES[item.strategy], legendgroup=item.strategy,
    ))  # fmt: skip


def _over_years_in_words(ageing: Ageing) -> str:
    told = []
    for item in ageing.strategies:
        parts = []
        for age in (YEARS / 2, YEARS):
            low, high = item.lowest_to_highest(age)
            parts.append(f"{number(100 * low, 1)} to {number(100 * high, 1)} % after {number(age)} years")
        told.append(f"{NAMES[item.strategy]}: {sentence_list(parts)}, by cell")
    return ". ".join(told) + "."


def change_by_cell(ageing: Ageing, slug: str) -> Figure:
    """Points of capacity above uncontrolled charging after ten years, a row per cell, a mark per strategy."""
    first = ageing.strategies[0]
    places = list(range(len(first.cells)))
    played = [item.strategy for item in ageing.strategies if item.strategy in _MARKS]
    points = {strategy: [100.0 * value for value in ageing.changes(strategy, YEARS)] for strategy in played}
    reach = max([0.05, *(abs(value) for values in points.values() for value in values)])
    figure = go.Figure(layout=layout(
        hovermode="closest", margin={"l": 60, "r": 16, "t": 12, "b": 44},
        xaxis=axis(title="Points above uncontrolled, after ten years", range=[-1.2 * reach, 1.2 * reach], nticks=6),
        yaxis=axis(
            range=[len(places) - 0.5, -0.5], tickvals=places, ticktext=[chart(cell.key) for cell in first.cells],
        ),
    ))  # fmt: skip
    figure.add_vline(x=0.0, line={"color": colour("ink"), "width": 1.2})
    for strategy, values in points.items():
        figure.add_trace(go.Scatter(
            x=[round(value, 3) for value in values], y=places, mode="markers", name=NAMES[strategy],
            marker={
                "color": colour(strategy), "size": 12, "symbol": _MARKS[strategy],
                "line": {"color": colour("paper"), "width": 1.5},
            },
            hovertemplate="%{x:+.2f} points<extra></extra>",
        ))  # fmt: skip
    told = [
        f"{NAMES[strategy]}: "
        + sentence_list([f"{cell.key} {signed(value, 2)}" for cell, value in zip(first.cells, values, strict=True)])
        for strategy, values in points.items()
    ]
    return Figure(
        slug=slug,
        title="What the strategies change, by cell",
        summary="Points of capacity above uncontrolled charging after ten years. " + ". ".join(told) + ".",
        note="Right of the line more capacity is left than under uncontrolled charging, left of it less.",
        spec=to_spec(figure),
        legend=legend(figure),
        height=340,
        compact=True,
    )
