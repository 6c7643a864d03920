"""Sequence numbers, energies and secrets, against plain reckoning."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.db.credentials import check_secret, hash_secret, new_secret
from bothways.adapters.db.meters import EXPORT, EXPORT_INTERVAL, IMPORT, IMPORT_INTERVAL, Meters
from bothways.adapters.db.values import Seen, clean, digest, finite, from_us, negative_key, short, to_us, whole
from bothways.domain.errors import DomainError, InputError

MINUTE = 60_000_000


@given(st.lists(st.integers(0, 40)))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    seen, plain = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) is (number not in plain)
        plain.add(number)
        seen = Seen.read(seen.text())
    assert all((number in seen) == (number in plain) for number in range(42))
    assert set(seen.missing(0)) == set(range(max(plain, default=0))) - plain
    assert all(low <= high for low, high in seen.ranges)


def test_a_jump_in_the_numbers_lists_a_thousand_at_most() -> None:
    seen = Seen()
    seen.add(2**31 - 1)
    assert seen.missing(0) == tuple(range(1000))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(-14, 14))
def test_instants_are_exact(at: datetime, offset: int) -> None:
    aware = at.replace(tzinfo=timezone(timedelta(hours=offset)))
    assert from_us(to_us(aware)) == aware


@given(st.text(alphabet=st.characters(), max_size=600))
def test_text_can_always_be_kept(text: str) -> None:
    kept = short(text)
    assert "\0" not in kept
    assert kept.encode() == short(kept).encode()
    assert len(kept) <= 400
    if text.isprintable() and len(text) <= 400:
        assert kept == text


def test_borders_of_parts_count() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert negative_key("x") < 0
    assert -(2**63) <= negative_key("y") < 0
    assert clean("\ud83d\ude00") == "\U0001f600"


def test_what_does_not_fit_is_refused() -> None:
    for call in (lambda: whole("n", 2**31), lambda: finite("v", math.nan), lambda: to_us(datetime(2026, 1, 1))):
        with pytest.raises(DomainError):
            call()
    assert to_us(datetime(1969, 12, 31, tzinfo=UTC)) == -86_400_000_000


readings = st.lists(
    st.tuples(st.integers(0, 8).map(lambda n: n * MINUTE), st.integers(0, 400).map(lambda n: n / 8)), max_size=12
)


@given(readings, st.randoms(use_true_random=False))
def test_energy_is_a_function_of_the_set(values: list[tuple[int, float]], chance: object) -> None:
    """In time's order, backwards or shuffled, with repeats: the same energy, and import − export is the difference."""
    key = (IMPORT, "Outlet", "")
    whole_set = Meters()
    whole_set.rebuild((key, at, value) for at, value in set(values))
    shuffled = [*values, *values[:3]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    arriving, known = Meters(), set[tuple[int, float]]()
    for at, value in shuffled:
        if (at, value) in known:
            continue
        known.add((at, value))
        if not arriving.take(key, at, value):
            arriving.rebuild((key, *one) for one in known)
    assert arriving.energy_kwh() == whole_set.energy_kwh()
    taken, given_back = arriving.energy_kwh()
    assert taken >= 0
    assert given_back >= 0
    if len(known) > 1:
        ordered = sorted(known)
        assert taken - given_back == pytest.approx(ordered[-1][1] - ordered[0][1], abs=0.011)
    assert Meters.unpack(arriving.pack()).energy_kwh() == arriving.energy_kwh()


def course(*values: tuple[str, str, float], location: str = "Outlet") -> Meters:
    meters = Meters()
    for index, (measurand, phase, value) in enumerate(values):
        assert meters.take((measurand, location, phase), index * MINUTE, value)
    return meters


def test_export_register_or_falling_import_but_never_both() -> None:
    only_export = course((IMPORT, "", 5.0), (EXPORT, "", 1.0), (IMPORT, "", 5.0), (EXPORT, "", 4.0))
    assert only_export.energy_kwh() == (0.0, 3.0)
    only_import = course((IMPORT, "", 5.0), (IMPORT, "", 2.0))
    assert only_import.energy_kwh() == (0.0, 3.0)
    below_zero = course((IMPORT, "", 0.0), (IMPORT, "", -3.0))
    assert below_zero.energy_kwh() == (0.0, 3.0)
    both = course((IMPORT, "", 5.0), (EXPORT, "", 1.0), (IMPORT, "", 2.0), (EXPORT, "", 4.0))
    assert both.energy_kwh() == (0.0, 3.0)
    negative_export = course((EXPORT, "", 0.0), (EXPORT, "", -3.0))
    assert negative_export.energy_kwh() == (0.0, 3.0)


def test_intervals_count_where_there_are_no_registers() -> None:
    intervals = course((IMPORT_INTERVAL, "", 0.5), (IMPORT_INTERVAL, "", 0.25), (EXPORT_INTERVAL, "", 0.1))
    assert intervals.energy_kwh() == (0.75, 0.1)
    with_register = course((IMPORT_INTERVAL, "", 0.5), (IMPORT, "", 7.0), (IMPORT, "", 7.4))
    assert with_register.energy_kwh() == (0.4, 0.0)


def test_the_outlet_is_asked_before_the_inlet_and_the_sum_before_the_phases() -> None:
    meters = course((IMPORT, "", 1.0), (IMPORT, "L1", 0.2), (IMPORT, "", 2.0), (IMPORT, "L1", 0.9))
    for index, value in enumerate((5.0, 9.0)):
        meters.take((IMPORT, "Inlet", ""), index * MINUTE, value)
    assert meters.energy_kwh() == (1.0, 0.0)
    assert course((IMPORT, "", 1.0), (IMPORT, "", 2.0), location="EV").energy_kwh() == (1.0, 0.0)
    neutral = course((IMPORT, "L1-N", 1.0), (IMPORT, "L2-N", 1.0), (IMPORT, "L1-N", 2.0), (IMPORT, "L2-N", 3.0))
    assert neutral.energy_kwh() == (3.0, 0.0)


def test_secrets_are_strong_and_their_hashes_salted() -> None:
    secret = new_secret()
    assert len(secret) == 40
    assert hash_secret(secret) != hash_secret(secret)
    stored = hash_secret(secret)
    assert secret not in stored
    assert check_secret(stored, secret.encode())
    assert check_secret(stored, secret.upper().encode())
    assert check_secret(stored, bytes.fromhex(secret))
    for wrong in (b"", secret[:-1].encode(), new_secret().encode(), bytes(20)):
        assert not check_secret(stored, wrong)
    assert not check_secret("", b"")
    assert not check_secret("plain$ab$cd", b"x")


def test_a_password_of_a_person_is_not_hashed_so() -> None:
    for weak in ("hunter2", "a" * 40 + "z", "", "AB" * 20, "ab" * 15):
        with pytest.raises(InputError):
            hash_secret(weak)


def test_nine_thousand_reconnects_cost_less_than_a_second() -> None:
    stored, wrong = hash_secret(new_secret()), new_secret().encode()
    begun = time.process_time()
    for _ in range(9000):
        check_secret(stored, wrong)
    assert time.process_time() - begun < 1.0
