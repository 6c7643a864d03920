"""What the answer hangs on: one assumption at a time moved to its low and its high value."""

from __future__ import annotations

import plotly.graph_objects as go

from bothways.studies.report.figures.base import Figure, axis, layout, legend, to_spec
from bothways.studies.report.palette import colour
from bothways.studies.report.text import chart, money_decimals, number, sentence
from bothways.studies.result import Sensitivity, SensitivityRow


def tornado(sensitivity: Sensitivity, currency: str, slug: str) -> Figure:
    """A bar per assumption over everything between its two results and the base, with a mark at each result.

    Marks rather than bars from the base carry the results, because both may lie on the same side of it.

    Args:
        sensitivity: at least one row.
        currency: of the results.
        slug: unique on the page.

    Returns:
        The figure.
    """
    rows, base = sensitivity.rows, sensitivity.base
    values = [value for row in rows for value in (row.result_low, row.result_high)] + [base]
    decimals = money_decimals(max(abs(value) for value in values))
    spread = max(max(values) - min(values), 1e-9)
    places = list(range(len(rows)))
    figure = go.Figure(layout=layout(
        hovermode="closest", bargap=0.62, margin={"l": 60, "r": 16, "t": 8, "b": 48},
        xaxis=axis(
            range=[min(values) - 0.4 * spread, max(values) + 0.3 * spread], separatethousands=True, nticks=6,
            title=f"{chart(currency)} per year",
        ),
        yaxis=axis(
            range=[len(rows) - 0.5, -0.5], showgrid=False, tickvals=places, ticktext=[chart(row.name) for row in rows]
        ),
    ))  # fmt: skip
    reach = [(min(base, row.result_low, row.result_high), max(base, row.result_low, row.result_high)) for row in rows]
    figure.add_trace(go.Bar(
        orientation="h", y=places, x=[high - low for low, high in reach], base=[low for low, _ in reach],
        marker={"color": colour("grid")}, hoverinfo="skip", showlegend=False,
    ))  # fmt: skip
    figure.add_vline(x=base, line={"color": colour("ink"), "width": 1.2})
    for ink, name in (("low", "low value"), ("high", "high value")):
        ends = [row.result_low if ink == "low" else row.result_high for row in rows]
        said = [chart(row.low if ink == "low" else row.high) for row in rows]
        figure.add_trace(go.Scatter(
            x=ends, y=places, mode="markers", name=name, cliponaxis=False,
            marker={
                "color": colour(ink), "size": 13, "symbol": "circle" if ink == "high" else "diamond",
                "line": {"color": colour("paper"), "width": 1.5},
            },
            customdata=[[text, number(end, decimals)] for text, end in zip(said, ends, strict=True)],
            hovertemplate="%{customdata[0]}: %{customdata[1]} " + chart(currency) + "/year<extra></extra>",
        ))  # fmt: skip
    for place, row in enumerate(rows):
        _label(figure, row, place)
    return Figure(
        slug=slug,
        title=f"What the answer hangs on: most of all {rows[0].name.split(' [')[0]}",
        summary=_summary(sensitivity, decimals),
        note=(
            f"{sentence(sensitivity.measure)}; the line is the result as assumed, {number(base, decimals)}. "
            f"{sentence(sensitivity.method)}."
        ),
        spec=to_spec(figure),
        legend=legend(figure),
        height=44 * len(rows) + 100,
    )


def _label(figure: go.Figure, row: SensitivityRow, place: int) -> None:
    """Writes the assumption's values outside its marks."""
    ends = sorted([(row.result_low, chart(row.low)), (row.result_high, chart(row.high))])
    for (end, text), left in zip(ends, (True, False), strict=True):
        figure.add_annotation(
            text=text, x=end, y=place, xanchor="right" if left else "left", xshift=-10 if left else 10,
            showarrow=False, font={"color": colour("ink"), "size": 12},
        )  # fmt: skip


def _summary(sensitivity: Sensitivity, decimals: int) -> str:
    parts = [
        f"{row.name}: {number(row.result_low, decimals)} at {row.low}, "
        f"{number(row.result_high, decimals)} at {row.high}"
        for row in sensitivity.rows
    ]
    return f"{sentence(sensitivity.measure)}: {number(sensitivity.base, decimals)} as assumed. {'; '.join(parts)}."
