"""The demo, as a user runs it: real processes, a real lake, two real clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.demo.arrivals import Cell, compare
from whiteout.demo.run import Outcome
from whiteout.demo.shop import LEVELS, Secrets, Visit
from whiteout.identifiers import IDENTIFIERS, NULL_UUID

if TYPE_CHECKING:
    from pathlib import Path


def demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "whiteout.cli", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def test_the_demo_finds_every_cell_as_it_should_be(tmp_path: Path) -> None:
    process = demo("--once", "--data", str(tmp_path))
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    assert "0 cells are wrong; 0 failed events" in output
    for identifier in IDENTIFIERS:
        assert identifier.name in output
    assert str(tmp_path / "lake") in output
    assert str(tmp_path / "log") in output


def test_the_demo_stays_up_until_ctrl_c_and_may_say_all_in_one_object(tmp_path: Path) -> None:
    process = demo("--data", str(tmp_path), "--format", "json")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C stops" in line:
            break
    assert process.poll() is None, "".join(lines)

    (facts,) = (json.loads(line) for line in lines if line.startswith("{"))
    assert (facts["is_right"], facts["failed_events"]) == (True, 0)
    assert facts["data"] == str(tmp_path)
    assert facts["collector"].startswith("http://127.0.0.1:")
    assert facts["identifiers"].keys() == {identifier.name for identifier in IDENTIFIERS}
    assert all(
        cell.keys() == {"arrived", "expected", "is_right"}
        for levels in facts["identifiers"].values()
        for cell in levels.values()
    )
    assert {"official", "official_leaks"} < facts.keys()

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output


def visit(name: str, event_id: str) -> Visit:
    return Visit(level=LEVELS[name], with_subject=(event_id,), without_subject=(event_id,))


def judged(level: str, column: str, value: object, identifier: str, secrets: Secrets) -> Cell:
    rows = [{"event_id": "e1", column: value}]
    return compare({level: visit(level, "e1")}, secrets, rows)[identifier][level]


def test_a_secret_that_arrived_where_it_should_be_hidden_is_wrong() -> None:
    secrets = Secrets.fresh()
    secret = secrets.by_identifier["subject.user_id"]

    cell = judged("full", "user_id", secret, "subject.user_id", secrets)

    assert cell == Cell(arrived="value", expected="absent")
    assert not cell.is_right


def test_a_secret_that_is_missing_where_it_should_be_is_wrong() -> None:
    cell = judged("none", "user_id", None, "subject.user_id", Secrets.fresh())

    assert cell == Cell(arrived="absent", expected="value")
    assert not cell.is_right


def test_the_collectors_own_id_is_not_taken_for_the_apps() -> None:
    secrets = Secrets.fresh()

    apps = judged("full", "network_userid", NULL_UUID, "subject.network_user_id", secrets)
    own = judged("full", "network_userid", NULL_UUID, "collector.network_user_id", secrets)

    assert apps == Cell(arrived="absent", expected="absent")
    assert own == Cell(arrived="null UUID", expected="null UUID")


def test_a_real_id_in_place_of_the_null_uuid_is_wrong() -> None:
    column = "contexts_com_snowplowanalytics_snowplow_client_session_1"
    entity = [{"user_id": "84737491-b73b-4e03-9a57-d923ca7d509b"}]

    cell = judged("client-side, with session", column, entity, "session.user_id", Secrets.fresh())

    assert cell == Cell(arrived="value", expected="null UUID")


RIGHT = Outcome(
    cells={"subject.user_id": {"full": Cell(arrived="absent", expected="absent")}},
    official={"page_view": (1, 1, 1)},
    official_leaks=0,
    failed_events=0,
)


def test_an_outcome_without_fault_is_right() -> None:
    assert RIGHT.is_right


@pytest.mark.parametrize(
    "fault",
    [
        {"cells": {"subject.user_id": {"full": Cell(arrived="value", expected="absent")}}},
        {"official": {"page_view": (1, 0, 1)}},
        {"official": {"page_view": (0, 1, 1)}},
        {"official_leaks": 1},
        {"failed_events": 1},
    ],
)
def test_one_fault_of_any_kind_makes_the_outcome_wrong(fault: dict[str, Any]) -> None:
    assert not replace(RIGHT, **fault).is_right
