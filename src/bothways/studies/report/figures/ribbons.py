"""Ribbons of stored energy: one row per EVSE, colour says how full the connected vehicle is, gaps are vacant."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.simulation.stays import Stays
from bothways.studies.report.clock import Window, wall_ms
from bothways.studies.report.figures.base import NAMES, Figure, axis, layout, time_axis, to_spec
from bothways.studies.report.palette import colour, soc_scale
from bothways.studies.report.text import chart, count, local_date, number, percent, shorten
from bothways.studies.result import Outcome

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW_EVSES = 4
_MOST_ROWS = 80
_FEEDING_KW = 0.05


def rows_to_show(outcome: Outcome, span: slice) -> tuple[Ints, int]:
    """EVSEs with a vehicle in ``span``, ordered by the first plug-in, and how many occupied ones are left out."""
    present = outcome.run.trace.evse_stay[:, span] >= 0
    used = np.flatnonzero(present.any(axis=1))
    power = np.abs(outcome.run.trace.evse_power_kw[:, span]).sum(axis=1)
    kept = used[np.argsort(-power[used], kind="stable")][:_MOST_ROWS]
    first, long = present[kept].argmax(axis=1), present[kept].sum(axis=1)
    return kept[np.lexsort((long, first))], int(used.shape[0] - kept.shape[0])


def ribbons(outcome: Outcome, stays: Stays, grid: TimeGrid, window: Window, rows: Ints, slug: str) -> Figure:
    """Stored energy as a share of capacity for every EVSE in ``rows`` over ``window``.

    Args:
        outcome: the strategy.
        stays: the stays, for capacities.
        grid: the study's period.
        window: which steps.
        rows: EVSEs from top to bottom.
        slug: unique on the page.

    Returns:
        The figure; orange marks show where a vehicle feeds back.
    """
    trace, span = outcome.run.trace, window.span
    stay = trace.evse_stay[rows, span]
    share = _share(trace.evse_energy_kwh[rows, span], stay, stays)
    names = _row_names(stays, rows)
    x = wall_ms(grid)[span] + grid.step_s * 500.0
    figure = go.Figure(layout=layout(
        hovermode="closest", showlegend=False, margin={"l": 64, "r": 8, "t": 10, "b": 64},
        xaxis=time_axis(showline=False, zeroline=False),
        yaxis=axis(type="category", autorange="reversed", showgrid=False, tickfont={"size": 9}, nticks=90),
    ))  # fmt: skip
    power = trace.evse_power_kw[rows, span]
    figure.add_trace(go.Heatmap(
        x=x, y=names, z=np.round(100.0 * share).astype(np.float32), customdata=np.round(power, 1).astype(np.float32),
        zmin=0, zmax=100, colorscale=soc_scale(), xgap=0, ygap=1.5, hoverongaps=False,
        hovertemplate="%{y}, %{x|%a %H:%M}<br>%{z:.0f} % of capacity<br>power %{customdata:.1f} kW<extra></extra>",
        colorbar={
            "orientation": "h", "thickness": 8, "len": 0.6, "x": 0, "xanchor": "left", "y": 0, "yref": "container",
            "yanchor": "bottom", "tickvals": [0, 50, 100], "ticktext": ["empty", "50 %", "full"], "outlinewidth": 0,
            "tickfont": {"color": colour("muted"), "size": 11},
        },
    ))  # fmt: skip
    feeding = power < -_FEEDING_KW
    if feeding.any():
        row, step = np.nonzero(feeding)
        figure.add_trace(go.Scatter(
            x=x[step], y=[names[k] for k in row], mode="markers", hoverinfo="skip",
            marker={"color": colour("bidirectional"), "size": 5, "symbol": "square"},
        ))  # fmt: skip
    return Figure(
        slug=slug,
        title=f"{NAMES[outcome.run.strategy]}: {_finding(outcome, window, grid)}",
        summary=_summary(outcome, stay, share),
        note="",
        spec=to_spec(figure),
        height=max(170, 11 * rows.shape[0] + 110) if rows.shape[0] > FEW_EVSES else 46 * rows.shape[0] + 120,
        compact=True,
    )


def _share(energy_kwh: Floats, stay: NDArray[np.int32], stays: Stays) -> Floats:
    capacity = stays.capacity_kwh[np.maximum(stay, 0)] if stays.size else np.ones(stay.shape)
    share = np.divide(energy_kwh, capacity, out=np.full(stay.shape, np.nan), where=capacity > 0.0)
    return np.where(stay >= 0, share, np.nan)


def _row_names(stays: Stays, rows: Ints) -> list[str]:
    """Short, distinct names: a category axis would merge rows of the same name."""
    names: list[str] = []
    for row in rows:
        name = chart(shorten(stays.evse_ids[row], 14))
        names.append(name if name not in names else f"{name} ({row})")
    return names


def _finding(outcome: Outcome, window: Window, grid: TimeGrid) -> str:
    power = outcome.run.trace.evse_power_kw[:, window.span]
    back = float(np.maximum(-power, 0.0).sum() * grid.step_h)
    drawn = float(np.maximum(power, 0.0).sum() * grid.step_h)
    text = f"{number(drawn)} kWh charged"
    if back > 0.05:
        text += f", {number(back)} kWh fed back"
    return text


def _summary(outcome: Outcome, stay: NDArray[np.int32], share: Floats) -> str:
    who = np.unique(stay[stay >= 0])
    if who.size == 0:
        return "No vehicle was connected."
    trace = outcome.run.trace
    last = [share[row, int(np.flatnonzero(stay[row] == i)[-1])] for i in who for row in [int(_row_of(stay, int(i)))]]
    text = (
        f"{count(int(who.size), 'stay')} on {count(int((stay >= 0).any(axis=1).sum()), 'charger')}; "
        f"at the end of what is shown the vehicles hold {percent(float(np.min(last)))} to "
        f"{percent(float(np.max(last)))} of capacity, half of them at least {percent(float(np.median(last)))}"
    )
    given = float(trace.discharged_kwh[who].sum())
    if given > 0.05:
        text += f"; {count(int((trace.discharged_kwh[who] > 0.05).sum()), 'of these stays', 'of these stays')} fed back"
    return f"{text}."


def _row_of(stay: NDArray[np.int32], i: int) -> int:
    return int(np.flatnonzero((stay == i).any(axis=1))[0])


def explain(outcomes: list[Outcome], stays: Stays, window: Window, rows: Ints, hidden: int) -> str:
    """How to read the ribbons, once for all of them."""
    parts = [
        f"Chosen because {window.why}.",
        "One row per charger; colour is stored energy as a share of usable capacity, gaps are vacant chargers.",
    ]
    if any((outcome.run.trace.evse_power_kw[rows, window.span] < -_FEEDING_KW).any() for outcome in outcomes):
        parts.append("Orange marks: the vehicle feeds back.")
    vacant = stays.evse_count - rows.shape[0] - hidden
    if vacant > 0:
        parts.append(f"Not drawn: {count(vacant, 'charger')} without a vehicle.")
    if hidden:
        parts.append(f"Not drawn: {count(hidden, 'charger')} with least energy.")
    if stays.size and not bool(stays.target_known.all()):
        parts.append("Capacity and state of charge were not measured: see the assumptions.")
    return " ".join(parts)


def span_of_days(grid: TimeGrid, window: Window) -> str:
    """The window's local days in words."""
    first, last = local_date(grid, window.begin), local_date(grid, window.end - 1)
    return first if first == last else f"{first} to {last}"
