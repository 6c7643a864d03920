"""Figures of money: where the saving comes from, and when the equipment has paid for itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from bothways.studies.report.amounts import LABELS, amounts, find
from bothways.studies.report.figures.base import NAMES, STRATEGIES, Figure, axis, layout, legend, to_spec
from bothways.studies.report.palette import colour
from bothways.studies.report.text import chart, money, money_decimals, number, percent, sentence_list, signed
from bothways.studies.result import CaseResult, InvestmentResult

_CUT_BELOW = 0.5
_CASH_DASHES = {"uncontrolled": "solid", "smart": "dash"}


@dataclass(frozen=True)
class _Row:
    """A bar of the waterfall: a total (``start`` is ``None``) or a change from ``start`` to ``end``."""

    label: str
    start: float | None
    end: float
    strategy: str


def waterfall(result: CaseResult, currency: str, slug: str) -> Figure:
    """From the uncontrolled cost to the bidirectional one, component by component.

    Where the changes are small beside the totals, the axis does not begin at zero; totals are then drawn as marks
    rather than bars, because a cut bar would lie about its length.
    """
    rows = _waterfall_rows(result)
    ends = [row.end for row in rows]
    low, high = min(0.0, *ends), max(0.0, *ends)
    cut = (max(ends) - min(ends)) < _CUT_BELOW * (high - low)
    if cut:
        spread = max(max(ends) - min(ends), 1e-9)
        low, high = min(ends) - 0.15 * spread, max(ends) + 0.05 * spread
    else:
        low, high = low - (0.12 * (high - low) if low < 0 else 0.0), high + 0.02 * (high - low)
        high = max(high, low + 1.0)
    decimals = money_decimals(max(abs(end) for end in ends))
    figure = go.Figure(layout=layout(
        hovermode="closest", barmode="overlay", bargap=0.32,
        margin={"l": 60, "r": 64, "t": 10, "b": 44},
        xaxis=axis(range=[low, high], separatethousands=True, nticks=6, title=f"{chart(currency)} over the period"),
        yaxis=axis(
            range=[len(rows) - 0.5, -0.5], showgrid=False, tickvals=list(range(len(rows))),
            ticktext=[f"<b>{row.label}</b>" if row.start is None else row.label for row in rows],
        ),
    ))  # fmt: skip
    for place, row in enumerate(rows):
        _waterfall_bar(figure, place, row, decimals, cut=cut)
    for place, row in enumerate(rows[:-1]):
        figure.add_shape(
            type="line", x0=row.end, x1=row.end, y0=place, y1=place + 1, line={"color": colour("faint"), "width": 1},
            layer="below",
        )  # fmt: skip
    note = "Each bar is one component of bill, wear and energy not served; unchanged components are left out."
    if cut:
        note += f" The axis begins at {money(low, currency, decimals)}, not at zero, so totals are marks without bars."
    return Figure(
        slug=slug,
        title=f"Where the money goes: {_steps(result, currency, decimals)}",
        summary=_waterfall_summary(rows, currency, decimals),
        note=note,
        spec=to_spec(figure),
        height=30 * len(rows) + 70,
    )


def _waterfall_rows(result: CaseResult) -> list[_Row]:
    rows: list[_Row] = []
    before: dict[str, float] | None = None
    for strategy in STRATEGIES:
        outcome = find(result, strategy)
        if outcome is None:
            continue
        now = amounts(outcome)
        if before is not None:
            level = sum(before.values())
            for key, label in LABELS.items():
                change = now[key] - before[key]
                if abs(change) >= max(0.005, 1e-5 * abs(level)):
                    rows.append(_Row(label, level, level + change, strategy))
                level += change
        rows.append(_Row(NAMES[strategy], None, outcome.cost, strategy))
        before = now
    return rows


def _waterfall_bar(figure: go.Figure, place: int, row: _Row, decimals: int, *, cut: bool) -> None:
    hover = f"{row.label}: {number(row.end, decimals)}<extra></extra>"
    if row.start is not None:
        change = row.end - row.start
        figure.add_trace(go.Bar(
            orientation="h", y=[place], x=[change], base=[row.start], hovertemplate=f"{row.label}: "
            f"{signed(change, decimals)}<extra></extra>",
            marker={"color": colour("less" if change < 0 else "more")},
        ))  # fmt: skip
    elif cut:
        figure.add_trace(go.Scatter(
            x=[row.end], y=[place], mode="markers", hovertemplate=hover,
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 4, "color": colour(row.strategy)}},
        ))  # fmt: skip
    else:
        figure.add_trace(go.Bar(
            orientation="h", y=[place], x=[row.end], hovertemplate=hover, marker={"color": colour(row.strategy)}
        ))  # fmt: skip
    text = number(row.end, decimals) if row.start is None else signed(row.end - row.start, decimals)
    right = max(row.end, row.start if row.start is not None else row.end)
    ink = row.strategy if row.start is None else "less" if row.end < row.start else "more"
    figure.add_annotation(
        text=f"<b>{text}</b>" if row.start is None else text, x=max(right, 0.0) if not cut else right, y=place,
        xanchor="left", showarrow=False, xshift=6, font={"color": colour(ink), "size": 12},
    )  # fmt: skip


def _steps(result: CaseResult, currency: str, decimals: int) -> str:
    parts = []
    for strategy in STRATEGIES:
        outcome = find(result, strategy)
        if outcome is not None:
            parts.append(f"{number(outcome.cost, decimals)} {NAMES[strategy].lower()}")
    return f"{sentence_list(parts)} [{currency}]"


def _waterfall_summary(rows: list[_Row], currency: str, decimals: int) -> str:
    parts = []
    for row in rows:
        if row.start is None:
            parts.append(f"{row.label} total {money(row.end, currency, decimals)}")
        else:
            parts.append(f"{row.label} {signed(row.end - row.start, decimals)}")
    return "; ".join(parts) + "."


def cumulative(flow: tuple[float, ...], rate: float) -> list[float]:
    """Cumulative discounted cash flow by year, year 0 first; its last value is the net present value [currency].

    >>> cumulative((-100.0, 110.0), 0.1)
    [-100.0, 0.0]
    """
    return [
        round(float(total), 9) + 0.0
        for total in np.cumsum([value / (1.0 + rate) ** year for year, value in enumerate(flow)])
    ]


def cash_flow(investments: tuple[InvestmentResult, ...], currency: str, slug: str) -> Figure:
    """Cumulative discounted cash flow of every investment: above zero it has paid for itself."""
    years = max(len(item.cash_flow) for item in investments) - 1
    figure = go.Figure(layout=layout(
        margin={"l": 60, "r": 16, "t": 12, "b": 44},
        xaxis=axis(title="Year", dtick=1 if years <= 12 else 5, showgrid=False, range=[0, years]),
        yaxis=axis(
            separatethousands=True, nticks=6, zeroline=True, zerolinecolor=colour("ink"), zerolinewidth=1.4,
            title=f"Cumulative [{chart(currency)}]",
        ),
    ))  # fmt: skip
    told = []
    for item in investments:
        total = cumulative(item.cash_flow, item.discount_rate)
        name = f"{NAMES[item.strategy]} instead of {NAMES[item.reference].lower()}"
        figure.add_trace(go.Scatter(
            x=list(range(len(total))), y=[round(value, 2) for value in total], name=name, mode="lines+markers",
            line={"color": colour(item.strategy), "width": 2, "dash": _CASH_DASHES.get(item.reference, "solid")},
            marker={"size": 5, "symbol": "circle" if item.reference == "uncontrolled" else "diamond-open"},
            hovertemplate=f"%{{y:,.0f}} {chart(currency)}",
        ))  # fmt: skip
        when = item.discounted_payback_years.value
        told.append(
            f"{name}: {money(total[0], currency)} in year 0, {money(total[-1], currency)} after "
            f"{number(len(total) - 1)} years, "
            + ("never above zero" if when is None else f"above zero after {number(when, 1)} years")
        )
    paid = [item for item in investments if item.discounted_payback_years.known]
    finding = "nothing pays back within its life" if not paid else (
        "all of it pays back" if len(paid) == len(investments) else "not all of it pays back"
    )  # fmt: skip
    return Figure(
        slug=slug,
        title=f"When the equipment has paid for itself: {finding}",
        summary=". ".join(told) + ".",
        note=f"Discounted at {percent(investments[0].discount_rate, 1)} a year.",
        spec=to_spec(figure),
        legend=legend(figure),
        height=320,
    )
