"""What the samples of one EVSE say: power, energy, phases, state of charge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bothways.operations.events import Sample

_IMPORT, _EXPORT = "Power.Active.Import", "Power.Active.Export"
_REGISTER_IN, _REGISTER_OUT = "Energy.Active.Import.Register", "Energy.Active.Export.Register"
_CURRENT = "Current.Import"
_IGNORED_PLACES = frozenset({"Inlet", "Body", "Cable"})
_LEAST_FOR_PHASES_KW = 0.5
_SILENT_KW = 0.05
_LONGEST_GAP_S = 900.0


@dataclass(slots=True)
class Meter:
    """The meter of one EVSE as far as its samples tell. ``at`` instants are those of the server's clock.

    Attributes:
        power_kw: latest power [kW], positive charges.
        power_at: when; ``None`` before the first.
        register_in_kwh: import register [kWh]; ``nan`` before the first.
        register_out_kwh: export register [kWh]; ``nan`` before the first.
        register_at: when.
        soc: latest state of charge as reported; ``None`` before the first.
        soc_at: when.
        shares: measured shares of the EVSE's own phases; ``None`` until measured in this session.
        most_charge_kw: greatest charging power seen in this session [kW].
    """

    power_kw: float = 0.0
    power_at: datetime | None = None
    register_in_kwh: float = math.nan
    register_out_kwh: float = math.nan
    register_at: datetime | None = None
    soc: float | None = None
    soc_at: datetime | None = None
    shares: tuple[float, float, float] | None = None
    most_charge_kw: float = 0.0
    _skew_s: float = field(default=math.inf)

    def new_session(self) -> None:
        """Forgets what belonged to the vehicle that left; the registers go on."""
        self.power_kw = 0.0
        self.power_at = None
        self.soc = self.soc_at = self.shares = None
        self.most_charge_kw = 0.0

    def server_time(self, at: datetime, received: datetime) -> datetime:
        """Instant of a sample by the server's clock.

        The station's clock may be wrong by a constant and messages may be late; the smallest difference seen so far
        is taken for the constant (it is let grow by a second per message, so that a corrected clock is noticed).
        """
        ahead = (received - at).total_seconds()
        self._skew_s = min(ahead, self._skew_s + 1.0)
        return received - timedelta(seconds=max(0.0, ahead - self._skew_s))

    def take(self, samples: Iterable[Sample], received: datetime, *, current: bool = True) -> bool:
        """Takes samples in; returns whether they tell a power. Late ones never replace newer ones.

        Args:
            samples: what the station sent, in any order.
            received: when, by the server's clock.
            current: False for what was sent late: energy is never dropped, but a power that is over says nothing now.
        """
        by_time: dict[datetime, list[Sample]] = {}
        for sample in samples:
            if sample.location not in _IGNORED_PLACES and math.isfinite(sample.value):
                by_time.setdefault(sample.at, []).append(sample)
        found = False
        for at in sorted(by_time):
            found = self._take_together(by_time[at], self.server_time(at, received), current=current) or found
        return found

    def _take_together(self, samples: list[Sample], at: datetime, *, current: bool) -> bool:
        power = _power(samples) if current else None
        before, before_at = self.register_in_kwh, self.register_at
        self._registers(samples, at)
        if current and power is None and before_at is not None and self.register_at == at and at > before_at:
            power = self._from_register(before, before_at, at)
        if power is not None and (self.power_at is None or at >= self.power_at):
            self.power_kw, self.power_at = power, at
            self.most_charge_kw = max(self.most_charge_kw, power)
            self._phases(samples, power)
        for sample in samples:
            if sample.measurand == "SoC" and 0.0 <= sample.value <= 1.0 and (self.soc_at is None or at >= self.soc_at):
                self.soc, self.soc_at = sample.value, at
        return power is not None

    def _registers(self, samples: list[Sample], at: datetime) -> None:
        if self.register_at is not None and at < self.register_at:
            return
        into = _sum_or_phases(samples, _REGISTER_IN)
        out = _sum_or_phases(samples, _REGISTER_OUT)
        if into is not None:
            self.register_in_kwh, self.register_at = into, at
        if out is not None:
            self.register_out_kwh, self.register_at = out, at

    def _from_register(self, before_kwh: float, before_at: datetime, at: datetime) -> float | None:
        """Mean power between two readings, where the station sends registers only."""
        hours = (at - before_at).total_seconds() / 3600.0
        moved = self.register_in_kwh - before_kwh
        if not math.isfinite(moved) or moved < 0.0 or hours * 3600.0 > _LONGEST_GAP_S:
            return None
        return moved / hours

    def _phases(self, samples: list[Sample], power: float) -> None:
        if abs(power) < _LEAST_FOR_PHASES_KW:
            return
        parts = _by_phase(samples, _IMPORT if power > 0.0 else _EXPORT) or _by_phase(samples, _CURRENT)
        total = sum(parts.values())
        if total <= 0.0:
            return
        shares = [max(0.0, parts.get(k, 0.0)) / total for k in (1, 2, 3)]
        self.shares = (shares[0], shares[1], shares[2])


def _phase_number(phase: str) -> int:
    """1…3 for ``L1``, ``L2-N``, …; 0 for the sum or anything between two phases."""
    head, _, tail = phase.partition("-")
    if tail.startswith("L") or head not in {"L1", "L2", "L3"}:
        return 0
    return int(head[1])


def _by_phase(samples: list[Sample], measurand: str) -> dict[int, float]:
    return {
        number: abs(sample.value)
        for sample in samples
        if sample.measurand == measurand and (number := _phase_number(sample.phase))
    }


def _sum_or_phases(samples: list[Sample], measurand: str) -> float | None:
    """The sum as stated, else the sum over the phases, else ``None``."""
    parts = [sample for sample in samples if sample.measurand == measurand]
    for sample in parts:
        if sample.phase == "":
            return sample.value
    values = [sample.value for sample in parts if _phase_number(sample.phase)]
    return sum(values) if values else None


def _power(samples: list[Sample]) -> float | None:
    """Net power: either an export above 0 or a negative import means discharging; they are never added."""
    into = _sum_or_phases(samples, _IMPORT)
    out = _sum_or_phases(samples, _EXPORT)
    if out is not None and abs(out) > _SILENT_KW and (into is None or into <= _SILENT_KW):
        return -abs(out)
    if into is None:
        return None if out is None else 0.0
    return into
