"""The window of latest events: what it keeps, what it finds, and whom it makes wait."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.window import document, entry

from whiteout.lake.loaded import Origin
from whiteout.web.filter import Filter
from whiteout.web.recent import RecentEvents, SearchTookTooLongError, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.web.entries import Entry

EVENT = entry(0, document(1, "Cart"))
WAIT_S = 20.0


def of_text(text: str) -> Entry:
    """An event in which a text stands."""
    return EVENT._replace(document=text)


@pytest.fixture
def windows() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def recent(windows: contextlib.ExitStack) -> RecentEvents:
    return windows.enter_context(contextlib.closing(RecentEvents()))


def kept(recent: RecentEvents) -> list[int]:
    """The numbers of the events that are here, the newest first."""
    return [row["number"] for row in recent.find(Filter(), limit=1_000)]


def test_beyond_the_most_events_the_oldest_go(windows: contextlib.ExitStack) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_events=3)))

    recent.add([EVENT, EVENT])
    recent.add([EVENT, EVENT, EVENT])

    assert kept(recent) == [5, 4, 3]
    assert recent.totals() == Totals(5, 0)


def test_beyond_the_most_bytes_only_as_many_of_the_oldest_go_as_must(
    windows: contextlib.ExitStack,
) -> None:
    """Large events do not empty the window."""
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_bytes=1_000)))

    for _ in range(6):
        recent.add([of_text("x" * 400)])

    assert kept(recent) == [6, 5]


def from_request(record: bytes, *places: int) -> list[Entry]:
    """Events of one request, with hardly a text of their own."""
    return [of_text("x")._replace(origin=Origin(record, place)) for place in places]


def test_the_record_of_a_request_is_kept_once_for_all_its_events(recent: RecentEvents) -> None:
    one, other = b"one", b"other"
    first, second, third = from_request(one, 0, 1, 3)

    recent.add([EVENT, first, *from_request(other, 0), second, third, EVENT])

    rows = recent.find(Filter(), limit=10)[::-1]
    assert [row["place"] for row in rows] == [None, 0, 0, 1, 3, None]
    found = [row["request"] and recent.record(row["request"]) for row in rows]
    assert found == [None, one, other, one, one, None]
    assert recent.query("SELECT count(*) FROM request")[0][0] == 2


def test_bytes_of_records_count_and_go_with_the_last_event_of_their_request(
    windows: contextlib.ExitStack,
) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_bytes=1_000)))

    recent.add(from_request(b"a" * 600, 0, 1, 2))
    (request,) = {row["request"] for row in recent.find(Filter(), limit=10)}
    recent.add([of_text("x" * 399)])  # two events too many, which share what is large

    assert kept(recent) == [4, 3]
    assert recent.record(request) == b"a" * 600
    recent.add([EVENT])
    assert recent.record(request) is None
    recent.add(from_request(b"b" * 2_000, 0))
    assert kept(recent) == [6]


def test_records_are_forgotten_when_the_window_is_emptied(recent: RecentEvents) -> None:
    recent.add(from_request(b"a", 0))
    recent.clear()

    assert recent.query("SELECT count(*) FROM request")[0][0] == 0


def test_the_newest_event_stays_however_large_it_is(windows: contextlib.ExitStack) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_bytes=1_000)))

    recent.add([of_text("small"), of_text("x" * 5_000)])

    assert kept(recent) == [2]


def test_bytes_are_those_of_utf_8(windows: contextlib.ExitStack) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_bytes=1_000)))

    recent.add([of_text("あ" * 100)] * 3)  # 300 bytes, and as many to search in

    assert kept(recent) == [3]


def test_numbers_go_on_after_the_window_was_emptied(recent: RecentEvents) -> None:
    recent.add([EVENT, EVENT])
    recent.clear()
    recent.add([EVENT])

    (number,) = kept(recent)
    assert number > 2
    assert recent.first_number() <= number
    assert recent.first_number() > 2
    assert recent.totals() == Totals(1, 0)


def test_numbers_begin_where_they_are_told_to(windows: contextlib.ExitStack) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(first=5_000)))
    assert (recent.first_number(), recent.last_number()) == (5_000, 4_999)

    recent.add([EVENT])

    assert kept(recent) == [5_000]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Checkout", "checkOUT"),
        ("ÄPFEL für Ömer", "äpfel FÜR"),
        ("ÄPFEL für Ömer", "ömer"),
        ("CAFÉ ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("STRASSE", "straße"),
        ("Straße", "STRASSE"),
        ("100 % of_it\\now", "100 % OF_it\\N"),
    ],
)
def test_a_search_finds_text_in_any_case(recent: RecentEvents, text: str, wanted: str) -> None:
    recent.add([of_text(f"before {text} after")])
    assert kept_with(recent, wanted) == [1]


@pytest.mark.parametrize("wanted", ["%", "_", "a%c", "a_c", "\\"])
def test_marks_of_patterns_stand_for_themselves(recent: RecentEvents, wanted: str) -> None:
    recent.add([of_text("abc"), of_text("ab")])
    assert kept_with(recent, wanted) == []

    recent.add([of_text(f"so {wanted} it is")])
    assert kept_with(recent, wanted) == [3]


def kept_with(recent: RecentEvents, text: str) -> list[int]:
    return [row["number"] for row in recent.find(Filter(text=text), limit=10)]


def test_all_entities_that_are_asked_for_must_be_there(recent: RecentEvents) -> None:
    recent.add([EVENT._replace(entities=("iglu:a/b/c/1-0-0", "iglu:a/b/c/1-0-10"))])

    def found(*entities: str) -> int:
        return len(recent.find(Filter(entities=entities), limit=10))

    assert found("iglu:a/b/c/1-0-10", "iglu:a/b/c/1-0-0") == 1
    assert found("iglu:a/b/c/1-0-1") == 0
    assert found("iglu:a/b/c/1-0-0", "iglu:a/b/c/1-0-1") == 0


def test_a_search_that_takes_too_long_ends(windows: contextlib.ExitStack) -> None:
    recent = windows.enter_context(contextlib.closing(RecentEvents(search_s=0)))
    recent.add([EVENT] * 5_000)

    with pytest.raises(SearchTookTooLongError):
        recent.find(Filter(text="nowhere"), limit=10)

    assert recent.choices() == {"name": [], "schema": [], "app_id": []}
    assert recent.get(5_000) is not None


def test_the_loader_does_not_wait_for_a_search(recent: RecentEvents) -> None:
    """What comes meanwhile is there as soon as the search has ended."""
    recent.add([EVENT])
    with searching(recent):
        recent.add([EVENT], done=(2, 0))
        assert recent.totals() == Totals(1, 0)
        assert not recent.wait_until_done(2, 0, timeout_s=0)

    assert recent.wait_until_done(2, 0, timeout_s=WAIT_S)
    assert kept(recent) == [2, 1]
    assert recent.totals() == Totals(2, 0)


def test_what_streams_ask_does_not_wait_for_a_search(recent: RecentEvents) -> None:
    """They ask on the event loop, where everybody would wait with them."""
    with searching(recent):
        end = recent.listen(lambda _: None)
        assert (recent.first_number(), recent.last_number(), recent.clearings()) == (1, 0, 0)
        assert recent.totals() == Totals(0, 0)
        end()


def test_events_that_wait_for_a_search_are_bounded(windows: contextlib.ExitStack) -> None:
    """Then the loader does wait: memory would not do."""
    recent = windows.enter_context(contextlib.closing(RecentEvents(max_waiting=1)))
    with searching(recent):
        recent.add([EVENT] * 3)
        added = threading.Event()

        def add() -> None:
            recent.add([EVENT])
            added.set()

        adding = threading.Thread(target=add)
        adding.start()
        assert not added.wait(0.05)
    assert added.wait(WAIT_S)
    adding.join()
    assert kept(recent) == [4, 3, 2, 1]


def test_what_waited_for_a_search_is_gone_after_a_reset(recent: RecentEvents) -> None:
    with searching(recent):
        recent.add([EVENT])
        clearing = threading.Thread(target=recent.clear)
        clearing.start()
    clearing.join()

    assert kept(recent) == []
    assert recent.totals() == Totals(0, 0)


@contextlib.contextmanager
def searching(recent: RecentEvents) -> Iterator[None]:
    """While somebody's search is under way."""
    with recent.asking():
        yield
