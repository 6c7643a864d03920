"""What stations of each version say, as events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp_doubles import NOW

from bothways.adapters.ocpp import v16, v201
from bothways.adapters.ocpp.reading import Heard, Unreadable
from bothways.operations.events import Booted, TransactionChanged

AT = "2026-03-01T11:59:00Z"
THEN = NOW - timedelta(minutes=1)


def heard() -> Heard:
    return Heard("CP1", NOW, b"raw")


def test_boot_of_16_and_2x() -> None:
    old = v16.boot(
        {"chargePointVendor": "V", "chargePointModel": "M", "chargeBoxSerialNumber": "S", "firmwareVersion": "1"},
        heard(),
    )
    assert old == Booted(
        station_id="CP1", at=NOW, received_at=NOW, protocol="ocpp1.6", vendor="V", model="M", serial="S", firmware="1"
    )
    new = v201.boot({"reason": "Watchdog", "chargingStation": {"vendorName": "V", "model": "M"}}, heard(), "ocpp2.1")
    assert (new.protocol, new.vendor, new.model, new.reason, new.serial) == ("ocpp2.1", "V", "M", "Watchdog", "")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Available", "Available"),
        ("Preparing", "Occupied"),
        ("Charging", "Occupied"),
        ("SuspendedEV", "Occupied"),
        ("SuspendedEVSE", "Occupied"),
        ("Finishing", "Occupied"),
        ("Reserved", "Reserved"),
        ("Unavailable", "Unavailable"),
        ("Faulted", "Faulted"),
    ],
)
def test_states_of_16(word: str, status: str) -> None:
    event = v16.status({"connectorId": 2, "errorCode": "NoError", "status": word, "timestamp": AT}, heard())
    assert (event.evse_id, event.connector_id, event.status, event.detail, event.at) == (2, 1, status, word, THEN)


def test_a_fault_of_16_names_its_error() -> None:
    payload = {"connectorId": 0, "errorCode": "GroundFailure", "status": "Faulted", "vendorErrorCode": "E7"}
    event = v16.status(payload, heard())
    assert (event.evse_id, event.connector_id, event.detail) == (0, 0, "Faulted: GroundFailure: E7")
    assert event.at == NOW


def test_a_transaction_of_16() -> None:
    start = v16.started({"connectorId": 1, "idTag": "T", "meterStart": 1234, "timestamp": AT}, heard())
    assert start == TransactionChanged(
        station_id="CP1", at=THEN, received_at=NOW, kind="started", transaction_id="", evse_id=1,
        trigger="StartTransaction", id_token="T", meter_start_kwh=1.234,
    )  # fmt: skip
    data = [{"timestamp": AT, "sampledValue": [{"value": "2000", "context": "Transaction.End"}]}]
    stop = v16.stopped({"transactionId": 7, "meterStop": 2000, "timestamp": AT, "transactionData": data}, heard())
    assert (stop.kind, stop.transaction_id, stop.evse_id, stop.reason) == ("ended", "7", 0, "Local")
    assert (stop.meter_stop_kwh, stop.samples[0].value, stop.samples[0].context) == (2.0, 2.0, "Transaction.End")


def test_a_transaction_of_16_with_flaws_keeps_its_energy() -> None:
    message = heard()
    start = v16.started({"connectorId": "1", "idTag": "T" * 40, "meterStart": "1234", "timestamp": "x"}, message)
    assert (start.evse_id, start.meter_start_kwh, start.at) == (1, 1.234, NOW)
    assert start.flags
    assert start.raw == b"raw"
    assert v16.started({"connectorId": 1, "idTag": "T", "meterStart": None, "timestamp": AT}, heard()).flags


@pytest.mark.parametrize("event", ["Started", "Updated", "Ended"])
def test_a_transaction_event(event: str) -> None:
    payload = {
        "eventType": event,
        "timestamp": AT,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 4,
        "offline": True,
        "transactionInfo": {"transactionId": "t", "chargingState": "Charging", "stoppedReason": "Remote"},
        "evse": {"id": 2, "connectorId": 3},
        "idToken": {"idToken": "T", "type": "Central"},
    }
    assert v201.transaction(payload, heard()) == TransactionChanged(
        station_id="CP1", at=THEN, received_at=NOW, kind=event.lower(), transaction_id="t", evse_id=2,  # type: ignore[arg-type]
        connector_id=3, seq_no=4, trigger="MeterValuePeriodic", offline=True, id_token="T", charging_state="Charging",
        reason="Remote",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("translate", "payload"),
    [
        (v16.started, {"idTag": "T", "meterStart": 1, "timestamp": AT}),
        (v16.started, {"connectorId": 0, "idTag": "T", "meterStart": 1, "timestamp": AT}),
        (v16.stopped, {"meterStop": 1, "timestamp": AT}),
        (v16.meter_values, {"meterValue": []}),
        (v16.meter_values, {"connectorId": 1, "meterValue": "x"}),
        (v201.transaction, {"eventType": "Started", "timestamp": AT, "seqNo": 0}),
        (v201.transaction, {"eventType": "Started", "timestamp": AT, "transactionInfo": {"transactionId": "t"}}),
        (v201.transaction, {"eventType": "Odd", "seqNo": 0, "transactionInfo": {"transactionId": "t"}}),
        (v201.meter_values, {"meterValue": []}),
        (v201.needs, {"evseId": 1}),
    ],
)
def test_without_its_essential_facts_a_message_is_unreadable(translate: Any, payload: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        translate(payload, heard())


def test_meter_values_of_16_name_their_transaction() -> None:
    values = [{"timestamp": AT, "sampledValue": [{"value": "1"}]}]
    assert v16.meter_values({"connectorId": 1, "transactionId": 9, "meterValue": values}, heard()).transaction_id == "9"
    alone = v16.meter_values({"connectorId": 1, "meterValue": values}, heard())
    assert (alone.transaction_id, alone.at) == ("", THEN)


def test_needs_of_201_with_alternating_current() -> None:
    ac = {"energyAmount": 20_000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 230}
    wanted = {
        "requestedEnergyTransfer": "AC_three_phase",
        "acChargingParameters": ac,
        "departureTime": "2026-03-01T17:00:00Z",
    }
    event = v201.needs({"evseId": 1, "chargingNeeds": wanted}, heard())
    assert (event.energy_target_kwh, event.charge_kw, event.discharge_kw, event.soc) == (20.0, 11.04, None, None)
    assert event.departure == datetime(2026, 3, 1, 17, tzinfo=UTC)


def test_needs_of_21_with_discharging() -> None:
    v2x = {
        "minChargePower": 500, "maxChargePower": 3000, "maxChargePower_L2": 3000, "maxChargePower_L3": 3000,
        "minDischargePower": 400, "maxDischargePower": -9000, "evTargetEnergyRequest": 20_000,
        "evMinEnergyRequest": -5000, "evMaxEnergyRequest": 40_000, "evMinV2XEnergyRequest": 1000,
        "evMaxV2XEnergyRequest": 30_000, "targetSoC": 80,
    }  # fmt: skip
    wanted = {
        "requestedEnergyTransfer": "DC_BPT",
        "v2xChargingParameters": v2x,
        "dcChargingParameters": {"evMaxCurrent": 1, "evMaxVoltage": 1, "stateOfCharge": 40, "energyAmount": 1},
    }
    event = v201.needs({"evseId": 1, "chargingNeeds": wanted, "timestamp": AT}, heard())
    assert (event.at, event.soc, event.departure) == (THEN, 0.4, None)
    assert (event.charge_kw, event.discharge_kw) == (9.0, 9.0)
    assert (event.min_charge_kw, event.min_discharge_kw) == (0.5, 0.4)
    assert (event.energy_target_kwh, event.energy_min_kwh, event.energy_max_kwh) == (20.0, -5.0, 40.0)
    assert (event.v2x_min_kwh, event.v2x_max_kwh) == (1.0, 30.0)


def test_a_departure_that_cannot_be_read_is_flagged_and_left_out() -> None:
    wanted = {"requestedEnergyTransfer": "DC", "departureTime": "soon"}
    event = v201.needs({"evseId": 1, "chargingNeeds": wanted}, heard())
    assert event.departure is None
    assert event.flags
