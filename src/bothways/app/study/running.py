"""Plays all strategies of all cases on the machine's cores, with progress."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from bothways.battery.ageing import age_fleet
from bothways.battery.models import MODELS
from bothways.dispatch.curves import curves_of
from bothways.dispatch.setpoints import setpoints
from bothways.planning.engine.solve import prepare
from bothways.planning.part_load import PartLoad
from bothways.planning.solve import ENGINE_FROM, ENGINE_FROM_PREPARED
from bothways.planning.watch import Watch
from bothways.simulation.plant import respond_all
from bothways.studies.ageing import StrategyAgeing, age_strategy, ageing_of, batteries_of, choose_batteries
from bothways.studies.backup_play import backup_of
from bothways.studies.baseline import run_uncontrolled, store_surplus
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.foresight import run_foresight
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.period import YearScale
from bothways.studies.result import CaseResult, Outcome, StudyResult
from bothways.studies.runs import StrategyRun
from bothways.studies.sensitivity import Ranges, Trial, sensitivity_of, trials
from bothways.studies.stationary import age_stationary
from bothways.studies.worth import InvestmentTerms, investments_of

STRATEGIES = ("smart", "bidirectional")

_STOP = threading.Event()
"""Set when a study is interrupted."""

_ONE_BOUND_AT_A_TIME = threading.Semaphore(1)
"""A whole period in one problem is the largest thing a study holds in memory; two at once would double the peak."""


def _load_kernels(part_load: PartLoad | None) -> None:
    """Calls every compiled kernel once: loading one for the first time is not safe in two threads at once."""
    one, first = np.ones(1), np.ones(1, dtype=np.int64)
    points = setpoints(one, one, one, one, one, first, one, one, one, one, one, 0.0, 1.0, 1.0, 1.0, 1.0)
    respond_all(points, one, one, one, one, one, one, 1.0)
    if part_load is not None:
        curves = curves_of(part_load.of(np.zeros(1, dtype=np.int64)), one, one)
        setpoints(one, one, one, one, one, first, one, one, one, one, one, 0.0, 1.0, 1.0, 1.0, 1.0, curves)
        respond_all(points, one, one, one, one, one, one, 1.0, curves)
    store_surplus(one, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0)
    age_fleet(next(iter(MODELS.values())), np.full((1, 2), 0.5), 1.0, 20.0, capacity_kwh=1.0)


@dataclass(frozen=True)
class Job:
    """One piece of work for the progress display: a label and its size in steps."""

    label: str
    steps: int


class Stopped(Exception):  # noqa: N818  (not an error: the user asked for it)
    """A run ended because the study was interrupted."""


class Progress:
    """What a display of progress has to offer; this one shows nothing."""

    def begin(self, job: Job) -> Callable[[int], None]:
        """Starts a job; the returned function is called with the number of steps done so far."""
        del job
        return lambda _done: None

    def end(self, job: Job) -> None:
        """Ends a job."""


def run_study(
    inputs: StudyInputs,
    investment: InvestmentTerms | None,
    ranges: Ranges | None,
    progress: Progress,
    workers: int | None = None,
) -> StudyResult:
    """Runs every strategy of every case and prices the outcomes.

    Planner and kernels release the interpreter's lock, so threads use all cores; each run is by itself
    deterministic, and so is the whole.

    Raises:
        BothwaysError: a bound with the future known could not be found.
    """
    _load_kernels(inputs.stays.part_load)
    # Processor time: a busy machine makes a study slower, not another one.
    watch = Watch(clock=time.process_time, prepared=_engine_pays(inputs))
    if watch.prepared:
        prepare()
    _STOP.clear()
    with ThreadPoolExecutor(max_workers=workers or os.cpu_count() or 1) as pool:
        try:
            pending = [_submit(pool, inputs, case, ranges, progress, watch) for case in inputs.cases]
            found = [job.result(inputs, investment) for job in pending]
            cases = tuple(_backed(inputs, _aged(pool, inputs, case, progress), progress) for case in found)
        except BaseException:
            _STOP.set()  # runs in progress end at their next step, so that an interrupted study ends within seconds
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return StudyResult(inputs, cases, _notes())


@dataclass(frozen=True)
class _Pending:
    case: Case
    uncontrolled: StrategyRun
    runs: tuple[Future[StrategyRun], ...]
    trials: tuple[tuple[Trial, Future[float]], ...]
    ranges: Ranges | None

    def result(self, inputs: StudyInputs, investment: InvestmentTerms | None) -> CaseResult:
        runs = [self.uncontrolled, *(run.result() for run in self.runs)]
        outcomes: tuple[Outcome, ...] = tuple(outcome_of(inputs, self.case, run, self.uncontrolled) for run in runs)
        scale = YearScale.of(inputs.grid)
        bare = CaseResult(self.case, outcomes, (), None, scale)
        found = investments_of(bare, investment) if investment else ()
        tried = [(trial, value.result()) for trial, value in self.trials]
        sensitivity = sensitivity_of(inputs, self.ranges, tried) if self.ranges and tried else None
        return replace(bare, investments=found, sensitivity=sensitivity)


def _engine_pays(inputs: StudyInputs) -> bool:
    """Whether so many vehicles are ever connected at once, or come at all, that plans are faster by the engine."""
    stays = inputs.stays
    if stays.size >= ENGINE_FROM:
        return True
    came = np.searchsorted(np.sort(stays.arrival), np.arange(inputs.grid.periods), side="right")
    left = np.searchsorted(np.sort(stays.departure), np.arange(inputs.grid.periods), side="right")
    return bool((came - left).max(initial=0) >= ENGINE_FROM_PREPARED)


def _submit(
    pool: ThreadPoolExecutor,
    inputs: StudyInputs,
    case: Case,
    ranges: Ranges | None,
    progress: Progress,
    watch: Watch,
) -> _Pending:
    uncontrolled = run_uncontrolled(inputs, case)
    looped, bounds = [], []
    for strategy in STRATEGIES:  # alternating, so that the bounds, one at a time, run beside closed loops
        looped.append(pool.submit(_loop, inputs, case, strategy, progress, watch))
        bounds.append(pool.submit(_bound, inputs, case, strategy, uncontrolled, progress))
    tried = []
    if ranges is not None:
        for trial in trials(inputs, case, ranges):
            job = Job(f"{case.name}: sensitivity, {trial.label}", 1)
            tried.append((trial, pool.submit(_try, trial, job, progress)))
    return _Pending(case, uncontrolled, (*looped, *bounds), tuple(tried), ranges)


def _aged(pool: ThreadPoolExecutor, inputs: StudyInputs, case: CaseResult, progress: Progress) -> CaseResult:
    """Ages the vehicles under every strategy as it was played."""
    batteries = batteries_of(inputs)
    played = [outcome.run for outcome in case.outcomes if not outcome.run.foresight]
    chosen = choose_batteries(played[0].trace, batteries)

    def work(run: StrategyRun) -> StrategyAgeing:
        job = Job(f"{case.case.name}: ageing, {run.strategy}", 1)
        _stoppable(progress.begin(job))(0)
        aged = age_strategy(inputs, run.strategy, run.trace, batteries, chosen)
        progress.end(job)
        return aged

    told = ageing_of(inputs, batteries, chosen, tuple(pool.map(work, played)))
    stationary = [age_stationary(inputs, case.case, run) for run in played]
    return replace(case, ageing=told, stationary=tuple(item for item in stationary if item is not None))


def _backed(inputs: StudyInputs, case: CaseResult, progress: Progress) -> CaseResult:
    """Values backup where the scenario asks for it."""
    if inputs.backup is None:
        return case
    job = Job(f"{case.case.name}: backup, a reserve kept", inputs.grid.periods)
    found = backup_of(inputs, case, _stoppable(progress.begin(job)))
    progress.end(job)
    return replace(case, backup=found)


def _stoppable(tick: Callable[[int], None]) -> Callable[[int], None]:
    def step(done: int) -> None:
        if _STOP.is_set():
            raise Stopped
        tick(done)

    return step


def _loop(inputs: StudyInputs, case: Case, strategy: str, progress: Progress, watch: Watch) -> StrategyRun:
    job = Job(f"{case.name}: {strategy}", inputs.grid.periods)
    tick = _stoppable(progress.begin(job))
    run = run_closed_loop(inputs, case, strategy, tick, watch)
    progress.end(job)
    return run


def _bound(
    inputs: StudyInputs, case: Case, strategy: str, uncontrolled: StrategyRun, progress: Progress
) -> StrategyRun:
    job = Job(f"{case.name}: {strategy}, foresight", 1)
    with _ONE_BOUND_AT_A_TIME:
        _stoppable(progress.begin(job))(0)
        run = run_foresight(inputs, case, strategy, uncontrolled.trace)
        progress.end(job)
    return run


def _try(trial: Trial, job: Job, progress: Progress) -> float:
    value = trial.evaluate(_stoppable(progress.begin(job)))
    progress.end(job)
    return value


def _notes() -> tuple[str, ...]:
    return (
        "Future-known columns are bounds of the same strategy, not something that can be had.",
        "Stays cover whole steps of the grid: arrivals are rounded up and departures down.",
    )
