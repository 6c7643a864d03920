"""What to switch by hand next, on the screen or on paper, where automation is missing or down."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.resilience.island.commands import Action, Command, instruction
from bothways.resilience.island.interlock import Latch, refusal
from bothways.resilience.island.signals import Inputs, Mode, Position
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.tracking import confirmed


@dataclass(frozen=True, slots=True)
class Task:
    """One line of the list.

    Attributes:
        device: id in the site.
        action: what is to be done.
        text: how, in words for a person who has never done it.
        done: whether the device reports it; ``None`` on paper.
        wait: why it must not be done yet; empty where it may.
    """

    device: str
    action: Action
    text: str
    done: bool | None = None
    wait: str = ""


def island_tasks(site: IslandSite, source: int | None = None) -> tuple[Task, ...]:
    """How people separate the building and start it: the paper plan of an outage.

    Args:
        site: the building.
        source: index of the source to start; ``None`` for the first grid-forming one of the site.
    """
    if source is None:
        forming = [k for k, one in enumerate(site.sources) if one.grid_forming]
        source = forming[0] if forming else None
    steps = [(one.source_id, Action.RELEASE) for one in site.sources]
    steps.append(("main", Action.OPEN))
    steps += [(section.section_id, Action.OPEN) for section in reversed(site.sections)]
    if source is not None:
        steps.append((site.sources[source].source_id, Action.FORM))
        steps += [(section.section_id, Action.CLOSE) for section in site.sections]
    return tuple(Task(device, action, instruction(device, action, site)) for device, action in steps)


def return_tasks(site: IslandSite) -> tuple[Task, ...]:
    """How people bring the building back to the grid: the second page of the paper plan."""
    first = site.sections[0].tier
    later = [section.section_id for section in site.sections if section.tier > first]
    steps = [(name, Action.OPEN) for name in reversed(later)]
    steps += [(one.source_id, Action.RELEASE) for one in site.sources]
    steps.append(("main", Action.CLOSE))
    steps += [(section.section_id, Action.CLOSE) for section in site.sections]
    return tuple(Task(device, action, instruction(device, action, site)) for device, action in steps)


def next_tasks(tasks: tuple[Task, ...], latch: Latch, inputs: Inputs, site: IslandSite) -> tuple[Task, ...]:
    """The list with what is done and what must wait, as seen now.

    The middle of each list is one step: a source forms the island, or the contactor is closed. Once that is reported,
    everything before it is behind us; until then, nothing after it is done, whatever position it is in. What must wait
    is what the interlock would hold back.
    """
    turning = {Action.FORM} if any(task.action is Action.FORM for task in tasks) else set()
    middle = next(
        (n for n, t in enumerate(tasks) if t.action in turning or (t.device, t.action) == ("main", Action.CLOSE)),
        len(tasks),
    )
    forming = any(reading.mode is Mode.FORMING for reading in inputs.sources)
    over = forming if turning else inputs.main is Position.CLOSED
    out = []
    for n, task in enumerate(tasks):
        reported = confirmed(site.index[task.device], task.action, inputs, site)
        done = over if n == middle else (reported or over if n < middle else reported and over)
        wait = "" if done else refusal(Command(task.device, task.action), latch, inputs, site)
        if n > middle and not over:
            wait = f"first: {tasks[middle].text}"
        out.append(Task(task.device, task.action, task.text, done, wait))
    return tuple(out)


def vehicles_left(inputs: Inputs, site: IslandSite) -> tuple[tuple[str, float], ...]:
    """What each vehicle can still give above its driver's reserve [kWh, AC side]; 0 after an opt-out or unknown."""
    out = []
    for source, reading in zip(site.sources, inputs.sources, strict=True):
        vehicle = reading.vehicle
        if source.kind is not SourceKind.V2X or vehicle is None:
            continue
        known = vehicle.energy_kwh is not None and not vehicle.opted_out
        spare = (vehicle.energy_kwh or 0.0) - max(vehicle.reserve_kwh, source.floor_kwh) if known else 0.0
        out.append((vehicle.vehicle_id, max(0.0, spare) * source.efficiency))
    return tuple(out)
