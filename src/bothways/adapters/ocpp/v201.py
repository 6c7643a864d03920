"""OCPP 2.0.1: what a station says, as events, and how it is answered. 2.1 builds on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from bothways.adapters.ocpp.certificates import sign_certificate
from bothways.adapters.ocpp.metering import samples
from bothways.adapters.ocpp.reading import Heard, Unreadable, kilo, number, text, whole
from bothways.adapters.ocpp.talk import (
    Handler,
    Payload,
    Talk,
    booted,
    heartbeat,
    keep,
    kept,
    must_be_secure,
    token_status,
    vendor_data,
)
from bothways.operations.events import (
    Booted,
    ChargingNeedsReceived,
    MeterValuesReceived,
    StatusChanged,
    TransactionChanged,
    TransactionKind,
)

_KINDS = {"Started": "started", "Updated": "updated", "Ended": "ended"}
_STATES = {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}
_PHASES = {"AC_single_phase": 1, "AC_two_phase": 2, "AC_three_phase": 3}


def boot(payload: Payload, heard: Heard, protocol: str = "ocpp2.0.1") -> Booted:
    """BootNotification."""
    return Booted(
        **heard.base(),
        protocol=protocol,
        vendor=text(payload, "chargingStation", "vendorName"),
        model=text(payload, "chargingStation", "model"),
        serial=text(payload, "chargingStation", "serialNumber"),
        firmware=text(payload, "chargingStation", "firmwareVersion"),
        reason=text(payload, "reason"),
    )


def status(payload: Payload, heard: Heard) -> StatusChanged:
    """StatusNotification."""
    evse, connector = whole(payload.get("evseId")), whole(payload.get("connectorId"))
    word = text(payload, "connectorStatus")
    if evse is None or connector is None or word not in _STATES:
        raise Unreadable("EVSE, connector or status is missing")
    at = heard.instant(payload.get("timestamp"))
    return StatusChanged(**heard.base(at), evse_id=evse, connector_id=connector, status=word)


def transaction(payload: Payload, heard: Heard) -> TransactionChanged:
    """TransactionEvent."""
    kind = _KINDS.get(text(payload, "eventType"))
    transaction_id = text(payload, "transactionInfo", "transactionId")
    seq_no = whole(payload.get("seqNo"))
    if kind is None or not transaction_id or seq_no is None or seq_no < 0:
        raise Unreadable("eventType, transactionId or seqNo is missing")
    info = payload["transactionInfo"]
    values = samples(payload.get("meterValue"), heard)
    evse = payload.get("evse")
    evse_id, connector_id = 0, 1
    if isinstance(evse, Mapping):
        evse_id = whole(evse.get("id")) or 0
        connector_id = whole(evse.get("connectorId")) or 1
    at = heard.instant(payload.get("timestamp"))
    return TransactionChanged(
        **heard.base(at),
        kind=cast("TransactionKind", kind),
        transaction_id=transaction_id,
        evse_id=evse_id,
        connector_id=connector_id,
        seq_no=seq_no,
        trigger=text(payload, "triggerReason"),
        offline=payload.get("offline") is True,
        id_token=text(payload, "idToken", "idToken"),
        charging_state=text(info, "chargingState"),
        reason=text(info, "stoppedReason"),
        samples=values,
    )


def meter_values(payload: Payload, heard: Heard) -> MeterValuesReceived:
    """MeterValues outside of a transaction."""
    evse = whole(payload.get("evseId"))
    values = samples(payload.get("meterValue"), heard)
    if evse is None or evse < 0:
        raise Unreadable("evseId is missing")
    if not values and heard.flags:
        raise Unreadable("no value can be read")
    at = max((item.at for item in values), default=heard.received_at)
    return MeterValuesReceived(**heard.base(at), evse_id=evse, transaction_id="", samples=values)


def needs(payload: Payload, heard: Heard) -> ChargingNeedsReceived:
    """NotifyEVChargingNeeds; the fields that 2.1 added are read where they are."""
    evse, wanted = whole(payload.get("evseId")), payload.get("chargingNeeds")
    if evse is None or not isinstance(wanted, Mapping):
        raise Unreadable("evseId or chargingNeeds is missing")
    mode = text(wanted, "requestedEnergyTransfer")
    ac, dc, v2x = (_object(wanted, f"{name}ChargingParameters") for name in ("ac", "dc", "v2x"))
    soc = number(dc.get("stateOfCharge"))
    target = _first(kilo(v2x.get("evTargetEnergyRequest")), kilo(dc.get("energyAmount")), kilo(ac.get("energyAmount")))
    departure = heard.moment(wanted.get("departureTime"), "departureTime")
    at = heard.instant(payload["timestamp"]) if "timestamp" in payload else heard.received_at
    return ChargingNeedsReceived(
        **heard.base(at),
        evse_id=evse,
        energy_transfer=mode,
        departure=departure,
        soc=None if soc is None else soc / 100.0,
        capacity_kwh=kilo(dc.get("evEnergyCapacity")),
        energy_target_kwh=target,
        energy_min_kwh=kilo(v2x.get("evMinEnergyRequest")),
        energy_max_kwh=kilo(v2x.get("evMaxEnergyRequest")),
        v2x_min_kwh=kilo(v2x.get("evMinV2XEnergyRequest")),
        v2x_max_kwh=kilo(v2x.get("evMaxV2XEnergyRequest")),
        charge_kw=_first(_power(v2x, "maxChargePower"), kilo(dc.get("evMaxPower")), _ac_power(ac, mode)),
        discharge_kw=_power(v2x, "maxDischargePower"),
        min_charge_kw=_power(v2x, "minChargePower"),
        min_discharge_kw=_power(v2x, "minDischargePower"),
    )


def _object(wanted: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = wanted.get(name)
    return found if isinstance(found, Mapping) else {}


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _power(v2x: Mapping[str, Any], name: str) -> float | None:
    """Sum of the phases [kW]; a discharging power may come with either sign and is a positive number here."""
    given = [kilo(v2x.get(name + suffix)) for suffix in ("", "_L2", "_L3")]
    known = [abs(value) for value in given if value is not None]
    return sum(known) if known else None


def _ac_power(ac: Mapping[str, Any], mode: str) -> float | None:
    """ISO 15118-2 gives a current by phase and a voltage to neutral."""
    amperes, volts = number(ac.get("evMaxCurrent")), number(ac.get("evMaxVoltage"))
    if amperes is None or volts is None or mode not in _PHASES:
        return None
    return amperes * volts * _PHASES[mode] / 1000.0


async def _boot(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    return await booted(talk, boot(payload, heard, f"ocpp{talk.version}"))


async def _status(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await talk.intake.receive(status(payload, heard))
    return {}


async def authorize(talk: Talk, payload: Payload, heard: Heard) -> Payload:  # noqa: ARG001
    """Authorize, without what 2.1 added."""
    return {"idTokenInfo": {"status": await token_status(talk, text(payload, "idToken", "idToken"))}}


async def _transaction(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    event = transaction(payload, heard)
    await talk.intake.receive(event)
    return {"idTokenInfo": {"status": await token_status(talk, event.id_token)}} if event.id_token else {}


async def _meter_values(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await talk.intake.receive(meter_values(payload, heard))
    return {}


async def _needs(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """The plan is made elsewhere: its profile follows, which ``Processing`` says."""
    await talk.intake.receive(needs(payload, heard))
    return {"status": "Processing"}


async def _report(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    await keep(talk, "NotifyReport", payload, heard, "generatedAt")
    talk.capabilities.note_report(payload.get("reportData"))
    return {}


async def _contract_certificate(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """Contract certificates come from a mobility operator's authority, of which there is none here."""
    must_be_secure(talk, "Get15118EVCertificate")
    await keep(talk, "Get15118EVCertificate", payload, heard)
    return {"status": "Failed", "exiResponse": ""}


async def _certificate_status(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    must_be_secure(talk, "GetCertificateStatus")
    await keep(talk, "GetCertificateStatus", payload, heard)
    return {"status": "Failed"}


HANDLERS: Mapping[str, Handler] = {
    "Authorize": authorize,
    "BootNotification": _boot,
    "ClearedChargingLimit": kept("ClearedChargingLimit"),
    "DataTransfer": vendor_data,
    "FirmwareStatusNotification": kept("FirmwareStatusNotification"),
    "Get15118EVCertificate": _contract_certificate,
    "GetCertificateStatus": _certificate_status,
    "Heartbeat": heartbeat,
    "LogStatusNotification": kept("LogStatusNotification"),
    "MeterValues": _meter_values,
    "NotifyChargingLimit": kept("NotifyChargingLimit"),
    "NotifyCustomerInformation": kept("NotifyCustomerInformation", at="generatedAt"),
    "NotifyDisplayMessages": kept("NotifyDisplayMessages"),
    "NotifyEVChargingNeeds": _needs,
    "NotifyEVChargingSchedule": kept("NotifyEVChargingSchedule", {"status": "Accepted"}, at="timeBase"),
    "NotifyEvent": kept("NotifyEvent", at="generatedAt"),
    "NotifyMonitoringReport": kept("NotifyMonitoringReport", at="generatedAt"),
    "NotifyReport": _report,
    "PublishFirmwareStatusNotification": kept("PublishFirmwareStatusNotification"),
    "ReportChargingProfiles": kept("ReportChargingProfiles"),
    "ReservationStatusUpdate": kept("ReservationStatusUpdate"),
    "SecurityEventNotification": kept("SecurityEventNotification"),
    "SignCertificate": sign_certificate,
    "StatusNotification": _status,
    "TransactionEvent": _transaction,
}

ENERGY = frozenset({"TransactionEvent", "MeterValues"})
