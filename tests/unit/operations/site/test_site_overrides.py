"""What people decide for a while: it holds at once, never loosens a safety limit, and ends by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.domain.errors import InputError
from bothways.operations.access.roles import Actor, Grant, NotAllowed, Role
from bothways.operations.desk import overrides
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.overrides import OverrideForm
from bothways.operations.overrides import Override, limited, overrides_from
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import SiteLimits

pytestmark = pytest.mark.asyncio
OPERATOR = Actor("a1", "Mia", (Grant(Role.SITE_OPERATOR, "site:site"),))
FRONT = Actor("a2", "Front", (Grant(Role.FRONT_DESK, "site:site"),))


def _desk(world):
    return Desk({"site": world.loop}, world.store, world.registry, world.gateway, world.clock)


def _form(world, kind, seconds, subject="", kw=None, reason="the feeder is full"):
    return OverrideForm(kind, world.clock.now() + timedelta(seconds=seconds), reason, subject, kw)


async def test_a_lower_limit_holds_until_its_time_and_then_the_sites_own_does(make_world, car):
    world = await make_world(4, load=10.0).open()
    for k in range(4):
        world.plug(k, car())
    await world.tick(10)
    assert world.site_kw > 50.0
    made = await overrides.begin(_desk(world), OPERATOR, "site", _form(world, "import_limit", 60, kw=30.0))
    world.peak = 0.0
    await world.tick(2)
    world.peak = 0.0
    await world.tick(50)
    assert 29.0 < world.peak <= 30.0
    shown = overrides.overrides(_desk(world), FRONT, "site")
    assert [(item.who, item.kw, item.left_s) for item in shown] == [("Mia", 30.0, 8.0)]
    await world.tick(20)
    assert world.site_kw > 50.0
    assert overrides.overrides(_desk(world), FRONT, "site") == []
    ended = [detail for kind, _, _, detail in world.store.notes if kind == "override ended"]
    assert [(item["override_id"], item["ended_by"]) for item in ended] == [(made.override_id, "its time")]


async def test_an_override_outlives_a_restart_but_not_its_time(make_world, car):
    world = await make_world(1).open()
    world.plug(0, car())
    await world.tick(8)
    await overrides.begin(_desk(world), OPERATOR, "site", _form(world, "pause", 100, "S0/1"))
    await world.tick(5)
    assert world.row(0).power_kw == 0.0
    assert world.says(0) == "Paused until 08:01 by Mia: the feeder is full"
    world.loop = world.new_loop()
    await world.open()
    world.plug(0, car(), transaction="again")
    await world.tick(20)
    assert world.gateway.points[world.key(0)].car.power_kw == 0.0
    await world.tick(90)
    assert world.gateway.points[world.key(0)].car.power_kw == 11.0
    world.loop = world.new_loop()
    await world.open()
    assert world.loop.overrides == ()


async def test_a_pause_that_ends_before_departure_leaves_the_need_in_reach(make_world, car):
    world = await make_world(2).open()
    world.plug(0, car(energy_kwh=20.0), need=world.need(0, 8, soc=0.8))
    world.plug(1, car(energy_kwh=20.0), need=world.need(1, 0.4, soc=0.8))
    await overrides.begin(_desk(world), OPERATOR, "site", _form(world, "pause", 1800))
    await world.tick(20)
    assert world.site_kw == 10.0
    plan = world.loop.snapshot().plan
    planned = [float(plan.plan.power_kw[row].max()) for row in plan.rows.values()]
    assert max(planned) > 1.0  # whoever stays longer is planned for afterwards
    assert min(planned) == 0.0  # who leaves before the pause ends is not


async def test_a_fixed_power_obeys_gate_and_limits(make_world, car, paper):
    world = make_world(1, site=SiteSettings("site", import_hard_limit_kw=60.0, export_limit_kw=50.0))
    world.store.paper = paper
    await world.open()
    able = car(energy_kwh=50.0)
    world.plug(0, able, need=world.need(0, 8, soc=0.3, consent=True, floor=0.2))
    await world.tick(1)
    desk = _desk(world)
    await overrides.begin(desk, OPERATOR, "site", _form(world, "power", 300, "S0/1", -4.0))
    await world.tick(30)
    assert able.power_kw == -4.0
    assert world.says(0).startswith("Held at -4.0 kW until 08:05 by Mia")
    world.loop._needs["car0"] = replace(world.need(0, 8, soc=0.3), discharge_consent=False)
    await world.tick(10)
    assert able.power_kw == 0.0  # nobody's override replaces a consent
    await overrides.begin(desk, OPERATOR, "site", _form(world, "power", 300, "S0/1", 7.0))
    await world.tick(10)
    assert able.power_kw == 7.0


async def test_a_fixed_power_holds_who_would_be_charged_at_once(make_world, car):
    world = await make_world(1).open()
    world.plug(0, car())
    await world.tick(10)
    assert world.gateway.points[world.key(0)].car.power_kw == 11.0
    await overrides.begin(_desk(world), OPERATOR, "site", _form(world, "power", 300, "S0/1", 6.0))
    await world.tick(10)
    assert world.gateway.points[world.key(0)].car.power_kw == 6.0


async def test_one_for_the_same_thing_replaces_the_one_before_and_can_be_ended(make_world):
    world = await make_world(1).open()
    await world.tick(1)
    desk = _desk(world)
    await overrides.begin(desk, OPERATOR, "site", _form(world, "charge_limit", 600, "S0/1", 5.0))
    second = await overrides.begin(desk, OPERATOR, "site", _form(world, "charge_limit", 900, "S0/1", 6.0))
    assert [item.kw for item in overrides.overrides(desk, OPERATOR, "site")] == [6.0]
    with pytest.raises(NotAllowed):
        await overrides.end(desk, FRONT, "site", second.override_id)
    await overrides.end(desk, OPERATOR, "site", second.override_id)
    with pytest.raises(Unknown):
        await overrides.end(desk, OPERATOR, "site", second.override_id)
    assert [kind for kind, *_ in world.store.notes][-3:] == ["override begun", "override begun", "override ended"]


@pytest.mark.parametrize(
    ("kind", "subject", "kw", "seconds", "reason", "where"),
    [
        ("import_limit", "", 61.0, 60, "because", "kw"),
        ("import_limit", "", None, 60, "because", "kw"),
        ("import_limit", "", float("nan"), 60, "because", "kw"),
        ("export_limit", "", 1.0, 60, "because", "kw"),
        ("charge_limit", "S0/1", 11.5, 60, "because", "kw"),
        ("charge_limit", "S9/1", 5.0, 60, "because", "subject"),
        ("charge_limit", "", 5.0, 60, "because", "kind"),
        ("power", "S0/1", -10.5, 60, "because", "kw"),
        ("pause", "", 3.0, 60, "because", "kw"),
        ("nonsense", "", None, 60, "because", "kind"),
        ("pause", "", None, -1, "because", "until"),
        ("pause", "", None, 8 * 86400, "because", "until"),
        ("pause", "", None, 60, " ", "reason"),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place(make_world, kind, subject, kw, seconds, reason, where):
    world = await make_world(1).open()
    await world.tick(1)
    with pytest.raises(InputError) as caught:
        await overrides.begin(_desk(world), OPERATOR, "site", _form(world, kind, seconds, subject, kw, reason))
    assert any(where in problem.where for problem in caught.value.problems)
    assert world.loop.overrides == ()


async def test_who_may_see_may_not_yet_override(make_world):
    world = await make_world(1).open()
    with pytest.raises(NotAllowed):
        await overrides.begin(_desk(world), FRONT, "site", _form(world, "pause", 60))
    stranger = SimpleNamespace(may=lambda *_: False)
    with pytest.raises(Unknown):
        overrides.overrides(_desk(world), stranger, "site")


async def test_only_the_contractual_limit_can_be_raised():
    now = SimpleNamespace()
    raised = Override("1", "import_limit", "", 50.0, now, now, "x", "y")
    assert limited(SiteLimits(60.0, 40.0), [raised]) == SiteLimits(50.0, 50.0)
    assert limited(SiteLimits(45.0, 40.0), [raised]) == SiteLimits(45.0, 45.0)
    assert limited(SiteLimits(60.0), [replace(raised, kind="export_limit")]).export_kw == 0.0


async def test_what_cannot_be_read_overrides_nothing():
    good = Override("1", "pause", "", None, _at(0), _at(60), "x", "y").as_values()
    kept = {"overrides": [good, {**good, "kind": "other"}, {**good, "until": "soon"}, "nonsense", {"kind": "pause"}]}
    assert [item.override_id for item in overrides_from(kept)] == ["1"]
    assert overrides_from(None) == overrides_from({"overrides": 3}) == ()


def _at(seconds):
    return datetime(2026, 6, 3, 8, tzinfo=UTC) + timedelta(seconds=seconds)
