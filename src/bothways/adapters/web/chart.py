"""Today's plan against what happened, as a chart that explains itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from bothways.adapters.web.words import Words
from bothways.operations.desk.views import SiteView


def plan_options(view: SiteView, words: Words, actual: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Options of the chart: the plan as steps, what was measured as a line, a line for now; axes with units."""
    zone = ZoneInfo(view.tz)
    planned = [[step.start.astimezone(zone).isoformat(), step.vehicles_kw] for step in view.plan]
    measured = [[at, kw] for at, kw in actual]
    mark = [] if view.at is None else [{"xAxis": view.at.isoformat(), "name": words("now")}]
    return {
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 58, "right": 16, "top": 44, "bottom": 40},
        "legend": {"top": 4, "textStyle": {"color": "#888"}},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "time", "axisLabel": {"color": "#888"}},
        "yAxis": {"type": "value", "name": words("vehicles [kW]"), "nameTextStyle": {"color": "#888"},
                  "axisLabel": {"color": "#888"}},
        "series": [
            {"name": words("Plan"), "type": "line", "step": "end", "showSymbol": False, "data": planned,
             "lineStyle": {"type": "dashed"}, "markLine": {"symbol": "none", "data": mark,
             "label": {"formatter": "{b}"}, "animation": False}},
            {"name": words("Actual"), "type": "line", "showSymbol": False, "data": measured},
        ],
    }  # fmt: skip


def plan_chart(view: SiteView, words: Words) -> ui.echart:
    """The chart's element."""
    ui.label(words("Plan of all vehicles against what they did")).classes("font-bold")
    return ui.echart(plan_options(view, words, [])).classes("w-full").style("height: 16rem")
