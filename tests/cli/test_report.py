"""What commands say: sentences or JSON; and that they say how far they are, to people only."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest

from whiteout.cli import COMMANDS, application, run
from whiteout.cli.progress import progress, watching
from whiteout.cli.report import Report
from whiteout.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = [sys.executable, "-P", "-m", "whiteout.cli"]
DEADLINE_S = 30.0


def command_of_child(pid: int) -> list[str]:
    """The command line of the one child of a process, as soon as it has one."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children():
            command = child.cmdline()
            if "enrich" in command:  # not between fork and exec
                return command
        time.sleep(0.01)
    raise AssertionError("no child came")


def test_each_command_speaks_json() -> None:
    """But for the script of a shell, which is for the shell."""
    import typer  # noqa: PLC0415 - comes with an extra

    commands = cast("Any", typer.main.get_command(application())).commands
    for name in COMMANDS:
        options = {text for one in commands[name].params for text in one.opts}
        assert ("--format" in options) is (name != "completion"), name


def test_a_report_is_sentences_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("text", "json"):
        report = Report(kind)
        report.tell({"a": 1}, "a is 1", "no more")
        report.note("for people")

    out, err = capsys.readouterr()
    assert out.splitlines() == ["a is 1", "no more", "for people", '{"a":1}']
    assert err == "for people\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("collector --port many --format json", "--port"),
        ("collector --format=json --to spool://x --set limits.speed=1", "'limits.speed'"),
        ("erase --format json --data nowhere", "--user-id"),
        ("query --format=json", "SQL is missing"),
        ("nothing --format json", "nothing"),
    ],
)
def test_wrong_use_is_told_in_one_object_too(
    command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(command.split())

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    said = json.loads(err)
    assert said.keys() == {"error", "status"}
    assert said["status"] == status
    assert status in {1, 2}
    assert told in said["error"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "collector --port 0 --to spool://DATA",
            {"state": "listening", "collector": "http://127.0.0.1:"},
        ),
        ("enrich --from spool://DATA --to DATA --no-iglu-central", {"state": "loading"}),
        (
            "enrich --from kafka://127.0.0.1:9 --to kafka://127.0.0.1:9 --no-iglu-central",
            {"state": "enriching", "from": "whiteout-raw", "to": "whiteout-enriched"},
        ),
        (
            "loader --from kafka://127.0.0.1:9 --data DATA --no-iglu-central",
            {"state": "loading", "topic": "whiteout-enriched", "lake": "DATA/lake"},
        ),
    ],
)
def test_what_runs_until_it_is_stopped_says_in_one_object_where_it_is(
    tmp_path: Path, command: str, said: dict[str, str]
) -> None:
    open_log(tmp_path / "log" / "raw", writer=True).close()
    open_log(tmp_path / "log" / "bad", writer=True).close()
    words = command.replace("DATA", str(tmp_path)).split()
    process = subprocess.Popen(
        [*PYTHON, *words, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()

    for name, value in said.items():
        assert facts[name].startswith(value.replace("DATA", str(tmp_path)))


def test_up_says_in_one_object_where_everything_is(tmp_path: Path) -> None:
    """Its child writes warnings in the same form as itself."""
    options = ("--port", "0", "--no-iglu-central", "--format", "json", "--log-format", "json")
    process = subprocess.Popen(
        [*PYTHON, "up", "--data", str(tmp_path), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        command = command_of_child(process.pid)
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.communicate()

    url = said["collector"]
    assert url.startswith("http://127.0.0.1:")
    assert said == {
        "state": "listening",
        "collector": url,
        "lake": str(tmp_path / "lake"),
        "log": str(tmp_path / "log"),
        "page": f"{url}/ui",
    }
    assert rest == ("", "")
    assert command[command.index("--log-format") + 1] == "json"


def test_erasing_tells_what_it_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_log(tmp_path / "log" / "raw", writer=True).close()
    common = ("erase", "--user-id", "nobody", "--data", str(tmp_path), "--dry-run")

    assert run([*common, "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert run(common) == 0
    said = capsys.readouterr().out

    assert (facts["dry_run"], facts["receipt"], facts["mentions"]) == (True, None, 0)
    assert all(
        f"{table}: {rows} rows would be deleted" in said for table, rows in facts["rows"].items()
    )


# --- progress --------------------------------------------------------------------------------


def test_without_a_terminal_progress_is_silent_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("a") as tell:
        tell("b", done=1, total=2)
    with watching("c {left}", lambda: 1 // 0):
        pass
    assert capsys.readouterr() == ("", "")

    with progress("a", lines=True) as tell:
        tell("b")
    assert capsys.readouterr() == ("", "whiteout: b\n")


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
def test_on_a_terminal_progress_is_shown_and_goes_away() -> None:
    """A real terminal: what is printed stays, what was progress is wiped."""
    code = (
        "import time\n"
        "from whiteout.cli.progress import watching\n"
        "left = [30, 20, 10]\n"
        "with watching('loading {left} records', lambda: left.pop(0) if left else 0):\n"
        "    while left: time.sleep(0.01)\n"
        "print('done')\n"
    )
    main, other = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=other, stderr=other, env=environment
    )
    os.close(other)
    shown = b""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.1)[0]:
            try:
                shown += os.read(main, 10_000)
            except OSError:  # the other side is closed
                break
    process.wait(DEADLINE_S)
    os.close(main)

    text = shown.decode()
    assert "loading 30 records" in text
    assert "loading 10 records" in text
    assert "\x1b[2K" in text, "the line is wiped"
    assert text.rstrip().endswith("done\x1b[?25h") or text.rstrip().endswith("done")
