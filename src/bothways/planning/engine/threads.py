"""The same work on several threads; kernels release the GIL, so plain threads are enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def on_threads(work: Callable[[int], Result], threads: int) -> list[Result]:
    """Calls ``work(0)`` … ``work(threads - 1)`` at once and returns the results in that order."""
    if threads == 1:
        return [work(0)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))
