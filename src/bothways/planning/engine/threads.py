"""The same work on several threads; kernels release the GIL, so plain threads are enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")


class Crew:
    """Threads that stay between calls: a new one takes about a millisecond, as long as a kernel's share of the work.

    The caller's own thread takes the first part. The others start with the first call, and end with :meth:`close` or
    when nobody holds the crew any longer.

    Args:
        threads: how many work at once, the caller's own among them.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._others: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[int], Result]) -> list[Result]:
        """Calls ``work(0)`` … ``work(threads - 1)`` at once and returns the results in that order."""
        if self.threads == 1:
            return [work(0)]
        if self._others is None:
            self._others = ThreadPoolExecutor(self.threads - 1)
        parts = [self._others.submit(work, own) for own in range(1, self.threads)]
        try:
            first = work(0)
        finally:
            wait(parts)  # whatever happens here: nobody writes any longer once this has ended
        return [first, *(part.result() for part in parts)]

    def close(self) -> None:
        """Ends the threads; a later call starts new ones."""
        if self._others is not None:
            self._others.shutdown()
            self._others = None


def on_threads(work: Callable[[int], Result], threads: int) -> list[Result]:
    """Calls ``work(0)`` … ``work(threads - 1)`` at once and returns the results in that order."""
    crew = Crew(threads)
    try:
        return crew.run(work)
    finally:
        crew.close()
