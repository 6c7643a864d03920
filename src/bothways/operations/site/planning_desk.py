"""When to plan, in which thread, and what happens while no answer comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np

from bothways.domain.errors import BothwaysError
from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.settings import LoopOptions

_SURPRISE_KW = 1.0
_SURPRISE_SHARE = 0.1
_LEAST_BETWEEN_S = 5.0


class PlanningDesk:
    """Holds the plan in force and renews it.

    A plan is renewed on news (somebody came, left or changed a wish; prices were published), when the measured load
    is not the expected one, at the beginning of every ``replan_every_s``, and after a jump of the clock. One plan is
    made at a time. Until an answer comes, the plan before stays in force; one that is too old is not followed.
    """

    def __init__(self, options: LoopOptions) -> None:
        self._options = options
        self._news_at: datetime | None = None
        self._begun_at: datetime | None = None
        self._made_at: datetime | None = None
        self._task: asyncio.Future[ActivePlan] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._late = False
        self.plan: ActivePlan | None = None
        self.failure = ""
        self.plans = 0

    @property
    def late(self) -> bool:
        """Whether an answer has been due for longer than the patience."""
        return self._late

    def news(self, now: datetime) -> None:
        """Something happened that the plan does not know."""
        if self._news_at is None:
            self._news_at = now

    def drop(self) -> None:
        """The plan in force is not to be followed any more."""
        self.plan = None
        self._made_at = None

    def due(self, now: datetime, base_kw: float) -> bool:
        """Whether a plan is to be made now."""
        options = self._options
        if self._task is not None:
            return False
        if self._news_at is not None and (now - self._news_at).total_seconds() >= options.replan_after_s:
            return True
        if self._made_at is None:
            return True
        age = (now - self._made_at).total_seconds()
        if age < 0.0 or int(now.timestamp() // options.replan_every_s) != int(
            self._made_at.timestamp() // options.replan_every_s
        ):
            return True
        plan = self.plan
        offset = plan.offset(now) if plan is not None else None
        if plan is None or offset is None or age < _LEAST_BETWEEN_S or not np.isfinite(base_kw):
            return False
        surprise = abs(base_kw - plan.base_kw[offset])
        return bool(surprise > _SURPRISE_KW + _SURPRISE_SHARE * float(np.abs(plan.base_kw).mean())) and age >= 60.0

    async def make(self, now: datetime, work: Callable[[], ActivePlan]) -> None:
        """Makes a plan: beside the loop, or at once where the options say so."""
        self._news_at, self._made_at, self._begun_at = None, now, now
        if not self._options.plan_in_thread:
            try:
                self._accept(work())
            except BothwaysError as error:
                self.failure = str(error)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="planner")
        self._task = asyncio.get_running_loop().run_in_executor(self._pool, work)

    def collect(self, now: datetime) -> bool:
        """Takes the answer if there is one; returns whether there was."""
        if self._task is None:
            return False
        if not self._task.done():
            begun = self._begun_at or now
            self._late = now - begun > timedelta(seconds=self._options.plan_patience_s)
            return False
        task, self._task, self._late = self._task, None, False
        error = task.exception()
        if error is None:
            self._accept(task.result())
        elif isinstance(error, BothwaysError):
            self.failure = str(error)
        else:
            self.failure = f"{type(error).__name__}: {error}"
        return True

    def _accept(self, plan: ActivePlan) -> None:
        self.plans += 1
        if plan.usable:
            self.plan, self.failure = plan, ""
            return
        solution = plan.plan.solution
        self.failure = "; ".join(solution.infeasible_because) if solution is not None else "no solver answered"
        # a plan that is still good for those it knows goes on; without one dispatch alone meets needs
        if self.plan is None:
            self.plan = plan

    def close(self) -> None:
        """Ends the worker; an answer that is under way is not waited for."""
        if self._task is not None:
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
