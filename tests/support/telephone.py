"""A browser with a profile of its own that can be killed like a telephone whose battery is empty."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, Playwright

from tests.support.waiting import wait_for

ARGUMENTS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"),
    *("--disable-background-networking", "--disable-component-update", "--disable-breakpad"),
)
SMALL: Final[dict[str, int]] = {"width": 360, "height": 740}
LARGE: Final[dict[str, int]] = {"width": 390, "height": 844}


class Telephone:
    """Chromium with a profile that outlives it.

    Args:
        playwright: Talks to it.
        profile: The folder of its profile.
        home: The address of the server.
    """

    def __init__(self, playwright: Playwright, profile: Path, home: str) -> None:
        self._playwright = playwright
        self._profile = profile
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._browser: Browser | None = None
        self.faults: list[str] = []

    def switch_on(self, viewport: dict[str, int] = SMALL) -> Page:
        """Start the browser; returns its page, blank."""
        port_file = self._profile / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        program = shutil.which("chromium")
        assert program
        command = [program, *ARGUMENTS, f"--user-data-dir={self._profile}", "about:blank"]
        # A group of its own: all its processes end together.
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1, "the browser")
        port = port_file.read_text().split()[0]
        self._browser = self._playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        context = self._browser.contexts[0]
        context.set_default_timeout(20_000)
        page = context.pages[0] if context.pages else context.new_page()
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._judge(request.url))
        return page

    def kill(self) -> None:
        """Kill the browser with all its processes: nothing of it can write any more."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._browser = self._process = None
        # What a killed browser leaves, and a telephone does not have.
        for name in ("SingletonLock", "SingletonSocket", "SingletonCookie"):
            (self._profile / name).unlink(missing_ok=True)

    def switch_off(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.kill()

    def _note(self, text: str) -> None:
        # The network is away on purpose.
        if "Failed to load resource" not in text:
            self.faults.append(text)

    def _judge(self, url: str) -> None:
        if url.startswith("http") and not url.startswith(f"{self._home}/"):
            self.faults.append(f"asked {url}")


def rows_of(page: Page, store: str) -> list[Any]:
    """The rows of a store of the app's IndexedDB."""
    rows: list[Any] = page.evaluate(
        """(name) => new Promise((resolve, reject) => {
            const opening = indexedDB.open("kota-crew");
            opening.onerror = () => reject(opening.error);
            opening.onsuccess = () => {
                const asked = opening.result.transaction(name).objectStore(name).getAll();
                asked.onsuccess = () => {
                    opening.result.close();
                    resolve(asked.result.map((row) => ({ ...row, photo: Boolean(row.photo) })));
                };
            };
        })""",
        store,
    )
    return rows
