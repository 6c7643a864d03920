"""The one-line diagram of a site as SVG: grid, building, PV and vehicles, with direction and size of each flow."""

from __future__ import annotations

import math
from html import escape

from bothways.adapters.web.evses import aged
from bothways.adapters.web.figures import power
from bothways.adapters.web.words import Words
from bothways.operations.desk.views import SiteView

_FULL_KW = 100.0
_SMALL_KW = 0.05
Point = tuple[float, float]


def _flow(start: Point, end: Point, kw: float | None, colour: str) -> str:
    """A line between two places; the arrow points where power goes, its width tells how much."""
    if kw is not None and kw < 0.0:
        start, end = end, start
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"'
    if kw is None:
        return f'<line {ends} stroke="var(--line)" stroke-dasharray="3 6" stroke-width="2"/>'
    if abs(kw) < _SMALL_KW:
        return f'<line {ends} stroke="var(--line)" stroke-width="1.5"/>'
    width = 1.5 + 7.0 * min(1.0, abs(kw) / _FULL_KW) ** 0.5
    turn = math.degrees(math.atan2(y2 - y1, x2 - x1))
    size = 5.0 + width
    head = (
        f'<path d="M{-size:.1f},{-size:.1f} L{size:.1f},0 L{-size:.1f},{size:.1f} Z" fill="{colour}" '
        f'transform="translate({(x1 + x2) / 2:.1f},{(y1 + y2) / 2:.1f}) rotate({turn:.0f})"/>'
    )
    return f'<line {ends} stroke="{colour}" stroke-width="{width:.1f}"/>{head}'


def _place(at: Point, name: str, value: str, note: str) -> str:
    half = max(66.0, 3.1 * len(note) + 8.0)
    return (
        f'<g transform="translate({at[0]:.0f},{at[1]:.0f})">'
        f'<rect x="{-half:.0f}" y="-31" width="{2.0 * half:.0f}" height="62" rx="9" '
        f'fill="var(--paper)" stroke="var(--line)"/><text y="{-10 if note else -5}" text-anchor="middle" '
        f'font-size="13.5">{escape(name)}</text><text y="{9 if note else 16}" text-anchor="middle" font-size="17" '
        f'font-weight="700">{escape(value)}</text><text y="25" text-anchor="middle" font-size="11.5">{escape(note)}'
        "</text></g>"
    )


def one_line(view: SiteView, words: Words) -> str:
    """The diagram; it also says in words what it shows, for those who do not see it."""
    net, pv = view.import_kw, view.pv_kw
    load = None if view.building_kw is None else view.building_kw + (pv or 0.0)
    direction = "" if net is None else words("import") if net >= 0.0 else words("export")
    cars = sum(evse.session is not None for evse in view.evses)
    discharging = view.vehicles_kw < -_SMALL_KW
    note = words("{count} in, discharging", count=cars) if discharging else words("{count} plugged in", count=cars)
    if old := sum(aged(evse) for evse in view.evses):
        note = words("old readings: {count}", count=old)
    shown = power(None if net is None else abs(net), words)
    told = words(
        "Grid {grid}, building {building}, photovoltaics {pv}, vehicles {vehicles}",
        grid=f"{shown} {direction}", building=power(load, words), pv=power(pv, words),
        vehicles=power(view.vehicles_kw, words),
    )  # fmt: skip
    middle = (228.0, 118.0)
    parts = [
        _flow((138.0, 118.0), middle, net, "var(--grid)"),
        _flow((228.0, 66.0), middle, pv, "var(--pv)") if pv is not None else "",
        _flow(middle, (340.0, 66.0), load, "var(--line)"),
        _flow(middle, (340.0, 170.0), view.vehicles_kw, "var(--car)"),
        f'<circle cx="{middle[0]}" cy="{middle[1]}" r="9" fill="var(--line)"/>',
        _place((72.0, 118.0), words("Grid"), shown, direction),
        _place((228.0, 35.0), words("Photovoltaics"), power(pv, words), "") if pv is not None else "",
        _place((394.0, 64.0), words("Building"), power(load, words), "" if view.meter_fresh else words("assumed")),
        _place((394.0, 172.0), words("Vehicles"), power(abs(view.vehicles_kw), words), note),
    ]
    return f'<svg viewBox="0 0 480 210" role="img" aria-label="{escape(told)}">{"".join(parts)}</svg>'
