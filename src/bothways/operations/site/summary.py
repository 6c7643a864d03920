"""What screens and the store are told: a frozen snapshot, totals, a record per planning step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bothways.operations.events import EvseKey
from bothways.operations.site.alarms import Alarm
from bothways.operations.site.control import Row, Tick
from bothways.operations.site.emergency import Incident
from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.state import Image


@dataclass(frozen=True, slots=True)
class Totals:
    """Energies since the loop began [kWh], as metered.

    Attributes:
        import_kwh: at the site's meter.
        export_kwh: likewise.
        charged_kwh: into vehicles.
        discharged_kwh: out of vehicles, counted only where a meter showed it.
        cost: import and export at the plan's prices, without demand charges [currency].
    """

    import_kwh: float = 0.0
    export_kwh: float = 0.0
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    cost: float = 0.0

    def plus(self, image: Image, hours: float, prices: tuple[float, float]) -> Totals:
        """With one more tick."""
        net = image.site_kw if math.isfinite(image.site_kw) else 0.0
        powers = [item.measured_kw for item in image.evses if item.session is not None]
        bought, sold = max(0.0, net) * hours, max(0.0, -net) * hours
        return Totals(
            self.import_kwh + bought,
            self.export_kwh + sold,
            self.charged_kwh + hours * sum(max(0.0, power) for power in powers),
            self.discharged_kwh + hours * sum(max(0.0, -power) for power in powers),
            self.cost + prices[0] * bought - prices[1] * sold,
        )

    def since(self, before: Totals) -> dict[str, object]:
        """What was added since ``before``, for the store."""
        names = ("import_kwh", "export_kwh", "charged_kwh", "discharged_kwh", "cost")
        return {name: round(getattr(self, name) - getattr(before, name), 4) for name in names}


@dataclass(slots=True)
class Quote:
    """Means of prices [currency/kWh] and emissions [kg/kWh] over a planning step, for the step's record."""

    _sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def note(self, prices: tuple[float, float] | None, co2: float | None) -> None:
        """Notes what holds at a tick; ``None`` for what is not known."""
        bought, sold = prices or (None, None)
        for name, value in (("import_price", bought), ("export_price", sold), ("co2_kg_per_kwh", co2)):
            if value is not None and math.isfinite(value):
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + value, count + 1

    def taken(self) -> dict[str, object]:
        """The means by name, only of what was known; begins anew."""
        sums, self._sums = self._sums, {}
        return {name: round(total / count, 6) for name, (total, count) in sums.items()}


@dataclass(frozen=True, slots=True)
class TickSummary:
    """One tick in figures [kW]."""

    at: datetime
    import_kw: float
    building_kw: float
    vehicles_kw: float
    ordered_kw: float
    limit_kw: float
    target_kw: float
    connected: int
    charging: int
    discharging: int
    sent: int
    following_plan: bool
    latched: bool


def summarise(image: Image, made: Tick, sent: int) -> TickSummary:
    """The figures of a tick."""
    powers = [item.measured_kw for item in image.evses if item.session is not None]
    return TickSummary(
        at=image.now, import_kw=image.site_kw, building_kw=float(made.base.building[3]), vehicles_kw=sum(powers),
        ordered_kw=sum(row.power_kw for row in made.rows.values()), limit_kw=image.limits.import_hard_kw,
        target_kw=made.target_kw, connected=len(powers), charging=sum(power > 0.1 for power in powers),
        discharging=sum(power < -0.1 for power in powers), sent=sent, following_plan=made.following,
        latched=image.latched,
    )  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """Frozen view of a site for API and screens.

    Attributes:
        site_id: the site.
        image: the latest image; ``None`` before the first tick.
        rows: what each controllable EVSE is told.
        sentences: what each EVSE is doing and why.
        alarms: alarms in force.
        plan: the plan in force.
        summary: the latest tick in figures.
        totals: energies since the loop began.
        incident: the latest emergency stop, latched or released.
        carbon_kg_per_kwh: emissions of the grid's electricity now [kg/kWh]; ``None`` where no source says it.
        price_source: where prices come from besides the tariff; ``""`` for nowhere.
    """

    site_id: str
    image: Image | None = None
    rows: Mapping[EvseKey, Row] = field(default_factory=dict)
    sentences: Mapping[EvseKey, str] = field(default_factory=dict)
    alarms: tuple[Alarm, ...] = ()
    plan: ActivePlan | None = None
    summary: TickSummary | None = None
    totals: Totals = field(default_factory=Totals)
    incident: Incident | None = None
    carbon_kg_per_kwh: float | None = None
    price_source: str = ""

    @property
    def why_not_discharging(self) -> dict[EvseKey, str]:
        """For each EVSE in use whose vehicle may not discharge, the sentence why."""
        evses = self.image.evses if self.image is not None else ()
        return {item.key: item.why_not_discharging for item in evses if item.why_not_discharging}
