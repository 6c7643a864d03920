"""``bothways replay``: reads the study, plays the hours on both sides, prints the two bills and their difference."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from pathlib import Path

import numpy as np

from bothways.app.live.logs import configure
from bothways.app.replay.comparing import Comparison, compared, studied
from bothways.app.replay.window import WindowForm, window_of
from bothways.app.replay.world import Replay
from bothways.app.study.loading import load_study
from bothways.domain.timegrid import zone
from bothways.tariffs.bill import COMPONENTS

_MOVED_KWH = 0.5


def replay(path: Path, form: WindowForm, speed: float, *, quiet: bool = True) -> Comparison:
    """Plays the hours of a scenario as a study and as a live system over real sockets.

    Args:
        path: the scenario.
        form: which hours.
        speed: seconds of the replay per real second.
        quiet: whether to leave out progress on stderr.

    Raises:
        InputError: any problem of scenario or hours.
    """
    configure("text", "error")
    window = window_of(load_study(path).inputs, form)
    study, published = studied(window)
    played = asyncio.run(Replay(window, speed, None if quiet else _Progress()).play())
    return compared(window, study, published, played)


class _Progress:
    def __init__(self) -> None:
        self._told = -1

    def __call__(self, share: float) -> None:
        percent = math.floor(100.0 * share)
        if percent > self._told:
            self._told = percent
            end = "\n" if percent >= 100 else "\r"
            print(f"played {percent} %", end=end, file=sys.stderr, flush=True)


def show(result: Comparison, tolerance: float, *, as_json: bool) -> None:
    """Prints a comparison: bills by component, terms of the difference, what vehicles left with, how it went."""
    if as_json:
        print(json.dumps(_plain(result, tolerance)))
        return
    window, study, live = result.window, result.study, result.live
    grid, currency = window.inputs.grid, window.inputs.currency
    local = [grid.instant(step).astimezone(zone(grid.tz)) for step in (0, window.steps)]
    vehicles = int(np.isfinite(live.left_kwh).sum())
    print(f"{window.case.name}, {window.strategy}: {local[0]:%Y-%m-%d %H:%M} to {local[1]:%H:%M}, {vehicles} vehicles")
    print(f"\n{f'bill [{currency}]':16}{'study':>12}{'live':>12}{'difference':>12}")
    for name in COMPONENTS:
        one, other = study.component(name), live.component(name)
        if abs(one) > 5e-3 or abs(other) > 5e-3:
            print(f"{name.replace('_', ' '):16}{one:12.2f}{other:12.2f}{other - one:+12.2f}")
    one, other = float(study.bill.total), float(live.bill.total)
    print(f"{'total':16}{one:12.2f}{other:12.2f}{other - one:+12.2f}   {100.0 * result.difference:+.2f} %")
    if abs(result.published - one) > 5e-3:
        print(f"The study as published, whose site knows no targets of vehicles: {result.published:.2f} {currency}.")
    print("\nwhere it comes from")
    for term in result.terms:
        print(f"{term.name:16}{term.amount:+12.2f}   {term.why}")
    print("\nvehicles")
    for line in _vehicles(result):
        print(f"  {line}")
    played = result.played
    print(f"\nhow it went: {played.messages} messages of stations, {played.plans} plans, the loop stood still for")
    print(f"  {played.late_s:.1f} s at most; alarms: {_listed(played.alarms)}")
    if abs(result.difference) > tolerance:
        print(f"\nthe bills differ by more than {100.0 * tolerance:g} %", file=sys.stderr)


def _vehicles(result: Comparison) -> list[str]:
    study, live = result.study, result.live
    more = live.left_kwh - study.left_kwh
    moved = int((np.abs(more) > _MOVED_KWH).sum())
    there = int(np.isfinite(more).sum())
    return [
        f"{moved} of {there} ended with more than {_MOVED_KWH} kWh more or less stored than in the study",
        f"least {np.nanmin(more):+.1f}, greatest {np.nanmax(more):+.1f}, together {np.nansum(more):+.1f} kWh",
        f"discharged: {study.discharged_kwh:.1f} kWh in the study, {live.discharged_kwh:.1f} kWh live",
    ]


def _listed(alarms: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(alarms.items())) or "none"


def _plain(result: Comparison, tolerance: float) -> dict[str, object]:
    window = result.window
    more = result.live.left_kwh - result.study.left_kwh
    return {
        "case": window.case.name,
        "strategy": window.strategy,
        "start": window.inputs.grid.instant(0).isoformat(),
        "hours": window.steps * window.inputs.grid.step_h,
        "currency": window.inputs.currency,
        "study": {name: result.study.component(name) for name in (*COMPONENTS, "total")},
        "live": {name: result.live.component(name) for name in (*COMPONENTS, "total")},
        "published_total": result.published,
        "difference": result.difference,
        "within": abs(result.difference) <= tolerance,
        "terms": [{"name": term.name, "amount": term.amount, "why": term.why} for term in result.terms],
        "net_kw": {"study": result.study.net_kw.tolist(), "live": result.live.net_kw.tolist()},
        "stored_more_kwh": float(np.nansum(more)),
        "discharged_kwh": {"study": result.study.discharged_kwh, "live": result.live.discharged_kwh},
        "messages": result.played.messages,
        "plans": result.played.plans,
        "late_s": result.played.late_s,
        "alarms": result.played.alarms,
    }
