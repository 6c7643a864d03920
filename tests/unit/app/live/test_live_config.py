"""The configuration file of the live system."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bothways.app.live.config import Config, config_from_mapping, load_config
from bothways.app.live.sources import parts_of
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid
from bothways.domain.validation import known_keys

SITE = {"id": "house", "tz": "Europe/Amsterdam", "prices": {"import_per_kwh": 0.3}}
PAGE = Path(__file__).resolve().parents[4] / "docs" / "reference" / "configuration.md"


def _problems(mapping, environment=None):
    with pytest.raises(InputError) as refused:
        config_from_mapping(mapping, environment, at="bothways.toml")
    return {problem.where: problem for problem in refused.value.problems}


def test_the_page_names_every_key_and_its_example_is_valid():
    text = PAGE.read_text(encoding="utf-8")
    for key in known_keys(Config) - {"server", "store", "site", "meter", "prices", "vehicle", "tokens"}:
        assert f"`{key}`" in text, key
    example = text.split("```toml\n")[1].split("```")[0]
    assert config_from_mapping(tomllib.loads(example)).site[0].phase_limit_kw == 27.6


def test_all_problems_come_at_once_with_the_nearest_key():
    problems = _problems(
        {"server": {"prot": 1, "log_format": "xml"}, "site": [{**SITE, "tz": "Europe/Amsterdm", "export_limit_kw": -1}]}
    )
    assert problems["bothways.toml: server.prot"].remedy == "Did you mean 'port'?"
    assert {"bothways.toml: server.log_format", "bothways.toml: site[0].tz"} <= set(problems)
    assert "bothways.toml: site[0].export_limit_kw" in problems


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_limits_are_finite(value):
    assert "bothways.toml: site[0].import_hard_limit_kw" in _problems(
        {"site": [{**SITE, "import_hard_limit_kw": float(value)}]}
    )


def test_the_environment_overrides_and_is_checked_like_the_file():
    config = config_from_mapping({"site": [SITE]}, {"BOTHWAYS__SERVER__PORT": "9100", "BOTHWAYS__SITE__0__TZ": "UTC"})
    assert (config.server.port, config.site[0].tz) == (9100, "UTC")
    assert "bothways.toml: server.prot" in _problems({"site": [SITE]}, {"BOTHWAYS__SERVER__PROT": "9100"})
    assert "environment: BOTHWAYS__SITE__7__TZ" in _problems({"site": [SITE]}, {"BOTHWAYS__SITE__7__TZ": "UTC"})
    assert "environment: BOTHWAYS__SITE__0__TZ__X" in _problems({"site": [SITE]}, {"BOTHWAYS__SITE__0__TZ__X": "1"})


def test_stations_reach_other_machines_only_over_tls():
    assert _problems({"server": {"host": "0.0.0.0"}, "site": [SITE]})
    assert config_from_mapping({"server": {"host": "0.0.0.0", "behind_proxy": True}, "site": [SITE]})
    assert _problems({"server": {"tls_key": "key.pem"}, "site": [SITE]})
    assert _problems({"server": {"client_ca": "ca.pem"}, "site": [SITE]})


def test_passwords_of_people_leave_the_machine_only_over_tls(tmp_path):
    assert _problems({"server": {"web_host": "0.0.0.0"}, "site": [SITE]})
    files = {"tls_certificate": "a.pem", "tls_key": "a.key"}
    assert config_from_mapping({"server": {"web_host": "0.0.0.0", **files}, "site": [SITE]}).server.web_tls
    assert not config_from_mapping({"server": files, "site": [SITE]}).server.web_tls
    assert not config_from_mapping({"server": {"web_host": "::", "behind_proxy": True}, "site": [SITE]}).server.web_tls
    assert _problems({"server": {"issuer_key": "ca.key"}, "site": [SITE]})


@pytest.mark.parametrize("url", ["postgres://bothways:secret-1@db/x", "mysql://:secret-1@db/x"])
def test_an_address_that_is_refused_is_shown_without_its_password(url):
    problems = _problems({"site": [SITE]}, {"BOTHWAYS__STORE__URL": url})
    assert "[hidden]@db" in problems["bothways.toml: store.url"].found
    assert "secret-1" not in str(problems)


def test_a_site_needs_prices_and_one_source_of_them():
    assert _problems({"site": [{**SITE, "prices": {}}]})
    assert _problems({"site": [{**SITE, "prices": {"import_per_kwh": 0.3, "file": "prices.csv"}}]})
    assert _problems({"site": [{**SITE, "prices": {"settings": {"unit": "currency/kWh"}}}]})
    assert _problems({"site": [{**SITE, "prices": {"file": "a.csv", "settings": {"address": "http://x"}}}]})
    assert _problems({"site": [{**SITE, "prices": {"file": "a.csv", "export_per_kwh": 0.1}}]})
    assert _problems({"site": [SITE, SITE]})
    assert _problems({"site": []})


def test_a_relative_store_lies_beside_the_file(tmp_path):
    path = tmp_path / "live.toml"
    path.write_text(
        '[store]\nurl = "sqlite:///a.db"\n[[site]]\nid = "h"\ntz = "UTC"\nprices = { import_per_kwh = 1 }\n'
    )
    assert load_config(path, {}).store.url == f"sqlite:///{tmp_path}/a.db"
    files = {"BOTHWAYS__SERVER__TLS_CERTIFICATE": "a.pem", "BOTHWAYS__SERVER__TLS_KEY": "/etc/a.key"}
    server = load_config(path, files).server
    assert (server.tls_certificate, server.tls_key) == (f"{tmp_path}/a.pem", "/etc/a.key")


def test_all_sources_are_checked_at_once(tmp_path):
    site = {
        **SITE,
        "meter": {"kind": "modbus"},
        "prices": {"file": "missing.csv", "settings": {"unit": "currency/kWh"}},
    }
    config = config_from_mapping({"site": [{**site, "tariff": "missing.json"}]})
    with pytest.raises(InputError) as refused:
        parts_of(config, tmp_path)
    places = " ".join(problem.where for problem in refused.value.problems)
    assert "missing.csv" in places
    assert "missing.json" in places
    assert "site[0].meter" in places


@pytest.mark.asyncio
async def test_flat_prices_and_files_become_sources(tmp_path):
    (tmp_path / "prices.csv").write_text(
        "start,price\n2026-05-04T00:00Z,200\n2026-05-04T01:00Z,100\n2026-05-04T02:00Z,50\n", encoding="utf-8"
    )
    priced = {**SITE, "id": "b", "prices": {"file": "prices.csv", "settings": {"unit": "currency/MWh"}}}
    parts = parts_of(config_from_mapping({"site": [SITE, priced]}), tmp_path)
    grid = TimeGrid(datetime(2026, 5, 4, tzinfo=UTC), timedelta(minutes=30), 4)
    assert (await parts.signals["house"].prices(grid)).import_price == (0.3,) * 4
    assert (await parts.signals["b"].prices(grid)).import_price == pytest.approx((0.2, 0.2, 0.1, 0.1))
    assert set(parts.settings) == {"house", "b"}
