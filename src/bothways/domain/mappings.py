"""Looks through parsed files: mappings and lists within one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping


def nan_keys(mapping: Mapping[str, object]) -> Iterator[str]:
    """Places of a mapping, at any depth, that hold no number but NaN: ``case[0].load.factor``.

    >>> list(nan_keys({"step": 1.0, "case": [{"price": math.nan}]}))
    ['case[0].price']
    """
    waiting: list[tuple[str, object]] = list(mapping.items())
    while waiting:
        key, value = waiting.pop(0)
        if isinstance(value, float) and math.isnan(value):
            yield key
        elif isinstance(value, Mapping):
            waiting.extend((f"{key}.{name}", inner) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((f"{key}[{index}]", inner) for index, inner in enumerate(value))
