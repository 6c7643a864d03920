"""One readable week: power of every strategy, with prices and carbon underneath on the same site-local time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.studies.inputs import Emissions
from bothways.studies.report.clock import Window, day_starts, wall_ms
from bothways.studies.report.figures.base import (
    NAMES,
    Figure,
    axis,
    heading,
    layout,
    legend,
    line,
    panels,
    rounded,
    time_axis,
    to_spec,
)
from bothways.studies.report.palette import colour, tint
from bothways.studies.report.text import chart, local_date, number, power
from bothways.studies.result import CaseResult

Floats = NDArray[np.float64]

_SATURDAY = 5


def readable_week(
    result: CaseResult, grid: TimeGrid, emissions: Emissions, currency: str, week: Window, slug: str
) -> Figure:
    """Power, price and carbon of one week.

    Args:
        result: the case.
        grid: the study's period.
        emissions: carbon intensities.
        currency: of the prices.
        week: which steps.
        slug: unique on the page.

    Returns:
        The figure.
    """
    drawing = _Drawing(grid, week)
    with_building = any(
        bool(flow.any()) for flow in (result.outcomes[0].run.flows.load, result.outcomes[0].run.flows.pv)
    )
    with_building = with_building or result.case.battery is not None
    if with_building:
        drawing.start("Power at the meter [kW]", 1.5)
        _meter(drawing, result)
    drawing.start("Vehicles [kW], fed back below zero", 1.3)
    _vehicles(drawing, result, named=not with_building)
    drawing.start(f"Energy price [{chart(currency)}/kWh]", 0.7)
    _prices(drawing, result, chart(currency))
    if emissions.marginal_kg_per_kwh is not None:
        drawing.start("Marginal CO₂ [kg/kWh]", 0.6)
        drawing.draw(emissions.marginal_kg_per_kwh, "Marginal CO₂", "carbon", 3, "%{y:.3f} kg/kWh", showlegend=False)
    first, last = local_date(grid, week.begin), local_date(grid, week.end - 1)
    return Figure(
        slug=slug,
        title=f"One week closely: {first} to {last}",
        summary=_summary(result, grid, week, emissions, currency),
        note=_note(week, emissions, result),
        spec=to_spec(drawing.finish()),
        legend=legend(drawing.figure),
        height=drawing.height,
    )


class _Drawing:
    """Collects stacked panels, then lays them out."""

    def __init__(self, grid: TimeGrid, week: Window) -> None:
        self.grid, self.week = grid, week
        self.x = wall_ms(grid)[week.span]
        self.figure = go.Figure()
        self.titles: list[str] = []
        self.heights: list[float] = []

    @property
    def height(self) -> int:
        """Height of the whole figure [px]."""
        return round(150 * sum(self.heights)) + 34 * len(self.heights) + 30

    def start(self, title: str, height: float) -> None:
        """Opens a panel below the others."""
        self.titles.append(title)
        self.heights.append(height)

    def draw(self, values: Floats, name: str, ink: str, decimals: int, hover: str, **more: object) -> None:
        """Draws a series of the whole period, cut to the week, in the open panel."""
        cut = rounded(values[self.week.span], decimals)
        place = len(self.titles)
        axes = {"xaxis": "x", "yaxis": "y" if place == 1 else f"y{place}"}
        self.figure.add_trace(line(self.x, cut, name, ink, hovertemplate=hover, **axes, **more))

    def finish(self) -> go.Figure:
        """The figure with its axes, headings and shaded weekends."""
        domains = panels(self.heights, 34 / self.height)
        axes = {
            f"yaxis{row}": axis(
                domain=domain, anchor="x", nticks=5, separatethousands=True, zeroline=True, **self._flat(row)
            )
            for row, domain in enumerate(domains, 1)
        }
        self.figure.update_layout(
            layout(
                xaxis=time_axis(anchor=f"y{len(domains)}" if len(domains) > 1 else "y"),
                annotations=[heading(t, d[1] + 0.004) for t, d in zip(self.titles, domains, strict=True)],
                shapes=self._weekends(),
                margin={"l": 56, "r": 16, "t": 26, "b": 36},
                hoversubplots="axis",
                **axes,
            )
        )
        return self.figure

    def _flat(self, row: int) -> dict[str, object]:
        """A range for a panel whose lines never move, which would be blown up to nonsense otherwise."""
        name = "y" if row == 1 else f"y{row}"
        values = np.concatenate([trace.y for trace in self.figure.data if trace.yaxis == name])
        low, high = float(values.min()), float(values.max())
        if high - low > 1e-6 * max(1.0, abs(high)):
            return {}
        return {"range": [min(0.0, 1.5 * low), max(1.5 * high, 0.1)]}

    def _weekends(self) -> list[dict[str, object]]:
        bounds = day_starts(self.grid)
        wall = np.append(wall_ms(self.grid), wall_ms(self.grid)[-1] + self.grid.step_s * 1000.0)
        shapes: list[dict[str, object]] = []
        for begin, end in pairwise(bounds):
            inside = self.week.begin <= begin < self.week.end
            if inside and self.grid.local.weekday[begin] >= _SATURDAY:
                shapes.append({
                    "type": "rect", "xref": "x", "yref": "paper", "x0": wall[begin], "x1": wall[end], "y0": 0,
                    "y1": 1, "fillcolor": colour("band"), "line": {"width": 0}, "layer": "below",
                })  # fmt: skip
        return shapes


def _meter(drawing: _Drawing, result: CaseResult) -> None:
    flows = result.outcomes[0].run.flows
    if flows.load.any():
        drawing.draw(
            flows.load, "Building alone", "load", 1, "%{y:,.1f} kW",
            fill="tozeroy", fillcolor=colour("load-tint"), line={"width": 0.8},
        )  # fmt: skip
    if flows.pv.any():
        drawing.draw(flows.pv, "Solar production", "export", 1, "%{y:,.1f} kW", line={"width": 1.0})
    for outcome in result.outcomes:
        strategy, known = outcome.run.strategy, outcome.run.foresight
        drawing.draw(
            outcome.run.flows.net, chart(outcome.label) if known else NAMES[strategy], strategy, 1, "%{y:,.1f} kW",
            legendgroup=outcome.run.key, visible="legendonly" if known else True, line=_style(strategy, known=known),
        )  # fmt: skip
    for outcome in result.outcomes:
        if outcome.run.flows.battery.any() and outcome.run.strategy == "bidirectional" and not outcome.run.foresight:
            drawing.draw(
                outcome.run.flows.battery, "Stationary battery (bidirectional case)", "carbon", 1, "%{y:,.1f} kW",
                visible="legendonly",
            )  # fmt: skip


def _vehicles(drawing: _Drawing, result: CaseResult, *, named: bool) -> None:
    for outcome in result.outcomes:
        strategy, known = outcome.run.strategy, outcome.run.foresight
        drawing.draw(
            outcome.run.flows.vehicles, chart(outcome.label) if known else NAMES[strategy], strategy, 1, "%{y:,.1f} kW",
            legendgroup=outcome.run.key, showlegend=named, visible="legendonly" if known else True,
            line=_style(strategy, known=known),
            **({"fill": "tozeroy", "fillcolor": tint(strategy)} if strategy == "uncontrolled" else {}),
        )  # fmt: skip

    for outcome in result.outcomes:
        if outcome.discharged_kwh > 0 and not outcome.run.foresight:
            back = np.minimum(outcome.run.trace.evse_power_kw, 0.0).sum(axis=0)
            drawing.draw(
                back, "Fed back by vehicles", "bidirectional", 1, "%{y:,.1f} kW", legendgroup=outcome.run.key,
                showlegend=False, fill="tozeroy", fillcolor=tint("bidirectional"), line={"width": 0.8},
            )  # fmt: skip


def _style(strategy: str, *, known: bool) -> dict[str, object]:
    """Smart is drawn wider, so that it can be seen where bidirectional runs over it."""
    return {"dash": "dot" if known else "solid", "width": 2.8 if strategy == "smart" and not known else 1.6}


def _prices(drawing: _Drawing, result: CaseResult, currency: str) -> None:
    hover = f"%{{y:.3f}} {currency}/kWh"
    both = result.case.limits.export_limit_kw > 0.0
    drawing.draw(result.case.import_price.values, "Import price", "price", 4, hover, showlegend=both)
    if both:
        drawing.draw(
            result.case.export_price.values, "Export price", "export", 4, hover, line={"dash": "dash", "width": 1.4}
        )


def _summary(result: CaseResult, grid: TimeGrid, week: Window, emissions: Emissions, currency: str) -> str:
    parts = []
    for outcome in result.outcomes:
        if outcome.run.foresight:
            continue
        vehicles = outcome.run.flows.vehicles[week.span]
        charged = float(np.maximum(vehicles, 0.0).sum() * grid.step_h)
        text = (
            f"{NAMES[outcome.run.strategy]}: meter peak {power(float(outcome.run.flows.net[week.span].max()))} kW, "
            f"vehicles drew {number(charged)} kWh with at most {power(float(vehicles.max()))} kW"
        )
        back = np.maximum(-outcome.run.trace.evse_power_kw[:, week.span], 0.0).sum(axis=0)
        if back.max() > 0.05:
            given, most = float(back.sum() * grid.step_h), float(back.max())
            text += f" and fed back {number(given)} kWh with at most {power(most)} kW"
        parts.append(text)
    price = result.case.import_price.values[week.span]
    low, high = number(float(price.min()), 3), number(float(price.max()), 3)
    parts.append(f"Import price from {low} to {high} {currency}/kWh")
    if emissions.marginal_kg_per_kwh is not None:
        carbon = emissions.marginal_kg_per_kwh[week.span]
        parts.append(f"Marginal CO₂ from {number(float(carbon.min()), 2)} to {number(float(carbon.max()), 2)} kg/kWh")
    return ". ".join(parts) + "."


def _note(week: Window, emissions: Emissions, result: CaseResult) -> str:
    parts = [
        f"Chosen because {week.why}.",
        "Site-local time; weekends are shaded. Press a name to show or hide its line.",
    ]
    if result.case.limits.export_limit_kw <= 0.0:
        parts.append("No export price is drawn because export is not allowed.")
    if emissions.marginal_kg_per_kwh is None:
        parts.append("No CO₂ panel: no marginal CO₂ signal was given.")
    return " ".join(parts)
