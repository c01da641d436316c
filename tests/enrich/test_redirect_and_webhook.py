"""Events that come by other ways than a tracker's: redirects, and Iglu's webhook."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.enrich.conftest import (
    THING,
    Bench,
    contexts,
    encode_base64,
    get,
    kind,
    messages,
    payload,
    thing,
)

from whiteout.protocol.collector_payload import encode

if TYPE_CHECKING:
    from whiteout.enrich import EnrichedEvent

URI = "https://shop.example/a?b=c"
REDIRECT = {
    "schema": "iglu:com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0",
    "data": {"uri": URI},
}
U = f"u={quote(URI, safe='')}"


def redirect(query: str, **fields: Any) -> bytes:  # noqa: ANN401 - of different types
    return get(query, path="/r/tp2", **fields)


def entities(event: EnrichedEvent) -> list[dict[str, Any]]:
    return [entity.as_dict() for entity in event.contexts]


def test_BE6_a_redirect_without_an_event_is_one(bench: Bench) -> None:
    event = bench.event(redirect(f"{U}&aid=mail&nuid=x"))

    assert event.unstruct_event is not None
    assert event.unstruct_event.as_dict() == REDIRECT
    names = ("event_name", "v_tracker", "platform", "app_id", "network_userid")
    assert [event[name] for name in names] == ["uri_redirect", "r-tp2", "web", "mail", "x"]


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ("", []),
        ("&co=", []),
        ("&co", []),
        ("&cx", []),
        (f"&co={quote(contexts(thing(name='a')))}", [thing(name="a")]),
        (f"&cx={encode_base64(json.loads(contexts(thing(name='a'))))}", [thing(name="a")]),
    ],
)
def test_BE6_with_an_event_it_is_the_first_entity(
    query: str, others: list[object], bench: Bench
) -> None:
    event = bench.event(redirect(f"{U}&e=pv&p=mob{query}"))

    assert entities(event) == [REDIRECT, *others]
    assert (event["event"], event["platform"]) == ("page_view", "mob")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "querystring"),
        ("e=pv", "querystring"),
        ("u", "querystring"),
        ("u=", "querystring"),
        (f"{U}&e=pv&co=broken", "co"),
        (f"{U}&e=pv&cx={base64.b64encode(b'broken').decode()}", "cx"),
        (f"{U}&e=pv&co=[]", "co"),
    ],
)
def test_BE6_a_redirect_that_leads_nowhere_is_a_violation(
    query: str, field: str, bench: Bench
) -> None:
    row = bench.bad(redirect(query))

    assert kind(row) == "tracker_protocol_violations"
    assert messages(row)[0]["field"] == field


def test_W14_an_anonymous_redirect_names_nobody(bench: Bench) -> None:
    target = quote(f"{URI}&_sp=somebody.1697175843762", safe="")

    event = bench.event(redirect(f"u={target}&nuid=x&ip=192.0.2.1", headers=("SP-Anonymous: *",)))

    assert event.unstruct_event is not None
    assert event.unstruct_event.data == {"uri": URI}
    assert (event["network_userid"], event["user_ipaddress"]) == (
        "00000000-0000-0000-0000-000000000000",
        None,
    )


# --- webhook ---------------------------------------------------------------------------------

WEBHOOK = "/com.snowplowanalytics.iglu/v1"
FORM = "application/x-www-form-urlencoded"


def webhook(query: str = "", body: str | None = None, content_type: str | None = None) -> bytes:
    fields = {"body": body, "content_type": content_type}
    return encode(payload(path=WEBHOOK, querystring=query, **fields))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (webhook(f"schema={THING}&name=a+b&aid=shop&p=srv"), ("shop", "srv")),
        (
            webhook(f"aid=shop&schema={THING}", '{"name": "a b"}', "application/json"),
            ("shop", "app"),
        ),
        (
            webhook("", json.dumps(thing(name="a b")), "application/json; charset=utf-8"),
            (None, "app"),
        ),
        (webhook("", f"schema={quote(THING)}&name=a+b", FORM), (None, "app")),
        (webhook(f"schema={THING}", "name=a+b", f"{FORM}; charset=utf-8"), (None, "app")),
    ],
)
def test_a_webhook_s_request_becomes_an_event(
    record: bytes, expected: tuple[str | None, str], bench: Bench
) -> None:
    event = bench.event(record)

    assert event.unstruct_event is not None
    assert event.unstruct_event.as_dict() == thing(name="a b")
    assert (event["app_id"], event["platform"]) == expected
    assert event["v_tracker"] == "com.snowplowanalytics.iglu-v1"


@pytest.mark.parametrize(
    "record",
    [
        webhook(),
        webhook("name=a"),
        webhook("schema=nonsense&name=a"),
        webhook(f"schema={THING}", "{", "application/json"),
        webhook("", "{}", "application/json"),
        webhook("", '{"schema": 5, "data": {}}', "application/json"),
        webhook(f"schema={THING}", "<a/>", "text/xml"),
        webhook(f"schema={THING}", "a=b&" * 2_000, FORM),
    ],
)
def test_a_webhook_s_request_that_says_nothing_is_an_adapter_failure(
    record: bytes, bench: Bench
) -> None:
    assert kind(bench.bad(record)) == "adapter_failures"
