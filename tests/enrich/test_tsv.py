"""Enriched TSV read back is what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.schemas import write_parts
from whiteout.enrich.tsv import NotEnrichedError, read_tsv
from whiteout.protocol.self_describing import SelfDescribingJson

EVENT_ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
PARTS = st.builds(
    SelfDescribingJson,
    st.sampled_from(["iglu:com.acme/user/jsonschema/1-0-0", "iglu:com.acme/tea/jsonschema/2-1-0"]),
    st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-(2**53), 2**53), st.none())),
)


def least() -> list[str | None]:
    """The columns that must be there."""
    fields = [(column.required and "x") or None for column in ATOMIC_COLUMNS]
    fields[COLUMN_INDEX["event_id"]] = EVENT_ID
    return fields


@st.composite
def events(draw: st.DrawFn) -> EnrichedEvent:
    fields: list[str | None] = [None] * len(ATOMIC_COLUMNS)
    for position, column in enumerate(ATOMIC_COLUMNS):
        if column.required or (column.type == "string" and draw(st.booleans())):
            fields[position] = draw(TEXTS)
    fields[COLUMN_INDEX["event_id"]] = str(draw(st.uuids()))
    event = EnrichedEvent(
        fields=fields,
        unstruct_event=draw(st.none() | PARTS),
        contexts=draw(st.lists(PARTS, max_size=3)),
        derived_contexts=draw(st.lists(PARTS, max_size=2)),
    )
    write_parts(event)
    return event


@given(events())
def test_reading_undoes_writing(event: EnrichedEvent) -> None:
    """BS3, in both directions."""
    assert read_tsv(event.tsv()).tsv() == event.tsv()
    assert read_tsv(event.tsv()) == event
    assert read_tsv(event.tsv() + "\n") == event


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(NotEnrichedError):
        read_tsv(text)


@pytest.mark.parametrize("count", [1, 4, 130, 132])
def test_BS1_another_number_of_columns_is_told(count: int) -> None:
    """One, where there is no tab at all."""
    fields = [text or "" for text in least()]
    line = "\t".join([*fields, ""][:count])

    with pytest.raises(NotEnrichedError, match=f"^{count} columns$") as raised:
        read_tsv(line)

    assert (raised.value.count, raised.value.column) == (count, None)


@pytest.mark.parametrize("column", [column.name for column in ATOMIC_COLUMNS if column.required])
def test_BS1_BM7_a_column_that_must_be_there_is_named(column: str) -> None:
    fields = [text or "" for text in least()]
    fields[COLUMN_INDEX[column]] = ""

    with pytest.raises(NotEnrichedError, match="must be there") as raised:
        read_tsv("\t".join(fields))

    assert raised.value.column == column


@pytest.mark.parametrize("column", ["contexts", "unstruct_event", "derived_contexts"])
@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "1",
        "{}",
        '{"schema":"iglu:a/b/jsonschema/1-0-0"}',
        '{"schema":"iglu:a/b/jsonschema/1-0-0","data":null}',
        '{"schema":"iglu:a/b/jsonschema/1-0-0","data":[{"schema":"no uri","data":{}}]}',
        '{"schema":"iglu:a/b/jsonschema/1-0-0","data":{"schema":"iglu:a/b/jsonschema/1"}}',
        "[" * 100 + "]" * 100,
    ],
)
def test_a_column_that_is_no_self_describing_json_is_named(column: str, text: str) -> None:
    fields = [one or "" for one in least()]
    fields[COLUMN_INDEX[column]] = text

    with pytest.raises(NotEnrichedError) as raised:
        read_tsv("\t".join(fields))

    assert (raised.value.column, raised.value.text) == (column, text)
    assert text not in str(raised.value)


def test_a_next_line_character_in_json_ends_no_line() -> None:
    """U+0085 ends a line for Python's `splitlines`; plain columns have none, JSON escapes it."""
    fields = least()
    event = EnrichedEvent(
        fields=fields,
        unstruct_event=SelfDescribingJson("iglu:com.acme/tea/jsonschema/2-1-0", {"a": "b\x85c"}),
        contexts=[],
        derived_contexts=[],
    )
    write_parts(event)

    (line,) = event.tsv().splitlines()
    assert read_tsv(line).unstruct_event == event.unstruct_event


@pytest.mark.parametrize(
    "event_id", ["x", EVENT_ID[:-1], EVENT_ID.replace("-", ""), f"{EVENT_ID}x"]
)
def test_BS1_an_event_id_that_is_no_uuid_is_named(event_id: str) -> None:
    fields = [text or "" for text in least()]
    fields[COLUMN_INDEX["event_id"]] = event_id

    with pytest.raises(NotEnrichedError, match="must be a UUID") as raised:
        read_tsv("\t".join(fields))

    assert (raised.value.column, raised.value.text) == ("event_id", event_id)


def test_an_event_id_in_capitals_is_kept_as_it_is() -> None:
    """Other enrichers may write it so, and what they wrote is what a repetition is known by."""
    fields = least()
    fields[COLUMN_INDEX["event_id"]] = EVENT_ID.upper()

    event = read_tsv("\t".join(text or "" for text in fields))

    assert event["event_id"] == EVENT_ID.upper()
