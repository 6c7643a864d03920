"""What a station says it can do about smart charging, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bothways.adapters.ocpp.reading import text
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.wire import RateUnit

_KEYS_16 = ("ChargingScheduleAllowedChargingRateUnit", "ConnectorSwitch3to1PhaseSupported")
_VARIABLES_201 = (("SmartChargingCtrlr", "RateUnit"), ("SmartChargingCtrlr", "ACPhaseSwitchingSupported"))
_VARIABLES_21 = (
    *_VARIABLES_201,
    ("SmartChargingCtrlr", "SupportsDynamicProfiles"),
    ("ISO15118Ctrlr", "Enabled"),
    ("V2XChargingCtrlr", "Enabled"),
    ("V2XChargingCtrlr", "SupportedOperationModes"),
    ("V2XChargingCtrlr", "SupportedEnergyTransferModes"),
)


@dataclass(slots=True)
class Capabilities:
    """Abilities of a station; ``None`` or empty where it has not said.

    Attributes:
        units: rate units that it takes.
        phase_switching: whether it can switch between one and three phases.
        dynamic: whether it takes profiles of kind Dynamic.
        iso15118: whether it talks ISO 15118 with vehicles.
        v2x: whether its V2X function is switched on.
        operation_modes: operation modes it supports.
        energy_transfer: energy transfer modes it supports.
    """

    units: frozenset[str] = frozenset()
    phase_switching: bool | None = None
    dynamic: bool | None = None
    iso15118: bool | None = None
    v2x: bool | None = None
    operation_modes: frozenset[str] = frozenset()
    energy_transfer: frozenset[str] = frozenset()

    def unit(self, version: Version) -> RateUnit:
        """The unit to speak: W where the station takes it; before it has said, what most of its version do."""
        if "W" in self.units or not self.units:
            return "W" if self.units or version != "1.6" else "A"
        return "A"

    def why_no_v2x(self) -> str:
        """Why the station cannot follow a setpoint; ``""`` where nothing speaks against it."""
        if self.v2x is False:
            return "the station says that V2XChargingCtrlr.Enabled is false"
        if self.iso15118 is False:
            return "the station says that ISO15118Ctrlr.Enabled is false"
        if self.operation_modes and "CentralSetpoint" not in self.operation_modes:
            return "the station does not list CentralSetpoint among its operation modes"
        return ""

    def note(self, component: str, variable: str, value: str) -> None:
        """Takes one variable of the device model, or one configuration key (component ``""``)."""
        words = frozenset(item.strip() for item in value.split(",") if item.strip())
        truth = {"true": True, "false": False}.get(value.strip().lower())
        match component, variable:
            case ("", "ChargingScheduleAllowedChargingRateUnit"):
                names = {"current": "A", "power": "W", "a": "A", "w": "W"}
                self.units = frozenset(names[word.lower()] for word in words if word.lower() in names)
            case ("SmartChargingCtrlr", "RateUnit"):
                self.units = words & {"A", "W"}
            case ("", "ConnectorSwitch3to1PhaseSupported") | ("SmartChargingCtrlr", "ACPhaseSwitchingSupported"):
                self.phase_switching = truth
            case ("SmartChargingCtrlr", "SupportsDynamicProfiles"):
                self.dynamic = truth
            case ("ISO15118Ctrlr", "Enabled"):
                self.iso15118 = truth
            case ("V2XChargingCtrlr", "Enabled"):
                self.v2x = truth
            case ("V2XChargingCtrlr", "SupportedOperationModes"):
                self.operation_modes = words
            case ("V2XChargingCtrlr", "SupportedEnergyTransferModes"):
                self.energy_transfer = words

    def note_report(self, rows: object) -> None:
        """Takes ``reportData`` of NotifyReport or ``getVariableResult`` of GetVariables."""
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, Mapping):
                continue
            attributes: Iterable[Any] = row.get("variableAttribute") or [row]
            for attribute in attributes if isinstance(attributes, list) else ():
                if isinstance(attribute, Mapping) and attribute.get("type", "Actual") == "Actual":
                    value = text(attribute, "value") or text(attribute, "attributeValue")
                    if value:
                        self.note(text(row, "component", "name"), text(row, "variable", "name"), value)

    def note_configuration(self, answer: Mapping[str, Any]) -> None:
        """Takes the answer to GetConfiguration (1.6)."""
        for row in answer.get("configurationKey") or ():
            self.note("", text(row, "key"), text(row, "value"))


def question(version: Version) -> tuple[str, dict[str, Any]]:
    """The request that asks a station for its smart-charging abilities."""
    if version == "1.6":
        return "GetConfiguration", {"key": list(_KEYS_16)}
    asked = _VARIABLES_21 if version == "2.1" else _VARIABLES_201
    rows = [{"component": {"name": component}, "variable": {"name": variable}} for component, variable in asked]
    return "GetVariables", {"getVariableData": rows}
