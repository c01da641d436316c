"""Links inside events and entities of anonymous requests: no `_sp`, neither good nor failed (W14).

The tracker's gate hides it already; other trackers, and older ones, have no gate. The door takes it
out, and enrich does for records of other collectors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collector.conftest import TP2
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    body_of,
    contexts,
    encode_base64,
    get,
    make_bench,
    post,
    query_of,
    unstruct_event,
)

from whiteout.enrich import BadRow, EnrichedEvent
from whiteout.identifiers import (
    IDENTIFIERS,
    LINKS,
    Anonymisation,
    EntityProperty,
    Parameter,
    Request,
    UrlQuery,
)
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.anonymous import (
    DROPPED_PARAMETERS,
    UNTOUCHED,
    WITHHELD,
    clean_value,
    fold,
)
from whiteout.protocol.base64_json import decode_base64

if TYPE_CHECKING:
    from tests.enrich.conftest import Bench

Ask = Callable[..., Any]

CANARY = "de305d54-75b4-431b-adb2-eb6b9e546014"
OTHER = "0c6f2b7e-0000-4000-8000-000000000002"
MARK = ("SP-Anonymous: *", JSON_TYPE)
HEADERS = [("SP-Anonymous", "*"), ("Content-Type", "application/json")]
EACH_LINK = pytest.mark.parametrize(
    "link", LINKS, ids=lambda link: f"{link.schema_name}.{link.path[-1]}"
)
EACH_PACKING = pytest.mark.parametrize("packing", ["co", "cx", "ue_pr", "ue_px"])


def _uri(link: EntityProperty) -> str:
    return f"iglu:{link.vendor}/{link.schema_name}/jsonschema/1-0-0"


@pytest.fixture(scope="module")
def bench() -> Bench:
    """An enricher that takes any data of the official schemas with links."""
    schemas = {_uri(link): {"type": "object"} for link in LINKS}
    return make_bench(Resolver([EmbeddedRegistry(schemas, name="any"), EmbeddedRegistry()]), ())


def _holding(link: EntityProperty, secret: str) -> dict[str, Any]:
    """A self-describing JSON with a decorated link at that place."""
    value: Any = f"https://shop.example/?a=1&_sp={secret}.1697175843762"
    if link.path[-1] == "installReferrer":
        value = f"_sp={secret}&utm_source=shop"
    for step in reversed(link.path):
        value = {step: [value] if step == "attachments" else value}
    return {"schema": _uri(link), "data": value}


def _packed(packing: str, part: dict[str, Any]) -> str:
    text = contexts(part) if packing.startswith("c") else unstruct_event(part)
    return encode_base64(json.loads(text)) if packing.endswith("x") else text


def _event(packing: str, part: dict[str, Any], **more: str) -> dict[str, str]:
    return {**MINIMAL, "e": "ue", packing: _packed(packing, part), **more}


def _text(results: list[EnrichedEvent | BadRow]) -> str:
    """All that is stored of results, with what is packed in it opened."""
    texts = [
        result.tsv() if isinstance(result, EnrichedEvent) else result.json() for result in results
    ]
    for result in results:
        payload = result.data["payload"] if isinstance(result, BadRow) else None
        if isinstance(payload, str):
            texts.append(base64.b64decode(payload).decode("utf-8", "replace"))
        elif payload is not None and "raw" in payload:
            values = [pair["value"] or "" for pair in payload["raw"]["parameters"]]
            texts += [decode_base64(value).decode("latin-1") for value in values]
    return "\n".join(texts)


@EACH_LINK
@EACH_PACKING
def test_W14_an_anonymous_event_does_not_depend_on_the_decoration_of_its_links(
    bench: Bench, link: EntityProperty, packing: str
) -> None:
    """Non-interference: two runs that differ in `_sp` only leave the same bytes."""
    runs = [
        bench.all(post(_event(packing, _holding(link, secret)), headers=MARK))
        for secret in (CANARY, OTHER)
    ]

    assert all(isinstance(result, EnrichedEvent) for result in runs[0])
    assert _text(runs[0]) == _text(runs[1])
    assert CANARY not in _text(runs[0])
    assert "shop" in _text(runs[0])


@EACH_PACKING
@pytest.mark.parametrize("fault", ["tid", "p", "schema", "cut"])
def test_W14_nor_does_its_bad_row(bench: Bench, packing: str, fault: str) -> None:
    part = _holding(LINKS[0], CANARY)
    if fault == "schema":
        part["schema"] = "iglu:com.acme/none/jsonschema/1-0-0"
    event = _event(packing, part, **({fault: "x"} if fault in ("tid", "p") else {}))
    if fault == "cut":
        event[packing] = event[packing][:-5]

    for record in (post(event, headers=MARK), get(query_of(event), headers=MARK)):
        results = bench.all(record)

        assert all(isinstance(result, BadRow) for result in results)
        assert CANARY not in _text(results)


def test_W14_an_identified_event_keeps_the_decoration_of_its_links(bench: Bench) -> None:
    """Else the tests above would prove nothing."""
    for packing in ("co", "cx", "ue_pr", "ue_px"):
        record = post(_event(packing, _holding(LINKS[0], CANARY)))

        assert CANARY in _text(bench.all(record))


@pytest.mark.parametrize("spelled", ["URL", "Url ", "refr", "%75rl", "ｕｒｌ", "U", "page[url]"])  # noqa: RUF001 - full-width
def test_W14_however_a_key_is_spelled_its_link_is_clean(
    ask: Ask, bench: Bench, spelled: str
) -> None:
    link = f"https://shop.example/?_sp={CANARY}&a=1"
    event = {**MINIMAL, "tid": "x", spelled: link}

    answer = ask("POST", TP2, HEADERS, body_of(event).encode())
    query = ask("GET", f"/i?{quote(spelled)}={quote(link)}", HEADERS)

    assert CANARY not in repr((answer.payload, query.payload))
    assert CANARY not in _text(bench.all(post(event, headers=MARK)))
    assert CANARY not in _text(bench.all(get(query_of(event), headers=MARK)))


@EACH_LINK
@EACH_PACKING
def test_W14_the_door_opens_what_is_packed(ask: Ask, link: EntityProperty, packing: str) -> None:
    """Nothing of it reaches the log: neither by POST nor by GET."""
    part = _holding(link, CANARY)
    event = _event(packing, part)

    by_post = ask("POST", TP2, HEADERS, body_of(event).encode()).payload
    by_get = ask("GET", f"/i?{query_of(event)}", HEADERS).payload

    assert CANARY not in repr((by_post, by_get))
    value = json.loads(by_post.body)["data"][0][packing]
    opened = base64.urlsafe_b64decode(value) if packing.endswith("x") else value.encode()
    assert CANARY.encode() not in opened
    assert b"shop" in opened


@pytest.mark.parametrize("key", ["_sp", "_SP", " _sp "])
def test_W14_nor_does_a_parameter_of_that_name_pass(ask: Ask, bench: Bench, key: str) -> None:
    event = {**MINIMAL, "tid": "x", key: CANARY}

    for record in (post(event, headers=MARK), get(query_of(event), headers=MARK)):
        assert CANARY not in _text(bench.all(record))
    assert CANARY not in repr(ask("POST", TP2, HEADERS, body_of(event).encode()).payload)


def test_W14_a_webhook_of_an_official_schema_is_clean_too(ask: Ask, bench: Bench) -> None:
    link = f"https://shop.example/?_sp={CANARY}"
    schema = "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-0"
    body = json.dumps({"schema": schema, "data": {"targetUrl": link, "more": [link]}})
    path = "/com.snowplowanalytics.iglu/v1"

    for target, sent in (
        (f"{path}?schema={schema}&targetUrl={quote(link, safe='')}", ""),
        (path, body),
    ):
        answer = ask("POST" if sent else "GET", target, HEADERS, sent.encode())

        assert CANARY not in repr(answer.payload)
    record = post(body=body, path=path, headers=MARK)
    assert CANARY not in _text(bench.all(record))


def test_W14_the_place_that_an_anonymous_click_is_sent_to_is_not_told_who_comes(ask: Ask) -> None:
    link = quote(f"https://shop.example/a?_sp={CANARY}&b=1", safe="")
    target, allowed = (
        f"/r/tp2?u={link}",
        {
            "default_redirect": True,
            "redirect_domains": ("shop.example",),
        },
    )

    anonymous = ask("GET", target, HEADERS, **allowed)
    by_parameter = ask("GET", f"{target}&sp-anonymous=1", **allowed)
    identified = ask("GET", target, **allowed)

    assert anonymous.header("Location") == "https://shop.example/a?b=1"
    assert by_parameter.header("Location") == "https://shop.example/a?b=1"
    assert identified.header("Location") == f"https://shop.example/a?_sp={CANARY}&b=1"


def test_every_row_of_the_table_that_the_server_flag_hides_is_known_to_the_door() -> None:
    """A new kind of row needs code in `protocol.anonymous`: nothing else would take it out."""
    hidden = [row.location for row in IDENTIFIERS if Anonymisation.SERVER in row.masks]

    assert {type(location) for location in hidden} == {Parameter, Request, UrlQuery}
    for location in hidden:
        if isinstance(location, UrlQuery):
            assert location.keys == ("_sp",)
            for name in location.parameters:
                assert clean_value(name, f"https://a.example/?_sp={CANARY}") == "https://a.example/"


@pytest.mark.parametrize(
    ("name", "value", "clean"),
    [
        ("co", '{"a":"https://a/?b=1", "n":1e2}', '{"a":"https://a/?b=1", "n":1e2}'),
        ("co", '{"a":"100 %","n":1}', '{"a":"100 %","n":1}'),
        ("co", '{"a":"?_sp=1","a":"x"}', '{"a":"x"}'),  # one reader takes the first of two keys
        ("co", '{"a":"https:\\/\\/a\\/?\\u005fsp=1"}', '{"a":"https://a/"}'),
        ("co", '{"a":"?_sp=1"', WITHHELD),
        ("co", '{"a":"?_sp=1","n":NaN}', WITHHELD),
        ("co", '{"a":"?_sp=1","n":' + "[" * 100_000, WITHHELD),
        ("cx", '{"a":"?_sp=1"}', WITHHELD),  # not packed at all
        ("cx", "bm8ganNvbg", "bm8ganNvbg"),  # no JSON, and no place for the key
        ("", "no link: 100 %", "no link: 100 %"),
    ],
)
def test_what_is_packed_stays_unless_it_may_hold_the_decoration(
    name: str, value: str, clean: str
) -> None:
    assert clean_value(name, value) == clean


@given(st.sampled_from(["co", "cx", "ue_pr", "ue_px", "url", ""]), st.text(max_size=40))
def test_cleaning_twice_changes_nothing_more(name: str, value: str) -> None:
    once = clean_value(name, value)

    assert clean_value(name, once) == once


def test_names_are_folded_as_the_most_lenient_reader_would() -> None:
    spelled = ["url", "URL", " url ", "%75rl", "%2575rl", "url[]", "ｕｒｌ"]  # noqa: RUF001 - full-width

    assert {fold(name.encode()) for name in spelled} == {"url"}


def test_a_parameter_that_is_untouched_is_one_that_no_reader_could_take_for_another() -> None:
    """Those are passed over by their names alone."""
    for name in UNTOUCHED:
        assert fold(name.encode()) == name
    assert not UNTOUCHED & DROPPED_PARAMETERS


def test_the_record_of_an_anonymous_request_is_whole(ask: Ask) -> None:
    """What has no decoration passes the door byte for byte."""
    event = {**MINIMAL, "cx": encode_base64({"schema": "iglu:a", "data": [{"x": 1.0}]})}

    assert json.loads(ask("POST", TP2, HEADERS, body_of(event).encode()).payload.body) == (
        json.loads(body_of(event))
    )
