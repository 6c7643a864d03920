"""OCPP 1.6-J: what a station says, as events, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping

from bothways.adapters.ocpp.certificates import sign_certificate
from bothways.adapters.ocpp.metering import samples
from bothways.adapters.ocpp.reading import Heard, Unreadable, kilo, text, whole
from bothways.adapters.ocpp.rpc import CallError
from bothways.adapters.ocpp.talk import Handler, Payload, Talk, booted, heartbeat, kept, token_status, vendor_data
from bothways.operations.events import Booted, MeterValuesReceived, StatusChanged, TransactionChanged

_OCCUPIED = {"Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing"}
_STATES = {"Available", "Reserved", "Unavailable", "Faulted"}


def boot(payload: Payload, heard: Heard) -> Booted:
    """BootNotification."""
    return Booted(
        **heard.base(),
        protocol="ocpp1.6",
        vendor=text(payload, "chargePointVendor"),
        model=text(payload, "chargePointModel"),
        serial=text(payload, "chargePointSerialNumber") or text(payload, "chargeBoxSerialNumber"),
        firmware=text(payload, "firmwareVersion"),
    )


def status(payload: Payload, heard: Heard) -> StatusChanged:
    """StatusNotification; the states of charging count as ``Occupied``, the detail keeps the word."""
    word = text(payload, "status")
    connector = whole(payload.get("connectorId"))
    if connector is None or connector < 0 or word not in _OCCUPIED | _STATES:
        raise Unreadable("connector or status is missing")
    error = text(payload, "errorCode")
    detail = [word] + [item for item in (error, text(payload, "vendorErrorCode"), text(payload, "info")) if item]
    at = heard.instant(payload["timestamp"]) if "timestamp" in payload else heard.received_at
    return StatusChanged(
        **heard.base(at),
        evse_id=connector,
        connector_id=1 if connector else 0,
        status="Occupied" if word in _OCCUPIED else word,
        detail=": ".join(item for item in detail if item != "NoError"),
    )


def started(payload: Payload, heard: Heard) -> TransactionChanged:
    """StartTransaction; the store gives the transaction its id."""
    connector, meter = whole(payload.get("connectorId")), kilo(payload.get("meterStart"))
    if connector is None or connector < 1:
        raise Unreadable("connectorId is missing")
    if meter is None:
        heard.flag("meterStart cannot be read")
    at = heard.instant(payload.get("timestamp"))
    return TransactionChanged(
        **heard.base(at),
        kind="started",
        transaction_id="",
        evse_id=connector,
        trigger="StartTransaction",
        id_token=text(payload, "idTag"),
        meter_start_kwh=meter,
    )


def stopped(payload: Payload, heard: Heard) -> TransactionChanged:
    """StopTransaction; it does not name the connector."""
    transaction, meter = whole(payload.get("transactionId")), kilo(payload.get("meterStop"))
    if transaction is None:
        raise Unreadable("transactionId is missing")
    if meter is None:
        heard.flag("meterStop cannot be read")
    values = samples(payload.get("transactionData"), heard)
    at = heard.instant(payload.get("timestamp"))
    return TransactionChanged(
        **heard.base(at),
        kind="ended",
        transaction_id=str(transaction),
        evse_id=0,
        trigger="StopTransaction",
        id_token=text(payload, "idTag"),
        reason=text(payload, "reason") or "Local",  # the standard's default
        meter_stop_kwh=meter,
        samples=values,
    )


def meter_values(payload: Payload, heard: Heard) -> MeterValuesReceived:
    """MeterValues, within a transaction or not."""
    connector = whole(payload.get("connectorId"))
    values = samples(payload.get("meterValue"), heard)
    if connector is None or connector < 0:
        raise Unreadable("connectorId is missing")
    if not values and heard.flags:
        raise Unreadable("no value can be read")
    transaction = whole(payload.get("transactionId"))
    at = max((item.at for item in values), default=heard.received_at)
    return MeterValuesReceived(
        **heard.base(at),
        evse_id=connector,
        transaction_id="" if transaction is None else str(transaction),
        samples=values,
    )


async def _boot(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    return await booted(talk, boot(payload, heard))


async def _status(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await talk.intake.receive(status(payload, heard))
    return {}


async def _authorize(talk: Talk, payload: Payload, heard: Heard) -> Payload:  # noqa: ARG001
    return {"idTagInfo": {"status": await token_status(talk, text(payload, "idTag"))}}


async def _started(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """The transaction exists even where the token is not accepted: energy may have flowed already."""
    receipt = await talk.intake.receive(started(payload, heard))
    number = whole(receipt.transaction_id)
    if number is None:
        raise CallError("InternalError", "the transaction has no number")
    return {"transactionId": number, "idTagInfo": {"status": await token_status(talk, text(payload, "idTag"))}}


async def _stopped(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await talk.intake.receive(stopped(payload, heard))
    tag = text(payload, "idTag")
    return {"idTagInfo": {"status": await token_status(talk, tag)}} if tag else {}


async def _meter_values(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await talk.intake.receive(meter_values(payload, heard))
    return {}


HANDLERS: Mapping[str, Handler] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "DataTransfer": vendor_data,
    "DiagnosticsStatusNotification": kept("DiagnosticsStatusNotification"),
    "FirmwareStatusNotification": kept("FirmwareStatusNotification"),
    "Heartbeat": heartbeat,
    "LogStatusNotification": kept("LogStatusNotification"),
    "MeterValues": _meter_values,
    "SecurityEventNotification": kept("SecurityEventNotification"),
    "SignCertificate": sign_certificate,
    "SignedFirmwareStatusNotification": kept("SignedFirmwareStatusNotification"),
    "StartTransaction": _started,
    "StatusNotification": _status,
    "StopTransaction": _stopped,
}

ENERGY = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
