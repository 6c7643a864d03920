"""A live system waits for a database that comes up later, and ends in words where it never does."""

import subprocess
import sys

import pytest

from bothways.app.live.serve import patiently
from bothways.domain.errors import InputError, Problem, StoreError

pytestmark = pytest.mark.asyncio


REFUSED = StoreError("connection refused")
NEWER = InputError([Problem("database", "schema revision 9", "up to 4", "Install a newer bothways.")])


class Late:
    """A database that answers from the n-th try on."""

    def __init__(self, answers_at, error=REFUSED):
        self.answers_at, self.error, self.tries = answers_at, error, 0

    async def open(self):
        self.tries += 1
        if self.tries < self.answers_at:
            raise self.error
        return "live"


async def test_it_is_tried_again_until_the_database_answers():
    late = Late(4)
    assert await patiently(late.open, patience_s=30.0, again_s=0.01) == "live"
    assert late.tries == 4


async def test_patience_ends():
    never = Late(10**9)
    with pytest.raises(StoreError, match="connection refused"):
        await patiently(never.open, patience_s=0.05, again_s=0.02)
    assert 2 <= never.tries <= 5


async def test_what_waiting_does_not_mend_is_told_at_once():
    wrong = Late(3, error=NEWER)
    with pytest.raises(InputError):
        await patiently(wrong.open, patience_s=30.0, again_s=0.01)
    assert wrong.tries == 1


STUCK = """
import asyncio
from types import SimpleNamespace
from bothways.app.live.serve import run_until_told

async def start():
    pass

async def stop():
    await wait_for_a_neighbour()

async def wait_for_a_neighbour():
    await asyncio.Event().wait()

asyncio.run(run_until_told(SimpleNamespace(lacking=lambda: []), start, stop, 0.1, stop_s=0.3))
"""


async def test_a_graceful_end_that_never_comes_is_told_and_cut_short():
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert "longer than 0.3 s" in done.stderr
    assert "stop (line" in done.stderr
