"""Mutated messages: no crash, no valid call without its answer, memory flat.

``BOTHWAYS_FUZZ_MESSAGES`` sets the number per version: a few thousand in the checks, a hundred thousand in a soak.
"""

import asyncio
import gc
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from ocpp_doubles import MemoryIntake, MemoryRegistry, StillClock, station
from ocpp_payloads import smallest

from bothways.adapters.ocpp.administration import outgoing
from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.schemas import Version, actions, violations
from bothways.adapters.ocpp.session import HANDLERS, Session
from bothways.adapters.ocpp.talk import Talk
from bothways.operations.events import EvseKey
from bothways.operations.orders import PowerOrder, SafeProfile

COUNT = int(os.environ.get("BOTHWAYS_FUZZ_MESSAGES", "3000"))
CODES = {
    "1.6": {"NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation",
            "PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError"},
    "2.x": {"FormatViolation", "GenericError", "InternalError", "MessageTypeNotSupported", "NotImplemented",
            "NotSupported", "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError",
            "RpcFrameworkError", "SecurityError", "TypeConstraintViolation"},
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 1e308, -1e308, 1e-320, 0.1, "", "x" * 300, "\u0000",
    "\U0001f50c",
    "NaN", "Infinity", "-5", "12,5", "2026-03-01T12:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", [], {}, [[]], [{}], [None], {"x": {"y": {}}},
)  # fmt: skip


def rich(version: Version) -> list[tuple[str, dict[str, Any]]]:
    """Messages that reach far into the translators."""
    unit = {"unit": "W"} if version == "1.6" else {"unitOfMeasure": {"unit": "W", "multiplier": 0}}
    one = "1500" if version == "1.6" else 1500
    values = [
        {"value": one, "measurand": "Power.Active.Import", "phase": "L1", "context": "Sample.Periodic"} | unit,
        {"value": one, "measurand": "Energy.Active.Import.Register"},
        {"value": one, "measurand": "SoC", "location": "EV"},
    ]
    out = []
    for action in HANDLERS[version]:
        payload = smallest(version, action)
        if action == "StopTransaction":
            payload["transactionData"] = [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": values}]
        if action in {"MeterValues", "TransactionEvent"}:
            payload["meterValue"] = [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": values}]
        if action == "TransactionEvent":
            payload |= {"evse": {"id": 1, "connectorId": 1}, "idToken": {"idToken": "TAG", "type": "Central"}}
        if action == "NotifyEVChargingNeeds":
            payload["chargingNeeds"]["dcChargingParameters"] = {
                "evMaxCurrent": 1,
                "evMaxVoltage": 1,
                "stateOfCharge": 5,
            }
        if action == "NotifyReport":
            payload["reportData"] = [
                {
                    "component": {"name": "V2XChargingCtrlr"},
                    "variable": {"name": "Enabled"},
                    "variableAttribute": [{"value": "true"}],
                }
            ]
        out.append((action, payload))
    return out


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a node."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


def mutated(message: list[Any], rng: random.Random) -> bytes:
    """A message that is wrong somewhere, or by luck still sound."""
    for _ in range(rng.randint(1, 3)):
        found = places(message[3] if rng.random() < 0.85 and len(message) > 3 else message)
        if not found:
            continue
        container, key = rng.choice(found)
        match rng.randrange(5):
            case 0:
                del container[key]
            case 1:
                container[key] = rng.choice(ODD)
            case 2 if isinstance(container, dict):
                container["extra" + str(rng.randrange(3))] = rng.choice(ODD)
            case 3 if isinstance(container, list):
                container.append(container[key])
            case _:
                other_container, other_key = rng.choice(found)
                try:
                    container[key] = orjson.loads(orjson.dumps(other_container[other_key]))
                except (KeyError, IndexError):
                    container[key] = rng.choice(ODD)
        if not isinstance(message, list) or len(message) < 4:
            break
    try:
        raw = orjson.dumps(message)
    except TypeError:
        raw = repr(message).encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(raw))
        raw = rng.choice(
            (raw[:at], raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :], raw + raw, b"[" * 2000 + raw)
        )
    return raw


def expected_answer(raw: bytes) -> str | None:
    """The id that must be answered, where the bytes are a call."""
    try:
        parts = orjson.loads(raw)
    except ValueError:
        return None
    sound = isinstance(parts, list) and len(parts) == 4 and type(parts[0]) is int and parts[0] == 2
    if sound and isinstance(parts[1], str) and 0 < len(parts[1]) <= 36 and isinstance(parts[2], str):
        return str(parts[1])
    return None


def resident_kib() -> int:
    """Memory of this process [KiB], 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


async def soak(version: Version, count: int) -> Counter[str]:
    rng = random.Random(f"ocpp {version}")
    answers: list[bytes] = []
    counters: Counter[str] = Counter()

    async def transmit(data: bytes) -> None:
        answers.append(data)

    record = station()
    link = Link(version, transmit, 0.01)
    talk = Talk(
        version, record, True, link, MemoryIntake(keep=False), MemoryRegistry(record), StillClock(),
        GatewayOptions(query_capabilities=False), accepted=True,
    )  # fmt: skip

    def note(name: str) -> None:
        counters[name] += 1

    session = Session(talk, transmit, note)
    seeds = [orjson.dumps([2, "m", action, payload]) for action, payload in rich(version)]
    codes = CODES["1.6" if version == "1.6" else "2.x"]
    blocks = resident = 0
    for number in range(count):
        if number == count // 2:
            talk.registry.accepted.clear()  # type: ignore[attr-defined]
            gc.collect()
            blocks, resident = sys.getallocatedblocks(), resident_kib()
        message = orjson.loads(rng.choice(seeds))
        message[1] = f"m{number}"
        raw = mutated(message, rng)
        await session.on_message(raw)
        await session.settle()
        wanted = expected_answer(raw)
        if wanted is not None:
            (answer,) = (orjson.loads(item) for item in answers)
            assert answer[1] == wanted, raw
            if answer[0] == 3:
                counters["answered"] += 1
                action = orjson.loads(raw)[2]
                assert violations(version, action, answer[2], response=True) == (), (raw, answer)
            else:
                assert answer[0] == 4, raw
                assert answer[2] in codes, (raw, answer)
        assert counters["handler_failures"] == 0, raw
        answers.clear()
    talk.registry.accepted.clear()  # type: ignore[attr-defined]
    gc.collect()
    grown = sys.getallocatedblocks() - blocks
    assert grown < 2_000 + count // 100
    print(
        f"soak: {count} mutated messages of OCPP {version}: {counters['answered']} answered, "
        f"{counters['calls_refused']} refused, {counters['messages_malformed']} malformed; during the second half "
        f"{grown:+d} blocks of memory, {resident_kib() - resident:+d} KiB resident"
    )
    return counters


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_mutated_messages_neither_crash_nor_stay_unanswered(version: Version, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    counters = asyncio.run(soak(version, COUNT))
    assert counters["messages_in"] == COUNT
    assert counters["answered"] > COUNT // 20  # enough of them still reach the handlers
    assert counters["calls_refused"] > COUNT // 20


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_the_seeds_of_the_fuzz_are_sound(version: Version) -> None:
    for action, payload in rich(version):
        assert action in actions(version)
        assert violations(version, action, payload) == (), action


async def answer_badly(version: Version, count: int) -> Counter[str]:
    """Asks a station that answers with mutated payloads, and sometimes not at all."""
    rng = random.Random(f"answers {version}")
    outcomes: Counter[str] = Counter()
    record = station(discharge={"1.6": "negative_limit", "2.0.1": "negative_limit", "2.1": "v2x"}[version])
    seeds = {action: orjson.dumps(smallest(version, action, response=True)) for action in outgoing(version)}
    sessions: list[Session] = []

    async def transmit(data: bytes) -> None:
        message = orjson.loads(data)
        if message[0] != 2:
            return
        answer = [3, message[1], "unused", orjson.loads(seeds[message[2]])]
        if rng.random() < 0.9:
            raw = mutated(answer, rng)
            try:
                kind, number, _, payload = orjson.loads(raw)
                raw = orjson.dumps([kind, number, payload])
            except (ValueError, TypeError):
                pass
        else:
            raw = orjson.dumps([4, message[1], rng.choice(["NotSupported", "InternalError", "Odd"]), "", {}])
        await sessions[0].on_message(raw)

    link = Link(version, transmit, 0.001)
    talk = Talk(
        version, record, True, link, MemoryIntake(keep=False), MemoryRegistry(record), StillClock(),
        GatewayOptions(query_capabilities=True), accepted=True,
    )  # fmt: skip
    session = Session(talk, transmit, lambda _: None)
    sessions.append(session)
    evse = record.evses[0]
    for _ in range(count):
        order = PowerOrder(EvseKey("CP1", 1), rng.choice([-5.0, 0.0, 5.0]), "7", 30.0)
        outcomes[(await session.steering.set_power(order, evse, record)).status] += 1
        outcomes[(await session.steering.set_safe_profile(SafeProfile("CP1", 4.0), record)).status] += 1
        composite = await session.steering.composite(evse)
        outcomes["composite" if composite is not None else "no composite"] += 1
        await session.learn()
        talk.capabilities.v2x = talk.capabilities.iso15118 = None
        await session.settle()
    print(f"soak: {count} rounds of mutated answers of OCPP {version}: {dict(outcomes)}")
    return outcomes


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_mutated_answers_are_an_outcome_and_never_a_crash(version: Version, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    outcomes = asyncio.run(answer_badly(version, max(50, COUNT // 30)))
    assert set(outcomes) <= {
        "Accepted", "Rejected", "NotSupported", "unsupported", "timeout", "refused", "composite", "no composite",
    }  # fmt: skip
    assert outcomes["Accepted"] > 10
