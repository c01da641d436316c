"""A session's timeline, from stored lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.window import BEFORE, SESSION, document, entry

from whiteout.web.filter import Filter
from whiteout.web.recent import RecentEvents
from whiteout.web.sessions import MOST_EVENTS, duration, list_sessions, timeline_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.web.recent import Row


@pytest.fixture
def recent() -> Iterator[RecentEvents]:
    window = RecentEvents()
    yield window
    window.close()


def rows(recent: RecentEvents) -> list[Row]:
    return recent.find(Filter(session=SESSION), limit=MOST_EVENTS + 1, brief=False)


def test_events_are_in_the_order_in_which_they_were_tracked(recent: RecentEvents) -> None:
    """They come in another one when a request is sent again."""
    recent.add(
        [
            entry(90, document(3, "Thanks")),
            entry(0, document(1, "Cart")),
            entry(12.5, document(2, "Pay")),
        ]
    )

    timeline = timeline_of(SESSION, rows(recent))

    assert [(step.detail, step.since_start, step.pause) for step in timeline.steps] == [
        ("Cart", "0 ms", ""),
        ("Pay", "12.5 s", ""),
        ("Thanks", "1 min 30 s", "1 min 17 s"),
    ]
    assert (timeline.index, timeline.previous, timeline.duration) == (3, BEFORE, "1 min 30 s")
    assert not timeline.is_cut


def test_events_of_one_moment_are_in_the_order_of_their_index(recent: RecentEvents) -> None:
    recent.add([entry(0, document(2, "B")), entry(0, document(1, "A"))])
    assert [step.detail for step in timeline_of(SESSION, rows(recent)).steps] == ["A", "B"]


def test_events_that_the_tracker_counted_and_are_not_here_are_missing(
    recent: RecentEvents,
) -> None:
    recent.add([entry(0, document(1, "A")), entry(1, document(5, "B")), entry(2, document(6, "C"))])
    assert [step.missing for step in timeline_of(SESSION, rows(recent)).steps] == [0, 3, 0]


@pytest.mark.parametrize(
    ("indexes", "missing"),
    [
        ((1, 3, 2, 4), [0, 0, 0, 0]),  # of two threads
        ((5, 1, 2, 3, 4, 6), [0, 0, 0, 0, 0, 0]),  # the clock was set back
        ((1, 9, 2, 10), [0, 6, 0, 0]),
    ],
)
def test_what_is_here_in_another_order_is_not_missing(
    recent: RecentEvents, indexes: tuple[int, ...], missing: list[int]
) -> None:
    recent.add([entry(at, document(index, "A")) for at, index in enumerate(indexes)])
    assert [step.missing for step in timeline_of(SESSION, rows(recent)).steps] == missing


def test_a_session_without_an_entity_has_no_counts(recent: RecentEvents) -> None:
    """Web trackers have a column for it."""
    recent.add([entry(0, document(None, page_title="Home", domain_sessionid=SESSION))])

    timeline = timeline_of(SESSION, rows(recent))

    assert (timeline.index, timeline.previous) == (None, None)
    assert [(step.detail, step.index, step.missing) for step in timeline.steps] == [
        ("Home", None, 0)
    ]


def test_a_long_session_shows_its_latest_events(recent: RecentEvents) -> None:
    recent.add([entry(n, document(n, f"Screen {n}")) for n in range(1, MOST_EVENTS + 11)])
    timeline = timeline_of(SESSION, rows(recent))
    assert timeline.is_cut
    assert len(timeline.steps) == MOST_EVENTS
    assert timeline.steps[-1].detail == f"Screen {MOST_EVENTS + 10}"


def test_an_empty_session_is_no_error() -> None:
    assert timeline_of(SESSION, []).steps == ()


def test_sessions_are_listed_the_latest_first(recent: RecentEvents) -> None:
    recent.add(
        [
            entry(0, document(1, "A"), level=1),
            entry(5, document(1), session=BEFORE),
            entry(60, document(2, "B"), level=5),
            entry(61, document(None), session=None),
        ]
    )

    assert [
        (one.session, one.events, one.app, one.duration, one.levels)
        for one in list_sessions(recent)
    ] == [(SESSION, 2, "shop", "1 min 0 s", (1, 5)), (BEFORE, 1, "shop", "0 ms", (1,))]


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (60_000, "1 min 0 s"),
        (3_600_000, "1 h 0 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_lengths_of_time_are_told_as_exactly_as_it_matters(length_ms: int, words: str) -> None:
    assert duration(length_ms) == words
