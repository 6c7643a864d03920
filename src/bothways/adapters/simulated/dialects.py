"""What a virtual station says, in the words of each protocol version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bothways.adapters.simulated.outlet import Outlet, Transaction

Payload = dict[str, Any]
Message = tuple[str, Payload]

_STATUS_16 = {"Available": "Available", "Unavailable": "Unavailable", "Faulted": "Faulted"}
_REASON_16 = {
    "EVDisconnected": "EVDisconnected",
    "Remote": "Remote",
    "Local": "Local",
    "PowerLoss": "PowerLoss",
    "EmergencyStop": "EmergencyStop",
    "ImmediateReset": "HardReset",
    "DeAuthorized": "DeAuthorized",
}
_TRIGGER = {
    "Remote": "RemoteStop",
    "Local": "StopAuthorized",
    "EVDisconnected": "EVDeparted",
    "ImmediateReset": "ResetCommand",
    "DeAuthorized": "Deauthorized",
}
_STATE_16 = {
    "EVConnected": "Preparing",
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
    "Idle": "Finishing",
}


def stamp(at: datetime) -> str:
    """An instant as OCPP writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Dialect16:
    """OCPP 1.6-J."""

    subprotocol = "ocpp1.6"

    def boot(self, vendor: str, model: str, serial: str, reason: str) -> Message:
        """BootNotification."""
        del reason
        payload = {"chargePointVendor": vendor, "chargePointModel": model, "chargePointSerialNumber": serial}
        return "BootNotification", {**payload, "firmwareVersion": "virtual"}

    def status(self, outlet: Outlet, at: datetime) -> Message:
        """StatusNotification."""
        waits = "Finishing" if outlet.finished else _STATE_16[outlet.charging_state()]
        status = _STATUS_16.get(outlet.status) or waits
        error = "OtherError" if outlet.status == "Faulted" else "NoError"
        return "StatusNotification", {
            "connectorId": outlet.evse_id,
            "errorCode": error,
            "status": status,
            "timestamp": stamp(at),
        }

    def whole(self, at: datetime) -> Message:
        """StatusNotification of connector 0, the station itself."""
        payload = {"connectorId": 0, "errorCode": "NoError", "status": "Available", "timestamp": stamp(at)}
        return "StatusNotification", payload

    def authorize(self, token: str) -> Message:
        """Authorize."""
        return "Authorize", {"idTag": token}

    def accepted(self, answer: Payload) -> bool:
        """Whether an authorisation was granted."""
        return bool(answer.get("idTagInfo", {}).get("status") == "Accepted")

    def started(self, outlet: Outlet, transaction: Transaction, at: datetime) -> Message:
        """StartTransaction."""
        return "StartTransaction", {
            "connectorId": outlet.evse_id,
            "idTag": transaction.token,
            "meterStart": transaction.meter_start_wh,
            "timestamp": stamp(at),
        }

    def metered(self, outlet: Outlet, transaction: Transaction, at: datetime, values: Payload) -> Message:
        """MeterValues of a transaction; values as from :meth:`values`."""
        del at, transaction
        return "MeterValues", {"connectorId": outlet.evse_id, "meterValue": [values]}

    def ended(self, outlet: Outlet, transaction: Transaction, at: datetime, reason: str, values: Payload) -> Message:
        """StopTransaction."""
        del outlet
        register = next(
            item["value"] for item in values["sampledValue"] if item["measurand"] == "Energy.Active.Import.Register"
        )
        return "StopTransaction", {
            "timestamp": stamp(at),
            "meterStop": round(float(register)),
            "reason": _REASON_16.get(reason, "Other"),
            "idTag": transaction.token,
            "transactionData": [values],
        }

    def finish(self, action: str, payload: Payload, transaction: Transaction, waited: bool) -> Payload:
        """Completes a queued payload when it goes out: the server's transaction id is known by then."""
        del waited
        return payload if action == "StartTransaction" else {**payload, "transactionId": transaction.server_id}

    def values(self, outlet: Outlet, at: datetime, context: str) -> Payload:
        """One meterValue with registers and power; 1.6 stations rarely know more."""
        imported, exported, power = outlet.reading()
        rows = [
            ("Energy.Active.Import.Register", imported, "Wh", "Outlet"),
            ("Energy.Active.Export.Register", exported, "Wh", "Outlet"),
            ("Power.Active.Import", max(power, 0.0) * 1000.0, "W", "Outlet"),
            ("Power.Active.Export", max(-power, 0.0) * 1000.0, "W", "Outlet"),
        ]
        sampled = [
            {"value": f"{value:.3f}", "measurand": name, "unit": unit, "location": place, "context": context}
            for name, value, unit, place in rows
        ]
        return {"timestamp": stamp(at), "sampledValue": sampled}


class Dialect2:
    """OCPP 2.0.1 and 2.1, which share all messages that a station needs for charging."""

    def __init__(self, *, v21: bool) -> None:
        self.v21 = v21
        self.subprotocol = "ocpp2.1" if v21 else "ocpp2.0.1"

    def boot(self, vendor: str, model: str, serial: str, reason: str) -> Message:
        """BootNotification."""
        station = {"vendorName": vendor, "model": model, "serialNumber": serial, "firmwareVersion": "virtual"}
        return "BootNotification", {"reason": reason, "chargingStation": station}

    def status(self, outlet: Outlet, at: datetime) -> Message:
        """StatusNotification."""
        return "StatusNotification", {
            "timestamp": stamp(at),
            "connectorStatus": outlet.status,
            "evseId": outlet.evse_id,
            "connectorId": 1,
        }

    def authorize(self, token: str) -> Message:
        """Authorize."""
        return "Authorize", {"idToken": self._token(token)}

    def accepted(self, answer: Payload) -> bool:
        """Whether an authorisation was granted."""
        return bool(answer.get("idTokenInfo", {}).get("status") == "Accepted")

    def started(self, outlet: Outlet, transaction: Transaction, at: datetime) -> Message:
        """TransactionEvent Started."""
        remote = transaction.remote_start_id
        payload = self._event("Started", "Authorized" if remote is None else "RemoteStart", outlet, transaction, at)
        if remote is not None:
            payload["transactionInfo"]["remoteStartId"] = remote
        payload["idToken"] = self._token(transaction.token)
        payload["evse"] = {"id": outlet.evse_id, "connectorId": 1}
        payload["meterValue"] = [self.values(outlet, at, "Transaction.Begin")]
        return "TransactionEvent", payload

    def metered(self, outlet: Outlet, transaction: Transaction, at: datetime, values: Payload) -> Message:
        """TransactionEvent Updated with meter values."""
        asked = values["sampledValue"][0]["context"] == "Trigger"
        payload = self._event("Updated", "Trigger" if asked else "MeterValuePeriodic", outlet, transaction, at)
        payload["meterValue"] = [values]
        return "TransactionEvent", payload

    def changed(self, outlet: Outlet, transaction: Transaction, at: datetime) -> Message:
        """TransactionEvent Updated because the charging state changed."""
        return "TransactionEvent", self._event("Updated", "ChargingStateChanged", outlet, transaction, at)

    def ended(self, outlet: Outlet, transaction: Transaction, at: datetime, reason: str, values: Payload) -> Message:
        """TransactionEvent Ended."""
        payload = self._event("Ended", _TRIGGER.get(reason, "AbnormalCondition"), outlet, transaction, at)
        payload["transactionInfo"]["stoppedReason"] = reason
        if reason == "EVDisconnected":
            payload["transactionInfo"]["chargingState"] = "Idle"
        payload["meterValue"] = [values]
        return "TransactionEvent", payload

    def finish(self, action: str, payload: Payload, transaction: Transaction, waited: bool) -> Payload:
        """Completes a queued payload when it goes out: marks what waited for a connection."""
        del action, transaction
        return {**payload, "offline": True} if waited else payload

    def needs(self, outlet: Outlet, departure: datetime | None) -> Message | None:
        """NotifyEVChargingNeeds of the vehicle, ``None`` without one, or where it says nothing."""
        vehicle = outlet.vehicle
        if vehicle is None or not vehicle.reports:
            return None
        both = outlet.discharge_kw > 0.0 and vehicle.discharge_kw > 0.0 and self.v21
        mode = "AC_BPT" if both else ("AC_three_phase" if vehicle.phases == 3 else "AC_single_phase")
        room_wh = round(max(0.0, vehicle.target_soc * vehicle.capacity_kwh - vehicle.energy_kwh) * 1000.0)
        needs: Payload = {"requestedEnergyTransfer": mode}
        if departure is not None:
            needs["departureTime"] = stamp(departure)
        if both:
            needs["controlMode"] = "DynamicControl"
            needs["v2xChargingParameters"] = {
                "maxChargePower": vehicle.charge_kw * 1000.0,
                "minChargePower": vehicle.min_charge_kw * 1000.0,
                "maxDischargePower": vehicle.discharge_kw * 1000.0,
                "minDischargePower": 0.0,
                "evTargetEnergyRequest": float(room_wh),
                "evMinEnergyRequest": 0.0,
                "evMaxEnergyRequest": float(room_wh),
                "evMinV2XEnergyRequest": -vehicle.energy_kwh * 1000.0,
                "evMaxV2XEnergyRequest": float(room_wh),
                "targetSoC": round(vehicle.target_soc * 100),
            }
        else:
            amps = vehicle.charge_kw * 1000.0 / (vehicle.phases * outlet.voltage_v)
            least = vehicle.min_charge_kw * 1000.0 / (vehicle.phases * outlet.voltage_v)
            current = (round(amps), round(least)) if not self.v21 else (amps, least)
            needs["acChargingParameters"] = {
                "energyAmount": room_wh,
                "evMaxCurrent": current[0],
                "evMinCurrent": current[1],
                "evMaxVoltage": round(outlet.voltage_v),
            }
        return "NotifyEVChargingNeeds", {"evseId": outlet.evse_id, "chargingNeeds": needs}

    def values(self, outlet: Outlet, at: datetime, context: str) -> Payload:
        """One meterValue with registers, power and, where the vehicle tells it, state of charge."""
        imported, exported, power = outlet.reading()
        rows: list[tuple[str, float, str, str]] = [
            ("Energy.Active.Import.Register", imported, "Wh", "Outlet"),
            ("Energy.Active.Export.Register", exported, "Wh", "Outlet"),
            ("Power.Active.Import", max(power, 0.0) * 1000.0, "W", "Outlet"),
            ("Power.Active.Export", max(-power, 0.0) * 1000.0, "W", "Outlet"),
        ]
        if self.v21 and outlet.vehicle is not None and outlet.vehicle.reports:
            rows.append(("SoC", outlet.vehicle.soc * 100.0, "Percent", "EV"))
        sampled = [
            {
                "value": round(value, 3),
                "measurand": name,
                "context": context,
                "location": place,
                "unitOfMeasure": {"unit": unit},
            }
            for name, value, unit, place in rows
        ]
        return {"timestamp": stamp(at), "sampledValue": sampled}

    @staticmethod
    def _token(token: str) -> Payload:
        return {"idToken": token, "type": "ISO14443"}

    @staticmethod
    def _event(kind: str, trigger: str, outlet: Outlet, transaction: Transaction, at: datetime) -> Payload:
        payload: Payload = {
            "eventType": kind,
            "timestamp": stamp(at),
            "triggerReason": trigger,
            "seqNo": transaction.next_seq(),
            "transactionInfo": {
                "transactionId": transaction.local_id,
                "chargingState": outlet.charging_state(),
            },
        }
        return payload


def dialect_for(protocol: str) -> Dialect16 | Dialect2:
    """The dialect of a subprotocol name (``ocpp1.6``, ``ocpp2.0.1``, ``ocpp2.1``).

    Raises:
        KeyError: an unknown name.
    """
    if protocol == "ocpp1.6":
        return Dialect16()
    if protocol in {"ocpp2.0.1", "ocpp2.1"}:
        return Dialect2(v21=protocol == "ocpp2.1")
    raise KeyError(protocol)
