"""Where contactor, breakers, sources and relays lie in a Modbus device; validated whole."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Address = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Part(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(Part):
    """A measured number in one or two registers.

    Attributes:
        address: as counted on the wire, from 0.
        type: how the registers are read.
        scale: what the number is multiplied with to be in kW, kWh, V or Hz.
        table: which table.
    """

    address: Address
    type: Literal["int16", "uint16", "int32", "uint32", "float32"] = "int16"
    scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    table: Literal["holding", "input"] = "input"

    @property
    def count(self) -> int:
        """Registers that it takes."""
        return 1 if self.type.endswith("16") else 2


class Setting(Part):
    """A number that is written to a holding register of 16 bits."""

    address: Address
    scale: Positive = 1.0


class SwitchPart(Part):
    """A contactor or breaker.

    Attributes:
        coil: 1 closes it, 0 opens it; ``None`` where a person switches it.
        open_input: discrete input that is 1 while it is open; of the main contactor its mirror contact.
        closed_input: discrete input that is 1 while it is closed. Both at once, or none, is no feedback.
    """

    coil: Address | None = None
    open_input: Address | None = None
    closed_input: Address | None = None


class SectionPart(SwitchPart):
    """A section's breaker, with its load per phase where it is metered: none or three registers [kW].

    Attributes:
        keep_coil: 1 keeps it on, 0 lets the device open it when the watchdog runs out; ``None``: it stays as it is.
    """

    phase_kw: tuple[Number, ...] = ()
    keep_coil: Address | None = None

    @model_validator(mode="after")
    def _three(self) -> Self:
        if len(self.phase_kw) not in {0, 3}:
            msg = f"phase_kw needs three registers or none, not {len(self.phase_kw)}"
            raise ValueError(msg)
        return self


class SourcePart(Part):
    """A battery or generator, or the hard-wired contacts of a charger.

    Attributes:
        form_coil: 1 lets it hold the island, 0 ends that.
        trip_coil: 1 cuts it off by wire; it is taken back by the next order to start.
        forming_input: 1 while it holds the island.
        available_input: 1 while it could feed.
        power: its output, positive toward the building [kW].
        energy: stored energy or what the fuel gives [kWh].
        setpoint: output that it follows [kW]; chargers are told by OCPP instead.
        lease: seconds after which the output must end by itself.
        floor: stored energy at which it stops by itself [kWh].
    """

    form_coil: Address | None = None
    trip_coil: Address | None = None
    forming_input: Address | None = None
    available_input: Address | None = None
    power: Number | None = None
    energy: Number | None = None
    setpoint: Setting | None = None
    lease: Setting | None = None
    floor: Setting | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.form_coil is not None and self.forming_input is None:
            msg = "form_coil needs forming_input: only its feedback shows that the source holds the island"
            raise ValueError(msg)
        if self.setpoint is not None and (self.power is None or self.lease is None):
            msg = "setpoint needs power, which shows that it is followed, and lease, which ends it"
            raise ValueError(msg)
        return self


class ModbusGearSettings(Part):
    """Switchgear behind one Modbus TCP address.

    Attributes:
        nominal_v: voltage that counts as 1 [V].
        street_v: voltages on the street's side of the contactor, one or three.
        street_hz: frequency there.
        bus_v: voltage on the building's side.
        loss_of_mains_input: 1 while a relay reports that the mains are lost.
        estop_input: 1 while the emergency stop or the fire alarm is active.
        in_sync_input: 1 while a synchronism relay permits closing.
        pv: output of PV [kW].
        watchdog: seconds that the device waits for the next writing of this register; then it opens every section
            whose ``keep_coil`` is 0. 0 ends the watch.
        timeout_s: longest wait for an answer [s].
    """

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    device: Annotated[int, Field(ge=0, le=247)] = 1
    timeout_s: Annotated[float, Field(gt=0.0, le=0.8)] = 0.4
    nominal_v: Positive = 230.0
    main: SwitchPart
    sections: dict[str, SectionPart] = Field(default_factory=dict)
    sources: dict[str, SourcePart] = Field(default_factory=dict)
    street_v: tuple[Number, ...] = ()
    street_hz: Number | None = None
    bus_v: Number | None = None
    loss_of_mains_input: Address | None = None
    estop_input: Address | None = None
    in_sync_input: Address | None = None
    pv: Number | None = None
    watchdog: Setting | None = None

    @model_validator(mode="after")
    def _seen(self) -> Self:
        if self.main.open_input is None:
            msg = "main needs open_input: only its mirror contact (IEC 60947-4-1, annex F) shows that it separates"
            raise ValueError(msg)
        if bool(self.street_v) != (self.street_hz is not None) or len(self.street_v) not in {0, 1, 3}:
            msg = "give street_v (one or three registers) and street_hz, or neither"
            raise ValueError(msg)
        if not self.street_v and self.loss_of_mains_input is None:
            msg = "the loss of the grid must be seen: give street_v with street_hz, or loss_of_mains_input"
            raise ValueError(msg)
        if (self.watchdog is not None) != any(part.keep_coil is not None for part in self.sections.values()):
            msg = "watchdog and keep_coil go together: the one says when, the other which section stays on"
            raise ValueError(msg)
        return self
