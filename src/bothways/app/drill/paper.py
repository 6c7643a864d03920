"""Writes the paper plan of a drilled or configured building."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bothways.adapters.files.writing import write_bytes
from bothways.app.live.config import config_from_mapping
from bothways.domain.errors import Problems
from bothways.resilience.island.paper import paper_plan
from bothways.simulation.island_setup import setup_from_mapping


def write_paper(mapping: Mapping[str, Any], name: str, site: str, target: Path) -> Path:
    """Writes the plan as one HTML file.

    Args:
        mapping: a drill file, or a configuration of the live system.
        name: of the file, for messages.
        site: which site of a configuration; empty for the only one that can be an island.
        target: where to.

    Raises:
        InputError: with every problem of the file, or no such site.
    """
    contact = ""
    if isinstance(mapping.get("site"), list):
        islands = {part.id: part for part in config_from_mapping(mapping, {}, at=name).site if part.island is not None}
        chosen = islands.get(site) if site else next(iter(islands.values()), None) if len(islands) == 1 else None
        if chosen is None or chosen.island is None:
            problems = Problems(at=name)
            allowed = f"one of {', '.join(sorted(islands)) or 'none: no site has [site.island]'}"
            problems.add("--site", site, allowed, "Name a site that can be an island.")
            problems.raise_if_any()
            return target
        building, contact = chosen.island.settings(chosen.id).building, chosen.emergency_contact
    else:
        building = setup_from_mapping(mapping, name).site
    write_bytes(target, paper_plan(building, str, contact=contact).encode())
    return target
