"""Cross-navigation links: what `_sp` says, and that nothing else of a link changes (M3, A14)."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whiteout.enrich.urls import cross_navigation, split_url
from whiteout.errors import ConfigurationError
from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.protocol.cross_navigation import without_cross_navigation
from whiteout.tracker.link_decoration import (
    CrossDeviceParameterConfiguration,
    decorate,
    strip,
)

USER_ID = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01"
SESSION_ID = "1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12"
NOW_MS = 1_697_175_843_762
SOMEBODY = "abc.1697175843762.176ff68a"
LINK = "https://shop.example/cart"

NONE, SESSION = Anonymisation.NONE, Anonymisation.SESSION
LEVELS = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
REFUSING = [level for level in LEVELS if level & (Anonymisation.USER | Anonymisation.SERVER)]

ALL = CrossDeviceParameterConfiguration(
    session_id=True, subject_user_id=True, source_id=True, source_platform=True, reason="grün"
)
BARE = CrossDeviceParameterConfiguration(session_id=False, source_id=False)

# What URLs are made of, and what confuses whoever takes them apart.
WORDS = (
    "a b %20 %5F %255F _sp _s p sp= _sp= = & ; ? # / // : @ + . é 日 \ud800 %ff https:// "
    "mailto: _sp=abc.1 &_sp=abc.1 %5fsp=x &amp; _SP=1 %26_sp%3D1"
)
PIECES = st.sampled_from([*WORDS.split(), " ", ""])
URIS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30)


def decorated(uri: str = LINK, **more: Any) -> str | None:  # noqa: ANN401 - passed on
    known: dict[str, Any] = {
        "level": NONE,
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "now_ms": NOW_MS,
        "subject_user_id": "somebody@example.com",
        "app_id": "shop-desktop",
        "platform": "pc",
    }
    return decorate(uri, **known | more)


def value_of(uri: str | None) -> str | None:
    """The value of `_sp` as the pipeline reads it."""
    assert uri is not None
    return cross_navigation(split_url(uri).query or "")


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_link_says_user_time_session_and_app() -> None:
    assert decorated() == f"{LINK}?_sp={USER_ID}.{NOW_MS}.{SESSION_ID}..{b64('shop-desktop')}"


@pytest.mark.parametrize(
    ("wanted", "rest"),
    [
        ({}, ""),
        ({"session_id": True}, f".{SESSION_ID}"),
        ({"subject_user_id": True}, "..c29tZWJvZHlAZXhhbXBsZS5jb20"),
        ({"source_id": True}, "...c2hvcC1kZXNrdG9w"),
        ({"source_platform": True}, "....pc"),
        ({"reason": "grün"}, ".....Z3LDvG4"),
    ],
)
def test_each_part_stands_in_its_place_and_dots_at_the_end_are_left_out(
    wanted: dict[str, Any], rest: str
) -> None:
    chosen: dict[str, Any] = {"session_id": False, "source_id": False} | wanted
    uri = decorated(configuration=CrossDeviceParameterConfiguration(**chosen))

    assert value_of(uri) == f"{USER_ID}.{NOW_MS}{rest}"


def test_all_parts_at_once() -> None:
    value = value_of(decorated(configuration=ALL))

    assert value is not None
    assert value.split(".") == [
        USER_ID,
        str(NOW_MS),
        SESSION_ID,
        b64("somebody@example.com"),
        b64("shop-desktop"),
        "pc",
        b64("grün"),
    ]


def test_what_is_asked_for_but_not_there_is_empty() -> None:
    nothing: dict[str, Any] = {
        "session_id": None,
        "subject_user_id": None,
        "app_id": None,
        "platform": None,
    }

    assert value_of(decorated(configuration=ALL, **nothing)) == (
        f"{USER_ID}.{NOW_MS}.....{b64('grün')}"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LINK, f"{LINK}?NEW"),
        (f"{LINK}?", f"{LINK}?&NEW"),
        (f"{LINK}?a=1", f"{LINK}?a=1&NEW"),
        (f"{LINK}?b=2&a=1&b=1", f"{LINK}?b=2&a=1&b=1&NEW"),
        (f"{LINK}?a=1#top", f"{LINK}?a=1&NEW#top"),
        (f"{LINK}#top?x", f"{LINK}?NEW#top?x"),
        (f"{LINK}?_sp={SOMEBODY}", f"{LINK}?NEW"),
        (f"{LINK}?a=1&_sp={SOMEBODY}&b=2", f"{LINK}?a=1&b=2&NEW"),
        (f"{LINK}?_sp=x&a=1&_sp=y#f", f"{LINK}?a=1&NEW#f"),
        (f"{LINK}?%5Fsp={SOMEBODY}&a=%7e%2B+", f"{LINK}?a=%7e%2B+&NEW"),
        (f"{LINK};v=1?a=1;b=2;_sp=x", f"{LINK};v=1?a=1;b=2&NEW"),
        (f"{LINK}?a=1#/route?_sp=x&c=3", f"{LINK}?a=1&NEW#/route?c=3"),
        (f"{LINK}?to=https://other.example/?_sp=x", f"{LINK}?to=https://other.example/&NEW"),
        (f"{LINK}?my_sp=1&_spa=2&_SP=3", f"{LINK}?my_sp=1&_spa=2&_SP=3&NEW"),
        ("https://bücher.example/ü?q=日本", "https://bücher.example/ü?q=日本&NEW"),
        ("cart?a=1", "cart?a=1&NEW"),
        ("//cdn.example/x", "//cdn.example/x?NEW"),
        ("shop://open/cart?id=7", "shop://open/cart?id=7&NEW"),
        ("", "?NEW"),
    ],
)
def test_the_rest_of_a_link_stays_letter_for_letter(before: str, after: str) -> None:
    uri = decorated(before, configuration=BARE)

    assert uri == after.replace("NEW", f"_sp={USER_ID}.{NOW_MS}")


@pytest.mark.parametrize(
    "uri",
    ["mailto:a@shop.example?subject=hello", "tel:+4930", "data:text/html,x", "javascript:go()"],
)
def test_what_leads_to_no_page_is_not_decorated(uri: str) -> None:
    assert decorated(uri) == uri


@pytest.mark.parametrize("level", REFUSING)
def test_while_the_user_is_hidden_a_link_is_not_decorated(level: Anonymisation) -> None:
    assert decorated(f"{LINK}?a=1#top", level=level, configuration=ALL) == f"{LINK}?a=1#top"


@pytest.mark.parametrize("level", REFUSING)
def test_while_the_user_is_hidden_nobody_elses_identifier_is_passed_on(
    level: Anonymisation,
) -> None:
    """The gate takes `_sp` out of the links in events at the same levels."""
    assert decorated(f"{LINK}?_sp={SOMEBODY}&a=1", level=level) == f"{LINK}?a=1"


def test_A14_without_a_session_there_is_nothing_to_decorate_with() -> None:  # noqa: N802 - its id
    assert decorated(level=SESSION) is None


@pytest.mark.parametrize("user_id", [None, "", NULL_UUID])
def test_without_an_installation_there_is_nothing_to_decorate_with(user_id: str | None) -> None:
    assert decorated(user_id=user_id) is None


@pytest.mark.parametrize("level", [NONE, Anonymisation.FULL])
def test_a_uri_that_is_no_text_is_refused(level: Anonymisation) -> None:
    with pytest.raises(ConfigurationError, match="uri must be text, got a value of type bytes"):
        decorated(b"https://shop.example", level=level)  # type: ignore[arg-type] # what is tested


@pytest.mark.parametrize(
    "wrong", [{"session_id": 1}, {"source_platform": "pc"}, {"reason": 7}, {"source_id": None}]
)
def test_a_wrong_configuration_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        CrossDeviceParameterConfiguration(**wrong)


@given(URIS)
@example(f"{LINK}?&&_sp=&")
def test_decorating_twice_changes_only_the_time(uri: str) -> None:
    once = decorated(uri)
    assert once is not None

    twice = decorated(once, now_ms=NOW_MS + 1)

    assert twice is not None
    assert twice.replace(f".{NOW_MS + 1}.", f".{NOW_MS}.") == once


@given(URIS)
def test_taking_the_decoration_off_gives_back_the_link(uri: str) -> None:
    once = decorated(uri, configuration=ALL)
    assert once is not None

    assert strip(once) == strip(uri)
    assert strip(strip(uri)) == strip(uri)


@given(URIS)
def test_what_is_stripped_holds_nothing_that_the_pipeline_would_read(uri: str) -> None:
    stripped = strip(uri)

    assert without_cross_navigation(stripped) == stripped
    assert cross_navigation(stripped.partition("#")[0].partition("?")[2]) is None


@given(URIS.filter(lambda uri: "_sp" not in uri and "%" not in uri))
def test_a_link_without_the_parameter_is_left_alone(uri: str) -> None:
    assert strip(uri) == uri


@given(URIS, st.sampled_from(REFUSING), st.sampled_from([ALL, BARE]))
def test_no_identifier_is_in_a_link_while_the_user_is_hidden(
    uri: str, level: Anonymisation, configuration: CrossDeviceParameterConfiguration
) -> None:
    refused = decorated(uri, level=level, configuration=configuration)

    assert refused == strip(uri)


@given(
    URIS.filter(lambda uri: re.match("[a-z]*:", uri) is None),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_every_part_reads_back_as_it_was(
    uri: str, subject_user_id: str, app_id: str, reason: str
) -> None:
    wanted = CrossDeviceParameterConfiguration(
        session_id=True, subject_user_id=True, source_platform=True, reason=reason
    )

    once = decorated(uri, subject_user_id=subject_user_id, app_id=app_id, configuration=wanted)

    assert once is not None
    value = cross_navigation(once.partition("#")[0].partition("?")[2])
    assert value is not None
    parts = [*value.split("."), "", ""][:7]
    assert parts[:3] == [USER_ID, str(NOW_MS), SESSION_ID]
    texts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[3:5]]
    assert texts == [subject_user_id.encode(), app_id.encode()]
    assert parts[5] == "pc"
    assert base64.urlsafe_b64decode(parts[6] + "=" * (-len(parts[6]) % 4)) == reason.encode()
