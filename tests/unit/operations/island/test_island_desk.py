"""Who may see and order what of an island, at the use case and over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import open_store
from bothways.adapters.http.application import build_application
from bothways.adapters.switchgear.manual import StatedSwitchgear
from bothways.adapters.switchgear.simulated import SimulatedSwitchgear
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Actor, Grant, NotAllowed, Role
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.island import IslandDesk
from bothways.resilience.island.signals import Request, RequestKind

pytestmark = pytest.mark.asyncio
PASSWORD = "four words make passphrases"


def actor(role, scope):
    return Actor("1", role.value, (Grant(role, scope),))


OPERATOR, DESK = actor(Role.SITE_OPERATOR, "site:hall"), actor(Role.FRONT_DESK, "site:hall")
ELSEWHERE, GRID = actor(Role.SITE_OPERATOR, "site:mill"), actor(Role.GRID_VIEWER, "site:hall")
DRIVER, OTHER = actor(Role.DRIVER, "token:T-charger-1"), actor(Role.DRIVER, "token:T-charger-2")


def desk_of(world, by_people=frozenset()):
    gear = StatedSwitchgear(SimulatedSwitchgear(world.yard, world.clock), by_people, world.clock)
    return IslandDesk({"hall": world.service}, {"hall": gear}, world.store, world.clock)


async def test_the_view_tells_time_left_vehicles_and_tasks_with_units(world):
    desk = desk_of(world)
    await world.go(3)
    world.grid(False)
    await world.go(60)
    view = desk.view(OPERATOR, "hall")
    assert (view.phase, view.grid, view.main) == ("island", "lost", "open")
    assert view.age_s == 0.0
    first = view.tiers[0]
    assert (first.tier, first.on) == (1, "on")
    assert first.lasts_h == pytest.approx(view.energy_kwh / first.load_kw)
    times = [tier.lasts_h for tier in view.tiers if tier.lasts_h is not None]
    assert times == sorted(times, reverse=True)
    kept = {vehicle.source_id: vehicle for vehicle in view.vehicles}
    assert kept["charger-4"].can_give_kwh == 0.0
    assert kept["charger-4"].why_not == "the driver keeps everything"
    assert kept["charger-1"].can_give_kwh > 20.0
    assert kept["charger-1"].keeps_kwh == pytest.approx(16.0)
    assert [source.source_id for source in view.sources if source.forming] == ["battery"]
    hidden = desk.view(DESK, "hall")
    assert {vehicle.holder for vehicle in hidden.vehicles} == {""}
    assert {vehicle.holder for vehicle in view.vehicles} == {f"T-charger-{k}" for k in range(1, 6)}


async def test_where_a_person_has_taken_over_the_whole_list_is_shown_with_what_must_wait(world):
    desk = desk_of(world)
    await world.go(3)
    world.grid(False)
    await world.go(1)
    world.service.ask(Request(RequestKind.TAKE_OVER), "Ann")
    await world.go(2)
    tasks = desk.view(OPERATOR, "hall").tasks
    assert "lock it" in next(task.text for task in tasks if task.device == "main")
    assert any(task.wait for task in tasks if task.action == "form") or any(task.done for task in tasks)


@pytest.mark.parametrize("who", [ELSEWHERE, DRIVER, GRID])
async def test_who_may_not_see_the_site_learns_nothing_of_it(world, who):
    desk = desk_of(world)
    for act in (
        lambda: desk.view(who, "hall"),
        lambda: desk.on_paper(who, "hall"),
        lambda: desk.ask(who, "hall", RequestKind.CONFIRM),
    ):
        with pytest.raises(Unknown):
            act()
    with pytest.raises(Unknown):
        await desk.reset(who, "hall", "it is safe")
    with pytest.raises(Unknown):
        await desk.done(who, "hall", "comfort", closed=False)


async def test_the_front_desk_sees_and_orders_nothing(world):
    desk = desk_of(world)
    await world.go(1)
    assert desk.view(DESK, "hall").phase == "grid-connected"
    for kind in RequestKind:
        with pytest.raises(NotAllowed):
            desk.ask(DESK, "hall", kind)
    with pytest.raises(NotAllowed):
        await desk.reset(DESK, "hall", "it is safe")
    assert world.service._asked == []


async def test_requests_name_devices_that_exist_and_a_reset_its_reason(world):
    desk = desk_of(world)
    for kind, device in (
        (RequestKind.ORDER_OPEN, "nothing"), (RequestKind.ORDER_OPEN, ""), (RequestKind.SET_ASIDE, "main"),
        (RequestKind.CONFIRM, "main"),
    ):  # fmt: skip
        with pytest.raises(InputError, match="island request"):
            desk.ask(OPERATOR, "hall", kind, device)
    with pytest.raises(InputError):
        desk.ask(OPERATOR, "hall", RequestKind.ORDER_GIVE, "battery", float("nan"))
    with pytest.raises(NotAllowed):
        desk.ask(OPERATOR, "hall", RequestKind.RESET)
    with pytest.raises(InputError, match="3 to 500"):
        await desk.reset(OPERATOR, "hall", "")


async def test_a_driver_decides_about_the_own_vehicle_alone(world):
    desk = desk_of(world)
    await world.go(1)
    with pytest.raises(Unknown):
        await desk.driver(OTHER, "hall", "CP-charger-1/1", 10.0, opted_out=False)
    with pytest.raises(Unknown):
        await desk.driver(DRIVER, "hall", "CP-nobody/1", None, opted_out=True)
    with pytest.raises(InputError, match="2000 km"):
        await desk.driver(DRIVER, "hall", "CP-charger-1/1", float("nan"), opted_out=False)
    await desk.driver(DRIVER, "hall", "CP-charger-1/1", 200.0, opted_out=False)
    await world.go(1)
    view = {vehicle.place: vehicle for vehicle in desk.view(OPERATOR, "hall").vehicles}
    assert view["CP-charger-1/1"].keeps_kwh == pytest.approx(40.0)
    assert world.memory.values["hall"]["island-drivers"] == {"T-charger-1": [200.0, False]}
    assert ("island driver", {"who": "driver", "place": "CP-charger-1/1", "reserve_km": 200.0, "opted_out": False}) in (
        world.store.notes
    )


async def test_only_breakers_without_feedback_are_stated(world):
    desk = desk_of(world, frozenset({"comfort"}))
    await desk.done(OPERATOR, "hall", "comfort", closed=False)
    assert desk._gears["hall"].stated["comfort"].who == "site_operator"
    with pytest.raises(InputError, match="cannot be stated"):
        await desk.done(OPERATOR, "hall", "main", closed=False)


async def test_a_grid_operator_sees_the_offer_only_once_it_is_permitted(world):
    desk = desk_of(world)
    await world.go(3)
    world.grid(False)
    await world.go(60)
    assert desk.offer(GRID, "hall") is None
    desk.ask(OPERATOR, "hall", RequestKind.PERMIT_OFFER)
    await world.go(1)
    assert desk.offer(GRID, "hall").steps == 4
    with pytest.raises(Unknown):
        desk.offer(DRIVER, "hall")


class Clock:
    def now(self):
        return datetime.now(tz=UTC)

    async def sleep(self, seconds):
        raise AssertionError("nothing waits")


async def test_the_api_asks_the_same_rights(world, tmp_path):
    await world.go(3)
    store = await open_store(f"sqlite:///{tmp_path}/people.db")
    access = Access(store, Argon2Hasher(fast=True), TimeCodes(), Clock())
    for name, grant in (("op", OPERATOR), ("front", DESK), ("mill", ELSEWHERE)):
        await access.create(name, PASSWORD, list(grant.grants))
    memory = MemoryStore()
    app = build_application(
        access, Desk({}, memory, memory, world.gateway, Clock()), list, CollectorRegistry(), secure_cookies=True,
        answers=store, services=(desk_of(world),),
    )  # fmt: skip
    clients = {}
    for name in ("op", "front", "mill"):
        _, token = await access.sign_in(name, PASSWORD)
        clients[name] = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://b/api/v1", headers={"authorization": f"Bearer {token}"}
        )
    view = (await clients["op"].get("/sites/hall/island")).json()
    assert view["phase"] == "grid-connected"
    assert view["tiers"][0]["target_h"] == 24.0
    wanted = {"kind": "start drill"}
    for name, code in (("op", 204), ("front", 403), ("mill", 404)):
        answer = await clients[name].post("/sites/hall/island/requests", json=wanted)
        assert answer.status_code == code, answer.text
        reset = await clients[name].post("/sites/hall/island/reset", json={"reason": "looked at it"})
        assert reset.status_code == code
        kept = await clients[name].put("/sites/hall/island/vehicles/CP-charger-1/1", json={"opted_out": True})
        assert kept.status_code == (404 if name == "mill" else 204)
    assert (await clients["op"].post("/sites/hall/island/requests", json={"kind": "fly"})).status_code == 422
    assert (await clients["op"].get("/sites/hall/island/restart-offer")).json() is None
    assert (await clients["op"].put("/sites/hall/island/positions/main", json={"closed": False})).status_code == 422
    await world.go(2)
    assert (await clients["op"].get("/sites/hall/island")).json()["drill"] is True
    for client in clients.values():
        await client.aclose()
    await store.close()


async def test_what_waits_for_a_confirmation_can_be_confirmed(world):
    """A section that switched itself off, or that the switchgear dropped while nobody spoke, waits for a person."""
    desk = desk_of(world)
    await world.go(3)
    world.grid(False)
    await world.go(60)
    assert not desk.view(OPERATOR, "hall").confirm
    world.yard.plant = replace(world.yard.plant, closed=(True, False, False, False))
    await world.go(30)
    view = desk.view(OPERATOR, "hall")
    assert view.confirm
    assert [section.section_id for section in view.sections if section.tripped] == ["refuge"]
    desk.ask(OPERATOR, "hall", RequestKind.CONFIRM)
    await world.go(20)
    assert world.yard.plant.closed[1]
    assert not desk.view(OPERATOR, "hall").confirm


async def test_the_view_tells_what_stays_on_when_the_server_is_lost(world):
    desk = desk_of(world)
    await world.go(3)
    view = desk.view(OPERATOR, "hall")
    assert view.stay_on is None
    assert {source.alone for source in view.sources} == {
        "Stop: neither give nor charge.", "Give nothing; charge with at most 1.4 kW."
    }  # fmt: skip
    world.grid(False)
    await world.go(60)
    view = desk.view(OPERATOR, "hall")
    assert view.stay_on == ("essential",)
    assert view.sources[0].alone == "Go on feeding the building until 5.0 kWh are left, then stop."
    assert {source.alone for source in view.sources[1:]} == {"Stop: neither give nor charge."}


async def test_a_breaker_without_feedback_is_shown_on_once_its_load_flows(world):
    """Somebody switches it on and tells nobody: the measured load tells it."""
    desk = desk_of(world, frozenset({"refuge"}))
    world.service._outside = replace(world.service._outside, gear=desk._gears["hall"])
    desk._gears["hall"].state("refuge", closed=False, who="Ann")
    await world.go(3)
    view = desk.view(OPERATOR, "hall")
    assert [tier.on for tier in view.tiers] == ["on"] * 4
    assert view.sections[1].position == "closed"
    world.yard.plant = replace(world.yard.plant, closed=(True, False, True, True))
    await world.go(3)
    assert desk.view(OPERATOR, "hall").tiers[1].on == "off"
