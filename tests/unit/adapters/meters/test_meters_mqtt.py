"""The MQTT meter against a real broker."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from meter_servers import QuickClock, broker, free_port, publish

from bothways.adapters.meters.configured import meter_from
from bothways.domain.errors import InputError


def settings(port: int, **more: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": port, "unit": "W", "positive": "import", "connection_kw": 50.0}
    return {**given, "power": {"topic": "meter/power"}, **more}


async def subscribed(meter: Any) -> tuple[Any, asyncio.Future[Any]]:
    """Readings, and the first of them under way; gives the subscription time to stand."""
    readings = meter.readings()
    first = asyncio.ensure_future(anext(readings))
    await asyncio.sleep(0.3)
    return readings, first


@pytest.mark.asyncio
async def test_powers_phases_and_production() -> None:
    port = free_port()
    phases = [{"topic": "meter/phases", "path": f"l.{index}"} for index in range(3)]
    more = {"phases": phases, "pv": {"topic": "pv", "path": "a.w"}, "positive": "export"}
    meter = meter_from("mqtt", settings(port, **more), QuickClock())
    async with broker(port), asyncio.timeout(20):
        readings, first = await subscribed(meter)
        await publish(
            port,
            ("meter/phases", json.dumps({"l": [-1000, -2000, -3000.5]})),
            ("pv", json.dumps({"a": {"w": "4200"}})),
            ("meter/power", "-6000.5"),
        )
        reading = await first
        assert (reading.power_kw, reading.phase_kw, reading.pv_kw) == (6.0005, (1.0, 2.0, 3.0005), 4.2)
        await publish(port, ("meter/power", "nonsense"), ("meter/power", "NaN"), ("meter/power", "1000"))
        assert (await anext(readings)).power_kw == -1.0
        await readings.aclose()


@pytest.mark.asyncio
async def test_retained_messages_count_only_with_their_own_instant() -> None:
    port = free_port()
    plain: Any = meter_from("mqtt", settings(port), QuickClock())
    topic = {"topic": "meter/power", "path": "w", "time_path": "t"}
    timed: Any = meter_from("mqtt", settings(port, power=topic), QuickClock())
    measured = datetime.now(tz=UTC).replace(microsecond=0) - timedelta(hours=3)
    async with broker(port), asyncio.timeout(20):
        await publish(port, ("meter/power", json.dumps({"w": 5000, "t": measured.isoformat()})), retain=True)
        readings, first = await subscribed(timed)
        reading = await first
        assert (reading.power_kw, reading.at) == (5.0, measured)
        await readings.aclose()
        await publish(port, ("meter/power", "3000"), retain=True)
        readings, first = await subscribed(plain)
        assert not first.done()
        await publish(port, ("meter/power", "2000"))
        assert (await first).power_kw == 2.0
        await readings.aclose()


@pytest.mark.asyncio
async def test_it_comes_back_after_the_broker_was_away() -> None:
    port = free_port()
    meter: Any = meter_from("mqtt", settings(port), QuickClock())
    async with asyncio.timeout(20):
        readings, first = await subscribed(meter)  # nobody there yet
        assert meter.problem
        async with broker(port):
            while meter.problem:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            await publish(port, ("meter/power", "1500"))
            assert (await first).power_kw == 1.5
            await readings.aclose()


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="power"):
        meter_from("mqtt", settings(1, power={"topic": "a/#"}), QuickClock())
    with pytest.raises(InputError, match="password"):
        meter_from("mqtt", settings(1, password_file="none"), QuickClock(), folder=tmp_path)
    with pytest.raises(InputError, match="none or three"):
        meter_from("mqtt", settings(1, phases=[{"topic": "a"}]), QuickClock())
