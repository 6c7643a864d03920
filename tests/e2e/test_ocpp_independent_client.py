"""A whole session by a client that this project did not write: the npm package ``ocpp-rpc`` in strict mode."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ocpp_doubles import SECRET, Wired, listening, station

from bothways.adapters.ocpp import schemas
from bothways.operations.events import ChargingNeedsReceived, EvseKey, MessageKept, StationEvent, TransactionChanged
from bothways.operations.orders import PowerOrder

HERE = Path(__file__).parent / "ocpp_client"


@pytest.fixture(scope="session")
def packages() -> Path:
    """The client's packages, installed once by ``npm ci`` into a folder of the environment, exactly as locked."""
    if shutil.which("npm") is None:
        reason = "node and npm are not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "ocpp-client" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "installed").touch()
    return folder / "node_modules"


async def run_session(wired: Wired, version: str, packages: Path) -> dict[str, Any]:
    schema_folder = schemas.folder("2.1")
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "station.cjs"),
        f"ws://127.0.0.1:{wired.port}/ocpp",
        "CP1",
        SECRET.decode(),
        version,
        str(schema_folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(packages)},
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


async def drive(wired: Wired, start_on: type[StationEvent], powers_kw: tuple[float, ...]) -> list[float]:
    """What the platform would do: setpoints once the vehicle is there, and the end after something was metered."""
    await wired.intake.wait_for(lambda: bool(wired.intake.of(start_on)))
    transaction = wired.intake.of(TransactionChanged)[0].transaction_id or "1"
    done = []
    for power_kw in powers_kw:
        order = PowerOrder(EvseKey("CP1", 1), power_kw, transaction, 60.0)
        result = await wired.gateway.set_power(order, station().evses[0])
        assert result.accepted, result
        done.append(result.commanded_kw)
    await wired.intake.wait_for(lambda: any(getattr(event, "samples", ()) for event in wired.intake.events))
    assert (await wired.gateway.stop("CP1", transaction)).accepted
    return done


@pytest.mark.asyncio
async def test_a_session_in_16_with_a_negative_limit(packages: Path) -> None:
    record = station(accepted_at=None, discharge="negative_limit")
    async with listening(record, query_capabilities=True) as wired:
        session = asyncio.create_task(run_session(wired, "1.6", packages))
        assert await drive(wired, TransactionChanged, (-3.0,)) == [-3.0]
        seen = await session
    (profile,) = (item["params"] for item in seen["asked"] if item["method"] == "SetChargingProfile")
    schedule = profile["csChargingProfiles"]["chargingSchedule"]
    assert (schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"]) == (
        "W",
        [{"startPeriod": 0, "limit": -3000}],
    )
    assert schedule["duration"] == 120
    assert seen["answers"]["Authorize"] == [{"idTagInfo": {"status": "Accepted"}}]
    started, ended = wired.intake.of(TransactionChanged)
    assert (started.meter_start_kwh, ended.meter_stop_kwh, ended.reason) == (1.0, 0.9, "Remote")
    exports = [
        sample.value
        for event in wired.intake.events
        for sample in getattr(event, "samples", ())
        if sample.measurand == "Power.Active.Export"
    ]
    assert exports == [3.0]
    assert all(not event.flags for event in wired.intake.events)


@pytest.mark.asyncio
async def test_a_session_in_201(packages: Path) -> None:
    async with listening(station(accepted_at=None), query_capabilities=True) as wired:
        session = asyncio.create_task(run_session(wired, "2.0.1", packages))
        assert await drive(wired, ChargingNeedsReceived, (7.4,)) == [7.4]
        seen = await session
    (profile,) = (item["params"] for item in seen["asked"] if item["method"] == "SetChargingProfile")
    (schedule,) = profile["chargingProfile"]["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 7400}]
    assert seen["answers"]["NotifyEVChargingNeeds"] == [{"status": "Processing"}]
    assert [event.kind for event in wired.intake.of(TransactionChanged)] == ["started", "updated", "ended"]


@pytest.mark.asyncio
async def test_a_two_way_session_in_21(packages: Path) -> None:
    record = station(accepted_at=None, discharge="v2x")
    async with listening(record, query_capabilities=True) as wired:
        session = asyncio.create_task(run_session(wired, "2.1", packages))
        assert await drive(wired, ChargingNeedsReceived, (4.0, -3.0)) == [4.0, -3.0]
        seen = await session
    sent = {item["method"]: item["params"] for item in seen["asked"]}
    profile = sent["SetChargingProfile"]["chargingProfile"]
    assert (profile["chargingProfileKind"], profile["invalidAfterOfflineDuration"]) == ("Dynamic", True)
    assert profile["maxOfflineDuration"] == 60
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": 4000, "limit": 4000, "dischargeLimit": 0}
    ]
    assert sent["UpdateDynamicSchedule"]["scheduleUpdate"] == {"setpoint": -3000, "limit": 0, "dischargeLimit": -3000}
    (need,) = wired.intake.of(ChargingNeedsReceived)
    assert (need.soc, need.capacity_kwh, need.charge_kw, need.discharge_kw) == (0.6, 62.0, 11.0, 10.0)
    assert [event.action for event in wired.intake.of(MessageKept)] == ["NotifyPeriodicEventStream"]
    updated = wired.intake.of(TransactionChanged)[1]
    values = [(sample.measurand, sample.value, sample.unit) for sample in updated.samples]
    assert values == [("Power.Active.Export", 3.0, "kW"), ("Energy.Active.Import.Register", 1.2005, "kWh")]
