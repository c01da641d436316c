"""`rawEvent` of Micro's API: the request as the collector's door let it through, or made again.

The first tests are those of suites that were written for Micro and look at what the tracker sent.
"""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from tests.enrich.conftest import MINIMAL, NEW_UUID, NOW_MS, get, post, query_of
from tests.enrich.enrichments.support import SNOWPLOW, configure
from tests.support.pipeline import Pipeline, entities, self_describing
from tests.web.test_micro import (
    APPLICATION,
    APPLICATION_DATA,
    ID,
    SCREEN,
    SCREEN_DATA,
    SCREEN_VIEW,
)

from whiteout.enrich import EnrichedEvent, Enricher
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake.loaded import Loaded, Origin
from whiteout.web import micro
from whiteout.web.filter import Filter
from whiteout.web.raw_events import RawEvents
from whiteout.web.recent import RecentEvents
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VENDOR = "com.snowplowanalytics.snowplow"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"
PAGE = "https://shop.example/tea"
CANARY = "canary-5417"


def encoded(document: str) -> str:
    """As trackers send JSON in Base64."""
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def decoded(text: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def newest(pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = pipeline.ask("/micro/good", {"limit": 1}).json()[0]
    return found


def in_base64() -> dict[str, str]:
    """A screen view with two entities."""
    sent = entities((SCREEN, SCREEN_DATA), (APPLICATION, APPLICATION_DATA))
    event = self_describing(SCREEN_VIEW, SCREEN_DATA)["ue_pr"]
    return {"e": "ue", "ue_px": encoded(event), "cx": encoded(sent["co"])}


def test_suites_decode_the_event_and_its_entities_as_the_tracker_encoded_them(
    pipeline: Pipeline,
) -> None:
    pipeline.send(in_base64(), self_describing(SCREEN_VIEW, SCREEN_DATA))

    good = pipeline.get("/micro/good").json()
    packed = [one for one in good if "ue_px" in one["rawEvent"]["parameters"]]
    (parameters,) = [one["rawEvent"]["parameters"] for one in packed]
    assert decoded(parameters["ue_px"])["data"] == {"schema": SCREEN_VIEW, "data": SCREEN_DATA}
    assert [one["schema"] for one in decoded(parameters["cx"])["data"]] == [SCREEN, APPLICATION]
    assert not {"ue_pr", "co"} & parameters.keys()


def test_suites_match_events_by_parameters_of_the_protocol(pipeline: Pipeline) -> None:
    """As the helpers in Micro's examples for Cypress do."""
    event = {"e": "se", "se_ca": "Mixes", "se_ac": "Play", "se_va": "1", "aid": "shop", "uid": "u"}
    pipeline.send(event, {**event, "se_ac": "Stop"}, {"e": "pv", "url": PAGE})

    def matching(wanted: dict[str, str]) -> int:
        found = pipeline.get("/micro/good").json()
        return sum(wanted.items() <= one["rawEvent"]["parameters"].items() for one in found)

    assert matching({"e": "se", "se_ca": "Mixes", "se_ac": "Play"}) == 1
    assert matching({"e": "se", "aid": "shop", "se_va": "1"}) == 2  # not "1.0", as in the column
    assert matching({"e": "pv", "url": PAGE}) == 1


def test_an_event_by_get_shows_its_request(pipeline: Pipeline) -> None:
    """Every parameter in its own words, those that nobody knows too."""
    sent = {
        **in_base64(),
        "p": "web",
        "tv": "js-4",
        "eid": ID,
        "dtm": "1700000000000",
        "stm": "1700000000001",
        "res": "10x20",
        "duid": "d-1",
        "ua": "Own/1",
        "ip": "192.0.2.9",
        "cv": "c",
        "unknown": "a b",
        "empty": "",
    }
    pipeline.get(
        f"/i?{urlencode(sent)}&bare", User_Agent=BROWSER, Referer=PAGE, X_Own="1", Cookie="sp=none"
    )

    event = newest(pipeline)
    raw = event["rawEvent"]
    assert raw["api"] == {"vendor": VENDOR, "version": "tp1"}
    assert raw["parameters"] == {**sent, "bare": None}
    assert raw["contentType"] is None
    # As of Micro 3: the host of the request's target, which says none unless a proxy is asked.
    assert (raw["source"]["encoding"], raw["source"]["hostname"]) == ("UTF-8", None)
    context = raw["context"]
    assert (context["useragent"], context["refererUri"]) == (BROWSER, PAGE)
    assert context["ipAddress"] == "127.0.0.1"
    assert {f"User-Agent: {BROWSER}", f"Referer: {PAGE}", "X-Own: 1"} <= {*context["headers"]}
    assert context["userId"] == event["event"]["network_userid"]
    assert context["timestamp"] == event["event"]["collector_tstamp"]
    # The enriched event has what the tracker said of itself.
    assert event["event"]["useragent"] == "Own/1"
    assert event["event"]["user_ipaddress"] == "192.0.2.9"


def test_events_by_post_show_their_own_parameters_and_the_request_they_share(
    pipeline: Pipeline,
) -> None:
    ids = pipeline.send({"page": "A"}, {"e": "nonsense"}, {"page": "C"}, User_Agent=BROWSER)

    last, first = (one["rawEvent"] for one in pipeline.get("/micro/good").json())
    base = {"e": "pv", "p": "pc", "tv": "test-1", "aid": "shop"}
    assert first["parameters"] == {**base, "eid": ids[0], "page": "A"}
    assert last["parameters"] == {**base, "eid": ids[2], "page": "C"}
    assert first["api"] == last["api"] == {"vendor": VENDOR, "version": "tp2"}
    assert first["contentType"] == "application/json"
    assert first["context"] == last["context"]
    assert first["context"]["useragent"] == BROWSER
    assert first["context"]["headers"][-1] == "application/json"


def test_a_webhook_shows_its_path_and_what_the_adapter_made_of_it(pipeline: Pipeline) -> None:
    path = f"/com.snowplowanalytics.iglu/v1?{urlencode({'schema': SCREEN_VIEW, 'aid': 'hook'})}"
    pipeline.request("POST", path, json.dumps(SCREEN_DATA), {"Content-Type": "application/json"})

    raw = newest(pipeline)["rawEvent"]
    assert raw["api"] == {"vendor": "com.snowplowanalytics.iglu", "version": "v1"}
    parameters = raw["parameters"]
    assert json.loads(parameters.pop("ue_pr"))["data"]["data"] == SCREEN_DATA
    assert parameters == {
        "tv": "com.snowplowanalytics.iglu-v1",
        "e": "ue",
        "p": "app",
        "aid": "hook",
    }


def test_the_paths_of_pixels_are_shown_as_one_protocol(pipeline: Pipeline) -> None:
    """`/i` and `/ice.png` are one protocol, as in Micro."""
    pipeline.get("/ice.png?e=pv&p=web&tv=js-4")

    assert newest(pipeline)["rawEvent"]["api"] == {"vendor": VENDOR, "version": "tp1"}


def test_an_event_that_is_sent_again_shows_the_request_of_that_time(pipeline: Pipeline) -> None:
    event = {**MINIMAL, "eid": ID, "dtm": "1700000000009"}
    pipeline.send(event)
    pipeline.get(f"/i?{urlencode(event)}")

    again, first = (one["rawEvent"]["api"]["version"] for one in pipeline.get("/micro/good").json())
    assert (first, again) == ("tp2", "tp1")


def test_a_raw_event_is_forgotten_with_a_reset(pipeline: Pipeline) -> None:
    pipeline.get(f"/i?e=pv&p=web&tv=t&unknown={CANARY}")
    assert CANARY in pipeline.get("/micro/good").body.decode()

    pipeline.get("/micro/reset")

    assert CANARY not in pipeline.get("/micro/good").body.decode()


# --- what may not be seen -----------------------------------------------------------------------

IDENTIFYING = {name: f"{CANARY}-{name}" for name in ("nuid", "tnuid", "ip", "duid", "uid")}
HEADERS = {
    "Cookie": f"sp={CANARY}",
    "Referer": f"{PAGE}?{CANARY}",
    "X-Forwarded-For": "203.0.113.77",
    "X-Own": CANARY,
    "Authorization": CANARY,
}


def test_of_an_anonymous_request_nothing_comes_back_that_the_door_took(pipeline: Pipeline) -> None:
    dropped = {name: IDENTIFYING[name] for name in ("nuid", "tnuid", "ip")}
    link = {"url": f"{PAGE}?_sp={CANARY}", "page": "Tea"}
    headers = {name.replace("-", "_"): value for name, value in HEADERS.items()}
    for header in (headers, {}):
        pipeline.send({**dropped, **link}, SP_Anonymous="*", **header)
        pipeline.get(f"/i?{urlencode({**MINIMAL, **dropped, **link})}", SP_Anonymous="*", **header)

    answer = pipeline.get("/micro/good").body.decode()
    assert len(json.loads(answer)) == 4
    assert CANARY not in answer
    assert "203.0.113.77" not in answer
    for event in json.loads(answer):
        raw = event["rawEvent"]
        assert raw["parameters"]["page"] == "Tea"
        assert raw["context"]["ipAddress"] == "unknown"
        assert raw["context"]["userId"] == "00000000-0000-0000-0000-000000000000"
        assert raw["context"]["refererUri"] is None
        assert raw["context"]["timestamp"].endswith(".000Z")
        assert all(
            line.partition(":")[0] in ("SP-Anonymous", "application/json")
            for line in raw["context"]["headers"]
        )


@pytest.fixture
def recent() -> Iterator[RecentEvents]:
    with contextlib.closing(RecentEvents()) as window:
        yield window


SCHEMAS = Schemas(lambda: Resolver([EmbeddedRegistry()]))


def shown(recent: RecentEvents, record: bytes) -> list[dict[str, Any]]:
    """What Micro's API shows of a record's good events, whoever wrote the record."""
    enricher = Enricher(
        Resolver([EmbeddedRegistry()]),
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: NEW_UUID,
        enrichments=(),
    )
    loaded = Loaded(NOW_MS * 1000)
    for number, result in enumerate(enricher.enrich(record)):
        assert isinstance(result, EnrichedEvent)
        loaded.events.append(result)
        loaded.origins.append(Origin(record, number))
    recent.observe(loaded)
    raw_events = RawEvents(recent, SCHEMAS)
    rows = recent.find(Filter(), limit=len(loaded.events), brief=False)
    return [micro.good_event(row, raw_events.of(row)) for row in rows]


@pytest.mark.parametrize("by", ["POST", "GET"])
def test_what_enrich_takes_from_an_anonymous_record_of_another_collector_stays_away(
    recent: RecentEvents, by: str
) -> None:
    """Such a record holds all: the door that it came through has taken nothing."""
    event = {**MINIMAL, **{name: IDENTIFYING[name] for name in ("nuid", "tnuid", "ip")}}
    event |= {"url": f"{PAGE}?_sp={CANARY}", "page": "Tea"}
    request = {
        "ip_address": "203.0.113.77",
        "timestamp": NOW_MS + 123,
        "referer_uri": HEADERS["Referer"],
        "headers": ("SP-Anonymous: *", *(f"{name}: {text}" for name, text in HEADERS.items())),
    }

    record = post(event, event, **request) if by == "POST" else get(query_of(event), **request)
    events = shown(recent, record)

    assert len(events) == (2 if by == "POST" else 1)
    told = json.dumps(events)
    assert CANARY not in told
    assert "203.0.113.77" not in told
    assert {one["rawEvent"]["parameters"]["page"] for one in events} == {"Tea"}
    assert events[0]["rawEvent"]["context"]["timestamp"].endswith(".000Z")


def test_a_record_that_is_not_kept_leaves_a_raw_event_that_is_made_again(
    recent: RecentEvents,
) -> None:
    (event,) = shown(recent, get(query_of({**MINIMAL, "unknown": "1"})))
    assert event["rawEvent"]["parameters"]["unknown"] == "1"

    with recent.asking() as database:
        database.execute("DELETE FROM request")

    (row,) = recent.find(Filter(), limit=1, brief=False)
    raw_events = RawEvents(recent, SCHEMAS)
    again = micro.good_event(row, raw_events.of(row))["rawEvent"]
    assert again["api"] == {"vendor": VENDOR, "version": "tp2"}
    assert "unknown" not in again["parameters"]


def test_where_an_enrichment_hides_something_it_is_made_again_from_the_event(
    tmp_path: Path,
) -> None:
    folder = configure(
        tmp_path / "enrichments", SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 4, "anonSegments": 8}
    )
    kept = {
        "e": "ue",
        "p": "web",
        "tv": "js-4",
        "aid": "shop",
        "eid": ID,
        "res": "10x20",
        "dtm": "1700000000000",
        "uid": "ada",
    }
    changed = {**in_base64(), "unknown": CANARY, "cv": "c", "ua": "Browser/1", "ip": "192.0.2.9"}
    with Pipeline(tmp_path / "data", "--enrichments", str(folder)) as pipeline:
        pipeline.get(f"/i?{urlencode(changed | kept)}", Referer=PAGE, X_Forwarded_For="192.0.2.9")

        answer = pipeline.get("/micro/good").body.decode()

    assert "192.0.2.9" not in answer
    assert "127.0.0.1" not in answer
    assert CANARY not in answer
    (event,) = json.loads(answer)
    raw = event["rawEvent"]
    assert raw["api"] == {"vendor": VENDOR, "version": "tp2"}
    assert raw["contentType"] == "application/json"
    assert (raw["source"]["hostname"], raw["source"]["encoding"]) == (None, "UTF-8")
    assert (raw["context"]["refererUri"], raw["context"]["headers"]) == (None, [])
    columns = event["event"]
    assert [raw["context"][name] for name in ("useragent", "ipAddress", "userId")] == [
        columns[name] for name in ("useragent", "user_ipaddress", "network_userid")
    ]
    parameters = raw["parameters"]
    assert json.loads(parameters.pop("ue_pr"))["data"]["data"] == SCREEN_DATA
    assert [one["schema"] for one in json.loads(parameters.pop("co"))["data"]] == [
        SCREEN,
        APPLICATION,
    ]
    made = {"url"}  # a column that enrich takes from the referrer, as of a page
    assert {name: parameters[name] for name in parameters.keys() - made} == kept
