"""The screens in a real browser, on a demonstration with virtual stations: people sign in, drive, stop and release."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent / "axe"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SPEED = 20
pytestmark = pytest.mark.slow


def _lacks(reason: str) -> None:
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@dataclass
class Demo:
    """A running demonstration and a browser."""

    url: str
    user: str
    password: str
    browser: Browser
    shots: Path
    process: subprocess.Popen

    @contextmanager
    def page(self, size: dict[str, int] = DESKTOP, scheme: str = "light", locale: str = "en-GB") -> Iterator[Page]:
        """A page of a new person; at the end, nothing may have gone wrong in it."""
        context = self.browser.new_context(viewport=size, color_scheme=scheme, locale=locale)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        yield page
        context.close()
        assert wrong == []

    def sign_in(self, page: Page, name: str = "", password: str = "") -> None:
        page.goto(f"{self.url}sign-in")
        page.get_by_label("Name").fill(name or self.user)
        page.get_by_label("Password").fill(password or self.password)
        page.get_by_role("button", name="Sign in").click()

    def shot(self, page: Page, name: str) -> None:
        shoot(page, self.shots, name)

    def shots_of(self, page: Page, name: str) -> None:
        shoot_both(page, self.shots, name)


def shoot(page: Page, folder: Path, name: str) -> None:
    """A small picture of what is in sight; ``BOTHWAYS_SCREENSHOTS=docs/images`` renews those of the documentation."""
    tool = page.context.new_cdp_session(page)
    made = tool.send("Page.captureScreenshot", {"format": "webp", "quality": 70})["data"]
    (folder / f"{name}.webp").write_bytes(base64.b64decode(made))
    tool.detach()


def shoot_both(page: Page, folder: Path, name: str) -> None:
    """The same on a phone and on a desktop; the page is then as large as before."""
    before = page.viewport_size
    for kind, size in (("phone", PHONE), ("desktop", DESKTOP)):
        page.set_viewport_size(size)
        page.wait_for_timeout(300)
        shoot(page, folder, f"{name}-{kind}")
    page.set_viewport_size(before)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if CHROMIUM is None:
        _lacks("no Chromium on this machine; scripts/browser installs it where that is allowed")
    command = [str(Path(sys.executable).with_name("bothways")), "serve", "--demo", "--port", "0", "--web-port", "0"]
    command += ["--speed", str(SPEED), "--duration", "300"]
    folder = tmp_path_factory.mktemp("screens")
    shots = Path(os.environ.get("BOTHWAYS_SCREENSHOTS") or folder)
    with (folder / "log").open("w+", encoding="utf-8") as log:
        served = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            told = _until(lambda: _read(log.name) if "Ctrl-C" in _read(log.name) else None, "it does not start", 60.0)
            url = re.search(r"look at +(\S+)", told)[1]
            user, password = re.search(r"sign in +(\S+) +(\S+)", told).groups()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                yield Demo(url, user, password, browser, shots, served)
                browser.close()
        finally:
            served.terminate()
            served.wait(30)
    assert "Traceback" not in _read(log.name)


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility rules, installed once by ``npm ci`` into a folder of the environment, exactly as locked."""
    if shutil.which("npm") is None:
        _lacks("node and npm are not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "axe" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "installed").touch()
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def live(page: Page) -> None:
    """Waits until the page talks to the server: what is filled in and pressed before may arrive in another order."""
    page.wait_for_function("window.did_handshake === true")


def _until(look: Callable[[], Any], otherwise: str, seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(otherwise)


def _ask(page: Page, demo: Demo, method: str, path: str, **body: object) -> Any:
    """Asks the API as whoever is signed in on a page."""
    token = page.request.get(f"{demo.url}api/v1/session").json()["csrf_token"]
    answer = page.request.fetch(
        f"{demo.url}api/v1/{path}", method=method, headers={"x-csrf-token": token}, data=body or None
    )
    assert answer.ok, answer.text()
    return answer.json() if answer.text() else None


def _evses(page: Page, demo: Demo) -> list[dict[str, Any]]:
    return _ask(page, demo, "GET", "sites/demo")["evses"]


def _invited(page: Page, demo: Demo, name: str, role: str, scope: str) -> str:
    """Invites somebody; returns the address of the invitation."""
    grants = [{"role": role, "scope": scope}]
    return f"{demo.url}invitation/{_ask(page, demo, 'POST', 'invitations', name=name, grants=grants)['token']}"


def test_a_wrong_password_says_nothing_of_its_cause_and_soon_makes_wait(demo):
    with demo.page() as page:
        page.goto(f"{demo.url}site/demo")
        expect(page).to_have_url(f"{demo.url}sign-in")
        demo.sign_in(page, password="not the right one")
        known = page.get_by_role("alert").inner_text()
        for _ in range(4):
            demo.sign_in(page, "nobody at all", "not the right one")
            assert page.get_by_role("alert").inner_text() == known
        for _ in range(8):  # on a slow machine the first seconds of waiting pass between two tries
            demo.sign_in(page, "nobody at all", "not the right one")
            if wait := re.search(r"Try again in (\d+) s", page.get_by_role("alert").inner_text()):
                break
        assert wait
        time.sleep(int(wait[1]) + 0.1)
        demo.sign_in(page)
        expect(page).to_have_url(f"{demo.url}site/demo")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{demo.url}sign-in")
        page.goto(f"{demo.url}site/demo")
        expect(page).to_have_url(f"{demo.url}sign-in")


def test_a_revoked_session_leaves_the_page_that_is_open(demo):
    with demo.page() as page, demo.page() as elsewhere:
        demo.sign_in(page)
        page.goto(f"{demo.url}sites")
        expect(page.get_by_role("heading", name="Sites")).to_be_visible()
        demo.sign_in(elsewhere)
        _ask(elsewhere, demo, "DELETE", "sessions")
        expect(page).to_have_url(f"{demo.url}sign-in", timeout=8000)


def test_a_driver_is_invited_says_a_need_and_charges_now(demo):
    with demo.page() as admin, demo.page(PHONE, "dark") as page:
        demo.sign_in(admin)
        here = _until(lambda: [e for e in _evses(admin, demo) if e["session"] and e["session"]["soc"]["value"] < 0.7],
                      "nobody is plugged in", 20.0)  # fmt: skip
        mine = min(here, key=lambda evse: abs(evse["measured_kw"] or 0.0))
        holder, place = mine["session"]["holder"], f"{mine['station_id']}/{mine['evse_id']}"
        other = next(evse["session"]["holder"] for evse in here if evse is not mine)
        page.goto(_invited(admin, demo, "Robin", "driver", f"token:{holder}"))
        page.get_by_label(re.compile("at least 12")).fill("many bright lamps")
        page.get_by_role("button", name="Set the password").click()
        expect(page).to_have_url(f"{demo.url}driver")
        expect(page.get_by_role("heading", name=f"Vehicle {holder}")).to_be_visible()
        live(page)

        page.get_by_label("Time of day").fill("07:30")
        slider = page.get_by_label("Battery at least")
        for _ in range(8):
            slider.locator("[tabindex='0']").press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuenow", "100")
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_text(re.compile(r"Ready with 100 % by \w{3} 07:30"))).to_be_visible()
        assert _ask(page, demo, "GET", f"needs/{holder}")["soc"] == 1.0

        began = time.monotonic()
        page.get_by_role("button", name="Charge now").click()
        _until(lambda: _evse(admin, demo, place)["ordered_kw"] > 4.0, "it is not told to charge", 4.0)
        assert time.monotonic() - began < 4.0
        expect(page.get_by_text(re.compile(r"charges \d+\.\d kW")).first).to_be_visible(timeout=10_000)
        assert _evse(admin, demo, place)["measured_kw"] > 3.0
        expect(page.get_by_text("Saved.")).to_be_hidden()
        demo.shots_of(page, "charging")
        page.get_by_role("button", name="Back to the plan").click()
        expect(page.get_by_role("button", name="Charge now")).to_be_visible()

        for address in ("site/demo", f"driver?holder={other}", "people", "site/none", "nothing"):
            assert page.goto(f"{demo.url}{address}").status == 404, address
            expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        page.goto(f"{demo.url}driver?evse={place}")
        expect(page.get_by_role("heading", name=f"Vehicle {holder}")).to_be_visible()


def _evse(page: Page, demo: Demo, place: str) -> dict[str, Any]:
    return next(evse for evse in _evses(page, demo) if f"{evse['station_id']}/{evse['evse_id']}" == place)


def _serious(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run({exclude: [['canvas']]})).violations")
    return [
        f"{item['id']}: {node['html'][:160]}"
        for item in found
        if item["impact"] in {"serious", "critical"}
        for node in item["nodes"][:3]
    ]


def test_a_page_carries_a_policy_without_inline_scripts(demo):
    with demo.page() as page:
        demo.sign_in(page)
        answer = page.goto(f"{demo.url}sites")
        scripts = re.search(r"script-src ([^;]*)", answer.headers["content-security-policy"])[1]
        assert "'unsafe-inline'" not in scripts
        assert "http" not in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        refused = page.request.post(f"{demo.url}sign-out", headers={"sec-fetch-site": "cross-site"})
        assert refused.status == 403
        assert page.goto(f"{demo.url}sites").status == 200


def test_an_operator_stops_everything_lowers_the_limit_and_releases(demo):
    with demo.page() as admin, demo.page() as page:
        demo.sign_in(admin)
        page.goto(_invited(admin, demo, "operator", "site_operator", "site:demo"))
        page.get_by_label(re.compile("at least 12")).fill("a calm and steady hand")
        page.get_by_role("button", name="Set the password").click()
        expect(page).to_have_url(f"{demo.url}site/demo")

        page.get_by_role("button", name="Emergency stop").click()
        page.get_by_label("Reason, for the record").fill("smoke in the garage")
        page.get_by_role("dialog").get_by_role("button", name="Stop everything").click()
        expect(page.get_by_text("Everything is stopped: smoke in the garage")).to_be_visible(timeout=3000)
        _until(lambda: all(abs(evse["measured_kw"] or 0.0) < 0.1 for evse in _evses(admin, demo)), "power still flows")
        expect(page.get_by_role("img", name=re.compile("vehicles 0.0 kW"))).to_be_visible(timeout=3000)
        demo.shots_of(page, "site-stopped")

        page.get_by_role("button", name="Release").click()
        page.get_by_role("dialog").get_by_role("button", name="Release the stop").click()
        expect(page.get_by_text("Say in a few words why.")).to_be_visible()
        page.get_by_role("dialog").get_by_label("Reason, for the record").fill("it was toast")
        page.get_by_role("dialog").get_by_role("button", name="Release the stop").click()
        expect(page.get_by_text("Everything is stopped")).to_be_hidden(timeout=5000)

        page.get_by_role("button", name="Override for a while").click()
        page.get_by_label("At most [kW]").fill("90")
        page.get_by_role("dialog").get_by_label("Reason, for the record").fill("the feeder is full")
        page.get_by_role("dialog").get_by_role("button", name="Override", exact=True).click()
        expect(page.get_by_text("demo: import at most 90.0 kW")).to_be_visible(timeout=5000)
        expect(page.get_by_text(re.compile(r"\(\d+ min left\) · operator: the feeder is full"))).to_be_visible()
        expect(page.get_by_text("90.0 kW", exact=True)).to_be_visible(timeout=5000)
        assert _ask(page, demo, "GET", "sites/demo")["import_limit_kw"] == 90.0
        demo.shots_of(page, "site-override")
        page.get_by_role("button", name="End now: import at most 90.0 kW").click()
        expect(page.get_by_text("demo: import at most 90.0 kW")).to_be_hidden(timeout=5000)
        _until(lambda: _ask(page, demo, "GET", "sites/demo")["import_limit_kw"] == 110.0, "the limit does not return")


def test_a_contractor_puts_a_station_into_service_and_a_driver_leaves_from_it(demo):
    with demo.page() as admin, demo.page() as page:
        demo.sign_in(admin)
        page.goto(_invited(admin, demo, "fitter", "contractor", "site:demo"))
        page.get_by_label(re.compile("at least 12")).fill("screws and cables galore")
        page.get_by_role("button", name="Set the password").click()
        expect(page).to_have_url(f"{demo.url}installations")
        expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["Installations"])
        for address in ("site/demo", "sites", "stations", "audit", "people", "station/DEMO-CP-01"):
            page.goto(f"{demo.url}{address}")
            assert page.get_by_text("DEMO-").count() == 0, address
        page.goto(f"{demo.url}installations")
        expect(page.get_by_text("No installation is under way.")).to_be_visible()
        live(page)
        page.get_by_label("Id, as printed on the station").fill("NEW-7")
        page.get_by_role("button", name="Register the station").click()
        expect(page.get_by_text("The password is shown this once.")).to_be_visible()
        told = page.locator("code").all_inner_texts()
        port = re.search(r"ws://[^:]+:(\d+)/ocpp/NEW-7", told[0])[1]
        page.get_by_role("link", name="Go on with this installation").click()
        expect(page.get_by_text("Type the address, the id and the password")).to_be_visible()
        assert told[2] not in page.content()

        now = _ask(admin, demo, "GET", "sites/demo")["at"]
        with _virtual(port, "NEW-7", told[2], now):
            expect(page.get_by_text("Plug a vehicle in with a card")).to_be_visible(timeout=20_000)
            page.get_by_role("button", name="Begin the test charge").click()
            expect(page.get_by_text(re.compile(r"ordered 6\.0 kW, metered \d\.\d kW"))).to_be_visible(timeout=40_000)
            demo.shots_of(page, "test-charge")
            page.get_by_role("button", name="Hand over").click()
            page.get_by_role("dialog").get_by_label("Reason, for the record").fill("labelled and tried")
            page.get_by_role("dialog").get_by_role("button", name="Hand over").click()
            expect(page.get_by_text("This station is in service.")).to_be_visible()
            _driver_leaves(admin, demo, "NEW-7/1")


_STATION = """
import asyncio, random, sys, time
from datetime import datetime, timedelta
from bothways.adapters.clocks import ScaledClock
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle

async def live(port, name, secret, now, asked, speed):
    since = (time.time() - float(asked)) * speed  # what has passed for the demonstration since it was asked
    clock = ScaledClock(datetime.fromisoformat(now) + timedelta(seconds=since), speed)
    options = StationOptions(protocol="ocpp2.1", secret=secret, tick_s=2.0, meter_s=10.0)
    url = f"ws://127.0.0.1:{port}/ocpp"
    station = VirtualStation(name, url, [Outlet(1, 11.0, 0.0)], clock, options, rng=random.Random(3))
    running = asyncio.create_task(station.run())
    await asyncio.sleep(3.0)
    await station.plug_in(1, VirtualVehicle("DEMO-20", 77.0, 20.0, 11.0, min_charge_kw=4.14))
    await running

asyncio.run(live(*sys.argv[1:6], float(sys.argv[6])))
"""


@contextmanager
def _virtual(port: str, name: str, secret: str, now: str) -> Iterator[None]:
    """A virtual station of its own process, by the demonstration's clock, into which somebody plugs a vehicle."""
    command = [sys.executable, "-c", _STATION, port, name, secret, now, str(time.time()), str(SPEED)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _driver_leaves(admin: Page, demo: Demo, place: str) -> None:
    """At the new station: a need, a plan that follows it, charging at once, and the station that obeys."""
    in_a_day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400 + 20 * 600))
    _ask(admin, demo, "PUT", f"needs/{place}", ready_by=in_a_day, energy_kwh=5.0)
    _until(lambda: _evse(admin, demo, place)["session"]["ready_by"], "the need is not taken in", 15.0)
    before = _evse(admin, demo, place)["session"]["needed_kwh"]
    _ask(admin, demo, "PUT", f"needs/{place}", ready_by=in_a_day, energy_kwh=20.0, charge_now=True)
    _until(lambda: _evse(admin, demo, place)["session"]["needed_kwh"] > before + 5.0, "the plan does not change", 15.0)
    _until(lambda: (_evse(admin, demo, place)["ordered_kw"] or 0.0) > 4.0, "it is not charged at once", 20.0)
    _ask(admin, demo, "POST", f"departures/{place}")
    _until(lambda: abs(_evse(admin, demo, place)["measured_kw"] or 0.0) < 0.1, "the station does not let it go", 10.0)
