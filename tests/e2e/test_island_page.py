"""The page for the worst day in a real browser: the grid fails, people switch, confirm, keep, drill, print."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"island_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


screens = _beside("test_screens")
axe = screens.axe
PASSWORD = "four words make passphrases"
PHONE = screens.PHONE
pytestmark = pytest.mark.slow


@dataclass
class Island:
    """The running world, its input, and a browser."""

    url: str
    world: subprocess.Popen[str]
    browser: Browser
    shots: Path

    def say(self, line: str) -> None:
        assert self.world.stdin is not None
        self.world.stdin.write(f"{line}\n")
        self.world.stdin.flush()

    def page(self, name: str, locale: str = "en-GB") -> Page:
        page = self.browser.new_context(viewport=PHONE, locale=locale).new_page()
        page.goto(f"{self.url}sign-in")
        page.locator("input[name=name]").fill(name)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form[action='/sign-in'] button").first.click()
        page.wait_for_url(re.compile("site"))
        return page

    def open(self, name: str, locale: str = "en-GB") -> Page:
        page = self.page(name, locale)
        page.goto(f"{self.url}site/drill/island")
        return page


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    if screens.CHROMIUM is None:
        screens._lacks("no Chromium on this machine; scripts/browser installs it where that is allowed")
    folder = tmp_path_factory.mktemp("island")
    shots = Path(os.environ.get("BOTHWAYS_SCREENSHOTS") or folder)
    with (folder / "log").open("w+", encoding="utf-8") as log:
        command = [sys.executable, str(HERE / "island_world.py")]
        world = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert world.stdout is not None
            url = re.search(r"look at (\S+)", world.stdout.readline())[1]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=screens.CHROMIUM, args=["--no-sandbox"])
                yield Island(url, world, browser, shots)
                browser.close()
        finally:
            world.terminate()
            world.communicate(timeout=30)


def phase(page: Page, text: str, seconds: float = 30.0) -> None:
    expect(page.locator(".bw-phase")).to_have_text(text, timeout=seconds * 1000)


def big(page: Page, text: str) -> None:
    """Presses a big button, and says yes."""
    page.get_by_role("button", name=text, exact=True).click()
    page.get_by_role("button", name=f"Yes: {text}").click()


def accessible(page: Page, rules: str) -> None:
    expect(page.locator(".q-notification")).to_have_count(0, timeout=20000)  # fading ones have no contrast
    page.evaluate(rules)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(item["id"], [node["target"] for node in item["nodes"]]) for item in found] == []


def test_a_site_that_can_be_an_island_links_to_its_page_and_nobody_elsewhere_sees_it(island):
    page = island.page("operator")
    page.goto(f"{island.url}site/drill")
    page.get_by_role("link", name="Outage page").click()
    phase(page, "On the grid")
    expect(page.get_by_text(re.compile(r"can give 3\d\.\d kWh"))).to_be_visible(timeout=30000)
    page.context.close()
    page = island.browser.new_context().new_page()
    page.goto(f"{island.url}site/drill/island")
    expect(page).to_have_url(re.compile("sign-in"))
    page.context.close()


def test_a_drill_walks_through_everything_and_moves_nothing(island, axe):
    page = island.open("operator")
    phase(page, "On the grid")
    accessible(page, axe)
    big(page, "Start a drill")
    expect(page.locator(".bw-drill")).to_be_visible()
    expect(page.get_by_text("Switch OFF section refuge (panel A, switch 2).")).to_be_visible(timeout=20000)
    page.get_by_role("button", name="I have done it").first.click()
    expect(page.get_by_text("Confirm to start.")).to_be_visible(timeout=20000)
    big(page, "Confirm")
    phase(page, "Island: on its own sources")
    accessible(page, axe)
    big(page, "End the drill")
    expect(page.locator(".bw-drill")).to_be_hidden(timeout=60000)
    phase(page, "On the grid")
    page.context.close()


def by_hand(page: Page, island: Island, line: str) -> None:
    """Somebody says that a task is done, and does it; the other way round a measured load may be quicker."""
    page.get_by_role("button", name="I have done it").first.click()
    island.say(line)


def test_the_grid_fails_people_switch_and_the_building_stays_on(island, axe):
    page = island.open("operator")
    phase(page, "On the grid")
    island.say("grid off")
    phase(page, "Being separated from the street")
    expect(page.get_by_text("Switch OFF section refuge (panel A, switch 2).").first).to_be_visible(timeout=20000)
    by_hand(page, island, "refuge off")
    expect(page.get_by_text("Confirm to start.")).to_be_visible(timeout=20000)
    big(page, "Confirm")
    phase(page, "Island: on its own sources")
    expect(page.get_by_text("Switch ON section refuge (panel A, switch 2).").first).to_be_visible(timeout=40000)
    accessible(page, axe)
    page.evaluate("window.scrollTo(0, 0)")
    time.sleep(1.5)
    screens.shoot_both(page, island.shots, "island")
    by_hand(page, island, "refuge on")
    expect(page.locator(".bw-tier.on")).to_have_count(2, timeout=60000)  # the third must wait: energy is rationed
    page.get_by_role("button", name="Keep everything: CP-charger-1/1").click()
    expect(page.get_by_text("the driver keeps everything")).to_be_visible(timeout=20000)
    page.get_by_role("button", name="Give again: CP-charger-1/1").click()
    expect(page.get_by_text("the driver keeps everything")).to_be_hidden(timeout=20000)
    big(page, "Offer help to the grid")
    expect(page.get_by_role("button", name="Withdraw the offer")).to_be_visible(timeout=20000)
    island.say("grid on")
    expect(page.get_by_text("Switch OFF section refuge (panel A, switch 2).").first).to_be_visible(timeout=40000)
    by_hand(page, island, "refuge off")
    phase(page, "On the grid", 60.0)
    expect(page.get_by_text("Switch ON section refuge (panel A, switch 2).").first).to_be_visible(timeout=40000)
    by_hand(page, island, "refuge on")
    expect(page.locator(".bw-tier.on")).to_have_count(3, timeout=60000)
    big(page, "Take over")
    expect(page.get_by_role("button", name="Switch off: kitchen")).to_be_visible(timeout=20000)
    big(page, "Switch off: kitchen")
    expect(page.get_by_role("button", name="Switch on: kitchen")).to_be_visible(timeout=20000)
    accessible(page, axe)
    big(page, "Switch on: kitchen")
    big(page, "Hand back")
    phase(page, "On the grid")
    page.context.close()


def test_the_front_desk_sees_and_orders_nothing_and_the_page_speaks_dutch(island, axe):
    page = island.open("desk", "nl-NL")
    expect(page.locator(".bw-phase")).to_contain_text("Aan het net", timeout=30000)
    expect(page.get_by_role("button", name="Bediening overnemen")).to_have_count(0)
    expect(page.get_by_role("heading", name="Tijd over")).to_be_visible()
    expect(page.get_by_role("heading", name="Als de server uitvalt")).to_be_visible()
    accessible(page, axe)
    page.goto(f"{island.url}site/drill/island/paper")
    expect(page.get_by_role("heading", name="Als het net is uitgevallen")).to_be_visible()
    page.context.close()


def test_the_paper_plan_needs_no_script_and_fits_the_printer(island, axe):
    page = island.open("operator")
    page.goto(f"{island.url}site/drill/island/paper")
    expect(page.get_by_role("heading", name="When the grid has failed")).to_be_visible()
    steps = page.locator("ol").first.locator("li")
    assert "Switch OFF the main switch" in steps.nth(3).inner_text()
    assert page.locator("script").count() == 0
    page.emulate_media(media="print")
    screens.shoot_both(page, island.shots, "island-paper")
    sheet = page.request.get(f"{island.url}api/v1/sites/drill/island/paper")
    assert sheet.text() == page.request.get(f"{island.url}site/drill/island/paper").text(), (
        "programs get the same sheet"
    )
    assert sheet.headers["content-security-policy"].startswith("default-src 'none'; style-src")
    dutch = page.request.get(f"{island.url}api/v1/sites/drill/island/paper?language=nl")
    assert "Als het net is uitgevallen" in dutch.text()
    page.context.close()
    page = island.page("elsewhere")
    assert page.request.get(f"{island.url}api/v1/sites/drill/island/paper").status == 404
    page.context.close()
    page = island.browser.new_context().new_page()
    page.goto(f"{island.url}site/drill/island/paper")
    expect(page).to_have_url(re.compile("sign-in"))
    page.context.close()
