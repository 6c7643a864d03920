"""Figures of the outage plan: survival by tier, the year hour by hour, seasons, and what a choice costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bothways.app.outage import words
from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.summary import by_season_and_hour
from bothways.resilience.planning import OutagePlan, Variant
from bothways.resilience.site import Tier
from bothways.studies.report.figures.base import Figure, axis, layout, legend, rounded, to_spec
from bothways.studies.report.palette import colour, soc_scale
from bothways.studies.report.text import chart, number, percent, sentence_list

INKS = ("bidirectional", "smart", "carbon", "limit", "export")
"""Colours of the tiers in their order."""
_SEASON_INKS = ("smart", "carbon", "bidirectional", "export")
_SHADES = {"bidirectional": "bidirectional-tint", "smart": "smart-tint"}

_DAY_TICKS = (0, 59, 120, 181, 243, 304)
_DAY_NAMES = ("Jan", "Mar", "May", "Jul", "Sep", "Nov")


def label(tier: Tier) -> str:
    """A tier's short name in figures and tables."""
    return f"T{tier.level} {tier.name}"


def telling(plan: OutagePlan) -> int:
    """The tier for which the hour of the start matters most: the widest spread over starts."""
    spreads = [float(answer.survived[:, plan.wishes.target - 1].std()) for answer in plan.answers]
    return int(np.argmax(spreads))


def _with_start(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[1.0], values])


def survival(plan: OutagePlan) -> Figure:
    """Chance to have every hour so far, by tier, with the spread over start hours, and without vehicles."""
    figure = go.Figure(
        layout=layout(
            xaxis=axis(title="hours since the grid failed", dtick=12, range=[0, plan.wishes.horizon]),
            yaxis=axis(tickformat=".0%", range=[0, 1.02], rangemode="tozero"),
            hovermode="x unified",
            margin={"l": 56, "r": 16, "t": 12, "b": 48},
        )
    )
    hours = np.arange(plan.wishes.horizon + 1)
    for place, (tier, answer, without) in enumerate(zip(plan.site.tiers, plan.answers, plan.without, strict=True)):
        ink, name = INKS[place % len(INKS)], chart(label(tier))
        if place == 0:
            low, _, high = answer.quantiles()
            band = {"mode": "lines", "line": {"width": 0, "color": colour(ink)}, "hoverinfo": "skip"}
            figure.add_trace(go.Scatter(x=hours, y=rounded(_with_start(high), 4), showlegend=False, **band))
            figure.add_trace(
                go.Scatter(
                    x=hours, y=rounded(_with_start(low), 4), fill="tonexty", fillcolor=colour(_SHADES[ink]),
                    showlegend=False, **band,
                )
            )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=hours, y=rounded(_with_start(answer.curve), 4), mode="lines", name=name,
                line={"color": colour(ink), "width": 2.2}, hovertemplate="%{y:.1%}",
            )
        )  # fmt: skip
        if plan.fleet is not None:
            figure.add_trace(
                go.Scatter(
                    x=hours, y=rounded(_with_start(without.curve), 4), mode="lines", name=f"{name}, no vehicles",
                    line={"color": colour(ink), "width": 1.3, "dash": "dot"}, hovertemplate="%{y:.1%}",
                )
            )  # fmt: skip
    first, target = plan.site.tiers[0], plan.wishes.target
    chance = plan.answers[0].at(target)
    return Figure(
        slug="survival",
        title=f"{words.chance(chance)} of outages of {target} h are carried for {first.name}",
        summary=" ".join(
            f"{label(tier)}: {_said(answer.curve, plan.wishes.horizon)}."
            for tier, answer in zip(plan.site.tiers, plan.answers, strict=True)
        ),
        note=(
            "Each line keeps one tier and all before it on and switches the rest off at once. It is the mean over all "
            f"start hours of the year; the shade around T{first.level} holds all but the worst and the best tenth of "
            "start hours."
        ),
        spec=to_spec(figure),
        legend=legend(figure),
        height=380,
    )


def _said(curve: NDArray[np.float64], horizon: int) -> str:
    return sentence_list([f"{percent(float(curve[h - 1]))} at {h} h" for h in (4, 12, 24, 72) if h <= horizon])


def year_map(loaded: LoadedOutage, plan: OutagePlan) -> Figure:
    """Every start hour of the year as a cell: chance that the telling tier lasts the target hours."""
    place, target = telling(plan), plan.wishes.target
    tier, column = plan.site.tiers[place], plan.answers[place].survived[:, target - 1]
    local = loaded.grid.local
    day = local.date_ordinal - local.date_ordinal[0]
    cells = np.full((24, int(day[-1]) + 1), np.nan)
    cells[local.hour[plan.starts.hour], day[plan.starts.hour]] = column
    figure = go.Figure(
        go.Heatmap(
            z=np.round(cells, 2).tolist(), zmin=0.0, zmax=1.0, colorscale=soc_scale(), hoverongaps=False,
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
            hovertemplate="day %{x}, %{y}:00: %{z:.0%}<extra></extra>",
        ),
        layout=layout(
            hovermode="closest",
            xaxis=axis(tickvals=list(_DAY_TICKS), ticktext=list(_DAY_NAMES), showgrid=False),
            yaxis=axis(tickvals=[0, 6, 12, 18], ticktext=["0:00", "6:00", "12:00", "18:00"], autorange="reversed",
                       showgrid=False),
            margin={"l": 56, "r": 16, "t": 12, "b": 36},
        ),
    )  # fmt: skip
    worst, best = int(np.argmin(column)), int(np.argmax(column))
    return Figure(
        slug="year",
        title=f"Every hour of the year as a start: {label(tier)} for {target} h",
        summary=(
            f"The chance lies between {percent(float(column[worst]))} and {percent(float(column[best]))}; by the hour "
            f"of the start the mean is lowest at {_hour_of(plan, column, lowest=True)}:00 and highest at "
            f"{_hour_of(plan, column, lowest=False)}:00."
        ),
        note=(
            "A column is a day, a row the local hour at which the grid fails; dark is carried, light is not. The hour "
            "that the clock skips in spring is blank."
        ),
        spec=to_spec(figure),
        height=300,
    )


def _hour_of(plan: OutagePlan, column: NDArray[np.float64], *, lowest: bool) -> int:
    means = np.array([column[plan.starts.day_hour == hour].mean() for hour in range(24)])
    return int(np.argmin(means) if lowest else np.argmax(means))


def seasons(plan: OutagePlan) -> Figure:
    """Chance to last the target hours by season and hour of the start."""
    chosen = telling(plan)
    found = by_season_and_hour(plan, plan.answers[chosen])
    figure = go.Figure(
        layout=layout(
            xaxis=axis(title="local hour at which the grid fails", dtick=6, range=[0, 23]),
            yaxis=axis(tickformat=".0%", rangemode="tozero"),
            margin={"l": 56, "r": 16, "t": 12, "b": 48},
        )
    )
    told = []
    for place, row in enumerate(found):
        values = [np.nan if value is None else float(value) for value in row["by_hour"]]  # type: ignore[attr-defined]
        ink, name = _SEASON_INKS[place], str(row["season"])
        figure.add_trace(
            go.Scatter(
                x=list(range(24)), y=rounded(np.array(values), 4), name=name, mode="lines",
                line={"color": colour(ink), "width": 2}, hovertemplate="%{y:.0%}",
            )
        )  # fmt: skip
        told.append(f"{name}: {percent(float(np.nanmin(values)))} to {percent(float(np.nanmax(values)))}")
    return Figure(
        slug="seasons",
        title="By season and hour of the start",
        summary="; ".join(told) + ".",
        note=f"Chance that {label(plan.site.tiers[chosen])} lasts {plan.wishes.target} h.",
        spec=to_spec(figure),
        legend=legend(figure),
        height=320,
    )


def trade_off(plan: OutagePlan) -> Figure:
    """What kilometres kept in the vehicles cost in hours of power."""
    return _sweep(
        plan, plan.reserve, "reserve", "kilometres that every vehicle keeps",
        [item.value for item in plan.reserve], "",
        "The reserve trade-off: kilometres kept against hours of power",
        f"Every vehicle keeps energy for the same distance; cold months need more for it. Hours carried on average, "
        f"of {plan.wishes.horizon} that were followed.",
    )  # fmt: skip


def compliance(plan: OutagePlan) -> Figure:
    """What it changes how many drivers let their energy be used."""
    return _sweep(
        plan, plan.compliance, "compliance", "share of drivers who let their energy be used",
        [item.value for item in plan.compliance], ".0%",
        f"If fewer drivers take part: chance to last {plan.wishes.target} h",
        "Every driver decides alone with this chance; the reserves are those of the scenario.",
    )  # fmt: skip


def _sweep(
    plan: OutagePlan, items: Sequence[Variant], slug: str, along: str, x: list[float], tick: str, title: str, note: str
) -> Figure:
    hours = slug == "reserve"
    form = {"tickformat": tick} if tick else {}
    up = {"ticksuffix": " h"} if hours else {"tickformat": ".0%"}
    figure = go.Figure(
        layout=layout(
            xaxis=axis(title=along, **form), yaxis=axis(rangemode="tozero", **up),
            margin={"l": 56, "r": 16, "t": 12, "b": 48},
        )
    )  # fmt: skip
    told = []
    for place, tier in enumerate(plan.site.tiers):
        values = [float((item.mean_hours if hours else item.chance)[place]) for item in items]
        figure.add_trace(
            go.Scatter(
                x=x, y=rounded(np.array(values), 4), name=chart(label(tier)), mode="lines+markers",
                line={"color": colour(INKS[place % len(INKS)]), "width": 2}, marker={"size": 8},
                hovertemplate="%{y:.1f} h" if hours else "%{y:.1%}",
            )
        )  # fmt: skip
        shown = [f"{number(v, 1)} h" if hours else percent(v) for v in values]
        told.append(f"{label(tier)}: " + ", ".join(f"{s} at {i.name}" for s, i in zip(shown, items, strict=True)))
    return Figure(
        slug=slug, title=title, summary="; ".join(told) + ".", note=note, spec=to_spec(figure), legend=legend(figure),
        height=320,
    )  # fmt: skip
