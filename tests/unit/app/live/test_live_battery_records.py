"""Records of state of health at a live site: they set a battery's capacity and price of wear, or are refused."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bothways.adapters.trust.ed25519 import create_key, sign
from bothways.app.live.config import config_from_mapping
from bothways.app.live.server import site_settings
from bothways.battery.certificate import Certificate, canonical_bytes, payload_of
from bothways.battery.health import Visit, build_record
from bothways.domain.errors import InputError
from bothways.operations.site.estimate import CapacityRecord, capacity_estimate
from bothways.operations.site.settings import VehicleAssumption

DAY = datetime(2026, 9, 1, 18, tzinfo=UTC)
KIND = {"name": "vans", "vehicles": ["car*"], "replacement_per_kwh": 120.0, "residual_per_kwh": 40.0, "source": "test"}


def _certificate(folder, name="car0", health=0.9, *, days=0, told=True, key="issuer", new=60.0):
    visits = [
        Visit(
            DAY + timedelta(days=days + k), DAY + timedelta(days=days + k, hours=8), 0.6 * health * new / 0.9,
            soc_at_arrival=0.2 if told else None, soc_at_departure=0.8 if told else None,
        )
        for k in range(6)
    ]  # fmt: skip
    payload = payload_of(build_record(name, new, visits), issuer="the fleet", issued=DAY)
    private = folder / f"{key}.pem"
    if not private.exists():
        create_key(private, folder / f"{key}.pem.pub")
    signature, public = sign(private, canonical_bytes(payload))
    path = folder / f"{name}-{days}.json"
    path.write_text(json.dumps(Certificate(payload, public, signature).as_json()))
    return path.name


def _kind(folder, *records, **changes):
    site = {
        "id": "s", "tz": "UTC", "prices": {"import_per_kwh": 0.3},
        "battery": [{**KIND, "records": list(records), **changes}],
    }  # fmt: skip
    return site_settings(config_from_mapping({"site": [site]}).site[0], folder).batteries[0]


def test_a_record_sets_capacity_and_price_of_its_battery_alone(tmp_path):
    kind = _kind(tmp_path, _certificate(tmp_path, health=0.85))
    own, basis = kind.wear_now("car0", 9, 0.5)
    assumed, why = kind.wear_now("car1", 9, 0.5)
    assert own < assumed  # a battery that has lost more loses less with the next cycle
    assert basis == "its record of state of health: 85.0% of new capacity on 2026-09-07"
    assert why == "assumed: 2 years old, 73 full cycles a year (median)"
    known = capacity_estimate(None, CapacityRecord(44.0, 2.0), VehicleAssumption(), kind.records["car0"])
    assert known.value == pytest.approx(51.0, abs=0.01)
    assert known.low < known.value < known.high
    assert known.source == "of its record of state of health"
    grown = capacity_estimate(None, CapacityRecord(least_kwh=58.0), VehicleAssumption(), kind.records["car0"])
    assert grown.low == grown.value == 58.0


def test_the_latest_record_of_a_battery_holds(tmp_path):
    old, new = _certificate(tmp_path, health=0.95), _certificate(tmp_path, health=0.9, days=40)
    for order in ((old, new), (new, old)):
        assert _kind(tmp_path, *order).records["car0"].health == pytest.approx(0.9)


def test_wear_stated_as_a_price_stays_as_stated(tmp_path):
    kind = _kind(tmp_path, _certificate(tmp_path), wear_per_kwh=0.05, replacement_per_kwh=None, residual_per_kwh=0.0)
    assert kind.wear_now("car1", 1, 0.5) == (0.05, "as stated for its kind of battery")
    assert kind.wear_now("car0", 1, 0.5)[0] == 0.05


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: _certificate(folder, name="van7"), "a vehicle that this battery names"),
        (lambda folder: _certificate(folder, told=False), "state of health unknown"),
        (lambda _: "nowhere.json", "no such file"),
    ],
)
def test_records_that_cannot_be_used_are_refused_with_a_remedy(tmp_path, make, words):
    with pytest.raises(InputError, match=words) as refused:
        _kind(tmp_path, make(tmp_path))
    assert all(problem.remedy for problem in refused.value.problems)


def test_a_record_that_was_changed_or_signed_by_somebody_else_is_refused(tmp_path):
    good = tmp_path / _certificate(tmp_path)
    changed = json.loads(good.read_text())
    changed["payload"]["capacity"]["health"] = 0.99
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match="changed after it was signed"):
        _kind(tmp_path, "changed.json")
    other = _certificate(tmp_path, name="car5", key="somebody")
    with pytest.raises(InputError, match="signed with another key"):
        _kind(tmp_path, good.name, other, records_key="issuer.pem.pub")
    assert set(_kind(tmp_path, good.name, records_key="issuer.pem.pub").records) == {"car0"}
    assert set(_kind(tmp_path, good.name, other).records) == {"car0", "car5"}


@pytest.mark.parametrize(
    "change", [{"capacity": 51.0}, {"to": "soon"}, {"battery_id": ""}, {"capacity": {"kwh": True}}]
)
def test_a_signed_payload_that_says_too_little_is_refused(tmp_path, change):
    read = json.loads((tmp_path / _certificate(tmp_path)).read_text())
    payload = read["payload"] | change
    signature, public = sign(tmp_path / "issuer.pem", canonical_bytes(payload))
    (tmp_path / "odd.json").write_text(json.dumps(Certificate(payload, public, signature).as_json()))
    with pytest.raises(InputError, match="a payload that does not say them"):
        _kind(tmp_path, "odd.json")


def test_a_key_without_records_checks_nothing_and_is_refused(tmp_path):
    with pytest.raises(InputError, match="name the records"):
        _kind(tmp_path, records_key="issuer.pem.pub")
