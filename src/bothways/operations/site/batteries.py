"""Kinds of batteries at a live site: what their makers permit, and what feeding back costs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase

from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear_table import WearTable
from bothways.domain.errors import DomainError


@dataclass(frozen=True, slots=True)
class KnownHealth:
    """What the record of one battery's state of health says.

    Attributes:
        capacity_kwh: capacity [kWh].
        low_kwh: lower end of its 95 % interval [kWh].
        high_kwh: upper end [kWh].
        health: capacity over new capacity.
        as_of: last day of the record.
        wear: price of wear of a battery with so much left; ``None`` where its kind has none.
    """

    capacity_kwh: float
    low_kwh: float
    high_kwh: float
    health: float
    as_of: date
    wear: WearTable | None = None

    @property
    def said(self) -> str:
        """The record in words."""
        return f"its record of state of health: {self.health:.1%} of new capacity on {self.as_of:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class BatteryKind:
    """Vehicles of one kind of battery.

    Attributes:
        name: for people.
        vehicles: tokens of the vehicles, or patterns such as ``van-*``.
        stations: stations whose unnamed vehicles are of this kind, likewise.
        limits: what the maker permits.
        wear: price of wear by month and state of charge; ``None`` for the site's one price.
        celsius_by_month: temperature of the cells, January first, empty where nobody said [°C].
        basis: what the price of wear rests on, in words.
        records: what is known of single batteries, by the vehicle's token.
    """

    name: str
    vehicles: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    limits: WarrantyLimits = field(default_factory=WarrantyLimits)
    wear: WearTable | None = None
    celsius_by_month: tuple[float, ...] = ()
    basis: str = ""
    records: Mapping[str, KnownHealth] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.vehicles or self.stations):
            msg = f"battery {self.name!r}: vehicles or stations must say which ones"
            raise DomainError(msg)

    def wear_now(self, id_token: str, month: int, soc: float) -> tuple[float | None, str]:
        """Price of wear of a vehicle [currency/kWh discharged] and what it rests on; ``None`` for the site's price.

        Args:
            id_token: the vehicle.
            month: local month, 1…12.
            soc: its state of charge.
        """
        known = self.records.get(id_token) if self.records else None
        if known is not None and known.wear is not None:
            return known.wear.price(month, soc), known.said
        return (None, "") if self.wear is None else (self.wear.price(month, soc), self.basis)

    def holds_for(self, id_token: str, station_id: str) -> bool:
        """Whether a vehicle is of this kind; one without a token is known by the station it stands at."""
        if id_token:
            return any(fnmatchcase(id_token, pattern) for pattern in self.vehicles)
        return any(fnmatchcase(station_id, pattern) for pattern in self.stations)


NOTHING = BatteryKind("unknown", vehicles=("*",), stations=("*",))
"""A battery that nobody said anything about."""


def kind_of(kinds: Sequence[BatteryKind], id_token: str, station_id: str) -> BatteryKind:
    """The first kind that names the vehicle, else :data:`NOTHING`.

    >>> vans = BatteryKind("vans", ("van-*",))
    >>> kind_of([vans], "van-3", "S1").name, kind_of([vans], "", "S1").name
    ('vans', 'unknown')
    """
    if not kinds:
        return NOTHING
    return next((kind for kind in kinds if kind.holds_for(id_token, station_id)), NOTHING)
