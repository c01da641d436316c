"""The gate: what each level lets through, as laws that hold for any payload."""

from __future__ import annotations

import base64
import copy
import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout import (
    Anonymisation,
    ConfigurationError,
    SelfDescribing,
    SelfDescribingJson,
    identifying_property,
)
from whiteout.anonymisation import Gate, strip_query
from whiteout.identifiers import (
    CLICK_IDS,
    CLIENT_SESSION,
    IDENTIFIERS,
    MOBILE_CONTEXT,
    NULL_UUID,
    Parameter,
)
from whiteout.protocol.parameters import PARAMETERS
from whiteout.tracker.own_part import own_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CUSTOMER = "iglu:com.acme/customer/jsonschema/1-0-0"
MARKS = (
    identifying_property("iglu:com.acme/customer", "email"),
    identifying_property("iglu:com.acme/customer", "orders.address.street"),
    identifying_property("iglu:com.acme/customer", "device", group=Anonymisation.SERVER),
)
GATE = Gate((*IDENTIFIERS, *MARKS))
LEVELS = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
KEYS = ("_sp", *CLICK_IDS)
LONGEST = max(map(len, KEYS))
STRIPPED = frozenset(key.casefold() for key in KEYS)

levels = st.sampled_from(LEVELS)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["email", "orders", "address", "street", "device", "note"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SESSION_KEYS = (
    "userId previousSessionId sessionId sessionIndex eventIndex firstEventId "
    "firstEventTimestamp storageMechanism"
).split()
PLATFORM_KEYS = (
    "osType osVersion appleIdfa appleIdfv androidIdfa openIdfa appSetId appSetIdScope carrier"
).split()


def entities_of(schema: str, keys: list[str]) -> st.SearchStrategy[SelfDescribingJson]:
    return st.dictionaries(st.sampled_from(keys), json_values).map(
        lambda data: SelfDescribingJson(schema, data)
    )


entities = (
    entities_of(CLIENT_SESSION, SESSION_KEYS)
    | entities_of(MOBILE_CONTEXT, PLATFORM_KEYS)
    | entities_of("iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/2-0-0", ["userId"])
    | entities_of(CUSTOMER, ["email", "orders", "address", "device", "note"])
    | entities_of("iglu:com.acme/cart/jsonschema/1-0-0", ["email", "orders"])
)
queries = st.lists(
    st.tuples(
        st.sampled_from(["gclid", "GCLID", "%67clid", "_sp", "%5Fsp", "q", "page", "fbclid", ""]),
        st.text("abc=%?;/&", max_size=6),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{key}={value}" for key, value in pairs))
urls = st.builds(
    lambda start, query, fragment: start + query + fragment,
    st.sampled_from(["https://u:p@shop.example/a", "shop://x", "/a", "//u@h/b", "", "a:b@c"]),
    st.just("") | queries.map("?{}".format),
    st.just("") | queries.map("#{}".format) | queries.map("#/route?{}".format),
)
parameters = st.dictionaries(
    st.sampled_from(sorted(PARAMETERS - {"url", "refr"})), st.text(max_size=5), max_size=12
)
payloads = st.builds(
    lambda plain, url, refr: {**plain, "url": url, "refr": refr}, parameters, urls, urls
)


@given(payloads, levels)
def test_parameters_pass_a_second_time_as_they_are(
    payload: dict[str, str], level: Anonymisation
) -> None:
    once = GATE.parameters(payload, level)

    assert GATE.parameters(once, level) == once


@given(entities, levels)
def test_entities_pass_a_second_time_as_they_are(
    entity: SelfDescribingJson, level: Anonymisation
) -> None:
    once = GATE.entities([entity], level)

    assert GATE.entities(once, level) == once


@given(payloads, levels, levels)
def test_a_stricter_level_passes_no_parameter_that_a_looser_one_hides(
    payload: dict[str, str], looser: Anonymisation, more: Anonymisation
) -> None:
    loose = GATE.parameters(payload, looser)
    strict = GATE.parameters(payload, looser | more)

    assert strict.keys() <= loose.keys()
    for name in strict.keys() - {"url", "refr"}:
        assert strict[name] == loose[name]
    assert strict == GATE.parameters(loose, looser | more)


@given(entities, levels, levels)
def test_a_stricter_level_shows_no_value_that_a_looser_one_hides(
    entity: SelfDescribingJson, looser: Anonymisation, more: Anonymisation
) -> None:
    loose = GATE.entities([entity], looser)
    strict = GATE.entities([entity], looser | more)

    shown = list(_leaves([item.data for item in loose]))
    for path, value in _leaves([item.data for item in strict]):
        assert (path, value) in shown or value in {None, NULL_UUID}


@given(entities, levels)
def test_the_app_s_objects_stay_as_they_are(
    entity: SelfDescribingJson, level: Anonymisation
) -> None:
    before = copy.deepcopy(entity)

    GATE.entities([entity], level)
    GATE.body(entity, level)

    assert entity == before


@given(payloads, levels)
def test_parameters_are_copied(payload: dict[str, str], level: Anonymisation) -> None:
    before = dict(payload)

    GATE.parameters(payload, level)

    assert payload == before


@given(payloads, st.lists(entities, max_size=3), levels)
def test_a_finished_payload_is_what_the_gate_makes_of_it(
    payload: dict[str, str], attached: list[SelfDescribingJson], level: Anonymisation
) -> None:
    """Nothing joins after the gate (leak L32): gating the opened payload changes nothing."""
    finished = GATE.parameters(payload, level)
    passed = [entity.as_dict() for entity in GATE.entities(attached, level)]
    finished["cx"] = base64.urlsafe_b64encode(json.dumps(passed).encode()).decode()

    opened = json.loads(base64.urlsafe_b64decode(finished["cx"]))
    again = GATE.entities(
        [SelfDescribingJson(item["schema"], item["data"]) for item in opened], level
    )

    assert GATE.parameters(finished, level) == finished
    assert [entity.as_dict() for entity in again] == opened


@pytest.mark.parametrize("row", [r for r in IDENTIFIERS if isinstance(r.location, Parameter)])
def test_each_parameter_of_the_table_goes_at_its_levels_alone(row: Any) -> None:  # noqa: ANN401 - Identifier
    name = row.location.name
    for level in LEVELS:
        passed = GATE.parameters({name: "value", "e": "pv"}, level)

        assert (name in passed) is (row.masked_at(level) is None)
        assert passed["e"] == "pv"


def test_a_session_under_user_anonymity() -> None:
    data = {
        "userId": "8d3f6a3e-1111-4c4c-8888-000000000001",
        "previousSessionId": "8d3f6a3e-1111-4c4c-8888-000000000002",
        "sessionId": "8d3f6a3e-1111-4c4c-8888-000000000003",
        "sessionIndex": 1,
    }

    passed = GATE.entity(SelfDescribingJson(CLIENT_SESSION, data), Anonymisation.USER)

    assert passed is not None
    assert passed.data == {
        "userId": NULL_UUID,
        "previousSessionId": None,
        "sessionId": "8d3f6a3e-1111-4c4c-8888-000000000003",
        "sessionIndex": 1,
    }


def test_a_session_under_session_anonymity_is_not_there() -> None:
    entity = SelfDescribingJson(CLIENT_SESSION, {"userId": "x"})

    assert GATE.entities([entity], Anonymisation.SESSION) == []
    assert GATE.body(entity, Anonymisation.SESSION).data == {}


def test_marked_properties_are_found_through_lists_and_other_containers() -> None:
    data = {
        "email": "a@b.example",
        "orders": [
            {"address": {"street": "Elm", "town": "X"}},
            {"address": [{"street": "Oak"}, {"town": "Y"}]},
            "no mapping",
        ],
        "note": "kept",
    }

    passed = GATE.entity(SelfDescribingJson(CUSTOMER, data), Anonymisation.USER)

    assert passed is not None
    assert passed.data == {
        "orders": [{"address": {"town": "X"}}, {"address": [{}, {"town": "Y"}]}, "no mapping"],
        "note": "kept",
    }


def test_a_mark_holds_for_all_versions_of_its_schema_and_for_no_other() -> None:
    later = SelfDescribingJson("iglu:com.acme/customer/jsonschema/7-0-2", {"email": "a@b"})
    other = SelfDescribingJson("iglu:com.acme/customers/jsonschema/1-0-0", {"email": "a@b"})

    assert GATE.body(later, Anonymisation.USER).data == {}
    assert GATE.body(other, Anonymisation.USER).data == {"email": "a@b"}


def test_a_marked_property_is_found_in_whatever_the_serialiser_can_write() -> None:
    """A dataclass, an enumeration, a mapping that is no dictionary: all become JSON objects."""
    for address in (_Address("CANARY"), _Choice.HOME, _Keyed()):
        event = SelfDescribing(schema=CUSTOMER, data={"orders": {"address": address}, "note": "n"})

        try:
            written = own_part(event, Anonymisation.USER, GATE, lambda: "id")
        except ConfigurationError:
            continue  # no JSON form, as without orjson: it does not leave either

        assert b"CANARY" not in written
        assert b'"note":"n"' in written


@dataclass
class _Address:
    street: str


class _Choice(enum.Enum):
    HOME = {"street": "CANARY"}  # noqa: RUF012 - a value


class _Keyed:
    def keys(self) -> list[str]:
        return ["street"]

    def __getitem__(self, key: str) -> str:
        return "CANARY"


@given(
    key=st.sampled_from(KEYS),
    escapes=st.lists(st.booleans(), min_size=LONGEST, max_size=LONGEST),
    capitals=st.lists(st.booleans(), min_size=LONGEST, max_size=LONGEST),
    before=st.sampled_from(
        [
            "https://h/p?",
            "https://h?a=1&",
            "https://h/?a=1&amp;",
            "/p?a=b?",
            "https://h/#/r?",
            "https://h/#",
            "https://h/?x=1#a=1&",
            "app://s?a;",
            "?",
        ]
    ),
    after=st.sampled_from(["", "&z=1", "#f", "&", ";z=1", "?z=1"]),
)
def test_click_ids_and_cross_navigation_go_however_they_are_written(
    *, key: str, escapes: list[bool], capitals: list[bool], before: str, after: str
) -> None:
    letters = [
        letter.swapcase() if capital else letter
        for letter, capital in zip(key, capitals, strict=False)
    ]
    written = "".join(
        f"%{ord(letter):02x}" if escape else letter
        for letter, escape in zip(letters, escapes, strict=False)
    )

    passed = strip_query(f"{before}{written}=CANARY{after}", STRIPPED)

    assert "CANARY" not in passed
    assert passed.startswith(before.rstrip("?&;#"))


@given(
    st.sampled_from(["https://", "HTTP://", "ftp://", "//", "custom+app://"]),
    st.sampled_from(
        ["CANARY@", "CANARY:pw@", "user:CANARY@", "u:p@CANARY@", quote("CANARY@") + "@"]
    ),
    st.sampled_from(["", "/", "/@somebody/post", "?q=a@b", "#a@b", "/p?gclid=1&q=2"]),
)
def test_user_and_password_go_from_urls(scheme: str, userinfo: str, rest: str) -> None:
    passed = strip_query(f"{scheme}{userinfo}host.example{rest}", STRIPPED)

    assert passed == f"{scheme}host.example{rest}".replace("gclid=1&", "")


@given(urls)
def test_the_rest_of_a_url_stays_letter_for_letter(url: str) -> None:
    """What is stripped is cut out; nothing is rewritten, nothing is added."""
    passed = iter(strip_query(url, STRIPPED))

    rest = iter(url)
    assert all(letter in rest for letter in passed)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/a?q=1&page=2#top",
        "https://shop.example/@somebody?mail=a@b",
        "https://shop.example/?a=1;b=2",
        "app://screen/home",
        "",
    ],
)
def test_a_url_without_identifiers_stays_as_it_is(url: str) -> None:
    assert strip_query(url, STRIPPED) == url


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*path, "*"))
    elif isinstance(value, dict):
        mapping: Mapping[str, Any] = value
        for key, item in mapping.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value
