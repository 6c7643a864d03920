"""What can be reached by the departure, and leaving now."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.driver.reach import Why, outlook
from bothways.operations.desk.driver.stays import Stays
from bothways.operations.site.planner import ActivePlan
from bothways.operations.stations import DriverNeed


def stay(make, hours, asked, **changes):
    need = DriverNeed("n", "T-1", make.now + timedelta(hours=hours), make.now, soc=asked / 50.0)
    return make.session(need=need, asked_kwh=asked, until=need.ready_by, declared=need.ready_by, **changes)


def plan(make, power, short=0.0, step_s=900):
    kw = np.array([power], dtype=float)
    length = kw.shape[1]
    solution = SimpleNamespace(status="optimal", shortfall_kwh=np.array([short]))
    solved = SimpleNamespace(key=np.array([1]), power_kw=kw, solution=solution)
    return ActivePlan(
        solved, make.now, make.now, step_s, np.zeros(length), np.zeros(length), np.zeros(length), {1: 0}
    )  # fmt: skip


def test_too_late_at_the_power_of_the_charger_tells_the_best_and_when_it_will_be(world, make):
    world.site.evses = (make.evse(1, stay(make, 1.0, 40.0)),)
    found = outlook(world.site.evses[0], world.site.snapshot())
    assert (found.possible, found.why, found.asked_soc) == (False, Why.POWER, 0.8)
    assert found.best_soc == pytest.approx((25.0 + 11.0 * 0.9) / 50.0, abs=1e-4)
    assert found.reached_at == make.now + timedelta(hours=15.0 / 9.9)
    assert found.best_kwh == pytest.approx(1.0 + 11.0), "since plug-in, on the AC side"


def test_the_limit_of_the_site_is_named_where_the_plan_leaves_too_little(world, make):
    world.site.evses = (make.evse(1, stay(make, 2.0, 40.0)),)
    world.site.plan = plan(make, [4.0] * 8, short=7.8)
    found = outlook(world.site.evses[0], world.site.snapshot())
    assert found.why is Why.LIMIT
    assert found.best_soc == pytest.approx((25.0 + 8.0 * 0.9) / 50.0, abs=1e-4)
    assert found.reached_at == make.now + timedelta(hours=2.0 + 7.8 / 3.6)
    world.site.plan = plan(make, [2.0] * 8)
    assert outlook(world.site.evses[0], world.site.snapshot()).possible


def test_between_the_cautious_departure_and_the_stated_one_it_goes_on(world, make):
    session = stay(make, 3.0, 40.0)
    session = replace(session, until=make.now + timedelta(hours=1))
    world.site.evses = (make.evse(1, session),)
    world.site.plan = plan(make, [6.0] * 4, short=9.6)
    assert outlook(world.site.evses[0], world.site.snapshot()).possible, "another two hours like the last are enough"


def test_full_stopped_and_out_of_reach_are_told_apart(world, make):
    session = stay(make, 10.0, 48.0, ceiling_kwh=40.0)
    world.site.evses = (make.evse(1, session),)
    assert outlook(world.site.evses[0], world.site.snapshot()).why is Why.FULL
    world.site.evses = (make.evse(1, stay(make, 10.0, 40.0), online=False, reserved_kw=1.4),)
    found = outlook(world.site.evses[0], world.site.snapshot())
    assert found.why is Why.OFFLINE
    assert found.best_soc == pytest.approx((25.0 + 10 * 1.4 * 0.9) / 50.0)
    world.site.latched = True
    found = outlook(world.site.evses[0], world.site.snapshot())
    assert (found.why, found.best_soc, found.reached_at) == (Why.STOPPED, 0.5, None)


def test_nobody_and_nothing_stated_have_no_outlook(world, make):
    for session in (None, make.session(), stay(make, -1.0, 40.0)):
        world.site.evses = (make.evse(1, session),)
        assert outlook(world.site.evses[0], world.site.snapshot()) is None


@pytest.fixture(scope="module")
def pieces(make, simple_world):
    return make, simple_world


@given(
    hours=st.floats(0.1, 30.0), asked=st.floats(0.0, 50.0), stored=st.floats(0.0, 50.0),
    powers=st.lists(st.floats(-10.0, 11.0), min_size=1, max_size=130), short=st.floats(0.0, 50.0),
    eta=st.floats(0.5, 1.0),
)  # fmt: skip
def test_never_more_than_full_power_gives_and_a_shortfall_always_has_a_reason(
    pieces, hours, asked, stored, powers, short, eta
):
    make, world = pieces
    session = stay(make, hours, asked, energy_kwh=stored, eta_c=eta, eta_d=eta)
    world.site.evses, world.site.plan = (make.evse(1, session),), plan(make, powers, short)
    found = outlook(world.site.evses[0], world.site.snapshot())
    alone = min(50.0, stored + 11.0 * eta * hours)
    assert found.best_soc <= max(alone, stored) / 50.0 + 1e-4
    assert found.possible == (found.why is Why.NOTHING)
    if found.possible:
        assert found.asked_soc <= max(alone, stored) / 50.0 + 0.0101
    else:
        assert found.best_soc <= max(found.asked_soc, stored / 50.0 + 1e-4)
        assert found.reached_at is None or found.reached_at >= make.now


@pytest.mark.asyncio
async def test_leaving_ends_the_transaction_of_whoever_asks_and_of_nobody_else(world, people, make):
    stays = Stays(world.desk)
    with pytest.raises(Unknown):
        await stays.leave(people.driver, "T-1")
    world.site.evses = (make.evse(1, make.session("T-1")), make.evse(2, make.session("T-2")))
    with pytest.raises(NotAllowed):
        await stays.leave(people.driver, "T-2")
    assert (await stays.leave(people.driver, "T-1")).accepted
    assert world.gateway.stopped == [("CP-1", "tx-T-1")]
    assert stays.outlook(people.other, "T-1") is None
