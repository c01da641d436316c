"""The two things enrich hands on, and their text forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def event(
    *,
    columns: Mapping[str, str] | None = None,
    unstruct_event: SelfDescribingJson | None = None,
    contexts: Sequence[SelfDescribingJson] = (),
    derived_contexts: Sequence[SelfDescribingJson] = (),
) -> EnrichedEvent:
    fields: list[str | None] = [None] * len(ATOMIC_COLUMNS)
    for name, text in (columns or {}).items():
        fields[COLUMN_INDEX[name]] = text
    return EnrichedEvent(
        fields=fields,
        unstruct_event=unstruct_event,
        contexts=list(contexts),
        derived_contexts=list(derived_contexts),
    )


def test_there_are_131_columns_with_different_names() -> None:
    assert len(ATOMIC_COLUMNS) == len(COLUMN_INDEX) == 131
    assert [c.name for c in ATOMIC_COLUMNS if c.required] == [
        "collector_tstamp",
        "event_id",
        "v_collector",
        "v_etl",
    ]
    assert (COLUMN_INDEX["contexts"], COLUMN_INDEX["unstruct_event"]) == (52, 58)
    assert (COLUMN_INDEX["derived_contexts"], COLUMN_INDEX["true_tstamp"]) == (122, 130)


def test_a_null_column_is_an_empty_field() -> None:
    line = event(columns={"app_id": "shop", "true_tstamp": "2020-01-01 00:00:00.000"}).tsv()

    assert line == "shop" + "\t" * 130 + "2020-01-01 00:00:00.000"


def test_a_tab_or_newline_in_a_field_cannot_break_the_line() -> None:
    line = event(columns={"app_id": "a\tb\nc\rd", "platform": "web"}).tsv()

    assert line.split("\t")[:2] == ["a b c d", "web"]
    assert line.count("\t") == 130


def test_the_json_form_has_typed_columns_and_leaves_the_envelopes_out() -> None:
    result = event(
        columns={
            "collector_tstamp": "2013-11-26 00:03:57.885",
            "txn_id": "41828",
            "se_value": "42.5",
            "br_cookies": "1",
            "br_features_pdf": "0",
            "geo_latitude": "37.4",
            "geo_longitude": "-122.1",
            "contexts": "{}",
        }
    ).json_object()

    assert result["collector_tstamp"] == "2013-11-26T00:03:57.885Z"
    assert (result["txn_id"], result["se_value"]) == (41828, 42.5)
    assert (result["br_cookies"], result["br_features_pdf"]) == (True, False)
    assert result["geo_location"] == "37.4,-122.1"
    assert result["app_id"] is None
    assert len(result) == 128 + 1


def test_entities_of_one_model_share_a_key_and_derived_ones_replace_the_trackers() -> None:
    """BS2, and the clash of the two lists in the official SDK."""
    link = SelfDescribingJson("iglu:com.acme-x/linkClickURL/jsonschema/1-2-3", {"n": 1})
    later = SelfDescribingJson("iglu:com.acme-x/linkClickURL/jsonschema/1-3-0", {"n": 2})
    other = SelfDescribingJson("iglu:org.w3/PerformanceTiming/jsonschema/1-0-0", {"n": 3})
    derived = SelfDescribingJson("iglu:org.w3/PerformanceTiming/jsonschema/1-0-1", {"n": 4})

    result = event(contexts=[link, later, other], derived_contexts=[derived]).json_object()

    assert result["contexts_com_acme_x_link_click_url_1"] == [
        {"n": 1, "_schema_version": "1-2-3"},
        {"n": 2, "_schema_version": "1-3-0"},
    ]
    assert result["contexts_org_w3_performance_timing_1"] == [{"n": 4, "_schema_version": "1-0-1"}]
    assert link.data == {"n": 1}


def test_the_body_of_a_self_describing_event_stands_under_its_family() -> None:
    body = SelfDescribingJson("iglu:com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0", {})

    result = event(unstruct_event=body).json_object()

    assert result["unstruct_event_com_snowplowanalytics_self_desc_schema_1"] == {}


def test_an_infinite_number_does_not_reach_the_json_form() -> None:
    assert event(columns={"se_value": "1E999"}).json_object()["se_value"] is None


def test_neither_gives_its_content_away_in_a_repr() -> None:
    row = BadRow("iglu:com.acme/x/jsonschema/1-0-0", {"payload": "SECRET"})
    columns = {"user_id": "SECRET", "event_id": "id", "event_name": "page_view"}

    assert repr(row) == "BadRow(iglu:com.acme/x/jsonschema/1-0-0)"
    assert repr(event(columns=columns)) == "EnrichedEvent(id, page_view)"


def test_a_bad_row_is_one_line_of_json_whatever_it_holds() -> None:
    row = BadRow("iglu:com.acme/x/jsonschema/1-0-0", {"payload": "a\nb\ud800é", "n": 2**70})

    text = row.json()

    assert "\n" not in text
    assert json.loads(text) == {"schema": row.schema, "data": row.data}
