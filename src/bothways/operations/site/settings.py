"""What is fixed about a site and how its loop behaves; both are read from the configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from bothways.battery.losses import ChargerLosses, Derating, default_losses
from bothways.domain.errors import DomainError
from bothways.domain.timegrid import zone
from bothways.operations.site.batteries import BatteryKind, kind_of
from bothways.tariffs.structure import Tariff

_HALF = 0.5


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


@dataclass(frozen=True, slots=True)
class VehicleAssumption:
    """What is taken for true of a vehicle that says nothing about itself (R34).

    Attributes:
        capacity_kwh: usable capacity [kWh].
        capacity_error: relative standard deviation of it.
        soc_at_arrival: expected state of charge at plug-in where neither vehicle nor history says it.
        eta_c: charging efficiency; the losses hold in its place where there are any.
        eta_d: discharging efficiency, likewise.
        losses_rated_kw: rating of the chargers whose default losses at part load are counted with in plans, dispatch
            and estimates; 0: the efficiencies hold at every power.
        losses: losses at part load as measured, in place of the default ones.
        derating: share of power at the temperature of the cells; ``None``: all of it at every temperature.
        celsius_by_month: temperature of the cells, January first, empty where nobody said [°C].
    """

    capacity_kwh: float = 60.0
    capacity_error: float = 0.3
    soc_at_arrival: float = 0.5
    eta_c: float = 0.9
    eta_d: float = 0.9
    losses_rated_kw: float = 0.0
    losses: ChargerLosses | None = field(default=None, compare=False)
    derating: Derating | None = None
    celsius_by_month: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require(self.capacity_kwh > 0.0, "vehicle assumption: capacity_kwh must be above 0")
        _require(0.0 <= self.capacity_error < 1.0, "vehicle assumption: capacity_error must lie in [0, 1)")
        _require(0.0 <= self.soc_at_arrival <= 1.0, "vehicle assumption: soc_at_arrival must lie in 0…1")
        _require(0.0 < self.eta_c <= 1.0 and 0.0 < self.eta_d <= 1.0, "vehicle assumption: efficiencies lie in (0, 1]")
        _require(0.0 <= self.losses_rated_kw < math.inf, "vehicle assumption: losses_rated_kw must be at least 0")
        _require(len(self.celsius_by_month) in {0, 12}, "vehicle assumption: celsius_by_month holds none or twelve")

    @property
    def part_load(self) -> ChargerLosses | None:
        """Losses at part load that are counted with; ``None`` where the efficiencies hold at every power."""
        if self.losses is not None:
            return self.losses
        return _default_losses(self.losses_rated_kw) if self.losses_rated_kw > 0.0 else None

    def shares(self, month: int, celsius_by_month: tuple[float, ...] = ()) -> tuple[float, float]:
        """Shares of charging and of discharging power that a battery takes and gives in a local month, 1…12.

        Args:
            month: the month.
            celsius_by_month: temperatures of its own kind of battery, where somebody stated them [°C].

        >>> VehicleAssumption(derating=Derating()).shares(1, (0.0,) * 12)
        (0.2, 0.8)
        >>> VehicleAssumption(derating=Derating()).shares(1)
        (1.0, 1.0)
        """
        known = celsius_by_month or self.celsius_by_month
        if self.derating is None or not known:
            return 1.0, 1.0
        celsius = known[month - 1]
        return float(self.derating.charge_share(celsius)), float(self.derating.discharge_share(celsius))


_default_losses = lru_cache(maxsize=64)(default_losses)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """A site's grid connection, tariff and assumptions.

    Attributes:
        site_id: name.
        tz: IANA zone of local days and of the tariff.
        import_hard_limit_kw: safety limit on import [kW]; ``inf`` for none.
        import_limit_kw: contractual limit, soft [kW]; ``inf`` for none.
        import_limit_penalty_per_kwh: price above it [currency/kWh].
        export_limit_kw: limit of the site on export [kW]; the grid permission limits it further.
        phase_limit_kw: safety limit of each phase [kW], 230 V times the fuse's current; ``inf`` for none.
        assumed_load_kw: greatest import of the building alone [kW], used when the meter is silent; ``None`` where
            nobody stated it: then vehicles get ``stale_share`` of the limits.
        stale_share: share of the limits that vehicles may use when the meter is silent and no load is stated.
        phase_imbalance: where the meter shows no phases, each is taken to carry this times a third of the load.
        safe_charge_kw: what each EVSE may charge with when it hears nothing [kW].
        tariff: for prices and demand charges; ``None`` where the signal source gives all prices.
        wear_per_kwh: cost of wear per kWh discharged [currency/kWh].
        resting_per_kwh_h: what a stored kWh costs per hour in calendar ageing [currency/kWh/h]; the credit for parking
            at a low charge.
        batteries: kinds of batteries with their warranties and prices of wear; the first that names a vehicle holds.
        vehicle: assumption about vehicles that say nothing.
        emergency_contact: who is responsible for the site, for incident records.
        currency: of all prices, ISO 4217; ``""`` for the tariff's, or where nobody said.
    """

    site_id: str
    tz: str = "UTC"
    import_hard_limit_kw: float = math.inf
    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    export_limit_kw: float = 0.0
    phase_limit_kw: float = math.inf
    assumed_load_kw: float | None = None
    stale_share: float = 0.25
    phase_imbalance: float = 1.5
    safe_charge_kw: float = 1.4
    tariff: Tariff | None = None
    wear_per_kwh: float = 0.0
    resting_per_kwh_h: float = 0.0
    batteries: tuple[BatteryKind, ...] = ()
    vehicle: VehicleAssumption = field(default_factory=VehicleAssumption)
    emergency_contact: str = ""
    currency: str = ""

    def __post_init__(self) -> None:
        zone(self.tz)
        owner = f"site {self.site_id}"
        for name in (
            "import_hard_limit_kw", "import_limit_kw", "import_limit_penalty_per_kwh", "export_limit_kw",
            "phase_limit_kw", "safe_charge_kw", "wear_per_kwh", "resting_per_kwh_h",
        ):  # fmt: skip
            _require(getattr(self, name) >= 0.0, f"{owner}: {name} must be at least 0, not {getattr(self, name)}")
        _require(0.0 <= self.stale_share <= 1.0, f"{owner}: stale_share must lie in 0…1")
        _require(self.phase_imbalance >= 1.0, f"{owner}: phase_imbalance must be at least 1")
        _require(math.isfinite(self.safe_charge_kw), f"{owner}: safe_charge_kw must be finite")

    def wear_of(self, id_token: str, station_id: str, at: datetime) -> float:
        """The price of wear that a whole stay is counted with [currency/kWh discharged].

        Plans follow the state of charge; a stay is counted as at half charge, in the local month in which it began.

        Args:
            id_token: the vehicle, ``""`` where unknown.
            station_id: where it stood.
            at: beginning of the stay.
        """
        kind = kind_of(self.batteries, id_token, station_id)
        own, _ = kind.wear_now(id_token, at.astimezone(zone(self.tz)).month, _HALF)
        return self.wear_per_kwh if own is None else own


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How the loop behaves in time.

    Attributes:
        tick_s: seconds between dispatches.
        step_s: seconds of a planning step.
        horizon_h: how far plans reach at most [h].
        replan_every_s: a plan older than this is renewed [s].
        replan_after_s: news waits this long for company before a plan is made [s].
        plan_time_limit_s: solver time per plan [s].
        plan_patience_s: after this long without an answer a plan counts as late [s].
        plan_gap: relative optimality gap asked of the planner.
        engine_from: connected vehicles from which the fleet engine is asked first.
        plan_lifetime_s: a plan older than this is not followed any more; dispatch alone meets needs [s].
        plan_in_thread: False lets the loop wait for each plan: for replays and tests.
        earliness_per_kwh_h: preference for storing energy an hour earlier [currency/kWh/h].
        departure_confidence: share of stays that should not end before the cautious departure.
        dispatch_step_s: step for which dispatch looks ahead [s].
        settle_s: seconds a vehicle gets to follow an order before its meter is believed to show it.
        meter_stale_s: site readings older than this are not used [s].
        sample_stale_s: EVSE samples older than this are not used [s].
        order_valid_s: life of an order at the station [s].
        order_refresh_s: an order older than this is sent again [s].
        ramp_kw_per_min: greatest rise of total charging, and of total discharging [kW/min]; ``None`` for 20 % of the
            installed power per minute, at least 60 kW.
        clock_jump_s: a tick this much too early or late is a jump of the clock [s].
        quantum_kw: orders are whole multiples of it, rounded toward zero [kW].
        deadband_kw: rises smaller than this are not sent at once [kW].
    """

    tick_s: float = 1.0
    step_s: int = 900
    horizon_h: float = 36.0
    replan_every_s: float = 900.0
    replan_after_s: float = 1.0
    plan_time_limit_s: float = 2.0
    plan_patience_s: float = 10.0
    plan_gap: float = 1e-3
    engine_from: int = 60
    plan_lifetime_s: float = 4 * 3600.0
    plan_in_thread: bool = True
    earliness_per_kwh_h: float = 0.001
    departure_confidence: float = 0.9
    dispatch_step_s: float = 60.0
    settle_s: float = 20.0
    meter_stale_s: float = 15.0
    sample_stale_s: float = 180.0
    order_valid_s: float = 300.0
    order_refresh_s: float = 200.0
    ramp_kw_per_min: float | None = None
    clock_jump_s: float = 30.0
    quantum_kw: float = 0.1
    deadband_kw: float = 0.2
    send_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for name in (
            "tick_s",
            "step_s",
            "horizon_h",
            "replan_every_s",
            "dispatch_step_s",
            "order_valid_s",
            "quantum_kw",
        ):
            _require(getattr(self, name) > 0.0, f"loop options: {name} must be above 0, not {getattr(self, name)}")
        _require(self.order_refresh_s < self.order_valid_s, "loop options: order_refresh_s must be below order_valid_s")
        ramp = self.ramp_kw_per_min
        _require(ramp is None or ramp > 0.0, f"loop options: ramp_kw_per_min must be above 0, not {ramp}")

    def ramp_kw_per_s(self, installed_kw: float) -> float:
        """Greatest rise of the total per second [kW/s] at a site with so much installed charging power [kW]."""
        per_minute = self.ramp_kw_per_min
        if per_minute is None:
            per_minute = max(60.0, 0.2 * installed_kw)
        return per_minute / 60.0
