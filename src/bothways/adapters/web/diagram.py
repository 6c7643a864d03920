"""The one-line diagram of a site as SVG: grid, building, PV and vehicles, with direction and size of each flow."""

from __future__ import annotations

from html import escape

from bothways.adapters.web.frame import power
from bothways.adapters.web.words import Words
from bothways.operations.desk.views import SiteView

_FULL_KW = 100.0


def _flow(x1: int, y1: int, x2: int, y2: int, kw: float | None, colour: str) -> str:
    """A line between two places; the arrow points where power goes, its width tells how much."""
    if kw is None:
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="var(--line)" stroke-dasharray="3 6" stroke-width="2"/>'
    if kw < 0.0:
        x1, y1, x2, y2 = x2, y2, x1, y1
    width = 1.5 + 9.0 * min(1.0, abs(kw) / _FULL_KW) ** 0.5
    if abs(kw) < 0.05:
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="var(--line)" stroke-width="1.5"/>'
    mx, my = (x1 + 2 * x2) / 3, (y1 + 2 * y2) / 3
    turn = {(True, False): 0 if x2 > x1 else 180}.get((x1 != x2, y1 != y2), 90 if y2 > y1 else 270)
    head = f'<path d="M-7,-7 L9,0 L-7,7 Z" fill="{colour}" transform="translate({mx:.0f},{my:.0f}) rotate({turn})"/>'
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width:.1f}"/>{head}'


def _place(x: int, y: int, name: str, value: str, note: str) -> str:
    return (
        f'<g transform="translate({x},{y})"><rect x="-78" y="-34" width="156" height="68" rx="10" fill="Canvas" '
        f'stroke="var(--line)"/><text y="-12" text-anchor="middle" font-size="15">{escape(name)}</text>'
        f'<text y="9" text-anchor="middle" font-size="17" font-weight="700">{escape(value)}</text>'
        f'<text y="26" text-anchor="middle" font-size="12" opacity="0.8">{escape(note)}</text></g>'
    )


def one_line(view: SiteView, words: Words) -> str:
    """The diagram; it also says in words what it shows, for those who do not see it."""
    net, pv, building = view.import_kw, view.pv_kw, view.building_kw
    load = None if building is None else building + (pv or 0.0)
    direction = "" if net is None else words("import") if net >= 0.0 else words("export")
    cars = sum(evse.session is not None for evse in view.evses)
    told = words(
        "Grid {grid}, building {building}, photovoltaics {pv}, vehicles {vehicles}",
        grid=f"{power(None if net is None else abs(net))} {direction}",
        building=power(load),
        pv=power(pv),
        vehicles=power(view.vehicles_kw),
    )
    parts = [
        _flow(168, 110, 300, 110, net, "var(--grid)"),
        _flow(380, 44, 380, 96, pv, "var(--pv)") if pv is not None else "",
        _flow(380, 110, 592, 60, load, "var(--line)"),
        _flow(380, 110, 592, 170, view.vehicles_kw, "var(--car)"),
        '<circle cx="340" cy="110" r="0"/><rect x="300" y="96" width="80" height="28" rx="6" fill="var(--line)"/>',
        f'<text x="340" y="115" text-anchor="middle" font-size="13" fill="Canvas">{escape(words("site"))}</text>',
        _place(90, 110, words("Grid"), power(None if net is None else abs(net)), direction),
        _place(380, 36, words("Photovoltaics"), power(pv), "") if pv is not None else "",
        _place(670, 60, words("Building"), power(load), ""),
        _place(
            670, 170, words("Vehicles"), power(abs(view.vehicles_kw)), words("{count} plugged in", count=cars)
            if view.vehicles_kw >= -0.05 else words("{count} plugged in, discharging", count=cars),
        ),
    ]  # fmt: skip
    return (
        f'<svg viewBox="0 0 760 220" role="img" aria-label="{escape(told)}" style="width:100%;height:auto;max-height:18rem" '
        f'fill="CanvasText">{"".join(parts)}</svg>'
    )
