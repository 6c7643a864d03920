"""What people ask of a station, as each protocol version writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bothways.adapters.ocpp.schemas import Version
from bothways.domain.errors import GatewayError
from bothways.operations.orders import StationCommand

Request = tuple[str, dict[str, Any]]
_MESSAGES = {
    "boot": "BootNotification", "heartbeat": "Heartbeat", "status": "StatusNotification",
    "meter_values": "MeterValues", "firmware_status": "FirmwareStatusNotification",
    "log_status": "LogStatusNotification",
}  # fmt: skip
_DONE = frozenset({"Accepted", "Scheduled", "Unlocked"})


def requested(version: Version, command: StationCommand, now: datetime) -> Request:
    """The request for a command.

    Args:
        version: protocol version of the station.
        command: what is asked.
        now: from which the number of a log's request is made in 2.x.

    Raises:
        GatewayError: where the version has nothing like it.

    >>> from datetime import UTC
    >>> requested("1.6", StationCommand("reset"), datetime(2026, 1, 1, tzinfo=UTC))
    ('Reset', {'type': 'Soft'})
    """
    return _v16(command) if version == "1.6" else _v2(command, now)


def answered(action: str, answer: Mapping[str, Any]) -> tuple[str, bool]:
    """A station's word, and whether it says that it does what was asked.

    >>> answered("UnlockConnector", {"status": "Unlocked"}), answered("Reset", {"status": "Rejected"})
    (('Unlocked', True), ('Rejected', False))
    >>> answered("GetDiagnostics", {"fileName": "log.zip"}), answered("GetDiagnostics", {})
    (('log.zip', True), ('nothing to upload', False))
    """
    if action == "GetDiagnostics":  # 1.6 answers with the name of the file, or with nothing
        name = str(answer.get("fileName", ""))
        return (name, True) if name else ("nothing to upload", False)
    status = str(answer.get("status", ""))
    return status, status in _DONE


def _v16(command: StationCommand) -> Request:
    place = {"connectorId": command.evse_id} if command.evse_id else {}
    match command.kind:
        case "reset":
            if command.evse_id:
                msg = "OCPP 1.6 resets a whole station only"
                raise GatewayError(msg)
            return "Reset", {"type": "Hard" if command.at_once else "Soft"}
        case "unlock":
            return "UnlockConnector", {"connectorId": command.evse_id}
        case "availability":
            word = "Operative" if command.operative else "Inoperative"
            return "ChangeAvailability", {"connectorId": command.evse_id, "type": word}
        case "trigger":
            word = "DiagnosticsStatusNotification" if command.message == "log_status" else _MESSAGES[command.message]
            return "TriggerMessage", {"requestedMessage": word, **place}
        case "diagnostics":
            return "GetDiagnostics", {"location": command.location}


def _v2(command: StationCommand, now: datetime) -> Request:
    place: dict[str, Any] = {"evse": {"id": command.evse_id}} if command.evse_id else {}
    match command.kind:
        case "reset":
            at = {"evseId": command.evse_id} if command.evse_id else {}
            return "Reset", {"type": "Immediate" if command.at_once else "OnIdle", **at}
        case "unlock":
            return "UnlockConnector", {"evseId": command.evse_id, "connectorId": command.connector_id}
        case "availability":
            word = "Operative" if command.operative else "Inoperative"
            return "ChangeAvailability", {"operationalStatus": word, **place}
        case "trigger":
            return "TriggerMessage", {"requestedMessage": _MESSAGES[command.message], **place}
        case "diagnostics":
            number = int(now.timestamp()) % (2**31 - 1)
            log = {"remoteLocation": command.location}
            return "GetLog", {"logType": "DiagnosticsLog", "requestId": number, "log": log}
