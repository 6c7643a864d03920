"""Kinds of batteries at a live site: what their makers permit, and what feeding back costs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear_table import WearTable
from bothways.domain.errors import DomainError


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
    """

    name: str
    vehicles: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    limits: WarrantyLimits = field(default_factory=WarrantyLimits)
    wear: WearTable | None = None
    celsius_by_month: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (self.vehicles or self.stations):
            msg = f"battery {self.name!r}: vehicles or stations must say which ones"
            raise DomainError(msg)

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
