"""Every screen on phone and desktop, in both languages and schemes: usable, within its width, and as a picture."""

import importlib.util
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

spec = importlib.util.spec_from_file_location("screens_for_pictures", Path(__file__).with_name("test_screens.py"))
screens = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = screens
spec.loader.exec_module(screens)
demo, axe = screens.demo, screens.axe
pytestmark = pytest.mark.slow
LOOKS = ((screens.DESKTOP, "light", "en-GB"), (screens.PHONE, "dark", "nl-NL"), (screens.PHONE, "light", "en-GB"))
WIDER = """() => {
  const root = document.documentElement, width = root.clientWidth;
  if (root.scrollWidth <= width) return null;
  const beyond = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 0.5);
  const told = beyond.slice(-4).map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 60)}`);
  return `${root.scrollWidth - width} px wider than the screen: ${told.join("; ")}`;
}"""
"""What sticks out of the screen, the innermost last."""


def _addresses(page, demo):
    """Every screen that a person can open in the demonstration, by the name of its picture."""
    here = [evse["session"]["holder"] for evse in screens._evses(page, demo) if evse["session"]]
    begun = f"NEW-{time.time_ns() % 10**9}"
    screens._ask(page, demo, "POST", "installations", station_id=begun, site_id="demo")
    guest = screens._ask(page, demo, "GET", "stations/DEMO-CP-01/evses/1/guest-link")["secret"]
    return {
        "site": "site/demo", "sites": "sites", "stations": "stations", "station": "station/DEMO-CP-12",
        "installations": "installations", "installation": f"installation/{begun}", "audit": "audit",
        "people": "people", "vehicles": "driver", "driver": f"driver?holder={here[0]}", "account": "account",
        "guest": f"guest/{guest}", "guest-code": "guest-code/DEMO-CP-01/1", "not-found": "nothing",
    }  # fmt: skip


@pytest.mark.parametrize(("size", "scheme", "locale"), LOOKS, ids=["desktop", "phone-dark-dutch", "phone"])
def test_every_screen_is_usable_by_keyboard_and_screen_reader_and_stays_within_its_width(
    demo, axe, size, scheme, locale
):
    wrong = {}
    with demo.page(size, scheme, locale) as page:

        def look(name):
            expect(page.locator("h1")).to_be_visible()
            page.wait_for_timeout(700)
            found = screens._serious(page, axe)
            if wider := page.evaluate(WIDER):
                found.append(wider)
            if found:
                wrong[name] = found
            kind = "desktop" if size is screens.DESKTOP else "phone"
            demo.shot(page, f"{name}-{kind}{'-dark' if scheme == 'dark' else ''}")

        page.goto(f"{demo.url}sign-in")
        look("sign-in")
        page.locator("#name").fill(demo.user)
        page.locator("#password").fill(demo.password)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_be_visible()
        page.wait_for_url(re.compile("site/"))
        assert page.locator("html").get_attribute("lang").startswith(locale[:2])
        for name, address in _addresses(page, demo).items():
            page.goto(f"{demo.url}{address}")
            look(name)
        page.goto(screens._invited(page, demo, f"Eve {time.time_ns()}", "front_desk", "site:demo"))
        look("invitation")
    assert wrong == {}


def test_an_open_page_says_when_the_server_is_silent_and_goes_on_when_it_speaks(demo):
    told = {"en-GB": "The server has not been heard for", "nl-NL": "niets van de server gehoord"}
    with demo.page() as page, demo.page(screens.PHONE, "dark", "nl-NL") as phone:
        for one, address in ((page, "site/demo"), (phone, "stations")):
            one.goto(f"{demo.url}sign-in")
            one.locator("#name").fill(demo.user)
            one.locator("#password").fill(demo.password)
            one.keyboard.press("Enter")
            one.wait_for_url(re.compile("site/"))
            one.goto(f"{demo.url}{address}")
            expect(one.locator("h1")).to_be_visible()
            expect(one.locator("#bw-news")).to_be_hidden()
        demo.process.send_signal(signal.SIGSTOP)
        try:
            for one, locale in ((page, "en-GB"), (phone, "nl-NL")):
                expect(one.get_by_role("alert").filter(has_text=told[locale])).to_be_visible(timeout=15_000)
            demo.shot(page, "silent-desktop")
            demo.shot(phone, "silent-phone")
        finally:
            demo.process.send_signal(signal.SIGCONT)
        for one in (page, phone):
            expect(one.locator("#bw-news")).to_be_hidden(timeout=20_000)


def test_a_grid_viewer_sees_power_and_nothing_else(demo, axe):
    with demo.page() as admin, demo.page() as page:
        demo.sign_in(admin)
        page.goto(screens._invited(admin, demo, "grid", "grid_viewer", "site:demo"))
        page.get_by_label(re.compile("at least 12")).fill("volts and amperes alone")
        page.get_by_role("button", name="Set the password").click()
        expect(page).to_have_url(f"{demo.url}power")
        expect(page.get_by_role("row").filter(has_text="demo")).to_contain_text("110.0 kW")
        assert screens._serious(page, axe) == []
        assert screens._ask(page, demo, "GET", "power")[0]["import_limit_kw"] == 110.0
        demo.shots_of(page, "power")
        for address in ("site/demo", "driver", "stations", "audit", "people", "installations", "site/demo/island"):
            assert page.goto(f"{demo.url}{address}").status == 404, address
        refused = page.request.post(f"{demo.url}api/v1/sites/demo/emergency-stop", data={"reason": "because"})
        assert refused.status == 403


def test_figures_have_their_unit_their_age_and_the_mark_of_the_language(demo):
    with demo.page(locale="nl-NL") as page:
        page.goto(f"{demo.url}sign-in")
        page.locator("#name").fill(demo.user)
        page.locator("#password").fill(demo.password)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("site/"))
        plugged = page.locator("article").filter(has_text=re.compile("Vermogen gemeten: (nu|minder dan een minuut)"))
        expect(plugged.first).to_be_visible(timeout=20_000)
        expect(page.get_by_text(re.compile("Plan gemaakt: "))).to_be_visible(timeout=30_000)
        expect(page.get_by_text("€ 0,").first).to_be_visible(timeout=20_000)
        for address in ("site/demo", "sites", "stations", "driver", "power", "audit"):
            page.goto(f"{demo.url}{address}")
            expect(page.locator("h1")).to_be_visible()
            page.wait_for_timeout(1200)
            shown = page.locator(".bw-page").inner_text()
            assert re.findall(r"\d\.\d+ (?:kWh?|kg|€)", shown) == [], address
