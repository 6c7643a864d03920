"""OpenID providers and the public address in the configuration."""

import pytest

from bothways.app.live.config import config_from_mapping
from bothways.app.live.signing_in import ways_to_sign_in
from bothways.domain.errors import InputError

SITE = {"id": "house", "tz": "Europe/Amsterdam", "prices": {"import_per_kwh": 0.3}}
OFFICE = {"id": "office", "issuer": "https://login.example.com", "client_id": "bothways"}


def test_the_secret_comes_from_the_environment_and_is_not_shown():
    environment = {"BOTHWAYS__OPENID__0__CLIENT_SECRET": "hunter2"}
    config = config_from_mapping({"site": [SITE], "openid": [OFFICE]}, environment)
    assert config.openid[0].client_secret == "hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ({"openid": [{**OFFICE, "issuer": "http://login.example.com"}]}, "issuer"),
        ({"openid": [{**OFFICE, "issuer": "https://login.example.com/?x=1"}]}, "issuer"),
        ({"openid": [{**OFFICE, "id": "Office Login"}]}, "id"),
        ({"openid": [{**OFFICE, "client_id": ""}]}, "client_id"),
        ({"server": {"public_url": "http://energy.example"}}, "public_url"),
        ({"server": {"public_url": "energy.example"}}, "public_url"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(part, key):
    with pytest.raises(InputError) as refused:
        config_from_mapping({"site": [SITE], **part}, {})
    assert key in str(refused.value)


def test_two_providers_of_one_name_are_refused():
    config = config_from_mapping({"site": [SITE], "openid": [OFFICE, OFFICE]}, {})
    with pytest.raises(InputError, match="names that differ"):
        ways_to_sign_in(None, None, config)


def test_addresses_of_this_machine_may_be_plain():
    config = config_from_mapping({"site": [SITE], "server": {"public_url": "http://localhost:8080"}}, {})
    assert config.server.public_url == "http://localhost:8080"
