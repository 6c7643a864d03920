"""Sign-in, sessions, invitations and permissions."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import Access, SignInRefused, token_hash
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.roles import RIGHTS, Action, Actor, Grant, NotAllowed, Role, site_scope, token_scope

PASSWORD = "four words make passphrases"
OPERATOR = (Grant(Role.SITE_OPERATOR, site_scope("house")),)


@pytest.mark.asyncio
async def test_a_right_password_opens_a_session_that_ends_by_time_and_by_hand(access, clock):
    await access.create("Ada", PASSWORD, OPERATOR)
    account, token = await access.sign_in("ada", PASSWORD)
    assert (await access.actor(token)).account_id == account.account_id
    clock.at += timedelta(hours=12)
    assert await access.actor(token) is None
    _, token = await access.sign_in("Ada", PASSWORD)
    await access.sign_out(token)
    assert await access.actor(token) is None


@pytest.mark.asyncio
async def test_a_stolen_database_opens_nothing(access):
    await access.create("Ada", PASSWORD, OPERATOR)
    _, token = await access.sign_in("Ada", PASSWORD)
    stored = token_hash(token)
    assert await access.actor(stored) is None
    assert all(token not in repr(session) for session in access.store.by_token.values())


@pytest.mark.asyncio
async def test_wrong_tries_wait_longer_and_longer_and_say_nothing_of_the_cause(access, clock):
    await access.create("Ada", PASSWORD, OPERATOR)
    said = set()
    for name in ("Ada", "nobody"):
        with pytest.raises(SignInRefused) as refused:
            await access.sign_in(name, "not the password at all")
        said.add(str(refused.value))
    assert len(said) == 1
    for _ in range(4):
        with pytest.raises(SignInRefused):
            await access.sign_in("Ada", "not the password at all")
    with pytest.raises(SignInRefused) as refused:
        await access.sign_in("Ada", PASSWORD)
    assert refused.value.wait_s > 0.0
    clock.at += timedelta(seconds=refused.value.wait_s)
    await access.sign_in("Ada", PASSWORD)


@pytest.mark.asyncio
async def test_many_names_from_one_address_are_slowed_too(access):
    for number in range(5):
        with pytest.raises(SignInRefused):
            await access.sign_in(f"guess-{number}", "whatever it may be", source="192.0.2.1")
    with pytest.raises(SignInRefused) as refused:
        await access.sign_in("fresh", "whatever it may be", source="192.0.2.1")
    assert refused.value.wait_s > 0.0


@pytest.mark.asyncio
async def test_the_second_factor_is_asked_for_and_a_code_works_once(access, clock):
    account = await access.create("Ada", PASSWORD, OPERATOR)
    secret = pyotp.random_base32()
    code = pyotp.TOTP(secret).at(clock.at)
    await access.store.replace_account(replace(account, totp_secret=secret))
    with pytest.raises(SignInRefused):
        await access.sign_in("Ada", PASSWORD)
    await access.sign_in("Ada", PASSWORD, code)
    with pytest.raises(SignInRefused):
        await access.sign_in("Ada", PASSWORD, code)


@pytest.mark.asyncio
async def test_a_used_code_stays_used_however_it_is_written_and_whatever_came_after_it(access, clock):
    account = await access.create("Ada", PASSWORD, OPERATOR)
    secret = pyotp.random_base32()
    await access.store.replace_account(replace(account, totp_secret=secret))
    earlier, later = pyotp.TOTP(secret).at(clock.at), pyotp.TOTP(secret).at(clock.at + timedelta(seconds=30))
    await access.sign_in("Ada", PASSWORD, earlier)
    clock.at += timedelta(seconds=30)
    await access.sign_in("Ada", PASSWORD, later)
    for again in (later, earlier, f"{later[:3]} {later[3:]}", "ü"):
        with pytest.raises(SignInRefused):
            await access.sign_in("Ada", PASSWORD, again)


@pytest.mark.asyncio
async def test_a_thousand_tries_at_once_are_no_way_around_the_waiting(access):
    await access.create("Ada", PASSWORD, OPERATOR)
    hashed = []
    verify = access._hasher.verify
    access._hasher.verify = lambda *given: hashed.append(1) or verify(*given)
    tries = [access.sign_in("Ada", f"guess number {n}", source="192.0.2.1") for n in range(1000)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(result, SignInRefused) for result in results)
    assert len(hashed) <= 5


@pytest.mark.asyncio
async def test_a_guesser_elsewhere_keeps_nobody_out_for_long_but_waits_long_itself(access, clock):
    for _ in range(40):
        with pytest.raises(SignInRefused):
            await access.sign_in("Ada", "not the password at all", source="192.0.2.1")
        clock.at += timedelta(minutes=15)
    with pytest.raises(SignInRefused) as there:
        await access.sign_in("Bo", "another password here", source="192.0.2.1")
    with pytest.raises(SignInRefused) as here:
        await access.sign_in("Ada", "not the password at all", source="198.51.100.1")
    assert there.value.wait_s == 0.0
    assert here.value.wait_s == 0.0
    with pytest.raises(SignInRefused) as there:
        await access.sign_in("Bo", "another password here", source="192.0.2.1")
    with pytest.raises(SignInRefused) as here:
        await access.sign_in("Ada", "not the password at all", source="198.51.100.1")
    assert there.value.wait_s == 900.0
    assert here.value.wait_s == 30.0


@pytest.mark.asyncio
async def test_another_process_knows_of_wrong_tries_and_of_used_codes(access, clock):
    other = Access(access.store, Argon2Hasher(fast=True), access.factor, clock)
    account = await access.create("Ada", PASSWORD, OPERATOR)
    secret = pyotp.random_base32()
    sealed = access.factor.sealed(secret, account.account_id)
    await access.store.replace_account(replace(account, totp_secret=sealed))
    code = pyotp.TOTP(secret).at(clock.at)
    await access.sign_in("Ada", PASSWORD, code)
    with pytest.raises(SignInRefused):
        await other.sign_in("Ada", PASSWORD, code)
    for _ in range(4):
        with pytest.raises(SignInRefused):
            await access.sign_in("Ada", "not the password at all")
    with pytest.raises(SignInRefused) as refused:
        await other.sign_in("Ada", PASSWORD)
    assert refused.value.wait_s > 0.0


@pytest.mark.asyncio
async def test_who_signs_in_and_who_guesses_is_on_record_once_each_without_the_whole_address(access):
    await access.create("Ada", PASSWORD, OPERATOR)
    await access.sign_in("Ada", PASSWORD, source="192.0.2.77", label="Firefox, Linux")
    told = {"who": "Ada", "way": "password", "network": "192.0.2.0/24", "browser": "Firefox, Linux"}
    assert access.store.noted == [("signed in", "Ada", told)]
    for _ in range(8):
        with pytest.raises(SignInRefused):
            await access.sign_in("Ada", "not the password at all", source="198.51.100.9")
    assert access.store.noted[1:] == [("wrong sign-ins", "Ada", {"tries": 5, "network": "198.51.100.0/24"})]


@pytest.mark.asyncio
async def test_a_second_factor_is_sealed_in_the_store_and_of_one_account_alone(access, clock):
    account = await access.create("Ada", PASSWORD, OPERATOR)
    _, token = await access.sign_in("Ada", PASSWORD)
    factors = SecondFactors(access, access.store)
    made = await factors.begin(token)
    code = pyotp.TOTP(made.secret).at(clock.at)
    await factors.confirm(token, code)
    kept = (await access.store.account(account.account_id)).totp_secret
    assert made.secret not in repr(access.store.by_id)
    with pytest.raises(SignInRefused):
        await access.sign_in("Ada", PASSWORD, code)
    clock.at += timedelta(minutes=1)
    await access.sign_in("Ada", PASSWORD, pyotp.TOTP(made.secret).at(clock.at))
    thief = await access.create("Bo", PASSWORD, OPERATOR)
    await access.store.replace_account(replace(thief, totp_secret=kept))
    clock.at += timedelta(minutes=1)
    with pytest.raises(SignInRefused):
        await access.sign_in("Bo", PASSWORD, pyotp.TOTP(made.secret).at(clock.at))


@pytest.mark.asyncio
async def test_an_invitation_opened_twice_at_once_sets_one_password(access):
    _, token = await access.invite("Bo", OPERATOR)
    words = ("four words of the first", "four words of the second")
    done = await asyncio.gather(*(access.accept(token, text) for text in words), return_exceptions=True)
    assert sum(isinstance(one, SignInRefused) for one in done) == 1


@pytest.mark.asyncio
async def test_a_token_makes_no_further_tokens(access):
    await access.create("Ada", PASSWORD, OPERATOR)
    _, session = await access.sign_in("Ada", PASSWORD)
    token = await access.open_token(session, timedelta(days=1), "reader")
    assert (await access.actor(token)).name == "Ada"
    with pytest.raises(SignInRefused):
        await access.open_token(token, timedelta(days=365), "for ever")


@pytest.mark.asyncio
async def test_an_invitation_works_once_and_not_for_ever(access, clock):
    account, token = await access.invite("Bo", OPERATOR)
    assert await access.actor(token) is None, "an invitation is not a session"
    with pytest.raises(SignInRefused):
        await access.sign_in("Bo", "")
    with pytest.raises(InputError):
        await access.accept(token, "short")
    await access.accept(token, PASSWORD)
    with pytest.raises(SignInRefused):
        await access.accept(token, PASSWORD)
    assert (await access.sign_in("Bo", PASSWORD))[0].account_id == account.account_id
    _, late = await access.invite("Cy", OPERATOR)
    clock.at += timedelta(days=4)
    with pytest.raises(SignInRefused):
        await access.accept(late, PASSWORD)


@pytest.mark.asyncio
async def test_all_faults_of_a_new_account_at_once(access):
    await access.create("Ada", PASSWORD, OPERATOR)
    with pytest.raises(InputError) as refused:
        await access.create("ada", "ada", OPERATOR)
    assert {problem.where for problem in refused.value.problems} == {"account: name", "account: password"}


@pytest.mark.asyncio
async def test_a_new_password_ends_all_sessions(access):
    account = await access.create("Ada", PASSWORD, OPERATOR)
    _, token = await access.sign_in("Ada", PASSWORD)
    await access.set_password(account, "another four words here")
    assert await access.actor(token) is None


@given(st.sampled_from(list(Role)), st.sampled_from(list(Action)), st.sampled_from(["house", "mill"]))
def test_a_grant_reaches_its_scope_and_no_further(role, action, site):
    actor = Actor("1", "someone", (Grant(role, site_scope("house")),))
    assert actor.may(action, site_scope(site)) == (site == "house" and action in RIGHTS[role])
    assert not actor.may(action, token_scope("house"))
    assert not actor.may(action)
    assert not Actor("2", "nobody", ()).may(action, site_scope(site))


def test_only_administrators_manage_accounts():
    assert {role for role, rights in RIGHTS.items() if Action.ACCOUNT_MANAGE in rights} == {Role.ADMINISTRATOR}
    assert Action.SITE_VIEW not in RIGHTS[Role.CONTRACTOR]


def test_a_refusal_is_a_sentence():
    with pytest.raises(NotAllowed, match=r"Bo may not do site\.stop on site:house"):
        Actor("1", "Bo", ()).require(Action.SITE_STOP, site_scope("house"))
