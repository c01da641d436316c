"""How soon the page is there, and how soon it shows what an app tracks, in a real browser.

    python benchmarks/page.py [--events 40] [--window 100000]

Needs Chromium (on Debian: chromium). `whiteout up` as a user starts it, and Whiteout's tracker with
its own defaults in another process than the pipeline's. Reported, each beside its limit:

- seconds from the start of the command until `/health` answers;
- from the same start until the page can be used: its scripts have run, and its stream is open. It
  is asked for once `/health` has answered, by a browser that runs, with an empty window and cache;
- from the call of `track()` until the row stands in the list, by one clock: of the first event, and
  the median, the 95th percentile and the most of all, tracked one by one at uneven intervals;
- with 100,000 events on the page, screen views of sessions of 20 with the entities of a mobile
  tracker and failed ones among them, from the click until the view can be used: all events, those
  of one type, those with a text anywhere, a page of old ones, one event, sessions, one session and
  charts.

Ends with status 1 where a limit does not hold.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

import whiteout

if TYPE_CHECKING:
    from playwright.sync_api import Page

READY_S, USABLE_S, VISIBLE_S, VIEW_S = 3.0, 5.0, 1.0, 1.0
_DEADLINE_S = 120.0
_POLL_S = 0.01
_A_REQUEST = 400
_TP2 = "/com.snowplowanalytics.snowplow/tp2"
_SCREEN = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
_UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
_CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
_PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
# When each row came to stand in the list, in seconds since the epoch, as Python has it.
_WATCH = """() => {
  window.rowsAt = [];
  new MutationObserver((changes) => {
    const now = (performance.timeOrigin + performance.now()) / 1000;
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.tagName === "TR") window.rowsAt.push(now);
    }
  }).observe(document.getElementById("events"), { childList: true });
}"""


def start(folder: Path) -> tuple[subprocess.Popen[str], int, float]:
    """Start the command; its process, port, and the seconds until it answered."""
    command = [sys.executable, "-P", "-m", "whiteout.cli", "up", "--data", str(folder)]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-iglu-central"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    return process, port, time.monotonic() - started


def open_page(page: Page, port: int, query: str = "") -> float:
    """Open the page; the seconds until it can be used."""
    opened = time.monotonic()
    page.goto(f"http://127.0.0.1:{port}/ui{query}", wait_until="commit")
    page.get_by_text("Live", exact=True).wait_for()
    return time.monotonic() - opened


def waits(page: Page, port: int, folder: Path, events: int) -> list[float]:
    """The seconds between each call and its row."""
    tracker = whiteout.create_tracker(
        "benchmark",
        f"http://127.0.0.1:{port}",
        whiteout.TrackerConfiguration(install_autotracking=False),
        whiteout.EmitterConfiguration(storage_dir=folder),
    )
    found = []
    page.evaluate(_WATCH)
    deadline = time.monotonic() + _DEADLINE_S
    for number in range(events):
        called = time.time()
        tracker.track(whiteout.Structured(category="benchmark", action=f"call {number}"))
        while len(rows := page.evaluate("window.rowsAt")) <= number:
            if time.monotonic() > deadline:
                raise SystemExit(f"{number} of {events} events came within {_DEADLINE_S:.0f} s")
            time.sleep(_POLL_S)
        found.append(rows[number] - called)
        time.sleep(random.uniform(0, 0.5))
    tracker.close()
    return found


def realistic(number: int) -> dict[str, str]:
    """An event of a session; every hundredth is a failed one, every tenth a page view."""
    event = {
        "p": "mob",
        "tv": "benchmark",
        "aid": f"shop-{number % 3}",
        "eid": str(uuid.uuid4()),
        "dtm": str(time.time_ns() // 1_000_000),
        "uid": f"person-{number // 100}",
        "lang": "en-GB",
        "tz": "Europe/London",
        "co": json.dumps({"schema": _CONTEXTS, "data": entities(number)}),
    }
    if number % 10 == 0:
        return {**event, "e": "pv", "url": f"https://shop.example/{number}?colour=red"}
    name = number if number % 100 == 1 else f"Screen {number}"
    screen = {"schema": _SCREEN, "data": {"name": name, "id": str(uuid.uuid4())}}
    return {**event, "e": "ue", "ue_pr": json.dumps({"schema": _UNSTRUCT, "data": screen})}


def entities(number: int) -> list[dict[str, object]]:
    """What a mobile tracker attaches."""
    session = number // 20
    return [
        {
            "schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
            "data": {
                "userId": str(uuid.UUID(int=number // 100 + 1)),
                "sessionId": str(uuid.UUID(int=session + 2)),
                "previousSessionId": str(uuid.UUID(int=session + 1)),
                "sessionIndex": session + 1,
                "eventIndex": number % 20 + 1,
                "storageMechanism": "SQLITE",
                "firstEventId": str(uuid.UUID(int=session)),
                "firstEventTimestamp": "2026-01-31T12:00:00.000Z",
            },
        },
        {
            "schema": "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3",
            "data": {
                "osType": "android",
                "osVersion": "15",
                "deviceManufacturer": "Example",
                "deviceModel": f"Model {number % 40}",
                "networkType": "wifi",
                "batteryLevel": number % 100,
            },
        },
        {
            "schema": "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0",
            "data": {"version": "1.2.3", "build": "45"},
        },
    ]


def fill(port: int, events: int) -> None:
    """Send so many events, and wait until the page has them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)

    def ask(method: str, path: str, body: str | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body, {} if body is None else headers)
        return connection.getresponse().read()

    def total() -> int:
        connection.request("GET", "/micro/all")
        answer = connection.getresponse()
        body = answer.read()  # what is not loaded within ten seconds is answered 503
        return int(json.loads(body)["total"]) if answer.status == 200 else 0

    before = total()
    for start_at in range(0, events, _A_REQUEST):
        numbers = range(start_at, min(start_at + _A_REQUEST, events))
        data = [realistic(number) for number in numbers]
        ask("POST", _TP2, json.dumps({"schema": _PAYLOAD_DATA, "data": data}))
    deadline = time.monotonic() + _DEADLINE_S
    while total() < before + events:
        if time.monotonic() > deadline:
            raise SystemExit(f"the page had no {events} events within {_DEADLINE_S:.0f} s")
        time.sleep(0.5)
    connection.close()


def large(page: Page, port: int, window: int) -> dict[str, float]:
    """The seconds that each view takes."""
    took = {"all events": open_page(page, port)}
    newest = page.locator("#events tr").first.get_attribute("data-number")
    assert newest is not None
    text = f"q=example/{window * 7 // 10}"
    for name, query in (("of one type", "type=page_view"), ("with a text", text)):
        took[name] = open_page(page, port, f"?{query}")
    old = int(newest) - window * 9 // 10
    took["a page of old ones"] = open_view(page, port, f"?before={old}", "Older events")
    took["one event"] = follow(page, "#events td.type a", "Its way")
    took["sessions"] = open_view(page, port, "/sessions", "Duration")
    took["one session"] = follow(page, "#sessions a", "These events in the list")
    took["charts"] = open_view(page, port, "/charts", "Top schemas")
    return took


def open_view(page: Page, port: int, path: str, shown: str) -> float:
    """The seconds until a view shows a text."""
    opened = time.monotonic()
    page.goto(f"http://127.0.0.1:{port}/ui{path}", wait_until="commit")
    page.get_by_text(shown, exact=True).first.wait_for()
    return time.monotonic() - opened


def follow(page: Page, link: str, shown: str) -> float:
    """The seconds from the click on the first such link until its view shows a text."""
    clicked = time.monotonic()
    page.locator(link).first.click()
    page.get_by_text(shown).first.wait_for()
    return time.monotonic() - clicked


def verdict(name: str, measured: str, limit_s: float, *, holds: bool) -> bool:
    print(f"{name:42} {measured:>26}  {limit_s:.0f} s  {'' if holds else 'NOT REACHED'}")
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--window", type=int, default=100_000)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not here; on Debian install chromium")
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load"
        f" before {os.getloadavg()[0]:.1f}; {arguments.events} events"
    )
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        folder = Path(directory)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        process, port, ready_s = start(folder / "data")
        try:
            usable_s = open_page(page, port)
            found = waits(page, port, folder / "app", arguments.events)
            fill(port, arguments.window)
            views = large(page, port, arguments.window)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_DEADLINE_S)
            browser.close()
    cuts = statistics.quantiles(found, n=20, method="inclusive")
    p95, most = cuts[18], max(found)
    all_s = f"{statistics.median(found):.2f}, {p95:.2f}, {most:.2f} s"
    held = [
        verdict("ready", f"{ready_s:.2f} s", READY_S, holds=ready_s <= READY_S),
        verdict(
            "the page can be used, after the start",
            f"{ready_s + usable_s:.2f} s",
            USABLE_S,
            holds=ready_s + usable_s <= USABLE_S,
        ),
        verdict("first event", f"{found[0]:.2f} s", VISIBLE_S, holds=found[0] < VISIBLE_S),
        verdict("all events, p50, p95, most", all_s, VISIBLE_S, holds=p95 < VISIBLE_S),
        *(
            verdict(f"{arguments.window:,}: {name}", f"{took:.2f} s", VIEW_S, holds=took <= VIEW_S)
            for name, took in views.items()
        ),
    ]
    raise SystemExit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
