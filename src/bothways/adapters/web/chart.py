"""Today's plan against what happened, as a chart that explains itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from bothways.adapters.web.figures import number
from bothways.adapters.web.words import Words
from bothways.operations.desk.trail import TrailPoint
from bothways.operations.desk.views import SiteView

_GREY = "#868e97"


def plan_options(view: SiteView, words: Words, trail: Sequence[TrailPoint]) -> dict[str, Any]:
    """Options of the chart: the plan as steps, what was measured as a line, the limit and now as lines of their own.

    Times are the site's wall clock, so that they read the same wherever the page is opened.
    """
    zone = ZoneInfo(view.tz)

    def wall(at: datetime) -> str:
        return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")

    planned = [[wall(step.start), round(step.vehicles_kw, 1)] for step in view.plan]
    measured = [[wall(point.at), round(point.vehicles_kw, 1)] for point in trail]
    if view.at is not None:
        measured.append([wall(view.at), round(view.vehicles_kw, 1)])
    lines: list[dict[str, Any]] = []
    if view.at is not None:
        lines.append({"xAxis": wall(view.at), "name": words("now"), "lineStyle": {"color": _GREY}})
    if view.import_limit_kw is not None and view.building_kw is not None:
        room = round(view.import_limit_kw - view.building_kw, 1)
        name = words("limit leaves {kw} kW", kw=number(room, 0, words))
        lines.append({"yAxis": room, "name": name, "lineStyle": {"color": "#c0392b"}})
    text = {"color": _GREY}
    return {
        "animation": False,
        "color": ["#4a7fd6", "#16936b"],
        "grid": {"left": 8, "right": 20, "top": 56, "bottom": 8, "containLabel": True},
        "legend": {"top": 0, "left": 0, "textStyle": text},
        "tooltip": {"trigger": "axis", ":valueFormatter": _figure(words, least=1, unit=" kW")},
        "xAxis": {"type": "time", "axisLabel": {**text, "formatter": "{HH}:{mm}", "hideOverlap": True}},
        "yAxis": {"type": "value", "name": "kW", "nameTextStyle": text,
                  "axisLabel": {**text, ":formatter": _figure(words, least=0)},
                  "splitLine": {"lineStyle": {"color": "rgba(134,142,151,0.25)"}}},
        "series": [
            {"name": words("Plan"), "type": "line", "step": "end", "showSymbol": False, "data": planned,
             "lineStyle": {"type": "dashed"}},
            {"name": words("Actual"), "type": "line", "showSymbol": False, "data": measured,
             "markLine": {"symbol": "none", "silent": True, "data": lines, "animation": False,
                          "label": {"formatter": "{b}", "position": "insideEndTop", **text}}},
        ],
    }  # fmt: skip


def _figure(words: Words, *, least: int, unit: str = "") -> str:
    """A function of the browser that writes a number in the viewer's language, with one digit at most."""
    options = f"{{minimumFractionDigits: {least}, maximumFractionDigits: 1}}"
    return f"value => value == null ? '–' : Number(value).toLocaleString('{words.language}', {options}) + '{unit}'"


def plan_chart(words: Words) -> ui.echart:
    """The chart's element, still empty."""
    told = words("Chart of what is planned for all vehicles together and what they did, in kW")
    return ui.echart({}).style("height: 17rem; width: 100%").props(f'role="img" aria-label="{told}"')
