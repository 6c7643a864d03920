"""Readings from a file, and what a gauge notices."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bothways.adapters.meters.configured import meter_from
from bothways.adapters.meters.gauge import Gauge, pauses
from bothways.domain.errors import InputError

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FILE = """at,power_kw,l1_kw,l2_kw,l3_kw,pv_kw
2026-03-29T01:59:00+01:00,3,1,1,1,0
2026-03-29T03:00:00+02:00,-2.5,-1,-1,-0.5,4.5
2026-03-29T03:01:00+02:00,1,0,0,1,0
"""


class JumpingClock:
    """Sleeping moves it."""

    def __init__(self) -> None:
        self.at = NOW
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


async def take(meter: Any, count: int) -> list[Any]:
    found = []
    readings = meter.readings()
    async for reading in readings:
        found.append(reading)
        if len(found) == count:
            break
    await readings.aclose()
    return found


@pytest.mark.asyncio
async def test_readings_come_when_their_instant_does(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(FILE)
    clock = JumpingClock()
    found = await take(meter_from("file", {"path": "m.csv"}, clock, folder=tmp_path), 99)
    assert [reading.at for reading in found] == [NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)]
    assert clock.slept == [60.0, 60.0]
    assert found[1].phase_kw == (-1.0, -1.0, -0.5)
    assert (found[1].power_kw, found[1].pv_kw) == (-2.5, 4.5)
    again = await take(meter_from("file", {"path": "m.csv", "repeat": True}, JumpingClock(), folder=tmp_path), 5)
    assert [reading.power_kw for reading in again] == [3.0, -2.5, 1.0, 3.0, -2.5]
    assert again[4].at == NOW + timedelta(minutes=4)
    past = await take(meter_from("file", {"path": "m.csv", "shift": False}, JumpingClock(), folder=tmp_path), 9)
    assert past[0].at == datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


@pytest.mark.asyncio
async def test_watts_are_converted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("at,power_w\n2026-01-01T00:00:00Z,1500\n")
    (reading,) = await take(meter_from("file", {"path": "m.csv"}, JumpingClock(), folder=tmp_path), 9)
    assert (reading.power_kw, reading.phase_kw, reading.pv_kw) == (1.5, (), None)


def test_every_wrong_row_is_named(tmp_path: Path) -> None:
    rows = "2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00,2\n2026-01-01T00:02:00Z,x\n2026-01-01T00:00:00Z,1\n"
    (tmp_path / "m.csv").write_text("at,power_kw\n" + rows)
    with pytest.raises(InputError) as caught:
        meter_from("file", {"path": "m.csv"}, JumpingClock(), folder=tmp_path)
    assert [problem.where.split(" ")[2].rstrip(",") for problem in caught.value.problems] == ["3", "4", "5"]
    for text in ("", "at,power\n2026-01-01T00:00:00Z,1\n", "at,power_kw,temperature\n2026-01-01T00:00:00Z,1,20\n"):
        (tmp_path / "m.csv").write_text(text)
        with pytest.raises(InputError, match="line 1"):
            meter_from("file", {"path": "m.csv"}, JumpingClock(), folder=tmp_path)
    with pytest.raises(InputError, match="Check the path"):
        meter_from("file", {"path": "none.csv"}, JumpingClock(), folder=tmp_path)


def test_a_gauge_refuses_what_cannot_be_and_notices_what_is_always_tiny() -> None:
    gauge = Gauge("kW", "import", 100.0)
    assert gauge.kw(299.0) == 299.0
    for impossible in (301.0, -301.0, math.nan, math.inf):
        assert gauge.kw(impossible) is None
    assert gauge.production(-1.0) == 0.0
    assert gauge.production(math.inf) is None
    assert gauge.refused == 5
    small = Gauge("W", "export", 100.0)
    for _ in range(500):
        assert small.kw(50.0) == -0.05
    assert "may be kW" in small.concern
    assert small.kw(50_000.0) == -50.0
    assert small.concern == ""


def test_pauses_grow_to_a_bound() -> None:
    waits = pauses(1.0, 8.0)
    taken = [next(waits) for _ in range(6)]
    assert all(0.8 * whole <= wait <= 1.2 * whole for wait, whole in zip(taken, (1, 2, 4, 8, 8, 8), strict=True))
