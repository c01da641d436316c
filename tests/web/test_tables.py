"""Tables of lots, and what of them leaves the page."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.web.lots import CELL_MS, Counted, Kind, Lots
from whiteout.web.spans import SPANS, Span, read_span
from whiteout.web.tables import REST, Table, export, over_time, to_csv, to_json, top

MINUTE_MS = 60_000
NOW = 1_800_000_000_000 - 1_800_000_000_000 % MINUTE_MS + 30_000
START = NOW - 30_000
THREE = Span("3m", "3 minutes", MINUTE_MS, 3)
SCREEN = Kind("good", "screen_view", "iglu:com.acme/screen_view/jsonschema/1-0-0", 7)
LOGIN = Kind("good", "login", "iglu:com.acme/login/jsonschema/1-0-0", 0)
BAD = Kind("failed", "schema_violations", "iglu:com.acme/schema_violations/jsonschema/2-0-1", None)
LEVELS = {0: "identified", 7: "full"}


def type_of(lots: Counted) -> str:
    return lots.kind.type


@pytest.mark.parametrize("span", SPANS.values(), ids=str)
def test_the_last_bucket_of_a_span_holds_now(span: Span) -> None:
    starts = span.starts(NOW)
    assert len(starts) == span.count
    assert starts[-1] <= NOW < starts[-1] + span.bucket_ms
    assert {later - before for before, later in pairwise(starts)} == {span.bucket_ms}
    assert all(start % span.bucket_ms == 0 for start in starts)


def test_an_unknown_span_is_the_first() -> None:
    assert read_span("1d").name == "1d"
    assert read_span("1y") == read_span("") == next(iter(SPANS.values()))


def test_events_are_in_the_bucket_of_their_time_and_the_largest_series_comes_first() -> None:
    counted = [
        Counted(SCREEN, START - 3 * MINUTE_MS, 5),  # before the span
        Counted(SCREEN, START - 2 * MINUTE_MS, 5),
        Counted(SCREEN, START - MINUTE_MS - CELL_MS, 10),
        Counted(LOGIN, START, 20),
    ]

    table = over_time(counted, type_of, span=THREE, now_ms=NOW, most=5)

    assert table.starts_ms == (START - 2 * MINUTE_MS, START - MINUTE_MS, START)
    assert [(one.name, one.values) for one in table.series] == [
        ("login", (0, 0, 20)),
        ("screen_view", (15, 0, 0)),
    ]
    assert table.total == 35


def test_what_has_no_name_is_not_in_the_table() -> None:
    counted = [Counted(SCREEN, START, 5), Counted(BAD, START, 5)]
    table = over_time(
        counted,
        lambda lots: lots.kind.type if lots.kind.status == "failed" else None,
        span=THREE,
        now_ms=NOW,
        most=5,
    )
    assert [one.name for one in table.series] == ["schema_violations"]


def test_series_beyond_the_most_are_one() -> None:
    counted = [Counted(Kind("good", f"type_{n}", "", 0), START, 5 * (9 - n)) for n in range(5)]
    table = over_time(counted, type_of, span=THREE, now_ms=NOW, most=3)
    assert [(one.name, one.total) for one in table.series] == [
        ("type_0", 45),
        ("type_1", 40),
        (REST, 35 + 30 + 25),
    ]


def test_the_top_is_ordered_by_number_then_by_name() -> None:
    counted = [Counted(SCREEN, START, 5), Counted(LOGIN, START, 5), Counted(BAD, START, 10)]
    assert top(counted, type_of, most=2) == [("schema_violations", 10), ("login", 5)]


def test_an_export_has_a_row_for_each_kind_and_bucket() -> None:
    counted = [
        Counted(BAD, START - MINUTE_MS, 5),
        Counted(SCREEN, START - MINUTE_MS, 5),
        Counted(SCREEN, START - CELL_MS, 10),
    ]

    exported = export(counted, span=THREE, now_ms=NOW, least_group=5, level_names=LEVELS)

    moment = "2027-01-15T07:59:00.000Z"
    assert to_csv(exported).splitlines() == [
        "start,status,type,schema,level,events",
        f"{moment},failed,schema_violations,{BAD.schema},,5",
        f"{moment},good,screen_view,{SCREEN.schema},full,15",
    ]
    assert json.loads(json.dumps(to_json(exported))) == {
        "least_group": 5,
        "start": "2027-01-15T07:58:00.000Z",
        "bucket_s": 60,
        "events": 20,
        "rows": [
            {
                "start": moment,
                "status": "failed",
                "type": "schema_violations",
                "schema": BAD.schema,
                "level": "",
                "events": 5,
            },
            {
                "start": moment,
                "status": "good",
                "type": "screen_view",
                "schema": SCREEN.schema,
                "level": "full",
                "events": 15,
            },
        ],
    }


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_name_is_no_formula(name: str) -> None:
    exported = export(
        [Counted(Kind("good", name, "", 0), START, 5)],
        span=THREE,
        now_ms=NOW,
        least_group=5,
        level_names=LEVELS,
    )
    (row,) = csv.DictReader(io.StringIO(to_csv(exported)))
    assert row["type"] == f"'{name}"


@given(
    st.lists(
        st.tuples(st.sampled_from((SCREEN, LOGIN, BAD)), st.integers(1, 30), st.integers(0, 90)),
        max_size=30,
    ),
    st.integers(2, 9),
    st.integers(0, 5),
)
def test_no_sum_of_what_is_shown_and_exported_is_smaller_than_a_group(
    arrivals: list[tuple[Kind, int, int]], least_group: int, minutes_later: int
) -> None:
    """All tables and exports, of every span, at two moments: any difference is of whole lots."""
    lots, at = Lots(least_group), NOW
    for kind, count, later_s in arrivals:
        at += later_s * 1_000
        lots.add(kind, count, at_ms=at)

    shown = set[int]()
    for now_ms in (at, at + minutes_later * MINUTE_MS):
        for span in SPANS.values():
            shown |= _numbers(lots, span, now_ms)

    assert all(number % least_group == 0 for number in shown)


def _numbers(lots: Lots, span: Span, now_ms: int) -> set[int]:
    counted = list(lots.counted(since_ms=span.starts(now_ms)[0], now_ms=now_ms))
    tables: list[Table] = [
        over_time(counted, type_of, span=span, now_ms=now_ms, most=2),
        over_time(
            counted,
            lambda one: None if one.kind.level is None else LEVELS[one.kind.level],
            span=span,
            now_ms=now_ms,
            most=8,
        ),
    ]
    exported = to_json(
        export(counted, span=span, now_ms=now_ms, least_group=lots.least_group, level_names=LEVELS)
    )
    return {
        exported["events"],
        *(row["events"] for row in exported["rows"]),
        *(events for _, events in top(counted, lambda one: one.kind.schema, most=9)),
        *(events for table in tables for one in table.series for events in one.values),
        *(table.total for table in tables),
    }
