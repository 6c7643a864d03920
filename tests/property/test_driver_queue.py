"""The queue for shared charging points: the rule as it is stated, for any order of what happens."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.operations.desk.driver.line import (
    CALLED_FOR,
    MOST_LATER,
    Queue,
    advanced,
    as_values,
    expected,
    joined,
    left,
    order_at,
    queue_from,
    release_asked,
    swap_answered,
    swap_asked,
)

NOW = datetime(2026, 5, 4, 18, 0, tzinfo=UTC)
EMPTY = Queue("garage", "house", ("CP-1/1", "CP-1/2"))
comers = st.lists(st.tuples(st.integers(0, 600), st.floats(0.0, 200.0)), min_size=1, max_size=12)


def _filled(rows):
    queue = EMPTY
    for number, (minute, used) in enumerate(sorted(rows)):
        queue = joined(queue, f"p{number:02d}", f"T-{number}", NOW + timedelta(minutes=minute), used, 4.0)
    return queue


@given(comers)
def test_nobody_gets_ahead_of_who_came_two_hours_before_and_equals_come_first_come_first_served(rows):
    order = _filled(rows).order
    for ahead, first in enumerate(order):
        for later in order[ahead + 1 :]:
            assert first.joined_at <= later.joined_at + MOST_LATER
    equal = _filled([(minute, 3.0) for minute, _ in rows]).order
    assert [item.joined_at for item in equal] == sorted(item.joined_at for item in equal)


@given(comers, st.data())
def test_to_have_used_more_never_helps(rows, data):
    queue = _filled(rows)
    who = data.draw(st.sampled_from(queue.places))
    used = dict(zip([place.holder for place in queue.places], [used for _, used in sorted(rows)], strict=True))
    assert who.order_at == order_at(who.joined_at, used[who.holder])
    assert order_at(who.joined_at, used[who.holder] + 5.0) >= who.order_at


@given(
    comers,
    st.lists(st.tuples(st.integers(0, 40), st.sets(st.sampled_from(EMPTY.evses)), st.integers(0, 13)), max_size=30),
)
def test_a_charging_point_is_one_persons_at_a_time_and_everybody_has_a_turn_or_leaves(rows, events):
    queue, now = _filled(rows), NOW + timedelta(hours=10)
    for minutes, free, comer in events:
        now += timedelta(minutes=minutes)
        plugged = {evse: f"T-{comer}" for evse in EMPTY.evses if evse not in free}
        queue = advanced(queue, now, free, plugged)
        called = [place.called for place in queue.places if place.called]
        assert len(called) == len(set(called))
        assert set(called) <= set(free)
        assert all(place.until > now for place in queue.places if place.called)
        assert not {place.holder for place in queue.places} & set(plugged.values())
        waiting = [place for place in queue.order if not place.called]
        assert not waiting or len(called) == len(free), "nothing stays free while somebody waits"
        assert queue_from(as_values(queue)) == queue
    for _ in range(4 * len(rows)):  # whoever never comes is called twice and is out: nobody blocks the queue
        now += CALLED_FOR
        queue = advanced(queue, now, set(EMPTY.evses), {})
    assert queue.places == ()


@given(comers, st.data())
def test_swapping_changes_no_other_turn_and_needs_both(rows, data):
    queue = _filled(rows)
    if len(queue.places) < 2:
        return
    mine, other = data.draw(st.permutations(queue.places))[:2]
    asked = swap_asked(queue, "s", mine.holder, other.place_id)
    with pytest.raises(DomainError, match="already"):
        swap_asked(asked, "t", mine.holder, other.place_id)
    with pytest.raises(DomainError, match="nobody asks"):
        swap_answered(asked, "s", mine.holder, NOW, "n", agrees=True)
    assert swap_answered(asked, "s", other.holder, NOW, "n", agrees=False) == queue
    agreed = swap_answered(asked, "s", other.holder, NOW, "n", agrees=True)
    others = {mine.holder, other.holder}
    before = [None if place.holder in others else place.holder for place in queue.order]
    after = [None if place.holder in others else place.holder for place in agreed.order]
    assert before == after
    assert left(asked, other.holder).swaps == ()


def test_whoever_is_next_asks_for_room_and_gives_the_turn_in_exchange():
    queue = _filled([(0, 0.0), (5, 0.0)])
    with pytest.raises(DomainError, match="next"):
        release_asked(queue, "s", "T-1", "CP-1/1", "CAR")
    asked = release_asked(queue, "s", "T-0", "CP-1/1", "CAR")
    plugged = {"CP-1/1": "CAR", "CP-1/2": "VAN"}
    assert advanced(asked, NOW, set(), plugged).swaps == asked.swaps
    assert advanced(asked, NOW, set(), {"CP-1/1": "BUS", "CP-1/2": "VAN"}).swaps == (), "the one asked has gone"
    agreed = swap_answered(asked, "s", "CAR", NOW, "new", agrees=True)
    assert [(place.holder, place.called) for place in agreed.order][:1] == [("T-0", "CP-1/1")]
    kept = advanced(agreed, NOW + timedelta(minutes=1), set(), plugged)
    assert kept.of("CAR") is not None, "the promise is not yet kept"
    late = advanced(agreed, NOW + timedelta(minutes=31), set(), plugged)
    assert (late.of("CAR"), late.of("T-0").called, late.of("T-0").missed) == (None, "", 0), "nobody made room"
    soon = advanced(agreed, NOW + timedelta(minutes=5), {"CP-1/1"}, {"CP-1/2": "VAN"})
    assert soon.of("T-0").called == "CP-1/1"
    assert soon.of("CAR").order_at == queue.of("T-0").order_at, "the next turn is theirs"
    done = advanced(soon, NOW + timedelta(minutes=9), set(), {"CP-1/1": "T-0", "CP-1/2": "VAN"})
    assert [place.holder for place in done.order] == ["CAR", "T-1"]


def test_turns_are_estimated_one_after_the_other():
    queue = _filled([(0, 0.0), (1, 0.0), (2, 0.0)])
    ends = {"CP-1/1": NOW + timedelta(hours=1), "CP-1/2": NOW + timedelta(hours=2)}
    found = expected(queue, NOW, ends)
    assert [found[place.place_id] - NOW for place in queue.order] == [timedelta(hours=h) for h in (1, 2, 5)]
    assert set(expected(queue, NOW, dict.fromkeys(ends)).values()) == {None}, "nobody knows when"


def test_who_may_join():
    closed = Queue("garage", "house", ("CP-1/1",), ("T-1",))
    with pytest.raises(DomainError, match="belong"):
        joined(closed, "p", "T-2", NOW, 0.0, 4.0)
    inside = joined(closed, "p", "T-1", NOW, 0.0, 4.0)
    with pytest.raises(DomainError, match="already"):
        joined(inside, "q", "T-1", NOW, 0.0, 4.0)
