"""Second factors from before they were sealed, the command that makes the key, and servers that share one."""

import asyncio

import pytest
from typer.testing import CliRunner

from bothways.adapters.db.store import open_store
from bothways.adapters.trust.keys import is_sealed
from bothways.app.cli.main import app
from bothways.app.live.config import load_config
from bothways.app.live.signing_in import keys_of, seal_all
from bothways.operations.access.accounts import Account

CONFIG = """
[store]
url = "sqlite:///live.db"

[[site]]
id = "house"
tz = "Europe/Amsterdam"
import_hard_limit_kw = 80.0

[site.prices]
import_per_kwh = 0.28
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "site.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "site.toml"


def _in_store(path, work):
    async def run():
        store = await open_store(load_config(path, {}).store.url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def _secrets(store):
    return {account.account_id: account.totp_secret for account in await store.accounts()}


async def _as_before(store):
    for name, secret in (("ada", "JBSWY3DP"), ("bo", "KRSXG5A"), ("cy", "")):
        await store.add_account(Account(name, name, "", (), secret))


def test_the_command_makes_the_key_seals_what_lay_open_and_renews(path):
    _in_store(path, _as_before)
    said = CliRunner().invoke(app, ["account", "key", str(path)])
    assert said.exit_code == 0, said.output
    assert "made" in said.output
    assert "just now: 2" in said.output
    key = path.with_name("secrets.key")
    assert key.stat().st_mode & 0o777 == 0o600
    first = _in_store(path, _secrets)
    assert (is_sealed(first["ada"]), first["cy"]) == (True, "")
    again = CliRunner().invoke(app, ["account", "key", str(path)])
    assert "is there already" in again.output
    assert _in_store(path, _secrets) == first
    renewed = CliRunner().invoke(app, ["account", "key", str(path), "--rotate"])
    assert "just now: 2" in renewed.output
    second = _in_store(path, _secrets)
    assert set(second.values()).isdisjoint({first["ada"], first["bo"]})
    assert keys_of(load_config(path, {})).open(second["bo"], "bo") == "KRSXG5A"
    assert len(key.read_text(encoding="ascii").split()) == 2


def test_a_server_seals_at_its_start_and_stays_without_a_key_that_several_must_share(path):
    _in_store(path, _as_before)
    shared = replace_bus(load_config(path, {}))
    assert _in_store(path, lambda store: seal_all(store, keys_of(shared))) == 0
    assert not path.with_name("secrets.key").exists()
    assert _in_store(path, lambda store: seal_all(store, keys_of(load_config(path, {})))) == 2
    assert _in_store(path, lambda store: seal_all(store, keys_of(shared))) == 0
    sealed = _in_store(path, _secrets)
    assert keys_of(shared).open(sealed["ada"], "ada") == "JBSWY3DP"
    assert keys_of(shared).open(sealed["ada"], "bo") == ""


def replace_bus(config):
    bus = config.bus.model_copy(update={"url": "nats://127.0.0.1:4222"})
    return config.model_copy(update={"bus": bus})
