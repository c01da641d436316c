"""The examples run, and send what their comments say."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
UNREACHABLE = "http://127.0.0.1:9"  # the discard port: nobody listens


class Collector:
    """Takes all that is posted to it, on a free port."""

    def __init__(self) -> None:
        self.events: list[tuple[bool, dict[str, Any]]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_anonymous = self.headers.get("SP-Anonymous") == "*"
                collector.events += [
                    (is_anonymous, decoded(event)) for event in json.loads(body)["data"]
                ]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def decoded(event: dict[str, str]) -> dict[str, Any]:
    """An event with its body and entities as data."""
    plain: dict[str, Any] = dict(event)
    for name in ("ue_px", "cx"):
        if name in event:
            text = event[name] + "=" * (-len(event[name]) % 4)
            plain[name] = json.loads(base64.urlsafe_b64decode(text))["data"]
    return plain


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join()


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "DO_NOT_TRACK"}
    search = os.pathsep.join([str(ROOT / "src"), inherited.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=inherited | {"PYTHONPATH": search} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def count_until_delivered(
    collector: Collector, text: Path, storage: Path, *, waiting: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the tool, and run it again while a busy computer has not delivered all within its time.

    Args:
        waiting: events that earlier runs have left.
    """
    for runs in range(1, 11):
        done = run(
            EXAMPLES / "count_words.py", text, "--collector", collector.url, "--storage", storage
        )
        if len(collector.events) == waiting + 2 * runs:
            return done
    pytest.fail(f"only {len(collector.events)} events came")


def schemas_of(event: dict[str, Any]) -> list[str]:
    """The names of an event's body and entities."""
    parts = [event["ue_px"]] if "ue_px" in event else []
    return [parse_schema_key(part["schema"]).name for part in parts + event.get("cx", [])]


def test_the_shop_knows_its_user_only_while_it_may(collector: Collector, tmp_path: Path) -> None:
    done = run(EXAMPLES / "shop.py", collector.url, "--storage", tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "everything was delivered"
    # Besides the ends of screens, which the tracker tracks by itself.
    assert sum("screen_end" not in schemas_of(event) for _, event in collector.events) == 15
    for is_anonymous, event in collector.events:
        assert ("uid" in event) is not is_anonymous
        assert ("client_session" in schemas_of(event)) is not is_anonymous
    orders = [
        (is_anonymous, event["ue_px"]["data"])
        for is_anonymous, event in collector.events
        if "order" in schemas_of(event)
    ]
    assert (True, {"items": 1, "total_cents": 4990}) in orders
    assert sum(is_anonymous for is_anonymous, _ in orders) >= 1
    for is_anonymous, data in orders:
        assert ("customer_email" in data) is not is_anonymous


def test_the_shops_own_schemas_fit_what_it_sends(collector: Collector, tmp_path: Path) -> None:
    run(EXAMPLES / "shop.py", collector.url, "--storage", tmp_path)

    checked = set()
    for _, event in collector.events:
        for part in [*([event["ue_px"]] if "ue_px" in event else []), *event.get("cx", [])]:
            key = parse_schema_key(part["schema"])
            if key.vendor == "com.example.shop":
                schema = json.loads((EXAMPLES / "schemas" / key.path).read_text("utf-8"))
                assert schema.pop("self")["name"] == key.name
                del schema["$schema"]
                jsonschema_rs.validate(schema, part["data"])
                checked.add(key.name)
    assert checked == {"order", "sale"}


def test_the_tool_counts_words_and_says_how_it_is_used(
    collector: Collector, tmp_path: Path
) -> None:
    text = tmp_path / "secret name.txt"
    text.write_text("one two three\n", "utf-8")

    done = count_until_delivered(collector, text, tmp_path)

    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert all(is_anonymous for is_anonymous, _ in collector.events)
    assert {event["e"] for _, event in collector.events} == {"se", "ue"}
    assert "secret" not in json.dumps(collector.events)


def test_what_the_tool_cannot_deliver_its_next_run_does(
    collector: Collector, tmp_path: Path
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("one two three\n", "utf-8")

    offline = run(
        EXAMPLES / "count_words.py", text, "--collector", UNREACHABLE, "--storage", tmp_path
    )
    online = count_until_delivered(collector, text, tmp_path, waiting=2)

    assert (offline.returncode, offline.stdout, offline.stderr) == (0, "3\n", "")
    assert online.returncode == 0


def test_the_tool_tracks_nothing_when_it_is_asked_not_to(
    collector: Collector, tmp_path: Path
) -> None:
    text, storage = tmp_path / "a.txt", tmp_path / "storage"
    text.write_text("one two three\n", "utf-8")

    done = run(
        EXAMPLES / "count_words.py",
        text,
        "--collector",
        collector.url,
        "--storage",
        storage,
        DO_NOT_TRACK="1",
    )

    assert (done.returncode, done.stdout) == (0, "3\n")
    assert collector.events == []
    assert not storage.exists()
