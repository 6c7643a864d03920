"""The Modbus meter against a real Modbus server: registers, SunSpec, silence, wrong units."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from meter_servers import QuickClock, free_port, modbus_server

from bothways.adapters.meters.configured import meter_from
from bothways.adapters.meters.sunspec import SunSpecError, find_inverter
from bothways.domain.errors import InputError
from bothways.operations.ports import SiteReading


async def take(meter: Any, count: int = 1) -> list[SiteReading]:
    found: list[SiteReading] = []
    readings = meter.readings()
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                found.append(await anext(readings))
    finally:
        await readings.aclose()
    return found


def settings(port: int, **more: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": port, "unit": "W", "positive": "import", "connection_kw": 50.0}
    return {**given, "interval_s": 0.01, "timeout_s": 0.5, **more}


def words(kind: str, value: float) -> list[int]:
    raw = struct.pack(">" + kind, value)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


@pytest.mark.asyncio
async def test_registers_of_every_kind_and_both_signs() -> None:
    registers = [*words("i", -7250), *words("f", 2500.0), *words("h", -10), *words("H", 30), *words("d", 1250.5)]
    port = free_port()
    cases = [
        ({"address": 0, "type": "int32"}, "import", -7.25),
        ({"address": 0, "type": "int32"}, "export", 7.25),
        ({"address": 2, "type": "float32"}, "import", 2.5),
        ({"address": 4, "type": "int16", "scale": 100.0}, "import", -1.0),
        ({"address": 5, "type": "uint16", "scale": 100.0}, "import", 3.0),
        ({"address": 6, "type": "float64"}, "import", 1.2505),
    ]
    async with modbus_server(port, (1, 0, registers)):
        for register, positive, expected in cases:
            meter = meter_from("modbus", settings(port, power=register, positive=positive), QuickClock())
            (reading,) = await take(meter)
            assert reading.power_kw == pytest.approx(expected)
            assert abs((datetime.now(tz=UTC) - reading.at).total_seconds()) < 5


@pytest.mark.asyncio
async def test_phases_and_production_come_along() -> None:
    port = free_port()
    at = [{"address": address, "type": "int16"} for address in range(5)]
    async with modbus_server(
        port, (7, 0, words("h", 6000) + words("h", 1000) + words("h", 2000) + words("h", 3000) + [4200])
    ):
        given = settings(port, device=7, power=at[0], phases=at[1:4], pv=at[4])
        (reading,) = await take(meter_from("modbus", given, QuickClock()))
    assert (reading.power_kw, reading.phase_kw, reading.pv_kw) == (6.0, (1.0, 2.0, 3.0), 4.2)


def sunspec_meter() -> list[int]:
    common = [1, 66, *([0] * 66)]
    body = [0x8000] * 105
    body[16:20] = [struct.unpack(">H", struct.pack(">h", value))[0] for value in (-1234, -400, -400, -434)]
    body[20] = 1  # scale factor: tens of watts
    return [0x5375, 0x6E53, *common, 203, 105, *body, 0xFFFF, 0]


def sunspec_inverter() -> list[int]:
    body = [0] * 60
    body[20:22] = words("f", 8765.4)
    return [0x5375, 0x6E53, 113, 60, *body, 0xFFFF, 0]


@pytest.mark.asyncio
async def test_sunspec_models_are_found() -> None:
    port = free_port()
    async with modbus_server(port, (1, 40000, sunspec_meter()), (2, 40000, sunspec_inverter())):
        given = settings(port, sunspec=True, pv_device=2)
        first, second = await take(meter_from("modbus", given, QuickClock()), 2)
    assert first.power_kw == pytest.approx(-12.34)
    assert first.phase_kw == pytest.approx((-4.0, -4.0, -4.34))
    assert first.pv_kw == pytest.approx(8.7654)
    assert second.at > first.at


@pytest.mark.asyncio
async def test_a_missing_inverter_does_not_silence_the_meter() -> None:
    port = free_port()
    async with modbus_server(port, (1, 40000, sunspec_meter())):
        given = settings(port, sunspec=True, pv_device=2, timeout_s=0.2)
        readings = await take(meter_from("modbus", given, QuickClock()), 3)
    assert [reading.pv_kw for reading in readings] == [None] * 3


@pytest.mark.asyncio
async def test_a_device_without_sunspec_gives_nothing_and_says_why() -> None:
    port = free_port()
    async with modbus_server(port, (1, 0, [0] * 50)):
        meter: Any = meter_from("modbus", settings(port, sunspec=True), QuickClock())
        readings = meter.readings()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(readings)
        await readings.aclose()
    assert "SunSpec" in meter.problem

    async def inverter_only(address: int, count: int) -> list[int]:
        return sunspec_inverter()[address - 40000 :][:count] if address >= 40000 else [0] * count

    assert (await find_inverter(inverter_only)).powers([0] * 22 + words("f", 5.0)) == (5.0,)

    async def nothing(_address: int, count: int) -> list[int]:
        return [0] * count

    with pytest.raises(SunSpecError):
        await find_inverter(nothing)


@pytest.mark.asyncio
async def test_it_comes_back_after_the_device_was_away() -> None:
    port = free_port()
    meter: Any = meter_from("modbus", settings(port, power={"address": 0, "type": "int16"}), QuickClock())
    readings = meter.readings()
    async with asyncio.timeout(20):
        async with modbus_server(port, (1, 0, [1000])):
            assert (await anext(readings)).power_kw == 1.0
        waiting = asyncio.ensure_future(anext(readings))
        while not meter.problem:
            await asyncio.sleep(0.02)
        async with modbus_server(port, (1, 0, [2000])):
            reading = await waiting
            while reading.power_kw == 1.0:
                reading = await anext(readings)
            assert reading.power_kw == 2.0
            assert meter.problem == ""
            await readings.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("fails", [True, False])
async def test_a_cancellation_that_a_library_swallowed_ends_the_readings(*, fails: bool) -> None:
    """``asyncio.wait_for`` of Python 3.11 loses a cancellation that arrives together with its result."""
    port = free_port()
    meter: Any = meter_from("modbus", settings(port, power={"address": 0, "type": "int16"}), QuickClock())

    async def swallowing(*_: object) -> SiteReading | None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if fails:
                raise ConnectionError from None
        return None

    meter._read = swallowing
    readings = meter.readings()
    async with modbus_server(port, (1, 0, [1000])):
        task = asyncio.ensure_future(anext(readings))
        await asyncio.sleep(0.2)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done
        assert task.cancelled()
        await readings.aclose()


@pytest.mark.asyncio
async def test_watts_taken_for_kilowatts_are_refused() -> None:
    port = free_port()
    given = settings(port, unit="kW", power={"address": 0, "type": "int16"})
    meter: Any = meter_from("modbus", given, QuickClock())
    async with modbus_server(port, (1, 0, [6000])):
        readings = meter.readings()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await anext(readings)
        await readings.aclose()
    assert meter.gauge.refused > 0
    assert "may be W" in meter.gauge.concern


def test_a_missing_library_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="meters"):
        meter_from("modbus", settings(1, power={"address": 0, "type": "int16"}), QuickClock())
    given = {"host": "h", "unit": "W", "positive": "import", "connection_kw": 50.0, "power": {"topic": "a"}}
    with pytest.raises(InputError, match="aiomqtt"):
        meter_from("mqtt", given, QuickClock())


def test_settings_say_everything_that_is_wrong() -> None:
    with pytest.raises(InputError) as caught:
        meter_from("modbus", {"host": "h", "powr": 1, "connection_kw": 0}, QuickClock(), at="site.meter")
    told = str(caught.value)
    assert all(word in told for word in ("site.meter: unit", "positive", "powr", "connection_kw"))
    register = {"address": 0, "type": "int16"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "register of the power"),
        ({"sunspec": True, "power": register}, "one of both"),
        ({"sunspec": True, "unit": "kW"}, "count in W"),
        ({"power": register, "phases": [register]}, "none or three"),
        ({"power": register, "pv_device": 2}, "only with sunspec"),
    ]
    for more, word in wrong:
        with pytest.raises(InputError, match=word):
            meter_from("modbus", settings(1, **more), QuickClock())
    with pytest.raises(InputError, match="modbus, mqtt or file"):
        meter_from("telepathy", {}, QuickClock())
