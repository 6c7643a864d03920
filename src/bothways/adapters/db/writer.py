"""One thread that writes: it commits whatever is queued and acknowledges after the commit.

Nothing waits to fill a batch: while one batch is being committed the next one gathers by itself. A batch that the
database refuses for its content is taken apart, so that one bad event is refused alone; a batch that the database
cannot take at all (gone, disk full, locked) fails whole with :class:`StoreError`, and the next one tries anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from bothways.adapters.db.engine import store_error
from bothways.adapters.db.entries import Entry, prepare
from bothways.adapters.db.ingest import Batch, needs_of
from bothways.adapters.db.numbers import Numbers, Words
from bothways.domain.errors import BothwaysError, StoreError
from bothways.operations.events import StationEvent
from bothways.operations.ports import Receipt

T = TypeVar("T")
BATCH = 500
"""Most jobs in one commit."""
QUEUE = 20_000
"""Most jobs that wait; beyond it the store refuses at once rather than answer too late."""
_RETRIES = 5
_AGAIN = {"40001", "40P01"}  # serialisation failure, deadlock


@dataclass(slots=True)
class _Job:
    """An event to append, or a function to run within the batch's transaction."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    event: StationEvent | None = None
    run: Callable[[Connection], Any] | None = None
    entry: Entry | None = None
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class WriterState:
    """Figures for metrics and health.

    Attributes:
        jobs: events and changes that were committed.
        batches: commits.
        failures: batches that failed.
        waiting: jobs in the queue now.
        error: why the latest batch failed, ``""`` where it did not.
    """

    jobs: int = 0
    batches: int = 0
    failures: int = 0
    waiting: int = 0
    error: str = ""


class Writer:
    """Owns the writing side of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._words = Words(engine)
        self._numbers = Numbers(engine)
        self._queue: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self.state = WriterState()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def append(self, event: StationEvent) -> Receipt:
        """Stores one event; returns after the commit."""
        receipt = await self._submit(event=event)
        assert isinstance(receipt, Receipt)  # noqa: S101 - told to the type checker
        return receipt

    async def run(self, change: Callable[[Connection], T]) -> T:
        """Runs a change in a batch; returns after the commit. An exception of the change undoes the change alone."""
        result: T = await self._submit(run=change)
        return result

    async def _submit(self, event: StationEvent | None = None, run: Callable[[Connection], Any] | None = None) -> Any:
        loop = asyncio.get_running_loop()
        job = _Job(loop, loop.create_future(), event, run)
        with self._wake:
            if self._closing:
                msg = "the store is closed"
                raise StoreError(msg)
            if len(self._queue) >= QUEUE:
                msg = f"the store is behind: {QUEUE} changes wait; nothing was acknowledged"
                raise StoreError(msg)
            self._queue.append(job)
            self._wake.notify()
        return await job.future

    def close(self) -> None:
        """Commits what waits, then ends the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    # --- in the thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closing:
                    self._wake.wait()
                if not self._queue:
                    return
                jobs = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._process(jobs)
            _answer(jobs)

    def _process(self, jobs: list[_Job]) -> None:
        ready = []
        for job in jobs:
            try:
                job.entry = None if job.event is None else prepare(job.event)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this event's own
                job.error = _told(error)
            else:
                ready.append(job)
        if ready:
            self._commit(ready)

    def _commit(self, jobs: list[_Job]) -> None:
        for attempt in range(_RETRIES + 1):
            try:
                self._attempt(jobs)
            except Exception as error:  # noqa: BLE001 - the thread must live, and every job get an answer
                if _worth_repeating(error) and attempt < _RETRIES:
                    continue
                if _is_content(error) and len(jobs) > 1:
                    for job in jobs:
                        self._commit([job])
                    return
                self.state.failures += 1
                self.state.error = str(_told(error))
                for job in jobs:
                    job.error = _told(error)
                return
            self.state.batches += 1
            self.state.jobs += len(jobs)
            self.state.error = ""
            return

    def _attempt(self, jobs: list[_Job]) -> None:
        entries = [job.entry for job in jobs if job.entry is not None]
        if entries:
            words, series, numbers = needs_of(entries)
            self._words.ensure(words, series)
            self._numbers.ensure(numbers)
        for job in jobs:
            job.error = None
        with self._engine.connect().execution_options(write=True) as connection, connection.begin():
            for group in _groups(jobs):
                if group[0].run is not None:
                    _run_change(connection, group[0])
                    continue
                mine = [job.entry for job in group if job.entry is not None]
                receipts = Batch(connection, self._words, self._numbers).apply(mine)
                for job, receipt in zip(group, receipts, strict=True):
                    job.result = receipt


def _groups(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Neighbouring events together, every other change alone, in the order they came."""
    groups: list[list[_Job]] = []
    for job in jobs:
        if job.run is None and groups and groups[-1][0].run is None:
            groups[-1].append(job)
        else:
            groups.append([job])
    return groups


def _run_change(connection: Connection, job: _Job) -> None:
    """Runs a change under a savepoint: a refusal by rule is the caller's, a failing database is everybody's."""
    assert job.run is not None  # noqa: S101 - told to the type checker
    savepoint = connection.begin_nested()
    try:
        job.result = job.run(connection)
    except BothwaysError as error:
        savepoint.rollback()
        job.error = error
    else:
        savepoint.commit()


def _answer(jobs: Sequence[_Job]) -> None:
    """Hands results over to the event loops that wait for them, once per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # whoever waited was cancelled; the event is stored all the same
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _told(error: Exception) -> BothwaysError:
    """The error that a caller gets."""
    return error if isinstance(error, BothwaysError) else store_error(error)


def _worth_repeating(error: Exception) -> bool:
    """Whether another process was first, and the same batch can succeed on what it left."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, IntegrityError) or state in _AGAIN


def _is_content(error: Exception) -> bool:
    """Whether the batch's content, not the database's condition, may be at fault."""
    if isinstance(error, DBAPIError):
        return not error.connection_invalidated and type(error).__name__ in {"DataError", "IntegrityError"}
    return not isinstance(error, SQLAlchemyError | OSError | MemoryError)
