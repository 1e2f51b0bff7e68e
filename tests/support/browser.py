"""A real browser for the page: the Chromium of the system, without a window. No browser is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 60_000.0


def executable() -> str:
    """Where the browser is; a test without one fails with the line that says how to get it.

    With PALATE_WITHOUT_BROWSER it is left out: the machine has said that it can have none.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        left_out = pytest.skip if os.environ.get("PALATE_WITHOUT_BROWSER") else partial(pytest.fail, pytrace=False)
        left_out("the page is tested in Chromium, which is not here. Install it: apt-get install chromium")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has no sandbox to be in
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page in a profile of its own, opened at an address. What its console complains of is kept in `complaints`."""

    def __init__(self, browser: Browser, address: str, **context: object) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.address = address
        self._context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **context})  # type: ignore[arg-type]
        self._context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self._context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.goto(address)

    def close(self) -> None:
        """Close the profile, with all that its storage held."""
        self._context.close()
