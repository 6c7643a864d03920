"""What ``bothways study`` shows on the terminal."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from bothways.app.study.running import Job, Progress
from bothways.studies.report.screen import render_summary
from bothways.studies.result import StudyResult

_MAX_WARNINGS = 12


class ConsoleProgress(Progress):
    """One bar per running job on stderr; jobs that are done disappear."""

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[Job, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def begin(self, job: Job) -> Callable[[int], None]:
        """Shows a bar for the job."""
        task = self._bars.add_task(job.label, total=job.steps)
        with self._lock:
            self._tasks[job] = task
        stride = max(1, job.steps // 50)

        def tick(done: int) -> None:
            if done % stride == 0:
                self._bars.update(task, completed=done)

        return tick

    def end(self, job: Job) -> None:
        """Takes the job's bar away."""
        with self._lock:
            task = self._tasks.pop(job, None)
        if task is not None:
            self._bars.remove_task(task)


def show_warnings(warnings: tuple[str, ...]) -> None:
    """Prints warnings on stderr, the first ones in full."""
    for text in warnings[:_MAX_WARNINGS]:
        print(f"note: {text}", file=sys.stderr)
    if len(warnings) > _MAX_WARNINGS:
        print(f"note: … and {len(warnings) - _MAX_WARNINGS} more", file=sys.stderr)


def show(result: StudyResult, summary: dict[str, object], folder: Path, *, as_json: bool) -> None:
    """Prints the answer: a short table, or the summary as JSON."""
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    console = Console()
    console.print(render_summary(result))
    if note := unproven(result):
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)


def unproven(result: StudyResult) -> str:
    """Says that plans were not proven as good as asked for: where time was over, another run may differ."""
    records = [outcome.run.planning for case in result.cases for outcome in case.outcomes]
    ended = sum(record.not_optimal for record in records)
    if not ended:
        return ""
    plans, gap = sum(record.plans for record in records), max(record.worst_gap for record in records)
    return (
        f"note: {ended:,} of {plans:,} plans were not proven within the gap asked for (worst {gap:.1%}): caps on "
        "feeding back leave a gap, or the time was over (time_limit_s under [policy]); then figures hang a little on "
        "how busy the machine is."
    )
