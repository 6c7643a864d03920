"""The island controller's memory: frozen, comparable, small, and kept over a restart as a plain mapping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from bothways.domain.errors import Problems
from bothways.resilience.island.commands import Action
from bothways.resilience.island.interlock import Latch
from bothways.resilience.island.signals import Mode, Position
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.tracking import Track

VERSION = 1


class Phase(StrEnum):
    """Where the building stands."""

    GRID_CONNECTED = "grid-connected"
    ISLANDING = "islanding"
    BLACK_START = "black start"
    ISLAND = "island"
    RESYNCHRONISE = "resynchronise"
    FAULT = "fault"
    LOCKED_OUT = "locked out"


class Fault(StrEnum):
    """Why the controller waits in :attr:`Phase.FAULT`."""

    NONE = ""
    MAIN_NOT_OPEN = "main not open"
    MAIN_NOT_CLOSED = "main not closed"
    NO_SOURCE = "no source"
    COLLAPSES = "collapses"
    BACKFEED = "backfeed"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A drill under way: the devices as they would be, and the interlock's memory of the rehearsal."""

    main: Position
    sections: tuple[Position, ...]
    modes: tuple[Mode, ...]
    sent: tuple[Action | None, ...]
    latch: Latch
    ending: bool = False


@dataclass(frozen=True, slots=True)
class IslandState:
    """Everything that the controller remembers.

    Attributes:
        phase: where the building stands.
        fault: why, in :attr:`Phase.FAULT`.
        t_s: instant of the last call; ``None`` before the first.
        good_s: for how long the grid has been good [s], counted to ``return_s``.
        lost_s: for how long the grid has been lost [s], counted to ``loss_s``.
        phase_s: time in this phase [s], counted as far as it matters.
        outage_s: time since the contactor was to be opened [s], counted to the longest target.
        switched_s: time since a section was last switched on [s], counted to ``settle_s``.
        shed_s: time since a section was last shed [s], counted to ``restore_s``.
        former: index of the source that forms the island.
        failed: per source: it did not start or collapsed, and is not tried again in this outage.
        restarts: black starts after a collapse in this outage.
        cap: greatest number of sections, lowered after an overload.
        on: per section: it was confirmed on.
        faulty: per section: it switched itself off, and is not switched on again without a person.
        manual: a person has taken over.
        hold: stay an island although the grid is good, until a person asks to return.
        opened: this controller opened the main contactor, so it may close it.
        go: a person has confirmed the black start.
        distrust: the street became live when the building was started: no start before a person has confirmed.
        offer: the operator permits offers to a grid restart.
        tracks: per device: its wish.
        told: conditions that people have been told about and that still hold.
        latch: the interlock's memory.
        rehearsal: the drill under way, or ``None``.
    """

    phase: Phase
    latch: Latch
    failed: tuple[bool, ...]
    on: tuple[bool, ...]
    faulty: tuple[bool, ...]
    tracks: tuple[Track | None, ...]
    cap: int
    fault: Fault = Fault.NONE
    t_s: float | None = None
    good_s: float = 0.0
    lost_s: float = 0.0
    phase_s: float = 0.0
    outage_s: float = 0.0
    switched_s: float = 0.0
    shed_s: float = 0.0
    former: int | None = None
    restarts: int = 0
    manual: bool = False
    hold: bool = False
    opened: bool = False
    go: bool = False
    distrust: bool = False
    offer: bool = False
    told: frozenset[str] = frozenset()
    rehearsal: Rehearsal | None = None


def initial_state(site: IslandSite) -> IslandState:
    """The memory of a controller that starts for the first time: it believes nothing and reads everything anew."""
    sections, sources = len(site.sections), len(site.sources)
    return IslandState(
        phase=Phase.GRID_CONNECTED,
        latch=Latch.fresh(site),
        failed=(False,) * sources,
        on=(False,) * sections,
        faulty=(False,) * sections,
        tracks=(None,) * len(site.devices),
        cap=sections,
        shed_s=site.timing.restore_s,
        switched_s=site.timing.settle_s,
    )


def after_drill(state: IslandState, site: IslandSite) -> IslandState:
    """The memory after a drill, or after one was cut short: on the grid, with what is seen read anew."""
    return replace(initial_state(site), latch=state.latch, t_s=state.t_s)


def to_mapping(state: IslandState, site: IslandSite) -> dict[str, Any]:
    """The memory as plain values for a file or a database, bound to the site's devices."""
    kept = asdict(after_drill(state, site) if state.rehearsal is not None else state)
    del kept["rehearsal"], kept["tracks"], kept["told"]  # a drill, wishes on their way and messages begin anew
    return {"version": VERSION, "devices": list(site.devices), **_plain(kept)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value


def from_mapping(kept: Mapping[str, Any], site: IslandSite) -> IslandState:
    """The memory that :func:`to_mapping` wrote. Devices are read anew, and commands on their way are allowed for.

    Raises:
        InputError: with everything that is wrong: other devices, other version, missing or impossible values.
    """
    problems = Problems(at="kept state of the island controller")
    start = initial_state(site)
    remedy = "Start without a kept state: the controller then reads every device before it acts."
    if kept.get("version") != VERSION:
        problems.add("version", kept.get("version"), str(VERSION), remedy)
    if kept.get("devices") != list(site.devices):
        problems.add("devices", kept.get("devices"), f"{list(site.devices)}, as in the site", remedy)
    problems.raise_if_any()
    values = {f.name: _read(f.name, kept.get(f.name), getattr(start, f.name), problems) for f in fields(IslandState)}
    raw = kept.get("latch")
    latch = raw if isinstance(raw, Mapping) else {}
    values["latch"] = Latch(
        **{f.name: _read(f"latch.{f.name}", latch.get(f.name), getattr(start.latch, f.name), problems)
           for f in fields(Latch)}
    )  # fmt: skip
    former = kept.get("former")
    if former is not None and not (type(former) is int and 0 <= former < len(site.sources)):
        problems.add("former", former, f"null or 0…{len(site.sources) - 1}", remedy)
    values["former"] = former
    problems.raise_if_any()
    flight = (site.timing.flight_s,) * len(site.devices)
    values["latch"] = Latch(
        values["latch"].estop, values["latch"].tripped, values["latch"].overdue_s, values["latch"].blind_s,
        values["latch"].aside, flight, flight,
    )  # fmt: skip
    return IslandState(**values)


def _read(name: str, found: Any, like: Any, problems: Problems) -> Any:  # noqa: PLR0911 one return per kind
    """Reads one value that must look like ``like``."""
    remedy = "Start without a kept state: the controller then reads every device before it acts."
    if name in {"tracks", "told", "rehearsal", "latch", "former"}:
        return like
    if name == "t_s":
        return None  # the scale of time may have begun anew
    if isinstance(like, StrEnum):
        allowed = [member.value for member in type(like)]
        if found in allowed:
            return type(like)(found)
        problems.add(name, found, ", ".join(allowed), remedy)
        return like
    if isinstance(like, tuple):
        one: Any = False if not like else like[0]
        if isinstance(found, list) and len(found) == len(like):
            return tuple(_read(f"{name}[{k}]", item, one, problems) for k, item in enumerate(found))
        problems.add(name, found, f"a list of {len(like)}", remedy)
        return like
    if isinstance(like, bool):
        good = isinstance(found, bool)
    elif isinstance(like, int):
        good = type(found) is int and found >= 0
    else:
        good = type(found) in {int, float} and math.isfinite(found) and found >= 0.0
    if not good:
        kind = "true or false" if isinstance(like, bool) else "a number of at least 0"
        problems.add(name, found, kind, remedy)
        return like
    return float(found) if isinstance(like, float) else found
