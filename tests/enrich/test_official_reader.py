"""An official reader of enriched events, from its registry, reads every line that enrich writes."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    COOKIE,
    JSON_TYPE,
    MINIMAL,
    Bench,
    contexts,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import bench_of
from tests.enrich.test_mapping import ALL
from tests.support.all_enrichments import configure_all

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from whiteout.enrich import EnrichedEvent

# Its name of one column differs from that of the table of events.
RENAMED = {"refr_device_tstamp": "refr_dvce_tstamp"}
TYPES = {
    "convert_string": {"string", "decimal"},  # `se_value` is text there
    "convert_int": {"integer"},
    "convert_double": {"double", "decimal"},
    "convert_bool": {"boolean"},
    "convert_tstamp": {"timestamp"},
    "convert_contexts": {"json"},
    "convert_unstruct": {"json"},
}
URL = (
    "https://shop.example:8080/a/b?utm_medium=m&utm_source=s&utm_term=t&utm_content=c"
    f"&utm_campaign=ca&gclid=g&_sp={COOKIE}.1697175843762#f"
)
REFERRER = "https://find.example:99/s?q=shoes#top"
NEVER = {
    # an enrichment that is deprecated
    *"br_name br_family br_version br_type br_renderengine".split(),
    *"os_name os_family os_manufacturer dvce_type dvce_ismobile".split(),
    *"tr_total_base tr_tax_base tr_shipping_base ti_price_base base_currency".split(),  # a service
}
"""Columns that no enrichment fills here; a function of the operator's may."""


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its regular expressions are older than the warning
        return importlib.import_module("snowplow_analytics_sdk.event_transformer")


@pytest.fixture(scope="module")
def all_on(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Every enrichment that adds."""
    folder: Path = tmp_path_factory.mktemp("enrichments")
    configure_all(folder, privacy=False)
    schema = {"type": "object"}
    known = EmbeddedRegistry({"iglu:com.acme/thing/jsonschema/1-0-0": schema}, name="acme")
    return bench_of(folder, Resolver([EmbeddedRegistry(), known]), incomplete_events=True)


@pytest.fixture(scope="module")
def full(all_on: Bench) -> list[EnrichedEvent]:
    """Events of all types, which together have all that can be had."""
    everything = {name: value for name, (value, _) in ALL.items() if name != "cv"}
    everything |= {"url": URL, "refr": REFERRER, "ip": "203.0.113.9", "co": contexts(thing(a=1))}
    types = [{"e": name} for name in ("pv", "pp", "se", "tr", "ti")]
    types.append({"e": "ue", "ue_pr": unstruct_event(thing(b=[1, "x"]))})
    headers = (f"Cookie: sp={COOKIE}", "Accept: a", JSON_TYPE)
    events = [all_on.event(post({**everything, **one}, headers=headers)) for one in types]
    events.append(all_on.event(post(MINIMAL)))
    return events


def test_its_columns_are_ours_in_the_same_order_with_the_same_types(reader: ModuleType) -> None:
    theirs = [
        (RENAMED.get(name, name), convert.__name__)
        for name, convert in reader.ENRICHED_EVENT_FIELD_TYPES
    ]

    assert [name for name, _ in theirs] == [column.name for column in ATOMIC_COLUMNS]
    wrong = [
        (column.name, column.type, convert)
        for column, (_, convert) in zip(ATOMIC_COLUMNS, theirs, strict=True)
        if column.type not in TYPES[convert]
    ]
    assert wrong == []


def test_every_column_is_filled_by_something(full: list[EnrichedEvent]) -> None:
    """But for those that need what is not there: named here, so that no other is forgotten."""
    filled = {
        column.name
        for column in ATOMIC_COLUMNS
        if any(event[column.name] is not None for event in full)
    }

    assert set(COLUMN_INDEX) - filled == NEVER


def test_it_reads_the_same_values(full: list[EnrichedEvent], reader: ModuleType) -> None:
    for event in full:
        theirs = reader.transform(event.tsv())
        ours = event.json_object()

        for name, value in theirs.items():
            if name.startswith(("contexts_", "unstruct_event_")):
                assert without_versions(ours[name]) == value, name
            elif name == "se_value":  # text there
                assert ours[name] == float(value)
            else:
                assert ours[RENAMED.get(name, name)] == value, name
        assert {name for name, value in ours.items() if value is not None} == {
            RENAMED.get(name, name) for name in theirs
        }


def without_versions(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """What the newer readers add to entities."""
    if isinstance(value, list):
        return [without_versions(item) for item in value]
    return {name: inner for name, inner in value.items() if name != "_schema_version"}


def test_it_reads_what_is_left_of_a_failed_event(all_on: Bench, reader: ModuleType) -> None:
    row = all_on.bad(post({**MINIMAL, "tid": "x", "aid": "shop"}))
    assert row.incomplete is not None

    theirs = reader.transform(row.incomplete.tsv())

    (failure,) = theirs["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert (theirs["app_id"], failure["failureType"]) == ("shop", "ValidationError")
