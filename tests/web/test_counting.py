"""Counting what comes into the window, whatever the window has forgotten since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.window import NOW, entry

from whiteout.web import counting
from whiteout.web.counting import Counting
from whiteout.web.recent import RecentEvents
from whiteout.web.spans import SPANS

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = SPANS["1h"]
EVENT = entry(0, "", level=7)


@pytest.fixture
def recent() -> Iterator[RecentEvents]:
    window = RecentEvents(max_events=1_000)
    yield window
    window.close()


def shown(counts: Counting, now_ms: int = NOW + 60_000) -> dict[str, int]:
    found: dict[str, int] = {}
    for lots in counts.counted(HOUR, now_ms=now_ms):
        found[lots.kind.type] = found.get(lots.kind.type, 0) + lots.events
    return found


def test_lots_are_completed_by_events_that_come_later(recent: RecentEvents) -> None:
    counts = Counting(recent, 5)
    recent.add([EVENT] * 3)
    assert shown(counts) == {}
    recent.add([EVENT] * 3)
    assert shown(counts) == {"screen_view": 5}


def test_what_was_shown_stays_when_the_window_forgets_it(recent: RecentEvents) -> None:
    counts = Counting(recent, 5)
    recent.add([EVENT] * 500)
    assert shown(counts) == {"screen_view": 500}
    recent.add([EVENT._replace(name="login")] * 2_000)
    assert shown(counts)["screen_view"] == 500


def test_all_events_are_counted_while_nobody_asks() -> None:
    window = RecentEvents(max_events=counting._AT_ONCE)
    counts = Counting(window, 5)
    for _ in range(30):
        window.add([EVENT] * 1_000)
    assert shown(counts) == {"screen_view": 30_000}
    window.close()


def test_what_the_lake_had_already_is_not_counted(recent: RecentEvents) -> None:
    counts = Counting(recent, 5)
    recent.add([EVENT] * 5 + [EVENT._replace(repeated=True)] * 5)
    assert shown(counts) == {"screen_view": 5}


def test_emptying_the_window_begins_afresh(recent: RecentEvents) -> None:
    counts = Counting(recent, 5)
    recent.add([EVENT] * 9)
    assert shown(counts) == {"screen_view": 5}
    recent.clear()
    assert shown(counts) == {}
    recent.add([EVENT] * 4)
    assert shown(counts) == {}
    recent.add([EVENT])
    assert shown(counts) == {"screen_view": 5}


def test_status_and_level_are_kept_apart(recent: RecentEvents) -> None:
    failed = EVENT._replace(status="failed", name="schema_violations", level=None)
    counts = Counting(recent, 5)
    recent.add([EVENT] * 4 + [EVENT._replace(level=0)] * 4 + [failed] * 5)
    assert shown(counts) == {"schema_violations": 5}
