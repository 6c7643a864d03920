"""What the port ``Clock`` promises, held by the machine's clock, by one that runs faster, and by that of tests."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from ocpp_doubles import StillClock

from bothways.adapters.clocks import ScaledClock, SystemClock
from bothways.adapters.db.engine import machine_offset_s
from bothways.domain.errors import DomainError

pytestmark = pytest.mark.asyncio
START = datetime(2026, 3, 29, 0, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture(params=["the machine's", "sixty times as fast", "slow", "of tests"])
def clock(request):
    return {
        "the machine's": SystemClock,
        "sixty times as fast": lambda: ScaledClock(START, 60.0),
        "slow": lambda: ScaledClock(START, 0.5),
        "of tests": StillClock,
    }[request.param]()


async def slept(clock, seconds):
    """Sleeps by a clock; one that only moves when told is told."""
    sleeping = asyncio.create_task(clock.sleep(seconds))
    while not sleeping.done():
        await asyncio.sleep(0.001)
        if isinstance(clock, StillClock):
            clock.move(seconds / 3.0)
    await sleeping


async def test_instants_are_aware_in_utc_and_do_not_go_back(clock):
    first = clock.now()
    await asyncio.sleep(0.002)
    assert first.utcoffset() == timedelta(0)
    assert clock.now() >= first


@pytest.mark.parametrize("seconds", [0.02, 0.1])
async def test_a_sleep_lasts_as_long_as_it_says_by_the_same_clock(clock, seconds):
    before = clock.now()
    async with asyncio.timeout(5.0):
        await slept(clock, seconds)
    assert (clock.now() - before).total_seconds() >= seconds - 2e-3  # the machine's two clocks are not one


async def test_no_time_or_less_is_no_wait(clock):
    async with asyncio.timeout(5.0):
        await asyncio.gather(clock.sleep(0.0), clock.sleep(-3.0))


async def test_many_sleep_beside_each_other(clock):
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(5.0):
        await asyncio.gather(*(slept(clock, 0.05) for _ in range(40)))
    assert asyncio.get_running_loop().time() - began < 40 * 0.05 / 2.0


async def test_a_faster_clock_needs_an_aware_start_and_a_speed():
    assert abs((ScaledClock(START, 1.0).now() - START).total_seconds()) < 1.0
    assert ScaledClock(START, 1.0).now().tzinfo is UTC
    with pytest.raises(DomainError, match="aware"):
        ScaledClock(START.replace(tzinfo=None), 1.0)
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(DomainError, match="above 0"):
            ScaledClock(START, speed)


async def test_the_databases_clock_is_held_against_the_machines(postgres_server, tmp_path):
    assert abs(await asyncio.to_thread(machine_offset_s, postgres_server.new_database())) < 2.0
    assert machine_offset_s(f"sqlite:///{tmp_path}/x.db") is None
