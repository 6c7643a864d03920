"""The simulated building: energy, trips, leases, and the drill that is played on it."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError, InputError
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.score import DrillRecord, Sample, score_drill
from bothways.resilience.island.signals import Mode, Position
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind
from bothways.resilience.island.state import Phase
from bothways.simulation.island import Car, Plant, Surroundings, Unit, advance, clear_sky_energy, read
from bothways.simulation.island_drill import CARDS, play
from bothways.simulation.island_setup import DEMO, setup_from_mapping

SITE = IslandSite(
    "shed",
    sections=(Section("T1", 1, (2.0, 2.0, 2.0), inrush=2.0),),
    sources=(
        Source("A", SourceKind.BATTERY, 10.0, grid_forming=True, efficiency=0.8),
        Source("B", SourceKind.V2X, 10.0, efficiency=0.5),
    ),
    islanding_permitted=True,
)
DARK = Surroundings(grid=False, load=1.0)
ISLAND = Plant(
    t_s=0.0,
    main_closed=False,
    closed=(True,),
    units=(Unit(Mode.FORMING, energy_kwh=10.0), Unit(car=Car("b", 30.0, 10.0))),
)


def test_energy_leaves_the_sources_that_carry_the_load():
    plant = advance(ISLAND, (Command("B", Action.GIVE, 4.0, 10.0, 60.0),), DARK, 36.0, SITE)
    assert plant.served_kw == (6.0,)
    assert plant.units[0].energy_kwh == pytest.approx(10.0 - 2.0 * 0.01 / 0.8)
    assert plant.units[1].car.energy_kwh == pytest.approx(30.0 - 4.0 * 0.01 / 0.5)


@given(seconds=st.floats(1.0, 59.0), kw=st.floats(0.0, 6.0))
def test_energy_is_conserved(seconds, kw):
    plant = advance(ISLAND, (Command("B", Action.GIVE, kw, 10.0, 60.0),), DARK, seconds, SITE)
    out = (10.0 - plant.units[0].energy_kwh) * 0.8 + (30.0 - plant.units[1].car.energy_kwh) * 0.5
    assert out == pytest.approx(plant.served_kw[0] * seconds / 3600.0)


def test_an_output_ends_with_its_lease_and_at_the_floor():
    plant = advance(ISLAND, (Command("B", Action.GIVE, 4.0, 10.0, 5.0),), DARK, 1.0, SITE)
    assert plant.units[1].mode is Mode.GIVING
    for _ in range(5):
        plant = advance(plant, (), DARK, 1.0, SITE)
    assert plant.units[1].mode is Mode.OFF
    low = replace(ISLAND, units=(ISLAND.units[0], Unit(car=Car("b", 10.0, 10.0))))
    plant = advance(low, (Command("B", Action.GIVE, 4.0, 10.0, 60.0),), DARK, 1.0, SITE)
    assert plant.units[1].mode is Mode.OFF


def test_the_forming_source_trips_on_an_inrush_and_on_a_lasting_overload():
    off = replace(ISLAND, closed=(False,))
    plant = advance(off, (Command("T1", Action.CLOSE),), DARK, 1.0, SITE)
    assert plant.units[0].mode is Mode.OFF, "12 kW of inrush on 10 kW"
    hot = replace(DARK, load=1.8)
    plant = advance(ISLAND, (), hot, 1.0, replace(SITE, sources=(replace(SITE.sources[0], surge=2.0), SITE.sources[1])))
    assert plant.units[0].mode is Mode.FORMING
    for _ in range(3):
        plant = advance(
            plant, (), hot, 1.0, replace(SITE, sources=(replace(SITE.sources[0], surge=2.0), SITE.sources[1]))
        )
    assert plant.units[0].mode is Mode.OFF
    assert plant.served_kw == (0.0,)


def test_a_source_on_a_closed_contactor_feeds_the_dead_street_and_is_recorded():
    assert advance(replace(ISLAND, main_closed=True), (), DARK, 1.0, SITE).street_fed
    assert not advance(ISLAND, (), DARK, 1.0, SITE).street_fed


def test_a_silent_station_hears_only_the_hard_wire():
    silent = replace(ISLAND, units=(replace(ISLAND.units[0], answers=False), ISLAND.units[1]))
    assert advance(silent, (Command("A", Action.RELEASE),), DARK, 1.0, SITE).units[0].mode is Mode.FORMING
    assert advance(silent, (Command("A", Action.TRIP),), DARK, 1.0, SITE).units[0].mode is Mode.OFF
    assert read(silent, DARK, SITE).sources[0].mode is Mode.UNKNOWN


def test_rehearsed_commands_and_tasks_for_people_move_nothing():
    for command in (Command("T1", Action.OPEN, rehearsal=True), Command("T1", Action.OPEN, by_hand=True)):
        assert advance(ISLAND, (command,), DARK, 1.0, SITE).closed == (True,)


def test_stuck_switches_do_not_move_and_blind_ones_do_not_show_it():
    stuck = replace(ISLAND, main_stuck=True, main_blind=True, stuck=(True,))
    plant = advance(stuck, (Command("main", Action.CLOSE), Command("T1", Action.OPEN)), DARK, 1.0, SITE)
    assert not plant.main_closed
    assert plant.closed == (True,)
    assert read(plant, DARK, SITE).main is Position.UNKNOWN


@given(hour=st.floats(0.0, 48.0), ahead=st.floats(0.0, 72.0), more=st.floats(0.0, 24.0))
def test_a_forecast_adds_up(hour, ahead, more):
    whole = clear_sky_energy(hour, ahead + more)
    assert whole == pytest.approx(clear_sky_energy(hour, ahead) + clear_sky_energy(hour + ahead, more), abs=1e-9)


def quick(cards=(), **outage):
    mapping = {**DEMO, "site": {**DEMO["site"], "return_s": 20.0}}
    mapping["outage"] = {**DEMO["outage"], "hours": 0.1, "card_minutes": 0.5, **outage}
    return play(setup_from_mapping(mapping, "quick", tuple(cards)))


@pytest.mark.parametrize("card", [None, *CARDS])
def test_every_card_is_survived_with_every_reserve(card):
    played = quick([] if card is None else [card])
    score = score_drill(played.record)
    # without the meter nothing shows that the grid is good again: the building stays an island until it answers
    assert played.phase is (Phase.ISLAND if card == "meter-lost" else Phase.GRID_CONNECTED)
    assert score.passed
    assert score.street_fed_s == 0.0
    if card is not None:
        assert any(event.who == "card" for event in played.timeline)
    assert len(played.record.outage_s) == (2 if card == "second-outage" else 1)


def test_a_drill_without_a_source_is_not_passed():
    mapping = {**DEMO, "sources": [{**DEMO["sources"][0], "energy_kwh": 5.0}]}
    mapping["outage"] = {"hours": 0.05}
    played = play(setup_from_mapping(mapping, "empty"))
    score = score_drill(played.record)
    assert not score.passed
    assert score.tiers[0].unserved_kwh > 0.0


def test_the_same_drill_gives_the_same_record():
    assert quick(["smoke"]).record == quick(["smoke"]).record


def sample(t_s, asked, served, spare=1.0, **more):
    return Sample(t_s, "island", asked, served, (("car", spare),), **more)


def test_the_score_by_hand():
    samples = (
        sample(0.0, (2.0, 4.0), (2.0, 4.0)),
        sample(10.0, (2.0, 4.0), (0.0, 0.0)),
        sample(46.0, (2.0, 4.0), (2.0, 0.0)),
        sample(406.0, (2.0, 4.0), (2.0, 4.0), spare=0.5),
        sample(3610.0, (2.0, 4.0), (2.0, 4.0)),
    )
    score = score_drill(DrillRecord((10.0,), (1, 3), samples, held_back=2, cut_off=1))
    assert score.restored_s == 36.0
    assert score.tiers[0].unserved_kwh == pytest.approx(2.0 * 36.0 / 3600.0)
    assert score.tiers[1].unserved_kwh == pytest.approx(4.0 * 396.0 / 3600.0)
    assert score.tiers[1].restored_s == 396.0
    assert score.tiers[0].served_share == pytest.approx(0.99)
    assert (score.tiers[0].longest_dark_s, score.tiers[1].longest_dark_s) == (36.0, 396.0)
    assert (score.least_spare_kwh, score.reserves_kept, score.held_back, score.cut_off) == (0.5, True, 2, 1)
    assert score.passed
    broken = (*samples[:3], replace(samples[3], spare_kwh=(("car", -0.1),)), samples[4])
    below = score_drill(DrillRecord((10.0,), (1, 3), broken))
    assert below.below_reserve == ("car",)
    assert not below.passed
    fed = (*samples[:3], replace(samples[3], street_fed=True), samples[4])
    assert score_drill(DrillRecord((10.0,), (1, 3), fed)).street_fed_s == 3204.0
    assert not score_drill(DrillRecord((10.0,), (1, 3), fed)).passed


def test_records_that_cannot_be_scored_are_refused():
    good = (sample(0.0, (1.0,), (1.0,)), sample(1.0, (1.0,), (1.0,)))
    for record in (
        DrillRecord((), (1,), good),
        DrillRecord((0.0,), (1,), good[:1]),
        DrillRecord((0.0,), (1,), good[::-1]),
        DrillRecord((0.0,), (1, 2), good),
        DrillRecord((0.0,), (1,), (good[0], sample(1.0, (float("nan"),), (1.0,)))),
    ):
        with pytest.raises(DomainError):
            score_drill(record)


def test_all_faults_of_a_drill_file_come_back_at_once():
    mapping = {
        "sections": [{"id": "a", "tier": 0, "phase_kw": [1.0, 1.0, 1.0]}],
        "sources": [{"id": "b", "kind": "battery", "power_kw": -1.0, "energy_kwh": 3.0}],
        "outages": {},
    }
    with pytest.raises(InputError) as error:
        setup_from_mapping(mapping, "bad.toml")
    where = [problem.where.removeprefix("bad.toml: ") for problem in error.value.problems]
    assert where == ["sections[0].tier", "sources[0].power_kw", "outages"]
    with pytest.raises(InputError, match="charger-dies"):
        setup_from_mapping(DEMO, "demo", ("charger-dyes",))
    with pytest.raises(InputError, match="reserve_km"):
        setup_from_mapping({**DEMO, "sources": [{**DEMO["sources"][1], "vehicle": {"energy_kwh": 5.0}}]}, "demo")


def test_the_file_in_the_documentation_is_one():
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "drill.md"
    text = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    setup = setup_from_mapping(tomllib.loads(text), "drill.md")
    assert setup.cards == ("charger-dies",)
    assert setup.plant.units[1].car.reserve_kwh == pytest.approx(16.0)
