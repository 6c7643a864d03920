"""Roles of processes and the bus in the configuration: what is refused, in which words, and no secret in them."""

import tomllib
from pathlib import Path

import pytest

from bothways.app.live.config import config_from_mapping, load_config
from bothways.app.live.roles import ALL, Role, bus_options, roles_of
from bothways.domain.errors import InputError

SITE = {"id": "house", "tz": "UTC", "prices": {"import_per_kwh": 0.3}}
PAGE = Path(__file__).resolve().parents[4] / "docs" / "reference" / "configuration.md"
BLOCKS = [part.split("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```toml\n")[1:]]
ISLAND = next(block for block in BLOCKS if block.startswith("[site.island]"))
SECRET = "a-very-secret-word"
LOCAL = {"url": "nats://127.0.0.1:4222"}
FAR = {"url": "tls://bus.example.org:4222"}


def config(bus=None, store="postgresql://bothways@db/bothways", environment=None, **site):
    mapping = {"store": {"url": store}, "site": [{**SITE, **site}]} | ({"bus": bus} if bus is not None else {})
    return config_from_mapping(mapping, environment)


@pytest.mark.parametrize(
    ("words", "roles"),
    [
        ([], ALL), (["all"], ALL), (["gateway"], {Role.GATEWAY}), (["planner,web"], {Role.PLANNER, Role.WEB}),
        (["planner", "web", "gateway"], ALL), (["web", "all"], ALL),
    ],
)  # fmt: skip
def test_roles_are_read(words, roles):
    assert roles_of(words, config(LOCAL)) == roles


def test_a_part_of_the_roles_needs_a_bus_and_unknown_ones_are_refused():
    with pytest.raises(InputError, match="no bus connects"):
        roles_of(["gateway"], config(store="sqlite:///x.db"))
    with pytest.raises(InputError, match="gateway, planner, web or all"):
        roles_of(["gatway"], config(LOCAL))
    assert roles_of(["all"], config(store="sqlite:///x.db")) == ALL


@pytest.mark.parametrize(
    ("bus", "words"),
    [
        ({"user": "u"}, "url"),
        (LOCAL | {"user": "u"}, "both user and password"),
        (LOCAL | {"password": SECRET}, "both user and password"),
        ({"url": "http://127.0.0.1"}, "nats://"),
        ({"url": f"nats://u:{SECRET}@127.0.0.1:4222"}, "keys of their own"),
        ({"url": "nats://bus.example.org:4222", "user": "u", "password": SECRET}, "needs TLS"),
        (FAR, "who connects"),
        (FAR | {"user": "u", "password": SECRET, "lease_s": 0.1}, "a number of at least 1"),
        (LOCAL | {"name": "a.b"}, "pattern"),
    ],
)
def test_a_bus_that_is_not_safe_or_not_complete_is_refused_without_showing_secrets(bus, words):
    with pytest.raises(InputError, match=words) as caught:
        config(bus)
    assert SECRET not in str(caught.value)


def test_several_processes_need_postgresql_and_an_island_is_one_process():
    with pytest.raises(InputError, match="need PostgreSQL") as caught:
        config(LOCAL | {"user": "u", "password": SECRET}, store="sqlite:///x.db")
    assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match="one process, at the building"):
        config(LOCAL, island=tomllib.loads(ISLAND)["site"]["island"])


def test_secrets_come_from_the_environment_and_are_not_shown():
    given = config(FAR | {"user": "planner"}, environment={"BOTHWAYS__BUS__PASSWORD": SECRET})
    options = bus_options(given)
    assert options.password == SECRET
    assert SECRET not in repr(options) + repr(given)
    assert (options.servers, options.prefix, options.lease_s) == (("tls://bus.example.org:4222",), "bothways", 3.0)


def test_the_files_of_the_guide_are_as_it_says(monkeypatch):
    monkeypatch.setenv("BOTHWAYS__BUS__PASSWORD", SECRET)
    folder = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "scale-out"
    many = load_config(folder / "bothways.toml")
    assert bus_options(many).password == SECRET
    assert roles_of(["gateway"], many) == {Role.GATEWAY}
    monkeypatch.delenv("BOTHWAYS__BUS__PASSWORD")
    with pytest.raises(InputError, match="no bus connects"):
        roles_of(["gateway"], load_config(folder / "one-process.toml"))


def test_the_unit_of_one_among_many_is_as_guarded_as_the_unit_of_one():
    folder = Path(__file__).resolve().parents[4] / "packaging" / "systemd"
    one, many = (
        [line for line in (folder / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        for name in ("bothways.service", "bothways@.service")
    )
    differing = ("Description=", "EnvironmentFile=", "Environment=BOTHWAYS__STORE__URL=", "ExecStart=")
    assert [line for line in one if not line.startswith(differing)] == [
        line for line in many if not line.startswith(differing)
    ]
    (command,) = [line for line in many if line.startswith("ExecStart=")]
    assert command.endswith("serve %E/bothways/bothways.toml --role %i")
    assert not any("sqlite" in line for line in many)
