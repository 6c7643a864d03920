"""Trying a new charging point: a fixed power for a short while, and whether its meter shows it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from bothways.domain.errors import BothwaysError, DomainError
from bothways.operations.access.roles import Actor
from bothways.operations.desk import overrides
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.overrides import OverrideForm
from bothways.operations.desk.parts import SiteControl
from bothways.operations.orders import StationCommand
from bothways.operations.site.state import EvseState
from bothways.operations.stations import DriverNeed, EvseRecord, StationRecord

Trial = Callable[[Desk, StationRecord, int, Actor], Awaitable[tuple[bool, str]]]
"""Tries an EVSE; returns whether it passed, and what was seen."""

LASTS = timedelta(minutes=4)
_PLUG_IN = timedelta(minutes=3)
_ASK_S = 1.0
_CHARGE_KW = 6.0
_DISCHARGE_KW = 3.0
_SHARE, _MORE, _TIMES = 0.5, 1.15, 3
_CAP_KWH = 2.0
_FLOOR = 0.2


async def trial_charge(desk: Desk, record: StationRecord, evse_id: int, actor: Actor) -> tuple[bool, str]:
    """Charges whatever is plugged in, with little more than the smallest power."""
    evse = _evse(record, evse_id)
    power = min(evse.charge_kw, max(evse.min_charge_kw, _CHARGE_KW))
    return await _held(desk, record, evse_id, actor, power)


async def trial_discharge(desk: Desk, record: StationRecord, evse_id: int, actor: Actor) -> tuple[bool, str]:
    """Discharges a little; every condition of the gate holds as always, and its refusal is the result."""
    evse = _evse(record, evse_id)
    if record.discharge == "none" or evse.discharge_kw <= 0.0:
        return False, "this charging point works one way only"
    control, now = _control(desk, record), desk.now()
    holder = f"{record.station_id}/{evse_id}"
    agreed = DriverNeed(
        need_id=secrets.token_hex(8), holder=holder, ready_by=now + timedelta(hours=3), stated_at=now, energy_kwh=0.0,
        floor_soc=_FLOOR, discharge_consent=True, discharge_cap_kwh=_CAP_KWH,
    )  # fmt: skip
    await control.set_need(agreed)
    try:
        return await _held(desk, record, evse_id, actor, -min(evse.discharge_kw, _DISCHARGE_KW))
    finally:
        after = desk.now()
        withdrawn = DriverNeed(
            need_id=secrets.token_hex(8), holder=holder, ready_by=after + timedelta(hours=3), stated_at=after,
            energy_kwh=0.0, floor_soc=_FLOOR,
        )  # fmt: skip
        await control.set_need(withdrawn)


async def _held(desk: Desk, record: StationRecord, evse_id: int, actor: Actor, power: float) -> tuple[bool, str]:
    control, place = _control(desk, record), f"{record.station_id}/{evse_id}"
    if not await _plugged(desk, control, record, evse_id):
        return False, "no vehicle was plugged in with a card that is accepted here"
    form = OverrideForm("power", desk.now() + LASTS, "test of a new charging point", place, power)
    made = await overrides.begin_at(desk, control, actor, form)
    try:
        return await _shown(desk, control, record, evse_id, power)
    finally:
        with suppress(BothwaysError):  # it ended by itself
            await overrides.end_at(desk, control, actor, made.override_id)


async def _plugged(desk: Desk, control: SiteControl, record: StationRecord, evse_id: int) -> bool:
    """Waits for a vehicle whose card was accepted."""
    until, gateway = desk.now() + _PLUG_IN, desk.parts.gateway
    told = False
    while desk.now() < until:
        state = _state(control, record, evse_id)
        session = None if state is None else state.session
        if state is not None and session is not None and session.transaction_id and state.controllable:
            return True
        if state is not None and session is None and not told:
            told = True  # what it said before the site knew the station, the site has not heard
            with suppress(BothwaysError):
                await gateway.command(record.station_id, StationCommand("trigger", evse_id, message="status"))
        await desk.parts.clock.sleep(_ASK_S)
    return False


async def _shown(
    desk: Desk, control: SiteControl, record: StationRecord, evse_id: int, power: float
) -> tuple[bool, str]:
    until = desk.now() + LASTS - timedelta(seconds=10)
    best, why, times = 0.0, "", 0
    while desk.now() < until:
        state = _state(control, record, evse_id)
        if state is None or state.session is None:
            return False, "the vehicle was unplugged during the test"
        sign = 1.0 if power > 0.0 else -1.0
        best = max(best, sign * state.measured_kw)
        near = _SHARE * abs(power) <= sign * state.measured_kw <= _MORE * abs(power)
        times = times + 1 if near and state.ordered_kw * sign > 0.0 else 0
        if times >= _TIMES:
            return True, f"ordered {power:.1f} kW, metered {state.measured_kw:.1f} kW"
        why = state.why_not_discharging if power < 0.0 else control.snapshot().sentences.get(state.key, "")
        await desk.parts.clock.sleep(_ASK_S)
    seen = f"ordered {power:.1f} kW, metered at most {best * (1 if power > 0 else -1) + 0.0:.1f} kW"
    return False, f"{seen}; {why}" if why else seen


def _control(desk: Desk, record: StationRecord) -> SiteControl:
    control = desk.parts.sites.get(record.site_id)
    if control is None:
        msg = f"the site {record.site_id} does not run here"
        raise DomainError(msg)
    return control


def _evse(record: StationRecord, evse_id: int) -> EvseRecord:
    found = record.evse(evse_id)
    if found is None:
        msg = f"{record.station_id} has no EVSE {evse_id}"
        raise DomainError(msg)
    return found


def _state(control: SiteControl, record: StationRecord, evse_id: int) -> EvseState | None:
    image = control.snapshot().image
    key = (record.station_id, evse_id)
    return next((item for item in (() if image is None else image.evses) if tuple(item.key) == key), None)
