"""Exceptions that nobody catches are stored before the process dies of them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.process.support import NOWHERE, run, what_the_next_start_sends
from tests.support.collector import unstructured

if TYPE_CHECKING:
    from pathlib import Path

STATUSES = {"main": (1, True), "hard hook": (9, True), "thread": (8, False), "task": (8, False)}


@pytest.mark.parametrize("how", STATUSES)
def test_the_exception_that_ends_a_program_is_sent_at_the_next_start(
    tmp_path: Path, how: str
) -> None:
    """In `hard hook` what was in the hook before ends the process by `os._exit`."""
    status, is_fatal = STATUSES[how]
    ended = run("crash", folder=str(tmp_path), endpoint=NOWHERE, how=how)
    assert ended.status == status

    (event,) = what_the_next_start_sends(tmp_path).events

    body = unstructured(event)
    assert body["schema"].endswith("/application_error/jsonschema/1-0-2")
    data = body["data"]
    assert (data["exceptionName"], data["message"]) == ("ValueError", "broken")
    assert data["isFatal"] is is_fatal
    assert "in fail" in data["stackTrace"]


@pytest.mark.parametrize("how", ["main", "thread", "task"])
def test_the_traceback_is_printed_as_ever(tmp_path: Path, how: str) -> None:
    ended = run("crash", folder=str(tmp_path), endpoint=NOWHERE, how=how)

    assert "Traceback (most recent call last)" in ended.errors
    assert ended.errors.count("ValueError: broken") == 1


def test_a_crash_below_python_is_shown_by_faulthandler_and_loses_nothing(tmp_path: Path) -> None:
    """It is no exception, and is not tracked as one."""
    ended = run("crash", folder=str(tmp_path), endpoint=NOWHERE, how="segmentation fault")
    assert ended.status == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in ended.errors

    (event,) = what_the_next_start_sends(tmp_path).events

    assert event["eid"] == ended.ids[0]
