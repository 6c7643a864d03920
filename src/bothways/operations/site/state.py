"""The process image: everything that one tick knows, frozen, so that all its decisions see the same world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from bothways.operations.events import EvseKey
from bothways.operations.site.batteries import NOTHING, BatteryKind
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission

PHASES = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the range in which it lies with good confidence, and where it comes from.

    >>> Estimate(0.5, 0.4, 0.7, "reported by the vehicle").spread
    0.3
    """

    value: float
    low: float
    high: float
    source: str

    @property
    def spread(self) -> float:
        """Width of the range."""
        return round(self.high - self.low, 12)


@dataclass(frozen=True, slots=True)
class PhaseUse:
    """How the power of one EVSE spreads over the site's phases; tuples hold L1, L2, L3 of the site.

    Attributes:
        worst: greatest share of the power on each phase.
        most_kw: greatest power on each phase [kW].
        sure: share that is certain on each phase.
        known: whether it was measured in this session.
    """

    worst: tuple[float, float, float]
    most_kw: tuple[float, float, float]
    sure: tuple[float, float, float]
    known: bool


@dataclass(frozen=True, slots=True)
class SessionState:
    """A vehicle that is connected, as believed now. Energies are stored energies [kWh, battery side].

    Attributes:
        session_id: unique within the run of the loop.
        transaction_id: the protocol's transaction, ``""`` where none is open: nothing can be ordered then.
        id_token: who authorised it, ``""`` where unknown.
        since: plug-in.
        need: what the driver stated, ``None`` for nothing.
        soc: state of charge with its interval.
        capacity_kwh: usable capacity with its interval [kWh].
        energy_kwh: stored energy [kWh].
        energy_low_kwh: what is stored at least [kWh].
        floor_kwh: energy that discharging never crosses [kWh].
        ceiling_kwh: energy at which charging ends [kWh].
        asked_kwh: stored energy that was asked for [kWh].
        target_known: whether the vehicle reports its state, so that what was asked for is a target.
        until: cautious departure; ``None`` where nothing was declared: charge at once.
        declared: departure as declared.
        charge_kw: greatest charging power of the pair [kW].
        discharge_kw: greatest discharging power of the pair [kW], before the gate.
        minimum_kw: smallest charging power other than 0 [kW].
        minimum_out_kw: smallest discharging power other than 0 [kW].
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        full: whether the vehicle declined what it was offered.
        keep: whether it must not be paused (R32).
        delivered_kwh: AC energy charged in this session [kWh].
        returned_kwh: AC energy discharged in this session [kWh].
        returned_today_kwh: AC energy discharged in this local day [kWh].
        model: vehicle model, where known, for the register.
        returned_year_kwh: AC energy discharged in this local year, earlier stays counted [kWh].
        counted: whether the store has said what was discharged before this stay.
        battery: what its maker permits, and what wear costs it.
        wear_per_kwh: price of wear now [currency/kWh discharged]; ``None`` for the site's.
        wear_basis: what that price rests on, in words.
        soc_at: when the vehicle reported its state of charge; ``None`` where it never did in this session.
    """

    session_id: int
    transaction_id: str
    id_token: str
    since: datetime
    need: DriverNeed | None
    soc: Estimate
    capacity_kwh: Estimate
    energy_kwh: float
    energy_low_kwh: float
    floor_kwh: float
    ceiling_kwh: float
    asked_kwh: float
    target_known: bool
    until: datetime | None
    declared: datetime | None
    charge_kw: float
    discharge_kw: float
    minimum_kw: float
    minimum_out_kw: float
    eta_c: float
    eta_d: float
    full: bool
    keep: bool
    delivered_kwh: float
    returned_kwh: float
    returned_today_kwh: float
    model: str = ""
    returned_year_kwh: float = 0.0
    counted: bool = True
    battery: BatteryKind = NOTHING
    wear_per_kwh: float | None = None
    wear_basis: str = ""
    soc_at: datetime | None = None

    @property
    def day_cap_kwh(self) -> float:
        """Most that may be discharged per local day, by driver and maker [kWh]; 0 while nobody knows what was."""
        own = math.inf if self.need is None else self.need.discharge_cap_kwh
        cap = min(own, self.battery.limits.kwh_per_day)
        limited = math.isfinite(cap) or math.isfinite(self.year_cap_kwh)
        return 0.0 if limited and not self.counted else cap

    @property
    def year_cap_kwh(self) -> float:
        """Most that its maker permits per local year [kWh]."""
        return self.battery.limits.year_kwh(self.capacity_kwh.low)


@dataclass(frozen=True, slots=True)
class EvseState:
    """One EVSE at the instant of the image.

    Attributes:
        key: which.
        record: as installed.
        online: whether its station is connected.
        session: who is plugged in, ``None`` for nobody.
        measured_kw: latest metered power [kW], positive charges; 0 where there is none.
        fresh: whether the metering shows what the order in force led to: recent, and after the time to follow it.
        low_kw: least power that may be flowing now [kW].
        high_kw: greatest power that may be flowing now [kW].
        ordered_kw: order in force as far as known [kW].
        reserved_kw: power that this EVSE may take without being told, counted as load [kW]; 0 where it obeys.
        controllable: whether orders can be given now.
        excess_kw: metered beyond what was ordered [kW]: positive takes too much, negative gives too much.
        phases: how its power spreads over the site's phases.
        may_discharge_kw: discharging power after the gate [kW].
        why_not_discharging: the sentence for a person where ``may_discharge_kw`` is 0.
        to_grid: whether what it gives may leave the site; else only what is behind the meter takes it.
        told_kw: what somebody has told it to do in place of the plan [kW]; ``None`` where nobody did.
        measured_at: instant of that metering; ``None`` where there is none.
        measured_old: whether it is older than what the loop decides by.
    """

    key: EvseKey
    record: EvseRecord
    online: bool
    session: SessionState | None
    measured_kw: float
    fresh: bool
    low_kw: float
    high_kw: float
    ordered_kw: float
    reserved_kw: float
    controllable: bool
    phases: PhaseUse
    excess_kw: float = 0.0
    may_discharge_kw: float = 0.0
    why_not_discharging: str = ""
    to_grid: bool = True
    told_kw: float | None = None
    measured_at: datetime | None = None
    measured_old: bool = False


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """Limits in force [kW]; each may be lowered from outside while the loop runs."""

    import_hard_kw: float = math.inf
    import_kw: float = math.inf
    import_penalty_per_kwh: float = 0.0
    export_kw: float = 0.0
    phase_kw: float = math.inf
    committed_import_kw: float = math.inf


@dataclass(frozen=True, slots=True)
class Image:
    """One tick's view of the site.

    Attributes:
        now: the instant.
        evses: all EVSEs of the site.
        limits: limits in force, the permission's export already within.
        permission: the grid connection on paper.
        site_kw: metered import at the grid connection [kW]; ``nan`` where the meter is silent.
        phase_kw: the same by phase, empty where unknown.
        meter_age_s: age of that reading [s]; ``inf`` where there never was one.
        meter_fresh: whether it is used.
        latched: whether an emergency stop is in force.
        step_mean_kw: mean import in the running planning step so far [kW].
        step_seen_s: seconds of it that were metered [s]; 0 for none.
    """

    now: datetime
    evses: tuple[EvseState, ...]
    limits: SiteLimits
    permission: GridPermission
    site_kw: float
    phase_kw: tuple[float, ...]
    meter_age_s: float
    meter_fresh: bool
    latched: bool = False
    step_mean_kw: float = 0.0
    step_seen_s: float = 0.0


@lru_cache(maxsize=8192)
def phase_use(record: EvseRecord, seen: tuple[float, float, float] | None = None) -> PhaseUse:
    """How an EVSE loads the site's phases.

    Rotation: the EVSE's L1 is wired to ``record.first_phase``, its L2 to the next one. Until the phases of the
    session were measured, a vehicle may draw all its power from one phase, though never more than that phase of the
    EVSE carries; nothing but the total is certain then.

    Args:
        record: the EVSE as installed.
        seen: measured shares by the EVSE's own phases L1, L2, L3, adding up to 1; ``None`` where not measured.

    >>> phase_use(EvseRecord(1, 11.0, phases=1, first_phase=2)).worst
    (0.0, 1.0, 0.0)
    """
    wired = [(record.first_phase - 1 + k) % PHASES for k in range(record.phases)]
    carries = max(record.charge_kw, record.discharge_kw) / record.phases
    most = [0.0] * PHASES
    worst = [0.0] * PHASES
    sure = [0.0] * PHASES
    for k, phase in enumerate(wired):
        most[phase] = carries
        share = 1.0 if seen is None else seen[k]
        worst[phase] = share
        certain = record.phases == 1 or seen is not None
        sure[phase] = share if certain else 0.0
        if seen is not None:
            most[phase] = math.inf
    return PhaseUse(
        (worst[0], worst[1], worst[2]), (most[0], most[1], most[2]), (sure[0], sure[1], sure[2]),
        known=seen is not None or record.phases == 1,
    )  # fmt: skip
