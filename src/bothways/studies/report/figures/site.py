"""Power at the meter over the whole period, one panel per strategy, with limits and peaks."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.studies.report.clock import Window, clock_changes, extremes, wall_ms
from bothways.studies.report.figures.base import (
    NAMES,
    Figure,
    RangeButton,
    axis,
    heading,
    layout,
    line,
    panels,
    rounded,
    time_axis,
    to_spec,
)
from bothways.studies.report.palette import colour, tint
from bothways.studies.report.text import local_moment, number, power, sentence_list
from bothways.studies.result import CaseResult, Outcome

Floats = NDArray[np.float64]

_MOST_POINTS = 4500
_REACH = 1.6
_DAY_MS = 86_400_000.0


def site_power(result: CaseResult, grid: TimeGrid, week: Window, slug: str) -> Figure:
    """One panel per strategy, same scale, so that peaks can be compared at a glance.

    Args:
        result: the case.
        grid: the study's period.
        week: the readable week, for a button.
        slug: unique on the page.

    Returns:
        The figure.
    """
    shown = [outcome for outcome in result.outcomes if not outcome.run.foresight]
    bucket = 2 * math.ceil(grid.periods / _MOST_POINTS) if grid.periods > _MOST_POINTS else 1
    x = wall_ms(grid)
    domains = panels([1.0] * len(shown), 0.075)
    figure = go.Figure(layout=layout(showlegend=False, hovermode="x"))
    notes, span = [], _power_range(result, shown)
    for row, (outcome, domain) in enumerate(zip(shown, domains, strict=True), 1):
        _panel(figure, result, grid, outcome, x, bucket, row)
        notes.append(heading(NAMES[outcome.run.strategy], domain[1] + 0.004))
        last = row == len(shown)
        figure.update_layout({
            f"yaxis{row}": axis(
                domain=domain, matches=None if row == 1 else "y", ticksuffix=" kW", nticks=5, zeroline=True,
                separatethousands=True, range=span,
            ),
            f"xaxis{row}": time_axis(
                anchor=_names(row)[1], matches=None if row == 1 else "x", showticklabels=last,
                range=[x[0], x[-1] + grid.step_s * 1000.0],
            ),
        })  # fmt: skip
    figure.layout.annotations = (*notes, *figure.layout.annotations)
    peaks = [f"{power(o.peak_import_kw)} kW {NAMES[o.run.strategy].lower()}" for o in shown]
    return Figure(
        slug=slug,
        title=f"Power at the meter: highest import {sentence_list(peaks)}",
        summary=_summary(shown, grid),
        note=_note(result, grid, bucket),
        spec=to_spec(figure),
        height=130 * len(shown) + 90,
        buttons=_buttons(x, week, int(np.argmax(shown[0].run.flows.net))),
    )


def _panel(
    figure: go.Figure, result: CaseResult, grid: TimeGrid, outcome: Outcome, x: Floats, bucket: int, row: int
) -> None:
    across, up = _names(row)
    axes = {"xaxis": across, "yaxis": up}
    strategy = outcome.run.strategy
    load = outcome.run.flows.load
    if load.any():
        times, thinned = extremes(x, load, bucket)
        figure.add_trace(line(
            times, rounded(thinned, 1), "Building alone", "load",
            line={"width": 0.8}, hovertemplate="%{y:,.1f} kW", **axes,
        ))  # fmt: skip
    times, thinned = extremes(x, outcome.run.flows.net, bucket)
    figure.add_trace(line(
        times, rounded(thinned, 1), NAMES[strategy], strategy,
        line={"width": 1.2}, fill="tozeroy", fillcolor=tint(strategy), hovertemplate="%{y:,.1f} kW", **axes,
    ))  # fmt: skip
    at = int(np.argmax(outcome.run.flows.net))
    figure.add_trace(go.Scatter(
        x=[x[at]], y=[round(outcome.peak_import_kw, 1)], mode="markers", name="Highest import",
        marker={"color": colour(strategy), "size": 9, "line": {"color": colour("paper"), "width": 1.5}},
        hovertemplate=f"highest import %{{y:,.1f}} kW<br>{local_moment(grid, at)}", **axes,
    ))  # fmt: skip
    late = at > 0.7 * grid.periods
    figure.add_annotation(
        text=f"<b>{power(outcome.peak_import_kw)} kW</b> {local_moment(grid, at)}",
        x=x[at], y=outcome.peak_import_kw, xref=across, yref=up, showarrow=False,
        xanchor="right" if late else "left", xshift=-8 if late else 8, yshift=11,
        font={"color": colour(strategy), "size": 12}, bgcolor=colour("paper"), opacity=0.92, borderpad=1,
    )  # fmt: skip
    for limit, words in _limits(result):
        figure.add_trace(go.Scatter(
            x=[x[0], x[-1]], y=[limit, limit], mode="lines", name=words, hoverinfo="skip",
            line={"color": colour("limit"), "width": 1.3, "dash": "dash"}, **axes,
        ))  # fmt: skip
        figure.add_annotation(
            text=f"{words} {power(abs(limit))} kW", x=0, xref=f"{across} domain", xanchor="left", y=limit, yref=up,
            yanchor="bottom", showarrow=False, font={"color": colour("limit"), "size": 11},
        )  # fmt: skip


def _power_range(result: CaseResult, shown: list[Outcome]) -> list[float]:
    """One range of power for all panels, with room for the label of the highest peak [kW]."""
    high = max(
        0.0, *(float(outcome.run.flows.net.max()) for outcome in shown), *(limit for limit, _ in _limits(result))
    )
    low = min(0.0, *(float(outcome.run.flows.net.min()) for outcome in shown), *(limit for limit, _ in _limits(result)))
    room = max(high - low, 1.0)
    return [low - (0.05 * room if low < 0.0 else 0.0), high + 0.22 * room]


def _names(row: int) -> tuple[str, str]:
    """The axes of a panel as traces and annotations call them: the first has no number."""
    return ("x", "y") if row == 1 else (f"x{row}", f"y{row}")


def _limits(result: CaseResult) -> list[tuple[float, str]]:
    """Limits near enough to the power to be drawn; others are told in the note."""
    limits, found = result.case.limits, []
    imported = max(1.0, *(outcome.peak_import_kw for outcome in result.outcomes))
    exported = max(0.0, *(float(-outcome.run.flows.net.min()) for outcome in result.outcomes))
    if limits.import_limit_kw <= _REACH * imported:
        found.append((limits.import_limit_kw, "contracted import"))
    if limits.import_hard_limit_kw <= _REACH * imported:
        found.append((limits.import_hard_limit_kw, "safety limit"))
    if 0.0 < limits.export_limit_kw <= _REACH * max(exported, 0.5 * imported):
        found.append((-limits.export_limit_kw, "export limit"))
    return found


def _buttons(x: Floats, week: Window, peak: int) -> tuple[RangeButton, ...]:
    begin, end = float(x[0]), float(x[-1])
    if end - begin <= 8 * _DAY_MS:
        return ()
    day = float(x[peak] // _DAY_MS * _DAY_MS)
    return (
        RangeButton("Whole period", begin, end),
        RangeButton("Week shown below", float(x[week.begin]), float(x[week.end - 1])),
        RangeButton("Day of the uncontrolled peak", day, day + _DAY_MS),
    )


def _summary(shown: list[Outcome], grid: TimeGrid) -> str:
    parts = []
    for outcome in shown:
        net = outcome.run.flows.net
        at = int(np.argmax(net))
        text = (
            f"{NAMES[outcome.run.strategy]}: highest import {power(outcome.peak_import_kw)} kW on "
            f"{local_moment(grid, at)}, mean {number(float(net.mean()), 1)} kW"
        )
        if net.min() < -0.05:
            text += f", highest export {power(float(-net.min()))} kW"
        parts.append(text)
    return ". ".join(parts) + "."


def _note(result: CaseResult, grid: TimeGrid, bucket: int) -> str:
    limits, parts = result.case.limits, []
    told = {words for _, words in _limits(result)}
    if math.isinf(limits.import_limit_kw) and math.isinf(limits.import_hard_limit_kw):
        parts.append("No limit on import was given.")
    for limit, words in ((limits.import_limit_kw, "contracted import"), (limits.import_hard_limit_kw, "safety limit")):
        if math.isfinite(limit) and words not in told:
            parts.append(f"The {words} of {power(limit)} kW lies far above and is not drawn.")
    if math.isfinite(limits.export_limit_kw) and limits.export_limit_kw > 0 and "export limit" not in told:
        parts.append(f"The export limit of {power(limits.export_limit_kw)} kW is not drawn.")
    if limits.export_limit_kw <= 0.0:
        parts.append("Export to the grid is not allowed here.")
    if bucket > 1:
        parts.append(f"The highest and the lowest power of every {number(bucket * grid.step_h, 1)} h are drawn.")
    if clock_changes(grid):
        parts.append("The clock changes in this period: one hour is missing or is drawn twice.")
    parts.append("Site-local time. Drag over the figure to look closer, double-click to go back.")
    return " ".join(parts)
