"""A command-line tool that counts words, and counts how it is used without knowing by whom.

    python examples/count_words.py README.md
    DO_NOT_TRACK=1 python examples/count_words.py README.md

What to look at: the tool is never slower for it. `track` waits for neither disk nor network, and
`close` gives up after half a second: what is not delivered then is sent by the next run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import whiteout
from whiteout import EmitterConfiguration, Structured, Timing, TrackerConfiguration

VERSION = "0.3.0"


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """A tracker that knows nobody: no ids, no session, no address; only the system's name."""
    return whiteout.create_tracker(
        "count-words",
        collector,
        TrackerConfiguration(
            app_id="count-words",
            application_version=VERSION,
            user_anonymisation=True,
            session_context=False,
            install_autotracking=False,  # its makers want to know of uses alone
            platform_context_properties=[],  # the four basics, no memory or storage figures
        ),
        EmitterConfiguration(server_anonymisation=True, storage_dir=storage),
    )


def count_words(paths: list[Path]) -> int:
    """The number of words in all files."""
    return sum(len(path.read_text("utf-8", "replace").split()) for path in paths)


def report_use(tracker: whiteout.Tracker, file_count: int, elapsed_ms: float) -> None:
    """What its makers want to know. Names and contents of files are none of their business."""
    tracker.track(Structured(category="run", action="count", property="files", value=file_count))
    tracker.track(Timing(category="run", variable="elapsed_ms", timing=round(elapsed_ms)))


def main() -> int:
    """Count, then tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--collector", default="http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    started = time.perf_counter()
    try:
        print(count_words(arguments.files))
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    elapsed_ms = (time.perf_counter() - started) * 1000

    # https://consoledonottrack.com: any value but an empty one or 0 says no.
    if os.environ.get("DO_NOT_TRACK", "0") in {"", "0"}:
        tracker = create_tracker(arguments.collector, arguments.storage)
        report_use(tracker, len(arguments.files), elapsed_ms)
        tracker.close(timeout=0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
