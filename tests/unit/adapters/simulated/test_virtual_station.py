"""The virtual station against a scripted server that checks each of its messages with the published schemas."""

import asyncio
import contextlib
import importlib.util
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest
from websockets.asyncio.server import serve

from bothways.adapters.clocks import ScaledClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle

SCHEMAS = Path(importlib.util.find_spec("ocpp").submodule_search_locations[0])
FOLDER = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
START = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
SPEED = 600.0


def _validator(protocol, action, *, answer=False):
    suffix = "Response" if answer else ("" if protocol == "ocpp1.6" else "Request")
    path = SCHEMAS / FOLDER[protocol] / "schemas" / f"{action}{suffix}.json"
    schema = json.loads(path.read_text(encoding="utf-8-sig"))
    schema.pop("$schema", None)
    return jsonschema_rs.Draft7Validator(schema)


class Server:
    """Accepts what a station says, as a server would, and asks it things."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.heard = []
        self.socket = None
        self.answers = {}
        self.connected = asyncio.Event()
        self.deaf = False

    async def handle(self, socket):
        self.socket = socket
        self.connected.set()
        async for text in socket:
            message = json.loads(text)
            if message[0] == 2:
                _, identity, action, payload = message
                _validator(self.protocol, action).validate(payload)
                self.heard.append((action, payload))
                if not self.deaf:
                    await socket.send(json.dumps([3, identity, self.reply(action, payload)]))
            else:
                self.answers.pop(message[1]).set_result(message)

    def reply(self, action, payload):
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": "2026-05-04T07:00:00Z", "interval": 3600}
        if action == "StartTransaction":
            return {"transactionId": 41, "idTagInfo": {"status": "Accepted"}}
        if action == "Authorize" and self.protocol == "ocpp1.6":
            return {"idTagInfo": {"status": "Accepted"}}
        if action == "Authorize":
            return {"idTokenInfo": {"status": "Accepted"}}
        return {}

    async def ask(self, action, payload):
        _validator(self.protocol, action).validate(payload)
        future = asyncio.get_running_loop().create_future()
        identity = f"s{len(self.heard)}-{action}"
        self.answers[identity] = future
        await self.socket.send(json.dumps([2, identity, action, payload]))
        reply = await asyncio.wait_for(future, 5)
        if reply[0] == 3:
            _validator(self.protocol, action, answer=True).validate(reply[2])
            return reply[2]
        return reply[2]

    async def until(self, action, check=lambda payload: True, start=0):
        for _ in range(500):
            for name, payload in self.heard[start:]:
                if name == action and check(payload):
                    return payload
            await asyncio.sleep(0.01)
        raise AssertionError(f"{action} was not heard; heard {[name for name, _ in self.heard]}")


@contextlib.asynccontextmanager
async def station_at_server(protocol, **options):
    server = Server(protocol)
    clock = ScaledClock(START, SPEED)
    async with serve(server.handle, "127.0.0.1", 0, subprotocols=[protocol]) as listening:
        port = listening.sockets[0].getsockname()[1]
        station = VirtualStation(
            "CP-1",
            f"ws://127.0.0.1:{port}/ocpp",
            [Outlet(1, charge_kw=11.0, discharge_kw=10.0)],
            clock,
            StationOptions(protocol=protocol, meter_s=30.0, **options),
            rng=random.Random(1),
        )
        task = asyncio.create_task(station.run())
        try:
            await asyncio.wait_for(server.connected.wait(), 5)
            await server.until("StatusNotification")
            yield server, station
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _vehicle(**changes):
    return VirtualVehicle("TOKEN-1", **{"capacity_kwh": 60.0, "energy_kwh": 30.0, "charge_kw": 11.0, **changes})


def _limit_profile(protocol, transaction_id, watts):
    period = {"startPeriod": 0, "limit": watts}
    schedule = {"duration": 86400, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    common = {"stackLevel": 1, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative"}
    if protocol == "ocpp1.6":
        profile = {"chargingProfileId": 7, "transactionId": int(transaction_id), **common, "chargingSchedule": schedule}
        return {"connectorId": 1, "csChargingProfiles": profile}
    profile = {"id": 7, "transactionId": transaction_id, **common, "chargingSchedule": [{"id": 1, **schedule}]}
    return {"evseId": 1, "chargingProfile": profile}


def _transaction_id(server, protocol):
    if protocol == "ocpp1.6":
        return 41
    return next(p["transactionInfo"]["transactionId"] for name, p in server.heard if name == "TransactionEvent")


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_session_from_plug_in_to_unplug(protocol):
    async with station_at_server(protocol) as (server, station):
        assert await station.plug_in(1, _vehicle())
        event = "StartTransaction" if protocol == "ocpp1.6" else "TransactionEvent"
        await server.until(event)
        await asyncio.sleep(0.1)
        answer = await server.ask(
            "SetChargingProfile", _limit_profile(protocol, _transaction_id(server, protocol), 5000)
        )
        assert answer["status"] == "Accepted"
        await asyncio.sleep(0.1)
        assert station.outlet(1).power_kw == pytest.approx(5.0)
        composite = await server.ask(
            "GetCompositeSchedule", {"connectorId" if protocol == "ocpp1.6" else "evseId": 1, "duration": 60}
        )
        assert composite["status"] == "Accepted"
        await server.until("MeterValues" if protocol == "ocpp1.6" else "TransactionEvent", lambda p: "meterValue" in p)
        vehicle = await station.unplug(1)
        if protocol == "ocpp1.6":
            stop = await server.until("StopTransaction")
            assert stop["transactionId"] == 41
            total_wh = stop["meterStop"]
        else:
            ended = await server.until("TransactionEvent", lambda p: p["eventType"] == "Ended")
            numbers = [p["seqNo"] for name, p in server.heard if name == "TransactionEvent"]
            assert numbers == list(range(len(numbers)))
            total_wh = ended["meterValue"][0]["sampledValue"][0]["value"]
        assert total_wh / 1000.0 * vehicle.charge_efficiency == pytest.approx(vehicle.energy_kwh - 30.0, abs=0.01)


@pytest.mark.asyncio
async def test_a_setpoint_discharges_and_its_rules_are_kept():
    async with station_at_server("ocpp2.1") as (server, station):
        await station.plug_in(1, _vehicle(discharge_kw=10.0))
        await server.until("NotifyEVChargingNeeds")
        transaction = _transaction_id(server, "ocpp2.1")

        def profile(**period):
            body = _limit_profile("ocpp2.1", transaction, 0)
            body["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0, **period}]
            return body

        mixed = profile(operationMode="LocalLoadBalancing", setpoint=-4000)
        assert (await server.ask("SetChargingProfile", mixed))["status"] == "Rejected"
        lonely = profile(operationMode="CentralSetpoint", limit=4000)
        assert (await server.ask("SetChargingProfile", lonely))["status"] == "Rejected"
        good = profile(operationMode="CentralSetpoint", setpoint=-4000, limit=0, dischargeLimit=-5000)
        assert (await server.ask("SetChargingProfile", good))["status"] == "Accepted"
        await asyncio.sleep(0.1)
        assert station.outlet(1).power_kw == pytest.approx(-4.0)
        only = await server.ask(
            "NotifyAllowedEnergyTransfer", {"transactionId": transaction, "allowedEnergyTransfer": ["AC_three_phase"]}
        )
        assert only["status"] == "Accepted"
        await asyncio.sleep(0.1)
        assert station.outlet(1).power_kw == 0.0
        zero = profile(operationMode="CentralSetpoint", setpoint=0)
        assert (await server.ask("SetChargingProfile", zero))["status"] == "Accepted"
        await asyncio.sleep(0.1)
        assert station.outlet(1).power_kw == 0.0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("habit", "answer", "power"), [("reject", "PropertyConstraintViolation", 11.0), ("ignore", "Accepted", 11.0)]
)
async def test_a_negative_limit_in_old_versions_never_discharges_unless_the_station_does_so(habit, answer, power):
    async with station_at_server("ocpp1.6", negative_limit=habit) as (server, station):
        await station.plug_in(1, _vehicle(discharge_kw=10.0))
        await server.until("StartTransaction")
        await asyncio.sleep(0.05)
        reply = await server.ask("SetChargingProfile", _limit_profile("ocpp1.6", 41, -3000))
        assert (reply["status"] if isinstance(reply, dict) else reply) == answer
        await asyncio.sleep(0.1)
        assert station.outlet(1).power_kw == pytest.approx(power)


@pytest.mark.asyncio
async def test_what_happens_offline_arrives_later_in_order_and_flagged():
    async with station_at_server("ocpp2.0.1") as (server, station):
        await station.plug_in(1, _vehicle())
        await server.until("TransactionEvent", lambda p: p["eventType"] == "Started")
        server.connected.clear()
        await station.wire.drop()
        for _ in range(100):
            if not station.wire.connected:
                break
            await asyncio.sleep(0.005)
        before = len(server.heard)
        station.report(station.outlet(1))
        station.finish(station.outlet(1), "Local")
        await server.until("TransactionEvent", lambda p: p["eventType"] == "Ended", before)
        late = [p for name, p in server.heard[before:] if name == "TransactionEvent"]
        assert all(p.get("offline") for p in late)
        numbers = [p["seqNo"] for name, p in server.heard if name == "TransactionEvent"]
        assert sorted(set(numbers)) == list(range(max(numbers) + 1))


@pytest.mark.asyncio
async def test_an_event_without_an_answer_is_sent_again():
    async with station_at_server("ocpp2.0.1") as (server, station):
        station.wire.timeout_s = 0.2
        server.deaf = True
        await station.plug_in(1, _vehicle())
        await server.until("TransactionEvent")
        server.deaf = False
        seen = len(server.heard)
        again = await server.until("TransactionEvent", lambda p: p["eventType"] == "Started", seen)
        assert again["seqNo"] == 0


@pytest.mark.asyncio
async def test_a_station_left_alone_falls_back_to_its_default_profile():
    async with station_at_server("ocpp2.1") as (server, station):
        await station.plug_in(1, _vehicle(discharge_kw=10.0))
        await server.until("NotifyEVChargingNeeds")
        transaction = _transaction_id(server, "ocpp2.1")
        safe = _limit_profile("ocpp2.1", transaction, 2000)["chargingProfile"]
        safe.update(id=1, chargingProfilePurpose="TxDefaultProfile")
        del safe["transactionId"]
        safe["chargingSchedule"][0].pop("duration")
        assert (await server.ask("SetChargingProfile", {"evseId": 0, "chargingProfile": safe}))["status"] == "Accepted"
        live = _limit_profile("ocpp2.1", transaction, 9000)
        live["chargingProfile"].update(maxOfflineDuration=60, invalidAfterOfflineDuration=True)
        assert (await server.ask("SetChargingProfile", live))["status"] == "Accepted"
        await asyncio.sleep(0.05)
        assert station.outlet(1).power_kw == pytest.approx(9.0)
        station.wire.cut = True
        await station.wire.drop()
        await asyncio.sleep(0.3)  # three minutes of the station's clock
        assert not station.wire.connected
        assert station.outlet(1).power_kw == pytest.approx(2.0)


def test_the_vehicle_obeys_physics_before_commands():
    full = _vehicle(energy_kwh=60.0, discharge_kw=5.0)
    assert full.step(11.0, 1.0) == 0.0
    empty = _vehicle(energy_kwh=0.0, discharge_kw=5.0)
    assert empty.step(-5.0, 1.0) == 0.0
    one_way = _vehicle()
    assert one_way.step(-11.0, 1.0) == 0.0
    least = _vehicle(min_charge_kw=4.14)
    assert least.step(4.0, 0.1) == 0.0
    assert least.step(4.2, 0.1) == pytest.approx(4.2)


def test_a_vehicle_that_does_not_resume_stays_asleep_after_a_pause():
    sleepy = _vehicle(resumes=False)
    assert sleepy.step(0.0, 0.1) == 0.0
    assert sleepy.step(7.0, 0.1) == pytest.approx(7.0)
    assert sleepy.step(0.0, 0.1) == 0.0
    assert sleepy.step(7.0, 0.1) == 0.0
    assert sleepy.asleep


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_each_transaction_says_who_began_and_who_ended_it(protocol):
    async with station_at_server(protocol) as (server, station):
        station.outlet(1).vehicle = _vehicle()
        ask = {"idToken": {"idToken": "T", "type": "ISO14443"}, "remoteStartId": 77, "evseId": 1}
        assert (await server.ask("RequestStartTransaction", ask))["status"] == "Accepted"
        started = await server.until("TransactionEvent", lambda p: p["eventType"] == "Started")
        assert (started["triggerReason"], started["transactionInfo"]["remoteStartId"]) == ("RemoteStart", 77)
        await server.ask("TriggerMessage", {"requestedMessage": "TransactionEvent"})
        await server.until("TransactionEvent", lambda p: p["triggerReason"] == "Trigger")
        ends = {"Local": "StopAuthorized", "EVDisconnected": "EVDeparted"}
        for reason, trigger in ends.items():
            before = len(server.heard)
            station.finish(station.outlet(1), reason)
            ended = await server.until("TransactionEvent", lambda p: p["eventType"] == "Ended", before)
            assert ended["triggerReason"] == trigger
            station.begin(station.outlet(1), "T")
        before = len(server.heard)
        assert (await server.ask("Reset", {"type": "OnIdle"}))["status"] == "Scheduled"
        assert (await server.ask("Reset", {"type": "Immediate"}))["status"] == "Accepted"
        ended = await server.until("TransactionEvent", lambda p: p["eventType"] == "Ended", before)
        assert (ended["triggerReason"], ended["transactionInfo"]["stoppedReason"]) == ("ResetCommand", "ImmediateReset")
        await server.until("BootNotification", lambda p: p["reason"] == "RemoteReset", before)


@pytest.mark.asyncio
async def test_an_old_station_tells_of_itself_and_of_a_finished_vehicle():
    async with station_at_server("ocpp1.6") as (server, station):
        await server.until("StatusNotification", lambda p: p["connectorId"] == 0)
        await station.plug_in(1, _vehicle())
        await server.until("StartTransaction")
        await asyncio.sleep(0.05)
        before = len(server.heard)
        answer = await server.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        assert answer["status"] == "Scheduled"
        assert (await server.ask("RemoteStopTransaction", {"transactionId": 41}))["status"] == "Accepted"
        await server.until("StatusNotification", lambda p: p["status"] == "Unavailable", before)
        assert (await server.ask("ChangeAvailability", {"connectorId": 1, "type": "Operative"}))["status"] == "Accepted"
        await server.until("StatusNotification", lambda p: p["status"] == "Finishing", before)
        await server.ask("Reset", {"type": "Hard"})
        await server.until("BootNotification", start=before)


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.1"])
async def test_a_driver_whom_the_server_does_not_accept_gets_no_energy(protocol):
    async with station_at_server(protocol) as (server, station):
        reply = server.reply

        def refusing(action, payload):
            blocked = {"status": "Blocked"}
            if action == "StartTransaction":
                return {"transactionId": 41, "idTagInfo": blocked}
            if action == "TransactionEvent" and payload["eventType"] == "Started":
                return {"idTokenInfo": blocked}
            return reply(action, payload)

        server.reply = refusing
        await station.plug_in(1, _vehicle())
        if protocol == "ocpp1.6":
            assert (await server.until("StopTransaction"))["reason"] == "DeAuthorized"
        else:
            ended = await server.until("TransactionEvent", lambda p: p["eventType"] == "Ended")
            assert ended["triggerReason"] == "Deauthorized"
        assert station.outlet(1).power_kw == 0.0


@pytest.mark.asyncio
async def test_a_request_that_cannot_be_read_is_answered_and_the_line_stays():
    async with station_at_server("ocpp2.1") as (server, station):
        for payload in ({}, {"evseId": "one", "chargingProfile": 7}, {"chargingProfile": {"chargingSchedule": []}}):
            future = asyncio.get_running_loop().create_future()
            server.answers["odd"] = future
            await server.socket.send(json.dumps([2, "odd", "SetChargingProfile", payload]))
            reply = await asyncio.wait_for(future, 5)
            assert reply[0] == 4
            assert reply[2] == "FormatViolation"
        assert station.wire.connected
