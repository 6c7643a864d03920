"""Assets refuse values that physics or the field's rules exclude."""

import math
from datetime import UTC, datetime

import pytest

from bothways.domain.assets import EVSE, ChargingStation, Session, Site, Vehicle
from bothways.domain.errors import DomainError

T0 = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "bad",
    [
        {"usable_capacity_kwh": 0.0},
        {"usable_capacity_kwh": math.nan},
        {"charge_kw": -1.0},
        {"discharge_kw": math.inf},
        {"charge_efficiency": 0.0},
        {"discharge_efficiency": 1.2},
        {"min_charge_kw": 8.0},
    ],
)
def test_vehicle_refuses(bad):
    with pytest.raises(DomainError):
        Vehicle(**{"vehicle_id": "v", "usable_capacity_kwh": 60.0, "charge_kw": 7.4, **bad})


def test_site_lists_its_evses_and_refuses_repeated_names():
    one = ChargingStation("s1", (EVSE("a", 11.0, 10.0), EVSE("b", 11.0)))
    site = Site("home", "Europe/Amsterdam", stations=(one,))
    assert [evse.evse_id for evse in site.evses] == ["a", "b"]
    assert [evse.bidirectional for evse in site.evses] == [True, False]
    with pytest.raises(DomainError):
        ChargingStation("s1", (EVSE("a", 11.0), EVSE("a", 11.0)))
    with pytest.raises(DomainError):
        ChargingStation("s1", ())
    with pytest.raises(DomainError):
        Site("home", "Europe/Amsterdam", stations=(one, one))
    with pytest.raises(DomainError):
        Site("home", "Europe/Amsterdam", export_limit_kw=-1.0)
    with pytest.raises(DomainError):
        EVSE("x", 11.0, phases=4)


def test_session_needs_order_and_zones():
    good = {
        "session_id": "1",
        "evse_id": "a",
        "arrival": T0,
        "departure": T0.replace(hour=4),
        "declared_departure": None,
        "requested_kwh": None,
        "delivered_kwh": 3.0,
    }
    assert Session(**good).delivered_kwh == 3.0
    for bad in ({"departure": T0}, {"arrival": T0.replace(tzinfo=None)}, {"delivered_kwh": -1.0}):
        with pytest.raises(DomainError):
            Session(**{**good, **bad})
