"""What a site's configuration says of its vehicles: losses at part load, power in the cold, and loading its kernels."""

import asyncio
import threading

import pytest

from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.app.live import upkeep
from bothways.app.live.config import config_from_mapping
from bothways.app.live.server import Parts, open_live, site_settings
from bothways.domain.errors import InputError

SITE = {"id": "house", "tz": "UTC", "prices": {"import_per_kwh": 0.3}}
POINTS = {"rated_kw": 7.0, "load": [0.1, 1.0], "charge_efficiency": [0.8, 0.93], "discharge_efficiency": [0.8, 0.93]}


def _site(**vehicle):
    return config_from_mapping({"site": [{**SITE, "vehicle": vehicle}]}, at="bothways.toml").site[0]


def test_measured_points_replace_the_default_losses():
    known = site_settings(_site(losses={**POINTS, "standby_w": 20.0})).vehicle.part_load
    assert float(known.charge.efficiency(7.0)) == pytest.approx(0.93)
    assert float(known.charge.efficiency(0.7)) == pytest.approx(0.8)
    assert known.standby_kw == 0.02
    assert site_settings(_site()).vehicle.part_load is None


def test_the_cold_takes_power_where_temperatures_are_stated():
    months = [0.0] * 6 + [20.0] * 6
    vehicle = site_settings(_site(derating={}, temperature_by_month_c=months)).vehicle
    assert vehicle.shares(1) == (0.2, 0.8)
    assert vehicle.shares(7) == (1.0, 1.0)
    assert site_settings(_site(temperature_by_month_c=months)).vehicle.shares(1) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("vehicle", "words"),
    [
        ({"losses": POINTS, "losses_rated_kw": 7.0}, "not both"),
        ({"losses": {key: value for key, value in POINTS.items() if key != "rated_kw"}}, "rating of the chargers"),
        ({"temperature_by_month_c": [10.0] * 11}, "twelve numbers"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(vehicle, words):
    with pytest.raises(InputError, match=words):
        _site(**vehicle)


@pytest.mark.parametrize(("celsius", "stated"), [({}, ()), ({"temperature_c": 5.0}, (5.0,) * 12)])
def test_a_kind_of_battery_has_its_own_temperature_only_where_it_states_one(celsius, stated):
    battery = {"name": "vans", "vehicles": ["van-*"], "source": "test", "wear_per_kwh": 0.02, **celsius}
    config = config_from_mapping({"site": [{**SITE, "battery": [battery]}]})
    assert site_settings(config.site[0]).batteries[0].celsius_by_month == stated


@pytest.mark.asyncio
async def test_the_kernels_of_losses_are_loaded_beside_the_sites(tmp_path, monkeypatch):
    release, calls = threading.Event(), []

    def load():
        calls.append(threading.current_thread())
        release.wait(20.0)

    monkeypatch.setattr(upkeep, "converters_loaded", lambda: False)
    monkeypatch.setattr(upkeep, "load_converters", load)
    part = {**SITE, "vehicle": {"losses_rated_kw": 11.0}}
    config = config_from_mapping(
        {
            "server": {"port": 0, "web_port": 0},
            "store": {"url": f"sqlite:///{tmp_path}/live.db"},
            "site": [part],
        }
    )
    live = await open_live(config, Parts(hasher=Argon2Hasher(fast=True)))
    renewed = []
    monkeypatch.setattr(live.loops["house"], "renew_plan", lambda: renewed.append(True))
    await live.start()
    try:
        async with asyncio.timeout(20.0):
            while not calls or live.loops["house"].snapshot().image is None:  # the site runs while it is compiled
                await asyncio.sleep(0.02)
        assert calls[0].daemon
        assert not renewed
        release.set()
        async with asyncio.timeout(20.0):
            while not renewed:
                await asyncio.sleep(0.02)
        assert not [lack for lack in live.lacking() if "ended" in lack]
    finally:
        release.set()
        await live.stop()
    assert len(calls) == 1


def test_only_sites_with_losses_count_them():
    plain = config_from_mapping({"site": [SITE]})
    assert not plain.site[0].vehicle.counts_losses
    assert _site(losses=POINTS).vehicle.counts_losses
