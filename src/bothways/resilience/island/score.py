"""How a drill went: what was restored and when, what was not served, whether every driver kept the reserve."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.domain.errors import DomainError
from bothways.resilience.island.site import UNINTENTIONAL_ISLAND_S

LONGEST_DARK_S = 60.0
_TINY_KWH = 1e-6
_SERVED = 0.99


@dataclass(frozen=True, slots=True)
class Sample:
    """One instant of a drill, valid until the next.

    Attributes:
        t_s: time [s].
        phase: phase of the controller.
        asked_kw: load that every section would draw if it were on [kW].
        served_kw: load that every section draws [kW].
        spare_kwh: stored energy of every vehicle above its driver's reserve [kWh]; ``nan``-free, absent ones left out.
        street_fed: whether a source feeds the dead street.
    """

    t_s: float
    phase: str
    asked_kw: tuple[float, ...]
    served_kw: tuple[float, ...]
    spare_kwh: tuple[tuple[str, float], ...] = ()
    street_fed: bool = False


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """What happened, as measured.

    Attributes:
        outage_s: instants at which the grid failed [s], in order; the first begins the score.
        tiers: tier of every section, in the order of the samples.
        samples: in order of time; the last one only ends the record.
        held_back: commands that the interlock did not let pass.
        cut_off: sources that were cut off by their hard-wired contact.
    """

    outage_s: tuple[float, ...]
    tiers: tuple[int, ...]
    samples: tuple[Sample, ...]
    held_back: int = 0
    cut_off: int = 0


@dataclass(frozen=True, slots=True)
class TierScore:
    """One tier.

    Attributes:
        tier: which.
        restored_s: time from the outage until all of it was served [s]; ``None`` where it never was.
        longest_dark_s: longest time in which not all of it was served [s].
        unserved_kwh: energy not served [kWh].
        served_share: energy served over energy asked for.
    """

    tier: int
    restored_s: float | None
    longest_dark_s: float
    unserved_kwh: float
    served_share: float


@dataclass(frozen=True, slots=True)
class DrillScore:
    """The score of a drill.

    Attributes:
        restored_s: time from the outage until the first tier was served [s]; ``None`` where it never was.
        tiers: every tier, the most important first.
        reserves_kept: whether no vehicle went below its driver's reserve.
        least_spare_kwh: smallest energy above a reserve that any vehicle had [kWh]; ``None`` without vehicles.
        below_reserve: vehicles that went below it.
        street_fed_s: time for which the dead street was fed [s].
        held_back: commands that the interlock did not let pass.
        cut_off: sources that were cut off by their hard-wired contact.
        passed: the first tier was never dark for more than 60 s (what NEC 701.12 allows a legally required standby
            supply to take), every reserve was kept, and the street was fed for no more than 2 s.
    """

    restored_s: float | None
    tiers: tuple[TierScore, ...]
    reserves_kept: bool
    least_spare_kwh: float | None
    below_reserve: tuple[str, ...]
    street_fed_s: float
    held_back: int
    cut_off: int
    passed: bool


def score_drill(record: DrillRecord) -> DrillScore:
    """Scores a drill from its record.

    Energy not served: Σ max(asked − served, 0)·Δt from the first outage to the end of the record, each sample holding
    until the next. A tier counts as restored at the first instant at which every one of its sections draws at least
    99 % of what it asks for; sections that ask for nothing count as served.

    Raises:
        DomainError: no outage, fewer than two samples, instants out of order, NaN, or tiers that do not fit.
    """
    _check(record)
    start = record.outage_s[0]
    tiers = tuple(_tier(tier, record, start) for tier in sorted(set(record.tiers)))
    least: dict[str, float] = {}
    for sample in record.samples:
        for name, spare in sample.spare_kwh:
            least[name] = min(spare, least.get(name, math.inf))
    below = tuple(sorted(name for name, spare in least.items() if spare < -_TINY_KWH))
    pairs = zip(record.samples, record.samples[1:], strict=False)
    fed = sum(after.t_s - sample.t_s for sample, after in pairs if sample.street_fed)
    restored = tiers[0].restored_s
    return DrillScore(
        restored_s=restored,
        tiers=tiers,
        reserves_kept=not below,
        least_spare_kwh=min(least.values()) if least else None,
        below_reserve=below,
        street_fed_s=fed,
        held_back=record.held_back,
        cut_off=record.cut_off,
        passed=tiers[0].longest_dark_s <= LONGEST_DARK_S and not below and fed <= UNINTENTIONAL_ISLAND_S,
    )


def _tier(tier: int, record: DrillRecord, start: float) -> TierScore:
    members = [k for k, other in enumerate(record.tiers) if other == tier]
    restored: float | None = None
    unserved = asked = dark_s = longest_s = 0.0
    dark = False
    for sample, after in zip(record.samples, record.samples[1:], strict=False):
        if after.t_s <= start:
            continue
        seconds = after.t_s - max(sample.t_s, start)
        hours = seconds / 3600.0
        short = sum(max(sample.asked_kw[k] - sample.served_kw[k], 0.0) for k in members)
        unserved += short * hours
        asked += sum(sample.asked_kw[k] for k in members) * hours
        served = all(sample.served_kw[k] >= _SERVED * sample.asked_kw[k] for k in members)
        dark = dark or not served
        dark_s = 0.0 if served else dark_s + seconds
        longest_s = max(longest_s, dark_s)
        if served and dark and restored is None:
            restored = sample.t_s - start
    if not dark:
        restored = 0.0
    return TierScore(tier, restored, longest_s, unserved, 1.0 if asked <= 0.0 else 1.0 - unserved / asked)


def _check(record: DrillRecord) -> None:
    if not record.outage_s or len(record.samples) < 2:
        msg = "a drill needs an outage and at least two samples to be scored"
        raise DomainError(msg)
    times = [sample.t_s for sample in record.samples]
    if times != sorted(times) or not all(map(math.isfinite, times)):
        msg = "the samples of a drill must be in order of time"
        raise DomainError(msg)
    for sample in record.samples:
        if len(sample.asked_kw) != len(record.tiers) or len(sample.served_kw) != len(record.tiers):
            msg = f"every sample needs the {len(record.tiers)} sections of the record"
            raise DomainError(msg)
        spares = [spare for _, spare in sample.spare_kwh]
        if not all(map(math.isfinite, (*sample.asked_kw, *sample.served_kw, *spares))):
            msg = f"the sample at {sample.t_s} s is not finite"
            raise DomainError(msg)
