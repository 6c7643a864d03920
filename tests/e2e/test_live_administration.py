"""Administration of the live system from the command line, as a person does it."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bothways.adapters.db.store import open_store
from bothways.app.cli import runtime
from bothways.app.cli.main import app
from bothways.app.live.config import load_config
from bothways.app.live.register import StoredRegister

BOTHWAYS = Path(sys.executable).with_name("bothways")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "live.toml"
    path.write_text(
        f"""
[server]
port = 0
web_port = 0
[store]
url = "sqlite:///{tmp_path}/live.db"
[[site]]
id = "house"
tz = "Europe/Amsterdam"
import_hard_limit_kw = 40.0
[site.prices]
import_per_kwh = 0.3
""",
        encoding="utf-8",
    )
    return path


def run(*words, code=0):
    """Runs a command in this process, as the command line would; returns what it printed, or its complaint."""
    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        try:
            app([str(word) for word in words], standalone_mode=False)
            status = 0
        except Exception as error:  # noqa: BLE001 - as the command line does
            status = runtime.explain(error)
    assert status == code, said.getvalue() + complaint.getvalue()
    return said.getvalue() if code == 0 else complaint.getvalue()


def test_a_station_is_added_once_its_secret_shown_once_and_its_id_never_given_again(config):
    added = json.loads(run("station", "add", config, "CP-1", "--discharge", "v2x", "--discharge-kw", 10, "--json"))
    assert len(added["secret"]) == 40
    assert added["secret"].encode() not in Path(str(config).replace(".toml", ".db")).read_bytes()
    (listed,) = json.loads(run("station", "list", config, "--json"))
    assert listed["evses"][0]["discharge_kw"] == 10.0
    assert listed["accepted_at"] is None
    assert "this one exists" in run("station", "add", config, "CP-1", code=2)
    assert json.loads(run("station", "new-secret", config, "CP-1", "--json"))["secret"] != added["secret"]
    run("station", "remove", config, "CP-1")
    assert "no stations yet" in run("station", "list", config)
    assert "existed before" in run("station", "add", config, "CP-1", code=2)


def test_all_faults_of_a_station_at_once_and_nothing_is_added(config):
    words = ["C P", "--site", "x", "--evses", 0, "--charge-kw", 11000, "--discharge", "guess", "--phases", 4]
    told = run("station", "add", config, *words, code=2)
    for place in ("STATION", "--site", "--evses", "--charge-kw", "--discharge", "--phases"):
        assert f"station: {place}" in told
    assert "no stations yet" in run("station", "list", config)


def test_discharging_is_stated_before_it_gets_a_power(config):
    assert "--discharge-kw" in run("station", "add", config, "CP-1", "--discharge-kw", 10, code=2)


def test_a_permission_is_recorded_whole_or_not_at_all(config):
    good = ["house", "--agreement", "A-1", "--export-kw", 10, "--protection", "NA-7"]
    assert "still valid" in run("permit", config, *good, "--certificate", "SS1=2020-01-01", code=2)
    assert "none yet" in run("doctor", config)  # it only looks: there is no store until somebody writes
    assert "no stations yet" in run("station", "list", config)
    assert "no connection agreement" in run("doctor", config)
    assert "are permitted" in run("permit", config, *good, "--certificate", "SS1=2999-01-01")
    assert "house: recorded and valid" in run("doctor", config)


def test_what_a_pair_can_do_is_recorded_whole_or_not_at_all(config):
    bad = [
        "pair",
        config,
        "T-1",
        " ",
        "--source",
        "",
        "--discharge-kw",
        10_000,
        "--uses",
        "V2X",
        "--connector",
        "Schuko",
    ]
    told = run(*bad, code=2)
    for place in ("CHARGER", "--source", "--uses", "--connector", "--discharge-kw"):
        assert f"pair: {place}" in told
    good = ["pair", config, "T-1", "vendor model", "--source", "test of 4 May", "--discharge-kw", 10]
    assert "uses with a power" in run(*good, code=2)
    assert "discharges up to 10 kW (V2H, V2G)" in run(*good, "--uses", "V2H, V2G")

    async def ability():
        store = await open_store(load_config(config).store.url)
        register = StoredRegister(store)
        await register.refresh()
        await store.close()
        return register.ability("T-1", "vendor model")

    assert asyncio.run(ability()).discharge_kw == 10.0
    run("pair", config, "T-1", "vendor model", "--source", "the maker", "--discharge-kw", 0, "--connector", "AC")
    assert not asyncio.run(ability()).discharge


def test_the_last_administrator_comes_in_again_after_losing_everything(config):
    run("account", "invite", config, "Ada", "--role", "administrator", "--scope", "*", "--email", "ada@example.org")

    async def lose():
        store = await open_store(load_config(config).store.url)
        account = await store.account_by_name("Ada")
        await store.replace_account(replace(account, totp_secret="LOST", disabled=True))
        await store.keep_recovery(account.account_id, ["lost"])
        await store.close()
        return account

    lost = asyncio.run(lose())
    assert lost.email == "ada@example.org"
    told = json.loads(run("account", "recover", config, "Ada", "--json"))
    assert told["link"].endswith(f"/invitation/{told['token']}")
    (row,) = json.loads(run("account", "list", config, "--json"))
    assert (row["disabled"], row["second_factor"]) == (False, False)

    async def left():
        store = await open_store(load_config(config).store.url)
        sessions = await store.sessions(lost.account_id)
        codes = await store.recovery_left(lost.account_id)
        await store.close()
        return [session.purpose for session in sessions], codes

    assert asyncio.run(left()) == (["invitation"], 0)
    run("account", "recover", config, "Nobody", code=2)
    config.write_text(config.read_text().replace("[server]", '[server]\npublic_url = "https://energy.example/"'))
    assert "https://energy.example/invitation/" in run("account", "recover", config, "Ada")


def test_people_are_invited_and_disabled(config):
    assert "none yet" in run("doctor", config)
    told = json.loads(run("account", "invite", config, "Ada", "--role", "administrator", "--scope", "*", "--json"))
    assert told["link"].endswith(told["token"])
    assert "Ada" in run("account", "list", config)
    assert "token:ID for a driver" in run("account", "invite", config, "Bo", "--role", "driver", "--scope", "*", code=2)
    run("account", "disable", config, "ada")
    (row,) = json.loads(run("account", "list", config, "--json"))
    assert row["disabled"]


def test_the_doctor_names_what_is_broken(config, tmp_path):
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(f"{tmp_path}/live.db", f"{tmp_path}/missing/live.db"), encoding="utf-8")
    done = subprocess.run([BOTHWAYS, "doctor", config], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not exist" in done.stdout
    assert "Traceback" not in done.stderr


def test_serve_says_what_it_needs(tmp_path):
    assert "CONFIG or --demo" in run("serve", code=2)
    assert "no such file" in run("serve", tmp_path / "nothing.toml", code=2)


def _serving(config, **environment):
    words = [BOTHWAYS, "serve", config]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def test_serve_refuses_what_it_cannot_use_in_words(config, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = str(other.getsockname()[1])
        for name in ("PORT", "WEB_PORT"):
            process = _serving(config, **{f"BOTHWAYS__SERVER__{name}": port})
            said = process.communicate(timeout=60)[1]
            assert process.returncode == 2, said
            assert f"server.{name.lower()}" in said
            assert "Traceback" not in said
        away = f"postgresql://bothways:a-secret-1@127.0.0.1:{port}/x"
    for url, code in ((away, 1), (f"sqlite:///{tmp_path}", 2)):
        process = _serving(config, BOTHWAYS__STORE__URL=url, BOTHWAYS__STORE__WAIT_S="3")
        said = process.communicate(timeout=60)[1]
        assert process.returncode == code, said
        assert ("the database does not answer; trying again" in said) == (code == 1)
        assert "a-secret-1" not in said
        assert "Traceback" not in said


def test_serve_stops_on_one_signal_and_at_once_on_a_second(config):
    for times in (1, 2):
        process = _serving(config)
        for line in process.stderr:
            if "serving" in line:
                break
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
        assert "Traceback" not in said
        assert process.returncode in ({0} if times == 1 else {0, 130}), said


def test_the_demonstration_is_ready_signs_in_and_ends(tmp_path):
    words = ["serve", "--demo", "--port", "0", "--web-port", "0", "--duration", "3"]
    done = subprocess.run([BOTHWAYS, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "ready after" in done.stdout
    assert "admin" not in done.stdout
