"""What the island controller is told once: the contactor, the sections of load, the sources, the times and windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from bothways.domain.errors import DomainError

Phases = tuple[float, float, float]

UNINTENTIONAL_ISLAND_S = 2.0  # IEEE 1547-2018, 8.1.1: an unintentional island is de-energised within 2 s


class SourceKind(StrEnum):
    """What gives the energy."""

    BATTERY = "battery"
    V2X = "v2x"
    GENERATOR = "generator"


def _finite(owner: str, low: float = 0.0, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= low):
            msg = f"{owner}: {name} must be finite and at least {low:g}, not {value}"
            raise DomainError(msg)


@dataclass(frozen=True)
class Section:
    """A part of the building behind one breaker, switched as a whole.

    Attributes:
        section_id: short name, unique in the site.
        tier: 1 (medical, communications, egress, water) … 4 (comfort); tier 0 stays on its own emergency system.
        phase_kw: expected load per phase [kW]; 0 on phases that are not used.
        inrush: load at the instant of closing, as a multiple of the expected load, at least 1.
        target_h: time for which this section shall last in an outage [h].
        automated: whether the breaker obeys commands; otherwise a person is asked.
        by_hand: where the breaker is and how to switch it, for a person who has never seen it.
        serves: what it feeds, in words.
    """

    section_id: str
    tier: int
    phase_kw: Phases
    inrush: float = 1.0
    target_h: float = 0.0
    automated: bool = True
    by_hand: str = ""
    serves: str = ""

    def __post_init__(self) -> None:
        owner = f"section {self.section_id}"
        if self.tier not in {1, 2, 3, 4}:
            msg = f"{owner}: tier must be 1…4, not {self.tier}; tier 0 has its own emergency system"
            raise DomainError(msg)
        _finite(owner, a=self.phase_kw[0], b=self.phase_kw[1], c=self.phase_kw[2], target_h=self.target_h)
        _finite(owner, low=1.0, inrush=self.inrush)

    @cached_property
    def kw(self) -> float:
        """Expected load of all phases [kW]."""
        return sum(self.phase_kw)


@dataclass(frozen=True)
class Source:
    """Something that can feed the island.

    Attributes:
        source_id: unique in the site; for a charger the EVSE's id.
        kind: battery, bidirectional charger or generator.
        power_kw: greatest output [kW, AC side].
        grid_forming: whether it can start and hold a dead bus by itself.
        phases: phases that it feeds, of 0, 1, 2.
        surge: greatest output at the instant of a load step, as a multiple of ``power_kw``.
        efficiency: AC energy per stored energy while it gives, 0…1.
        floor_kwh: stored energy that is never used [kWh]; for vehicles each driver's reserve counts instead.
        by_hand: how a person starts and stops it at the device.
    """

    source_id: str
    kind: SourceKind
    power_kw: float
    grid_forming: bool = False
    phases: tuple[int, ...] = (0, 1, 2)
    surge: float = 1.0
    efficiency: float = 0.95
    floor_kwh: float = 0.0
    by_hand: str = ""

    def __post_init__(self) -> None:
        owner = f"source {self.source_id}"
        _finite(owner, power_kw=self.power_kw, floor_kwh=self.floor_kwh)
        _finite(owner, low=1.0, surge=self.surge)
        if not 0.0 < self.efficiency <= 1.0:
            msg = f"{owner}: efficiency must lie above 0 and at most at 1, not {self.efficiency}"
            raise DomainError(msg)
        if not self.phases or len(set(self.phases)) != len(self.phases) or not set(self.phases) <= {0, 1, 2}:
            msg = f"{owner}: phases must name some of 0, 1, 2 once each, not {self.phases}"
            raise DomainError(msg)

    @cached_property
    def share(self) -> Phases:
        """Share of the output that each phase carries."""
        each = 1.0 / len(self.phases)
        a, b, c = (each if phase in self.phases else 0.0 for phase in range(3))
        return (a, b, c)


@dataclass(frozen=True)
class Timing:
    """Times [s] of the controller; defaults fit a building with electronic switches.

    Attributes:
        interval_s: greatest time between two calls of the controller; decides when the interlock must trip.
        loss_s: the grid must be lost for so long before the contactor is opened; sources are released at once.
        feedback_grace_s: a contactor whose feedback is lost counts as open for so long, if it was open.
        confirm_s: a command that is not confirmed for so long is sent again.
        flight_s: a command acts within so long or never: adapters drop what they could not deliver in that time.
        attempts: how often a command is sent before a person is told.
        by_hand_s: how long a person is given before being reminded.
        settle_s: wait between two sections that are switched on.
        restore_s: a section that was shed stays off for at least so long.
        stable_s: the black bus must be held for so long before loads are switched on.
        return_s: the grid must be good for so long before the building returns (IEEE 1547-2018, 4.10: 300 s).
        backfeed_s: voltage on the street within so long after a black start means that the street is being fed.
        lease_s: an output that is not renewed ends after so long, at the station, without any command.
        restarts: black starts after a collapse before a person is asked.
    """

    interval_s: float = 0.5
    loss_s: float = 0.5
    feedback_grace_s: float = 0.5
    confirm_s: float = 2.0
    flight_s: float = 2.0
    attempts: int = 3
    by_hand_s: float = 120.0
    settle_s: float = 5.0
    restore_s: float = 300.0
    stable_s: float = 2.0
    return_s: float = 300.0
    backfeed_s: float = 5.0
    lease_s: float = 60.0
    restarts: int = 3

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            _finite("timing", **{name: float(getattr(self, name))})
        if self.attempts < 1:
            msg = f"timing: attempts must be at least 1, not {self.attempts}"
            raise DomainError(msg)
        if not 0.0 < self.interval_s <= UNINTENTIONAL_ISLAND_S / 2:
            msg = (
                f"timing: interval_s must lie above 0 and at most at {UNINTENTIONAL_ISLAND_S / 2:g} s, "
                f"not {self.interval_s}: an unintentional island must end within {UNINTENTIONAL_ISLAND_S:g} s"
            )
            raise DomainError(msg)
        if self.feedback_grace_s + self.interval_s > UNINTENTIONAL_ISLAND_S:
            msg = f"timing: feedback_grace_s plus interval_s must not pass {UNINTENTIONAL_ISLAND_S:g} s"
            raise DomainError(msg)


@dataclass(frozen=True)
class Windows:
    """What counts as a good, a lost and a dead supply; voltages as fractions of nominal.

    The return window follows IEEE 1547-2018, 4.10.2 (0.917…1.05, 59.5…60.1 Hz at 60 Hz); for other nominal
    frequencies its edges are scaled.
    """

    nominal_hz: float = 60.0
    good_low_pu: float = 0.917
    good_high_pu: float = 1.05
    good_below_hz: float = 0.5
    good_above_hz: float = 0.1
    lost_low_pu: float = 0.5
    lost_high_pu: float = 1.2
    lost_off_hz: float = 3.0
    dead_pu: float = 0.1

    def __post_init__(self) -> None:
        _finite("windows", **{name: float(getattr(self, name)) for name in self.__dataclass_fields__})
        order = (self.dead_pu, self.lost_low_pu, self.good_low_pu, self.good_high_pu, self.lost_high_pu)
        if list(order) != sorted(order):
            msg = "windows: the voltages must rise from dead over lost_low, good_low and good_high to lost_high"
            raise DomainError(msg)


@dataclass(frozen=True)
class IslandSite:
    """One building that can be an island.

    Attributes:
        site_id: name.
        sections: in the order of switching on; tiers never fall along the list.
        sources: in the order in which grid-forming sources are tried.
        islanding_permitted: the separate permission to island (R54); without it nothing is ever energised.
        confirm_islanding: whether a person must confirm before the black start.
        main_automated: whether the main contactor obeys commands; its feedback is needed in any case.
        main_by_hand: where the main switch is and how to operate it.
        headroom: share of the sources' power that loads may use when one more section is switched on.
        restore_margin: extra energy needed to switch a section on, as a fraction (hysteresis).
        hold_h: a section is switched on only if it can stay on for so long [h].
        keep_h: time for which lower tiers are kept supplied even after their target has passed [h].
        pv_firm: share of the present PV output that counts when a section is switched on.
        timing: see :class:`Timing`.
        windows: see :class:`Windows`.
    """

    site_id: str
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    islanding_permitted: bool = False
    confirm_islanding: bool = False
    main_automated: bool = True
    main_by_hand: str = ""
    headroom: float = 0.9
    restore_margin: float = 0.1
    hold_h: float = 1.0
    keep_h: float = 4.0
    pv_firm: float = 0.5
    timing: Timing = field(default_factory=Timing)
    windows: Windows = field(default_factory=Windows)

    def __post_init__(self) -> None:
        owner = f"site {self.site_id}"
        ids = ["main", *(s.section_id for s in self.sections), *(s.source_id for s in self.sources)]
        if len(set(ids)) != len(ids):
            msg = f"{owner}: ids of sections and sources must differ from each other and from 'main': {ids}"
            raise DomainError(msg)
        if not self.sections:
            msg = f"{owner}: needs at least one section of load"
            raise DomainError(msg)
        tiers = [section.tier for section in self.sections]
        if tiers != sorted(tiers):
            msg = f"{owner}: sections must be listed from the most to the least important tier, not {tiers}"
            raise DomainError(msg)
        _finite(owner, restore_margin=self.restore_margin, hold_h=self.hold_h, keep_h=self.keep_h)
        for name in ("headroom", "pv_firm"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                msg = f"{owner}: {name} must lie in 0…1, not {value}"
                raise DomainError(msg)

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """Ids of all that can be commanded: the main contactor, the sections, the sources."""
        return ("main", *(s.section_id for s in self.sections), *(s.source_id for s in self.sources))

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of every id in :attr:`devices`."""
        return {name: k for k, name in enumerate(self.devices)}

    @cached_property
    def margins_kwh(self) -> tuple[float, ...]:
        """Per source: energy that it can still give between the order to stop and the hard-wired cut [kWh]."""
        hours = (UNINTENTIONAL_ISLAND_S + self.timing.interval_s) / 3600.0
        return tuple(source.power_kw * source.surge * hours / source.efficiency for source in self.sources)

    @cached_property
    def longest_s(self) -> float:
        """Longest target of any section [s]; counting time beyond it changes nothing."""
        return max(section.target_h for section in self.sections) * 3600.0
