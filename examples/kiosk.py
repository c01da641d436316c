"""A kiosk with two trackers that follow a file on a server.

    python examples/kiosk.py http://127.0.0.1:9090

What to look at: before the file is known the kiosk tracks, and nobody can be told from anybody; the
file then loosens one tracker as far as the app allows, and switches the other one off.
"""

from __future__ import annotations

import argparse
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import whiteout
from whiteout import (
    ConfigurationBundle,
    ConfigurationState,
    EmitterConfiguration,
    RemoteConfiguration,
    RemoteSetup,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = (
    "http://iglucentral.com/schemas/com.snowplowanalytics.mobile/remote_config/jsonschema/1-0-1"
)


def remote_file(collector: str) -> bytes:
    """What an operator would put on a server."""
    network = {"networkConfiguration": {"endpoint": collector}}
    return json.dumps(
        {
            "$schema": SCHEMA,
            "configurationVersion": 1,
            "configurationBundle": [
                {"namespace": "tickets", "trackerConfiguration": {"appId": "kiosk-7"}, **network},
                {"namespace": "advertising", "disabled": True},
            ],
        }
    ).encode()


@contextmanager
def serving(content: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A server for the file, which answers once it is let: its URL, and what lets it."""
    may_answer = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            may_answer.wait(10)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/kiosk.json", may_answer
        finally:
            server.shutdown()


def tell(namespaces: list[str], state: ConfigurationState) -> None:
    """Called once what is known is applied, and again once the file is."""
    print(f"{state.value}: {', '.join(sorted(namespaces))}")


def set_up(file: str, collector: str, storage: Path | None) -> RemoteSetup:
    """Both trackers, as the app has them without the file."""
    emitter = EmitterConfiguration(storage_dir=storage)
    subject = SubjectConfiguration(user_id="clerk-3")
    tracker = TrackerConfiguration(install_autotracking=False)
    return whiteout.setup_remote(
        RemoteConfiguration(endpoint=file, storage_dir=storage),
        ConfigurationBundle.of("tickets", collector, emitter, subject, tracker),
        ConfigurationBundle.of("advertising", collector, emitter, subject, tracker),
        on_success=tell,
    )


def sell(label: str) -> None:
    """Track with both; a tracker that is switched off gives None."""
    for namespace in ("tickets", "advertising"):
        tracker = whiteout.get_tracker(namespace)
        if tracker is not None:
            tracker.track(Structured(category="sale", action="ticket", label=label))
            tracker.flush(5)


def main() -> None:
    """Sell a ticket before the file is known, and one after."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector")
    parser.add_argument("--storage", type=Path)
    arguments = parser.parse_args()
    with serving(remote_file(arguments.collector)) as (file, may_answer):
        setup = set_up(file, arguments.collector, arguments.storage)
        sell("before")
        may_answer.set()
        setup.wait(10)
        sell("after")
    setup.close()
    whiteout.remove_tracker("tickets")


if __name__ == "__main__":
    main()
