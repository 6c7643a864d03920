"""Drivers and guests in a real browser: a wish, plugging in, what cannot be met, a guest, a queue, one's data."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

spec = importlib.util.spec_from_file_location("screens_of_people", Path(__file__).with_name("test_screens.py"))
screens_of_people = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = screens_of_people
spec.loader.exec_module(screens_of_people)
axe, serious = screens_of_people.axe, screens_of_people._serious
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PHONE = {"width": 390, "height": 844}
PASSWORD = "four words make passphrases"
pytestmark = pytest.mark.slow


@dataclass
class Garage:
    """The running system, a browser, and the cable of its station."""

    url: str
    browser: Browser
    process: subprocess.Popen
    shots: Path

    def do(self, words: str) -> None:
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.strip() == "done":
                return
        raise AssertionError("the world ended")

    @contextmanager
    def page(self, name: str = "", scheme: str = "light", locale: str = "en-GB") -> Iterator[Page]:
        """A telephone, signed in where a name is given; at the end nothing may have gone wrong in its pages."""
        context = self.browser.new_context(viewport=PHONE, color_scheme=scheme, locale=locale)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        if name:
            page.goto(f"{self.url}sign-in")
            page.locator("#name").fill(name)
            page.locator("#password").fill(PASSWORD)
            page.keyboard.press("Enter")
            expect(page.locator("h1")).not_to_have_text(re.compile("Sign in|Aanmelden"))
        yield page
        context.close()
        assert wrong == []

    def shot(self, page: Page, name: str) -> None:
        screens_of_people.shoot_both(page, self.shots, name)


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garage]:
    if CHROMIUM is None:
        reason = "no Chromium on this machine; scripts/browser installs it where that is allowed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("garage")
    command = [sys.executable, str(Path(__file__).with_name("driver_world.py")), str(folder)]
    with (
        (folder / "log").open("w+", encoding="utf-8") as log,
        subprocess.Popen(
            command, text=True, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            told = next((line for line in process.stdout if line.startswith("ready")), "")
            assert told, (folder / "log").read_text(encoding="utf-8")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                yield Garage(told.split()[1], browser, process, Path(os.environ.get("BOTHWAYS_SCREENSHOTS") or folder))
                browser.close()
        finally:
            process.terminate()
            process.wait(30)
    assert "Traceback" not in (folder / "log").read_text(encoding="utf-8")


def test_a_week_of_wishes_is_used_at_plug_in_and_what_cannot_be_met_is_said_with_the_best_possible(garage, axe):
    with garage.page("driver") as page:
        page.goto(f"{garage.url}driver")
        expect(page.get_by_text("Nothing is remembered yet.")).to_be_visible()
        screens_of_people.live(page)
        page.get_by_label("Time of day").fill("05:30")
        for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
            box = page.get_by_role("checkbox", name=day, exact=True)
            box.click()
            expect(box).to_be_checked()
        page.get_by_role("button", name="Remember for these days").click()
        expect(page.get_by_role("region", name="Every week").get_by_role("row")).to_have_count(8)
        expect(page.get_by_text(re.compile(r"Used by itself at the next plug-in: \w{3} 05:30"))).to_be_visible()

        garage.do("plug T-1 24")
        expect(page.get_by_text(re.compile(r"Ready with 80 % by \w{3} 05:30"))).to_be_visible(timeout=20_000)
        expect(page.get_by_text(re.compile("is not possible"))).to_be_hidden()
        soon = page.evaluate(
            "() => new Date(Date.now() + 25 * 60e3).toLocaleTimeString('en-GB', {timeZone: 'Europe/Amsterdam', "
            "hour: '2-digit', minute: '2-digit'})"
        )
        page.get_by_label("Time of day").fill(soon)
        page.get_by_role("button", name="Save").first.click()
        short = page.get_by_text(
            re.compile(r"80 % by \w{3} [\d:]+ is not possible; 4\d % by then, or 80 % by \w{3} [\d:]+")
        )
        expect(short).to_be_visible(timeout=10_000)
        expect(
            page.get_by_text(re.compile(r"It was plugged in at .* with 11.0 kW there is too little time"))
        ).to_be_visible()
        page.evaluate("window.scrollTo(0, 0)")
        expect(page.get_by_text("Saved.")).to_be_hidden(timeout=8000)
        garage.shot(page, "not-possible")
        assert serious(page, axe) == []

        page.get_by_role("button", name="Leave now").click()
        expect(page.get_by_text("It stops; the cable comes off in a moment.")).to_be_visible()
        expect(page.get_by_role("button", name="Leave now")).to_be_hidden(timeout=5_000)
        garage.do("unplug")
        expect(page.get_by_text("Not plugged in")).to_be_visible(timeout=10_000)


def test_a_guest_reads_the_printed_code_charges_now_and_leaves(garage, axe):
    with garage.page("desk") as desk, garage.page(scheme="dark", locale="nl-NL") as guest, garage.page() as other:
        desk.goto(f"{garage.url}driver")
        desk.get_by_role("link", name="Print the code").first.click()
        expect(desk.get_by_role("img", name="QR code of the address below")).to_be_visible()
        address = desk.locator("code").inner_text()
        assert serious(desk, axe) == []
        guest.goto(address)
        expect(guest.get_by_text("Er is niemand ingeplugd")).to_be_visible()
        garage.do("plug T-2 24")
        guest.goto(address)
        guest.get_by_role("button", name="Dit is mijn voertuig").click()
        guest.get_by_role("button", name="Nu laden").click()
        expect(guest.get_by_text(re.compile("Laadt nu, op vol vermogen"))).to_be_visible()
        guest.get_by_role("link", name="Zeggen hoeveel en wanneer").click()
        assert serious(guest, axe) == []
        guest.locator("#soc").fill("90")
        guest.get_by_role("button", name="Opslaan").click()
        expect(guest.get_by_text(re.compile("90 % om"))).to_be_visible()
        garage.shot(guest, "guest-charging")
        assert serious(guest, axe) == []
        other.goto(address)
        expect(other.get_by_text("Somebody looks after this vehicle already.")).to_be_visible()
        assert other.request.post(f"{address}/stop").ok
        expect(other.get_by_role("button")).to_have_count(0)
        guest.get_by_role("button", name="Nu vertrekken").click()
        expect(guest.get_by_role("alert")).to_be_hidden()
        garage.do("unplug")
        desk.get_by_role("button", name=re.compile("new code")).click()
        assert guest.goto(address).status == 404


def test_neighbours_wait_swap_and_are_called(garage, axe):
    with garage.page("desk") as desk, garage.page("driver") as page:
        garage.do("plug T-2 24")
        token = desk.request.get(f"{garage.url}api/v1/session").json()["csrf_token"]
        headers = {"x-csrf-token": token}
        queue = f"{garage.url}api/v1/sites/house/queues/garage"
        desk.goto(f"{garage.url}driver")
        screens_of_people.live(desk)
        desk.get_by_role("region", name="Shared charging points").first.get_by_label("Name").fill("garage")
        desk.get_by_label("Charging points").last.click()
        desk.get_by_role("option", name="CP-1/1").click()
        desk.keyboard.press("Escape")
        desk.get_by_role("button", name="Share them").click()
        expect(desk.get_by_role("cell", name="all drivers")).to_be_visible()
        expect(desk.get_by_text("Saved.")).to_be_hidden(timeout=8000)
        assert serious(desk, axe) == []
        page.goto(f"{garage.url}driver")
        page.get_by_role("button", name="Join the queue").click()
        expect(page.get_by_text(re.compile("You are number 1"))).to_be_visible()
        page.get_by_text("Shared charging points: garage").scroll_into_view_if_needed()
        garage.shot(page, "queue")
        assert serious(page, axe) == []
        page.get_by_label("Ask to swap with").click()
        page.get_by_role("option", name="whoever charges at CP-1/1").click()
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("You asked somebody to swap")).to_be_visible()
        desk.goto(f"{garage.url}driver?holder=T-2")
        expect(desk.get_by_text(re.compile("asks you to make room"))).to_be_visible(timeout=10_000)
        desk.get_by_role("button", name="Agree").click()
        expect(page.get_by_text(re.compile(r"CP-1/1 is yours until"))).to_be_visible(timeout=10_000)
        garage.do("unplug")
        page.get_by_role("button", name="Leave the queue").click()
        expect(page.get_by_text(re.compile(r"are free, \d wait"))).to_be_visible()
        assert desk.request.delete(queue, headers=headers).ok


def test_the_month_is_told_line_by_line_and_ones_data_are_taken_along_and_erased(garage, axe, tmp_path):
    garage.do("plug T-1 24")
    with garage.page("driver") as page:
        page.goto(f"{garage.url}driver")
        page.get_by_role("button", name="Charge now").click()
        expect(page.get_by_text(re.compile(r"charges \d+\.\d kW")).first).to_be_visible(timeout=20_000)
        page.wait_for_timeout(2500)
        page.goto(f"{garage.url}driver")
        stay = page.locator(".bw-stay").first
        expect(stay).to_be_visible(timeout=10_000)
        stay.get_by_role("button").first.click()
        expect(stay.get_by_text(re.compile("Charging at once: the same energy"))).to_be_visible()
        expect(stay.get_by_role("row")).not_to_have_count(0)
        stay.scroll_into_view_if_needed()
        garage.shot(page, "statement")
        assert serious(page, axe) == []
        with page.expect_download() as download:
            page.get_by_role("link", name="Download everything").click()
        download.value.save_as(tmp_path / "data.zip")
        assert "T-1" in zipfile.ZipFile(tmp_path / "data.zip").read("transactions.csv").decode()
        page.get_by_role("button", name="Erase my data").click()
        page.get_by_label("Type your name to confirm").fill("driver")
        page.get_by_role("button", name="Erase for good").click()
        expect(page.get_by_role("alert")).to_contain_text("unplug it first")
        garage.do("unplug")
        page.wait_for_timeout(2500)
        page.get_by_role("button", name="Erase for good").click()
        expect(page).to_have_url(f"{garage.url}sign-in", timeout=10_000)
