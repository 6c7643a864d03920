"""The paper plan of an outage scenario: the sheet of the live page, for a building that may have no live system."""

from __future__ import annotations

from bothways.app.outage.loading import LoadedOutage
from bothways.resilience.island.paper import paper_plan
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind

_PHASES = 3


def outage_paper(loaded: LoadedOutage) -> str:
    """The sheet as one HTML page without scripts, ready to be printed."""
    scenario = loaded.scenario
    return paper_plan(
        building_of(loaded), str, name=scenario.outage.name, contact=scenario.outage.contact,
        life_safety=not any(part.level == 0 and part.authority for part in scenario.tier),
    )  # fmt: skip


def building_of(loaded: LoadedOutage) -> IslandSite:
    """The scenario's building as people switch it: a section per tier, a source per battery and kind.

    Loads are the greatest hour's. Whatever stores or makes energy is taken to be able to start the building, as in
    the plan; the battery is tried first, then generators, then vehicles.
    """
    scenario, used = loaded.scenario, {"main"}
    parts = [part for part in scenario.tier if part.level > 0 or part.authority]
    sections = []
    for part, tier in zip(parts, loaded.site.tiers, strict=True):
        greatest, mean = float(tier.load_kw.max()), float(tier.load_kw.mean())
        inrush = max(1.0, part.inrush_kw / greatest) if greatest > 0.0 else 1.0
        each = greatest / _PHASES
        sections.append(
            Section(
                _unused(part.name, used), max(part.level, 1), (each, each, each), inrush,
                float(scenario.outage.target_h), automated=False, by_hand=part.by_hand,
                serves=f"{24.0 * mean:.0f} kWh a day",
            )
        )  # fmt: skip
    return IslandSite(scenario.outage.name, tuple(sections), _sources(loaded, used), main_automated=False,
                      main_by_hand=scenario.outage.main_by_hand)  # fmt: skip


def _sources(loaded: LoadedOutage, used: set[str]) -> tuple[Source, ...]:
    scenario, found = loaded.scenario, []
    if (battery := scenario.battery) is not None:
        found.append(Source(_unused("battery", used), SourceKind.BATTERY, battery.power_kw, grid_forming=True,
                            by_hand=battery.by_hand))  # fmt: skip
    for generator in scenario.generator:
        name = generator.name if generator.count == 1 else f"{generator.name} ({generator.count})"
        found.append(Source(_unused(name, used), SourceKind.GENERATOR, generator.count * generator.kw,
                            grid_forming=True, by_hand=generator.by_hand))  # fmt: skip
    for vehicle in scenario.vehicle:
        chargers = vehicle.count if vehicle.chargers is None else vehicle.chargers
        name = vehicle.name if chargers == 1 else f"{vehicle.name} ({chargers})"
        found.append(Source(_unused(name, used), SourceKind.V2X, chargers * vehicle.discharge_kw,
                            grid_forming=True, by_hand=vehicle.by_hand))  # fmt: skip
    return tuple(found)


def _unused(name: str, used: set[str]) -> str:
    """The name, or the name with a number where it is taken: people must not confuse two switches."""
    free = next(one for k in range(1, len(used) + 2) if (one := name if k == 1 else f"{name} {k}") not in used)
    used.add(free)
    return free
