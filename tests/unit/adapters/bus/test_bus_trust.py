"""Who may use the bus and how it is protected, with real servers: TLS, passwords, JetStream, and what is said of it."""

import contextlib

import pytest
from bus_doubles import options_of, processes, until
from nats_server import BINARY, NatsServer
from ocpp_certificates import Authority

from bothways.adapters.bus.connection import Bus
from bothways.adapters.bus.options import BusOptions
from bothways.adapters.bus.probe import BusLook, look_at
from bothways.domain.errors import InputError

SECRET = "a-very-secret-word"
WHO = ("--user", "planner", "--pass", SECRET)


@contextlib.contextmanager
def serving(*words, **more):
    if not BINARY.exists():
        pytest.skip("there is no NATS server on this platform")
    server = NatsServer(*words, **more)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def guarded(tmp_path):
    """A server with TLS and a password, and the authority that signed its certificate."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("bus")
    with serving("--tls", "--tlscert", certificate, "--tlskey", key, *WHO, scheme="tls") as server:
        yield server, authority


async def refused(options):
    """What is said of a bus that cannot be used."""
    bus = Bus(options, "test")
    await bus.start()
    try:
        await until(lambda: bus.failure != "not connected yet")
        assert not bus.connected
        return bus.failure
    finally:
        await bus.close()


@pytest.mark.asyncio
async def test_orders_leases_and_a_look_by_tls_with_a_password(guarded):
    server, authority = guarded
    who = {"user": "planner", "password": SECRET, "ca": authority.file}
    seen = await look_at(options_of(server, **who))
    assert isinstance(seen, BusLook)
    assert (seen.encrypted, seen.made) == (True, False)
    options = options_of(server, **who)
    async with processes(options, None, None) as made:
        leases = [process.lease() for process in made]
        await until(lambda: sum(lease.epoch() is not None for lease in leases) == 1)
        seen = await look_at(options)
        assert isinstance(seen, BusLook)
        assert seen.made


@pytest.mark.asyncio
async def test_a_wrong_password_and_another_authority_are_refused_and_said_without_secrets(guarded, tmp_path):
    server, authority = guarded
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    wrong = {"user": "planner", "password": "another-secret-word"}
    for more, words in (
        (wrong | {"ca": authority.file}, ("authorization violation", "is who connects allowed to")),
        ({"user": "planner", "password": SECRET, "ca": other.file}, ("certificate verify failed",)),
    ):
        said = await look_at(options_of(server, **more))
        assert isinstance(said, str)
        failure = await refused(options_of(server, **more))
        for text in (said, failure):
            assert any(word in text.lower() for word in words), text
            assert "secret" not in text


@pytest.mark.asyncio
async def test_a_look_says_that_nobody_is_there_or_that_jetstream_is_missing():
    assert "no connection" in str(await look_at(BusOptions(servers=("nats://127.0.0.1:9",))))
    with serving(jetstream=False) as server:
        assert "start the servers with -js" in str(await look_at(options_of(server)))


def test_files_that_cannot_be_used_are_problems_of_the_input_and_come_together(tmp_path):
    nothing, rubbish = str(tmp_path / "nothing.creds"), tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate", encoding="utf-8")
    options = BusOptions(servers=("tls://bus.example.org:4222",), credentials=nothing, ca=str(rubbish))
    with pytest.raises(InputError) as caught:
        Bus(options, "test")
    assert [problem.where for problem in caught.value.problems] == ["bus: credentials", "bus: ca"]
