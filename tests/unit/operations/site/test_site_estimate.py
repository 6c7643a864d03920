"""State of charge and capacity without reports, and what is learnt from stays."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bothways.operations.site.book import Visit
from bothways.operations.site.estimate import (
    CapacityRecord,
    Learned,
    capacity_estimate,
    learned_from,
    soc_estimate,
)
from bothways.operations.site.settings import VehicleAssumption
from bothways.operations.site.state import Estimate
from bothways.operations.site.stored import StoredEnergy
from bothways.operations.stations import DriverNeed

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
SURE = Estimate(60.0, 60.0, 60.0, "")
VAGUE = Estimate(60.0, 24.0, 96.0, "")
PLAIN = StoredEnergy(VehicleAssumption())


def visit(**changes):
    made = Visit(1, NOW, id_token="car")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def soc(one, capacity=SURE, need=None):
    return soc_estimate(one, need, capacity, PLAIN, 0.9, 0.5)


def test_a_reported_state_is_carried_on_by_the_energy_moved():
    one = visit(soc_ref=(0.5, 10.0, 0.0), delivered_kwh=20.0)
    found = soc(one)
    assert found.value == pytest.approx(0.5 + 10.0 * 0.9 / 60.0)
    assert found.low < found.value < found.high
    assert found.spread < 0.06
    assert soc(visit(soc_ref=(0.5, 0.0, 0.0), returned_kwh=9.0)).value == pytest.approx(0.5 - 10.0 / 60.0)


def test_without_a_report_only_what_was_charged_here_is_certain():
    assert soc(visit()).low == 0.0
    charged = soc(visit(delivered_kwh=40.0), VAGUE)
    assert charged.low == pytest.approx(0.95 * 36.0 / 96.0)
    assert charged.high == 1.0
    assert soc(visit(delivered_kwh=40.0, returned_kwh=30.0), VAGUE).low < charged.low


def test_asking_for_energy_says_that_there_is_room():
    need = DriverNeed("n", "car", NOW + timedelta(hours=3), NOW, 40.0)
    assert soc(visit(), need=need).value == pytest.approx(1.0 - 36.0 / 60.0)
    assert soc(visit(), need=need).high < 1.0


def test_a_vehicle_that_declined_is_full_for_planning_but_certain_only_of_what_it_took():
    one = visit(full=True, full_at=(10.0, 0.0), delivered_kwh=10.0)
    assert soc(one).value == 1.0
    assert soc(one).low == pytest.approx(0.15)
    one.returned_kwh = 5.4
    assert soc(one).value == pytest.approx(0.9)


def test_capacity_is_reported_or_learnt_or_assumed():
    assumed = VehicleAssumption()
    assert capacity_estimate(40.0, CapacityRecord(), assumed).value == 40.0
    unknown = capacity_estimate(None, CapacityRecord(), assumed)
    assert (unknown.low, unknown.value, unknown.high) == pytest.approx((24.0, 60.0, 96.0))
    assert capacity_estimate(None, CapacityRecord(least_kwh=80.0), assumed).low == 80.0
    learnt = capacity_estimate(None, CapacityRecord(39.0, 2.0, 30.0), assumed)
    assert learnt.value == 39.0
    assert learnt.spread < 10.0
    assert capacity_estimate(math.nan, CapacityRecord(), assumed).value == 60.0


def test_stays_teach_capacity_and_departures_and_are_remembered():
    learned = Learned()
    for day in range(12):
        start = NOW + timedelta(days=day)
        one = visit(since=start, declared=start + timedelta(hours=10), delivered_kwh=20.0, soc_first=(0.3, 0.0, 0.0),
                    soc_ref=(0.75, 20.0, 0.0))  # fmt: skip
        learned.finished(one, start + timedelta(hours=8), None, PLAIN)
    assert learned.capacity["car"].mean_kwh == pytest.approx(40.0)
    learned.asleep["car@Box"] = "2026-06-03"
    for source in (learned, learned_from(learned.as_values())):
        later = visit(since=NOW + timedelta(days=20))
        until = source.cautious(later, later.since + timedelta(hours=10), 0.9)
        assert until == later.since + timedelta(hours=8)  # drivers here leave two hours early
        assert source.capacity["car"].least_kwh == pytest.approx(18.0)
        assert source.asleep == {"car@Box": "2026-06-03"}


def test_a_memory_that_is_not_understood_is_left_out():
    assert learned_from({"capacity": 3, "stays": "x", "asleep": None}).capacity == {}
    assert learned_from({"stays": [[1, 2]]}).stays == []


def test_without_token_nothing_is_kept_of_the_vehicle():
    learned = Learned()
    learned.finished(replace(visit(), id_token=""), NOW + timedelta(hours=1), None, PLAIN)
    assert learned.capacity == {}
    assert len(learned.stays) == 1
