"""Energy of a transaction from what its meters showed.

Every meter (measurand, location, phase) is followed in time's order: rises and falls of a register are summed apart,
because a station may show discharging either as a rising export register or as a falling import register. The two are
never added: the export register counts where it moves, else the falls of the import register do.

The sums are a function of the *set* of values, not of the order of their arrival: a value later than all others is
added at once, any other makes :meth:`Meters.take` answer False, and the caller rebuilds from everything it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

IMPORT = "Energy.Active.Import.Register"
EXPORT = "Energy.Active.Export.Register"
IMPORT_INTERVAL = "Energy.Active.Import.Interval"
EXPORT_INTERVAL = "Energy.Active.Export.Interval"
COUNTED = (IMPORT, EXPORT, IMPORT_INTERVAL, EXPORT_INTERVAL)

JITTER_KWH = 0.01
"""Falls of an import register below this sum are rounding (1.6 gives meterStart in whole Wh), not discharging."""
BREAK_KWH = 100.0
BREAK_KW = 2000.0
"""A step that is greater than 100 kWh *and* faster than 2 MW is a register that started anew, not energy."""

_LOCATIONS = ("Outlet", "Inlet", "Cable", "Body", "EV")
_PHASE_SETS = (("L1", "L2", "L3"), ("L1-N", "L2-N", "L3-N"))
_HOUR_US = 3_600_000_000
_DIGITS = 9  # of kWh: differences of registers leave dust behind

MeterKey = tuple[str, str, str]


@dataclass(slots=True)
class Meter:
    """One meter's course. ``up`` and ``down`` are sums of rises and falls [kWh], both at least 0."""

    count: int = 0
    last_us: int = 0
    last: float = 0.0
    up: float = 0.0
    down: float = 0.0
    breaks: int = 0

    def follow(self, at_us: int, value: float, *, interval: bool) -> None:
        """Takes the next value in time's order."""
        step = value if interval else (value - self.last if self.count else 0.0)
        if not interval and abs(step) > BREAK_KWH and abs(step) * _HOUR_US > BREAK_KW * (at_us - self.last_us):
            self.breaks += 1
            step = 0.0
        if step > 0.0:
            self.up += step
        else:
            self.down -= step
        self.count += 1
        self.last_us, self.last = at_us, value


class Meters:
    """All meters of one transaction."""

    __slots__ = ("by_key",)

    def __init__(self) -> None:
        self.by_key: dict[MeterKey, Meter] = {}

    def take(self, key: MeterKey, at_us: int, value: float) -> bool:
        """Adds a value; False where it is not later than all others, and the sums must be rebuilt from the set."""
        meter = self.by_key.setdefault(key, Meter())
        interval = key[0].endswith(".Interval")
        if meter.count and at_us <= meter.last_us:
            return at_us == meter.last_us and value == meter.last and not interval
        meter.follow(at_us, value, interval=interval)
        return True

    def rebuild(self, values: Iterable[tuple[MeterKey, int, float]]) -> None:
        """Starts anew from all values; equal instants are ordered by value, so that the answer is always the same."""
        self.by_key = {}
        for key, at_us, value in sorted(values, key=lambda item: (item[1], item[2])):
            meter = self.by_key.setdefault(key, Meter())
            if meter.count and at_us == meter.last_us and value == meter.last and not key[0].endswith(".Interval"):
                continue
            meter.follow(at_us, value, interval=key[0].endswith(".Interval"))

    def broken(self) -> bool:
        """Whether a register started anew within the transaction; its step is not counted."""
        return any(meter.breaks for meter in self.by_key.values())

    def energy_kwh(self) -> tuple[float, float]:
        """Energy into and out of the vehicle [kWh], both at least 0."""
        rise, fall = self._moved(IMPORT, IMPORT_INTERVAL)
        out_up, out_down = self._moved(EXPORT, EXPORT_INTERVAL)
        given = max(out_up, out_down)
        if fall <= JITTER_KWH:
            rise, fall = max(0.0, rise - fall), 0.0
        return round(rise, _DIGITS), round(given if given > 0.0 else fall, _DIGITS)

    def _moved(self, register: str, interval: str) -> tuple[float, float]:
        for measurand, least in ((register, 2), (interval, 1)):
            present = {key[1] for key in self.by_key if key[0] == measurand}
            for location in filter(present.__contains__, _LOCATIONS):
                found = self._at(measurand, location, least)
                if found is not None:
                    return found
        return 0.0, 0.0

    def _at(self, measurand: str, location: str, least: int) -> tuple[float, float] | None:
        """Rises and falls at a place: of the sum where it has a course, else of its phases together."""
        total = self.by_key.get((measurand, location, ""))
        if total is not None and total.count >= least:
            return total.up, total.down
        for names in _PHASE_SETS:
            phases = [self.by_key[key] for name in names if (key := (measurand, location, name)) in self.by_key]
            if any(phase.count >= least for phase in phases):
                return sum(phase.up for phase in phases), sum(phase.down for phase in phases)
        return None

    def pack(self) -> list[list[object]]:
        """Plain lists, for keeping."""
        return [[*key, m.count, m.last_us, m.last, m.up, m.down, m.breaks] for key, m in self.by_key.items()]

    @classmethod
    def unpack(cls, rows: Iterable[list[object]]) -> Meters:
        """Reads what :meth:`pack` gave."""
        meters = cls()
        for measurand, location, phase, *numbers in rows:
            meters.by_key[str(measurand), str(location), str(phase)] = Meter(*numbers)  # type: ignore[arg-type]
        return meters
