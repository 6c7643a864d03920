"""Makes a meter source of what a configuration says."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from bothways.adapters.meters.settings import FileSettings, ModbusSettings, MqttSettings
from bothways.domain.errors import InputError, Problems
from bothways.domain.validation import validated
from bothways.operations.ports import Clock, MeterSource

M = TypeVar("M", bound=BaseModel)


def meter_from(
    kind: str, settings: Mapping[str, object], clock: Clock, *, folder: Path | None = None, at: str = "meter"
) -> MeterSource:
    """A meter source.

    Args:
        kind: ``modbus``, ``mqtt`` or ``file``.
        settings: keys of ``ModbusSettings``, ``MqttSettings`` or ``FileSettings``.
        clock: gives instants and pauses.
        folder: where relative paths are sought.
        at: where the settings stand in the configuration, for messages.

    Raises:
        InputError: with everything that is wrong with the settings.
    """
    problems = Problems(at=at)
    home = folder or Path()
    if kind == "file":
        file = _read(FileSettings, settings, problems)
        from bothways.adapters.meters.replay import ReplayedMeter  # noqa: PLC0415 - only what is configured

        return ReplayedMeter(home / file.path, clock, repeat=file.repeat, shift=file.shift)
    if kind == "mqtt":
        mqtt = _read(MqttSettings, settings, problems)
        _three_or_none(mqtt.phases, problems)
        if mqtt.password_file is not None:
            mqtt = mqtt.model_copy(update={"password_file": str(home / mqtt.password_file)})
            if not Path(mqtt.password_file or "").is_file():
                problems.add("password_file", mqtt.password_file, "a file with the password", "Check the path.")
        problems.raise_if_any()
        _installed("aiomqtt", problems)
        from bothways.adapters.meters.mqtt import MqttMeter  # noqa: PLC0415 - an extra that not everybody installs

        return MqttMeter(mqtt, clock)
    if kind == "modbus":
        modbus = _read(ModbusSettings, settings, problems)
        _check_modbus(modbus, problems)
        _installed("pymodbus", problems)
        from bothways.adapters.meters.modbus import ModbusMeter  # noqa: PLC0415 - an extra that not everybody installs

        return ModbusMeter(modbus, clock)
    problems.add("kind", kind, "modbus, mqtt or file", "Name how the meter is reached.")
    raise InputError(list(problems))


def _installed(package: str, problems: Problems) -> None:
    if importlib.util.find_spec(package) is None:
        remedy = 'Install it: pip install "bothways[meters]".'
        problems.add("kind", f"{package} is not installed", "an installed library", remedy)
        problems.raise_if_any()


def _check_modbus(settings: ModbusSettings, problems: Problems) -> None:
    _three_or_none(settings.phases, problems)
    if settings.sunspec and (settings.power or settings.phases or settings.pv):
        problems.add("sunspec", "true beside registers", "one of both", "Delete the registers, or sunspec.")
    if not settings.sunspec and settings.power is None:
        problems.add("power", "nothing", "the register of the power, or sunspec = true", "Look it up in the manual.")
    if settings.sunspec and settings.unit != "W":
        problems.add("unit", settings.unit, "W: SunSpec devices count in W", 'Write unit = "W".')
    if settings.pv_device is not None and not settings.sunspec:
        problems.add("pv_device", settings.pv_device, "only with sunspec = true", "Give pv as a register.")
    problems.raise_if_any()


def _three_or_none(phases: tuple[object, ...], problems: Problems) -> None:
    if len(phases) not in {0, 3}:
        problems.add("phases", f"{len(phases)} of them", "none or three", "Name all three phases, or none.")


def _read(model: type[M], settings: Mapping[str, object], problems: Problems) -> M:
    """The settings as a model, or all that is wrong with them."""
    return validated(model, settings, at=problems.at, page="docs/how-to/connect-a-site-meter.md")
