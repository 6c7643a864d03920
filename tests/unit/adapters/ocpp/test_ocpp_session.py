"""The conversation with one station, without a socket."""

import asyncio
from typing import Any

import orjson
import pytest
from ocpp_doubles import NOW, MemoryIntake, MemoryRegistry, StillClock, station

from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.session import QUEUE, Session
from bothways.adapters.ocpp.talk import Talk
from bothways.domain.errors import GatewayError
from bothways.operations.events import MessageKept, MeterValuesReceived, StationEvent, TransactionChanged
from bothways.operations.ports import Receipt

AT = "2026-03-01T12:00:00Z"


class Line:
    """A session whose wire is a list."""

    def __init__(self, version: Version = "2.1", intake: MemoryIntake | None = None, **options: Any) -> None:
        self.wire: list[list[Any]] = []
        self.counters: dict[str, int] = {}
        self.intake = intake or MemoryIntake()
        self.record = station()
        registry = MemoryRegistry(self.record)
        settings = GatewayOptions(query_capabilities=False, **options)
        self.link = Link(version, self.transmit, 0.5)
        self.talk = Talk(version, self.record, False, self.link, self.intake, registry, StillClock(), settings, True)
        self.session = Session(self.talk, self.transmit, self.count)

    async def transmit(self, data: bytes) -> None:
        self.wire.append(orjson.loads(data))

    def count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1

    async def hear(self, message: Any) -> list[list[Any]]:
        self.wire.clear()
        await self.session.on_message(message if isinstance(message, bytes) else orjson.dumps(message))
        await self.session.settle()
        return list(self.wire)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("version", "message", "answer"),
    [
        ("1.6", b"nonsense", None),
        ("2.0.1", b"nonsense", [4, "-1", "RpcFrameworkError"]),
        ("2.1", b"nonsense", [4, "-1", "RpcFrameworkError"]),
        ("1.6", [2, "m", "Heartbeat"], [4, "m", "FormationViolation"]),
        ("2.0.1", [2, "m", "Heartbeat"], [4, "m", "RpcFrameworkError"]),
        ("1.6", [9, "m", {}], None),
        ("2.0.1", [9, "m", {}], [4, "m", "MessageTypeNotSupported"]),
        ("1.6", [6, "m", "Heartbeat", {}], None),
        ("2.0.1", [6, "m", "Heartbeat", {}], [4, "m", "MessageTypeNotSupported"]),
        ("2.1", [6, "m", "Heartbeat", {}], None),
        ("2.1", [6, "m", "Nope", {}], None),
        ("2.1", [5, "m", "InternalError", "", {}], None),
        ("2.0.1", [5, "m", "InternalError", "", {}], [4, "m", "MessageTypeNotSupported"]),
        ("2.1", [3, "unasked", {}], None),
        ("2.1", [4, "unasked", "InternalError", "", {}], None),
        ("1.6", [2, "m", "TransactionEvent", {}], [4, "m", "NotImplemented"]),
        ("2.1", [2, "m", "Reset", {"type": "Immediate"}], [4, "m", "NotSupported"]),
        ("2.1", [2, "m", "Heartbeat", []], [4, "m", "TypeConstraintViolation"]),
        ("1.6", [2, "m", "Authorize", {}], [4, "m", "OccurenceConstraintViolation"]),
        ("2.1", [2, "m", "Authorize", {}], [4, "m", "OccurrenceConstraintViolation"]),
    ],
)
async def test_each_kind_of_nonsense_has_its_answer(version: Version, message: Any, answer: list[Any] | None) -> None:
    line = Line(version)
    heard = await line.hear(message)
    assert [item[:3] for item in heard] == ([] if answer is None else [answer])
    assert line.intake.events == []


@pytest.mark.asyncio
async def test_messages_are_answered_in_their_order_even_when_a_station_does_not_wait() -> None:
    line = Line()
    for number in range(3 * QUEUE):
        await line.session.on_message(orjson.dumps([2, f"m{number}", "Heartbeat", {}]))
    await line.session.settle()
    assert [item[1] for item in line.wire] == [f"m{number}" for number in range(3 * QUEUE)]
    assert line.session.idle()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        ("1.6", "StopTransaction", {"meterStop": 5, "timestamp": AT}),
        ("1.6", "StartTransaction", [1, 2]),
        ("2.0.1", "TransactionEvent", {"eventType": "Ended"}),
        ("2.1", "MeterValues", {"evseId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "x"}]}]}),
    ],
)
async def test_energy_is_kept_raw_before_it_is_refused(version: Version, action: str, payload: Any) -> None:
    line = Line(version)
    message = [2, "m", action, payload]
    ((kind, _, _, *_),) = await line.hear(message)
    assert kind == 4
    (kept,) = line.intake.of(MessageKept)
    assert orjson.loads(kept.payload) == payload
    assert orjson.loads(kept.raw) == message
    assert any(flag.startswith("refused") for flag in kept.flags)
    line.intake.broken = True
    ((_, _, code, *_),) = await line.hear(message)
    assert code == "InternalError"  # not even the refusal is given before the message is durable


@pytest.mark.asyncio
async def test_energy_in_a_broken_message_is_counted_where_its_facts_are_there() -> None:
    line = Line("2.1")
    event = {
        "eventType": "Updated",
        "timestamp": AT,
        "triggerReason": "VendorSpecial",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "t" * 40},
        "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "7", "measurand": "Power.Vendor.Own"}]}],
        "vendorField": 1,
    }
    assert await line.hear([2, "m", "TransactionEvent", event]) == [[3, "m", {}]]
    (stored,) = line.intake.of(TransactionChanged)
    assert (stored.seq_no, stored.samples[0].value, len(stored.flags) >= 4) == (3, 0.007, True)
    values = {"evseId": 1, "meterValue": event["meterValue"]}
    assert await line.hear([2, "m", "MeterValues", values]) == [[3, "m", {}]]
    assert line.intake.of(MeterValuesReceived)[0].flags


@pytest.mark.asyncio
async def test_a_sound_message_keeps_neither_flags_nor_raw() -> None:
    line = Line("2.1")
    await line.hear([2, "m", "SecurityEventNotification", {"type": "TamperDetectionActivated", "timestamp": AT}])
    (kept,) = line.intake.of(MessageKept)
    assert (kept.flags, kept.raw, kept.at, kept.action) == ((), b"", NOW, "SecurityEventNotification")


class Failing(MemoryIntake):
    async def receive(self, event: StationEvent) -> Receipt:
        msg = "a fault of the platform"
        raise RuntimeError(msg)


@pytest.mark.asyncio
async def test_a_fault_of_the_platform_is_answered_and_logged_without_the_payload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line("2.1", Failing())
    payload = {"timestamp": AT, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    ((_, _, code, *_),) = await line.hear([2, "m", "StatusNotification", payload])
    assert code == "InternalError"
    assert line.counters["handler_failures"] == 1
    assert "connectorStatus" not in caplog.text


@pytest.mark.asyncio
async def test_vendor_data_goes_to_the_vendors_handler() -> None:
    async def handler(station_id: str, message_id: str, data: str) -> tuple[str, str]:
        return "Accepted", f"{station_id}/{message_id}/{data}"

    line = Line("1.6", data_transfer={"acme": handler})
    call = {"vendorId": "acme", "messageId": "temperature", "data": "7"}
    assert await line.hear([2, "m", "DataTransfer", call]) == [
        [3, "m", {"status": "Accepted", "data": "CP1/temperature/7"}]
    ]
    assert await line.hear([2, "m", "DataTransfer", {"vendorId": "other"}]) == [[3, "m", {"status": "UnknownVendorId"}]]
    assert len(line.intake.of(MessageKept)) == 2


@pytest.mark.asyncio
async def test_a_caller_that_gives_up_leaves_the_line_busy_until_the_station_answers() -> None:
    line = Line("2.1")
    first = asyncio.create_task(line.link.call("ClearCache", {}))
    second = asyncio.create_task(line.link.call("GetLocalListVersion", {}))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0.01)
    assert [item[2] for item in line.wire] == ["ClearCache"]
    message_id = line.wire[0][1]
    await line.session.on_message(orjson.dumps([3, message_id, {"status": "Accepted"}]))
    await asyncio.sleep(0.01)
    assert [item[2] for item in line.wire] == ["ClearCache", "GetLocalListVersion"]
    await line.session.on_message(orjson.dumps([3, line.wire[1][1], {"versionNumber": 4}]))
    assert await second == {"versionNumber": 4}


@pytest.mark.asyncio
async def test_a_late_answer_is_nobodys_and_the_next_call_goes_on() -> None:
    line = Line("2.1")
    with pytest.raises(GatewayError, match="no answer"):
        await line.link.call("ClearCache", {})
    late = line.wire[0][1]
    second = asyncio.create_task(line.link.call("GetLocalListVersion", {}))
    await asyncio.sleep(0)
    await line.session.on_message(orjson.dumps([3, late, {"status": "Accepted"}]))
    assert line.counters["answers_unasked"] == 1
    await line.session.on_message(orjson.dumps([3, line.wire[1][1], {"versionNumber": 4}]))
    assert await second == {"versionNumber": 4}


@pytest.mark.asyncio
async def test_closing_fails_the_call_that_waits_and_those_behind_it() -> None:
    line = Line("2.1")
    calls = [asyncio.create_task(line.link.call("ClearCache", {})) for _ in range(3)]
    await asyncio.sleep(0)
    line.session.close("gone")
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [(type(item), str(item)) for item in outcomes] == [(GatewayError, "gone")] * 3
    with pytest.raises(GatewayError, match="gone"):
        await line.link.call("ClearCache", {})


@pytest.mark.asyncio
async def test_an_unanswered_stream_is_sent_as_kind_6() -> None:
    line = Line("2.1")
    await line.link.send("NotifyPeriodicEventStream", {"id": 1})
    assert [line.wire[0][0], line.wire[0][2]] == [6, "NotifyPeriodicEventStream"]
