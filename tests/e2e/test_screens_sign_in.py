"""Ways to sign in, in a real browser: a passkey of a virtual authenticator, a second factor with its QR code."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

spec = importlib.util.spec_from_file_location("screens_of_a_demo", Path(__file__).with_name("test_screens.py"))
screens = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = screens
spec.loader.exec_module(screens)
demo, axe = screens.demo, screens.axe
pytestmark = pytest.mark.slow


@contextmanager
def _authenticator(page: Page) -> Iterator[tuple[Any, str]]:
    """A virtual authenticator that makes sure of the person."""
    tool = page.context.new_cdp_session(page)
    tool.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = tool.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    yield tool, made
    tool.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": made})


def _out(page: Page, url: str) -> None:
    page.goto(f"{url}sites")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{url}sign-in")


def test_a_passkey_is_added_signs_in_without_a_name_and_is_removed(demo, axe):
    url = demo.url.replace("127.0.0.1", "localhost")  # passkeys belong to names of hosts
    with demo.page() as page, _authenticator(page) as (tool, authenticator):
        page.goto(f"{url}sign-in")
        page.locator("#name").fill(demo.user)
        page.locator("#password").fill(demo.password)
        page.keyboard.press("Enter")
        page.get_by_role("link", name=demo.user).click()
        expect(page.locator("h1")).to_have_text("My account")
        page.get_by_label("What to call it").fill("my <laptop>")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_text("my <laptop>")).to_be_visible()
        expect(page.get_by_text("not used yet")).to_be_visible()
        assert screens._serious(page, axe) == []
        _out(page, url)
        page.get_by_role("button", name="Use a passkey").click()
        expect(page).not_to_have_url(re.compile("sign-in"))
        page.goto(f"{url}account")
        expect(page.get_by_text("last used")).to_be_visible()
        _out(page, url)
        tool.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page).to_have_url(f"{url}sign-in")
        tool.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
        page.get_by_role("button", name="Use a passkey").click()
        expect(page).not_to_have_url(re.compile("sign-in"))
        page.goto(f"{url}account")
        page.get_by_role("button", name="Remove my <laptop>").click()
        expect(page.get_by_text("my <laptop>")).to_have_count(0)
        _out(page, url)
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_be_visible()


def test_a_second_factor_is_set_up_on_a_phone_and_asked_for(demo, axe):
    with demo.page(screens.PHONE, "dark") as page:
        demo.sign_in(page)
        page.goto(f"{demo.url}account")
        page.get_by_role("button", name="Set up").click()
        expect(page.locator("svg.qr")).to_be_visible()
        secret = page.locator("code").inner_text()
        assert screens._serious(page, axe) == []
        demo.shots_of(page, "second-factor")
        code = pyotp.TOTP(secret).at(datetime.now(tz=UTC))
        page.get_by_label("The six digits that it shows now").fill(code)
        page.get_by_role("button", name="Turn on").click()
        expect(page.locator("h1")).to_have_text("Recovery codes")
        recovery = page.locator("code").all_inner_texts()
        assert screens._serious(page, axe) == []
        demo.shots_of(page, "recovery-codes")
        assert len(recovery) == 10
        _out(page, demo.url)
        demo.sign_in(page)
        expect(page.get_by_role("alert")).to_be_visible()
        page.locator("#password").fill(demo.password)
        page.get_by_label("Code of the second factor").fill(recovery[0])
        page.keyboard.press("Enter")
        expect(page).not_to_have_url(re.compile("sign-in"))
        page.goto(f"{demo.url}account")
        expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
        page.get_by_role("button", name="Turn off").click()
        expect(page.get_by_role("button", name="Set up")).to_be_visible()


def test_an_administrator_removes_a_lost_second_factor_on_the_page_of_people(demo):
    with demo.page() as admin, demo.page() as page:
        demo.sign_in(admin)
        page.goto(screens._invited(admin, demo, "Forgetful", "grid_viewer", "site:demo"))
        page.get_by_label(re.compile("at least 12")).fill("many words of length")
        page.get_by_role("button", name="Set the password").click()
        page.goto(f"{demo.url}account")
        page.get_by_role("button", name="Set up").click()
        secret = page.locator("code").inner_text()
        page.get_by_label("The six digits that it shows now").fill(pyotp.TOTP(secret).at(datetime.now(tz=UTC)))
        page.get_by_role("button", name="Turn on").click()
        expect(page.locator("h1")).to_have_text("Recovery codes")
        admin.goto(f"{demo.url}people")
        screens.live(admin)
        admin.get_by_role("button", name="Remove the second factor Forgetful").click()
        admin.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(admin.get_by_role("button", name="Remove the second factor Forgetful")).to_have_count(0)
        noted = screens._ask(admin, demo, "GET", "audit?kind=second%20factor%20turned%20off&subject=Forgetful")
        assert [line["detail"]["who"] for line in noted] == [demo.user]


def test_an_administrator_changes_what_somebody_may_do_and_it_holds_at_once(demo, axe):
    with demo.page() as admin, demo.page() as page:
        demo.sign_in(admin)
        page.goto(screens._invited(admin, demo, "Mover", "grid_viewer", "site:demo"))
        page.get_by_label(re.compile("at least 12")).fill("from here to over there")
        page.get_by_role("button", name="Set the password").click()
        expect(page).to_have_url(f"{demo.url}power")
        assert page.goto(f"{demo.url}site/demo").status == 404

        admin.goto(f"{demo.url}people")
        screens.live(admin)
        admin.get_by_role("button", name="Change roles Mover").click()
        dialog = admin.get_by_role("dialog")
        dialog.get_by_role("button", name="Add a role").click()
        dialog.get_by_label("Reaches").nth(1).fill("site:nowhere")
        dialog.get_by_role("button", name="Go on").click()
        expect(dialog.get_by_text("grid viewer of site:demo").first).to_be_visible()
        expect(dialog.get_by_text("driver of site:nowhere")).to_be_visible()
        dialog.get_by_role("button", name="Change the roles").click()
        expect(admin.get_by_text("Correct the site's name")).to_be_visible()
        dialog.get_by_role("button", name="Remove this role").nth(1).click()
        expect(dialog.get_by_label("Reaches")).to_have_count(1)
        dialog.get_by_label("Role", exact=True).click()
        admin.get_by_role("option", name="site operator").click()
        dialog.get_by_role("button", name="Go on").click()
        expect(dialog.get_by_text("site operator of site:demo")).to_be_visible()
        expect(admin.locator(".q-notification")).to_have_count(0, timeout=20_000)
        found = screens._serious(admin, axe)  # it takes the dimmed page for what lies behind a dialog's buttons
        assert [told for told in found if not told.startswith("color-contrast")] == []
        assert screens._ask(page, demo, "GET", "session")["grants"][0]["role"] == "grid_viewer", "nothing is done yet"
        dialog.get_by_role("button", name="Change the roles").click()
        expect(dialog).to_have_count(0)  # it shows the new role before it is given
        expect(admin.get_by_text("site operator of site:demo").first).to_be_visible()
        assert page.goto(f"{demo.url}site/demo").status == 200
        noted = screens._ask(admin, demo, "GET", "audit?kind=account%27s%20roles%20changed&subject=Mover")
        assert [(line["detail"]["who"], line["detail"]["grants"]) for line in noted] == [
            (demo.user, ["site_operator site:demo"])
        ]
        expect(admin.get_by_role("button", name=f"Change roles {demo.user}")).to_have_count(0)

        admin.get_by_role("button", name="Change roles Mover").click()
        mover = next(one for one in screens._ask(admin, demo, "GET", "accounts") if one["name"] == "Mover")
        grants = [{"role": "front_desk", "scope": "site:demo"}]
        screens._ask(admin, demo, "PUT", f"accounts/{mover['account_id']}/grants", grants=grants)
        dialog.get_by_role("button", name="Go on").click()
        dialog.get_by_role("button", name="Change the roles").click()
        expect(admin.get_by_text("somebody changed the roles of this account meanwhile")).to_be_visible()
        now = screens._ask(admin, demo, "GET", f"accounts/{mover['account_id']}")
        assert [grant["role"] for grant in now["grants"]] == ["front_desk"]
