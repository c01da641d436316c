"""What an opened event says of itself: its identifiers, and what stricter levels leave of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.window import CONTEXTS, UNSTRUCT, document

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.identifiers import IDENTIFIERS, NULL_UUID, Anonymisation, Request
from whiteout.web.entries import level_of, session_of
from whiteout.web.lens import LensRow, State, at_level, rows_of, stricter_levels
from whiteout.web.micro import enriched

LEAK = "c0ffee00-1234-4abc-9def-00000000dead"
USER, SESSION, SERVER = Anonymisation.USER, Anonymisation.SESSION, Anonymisation.SERVER
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
ENTITIES = [
    {
        "schema": f"{SNOWPLOW}/client_session/jsonschema/1-0-2",
        "data": {
            "userId": LEAK,
            "sessionId": LEAK,
            "previousSessionId": LEAK,
            "firstEventId": LEAK,
            "sessionIndex": 3,
            "eventIndex": 7,
        },
    },
    {
        "schema": f"{SNOWPLOW}/mobile_context/jsonschema/1-0-3",
        "data": {"osType": "ios", "appleIdfa": LEAK, "appleIdfv": LEAK},
    },
    {"schema": f"{SNOWPLOW}/geolocation_context/jsonschema/1-1-0", "data": {"latitude": 1.5}},
]
LINK = {"url": f"https://shop.example/?_sp={LEAK}.1&gclid={LEAK}&colour=red"}
BODY = {"schema": "iglu:com.snowplowanalytics.mobile/deep_link_received/jsonschema/1-0-0"}
TELLING = document(
    None,
    event_id="11111111-1111-4111-8111-111111111111",
    event="unstruct",
    user_id=LEAK,
    domain_userid=LEAK,
    domain_sessionid=LEAK,
    domain_sessionidx="4",
    network_userid=LEAK,
    user_ipaddress="198.51.100.7",
    user_fingerprint=LEAK,
    geo_city="Ghent",
    page_url=f"https://shop.example/a?_sp={LEAK}.1&gclid={LEAK}&colour=red",
    page_urlquery=f"_sp={LEAK}.1&gclid={LEAK}&colour=red",
    mkt_clickid=LEAK,
    mkt_network="Google",
    refr_domain_userid=LEAK,
    contexts=json.dumps({"schema": CONTEXTS, "data": ENTITIES}),
    unstruct_event=json.dumps({"schema": UNSTRUCT, "data": {**BODY, "data": LINK}}),
)


def lens(line: str, level: Anonymisation) -> dict[str, LensRow]:
    return {name: row for row in rows_of(enriched(line), level.value) for name in row.names}


def test_the_lens_has_every_identifier_of_the_table() -> None:
    assert lens(TELLING, USER & SESSION).keys() == {row.name for row in IDENTIFIERS}


def test_an_identified_event_shows_what_it_holds() -> None:
    found = lens(TELLING, Anonymisation.NONE)
    assert found["subject.user_id"].now.value == LEAK
    assert found["session.session_id"].now.value == LEAK
    assert found["platform.apple_idfa"].now.value == LEAK
    assert found["url.click_id"].now.value == "in page_url"
    assert found["collector.ip_address"].now.value == "198.51.100.7"
    assert found["platform.android_idfa"].now.state is State.ABSENT


@pytest.mark.parametrize("bits", stricter_levels(0))
def test_each_stricter_level_shows_what_the_table_says(bits: int) -> None:
    level = Anonymisation(bits)
    found = lens(TELLING, Anonymisation.NONE)
    for identifier in IDENTIFIERS:
        row = found[identifier.name]
        shares_place = any(
            other.name in row.names and isinstance(other.location, Request)
            for other in IDENTIFIERS
            if other is not identifier
        )
        if row.now.state is not State.PRESENT or shares_place:
            continue
        hidden = identifier.masked_at(level) is not None
        assert (row.at[bits].state is not State.PRESENT) == hidden, identifier.name


@pytest.mark.parametrize("bits", stricter_levels(0))
def test_an_event_made_stricter_is_of_that_level(bits: int) -> None:
    event = at_level(enriched(TELLING), Anonymisation(bits))
    assert level_of(event.fields, session_of(event.contexts)).value == bits


def test_of_a_full_event_no_identifier_is_left() -> None:
    text = json.dumps(at_level(enriched(TELLING), Anonymisation.FULL).json_object())
    for secret in (LEAK, "198.51.100.7", "Ghent"):
        assert secret not in text
    assert NULL_UUID in text
    assert "colour=red" in text  # what names nobody stays


def test_session_tracking_keeps_the_session_and_hides_the_user() -> None:
    row = lens(TELLING, Anonymisation.NONE)
    assert row["session.user_id"].at[USER.value].value == "null UUID"
    assert row["session.previous_session_id"].at[USER.value].value == "null"
    assert row["session.session_id"].at[USER.value].value == LEAK


def test_a_full_event_has_no_stricter_level() -> None:
    assert stricter_levels(Anonymisation.FULL.value) == []
    assert stricter_levels(USER.value) == [3, 5, 7]


@given(
    st.dictionaries(
        st.sampled_from([column.name for column in ATOMIC_COLUMNS if column.type == "string"]),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=40),
        max_size=12,
    ),
    st.sampled_from([*stricter_levels(0)]),
)
def test_a_level_changes_nothing_that_it_has_changed(columns: dict[str, str], bits: int) -> None:
    once = at_level(enriched(document(1, "Cart", **columns)), Anonymisation(bits))
    twice = at_level(once, Anonymisation(bits))
    assert twice == once
