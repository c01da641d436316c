"""Micro's API, asked of a window that is filled by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.window import document, entry
from tests.web.test_views import FAILED, asking

from whiteout.web.recent import RecentEvents, SearchTookTooLongError

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD = entry(0, document(1, "Cart"))
BAD = FAILED._replace(document="{}")


class Busy(RecentEvents):
    """Whose first search is in time, and no other; to find one event by its number is none."""

    searches = 0

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        if "ORDER BY number DESC" in sql:
            self.searches += 1
            if self.searches > 1:
                raise SearchTookTooLongError
        return super().query(sql, values)


@pytest.mark.parametrize("path", ["/micro/good", "/micro/bad", "/micro/events"])
def test_an_answer_that_has_begun_is_not_broken_off_by_a_search(path: str) -> None:
    recent = Busy()
    recent.add([GOOD, BAD] * 1_100)

    with asking(recent) as client:
        answer = client.get(path)

    assert len(answer.json()) == 1_100
    recent.close()


@pytest.mark.parametrize("path", ["/micro/good", "/micro/bad", "/micro/events"])
def test_a_search_that_takes_too_long_is_told_and_nothing_else_is(path: str) -> None:
    recent = RecentEvents(search_s=0)  # the clock is looked at each few thousand events
    recent.add([GOOD, BAD] * 3_000)

    with asking(recent) as client:
        answer = client.get(path)

    told = "the search took too long; ask for fewer events"
    assert (answer.status_code, answer.text) == (503, told)
    recent.close()
