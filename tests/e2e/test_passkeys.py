"""Passkeys in a real browser with a virtual authenticator: added on one's own page, used at the sign-in, removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.e2e.test_console import DESKTOP, TELEPHONE, browser, looking, serving
from tests.support.access import PASSWORD

__all__ = ["browser"]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
REFUSED = "Masuk dengan passkey ditolak"
STOPPED = "Peramban tidak memberikan passkey"


class VirtualAuthenticator:
    """An authenticator of the browser itself, such as a telephone's; over Chromium's protocol for developers."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        made = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.id: str = made["authenticatorId"]

    def verify(self, *, is_person: bool) -> None:
        """Let the person who holds it be, or not be, its own."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": is_person})

    def rewind(self) -> None:
        """Let it have signed less often than it has, as a copy made before."""
        (credential,) = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        self.session.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        credential["signCount"] = 0
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})


def enter_with_password(page: Page, name: str) -> None:
    page.goto("/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.locator("form[action='/login'] button").click()
    expect(page.locator("header.top")).to_be_visible()


def add_passkey(page: Page, password: str = PASSWORD) -> None:
    form = page.locator("form.passkey-add")
    form.locator("[name=name]").fill("ponsel saya")
    form.locator("[name=password]").fill(password)
    form.locator("button").click()


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_passkey_is_added_opens_the_console_and_is_removed(
    browser: Browser, tmp_path: Path, viewport: dict[str, int]
) -> None:
    with (
        serving(tmp_path, demo=False, host="localhost") as real,
        looking(browser, real, viewport, refused="401") as page,
    ):
        device = VirtualAuthenticator(page)
        name = real.stage.account("viewer").name
        enter_with_password(page, name)
        page.goto("/account?lang=id")
        add_passkey(page)
        remove = page.locator("button[data-to='/api/v1/me/passkeys/1']")
        expect(remove).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        page.locator(".out button").click()
        passkey = page.locator("form.passkey button")
        expect(passkey).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        passkey.click()
        expect(page.locator("header.top")).to_be_visible()
        page.goto("/account?lang=id")
        expect(page.locator("header.top .own")).to_have_text(name)
        assert real.stage.people.sessions_of(real.stage.account("viewer").id)[0].method == "passkey"
        device.rewind()
        page.locator(".out button").click()
        passkey.click()
        expect(page.get_by_role("alert")).to_contain_text(REFUSED)
        enter_with_password(page, name)
        page.goto("/account?lang=id")
        page.on("dialog", lambda dialog: dialog.accept())
        remove.click()
        expect(remove).to_have_count(0)
        actions = [entry.action for entry in real.stage.people.audit.search(limit=4)]
        assert actions == ["passkey.remove", "sign_in", "sign_in.failed", "sign_out"]


def test_a_wrong_password_or_a_second_key_adds_nothing_and_says_so(browser: Browser, tmp_path: Path) -> None:
    with (
        serving(tmp_path, demo=False, host="localhost") as real,
        looking(browser, real, DESKTOP, refused="422") as page,
    ):
        VirtualAuthenticator(page)
        enter_with_password(page, real.stage.account("viewer").name)
        page.goto("/account?lang=en")
        add_passkey(page, "not the password")
        failure = page.locator("form.passkey-add .failure")
        expect(failure).to_have_text("The present password is wrong.")
        add_passkey(page)
        expect(page.locator("button[data-to='/api/v1/me/passkeys/1']")).to_be_visible()
        add_passkey(page)
        expect(failure).to_have_text("This passkey has been added already.")


def test_a_browser_without_a_passkey_says_so_and_the_password_still_works(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, demo=False, host="localhost") as real, looking(browser, real, DESKTOP) as page:
        device = VirtualAuthenticator(page)
        device.verify(is_person=False)
        page.goto("/login")
        page.locator("form.passkey button").click()
        expect(page.get_by_role("alert")).to_contain_text(STOPPED)
        enter_with_password(page, real.stage.account("viewer").name)


def test_without_scripts_or_a_domain_there_is_the_password_alone(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, demo=False, host="localhost") as real:
        context = browser.new_context(java_script_enabled=False, base_url=real.url)
        page = context.new_page()
        page.goto("/login")
        expect(page.locator("form.passkey")).to_be_hidden()
        page.fill("input[name=name]", real.stage.account("viewer").name)
        page.fill("input[name=password]", PASSWORD)
        page.locator("form[action='/login'] button").click()
        expect(page.locator("header.top")).to_be_visible()
        context.close()
        elsewhere = browser.new_context(base_url=real.url.replace("localhost", "127.0.0.1"))
        page = elsewhere.new_page()
        page.goto("/login")
        expect(page.locator("form.passkey")).to_be_hidden()
        elsewhere.close()
