"""The island controller, rule by rule."""

import json
from dataclasses import replace

import pytest

from bothways.domain.errors import DomainError, InputError
from bothways.resilience.island.checklist import island_tasks, next_tasks, return_tasks, vehicles_left
from bothways.resilience.island.commands import Action, Command, instruction
from bothways.resilience.island.interlock import Latch, observe, pass_through, refusal
from bothways.resilience.island.local_mode import local_modes
from bothways.resilience.island.machine import step
from bothways.resilience.island.offer import restart_offer
from bothways.resilience.island.reserve import evacuation_reserve_kwh
from bothways.resilience.island.signals import GridReading, Mode, Position, Request, RequestKind
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind, Timing
from bothways.resilience.island.state import Fault, Phase, from_mapping, initial_state, to_mapping
from bothways.simulation.island import Car, Plant, Surroundings, Unit, advance, read

SITE = IslandSite(
    "hall",
    sections=(
        Section("clinic", 1, (1.0, 1.0, 1.0), inrush=1.5, target_h=24.0, by_hand="panel A, switch 1"),
        Section("kitchen", 2, (2.0, 2.0, 2.0), inrush=2.0, target_h=12.0),
        Section("lift", 3, (3.0, 3.0, 3.0), inrush=2.0),
    ),
    sources=(
        Source("battery", SourceKind.BATTERY, 30.0, grid_forming=True, surge=1.5),
        Source("c1", SourceKind.V2X, 11.0, grid_forming=True),
        Source("c2", SourceKind.V2X, 11.0),
    ),
    islanding_permitted=True,
    timing=Timing(return_s=20.0, restore_s=30.0),
)
PLANT = Plant(
    t_s=0.0,
    main_closed=True,
    closed=(True, True, True),
    units=(Unit(energy_kwh=200.0), Unit(car=Car("a", 60.0, 20.0)), Unit(car=Car("b", 60.0, 20.0))),
)
DARK = Surroundings(grid=False)


class Run:
    """The controller at the simulated plant, call by call."""

    def __init__(self, site=SITE, plant=PLANT, around=None, state=None):
        self.site, self.plant, self.around = site, plant, around or Surroundings()
        self.state = state or initial_state(site)
        self.commands, self.messages, self.all_commands, self.all_messages = (), (), [], []

    def go(self, seconds, *requests, dt=0.5, see=lambda inputs: inputs):
        for k in range(max(1, round(seconds / dt))):
            asked = tuple(Request(*r) if isinstance(r, tuple) else Request(r) for r in requests) if k == 0 else ()
            inputs = see(read(self.plant, self.around, self.site, asked))
            self.state, self.commands, self.messages = step(self.state, inputs, self.site)
            self.all_commands += [(self.plant.t_s, command) for command in self.commands]
            self.all_messages += self.messages
            self.plant = advance(self.plant, self.commands, self.around, dt, self.site)
            assert not self.plant.street_fed
        return self

    def to_island(self):
        self.around = DARK
        return self.go(40.0)

    def sent(self, device, action):
        return [(t, c) for t, c in self.all_commands if c.device == device and c.action is action]

    def said(self, code):
        return [message for message in self.all_messages if message.code == code]


def test_an_outage_is_survived_and_the_building_returns_to_the_grid():
    run = Run().to_island()
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed == (True, True, True)
    order = [run.sent("main", Action.OPEN)[0][0], run.sent("battery", Action.FORM)[0][0]]
    order += [run.sent(name, Action.CLOSE)[0][0] for name in ("clinic", "kitchen", "lift")]
    assert order == sorted(order)
    run.around = Surroundings()
    run.go(60.0)
    assert run.state.phase is Phase.GRID_CONNECTED
    assert run.plant.main_closed
    assert all(run.plant.closed)
    assert all(unit.mode is Mode.OFF for unit in run.plant.units)


def test_sections_go_off_in_reverse_order_before_the_black_start():
    run = Run().to_island()
    times = [run.sent(name, Action.OPEN)[0][0] for name in ("lift", "kitchen", "clinic")]
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_without_permission_nothing_is_energised():
    run = Run(replace(SITE, islanding_permitted=False)).to_island()
    assert run.state.phase is Phase.GRID_CONNECTED
    assert not run.all_commands
    assert run.said("not permitted")


def test_a_person_confirms_where_the_site_asks_for_it():
    run = Run(replace(SITE, confirm_islanding=True)).to_island()
    assert run.state.phase is Phase.ISLANDING
    assert run.said("confirm start")
    assert run.go(10.0, RequestKind.CONFIRM).state.phase is Phase.ISLAND


def test_a_contactor_that_does_not_open_ends_in_a_task_for_a_person():
    run = Run(plant=replace(PLANT, main_stuck=True)).to_island()
    assert run.state.phase is Phase.FAULT
    assert run.state.fault is Fault.MAIN_NOT_OPEN
    assert len(run.sent("main", Action.OPEN)) == SITE.timing.attempts
    assert "main switch" in run.said("fault: main not open")[0].text or run.said("fault: main not open")[0].remedy
    assert not run.sent("battery", Action.FORM)


def test_a_source_that_does_not_start_is_replaced_by_the_next():
    units = (replace(PLANT.units[0], answers=False), *PLANT.units[1:])
    run = Run(plant=replace(PLANT, units=units)).to_island()
    assert run.state.phase is Phase.ISLAND
    assert run.state.former == 1
    assert run.state.latch.tripped[0], "a source that does not answer is cut off before another one starts"


def test_emergency_stop_ends_all_transfer_and_is_latched():
    run = Run().to_island()
    run.plant = replace(run.plant, estop=True)
    run.go(0.5)
    assert all(unit.mode is Mode.OFF for unit in run.plant.units)
    run.plant = replace(run.plant, estop=False)
    run.go(60.0)
    assert run.state.phase is Phase.LOCKED_OUT
    assert all(unit.mode is Mode.OFF for unit in run.plant.units)
    run.go(40.0, RequestKind.RESET)
    assert run.state.phase is Phase.ISLAND


def test_reset_does_nothing_while_the_button_is_pressed():
    latch = Latch.fresh(SITE)
    inputs = read(replace(PLANT, estop=True), DARK, SITE, (Request(RequestKind.RESET),))
    assert observe(latch, inputs, 1.0, SITE).estop


def test_vehicles_keep_their_reserve_and_opt_out_at_any_moment():
    units = (replace(PLANT.units[0], energy_kwh=0.3), Unit(car=Car("a", 20.5, 20.0)), Unit())
    run = Run(plant=replace(PLANT, units=units)).to_island()
    run.go(1200.0)
    assert run.plant.units[1].car.energy_kwh >= 20.0
    assert run.state.phase is Phase.FAULT
    assert run.said("fault: no source")

    run = Run().to_island()
    assert run.plant.units[2].mode is Mode.GIVING
    run.plant = replace(
        run.plant, units=(*run.plant.units[:2], Unit(Mode.GIVING, car=Car("b", 60.0, 20.0, opted_out=True)))
    )
    run.go(0.5)
    assert run.plant.units[2].mode is Mode.OFF
    run.go(30.0)
    assert run.plant.units[2].mode is Mode.OFF


def test_a_section_that_does_not_fit_stays_off():
    big = replace(SITE.sections[2], phase_kw=(20.0, 3.0, 3.0))
    run = Run(replace(SITE, sections=(*SITE.sections[:2], big))).to_island()
    assert run.plant.closed == (True, True, False)
    assert "phase 1" in run.said("does not fit")[0].text


def test_an_inrush_above_the_surge_of_the_forming_source_is_not_tried():
    motor = replace(SITE.sections[2], inrush=8.0)
    run = Run(replace(SITE, sections=(*SITE.sections[:2], motor))).to_island()
    assert run.plant.closed == (True, True, False)
    assert "inrush" in run.said("does not fit")[0].text


def test_a_single_phase_source_feeds_only_its_phase():
    one = replace(SITE.sources[0], phases=(0,))
    sections = (replace(SITE.sections[0], phase_kw=(3.0, 0.0, 0.0)), *SITE.sections[1:])
    run = Run(replace(SITE, sources=(one, *SITE.sources[1:]), sections=sections)).to_island()
    assert run.plant.closed == (True, False, False)


def test_sections_are_shed_when_the_energy_must_last_for_the_first_tier():
    units = (replace(PLANT.units[0], energy_kwh=45.0), Unit(), Unit())
    run = Run(plant=replace(PLANT, units=units)).to_island()
    assert run.plant.closed == (True, False, False)
    run = Run(plant=replace(PLANT, units=(replace(PLANT.units[0], energy_kwh=140.0), Unit(), Unit()))).to_island()
    assert run.plant.closed == (True, True, False), "one hour of the kitchen, then it is shed for the clinic's 24 h"


def test_a_charger_that_dies_sheds_the_least_important_section_first():
    units = (Unit(energy_kwh=0.0, alive=False), Unit(car=Car("a", 600.0, 20.0)), Unit(car=Car("b", 600.0, 20.0)))
    site = replace(SITE, sources=(SITE.sources[0], replace(SITE.sources[1], surge=3.0), SITE.sources[2]))
    run = Run(site, replace(PLANT, units=units)).to_island()
    assert run.plant.closed == (True, True, True)
    run.plant = replace(run.plant, units=(*run.plant.units[:2], replace(run.plant.units[2], alive=False)))
    run.go(2.0)
    assert run.plant.closed[0]
    assert not run.plant.closed[2]
    assert run.said("shedding")


def test_a_section_that_trips_waits_for_a_person():
    run = Run().to_island()
    run.plant = replace(run.plant, closed=(True, False, True))
    run.go(60.0)
    assert run.plant.closed == (True, False, True)
    assert len(run.said("section tripped")) == 1
    run.go(20.0, RequestKind.CONFIRM)
    assert run.plant.closed == (True, True, True)


def test_second_outage_while_returning_keeps_or_restores_the_island():
    run = Run().to_island()
    run.around = Surroundings()
    while run.state.phase is not Phase.RESYNCHRONISE:
        run.go(0.5)
    run.around = DARK
    run.go(60.0)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed[0]


def test_a_contactor_that_does_not_close_leaves_the_building_an_island_until_a_person_asks():
    run = Run().to_island()
    run.plant = replace(run.plant, main_stuck=True)
    run.around = Surroundings()
    run.go(120.0)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed[0]
    assert run.said("not obeyed")[0].device == "main"
    assert run.said("fault: main not closed")
    run.plant = replace(run.plant, main_stuck=False)
    run.go(60.0)
    assert run.state.phase is Phase.ISLAND
    run.go(60.0, RequestKind.RETURN_TO_GRID)
    assert run.state.phase is Phase.GRID_CONNECTED
    assert all(run.plant.closed)


def test_a_vehicle_that_arrives_starts_a_building_that_had_no_source():
    empty = (Unit(alive=False), Unit(), Unit())
    run = Run(plant=replace(PLANT, units=empty)).to_island()
    assert run.state.fault is Fault.NO_SOURCE
    run.plant = replace(run.plant, units=(empty[0], Unit(car=Car("bus", 150.0, 20.0)), empty[2]))
    run.go(30.0)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed[0]


def test_a_planned_island_waits_for_a_person_to_return():
    run = Run().go(2.0).go(60.0, RequestKind.REPORT_LOSS)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed == (True, True, True)
    run.go(60.0, RequestKind.RETURN_TO_GRID)
    assert run.state.phase is Phase.GRID_CONNECTED


def test_several_collapses_ask_for_a_person_and_fewer_sections_are_tried():
    run = Run().to_island()
    for _ in range(SITE.timing.restarts + 1):
        run.plant = replace(run.plant, units=tuple(replace(u, mode=Mode.OFF, set_kw=0.0) for u in run.plant.units))
        run.go(30.0)
    assert run.state.fault is Fault.COLLAPSES
    assert run.said("fewer sections")
    run.go(60.0, RequestKind.CONFIRM)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed == (True, True, True)


def test_a_forming_source_that_falls_silent_is_left_alone_while_the_building_is_fed():
    run = Run().to_island()
    run.plant = replace(run.plant, units=(replace(run.plant.units[0], answers=False), *run.plant.units[1:]))
    run.go(90.0)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed == (True, True, True)
    assert run.said("former silent")
    dead = Run().to_island()
    dead.plant = replace(
        dead.plant, units=(replace(dead.plant.units[0], answers=False, alive=False), *dead.plant.units[1:])
    )
    dead.go(60.0)
    assert dead.state.phase is Phase.ISLAND
    assert dead.state.former == 1


def test_controller_restarts_with_its_kept_state():
    run = Run().to_island()
    kept = json.loads(json.dumps(to_mapping(run.state, SITE)))
    again = Run(plant=run.plant, around=DARK, state=from_mapping(kept, SITE))
    again.go(30.0)
    assert again.state.phase is Phase.ISLAND
    assert again.plant.closed == (True, True, True)
    assert not again.sent("clinic", Action.OPEN)


def test_a_kept_state_that_is_wrong_is_refused_with_all_reasons():
    kept = to_mapping(initial_state(SITE), SITE)
    kept["phase"], kept["cap"], kept["failed"] = "asleep", -1, [True]
    with pytest.raises(InputError) as error:
        from_mapping(kept, SITE)
    assert len(error.value.problems) == 3
    with pytest.raises(InputError):
        from_mapping({**kept, "devices": ["main"]}, SITE)


def test_a_drill_exercises_everything_and_moves_nothing():
    run = Run()
    acknowledged = ()

    def answer(inputs):
        return replace(inputs, acknowledged=acknowledged)

    run.go(0.5, RequestKind.START_DRILL, see=answer)
    for _ in range(120):
        acknowledged = tuple(command.device for command in run.commands)
        run.go(0.5, see=answer)
    assert run.state.phase is Phase.ISLAND
    run.go(0.5, RequestKind.END_DRILL, see=answer)
    for _ in range(120):
        acknowledged = tuple(command.device for command in run.commands)
        run.go(0.5, see=answer)
    assert run.state.phase is Phase.GRID_CONNECTED
    assert run.state.rehearsal is None
    done = {(command.device, command.action) for _, command in run.all_commands}
    assert {("main", Action.OPEN), ("main", Action.CLOSE), ("battery", Action.FORM), ("lift", Action.CLOSE)} <= done
    assert all(command.rehearsal for _, command in run.all_commands)
    assert run.plant.main_closed
    assert all(run.plant.closed)


def test_a_real_outage_ends_a_drill_at_once():
    run = Run().go(0.5, RequestKind.START_DRILL)
    assert run.state.rehearsal is not None
    run.to_island()
    assert run.state.rehearsal is None
    assert run.state.phase is Phase.ISLAND
    assert not run.plant.main_closed


def test_taking_over_keeps_the_interlock():
    run = Run().to_island()
    run.go(0.5, RequestKind.TAKE_OVER)
    run.go(5.0, (RequestKind.ORDER_CLOSE, "main"))
    assert not run.plant.main_closed
    assert run.said("held back")
    run.go(5.0, (RequestKind.ORDER_OPEN, "clinic"))
    assert run.plant.closed[0], "the clinic is not dropped while the lift is on"
    run.go(5.0, (RequestKind.ORDER_OPEN, "lift"))
    assert not run.plant.closed[2]
    run.go(30.0, RequestKind.HAND_BACK)
    assert run.state.phase is Phase.ISLAND


def test_an_order_without_taking_over_is_told_and_ignored():
    run = Run().go(1.0, (RequestKind.ORDER_OPEN, "main"))
    assert run.plant.main_closed
    assert run.said("not taken over")


def test_a_contactor_that_somebody_else_opened_is_not_closed_without_a_person():
    run = Run(plant=replace(PLANT, main_closed=False)).go(60.0)
    assert not run.plant.main_closed
    assert run.said("main open")
    run.go(30.0, RequestKind.RETURN_TO_GRID)
    assert run.plant.main_closed


def test_a_lost_feedback_wire_does_not_black_out_where_both_sides_are_measured():
    run = Run().to_island()
    run.plant = replace(run.plant, main_blind=True)
    run.go(60.0)
    assert run.state.phase is Phase.ISLAND
    assert run.plant.closed == (True, True, True)
    blind = Run().to_island()
    blind.plant = replace(blind.plant, main_blind=True, meter_lost=True)
    blind.go(2.0)
    assert all(unit.mode is Mode.OFF for unit in blind.plant.units)


def test_offer_to_a_grid_restart_needs_permission_and_an_island():
    run = Run().go(1.0, RequestKind.PERMIT_OFFER)
    assert restart_offer(run.state, read(run.plant, run.around, SITE), SITE) is None
    run.to_island()
    assert restart_offer(run.state, read(run.plant, DARK, SITE), SITE) is None
    run.go(0.5, RequestKind.PERMIT_OFFER)
    offer = restart_offer(run.state, read(run.plant, DARK, SITE), SITE)
    assert offer is not None
    assert offer.capacity_kw == pytest.approx(52.0 - 0.9 * 18.0)
    assert offer.pickup_kw == pytest.approx(3.0 * 1.5)
    assert offer.cold_load_kw == pytest.approx(9.0 + 2.0 * 9.0)
    run.go(0.5, RequestKind.WITHDRAW_OFFER)
    assert restart_offer(run.state, read(run.plant, DARK, SITE), SITE) is None


def test_what_stations_are_told_beforehand():
    on_grid = local_modes(initial_state(SITE), read(PLANT, Surroundings(), SITE), SITE, safe_charge_kw=8.0)
    assert [mode.charge_kw for mode in on_grid] == [0.0, 8.0, 8.0]
    assert all(mode.output_kw == 0.0 and not mode.keep_forming for mode in on_grid)
    run = Run().to_island()
    modes = local_modes(run.state, read(run.plant, DARK, SITE), SITE)
    assert [mode.keep_forming for mode in modes] == [True, False, False]
    assert [mode.floor_kwh for mode in modes] == [0.0, 20.0, 20.0]


def test_the_paper_plan_leads_a_person_through_an_outage():
    plan = island_tasks(SITE)
    assert [(task.device, task.action) for task in plan] == [
        ("battery", Action.RELEASE), ("c1", Action.RELEASE), ("c2", Action.RELEASE), ("main", Action.OPEN),
        ("lift", Action.OPEN), ("kitchen", Action.OPEN), ("clinic", Action.OPEN), ("battery", Action.FORM),
        ("clinic", Action.CLOSE), ("kitchen", Action.CLOSE), ("lift", Action.CLOSE),
    ]  # fmt: skip
    assert all(task.done is None and task.text.endswith(".") for task in (*plan, *return_tasks(SITE)))
    seen = next_tasks(plan, Latch.fresh(SITE), read(PLANT, DARK, SITE), SITE)
    open_now = [(task.device, task.action) for task in seen if not task.done and not task.wait]
    assert open_now == [("main", Action.OPEN), ("lift", Action.OPEN)]
    assert "not confirmed open" in seen[7].wait


def test_the_list_follows_what_devices_report():
    run = Run().to_island()
    seen = next_tasks(island_tasks(SITE), run.state.latch, read(run.plant, DARK, SITE), SITE)
    assert all(task.done for task in seen)
    back = next_tasks(return_tasks(SITE), run.state.latch, read(run.plant, DARK, SITE), SITE)
    main = next(task for task in back if task.device == "main")
    assert not main.done
    assert main.wait


def test_what_each_vehicle_can_still_give():
    plant = replace(PLANT, units=(*PLANT.units[:2], Unit(car=Car("b", 60.0, 20.0, opted_out=True))))
    assert vehicles_left(read(plant, DARK, SITE), SITE) == (("a", pytest.approx(38.0)), ("b", 0.0))


def test_a_vehicle_that_gives_less_than_it_was_told_is_named():
    def weak(inputs):
        return replace(inputs, sources=tuple(replace(source, output_kw=0.1) for source in inputs.sources))

    run = Run().to_island()
    run.go(30.0, see=weak)
    assert {message.device for message in run.said("not delivering")} == {"c1", "c2"}


def test_every_command_has_words_for_a_person():
    for device in SITE.devices:
        for action in Action:
            assert instruction(device, action, SITE).endswith(".")


def test_switches_without_automation_become_tasks_for_a_person():
    site = replace(SITE, main_automated=False)
    run = Run(site, around=DARK).go(2.0)
    assert run.commands == () or run.state.phase is Phase.ISLANDING
    opens = run.sent("main", Action.OPEN)
    assert len(opens) == 1
    assert opens[0][1].by_hand
    run.plant = replace(run.plant, main_closed=False)
    run.go(40.0)
    assert run.state.phase is Phase.ISLAND


def test_outputs_end_by_themselves_and_never_reach_below_the_reserve():
    run = Run().to_island()
    gives = [command for _, command in run.all_commands if command.action is Action.GIVE]
    assert gives
    assert all(0.0 < command.lease_s <= SITE.timing.lease_s and command.floor_kwh == 20.0 for command in gives)
    inputs = read(run.plant, DARK, SITE)
    low = replace(
        inputs,
        sources=(
            *inputs.sources[:2],
            replace(inputs.sources[2], vehicle=replace(inputs.sources[2].vehicle, energy_kwh=20.1)),
        ),
    )
    asked = Command("c2", Action.GIVE, output_kw=11.0, lease_s=60.0)
    assert "reserve" in refusal(asked, run.state.latch, low, SITE)
    assert "lease" in refusal(replace(asked, lease_s=3600.0), run.state.latch, inputs, SITE)


def test_unintentional_island_is_released_at_once_and_cut_off_within_two_seconds():
    units = (PLANT.units[0], replace(PLANT.units[1], mode=Mode.GIVING, answers=True), PLANT.units[2])
    inputs = replace(read(replace(PLANT, units=units), DARK, SITE), bus_pu=None)
    latch, actions = observe(Latch.fresh(SITE), inputs, 0.0, SITE), []
    for _ in range(4):
        granted, _, latch = pass_through(latch, inputs, (), SITE)
        actions.append(granted[0].action)
        latch = observe(latch, inputs, 0.5, SITE)
    assert actions == [Action.RELEASE, Action.RELEASE, Action.RELEASE, Action.TRIP]


def test_readings_that_cannot_be_meant_are_refused():
    inputs = read(PLANT, Surroundings(), SITE)
    for wrong in (
        replace(inputs, grid=GridReading((float("nan"),), 60.0)),
        replace(inputs, sections=inputs.sections[:1]),
        replace(inputs, requests=(Request(RequestKind.ORDER_OPEN, "roof"),)),
    ):
        with pytest.raises(DomainError):
            step(initial_state(SITE), wrong, SITE)


def test_sites_that_cannot_be_meant_are_refused():
    with pytest.raises(DomainError, match="tier"):
        Section("x", 0, (1.0, 0.0, 0.0))
    with pytest.raises(DomainError, match="most to the least"):
        replace(SITE, sections=SITE.sections[::-1])
    with pytest.raises(DomainError, match="interval_s"):
        Timing(interval_s=1.5)
    with pytest.raises(DomainError, match="differ"):
        replace(SITE, sources=(SITE.sources[0], SITE.sources[0]))


def test_evacuation_reserve_grows_in_the_cold():
    assert evacuation_reserve_kwh(100.0, 0.2) == 20.0
    assert evacuation_reserve_kwh(100.0, 0.2, -20.0, 5.0) == pytest.approx(41.0)
    with pytest.raises(DomainError):
        evacuation_reserve_kwh(-1.0, 0.2)


def test_main_position_unknown_starts_nothing():
    inputs = replace(read(replace(PLANT, main_closed=False, closed=(False,) * 3), DARK, SITE), main=Position.UNKNOWN)
    assert "not confirmed open" in refusal(Command("battery", Action.FORM), Latch.fresh(SITE), inputs, SITE)
