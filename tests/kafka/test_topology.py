"""`whiteout up --kafka`: the real command, with all that it starts."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.kafka.support import PAYLOAD_DATA, PYTHON, arrived, wait_for, wait_until
from tests.support.broker import DEADLINE_S, address_of, options_of

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes share no port there")
TP2 = "/com.snowplowanalytics.snowplow/tp2"


def post(port: int, **event: str) -> str:
    """Send one event on a connection of its own; returns its id."""
    eid = str(uuid.uuid4())
    data = [{"e": "pv", "p": "pc", "tv": "test-1", "aid": "shop", "eid": eid, **event}]
    body = json.dumps({"schema": PAYLOAD_DATA, "data": data})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("POST", TP2, body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()
    return eid


def start(kafka: KafkaSettings, data: Path, *options: str) -> subprocess.Popen[str]:
    way = ["up", "--kafka", address_of(kafka), *options_of(kafka), "--data", str(data)]
    return subprocess.Popen(
        [*PYTHON, *way, "--port", "0", "--no-iglu-central", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_collectors_on_one_port_and_four_enrichers_load_the_lake(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Everything starts, a killed worker starts again, Ctrl-C loads what was accepted.

    The lake is where `--lake` says.
    """
    lake = ("--lake", str(tmp_path / "lake"))
    process = start(kafka, tmp_path / "data", "--collectors", "2", "--enrichers", "4", *lake)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(4)]
        port = int(lines[0].rsplit(":", 1)[1])
        children = psutil.Process(process.pid).children()
        stages = sorted(child.cmdline()[4] for child in children)
        good = {post(port) for _ in range(40)}
        failed = {post(port, p="nonsense") for _ in range(10)}
        victim = next(child for child in children if child.cmdline()[4] == "enrich")
        os.kill(victim.pid, signal.SIGKILL)
        good |= {post(port) for _ in range(40)}
        wait_until(lambda: good <= arrived(tmp_path).keys(), 2 * DEADLINE_S)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=2 * DEADLINE_S)
    finally:
        process.kill()
        process.communicate()

    assert lines == [
        f"collector listening on http://127.0.0.1:{port}",
        f"lake in {tmp_path / 'lake'}",
        f"topics {kafka.prefix}-… on {kafka.servers}",
        f"page on http://127.0.0.1:{port}/ui",
    ]
    assert stages == ["collector"] * 2 + ["enrich"] * 4 + ["loader", "page"]
    assert process.returncode == 0, errors
    assert errors == "whiteout: the enrich process ended with status -9, starting again\n"
    wait_for(tmp_path, good)
    wait_for(tmp_path, failed, "failed_events")
    assert not any(child.is_running() for child in children)


def test_a_port_that_another_has_is_said(kafka: KafkaSettings, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start(kafka, tmp_path, "--port", str(port))
        _, errors = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 2
    assert errors.startswith(f"whiteout: cannot listen on 127.0.0.1:{port}")


def test_a_collector_does_not_start_on_a_topic_that_takes_too_little(
    kafka: KafkaSettings,
) -> None:
    """A record that the topic refuses would be sent again for ever."""
    title = kafka.topic("raw")
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    config = {"max.message.bytes": "500000"}
    admin.create_topics([NewTopic(title, 1, 1, config=config)])[title].result(DEADLINE_S)
    command = [*PYTHON, "collector", "--to", address_of(kafka), *options_of(kafka), "--port", "0"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    assert done.returncode == 2
    assert done.stderr == (
        f"whiteout: max_bytes must be at most 499000 for topic {title}, got 1000000; "
        "set it so, or raise the topic's max.message.bytes, which is 500000\n"
    )


def test_a_second_ctrl_c_does_not_wait_for_a_stage_that_hangs(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    process = start(kafka, tmp_path, "--no-page")
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("collector listening")
        children = psutil.Process(process.pid).children()
        [collector] = [child for child in children if child.cmdline()[4] == "collector"]
        [loader] = [child for child in children if child.cmdline()[4] == "loader"]
        loader.suspend()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: not collector.is_running())  # it is on its way
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S / 2)
    finally:
        process.kill()
        process.communicate()

    assert process.returncode == 130
    assert errors == "whiteout: stopped before it was done\n"
    assert not any(child.is_running() for child in children)


STAGES = {
    "collector": ["--to", "{kafka}", "--port", "0"],
    "enrich": ["--from", "{kafka}"],
    "loader": ["--from", "{kafka}", "--data", "{data}"],
    "page": ["--from", "{kafka}", "--port", "0"],
    "up": ["--kafka", "{kafka}", "--port", "0", "--data", "{data}"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_is_heard_while_kafka_does_not_answer(stage: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        given = [text.format(kafka=address, data=tmp_path) for text in STAGES[stage]]
        process = subprocess.Popen([*PYTHON, stage, *given], stderr=subprocess.PIPE, text=True)
        try:
            silent.settimeout(DEADLINE_S)
            with silent.accept()[0]:  # it asks
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=5)
        finally:
            process.kill()
            process.communicate()

    # A collector takes signals once it listens, until then it is only beginning.
    assert process.returncode == (130 if stage == "collector" else 0)
    assert errors == ("whiteout: stopped before it was done\n" if stage == "collector" else "")


@pytest.mark.parametrize("option", ["--collectors", "--enrichers", "--loaders"])
def test_more_than_one_of_a_stage_needs_kafka(option: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*PYTHON, "up", option, "2", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 2
    assert "need --kafka HOST:PORT" in done.stderr


def test_a_pipeline_on_one_machine_imports_nothing_of_kafka(tmp_path: Path) -> None:
    code = (
        "import sys, whiteout.cli, whiteout.collector.process, whiteout.lake.service\n"
        "whiteout.cli.application()\n"
        "print(sorted(name for name in sys.modules if 'kafka' in name))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout == "[]\n"
