"""Log lines of the processes: text or JSON, by structlog, without what was sent."""

from __future__ import annotations

import json
import subprocess
import sys

CANARY = "CANARY-77aa"
SAYS = f"""
import logging, sys
from whiteout.cli.logs import log_to_stderr
log_to_stderr(sys.argv[1])
logger = logging.getLogger("whiteout.test")
logger.info("too little to be told")
try:
    raise ValueError("{CANARY}")
except ValueError:
    logger.exception("the log %s", "failed", stack_info=True, extra={{"uid": "{CANARY}"}})
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_json_has_four_fields_and_no_trace() -> None:
    (line,) = run(SAYS, "json").stderr.splitlines()

    said = json.loads(line)
    assert list(said) == ["timestamp", "level", "logger", "event"]
    timestamp = said.pop("timestamp")
    assert (len(timestamp), timestamp[-1]) == (len("2026-11-30T12:00:00.000Z"), "Z")
    assert said == {"level": "error", "logger": "whiteout.test", "event": "the log failed"}


def test_text_is_a_line_for_people_and_no_trace() -> None:
    assert run(SAYS, "text").stderr == "whiteout: the log failed\n"


def test_a_process_that_says_nothing_loads_no_structlog() -> None:
    """It would take longer to start."""
    code = (
        "import sys, whiteout.cli.up, whiteout.cli.logs as logs\n"
        "logs.log_to_stderr('json')\n"
        "print('structlog' in sys.modules)"
    )

    assert run(code).stdout == "False\n"
