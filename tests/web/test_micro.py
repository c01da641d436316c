"""The API of Snowplow's Micro, used as test suites written for Micro use it (BM1 to BM7)."""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING

import pytest
from tests.support.pipeline import TP2, Pipeline, entities, self_describing

if TYPE_CHECKING:
    from pathlib import Path

SCREEN_VIEW = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
SCREEN = "iglu:com.snowplowanalytics.mobile/screen/jsonschema/1-0-0"
APPLICATION = "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0"
PAGE_VIEW = "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0"
PAGE_PING = "iglu:com.snowplowanalytics.snowplow/page_ping/jsonschema/1-0-0"
UA_PARSER = "iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-0"
ID = "a2a3a4a5-0000-4000-8000-000000000001"
SCREEN_DATA = {"name": "Checkout", "id": ID}
APPLICATION_DATA = {"version": "1.0", "build": "7"}


def test_an_event_is_there_as_soon_as_the_collector_has_answered(pipeline: Pipeline) -> None:
    """BM1: what was accepted before a question is in its answer; suites do not wait."""
    pipeline.get("/i?e=pp&p=web&tv=lol")

    assert pipeline.get("/micro/all").json() == {"total": 1, "good": 1, "bad": 0}
    (event,) = pipeline.get("/micro/good").json()
    assert event["eventType"] == "page_ping"
    assert event["schema"] == PAGE_PING
    assert event["event"]["v_tracker"] == "lol"


def test_an_invalid_event_is_bad(pipeline: Pipeline) -> None:
    """BM1."""
    pipeline.get("/i?e=pp&p=web&tv=lol&eid=invalidEventId")

    assert pipeline.get("/micro/all").json() == {"total": 1, "good": 0, "bad": 1}
    (bad,) = pipeline.get("/micro/bad").json()
    assert bad["errors"][0] == "Error while validating the event."
    row = json.loads(bad["errors"][1])
    assert row["schema"].endswith("/schema_violations/jsonschema/2-0-1")
    assert bad["rawEvent"]["parameters"]["eid"] == "invalidEventId"
    assert bad["rawEvent"]["api"]["vendor"] == "com.snowplowanalytics.snowplow"
    assert bad["collectorPayload"]["api"] == bad["rawEvent"]["api"]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"e": ""}, "event"),
        ({"e": "nothing"}, "not a valid event type"),
        ({"p": "moon"}, "not a valid platform"),
        (self_describing(SCREEN_VIEW, {"name": 1}), SCREEN_VIEW),
        (entities((SCREEN, {"name": 1})), SCREEN),
        (entities(("iglu:com.acme/none/jsonschema/1-0-0", {})), "iglu:com.acme/none"),
    ],
    ids=["no type", "type", "platform", "event", "entity", "unknown entity"],
)
def test_what_is_wrong_is_told_in_two_texts_of_which_the_second_is_the_bad_row(
    pipeline: Pipeline, parameters: dict[str, str], told: str
) -> None:
    """BM3."""
    pipeline.send(parameters)

    (bad,) = pipeline.get("/micro/bad").json()
    text, row = bad["errors"]
    assert text == "Error while validating the event."
    assert json.loads(row)["schema"].split("/")[1] == "schema_violations"
    assert told in json.dumps(json.loads(row)["data"]["failure"])


def test_resetting_empties_it(pipeline: Pipeline) -> None:
    pipeline.send({}, {"eid": "none"})

    reset = pipeline.get("/micro/reset").json()

    assert reset == {"total": 0, "good": 0, "bad": 0}
    assert pipeline.get("/micro/all").json() == reset
    assert pipeline.get("/micro/good").json() == []
    assert pipeline.get("/micro/bad").json() == []


def test_the_same_fixture_counts_again_after_a_reset(pipeline: Pipeline) -> None:
    """The lake keeps an event once, whoever sends it again; a suite that replays it sees it."""
    pipeline.send({"eid": ID, "dtm": "1700000000000"})
    pipeline.get("/micro/reset")

    pipeline.send({"eid": ID, "dtm": "1700000000000"})

    (event,) = pipeline.get("/micro/good").json()
    assert event["event"]["event_id"] == ID


def test_a_request_without_events_is_bad_without_a_raw_event(pipeline: Pipeline) -> None:
    """BM2."""
    pipeline.request("POST", TP2, "not json", {"Content-Type": "application/json"})

    (bad,) = pipeline.get("/micro/bad").json()
    assert bad["rawEvent"] is None
    assert bad["collectorPayload"]["body"] == "not json"
    assert bad["errors"][0].startswith("Error while extracting event(s)")


def test_good_and_bad_of_one_request_are_told_apart(pipeline: Pipeline) -> None:
    """BM2: one of each."""
    pipeline.send({}, {"e": "nothing"})

    assert pipeline.get("/micro/all").json() == {"total": 2, "good": 1, "bad": 1}


def test_type_schema_and_entities_are_those_of_the_enriched_event(pipeline: Pipeline) -> None:
    """BM4."""
    pipeline.send(
        {
            **self_describing(SCREEN_VIEW, SCREEN_DATA),
            **entities((SCREEN, SCREEN_DATA), (APPLICATION, APPLICATION_DATA)),
        }
    )

    (event,) = pipeline.get("/micro/good").json()
    assert event["eventType"] == "unstruct"
    assert event["schema"] == SCREEN_VIEW
    assert event["contexts"][:2] == [SCREEN, APPLICATION]
    assert event["event"]["unstruct_event"]["data"] == {"schema": SCREEN_VIEW, "data": SCREEN_DATA}
    assert event["event"]["contexts"]["data"][1] == {
        "schema": APPLICATION,
        "data": APPLICATION_DATA,
    }
    assert event["rawEvent"]["parameters"]["e"] == "ue"
    assert event["incomplete"] is False


def test_events_are_given_newest_first_and_at_most_so_many(pipeline: Pipeline) -> None:
    """BM5: `limit` takes the newest."""
    ids = [pipeline.send({})[0] for _ in range(3)]

    found = pipeline.ask("/micro/good", {"limit": 2}).json()

    assert [event["event"]["event_id"] for event in found] == [ids[2], ids[1]]


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ({}, 3),
        ({"event_type": "page_view"}, 1),
        ({"event_type": "pv"}, 0),
        ({"schema": SCREEN_VIEW}, 2),
        ({"schema": SCREEN_VIEW[:-1]}, 0),
        ({"contexts": [SCREEN]}, 2),
        ({"contexts": [SCREEN, APPLICATION]}, 1),
        ({"contexts": [SCREEN, APPLICATION, PAGE_VIEW]}, 0),
        ({"contexts": []}, 3),
        ({"schema": PAGE_VIEW, "contexts": [SCREEN]}, 0),
        ({"event_type": "unstruct", "schema": SCREEN_VIEW, "contexts": [APPLICATION]}, 1),
        ({"limit": 0}, 0),
        ({"unknown": 1}, 3),
    ],
)
def test_good_events_are_filtered_by_all_conditions(
    pipeline: Pipeline, question: dict[str, object], count: int
) -> None:
    """BM5."""
    screen = self_describing(SCREEN_VIEW, SCREEN_DATA)
    pipeline.send(
        {},
        {**screen, **entities((SCREEN, SCREEN_DATA))},
        {**screen, **entities((SCREEN, SCREEN_DATA), (APPLICATION, APPLICATION_DATA))},
    )

    assert len(pipeline.ask("/micro/good", question).json()) == count


def test_bad_events_are_filtered_by_vendor_and_version(pipeline: Pipeline) -> None:
    """BM6."""
    pipeline.send({"eid": "none"}, {"eid": "none"})
    pipeline.request("POST", "/com.acme/v1", "{}", {"Content-Type": "application/json"})

    def count(question: dict[str, object]) -> int:
        return len(pipeline.ask("/micro/bad", question).json())

    assert count({}) == 3
    assert count({"vendor": "com.acme"}) == 1
    assert count({"vendor": "com.acme", "version": "v1"}) == 1
    assert count({"vendor": "com.acme", "version": "tp2"}) == 0
    assert count({"version": "tp2"}) == 2
    assert count({"version": "tp2", "limit": 1}) == 1


def test_a_wrong_filter_is_refused_with_what_is_wrong(pipeline: Pipeline) -> None:
    answer = pipeline.ask("/micro/good", {"limit": "many"})

    assert answer.status == 400
    assert "limit" in answer.json()["message"]
    assert pipeline.request("POST", "/micro/good", "{").status == 400


def test_events_come_as_json_of_the_analytics_sdks_or_as_enriched_lines(pipeline: Pipeline) -> None:
    (event_id,) = pipeline.send(self_describing(SCREEN_VIEW, SCREEN_DATA))

    (event,) = pipeline.get("/micro/events").json()
    assert event["event_id"] == event_id
    assert event["unstruct_event_com_snowplowanalytics_mobile_screen_view_1"] == SCREEN_DATA
    lines = pipeline.get("/micro/events", accept="text/tab-separated-values").body.decode()
    (line,) = lines.splitlines()
    assert len(line.split("\t")) == 131
    assert line.split("\t")[6] == event_id


def test_schemas_are_found_where_the_pipeline_finds_them(pipeline: Pipeline) -> None:
    path = SCREEN_VIEW.removeprefix("iglu:")

    answer = pipeline.get(f"/micro/iglu/{path}")

    assert answer.status == 200
    assert answer.json()["self"]["name"] == "screen_view"


def test_a_schema_that_nobody_has_names_the_registries_that_were_asked(pipeline: Pipeline) -> None:
    answer = pipeline.get("/micro/iglu/com.acme/none/jsonschema/1-0-0")

    assert answer.status == 404
    ((registry, history),) = answer.json()["value"].items()
    assert registry
    assert history["attempts"] >= 1
    assert history["errors"][0]["error"] == "NotFound"


def test_other_paths_below_micro_are_no_events(pipeline: Pipeline) -> None:
    """They come before the collector's `/vendor/version`; the answer lists what there is."""
    answer = pipeline.request("POST", "/micro/tp2", "{}")

    assert answer.status == 404
    assert b"/micro/good" in answer.body
    assert pipeline.get("/micro/all").json()["total"] == 0


def test_an_anonymous_request_shows_no_address(pipeline: Pipeline) -> None:
    pipeline.send({}, SP_Anonymous="*")

    (event,) = pipeline.get("/micro/good").json()
    assert event["rawEvent"]["context"]["ipAddress"] == "unknown"
    assert event["event"]["user_ipaddress"] is None
    assert event["event"]["network_userid"] == "00000000-0000-0000-0000-000000000000"


# --- what is different from Micro, as docs/micro-api.md lists it -------------------------------


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def test_of_a_failed_event_the_request_is_as_it_came(pipeline: Pipeline) -> None:
    pipeline.get(f"/i?e=nonsense&p=web&unknown=1&cx={encoded({})}&ua=Browser%2F1")

    (event,) = pipeline.get("/micro/bad").json()
    for asked in (event["rawEvent"], event["collectorPayload"]):
        assert asked["api"] == {"vendor": "com.snowplowanalytics.snowplow", "version": "tp1"}
        assert asked["contentType"] is None
        assert asked["context"]["headers"]
    assert event["rawEvent"]["parameters"].keys() == {"e", "p", "unknown", "cx", "ua"}


def test_what_is_left_of_failed_events_is_among_all(pipeline: Pipeline) -> None:
    """With an entity for each failure, as in Micro; a request without an event leaves nothing."""
    (good,) = pipeline.send({})
    (failed,) = pipeline.send(
        self_describing(SCREEN_VIEW, {"name": 1})
        | entities((SCREEN, {"name": 1}), (SCREEN, SCREEN_DATA), (APPLICATION, APPLICATION_DATA))
    )
    pipeline.request("POST", TP2, "not json", {"Content-Type": "application/json"})

    rest, whole = pipeline.get("/micro/events").json()
    assert [rest["event_id"], whole["event_id"]] == [failed, good]
    suffix = "com_snowplowanalytics_mobile_screen_1"
    assert rest[f"contexts_{suffix}"] == [{**SCREEN_DATA, "_schema_version": "1-0-0"}]
    assert "unstruct_event_com_snowplowanalytics_mobile_screen_view_1" not in rest
    failures = rest["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert [one["schema"] for one in failures] == [SCREEN_VIEW, SCREEN]
    assert [one["data"] for one in failures] == [{"name": 1}, {"name": 1}]
    lines = pipeline.get("/micro/events", accept="text/tab-separated-values").body.decode()
    assert [line.split("\t")[6] for line in lines.splitlines()] == [failed, good]
    assert [event["incomplete"] for event in pipeline.get("/micro/good").json()] == [False]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/micro/events", 405),
        ("GET", "/micro/columns", 404),
        ("POST", "/micro/columnStats", 404),
        ("POST", "/micro/timeline", 404),
        ("GET", "/micro/auth-config", 404),
    ],
)
def test_what_only_micro_4_has_is_not_there(
    pipeline: Pipeline, method: str, path: str, status: int
) -> None:
    assert pipeline.request(method, path).status == status


def test_events_and_questions_may_share_a_connection(pipeline: Pipeline) -> None:
    """A question is the last request of its connection, and says so."""
    connection = http.client.HTTPConnection("127.0.0.1", pipeline.port, timeout=20)
    connection.request("GET", "/i?e=pv&p=web")
    assert connection.getresponse().read()[:3] == b"GIF"

    connection.request("GET", "/micro/all")
    response = connection.getresponse()

    assert json.loads(response.read())["good"] == 1
    assert response.getheader("connection") == "close"
    connection.close()


def test_thousands_of_events_are_given_whole(pipeline: Pipeline) -> None:
    for _ in range(3):
        pipeline.send(*[{} for _ in range(400)])

    assert len(pipeline.get("/micro/good").json()) == 1200


def test_the_page_can_be_left_out(tmp_path: Path) -> None:
    """Then `/micro/…` is a path of events, as on any collector."""
    with Pipeline(tmp_path, "--no-page") as pipeline:
        assert pipeline.get("/micro/all").headers["content-type"] == "image/gif"
