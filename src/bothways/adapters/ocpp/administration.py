"""Requests that people and the platform send: which are sound, which are refused, how a transaction is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bothways.adapters.ocpp.certificates import CERTIFICATE_ACTIONS
from bothways.adapters.ocpp.modes import period_violations, profile_violations
from bothways.adapters.ocpp.reading import text, whole
from bothways.adapters.ocpp.schemas import Version, actions, violations
from bothways.adapters.ocpp.session import HANDLERS
from bothways.adapters.ocpp.talk import Talk
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey

Request = tuple[str, dict[str, Any]]

# Both directions send these.
_BOTH_WAYS = frozenset({"DataTransfer"})


def outgoing(version: Version) -> frozenset[str]:
    """Requests that a server may send in a version."""
    return (actions(version) - HANDLERS[version].keys()) | _BOTH_WAYS


def checked(talk: Talk, action: str, payload: Mapping[str, object]) -> dict[str, Any]:
    """A request that may be sent to this station.

    Args:
        talk: the station.
        action: name of the request.
        payload: its content.

    Returns:
        The content.

    Raises:
        GatewayError: where the version has no such request, its schema or the rules of operation modes are broken, a
            certificate would travel unprotected, or the station's security profile would be lowered.
    """
    if action not in outgoing(talk.version):
        msg = f"{action} is no request of a server in OCPP {talk.version}"
        raise GatewayError(msg)
    content = dict(payload)
    found = violations(talk.version, action, content)
    why = [f"{item.where or 'payload'}: {item.text}" for item in found]
    if not why and talk.version == "2.1":
        why = list(_mode_violations(action, content))
    if not talk.secure and (action in CERTIFICATE_ACTIONS or "Certificate" in text(content, "requestedMessage")):
        why.append("certificates do not travel over security profile 1")
    if (lowered := _profile_asked(action, content)) is not None and lowered < talk.record.security_profile:
        why.append(f"security profile {talk.record.security_profile} is never lowered to {lowered}")
    if why:
        msg = f"{action} is not sent: {'; '.join(why)}"
        raise GatewayError(msg)
    return content


def _mode_violations(action: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    if action == "SetChargingProfile":
        return profile_violations(content["chargingProfile"])
    if action == "RequestStartTransaction" and "chargingProfile" in content:
        # the transaction does not exist yet: the station binds the profile to it
        return profile_violations({**content["chargingProfile"], "transactionId": "not yet"})
    if action == "UpdateDynamicSchedule":
        period = {"operationMode": "CentralSetpoint", "setpoint": 0.0} | content["scheduleUpdate"]
        if "setpoint" not in content["scheduleUpdate"]:
            del period["setpoint"]
            period["operationMode"] = "ExternalSetpoint"
        return tuple(period_violations(period, "TxProfile", "W"))
    return ()


def _profile_asked(action: str, content: Mapping[str, Any]) -> int | None:
    """The security profile that a request would give the station; ``None`` where it says nothing about it."""
    if action == "ChangeConfiguration" and text(content, "key").lower() == "securityprofile":
        return whole(content.get("value"))
    if action == "SetNetworkProfile":
        connection = content.get("connectionData")
        return whole(connection.get("securityProfile")) if isinstance(connection, Mapping) else None
    if action == "SetVariables":
        asked = [
            whole(row.get("attributeValue"))
            for row in content.get("setVariableData") or ()
            if text(row, "component", "name") == "SecurityCtrlr" and text(row, "variable", "name") == "SecurityProfile"
        ]
        return min((number for number in asked if number is not None), default=None)
    return None


def remote_start(version: Version, evse: EvseKey, id_token: str, now: datetime) -> Request:
    """The request that starts a transaction; its number in 2.x follows the clock, so that it is not reused."""
    if version == "1.6":
        return "RemoteStartTransaction", {"connectorId": evse.evse_id, "idTag": id_token}
    number = int(now.timestamp() * 10) % (2**31 - 1)
    token = {"idToken": id_token, "type": "Central"}
    return "RequestStartTransaction", {"evseId": evse.evse_id, "remoteStartId": number, "idToken": token}


def rotation(version: Version) -> Request:
    """The request upon which a station asks for a new certificate of its own; 1.6 has it in its security extension."""
    if version == "1.6":
        return "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
    return "TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}


def remote_stop(version: Version, transaction_id: str) -> Request:
    """The request that ends a transaction.

    Raises:
        GatewayError: where 1.6 is asked for a transaction that is no number.
    """
    if version != "1.6":
        return "RequestStopTransaction", {"transactionId": transaction_id}
    number = whole(transaction_id)
    if number is None:
        msg = f"{transaction_id!r} is no transaction of OCPP 1.6"
        raise GatewayError(msg)
    return "RemoteStopTransaction", {"transactionId": number}
