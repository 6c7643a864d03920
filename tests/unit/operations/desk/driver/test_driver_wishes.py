"""A week of wishes: what is next, when it is put in force, and who may state it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import InputError
from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.desk import NeedForm, Unknown
from bothways.operations.desk.driver.wishes import Wishes, WishForm
from bothways.operations.stations import DriverNeed
from bothways.operations.wishes import STAYS_ON, DayWish, StandingWish, as_values, due, next_of, subject, wish_from

TZ = "Europe/Amsterdam"
STATED = datetime(2026, 5, 1, tzinfo=UTC)
walls = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.integers(0, 59))
weeks = st.tuples(*[st.none() | st.builds(DayWish, walls, st.just(0.8))] * 7)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@given(weeks, instants, st.sampled_from([TZ, "UTC", "America/New_York", "Australia/Lord_Howe"]))
def test_the_next_departure_is_ahead_on_a_day_that_has_a_wish_and_none_is_skipped(days, now, tz):
    found = next_of(StandingWish("T", days, STATED), now, tz)
    if not any(days):
        assert found is None
        return
    at, wished = found
    assert now < at <= now + timedelta(days=8)
    local = at.astimezone(ZoneInfo(tz))
    assert any(wished == day for day in days)
    shifted = local.utcoffset() != (local - timedelta(hours=3)).utcoffset()
    assert shifted or (f"{local:%H:%M}" == wished.wall and days[local.weekday()] == wished)
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < at - timedelta(hours=25):  # no earlier one: a day that has passed whole had no wish ahead
        earlier = hour.astimezone(ZoneInfo(tz))
        if earlier.date() > now.astimezone(ZoneInfo(tz)).date():
            assert days[earlier.weekday()] is None
        hour += timedelta(hours=24)


@given(weeks, st.floats(0, 1), st.booleans(), st.none() | st.floats(0, 100))
def test_a_wish_comes_back_as_it_was_kept(days, floor, consents, cap):
    wish = StandingWish("T-1", days, STATED, "house", floor, consents, float("inf") if cap is None else cap, "signed")
    assert wish_from(subject("T-1", "house"), as_values(wish)) == wish


def test_what_was_said_goes_before_and_after_a_departure_the_promise_is_held_for_a_while():
    wish = StandingWish("T", (DayWish("07:30", 0.8),) * 7, STATED, discharge_consent=True, floor_soc=0.4)
    since, now = datetime(2026, 5, 4, 16, 0, tzinfo=UTC), datetime(2026, 5, 4, 18, 0, tzinfo=UTC)
    made = due(None, wish, since, now, TZ)
    assert (made.ready_by, made.soc, made.floor_soc) == (datetime(2026, 5, 5, 5, 30, tzinfo=UTC), 0.8, 0.4)
    assert made.discharge_consent
    assert due(None, wish, since, now + timedelta(minutes=1), TZ).need_id == made.need_id, "kept once"
    said = DriverNeed("n", "T", now + timedelta(hours=1), since, soc=0.5)
    assert due(said, wish, since, now, TZ) is None
    assert due(said, wish, since, said.ready_by + STAYS_ON - timedelta(minutes=1), TZ) is None, "only late"
    assert due(said, wish, since, said.ready_by + STAYS_ON, TZ) == made.__class__(
        **{**{f: getattr(made, f) for f in made.__dataclass_fields__}, "stated_at": said.ready_by + STAYS_ON}
    )
    assert due(said, wish, said.ready_by + timedelta(hours=1), said.ready_by + timedelta(hours=1), TZ) is not None, (
        "a need of an earlier stay does not hold up the next one"
    )


@pytest.mark.asyncio
async def test_a_driver_states_a_week_sees_it_and_forgets_it(world, people):
    wishes = Wishes(world.desk)
    with pytest.raises(Unknown):
        await wishes.wish(people.driver, "T-1")
    form = WishForm({0: DayWish("07:30", 0.8), 5: DayWish("10:00", energy_kwh=20.0)}, 0.4, True, 12.0)
    kept = await wishes.keep(people.driver, "T-1", form)
    assert kept.days[0] == DayWish("07:30", 0.8)
    assert kept.days[1] is None
    assert kept.next_at == datetime(2026, 5, 9, 8, 0, tzinfo=UTC), "Saturday 10:00 in Amsterdam"
    assert await wishes.wish(people.driver, "T-1") == kept
    for stranger in (people.other, people.staff, people.away):
        for work in (wishes.wish(stranger, "T-1"), wishes.keep(stranger, "T-1", form), wishes.drop(stranger, "T-1")):
            with pytest.raises(NotAllowed):
                await work
    await wishes.drop(people.driver, "T-1")
    with pytest.raises(Unknown):
        await wishes.wish(people.driver, "T-1")


@pytest.mark.asyncio
async def test_a_wish_is_used_at_once_where_the_card_is_plugged_in_unless_something_was_said_for_this_time(
    world, people, make
):
    world.site.evses = (make.evse(1, make.session()),)
    wishes, week = Wishes(world.desk), {day: DayWish("07:30", 0.7) for day in range(7)}
    await wishes.keep(people.driver, "T-1", WishForm(week))
    assert [need.soc for need in world.site.done] == [0.7]
    await wishes.keep(people.driver, "T-1", WishForm({day: DayWish("08:00", 0.9) for day in range(7)}))
    assert [need.soc for need in world.site.done] == [0.7, 0.9], "a changed wish replaces what came from a wish"
    await world.desk.set_need(people.driver, "T-1", NeedForm(make.now + timedelta(hours=2), soc=0.5))
    await wishes.keep(people.driver, "T-1", WishForm(week))
    assert [need.soc for need in world.site.done] == [0.7, 0.9, 0.5], "what was said for this time holds"


@pytest.mark.asyncio
async def test_staff_record_a_card_of_somebody_without_a_telephone_at_their_site_alone(world, people):
    wishes = Wishes(world.desk)
    form = WishForm({0: DayWish("07:30", 0.8)})
    kept = await wishes.keep(people.staff, "CARD-9", form, "house")
    assert kept.site_id == "house"
    assert await wishes.wish(people.staff, "CARD-9", "house") == kept
    with pytest.raises(Unknown):
        await wishes.keep(people.away, "CARD-9", form, "house")
    with pytest.raises(Unknown):
        await wishes.keep(people.away, "CARD-9", form, "mill")
    consents = WishForm(form.days, discharge_consent=True)
    with pytest.raises(InputError, match="consent_note"):
        await wishes.keep(people.staff, "CARD-9", consents, "house")
    signed = WishForm(form.days, discharge_consent=True, consent_note="form signed on 4 May")
    assert (await wishes.keep(people.staff, "CARD-9", signed, "house")).discharge_consent
    line = (await world.store.audit_log())[0]
    assert (line.kind, line.detail["consent"]) == ("wish recorded by staff", "form signed on 4 May")
    await wishes.keep(people.driver, "T-1", form)
    with pytest.raises(InputError, match="without a wish of its own"):
        await wishes.keep(people.staff, "T-1", form, "house")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("form", "problems"),
    [
        (WishForm({0: DayWish("7.30", 0.8)}), 1),
        (WishForm({0: DayWish("07:30", 0.8, 10.0)}), 1),
        (WishForm({0: DayWish("07:30")}), 1),
        (WishForm({7: DayWish("07:30", 1.8)}, floor_soc=-1.0, discharge_cap_kwh=-1.0), 4),
        (WishForm({0: DayWish("07:30:10", energy_kwh=2000.0)}), 2),
    ],
)
async def test_a_form_is_checked_whole(world, people, form, problems):
    with pytest.raises(InputError) as caught:
        await Wishes(world.desk).keep(people.driver, "T-1", form)
    assert len(caught.value.problems) == problems
