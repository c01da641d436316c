"""What the page knows of failed events: the same as of good ones, read from their bad rows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pipeline import entities, self_describing
from tests.support.window import ENTITY, SCREEN, SESSION

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.lake.failed import FailedEvent
from whiteout.web.entries import of_failed
from whiteout.web.failed import body_of, payload_of
from whiteout.web.lens import State, rows_of
from whiteout.web.opened import json_of_failed

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

ID = "3022bb48-db05-44cb-80b5-b7387caaff3f"
SESSION_DATA = {
    "userId": "1e449528-e676-4602-8f86-773a6449dc42",
    "sessionId": SESSION,
    "previousSessionId": None,
    "sessionIndex": 3,
    "eventIndex": 7,
    "storageMechanism": "SQLITE",
    "firstEventId": ID,
    "firstEventTimestamp": "2026-01-31T12:00:00.000Z",
}


def broken_screen(**more: str) -> dict[str, str]:
    """A screen view whose name is a number."""
    event = self_describing(SCREEN, {"name": 5, "id": ID})
    return {**event, **entities((ENTITY, SESSION_DATA)), "dtm": "1700000000000", **more}


def opened(pipeline: Pipeline, query: str = "status=failed", level: str = "") -> str:
    """The only failed event that meets a query, opened; what stands in its markup as text."""
    assert pipeline.get("/micro/all").json()["bad"] == 1
    page = pipeline.get(f"/ui?{query}").body.decode()
    numbers = re.findall(r'href="(/ui/events/\d+)', page)
    assert len(numbers) == 1, query
    return pipeline.get(numbers[0] + level).body.decode().replace("&#34;", '"')


def test_a_failed_event_has_a_level_a_lens_and_the_times_of_its_way(pipeline: Pipeline) -> None:
    pipeline.send(broken_screen(uid="person-7", mac="00:00:5e:00:53:01"))

    page = opened(pipeline)

    assert '<span class="badge level-0">identified</span>' in page
    for stage in ("tracked", "collected", "enriched", "stored"):
        assert f'<th scope="row">{stage}</th>' in page
    assert "2023-11-14T22:13:20.000Z" in page
    lens = page.partition('id="lens"')[2].partition("</table>")[0]
    for held in ("person-7", "client_session.userId", "parameter mac", "00:00:5e:00:53:01"):
        assert held in lens
    assert f'href="/ui/sessions?id={SESSION}"' in page
    assert "client_session 1-0-2" in page


def test_beside_a_failed_event_stands_what_a_stricter_level_leaves(pipeline: Pipeline) -> None:
    pipeline.send(broken_screen(uid="person-7"))

    now, _, beside = opened(pipeline, level="?level=7").partition("At level full</h4>")

    beside = beside.partition("</pre>")[0]
    assert "person-7" in now
    assert SESSION in now
    assert "person-7" not in beside
    assert SESSION not in beside
    assert '"name": 5' in beside


def test_an_anonymous_failed_event_says_so(pipeline: Pipeline) -> None:
    pipeline.send(self_describing(SCREEN, {"name": 5, "id": ID}), SP_Anonymous="*")

    page = opened(pipeline, "level=7")

    assert '<span class="badge level-7">full</span>' in page
    assert "No identifier of the table stands in this event" not in page  # the masked network id
    assert "present" not in page.partition('id="lens"')[2].partition("</table>")[0]


@pytest.mark.parametrize(
    "query",
    [
        f"schema={SCREEN}",
        "schema=iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1",
        f"session={SESSION}",
        "level=1",
        "app=shop",
        "type=schema_violations",
        "q=3022BB48",
    ],
)
def test_each_filter_finds_failed_events(pipeline: Pipeline, query: str) -> None:
    pipeline.send(
        {
            **self_describing(SCREEN, {"name": 5, "id": ID}),
            **entities((ENTITY, {**SESSION_DATA, "userId": NULL_UUID})),
        }
    )

    assert "schema_violations" in opened(pipeline, query)


def test_a_failed_event_stands_in_its_session(pipeline: Pipeline) -> None:
    pipeline.send(broken_screen())
    assert pipeline.get("/micro/all").json()["bad"] == 1

    page = pipeline.get(f"/ui/sessions?id={SESSION}").body.decode()

    assert '<span class="mark failed">failed</span>' in page
    assert "event 7" in page


def test_the_events_own_schema_is_one_of_those_to_choose_from(pipeline: Pipeline) -> None:
    pipeline.send(broken_screen())
    assert pipeline.get("/micro/all").json()["bad"] == 1

    assert f'<option value="{SCREEN}">' in pipeline.get("/ui").body.decode()


def test_of_a_request_without_events_there_is_only_the_bad_row(pipeline: Pipeline) -> None:
    pipeline.ask("/com.snowplowanalytics.snowplow/tp2", "no events")

    page = opened(pipeline)

    assert "The bad row" in page
    assert 'id="lens"' not in page
    assert 'class="badge' not in page
    assert '<th scope="row">collected</th>' in page


def payload(columns: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    enriched = dict.fromkeys((column.name for column in ATOMIC_COLUMNS), None) | columns
    pairs = [{"name": name, "value": value} for name, value in parameters.items()]
    return {"enriched": enriched, "raw": {"parameters": pairs}}


def test_what_could_not_become_a_column_is_looked_at_as_it_was_sent() -> None:
    body = body_of(payload({"user_id": None}, {"sid": "no UUID", "uid": "person-7"}))

    assert body is not None
    assert body.event["domain_sessionid"] == "no UUID"
    found = {row.place: row for row in rows_of(body.event, 0)}
    assert found["user_id"].now.value == "person-7"
    assert found["domain_sessionid"].at[Anonymisation.FULL.value].state is State.ABSENT


def test_an_event_without_data_of_its_own_has_the_schema_of_its_type() -> None:
    body = body_of(payload({"event": "page_view"}, {}))
    assert body is not None
    assert body.schema == "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0"


@pytest.mark.parametrize("is_line", [True, False], ids=["parsing", "iglu"])
def test_bad_rows_of_the_loader_hold_the_event(*, is_line: bool) -> None:
    unstruct = {"schema": "iglu:a/b/jsonschema/1-0-0", "data": {"schema": SCREEN, "data": {}}}
    columns: dict[str, Any] = dict.fromkeys((column.name for column in ATOMIC_COLUMNS), None)
    columns |= {"event": "unstruct", "user_id": "person-7", "txn_id": 5, "br_cookies": True}
    columns |= {"collector_tstamp": "2026-01-31T12:00:00.000Z"}
    if is_line:
        columns |= {"br_cookies": 1, "unstruct_event": json.dumps(unstruct)}
        held: Any = "\t".join("" if one is None else str(one) for one in columns.values())
    else:
        held = {**columns, "unstruct_event": unstruct}

    body = body_of(held)

    assert body is not None
    assert body.schema == SCREEN
    assert body.event["user_id"] == "person-7"
    assert (body.event["txn_id"], body.event["br_cookies"]) == ("5", "1")
    assert body.event["collector_tstamp"] == "2026-01-31 12:00:00.000"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_PARTS = st.fixed_dictionaries({"schema": st.sampled_from([SCREEN, ENTITY, "none"]), "data": _JSON})
_COLUMNS = st.dictionaries(
    st.sampled_from([column.name for column in ATOMIC_COLUMNS]),
    _JSON | st.fixed_dictionaries({"data": _PARTS | st.lists(_PARTS, max_size=3)}),
    max_size=8,
)
_RAW = st.dictionaries(st.sampled_from(["parameters", "userId", "timestamp"]), _JSON)


@given(
    _JSON
    | st.fixed_dictionaries({"enriched": _COLUMNS | _JSON, "raw": _RAW | _JSON})
    | _COLUMNS.map(lambda columns: {"event_id": None, "event": None, **columns})
)
def test_whatever_a_bad_row_holds_it_can_be_shown(held: Any) -> None:  # noqa: ANN401 - any JSON
    bad_row = json.dumps({"schema": "iglu:a/b/c/1-0-0", "data": {"payload": held}})
    entry = of_failed(FailedEvent(None, "b", "iglu:a/b/c/1-0-0", None, None, bad_row), stored_ms=0)

    body = body_of(payload_of(bad_row))

    assert (entry.level is None) == (body is None)
    if body is not None and entry.level is not None:
        rows_of(body.event, entry.level, body.parameters)
        json_of_failed(body.event)
