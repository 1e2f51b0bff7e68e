"""Takes the pictures of the page for the README, from a real server on the demo's films.

`make demo`, then: python -m tests.support.page_pictures [FOLDER OF THE DEMO] [FOLDER OF THE PICTURES]
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PATIENCE_MS, Visit, chromium
from tests.support.page_server import PageServer

WISH = "something clever and funny for a family evening"
LIKES = ("Groundhog Day", "Toy Story", "Fantastic Mr. Fox", "The Big Lebowski", "Moonrise Kingdom")


def wide(browser: Browser, address: str, path: Path) -> None:
    """The conversation beside the person's taste, on a wide window."""
    visit = Visit(browser, address, viewport={"width": 1280, "height": 860}, color_scheme="light")
    talk(visit.page)
    visit.page.get_by_role("button", name="Your taste").click()
    expect(visit.page.locator(".interests li")).not_to_have_count(0)
    visit.page.locator(".card").first.hover()
    shoot(visit, path)


def phone(browser: Browser, address: str, path: Path) -> None:
    """The conversation on a phone at night."""
    visit = Visit(browser, address, viewport={"width": 390, "height": 780}, color_scheme="dark", device_scale_factor=2)
    talk(visit.page)
    visit.page.locator(".card").first.scroll_into_view_if_needed()
    shoot(visit, path)


def talk(page: Page) -> None:
    """Say a wish, and wait for all of the answer."""
    page.get_by_role("textbox").fill(WISH)
    page.keyboard.press("Enter")
    expect(page.locator(".foot .last")).to_be_visible()


def tell_likes(address: str) -> None:
    """What the visitor liked before."""
    events = [{"user": "me", "kind": "like", "title": title} for title in LIKES]
    body = json.dumps({"events": events}).encode()
    request = urllib.request.Request(f"{address}v1/events", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def shoot(visit: Visit, path: Path) -> None:
    """One picture, once nothing moves."""
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.wait_for_load_state("networkidle")
    visit.page.screenshot(path=path)
    visit.close()


def main(demo: Path, pictures: Path) -> None:
    """Both pictures, from a copy of the demo's folder."""
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        films = shutil.copytree(demo, Path(folder) / "demo")
        with PageServer(films) as server:
            tell_likes(server.address)
            for take, name in ((wide, "page.png"), (phone, "page-phone.png")):
                take(browser, server.address, pictures / name)


if __name__ == "__main__":
    here = [Path(one) for one in sys.argv[1:]]
    main(*(here + [Path("data/demo"), Path("docs")][len(here) :]))
