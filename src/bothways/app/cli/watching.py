"""Watches a search from the terminal: its clock, Ctrl-C, and a line of progress when it takes long."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

PATIENCE_S = 2.0
"""Seconds after which a search that still runs shows its progress."""

EVERY_S = 0.2
"""Seconds between two lines of progress."""

_INTERRUPTED = 130


class Watching:
    """A context in which the first Ctrl-C asks the search for its best plan, and the second ends the program.

    Attributes:
        watch: what the search is given.
        seconds: from :meth:`begin` to the end of the context [s].
    """

    def __init__(self) -> None:
        from bothways.planning.watch import Watch  # noqa: PLC0415

        self.watch = Watch(clock=time.perf_counter, cancel=self._cancelled, progress=self._progress)
        self.seconds = 0.0
        self._stop = False
        self._begin = time.perf_counter()
        self._shown, self._next = False, 0.0
        self._terminal = sys.stderr.isatty()
        self._before: Any = None

    def begin(self) -> None:
        """Starts the count of seconds."""
        self._begin = time.perf_counter()

    def __enter__(self) -> Watching:
        with contextlib.suppress(ValueError):  # only the main thread hears signals
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._begin
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop:
            sys.stderr.write("stopped; nothing was written\n")
            raise SystemExit(_INTERRUPTED)
        self._stop = True
        sys.stderr.write("stopping with the best plan so far (once more: at once)\n")

    def _cancelled(self) -> bool:
        if not self._shown:
            self._show("")
        return self._stop

    def _progress(self, passes: int, lower: float, upper: float) -> None:
        gap = (upper - lower) / max(1.0, abs(upper)) if math.isfinite(upper) and math.isfinite(lower) else math.inf
        self._show(f", {passes} passes, gap {gap:.1e}" if math.isfinite(gap) else f", {passes} passes, no plan yet")

    def _show(self, text: str) -> None:
        seconds = time.perf_counter() - self._begin
        if self._terminal and seconds >= max(PATIENCE_S, self._next):
            self._shown, self._next = True, seconds + EVERY_S
            sys.stderr.write(f"\r\x1b[Kplanning for {seconds:.0f} s{text}")
            sys.stderr.flush()
