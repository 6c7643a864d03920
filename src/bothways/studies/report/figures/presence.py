"""When vehicles are plugged in, and how much of that time they need to charge: the room that control has."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.simulation.rule_based import Trace
from bothways.studies.report.figures.base import Figure, axis, layout, legend, to_spec
from bothways.studies.report.palette import colour, tint
from bothways.studies.report.text import percent

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SATURDAY = 5
_DRAWS_KW = 0.05


def by_hour(values: Floats, grid: TimeGrid, chosen: Bools) -> Floats:
    """Mean of a series by local hour over the chosen steps, shape ``(24,)``; 0 for an hour that never occurs."""
    hour = grid.local.hour[chosen]
    total = np.bincount(hour, weights=values[chosen], minlength=24)
    return np.asarray(total / np.maximum(1, np.bincount(hour, minlength=24)))


def plug_in_share(trace: Trace, grid: TimeGrid, slug: str) -> Figure:
    """Share of chargers with a vehicle by local hour, and the share that draws power when uncontrolled.

    Args:
        trace: of uncontrolled charging.
        grid: the study's period.
        slug: unique on the page.

    Returns:
        The figure.
    """
    chargers = max(1, trace.evse_stay.shape[0])
    there = np.asarray((trace.evse_stay >= 0).sum(axis=0) / chargers)
    draws = np.asarray((trace.evse_power_kw > _DRAWS_KW).sum(axis=0) / chargers)
    weekend = grid.local.weekday >= _SATURDAY
    hours = np.arange(24)
    figure = go.Figure(layout=layout(
        margin={"l": 56, "r": 16, "t": 12, "b": 44},
        xaxis=axis(
            title="Hour of the day, site-local", showgrid=False, tickvals=list(range(0, 24, 3)),
            ticktext=[f"{hour:02d}:00" for hour in range(0, 24, 3)], range=[0, 23],
        ),
        yaxis=axis(ticksuffix=" %", rangemode="tozero", nticks=6, title="Share of chargers"),
    ))  # fmt: skip
    told, peak_gap = [], 0.0
    for chosen, words, dash in ((~weekend, "weekdays", "solid"), (weekend, "weekends", "dot")):
        if not chosen.any():
            continue
        plugged, drawing = by_hour(there, grid, chosen), by_hour(draws, grid, chosen)
        for values, ink, name in (
            (plugged, "smart", "plugged in"),
            (drawing, "uncontrolled", "charging, uncontrolled"),
        ):
            filled = ink == "uncontrolled" and dash == "solid"
            figure.add_trace(go.Scatter(
                x=hours, y=np.round(100.0 * values, 1), mode="lines", name=f"{words}: {name}",
                line={"color": colour(ink), "width": 2, "dash": dash},
                hovertemplate="%{y:.0f} %", **({"fill": "tozeroy", "fillcolor": tint(ink)} if filled else {}),
            ))  # fmt: skip
        top = int(np.argmax(plugged))
        told.append(
            f"On {words} most are plugged in at {top:02d}:00, {percent(float(plugged[top]))} of chargers; "
            f"{percent(float(drawing[top]))} then draw power when uncontrolled"
        )
        peak_gap = max(peak_gap, float((plugged - drawing).max()))
    busy, idle = float(there.mean()), float((there - draws).mean())
    waits = idle / busy if busy > 0 else 0.0
    return Figure(
        slug=slug,
        title=f"Vehicles stand plugged in but idle {percent(waits)} of the time: the room that control has",
        summary=". ".join(told)
        + f". On average over the whole period {percent(busy, 1)} of chargers are occupied; the widest gap between "
        f"plugged in and charging is {percent(peak_gap)} of chargers.",
        note="The gap between the two lines is time in which charging could wait or a vehicle could feed back.",
        spec=to_spec(figure),
        legend=legend(figure),
        height=320,
    )
