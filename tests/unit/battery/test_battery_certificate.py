"""Certificates: what they say, their canonical bytes, and what is no certificate."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bothways.battery.certificate import FORMAT, Certificate, canonical_bytes, parse_certificate, payload_of
from bothways.battery.health import Visit, build_record
from bothways.domain.errors import DomainError, InputError

START = datetime(2025, 1, 1, tzinfo=UTC)


def record() -> object:
    stays = [Visit(START, START + timedelta(hours=10), 32.0, 0.0, 0.3, 0.8, 12.0)]
    return build_record("b1", 60.0, stays)


def test_what_it_says() -> None:
    payload = payload_of(record(), issuer="Depot Ltd", issued=START)  # type: ignore[arg-type]
    assert payload["battery_id"] == "b1"
    assert payload["issuer"] == "Depot Ltd"
    capacity = payload["capacity"]
    assert isinstance(capacity, dict)
    assert capacity["kwh"] == pytest.approx(57.6)
    assert capacity["health"] == pytest.approx(0.96)
    assert capacity["health_low"] < 0.96 < capacity["health_high"]
    with pytest.raises(DomainError, match="issuer"):
        payload_of(record(), issuer=" ", issued=START)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="aware"):
        payload_of(record(), issuer="x", issued=datetime(2025, 1, 1))  # type: ignore[arg-type]


def test_bytes_do_not_depend_on_order_or_on_reading_back() -> None:
    payload = payload_of(record(), issuer="Dépôt", issued=START)  # type: ignore[arg-type]
    signed = canonical_bytes(payload)
    assert canonical_bytes(json.loads(json.dumps(payload, indent=4, ensure_ascii=False))) == signed
    assert canonical_bytes(dict(reversed(list(payload.items())))) == signed
    with pytest.raises(DomainError, match="plain JSON"):
        canonical_bytes({"a": float("nan")})
    with pytest.raises(DomainError, match="plain JSON"):
        canonical_bytes({"a": b"x"})


def test_there_and_back() -> None:
    certificate = Certificate({"a": 1}, bytes(range(32)), bytes(64))
    assert parse_certificate(certificate.as_json(), "c.json") == certificate


def test_all_faults_at_once() -> None:
    good = Certificate({"a": 1}, bytes(32), bytes(64)).as_json()
    broken = {**good, "format": "other", "payload": [], "signature": "AAAA", "public_key": 7, "extra": 1}
    with pytest.raises(InputError) as caught:
        parse_certificate(broken, "c.json")
    assert [problem.where for problem in caught.value.problems] == [
        f"c.json: {name}" for name in ("extra", "format", "payload", "public_key", "signature")
    ]
    with pytest.raises(InputError) as caught:
        parse_certificate({"format": FORMAT}, "c.json")
    assert len(caught.value.problems) == 3
    with pytest.raises(InputError, match="a JSON object"):
        parse_certificate([], "c.json")
