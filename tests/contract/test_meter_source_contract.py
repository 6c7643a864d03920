"""What the port ``MeterSource`` promises, held by the made-up meter and by those that read files and real servers."""

import asyncio
import contextlib
import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from meter_servers import QuickClock, broker, free_port, modbus_server, publish

from bothways.adapters.clocks import SystemClock
from bothways.adapters.meters.configured import meter_from
from bothways.adapters.simulated.building import Building, SimulatedMeter

KINDS = ("simulated", "file", "modbus", "mqtt")
pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("kind", KINDS)]
PHASES_KW = (1.0, 2.0, 3.0)
POWER_KW, PV_KW = 6.0, 4.2
TOGETHER = {"host": "127.0.0.1", "unit": "W", "positive": "import", "connection_kw": 50.0}


@contextlib.asynccontextmanager
async def simulated(_folder):
    """A building whose load and sun are known; its meter sums them."""

    class Known(Building):
        def load_kw(self, _):
            return POWER_KW + PV_KW

        def pv_kw(self, _):
            return PV_KW

    meter = SimulatedMeter(Known(), list, SystemClock(), 0.02)

    async def silence():
        meter.lost = True

    yield meter, silence


@contextlib.asynccontextmanager
async def file(folder):
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=20 * number) for number in range(3)]
    rows = [f"{instant.isoformat()},6000,1000,2000,3000,4200\n" for instant in at]
    (folder / "meter.csv").write_text("".join(["at,power_w,l1_w,l2_w,l3_w,pv_w\n", *rows]), encoding="utf-8")

    async def silence():
        """It ends by itself."""

    yield meter_from("file", {"path": "meter.csv"}, SystemClock(), folder=folder), silence


@contextlib.asynccontextmanager
async def modbus(_folder):
    port, stack = free_port(), contextlib.AsyncExitStack()
    registers = [struct.unpack(">H", struct.pack(">h", value))[0] for value in (6000, 1000, 2000, 3000, 4200)]
    at = [{"address": address, "type": "int16"} for address in range(5)]
    given = {"port": port, "interval_s": 0.02, "timeout_s": 0.5, "power": at[0], "phases": at[1:4], "pv": at[4]}
    await stack.enter_async_context(modbus_server(port, (1, 0, registers)))
    try:
        yield meter_from("modbus", TOGETHER | given, QuickClock()), stack.aclose
    finally:
        await stack.aclose()


@contextlib.asynccontextmanager
async def mqtt(_folder):
    port, stack = free_port(), contextlib.AsyncExitStack()
    phases = [{"topic": "meter", "path": f"l.{index}"} for index in range(3)]
    given = {"port": port, "power": {"topic": "meter", "path": "w"}, "phases": phases}
    given |= {"pv": {"topic": "meter", "path": "pv"}}
    await stack.enter_async_context(broker(port))

    async def speak():
        body = json.dumps({"w": 6000, "l": [1000, 2000, 3000], "pv": 4200})
        while True:
            await publish(port, ("meter", body))
            await asyncio.sleep(0.05)

    speaking = asyncio.create_task(speak())

    async def silence():
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        await stack.aclose()

    try:
        yield meter_from("mqtt", TOGETHER | given, QuickClock()), silence
    finally:
        await silence()


@contextlib.asynccontextmanager
async def opened(kind, folder):
    """The source of one kind, and what makes it fall silent."""
    made = {"simulated": simulated, "file": file, "modbus": modbus, "mqtt": mqtt}[kind]
    async with asyncio.timeout(30), made(folder) as source:
        yield source


async def test_readings_are_in_kilowatts_positive_toward_the_site_each_with_its_own_instant(kind, tmp_path):
    async with opened(kind, tmp_path) as (meter, _):
        readings = meter.readings()
        before = datetime.now(tz=UTC) - timedelta(seconds=1)
        found = [await anext(readings) for _ in range(2)]
        await readings.aclose()
        for reading in found:
            assert reading.power_kw == pytest.approx(POWER_KW)
            assert reading.phase_kw in ((), pytest.approx(PHASES_KW), pytest.approx((POWER_KW / 3.0,) * 3))
            assert not reading.phase_kw or math.fsum(reading.phase_kw) == pytest.approx(reading.power_kw)
            assert reading.pv_kw == pytest.approx(PV_KW)
            assert reading.at.utcoffset() == timedelta(0)
            assert before <= reading.at <= datetime.now(tz=UTC) + timedelta(seconds=1)
        assert found[0].at <= found[1].at


async def test_a_meter_that_falls_silent_gives_nothing_and_raises_nothing(kind, tmp_path):
    async with opened(kind, tmp_path) as (meter, silence):
        readings = meter.readings()
        last = (await anext(readings)).at
        await silence()
        try:
            async with asyncio.timeout(0.5):
                async for reading in readings:  # what was under way may still come
                    assert reading.at >= last
                    last = reading.at
        except TimeoutError:
            assert (datetime.now(tz=UTC) - last).total_seconds() > 0.2, "an old reading is given as a new one"
        else:
            assert kind == "file"  # it alone has an end
        await readings.aclose()


async def test_whoever_stops_listening_can_begin_anew(kind, tmp_path):
    async with opened(kind, tmp_path) as (meter, _):
        for _ in range(2):
            readings = meter.readings()
            assert (await anext(readings)).power_kw == pytest.approx(POWER_KW)
            await readings.aclose()
