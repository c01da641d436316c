"""Take the documentation's pictures of the page.

    python -m docs.screenshots

Starts `whiteout up` on a free port, has the demo's shop visited at each level of anonymity, and
opens the views in Chromium (on Debian: chromium). Writes `reference/pictures.md` and its pictures,
for the site: they are made whenever it is built, and not kept under version control. Without
Chromium the page says so, and where `WHITEOUT_REQUIRE` names it the exit status is 1.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs.pictures import PICTURES, Picture, page_of

import whiteout
from whiteout.demo.run import pipeline
from whiteout.demo.shop import Secrets, play

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

REFERENCE: Final = Path(__file__).parent / "reference"
_VISITS: Final = 5  # charts show no smaller groups
_EVENTS: Final = 25  # that the shop tracks itself in one visit at each level
_PATIENCE_S: Final = 60
_SIZE: Final[ViewportSize] = {"width": 1180, "height": 820}
_SCREEN_VIEW: Final = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"


def fill(endpoint: str, folder: Path) -> None:
    """Visit the shop often enough for the charts, with an app that makes a mistake each time."""
    for number in range(_VISITS):
        play(endpoint, folder / "app", f"shop-{number}", Secrets.fresh())
    with whiteout.create_tracker(
        "mistaken",
        endpoint,
        whiteout.TrackerConfiguration(app_id="demo-shop", install_autotracking=False),
        whiteout.EmitterConfiguration(storage_dir=folder / "app"),
    ) as tracker:
        for _ in range(_VISITS):
            tracker.track(whiteout.SelfDescribing(schema=_SCREEN_VIEW, data={"name": 5}))
        if not tracker.flush(_PATIENCE_S):
            raise TimeoutError("the collector did not take the events in time")


def wait_until_counted(endpoint: str) -> None:
    """Wait until the charts count what was tracked: ten seconds later."""
    deadline = time.monotonic() + _PATIENCE_S
    address = f"{endpoint}/ui/charts/export.json?span=10m"
    while time.monotonic() < deadline:
        with urllib.request.urlopen(address, timeout=_PATIENCE_S) as answer:  # noqa: S310 - loopback
            if json.load(answer)["events"] >= _VISITS * (_EVENTS + 1):
                return
        time.sleep(0.5)  # another process counts: there is nothing here to be woken by
    raise TimeoutError("the charts did not count the events in time")


def take(page: Page, endpoint: str, picture: Picture, folder: Path) -> None:
    """Take one picture."""
    page.emulate_media(color_scheme="dark" if picture.is_dark else "light")
    page.goto(endpoint + picture.path)
    if picture.first_of:
        page.locator(picture.first_of).first.click()
    for text in picture.shows:
        page.get_by_text(text).first.wait_for()
    if picture.top:
        page.locator(picture.top).first.evaluate("element => element.scrollIntoView()")
    page.screenshot(path=folder / f"{picture.name}.png")


def main() -> int:
    """Take all of them."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no pictures of the page: Chromium is not here; on Debian install chromium")
        return int("chromium" in os.environ.get("WHITEOUT_REQUIRE", ""))
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where it is used

    pictures = REFERENCE / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        pipeline(Path(data), 0) as endpoint,
        sync_playwright() as playwright,
    ):
        fill(endpoint, Path(data))
        wait_until_counted(endpoint)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=_SIZE)
        for picture in PICTURES:
            take(page, endpoint, picture, pictures)
        browser.close()
    (REFERENCE / "pictures.md").write_text(page_of(PICTURES), "utf-8")
    print(f"{len(PICTURES)} pictures in {pictures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
