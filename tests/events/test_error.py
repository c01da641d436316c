"""Events for exceptions: all that an identified event says of one."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import jsonschema_rs
import pytest

from whiteout.events.error import ApplicationError
from whiteout.events.schema import SCHEMAS
from whiteout.events.stack_trace import MAX_MESSAGE, summarise

if TYPE_CHECKING:
    from collections.abc import Callable


class Till:
    def charge(self) -> None:
        raise DeclinedError("no money left\nsecond line")


class DeclinedError(Exception):
    """Of the tests' own."""


def caught(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it raises
        return error
    pytest.fail("nothing was raised")


def test_an_event_says_what_was_raised_and_where() -> None:
    error = caught(Till().charge)
    error.add_note("a note")

    event = ApplicationError.from_exception(error, is_fatal=True)

    assert event.message == "no money left\nsecond line"
    assert event.exception_name is not None
    assert event.exception_name.endswith("DeclinedError")
    assert event.class_name is not None
    assert event.class_name.endswith("Till")
    assert event.file_name is not None
    assert event.file_name.endswith("test_error.py")
    assert event.line_number == Till.charge.__code__.co_firstlineno + 1
    assert event.thread_name == "MainThread"
    assert event.thread_id == threading.get_native_id()
    assert event.is_fatal
    assert event.stack_trace is not None
    lines = event.stack_trace.splitlines()
    assert lines[0] == "Stack (most recent call last):"
    assert lines[-4].endswith(f"line {event.line_number}, in Till.charge")
    assert lines[-3:] == [
        f"{event.exception_name}: no money left",
        "  | second line",
        "  | a note",
    ]
    body = event.self_describing(lambda: pytest.fail("no id is needed"))
    schema = SCHEMAS[body.schema]
    jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}}
    ).validate(body.data)


def test_an_exception_without_a_message_is_named() -> None:
    assert ApplicationError.from_exception(KeyError()).message == "KeyError"
    assert ApplicationError.from_exception(ValueError(" \n")).message == "ValueError"


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    event = ApplicationError.from_exception(ValueError("x"))

    assert (event.class_name, event.file_name, event.line_number) == (None, None, None)
    assert event.stack_trace == "Stack (most recent call last):\nValueError: x"


def test_nothing_of_the_exception_is_kept() -> None:
    """A frame would keep the local variables of the app alive, and what they hold."""

    class Local:
        pass

    held: list[weakref.ref[Local]] = []

    def act() -> None:
        local = Local()
        held.append(weakref.ref(local))
        raise ValueError

    event = ApplicationError.from_exception(caught(act))
    gc.collect()

    assert held[0]() is None
    assert event.message == "ValueError"


def test_long_messages_are_cut() -> None:
    event = ApplicationError.from_exception(ValueError("x" * 10_000))

    assert event.message == "x" * MAX_MESSAGE


def test_the_number_of_a_thread_fits_or_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS it has 64 bits."""
    monkeypatch.setattr(threading, "get_native_id", lambda: 2**31)

    assert ApplicationError.from_exception(ValueError()).thread_id is None


def test_a_summary_has_no_cause_where_there_is_none() -> None:
    error = ValueError()
    error.__context__ = KeyError()
    error.__suppress_context__ = True  # as `from None` does

    assert summarise(error).cause_stack_trace is None
