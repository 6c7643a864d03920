"""The island controller against arbitrary readings, a controller gone mad, and long random lives of a building."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.interlock import Latch, observe, pass_through
from bothways.resilience.island.machine import step
from bothways.resilience.island.power import Ability
from bothways.resilience.island.rationing import lasting_h, ration
from bothways.resilience.island.signals import (
    GridReading,
    Inputs,
    Mode,
    Position,
    Request,
    RequestKind,
    SectionReading,
    SourceReading,
    VehicleReading,
)
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind, Timing
from bothways.resilience.island.state import Phase, from_mapping, initial_state, to_mapping
from bothways.simulation.island import Car, Plant, Surroundings, Unit, advance, read

SITE = IslandSite(
    "property",
    sections=(
        Section("T1", 1, (1.0, 1.0, 1.0), inrush=1.5, target_h=8.0),
        Section("T2", 2, (2.0, 1.0, 1.0), inrush=2.0, target_h=2.0),
        Section("T3", 3, (2.0, 2.0, 2.0), inrush=2.0),
    ),
    sources=(
        Source("A", SourceKind.BATTERY, 12.0, grid_forming=True, surge=1.5, floor_kwh=1.0),
        Source("B", SourceKind.V2X, 9.0, grid_forming=True, surge=1.2),
        Source("C", SourceKind.V2X, 7.0),
    ),
    islanding_permitted=True,
    timing=Timing(return_s=5.0, restore_s=5.0, settle_s=1.0, stable_s=1.0),
)
ENERGISING = (Mode.FORMING, Mode.GIVING)

volts = st.sampled_from([0.0, 0.05, 0.3, 0.8, 0.95, 1.0, 1.04, 1.3])
grids = st.one_of(
    st.none(), st.builds(GridReading, st.tuples(volts, volts, volts), st.sampled_from([0.0, 59.0, 60.0, 60.3]))
)
sections = st.builds(SectionReading, st.sampled_from(Position), st.one_of(st.none(), st.just((1.0, 1.0, 1.0))))
vehicles = st.one_of(
    st.none(),
    st.builds(
        VehicleReading,
        st.just("v"),
        st.one_of(st.none(), st.floats(0.0, 80.0)),
        st.floats(0.0, 40.0),
        st.floats(0.0, 90.0),
        st.booleans(),
    ),
)
sources = st.builds(
    SourceReading,
    st.sampled_from(Mode),
    st.booleans(),
    st.floats(-10.0, 10.0),
    st.floats(0.0, 20.0),
    st.one_of(st.none(), st.floats(0.0, 30.0)),
    vehicles,
)
requests = st.builds(Request, st.sampled_from(RequestKind), st.sampled_from(SITE.devices), st.floats(-20.0, 20.0))
readings = st.builds(
    Inputs,
    t_s=st.floats(0.0, 1e6),
    grid=grids,
    main=st.sampled_from(Position),
    sections=st.tuples(sections, sections, sections),
    sources=st.tuples(sources, sources, sources),
    loss_of_mains=st.booleans(),
    estop=st.booleans(),
    bus_pu=st.one_of(st.none(), st.sampled_from([0.0, 0.05, 0.4, 0.7, 1.0])),
    in_sync=st.one_of(st.none(), st.booleans()),
    pv_kw=st.floats(0.0, 30.0),
    pv_ahead_kwh=st.lists(st.floats(0.0, 20.0), max_size=5).map(tuple),
    requests=st.lists(requests, max_size=3).map(tuple),
    acknowledged=st.lists(st.sampled_from(SITE.devices), max_size=3).map(tuple),
)
commands = st.builds(
    Command,
    st.sampled_from(SITE.devices),
    st.sampled_from(Action),
    st.floats(-20.0, 20.0),
    st.floats(0.0, 10.0),
    st.floats(0.0, 200.0),
)


def harm(command: Command, inputs: Inputs, latch: Latch) -> str:  # noqa: C901 one rule after the other
    """The rules again, written from the requirement and not from the interlock: what must never go out."""
    k = SITE.index[command.device]
    if command.action in {Action.OPEN, Action.RELEASE, Action.TRIP}:
        if command.action is Action.OPEN and 0 < k <= 3:
            later = zip(inputs.sections[k:], latch.aside[k:], strict=True)
            if any(reading.position is not Position.OPEN and not aside for reading, aside in later):
                return "a more important section goes off first"
        return ""
    if latch.estop or inputs.estop:
        return "energises during an emergency stop"
    if k == 0:
        good = inputs.grid is not None and all(0.917 <= v <= 1.05 for v in inputs.grid.voltage_pu)
        if not good or inputs.loss_of_mains or any(source.mode in ENERGISING for source in inputs.sources):
            return "closes the contactor onto a source or without a good grid"
        return ""
    if k <= 3:
        return ""
    source, reading = SITE.sources[k - 4], inputs.sources[k - 4]
    if command.action is Action.FORM:
        if inputs.main is not Position.OPEN:
            return "starts without a contactor that is confirmed open"
        if any(other.mode in ENERGISING for j, other in enumerate(inputs.sources) if j != k - 4):
            return "starts beside another source"
    elif command.output_kw <= 0.0:
        return ""
    elif inputs.main is Position.CLOSED:
        return "gives without an island"
    if source.kind is SourceKind.V2X:
        vehicle = reading.vehicle
        if vehicle is None or vehicle.opted_out or vehicle.energy_kwh is None:
            return "takes from a vehicle that must not give"
        output_kw = source.power_kw if command.action is Action.FORM else command.output_kw
        lasting = output_kw * command.lease_s / 3600.0 / source.efficiency
        if vehicle.energy_kwh - lasting < vehicle.reserve_kwh:
            return "takes a driver below the reserve"
    return ""


@settings(max_examples=150)
@given(readings, st.lists(commands, max_size=5), st.floats(0.0, 3.0))
def test_whatever_is_wished_the_interlock_lets_no_harm_pass(inputs, wishes, dt_s):
    latch = observe(Latch.fresh(SITE), inputs, dt_s, SITE)
    granted, refused, _ = pass_through(latch, inputs, tuple(wishes), SITE)
    for command in granted:
        assert not harm(command, inputs, latch), harm(command, inputs, latch)
    assert len(granted) + len(refused) >= len([w for w in wishes if w.action is not Action.RELEASE])


@settings(max_examples=60)
@given(st.lists(readings, min_size=1, max_size=8))
def test_no_readings_stop_the_controller_and_nothing_harmful_leaves_it(all_readings):
    state, estop = initial_state(SITE), False
    for n, seen in enumerate(all_readings):
        inputs = replace(seen, t_s=float(n))
        reset = any(request.kind is RequestKind.RESET for request in inputs.requests)
        estop = inputs.estop or (estop and not reset)
        state, sent, messages = step(state, inputs, SITE)
        assert state.latch.estop == estop
        for command in sent:
            assert command.rehearsal or not harm(command, inputs, state.latch)
        for message in messages:
            assert message.text.endswith((".", "?"))
        assert from_mapping(to_mapping(state, SITE), SITE).phase in Phase


@settings(max_examples=60)
@given(
    st.floats(0.0, 100.0),
    st.lists(st.floats(0.0, 10.0), max_size=6).map(tuple),
    st.lists(st.tuples(st.floats(0.0, 8.0), st.floats(0.0, 6.0)), min_size=1, max_size=4),
)
def test_more_energy_never_lasts_shorter_and_more_load_never_longer(energy, pv, runs):
    lasts = lasting_h(energy, pv, runs, 1.0)
    assert lasting_h(energy + 1.0, pv, runs, 1.0) >= lasts - 1e-9
    assert lasting_h(energy, pv, runs, 1.1) <= lasts + 1e-9


@settings(max_examples=60)
@given(st.floats(0.0, 200.0), st.floats(0.0, 8.0))
def test_what_may_be_switched_on_may_stay_on(energy, hours):
    inputs = read(PLANT, Surroundings(), SITE)
    plan = ration(inputs, (Ability(10.0, energy),), hours * 3600.0, SITE)
    assert 1 <= plan.add <= plan.keep <= 3


PLANT = Plant(
    t_s=0.0,
    main_closed=True,
    closed=(True, True, True),
    units=(Unit(energy_kwh=4.0), Unit(car=Car("b", 12.2, 12.0, 20.0)), Unit(car=Car("c", 13.0, 12.0, 20.0))),
)


ORDERS = [kind for kind in RequestKind if kind.value.startswith("order")]


class Life(RuleBasedStateMachine):
    """A building, its controller, and everything that goes wrong."""

    @initialize(island=st.booleans())
    def begin(self, island):
        self.plant, self.around, self.state = PLANT, Surroundings(grid=not island), initial_state(SITE)
        self.asked, self.fed_s, self.stopped = [], 0.0, False
        self.live(20.0)

    def live(self, seconds, lost=False):
        for _ in range(max(1, int(seconds / 0.5))):
            inputs = read(self.plant, self.around, SITE, tuple(self.asked))
            reset = any(request.kind is RequestKind.RESET for request in self.asked)
            self.stopped = self.plant.estop or (self.stopped and not reset)
            self.asked = []
            self.state, sent, _ = step(self.state, inputs, SITE)
            starts = any(command.action is Action.FORM and not command.rehearsal for command in sent)
            assert not (starts and self.plant.main_closed), "a source is started on a closed contactor"
            # stations that keep no floor of their own, so that only the controller guards the reserve
            sent = tuple(replace(c, floor_kwh=0.0) for c in sent if c.action is Action.TRIP or not lost)
            self.plant = advance(self.plant, sent, self.around, 0.5, SITE)
            self.fed_s = self.fed_s + 0.5 if self.plant.street_fed else 0.0
            assert self.fed_s <= 2.0, "the street is fed"
            modes = [unit.mode for unit in self.plant.units]
            if self.stopped:
                assert set(modes) == {Mode.OFF}, "something runs after an emergency stop"
            for unit in self.plant.units:
                assert unit.car is None or unit.car.energy_kwh >= unit.car.reserve_kwh - 1e-9

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 120.0]), lost=st.booleans())
    def time_passes(self, seconds, lost):
        self.live(min(seconds, 3.0) if lost else seconds, lost)

    @rule()
    def the_grid_goes_or_comes(self):
        self.around = replace(self.around, grid=not self.around.grid)

    @rule(field=st.sampled_from(["main_stuck", "main_blind", "meter_lost", "estop"]))
    def something_breaks_or_is_repaired(self, field):
        self.plant = replace(self.plant, **{field: not getattr(self.plant, field)})

    @rule(k=st.integers(0, 2))
    def a_breaker_jams(self, k):
        stuck = self.plant.stuck or (False,) * 3
        self.plant = replace(self.plant, stuck=(*stuck[:k], not stuck[k], *stuck[k + 1 :]))

    @rule(k=st.integers(0, 2), field=st.sampled_from(["alive", "answers"]))
    def a_source_fails_or_is_repaired(self, k, field):
        units = list(self.plant.units)
        units[k] = replace(units[k], **{field: not getattr(units[k], field)})
        self.plant = replace(self.plant, units=tuple(units))

    @rule(k=st.integers(1, 2), energy=st.floats(12.0, 20.0), out=st.booleans(), gone=st.booleans())
    def a_driver_comes_and_goes(self, k, energy, out, gone):
        units = list(self.plant.units)
        units[k] = Unit(
            answers=units[k].answers, alive=units[k].alive, car=None if gone else Car("x", energy, 12.0, 20.0, out)
        )
        self.plant = replace(self.plant, units=tuple(units))

    @rule(kind=st.sampled_from(RequestKind), device=st.sampled_from(SITE.devices))
    def a_person_asks(self, kind, device):
        self.asked.append(Request(kind, device, 5.0))

    @rule(kind=st.sampled_from(ORDERS), device=st.sampled_from(SITE.devices[:4]))
    def a_person_in_command_switches(self, kind, device):
        self.a_person_in_command_orders(kind, device)

    @rule(kind=st.sampled_from(ORDERS), device=st.sampled_from(SITE.devices[4:]))
    def a_person_in_command_orders(self, kind, device):
        self.asked += [Request(RequestKind.TAKE_OVER), Request(kind, device, 5.0)]
        self.live(0.5)

    @rule(k=st.integers(1, 2))
    def ordinary_dispatch_feeds_the_building(self, k):
        unit = self.plant.units[k]
        fine = self.around.grid and self.plant.main_closed and unit.mode is Mode.OFF and not self.state.latch.tripped[k]
        if fine and unit.car is not None and not unit.car.opted_out and unit.alive and unit.car.energy_kwh > 13.0:
            units = list(self.plant.units)
            units[k] = replace(unit, mode=Mode.GIVING, set_kw=3.0, lease_s=60.0, floor_kwh=0.0)
            self.plant = replace(self.plant, units=tuple(units))

    @rule()
    def the_button_is_pressed_and_released(self):
        self.plant = replace(self.plant, estop=True)
        self.live(1.0)
        self.plant = replace(self.plant, estop=False)
        self.live(20.0)

    @rule(k=st.integers(1, 2))
    def the_grid_fails_while_a_person_is_in_command_and_a_vehicle_feeds(self, k):
        self.ordinary_dispatch_feeds_the_building(k)
        self.asked.append(Request(RequestKind.TAKE_OVER))
        self.live(0.5)
        self.around = replace(self.around, grid=False)
        self.live(4.0)

    @rule(k=st.integers(1, 2), spare=st.floats(0.0, 0.05))
    def a_person_asks_for_more_than_a_driver_has(self, k, spare):
        units = list(self.plant.units)
        units[k] = replace(units[k], car=Car("low", 12.0 + spare, 12.0, 20.0))
        self.plant = replace(self.plant, units=tuple(units))
        kind = RequestKind.ORDER_FORM if k == 1 else RequestKind.ORDER_GIVE
        self.asked += [Request(RequestKind.TAKE_OVER), Request(kind, SITE.sources[k].source_id, 7.0)]
        self.live(30.0)

    @rule()
    def the_building_becomes_an_island(self):
        self.around = replace(self.around, grid=False)
        self.live(20.0)

    @rule()
    def the_controller_restarts(self):
        self.state = from_mapping(to_mapping(self.state, SITE), SITE)

    @invariant()
    def the_order_of_tiers_holds(self):
        if not getattr(self, "state", None) or self.state.manual or any(self.plant.stuck):
            return
        t1, _, t3 = self.plant.closed
        faulty = any(self.state.faulty) or any(self.state.latch.aside)
        assert t1 or not t3 or faulty, "T3 is on while T1 is off"

    def teardown(self):
        """Whatever has happened: repaired, with a good grid and a willing person, the building is back on the grid."""
        if not hasattr(self, "state"):
            return
        self.around = Surroundings()
        units = tuple(replace(unit, alive=True, answers=True) for unit in self.plant.units)
        self.plant = replace(
            self.plant, main_stuck=False, main_blind=False, meter_lost=False, estop=False, stuck=(), units=units
        )
        kinds = [RequestKind.RESET, RequestKind.HAND_BACK, RequestKind.END_DRILL, RequestKind.RETURN_TO_GRID]
        aside = [Request(RequestKind.BACK_IN_SERVICE, section.section_id) for section in SITE.sections]
        self.asked = [*(Request(kind) for kind in kinds), *aside]
        self.live(30.0)
        self.asked = [Request(RequestKind.CONFIRM), Request(RequestKind.RETURN_TO_GRID)]
        self.live(60.0)
        assert self.plant.main_closed
        assert all(self.plant.closed)


Life.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestLife = pytest.mark.slow(Life.TestCase)
