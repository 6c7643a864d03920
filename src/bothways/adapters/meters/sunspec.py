"""Where SunSpec devices keep their power: the models for meters and inverters, and how the chain of models is walked.

Sources: SunSpec Alliance, *SunSpec Information Model Reference* (models 1, 101–103, 111–113, 201–204, 211–214): the
marker ``SunS`` at register 0, 40000 or 50000, then models one after another, each with its id and length, ended by
0xFFFF. Offsets here count from a model's id.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

BASES = (40000, 0, 50000)
MARKER = (0x5375, 0x6E53)
END = 0xFFFF
_NONE_16 = -0x8000
_LONGEST_CHAIN = 100

Read = Callable[[int, int], Awaitable[Sequence[int]]]
"""Reads so many holding registers from an address."""


class SunSpecError(Exception):
    """The device does not follow SunSpec, or has no model that is sought."""


@dataclass(frozen=True, slots=True)
class Block:
    """A model found in a device.

    Attributes:
        address: of its id.
        watts: offsets of the total power and the three phases, ``None`` where the model has none.
        scale: offset of the scale factor; ``None`` for floats.
    """

    address: int
    watts: tuple[int, ...]
    scale: int | None

    @property
    def length(self) -> int:
        """Registers to read from ``address``."""
        last = max(self.watts) + (2 if self.scale is None else 1)
        return last if self.scale is None else max(last, self.scale + 1)

    def powers(self, registers: Sequence[int]) -> tuple[float | None, ...]:
        """Powers as the device counts them [W]; ``None`` where it does not implement one."""
        return tuple(self._power(registers, offset) for offset in self.watts)

    def _power(self, registers: Sequence[int], offset: int) -> float | None:
        if self.scale is None:
            (value,) = struct.unpack(">f", struct.pack(">HH", *registers[offset : offset + 2]))
            return float(value) if math.isfinite(value) else None
        number, exponent = _signed(registers[offset]), _signed(registers[self.scale])
        if _NONE_16 in {number, exponent} or not -10 <= exponent <= 10:
            return None
        return float(number) * 10.0**exponent


Models = dict[int, tuple[tuple[int, ...], int | None]]
"""By model: offsets of the powers, offset of the scale factor."""
_METERS: Models = {
    **dict.fromkeys((201, 202, 203, 204), ((18, 19, 20, 21), 22)),
    **dict.fromkeys((211, 212, 213, 214), ((28, 30, 32, 34), None)),
}
_INVERTERS: Models = {**dict.fromkeys((101, 102, 103), ((14,), 15)), **dict.fromkeys((111, 112, 113), ((22,), None))}


async def find_meter(read: Read) -> Block:
    """The meter's block.

    Raises:
        SunSpecError: there is none.
    """
    return await _find(read, _METERS, "meter (201–204, 211–214)")


async def find_inverter(read: Read) -> Block:
    """The inverter's block.

    Raises:
        SunSpecError: there is none.
    """
    return await _find(read, _INVERTERS, "inverter (101–103, 111–113)")


async def _find(read: Read, models: Models, sought: str) -> Block:
    address = await _start(read)
    for _ in range(_LONGEST_CHAIN):
        number, length = await read(address, 2)
        if number == END:
            break
        if number in models:
            watts, scale = models[number]
            return Block(address, watts, scale)
        address += 2 + length
    msg = f"the device has no SunSpec model of a {sought}"
    raise SunSpecError(msg)


async def _start(read: Read) -> int:
    for base in BASES:
        try:
            marker = tuple(await read(base, 2))
        except SunSpecError:
            continue  # the device has no registers there
        if marker == MARKER:
            return base + 2
    msg = "the device does not follow SunSpec: no marker at register 40000, 0 or 50000"
    raise SunSpecError(msg)


def _signed(register: int) -> int:
    return register - 0x10000 if register >= 0x8000 else register
