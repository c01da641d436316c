"""Counting in lots: what nobody can work out of the counts, by trying all explanations of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.web.lots import CELL_MS, MOST_KINDS, Counted, Kind, Lots

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000_000
FOREVER = NOW * 2
DAY_MS = 86_400_000
KINDS = (
    Kind("good", "screen_view", "iglu:a/screen_view/jsonschema/1-0-0", 7),
    Kind("good", "screen_view", "iglu:a/screen_view/jsonschema/1-0-0", 0),
    Kind("failed", "schema_violations", "iglu:b/schema_violations/jsonschema/2-0-1", None),
)
# How many events of which kind came, and how many milliseconds after the ones before.
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 40), st.integers(0, 5 * 3_600_000)),
    max_size=30,
)


def counted(lots: Lots, now_ms: int = FOREVER) -> list[Counted]:
    return list(lots.counted(since_ms=0, now_ms=now_ms))


def test_only_whole_lots_are_counted_when_their_last_event_has_come() -> None:
    lots = Lots(5)
    for cell, count in enumerate((4, 0, 3, 13)):
        lots.add(KINDS[0], count, at_ms=NOW + cell * CELL_MS)

    # 4, 4, 7, 20: a lot in the third cell, three in the fourth.
    assert counted(lots) == [
        Counted(KINDS[0], NOW + 2 * CELL_MS, 5),
        Counted(KINDS[0], NOW + 3 * CELL_MS, 15),
    ]


def test_a_kind_without_a_whole_lot_is_not_named() -> None:
    lots = Lots(5)
    for kind in KINDS:
        lots.add(kind, 4, at_ms=NOW)
    assert counted(lots) == []


def test_events_of_different_kinds_make_no_lot_together() -> None:
    """Else the level of a few would be told with those of the others."""
    lots = Lots(2)
    lots.add(KINDS[0], 1, at_ms=NOW)
    lots.add(KINDS[1], 1, at_ms=NOW)
    assert counted(lots) == []


def test_a_cell_is_counted_once_it_is_over() -> None:
    """Else who asks every moment sees when each lot was complete."""
    lots = Lots(1)
    lots.add(KINDS[0], 1, at_ms=NOW)
    assert counted(lots, now_ms=NOW + CELL_MS - 1) == []
    assert counted(lots, now_ms=NOW + CELL_MS) == [Counted(KINDS[0], NOW, 1)]


def test_a_least_group_of_one_counts_every_event() -> None:
    lots = Lots(1)
    lots.add(KINDS[0], 3, at_ms=NOW)
    lots.add(KINDS[2], 1, at_ms=NOW)
    assert [item.events for item in counted(lots)] == [3, 1]


def test_no_least_group_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="least_group must be 1 or more, got 0"):
        Lots(0)


def test_a_clock_that_steps_back_does_not_change_what_was_counted() -> None:
    lots = Lots(1)
    lots.add(KINDS[0], 1, at_ms=NOW)
    lots.add(KINDS[0], 1, at_ms=NOW - DAY_MS)
    assert counted(lots) == [Counted(KINDS[0], NOW, 2)]


def test_forgetting_forgets_lots_that_are_begun() -> None:
    lots = Lots(5)
    lots.add(KINDS[0], 9, at_ms=NOW)
    lots.clear()
    lots.add(KINDS[0], 1, at_ms=NOW)
    assert counted(lots) == []


def test_kinds_are_bounded() -> None:
    """Names of events are an app's, and anybody can send events."""
    lots = Lots(1)
    for number in range(MOST_KINDS + 10):
        lots.add(Kind("good", f"type_{number}", "", 0), 1, at_ms=NOW)
    assert len(counted(lots)) == MOST_KINDS


def test_older_counts_are_dated_less_exactly_and_forgotten_after_a_month() -> None:
    lots = Lots(1)
    start = NOW - NOW % DAY_MS
    for second in range(0, 3_600 * 30, 10):
        lots.add(KINDS[0], 1, at_ms=start + second * 1_000)
    found = counted(lots)

    assert sum(item.events for item in found) == 360 * 30
    assert len(found) < 6 + 25 * 60 + 2 * 360 + 12
    assert found[0] == Counted(KINDS[0], start, 360)

    lots.add(KINDS[0], 1, at_ms=start + 40 * DAY_MS)
    assert counted(lots) == [Counted(KINDS[0], start + 40 * DAY_MS, 1)]


Table = dict[tuple[int, int], int]  # (kind, cell) to events
Seen = tuple[tuple[int, int], ...]  # what is shown: a place, and events


@pytest.mark.parametrize(("least_group", "kinds", "cells", "most"), [(2, 2, 3, 5), (3, 1, 4, 8)])
def test_no_small_group_can_be_worked_out(
    least_group: int, kinds: int, cells: int, most: int
) -> None:
    """The attacker knows how lots are counted, and sees all of them: totals, neighbours, kinds."""

    def see(table: Table) -> Seen:
        lots = Lots(least_group)
        for cell in range(cells):
            for kind in range(kinds):
                lots.add(KINDS[kind], table[kind, cell], at_ms=NOW + cell * CELL_MS)
        return tuple(
            (KINDS.index(item.kind) * cells + (item.start_ms - NOW) // CELL_MS, item.events)
            for item in counted(lots)
        )

    assert worked_out(see, least_group, kinds, cells, most) == []


def test_the_same_attack_works_out_what_is_only_left_out_of_a_table() -> None:
    """It can: here small counts are blank, but the total is shown, as many tools do."""

    def see(table: Table) -> Seen:
        shown = [(cell, count) for (_, cell), count in table.items() if count >= 3]
        return (*shown, (-1, sum(table.values())))

    assert worked_out(see, 3, 1, 3, 8) != []


def worked_out(
    see: Callable[[Table], Seen], least_group: int, kinds: int, cells: int, most: int
) -> list[tuple[Seen, list[tuple[int, int]]]]:
    """Small groups of which what is seen leaves one count only, by trying all tables.

    Args:
        see: what an attacker sees of a table.
        least_group: what is smaller is to be hidden.
        kinds: of a table.
        cells: of a table. A group is some kinds in some neighbouring cells.
        most: the largest count that is tried.
    """
    places = [(kind, cell) for kind in range(kinds) for cell in range(cells)]
    groups = [
        [(kind, cell) for kind in chosen for cell in range(first, last + 1)]
        for size in range(1, kinds + 1)
        for chosen in combinations(range(kinds), size)
        for first in range(cells)
        for last in range(first, cells)
    ]
    possible: dict[Seen, list[set[int]]] = defaultdict(lambda: [set() for _ in groups])
    for counts in product(range(most + 1), repeat=len(places)):
        table = dict(zip(places, counts, strict=True))
        for found, group in zip(possible[see(table)], groups, strict=True):
            found.add(sum(table[place] for place in group))
    return [
        (seen, group)
        for seen, all_found in possible.items()
        if all(events + least_group - 1 <= most for _, events in seen)  # else some were not tried
        for group, found in zip(groups, all_found, strict=True)
        if len(found) == 1 and 0 < min(found) < least_group
    ]


@given(ARRIVALS, st.integers(1, 12), st.lists(st.integers(0, 200 * 3_600_000), max_size=6))
def test_any_two_answers_differ_by_whole_lots_of_each_kind(
    arrivals: list[tuple[Kind, int, int]], least_group: int, moments: list[int]
) -> None:
    """Whenever they are asked for: what was counted stays, and nothing smaller than k is added."""
    lots, at, asked = Lots(least_group), NOW, sorted(NOW + moment for moment in moments)
    before: Counter[Kind] = Counter()
    for kind, count, later in arrivals:
        while asked and asked[0] <= at + later:
            before = _check_next(lots, asked.pop(0), before)
        at += later
        lots.add(kind, count, at_ms=at)
    _check_next(lots, FOREVER, before)


def _check_next(lots: Lots, now_ms: int, before: Counter[Kind]) -> Counter[Kind]:
    after: Counter[Kind] = Counter()
    for item in counted(lots, now_ms):
        assert item.events % lots.least_group == 0
        after[item.kind] += item.events
    for kind in {*before, *after}:
        assert after[kind] >= before[kind]
        assert (after[kind] - before[kind]) % lots.least_group == 0
    return after


@given(ARRIVALS, st.integers(1, 12))
def test_no_kind_loses_as_much_as_a_lot(
    arrivals: list[tuple[Kind, int, int]], least_group: int
) -> None:
    lots, at, true = Lots(least_group), NOW, Counter[Kind]()
    for kind, count, later in arrivals:
        at += later
        true[kind] += count
        lots.add(kind, count, at_ms=at)
    shown: Counter[Kind] = Counter()
    for item in counted(lots):
        shown[item.kind] += item.events
    for kind in KINDS:
        assert 0 <= true[kind] - shown[kind] < least_group
