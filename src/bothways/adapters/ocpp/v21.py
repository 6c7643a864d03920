"""OCPP 2.1: what it adds to 2.0.1."""

from __future__ import annotations

from collections.abc import Mapping

from bothways.adapters.ocpp.reading import Heard, text, whole
from bothways.adapters.ocpp.talk import Handler, Payload, Talk, keep, kept, must_be_secure
from bothways.adapters.ocpp.v201 import HANDLERS as HANDLERS_201
from bothways.adapters.ocpp.v201 import authorize
from bothways.adapters.ocpp.wire import stamp


async def _authorize(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """The driver's consent decides which energy transfer is allowed; without one nothing is said about it."""
    answer = await authorize(talk, payload, heard)
    consent = talk.options.consent
    if consent is not None and answer["idTokenInfo"]["status"] == "Accepted":
        allowed = await consent.allowed(talk.station_id, text(payload, "idToken", "idToken"))
        if allowed:
            answer["allowedEnergyTransfer"] = list(allowed)
    return answer


async def _pull(talk: Talk, payload: Payload, heard: Heard) -> Payload:  # noqa: ARG001
    """PullDynamicScheduleUpdate: the setpoint in force, or ``Rejected`` where no dynamic profile is."""
    update = talk.dynamic.get(whole(payload.get("chargingProfileId")) or 0)
    return {"status": "Rejected"} if update is None else {"status": "Accepted", "scheduleUpdate": dict(update)}


async def _chain_status(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """Nobody is asked for revocations yet: the status is ``Failed``, which lets the station ask elsewhere."""
    must_be_secure(talk, "GetCertificateChainStatus")
    await keep(talk, "GetCertificateChainStatus", payload, heard)
    now = stamp(talk.clock.now())
    rows = [
        {
            "certificateHashData": request["certificateHashData"],
            "source": request["source"],
            "status": "Failed",
            "nextUpdate": now,
        }
        for request in payload["certificateStatusRequests"]
    ]
    return {"certificateStatus": rows}


async def _vat_number(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """Numbers are stored and not confirmed: no register is asked."""
    await keep(talk, "VatNumberValidation", payload, heard)
    answer: Payload = {name: payload[name] for name in ("vatNumber", "evseId") if name in payload}
    return {"status": "Rejected", **answer}


HANDLERS: Mapping[str, Handler] = {
    **HANDLERS_201,
    "Authorize": _authorize,
    "BatterySwap": kept("BatterySwap"),
    "ClosePeriodicEventStream": kept("ClosePeriodicEventStream"),
    "GetCertificateChainStatus": _chain_status,
    "NotifyDERAlarm": kept("NotifyDERAlarm"),
    "NotifyDERStartStop": kept("NotifyDERStartStop"),
    "NotifyPeriodicEventStream": kept("NotifyPeriodicEventStream", at="basetime"),
    "NotifyPriorityCharging": kept("NotifyPriorityCharging"),
    "NotifySettlement": kept("NotifySettlement", at="settlementTime"),
    "NotifyWebPaymentStarted": kept("NotifyWebPaymentStarted"),
    "OpenPeriodicEventStream": kept("OpenPeriodicEventStream", {"status": "Accepted"}),
    "PullDynamicScheduleUpdate": _pull,
    "ReportDERControl": kept("ReportDERControl"),
    "VatNumberValidation": _vat_number,
}
