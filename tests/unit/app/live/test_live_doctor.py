"""The doctor only looks: a database that is missing or behind is said to be so, and stays as it is.

What stands beside the system is looked at too: certificates, the bus, meters, prices, and what stations never sent.
"""

import asyncio
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from bothways.adapters.db.engine import migrate, pending
from bothways.adapters.db.store import open_store
from bothways.app.live.checks_beside import bus
from bothways.app.live.checks_machine import clock
from bothways.app.live.config import config_from_mapping, load_config
from bothways.app.live.doctor import examine
from bothways.app.live.serve import warn_of_certificates
from bothways.operations.events import Sample, TransactionChanged


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bothways.toml"
    path.write_text(
        f"""
[store]
url = "sqlite:///{tmp_path}/live.db"
[server]
port = 0
web_port = 0
[[site]]
id = "house"
tz = "UTC"
[site.prices]
import_per_kwh = 0.3
""",
        encoding="utf-8",
    )
    return path


def findings(config, capsys, check="store", sound=True):
    assert examine(config, as_json=True) is sound
    return [row for row in json.loads(capsys.readouterr().out) if row["check"] == check]


def revision(file):
    with sqlite3.connect(file) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_database_that_is_not_there_is_not_made(config, tmp_path, capsys):
    (row,) = findings(config, capsys)
    assert row["verdict"] == "look"
    assert "none yet" in row["text"]
    assert not (tmp_path / "live.db").exists()


def test_a_schema_that_is_behind_stays_so(config, tmp_path, capsys):
    url, file = f"sqlite:///{tmp_path}/live.db", tmp_path / "live.db"
    newest = migrate(url)
    assert pending(url) == 0
    assert "current" in findings(config, capsys)[0]["text"]
    with sqlite3.connect(file) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert pending(url) >= 1
    (row,) = findings(config, capsys)
    assert row["verdict"] == "look"
    assert "behind" in row["text"]
    assert "Back it up" in row["remedy"]
    assert revision(file) == "0001" != newest


def certificate(folder, begins, ends):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "energy.example")])
    build = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    build = build.serial_number(1).not_valid_before(begins).not_valid_after(ends)
    pem = build.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "tls.pem").write_bytes(pem)
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "tls.key").write_bytes(pem)


@pytest.mark.parametrize(
    ("begins", "ends", "verdict", "words"),
    [(-90, -1, "broken", "expired on"), (-80, 10, "look", "valid until"), (-1, 89, "good", "valid until"),
     (1, 90, "broken", "on only")],
)  # fmt: skip
def test_certificates_are_held_against_their_dates(config, tmp_path, capsys, begins, ends, verdict, words):
    now = datetime.now(tz=UTC)
    certificate(tmp_path, now + timedelta(days=begins), now + timedelta(days=ends))
    text = config.read_text(encoding="utf-8")
    tls = 'web_port = 0\ntls_certificate = "tls.pem"\ntls_key = "tls.key"\nclient_ca = "tls.pem"'
    config.write_text(text.replace("web_port = 0", tls), encoding="utf-8")
    for check in {"TLS", "client_ca"} - missing(verdict):
        (row,) = findings(config, capsys, check, sound=verdict != "broken")
        assert row["verdict"] == verdict
        assert words in row["text"]
    with capture_logs() as told:
        warn_of_certificates(load_config(config), now)  # as `bothways serve` does
    assert {line["which"] for line in told} == (set() if verdict == "good" else {"TLS", "client_ca"} - missing(verdict))
    assert all(words in line["found"] for line in told)


def missing(verdict):
    """Checks that are not made where the server's own certificate cannot be used."""
    return {"client_ca"} if verdict == "broken" else set()


def test_the_kernel_is_asked_about_its_clock():
    assert [row.verdict for row in clock()] in ([], ["good"], ["look"])


def test_a_bus_that_nobody_serves_is_broken_and_none_is_nothing():
    part = {"id": "house", "tz": "UTC", "prices": {"import_per_kwh": 0.3}}
    without = config_from_mapping({"site": [part]})
    assert asyncio.run(bus(without)) == []
    mapping = {"site": [part], "store": {"url": "postgresql://x@127.0.0.1/x"}, "bus": {"url": "nats://127.0.0.1:9"}}
    (row,) = asyncio.run(bus(config_from_mapping(mapping)))
    assert row.verdict == "broken"
    assert "no connection" in row.text


def test_meters_and_prices_are_read_once(config, tmp_path, capsys):
    (row,) = findings(config, capsys, "prices")
    assert (row["verdict"], row["text"]) == ("good", "house: 0.300 to 0.300 per kWh in the next 4 hours")
    (tmp_path / "meter.csv").write_text("at,power_kw\n2026-01-01T00:00:00Z,12.5\n", encoding="utf-8")
    with config.open("a", encoding="utf-8") as file:
        file.write('[site.meter]\nkind = "file"\n[site.meter.settings]\npath = "meter.csv"\n')
    (row,) = findings(config, capsys, "meter")
    assert (row["verdict"], row["text"][:14]) == ("good", "house: +12.5 k")
    (tmp_path / "meter.csv").write_text("at,power\n", encoding="utf-8")
    (row,) = findings(config, capsys, "sources", sound=False)
    assert row["verdict"] == "broken"
    assert "meter.csv" in row["text"]


async def ended_without(url, lost):
    """Stores a transaction of six events of which some never came."""
    store = await open_store(url)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(6):
        samples = (Sample(at, "Energy.Active.Import.Register", 1.0 * number, "kWh"),)
        event = TransactionChanged(
            station_id="CP-1", at=at, received_at=at, kind="updated", transaction_id="t-1", evse_id=1, seq_no=number,
            samples=samples,
        )  # fmt: skip
        kind = {0: "started", 5: "ended"}.get(number, "updated")
        if number not in lost:
            await store.append(replace(event, kind=kind))
        at += timedelta(minutes=1)
    await store.close()


def test_events_that_never_arrived_are_shown(config, tmp_path, capsys):
    asyncio.run(ended_without(f"sqlite:///{tmp_path}/live.db", (2, 3)))
    (row,) = findings(config, capsys, "transactions")
    assert row["verdict"] == "look"
    assert "CP-1 t-1: 2, 3" in row["text"]
    assert row["remedy"]
