"""What is logged of faults: one line of what lasts, and one when it is over."""

from __future__ import annotations

import logging

import pytest
from tests.support.clock import ManualClock

from whiteout.tracker.counters import Counters


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_what_lasts_is_told_when_it_begins_and_when_it_is_over(
    clock: ManualClock, said: pytest.LogCaptureFixture
) -> None:
    counters = Counters(clock)
    for _ in range(10):
        counters.fail("disk", "fails")
        clock.advance(600)
    counters.mend("disk", "works")
    counters.mend("disk", "works")

    assert [(each.levelname, each.getMessage()) for each in said.records] == [
        ("WARNING", "fails"),
        ("INFO", "works"),
    ]


def test_what_comes_and_goes_is_told_once_a_minute(
    clock: ManualClock, said: pytest.LogCaptureFixture
) -> None:
    counters = Counters(clock)
    for _ in range(120):
        counters.fail("disk", "fails")
        counters.mend("disk", "works")
        clock.advance(1)

    assert [each.getMessage() for each in said.records] == ["fails", "works"] * 2
