"""`whiteout collector`, set up by a file, the environment and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.collector.test_tls import connect, make_certificate, subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def running(
    folder: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A collector's process, and what it printed of where it listens."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "whiteout.cli", "collector", "--to", f"spool://{folder}"),
            *("--port", "0", *arguments),
        ],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip().removeprefix("collector listening on ")
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_each_source_of_options_is_heard(tmp_path: Path) -> None:
    file = tmp_path / "whiteout.toml"
    file.write_text('[collector]\nmetrics_path = "/file"\ncookie_name = "file"\n')
    environment = {"WHITEOUT_COLLECTOR_COOKIE_NAME": "environment", "WHITEOUT_CONFIG": str(file)}
    arguments = ("--set", "client_cookie_name=line", "--set", "hsts_max_age_s=60")

    with running(tmp_path / "data", *arguments, **environment) as (process, url):
        answer = httpx.get(f"{url}/i?e=pv")
        metrics = httpx.get(f"{url}/file").status_code
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert metrics == 200
    names = [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")]
    assert names == ["environment", "line"]
    assert answer.headers["strict-transport-security"].startswith("max-age=60;")


@pytest.mark.parametrize(
    ("text", "arguments", "named"),
    [
        ("[colector]\n", (), "may hold [collector]"),
        ("[collector]\ncookie = 1\n", (), "'cookie' is not an option of the collector"),
        ("nonsense", (), "must be a TOML file"),
        ("", ("--set", "limits.speed=1"), "'limits.speed' is not an option"),
        ("", ("--set", "tls.certificate=/nowhere.pem"), "/nowhere.pem"),
    ],
)
def test_a_wrong_option_ends_with_status_2_and_says_what_there_is(
    tmp_path: Path, text: str, arguments: tuple[str, ...], named: str
) -> None:
    file = tmp_path / "whiteout.toml"
    file.write_text(text)

    with running(tmp_path / "data", "--config", str(file), *arguments) as (process, _):
        assert process.wait(20) == 2
        assert process.stderr is not None
        message = process.stderr.read()

    assert named in message
    assert "Traceback" not in message


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_a_renewed_certificate_is_read_on_sighup_and_a_broken_one_reported_as_json(
    tmp_path: Path,
) -> None:
    tls = make_certificate(tmp_path, "first")
    options = ("--set", f"tls.certificate={tls.certificate}", "--set", f"tls.key={tls.key}")

    def subject_now(port: int) -> Any:  # noqa: ANN401 - as the module ssl has it
        with connect(port, tls) as client:
            return subject(client)

    with running(tmp_path / "data", *options, "--log-format", "json") as (process, url):
        assert url.startswith("https://")
        port = int(url.rpartition(":")[2])
        assert subject_now(port) == "first"
        make_certificate(tmp_path, "second")
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):  # the old one, which is not trusted now
                if subject_now(port) == "second":
                    break
            assert time.monotonic() < deadline
        (tmp_path / "key.pem").write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert sorted(line) == ["event", "level", "logger", "timestamp"]
    assert (line["level"], line["logger"]) == ("error", "whiteout.collector")
    assert "the certificate was not renewed" in line["event"]
