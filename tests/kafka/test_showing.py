"""The page of a pipeline on Kafka, and Micro's API: real commands, a real broker."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.kafka.support import PYTHON, enrich_arguments, record, running, wait_until
from tests.kafka.test_topology import post, start
from tests.kafka.test_worker import put
from tests.support.broker import DEADLINE_S, address_of, options_of

from whiteout.kafka.ends import SHOWN, Ends
from whiteout.kafka.service import run_sessions, run_show
from whiteout.kafka.showing import KafkaFreshness, Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings
    from whiteout.lake.loaded import Loaded

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes share no port there")


def ask(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    """One question, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = (answer.status, answer.read())
    connection.close()
    return found


def asked(port: int, path: str, **headers: str) -> Any:  # noqa: ANN401 - any JSON
    status, body = ask(port, path, **headers)
    assert status == 200
    return json.loads(body)


def test_the_port_of_the_collectors_knows_at_once_what_came_and_after_a_kill_again(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Whichever collector took an event, and whichever is asked; nothing of before the start."""
    put(kafka, b"of another time", topic="failed")
    process = start(kafka, tmp_path, "--collectors", "2", "--enrichers", "2")
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(4)]
        port = int(lines[0].rsplit(":", 1)[1])
        for count in range(1, 6):
            post(port)
            post(port, p="nonsense")
            assert asked(port, "/micro/all") == {"total": 2 * count, "good": count, "bad": count}
        children = psutil.Process(process.pid).children()
        [page] = [child for child in children if child.cmdline()[4] == "page"]
        before = asked(port, "/micro/good")
        shown, _ = ask(port, "/ui")
        os.kill(page.pid, signal.SIGKILL)
        wait_until(lambda: not page.is_running())
        after = asked(port, "/micro/good")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=2 * DEADLINE_S)

    assert lines[3] == f"page on http://127.0.0.1:{port}/ui"
    assert process.returncode == 0
    assert shown == 200
    assert len(before) == 5

    def ids(found: list[dict[str, Any]]) -> set[str]:
        return {one["event"]["event_id"] for one in found}

    assert ids(after) == ids(before)


def test_the_page_alone_shows_what_comes_from_now_on_to_who_has_the_token(
    kafka: KafkaSettings,
) -> None:
    """`whiteout page`: for stages on several machines."""
    put(kafka, b"of before", topic="failed")
    environment = {**os.environ, "WHITEOUT_PAGE_TOKEN": "a-token-of-this-test"}
    command = [*PYTHON, "page", "--from", address_of(kafka), *options_of(kafka), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--host", "0.0.0.0", "--no-iglu-central", "--format", "json"],  # noqa: S104 - what is tested
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        port = int(said["page"].rsplit(":", 1)[1].partition("/")[0])
        bearer = {"Authorization": "Bearer a-token-of-this-test"}
        put(kafka, b"neither JSON nor ours", topic="failed")
        found = asked(port, "/micro/all", **bearer)
        refused, _ = ask(port, "/micro/all")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)

    assert said == {
        "state": "showing",
        "page": f"http://localhost:{port}/ui?token=a-token-of-this-test",
        "topic": f"{kafka.prefix}-enriched",
    }
    assert found == {"total": 1, "good": 0, "bad": 1}
    assert refused == 401
    assert process.returncode == 0


@pytest.fixture
def window(kafka: KafkaSettings) -> Iterator[Window]:
    """One that is kept up to date, without a page."""
    shown = Window(Ends(kafka, SHOWN).latest(*SHOWN))
    stop = threading.Event()
    thread = threading.Thread(target=run_show, args=(kafka, shown, _ignore, stop))
    thread.start()
    yield shown
    stop.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def _ignore(loaded: Loaded) -> None:
    assert loaded.events


def test_an_answer_is_fresh_once_what_collectors_accepted_is_enriched_and_read(
    kafka: KafkaSettings, window: Window
) -> None:
    put(kafka, record({}), record({}))
    hasty = KafkaFreshness(kafka, window, timeout_s=0.3)
    patient = KafkaFreshness(kafka, window, timeout_s=DEADLINE_S)

    nobody_enriches = hasty.wait()
    with running(enrich_arguments(kafka)):
        is_fresh = patient.wait()

    assert not nobody_enriches
    assert is_fresh
    assert sum(window.positions()["enriched"].values()) == 2
    hasty.close()
    patient.close()


class _Endless:
    """A session to which others always send."""

    def __init__(self, stop: threading.Event) -> None:
        self.steps = 0
        self._stop = stop

    def step(self, timeout_s: float) -> int:
        self.steps += 1
        if self.steps == 3:
            self._stop.set()
        return 1

    def maintain(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("drain_s", "steps"), [(0.0, 4), (2.0, 5)])
def test_a_stage_that_is_told_to_stop_does_so_although_more_comes(
    drain_s: float, steps: int
) -> None:
    """Else one of many machines could not be restarted under load; Kafka keeps the rest."""
    stop = threading.Event()
    session = _Endless(stop)

    # Its clock is the count of steps: a step takes a second.
    run_sessions(
        lambda: session,
        stop,
        interval_s=0.0,
        drain_s=drain_s,
        monotonic_s=lambda: float(session.steps),
    )

    assert session.steps == steps
