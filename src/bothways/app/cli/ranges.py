"""Ranges of numeric options, checked together so that one answer names every fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bothways.domain.errors import Problems

CAPACITY_KWH = (0.001, 1e5, "kWh")
"""Usable capacity of a battery, from a toy to a ship."""


def check_ranges(
    problems: Problems, values: Mapping[str, float | None], ranges: Mapping[str, tuple[float, float, str]]
) -> None:
    """Notes every option outside of its range; NaN and infinity are outside of all.

    Args:
        problems: where the faults go.
        values: value by name of option; ``None`` where it is not given.
        ranges: lowest, highest and unit by name of option.

    >>> from bothways.domain.errors import Problems
    >>> problems = Problems()
    >>> check_ranges(problems, {"--years": 100.0, "--soc-error": None}, {"--years": (0.01, 60.0, "years")})
    >>> print(*problems)
    --years: found 100; allowed: a number from 0.01 to 60 [years]. Give a value in this range.
    """
    from bothways.battery.ageing import kelvin_hint  # noqa: PLC0415

    for name, value in values.items():
        if value is None:
            continue
        low, high, unit = ranges[name]
        if not low <= value <= high:  # NaN compares as False
            allowed = f"a number from {low:g} to {high:g}" + (f" [{unit}]" if unit else "")
            hint = kelvin_hint(value) if unit.startswith("°C") else ""
            remedy = f"Give it in °C: {hint}." if hint else "Give a value in this range."
            problems.add(name, f"{value:g}", allowed, remedy)
