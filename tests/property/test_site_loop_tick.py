"""Dispatch of a live site over random images: limits, permissions and promises hold in every combination."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bothways.dispatch.phases import export_load, hold, import_load
from bothways.dispatch.policy import Plan
from bothways.operations.events import EvseKey
from bothways.operations.site.control import TickState, tick
from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.site.state import Estimate, EvseState, Image, SessionState, SiteLimits, phase_use
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
SETTINGS = SiteSettings("site")
OPTIONS = LoopOptions()
TOLERANCE_KW = 1e-6


@st.composite
def charging_points(draw, number):
    """One EVSE with or without a vehicle, online or not, in whatever state."""
    phases = draw(st.sampled_from([1, 2, 3]))
    charge = draw(st.sampled_from([3.7, 7.4, 11.0, 22.0]))
    minimum = draw(st.sampled_from([0.0, 1.4, 4.1]))
    record = EvseRecord(
        1, charge, draw(st.sampled_from([0.0, 10.0])), min(minimum, charge), phases, draw(st.integers(1, 3))
    )
    seen = draw(st.sampled_from([None, (1.0, 0.0, 0.0)] if phases > 1 else [None]))
    measured = draw(st.floats(-record.discharge_kw, charge))
    fresh = draw(st.booleans())
    ordered = draw(st.sampled_from([0.0, measured, charge, -record.discharge_kw]))
    low, high = (measured, measured) if fresh else (min(0.0, measured, ordered), max(0.0, measured, ordered))
    controllable = draw(st.booleans()) or draw(st.booleans())
    session = draw(visits(number, record, minimum))
    return EvseState(
        key=EvseKey(f"S{number}", 1), record=record, online=True, session=session, measured_kw=measured, fresh=fresh,
        low_kw=low, high_kw=high, ordered_kw=ordered, reserved_kw=0.0 if controllable else draw(st.floats(0.0, 12.0)),
        controllable=controllable, phases=phase_use(record, seen),
        may_discharge_kw=record.discharge_kw if draw(st.booleans()) else 0.0,
    )  # fmt: skip


@st.composite
def visits(draw, number, record, minimum):
    capacity = draw(st.floats(20.0, 100.0))
    soc = draw(st.floats(0.0, 1.0))
    spread = draw(st.sampled_from([0.0, 0.1, 0.3]))
    energy, low = soc * capacity, max(0.0, soc - spread) * capacity
    until = draw(st.sampled_from([None, timedelta(minutes=2), timedelta(hours=1), timedelta(hours=9)]))
    full = draw(st.booleans()) and draw(st.booleans())
    return SessionState(
        session_id=number, transaction_id="t", id_token="", since=NOW,
        need=DriverNeed("n", "h", NOW + (until or timedelta(0)), NOW, None, 0.8, 0.3,
                        discharge_consent=True, charge_now=draw(st.booleans()) and draw(st.booleans())),
        soc=Estimate(soc, low / capacity, 1.0, "drawn"), capacity_kwh=Estimate(capacity, capacity, capacity, "drawn"),
        energy_kwh=energy, energy_low_kwh=low, floor_kwh=draw(st.sampled_from([0.0, 0.3])) * capacity,
        ceiling_kwh=energy if full else capacity, asked_kwh=draw(st.floats(0.0, 1.0)) * capacity,
        target_known=draw(st.booleans()), until=None if until is None else NOW + until, declared=None,
        charge_kw=record.charge_kw, discharge_kw=record.discharge_kw, minimum_kw=min(minimum, record.charge_kw),
        minimum_out_kw=draw(st.sampled_from([0.0, 2.0])), eta_c=0.9, eta_d=0.9, full=full,
        keep=draw(st.booleans()) and draw(st.booleans()), delivered_kwh=0.0, returned_kwh=0.0,
        returned_today_kwh=0.0,
    )  # fmt: skip


LIMIT = st.sampled_from([0.0, 5.0, 20.0, 40.0, math.inf])


@st.composite
def images(draw, **fixed):
    """A site with one to six EVSEs."""
    evses = tuple(draw(charging_points(number)) for number in range(draw(st.integers(1, 6))))
    phase = draw(st.tuples(*[st.floats(-20.0, 20.0)] * 3))
    image = Image(
        now=NOW, evses=evses,
        limits=SiteLimits(
            import_hard_kw=draw(LIMIT), export_kw=draw(st.sampled_from([0.0, 5.0, 30.0])),
            phase_kw=draw(st.sampled_from([3.0, 10.0, math.inf])),
            committed_import_kw=draw(st.sampled_from([10.0, math.inf])),
        ),
        permission=GridPermission("site"), site_kw=sum(phase), phase_kw=phase if draw(st.booleans()) else (),
        meter_age_s=0.0, meter_fresh=draw(st.booleans()) or draw(st.booleans()),
    )  # fmt: skip
    return replace(image, **fixed)


@st.composite
def plans(draw, image):
    """A plan that knows some of the sessions, sound or nonsensical."""
    known = [item.session.session_id for item in image.evses if draw(st.booleans())]
    power = np.array(draw(st.lists(st.floats(-30.0, 30.0), min_size=len(known), max_size=len(known)))).reshape(-1, 1)
    keys = np.array(known, dtype=np.int64)
    target = np.array([draw(st.sampled_from([0.0, 15.0, math.inf]))])
    nothing = np.zeros(1)
    plan = Plan(keys, power, target, None)
    return ActivePlan(plan, NOW, NOW, 900, nothing, nothing, nothing, {key: row for row, key in enumerate(known)})


@st.composite
def cases(draw):
    image = draw(images())
    budget = draw(st.sampled_from([0.0, 2.0, 1000.0]))
    before = TickState(
        NOW - timedelta(seconds=1), None, budget, budget,
        {item.key: item.ordered_kw for item in image.evses if draw(st.booleans())},
    )  # fmt: skip
    return image, draw(plans(image)), before


def columns(image, made):
    """Powers of the controllable EVSEs with their shares, as arrays for the load functions."""
    items = [item for item in image.evses if item.controllable]
    power = np.array([made.rows[item.key].power_kw for item in items])
    worst = np.array([(*item.phases.worst, 1.0) for item in items]).reshape(-1, 4)
    most = np.array([(*item.phases.most_kw, math.inf) for item in items]).reshape(-1, 4)
    sure = np.array([(*item.phases.sure, 1.0) for item in items]).reshape(-1, 4)
    shown = np.array([item.measured_kw for item in items])
    return power, worst, most, sure, shown


@settings(max_examples=150)
@given(cases())
def test_import_and_export_limits_hold_on_every_phase_and_in_total(case):
    """Vehicles never cause an import or export above a limit; what they relieve counts only as metered."""
    image, plan, before = case
    made = tick(image, plan, before, SETTINGS, OPTIONS)
    power, *shares = columns(image, made)
    base = made.base
    for c in range(4):
        assert import_load(power, c, base.high, *shares) <= max(base.import_limit[c], base.high[c]) + TOLERANCE_KW
        assert export_load(power, c, base.low, *shares) <= max(base.export_limit[c], -base.low[c]) + TOLERANCE_KW


@settings(max_examples=150)
@given(cases())
def test_the_true_flow_keeps_the_limits_whatever_vehicles_do_within_their_orders(case):
    """Each vehicle takes any part of its order: nobody but the building ever breaks the import limit."""
    image, plan, before = case
    made = tick(image, plan, before, SETTINGS, OPTIONS)
    power, worst, most, *_ = columns(image, made)
    taken = np.minimum(worst * np.maximum(power, 0.0)[:, None], most).sum(axis=0)
    given_back = np.minimum(worst * np.maximum(-power, 0.0)[:, None], most).sum(axis=0)
    shown_out = sum(max(0.0, -item.measured_kw) for item in image.evses if item.controllable)
    shown_in = sum(max(0.0, item.measured_kw) for item in image.evses if item.controllable)
    base = made.base
    over = np.maximum(base.high, base.import_limit)
    assert np.all((taken <= TOLERANCE_KW) | (base.high + taken - shown_out <= over + TOLERANCE_KW))
    over = np.maximum(-base.low, base.export_limit)
    assert np.all((given_back <= TOLERANCE_KW) | (-base.low + given_back - shown_in <= over + TOLERANCE_KW))


@settings(max_examples=150)
@given(cases())
def test_every_setpoint_is_zero_or_possible_and_permitted(case):
    image, plan, before = case
    made = tick(image, plan, before, SETTINGS, OPTIONS)
    assert set(made.rows) == {item.key for item in image.evses if item.controllable}
    for item in image.evses:
        if item.key not in made.rows:
            continue
        power, session = made.rows[item.key].power_kw, item.session
        assert math.isfinite(power)
        assert power <= session.charge_kw + TOLERANCE_KW
        if power > 0.0:
            assert power >= session.minimum_kw - TOLERANCE_KW
            assert session.energy_kwh < session.ceiling_kwh + TOLERANCE_KW
        if power < 0.0:
            assert -power <= item.may_discharge_kw + TOLERANCE_KW
            assert -power >= session.minimum_out_kw - TOLERANCE_KW
            assert session.energy_low_kwh > session.floor_kwh
            assert session.until is not None
            assert image.meter_fresh


@given(cases())
def test_totals_rise_no_faster_than_permitted(case):
    image, plan, before = case
    made = tick(image, plan, before, SETTINGS, OPTIONS)
    old = {item.key: before.commanded.get(item.key, item.ordered_kw) for item in image.evses if item.controllable}
    installed = sum(item.record.charge_kw for item in image.evses)
    room = before.charge_budget_kw + OPTIONS.ramp_kw_per_s(installed)
    for sign in (1.0, -1.0):
        rise = sum(max(0.0, sign * made.rows[key].power_kw) - max(0.0, sign * old[key]) for key in old)
        assert rise <= room + TOLERANCE_KW


@given(cases())
def test_the_emergency_stop_beats_everything(case):
    image, plan, before = case
    made = tick(replace(image, latched=True), plan, before, SETTINGS, OPTIONS)
    assert all(row.power_kw == 0.0 for row in made.rows.values())


@given(cases(), st.floats(0.0, 30.0))
def test_a_safety_limit_wins_over_every_need(case, limit):
    image, plan, before = case
    urgent = tuple(
        replace(item, session=replace(item.session, until=NOW + timedelta(minutes=1), asked_kwh=1e3, keep=True))
        for item in image.evses
    )
    image = replace(image, evses=urgent, limits=replace(image.limits, import_hard_kw=limit), meter_fresh=True)
    made = tick(image, plan, before, SETTINGS, OPTIONS)
    if made.base.high[3] >= limit:
        assert all(row.power_kw <= 0.0 or not _adds(made, image) for row in made.rows.values())
    else:
        power, *shares = columns(image, made)
        assert import_load(power, 3, made.base.high, *shares) <= limit + TOLERANCE_KW


def _adds(made, image):
    power, *shares = columns(image, made)
    return import_load(power, 3, made.base.high, *shares) > made.base.high[3] + TOLERANCE_KW


@given(cases())
def test_zero_never_becomes_power(case):
    """Full vehicles that may not discharge get zero, whatever plan and history say."""
    image, plan, before = case
    satisfied = tuple(
        replace(
            item, may_discharge_kw=0.0,
            session=replace(item.session, energy_kwh=item.session.capacity_kwh.value, full=True,
                            ceiling_kwh=item.session.capacity_kwh.value, floor_kwh=0.0),
        )
        for item in image.evses
    )  # fmt: skip
    made = tick(replace(image, evses=satisfied), plan, before, SETTINGS, OPTIONS)
    assert all(row.power_kw == 0.0 for row in made.rows.values())


@given(cases())
def test_without_a_plan_nobody_discharges_and_needs_are_met_by_dispatch_alone(case):
    image, _, before = case
    free = replace(image, limits=SiteLimits(export_kw=30.0), meter_fresh=True)
    before = replace(before, charge_budget_kw=1e6)
    made = tick(free, None, before, SETTINGS, replace(OPTIONS, ramp_kw_per_min=1e6))
    for item in free.evses:
        if item.key in made.rows:
            row = made.rows[item.key]
            assert row.power_kw >= 0.0
            assert row.power_kw >= row.must_kw - OPTIONS.quantum_kw - TOLERANCE_KW


@given(cases())
def test_the_same_twice(case):
    image, plan, before = case
    one, two = (tick(image, plan, before, SETTINGS, OPTIONS) for _ in range(2))
    assert one.rows == two.rows


@given(
    st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=1, max_size=8),
    st.floats(-50, 50), st.floats(0, 50), st.floats(0, 50),
)  # fmt: skip
def test_holding_only_moves_toward_zero(rows, base, most_in, most_out):
    power = np.array([row[0] for row in rows])
    shown = np.array([row[1] for row in rows])
    assume(np.isfinite(power).all())
    n = power.size
    ones = np.concatenate([np.zeros((n, 3)), np.ones((n, 1))], axis=1)
    levels, before = np.zeros(n), power.copy()
    limit_in, limit_out = np.array([math.inf] * 3 + [most_in]), np.array([math.inf] * 3 + [most_out])
    line = np.array([0.0, 0.0, 0.0, base])
    hold(
        power, levels, levels, levels, levels, np.arange(n), line, line, limit_in, limit_out, ones,
        np.full((n, 4), math.inf), ones, shown,
    )  # fmt: skip
    assert np.all(np.abs(power) <= np.abs(before) + 1e-12)
    assert np.all(power * before >= 0.0)
    if base + np.maximum(before, 0).sum() <= most_in and -base + np.maximum(-before, 0).sum() <= most_out:
        assert power == pytest.approx(before)
