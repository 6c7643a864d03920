"""The configuration of an island: what would leave it unseen or unable to be stopped is refused, all at once."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from bothways.app.live.config import config_from_mapping
from bothways.app.live.island import Islands
from bothways.domain.errors import InputError

PAGE = Path(__file__).resolve().parents[4] / "docs" / "reference" / "configuration.md"
SITE = {"id": "house", "tz": "Europe/Amsterdam", "prices": {"import_per_kwh": 0.3}}
BLOCKS = [part.split("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```toml\n")[1:]]
EXAMPLE = next(block for block in BLOCKS if block.startswith("[site.island]"))


def island(**changes):
    found = tomllib.loads(EXAMPLE)["site"]["island"]
    return {**found, **changes}


def read(**changes):
    return config_from_mapping({"site": [{**SITE, "island": island(**changes)}]}, {}).site[0].island


def refused(**changes):
    with pytest.raises(InputError) as error:
        read(**changes)
    return str(error.value)


def test_the_example_of_the_page_is_valid_and_asks_for_confirmation():
    part = read()
    settings = part.settings("house")
    assert settings.building.confirm_islanding
    assert not settings.building.islanding_permitted  # that is recorded in the store, never configured
    assert settings.chargers["charger-1"] == ("CP-1", 1)
    assert settings.building.windows.nominal_hz == 50.0


def test_every_key_is_named_on_the_page():
    from bothways.app.live.island_config import IslandPart  # noqa: PLC0415
    from bothways.domain.validation import known_keys  # noqa: PLC0415

    text = PAGE.read_text(encoding="utf-8")
    assert [key for key in known_keys(IslandPart) if f"`{key}`" not in text] == []


def test_what_could_not_be_stopped_or_seen_is_refused():
    gear = island()["switchgear"]
    for source in ("battery", "charger-1"):
        without = {name: {k: v for k, v in part.items() if k != "trip_coil"} if name == source else part
                   for name, part in gear["sources"].items()}  # fmt: skip
        assert f"sources.{source} needs trip_coil" in refused(switchgear={**gear, "sources": without})
    assert "sections.essential needs a coil" in refused(switchgear={**gear, "sections": {}})
    assert "main needs a coil" in refused(switchgear={**gear, "main": {"open_input": 0}})
    stray = {**gear, "sections": {**gear["sections"], "cellar": {"coil": 9}}}
    assert "switchgear names cellar" in refused(switchgear=stray)


def test_sections_and_sources_that_do_not_go_together_are_refused():
    sections, sources = island()["sections"], island()["sources"]
    assert "tier" in refused(sections=[{**sections[0], "tier": 0}])
    assert "most to the least" in refused(sections=[{**sections[0], "id": "b", "tier": 2}, sections[0]])
    assert "needs its contact" in refused(sections=[{**sections[0], "seen": "by people"}])
    assert "for somebody who has never seen it" in refused(
        sections=[{**sections[0], "switched": "by hand", "by_hand": ""}]
    )
    assert "names its station" in refused(sources=[sources[0], {k: v for k, v in sources[1].items() if k != "station"}])
    assert "two sources name the same EVSE" in refused(sources=[*sources, {**sources[1], "id": "charger-2"}])


def test_an_island_does_not_run_apart_from_its_loop_nor_without_its_contactors_feedback():
    config = config_from_mapping({"site": [{**SITE, "island": island()}]}, {})
    apart = SimpleNamespace(config=config, loops={}, parts=SimpleNamespace(gears={}, clock=None))
    with pytest.raises(InputError, match="one process"):
        Islands(apart)
    bare = config_from_mapping({"site": [{**SITE, "island": island(switchgear=None)}]}, {})
    blind = SimpleNamespace(config=bare, loops={"house": object()}, parts=SimpleNamespace(gears={}, clock=None))
    with pytest.raises(InputError, match="its contactor's feedback"):
        Islands(blind)
