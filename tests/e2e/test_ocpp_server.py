"""A real server and a raw WebSocket client, in every protocol version."""

import asyncio
import math

import pytest
from ocpp_doubles import NOW, calling, listening, station
from websockets.exceptions import InvalidStatus

from bothways.operations.events import (
    Booted,
    ChargingNeedsReceived,
    ConnectionChanged,
    EvseKey,
    MessageKept,
    MeterValuesReceived,
    StatusChanged,
    TransactionChanged,
)
from bothways.operations.orders import PowerOrder, SafeProfile

AT = "2026-03-01T12:00:00Z"
ACCEPTED = {"status": "Accepted"}
BOOT_16 = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
BOOT_2X = {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model"}}
TAG = {"idToken": "TAG", "type": "Central"}


def transaction_event(kind: str, seq_no: int, **more: object) -> dict[str, object]:
    return {
        "eventType": kind,
        "timestamp": AT,
        "triggerReason": "CablePluggedIn",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "tx-1"},
        "evse": {"id": 1, "connectorId": 1},
    } | more


def meter(value: object, **more: object) -> list[dict[str, object]]:
    return [{"timestamp": AT, "sampledValue": [{"value": value} | more]}]


@pytest.mark.asyncio
async def test_a_session_in_16() -> None:
    async with listening() as wired, calling(wired, protocol="ocpp1.6", answers={"SetChargingProfile": ACCEPTED}) as cp:
        assert (await cp.call("BootNotification", BOOT_16))[2]["status"] == "Accepted"
        assert await cp.call("Heartbeat", {}) == [3, "m2", {"currentTime": "2026-03-01T12:00:00.000Z"}]
        status = {"connectorId": 1, "errorCode": "NoError", "status": "SuspendedEV"}
        assert (await cp.call("StatusNotification", status))[2] == {}
        assert (await cp.call("Authorize", {"idTag": "TAG"}))[2] == {"idTagInfo": ACCEPTED}
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 12_500, "timestamp": AT}
        first = await cp.call("StartTransaction", start)
        again = await cp.call("StartTransaction", start)
        assert first[2] == again[2] == {"transactionId": 1, "idTagInfo": ACCEPTED}
        values = {"connectorId": 1, "transactionId": 1, "meterValue": meter("13000", unit="Wh")}
        assert (await cp.call("MeterValues", values))[2] == {}

        order = PowerOrder(EvseKey("CP1", 1), 6.9, "1", 30.0)
        done = await wired.gateway.set_power(order, station().evses[0])
        assert (done.accepted, done.commanded_kw) == (True, 6.9)
        sent = (await cp.asked_for("SetChargingProfile"))["csChargingProfiles"]
        assert sent["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 10.0, "numberPhases": 3}
        ]
        assert sent["chargingSchedule"]["chargingRateUnit"] == "A"

        stop = {"transactionId": 1, "meterStop": 14_000, "timestamp": AT, "reason": "Local", "idTag": "TAG"}
        assert (await cp.call("StopTransaction", stop))[2] == {"idTagInfo": ACCEPTED}
    assert wired.registry.accepted == [("CP1", "Vendor Model")]
    assert [event.status for event in wired.intake.of(StatusChanged)] == ["Occupied"]
    started, ended = wired.intake.of(TransactionChanged)
    assert (started.meter_start_kwh, ended.meter_stop_kwh, ended.transaction_id) == (12.5, 14.0, "1")
    (values,) = wired.intake.of(MeterValuesReceived)
    assert (values.transaction_id, values.samples[0].value, values.samples[0].unit) == ("1", 13.0, "kWh")
    assert [event.connected for event in wired.intake.of(ConnectionChanged)] == [True, False]
    assert all(not event.flags for event in wired.intake.events)


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_session_in_2x(version: str) -> None:
    answers = {"SetChargingProfile": ACCEPTED}
    async with (
        listening(station(discharge="v2x")) as wired,
        calling(wired, protocol=f"ocpp{version}", answers=answers) as cp,
    ):
        assert (await cp.call("BootNotification", BOOT_2X))[2]["status"] == "Accepted"
        status = {"timestamp": AT, "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}
        assert (await cp.call("StatusNotification", status))[2] == {}
        assert (await cp.call("Authorize", {"idToken": TAG}))[2] == {"idTokenInfo": ACCEPTED}
        assert (await cp.call("TransactionEvent", transaction_event("Started", 0, idToken=TAG)))[2] == {
            "idTokenInfo": ACCEPTED
        }
        needs = {
            "evseId": 1,
            "chargingNeeds": {
                "requestedEnergyTransfer": "DC",
                "departureTime": "2026-03-01T17:00:00Z",
                "dcChargingParameters": {"evMaxCurrent": 32, "evMaxVoltage": 400, "stateOfCharge": 45},
            },
        }
        assert (await cp.call("NotifyEVChargingNeeds", needs))[2] == {"status": "Processing"}
        order = PowerOrder(EvseKey("CP1", 1), 5.0, "tx-1", 30.0)
        assert (await wired.gateway.set_power(order, station().evses[0])).commanded_kw == 5.0
        values = meter(62.5, measurand="SoC")
        assert (await cp.call("TransactionEvent", transaction_event("Updated", 1, meterValue=values)))[2] == {}
        assert (await cp.call("MeterValues", {"evseId": 1, "meterValue": meter(7.0)}))[2] == {}
        assert (await cp.call("TransactionEvent", transaction_event("Ended", 2)))[2] == {}
    (booted,) = wired.intake.of(Booted)
    assert booted.protocol == f"ocpp{version}"
    kinds = [(event.kind, event.seq_no) for event in wired.intake.of(TransactionChanged)]
    assert kinds == [("started", 0), ("updated", 1), ("ended", 2)]
    (need,) = wired.intake.of(ChargingNeedsReceived)
    assert (need.soc, need.energy_transfer) == (0.45, "DC")


@pytest.mark.asyncio
async def test_only_a_station_that_was_never_accepted_is_asked_to_boot_first() -> None:
    async with listening(station(accepted_at=None)) as wired:
        async with calling(wired, answers={"TriggerMessage": ACCEPTED}) as cp:
            assert (await cp.call("Heartbeat", {}))[2] == "SecurityError"
            assert await cp.asked_for("TriggerMessage") == {"requestedMessage": "BootNotification"}
            assert (await cp.call("BootNotification", BOOT_2X))[2]["status"] == "Accepted"
            assert (await cp.call("Heartbeat", {}))[0] == 3
        async with calling(wired) as cp:  # a reconnect is no reset: the registration holds
            assert (await cp.call("Heartbeat", {}))[0] == 3


@pytest.mark.asyncio
async def test_nothing_is_answered_with_success_while_the_store_is_down() -> None:
    async with listening() as wired, calling(wired) as cp:
        wired.intake.broken = True
        assert (await cp.call("TransactionEvent", transaction_event("Started", 0)))[:3] == [4, "m1", "InternalError"]
        wired.intake.broken = False
        assert (await cp.call("TransactionEvent", transaction_event("Started", 0)))[2] == {}
        assert len(wired.intake.of(TransactionChanged)) == 1


@pytest.mark.asyncio
async def test_while_the_store_is_down_nobody_new_gets_in_and_whoever_is_there_still_obeys() -> None:
    order = PowerOrder(EvseKey("CP1", 1), 5.0, "tx-1", 30.0)
    async with listening() as wired, calling(wired, answers={"SetChargingProfile": ACCEPTED}):
        wired.registry.broken = True
        assert (await wired.gateway.set_power(order, station().evses[0])).accepted
        with pytest.raises(InvalidStatus) as refused:
            async with calling(wired):
                pass
        assert refused.value.response.status_code == 503
        wired.registry.broken = False


@pytest.mark.asyncio
async def test_a_change_of_the_record_holds_at_the_next_order_once_it_was_told() -> None:
    order = PowerOrder(EvseKey("CP1", 1), -5.0, "tx-1", 30.0)
    async with (
        listening(station(discharge="v2x")) as wired,
        calling(wired, answers={"SetChargingProfile": ACCEPTED}),
    ):
        assert (await wired.gateway.set_power(order, station().evses[0])).accepted
        wired.registry.records["CP1"] = station(discharge="none")
        wired.gateway.refresh("CP1")
        assert (await wired.gateway.set_power(order, station().evses[0])).status == "refused"


@pytest.mark.asyncio
async def test_closing_answers_what_was_read_and_lets_nobody_in() -> None:
    async with listening() as wired, calling(wired) as cp:
        wired.intake.held = asyncio.Event()
        waiting = asyncio.create_task(cp.call("TransactionEvent", transaction_event("Started", 0)))
        await wired.intake.waiting.wait()
        closing = asyncio.create_task(wired.gateway.close(5.0))
        await asyncio.sleep(0.02)
        assert not closing.done()
        wired.intake.held.set()
        assert (await waiting)[2] == {}
        await closing
        await cp.socket.wait_closed()
        assert cp.socket.close_code == 1001
        assert wired.gateway.connected() == frozenset()
        with pytest.raises(ConnectionRefusedError):
            async with calling(wired):
                pass


@pytest.mark.asyncio
async def test_start_stop_and_signal() -> None:
    answers = {
        "RequestStartTransaction": ACCEPTED,
        "RequestStopTransaction": {"status": "Rejected"},
        "AFRRSignal": ACCEPTED,
    }
    async with listening() as wired, calling(wired, answers=answers) as cp:
        assert (await wired.gateway.start(EvseKey("CP1", 2), "TAG")).accepted
        started = await cp.asked_for("RequestStartTransaction")
        assert (started["evseId"], started["idToken"]) == (2, TAG)
        assert (await wired.gateway.stop("CP1", "tx")).status == "Rejected"
        assert await wired.gateway.signal("CP1", -40) == ACCEPTED
        assert await cp.asked_for("AFRRSignal") == {"timestamp": "2026-03-01T12:00:00.000Z", "signal": -40}
        assert (await wired.gateway.start(EvseKey("CP2", 1), "TAG")).status == "offline"
    async with listening() as wired, calling(wired, protocol="ocpp1.6", answers={"RemoteStartTransaction": ACCEPTED}):
        assert (await wired.gateway.start(EvseKey("CP1", 2), "TAG")).accepted
        assert (await wired.gateway.start(EvseKey("CP1", 2), "T" * 30)).status == "refused"
        assert (await wired.gateway.stop("CP1", "not-a-number")).status == "refused"


@pytest.mark.asyncio
async def test_a_reconnect_replaces_the_old_socket() -> None:
    async with listening() as wired, calling(wired) as old, calling(wired) as new:
        await old.socket.wait_closed()
        assert (await new.call("Heartbeat", {}))[0] == 3
        assert wired.gateway.connected() == {"CP1"}
        assert wired.gateway.counters["connections_replaced"] == 1


@pytest.mark.asyncio
async def test_two_sockets_with_one_id_leave_one_connection_and_nothing_behind() -> None:
    async with listening() as wired:
        async with calling(wired) as first:
            before = len(asyncio.all_tasks())
            for _ in range(40):
                async with calling(wired) as second, calling(wired) as third:
                    await second.socket.wait_closed()
                    assert (await third.call("Heartbeat", {}))[0] == 3
                    assert wired.gateway.connected() == {"CP1"}
            await first.socket.wait_closed()
            async with asyncio.timeout(20):
                while wired.gateway.connected() or len(asyncio.all_tasks()) > before:
                    await asyncio.sleep(0.01)
        said = [event.connected for event in wired.intake.of(ConnectionChanged)]
        assert (said.count(True), said[-1]) == (81, False)


@pytest.mark.asyncio
async def test_orders_to_a_station_that_is_away_and_one_that_is_silent() -> None:
    order = PowerOrder(EvseKey("CP1", 1), 5.0, "tx-1", 30.0)
    async with listening(call_timeout_s=0.05) as wired:
        assert (await wired.gateway.set_power(order, station().evses[0])).status == "offline"
        async with calling(wired, answers={"SetChargingProfile": "silence"}):
            done = await wired.gateway.set_power(order, station().evses[0])
            assert (done.accepted, done.status) == (False, "timeout")
            assert math.isnan(done.commanded_kw)


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_the_safe_profile_is_left_for_every_transaction_and_the_station(protocol: str) -> None:
    async with listening() as wired, calling(wired, protocol=protocol, answers={"SetChargingProfile": ACCEPTED}) as cp:
        assert (await wired.gateway.set_safe_profile(SafeProfile("CP1", 4.14, 8.28))).accepted
        profiles = [next(value for key, value in sent.items() if "rofile" in key) for _, sent in cp.asked]
        purposes = [profile["chargingProfilePurpose"] for profile in profiles]
        assert purposes == [
            "ChargePointMaxProfile" if protocol == "ocpp1.6" else "ChargingStationMaxProfile",
            "TxDefaultProfile",
        ]


@pytest.mark.asyncio
async def test_a_message_wrong_in_form_is_kept_flagged_and_answered() -> None:
    async with listening() as wired, calling(wired) as cp:
        event = transaction_event("Started", 0, timestamp="2026-03-01T12:00:00", meterValue=meter("1500"))
        assert (await cp.call("TransactionEvent", event))[2] == {}
        (stored,) = wired.intake.of(TransactionChanged)
        assert stored.at == NOW
        assert stored.samples[0].value == 1.5
        assert any("no offset" in flag for flag in stored.flags)
        assert b'"m1"' in stored.raw


@pytest.mark.asyncio
async def test_energy_that_cannot_be_read_is_kept_raw_before_it_is_refused() -> None:
    async with listening() as wired, calling(wired) as cp:
        event = transaction_event("Started", 0)
        del event["transactionInfo"]
        assert (await cp.call("TransactionEvent", event))[2] == "OccurrenceConstraintViolation"
        (kept,) = wired.intake.of(MessageKept)
        assert (kept.action, kept.flags[-1].startswith("refused")) == ("TransactionEvent", True)
