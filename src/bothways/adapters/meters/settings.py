"""What a configuration says of a site's meter, validated whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bothways.adapters.meters.gauge import Sign, Unit

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Address = Annotated[int, Field(ge=0, le=65535)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(Part):
    """How a device counts: both must be stated.

    Attributes:
        unit: ``W`` or ``kW``.
        positive: what a positive number of the device means, ``import`` or ``export``.
        connection_kw: rated power of the grid connection [kW]; readings beyond three times of it are refused.
    """

    unit: Unit
    positive: Sign
    connection_kw: Positive


class Register(Part):
    """Where a number lies in a Modbus device.

    Attributes:
        address: as counted on the wire, from 0 (a manual's 40001 is holding register 0).
        type: how the registers are read.
        scale: what the number is multiplied with to be in the stated unit.
        table: which table.
        words: order of the 16-bit words.
    """

    address: Address
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
    scale: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    table: Literal["holding", "input"] = "holding"
    words: Literal["big", "little"] = "big"


class ModbusSettings(Measured):
    """A meter by Modbus TCP: its registers, or ``sunspec`` to find them by the SunSpec models.

    Attributes:
        host: address of the device.
        power: register of the total power; not with ``sunspec``.
        phases: registers of the phases' powers, none or three; not with ``sunspec``.
        pv: register of the production, counted positive, in the meter's unit; not with ``sunspec``.
        pv_device: device id of a SunSpec inverter behind the same address.
        interval_s: time between readings [s].
        timeout_s: longest wait for an answer [s].
    """

    host: str
    port: Port = 502
    device: Annotated[int, Field(ge=0, le=247)] = 1
    sunspec: bool = False
    power: Register | None = None
    phases: tuple[Register, ...] = ()
    pv: Register | None = None
    pv_device: Annotated[int, Field(ge=0, le=247)] | None = None
    interval_s: Positive = 1.0
    timeout_s: Positive = 2.0


class Topic(Part):
    """Where a number lies in MQTT.

    Attributes:
        topic: the topic, without wildcards.
        path: keys that lead to the number in a JSON payload, with dots between; ``""`` for a bare number.
        time_path: likewise to the instant of measurement, ISO 8601 with offset or seconds since 1970.
    """

    topic: Annotated[str, Field(min_length=1, pattern=r"^[^#+]+$")]
    path: str = ""
    time_path: str = ""


class MqttSettings(Measured):
    """A meter by MQTT.

    Attributes:
        host: address of the broker.
        password_file: file that holds the password; passwords are not written into a configuration.
        tls: whether the broker is spoken to by TLS.
        power: topic of the total power.
        phases: topics of the phases, none or three.
        pv: topic of the production, counted positive, in the meter's unit.
        together_s: oldest phase or production value that is reported with a power [s].
    """

    host: str
    port: Port = 1883
    username: str | None = None
    password_file: str | None = None
    tls: bool = False
    power: Topic
    phases: tuple[Topic, ...] = ()
    pv: Topic | None = None
    together_s: Positive = 15.0


class FileSettings(Part):
    """Readings replayed from a CSV file.

    Attributes:
        path: columns ``at`` (ISO 8601 with offset), ``power_kw`` or ``power_w`` (import positive), and, where known,
            ``l1_kw`` … ``l3_kw`` and ``pv_kw`` (or all in ``_w``).
        repeat: whether to start again from the first row when the last was given.
        shift: whether the first row stands for now, whatever instant it names.
    """

    path: str
    repeat: bool = False
    shift: bool = True
