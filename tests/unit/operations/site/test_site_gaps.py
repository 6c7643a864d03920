"""Events that never arrived are told of, by station and in words, until they arrive or a day has passed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bothways.operations.ports import TransactionRow
from bothways.operations.site.gaps import gaps

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.asyncio


def row(world, number, missing, station="S0", ended=True):
    at = world.clock.now() - HOUR
    ended_at = at if ended else None
    return TransactionRow(station, f"t-{number}", 1, "car", at - HOUR, ended_at, 5.0, 0.0, missing=missing, last_at=at)


async def test_what_was_never_sent_is_an_alarm_until_it_arrives(make_world):
    world = make_world(2)
    lacking = row(world, 1, (4, 5))
    world.store.past = [lacking, row(world, 2, ()), row(world, 3, (1,), "S1", ended=False), row(world, 4, (1,), "T9")]
    await world.open()
    await world.tick(90)
    told = [(alarm.kind, alarm.subject, alarm.text) for alarm in world.loop.snapshot().alarms]
    assert ("events-missing", "S0", "2 events of 1 transactions never arrived: t-1 (4, 5)") in told
    assert [subject for kind, subject, _ in told if kind == "events-missing"] == ["S0"]
    world.store.past[0] = replace(lacking, missing=())
    await world.tick(400)
    assert "events-missing" not in world.alarms()


async def test_a_station_that_was_away_has_ten_minutes_to_send_what_it_kept(make_world):
    world = make_world(1)
    now = world.clock.now()
    late = replace(row(world, 1, (2,)), last_at=now - timedelta(minutes=9))
    world.store.past = [late]
    assert await gaps(world.store, ["S0"], now) == {}
    assert await gaps(world.store, [], now + HOUR) == {}
    many = [row(world, number, tuple(range(1, 9))) for number in range(5)]
    world.store.past = many
    (text,) = (await gaps(world.store, ["S0"], now)).values()
    assert text == "40 events of 5 transactions never arrived: t-0 (1, 2, 3, …), t-1 (1, 2, 3, …), t-2 (1, 2, 3, …), …"
